"""docs/rules.md: every rule is in it, with its term, and every example of it is accepted."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from gateway.config.load import load_site
from gateway.core.rule_names import RULES
from gateway.runtime.school import rule_of
from tests.scenarios.grammar import SITES
from tests.scenarios.site_files import _text

PAGE = (Path(__file__).parents[1] / "docs" / "rules.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"(?:<!-- site: (\S+) -->\n)?```toml\n(.*?)```", PAGE, re.DOTALL)
ROW = re.compile(r"^\| `([\w-]+)` \| (.+?) \| (.+?) \| (.+?) \| (on|off) \|$", re.MULTILINE)


def test_the_table_is_the_registry() -> None:
    rows = {name: (term, text, table.strip("`"), on) for name, term, text, table, on in ROW.findall(PAGE)}
    assert rows == {name: (rule.term, rule.text.en, rule.table or "built in", "on" if rule.on else "off") for name, rule in RULES.items()}


@pytest.mark.parametrize(("site", "text"), EXAMPLES, ids=[text.strip().splitlines()[0] for _, text in EXAMPLES])
def test_an_example_is_accepted(site: str, text: str, tmp_path: Path) -> None:
    """In a site of the scenarios: `<!-- site: NAME -->` before it says in which. What that has of the same id or name is replaced."""
    data = tomllib.loads((SITES / f"{site or 'school'}.toml").read_text(encoding="utf-8"))
    _replace(data, tomllib.loads(text))
    for beside in SITES.glob("*.csv"):
        (tmp_path / beside.name).write_bytes(beside.read_bytes())
    (tmp_path / "site.toml").write_text(_text(data), encoding="utf-8")
    load_site(tmp_path / "site.toml")


def _replace(data: dict[str, Any], example: dict[str, Any]) -> None:
    for name, value in example.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            ids = {row.get("id") for row in value}
            data[name] = [row for row in data.get(name, []) if row.get("id") not in ids] + value
        elif name == "rules":
            data[name] = data.get(name, {}) | value
        else:
            data[name] = value


def test_the_rules_of_all_sites_have_a_name_of_the_registry() -> None:
    found = {rule_of(spec).name for file in SITES.glob("*.toml") for spec in load_site(file).rules}
    assert found - set(RULES) == set()
    assert len(found) > 4
