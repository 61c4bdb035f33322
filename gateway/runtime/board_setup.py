"""How the system is set up, as far as it decides whether alarms survive: clock, memory limits, swap, consoles, the kernel's log."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gateway.runtime.board_read import number, text

TIME_SERVICES = {"systemd-timesyn": "systemd-timesyncd", "chronyd": "chrony", "ntpd": "ntpd"}  # /proc/PID/comm has 15 characters
LOG_MOST_RECORDS = 20_000
_RECORD = re.compile(r"^(?:\d+,\d+,\d+,[^;]*;|<\d+>)?(.*)$")
_IO_ERROR = re.compile(
    r"I/O error(?!.*dev (?:fd|sr|loop)\d)|EXT4-fs error|mmc\d+: .*(?:error|timeout waiting)|critical medium error|Medium Error"
)
_UNDER_VOLTAGE = re.compile(r"Under-?voltage detected", re.IGNORECASE)
_READ_ONLY = re.compile(r"[Rr]emounting filesystem read-only")


@dataclass(frozen=True, slots=True)
class KernelLog:
    """Lines of the kernel since it was started, as many as it has kept."""

    io_errors: int
    under_voltage: int
    made_read_only: int


@dataclass(frozen=True, slots=True)
class Setup:
    """What is set up and what is not. None: it cannot be known from here.

    clock_battery_v: of the clock chip, volts; clock_chip_off_s: how far it is from the system's time, seconds; time_service: what sets
    the system's time, '' for nothing; root_kind, root_read_only: the file system of /; memory_limits: whether limits of units work;
    card_swap: swap on an SD card or eMMC; consoles: devices on which the kernel speaks; entropy_bits: of the kernel's random source;
    zone: time zone of the system, '' where it is not known.
    """

    clock_battery_v: float | None
    clock_chip_off_s: float | None
    time_service: str
    root_kind: str
    root_read_only: bool | None
    memory_limits: bool | None
    card_swap: tuple[str, ...]
    consoles: tuple[str, ...]
    entropy_bits: int | None
    zone: str
    kernel_log: KernelLog | None


def setup(root: Path) -> Setup:
    """All of it."""
    mounts = [line.split() for line in text(root / "proc/mounts").splitlines()]
    top = next((row for row in reversed(mounts) if len(row) >= 4 and row[1] == "/"), None)
    microvolts = number(text(root / "sys/class/rtc/rtc0/battery_voltage"))  # drivers/rtc/rtc-rpi.c; other chips do not say
    entropy = number(text(root / "proc/sys/kernel/random/entropy_avail"))
    return Setup(
        clock_battery_v=None if microvolts is None else microvolts / 1e6,
        clock_chip_off_s=_clock_chip_off_s(root),
        time_service=_time_service(root),
        root_kind=top[2] if top else "",
        root_read_only="ro" in top[3].split(",") if top else None,
        memory_limits=_memory_limits(root),
        card_swap=tuple(_card_swap(root, mounts)),
        consoles=tuple(_consoles(root)),
        entropy_bits=None if entropy is None else int(entropy),
        zone=_zone(root),
        kernel_log=_kernel_log(root / "dev/kmsg"),
    )


def _clock_chip_off_s(root: Path) -> float | None:
    """By the kernel's own figures, so that a folder of files has a time of its own: when it was started, and how long ago that is."""
    chip = number(text(root / "sys/class/rtc/rtc0/since_epoch"))
    started = re.search(r"(?m)^btime (\d+)$", text(root / "proc/stat"))
    up_s = number(text(root / "proc/uptime").partition(" ")[0])
    if chip is None or started is None or up_s is None:
        return None
    return round(chip - int(started.group(1)) - up_s, 1)


def _time_service(root: Path) -> str:
    names = (text(file) for file in (root / "proc").glob("[0-9]*/comm"))
    return next((TIME_SERVICES[name] for name in names if name in TIME_SERVICES), "")


def _memory_limits(root: Path) -> bool | None:
    """Of the unified tree (a newer kernel of a Raspberry Pi has no row in /proc/cgroups even where it works), else of the older one."""
    if unified := text(root / "sys/fs/cgroup/cgroup.controllers"):
        return "memory" in unified.split()
    rows = [line.split() for line in text(root / "proc/cgroups").splitlines()]
    found = [row for row in rows if len(row) == 4 and row[0] == "memory"]
    return found[0][3] == "1" if found else (False if rows else None)


def _card_swap(root: Path, mounts: list[list[str]]) -> Iterator[str]:
    """Partitions of a card, and files on one. Swap in compressed memory (zram) wears nothing."""
    for line in text(root / "proc/swaps").splitlines()[1:]:
        name = line.split()[0]
        holder = max(
            (row for row in mounts if len(row) >= 2 and Path(name).is_relative_to(row[1])), key=lambda row: len(row[1]), default=[""]
        )
        device = name if name.startswith("/dev/") else holder[0]
        if Path(device).name.startswith("mmcblk"):
            yield name


def _consoles(root: Path) -> Iterator[str]:
    """As /dev names; the screen (tty0, tty1) is no wire."""
    for name in text(root / "sys/class/tty/console/active").split():
        if not re.fullmatch(r"tty\d*", name):
            yield f"/dev/{name}"


def _zone(root: Path) -> str:
    try:
        target = os.readlink(root / "etc/localtime")
    except OSError:
        return text(root / "etc/timezone")
    return target.partition("zoneinfo/")[2] or text(root / "etc/timezone")


def _kernel_log(file: Path) -> KernelLog | None:
    lines = list(_records(file))
    if not lines:
        return None  # it may not be read by this user, or this computer keeps none
    counts = [sum(bool(pattern.search(line)) for line in lines) for pattern in (_IO_ERROR, _UNDER_VOLTAGE, _READ_ONLY)]
    return KernelLog(*counts)


def _records(file: Path) -> Iterator[str]:
    """Lines of /dev/kmsg: one record for each read, the end is told by EAGAIN, one that was overwritten meanwhile by EPIPE."""
    try:
        handle = os.open(file, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return
    try:
        for _ in range(LOG_MOST_RECORDS):
            try:
                record = os.read(handle, 65_536)
            except OSError as error:
                if error.errno == errno.EPIPE:
                    continue
                return
            if not record:
                return
            for line in record.decode(errors="replace").splitlines():
                if not line.startswith(" "):  # what follows a record are its keys
                    found = _RECORD.match(line)
                    yield found.group(1) if found else line
    finally:
        os.close(handle)
