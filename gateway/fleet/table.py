"""Reads the table of schools and the table of their devices, from .xlsx or .csv, as an office saves them."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from gateway.config.problems import near_miss
from gateway.fleet.columns import COLUMNS, DEVICES, SCHOOLS, SHEET_NAMES, Column
from gateway.fleet.values import plain

FILE_MOST_BYTES = 32_000_000  # 20,000 schools with every cell filled are some 12 MB
ROWS_MOST = {SCHOOLS: 20_000, DEVICES: 100_000}
COLUMNS_MOST = 200
CELL_MOST = 4000  # characters
_CHINESE = {column.id: column.zh for kind in (DEVICES, SCHOOLS) for column in COLUMNS[kind]}


@dataclass(frozen=True, slots=True)
class Fault:
    """Something to put right. row: as the spreadsheet counts, 0 for none; column: its heading, or empty."""

    sheet: str
    row: int
    column: str
    text: str

    def __str__(self) -> str:
        where = [self.sheet, *([f"row {self.row}"] if self.row else []), *([f"column {self.column}"] if self.column else [])]
        return f"{', '.join(where)}: {self.text}"


class TableRefused(Exception):
    """A file that cannot be read as a table at all."""


@dataclass(slots=True)
class Row:
    """One row. cells: column id -> text, only those that hold something."""

    sheet: Sheet
    number: int
    cells: dict[str, str]

    def fault(self, column: str, text: str) -> Fault:
        """A fault of one cell of it, which may be of a column that the table does not have."""
        return Fault(self.sheet.name, self.number, self.sheet.headings.get(column) or _CHINESE.get(column, column), text)


@dataclass(slots=True)
class Sheet:
    """One table. headings: column id -> letter and heading, as the reader of an error finds it.

    faults: of the table as a whole, so that none of its rows can be used. said: how it was read.
    """

    name: str
    headings: dict[str, str] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    warnings: list[Fault] = field(default_factory=list)
    said: list[str] = field(default_factory=list)


def read_tables(table: Path, devices: Path | None = None) -> tuple[Sheet, Sheet]:
    """The schools and their devices. Raises TableRefused."""
    if table.suffix.lower() in (".xlsx", ".xlsm"):
        from gateway.fleet.xlsx import read_xlsx

        found = read_xlsx(table)
        schools = _of_workbook(table, found, SCHOOLS)
        given = None if devices is None else _from_csv(devices, DEVICES)
        own = _of_workbook(table, found, DEVICES) if any(_is(name, DEVICES) for name in found) else Sheet(f"{table.name}: {DEVICES}")
        return schools, given or own
    return _from_csv(table, SCHOOLS), Sheet(DEVICES) if devices is None else _from_csv(devices, DEVICES)


def _is(name: str, kind: str) -> bool:
    return plain(name).lower() in SHEET_NAMES[kind]


def _of_workbook(file: Path, found: dict[str, list[list[str]]], kind: str) -> Sheet:
    names = [name for name in found if _is(name, kind)]
    if not names and len(found) == 1:
        names = list(found)  # a workbook with one sheet is that of the schools, whatever it is called
    if not names:
        raise TableRefused(f"{file}: no sheet is called {SHEET_NAMES[kind][0]} or {SHEET_NAMES[kind][1]}; found: {', '.join(found)[:200]}")
    return sheet_of(kind, f"{file.name}: {names[0]}", iter(found[names[0]]))


def sheet_of(kind: str, name: str, records: Iterator[list[str]]) -> Sheet:
    """Records of text, the first of which holds the headings, as a Sheet of this kind (SCHOOLS or DEVICES)."""
    sheet = Sheet(name)
    places: dict[int, str] | None = None
    for number, record in enumerate(records, 1):
        if not any(cell.strip() for cell in record):
            continue
        if places is None:
            places = _headings(kind, sheet, number, record)
            continue
        if number > ROWS_MOST[kind]:
            sheet.faults.append(Fault(name, number, "", f"more than {ROWS_MOST[kind]} rows are not read; split the table"))
            break
        row = Row(sheet, number, {})
        for index, text in enumerate(record):
            if index in places and text.strip():
                row.cells[places[index]] = text[: CELL_MOST + 1]  # no column takes so much: who reads it says so
        if row.cells:
            sheet.rows.append(row)
    if places is None:
        sheet.faults.append(Fault(name, 1, "", "is empty; its first row is to hold the headings: campus-gateway fleet table"))
    return sheet


def _headings(kind: str, sheet: Sheet, number: int, record: list[str]) -> dict[int, str]:
    """Index -> column id. What is not known is told, and what is missing."""
    known = {word: column for column in COLUMNS[kind] for word in _words(column)}
    places: dict[int, str] = {}
    for index, text in enumerate(record[:COLUMNS_MOST]):
        heading = plain(text).replace(" ", "").rstrip("*").lower()
        if not heading:
            continue
        column = known.get(heading)
        shown = f"{letters(index)} {plain(text)[:40]}"
        if column is None:
            hint = near_miss(heading, known)
            told = sheet.faults if hint else sheet.warnings
            told.append(
                Fault(sheet.name, number, shown, f"is not a known heading{hint}" if hint else "is not a known heading and is not read")
            )
        elif column.id in sheet.headings:
            sheet.faults.append(Fault(sheet.name, number, shown, f"stands already at {sheet.headings[column.id]}"))
        else:
            sheet.headings[column.id] = shown
            places[index] = column.id
    for column in COLUMNS[kind]:
        if column.needed and column.id not in sheet.headings:
            sheet.faults.append(Fault(sheet.name, number, "", f"the heading {column.zh} ({column.id}) is missing"))
    return places


def _words(column: Column) -> tuple[str, ...]:
    return column.id, column.zh.lower(), f"{column.zh}{column.id}".lower(), f"{column.zh}({column.id})".lower()


def letters(index: int) -> str:
    """The letters by which a spreadsheet calls a column; index counts from 0."""
    out = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        out = chr(65 + rest) + out
    return out


def _from_csv(file: Path, kind: str) -> Sheet:
    try:
        size = file.stat().st_size
        raw = file.read_bytes() if size <= FILE_MOST_BYTES else b""
    except OSError as error:
        raise TableRefused(f"{file}: cannot be read: {error.strerror}") from error
    if size > FILE_MOST_BYTES:
        raise TableRefused(f"{file}: has {size} bytes; at most {FILE_MOST_BYTES} are read")
    if raw.startswith(b"PK\x03\x04"):
        raise TableRefused(f"{file}: is a workbook and not CSV; give it the name .xlsx")
    text, said = decoded(file, raw)
    first = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=first.count)
    try:
        sheet = sheet_of(kind, file.name, csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise TableRefused(f"{file}: is not proper CSV: {error}; save it again from the spreadsheet") from error
    sheet.said = said
    return sheet


def decoded(file: Path, raw: bytes) -> tuple[str, list[str]]:
    """UTF-8 with or without a mark, UTF-16 with one, or GB18030 as a Chinese spreadsheet saves CSV; and what to say about it."""
    marked = raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    attempts = ["utf-16"] if marked else ["utf-8-sig", "gb18030"]
    for encoding in attempts:
        try:
            text = raw.decode(encoding)
        except UnicodeDecodeError:
            continue
        return text, [] if encoding == "utf-8-sig" else [f"{file.name}: read as {encoding.upper()}"]
    raise TableRefused(f"{file}: is neither UTF-8 nor GB18030 text; save it as CSV UTF-8")
