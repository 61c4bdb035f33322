"""Drivers: one file and one class for each protocol; device types are data in `profiles/`.

`DRIVERS` (a profile's `protocol` -> driver class) is made when it is first asked for: a camera's decoder process
imports this package too and needs none of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from drivers.modbus import ModbusDriver

    DRIVERS: dict[str, type[ModbusDriver]]


def __getattr__(name: str) -> dict[str, type[ModbusDriver]]:
    if name != "DRIVERS":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from drivers.modbus import ModbusDriver

    return {"modbus": ModbusDriver}
