"""Reads a site file as plain data: which buses, devices, points and cameras a school has.

Only what the simulated field needs, and no judgement on the rest: the gateway is the one that checks site files. A board's own
contacts (gpio) hang on no wire: such buses are left out, and said to be.
"""

from __future__ import annotations

import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simulators.errors import SimError
from simulators.library import AnyProfile, load_any
from simulators.profiles import OWN_FOLDER

ON_TCP = ("tcp", "rtu-tcp", "raw-tcp")
ON_A_LINE = ("rtu", "ascii", "serial", "osdp")


@dataclass(frozen=True, slots=True)
class BusPlan:
    """A shared wire. TCP: host and port. Serial: link (where the pty appears) and its settings."""

    id: str
    transport: str  # one of ON_TCP or ON_A_LINE
    host: str = ""
    port: int = 0
    link: Path | None = None
    baud: int = 9600
    parity: str = "N"
    stop_bits: int = 1


@dataclass(frozen=True, slots=True)
class DevicePlan:
    """One address on a bus. key_file: of an OSDP reader."""

    id: str
    bus: str
    unit: int
    profile: AnyProfile
    key_file: Path | None = None


@dataclass(frozen=True, slots=True)
class PointPlan:
    """A signal put to use. normally_closed: the contact is broken to give alarm."""

    id: str
    role: str
    device: str
    signal: str
    normally_closed: bool = False


@dataclass(frozen=True, slots=True)
class CameraPlan:
    """A camera stream."""

    id: str
    url: str


@dataclass(frozen=True, slots=True)
class PathPlan:
    """A way to a broker, as the gateway is told of it."""

    id: str
    url: str


@dataclass(frozen=True, slots=True)
class SitePlan:
    """What a simulated school has to play."""

    path: Path
    id: str
    name: str
    buses: tuple[BusPlan, ...]
    devices: tuple[DevicePlan, ...]
    points: tuple[PointPlan, ...]
    cameras: tuple[CameraPlan, ...]
    paths: tuple[PathPlan, ...] = ()


def read_site(path: Path, profiles: Path | None = None) -> SitePlan:
    """The school of a site file. Serial `device` paths and `profile_dirs` are relative to the file.

    Profiles: the folder given, else the one shipped beside this package; then those of the site file. SimError says what is wrong.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SimError(f"{path}: {error}") from error
    here = path.resolve().parent
    try:
        folders = [profiles or OWN_FOLDER, *(here / folder for folder in data.get("profile_dirs", ()))]
        return _plan(path, here, data, folders)
    except KeyError as error:
        raise SimError(f"{path}: {error.args[0]!r} is missing") from error
    except (TypeError, ValueError, AttributeError) as error:
        raise SimError(f"{path}: {error}") from error


def _plan(path: Path, here: Path, data: dict[str, Any], folders: list[Path]) -> SitePlan:
    buses = {bus["id"]: bus for bus in data.get("buses", ())}
    boards = {bus["id"] for bus in buses.values() if bus["transport"] == "gpio"}
    for board in boards:
        print(f"bus {board} is not simulated: a board's own contacts hang on no wire", file=sys.stderr, flush=True)
        del buses[board]
    left_out, devices = set(), []
    for entry in data.get("devices", ()):
        if entry["bus"] in boards:
            left_out.add(entry["id"])
            continue
        if entry["bus"] not in buses:
            raise ValueError(f"device {entry['id']} is on the bus {entry['bus']!r}, which is not there")
        devices.append(_device(entry, here, folders))
    _refuse_twins([device.id for device in devices], "device")
    _refuse_twins([f"{device.unit} on bus {device.bus}" for device in devices], "unit")
    known = {device.id: device.profile.signals for device in devices}
    points = []
    for entry in data.get("points", ()):
        if "device" not in entry or entry["device"] in left_out:
            continue  # a camera's, or a board's
        if entry["signal"] not in known.get(entry["device"], {}):
            raise ValueError(f"point {entry['id']}: device {entry['device']!r} has no signal {entry['signal']!r}")
        closed = entry.get("normally", "open") == "closed"
        points.append(PointPlan(entry["id"], entry.get("role", ""), entry["device"], entry["signal"], closed))
    return SitePlan(
        path=path,
        id=data["site"]["id"],
        name=data["site"].get("name", ""),
        buses=tuple(_bus(bus, here, [d.profile for d in devices if d.bus == bus["id"]]) for bus in buses.values()),
        devices=tuple(devices),
        points=tuple(points),
        cameras=tuple(CameraPlan(camera["id"], camera["url"]) for camera in data.get("cameras", ())),
        paths=tuple(PathPlan(path.get("id", "main"), path["url"]) for path in data.get("uplink", {}).get("paths", ())),
    )


def _device(entry: dict[str, Any], here: Path, folders: list[Path]) -> DevicePlan:
    profile = load_any(entry["profile"], folders, entry.get("address_offset", 0))
    key_file = here / entry["key_file"] if entry.get("key_file") else None
    return DevicePlan(entry["id"], entry["bus"], entry.get("unit", profile.unit), profile, key_file)


def _bus(entry: dict[str, Any], here: Path, profiles: list[AnyProfile]) -> BusPlan:
    """A bus; serial settings that it leaves out come from its first device."""
    if entry["transport"] in ON_TCP:
        return BusPlan(entry["id"], entry["transport"], host=entry["host"], port=entry.get("port", 502))
    if entry["transport"] not in ON_A_LINE:
        raise ValueError(f"bus {entry['id']}: transport {entry['transport']!r} is unknown")
    first = profiles[0] if profiles else None
    return BusPlan(
        entry["id"],
        entry["transport"],
        link=here / entry["device"],
        baud=entry.get("baud") or (first.baud if first else 9600),
        parity=entry.get("parity") or (first.parity if first else "N"),
        stop_bits=entry.get("stop_bits") or (first.stop_bits if first else 1),
    )


def _refuse_twins(names: list[str], what: str) -> None:
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{what} {name} is there twice")
