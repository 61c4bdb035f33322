"""A file found damaged at the start: the states that can be read are carried over, and what cannot is said."""

from __future__ import annotations

import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from gateway.core.points import EventClass, Latch
from gateway.journal import store as store_module
from gateway.journal.salvage import ALL, NONE, SOME, salvage
from gateway.journal.store import JOURNAL_NAME, NO_SUM, Batch, Store, check_sum, open_store
from tests.gateway.journal.journals import AT_MS, ORIGIN, RECIPIENTS, draft, events, open_at, opened, signer

PAGE = 4096


def recall(event: dict[str, Any]) -> tuple[str, dict[str, Any]] | None:
    count = event["data"].get("count")
    return None if count is None else (event["subject"], {"counter": count})


def open_again(folder: Path) -> Store:
    return open_store(folder, ORIGIN, signer(), RECIPIENTS, opened, AT_MS, recall=recall)[0]


def written(folder: Path, latches: int = 400, presses: int = 5) -> None:
    """Alarms with many states, a counter among them, all in the file itself."""
    store, _ = open_at(folder)
    for n in range(1, presses + 1):
        store.commit([Batch([draft(EventClass.ALARM, count=n)], [Latch("panic", {"counter": n})])], [])
    states = [Latch(f"point-{n:03d}/alarm", {"state": "unacknowledged", "since_ms": n}) for n in range(latches)]
    store.commit([Batch([draft(EventClass.FAULT, text="x" * 20_000)], states)], [])
    store.close()


def pages_with(path: Path, text: bytes) -> list[int]:
    content = path.read_bytes()
    return [at for at in range(PAGE, len(content), PAGE) if text in content[at : at + PAGE]]


def garble(path: Path, at: int, size: int = PAGE) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(b"\xa5" * size)


def states(store: Store) -> dict[str, dict[str, Any]]:
    found = {latch.key: latch.state for latch in store.latches()}
    store.close()
    return found


def test_damage_elsewhere_costs_no_state(tmp_path: Path) -> None:
    written(tmp_path)
    path = tmp_path / JOURNAL_NAME
    garble(path, pages_with(path, b'"type":"campus.alarm.x"')[0])
    store = open_again(tmp_path)
    assert store.set_aside is not None
    assert store.salvage is not None
    assert (store.salvage.found, store.salvage.told_by_events) == (ALL, 0)
    assert "all 401 states" in str(store.salvage)
    found = states(store)
    assert found["panic"] == {"counter": 5}
    assert len(found) == 401
    assert events(tmp_path)[0]["data"]["states"] == "all"
    again = open_again(tmp_path)
    assert again.set_aside is None
    assert len(states(again)) == 401, "they are in the new file"


