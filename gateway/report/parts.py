"""What every section of a report is made of: figures and tables that name themselves in both languages, so that any reader can show them.

A section: {"zh", "en", "figures": [{"figure", "zh", "en", "kind", "value"}], "tables": [{"table", "zh", "en", "columns": [{"column", "zh",
"en", "kind"}], "rows": [{column: value}], "more": n}]}. A value is a number, null (nothing can be said), text, or {"zh", "en"}; times are
RFC 3339, shares 0 to 1. more: rows that were left out because there were too many.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from statistics import median
from typing import Any

from gateway.core.points import Text
from gateway.report.words import COLUMNS, FIGURES, SECTIONS, TABLES

MOST_ROWS = 50

Row = dict[str, Any]
Table = tuple[str, Iterable[str], list[Row]]  # name, columns, rows


def both(text: Text) -> dict[str, str]:
    """The same words in both languages, as JSON."""
    return {"zh": text.zh, "en": text.en}


def section(name: str, figures: Mapping[str, Any], tables: Iterable[Table] = ()) -> dict[str, Any]:
    """figures: name -> value. tables: (name, columns, rows); one without rows is left out."""
    return {
        **both(SECTIONS[name]),
        "figures": [_figure(f"{name}.{figure}", figure, value) for figure, value in figures.items()],
        "tables": [_table(f"{name}.{table}", table, columns, rows) for table, columns, rows in tables if rows],
    }


def value(sections: Mapping[str, Any], name: str, figure: str) -> Any:
    """A figure of a section; None where it is not there."""
    return next((each["value"] for each in sections.get(name, {}).get("figures", ()) if each["figure"] == figure), None)


def middle(seconds: list[float]) -> float | None:
    """The median, None of nothing."""
    return round(median(seconds), 1) if seconds else None


def longest(seconds: list[float], digits: int = 1) -> float | None:
    """The longest, None of nothing. digits: behind the point."""
    return round(max(seconds), digits) if seconds else None


def most_first(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """The most frequent first, those of the same number by name, so that the same past gives the same report."""
    return sorted(((name, count) for name, count in counts.items() if count), key=lambda item: (-item[1], item[0]))


def shorter(report: Mapping[str, Any], most_rows: int) -> dict[str, Any]:
    """The same report with at most so many rows in each table; `more` counts what is left out."""

    def cut(table: Row) -> Row:
        rows = table["rows"]
        return {**table, "rows": rows[:most_rows], "more": table["more"] + max(0, len(rows) - most_rows)}

    parts = {name: {**part, "tables": [cut(table) for table in part["tables"]]} for name, part in report["sections"].items()}
    return {**report, "sections": parts}


def _figure(key: str, name: str, value: Any) -> dict[str, Any]:
    text, kind = FIGURES[key]
    return {"figure": name, **both(text), "kind": kind, "value": value}


def _table(key: str, name: str, columns: Iterable[str], rows: list[Row]) -> dict[str, Any]:
    heads = [{"column": column, **both(COLUMNS[column][0]), "kind": COLUMNS[column][1]} for column in columns]
    return {"table": name, **both(TABLES[key]), "columns": heads, "rows": rows[:MOST_ROWS], "more": max(0, len(rows) - MOST_ROWS)}
