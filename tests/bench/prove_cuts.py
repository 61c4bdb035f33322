"""Power cuts one after the other: each time the copied disk is the next one. In half of them the unsynced end of the WAL is spoilt too.

What strace saw written to the WAL and not yet covered by a completed fdatasync may be on the medium in any shape after a real cut:
not at all, in part, or as garbage. Bytes that were synced are never touched.
"""

from __future__ import annotations

import contextlib
import os
import random
import re
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.bench.parts import program
from tests.proof.disk import cut, mounted, new_disk
from tests.proof.rig import wait_for

SECTOR_BYTES = 512
SYNC_TAKES_MS = 60  # so that many cuts fall between a write and its sync
WAL = "journal.db-wal"
FIRST_MOMENT_S = 1.0
NEXT_MOMENT_S = 0.2
FREEZES_MOST = 20

Range = tuple[int, int]  # offset, bytes

_WRITE = re.compile(r"^(\d+) +pwrite64\(\d+<([^>]*)>, .*?, (\d+), (\d+)[ )]")
_SYNC = re.compile(r"^(\d+) +f(?:data)?sync\(\d+<([^>]*)>(.*)$")
_RESUMED = re.compile(r"^(\d+) +<\.\.\. f(?:data)?sync resumed>(.*)$")


def unsynced(trace: str, name: str) -> list[Range]:
    """Ranges of the file of this name that were written and not covered by a sync that has come back. trace: of `strace -f -y`.

    A write that strace saw begin counts as written; one that came after a sync began is not covered by it.
    """
    pending: dict[int, Range] = {}  # line number -> what was written there
    covered: dict[str, set[int]] = {}  # thread that is in a sync -> what had been written when it began
    for number, line in enumerate(trace.splitlines()):
        if (write := _WRITE.match(line)) and write[2].endswith(name):
            pending[number] = (int(write[4]), int(write[3]))
        elif (sync := _SYNC.match(line)) and sync[2].endswith(name):
            if "unfinished" in sync[3]:
                covered[sync[1]] = set(pending)
            elif "= 0" in sync[3]:
                pending.clear()
        elif resumed := _RESUMED.match(line):
            done = covered.pop(resumed[1], set())
            if "= 0" in resumed[2]:
                pending = {at: written for at, written in pending.items() if at not in done}
    return list(pending.values())


def spoilt(old: bytes, new: bytes, at: int, chance: random.Random) -> bytes:
    """A torn or garbled write of `new` over `old`, sector by sector; `at` is the offset in the file, both have the same length."""
    shapes = chance.choice((("old", "new"), ("old", "new", "garbage"), ("garbage",)))
    out = bytearray()
    while len(out) < len(new):
        begin = len(out)
        end = min(len(new), begin + SECTOR_BYTES - (at + begin) % SECTOR_BYTES)
        match chance.choice(shapes):
            case "old":
                out += old[begin:end]
            case "new":
                out += new[begin:end]
            case _:
                out += chance.randbytes(end - begin)
    return bytes(out)


def spoil(copy: Path, live: dict[Range, bytes], chance: random.Random) -> int:
    """Spoil these ranges of the copied WAL; live: what the writer had put there. Bytes that were spoilt."""
    if not live:
        return 0
    copy.touch(mode=0o600)
    with copy.open("r+b") as file:
        for (offset, size), new in live.items():
            file.seek(offset)
            old = file.read(size).ljust(size, b"\0")
            file.seek(offset)
            file.write(spoilt(old, new, offset, chance))
    return sum(size for _, size in live)


def read_ranges(path: Path, ranges: Sequence[Range]) -> dict[Range, bytes]:
    """The bytes of these ranges as their writer sees them; only whole ones."""
    if not ranges:
        return {}
    with path.open("rb") as file:
        found = {}
        for offset, size in ranges:
            file.seek(offset)
            found[offset, size] = file.read(size)
    return {where: data for where, data in found.items() if len(data) == where[1]}


