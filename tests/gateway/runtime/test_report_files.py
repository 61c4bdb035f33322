"""Files of reports: whole or not there, newest first, no more than are kept."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway.contract.canonical import canonical
from gateway.runtime import report_files
from gateway.runtime.report_files import END_BYTES, TOLD, ReportUnreadable, kept, numbers, prune, read, write


def one(kind: str, number: int, **more: object) -> bytes:
    return json.dumps({"report": kind, "number": number, "issued_at": "2026-11-22T09:30:00.000Z", "sections": {}, **more}).encode()


def test_what_was_written_is_read_and_listed_newest_first(tmp_path: Path) -> None:
    for number in (1, 2, 10, 1_000_000):
        write(tmp_path, "daily", number, one("daily", number, nothing_happened=True))
    write(tmp_path, "weekly", 3, one("weekly", 3))
    assert numbers(tmp_path, "daily") == [1_000_000, 10, 2, 1]
    assert [each["number"] for each in kept(tmp_path, "daily")] == [1_000_000, 10, 2, 1]
    assert [each["number"] for each in kept(tmp_path, "daily", 2)] == [1_000_000, 10]
    first = kept(tmp_path, "daily")[0]
    assert first["nothing_happened"] is True
    assert "sections" not in first, "a list is short"
    assert read(tmp_path, "weekly", 3)["sections"] == {}
    assert (tmp_path / "reports").stat().st_mode & 0o777 == 0o700


def test_what_is_not_there_or_damaged_is_told(tmp_path: Path) -> None:
    assert (numbers(tmp_path, "daily"), kept(tmp_path, "daily")) == ([], [])
    with pytest.raises(ReportUnreadable, match="there is no daily report number 7"):
        read(tmp_path, "daily", 7)
    for kind in ("../daily", "event", ""):
        with pytest.raises(ReportUnreadable, match="no kind"):
            read(tmp_path, kind, 1)
    for number, body in enumerate((b"", b"{", b"[]", b"null", one("daily", 99), one("weekly", 5)), 1):
        write(tmp_path, "daily", number, body)
        with pytest.raises(ReportUnreadable, match="damaged"):
            read(tmp_path, "daily", number)
    write(tmp_path, "daily", 50, one("daily", 50))
    assert [each["number"] for each in kept(tmp_path, "daily")] == [50]


def test_other_files_are_none_of_its_business(tmp_path: Path) -> None:
    write(tmp_path, "daily", 1, one("daily", 1))
    for name in ("daily-000002.half", "daily-x.json", "notes.txt", "daily-1.json"):
        (tmp_path / "reports" / name).write_text("x")
    assert numbers(tmp_path, "daily") == [1]


def test_the_oldest_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(report_files.KEPT, "daily", 3)
    for number in range(1, 6):
        write(tmp_path, "daily", number, one("daily", number))
        write(tmp_path, "weekly", number, one("weekly", number))
        prune(tmp_path, "daily")
    assert numbers(tmp_path, "daily") == [5, 4, 3]
    assert numbers(tmp_path, "weekly") == [5, 4, 3, 2, 1]


@pytest.mark.parametrize("size", [0, 10, END_BYTES - 700, END_BYTES - 300, END_BYTES, 2 * END_BYTES - 500, 2 * END_BYTES, 50_000])
def test_a_list_is_the_same_for_short_and_long_reports(tmp_path: Path, size: int) -> None:
    text = (',"signature":"x","sections":{' * (size // 20))[:size]
    told = {"report": "daily", "number": 1, "from": "a", "to": "b", "issued_at": "c", "late": False, "nothing_happened": True}
    summary = {"zh": '零报告 ,"sections":{', "en": ',"signature":"'}
    sections = {"a": {"zh": text, "signature": "", "more": {"sections": {}, "signature": 1}}}
    body = canonical({**told, "order": ["a"], "summary": summary, "sections": sections, "signature": "s" * 200, "site": {}, "zone": "x"})
    write(tmp_path, "daily", 1, body)
    (one_told,) = kept(tmp_path, "daily")
    assert one_told == {**told, "summary": summary}
    assert set(one_told) == set(TOLD)


def test_a_list_reads_no_sections(tmp_path: Path) -> None:
    body = canonical({"report": "daily", "number": 1, "sections": {"a": "x" * 50_000}, "signature": "s"})
    write(tmp_path, "daily", 1, body.replace(b"xxx", b"\xff\xff\xff"))
    assert kept(tmp_path, "daily") == [{"report": "daily", "number": 1}]
    with pytest.raises(ReportUnreadable, match="damaged"):
        read(tmp_path, "daily", 1)


def test_all_together_are_not_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_files, "MOST_BYTES_ALL", 1000)
    for number in range(1, 5):
        for kind in ("daily", "weekly"):
            write(tmp_path, kind, number, b"x" * 150)
    prune(tmp_path, "weekly")
    assert (numbers(tmp_path, "daily"), numbers(tmp_path, "weekly")) == ([4, 3], [4, 3, 2, 1])
    monkeypatch.setattr(report_files, "MOST_BYTES_ALL", 0)
    prune(tmp_path, "weekly")
    assert (numbers(tmp_path, "daily"), numbers(tmp_path, "weekly")) == ([4], [4]), "the newest of each stays"
