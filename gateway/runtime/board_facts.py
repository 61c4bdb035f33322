"""What the computer says of itself: disk and its mount, wear, power, heat, watchdog, clock chip, who has a port open.

Everything is read from files under `root`, so that a folder of files can stand for another computer. What a computer does not tell is None.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path("/")
THROTTLED = ("soc*/*firmware*/get_throttled", "*firmware*/get_throttled")  # Raspberry Pi; the folder's name differs by model
# bits 0 to 3: now, 16 to 19: since it was switched on; under-voltage, frequency capped, throttled, soft temperature limit
_UNDER_VOLTAGE, _THROTTLED = 1 << 0 | 1 << 16, 1 << 1 | 1 << 2 | 1 << 3 | 1 << 17 | 1 << 18 | 1 << 19
_ESCAPED = re.compile(r"\\([0-7]{3})")  # a blank in /proc/mounts


@dataclass(frozen=True, slots=True)
class Mount:
    """Where a folder lies. device: as mounted; kind: the file system; options: as in /proc/mounts."""

    device: str
    folder: str
    kind: str
    options: tuple[str, ...]

    @property
    def read_only(self) -> bool:
        """True when nothing can be written, also where the kernel made it so after an error."""
        return "ro" in self.options


@dataclass(frozen=True, slots=True)
class Disk:
    """The disk beneath a folder. free_bytes: for who is not root; errors: that the file system has counted, None where it counts none.

    slack: mount options under which a power cut may lose what was written.
    """

    mount: Mount | None
    free_bytes: int
    size_bytes: int
    free_files: int
    files: int
    errors: int | None
    slack: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Card:
    """An SD card or eMMC. used_ratio: of its life as it says itself, None where it does not (most SD cards); end_near: its own warning."""

    name: str
    kind: str
    used_ratio: float | None
    end_near: bool | None


@dataclass(frozen=True, slots=True)
class BoardFacts:
    """One look at a computer. Temperatures in degrees Celsius; None: it does not say.

    under_voltage, throttled: since it was switched on. clock_chip: name of the real-time clock, '' for none.
    """

    model: str
    system: str
    kernel: str
    up_s: float | None
    memory_bytes: int | None
    memory_available_bytes: int | None
    disk: Disk
    cards: tuple[Card, ...]
    under_voltage: bool | None
    throttled: bool | None
    temperature_c: float | None
    watchdog: str
    clock_chip: str

    def as_json(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


def look(folder: Path, root: Path = ROOT) -> BoardFacts:
    """All facts. folder: the one whose disk counts, as an absolute path within root."""
    throttled = _hex(*(file for name in THROTTLED for file in sorted((root / "sys/devices/platform").glob(name))))
    memory = _table(root / "proc/meminfo")
    return BoardFacts(
        model=_model(root),
        system=_os_release(root).get("PRETTY_NAME", ""),
        kernel=_text(root / "proc/sys/kernel/osrelease"),
        up_s=_number(_text(root / "proc/uptime").partition(" ")[0]),
        memory_bytes=_kilobytes(memory.get("MemTotal")),
        memory_available_bytes=_kilobytes(memory.get("MemAvailable")),
        disk=disk_of(folder, root),
        cards=tuple(_cards(root)),
        under_voltage=_under_voltage(root) if throttled is None else bool(throttled & _UNDER_VOLTAGE),
        throttled=_slowed(root) if throttled is None else bool(throttled & _THROTTLED),
        temperature_c=max(_temperatures(root), default=None),
        watchdog=_watchdog(root),
        clock_chip=_text(root / "sys/class/rtc/rtc0/name"),
    )


# --- disk ---------------------------------------------------------------------------------------


def mounts(root: Path = ROOT) -> list[Mount]:
    """Everything that is mounted, in the order of mounting."""
    rows = (line.split() for line in _text(root / "proc/mounts").splitlines())
    return [Mount(_plain(row[0]), _plain(row[1]), row[2], tuple(row[3].split(","))) for row in rows if len(row) >= 4]


def disk_of(folder: Path, root: Path = ROOT) -> Disk:
    """The disk beneath `folder`, an absolute path within root."""
    mount = mount_of(folder, mounts(root))
    within = root / str(folder).lstrip("/")
    while not within.exists() and within != root:
        within = within.parent
    space = os.statvfs(within)
    return Disk(
        mount=mount,
        free_bytes=space.f_bavail * space.f_frsize,
        size_bytes=space.f_blocks * space.f_frsize,
        free_files=space.f_favail,
        files=space.f_files,
        errors=_errors(mount, root),
        slack=() if mount is None else tuple(option for option in mount.options if _is_slack(option, mount.kind)),
    )


def mount_of(folder: Path, known: list[Mount]) -> Mount | None:
    """The mount on which a folder lies: the longest of those above it, the newest of two on one place."""
    above = [mount for mount in known if folder.is_relative_to(mount.folder)]
    return max(reversed(above), key=lambda mount: len(mount.folder), default=None)


def _is_slack(option: str, kind: str) -> bool:
    """data=writeback may leave old blocks in new files; without barriers a disk's own cache is not made safe."""
    return option in ("data=writeback", "nobarrier", "barrier=0") or (kind == "f2fs" and option in ("fsync_mode=nobarrier", "nobarrier"))


