"""The published contract: fresh, valid by its own standards, and true of everything that scenarios and examples say."""

from __future__ import annotations

import copy
import gzip
import json
import re
import subprocess
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator, Draft202012Validator

from gateway.config.settings import ConfigRefused
from gateway.journal.keeping import dropped
from tests.gateway.contract.published import (
    FOLDER,
    TOPICS,
    data_problems,
    document,
    kind_of,
    message_problems,
    problems,
    published,
    reserved,
    validator,
)
from tests.gateway.runtime.drilled import School
from tests.scenarios.grammar import files
from tests.scenarios.player import played

ROOT = FOLDER.parents[1]
EXAMPLES = ROOT / "docs/examples"
META = Path(__file__).parent / "asyncapi/3.0.0.json.gz"
EVENT = json.loads((EXAMPLES / "event.json").read_text(encoding="utf-8"))


@cache
def official() -> Draft7Validator:
    """The AsyncAPI initiative's own schema of its documents."""
    return Draft7Validator(json.loads(gzip.decompress(META.read_bytes())))


def test_the_files_are_fresh() -> None:
    done = subprocess.run([sys.executable, "docs/make_contract.py", "--check"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_stale_file_would_be_seen(tmp_path: Path) -> None:
    script = tmp_path / "make_contract.py"
    script.write_text((ROOT / "docs/make_contract.py").read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "contract").symlink_to(FOLDER)
    command = [sys.executable, str(script), "--check"]
    assert subprocess.run(command, cwd=ROOT, capture_output=True).returncode == 0
    (tmp_path / "contract").unlink()
    (tmp_path / "contract/schemas").mkdir(parents=True)
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, "asyncapi.json: out of date" in done.stdout) == (1, True)


# --- by the standards ---------------------------------------------------------------------------


def test_the_document_is_valid_by_the_official_schema() -> None:
    assert [f"{error.json_path}: {error.message[:200]}" for error in official().iter_errors(document())] == []


@pytest.mark.parametrize("place", ["operations.birth.action", "channels.event.address", "asyncapi", "servers.centre.protocol"])
def test_the_official_schema_would_see_a_mistake(place: str) -> None:
    wrong = copy.deepcopy(document())
    *parents, last = place.split(".")
    inner = wrong
    for name in parents:
        inner = inner[name]
    inner[last] = 5
    assert not official().is_valid(wrong)


@pytest.mark.parametrize("name", sorted(published()))
def test_schemas_are_valid_in_both_drafts(name: str) -> None:
    """The document's tools read draft-07, the files say 2020-12."""
    Draft202012Validator.check_schema(published()[name])
    Draft7Validator.check_schema({key: part for key, part in published()[name].items() if key != "$schema"})


def references(value: Any) -> set[str]:
    if isinstance(value, dict):
        own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
        return own.union(*(references(part) for part in value.values()))
    return set[str]().union(*(references(part) for part in value)) if isinstance(value, list) else set()


def test_every_reference_leads_somewhere() -> None:
    assert {ref.removesuffix(".json") for schema in published().values() for ref in references(schema)} <= set(published())
    for ref in references(document()):
        place: Any = document()
        for name in ref.removeprefix("#/").split("/"):
            place = place[name]
        assert place


def test_document_and_files_say_the_same() -> None:
    inside = json.loads(re.sub(r'"#/components/schemas/([\w-]+)"', r'"\1.json"', json.dumps(document()["components"]["schemas"])))
    assert inside == {name: {k: v for k, v in schema.items() if k not in ("$schema", "title")} for name, schema in published().items()}


def test_every_topic_of_the_gateway_has_a_channel() -> None:
    """From the table of docs/contract.md; what is reserved there or here is marked."""
    page = (ROOT / "docs/contract.md").read_text(encoding="utf-8")
    table = re.findall(r"^\| `([a-z/{}]+)` \| (up|down) \| (\d) \| (yes|no) \|", page, re.MULTILINE)
    assert len(table) >= 9
    channels = {c["address"].removeprefix("campus/v1/{site}/{gateway}/"): name for name, c in document()["channels"].items()}
    for topic, direction, qos, retained in table:
        operation = document()["operations"][channels[topic]]
        assert operation["action"] == ("send" if direction == "up" else "receive")
        assert operation["bindings"]["mqtt"] | {"bindingVersion": ""} == {
            "qos": int(qos),
            "retain": retained == "yes",
            "bindingVersion": "",
        }


# --- what is said -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["event", "heartbeat", "state"])
def test_the_examples_fit(name: str) -> None:
    assert problems(name, json.loads((EXAMPLES / f"{name}.json").read_text(encoding="utf-8"))) == []


@cache
def scenarios() -> list[tuple[str, str, dict[str, Any]]]:
    """(class, type, data) of everything that the gateways of all scenarios say."""
    drafts = []
    for file in files():
        with suppress(ConfigRefused):  # tests/scenarios says so
            drafts += played(file).drafts
    return [(str(draft.event_class), draft.type, json.loads(json.dumps(draft.data))) for draft in drafts]


def test_what_scenarios_say_is_published() -> None:
    said = scenarios()
    assert len(said) > 500
    assert sorted({problem for one in said for problem in data_problems(*one)}) == []
    assert len({event_type for _, event_type, _ in said}) > 40


def test_what_drills_tests_and_maintenance_say_is_published() -> None:
    school = School()
    school.ask("start_drill", "fire", points=("panic", "hall"), value="0")
    school.pass_time(1)
    school.press()
    school.press()
    school.ask("end_drill")
    school.ask("start_drill", "ram", points=("panic",), value="60")
    school.ask("end_drill")
    school.settle("panic")
    school.ask("start_test", "panic")
    school.press()
    school.settle("panic")
    school.ask("start_maintenance", "held", why="new hinge", for_s=600.0)
    school.read("held", True)
    school.ask("end_maintenance", "held")
    said = [(str(one.event_class), one.type, json.loads(json.dumps(one.data))) for one in school.everything]
    assert sorted({problem for one in said for problem in data_problems(*one)}) == []
    started = {"drill_announced", "drill_started", "drill_ended", "drill_called_off", "test_started", "test_ended"}
    assert {f"campus.mode.{word}" for word in started | {"maintenance_started", "maintenance_ended"}} <= {
        one.type for one in school.everything
    }


def test_what_the_journal_says_of_dropped_events_is_published() -> None:
    def say(name: str, zh: str, en: str, data: dict[str, Any]) -> Any:
        return name, {**data, "status": "System", "text": {"zh": zh, "en": en}}

    said: Any = dropped(say, "access", 1, [EVENT["id"]], "budget")
    assert data_problems("audit", *said) == []
    said = dropped(say, "access", 5, [EVENT["id"]], "budget", {"epoch": EVENT["epoch"], "first": f"{1:020d}", "last": f"{9:020d}"})
    assert data_problems("audit", *said) == []
    said = dropped(say, "access", 5, [EVENT["id"]], "budget", {"epoch": "1", "first": "1", "last": "9"})
    assert data_problems("audit", *said) != []


def test_what_the_journal_says_of_removed_alarms_is_published() -> None:
    said = {
        "class": "alarm",
        "count": 1,
        "total": 3,
        "ids": [EVENT["id"]],
        "reason": "age",
        "status": "System",
        "text": {"zh": "一", "en": "a"},
    }
    assert data_problems("audit", "campus.journal.removed", said) == []
    assert data_problems("audit", "campus.journal.removed", said | {"total": 0}) != []


def test_what_is_reserved_is_not_said() -> None:
    """Once it is, its schema must be finished and the mark taken away."""
    assert reserved().isdisjoint(event_type for _, event_type, _ in scenarios())
    for event_type in reserved():
        assert kind_of(event_type)


# --- what a strict reader refuses, and an open one takes ----------------------------------------


def changed(**members: Any) -> dict[str, Any]:
    return {**EVENT, **members}


ASIDE = {"state": "shelved", "live": "normal", "recorded": 0}
OUT = {"state": "out_of_service", "by": "王", "why": "repair"}


def test_who_did_it_is_told() -> None:
    by, aside = {"by": "王"}, {**ASIDE, "by": "王", "why": "repair"}
    for word, more in (
        ("acknowledged", by),
        ("reset", by),
        ("shelved", by | {"set_aside": aside}),
        ("suppressed", {"set_aside": {**ASIDE, "state": "suppressed_by_design"}}),
        ("out_of_service", by | {"set_aside": {**ASIDE, **OUT, "second": "李"}}),
        ("cleared", {}),
    ):
        assert problems("event", changed(type=f"campus.alarm.{word}", data={**EVENT["data"], **more})) == []


@pytest.mark.parametrize(
    "wrong",
    [
        changed(sequence="1"),
        changed(previoushash=None),
        changed(journalled=False),
        changed(specversion="0.3"),
        changed(time="2026-11-21 23:35:40"),
        changed(data={**EVENT["data"], "state": "on fire"}),
        changed(data={name: value for name, value in EVENT["data"].items() if name != "text"}),
        {name: value for name, value in EVENT.items() if name != "epoch"},
        changed(type="campus.alarm.acknowledged"),
        changed(type="campus.fault.reset"),
        changed(type="campus.alarm.shelved"),
        changed(type="campus.alarm.suppressed"),
        changed(type="campus.duty.out_of_service"),
        changed(type="campus.fault.shelved", data={**EVENT["data"], "set_aside": ASIDE}),
        changed(type="campus.alarm.out_of_service", data={**EVENT["data"], "set_aside": {**ASIDE, **OUT}}),
    ],
    ids=[
        "sequence",
        "hash",
        "early with place",
        "version",
        "time",
        "state",
        "no text",
        "no epoch",
        "acknowledged by nobody",
        "reset by nobody",
        "shelved how",
        "suppressed how",
        "out of service how",
        "shelved by nobody",
        "out of service by one person",
    ],
)
def test_both_readers_refuse(wrong: dict[str, Any]) -> None:
    assert problems("event", wrong)
    assert not validator("event", strict=False).is_valid(wrong)


@pytest.mark.parametrize(
    "later",
    [
        changed(type="campus.alarm.exploded"),
        changed(newmember=1),
        changed(data={**EVENT["data"], "newmember": 1}),
        changed(data={**EVENT["data"], "role": "lightning_rod"}),
    ],
    ids=["type", "member", "member of data", "role"],
)
def test_an_open_reader_takes_what_a_later_version_adds(later: dict[str, Any]) -> None:
    assert validator("event", strict=False).is_valid(later)
    assert message_problems("event/alarm", json.dumps(later).encode())


def test_an_early_copy_fits() -> None:
    places = ("epoch", "sequence", "classsequence", "previoushash")
    assert problems("event", {**{name: value for name, value in EVENT.items() if name not in places}, "journalled": False}) == []


def test_unknown_types_topics_and_classes_are_named() -> None:
    body = json.dumps(EVENT).encode()
    assert message_problems("event/alarm", body) == []
    assert message_problems("event/fault", body) == ["campus.alarm.activated does not travel in class fault"]
    assert "no schema knows this type" in data_problems("alarm", "campus.alarm.exploded", {})[0]
    assert data_problems("access", "campus.alarm.activated", EVENT["data"]) == ["campus.alarm.activated does not travel in class access"]
    assert message_problems("weather", b"{}") == ["weather: no such topic"]
    assert set(TOPICS.values()) <= set(published())
