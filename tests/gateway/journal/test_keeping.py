"""The storage budget: order, stubs, checkpoint, what is named, and that the log stays provable throughout."""

from __future__ import annotations

import json
import sqlite3
from itertools import pairwise
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
    (told,) = [event["data"] for event in events(tmp_path) if event["type"] == "campus.journal.dropped"]
    stubs = rows(tmp_path, "SELECT id, classsequence FROM stub WHERE row NOT BETWEEN ? AND ? ORDER BY row", [faults[100], faults[149]])
    assert told["ids"] == [event_id for event_id, _ in stubs][: keeping.NAMED]
    assert (told["class"], told["epoch"]) == ("fault", "0000000001")
    assert (int(told["first"]), int(told["last"])) == (stubs[0][1], stubs[-1][1])
    assert keep.dropped == len(stubs) == told["count"]
    assert rows(tmp_path, "SELECT count(*) FROM outbox WHERE row NOT IN (SELECT row FROM event)") == [(0,)]
    assert verify(tmp_path, keys()).broken == []


def test_all_classes_are_kept_to_their_limits_in_one_look(tmp_path: Path) -> None:
    """Nothing is ever received, and three classes overflow together: none waits for another."""
    store, _ = open_at(tmp_path)
    limits = {name: Limit(100_000) for name in ("observation", "access", "fault")}
    keep = keeper(limits)
    work(keep, store)
    for _ in range(12):
        for event_class in (EventClass.OBSERVATION, EventClass.ACCESS, EventClass.FAULT):
            fill(store, event_class, 40, text="x" * 300)
        work(keep, store)
        sizes = dict(rows(tmp_path, "SELECT class, sum(length(body) + ?) FROM event GROUP BY class", [keeping.PLACE_BYTES]))
        assert {name: size for name, size in sizes.items() if name in limits and size > 100_000} == {}
        assert {name: keep.bytes[name] for name in limits} == {name: sizes[name] for name in limits}
    store.close()
    assert verify(tmp_path, keys()).broken == []


def test_more_than_one_step_could_remove_is_shared_out(tmp_path: Path) -> None:
    store, _ = open_at(tmp_path)
    for event_class in (EventClass.OBSERVATION, EventClass.ACCESS):
        fill(store, event_class, 1500)
    keep = keeper({"observation": Limit(50_000), "access": Limit(50_000)})
    before: dict[str, int] = {}
    for _ in range(200):
        done = keep.step(store)
        assert len(done.removed) <= keeping.MOST_STEP + 2 * keeping.STEP // 10
        if done.removed and keep.behind and before:
            assert keep.bytes["access"] < before["access"], "no class waits for another"
            assert keep.bytes["observation"] < before["observation"]
        before = dict(keep.bytes) if done.removed else {}
        if not done.more:
            break
    assert max(keep.bytes["access"], keep.bytes["observation"]) <= 50_000
    assert not keep.behind
    store.close()


def test_dropped_events_are_told_once_a_minute(tmp_path: Path) -> None:
    """What tells of the removed must not fill the room that they left."""
    store, _ = open_at(tmp_path)
    now_s = 1000.0
    keep = Keeper({"access": Limit(30_000)}, lambda: Now(now_s, AT_MS, "synchronised"), say)
    for _ in range(40):
        fill(store, EventClass.ACCESS, 150)
        store.db.execute(
            "INSERT INTO outbox (recipient, row) SELECT 'police', row FROM event WHERE class = 'access' AND true ON CONFLICT DO NOTHING"
        )
        work(keep, store)
        now_s += 5.0
    told = [event["data"] for event in events(tmp_path) if event["type"] == "campus.journal.dropped"]
    assert 3 <= len(told) <= 5
    assert all(len(data["ids"]) <= keeping.NAMED for data in told)
    waiting = rows(tmp_path, "SELECT coalesce(sum(count), 0) FROM untold")[0][0]
    assert sum(data["count"] for data in told) + waiting == keep.dropped > 5000
    assert waiting > 0
    ranges = [(int(data["first"]), int(data["last"])) for data in told]
    assert all(before[1] < after[0] for before, after in pairwise(ranges))
    store.close()
    store, _ = open_at(tmp_path)
    now_s += 60.0
    work(Keeper({}, lambda: Now(now_s, AT_MS, "synchronised"), say), store)
    assert rows(tmp_path, "SELECT * FROM untold") == [], "also what was not told before a restart"
    store.close()
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
    ((event, sequence, amount, kept, classes),) = rows(tmp_path, "SELECT event, sequence, count, kept, classes FROM checkpoint")
    assert amount + kept == sequence >= 60
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


