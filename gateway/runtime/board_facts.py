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

from gateway.runtime import board_power
from gateway.runtime.board_read import hexadecimal, kilobytes, number, table, text
from gateway.runtime.board_setup import Setup, setup

ROOT = Path("/")
IN_MEMORY = frozenset({"tmpfs", "ramfs"})
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

    slack: mount options under which a power cut may lose what was written; vanishes: what is written lies in memory only, also where a
    read-only system is made writable by an overlay; None: it cannot be known.
    """

    mount: Mount | None
    free_bytes: int
    size_bytes: int
    free_files: int
    files: int
    errors: int | None
    slack: tuple[str, ...]
    vanishes: bool | None


@dataclass(frozen=True, slots=True)
class Card:
    """An SD card or eMMC. used_ratio: of its life as it says itself, None where it does not (most SD cards); end_near: its own warning.

    maker, made: as the card says, e.g. "0x000003 SC32G" and "08/2021"; cid: its number, unique in the world.
    """

    name: str
    kind: str
    used_ratio: float | None
    end_near: bool | None
    maker: str = ""
    made: str = ""
    cid: str = ""


@dataclass(frozen=True, slots=True)
class BoardFacts:
    """One look at a computer. Temperatures in degrees Celsius; None: it does not say.

    under_voltage, throttled: since it was switched on, where it tells that. passive_c: where the kernel slows the processor down.
    watchdog: name of the hardware's, '' for none; watchdog_armed: whether somebody feeds it. clock_chip: name of the real-time clock,
    '' for none.
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
    passive_c: float | None
    watchdog: str
    watchdog_armed: bool | None
    clock_chip: str
    setup: Setup

    def as_json(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


def look(folder: Path, root: Path = ROOT) -> BoardFacts:
    """All facts. folder: the one whose disk counts, as an absolute path within root."""
    memory = table(root / "proc/meminfo")
    return BoardFacts(
        model=_model(root),
        system=_os_release(root).get("PRETTY_NAME", ""),
        kernel=text(root / "proc/sys/kernel/osrelease"),
        up_s=number(text(root / "proc/uptime").partition(" ")[0]),
        memory_bytes=kilobytes(memory.get("MemTotal")),
        memory_available_bytes=kilobytes(memory.get("MemAvailable")),
        disk=disk_of(folder, root),
        cards=tuple(_cards(root)),
        under_voltage=board_power.under_voltage(root),
        throttled=board_power.throttled(root),
        temperature_c=board_power.temperature_c(root),
        passive_c=board_power.passive_c(root),
        watchdog=board_power.watchdog(root),
        watchdog_armed=board_power.watchdog_armed(root),
        clock_chip=text(root / "sys/class/rtc/rtc0/name"),
        setup=setup(root),
    )


# --- disk ---------------------------------------------------------------------------------------


def mounts(root: Path = ROOT) -> list[Mount]:
    """Everything that is mounted, in the order of mounting."""
    rows = (line.split() for line in text(root / "proc/mounts").splitlines())
    return [Mount(_plain(row[0]), _plain(row[1]), row[2], tuple(row[3].split(","))) for row in rows if len(row) >= 4]


def disk_of(folder: Path, root: Path = ROOT) -> Disk:
    """The disk beneath `folder`, an absolute path within root."""
    known = mounts(root)
    mount = mount_of(folder, known)
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
        vanishes=_vanishes(mount, known),
    )


def _vanishes(mount: Mount | None, known: list[Mount]) -> bool | None:
    if mount is None:
        return None
    if mount.kind != "overlay":
        return mount.kind in IN_MEMORY
    upper = next((option.partition("=")[2] for option in mount.options if option.startswith("upperdir=")), "")
    beneath = mount_of(Path(upper), known) if upper else None
    return None if beneath is None or beneath.kind == "overlay" else beneath.kind in IN_MEMORY


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
    counted = number(text(root / "sys/fs" / mount.kind / Path(mount.device).name / "errors_count"))
    return None if counted is None else int(counted)


def _cards(root: Path) -> Iterator[Card]:
    for folder in sorted((root / "sys/block").glob("mmcblk*")):
        if not re.fullmatch(r"mmcblk\d+", folder.name):
            continue
        used = [int(word, 16) for word in text(folder / "device/life_time").split() if re.fullmatch(r"0x[0-9a-fA-F]+", word)]
        used = [each for each in used if each]  # 0: it does not say
        end = hexadecimal(folder / "device/pre_eol_info")
        # each step is a tenth of its life; 0x0b: beyond it (JESD84-B51, EXT_CSD 268 and 269). 1: normal, 2 and 3: near the end (267)
        told = folder / "device"
        yield Card(
            name=folder.name,
            kind=text(told / "type") or "MMC",
            used_ratio=min(max(used), 11) / 10 if used else None,
            end_near=end > 1 if end else None,
            maker=" ".join(filter(None, (text(told / "manfid"), text(told / "name")))),
            made=text(told / "date"),
            cid=text(told / "cid"),
        )


def _model(root: Path) -> str:
    for name in ("proc/device-tree/model", "sys/class/dmi/id/product_name"):
        if found := text(root / name).strip("\0 "):
            return found
    return ""


def _os_release(root: Path) -> dict[str, str]:
    rows = (line.partition("=") for line in text(root / "etc/os-release").splitlines())
    return {name: value.strip('"') for name, _, value in rows}


# --- processes ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Files:
    """Open files of a process, and how many it may have; None where that cannot be read (another user's)."""

    open: int | None
    most: int | None


def files_of(pid: int, root: Path = ROOT) -> Files:
    """Files of one process."""
    found = re.search(r"^Max open files\s+(\d+)", text(root / f"proc/{pid}/limits"), re.MULTILINE)
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
                found.append((int(folder.name), text(folder / "comm")))
    return sorted(found)


def _points_to(link: str, wanted: str) -> bool:
    with suppress(OSError):
        return os.readlink(link) == wanted
    return False


def _plain(words: str) -> str:
    return _ESCAPED.sub(lambda match: chr(int(match.group(1), 8)), words)
