"""The journal's thread: group commit, a disk that refuses, and kill -9 at any moment."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway.contract.envelope import Sealed
from gateway.core.delivery import RECEIVED, Settlement
from gateway.core.errors import JournalRefused
from gateway.core.points import EventClass, Latch
from gateway.journal.store import Batch, Store
from gateway.journal.writer import Writer
from tests.gateway.journal.journals import check_chain, draft, events, open_at, rows
from tests.real_parts import missing, need

ROOT = Path(__file__).parents[3]


def until(condition: Callable[[], object], within_s: float = 10.0) -> None:
    """Wait for something that another thread brings about."""
    deadline_s = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline_s, "it did not happen in time"
        time.sleep(0.005)


class Desk:
    """Takes what the writer says. hold: the first commit's callback waits, so that a queue builds up."""

    def __init__(self) -> None:
        self.done: list[tuple[Batch, list[Sealed]]] = []
        self.refusals: list[str] = []
        self.groups: list[int] = []
        self.open = threading.Event()
        self.open.set()

    def committed(self, done: list[tuple[Batch, list[Sealed]]]) -> None:
        self.open.wait(10)
        self.groups.append(len(done))
        self.done += done


def started(store: Store) -> tuple[Writer, Desk]:
    desk = Desk()
    writer = Writer(store, desk.committed, desk.refusals.append)
    writer.start()
    return writer, desk


def test_batches_come_back_in_order_with_their_events(tmp_path: Path) -> None:
    writer, desk = started(open_at(tmp_path)[0])
    batches = [Batch([draft(n=n) for _ in range(n % 3)]) for n in range(50)]
    for batch in batches:
        writer.submit(batch)
    writer.stop()
    assert [batch for batch, _ in desk.done] == batches
    assert [len(sealed) for _, sealed in desk.done] == [n % 3 for n in range(50)]
    assert not writer.alive()
    assert (writer.counts.events, writer.counts.refusals, writer.depth()) == (sum(n % 3 for n in range(50)), 0, 0)
    assert check_chain(tmp_path) == 1 + writer.counts.events


def test_what_waits_goes_into_one_commit(tmp_path: Path) -> None:
    writer, desk = started(open_at(tmp_path)[0])
    desk.open.clear()
    writer.submit(Batch([draft()]))
    until(lambda: writer.depth() == 0)
    for _ in range(700):
        writer.submit(Batch([draft()]))
    assert writer.depth() >= 699
    desk.open.set()
    writer.stop()
    assert desk.groups == [1, 500, 200], "no commit is without bounds"
    assert writer.counts.commits == 3


def test_receipts_ride_along(tmp_path: Path) -> None:
    writer, desk = started(open_at(tmp_path)[0])
    writer.submit(Batch([draft()], [Latch("a", {"counter": 1})]))
    until(lambda: desk.done)
    writer.settle([Settlement(desk.done[0][1][0].row, "police", RECEIVED, 77)])
    writer.stop()
    assert rows(tmp_path, "SELECT recipient, settled_ms FROM outbox WHERE state = 1") == [("police", 77)]
    assert rows(tmp_path, "SELECT key FROM latch") == [("a",)]


def test_a_sign_of_life_without_anything_to_write(tmp_path: Path) -> None:
    writer, desk = started(open_at(tmp_path)[0])
    before_s = writer.counts.last_answer_s
    writer.submit(Batch())
    until(lambda: writer.counts.last_answer_s > before_s)
    writer.stop()
    assert desk.done == [(Batch(), [])]


