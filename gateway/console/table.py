"""Tables as files: CSV that a spreadsheet opens, in which no text is taken for a formula. Pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

BOM = b"\xef\xbb\xbf"  # without it Excel takes UTF-8 for the code page of the system
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # a spreadsheet would run a text that begins so


def csv_file(heading: Sequence[str], rows: Iterable[Sequence[str | float]]) -> bytes:
    """The whole file; numbers stay numbers."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\r\n")
    table.writerow(heading)
    table.writerows([_cell(value) for value in row] for row in rows)
    return BOM + text.getvalue().encode("utf-8", "replace")


def _cell(value: str | float) -> str | float:
    if not isinstance(value, str):
        return value
    value = value.replace("\0", "")
    return "'" + value if value.lstrip(" ").startswith(FORMULA) else value
