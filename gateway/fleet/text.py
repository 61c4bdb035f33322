"""What `fleet generate` says: the summary for the terminal, rows for the bureau's report."""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from gateway.fleet.columns import KINDS
from gateway.fleet.files import write_whole
from gateway.fleet.generate import Outcome
from gateway.fleet.lacks import ITEMS

BOM = b"\xef\xbb\xbf"  # by which a spreadsheet knows UTF-8
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
HEADING = ("学校编号 id", "学校名称 name", "学校类型 kind", "行政区划 region", "政策用语 term", "缺项 missing", "位置 place", "说明 answer")
Cell = str | int


def missing_rows(outcome: Outcome) -> Iterator[list[Cell]]:
    """One row for each thing that a school does not have."""
    yield list(HEADING)
    for school_id, found in outcome.missing.items():
        school = outcome.schools[school_id]
        for each in found:
            item = ITEMS[each.item]
            kind = KINDS.get(school.kind, "")
            yield [school_id, school.name, kind, school.region, item.term, f"{item.zh} {item.words}", each.place, each.answer]


def counts(outcome: Outcome) -> dict[str, dict[str, int]]:
    """Item -> kind of school -> number of schools that lack it and have not answered; "" for all kinds together."""
    out: dict[str, dict[str, int]] = {}
    for school_id, found in outcome.missing.items():
        kind = outcome.schools[school_id].kind
        for item in sorted({each.item for each in found if not each.answer}, key=list(ITEMS).index):
            row = out.setdefault(item, {})
            for column in ("", kind):
                row[column] = row.get(column, 0) + 1
    return {item: out[item] for item in ITEMS if item in out}


def count_rows(outcome: Outcome) -> Iterator[list[Cell]]:
    """The counts as a table, with the number of schools of each kind in its last row."""
    kinds = [kind for kind in KINDS if any(outcome.schools[name].kind == kind for name in outcome.missing)]
    yield ["政策用语 term", "缺项 missing", "学校数 schools", *(KINDS[kind] for kind in kinds)]
    for item, row in counts(outcome).items():
        yield [ITEMS[item].term, f"{ITEMS[item].zh} {ITEMS[item].words}", row[""], *(row.get(kind, 0) for kind in kinds)]
    of_kind = [sum(outcome.schools[name].kind == kind for name in outcome.missing) for kind in kinds]
    yield ["合计 all", "学校总数 schools checked", len(outcome.missing), *of_kind]


def lines(outcome: Outcome, folder: Path, *, dry: bool) -> list[str]:
    """For the terminal: what was written, what is missing. Faults and warnings are told apart from it."""
    would = "would be " if dry else ""
    out = [f"{len(outcome.written)} {would}written, {len(outcome.unchanged)} unchanged, {len(outcome.refused)} refused, in {folder}"]
    if outcome.removed:
        shown = ", ".join(outcome.removed[:10]) + (", ..." if len(outcome.removed) > 10 else "")
        out.append(f"not in the table any more, left as they are: {shown}")
    if counts(outcome):
        out += ["", *aligned([[str(cell) for cell in row] for row in count_rows(outcome)])]
    return out


def aligned(rows: list[list[str]]) -> list[str]:
    """Rows in columns; a Chinese character is two places wide."""
    widths = [max(_width(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join(cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def write_report(file: Path, outcome: Outcome) -> None:
    """The summary as .xlsx (two sheets) or .csv (what each school misses). Raises TableRefused, OSError."""
    if file.suffix.lower() == ".xlsx":
        from gateway.fleet.xlsx import write_sheets

        book = io.BytesIO()
        write_sheets(book, {"缺项 missing": missing_rows(outcome), "汇总 counts": count_rows(outcome)})
        write_whole(file, book.getvalue())
        return
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows([[harmless(cell) for cell in row] for row in missing_rows(outcome)])
    write_whole(file, BOM + text.getvalue().encode())


def harmless(cell: Cell) -> Cell:
    """A text that a spreadsheet would take for a formula gets a quote before it."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(_FORMULA) else cell
