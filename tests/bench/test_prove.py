"""The arithmetic of the proof, what is taken from a trace, and one very short real part."""

from __future__ import annotations

import itertools
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.core.ids import EventIds
from gateway.journal.store import Batch
from tests.bench import prove
from tests.bench.journal import draft, opened
from tests.bench.parts import MissingPart
from tests.bench.prove_account import OURS, STANDS, Account, Told, astray, comparison, figures, wait
from tests.bench.prove_cuts import read_ranges, spoil, spoilt, unsynced
from tests.bench.prove_effort import SHORT, TINY
from tests.bench.prove_peer import PEER, VENV, installed, peer
from tests.bench.prove_receipt import BUTTONS, Heard
from tests.proof.rig import Program, Rig


def test_lost_and_duplicated_do_not_cancel_out() -> None:
    account = Account("any", Counter(a=3, b=2), Counter(a=2, b=3))
    assert (account.lost, account.duplicated, account.good) == (1, 1, False)
    assert "caused 5, received 5, lost 1, duplicated 1" in account.line()
    assert Account("any", Counter(a=3), Counter(a=3)).good
    assert not Account("any", Counter(a=3), Counter(a=3), wrong=["the chain"]).good


def test_figures_are_of_what_was_done() -> None:
    done = Account("kills", Counter(a=3), Counter(a=3), kills=2)
    assert [(f.name, f.value, f.met) for f in figures([done, Account("cuts", skipped="no root")], 2, 9)] == [
        ("prove.kills", 2, True), ("prove.caused", 3, True), ("prove.lost", 0, True), ("prove.duplicated", 0, True)
    ]  # fmt: skip
    slow = Account("ten", Counter(a=2), Counter(a=1), receipts_s=[0.5, 30.0])
    assert {f.name: f.met for f in figures([slow], 0, 0)} == {
        "prove.caused": True, "prove.lost": False, "prove.duplicated": True, "prove.press_to_receipt_p99_s": False
    }  # fmt: skip


def test_an_alarm_stands_as_an_event_and_only_others_may_be_stubs(tmp_path: Path) -> None:
    store, ids = opened(tmp_path), EventIds()
    ((alarm, fault, gone),) = store.commit([Batch([draft(ids, "alarm"), draft(ids, "fault"), draft(ids, "alarm")])], [])
    for event in (fault, gone):
        store.db.execute(
            "INSERT INTO stub SELECT row, epoch, sequence, class, classsequence, id, sha256 FROM event WHERE row = ?", (event.row,)
        )
        store.db.execute("DELETE FROM outbox WHERE row = ?", (event.row,))
        store.db.execute("DELETE FROM event WHERE row = ?", (event.row,))
    store.close()
    with closing(sqlite3.connect(tmp_path / "journal.db")) as db:
        rows = db.execute(STANDS).fetchall()
    places = {event.id: (event.number.epoch, event.number.sequence) for event in (alarm, fault, gone) if event.number}
    assert astray(places, rows) == [gone.id]
    assert astray({alarm.id: (1, 99)}, rows) == [alarm.id], "under another number"


def test_a_peers_store_is_shown_and_never_counts_as_ours() -> None:
    ours = Account("peer.ours.kills", Counter({"1": 1, "2": 1}), Counter({"1": 1}), store=OURS)
    theirs = Account("peer.thingsboard_sqlite.kills", Counter({"1": 1, "2": 1}), Counter({"1": 2}), store=PEER)
    assert (ours.good, theirs.good) == (False, True)
    assert [(f.name, f.value, f.met, f.goal) for f in figures([ours, theirs], 0, 0)] == [
        ("prove.store_lost", 1, False, "<= 0"), ("prove.peer_lost", 1, True, "")
    ]  # fmt: skip
    assert comparison([ours, theirs, Account("cuts")]).splitlines() == [
        "store alone                    accepted  received  lost  duplicated",
        "peer.ours.kills                2         1         1     0",
        "peer.thingsboard_sqlite.kills  2         2         1     1",
    ]
    assert comparison([Account("cuts"), Account("peer.thingsboard_sqlite", store=PEER, skipped="no")]) == ""


