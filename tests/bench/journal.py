"""The journal's benchmark: what a day writes, how fast the log is proved, how soon a large file is open.

`make bench-journal`, or `python -m tests.bench.journal --out build/bench/journal.json`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from gateway.contract.envelope import Origin
from gateway.contract.jws import TrustedKey
from gateway.core.delivery import RECEIVED, Settlement
from gateway.core.ids import EventIds
from gateway.core.points import Draft, EventClass, Latch, Priority
from gateway.journal.care import Care
from gateway.journal.carry import Carrier
from gateway.journal.keeping import Keeper, Limit
from gateway.journal.reserve import Reserve
from gateway.journal.store import Batch, Store, check_whole, open_store
from gateway.journal.trends import Trends
from gateway.journal.verify import open_readonly, public_key, verify
from gateway.journal.writer import Writer
from gateway.runtime.clock import Clock
from gateway.runtime.journal_care import JournalWords
from gateway.runtime.keys import load_signer
from tests.bench.figures import Figure
from tests.bench.program import run
from tests.bench.rig import Result, Say

RECIPIENTS = {"police": frozenset(map(str, EventClass)), "bureau": frozenset({"alarm"})}  # the most that a site asks for
FLUSHES_A_DAY = 144
ANALOGUE_POINTS = 20  # issue 5
# of 2,000 events a day: what a school of a thousand pupils says, mostly doors
MIX = ["access"] * 12 + ["observation"] * 4 + ["duty"] * 2 + ["alarm", "fault"]
TEXT = {"zh": "一键报警：门卫室" * 6, "en": "One-key alarm: gatehouse " * 6}
GOAL_WRITTEN_MB = 120.0  # issue 5: SD-card care


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is done."""

    day_events: int = 2000
    events: int = 100_000
    file_mb: int = 500


def draft(ids: EventIds, event_class: str) -> Draft:
    """An event of usual size, about 1.4 kB sealed."""
    at_ms = time.time_ns() // 1_000_000
    data = {
        "point": "panic-gatehouse",
        "role": "panic_button",
        "place": "gate",
        "text": TEXT,
        "value": True,
        "quality": "good",
        "cause": [],
    }
    priority = Priority.URGENT if event_class == EventClass.ALARM else Priority.ROUTINE
    return Draft(
        ids(at_ms), EventClass(event_class), f"campus.{event_class}.changed", "panic-gatehouse", priority, at_ms,
        time.monotonic(), "synchronised", data,
    )  # fmt: skip


