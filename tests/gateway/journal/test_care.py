"""The journal's thread looks after its file: damage while it is open, a full disk, the budget beside the work."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gateway.contract.envelope import Sealed
from gateway.contract.jws import TrustedKey
from gateway.contract.receipt import Newest
from gateway.core.delivery import RECEIVED, Settlement
from gateway.core.errors import JournalRefused, JournalUnreadable
from gateway.core.points import EventClass, Latch
from gateway.journal import care as care_module
from gateway.journal import store as store_module
from gateway.journal.care import Care
from gateway.journal.carry import Carrier
from gateway.journal.keeping import Limit
from gateway.journal.reader import Reader
from gateway.journal.reserve import RESERVE_NAME, Reserve
from gateway.journal.store import JOURNAL_NAME, Batch, Store, open_store
from gateway.journal.verify import verify
from gateway.journal.writer import Writer
from tests.gateway.journal.journals import ORIGIN, RECIPIENTS, draft, events, open_at, opened, rows, signer
from tests.gateway.journal.test_keeping import keeper, say
from tests.gateway.journal.test_verify import keys
from tests.gateway.journal.test_writer import disk_of, until


@dataclass
class Desk:
    done: list[tuple[Batch, list[Sealed]]] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    removed: list[int] = field(default_factory=list)
    brought: list[int] = field(default_factory=list)
    replaced: list[str] = field(default_factory=list)

    def last_alarm(self) -> str:
        """Id of the newest alarm that was committed."""
        return next((e.id for _, sealed in reversed(self.done) for e in sealed if e.event_class == "alarm"), "")

    def ids(self) -> list[str]:
        return [event.id for _, sealed in list(self.done) for event in sealed]


def cared(folder: Path, limits: dict[str, Limit] | None = None, reserve: int = 0) -> tuple[Writer, Desk, Store]:
    """A writer with everything around it, not started."""
    store, _ = open_at(folder)
    store.latches()
    desk, public = Desk(), signer().public()
    care = Care(
        folder,
        keeper(limits or {}),
        Reserve(folder, reserve),
        Carrier(folder, TrustedKey(public["kid"], public["x"], "gateway")),
        lambda old, at_ms: open_store(folder, ORIGIN, signer(), RECIPIENTS, opened, at_ms, old),
        say,
    )
    care.removed, care.brought = desk.removed.extend, desk.brought.extend
    care.replaced = lambda fresh, reason: desk.replaced.append(reason)
    return Writer(store, desk.done.extend, desk.refusals.append, care), desk, store


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with disk_of(tmp_path, 24) as folder:
        yield folder


def held(folder: Path) -> bool:
    """The reserve is there in full."""
    path = folder / RESERVE_NAME
    return path.exists() and path.stat().st_blocks * 512 >= path.stat().st_size > 0


def stuff(path: Path) -> None:
    """Write until the disk is full."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT)
    with suppress(OSError):
        while True:
            os.write(fd, bytes(4096))
    os.close(fd)
    assert os.statvfs(path.parent).f_bavail == 0


def garble(path: Path, from_page: int = 1) -> None:
    """Every page of the file behind the first ones is nonsense."""
    content = bytearray(path.read_bytes())
    content[from_page * 4096 :] = b"\xa5" * (len(content) - from_page * 4096)
    path.write_bytes(content)


