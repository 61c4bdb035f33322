"""What somebody with the file in his hands could try: columns, stubs, deletions, and pages of the file itself."""

from __future__ import annotations

import io
import json
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.core.ids import EventIds
from gateway.core.points import EventClass, Latch
from gateway.journal.export import Selection, write_ndjson
from gateway.journal.store import JOURNAL_NAME, Batch, open_store
from gateway.journal.verify import Broken, verify
from tests.gateway.journal.journals import AT_MS, ORIGIN, RECIPIENTS, draft, open_at, opened, signer
from tests.gateway.journal.test_verify import change, filled, keys

PAGE = 4096
STUB = "INSERT INTO stub SELECT row, epoch, sequence, class, classsequence, id, sha256 FROM event WHERE "


def first(folder: Path) -> Broken:
    (found,) = verify(folder, keys()).broken
    return found


# --- columns --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "column"),
    [
        ("type = 'campus.observation.x'", "type"),
        ("subject = 'panic-2'", "subject"),
        ("at_ms = at_ms - 86400000", "at_ms"),
        ("at_ms = -1 << 60", "at_ms"),
        ("priority = 4", "priority"),
        ("priority = -1", "priority"),
    ],
)
def test_a_column_that_tells_otherwise_than_the_signed_body(tmp_path: Path, setting: str, column: str) -> None:
    filled(tmp_path)
    change(tmp_path, f"UPDATE event SET {setting} WHERE sequence = 2")
    found = first(tmp_path)
    assert (found.sequence, found.text) == (2, f"its column {column} tells otherwise than its signed body")
    assert (found.last_good, found.behind, found.gaps) == (1, 19, 0)
    out = io.BytesIO()
    done = write_ndjson(
        tmp_path, Selection(from_ms=AT_MS, points=frozenset({"panic"}), classes=frozenset({"alarm"})), out, signer(), "/x", AT_MS
    )
    assert done.count == 7, "what is asked for is chosen by the signed bodies"
    assert "1 events were changed, the first is epoch 1, sequence 2" in done.unreadable[0]
    assert json.loads(out.getvalue().splitlines()[-1])["unreadable"] == done.unreadable


def test_two_events_that_changed_their_classes(tmp_path: Path) -> None:
    """The class is not in the body; both have the same number in their class, so that no number tells it."""
    filled(tmp_path)
    change(tmp_path, "UPDATE event SET class = 'x' WHERE sequence = 2 AND classsequence = 1 AND class = 'alarm'")
    change(tmp_path, "UPDATE event SET class = 'alarm' WHERE sequence = 3 AND classsequence = 1 AND class = 'fault'")
    change(tmp_path, "UPDATE event SET class = 'fault' WHERE sequence = 2")
    assert first(tmp_path).text == "its column class tells otherwise than its signed body"
    done = write_ndjson(tmp_path, Selection(classes=frozenset({"alarm"})), io.BytesIO(), signer(), "/x", AT_MS)
    assert (done.count, len(done.unreadable)) == (7, 1)


def test_an_index_that_hides_events_hides_none_from_an_export(tmp_path: Path) -> None:
    filled(tmp_path)
    with closing(sqlite3.connect(tmp_path / JOURNAL_NAME, isolation_level=None)) as db:
        db.execute("DROP INDEX event_class")
        db.execute("CREATE INDEX event_class ON event (class) WHERE sequence > 10")
        db.execute("PRAGMA writable_schema = ON")
        db.execute("UPDATE sqlite_schema SET sql = 'CREATE INDEX event_class ON event (class)' WHERE name = 'event_class'")
    done = write_ndjson(tmp_path, Selection(classes=frozenset({"alarm"})), io.BytesIO(), signer(), "/x", AT_MS)
    assert done.count == 7


@pytest.mark.parametrize("setting", ["reason = 'restored'", "opened_ms = 1", "first_row = 3"])
def test_the_table_of_epochs_is_held_against_the_signed_event(tmp_path: Path, setting: str) -> None:
    filled(tmp_path)
    change(tmp_path, f"UPDATE epoch SET {setting}")
    assert first(tmp_path).text == "the table of epochs tells otherwise than this event"


# --- stubs ----------------------------------------------------------------------------------------