def opened(folder: Path) -> Store:
    """A journal with a key of its own."""
    words = JournalWords(Clock()).opened
    origin = Origin("/sites/bench/gateways/gate", "00000000-0000-4000-8000-000000000000", 0.0)
    return open_store(folder, origin, load_signer(folder), RECIPIENTS, words, time.time_ns() // 1_000_000)[0]


def written_bytes() -> int:
    """What this process caused to be written to disks."""
    for line in Path("/proc/self/io").read_text().splitlines():
        if line.startswith("write_bytes:"):
            return int(line.split()[1])
    raise AssertionError("no write_bytes")


def play_day(folder: Path, events: int, points: int) -> None:
    """A day as the daemon writes it; prints write_bytes. A process of its own.

    Each event alone in its commit with its state, each recipient's receipt in a commit of its own, the minutes of `points` measured
    points each ten minutes, the budget beside. The day's minutes are spread over however many events there are.
    """
    store = opened(folder)
    clock, ids = Clock(), EventIds()
    words = JournalWords(clock)
    done: list[int] = []
    care = Care(
        folder, Keeper({str(c): Limit(1 << 30, 180.0) for c in EventClass}, clock.now, words.say), Reserve(folder, 0),
        Carrier(folder, TrustedKey("", "", "")), lambda old, at_ms: (old, None), words.say,
    )  # fmt: skip
    writer = Writer(store, lambda batches: done.extend(e.row for _, sealed in batches for e in sealed), lambda text: None, care)
    trends, began_ms, flushes = Trends(), time.time_ns() // 1_000_000, 0
    before = written_bytes()
    writer.start()

    def committed(submit: Callable[[], None]) -> None:
        """On the disk before the next one comes: in a real day they are minutes apart."""
        commits = writer.counts.commits
        submit()
        while writer.counts.commits == commits:
            time.sleep(0.0002)

    for n in range(events):
        while points and flushes * 2000 < n * FLUSHES_A_DAY:
            for minute in range(10 * flushes, 10 * flushes + 10):
                for sample in range(6):
                    values = {f"analogue-{point}": 20.0 + point + (minute * 6 + sample) % 17 / 10 for point in range(points)}
                    rows = trends.take(values, began_ms + minute * 60_000 + sample * 10_000)
                    if rows:
                        committed(partial(writer.submit, Batch(minutes=rows)))
            flushes += 1
        latch = Latch(f"point-{n % 60}", {"state": "normal", "since_ms": n, "count": n})
        committed(partial(writer.submit, Batch([draft(ids, MIX[n % len(MIX)])], [latch])))
        while len(done) <= n:
            time.sleep(0.0002)
        for name, classes in RECIPIENTS.items():
            if MIX[n % len(MIX)] in classes:
                committed(partial(writer.settle, [Settlement(done[n], name, RECEIVED, n)]))
    writer.submit(Batch(minutes=trends.flush()))
    writer.stop()
    print(written_bytes() - before)


def day(effort: Effort, folder: Path, say: Say) -> Result:
    """Bytes that one day writes to the disk."""
    say(f"a day of {effort.day_events} events, with and without trends")
    written = {points: _day_mb(effort, folder / str(points), points) for points in (0, ANALOGUE_POINTS)}
    whole = written[ANALOGUE_POINTS]
    note = (
        f"{effort.day_events} events, each alone, with states, one receipt of every event and two of alarms, all in commits of their own; "
        f"minutes of {ANALOGUE_POINTS} points written each ten minutes"
    )
    return Result(
        [
            Figure("journal.day_written_mb", round(whole, 1), "MB", f"<= {GOAL_WRITTEN_MB:.0f}", note),
            Figure("journal.day_trends_mb", round(whole - written[0], 1), "MB", "", "of these, what the trends add"),
        ],
        [],
    )


def _day_mb(effort: Effort, folder: Path, points: int) -> float:
    folder.mkdir(parents=True, exist_ok=True)
    call = f"play_day(Path({str(folder)!r}), {effort.day_events}, {points})"
    command = [sys.executable, "-c", f"from tests.bench.journal import play_day; from pathlib import Path; {call}"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return int(done.stdout) / 1e6 * 2000 / effort.day_events


def fill(folder: Path, events: int) -> None:
    """So many received events."""
    folder.mkdir(parents=True, exist_ok=True)
    store, ids = opened(folder), EventIds()
    for at in range(0, events, 1000):
        (sealed,) = store.commit([Batch([draft(ids, MIX[n % len(MIX)]) for n in range(at, min(at + 1000, events))])], [])
        store.commit([], [Settlement(e.row, name, RECEIVED, 1) for e in sealed for name in RECIPIENTS])
    store.close()


def proof(effort: Effort, folder: Path, say: Say) -> Result:
    """Events proved in a second."""
    say(f"proving {effort.events} events")
    fill(folder, effort.events)
    public = load_signer(folder).public()
    began_s = time.monotonic()
    verdict = verify(folder, {public["kid"]: public_key(public["x"])})
    took_s = time.monotonic() - began_s
    assert not verdict.broken, verdict.broken
    return Result(
        [
            Figure(
                "journal.verify_per_s", round(verdict.events / took_s), "events/s", ">= 2000", f"{verdict.events} events in {took_s:.1f} s"
            )
        ],
        [],
    )


def start(effort: Effort, folder: Path, say: Say) -> Result:
    """Seconds until a large file is open, and what the whole check beside takes."""
    say(f"opening a file of {effort.file_mb} MB")
    fill(folder, effort.file_mb * 500)
    path = folder / "journal.db"
    fd = os.open(path, os.O_RDONLY)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(fd)
    began_s = time.monotonic()
    store = opened(folder)
    took_s = time.monotonic() - began_s
    store.close()
    began_s = time.monotonic()
    with closing(open_readonly(path)) as db:
        check_whole(db)
    whole_s = time.monotonic() - began_s
    size_mb = path.stat().st_size / 1e6
    note = f"{size_mb:.0f} MB; the whole check beside takes {whole_s:.1f} s here"
    return Result([Figure("journal.start_500mb_s", round(took_s, 2), "s", "<= 2", note)], [])


MEASURES: dict[str, Callable[[Effort, Path, Say], Result]] = {"day": day, "proof": proof, "start": start}


def main(argv: list[str] | None = None) -> int:
    """As `program.run`."""
    return run("journal", "Measure the journal.", MEASURES, (Effort(), Effort(200, 5000, 40)), lambda: None, argv)


if __name__ == "__main__":
    sys.exit(main())
