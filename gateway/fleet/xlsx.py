"""Workbooks (.xlsx) with openpyxl, which is imported here only: reading one from a stranger, writing the empty table and the report.

openpyxl by itself takes any XML. So before it sees the file: the sizes that the archive states are bounded, and no part may declare
a document type, without which there are no entities to blow up.
"""

from __future__ import annotations

import datetime
import warnings
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO, Any
from xml.parsers import expat

from gateway.fleet.columns import COLUMNS, DEVICES, SCHOOLS
from gateway.fleet.table import CELL_MOST, COLUMNS_MOST, FILE_MOST_BYTES, ROWS_MOST, TableRefused, letters

UNPACKED_MOST_BYTES = 300_000_000
PARTS_MOST = 500
NEEDS = "tables in .xlsx need the package openpyxl (pip install 'campus-gateway[fleet]'); CSV works without it"
_CHUNK = 65_536
_LISTED_ROWS = 3000  # rows of the empty table that have drop-downs


def _openpyxl() -> Any:
    try:
        import openpyxl
    except ImportError as error:
        raise TableRefused(NEEDS) from error
    return openpyxl


def read_xlsx(file: Path) -> dict[str, list[list[str]]]:
    """Sheet name -> records of text. Raises TableRefused."""
    openpyxl = _openpyxl()
    _judge_archive(file)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of extensions that it does not know, such as drop-downs
            book = openpyxl.load_workbook(file, read_only=True, data_only=True, keep_links=False)
            try:
                return {sheet.title: _records(sheet) for sheet in book.worksheets}
            finally:
                book.close()
    except (KeyError, ValueError, TypeError, AttributeError, IndexError, OverflowError, OSError, SyntaxError, zipfile.BadZipFile) as error:
        raise TableRefused(f"{file}: is damaged, or not what a spreadsheet writes: {type(error).__name__}: {error}"[:300]) from error


def _records(sheet: Any) -> list[list[str]]:
    most = max(ROWS_MOST.values())
    sheet.reset_dimensions()  # what the file says about its own size is not believed
    rows = sheet.iter_rows(max_row=most + 1, max_col=COLUMNS_MOST, values_only=True)
    return [[_text(cell) for cell in row] if any(cell is not None for cell in row) else [] for row in rows]


def _text(value: object) -> str:
    """A cell as a person sees it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    if isinstance(value, datetime.time):
        return value.strftime("%H:%M")
    return str(value)[: CELL_MOST + 1]


class _Declared(Exception):
    """The part declares a document type."""


class _Begun(Exception):
    """The root element has begun: no document type can follow."""


def _judge_archive(file: Path) -> None:
    try:
        size = file.stat().st_size
        if size > FILE_MOST_BYTES:
            raise TableRefused(f"{file}: has {size} bytes; at most {FILE_MOST_BYTES} are read")
        with zipfile.ZipFile(file) as archive:
            parts = archive.infolist()
            total = sum(part.file_size for part in parts)
            if len(parts) > PARTS_MOST or total > UNPACKED_MOST_BYTES:
                raise TableRefused(f"{file}: would be {total} bytes in {len(parts)} parts when unpacked; that is no table of schools")
            for part in parts:
                if part.filename.lower().endswith((".xml", ".rels", ".vml")):
                    with archive.open(part) as stream:
                        _judge_part(file, part.filename, stream)
    except OSError as error:
        raise TableRefused(f"{file}: cannot be read: {error.strerror}") from error
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError) as error:
        raise TableRefused(f"{file}: is no .xlsx workbook: {error}; an older .xls or a locked one is to be saved as .xlsx first") from error


def _judge_part(file: Path, name: str, stream: IO[bytes]) -> None:
    def declared(*_: object) -> None:
        raise _Declared

    def begun(*_: object) -> None:
        raise _Begun

    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = declared
    parser.StartElementHandler = begun
    try:
        while chunk := stream.read(_CHUNK):
            parser.Parse(chunk, False)
        parser.Parse(b"", True)
    except _Begun:
        return
    except _Declared:
        raise TableRefused(f"{file}: its part {name[:80]} declares a document type, which no spreadsheet writes: not read") from None
    except expat.ExpatError as error:
        raise TableRefused(f"{file}: its part {name[:80]} is no XML: {error}") from error


def write_empty_table(file: Path, lists: dict[tuple[str, str], Sequence[str]]) -> None:
    """The table to fill in: headings with notes, drop-downs, text cells. lists: (sheet, column id) -> long drop-downs."""
    openpyxl = _openpyxl()
    from openpyxl.comments import Comment
    from openpyxl.styles import Font, PatternFill
    from openpyxl.worksheet.datavalidation import DataValidation

    book = openpyxl.Workbook()
    book.remove(book.active)
    sheets = {kind: book.create_sheet(kind) for kind in (SCHOOLS, DEVICES)}
    hidden = book.create_sheet("lists")
    hidden.sheet_state = "hidden"
    drawn = 0
    for kind, sheet in sheets.items():
        sheet.freeze_panes = "C2"
        for index, column in enumerate(COLUMNS[kind]):
            letter = letters(index)
            cell = sheet.cell(1, index + 1, column.zh + ("*" if column.needed else ""))
            cell.font = Font(bold=True)
            cell.fill = PatternFill("solid", fgColor="FCE4D6" if column.needed else "DDEBF7")
            example = f"\n例如 for example: {column.example}" if column.example else ""
            cell.comment = Comment(f"{column.zh} ({column.id})\n{column.note_zh}\n{column.note}{example}", "campus-gateway", 120, 320)
            sheet.column_dimensions[letter].width = max(12, 2.2 * len(column.zh) + 2)
            sheet.column_dimensions[letter].number_format = "@"
            for row in range(2, 202):
                sheet.cell(row, index + 1).number_format = "@"  # leading zeros stay, 1-2 becomes no date
            offered = lists.get((kind, column.id), column.choices)
            if offered:
                drawn += 1
                for row, word in enumerate(offered, 1):
                    _put(hidden.cell(row, drawn), word)
                formula = f"lists!${letters(drawn - 1)}$1:${letters(drawn - 1)}${len(offered)}"
                rule = DataValidation(type="list", formula1=formula, allow_blank=True, showErrorMessage=column.id != "profile")
                rule.errorTitle, rule.error = column.zh, f"{column.note_zh} / {column.note}"
                rule.add(f"{letter}2:{letter}{_LISTED_ROWS}")
                sheet.add_data_validation(rule)
    book.save(file)


def write_sheets(file: Path | IO[bytes], sheets: dict[str, Iterable[Sequence[str | int]]]) -> None:
    """Sheets of plain cells, the first row as heading. Texts are texts: none becomes a formula."""
    openpyxl = _openpyxl()
    from openpyxl.styles import Font

    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        sheet.freeze_panes = "A2"
        for number, row in enumerate(rows, 1):
            for index, value in enumerate(row, 1):
                cell = sheet.cell(number, index)
                _put(cell, value)
                if number == 1:
                    cell.font = Font(bold=True)
    book.save(file)


def _put(cell: Any, value: str | int) -> None:
    cell.value = value
    if isinstance(value, str):
        cell.data_type = "s"
