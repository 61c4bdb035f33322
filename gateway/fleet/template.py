"""The template of a fleet: a site file as data, and in its table [fleet] what the table's columns add to it.

No text is pasted into text: template and rows are merged as data, and the result is written as TOML.
"""

from __future__ import annotations

import copy
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.config.problems import unknown
from gateway.fleet.columns import KINDS, KITS
from gateway.fleet.table import TableRefused

Data = dict[str, Any]
_FILE_MOST_BYTES = 1_000_000
_TABLES = ("site", "uplink", "places", "rules", "hours", "calendar", "hazards")
_LISTS = ("buses", "devices", "points", "cameras", "doors", "outputs", "anti_ram", "guard_posts", "patrols", "inspections")
_OWN = ("line", "camera", "kinds", "posts_at")


@dataclass(frozen=True, slots=True)
class Template:
    """base: what every school has. kits: column -> what the first, the second ... of it is, each a part of a site file.

    kinds: kind of school -> a part that goes over the base. line: the bus that the column `line` changes. camera: what a camera of the
    table of devices gets besides its address. posts_at: the place of fixed posts.
    """

    file: Path
    base: Data
    kits: dict[str, list[Data]] = field(default_factory=dict)
    kinds: dict[str, Data] = field(default_factory=dict)
    line: str = ""
    camera: Data = field(default_factory=dict)
    posts_at: str = "gate"


def read_template(file: Path) -> Template:
    """Raises TableRefused with everything that is wrong with its [fleet]; the rest is judged in each school's file."""
    try:
        raw = file.read_bytes()
        if len(raw) > _FILE_MOST_BYTES:
            raise TableRefused(f"{file}: has {len(raw)} bytes; a template has at most {_FILE_MOST_BYTES}")
        data = tomllib.loads(raw.decode("utf-8-sig").replace("\r\n", "\n"))
    except OSError as error:
        raise TableRefused(f"{file}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise TableRefused(f"{file}: not valid TOML: {error}") from error
    own = data.pop("fleet", {})
    faults = [*_faults(own), *_misshapen(data)]
    buses = [] if faults else [str(bus.get("id", "")) for bus in data.get("buses", [])]
    if not faults and own.get("line", "") and own["line"] not in buses:
        faults.append(f"fleet.line: {unknown('a bus of this template', str(own['line']), buses)}")
    if faults:
        raise TableRefused("\n".join(f"{file}: {fault}" for fault in faults))
    return Template(
        file,
        data,
        {kit.column: own.get(kit.column, []) for kit in KITS},
        own.get("kinds", {}),
        own.get("line", buses[0] if buses else ""),
        own.get("camera", {}),
        own.get("posts_at", "gate"),
    )


def _faults(own: Any) -> list[str]:
    if not isinstance(own, dict):
        return ["fleet: expected a table: write [fleet]"]
    known = [*_OWN, *(kit.column for kit in KITS)]
    out = [f"fleet: {unknown('a key of [fleet]', name, known)}" for name in own if name not in known]
    out += [f"fleet.{name}: expected text" for name in ("line", "posts_at") if not isinstance(own.get(name, ""), str)]
    out += [f"fleet.{name}: expected a table" for name in ("camera", "kinds") if not isinstance(own.get(name, {}), dict)]
    for kit in KITS:
        parts = own.get(kit.column, [])
        if not _is_tables(parts):
            out.append(f"fleet.{kit.column}: expected a list of tables: write [[fleet.{kit.column}]]")
        else:
            out += [f"fleet.{kit.column}[{i}]: {fault}" for i, part in enumerate(parts) for fault in _misfits(part)]
    kinds = own.get("kinds", {})
    for kind, part in kinds.items() if isinstance(kinds, dict) else ():
        if kind not in KINDS:
            out.append(f"fleet.kinds: {unknown('a kind of school', kind, KINDS)}")
        else:
            shape = _misshapen(part) if isinstance(part, dict) else ["expected a table"]
            out += [f"fleet.kinds.{kind}: {fault}" for fault in shape]
    return out


def _misfits(part: Data) -> list[str]:
    """A part adds whole entries; one that could overwrite what is there belongs into the base."""
    return [f"{name}: expected a list of tables" for name, value in part.items() if not _is_tables(value)]


def _misshapen(data: Data) -> list[str]:
    """What the rows are merged into must have its shape; all else is judged in each school's file."""
    out = [f"{name}: expected a table" for name in _TABLES if not isinstance(data.get(name, {}), dict)]
    out += [f"{name}: expected a list of tables" for name in _LISTS if not _is_tables(data.get(name, []))]
    uplink, rules, places = data.get("uplink", {}), data.get("rules", {}), data.get("places", {})
    if isinstance(uplink, dict) and not _is_tables(uplink.get("paths", [])):
        out.append("uplink.paths: expected a list of tables")
    if isinstance(rules, dict) and not isinstance(rules.get("escalation", {}), dict):
        out.append("rules.escalation: expected a table")
    if isinstance(places, dict):
        out += [f"places.{name}: expected a table" for name, place in places.items() if not isinstance(place, dict)]
    return out


def _is_tables(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, dict) for each in value)


def merged(base: Data, part: Data) -> Data:
    """part over base: tables go into tables, lists of tables are appended, all else is replaced. Gives a new one."""
    out = copy.copy(base)
    for name, value in part.items():
        before = out.get(name)
        if isinstance(before, dict) and isinstance(value, dict):
            out[name] = merged(before, value)
        elif isinstance(before, list) and isinstance(value, list) and all(isinstance(each, dict) for each in [*before, *value]):
            out[name] = [*before, *copy.deepcopy(value)]
        else:
            out[name] = copy.deepcopy(value)
    return out