def test_an_event_that_tells_many_presses_counts_for_all_of_them_and_once(tmp_path: Path) -> None:
    told = Told(Rig(tmp_path, tmp_path, Program(tmp_path / "none"), centre=Program(tmp_path / "centre.log")))
    event = {"kind": "event", "id": "a", "type": "campus.alarm.activated", "subject": "count-1", "sequence": 1, "epoch": "1", "data": {}}
    many = event | {"id": "b", "sequence": 3, "data": {"presses": 120}}
    early = many | {"sequence": None}
    over = event | {"id": "c", "type": "campus.alarm.cleared"}
    (tmp_path / "centre.log").write_text("".join(json.dumps(each) + "\n" for each in (event, early, many, over, event)))
    assert told.count() == 121
    assert told.received() == Counter({"count-1": 121})
    assert told.places == {"a": (1, 1), "b": (1, 3), "c": (1, 1)}


def test_waiting_goes_on_while_something_new_is_seen_and_no_longer() -> None:
    account, said = Account("any"), list[str]()
    comes = iter([0, 1, 2, 3])
    wait(lambda: next(comes), lambda found: found == 3, "events", account, said.append, quiet_s=60.0)
    assert not account.wrong
    flips = itertools.cycle([None, 5])
    wait(lambda: next(flips), lambda found: found == 0, "owed", account, said.append, quiet_s=0.1)
    assert [text.partition(":")[0] for text in account.wrong] == ["owed"]


def test_a_seed_gives_the_same_draws_for_a_purpose_whatever_else_is_drawn() -> None:
    first, again, other = replace(SHORT, seed=7), replace(SHORT, seed=7, kills=3), replace(SHORT, seed=8)
    first.chance("cuts").random()
    draws = [first.chance("kills").random(), again.chance("kills").random(), other.chance("kills").random(), first.chance("cut 1").random()]
    assert draws[0] == draws[1]
    assert len(set(draws)) == 3


def test_the_peer_is_named_or_found_or_missed_with_a_word_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VENV, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingPart, match="pip install thingsboard-gateway"):
        installed(None)
    with pytest.raises(MissingPart, match="holds no thingsboard-gateway"):
        installed(Path(sys.executable))
    monkeypatch.setenv(VENV, str(tmp_path / "nowhere"))
    with pytest.raises(MissingPart, match="nowhere: No such file"):
        installed(None)
    library = tmp_path / "lib" / "thingsboard_gateway-9.9.dist-info"
    library.mkdir(parents=True)
    (library / "METADATA").write_text("Metadata-Version: 2.1\nName: thingsboard-gateway\nVersion: 9.9\n")
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.write_text(f'#!/bin/sh\nshift\nPYTHONPATH={library.parent} exec {sys.executable} "$@"\n')  # without the first word: -I
    python.chmod(0o755)
    monkeypatch.setenv("PATH", os.defpath)
    assert installed(tmp_path) == (python, "9.9")
    program = tmp_path / "bin" / "thingsboard-gateway"
    program.write_text(f"#!{python}\n")
    assert installed(program) == (python, "9.9")


WRITE = '7 pwrite64(9</s/journal.db-wal>, ""..., {1}, {0}) = {1}'
SYNC = "7 fdatasync(9</s/journal.db-wal>)          = 0 (DELAYED)"


@pytest.mark.parametrize(
    ("lines", "left"),
    [
        ([WRITE.format(0, 32)], [(0, 32)]),
        ([WRITE.format(0, 32), SYNC], []),
        ([WRITE.format(0, 32).replace("7 ", "7    ", 1)], [(0, 32)]),
        ([WRITE.format(0, 32), SYNC, WRITE.format(32, 24)], [(32, 24)]),
        ([WRITE.format(0, 32), SYNC.replace(")          = 0 (DELAYED)", " <unfinished ...>")], [(0, 32)]),
        (
            [
                WRITE.format(0, 32),
                "7 fdatasync(9</s/journal.db-wal> <unfinished ...>",
                '8 pwrite64(9</s/journal.db-wal>, ""..., 24, 32 <unfinished ...>',
                "7 <... fdatasync resumed>)          = 0 (DELAYED)",
            ],
            [(32, 24)],
        ),
        ([WRITE.format(0, 32), SYNC.replace("= 0 (DELAYED)", "= -1 EIO (Input/output error)")], [(0, 32)]),
        ([WRITE.format(0, 32), SYNC.replace("-wal", "")], [(0, 32)]),
        ([WRITE.format(0, 32).replace("-wal", "")], []),
    ],
)
def test_only_what_no_sync_covers_is_unsynced(lines: list[str], left: list[tuple[int, int]]) -> None:
    assert unsynced("\n".join(lines), "journal.db-wal") == left