def test_a_damaged_page_of_states_costs_only_its_own(tmp_path: Path) -> None:
    written(tmp_path)
    path = tmp_path / JOURNAL_NAME
    pages = pages_with(path, b'"unacknowledged"')
    assert len(pages) > 4
    garble(path, pages[len(pages) // 2])
    store = open_again(tmp_path)
    assert store.salvage is not None
    assert store.salvage.found == SOME
    assert "some of the stored states could be read" in str(store.salvage)
    found = states(store)
    assert 200 < len(found) < 401
    assert all(found[key] == {"state": "unacknowledged", "since_ms": int(key[6:9])} for key in found if key != "panic")
    assert events(tmp_path)[0]["data"]["states"] == "some"


def test_a_state_that_is_no_longer_what_was_written_is_not_believed(tmp_path: Path) -> None:
    """One flipped digit is still JSON, and a count that is too high would swallow a press."""
    written(tmp_path, latches=3)
    path = tmp_path / JOURNAL_NAME
    content = path.read_bytes()
    assert content.count(b'{"counter": 5}') == 1
    path.write_bytes(content.replace(b'{"counter": 5}', b'{"counter": 9}'))
    store = open_again(tmp_path)
    assert store.set_aside is not None, "the check sum is looked at, at every start"
    assert store.salvage is not None
    assert (store.salvage.found, store.salvage.told_by_events) == (SOME, 1)
    assert states(store)["panic"] == {"counter": 5}, "as the newest press said"


def test_a_lost_count_is_taken_from_the_newest_press_that_can_be_read(tmp_path: Path) -> None:
    """An older one tells a press twice; nothing would swallow it."""
    written(tmp_path, latches=0)
    path = tmp_path / JOURNAL_NAME
    (table,) = pages_with(path, b'{"counter": 5}')
    garble(path, table)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("UPDATE event SET sha256 = 'x' WHERE sequence = 6")
    store = open_again(tmp_path)
    assert store.salvage is not None
    assert (store.salvage.found, store.salvage.told_by_events) == (NONE, 1)
    assert "1 carried over, 1 of them from events" in str(store.salvage)
    assert states(store) == {"panic": {"counter": 4}}


def test_nothing_can_be_read(tmp_path: Path) -> None:
    written(tmp_path, latches=3)
    (tmp_path / JOURNAL_NAME).write_bytes(os.urandom(50_000))
    store = open_again(tmp_path)
    assert store.salvage is not None
    assert (store.salvage.found, str(store.salvage)[:4]) == (NONE, "none")
    assert states(store) == {}


def test_states_of_an_earlier_version_have_no_sum(tmp_path: Path) -> None:
    path = tmp_path / "old"
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("CREATE TABLE latch (key TEXT PRIMARY KEY, state TEXT NOT NULL) STRICT, WITHOUT ROWID")
        db.executemany("INSERT INTO latch VALUES (?, ?)", [("a", '{"counter": 1}'), ("b", "nonsense"), ("c", "[]")])
    done = salvage(path)
    assert (done.kept, done.found) == ({"a": '{"counter": 1}'}, SOME)


def test_check_sums() -> None:
    assert check_sum("ab", "c") != check_sum("a", "bc")
    assert check_sum("a", "\ud800") >= 0 > NO_SUM


@pytest.mark.parametrize("how", ["replaced", "moved in", "written over"])
def test_an_older_copy_of_the_same_epoch(tmp_path: Path, how: str) -> None:
    """A copy is another file: noticed before anything is sealed. Written into the same file it is not; a centre notices that."""
    folder = tmp_path / "state"
    store, _ = open_at(folder)
    store.commit([Batch([draft(n=1)])], [])
    store.close()
    backup = (folder / JOURNAL_NAME).read_bytes()
    store, _ = open_at(folder)
    store.commit([Batch([draft(n=2)])], [])
    store.close()
    if how == "replaced":
        (folder / "new").write_bytes(backup)
        (folder / "new").replace(folder / JOURNAL_NAME)
    elif how == "moved in":
        (tmp_path / "copy").mkdir()
        for each in folder.iterdir():
            (tmp_path / "copy" / each.name).write_bytes(backup if each.name == JOURNAL_NAME else each.read_bytes())
        folder.rename(tmp_path / "gone")
        (tmp_path / "copy").rename(folder)
    else:
        (folder / JOURNAL_NAME).write_bytes(backup)
    store, first = open_at(folder)
    if how == "written over":
        assert first is None
        first = store_module.outrun(folder, store, opened, 1)
    store.close()
    assert first is not None
    assert store.epoch == 2
    told = json.loads(first.body)["data"]
    assert (told["reason"], told["last_epoch"]) == ("restored", "0000000001")
    again, first = open_at(folder)
    again.close()
    assert first is None, "once"


def test_a_centre_that_knows_a_later_epoch(tmp_path: Path) -> None:
    store, _ = open_at(tmp_path)
    first = store_module.outrun(tmp_path, store, opened, 7)
    assert first is not None
    assert store.epoch == 8
    assert store_module.outrun(tmp_path, store, opened, 7) is None, "this journal is beyond that"
    (sealed,) = store.commit([Batch([draft()])], [])
    assert sealed[0].number is not None
    assert (sealed[0].number.epoch, sealed[0].number.sequence) == (8, 2)
    store.close()
