"""Writes docs/contract/: the AsyncAPI document and the JSON Schemas of the messages, from the code.

python docs/make_contract.py            write them anew
python docs/make_contract.py --check    exit status 1 when a file is out of date
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any, get_args

from gateway.alarm.machine import RECORDED, TABLE, State
from gateway.config.roles import ROLES, SYSTEM_ROLES
from gateway.config.roles_rules import RULE_ROLES
from gateway.config.site import Output, Place, Uplink
from gateway.contract.schema import Words
from gateway.contract.schema_asyncapi import document, refer
from gateway.contract.schema_messages import schemas
from gateway.core.points import HIGHLY_MANAGED
from gateway.rules.authority import MAY
from gateway.rules.doors import Access
from gateway.rules.modes import DRILL_KINDS
from gateway.rules.outputs import Result

FOLDER = Path(__file__).parent / "contract"
DRAFT = "https://json-schema.org/draft/2020-12/schema"
NAMELESS = ("output", "school_window", "tests_due")  # points that the gateway makes without a role of the lists
JOURNAL_REASONS = ("created", "set aside", "restored")


def words() -> Words:
    """What the rooms of the gateway call things."""
    said = {word for step in TABLE.values() for word in (step.event, step.then)} - {"", RECORDED}
    roles = {**ROLES, **SYSTEM_ROLES, **RULE_ROLES}
    classes = {alarm.alarm_class for role in roles.values() for alarm in role.alarms} | HIGHLY_MANAGED
    return Words(
        alarm_states=tuple(map(str, State)),
        alarm_words=tuple(sorted(said)),
        roles=tuple(sorted({*roles, *NAMELESS})),
        alarm_classes=tuple(sorted(classes | {"fault", "tamper"})),
        commands=tuple(sorted({*MAY, "replay"})),
        output_kinds=_choices(Output, "kind"),
        output_results=tuple(map(str, Result)),
        access_words=tuple(map(str, Access)),
        drill_kinds=tuple(DRILL_KINDS),
        place_types=_choices(Place, "type"),
        supervision=_choices(Uplink, "supervision"),
        journal_reasons=JOURNAL_REASONS,
    )


def _choices(model: Any, field: str) -> tuple[str, ...]:
    """The words that a key of the site file takes."""
    return tuple(map(str, get_args(model.model_fields[field].annotation)))


def files() -> dict[str, str]:
    """File below docs/contract/ -> its text."""
    made: dict[str, Any] = {"asyncapi.json": document(words())}
    for name, schema in schemas(words()).items():
        made[f"schemas/{name}.json"] = {"$schema": DRAFT, "title": name, **refer(schema, "{}.json")}
    return {name: json.dumps(content, ensure_ascii=False, indent=1) + "\n" for name, content in made.items()}


def main() -> int:
    """Exit status 1 with --check when something is out of date."""
    parser = argparse.ArgumentParser(description="Writes docs/contract/ from the code.")
    parser.add_argument("--check", action="store_true", help="change nothing; say what is out of date")
    check = parser.parse_args().check
    made = {FOLDER / name: text for name, text in files().items()}
    stale = [path for path, text in made.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    stray = [path for path in (FOLDER / "schemas").glob("*.json") if path not in made]
    for path in (*stale, *stray):
        print(f"{path}: {'out of date' if check else 'removed' if path in stray else 'written'}")
        if not check and path in stray:
            path.unlink()
        elif not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(made[path], encoding="utf-8")
    if check and (stale or stray):
        print("make them anew: python docs/make_contract.py")
    return 1 if check and (stale or stray) else 0


if __name__ == "__main__":
    sys.exit(main())