def test_damage_while_it_is_open_begins_a_new_epoch(tmp_path: Path) -> None:
    writer, desk, store = cared(tmp_path)
    store.commit([Batch([draft(n=n) for n in range(30)], [Latch("gone", {"counter": 3})])], [])
    last = (store.sequence, store.last_hash)
    store.db.execute("PRAGMA cache_size = 0")  # it must read from the disk
    store.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    garble(tmp_path / JOURNAL_NAME)
    wanted = [draft(n=n) for n in range(20)]
    writer.start()
    for item in wanted:
        writer.submit(Batch([item], [Latch("new", {"counter": 1})]))
    until(lambda: len(desk.done) >= 21)
    writer.stop()
    assert len(desk.replaced) == writer.counts.replacements == 1
    assert "malformed" in desk.replaced[0]
    assert desk.refusals == []
    first, *rest = events(tmp_path)
    assert (first["type"], first["epoch"], first["sequence"]) == ("campus.journal.opened", "0000000002", f"{1:020d}")
    assert (first["data"]["reason"], first["data"]["last_epoch"]) == ("set aside", "0000000001")
    assert (first["data"]["last_sequence"], first["data"]["last_hash"]) == (f"{last[0]:020d}", last[1])
    assert [event["id"] for event in rest] == [item.id for item in wanted], "what waited is sealed under its ids"
    assert desk.ids() == [first["id"], *(item.id for item in wanted)]
    assert rows(tmp_path, "SELECT key FROM latch ORDER BY key") == [("gone",), ("new",)], "states outlive the file"
    assert len(list(tmp_path.glob("*.set-aside-*[0-9]"))) == 1


def test_damage_that_the_writers_memory_hides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(care_module, "ROUND_S", 0.05)
    writer, desk, store = cared(tmp_path)
    store.commit([Batch([draft(n=n) for n in range(5)])], [])
    writer.start()
    until(lambda: writer.counts.care_s_max)
    assert desk.replaced == []
    for name in (JOURNAL_NAME, f"{JOURNAL_NAME}-wal"):
        content = (tmp_path / name).read_bytes()
        with (tmp_path / name).open("r+b") as file:
            file.write(content[:100] + b"\xa5" * max(0, len(content) - 100))
    until(lambda: desk.replaced)
    writer.submit(Batch([draft()]))
    until(lambda: len(desk.ids()) == 2)
    writer.stop()
    assert writer.store.epoch == 2


def test_damage_that_nobody_reads_is_found_by_the_daily_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(care_module, "CHECK_EACH_S", 0.0)
    writer, desk, store = cared(tmp_path)
    store.commit([Batch([draft(n=n, text="x" * 500) for n in range(100)])], [])
    store.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = bytearray((tmp_path / JOURNAL_NAME).read_bytes())
    bad = next(at for at in range(4096, len(content), 4096) if b'"n":20,' in content[at : at + 4096])
    content[bad : bad + 4096] = b"\xa5" * 4096
    (tmp_path / JOURNAL_NAME).write_bytes(content)
    writer.start()
    until(lambda: desk.replaced)
    writer.stop()
    assert writer.counts.replacements == 1


async def test_a_reader_that_finds_the_damage_says_so(tmp_path: Path) -> None:
    writer, desk, store = cared(tmp_path)
    store.commit([Batch([draft(n=n, text="x" * 500) for n in range(100)])], [])
    store.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = bytearray((tmp_path / JOURNAL_NAME).read_bytes())
    bad = next(at for at in range(20 * 4096, len(content), 4096) if b'"type":"campus.alarm.x"' in content[at : at + 4096])
    content[bad : bad + 4096] = b"\xa5" * 4096
    (tmp_path / JOURNAL_NAME).write_bytes(content)
    reader = Reader(tmp_path)
    reader.damaged = writer.damaged
    with pytest.raises(JournalUnreadable, match="malformed"):
        await reader.bodies(list(range(1, 102)))
    writer.start()
    until(lambda: desk.replaced)
    reader.reopen()
    until(lambda: len(desk.brought) > 90)
    owed = await reader.owed(0, 200)
    assert len([item for item in owed if item.epoch == 1]) > 90, "what can be read and is owed goes on being owed"
    bodies = await reader.bodies([item.row for item in owed])
    assert len(bodies) == len(owed)
    reader.close()
    writer.stop()
    assert [each.file.startswith(f"{JOURNAL_NAME}.set-aside") for each in verify(tmp_path, keys()).broken] == [True]


def scramble(path: Path, pages: range) -> None:
    """Random bytes over those pages of the file, as a failing card writes them."""
    with path.open("r+b") as file:
        for page in pages:
            file.seek(page * 4096)
            file.write(os.urandom(4096))


