"""Every schema is reached from every other, on files with rows in every table, and no event is lost on the way."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from gateway.core.errors import JournalRefused
from gateway.core.points import EventClass, Latch
from gateway.journal import migration
from gateway.journal.migration import check_known, copies, down, drop_copies, keep_copy, newest, schema_of, steps, up
from gateway.journal.store import JOURNAL_NAME, Batch
from gateway.journal.verify import verify
from tests.gateway.journal.journals import draft, open_at
from tests.gateway.journal.test_keeping import fill
from tests.gateway.journal.test_removed import aged
from tests.gateway.journal.test_verify import keys

FIXTURES = Path(__file__).parent / "fixtures"
OLDER = range(1, newest())
SCHEMA = "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name"
# A row for each table that came later, as the version of that schema could have written it.
ROWS = {
    2: [
        "INSERT INTO stub VALUES (7, 1, 7, 'alarm', 3, 'id-7', 'ab')",
        "INSERT INTO checkpoint VALUES (1, 9, 1, 5, 'cd', 5, '{\"alarm\":2}')",
        "INSERT INTO carried VALUES ('journal.db.set-aside-5', 12, 1)",
        "INSERT INTO tally VALUES ('alarm', 1000, 4)",
    ],
    3: [
        "UPDATE checkpoint SET kept = 2, kept_sha256 = 'ef'",
        "INSERT INTO trend VALUES (60000, 'gas', x'00ff')",
        "INSERT INTO home VALUES (1, 4711, 8)",
        "INSERT INTO untold VALUES ('fault', 'full', 1, 3, 9, 7, '[\"a\", \"it''s\"]')",
    ],
    4: ["INSERT INTO removal VALUES (1, 9)"],
    5: [],
}
THROWN_AWAY = {"tally", "trend"}


@contextmanager
def file_of(folder: Path, schema: int) -> Iterator[sqlite3.Connection]:
    """A journal of the first schema as one was found, brought to this schema with rows in every table of it."""
    path = folder / JOURNAL_NAME
    shutil.copy(FIXTURES / "schema-1.db", path)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        for step in steps():
            if 1 < step.number <= schema:
                db.executescript(f"BEGIN;{step.up};PRAGMA user_version = {step.number};COMMIT;")
                for row in ROWS[step.number]:
                    db.execute(row)
        if schema >= migration.BOOK_SINCE:  # as up() does
            db.executemany("INSERT INTO migration VALUES (?, ?, ?)", [(step.number, step.name, step.down) for step in steps()])
        yield db


def content(db: sqlite3.Connection) -> dict[str, list[tuple[object, ...]]]:
    """Every row of every table but the latches of the way back."""
    tables = [name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'")]
    found = {name: db.execute(f'SELECT * FROM "{name}"').fetchall() for name in tables}
    found["latch"] = [row for row in found["latch"] if not str(row[0]).startswith("schema-")]
    return found


def sound(db: sqlite3.Connection) -> bool:
    return db.execute("PRAGMA integrity_check").fetchall() == [("ok",)] and not db.execute("PRAGMA foreign_key_check").fetchall()


def fresh(schema: int) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        for step in steps()[:schema]:
            db.executescript(step.up)
        return db.execute(SCHEMA).fetchall()


def test_each_step_has_its_way_back() -> None:
    assert [step.number for step in steps()] == list(range(1, newest() + 1))
    assert all(step.down.strip() and step.name for step in steps())


@pytest.mark.parametrize(("schema", "to"), [(schema, to) for schema in range(2, newest() + 1) for to in range(1, schema)])
def test_back_and_forth_again(tmp_path: Path, schema: int, to: int) -> None:
    """The older program finds its own tables to the letter, and the newer one all that it had."""
    with file_of(tmp_path, schema) as db:
        before = content(db)
        assert down(db, to) == list(range(schema, to, -1))
        assert (schema_of(db), db.execute(SCHEMA).fetchall(), sound(db)) == (to, fresh(to), True)
        assert content(db)["event"] == before["event"]
        assert content(db)["outbox"] == before["outbox"]
        up(db)
        assert (schema_of(db), db.execute(SCHEMA).fetchall(), sound(db)) == (newest(), fresh(newest()), True)
        after = content(db)
        lost = {name for name, rows in before.items() if rows and [row[: len(rows[0])] for row in after[name]] != rows}
        assert lost <= THROWN_AWAY | {"latch", "migration"}
        assert [row[:2] for row in after["latch"]] == [row[:2] for row in before["latch"]]
        assert not db.execute("SELECT key FROM latch WHERE key LIKE 'schema-%'").fetchall()


@pytest.mark.parametrize("schema", OLDER)
def test_an_older_file_is_brought_up_and_keeps_its_events(tmp_path: Path, schema: int) -> None:
    with file_of(tmp_path, schema) as db:
        events, owed = (
            db.execute("SELECT id, body FROM event").fetchall(),
            db.execute("SELECT count(*) FROM outbox WHERE state = 0").fetchall(),
        )
        up(db)
        assert db.execute("SELECT id, body FROM event").fetchall() == events
        assert db.execute("SELECT count(*) FROM outbox WHERE state = 0").fetchall() == owed
        assert [number for (number,) in db.execute("SELECT number FROM migration ORDER BY number")] == [step.number for step in steps()]
        assert sound(db)


@pytest.mark.parametrize("to", OLDER)
def test_a_real_journal_goes_back_and_forth_and_is_whole(tmp_path: Path, to: int) -> None:
    """With stubs and told removals in it, and events that were sealed after the way back."""
    store, _ = open_at(tmp_path)
    aged(store, 5)
    fill(store, EventClass.FAULT, 3)
    store.commit([Batch([draft()], [Latch("a", {"counter": 4})])], [])
    down(store.db, to)
    store.close()
    store, first = open_at(tmp_path)
    assert first is None, "no new epoch: it is the same file"
    store.commit([Batch([draft()])], [])
    assert [latch.state for latch in store.latches() if latch.key == "a"] == [{"counter": 4}]
    store.close()
    verdict = verify(tmp_path, keys())
    assert (verdict.broken, verdict.removed) == ([], {"alarm": 5})


def test_an_older_program_undoes_what_it_has_never_heard_of(tmp_path: Path) -> None:
    """The way back is in the file: here of a schema that this program does not know."""
    store, _ = open_at(tmp_path)
    tomorrow = newest() + 1
    store.db.executescript(f"""CREATE TABLE tomorrow (x) STRICT; PRAGMA user_version = {tomorrow};""".replace(" (x) ", " (x TEXT) "))
    store.db.execute("INSERT INTO migration VALUES (?, 'tomorrow', 'DROP TABLE tomorrow;')", (tomorrow,))
    store.close()
    with pytest.raises(JournalRefused, match=f"migrate --to {newest()}$"):
        open_at(tmp_path)
    assert not list(tmp_path.glob("*set-aside*"))
    with closing(sqlite3.connect(tmp_path / JOURNAL_NAME, isolation_level=None)) as db:
        assert down(db, newest()) == [tomorrow]
    store, first = open_at(tmp_path)
    store.close()
    assert first is None


def test_a_number_that_no_version_wrote_is_damage(tmp_path: Path) -> None:
    store, _ = open_at(tmp_path)
    store.db.execute("PRAGMA user_version = 999")
    with pytest.raises(sqlite3.DatabaseError, match="does not know the way back"):
        check_known(store.db)
    store.close()
    store, first = open_at(tmp_path)
    store.close()
    assert first is not None
    assert store.set_aside is not None


def test_a_step_that_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    store, _ = open_at(tmp_path)
    before = content(store.db)
    store.db.execute("UPDATE migration SET down = 'DELETE FROM latch; DROP TABLE nothing_such;' WHERE number = 5")
    with pytest.raises(sqlite3.OperationalError, match="nothing_such"):
        down(store.db, 4)
    assert schema_of(store.db) == newest()
    assert content(store.db)["latch"] == before["latch"]
    store.close()


def test_a_way_forth_that_fails_sets_nothing_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a version that is broken: the one before goes on with the same file."""
    with file_of(tmp_path, newest()) as db:
        events = content(db)["event"]
    broken = migration.Step(newest() + 1, "broken", "CREATE TABLE half (x TEXT); INSERT INTO nothing_such VALUES (1);", "DROP TABLE half;")
    with monkeypatch.context() as patch:
        known = steps()
        patch.setattr(migration, "steps", lambda: (*known, broken))
        with pytest.raises(JournalRefused, match=f"stays at schema {broken.number - 1}.*nothing_such"):
            open_at(tmp_path)
    assert not list(tmp_path.glob("*set-aside*"))
    with closing(sqlite3.connect(tmp_path / JOURNAL_NAME)) as db:
        assert (schema_of(db), content(db)["event"], sound(db)) == (newest(), events, True)


