"""What the machine says of a run: CPU and memory of a process tree, other work beside it, and its disk."""

from __future__ import annotations

import contextlib
import os
import platform
import tempfile
import time
from pathlib import Path

from tests.bench.figures import percentile

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
CPUCLOCK_SCHED = 2  # as clock_getcpuclockid(3) makes the clock of a process
SYNCS = 300
EVENT_BYTES = 900  # about one sealed event


def _stat(pid: int) -> list[str]:
    """Fields of /proc/PID/stat from the third on (state, parent, ...); empty when the process is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def tree(pid: int) -> list[int]:
    """A process and all its descendants."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and (fields := _stat(int(name))):
            children.setdefault(int(fields[1]), []).append(int(name))
    found = [pid]
    for parent in found:
        found += children.get(parent, [])
    return found


def usage(pid: int) -> tuple[float, float]:
    """(CPU seconds so far, resident megabytes) of a process tree; children that have ended are not counted.

    The CPU clock of a process counts nanoseconds; utime and stime of /proc tick at 10 ms, a tenth of what an idle daemon uses.
    """
    cpu_s = resident_mb = 0.0
    for member in tree(pid):
        if fields := _stat(member):
            resident_mb += int(fields[21]) * PAGE_BYTES / 1e6
            with contextlib.suppress(OSError):
                cpu_s += time.clock_gettime(~member << 3 | CPUCLOCK_SCHED)
    return cpu_s, resident_mb


def busy_core_s() -> float:
    """Seconds that all cores together have been busy since boot, whoever kept them so."""
    fields = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / TICKS_PER_S  # without idle and waiting for the disk


class Meter:
    """CPU and memory of a process tree from its making to `read`."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._began_s, self._busy_s = time.monotonic(), busy_core_s()
        self._cpu_s, _ = usage(pid)

    def read(self) -> dict[str, float]:
        """wall_s, cpu_s, cpu_share (1 = one core), rss_mb, machine_busy_cores (this tree and all others)."""
        cpu_s, resident_mb = usage(self._pid)
        wall_s = time.monotonic() - self._began_s
        return {
            "wall_s": round(wall_s, 3),
            "cpu_s": round(cpu_s - self._cpu_s, 3),
            "cpu_share": round((cpu_s - self._cpu_s) / wall_s, 4),
            "rss_mb": round(resident_mb, 1),
            "machine_busy_cores": round((busy_core_s() - self._busy_s) / wall_s, 2),
        }


def describe(folder: Path) -> dict[str, object]:
    """The machine block of a result file. folder: on the disk that the journal will lie on."""
    syncs_ms = sync_times_ms(folder)
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "fdatasync_p50_ms": round(percentile(syncs_ms, 50), 3),
        "fdatasync_p99_ms": round(percentile(syncs_ms, 99), 3),
    }


def sync_times_ms(folder: Path, count: int = SYNCS) -> list[float]:
    """How long an appended event and fdatasync take, `count` times."""
    block = os.urandom(EVENT_BYTES)
    times_ms = []
    with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
        for _ in range(count):
            began_s = time.perf_counter()
            file.write(block)
            os.fdatasync(file.fileno())
            times_ms.append((time.perf_counter() - began_s) * 1000)
    return times_ms


def _cpu_model() -> str:
    """Name of the CPU; boards name it by another key."""
    facts: dict[str, str] = {}
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        key, _, value = line.partition(":")
        facts.setdefault(key.strip(), value.strip())
    return facts.get("model name") or facts.get("Model") or platform.machine()