@pytest.mark.parametrize("in_the_log", [True, False])
def test_pages_that_nobody_reads_are_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_the_log: bool) -> None:
    """The newest events are in SQLite's log and in the writer's memory; what is behind them on the disk is nonsense."""
    monkeypatch.setattr(care_module, "ROUND_S", 0.05)
    writer, desk, store = cared(tmp_path)
    for n in range(40):
        store.commit([Batch([draft(n=n, text="x" * 300) for _ in range(10)], [Latch("count", {"counter": n})])], [])
    store.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    if in_the_log:
        store.commit([Batch([draft(n=99)])], [])
    path = tmp_path / JOURNAL_NAME
    writer.start()
    until(lambda: writer.counts.care_s_max)
    assert desk.replaced == []
    scramble(path, range(2, path.stat().st_size // 4096 - 1))
    until(lambda: desk.replaced)
    press = draft(n=100)
    writer.submit(Batch([press]))
    until(lambda: press.id in desk.ids())
    writer.stop()
    assert writer.store.epoch == 2
    assert press.id in {event["id"] for event in events(tmp_path)}
    assert rows(tmp_path, "SELECT state FROM latch") == [('{"counter": 39}',)], "states go along from memory"


@pytest.mark.parametrize("query", ["UPDATE latch SET state = '{}'", "DELETE FROM latch", "UPDATE event SET sha256 = 'x'"])
def test_what_another_program_changed_in_the_open_file_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, query: str) -> None:
    monkeypatch.setattr(care_module, "ROUND_S", 0.05)
    writer, desk, store = cared(tmp_path)
    store.commit([Batch([draft()], [Latch("count", {"counter": 7})])], [])
    writer.start()
    until(lambda: writer.counts.care_s_max)
    with closing(sqlite3.connect(tmp_path / JOURNAL_NAME, isolation_level=None)) as db:
        db.execute(query)
    until(lambda: desk.replaced)
    writer.stop()
    assert rows(tmp_path, "SELECT state FROM latch") == [('{"counter": 7}',)]


def test_another_program_that_closes_the_file_does_not_take_its_log(tmp_path: Path) -> None:
    """SQLite's last one at a file deletes the log: the daemon must be seen to be there."""
    store, _ = open_at(tmp_path)
    store.commit([Batch([draft()])], [])
    code = "import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); print(db.execute('SELECT count(*) FROM event').fetchone()); db.close()"
    subprocess.run([sys.executable, "-c", code, tmp_path / JOURNAL_NAME], check=True, capture_output=True)
    assert (tmp_path / f"{JOURNAL_NAME}-wal").exists()
    store.commit([Batch([draft()])], [])
    assert rows(tmp_path, "SELECT count(*) FROM event") == [(3,)]
    store.close()


def test_a_late_word_does_not_hit_the_next_file(tmp_path: Path) -> None:
    writer, desk, _ = cared(tmp_path)
    writer.damaged("one")
    writer.damaged("two")
    writer.start()
    until(lambda: desk.replaced)
    writer.submit(Batch([draft()]))
    until(lambda: len(desk.ids()) == 2)
    writer.stop()
    assert len(desk.replaced) == 1


def test_a_large_file_is_checked_beside_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, _ = open_at(tmp_path)
    store.commit([Batch([draft(n=n, text="x" * 500) for n in range(700)])], [])
    store.commit([], [Settlement(row, name, RECEIVED, 1) for row in range(1, 101) for name in RECIPIENTS])
    store.close()
    content = bytearray((tmp_path / JOURNAL_NAME).read_bytes())
    bad = next(at for at in range(4096, len(content), 4096) if b'"n":20,' in content[at : at + 4096])
    content[bad : bad + 4096] = b"\xa5" * 4096
    (tmp_path / JOURNAL_NAME).write_bytes(content)
    monkeypatch.setattr(store_module, "FULL_CHECK_BYTES", 0)
    writer, desk, opened_store = cared(tmp_path)
    assert opened_store.set_aside is None, "the newest events are well, and the damage lies far behind"
    writer.start()
    until(lambda: desk.replaced)
    until(lambda: len(desk.brought) > 590)
    writer.stop()
    assert writer.store.epoch == 2


@pytest.mark.parametrize("query", ["UPDATE event SET sha256 = 'x' WHERE sequence = 40", "DELETE FROM event WHERE sequence = 40"])
def test_the_tail_of_a_large_file_is_checked_before_it_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, query: str) -> None:
    store, _ = open_at(tmp_path)
    store.commit([Batch([draft(n=n) for n in range(60)])], [])
    store.close()
    with closing(sqlite3.connect(tmp_path / JOURNAL_NAME, isolation_level=None)) as db:
        db.execute(query)
    monkeypatch.setattr(store_module, "FULL_CHECK_BYTES", 0)
    store, _ = open_at(tmp_path)
    store.close()
    assert store.set_aside is not None


