"""Site files for a whole province's towns from one table: `make bench-fleet` writes build/bench/fleet.json.

1,890 schools of eight kinds, every fifth of them with devices on the second sheet. Measured is what an office waits for: the table read,
each file made, checked as `campus-gateway check` does and put in its place; then the same table again, when nothing has changed.
"""

from __future__ import annotations

import csv
import resource
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from gateway.fleet.columns import COLUMNS, DEVICES, KINDS, SCHOOLS
from gateway.fleet.generate import Outcome, generate
from gateway.fleet.table import read_tables
from gateway.fleet.template import read_template
from gateway.fleet.xlsx import write_sheets
from tests.bench.figures import Figure
from tests.bench.program import run
from tests.bench.rig import NotMeasured, Result, Say

TEMPLATE = Path(__file__).parents[2] / "deploy/fleet/template.toml"
SCHOOLS_IN_ALL = 1890


@dataclass(frozen=True, slots=True)
class Effort:
    """How many schools."""

    schools: int


def school_rows(number: int) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """Rows by column id, of so many schools and of their devices."""
    schools, devices = [], []
    for i in range(number):
        kind = list(KINDS.values())[i % len(KINDS)]
        school = {
            "id": f"61{i:08d}", "name": f"第{i + 1}{kind}", "kind": kind, "boarding": "是" if i % 7 == 0 else "否",
            "region": f"6101{i % 40:02d}", "gateway_host": f"10.{i // 250}.{i % 250}.11", "responsible": "张卫国", "leaders": "李校长",
            "leader_phones": "029-0000001", "panic_buttons": str(1 + i % 2), "bollards": str(i % 3), "fixed_layers": str(i % 2),
            "gas_detectors": str(i % 3), "electrical_monitors": str(i % 2), "doors": "1", "cameras": str(i % 3), "kitchen": "燃气",
            "power_room": "有",
        }  # fmt: skip
        schools.append(school)
        if i % 5 == 0:
            wired = {"school": school["id"], "line": "192.168.1.30", "profile": "advantech-adam-6060"}
            devices.append({**wired, "role": "门磁", "place": "疏散门", "place_type": "疏散出口", "signal": "di1"})
            devices.append({**wired, "role": "一键报警按钮", "place": "门卫室", "signal": "di2", "normally": "常闭"})
    return schools, devices


def write_tables(folder: Path, number: int, suffix: str) -> tuple[Path, Path | None]:
    """The table as an office saves it: .csv (two files, GB18030) or .xlsx (two sheets)."""
    sheets = {}
    for kind, rows in zip((SCHOOLS, DEVICES), school_rows(number), strict=True):
        columns = COLUMNS[kind]
        sheets[kind] = [[column.zh for column in columns], *([row.get(column.id, "") for column in columns] for row in rows)]
    folder.mkdir(parents=True, exist_ok=True)
    if suffix == ".xlsx":
        write_sheets(folder / "schools.xlsx", dict(sheets))
        return folder / "schools.xlsx", None
    for name, kind in (("schools.csv", SCHOOLS), ("devices.csv", DEVICES)):
        with (folder / name).open("w", encoding="gb18030", newline="") as stream:
            csv.writer(stream).writerows(sheets[kind])
    return folder / "schools.csv", folder / "devices.csv"


def _generated(table: Path, devices: Path | None, out: Path, number: int) -> tuple[Outcome, float]:
    began_s = time.monotonic()
    outcome = generate(*read_tables(table, devices), read_template(TEMPLATE), out)
    took_s = time.monotonic() - began_s
    if len(outcome.good) != number:
        raise NotMeasured(f"only {len(outcome.good)} of {number} schools have a file: {[str(fault) for fault in outcome.faults[:3]]}")
    return outcome, took_s


def generate_all(effort: Effort, folder: Path, say: Say) -> Result:
    """The whole table twice, from .xlsx."""
    number = effort.schools
    say(f"{number} schools")
    table, devices = write_tables(folder, number, ".xlsx")
    began_s = time.monotonic()
    read_tables(table, devices)
    read_s = time.monotonic() - began_s
    first, first_s = _generated(table, devices, folder / "sites", number)
    stamps = {file.name: file.stat().st_mtime_ns for file in (folder / "sites").iterdir()}
    again, again_s = _generated(table, devices, folder / "sites", number)
    touched = sum(stamps.get(file.name) != file.stat().st_mtime_ns for file in (folder / "sites").iterdir())
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    lacking = sum(bool(found) for found in first.missing.values())
    full = number == SCHOOLS_IN_ALL
    figures = [
        Figure("fleet.schools_per_second", round(number / first_s, 1), "1/s", ">= 10", f"{number} schools, read, made, checked, written"),
        Figure("fleet.all_schools_s", round(first_s, 1), "s", "<= 180" if full else "", f"{number} schools"),
        Figure("fleet.again_s", round(again_s, 1), "s", "<= 180" if full else "", "the same table again: all are checked, none is written"),
        Figure("fleet.touched_again", touched, "files", "= 0", f"{len(again.unchanged)} unchanged"),
        Figure("fleet.read_xlsx_s", round(read_s, 2), "s", "", "reading alone"),
        Figure("fleet.peak_mb", round(peak_mb), "MB", "<= 400", "of the first process; each checker has its own"),
        Figure("fleet.lacking", lacking, "schools", "", "miss something by policy"),
    ]
    return Result(figures, [])


MEASURES = {"generate": generate_all}


def main(argv: list[str] | None = None) -> int:
    """As `program.run`."""
    measures = "Measure how fast site files are made from a table."
    return run("fleet", measures, MEASURES, (Effort(SCHOOLS_IN_ALL), Effort(200)), lambda: None, argv)


if __name__ == "__main__":
    sys.exit(main())
