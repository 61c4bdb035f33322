"""What is wrong with a file, in words that a technician can act on: file, line, key, what was expected."""

from __future__ import annotations

import datetime
import difflib
import json
import re
from collections.abc import Iterable
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from gateway.config.toml_lines import KeyPath

PRIVATE_KEYS = frozenset({"phone"})  # their values are shown in no error: a refused file's errors end up in the system's log
_PRIVATE_VALUE = re.compile(r"(\b(?:" + "|".join(PRIVATE_KEYS) + r")\s*=\s*)\S+")


def near_miss(word: str, known: Iterable[str]) -> str:
    """`; did you mean "x"?` or an empty string."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f'; did you mean "{close[0]}"?' if close else ""


def unknown(what: str, word: str, known: Iterable[str]) -> str:
    """Text for a name that is not among the known ones."""
    names = sorted(known)
    hint = near_miss(word, names)
    if not hint:
        hint = f"; known: {', '.join(names[:12])}{', ...' if len(names) > 12 else ''}" if names else "; none is defined"
    return f'"{word}" is not {what}{hint}'


def hide_private(line: str) -> str:
    """A line of a site file as an error may show it."""
    return _PRIVATE_VALUE.sub(r"\1***", line)


def from_pydantic(error: ValidationError, model: type[BaseModel]) -> list[tuple[KeyPath, str]]:
    """Key path and text of each error of a validation, in the words of this product."""
    out: list[tuple[KeyPath, str]] = []
    for item in error.errors(include_url=False):
        path = _without_tags(item["loc"])
        kind = item["type"]
        if kind == "missing" and isinstance(path[-1], int):
            path = path[:-1]  # a tuple that is too short
            kind = "tuple_type"
        if kind in ("union_tag_not_found", "union_tag_invalid"):
            path = (*path, str(item["ctx"]["discriminator"]).strip("'"))
        shown = {**item, "input": "***"} if path and path[-1] in PRIVATE_KEYS else item
        out.append((path, _words(kind, shown, path, model)))
    return out


_EXPECTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "string_type": 'text in "quotes"',
    "date_type": "a day such as 2026-09-01, without quotes",
    "list_type": "a list in [brackets]",
    "tuple_type": "a pair [x, y]",
    "dict_type": "a table",
    "model_type": "a table",
}
_BOUNDS = {
    "greater_than_equal": ("at least", "ge"),
    "greater_than": ("more than", "gt"),
    "less_than_equal": ("at most", "le"),
    "less_than": ("less than", "lt"),
    "multiple_of": ("a multiple of", "multiple_of"),
}
_PATTERNS = {
    r"^[a-z0-9-]{1,48}$": "a-z, 0-9 and -, at most 48 characters",
    r"^mqtts?://[^/@]+$": "mqtts://HOST:PORT (mqtt:// only on loopback), without user and path",
    r"^(rtsp|rtsps|http|https|file)://": "rtsp://, rtsps://, http://, https:// or file://",
    r"^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*$": "words of letters, digits, _ and -, with / between them",
    r"^[A-Za-z0-9_-]{43}$": "43 characters of base64url, the member x of an Ed25519 key",
    r"^[a-z][a-z0-9_]*(\{n\})?[a-z0-9_]*$": "a-z, 0-9 and _, beginning with a letter",
}


def _words(kind: str, item: Any, path: KeyPath, model: type[BaseModel]) -> str:
    """What was expected, and what was found instead."""
    value, context = item.get("input"), item.get("ctx", {})
    if kind == "extra_forbidden":
        known = _fields_at(model, item["loc"][:-1])
        return f'unknown key "{path[-1]}"{near_miss(str(path[-1]), known) or "; known: " + ", ".join(sorted(known))}'
    if kind in ("missing", "union_tag_not_found"):
        return f'"{path[-1]}" is missing'
    if kind == "union_tag_invalid":
        return _choice(str(context["tag"]), context["expected_tags"])
    if kind == "literal_error":
        return _choice(value, context["expected"])
    if kind == "value_error":
        return str(context["error"])
    if kind == "string_pattern_mismatch":
        if "@" in str(value) and "mqtt" in context["pattern"]:
            return "must not hold a user or password; use username and password_file"
        return f"{_short(value)} does not fit; expected {_PATTERNS.get(context['pattern'], 'text that fits ' + context['pattern'])}"
    if kind == "string_too_short":
        return "must not be empty" if not value else f"expected at least {context['min_length']} characters, not {_short(value)}"
    if kind in ("too_short", "too_long"):
        word, count = ("least", context.get("min_length")) if kind == "too_short" else ("most", context.get("max_length"))
        return f"expected at {word} {count} {'entry' if count == 1 else 'entries'}, found {context['actual_length'] or 'none'}"
    if kind in _BOUNDS:
        words, name = _BOUNDS[kind]
        return f"must be {words} {context[name]:g}, not {_short(value)}"
    if kind == "list_type" and isinstance(value, dict):
        return f"expected a list of tables: write [[{path[-1]}]], not [{path[-1]}]"
    if kind == "model_type" and isinstance(value, list):
        return f"expected one table: write [{path[-1]}], not [[{path[-1]}]]"
    if kind in _EXPECTED:
        return f"expected {_EXPECTED[kind]}, not {_short(value)}"
    return f"{item['msg'][:1].lower()}{item['msg'][1:]}, not {_short(value)}"


def _choice(value: object, expected: str) -> str:
    """expected: pydantic's list of the allowed values, such as 'N', 'E' or 'O'."""
    names = re.findall(r"'([^']*)'", expected)
    hint = near_miss(value, names) if isinstance(value, str) and len(names) > 3 else ""  # a short list says more than a guess
    return f"{_short(value)} is not known here{hint or '; expected ' + expected.replace(chr(39), chr(34))}"


def _without_tags(loc: tuple[str | int, ...]) -> KeyPath:
    """Pydantic puts a bus's transport into the path (buses, 0, 'tcp', host), and a mark for a table's own keys."""
    tag_at = 2 if loc[:1] == ("buses",) else -1
    return tuple(part for i, part in enumerate(loc) if i != tag_at and part != "[key]")


def _fields_at(model: type[BaseModel], loc: tuple[str | int, ...]) -> set[str]:
    """Names of the keys allowed in the table at pydantic's `loc`."""
    found = [model]
    for part in loc:
        if isinstance(part, str):
            within = [field for owner in found for name, field in owner.model_fields.items() if part in (name, field.alias)]
            step = [inner for field in within for inner in _models_in(field.annotation)]
            found = step or [owner for owner in found if part in _tags(owner)] or found
    return {str(field.alias or name) for owner in found for name, field in owner.model_fields.items()}


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for arg in get_args(annotation) for found in _models_in(arg)]


def _tags(model: type[BaseModel]) -> tuple[Any, ...]:
    """What marks this model among the others of its union."""
    return get_args(model.model_fields["transport"].annotation) if "transport" in model.model_fields else ()


def _short(value: object) -> str:
    """A value as it stands in a TOML file, cut to a readable length."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, int) and value.bit_length() > 64:
        return f"a number of {value.bit_length()} bits"
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    text = json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
