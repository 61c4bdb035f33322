"""The hazard ledger as a file for people: .xlsx with every entry and its hash on a second sheet, or CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, BinaryIO
from zoneinfo import ZoneInfo

from gateway.core.points import Text
from gateway.journal.export import BOM, FORMULA
from gateway.report.hazard_ledger import Entry, Row, rows

if TYPE_CHECKING:
    from xlsxwriter import Workbook

Cell = str | int

STATES = {
    "open": Text("已登记", "open"),
    "assigned": Text("整改中", "assigned"),
    "fixed": Text("已整改，待复查", "fixed"),
    "verified": Text("复查合格，待销号", "verified"),
    "closed": Text("已销号", "closed"),
}
SOURCES = {
    "fault": Text("设备故障", "fault"),
    "person": Text("人工登记", "person"),
    "inspection": Text("巡查排查", "inspection"),
    "commission": Text("初次调试", "commission"),
}
STEPS = {
    "opened": Text("登记", "opened"),
    "assigned": Text("交办", "assigned"),
    "fixed": Text("整改", "fixed"),
    "verified": Text("复查", "verified"),
    "closed": Text("销号", "closed"),
    "reopened": Text("复发", "reopened"),
}
# heading -> width in characters
COLUMNS = {
    "编号 number": 10,
    "位置 place": 22,
    "隐患 what is wrong": 40,
    "来源 source": 16,
    "点位 alarm": 24,
    "状态 state": 18,
    "责任人 responsible": 16,
    "整改期限 due": 12,
    "登记时间 opened": 18,
    "登记人 opened by": 14,
    "整改时间 fixed": 18,
    "整改人 fixed by": 14,
    "复查时间 verified": 18,
    "复查人 verified by": 14,
    "销号时间 closed": 18,
    "销号人 closed by": 14,
    "复发次数 recurrences": 12,
    "退回次数 rejected": 12,
    "逾期 overdue": 10,
}
ENTRY_COLUMNS = {
    "序号 entry": 10,
    "时间 time": 20,
    "编号 hazard": 10,
    "环节 step": 16,
    "操作人 by": 14,
    "说明 why": 40,
    "状态 state": 18,
    "责任人 responsible": 16,
    "整改期限 due": 12,
    "本条摘要 sha-256": 66,
    "上条摘要 sha-256 of the entry before": 66,
    "事件 event": 38,
}


def table(found: list[Entry], places: dict[str, Text], zone: ZoneInfo, now_ms: int) -> Iterator[list[Cell]]:
    """One row of COLUMNS for each hazard. places: id -> name; zone: of the times; now_ms: UTC, by which overdue is judged."""
    today = datetime.fromtimestamp(now_ms / 1000, UTC).astimezone(zone).date().isoformat()
    for row in rows(found):
        yield _row(row, places, zone, today)


def _row(row: Row, places: dict[str, Text], zone: ZoneInfo, today: str) -> list[Cell]:
    last = row.newest
    place = places.get(str(last["place"]), Text(str(last["place"]), ""))
    zh, en = str(last["zh"]), str(last["en"])
    cells: list[Cell] = [str(last["hazard"]), f"{place.zh} {place.en}".strip(), zh if zh == en else f"{zh} {en}"]
    cells += [_both(SOURCES, last["source"]), str(last["alarm"]), _both(STATES, last["state"]), str(last["responsible"]), str(last["due"])]
    for step in ("opened", "fixed", "verified", "closed"):
        at_ms, by = row.done.get(step, (row.opened_ms if step == "opened" else 0, ""))
        cells += [_time(at_ms, zone), by]
    return [*cells, int(last["recurrences"]), row.rejected, "是 yes" if row.is_overdue(today) else "否 no"]


def entry_table(found: list[Entry], zone: ZoneInfo) -> Iterator[list[Cell]]:
    """One row of ENTRY_COLUMNS for each entry."""
    for entry in found:
        data = entry.data
        told = [str(data.get(name, "")) for name in ("hazard", "step", "by", "why", "state", "responsible", "due")]
        told[1], told[4] = _both(STEPS, told[1]), _both(STATES, told[4])
        number = data.get("entry")
        first: Cell = number if isinstance(number, int) else str(number)
        yield [first, _time(entry.at_ms, zone, seconds=True), *told, entry.sha256, str(data.get("previous_entry", "")), entry.event]


def write_csv(out: BinaryIO, found: list[Entry], places: dict[str, Text], zone: ZoneInfo, now_ms: int) -> int:
    """The table of hazards, UTF-8 with a byte order mark. Gives the number of rows."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    count = 0
    for count, row in enumerate(table(found, places, zone, now_ms), 1):  # noqa: B007
        writer.writerow([_harmless(cell) for cell in row])
    out.write(BOM + text.getvalue().encode("utf-8", "replace"))
    return count


def write_xlsx(out: BinaryIO, found: list[Entry], places: dict[str, Text], zone: ZoneInfo, now_ms: int) -> int:
    """Both tables, each on a sheet of its own. Texts are written as texts: nothing is a formula. Gives the number of hazards."""
    import xlsxwriter

    book = xlsxwriter.Workbook(out, {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False})
    try:
        count = _sheet(book, "隐患台账 hazards", COLUMNS, table(found, places, zone, now_ms))
        _sheet(book, "台账记录 entries", ENTRY_COLUMNS, entry_table(found, zone))
    finally:
        book.close()
    return count


def _sheet(book: Workbook, name: str, columns: dict[str, int], lines: Iterator[list[Cell]]) -> int:
    sheet = book.add_worksheet(name)
    bold = book.add_format({"bold": True, "bg_color": "#DDE6F0"})
    for number, (heading, width) in enumerate(columns.items()):
        sheet.set_column(number, number, width)
        sheet.write_string(0, number, heading, bold)
    sheet.freeze_panes(1, 1)
    count = 0
    for count, line in enumerate(lines, 1):
        for number, cell in enumerate(line):
            if isinstance(cell, int):
                sheet.write_number(count, number, cell)
            else:
                sheet.write_string(count, number, _harmless(cell))
    return count


def _harmless(cell: Cell) -> Cell:
    """A text that no spreadsheet runs, also after it was saved as CSV."""
    if isinstance(cell, int):
        return cell
    cell = cell.replace("\0", "")
    return "'" + cell if cell.startswith(FORMULA) else cell


def _both(words: dict[str, Text], name: object) -> str:
    known = words.get(str(name))
    return f"{known.zh} {known.en}" if known else str(name)


def _time(at_ms: int, zone: ZoneInfo, *, seconds: bool = False) -> str:
    if not at_ms:
        return ""
    at = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(zone)
    return at.strftime("%Y-%m-%d %H:%M:%S" if seconds else "%Y-%m-%d %H:%M")