@contextmanager
def disk_of(tmp_path: Path, megabytes: int) -> Iterator[Path]:
    """A file system of its own, gone afterwards."""
    if os.geteuid() != 0:
        missing("only root may mount a small file system")
    mount, umount = need("mount", package="mount"), need("umount", package="mount")
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run([mount, "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", folder], capture_output=True).returncode:
        missing("tmpfs cannot be mounted here")
    try:
        yield folder
    finally:
        subprocess.run([umount, "--lazy", folder], check=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MB."""
    with disk_of(tmp_path, 1) as folder:
        yield folder


def test_a_full_disk_drops_nothing(small_disk: Path) -> None:
    writer, desk = started(open_at(small_disk / "state")[0])
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * 600_000)
    wanted = [draft(n=n, text="x" * 2000) for n in range(200)]
    for item in wanted:
        writer.submit(Batch([item]))
    until(lambda: desk.refusals)
    assert "full" in desk.refusals[0]
    assert writer.refusing
    committed = len(desk.done)
    assert committed < 200
    assert writer.alive()
    before = writer.counts.refusals
    until(lambda: writer.counts.refusals >= before + 2)
    assert len(desk.done) == committed
    ballast.unlink()
    until(lambda: len(desk.done) == 200)
    assert writer.refusing == ""
    writer.stop()
    assert [sealed[0].id for _, sealed in desk.done] == [item.id for item in wanted], "all of them, in order, under their ids"
    assert check_chain(small_disk / "state") == 201


def test_stopping_while_the_disk_refuses_says_so(tmp_path: Path) -> None:
    store, _ = open_at(tmp_path)
    db = store._db
    db.execute(f"PRAGMA max_page_count = {db.execute('PRAGMA page_count').fetchone()[0]}")
    writer, desk = started(store)
    writer.submit(Batch([draft(text="x" * 50_000)]))
    until(lambda: desk.refusals)
    with pytest.raises(JournalRefused, match="could not be written: database or disk is full"):
        writer.stop(timeout_s=0.3)
    db.execute("PRAGMA max_page_count = 1000000")
    until(lambda: not writer.alive())
    assert check_chain(tmp_path) == 2, "and still it was written once there was room"


def test_an_odd_value_does_not_end_the_thread(tmp_path: Path) -> None:
    writer, desk = started(open_at(tmp_path)[0])
    writer.submit(Batch([draft(value=float("nan"), text="\ud800")]))
    writer.submit(Batch([draft(EventClass.FAULT)]))
    until(lambda: len(desk.done) == 2)
    writer.stop()
    assert events(tmp_path)[1]["data"] == {"value": "nan", "text": "?", "damaged": True}
    assert check_chain(tmp_path) == 3


CHILD = """
import sys, time
from pathlib import Path
from gateway.core.points import EventClass, Latch
from gateway.journal.store import Batch
from gateway.journal.writer import Writer
from tests.gateway.journal.journals import draft, open_at

store, first = open_at(Path(sys.argv[1]))

def committed(done):
    for batch, sealed in done:
        for event in sealed:
            sys.stdout.write(f"{event.row} {event.id} {event.sha256}\\n")
    sys.stdout.flush()

writer = Writer(store, committed, print)
writer.start()
n = 0
while True:
    n += 1
    writer.submit(Batch([draft(n=n), draft(EventClass.FAULT, n=n)], [Latch("counter", {"counter": n})]))
    if writer.depth() > 20:
        time.sleep(0.001)
"""


def test_kill_9_keeps_what_was_reported(tmp_path: Path) -> None:
    reported: dict[int, tuple[str, str]] = {}
    chance = random.Random(7)
    for _ in range(5):
        child = subprocess.Popen([sys.executable, "-c", CHILD, tmp_path], stdout=subprocess.PIPE, cwd=ROOT)
        assert child.stdout is not None
        lines = [child.stdout.readline()]
        ends_s = time.monotonic() + chance.uniform(0.0, 0.3)
        while time.monotonic() < ends_s:
            lines.append(child.stdout.readline())
        child.send_signal(signal.SIGKILL)
        lines += child.stdout.read().splitlines(keepends=True)
        child.wait()
        child.stdout.close()
        for line in lines:
            if line.endswith(b"\n"):
                row, event_id, sha256 = line.decode().split()
                assert int(row) not in reported, "a number was used twice"
                reported[int(row)] = (event_id, sha256)
        store, first = open_at(tmp_path)
        assert first is None, "no damage, no new epoch"
        counter = {latch.key: latch.state["counter"] for latch in store.latches()}["counter"]
        store.close()
        newest = events(tmp_path)[-1]
        assert newest["data"]["n"] == counter, "latches and events are of one transaction"
        stored = {row: (event_id, sha256) for row, event_id, sha256 in rows(tmp_path, "SELECT row, id, sha256 FROM event")}
        assert reported.items() <= stored.items()
    assert len(reported) > 50
    check_chain(tmp_path)