class Watched:
    """strace on a running process: its writes and syncs in a file, its syncs slowed down."""

    def __init__(self, pid: int, log: Path) -> None:
        self._pid, self._log = pid, log
        log.unlink(missing_ok=True)
        words = log.with_suffix(".said")
        with words.open("wb") as said:
            self._process = subprocess.Popen(
                [
                    program("strace", package="strace"), "-f", "-y", "-s", "0", "-p", str(pid), "-o", str(log),
                    "-e", "trace=pwrite64,fdatasync,fsync", "-e", f"inject=fdatasync,fsync:delay_enter={SYNC_TAKES_MS}ms",
                ],
                stderr=said, start_new_session=True,
            )  # fmt: skip
        wait_for(lambda: "attached" in words.read_text() or self._process.poll() is not None, "strace is attached")
        if self._process.poll() is not None:
            raise AssertionError(f"strace cannot attach: {words.read_text().strip()}")

    def freeze(self) -> str:
        """Stop the process, then strace, so that nothing moves; the trace up to there."""
        stand_still(self._pid)
        os.kill(self._process.pid, signal.SIGSTOP)
        wait_for(lambda: set(states(self._process.pid)) == {"T"}, "strace stands still")
        wait_for(lambda: set(states(self._pid)) <= {"T", "t"}, "the gateway stands still")
        return self._log.read_text(errors="replace")

    def freeze_unsynced(self, chance: random.Random) -> list[Range]:
        """Stop the process at some moment at which something of its WAL is written and not synced; what. Empty where none was met."""
        a_moment(chance, FIRST_MOMENT_S)
        for _ in range(FREEZES_MOST):
            if ranges := unsynced(self.freeze(), WAL):
                return ranges
            self._thaw()
            a_moment(chance, NEXT_MOMENT_S)
        self.freeze()
        return []

    def _thaw(self) -> None:
        os.kill(self._process.pid, signal.SIGCONT)
        os.kill(self._pid, signal.SIGCONT)
        wait_for(lambda: set(states(self._pid)) - {"T", "t"}, "the gateway goes on")

    def end(self) -> None:
        """SIGKILL; it lets go of the process."""
        self._process.kill()
        self._process.wait()


class CutDisk:
    """A disk whose power fails again and again: each copy is the disk after. pytest.skip.Exception where none can be mounted.

    image, volume: the file, and where it is mounted now.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._mounts = contextlib.ExitStack()
        self._cuts = 0

    def __enter__(self) -> CutDisk:
        self.image, self.volume = self._mounts.enter_context(new_disk(self._folder))
        return self

    def __exit__(self, *_: object) -> None:
        self._mounts.close()

    def copy(self) -> None:
        """What is on the medium now. The writer stands still."""
        self._copy = cut(self.image)

    def go_on(self) -> Path:
        """The copy is the disk now; where it is mounted. The writer is dead."""
        self._cuts += 1
        old, self.image = self.image, self._copy.rename(self._folder / f"cut-{self._cuts}.img")
        gone = self._mounts.pop_all()
        try:
            self.volume = self._mounts.enter_context(mounted(self.image, self._folder / f"disk-{self._cuts}"))
        finally:
            gone.close()
        old.unlink()
        return self.volume


def states(pid: int) -> Iterator[str]:
    """State letter of each thread; T and t stand still."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):
            yield (task / "stat").read_text().rpartition(")")[2].split()[0]


def stand_still(pid: int) -> None:
    """SIGSTOP, and wait until every thread has stopped."""
    os.kill(pid, signal.SIGSTOP)
    wait_for(lambda: set(states(pid)) <= {"T", "t"}, "the gateway stands still")


def a_moment(chance: random.Random, longest_s: float) -> None:
    """A cut may fall at any time."""
    time.sleep(chance.uniform(0.0, longest_s))
