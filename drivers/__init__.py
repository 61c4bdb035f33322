"""Drivers: one class for each protocol; device types are data in `profiles/`.

`DRIVERS[protocol]` is the driver class, imported when it is first asked for: a camera's decoder process imports this
package too and needs none of them, and a site without readers loads no reader's driver.
"""

from __future__ import annotations

import importlib
from typing import Any

_CLASSES = {
    "modbus": "ModbusDriver",
    "frames": "FramesDriver",
    "osdp": "OsdpDriver",
    "gpio": "GpioDriver",
}


class _Drivers(dict[str, Any]):
    def __missing__(self, protocol: str) -> Any:
        found = getattr(importlib.import_module(f"drivers.{protocol}"), _CLASSES[protocol])
        self[protocol] = found
        return found


DRIVERS = _Drivers()