def test_a_journal_does_nothing_to_other_files(tmp_path: Path) -> None:
    """Its way back is not trusted with more than itself."""
    store, _ = open_at(tmp_path)
    store.db.execute(
        "UPDATE migration SET down = ? WHERE number = 5", (f"COMMIT; ATTACH '{tmp_path}/other.db' AS o; CREATE TABLE o.x (y);",)
    )
    with pytest.raises(sqlite3.DatabaseError, match="not authorized"):
        down(store.db, 4)
    store.close()
    assert not (tmp_path / "other.db").exists()


def test_a_copy_is_kept_before_a_migration_and_goes_after_a_day(tmp_path: Path) -> None:
    with file_of(tmp_path, 4) as old:
        events = old.execute("SELECT count(*) FROM event").fetchone()
    (tmp_path / "epoch").write_text("3\n")
    store, _ = open_at(tmp_path)
    (copy,) = copies(tmp_path / JOURNAL_NAME)
    assert copy.name == f"{JOURNAL_NAME}.schema-4"
    with closing(sqlite3.connect(copy)) as db:
        assert (schema_of(db), sound(db)) == (4, True)
        assert db.execute("SELECT count(*) FROM event").fetchone() == events
    store.close()
    modified_ms = round(copy.stat().st_mtime * 1000)
    drop_copies(tmp_path / JOURNAL_NAME, modified_ms + migration.KEPT_MS - 1)
    assert copy.exists()
    drop_copies(tmp_path / JOURNAL_NAME, modified_ms + migration.KEPT_MS + 1)
    assert not copy.exists()


def test_only_one_copy_is_kept_and_none_of_a_large_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store, _ = open_at(tmp_path)
    path = tmp_path / JOURNAL_NAME
    (tmp_path / f"{JOURNAL_NAME}.schema-1").write_text("an older one")
    assert keep_copy(store.db, path) is not None
    assert [copy.name for copy in copies(path)] == [f"{JOURNAL_NAME}.schema-{newest()}"]
    monkeypatch.setattr(migration, "COPIED_MOST_BYTES", 1)
    assert keep_copy(store.db, path) is None
    store.close()


def test_the_first_schema_is_the_end_of_the_way(tmp_path: Path) -> None:
    with file_of(tmp_path, 2) as db, pytest.raises(sqlite3.DatabaseError, match="first schema is 1"):
        down(db, 0)