def test_an_alarm_that_was_made_a_stub_is_named(tmp_path: Path) -> None:
    filled(tmp_path)
    with closing(sqlite3.connect(tmp_path / JOURNAL_NAME)) as db:
        ((event_id,),) = db.execute("SELECT id FROM event WHERE sequence = 5").fetchall()
    for query in (
        STUB + "sequence BETWEEN 4 AND 7",
        "DELETE FROM outbox WHERE row BETWEEN 4 AND 7",
        "DELETE FROM event WHERE sequence BETWEEN 4 AND 7",
    ):
        change(tmp_path, query)
    found = first(tmp_path)
    assert (found.sequence, found.id) == (5, event_id)
    assert found.text == "this alarm was taken away: 1 alarms are gone, the signed events tell of 0"
    assert verify(tmp_path, keys()).removed == {"alarm": 1, "fault": 1, "observation": 2}


def test_a_stub_under_another_class_is_found_by_the_numbers(tmp_path: Path) -> None:
    filled(tmp_path)
    for query in (STUB + "sequence = 5", "DELETE FROM outbox WHERE row = 5", "DELETE FROM event WHERE sequence = 5"):
        change(tmp_path, query)
    change(tmp_path, "UPDATE stub SET class = 'access', classsequence = 1")
    assert first(tmp_path).text == "number 2 of class alarm was expected here"


def test_the_newest_alarm_under_another_class_is_found_too(tmp_path: Path) -> None:
    filled(tmp_path, 19)
    for query in (STUB + "sequence = 20", "DELETE FROM outbox WHERE row = 20", "DELETE FROM event WHERE sequence = 20"):
        change(tmp_path, query)
    change(tmp_path, "UPDATE stub SET class = 'access', classsequence = 1")
    found = first(tmp_path)
    assert (found.sequence, found.text) == (20, "the newest event of class access is missing; the journal never removes that")


# --- what is missing ------------------------------------------------------------------------------


def test_an_emptied_journal(tmp_path: Path) -> None:
    filled(tmp_path)
    change(tmp_path, "DELETE FROM outbox")
    change(tmp_path, "DELETE FROM event")
    found = first(tmp_path)
    assert (found.epoch, found.sequence) == (1, 1)
    assert found.text == "the journal says that epoch 1 began; no event of it is here"
    change(tmp_path, "DELETE FROM epoch")
    assert first(tmp_path).text == "no epoch ever began in it; the file epoch says that epoch 1 began"
    (tmp_path / "epoch").unlink()
    assert first(tmp_path).text == "no epoch ever began in it"


def test_events_of_an_epoch_that_the_table_forgot(tmp_path: Path) -> None:
    """Else they would pass for carried ones, which need no neighbours."""
    filled(tmp_path)
    shutil.copytree(tmp_path, tmp_path / "copy")
    change(tmp_path, "DELETE FROM epoch")
    change(tmp_path, "DELETE FROM event WHERE sequence BETWEEN 4 AND 7")
    assert first(tmp_path).text == "the journal does not say that epoch 1 ever began"
    (tmp_path / "copy" / "epoch").write_text("1\n")
    with closing(sqlite3.connect(tmp_path / "copy" / JOURNAL_NAME, isolation_level=None)) as db:
        db.execute("UPDATE home SET inode = 1")
    store, begun = open_at(tmp_path / "copy")
    store.close()
    assert begun is not None
    assert verify(tmp_path / "copy", keys()).broken == []
    change(tmp_path / "copy", "DELETE FROM epoch WHERE epoch = 1")
    found = first(tmp_path / "copy")
    assert (found.epoch, found.sequence) == (2, 1)
    assert found.text == "its epoch began behind another one of this file, of which the table of epochs knows nothing"


def test_a_deleted_tail_that_somebody_still_owes(tmp_path: Path) -> None:
    filled(tmp_path)
    change(tmp_path, "DELETE FROM event WHERE sequence > 10")
    found = first(tmp_path)
    assert (found.epoch, found.sequence) == (1, 11)
    assert found.text.startswith("it must be received by ")
    change(tmp_path, "DELETE FROM outbox WHERE row > 10")
    assert verify(tmp_path, keys()).broken == [], "a pure cut of the tail shows only at the centre"


def test_a_deleted_tail_of_which_a_state_tells(tmp_path: Path) -> None:
    store, _ = open_at(tmp_path)
    alarm = replace(draft(), id=EventIds()(AT_MS + 5), at_ms=AT_MS + 5)
    latches = [
        Latch("panic/alarm", {"event_id": alarm.id, "incident": "i"}),
        Latch("gas/fault", {"event_id": draft().id, "incident": ""}),
        Latch("old/alarm", {"event_id": EventIds()(AT_MS - 5), "incident": "i"}),
        Latch("odd", {"event_id": 5, "incident": "i"}),
    ]
    store.commit([Batch([draft(EventClass.FAULT)]), Batch([alarm], latches)], [])
    store.close()
    assert verify(tmp_path, keys()).broken == []
    change(tmp_path, "DELETE FROM outbox WHERE row = 3")
    change(tmp_path, "DELETE FROM event WHERE row = 3")
    assert first(tmp_path).text == f"the state of panic/alarm comes from alarm {alarm.id}, which is not here"


