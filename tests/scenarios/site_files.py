"""The site file of a scenario: one of sites/, with what the scenario changes or adds, checked as every site file is."""

from __future__ import annotations

import json
import shutil
import tempfile
import tomllib
from copy import deepcopy
from datetime import date, datetime, time
from functools import cache
from pathlib import Path
from typing import Any

from gateway.config.load import load_site
from gateway.config.problems import unknown
from gateway.config.settings import Settings
from tests.scenarios.grammar import SITES


class NotThere(Exception):
    """A scenario names a site, or a table of it, that is not there."""


def settings_of(site: str, changes: dict[str, Any], add: dict[str, Any]) -> Settings:
    """Raises ConfigRefused where the changed file is wrong, NotThere where `changes` names what is not there."""
    return _settings(site, _text(changes), _text(add))


@cache
def _settings(site: str, changes: str, add: str) -> Settings:
    file = SITES / f"{site}.toml"
    if not file.is_file():
        raise NotThere(f"site: {unknown('a site', site, [path.stem for path in SITES.glob('*.toml')])}")
    if not changes and not add:
        return load_site(file)
    data = tomllib.loads(file.read_text(encoding="utf-8"))
    for path, value in tomllib.loads(changes).items():
        _change(data, path, value)
    _add(data, tomllib.loads(add))
    with tempfile.TemporaryDirectory() as folder:
        for beside in SITES.glob("*.csv"):
            shutil.copy(beside, folder)
        changed = Path(folder) / file.name
        changed.write_text(_text(data), encoding="utf-8")
        return load_site(changed)


def _change(data: dict[str, Any], path: str, value: Any) -> None:
    """path: keys with dots between them; of a list of tables the id: points.gas-kitchen.level1."""
    *parents, last = path.split(".")
    place: Any = data
    for part in parents:
        place = _within(place, part, path)
    place[last] = value


def _within(place: Any, part: str, path: str) -> Any:
    if isinstance(place, list):
        found = {row.get("id", ""): row for row in place}
        if part not in found:
            raise NotThere(f"changes: {path}: {unknown('an id there', part, found)}")
        return found[part]
    return place.setdefault(part, {})


def _add(data: dict[str, Any], further: dict[str, Any]) -> None:
    """Lists are made longer, tables are filled."""
    for name, value in further.items():
        if isinstance(value, list):
            data[name] = [*data.get(name, []), *value]
        elif isinstance(value, dict):
            _add(data.setdefault(name, {}), value)
        else:
            data[name] = value


def _text(table: dict[str, Any]) -> str:
    """TOML with everything below the first level in one line."""
    return "".join(f"{json.dumps(name)} = {_inline(value)}\n" for name, value in deepcopy(table).items())


def _inline(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(name)} = {_inline(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_inline(item) for item in value) + "]"
    if isinstance(value, date | datetime | time):
        return value.isoformat()
    return json.dumps(value, ensure_ascii=False)
