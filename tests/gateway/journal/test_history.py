"""Events read back newest first: by time, class, place, words; over files that were set aside; with clocks that were set."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.core.delivery import RECEIVED, Settlement
from gateway.core.errors import JournalUnreadable
from gateway.core.history import Wanted
from gateway.core.points import Draft, EventClass
from gateway.journal import history as module
from gateway.journal.files import open_readonly
from gateway.journal.history import JournalHistory
from gateway.journal.store import JOURNAL_NAME, Batch, Store
from tests.gateway.journal.journals import AT_MS, draft, open_at


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened, _ = open_at(tmp_path)
    yield opened
    opened.close()


def at(second: float, event_class: EventClass = EventClass.ALARM, **data: object) -> Draft:
    return replace(draft(event_class, **data), at_ms=AT_MS + round(second * 1000))


def told(folder: Path, **wanted: Any) -> list[int]:
    """When what is found happened, seconds after the first; without the journal's own opening."""
    return [(event.at_ms - AT_MS) // 1000 for event in JournalHistory(folder).events(Wanted(**wanted)) if event.event_class != "audit"]


def test_newest_first_within_its_time(tmp_path: Path, store: Store) -> None:
    store.commit([Batch([at(second) for second in range(1200)])], [])
    assert told(tmp_path) == list(range(1199, -1, -1))
    assert told(tmp_path, from_ms=AT_MS + 10_000, to_ms=AT_MS + 13_000) == [12, 11, 10]
    newest = next(JournalHistory(tmp_path).events(Wanted()))
    assert told(tmp_path, before_row=newest.row)[0] == 1198


def test_a_clock_that_was_set_hides_nothing(tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "OLDER_ROWS", 20)
    seconds = [*range(100), *range(50, 60), *range(100, 200)]  # set back by 50 s, and on again
    store.commit([Batch([at(second) for second in seconds])], [])
    assert sorted(told(tmp_path, from_ms=AT_MS + 50_000, to_ms=AT_MS + 60_000)) == sorted([*range(50, 60)] * 2)


def test_a_clock_that_ran_ahead_hides_nothing_of_the_last_days(tmp_path: Path, store: Store) -> None:
    later = [*range(500), *range(100_000_000, 100_002_500), *range(500, 600)]
    store.commit([Batch([at(second) for second in later])], [])
    assert told(tmp_path, from_ms=AT_MS, to_ms=AT_MS + 600_000) == list(range(599, -1, -1))


def test_no_query_walks_through_all_deliveries(tmp_path: Path, store: Store) -> None:
    store.commit([Batch([at(second) for second in range(3)])], [])
    plans: list[str] = []
    with closing(open_readonly(tmp_path / JOURNAL_NAME)) as db:
        queries: list[str] = []
        db.set_trace_callback(queries.append)
        assert len(list(module._events(db, Wanted(), lambda: False))) == 4
        db.set_trace_callback(None)
        for query in queries:
            plans += [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {query}")]
    assert any("outbox" in plan for plan in plans)
    assert not [plan for plan in plans if plan.startswith("SCAN outbox")]


def test_only_as_much_is_read_as_is_asked_for(tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "OLDER_ROWS", 20)
    monkeypatch.setattr(module, "RECENT_MS", 0)
    store.commit([Batch([at(second) for second in range(3000)])], [])
    looked = 0

    def counting(*given: Any) -> Any:
        nonlocal looked
        looked += 1
        return _data(*given)

    _data = module._data
    monkeypatch.setattr(module, "_data", counting)
    assert told(tmp_path, from_ms=AT_MS + 1000_000, to_ms=AT_MS + 1010_000) == list(range(1009, 999, -1))
    assert looked < 100


def test_by_class_type_place_role_and_words(tmp_path: Path, store: Store) -> None:
    gate = {"place": "gate", "role": "panic_button", "text": {"zh": "南门一键报警", "en": "South Gate panic"}, "by": "李明"}
    store.commit([Batch([at(0, **gate), at(1, EventClass.FAULT, place="kitchen", role="gas_concentration")])], [])
    for wanted in (
        {"classes": frozenset({"alarm"})},
        {"types": ("campus.alarm",)},
        {"places": frozenset({"gate"})},
        {"roles": frozenset({"panic_button"})},
        {"text": "南门"},
        {"text": "south gate"},
        {"text": "李明"},
        {"subject": "panic", "to_ms": AT_MS + 1},
    ):
        assert told(tmp_path, **wanted) == [0], wanted
    assert told(tmp_path, text="nobody") == []


def test_who_has_it_and_who_does_not(tmp_path: Path, store: Store) -> None:
    ((sealed,),) = store.commit([Batch([at(0)])], [])
    store.commit([], [Settlement(sealed.row, "police", RECEIVED, AT_MS + 700)])
    alarm = next(iter(JournalHistory(tmp_path).events(Wanted(classes=frozenset({"alarm"})))))
    assert (dict(alarm.received), alarm.owed) == ({"police": AT_MS + 700}, frozenset({"bureau"}))


def test_no_journal_and_a_damaged_one(tmp_path: Path) -> None:
    assert list(JournalHistory(tmp_path).events(Wanted())) == []
    (tmp_path / JOURNAL_NAME).write_bytes(b"no database at all" * 500)
    with pytest.raises(JournalUnreadable):
        list(JournalHistory(tmp_path).events(Wanted()))