def test_a_spoilt_write_is_old_new_or_garbage_by_sector() -> None:
    old, new = b"o" * 4096, b"n" * 4096
    shapes = set()
    for seed in range(50):
        result = spoilt(old, new, 100, random.Random(seed))
        assert len(result) == len(new)
        shapes.add(frozenset("old" if part == b"o" * len(part) else "new" if part == b"n" * len(part) else "garbage"
                             for part in (result[:412], result[412:924], result[924:1436])))  # fmt: skip
    assert {"old", "new", "garbage"} == set().union(*shapes)
    assert frozenset({"old", "new"}) in shapes, "torn"


def test_synced_bytes_are_never_touched(tmp_path: Path) -> None:
    live, copy = tmp_path / "live", tmp_path / "copy"
    live.write_bytes(b"s" * 1000 + b"n" * 3000)
    copy.write_bytes(b"s" * 1000)
    ranges = read_ranges(live, [(1000, 2000), (3500, 9000)])
    assert set(ranges) == {(1000, 2000)}, "what is not whole is not there"
    for seed in range(20):
        assert spoil(copy, ranges, random.Random(seed)) == 2000
        assert copy.read_bytes()[:1000] == b"s" * 1000
        assert copy.stat().st_size == 3000


def test_a_receipt_counts_once_and_only_for_what_was_pressed() -> None:
    heard = Heard()
    event = {"id": "e1", "type": "campus.alarm.activated", "subject": BUTTONS[0]}
    receipt = b"h." + _base64(json.dumps({"items": [{"id": "e1"}, {"id": "other"}]})) + b".s"
    heard.take("campus/v1/a/b/receipt", receipt, 1.0)
    heard.take("campus/v1/a/b/event/alarm", json.dumps(event).encode(), 2.0)
    heard.take("campus/v1/a/b/receipt", receipt, 3.0)
    heard.take("campus/v1/a/b/receipt", receipt, 4.0)
    assert heard.receipted[BUTTONS[0]] == [3.0]
    assert sum(len(moments) for moments in heard.receipted.values()) == 1


def _base64(text: str) -> bytes:
    import base64

    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=")


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_tiny_part_for_real(tmp_path: Path) -> None:
    out = tmp_path / "prove.json"
    assert prove.main(["--effort", "tiny", "--only", "kills", "--out", str(out)]) == 0
    found = {figure["name"]: figure["value"] for figure in json.loads(out.read_text())["figures"]}
    assert found["prove.kills"] == 1
    assert found["prove.caused"] > 0
    assert found["prove.lost"] == 0


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_our_store_alone_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VENV, str(tmp_path / "nowhere"))
    accounts = {account.trouble: account for account in peer(TINY, tmp_path / "peer", lambda line: None)}
    assert "pip install" in accounts[f"peer.{PEER}"].skipped
    for trouble in ("kills", "stops"):
        assert accounts[f"peer.ours.{trouble}"].caused.total() > 0
        assert accounts[f"peer.ours.{trouble}"].caused == accounts[f"peer.ours.{trouble}"].received


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_ctrl_c_ends_all_and_writes_what_was_found(tmp_path: Path) -> None:
    out = tmp_path / "prove.json"
    command = [sys.executable, "-m", "tests.bench.prove", "--effort", "short", "--only", "kills", "--seed", "5", "--out", str(out)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, start_new_session=True) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "SIGKILL: 2 of" in line:
                os.killpg(process.pid, signal.SIGINT)
        assert process.wait() == 130
    report = json.loads(out.read_text())
    assert (report["seed"], report["stopped"]) == (5, True)
    assert report["runs"][0]["wrong"] == ["stopped before it had ended"]
    assert list(tmp_path.iterdir()) == [out]
    assert not [p for p in Path("/proc").glob("[0-9]*/cmdline") if f"{tmp_path}/prove-".encode() in _text(p)]


def _text(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
