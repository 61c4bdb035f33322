"""Drivers: one file and one class for each protocol; device types are data in `profiles/`."""

from __future__ import annotations

from drivers.modbus import ModbusDriver

DRIVERS = {"modbus": ModbusDriver}  # by a profile's `protocol`

__all__ = ["DRIVERS", "ModbusDriver"]
