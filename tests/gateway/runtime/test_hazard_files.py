"""The ledger as .xlsx and CSV, read back by another library."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

import openpyxl
import pytest

from gateway.core.points import Text
from gateway.report.hazard_ledger import entries
from gateway.runtime.hazard_files import COLUMNS, ENTRY_COLUMNS, write_csv, write_xlsx
from tests.gateway.report.test_hazard_ledger import Events, a_year
from tests.gateway.rules.duty_day import utc_ms
from tests.gateway.rules.ledger import PLACES, Ledger

ZONE = ZoneInfo("Asia/Shanghai")


def book(said: list[dict[str, Any]], places: dict[str, Text] = PLACES) -> Any:
    out = io.BytesIO()
    write_xlsx(out, entries(Events(said)), places, ZONE, utc_ms("2026-09-20 08:00"))
    return openpyxl.load_workbook(io.BytesIO(out.getvalue()))


def csv_rows(said: list[dict[str, Any]]) -> list[list[str]]:
    out = io.BytesIO()
    write_csv(out, entries(Events(said)), PLACES, ZONE, utc_ms("2026-09-20 08:00"))
    assert out.getvalue().startswith(b"\xef\xbb\xbf")
    return list(csv.reader(io.StringIO(out.getvalue().decode("utf-8-sig"))))


def cells(sheet: Any) -> list[list[Any]]:
    return [[cell.value for cell in row] for row in sheet.iter_rows()]


def test_one_row_for_each_hazard() -> None:
    sheet = book(a_year()).worksheets[0]
    heading, first, second = cells(sheet)
    assert heading == list(COLUMNS)
    assert first[:4] == ["hz-1", "食堂厨房 kitchen", "信号故障：厨房 Signal fault: kitchen", "设备故障 fault"]
    assert dict(zip(heading, first, strict=True))["复发次数 recurrences"] == 1
    told = dict(zip(heading, second, strict=True))
    assert (told["隐患 what is wrong"], told["责任人 responsible"], told["退回次数 rejected"], told["逾期 overdue"]) == (
        "灭火器压力不足",
        "王建国",
        1,
        "是 yes",
    )
    assert sheet.freeze_panes == "B2"


def test_who_and_when_on_the_schools_own_clock() -> None:
    here = Ledger()
    here.open()
    here.to("closed")
    heading, row = cells(book(here.entries).worksheets[0])
    told = dict(zip(heading, row, strict=True))
    assert (told["整改人 fixed by"], told["复查人 verified by"], told["销号人 closed by"]) == ("王建国", "李明", "李明")
    assert told["销号时间 closed"] == "1970-01-01 08:00"


def test_every_entry_with_its_hash() -> None:
    said = a_year()
    sheet = book(said).worksheets[1]
    heading, *lines = cells(sheet)
    assert heading == list(ENTRY_COLUMNS)
    assert [line[0] for line in lines] == [entry["entry"] for entry in said]
    assert [line[10] for line in lines[1:]] == [line[9] for line in lines[:-1]], "each holds the one before it"


def test_csv_says_the_same() -> None:
    said = a_year()
    heading, *lines = csv_rows(said)
    assert heading == list(COLUMNS)
    assert lines == [["" if cell is None else str(cell) for cell in row] for row in cells(book(said).worksheets[0])[1:]]


HOSTILE = ["=1+1", "+1", "-1", "@SUM(A1)", '=HYPERLINK("http://x")', "http://x.example/", "a\x00b", "0012"]


@pytest.mark.parametrize("words", HOSTILE)
@pytest.mark.parametrize("read", [csv_rows, lambda said: cells(book(said).worksheets[0])], ids=["csv", "xlsx"])
def test_no_text_becomes_a_formula(words: str, read: Callable[[list[dict[str, Any]]], list[list[Any]]]) -> None:
    here = Ledger()
    assert here.open(why=words) == ""
    shown = read(here.entries)[1][2]
    assert shown == ("'" if words[0] in "=+-@" else "") + words.replace("\x00", "")


def test_nothing_is_a_formula_or_a_link() -> None:
    here = Ledger()
    for words in HOSTILE:
        assert here.open(why=words, second=words) == ""
    for sheet in book(here.entries).worksheets:
        assert all(cell.data_type in ("s", "n") and cell.hyperlink is None for row in sheet.iter_rows() for cell in row)


def test_an_empty_ledger_has_headings() -> None:
    assert cells(book([]).worksheets[0]) == [list(COLUMNS)]
    assert csv_rows([]) == [list(COLUMNS)]


def test_a_place_that_the_site_no_longer_has() -> None:
    said = a_year()
    assert book(said, {}).worksheets[0]["B2"].value == "kitchen"
