"""The arithmetic of the proof, what is taken from a trace, and one very short real part."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path

import pytest

from tests.bench import prove
from tests.bench.prove_account import Account, figures
from tests.bench.prove_cuts import read_ranges, spoil, spoilt, unsynced
from tests.bench.prove_receipt import BUTTONS, Heard


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


WRITE = '7 pwrite64(9</s/journal.db-wal>, ""..., {1}, {0}) = {1}'
SYNC = "7 fdatasync(9</s/journal.db-wal>)          = 0 (DELAYED)"


@pytest.mark.parametrize(
    ("lines", "left"),
    [
        ([WRITE.format(0, 32)], [(0, 32)]),
        ([WRITE.format(0, 32), SYNC], []),
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
