"""The storage budget: order, stubs, checkpoint, what is named, and that the log stays provable throughout."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from gateway.core.delivery import RECEIVED, Settlement
from gateway.core.points import Draft, EventClass
from gateway.core.reading import Now
from gateway.journal import keeping
from gateway.journal.keeping import Keeper, Limit
from gateway.journal.store import Batch, Store
from gateway.journal.verify import verify
from tests.gateway.journal.journals import AT_MS, draft, events, open_at, rows
from tests.gateway.journal.test_verify import broken, change, keys

DAY_MS = 86_400_000


def say(name: str, zh: str, en: str, data: dict[str, Any]) -> Draft:
    said = draft(EventClass.AUDIT, **data, text={"zh": zh, "en": en})
    return Draft(said.id, said.event_class, name, "gw-journal", said.priority, AT_MS, 1.0, "synchronised", said.data)


def keeper(limits: dict[str, Limit], days: float = 0.0, clock: str = "synchronised") -> Keeper:
    return Keeper(limits, lambda: Now(0.0, round(AT_MS + days * DAY_MS), clock), say)


def work(keep: Keeper, store: Store) -> list[int]:
    """Step until there is nothing to do; the rows that went, in their order."""
    removed: list[int] = []
    for _ in range(2000):
        done = keep.step(store)
        removed += done.removed
        if not done.more:
            return removed
    raise AssertionError("it never comes to an end")


def fill(store: Store, event_class: EventClass, count: int, **data: object) -> list[int]:
    (sealed,) = store.commit([Batch([draft(event_class, **data) for _ in range(count)])], [])
    return [event.row for event in sealed]


def settle(store: Store, numbers: list[int]) -> None:
    store.commit([], [Settlement(row, name, RECEIVED, 1) for row in numbers for name in ("police", "bureau")])


def count(folder: Path, name: str) -> int:
    return int(rows(folder, "SELECT count(*) FROM event WHERE class = ?", [name])[0][0])


def test_within_its_limits_nothing_goes(tmp_path: Path) -> None:
    store, _ = open_at(tmp_path)
    fill(store, EventClass.OBSERVATION, 50)
    keep = keeper({"observation": Limit(1_000_000, 1.0)}, days=0.5)
    assert work(keep, store) == []
    assert 50 * 800 < keep.bytes["observation"] < 50 * 2000
    store.close()


def test_the_oldest_go_and_the_log_stays_whole(tmp_path: Path) -> None:
    store, _ = open_at(tmp_path)
    observed = fill(store, EventClass.OBSERVATION, 250)
    alarms = fill(store, EventClass.ALARM, 3)
    keep = keeper({"observation": Limit(100_000)})
    gone = work(keep, store)
    assert gone == observed[: len(gone)]
    assert 100 < len(gone) < 250
    assert keep.bytes["observation"] <= 100_000
    assert work(keep, store) == []
    fill(store, EventClass.OBSERVATION, 5)
    store.close()
    assert {row for (row,) in rows(tmp_path, "SELECT row FROM event WHERE class = 'alarm'")} == set(alarms)
    verdict = verify(tmp_path, keys())
    assert (verdict.broken, verdict.stubs) == ([], len(gone))
    store, first = open_at(tmp_path)
    assert first is None
    (again,) = store.commit([Batch([draft(EventClass.OBSERVATION)])], [])
    store.close()
    assert again[0].number is not None
    assert again[0].number.class_sequence == 256
    change(tmp_path, "UPDATE stub SET sha256 = ? WHERE sequence = ?", "0" * 64, len(gone) + 1)
    assert broken(tmp_path)[1:] == (len(gone) + 2, "its previous hash is not that of the event before it")


def test_the_tally_outlives_the_process_and_counts_only_what_is_new(tmp_path: Path) -> None:
    store, _ = open_at(tmp_path)
    fill(store, EventClass.OBSERVATION, 200)
    keep = keeper({"observation": Limit(50_000)})
    work(keep, store)
    fill(store, EventClass.OBSERVATION, 7)
    store.close()
    store, _ = open_at(tmp_path)
    again = keeper({})
    work(again, store)
    size = rows(tmp_path, "SELECT sum(length(body) + ?) FROM event WHERE class = 'observation'", [keeping.PLACE_BYTES])
    assert again.bytes["observation"] == size[0][0]
    store.close()


def test_what_is_owed_goes_last_and_is_named(tmp_path: Path) -> None:
    store, _ = open_at(tmp_path)
    faults = fill(store, EventClass.FAULT, 300)
    settle(store, faults[100:150])
    keep = keeper({"fault": Limit(200_000)})
    gone = work(keep, store)
    assert gone[:50] == faults[100:150], "first what was received"
    assert gone[50:] == sorted(set(faults) - set(faults[100:150]))[: len(gone) - 50]
    assert len(gone) > 50
    store.close()
    told = [event["data"] for event in events(tmp_path) if event["type"] == "campus.journal.dropped"]
    named = [event_id for data in told for event_id in data["ids"]]
    stubs = rows(tmp_path, "SELECT id FROM stub WHERE row NOT BETWEEN ? AND ? ORDER BY row", [faults[100], faults[149]])
    assert named == [event_id for (event_id,) in stubs]
    assert {data["class"] for data in told} == {"fault"}
    assert keep.dropped == len(named) == sum(data["count"] for data in told)
    assert rows(tmp_path, "SELECT count(*) FROM outbox WHERE row NOT IN (SELECT row FROM event)") == [(0,)]
    assert verify(tmp_path, keys()).broken == []


def test_alarms_go_by_age_only_and_never_before_they_are_received(tmp_path: Path) -> None:
    store, _ = open_at(tmp_path)
    alarms = fill(store, EventClass.ALARM, 20, text="x" * 1000)
    assert work(keeper({"alarm": Limit(1)}, days=9000), store) == [], "no limit in bytes"
    settle(store, alarms[:5])
    store.commit([], [Settlement(alarms[5], "police", RECEIVED, 1)])
    limits = {"alarm": Limit(days=30.0)}
    assert work(keeper(limits, days=29), store) == []
    assert work(keeper(limits, days=31, clock="holdover"), store) == [], "a clock that nobody vouches for makes nothing old"
    assert work(keeper(limits, days=31), store) == alarms[:5], "what one recipient still owes stays"
    store.close()
    assert count(tmp_path, "alarm") == 15
    assert verify(tmp_path, keys()).broken == []


def test_stubs_go_under_a_signed_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "PRUNE", 60)
    store, _ = open_at(tmp_path)
    fill(store, EventClass.AUDIT, 1)
    for _ in range(5):
        fill(store, EventClass.OBSERVATION, 40)
        settle(store, fill(store, EventClass.AUDIT, 10))
        work(keeper({"observation": Limit(1), "audit": Limit(30_000)}), store)
    settle(store, [row for (row,) in rows(tmp_path, "SELECT row FROM event")])
    work(keeper({"observation": Limit(1), "audit": Limit(10_000)}), store)
    store.close()
    ((event, sequence, amount, classes),) = rows(tmp_path, "SELECT event, sequence, count, classes FROM checkpoint")
    assert amount == sequence >= 60
    assert rows(tmp_path, "SELECT count(*) FROM stub WHERE sequence <= ?", [sequence]) == [(0,)]
    assert sum(json.loads(classes).values()) == sequence
    verdict = verify(tmp_path, keys())
    assert (verdict.broken, verdict.checkpointed) == ([], amount)
    store, first = open_at(tmp_path)
    assert first is None
    fill(store, EventClass.ALARM, 1)
    store.close()
    assert verify(tmp_path, keys()).broken == []
    told = json.loads(rows(tmp_path, "SELECT body FROM event WHERE row = ?", [event])[0][0])
    assert (told["type"], told["data"]["count"]) == ("campus.journal.checkpoint", amount)
    change(tmp_path, "UPDATE checkpoint SET count = count + 1")
    assert broken(tmp_path)[2] == "what was removed is not what its checkpoint tells"
    change(tmp_path, "UPDATE checkpoint SET count = count - 1, event = 1")
    assert broken(tmp_path)[2] == "events were removed up to a checkpoint that no signed event of this journal tells of"


def test_a_step_that_the_disk_refuses_changes_nothing(tmp_path: Path) -> None:
    store, _ = open_at(tmp_path)
    fill(store, EventClass.FAULT, 300)
    keep = keeper({"fault": Limit(10_000)})
    store.db.execute(f"PRAGMA max_page_count = {store.db.execute('PRAGMA page_count').fetchone()[0]}")
    with pytest.raises(sqlite3.OperationalError, match="full"):
        work(keep, store)
    before = dict(keep.bytes)
    with pytest.raises(sqlite3.OperationalError, match="full"):
        keep.step(store)
    assert keep.bytes == before
    store.db.execute("PRAGMA max_page_count = 1000000")
    work(keep, store)
    store.close()
    assert verify(tmp_path, keys()).broken == []