def test_a_full_disk_is_survived_on_the_reserve(small_disk: Path) -> None:
    """Alarms go on being sealed without a gap; observations are refused and named."""
    folder = small_disk / "state"
    writer, desk, _ = cared(folder, reserve=4_000_000)
    writer.start()
    until(lambda: (folder / RESERVE_NAME).exists())
    ballast = small_disk / "ballast"
    stuff(ballast)
    alarms = [draft(EventClass.ALARM, n=n) for n in range(30)]
    seen = [draft(EventClass.OBSERVATION, n=n) for n in range(30)]
    for alarm, observation in zip(alarms, seen, strict=True):
        writer.submit(Batch([alarm, observation]))
        until(lambda alarm=alarm: alarm.id in desk.ids())
    assert not (folder / RESERVE_NAME).exists(), "the reserve was given up"
    assert "the reserve is in use" in writer.trouble
    assert any("the reserve is in use, observations are not kept" in text for text in desk.refusals)
    ballast.unlink()
    until(lambda: (folder / RESERVE_NAME).exists())
    until(lambda: not writer.trouble)
    writer.stop()
    told = [event["data"] for event in events(folder) if event["type"] == "campus.journal.dropped"]
    kept = {event["id"] for event in events(folder)}
    refused = [event_id for data in told for event_id in data["ids"]]
    assert [data["count"] for data in told] == [len(refused)]
    assert kept.isdisjoint(refused)
    assert {item.id for item in seen} == set(refused) | (kept & {item.id for item in seen})
    assert len(refused) >= 20
    assert {item.id for item in alarms} <= kept
    assert verify(folder, keys()).broken == []


@pytest.mark.parametrize("together", [True, False])
def test_a_burst_larger_than_the_room_is_stored_as_far_as_it_fits(small_disk: Path, together: bool) -> None:
    """Alarms first, in small commits: what lies in the way of one that is too large is neither the others nor SQLite's log."""
    folder = small_disk / "state"
    writer, desk, _ = cared(folder, reserve=4_000_000)
    writer.start()
    until(lambda: held(folder))
    stuff(small_disk / "ballast")
    alarms = [draft(EventClass.ALARM, n=n, text="x" * 800) for n in range(3000)]
    faults = [draft(EventClass.FAULT, n=n, text="x" * 800) for n in range(300)]
    writer.submit(Batch(faults))
    if together:
        writer.submit(Batch(alarms, [Latch("count", {"counter": 3000})]))
    else:
        for n, alarm in enumerate(alarms):
            writer.submit(Batch([alarm], [Latch("count", {"counter": n + 1})]))
    until(lambda: writer.refusing, 20.0)
    stored = [event["id"] for event in events(folder) if event["type"] == "campus.alarm.x"]
    assert len(stored) > 1000, "nearly all of the reserve holds alarms"
    assert stored == [alarm.id for alarm in alarms[: len(stored)]]
    assert rows(folder, "SELECT * FROM latch") == [] or not together, "a count is never ahead of its presses"
    extra = draft(EventClass.ALARM, n=-1)
    writer.submit(Batch([extra]))
    (small_disk / "ballast").unlink()
    until(lambda: {item.id for item in (*alarms, *faults, extra)} <= set(desk.ids()))
    until(lambda: not writer.trouble)
    writer.stop()
    assert rows(folder, "SELECT state FROM latch") == [('{"counter": 3000}',)]
    assert len(desk.ids()) == len(set(desk.ids()))
    assert verify(folder, keys()).broken == []


