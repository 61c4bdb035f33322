"""The published contract as a strict judge of messages: what no schema names is a problem here, while receivers ignore it."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

FOLDER = Path(__file__).resolve().parents[3] / "docs/contract"
TOPICS = {
    r"birth": "birth",
    r"status": "status",
    r"event/[a-z]+": "event",
    r"state/[a-z0-9-]+": "state",
    r"heartbeat": "heartbeat",
    r"telemetry": "telemetry",
    r"command/result": "command-result",
    r"report/[a-z]+": "report",
}


@cache
def published() -> dict[str, Any]:
    """Name of each schema -> as it was published."""
    return {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in sorted((FOLDER / "schemas").glob("*.json"))}


@cache
def document() -> dict[str, Any]:
    """The AsyncAPI document."""
    return dict(json.loads((FOLDER / "asyncapi.json").read_text(encoding="utf-8")))


@cache
def reserved() -> frozenset[str]:
    """Types that version 1 promises and this gateway does not send yet."""
    messages = document()["components"]["messages"].values()
    return frozenset(name for m in messages if m.get("x-reserved") for name in m["payload"]["allOf"][1]["properties"]["type"]["enum"])


def _registry(contents: dict[str, Any]) -> Registry[Any]:
    return Registry().with_resources(
        (f"{name}.json", Resource.from_contents(content, default_specification=DRAFT202012)) for name, content in contents.items()
    )


@cache
def _open() -> Registry[Any]:
    return _registry(published())


@cache
def _strict() -> Registry[Any]:
    """What a file names, closed within; the file itself is closed by whoever refers to it."""
    files = {name: closed(schema) for name, schema in published().items()}
    return _registry({name: {key: part for key, part in file.items() if key != "unevaluatedProperties"} for name, file in files.items()})


def closed(schema: Any, *, at_value: bool = True) -> Any:
    """The schema without room for growth: members and words that it does not name are refused.

    at_value: this schema begins at a value of its own; else it only adds to one that is judged elsewhere (allOf, if, then).
    """
    if not isinstance(schema, dict):
        return schema
    out: dict[str, Any] = {}
    for name, part in schema.items():
        if name == "properties":
            out[name] = {key: closed(inner) for key, inner in part.items()}
        elif name in ("items", "additionalProperties"):
            out[name] = closed(part)
        elif name in ("allOf", "anyOf"):
            out[name] = [closed(inner, at_value=False) for inner in part]
        elif name in ("if", "then", "else", "not"):
            out[name] = closed(part, at_value=False)
        else:
            out["enum" if name == "x-known" else name] = part
    return {**out, "unevaluatedProperties": False} if at_value and ("properties" in schema or "$ref" in schema) else out


@cache
def validator(name: str, *, strict: bool) -> Draft202012Validator:
    """Judges values by one published schema."""
    closing = {"unevaluatedProperties": False} if strict else {}
    return Draft202012Validator({"$ref": f"{name}.json", **closing}, registry=_strict() if strict else _open())


def problems(name: str, value: Any) -> list[str]:
    """What is wrong with a value by the published schema `name`, strictly."""
    found = validator(name, strict=True).iter_errors(value)
    return [f"{name}{error.json_path.removeprefix('$')}: {error.message[:300]}" for error in found]


def kind_of(event_type: str) -> str:
    """The schema of `data` for a type, '' when none knows it."""
    for branch in published()["event"]["allOf"]:
        if event_type in branch.get("if", {}).get("properties", {}).get("type", {}).get("enum", ()):
            return str(branch["then"]["properties"]["data"]["$ref"].removesuffix(".json"))
    return ""


def classes_of(event_type: str) -> list[str]:
    """The classes in which a type may travel."""
    for message in document()["components"]["messages"].values():
        if "allOf" in message["payload"] and event_type in message["payload"]["allOf"][1]["properties"]["type"]["enum"]:
            return list(message["x-classes"])
    return []


def data_problems(event_class: str, event_type: str, data: dict[str, Any]) -> list[str]:
    """What is wrong with a draft: a type that no schema knows, a class that the type does not travel in, or its data."""
    kind = kind_of(event_type)
    if not kind:
        return [f"{event_type}: no schema knows this type; enter it in gateway/contract/schema_data.py"]
    wrong = [] if event_class in classes_of(event_type) else [f"{event_type} does not travel in class {event_class}"]
    return wrong + [f"{event_type}: {problem}" for problem in problems(kind, data)]


def message_problems(tail: str, body: bytes) -> list[str]:
    """What is wrong with a message. tail: its topic below the gateway's root."""
    name = next((name for pattern, name in TOPICS.items() if re.fullmatch(pattern, tail)), "")
    if not name:
        return [f"{tail}: no such topic"]
    message = json.loads(body)
    wrong = [f"{tail}: {problem}" for problem in problems(name, message)]
    if name == "event":
        wrong += data_problems(tail.partition("/")[2], message["type"], message["data"])
    return wrong
