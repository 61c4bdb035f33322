"""CSV files that a spreadsheet opens and does not run."""

from __future__ import annotations

import csv
import io

from hypothesis import given
from hypothesis import strategies as st

from gateway.console.table import FORMULA, csv_file


def read(body: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(body.decode("utf-8-sig"), newline="")))


def test_texts_are_texts_and_numbers_are_numbers() -> None:
    body = csv_file(["名称 name", "值 value"], [["=HYPERLINK(1)", -1.5], [" +1", 2], ["校门, 南", 0.25]])
    assert body.startswith(b"\xef\xbb\xbf")
    assert read(body) == [["名称 name", "值 value"], ["'=HYPERLINK(1)", "-1.5"], ["' +1", "2"], ["校门, 南", "0.25"]]


@given(st.text())
def test_no_cell_begins_as_a_formula(text: str) -> None:
    rows = read(csv_file(["a", "b"], [[text, "end"]]))
    assert rows[-1][-1] == "end"
    assert not rows[1][0].lstrip(" ").startswith(FORMULA)