def test_room_inside_the_file_counts(small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The journal itself has filled the disk, and the file cannot shrink: what is free inside it ends the emergency, and no more goes."""
    monkeypatch.setattr(care_module, "CALM_S", 0.3)
    folder = small_disk / "state"
    writer, desk, store = cared(folder, reserve=5_000_000)
    assert Reserve(folder, 5_000_000).make()
    for at in range(0, 5000, 100):
        store.commit([Batch([draft(EventClass.AUDIT, n=at + n, text="x" * 1000) for n in range(100)])], [])
    settled = [Settlement(row, name, RECEIVED, 1) for (row,) in rows(folder, "SELECT row FROM event") for name in RECIPIENTS]
    store.commit([], settled)
    access = [draft(EventClass.ACCESS, n=n) for n in range(100)]
    store.commit([Batch(access)], [])
    store.db.execute("INSERT INTO outbox (recipient, row) SELECT 'police', row FROM event WHERE class = 'access'")
    writer.start()
    until(lambda: held(folder))
    stuff(small_disk / "ballast")
    n = 0
    while not desk.refusals:
        writer.submit(Batch([draft(n=(n := n + 1), text="x" * 2500)]))
        until(lambda: writer.depth() == 0)
    until(lambda: not writer.trouble, 20.0)
    assert not (folder / RESERVE_NAME).exists(), "the disk has no room for it"
    seen = draft(EventClass.OBSERVATION)
    writer.submit(Batch([seen]))
    until(lambda: seen.id in desk.ids())
    writer.stop()
    kept = {event["id"] for event in events(folder)}
    assert {item.id for item in access} <= kept, "nobody had to go who was not received"
    assert 500 < rows(folder, "SELECT count(*) FROM event WHERE class = 'audit'")[0][0] < 4900
    assert verify(folder, keys()).broken == []


@pytest.mark.slow
def test_old_events_make_room_when_even_the_reserve_is_used_up(small_disk: Path) -> None:
    folder = small_disk / "state"
    writer, desk, store = cared(folder, reserve=5_000_000)
    old = [draft(EventClass.OBSERVATION, n=n, text="x" * 500) for n in range(3000)]
    for at in range(0, 3000, 100):
        store.commit([Batch(old[at : at + 100])], [])
    writer.start()
    until(lambda: held(folder))
    stuff(small_disk / "ballast")
    alarms = [draft(EventClass.ALARM, n=n, text="x" * 2500) for n in range(1500)]
    for alarm in alarms:
        writer.submit(Batch([alarm]))
        until(lambda alarm=alarm: alarm.id == desk.last_alarm(), 20.0)
    assert desk.removed
    assert not (folder / RESERVE_NAME).exists()
    writer.stop()
    assert {item.id for item in alarms} <= {event["id"] for event in events(folder)}
    assert verify(folder, keys()).broken == []


def test_the_budget_is_kept_beside_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(care_module, "PAUSE_S", 0.0)
    writer, desk, store = cared(tmp_path, {"observation": Limit(100_000)})
    store.commit([Batch([draft(EventClass.OBSERVATION, n=n) for n in range(500)])], [])
    writer.start()
    for n in range(50):
        writer.submit(Batch([draft(n=n)]))
    until(lambda: len(desk.removed) > 300)
    writer.stop()
    assert desk.refusals == []
    verdict = verify(tmp_path, keys())
    assert (verdict.broken, verdict.stubs) == ([], len(desk.removed))


def test_the_budget_keeps_pace_with_a_load_that_never_ends(tmp_path: Path) -> None:
    """There is always something queued, so that there is no idle moment for a step."""
    limits = {"observation": Limit(200_000), "access": Limit(200_000)}
    writer, desk, _ = cared(tmp_path, limits)
    writer.start()
    most = 0
    for n in range(6000):
        writer.submit(Batch([draft(EventClass.ACCESS if n % 2 else EventClass.OBSERVATION, n=n)]))
        if n % 20 == 0:
            until(lambda: writer.depth() < 40)
            most = max(most, *(writer_bytes(writer, name) for name in limits))
    until(lambda: writer.depth() == 0)
    writer.stop()
    assert most < 800_000, "of 3 MB each"
    assert len(desk.removed) > 5000
    assert verify(tmp_path, keys()).broken == []


def writer_bytes(writer: Writer, name: str) -> int:
    assert writer._care is not None
    return writer._care.keeper.bytes.get(name, 0)


@pytest.mark.parametrize("reserve", [True, False])
def test_a_start_on_a_full_disk(small_disk: Path, reserve: bool) -> None:
    """After a clean stop SQLite needs room for its log before it can read: the reserve gives it."""
    folder = small_disk / "state"
    store, _ = open_at(folder)
    store.commit([Batch([draft()])], [])
    store.close()
    if reserve:
        (folder / RESERVE_NAME).write_bytes(bytes(2_000_000))
    stuff(small_disk / "ballast")
    if not reserve:
        with pytest.raises(JournalRefused, match="its disk is full"):
            open_at(folder)
        return
    writer, desk, store = cared(folder, reserve=2_000_000)
    assert store.reserve_freed
    writer.start()
    assert "the reserve is in use" in writer.trouble
    press = draft()
    writer.submit(Batch([press]))
    until(lambda: press.id in desk.ids())
    (small_disk / "ballast").unlink()
    until(lambda: not writer.trouble)
    writer.stop()
    assert verify(folder, keys()).broken == []


def test_a_centre_that_has_what_this_journal_has_not(tmp_path: Path) -> None:
    """Later events, or another in the same place: the file is an older copy. What it has itself, or had an epoch ago, changes nothing."""
    writer, desk, store = cared(tmp_path)
    store.commit([Batch([draft(n=n) for n in range(5)])], [])
    third = rows(tmp_path, "SELECT sha256 FROM event WHERE sequence = 3")[0][0]
    writer.start()
    for newest in (Newest(1, 3, third), Newest(1, 6, store.last_hash), Newest(0, 99, "x")):
        writer.heard(newest)
    writer.submit(Batch())
    until(lambda: len(desk.done) == 1)
    assert store.epoch == 1
    writer.heard(Newest(1, 3, "another"))
    until(lambda: store.epoch == 2)
    writer.heard(Newest(1, 7, "x"))
    writer.heard(Newest(4, 1, "x"))
    until(lambda: store.epoch == 5)
    writer.stop()
    told = [event["data"] for event in events(tmp_path) if event["type"] == "campus.journal.opened"]
    assert [(data["reason"], data["last_epoch"]) for data in told[1:]] == [("restored", "0000000001"), ("restored", "0000000004")]
    assert rows(tmp_path, "SELECT epoch, reason FROM epoch") == [(1, "created"), (2, "restored"), (5, "restored")]
    assert verify(tmp_path, keys()).broken == []


def test_the_reserve(tmp_path: Path) -> None:
    reserve = Reserve(tmp_path, 100_000)
    assert not reserve.held()
    assert not reserve.free()
    assert reserve.make()
    assert (tmp_path / RESERVE_NAME).stat().st_blocks * 512 >= 100_000, "not only promised"
    assert reserve.make()
    assert reserve.free()
    assert not Reserve(tmp_path, 1 << 60).make(), "more than the disk has"
    assert not (tmp_path / RESERVE_NAME).exists()
    assert Reserve(tmp_path, 0).make()