def _errors(mount: Mount | None, root: Path) -> int | None:
    if mount is None or not mount.device.startswith("/dev/"):
        return None
    number = _number(_text(root / "sys/fs" / mount.kind / Path(mount.device).name / "errors_count"))
    return None if number is None else int(number)


def _cards(root: Path) -> Iterator[Card]:
    for folder in sorted((root / "sys/block").glob("mmcblk*")):
        if not re.fullmatch(r"mmcblk\d+", folder.name):
            continue
        used = [int(word, 16) for word in _text(folder / "device/life_time").split() if re.fullmatch(r"0x[0-9a-fA-F]+", word)]
        used = [each for each in used if each]  # 0: it does not say
        end = _hex(folder / "device/pre_eol_info")
        # each step is a tenth of its life; 0x0b: beyond it (JESD84-B51, EXT_CSD 268 and 269). 1: normal, 2 and 3: near the end (267)
        yield Card(folder.name, _text(folder / "device/type") or "MMC", min(max(used), 11) / 10 if used else None, end > 1 if end else None)


# --- power, heat, watchdog ----------------------------------------------------------------------


def _under_voltage(root: Path) -> bool | None:
    """By the kernel's monitor; Raspberry Pi: rpi_volt."""
    for monitor in _monitors(root):
        if _text(monitor / "name") == "rpi_volt":
            alarm = _number(_text(monitor / "in0_lcrit_alarm"))
            return None if alarm is None else bool(alarm)
    return None


def _slowed(root: Path) -> bool | None:
    """By the counters of a Jetson: over-current events since it was switched on."""
    counts = [_number(_text(file)) for monitor in _monitors(root) for file in sorted(monitor.glob("oc*_event_cnt"))]
    known = [count for count in counts if count is not None]
    return any(known) if known else None


def _monitors(root: Path) -> list[Path]:
    return sorted((root / "sys/class/hwmon").glob("hwmon*"))


def _temperatures(root: Path) -> Iterator[float]:
    """Degrees Celsius; a zone that is switched off cannot be read."""
    for file in sorted((root / "sys/class/thermal").glob("thermal_zone*/temp")):
        milli = _number(_text(file))
        if milli is not None and -40_000 < milli < 200_000:
            yield milli / 1000


def _watchdog(root: Path) -> str:
    """Name of the hardware watchdog; '' where there is none, or only one made of software."""
    for folder in sorted((root / "sys/class/watchdog").glob("watchdog*")):
        name = _text(folder / "identity") or folder.name
        if "software" not in name.lower():
            return name
    if (root / "sys/class/watchdog").is_dir():
        return ""
    return "watchdog" if (root / "dev/watchdog").exists() else ""


def _model(root: Path) -> str:
    for name in ("proc/device-tree/model", "sys/class/dmi/id/product_name"):
        if found := _text(root / name).strip("\0 "):
            return found
    return ""


def _os_release(root: Path) -> dict[str, str]:
    rows = (line.partition("=") for line in _text(root / "etc/os-release").splitlines())
    return {name: value.strip('"') for name, _, value in rows}


# --- processes ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Files:
    """Open files of a process, and how many it may have; None where that cannot be read (another user's)."""

    open: int | None
    most: int | None


def files_of(pid: int, root: Path = ROOT) -> Files:
    """Files of one process."""
    found = re.search(r"^Max open files\s+(\d+)", _text(root / f"proc/{pid}/limits"), re.MULTILINE)
    try:
        count: int | None = len(os.listdir(root / f"proc/{pid}/fd"))
    except OSError:
        count = None
    return Files(count, int(found.group(1)) if found else None)


def who_has_open(path: Path, root: Path = ROOT) -> list[tuple[int, str]]:
    """(process id, name) of each process that has this file open, as far as this user may see."""
    wanted = os.path.realpath(path)
    found = []
    for folder in (root / "proc").glob("[0-9]*"):
        with suppress(OSError), os.scandir(folder / "fd") as entries:
            if any(_points_to(entry.path, wanted) for entry in entries):
                found.append((int(folder.name), _text(folder / "comm")))
    return sorted(found)


def _points_to(link: str, wanted: str) -> bool:
    with suppress(OSError):
        return os.readlink(link) == wanted
    return False


# --- reading ------------------------------------------------------------------------------------


def _text(file: Path) -> str:
    """What is in a small file; '' where it cannot be read."""
    try:
        return file.read_text(errors="replace").strip()
    except OSError:
        return ""


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _hex(*files: Path) -> int | None:
    """The first that can be read: hexadecimal, with or without 0x."""
    for file in files:
        with suppress(ValueError):
            return int(_text(file), 16)
    return None


def _table(file: Path) -> dict[str, str]:
    rows = (line.partition(":") for line in _text(file).splitlines())
    return {name: value.strip() for name, _, value in rows}


def _kilobytes(text: str | None) -> int | None:
    number = _number((text or "").removesuffix("kB"))
    return None if number is None else round(number * 1024)


def _plain(text: str) -> str:
    return _ESCAPED.sub(lambda match: chr(int(match.group(1), 8)), text)
