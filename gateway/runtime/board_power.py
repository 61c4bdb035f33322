"""Power, heat and the hardware watchdog, as a Raspberry Pi, a Jetson or a PC tells them. What a computer does not tell is None."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from gateway.runtime.board_read import hexadecimal, number, text

THROTTLED = ("soc*/*firmware*/get_throttled", "*firmware*/get_throttled")  # Raspberry Pi; the folder's name differs by model
# bits 0 to 3: now, 16 to 19: since it was switched on; under-voltage, frequency capped, throttled, soft temperature limit
_UNDER_VOLTAGE, _THROTTLED = 1 << 0 | 1 << 16, 1 << 1 | 1 << 2 | 1 << 3 | 1 << 17 | 1 << 18 | 1 << 19
SYSTEMD = ("usr/lib/systemd", "run/systemd", "etc/systemd")  # later ones win


def under_voltage(root: Path) -> bool | None:
    """Whether the supply was too low: since it was switched on (firmware of a Pi, counter of a Jetson), or in the last 2 s (rpi_volt).

    Source of the last: drivers/hwmon/raspberrypi-hwmon.c clears the firmware's memory each 2 s; what it saw is in the kernel's log.
    """
    if (bits := _firmware(root)) is not None:
        return bool(bits & _UNDER_VOLTAGE)
    for monitor in _monitors(root):
        name = text(monitor / "name")
        counted = number(text(monitor / ("in0_lcrit_alarm" if name == "rpi_volt" else "oc1_event_cnt")))
        if name in ("rpi_volt", "soctherm_oc") and counted is not None:
            return counted > 0
    return None


def throttled(root: Path) -> bool | None:
    """Whether it has slowed itself down since it was switched on.

    Of a Jetson the average over-current (oc2) counts; the momentary one (oc3) goes up under any load and means nothing is wrong.
    """
    if (bits := _firmware(root)) is not None:
        return bool(bits & _THROTTLED)
    counted = [number(text(monitor / "oc2_event_cnt")) for monitor in _monitors(root)]
    known = [count for count in counted if count is not None]
    return any(known) if known else None


def temperature_c(root: Path) -> float | None:
    """Of the hottest zone that can be read, degrees Celsius; one that is switched off cannot."""
    return max((found for zone in _zones(root) if (found := _celsius(zone / "temp")) is not None), default=None)


def passive_c(root: Path) -> float | None:
    """Where the kernel begins to slow the processor down: the lowest passive trip point that is set, degrees Celsius."""
    trips = (file for zone in _zones(root) for file in zone.glob("trip_point_*_type") if text(file) == "passive")
    return min(
        (found for file in trips if (found := _celsius(file.with_name(file.name.replace("_type", "_temp")))) is not None and found > 0),
        default=None,
    )


def watchdog(root: Path) -> str:
    """Name of the hardware watchdog; '' where there is none, or only one made of software."""
    if (folder := _watchdog(root)) is not None:
        return text(folder / "identity") or folder.name
    if (root / "sys/class/watchdog").is_dir():
        return ""
    return "watchdog" if (root / "dev/watchdog").exists() else ""


def watchdog_armed(root: Path) -> bool | None:
    """Whether somebody feeds it: by the watchdog itself, or by the settings of systemd. None: it cannot be known."""
    folder = _watchdog(root)
    state = text(folder / "state") if folder is not None else ""
    if state in ("active", "inactive"):
        return state == "active"
    asked = [words for file in _system_conf(root) for words in re.findall(r"(?m)^RuntimeWatchdogSec=(\S*)", text(file))]
    return asked[-1] not in ("", "0", "off", "infinity") if asked else None


def _system_conf(root: Path) -> Iterator[Path]:
    yield root / "etc/systemd/system.conf"
    named = {file.name: file for folder in SYSTEMD for file in sorted((root / folder / "system.conf.d").glob("*.conf"))}
    yield from (named[name] for name in sorted(named))


def _watchdog(root: Path) -> Path | None:
    folders = sorted((root / "sys/class/watchdog").glob("watchdog*"))
    return next((folder for folder in folders if "software" not in text(folder / "identity").lower()), None)


def _firmware(root: Path) -> int | None:
    return hexadecimal(*(file for name in THROTTLED for file in sorted((root / "sys/devices/platform").glob(name))))


def _monitors(root: Path) -> list[Path]:
    return sorted((root / "sys/class/hwmon").glob("hwmon*"))


def _zones(root: Path) -> list[Path]:
    return sorted((root / "sys/class/thermal").glob("thermal_zone*"))


def _celsius(file: Path) -> float | None:
    milli = number(text(file))
    return milli / 1000 if milli is not None and -40_000 < milli < 200_000 else None