def islands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Store, list[int]]:
    """A journal whose stubs went under a checkpoint, with alarms that stay between them; (store, rows of the alarms)."""
    monkeypatch.setattr(keeping, "PRUNE", 60)
    monkeypatch.setattr(keeping, "COUNT_STEP", 3)
    store, _ = open_at(tmp_path)
    alarms: list[int] = []
    for _ in range(12):
        alarms += fill(store, EventClass.ALARM, 2)
        fill(store, EventClass.OBSERVATION, 30)
        work(keeper({"observation": Limit(1), "audit": Limit(1)}), store)
    settle(store, alarms)
    work(keeper({"observation": Limit(1), "audit": Limit(1)}), store)
    return store, alarms


def test_alarms_that_stay_do_not_keep_the_stubs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, alarms = islands(tmp_path, monkeypatch)
    fill(store, EventClass.ALARM, 1)
    store.close()
    ((sequence, amount, kept),) = rows(tmp_path, "SELECT sequence, count, kept FROM checkpoint")
    assert kept >= 10
    assert amount + kept == sequence > 200
    assert rows(tmp_path, "SELECT count(*) FROM stub")[0][0] < 60 + 60
    assert {row for (row,) in rows(tmp_path, "SELECT row FROM event WHERE class = 'alarm'")} > set(alarms)
    verdict = verify(tmp_path, keys())
    assert (verdict.broken, verdict.checkpointed) == ([], amount)
    told = [event["data"] for event in events(tmp_path) if event["type"] == "campus.journal.checkpoint"][-1]
    assert (told["count"], told["kept"]) == (amount, kept)


@pytest.mark.parametrize(
    ("query", "sequence", "text"),
    [
        ("DELETE FROM event WHERE row = ?", 35, "events stay before the checkpoint by its word"),
        ("UPDATE event SET body = CAST(replace(CAST(body AS TEXT), 'panic', 'manic') AS BLOB) WHERE row = ?", 34, "its sha-256"),
        ("UPDATE event SET row = row + 1 WHERE row = ? + 1", 35, "another place"),
        ("UPDATE checkpoint SET kept = 0, kept_sha256 = '' WHERE ?", 0, "stay before the checkpoint"),
    ],
)
def test_what_stays_before_a_checkpoint_is_proved_by_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, query: str, sequence: int, text: str
) -> None:
    store, alarms = islands(tmp_path, monkeypatch)
    store.close()
    victim = alarms[2]
    assert victim == 34
    change(tmp_path, query, victim)
    found = verify(tmp_path, keys()).broken[0]
    assert found.sequence == sequence
    assert text in found.text


def test_without_its_events_a_checkpoint_cannot_be_made_to_look_like_an_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, _ = islands(tmp_path, monkeypatch)
    store.close()
    for table in ("event", "stub"):
        change(tmp_path, f"DELETE FROM {table} WHERE row <= (SELECT sequence FROM checkpoint)")
    change(tmp_path, "UPDATE checkpoint SET kept = 0, kept_sha256 = ''")
    assert broken(tmp_path)[2] == "what was removed is not what its checkpoint tells"


def test_what_stayed_may_go_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, alarms = islands(tmp_path, monkeypatch)
    assert set(work(keeper({"alarm": Limit(days=30.0)}, days=31), store)) == set(alarms[:-1])
    store.close()
    assert verify(tmp_path, keys()).broken == []
    store, _ = open_at(tmp_path)
    fill(store, EventClass.OBSERVATION, 100)
    work(keeper({"observation": Limit(1), "audit": Limit(1)}), store)
    store.close()
    verdict = verify(tmp_path, keys())
    assert verdict.broken == []
    assert verdict.checkpointed > 300


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