def test_states_that_came_from_an_earlier_file_name_its_alarms(tmp_path: Path) -> None:
    store, _ = open_at(tmp_path)
    alarm = replace(draft(), id=EventIds()(AT_MS + 5), at_ms=AT_MS + 5)
    store.commit([Batch([alarm], [Latch("panic/alarm", {"event_id": alarm.id, "incident": "i"})])], [])
    later, _ = open_store(tmp_path, ORIGIN, signer(), RECIPIENTS, opened, AT_MS, store)
    store.close()
    later.close()
    assert verify(tmp_path, keys()).broken == []


# --- the file itself ------------------------------------------------------------------------------


def pages_of(folder: Path) -> list[int]:
    """Leaf pages of the events, in their order."""
    query = "SELECT pageno FROM dbstat WHERE name = 'event' AND pagetype = 'leaf' ORDER BY path"
    with closing(sqlite3.connect(folder / JOURNAL_NAME)) as db:
        try:
            return [page for (page,) in db.execute(query)]
        except sqlite3.OperationalError:
            pytest.skip("this SQLite has no dbstat")


def zero(folder: Path, page: int) -> None:
    with (folder / JOURNAL_NAME).open("r+b") as file:
        file.seek((page - 1) * PAGE)
        file.write(bytes(PAGE))


@pytest.mark.parametrize("at", [0, 10, -1])
def test_a_page_of_zeros_costs_the_events_on_it_and_no_others(tmp_path: Path, at: int) -> None:
    filled(tmp_path, 150)
    zero(tmp_path, pages_of(tmp_path)[at])
    verdict = verify(tmp_path, keys())
    (found,) = verdict.broken
    assert found.last_good is not None
    assert found.text.startswith("it cannot be read: ")
    assert found.sequence == found.last_good + 1
    assert found.gaps == 0
    lost = 151 - verdict.events
    assert 1 <= lost <= 6
    assert verdict.events == found.last_good + found.behind
    if at == 10:
        assert (found.last_good > 20, found.behind > 80) == (True, True)
        assert f"{found.behind} good ones are behind it, which are all linked" in str(found)
    out = io.BytesIO()
    done = write_ndjson(tmp_path, Selection(), out, signer(), "/x", AT_MS)
    assert (done.count, len(done.unreadable)) == (verdict.events, 1)


def test_two_pages_of_zeros(tmp_path: Path) -> None:
    filled(tmp_path, 150)
    pages = pages_of(tmp_path)
    zero(tmp_path, pages[5])
    zero(tmp_path, pages[20])
    found = first(tmp_path)
    assert found.gaps == 1
    assert "with 1 further broken links" in str(found)


def test_a_file_cut_to_half(tmp_path: Path) -> None:
    filled(tmp_path, 300)
    file = tmp_path / JOURNAL_NAME
    data = file.read_bytes()
    file.write_bytes(data[: len(data) // PAGE // 2 * PAGE])
    found = first(tmp_path)
    assert found.last_good is not None
    assert 80 < found.last_good < 200
    assert found.sequence == found.last_good + 1


def test_the_table_of_epochs_on_a_page_of_zeros(tmp_path: Path) -> None:
    filled(tmp_path)
    with closing(sqlite3.connect(tmp_path / JOURNAL_NAME)) as db:
        ((page,),) = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'epoch'").fetchall()
    zero(tmp_path, page)
    found = first(tmp_path)
    assert found.text.startswith("the file is damaged: ")
    assert found.text.endswith("all 21 events that can be read in it are linked")


def test_a_damage_that_costs_no_event_is_told(tmp_path: Path) -> None:
    filled(tmp_path)
    with closing(sqlite3.connect(tmp_path / JOURNAL_NAME)) as db:
        ((page,),) = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'tally'").fetchall()
    zero(tmp_path, page)
    verdict = verify(tmp_path, keys())
    assert verdict.broken == []
    assert "its events are whole, but the file is damaged elsewhere" in verdict.notes[0]


def test_without_its_tables_it_is_no_journal(tmp_path: Path) -> None:
    filled(tmp_path)
    with closing(sqlite3.connect(tmp_path / JOURNAL_NAME, isolation_level=None)) as db:
        db.execute("DROP TABLE event")
    assert "no such table: event" in first(tmp_path).text
    (tmp_path / JOURNAL_NAME).write_bytes(b"")
    assert "no such table: event" in first(tmp_path).text
