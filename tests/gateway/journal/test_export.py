"""Exports: NDJSON that proves itself, CSV that a spreadsheet opens and does not run."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from gateway.contract.jws import TrustedKey
from gateway.core.points import EventClass
from gateway.journal.export import BOM, Selection, check_ndjson, utc_ms, write_csv, write_ndjson
from gateway.journal.store import JOURNAL_NAME, Batch
from gateway.journal.verify import Unreadable
from tests.gateway.journal.journals import AT_MS, draft, open_at, rows, signer

SHANGHAI = ZoneInfo("Asia/Shanghai")


def keys() -> dict[str, TrustedKey]:
    public = signer().public()
    return {public["kid"]: TrustedKey(public["kid"], public["x"], "gateway")}


@pytest.fixture
def state(tmp_path: Path) -> Path:
    folder = tmp_path / "state"
    store, _ = open_at(folder)
    texts = ["=1+1", "-2", "@x", "\t=a", "门卫室"]
    for n, text in enumerate(texts):
        store.commit([Batch([draft([EventClass.ALARM, EventClass.FAULT][n % 2], text={"zh": text}, value=-1.5, by=text, state=True)])], [])
    store.close()
    return folder


def ndjson(state: Path, wanted: Selection) -> bytes:
    out = io.BytesIO()
    write_ndjson(state, wanted, out, signer(), "/sites/school/gateways/gate", AT_MS)
    return out.getvalue()


def test_bodies_leave_unchanged_and_the_last_line_proves_them(state: Path) -> None:
    text = ndjson(state, Selection())
    *lines, last = text.splitlines()
    assert lines == [body for (body,) in rows(state, "SELECT body FROM event ORDER BY row")]
    manifest = json.loads(last)
    assert (manifest["count"], manifest["removed"], manifest["unreadable"]) == (6, 0, [])
    assert (manifest["first"], manifest["last"]["sequence"]) == ({"epoch": "0000000001", "sequence": f"{1:020d}"}, f"{6:020d}")
    file = state / "out.ndjson"
    file.write_bytes(text)
    assert check_ndjson(file, keys()) == (6, "")
    cases = {
        b"\n".join(lines) + b"\n": "the last line is not that of an export: the file was cut",
        b"\n".join([*lines[:2], *lines[3:], last]) + b"\n": "6 events with another sha-256 were exported: the file was changed",
        text.replace(b'"value":-1.5', b'"value":-2.5', 1): "the signature does not hold",
        text.replace(b'"count":6', b'"count":5'): "the signature does not hold",
        b"{}\n": "no signed JSON",
        b"": "no signed JSON",
    }
    for content, wrong in cases.items():
        file.write_bytes(content)
        assert wrong in check_ndjson(file, keys())[1]
    file.write_bytes(text)
    assert "not known here" in check_ndjson(file, {})[1]


def test_only_what_was_asked_for(state: Path) -> None:
    def asked(wanted: Selection) -> int:
        return int(json.loads(ndjson(state, wanted).splitlines()[-1])["count"])

    assert asked(Selection(classes=frozenset({"alarm"}))) == 3
    assert asked(Selection(classes=frozenset({"alarm", "audit"}))) == 4
    assert asked(Selection(points=frozenset({"gw-journal"}))) == 1
    assert asked(Selection(from_ms=AT_MS, to_ms=AT_MS + 1)) == 6
    assert asked(Selection(to_ms=AT_MS)) == 0
    assert asked(Selection(from_ms=AT_MS + 1)) == 0


def test_an_export_beside_a_file_set_aside(state: Path) -> None:
    (state / JOURNAL_NAME).rename(state / f"{JOURNAL_NAME}.set-aside-1")
    (state / f"{JOURNAL_NAME}.set-aside-2").write_text("no database" * 20)
    store, _ = open_at(state)
    store.close()
    manifest = json.loads(ndjson(state, Selection()).splitlines()[-1])
    assert (manifest["count"], len(manifest["unreadable"])) == (7, 1)


def test_a_table_for_people(state: Path) -> None:
    out = io.BytesIO()
    assert write_csv(state, Selection(classes=frozenset({"alarm", "fault"})), out, SHANGHAI).count == 5
    assert out.getvalue().startswith(BOM)
    heading, *lines = csv.reader(io.StringIO(out.getvalue().decode("utf-8-sig"), newline=""))
    table = [dict(zip(heading, line, strict=True)) for line in lines]
    assert [line["内容 text (zh)"] for line in table] == ["'=1+1", "'-2", "'@x", "'\t=a", "门卫室"], "nothing that a spreadsheet runs"
    assert {line["数值 value"] for line in table} == {"-1.5"}
    assert table[0]["时间 time (Asia/Shanghai)"] == "2026-11-21 16:00:00.000"
    assert (table[0]["类别 class"], table[0]["序号 sequence"], table[0]["状态 state"]) == ("alarm", "2", "1")


def test_times(state: Path) -> None:
    assert utc_ms("2026-11-21T16:00", SHANGHAI) == utc_ms("2026-11-21T08:00:00Z", SHANGHAI) == AT_MS
    assert utc_ms("2026-11-21", SHANGHAI, end=True) - utc_ms("2026-11-21", SHANGHAI) == 86_400_000
    with pytest.raises(ValueError, match="yesterday"):
        utc_ms("yesterday", SHANGHAI)


def test_nothing_to_export(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="holds no journal"):
        ndjson(tmp_path, Selection())
    (tmp_path / JOURNAL_NAME).write_text("no database" * 20)
    with pytest.raises(Unreadable, match="not a database"):
        ndjson(tmp_path, Selection())
