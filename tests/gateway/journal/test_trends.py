"""Trends: minutes out of samples, ten together, kept for a month, read back as they were."""

from __future__ import annotations

import io
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.points import EventClass
from gateway.journal import trends as module
from gateway.journal.store import JOURNAL_NAME, Batch, Store
from gateway.journal.trends import DAYS, MINUTE_MS, TOGETHER, Row, Trends, trends, write_csv
from tests.gateway.journal.journals import AT_MS, draft, open_at, rows
from tests.gateway.journal.test_keeping import keeper, work

DAY_MS = 86_400_000
START_MS = AT_MS - AT_MS % (TOGETHER * MINUTE_MS)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened, _ = open_at(tmp_path)
    yield opened
    opened.close()


def keep(store: Store, minutes: list[Row]) -> None:
    store.commit([Batch(minutes=minutes)], [])


def test_minutes_out_of_samples(tmp_path: Path, store: Store) -> None:
    collected, out = Trends(), []
    for second in range(0, 1500, 10):
        values = {"gas": second / 10}
        if second < 60 or second >= 240:
            values["cable"] = 20.0
        out += collected.take(values, START_MS + second * 1000)
    assert len(out) == 4, "two points, twice ten minutes"
    out += collected.flush()
    assert collected.flush() == []
    keep(store, out)
    found = list(trends(tmp_path))
    gas = [minute for minute in found if minute.point == "gas"]
    assert [(m.at_ms, m.low, m.mean, m.high) for m in gas] == [
        (START_MS + n * MINUTE_MS, n * 6.0, n * 6 + 2.5, n * 6 + 5.0) for n in range(25)
    ]
    cable = [(minute.at_ms - START_MS) // MINUTE_MS for minute in found if minute.point == "cable"]
    assert cable == [0, *range(4, 25)], "no value where nothing was read"
    some = trends(tmp_path, {"gas"}, START_MS + 12 * MINUTE_MS, START_MS + 14 * MINUTE_MS)
    assert [(m.point, (m.at_ms - START_MS) // MINUTE_MS) for m in some] == [("gas", 12), ("gas", 13)]
    keep(store, [(START_MS, "heat", bytes(12))])
    assert list(trends(tmp_path, ["gas", "cable", "unknown"])) == found, "two of three, in the same order"
    assert list(trends(tmp_path, {"unknown"})) == []


@given(st.lists(st.integers(-30, 30), min_size=1, max_size=60))
def test_whatever_the_clock_does_every_sample_is_in_its_minute(steps: list[int]) -> None:
    """A clock that is set forth or back, and a gateway that looks rarely."""
    collected, out, told = Trends(), [], set()
    at_ms = START_MS
    for step in steps:
        at_ms += step * MINUTE_MS // 2
        told.add(at_ms - at_ms % MINUTE_MS)
        out += collected.take({"a": 1.0}, at_ms)
    out += collected.flush()
    found = {
        first + n * MINUTE_MS for first, _, body in out for n in range(len(body) // 12) if body[n * 12 : n * 12 + 12] == b"\0\0\x80?" * 3
    }
    assert found == told
    assert all(len(body) <= 12 * TOGETHER for _, _, body in out)


def test_a_table_for_people(tmp_path: Path, store: Store) -> None:
    collected = Trends()
    collected.take({"gas": 12.345678}, START_MS)
    keep(store, collected.flush())
    out = io.BytesIO()
    assert write_csv(tmp_path, out, ZoneInfo("Asia/Shanghai"), (), 0, 1 << 62) == 1
    head, line = out.getvalue().decode("utf-8-sig").splitlines()
    assert head == "时间 time (Asia/Shanghai),点位 point,最低 low,平均 mean,最高 high"
    assert line.split(",")[1:] == ["gas", "12.3457", "12.3457", "12.3457"]


def days_of(store: Store, days: int, points: int) -> None:
    body = b"\0" * 120
    keep(store, [(START_MS + n * DAY_MS // 4, f"p{p}", body) for n in range(days * 4) for p in range(points)])


def test_a_month_is_kept(tmp_path: Path, store: Store) -> None:
    days_of(store, 40, 2)
    work(keeper({}, days=40, clock="holdover"), store)
    assert rows(tmp_path, "SELECT count(*) FROM trend") == [(320,)], "a clock that nobody vouches for makes nothing old"
    work(keeper({}, days=40), store)
    ((count, oldest),) = rows(tmp_path, "SELECT count(*), min(at_ms) FROM trend")
    assert count == 240
    assert oldest >= AT_MS + (40 - DAYS) * DAY_MS - DAY_MS // 4


def test_never_more_than_its_share(tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", 5 * 144 * 2 * module.ROW_BYTES)  # five days of two points
    days_of(store, 20, 2)
    work(keeper({}, days=20), store)
    ((count,),) = rows(tmp_path, "SELECT count(*) FROM trend")
    assert 5 * 4 * 2 <= count <= 5 * 4 * 2 + 2


def test_on_a_full_disk_trends_go_first(tmp_path: Path, store: Store) -> None:
    days_of(store, 1, 2)
    store.commit([Batch([draft(EventClass.OBSERVATION) for _ in range(5)])], [])
    keep_room = keeper({})
    for _ in range(4):
        assert keep_room.make_room(store, owed_too=False).removed == []
    assert rows(tmp_path, "SELECT count(*) FROM trend") == [(0,)]
    assert keep_room.make_room(store, owed_too=False).removed, "then events"


def test_events_are_proved_without_them(tmp_path: Path, store: Store) -> None:
    days_of(store, 1, 1)
    with closing(sqlite3.connect(tmp_path / JOURNAL_NAME, isolation_level=None)) as db:
        db.execute("DELETE FROM trend")
    assert list(trends(tmp_path)) == []
