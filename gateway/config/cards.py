"""The cards of a door: a CSV file beside the site file with the columns card, name, schedule.

card: the hash of a card in hex, as the gateway makes it with its site key. schedule: a name of [schedules], empty for always.
"""

from __future__ import annotations

import csv
import re
from dataclasses import replace
from pathlib import Path

from gateway.config.hours import week_spans
from gateway.config.problems import unknown
from gateway.config.settings import Problem, beside, problem_at
from gateway.config.site import Schedule, Site
from gateway.core.doors import Card, DoorSpec

COLUMNS = ["card", "name", "schedule"]
_HASH = re.compile(r"^[0-9a-f]{16,128}$")


def with_cards(file: Path, site: Site, doors: dict[str, DoorSpec]) -> tuple[dict[str, DoorSpec], list[Problem]]:
    """The doors with the cards of their files; problems carry the file and line that they are in. file: the site file."""
    out, problems = dict(doors), []
    read: dict[str, dict[str, Card]] = {}
    for i, door in enumerate(site.doors):
        name = door.cards_file
        if not name or door.id not in doors or not doors[door.id].card:
            continue  # said already, at the reader
        if name not in read:
            path = beside(file, name)
            try:
                raw = path.read_bytes()
            except OSError as error:
                problems.append(problem_at(file, ("doors", i, "cards_file"), f'"{name}" cannot be read: {error.strerror}'))
                continue
            read[name], found = read_cards(str(path), raw, site.schedules)
            problems += found
        out[door.id] = replace(out[door.id], cards=read[name])
    return out, problems


def read_cards(file: str, raw: bytes, schedules: dict[str, Schedule]) -> tuple[dict[str, Card], list[Problem]]:
    """Hash -> card of one file, and everything that is wrong with it."""
    try:
        rows = csv.reader(raw.decode("utf-8-sig").splitlines())
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        return {}, [Problem(file, line, "", "is not UTF-8 text; save the file as UTF-8")]
    if next(rows, []) != COLUMNS:
        return {}, [Problem(file, 1, "", f"the first line must be {','.join(COLUMNS)}")]
    cards: dict[str, Card] = {}
    lines: dict[str, int] = {}
    problems = []
    for row in rows:
        if not row or row[0].startswith("#"):
            continue
        words = _wrong(row, lines, schedules)
        if words:
            problems.append(Problem(file, rows.line_num, "", words))
            continue
        number, name, schedule = (cell.strip() for cell in row)
        lines[number.lower()] = rows.line_num
        cards[number.lower()] = _card(name, schedules.get(schedule))
    return cards, problems


def _card(name: str, schedule: Schedule | None) -> Card:
    return Card(name) if schedule is None else Card(name, week_spans(schedule), schedule.holidays == "closed")


def _wrong(row: list[str], lines: dict[str, int], schedules: dict[str, Schedule]) -> str:
    if len(row) != len(COLUMNS):
        return f"has {len(row)} columns; expected {', '.join(COLUMNS)}"
    number, _, schedule = (cell.strip() for cell in row)
    if not _HASH.match(number.lower()):
        return f'"{number[:20]}" is not the hash of a card; expected 16 to 128 hex digits'
    if number.lower() in lines:
        return f"this card stands in line {lines[number.lower()]} already"
    if schedule and schedule not in schedules:
        return unknown("a schedule of the site file", schedule, schedules)
    return ""
