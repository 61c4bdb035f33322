"""Alarms that the journal removes itself: told in a signed event, counted over checkpoints, and not to be imitated."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway.core.points import EventClass
from gateway.journal import keeping
from gateway.journal.keeping import Limit
from gateway.journal.store import Store
from gateway.journal.verify import verify
from tests.gateway.journal.journals import events, open_at, rows
from tests.gateway.journal.test_keeping import fill, keeper, settle, work
from tests.gateway.journal.test_verify import broken, change, keys

LIMITS = {"alarm": Limit(days=30.0)}


def told(folder: Path) -> list[tuple[int, int, list[str]]]:
    said = [event["data"] for event in events(folder) if event["type"] == "campus.journal.removed"]
    return [(data["count"], data["total"], data["ids"]) for data in said]


def aged(store: Store, count: int) -> list[int]:
    """Alarms that were received and then removed because of their age; one newer one stays."""
    alarms = fill(store, EventClass.ALARM, count)
    settle(store, alarms)
    fill(store, EventClass.ALARM, 1)
    return work(keeper(LIMITS, days=32), store)


def test_what_goes_by_age_is_named_in_a_signed_event(tmp_path: Path) -> None:
    store, _ = open_at(tmp_path)
    gone = aged(store, 5)
    assert len(gone) == 5
    store.close()
    ids = [event_id for (event_id,) in rows(tmp_path, "SELECT id FROM stub ORDER BY row")]
    assert told(tmp_path) == [(5, 5, ids)]
    verdict = verify(tmp_path, keys())
    assert (verdict.broken, verdict.removed, verdict.alarms) == ([], {"alarm": 5}, ids)


def test_one_more_than_the_signed_events_tell_of_is_named(tmp_path: Path) -> None:
    store, _ = open_at(tmp_path)
    aged(store, 5)
    more = fill(store, EventClass.ALARM, 3)
    store.close()
    victim = more[0]
    query = "INSERT INTO stub SELECT row, epoch, sequence, class, classsequence, id, sha256 FROM event WHERE row = ?"
    for each in (query, "DELETE FROM outbox WHERE row = ?", "DELETE FROM event WHERE row = ?"):
        change(tmp_path, each, victim)
    assert broken(tmp_path) == (1, victim, "this alarm was taken away: 6 alarms are gone, the signed events tell of 5")


def test_the_newest_word_of_alarms_stays_and_the_older_ones_may_go(tmp_path: Path) -> None:
    store, _ = open_at(tmp_path)
    for _ in range(4):
        aged(store, 2)
    assert [total for _, total, _ in told(tmp_path)] == [2, 4, 6, 8]
    settle(store, [row for (row,) in rows(tmp_path, "SELECT row FROM event")])
    work(keeper({"audit": Limit(1)}), store)
    fill(store, EventClass.AUDIT, 1)
    settle(store, [row for (row,) in rows(tmp_path, "SELECT row FROM event")])
    work(keeper({"audit": Limit(1)}), store)
    store.close()
    assert [total for _, total, _ in told(tmp_path)] == [8]
    assert verify(tmp_path, keys()).broken == []


def test_a_checkpoint_tells_how_many_of_each_class_went(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "PRUNE", 30)
    store, _ = open_at(tmp_path)
    for _ in range(6):
        fill(store, EventClass.OBSERVATION, 20)
        aged(store, 3)
        work(keeper({"observation": Limit(1)}), store)
    fill(store, EventClass.OBSERVATION, 1)
    store.close()
    ((event, count),) = rows(tmp_path, "SELECT event, count FROM checkpoint")
    said = json.loads(rows(tmp_path, "SELECT body FROM event WHERE row = ?", [event])[0][0])["data"]["removed"]
    assert sum(said.values()) == count
    assert said["alarm"] > 5
    verdict = verify(tmp_path, keys())
    assert (verdict.broken, verdict.checkpointed) == ([], count)
    assert verdict.removed["alarm"] == told(tmp_path)[-1][1]
    assert [(verdict.removed["observation"],)] == rows(
        tmp_path, "SELECT max(classsequence) - count(*) FROM event WHERE class = 'observation'"
    )


def test_a_checkpoint_whitewashes_no_alarm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "PRUNE", 30)
    store, _ = open_at(tmp_path)
    (victim, *_) = fill(store, EventClass.ALARM, 2)
    store.db.execute("INSERT INTO stub SELECT row, epoch, sequence, class, classsequence, id, sha256 FROM event WHERE row = ?", (victim,))
    store.db.execute("DELETE FROM outbox WHERE row = ?", (victim,))
    store.db.execute("DELETE FROM event WHERE row = ?", (victim,))
    fill(store, EventClass.OBSERVATION, 60)
    work(keeper({"observation": Limit(1)}), store)
    fill(store, EventClass.OBSERVATION, 1)
    store.close()
    assert rows(tmp_path, "SELECT count(*) FROM stub WHERE row = ?", [victim]) == [(0,)]
    assert broken(tmp_path) == (0, 0, "this alarm was taken away: 1 alarms are gone, the signed events tell of 0")
