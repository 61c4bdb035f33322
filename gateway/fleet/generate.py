"""A table of schools and a template -> one checked site file for each school: `campus-gateway fleet generate`."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from gateway.config.lacks import LACKS
from gateway.config.settings import Problem
from gateway.config.toml_lines import KeyPath
from gateway.core.ids import SYSTEM_PREFIX
from gateway.fleet import values
from gateway.fleet.check import Judged, judge_files, profile_of
from gateway.fleet.columns import KINDS
from gateway.fleet.devices import add_devices
from gateway.fleet.files import Staged, left_over, stage
from gateway.fleet.lacks import Missing
from gateway.fleet.site import School, begin, finish
from gateway.fleet.table import Fault, Row, Sheet
from gateway.fleet.template import Template
from gateway.fleet.toml import site_text

Progress = Callable[[int, int], None]
_TOLD = ("两道防撞设施",)  # of anti-ram posts in one layer only
_KEY = re.compile(r"\.?([^.\[\]]+)|\[(\d+)\]")


@dataclass(slots=True)
class Outcome:
    """What became of a table. schools: all of its schools, by id. missing: of those whose file is good."""

    schools: dict[str, School] = field(default_factory=dict)
    written: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    warnings: list[Fault] = field(default_factory=list)
    missing: dict[str, list[Missing]] = field(default_factory=dict)

    @property
    def good(self) -> list[str]:
        """Ids of the schools that have a good file."""
        return list(self.missing)


def generate(
    schools: Sheet,
    devices: Sheet,
    template: Template,
    folder: Path,
    *,
    dry: bool = False,
    overwrite: bool = False,
    processes: int | None = None,
    progress: Progress = lambda done, of: None,
) -> Outcome:
    """Write and check the files. dry: nothing stays written. progress: called with how many are checked, and of how many."""
    out = Outcome(faults=[*schools.faults, *devices.faults], warnings=[*schools.warnings, *devices.warnings])
    if out.faults:
        return out  # a heading that is wrong is wrong for every school
    if not schools.rows:
        out.faults.append(Fault(schools.name, 0, "", "has no row below its headings"))
        return out
    out.schools = read_schools(schools, devices, template, out.faults)
    folder.mkdir(parents=True, exist_ok=True)
    staged: list[tuple[School, Staged]] = []
    for school in out.schools.values():
        if school.faults:
            continue
        try:
            staged.append((school, stage(folder, school.id, site_text(school.data, _remarks(school)), overwrite=overwrite)))
        except (ValueError, OSError) as error:
            school.wrong("id", str(error))
    told: dict[tuple[str, str], list[str]] = defaultdict(list)  # what the template is to blame for, once for all schools
    warned: dict[tuple[str, str], list[str]] = defaultdict(list)
    try:
        for number, ((school, file), judged) in enumerate(
            zip(staged, judge_files([file.path for _, file in staged], processes), strict=True), 1
        ):
            _take(school, file, judged, out, told, warned, dry=dry)
            progress(number, len(staged))
    finally:
        for _, file in staged:
            file.drop()  # those that were kept are no longer there under this name
    for school in out.schools.values():
        if school.faults or school.id not in out.missing:
            out.refused.append(school.id)
        out.faults += school.faults
    out.faults += [Fault(template.file.name, 0, "", f"{key}: {text} ({_named(ids)})") for (key, text), ids in told.items()]
    out.warnings += [Fault(template.file.name, 0, "", f"{key}: {text} ({_named(ids)})") for (key, text), ids in warned.items()]
    out.removed = left_over(folder, out.schools)
    return out


def read_schools(schools: Sheet, devices: Sheet, template: Template, faults: list[Fault]) -> dict[str, School]:
    """All schools with what their rows say, by id; rows that belong to no school are told in `faults`."""
    found: dict[str, School] = {}
    for row in schools.rows:
        school_id = _id(row, "id", faults)
        if school_id is None:
            continue
        if school_id in found:
            faults.append(row.fault("id", f'"{school_id}" stands already in row {found[school_id].row.number}'))
            found[school_id].wrong("id", f'"{school_id}" stands again in row {row.number}')
            continue
        found[school_id] = begin(school_id, row, template)
    rows: dict[str, list[Row]] = defaultdict(list)
    for row in devices.rows:
        school_id = _id(row, "school", faults)
        if school_id is not None and school_id not in found:
            faults.append(row.fault("school", f'"{school_id}" is not among the schools'))
        elif school_id is not None:
            rows[school_id].append(row)
    folders = tuple(template.file.parent / folder for folder in template.base.get("profile_dirs", []) if isinstance(folder, str))
    for school in found.values():
        add_devices(school, rows.get(school.id, []), template, lambda name: profile_of(name, folders))
        finish(school)
        for column in ("name", "kind"):
            if column not in school.row.cells:
                school.wrong(column, "is empty")
    return found


def _id(row: Row, column: str, faults: list[Fault]) -> str | None:
    try:
        if column not in row.cells:
            raise ValueError("is empty")
        school_id = values.identifier(row.cells[column])
        if school_id.startswith(SYSTEM_PREFIX):
            raise ValueError(f'"{school_id}": ids that begin with "{SYSTEM_PREFIX}" are the gateway\'s own')
    except ValueError as error:
        faults.append(row.fault(column, str(error)))
        return None
    return school_id


def _remarks(school: School) -> list[str]:
    where = [part for part in (f"区划 {school.region}" if school.region else "", school.address) if part]
    if school.spot is not None:
        where.append(f"{school.spot[0]:g}, {school.spot[1]:g}")
    head = f"{school.name} · {KINDS.get(school.kind, '')} {school.kind}"
    return [head, *([" · ".join(where)] if where else [])]


def _take(
    school: School,
    file: Staged,
    judged: Judged,
    out: Outcome,
    told: dict[tuple[str, str], list[str]],
    warned: dict[tuple[str, str], list[str]],
    *,
    dry: bool,
) -> None:
    """What the checker said of one file: its place in the table, and the file in its place if it is good."""
    for problem in judged.problems:
        key = key_path(problem.key)
        origin, words = school.origin(key), school.words(key)
        if origin is None:
            told[words, problem.text].append(school.id)
        else:
            school.faults.append(origin[0].fault(origin[1], f"{words}: {problem.text}"))
    if judged.problems:
        return
    for warning in judged.warnings:
        if not _expected(warning):
            warned[school.words(key_path(warning.key)), warning.text].append(school.id)
    (out.written if file.changed else out.unchanged).append(school.id)
    out.missing[school.id] = judged.missing
    if not dry:
        file.keep()


def _expected(warning: Problem) -> bool:
    """Whether the summary tells the same."""
    return any(f"({term})" in warning.text for term in (*(lack.term for lack in LACKS), *_TOLD)) or "no recipients" in warning.text


def key_path(text: str) -> KeyPath:
    """`points[2].role` as ("points", 2, "role")."""
    return tuple(int(number) if number else name for name, number in _KEY.findall(text))


def _named(ids: Iterable[str]) -> str:
    names = list(ids)
    return f"{len(names)} schools: {', '.join(names[:3])}, ..." if len(names) > 3 else ", ".join(names)
