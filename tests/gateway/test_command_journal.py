"""campus-gateway journal, as typed: exit status, what it prints, what it refuses."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from gateway.__main__ import main
from gateway.journal.store import JOURNAL_NAME, Batch
from gateway.journal.trends import Trends
from gateway.journal.trends import store as store_rows
from tests.gateway.journal.journals import KEY, draft, open_at, signer


@pytest.fixture
def state(tmp_path: Path) -> Path:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    store, _ = open_at(tmp_path)
    store.commit([Batch([draft(n=n) for n in range(5)])], [])
    store.close()
    (tmp_path / "event-key.pem").write_bytes(KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return tmp_path


def test_whole_and_broken(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["journal", "verify", "--state-dir", str(state)]) == 0
    assert capsys.readouterr().out.startswith("whole: 6 events, epoch 1, sequence 1-6\n")
    with closing(sqlite3.connect(state / JOURNAL_NAME, isolation_level=None)) as db:
        db.execute("DELETE FROM event WHERE sequence = 3")
    assert main(["journal", "verify", "--state-dir", str(state)]) == 1
    assert "broken: journal.db: epoch 1, sequence 4, id " in capsys.readouterr().out
    assert main(["journal", "verify", "--state-dir", str(state), "--json"]) == 1
    answer = json.loads(capsys.readouterr().out)
    assert (answer["whole"], answer["broken"][0]["sequence"]) == (False, 4)


def test_what_was_removed_is_told_and_an_alarm_that_was_taken_away_is_named(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with closing(sqlite3.connect(state / JOURNAL_NAME, isolation_level=None)) as db:
        ((event_id,),) = db.execute("SELECT id FROM event WHERE sequence = 3").fetchall()
        db.execute("INSERT INTO stub SELECT row, epoch, sequence, class, classsequence, id, sha256 FROM event WHERE sequence = 3")
        db.execute("DELETE FROM outbox WHERE row = 3")
        db.execute("DELETE FROM event WHERE sequence = 3")
    assert main(["journal", "verify", "--state-dir", str(state)]) == 1
    out = capsys.readouterr().out
    assert f"removed: 1 alarm\nremoved alarms: {event_id}\n" in out
    assert f"broken: journal.db: epoch 1, sequence 3, id {event_id}: this alarm was taken away" in out
    assert main(["journal", "verify", "--state-dir", str(state), "--json"]) == 1
    answer = json.loads(capsys.readouterr().out)
    assert (answer["removed"], answer["removed_alarms"]) == ({"alarm": 1}, [event_id])


def test_an_emptied_journal_is_broken(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with closing(sqlite3.connect(state / JOURNAL_NAME, isolation_level=None)) as db:
        for table in ("outbox", "event"):
            db.execute(f"DELETE FROM {table}")
    assert main(["journal", "verify", "--state-dir", str(state)]) == 1
    assert "the journal says that epoch 1 began; no event of it is here" in capsys.readouterr().out


def test_an_export_from_a_changed_journal_says_so(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with closing(sqlite3.connect(state / JOURNAL_NAME, isolation_level=None)) as db:
        db.execute("UPDATE event SET subject = 'other' WHERE sequence = 3")
    out = state / "out.ndjson"
    assert main(["journal", "export", "--state-dir", str(state), "--point", "panic", "--out", str(out)]) == 0
    told = capsys.readouterr().err
    assert "warning: not everything could be relied on: journal.db: 1 events were changed" in told
    assert "5 events written" in told


def test_what_cannot_be_read_is_one_clear_error(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (state / JOURNAL_NAME).write_text("nonsense" * 100)
    assert main(["journal", "verify", "--state-dir", str(state)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    (state / "event-key.pem").unlink()
    assert main(["journal", "verify", "--state-dir", str(state)]) == 2
    assert "give the public key of the enrolment with --key" in capsys.readouterr().err
    assert not (state / "event-key.pem").exists(), "verifying makes no key"
    (state / "key").write_text('{"x": "short"}')
    assert main(["journal", "verify", "--state-dir", str(state), "--key", str(state / "key")]) == 2
    assert "holds no Ed25519 public key" in capsys.readouterr().err


def test_with_the_key_of_the_enrolment_alone(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    (state / "event-key.pem").unlink()
    pem, enrolled = state / "key.pem", state / "key.json"
    pem.write_bytes(KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    enrolled.write_text(json.dumps({"source": "/sites/school/gateways/gate", **signer().public()}))
    for path in (pem, enrolled):
        assert main(["journal", "verify", "--state-dir", str(state), "--key", str(path)]) == 0
    assert capsys.readouterr().out.count("whole") == 2


def test_an_export_is_proved_and_never_written_over(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = state / "out.ndjson"
    export = ["journal", "export", "--state-dir", str(state), "--out", str(out)]
    assert main(export) == 0
    assert main(["journal", "verify", "--state-dir", str(state), "--export", str(out)]) == 0
    assert "whole: 6 events, as exported" in capsys.readouterr().out
    before = out.read_bytes()
    assert main(export) == 2
    assert "evidence is not written over" in capsys.readouterr().err
    assert out.read_bytes() == before
    out.write_bytes(before[:-2])
    assert main(["journal", "verify", "--state-dir", str(state), "--export", str(out)]) == 1


@pytest.mark.parametrize(("words", "text"), [(["--class", "alarms"], "no event class alarms"), (["--from", "monday"], "write 2026-11-21")])
def test_a_wrong_wish_leaves_no_file(state: Path, words: list[str], text: str, capsys: pytest.CaptureFixture[str]) -> None:
    out = state / "out"
    assert main(["journal", "export", "--state-dir", str(state), "--out", str(out), *words]) == 2
    assert text in capsys.readouterr().err
    assert not out.exists()


def test_csv_needs_no_key(state: Path) -> None:
    (state / "event-key.pem").unlink()
    out = state / "out.csv"
    assert main(["journal", "export", "--state-dir", str(state), "--format", "csv", "--class", "alarm", "--out", str(out)]) == 0
    assert out.read_text(encoding="utf-8-sig").count("\n") == 6
    assert main(["journal", "export", "--state-dir", str(state), "--out", str(state / "b")]) == 2


def test_trends_leave_as_a_table(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    collected = Trends()
    collected.take({"gas": 3.5, "cable": 20.0}, 1_795_248_000_000)
    with closing(sqlite3.connect(state / JOURNAL_NAME, isolation_level=None)) as db:
        store_rows(db, collected.flush())
    out = state / "gas.csv"
    assert main(["journal", "export", "--state-dir", str(state), "--trends", "--point", "gas", "--out", str(out)]) == 0
    assert capsys.readouterr().err == "1 minutes written\n"
    head, line = out.read_text("utf-8-sig").splitlines()
    assert head.split(",")[1:] == ["点位 point", "最低 low", "平均 mean", "最高 high"]
    assert line.split(",")[1:] == ["gas", "3.5", "3.5", "3.5"]
