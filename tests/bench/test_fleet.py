"""The benchmark of site files, on a few schools."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.fleet.table import read_tables
from tests.bench import fleet


@pytest.mark.parametrize("suffix", [".csv", ".xlsx"])
def test_both_forms_of_the_table_say_the_same(tmp_path: Path, suffix: str) -> None:
    schools, devices = read_tables(*fleet.write_tables(tmp_path, 11, suffix))
    rows, wired = fleet.school_rows(11)
    assert [each.cells for each in schools.rows] == rows
    assert [each.cells for each in devices.rows] == wired
    assert (schools.faults, schools.warnings, devices.faults) == ([], [], [])


def test_a_few_schools_are_measured(tmp_path: Path) -> None:
    found = {figure.name: figure for figure in fleet.generate_all(fleet.Effort(9), tmp_path, lambda line: None).figures}
    assert found["fleet.touched_again"].value == 0
    assert found["fleet.lacking"].value == 7, "two have everything"
    assert (found["fleet.schools_per_second"].value or 0) > 0
