"""What is wrong with a file, in words that a technician can act on: file, line, key, what was expected."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from gateway.config.toml_lines import KeyPath
from gateway.core.errors import Permanent


@dataclass(frozen=True, slots=True)
class Problem:
    """One error or warning. `line` counts from 1; `key` is written as in the file: points[2].role."""

    file: str
    line: int
    key: str
    text: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}"
        return f"{where}: {self.key}: {self.text}" if self.key else f"{where}: {self.text}"


class ConfigRefused(Permanent):
    """A file that cannot be used; `problems` holds every error found."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


def key_text(path: KeyPath) -> str:
    """`("points", 2, "role")` as `points[2].role`."""
    out = ""
    for part in path:
        out += f"[{part}]" if isinstance(part, int) else f".{part}" if out else str(part)
    return out


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


def from_pydantic(error: ValidationError, model: type[BaseModel]) -> list[tuple[KeyPath, str]]:
    """Key path and text of each error of a validation, in the words of this product."""
    out: list[tuple[KeyPath, str]] = []
    for item in error.errors(include_url=False):
        path = _strip_tags(item["loc"], item.get("input"))
        kind = item["type"]
        if kind == "extra_forbidden":
            known = _fields_at(model, path[:-1])
            text = f'unknown key "{path[-1]}"{near_miss(str(path[-1]), known) or "; known: " + ", ".join(sorted(known))}'
        elif kind == "missing":
            text = f'"{path[-1]}" is missing'
        elif kind == "union_tag_not_found":
            text = f"{item['ctx']['discriminator']} is missing"
            path = (*path, str(item["ctx"]["discriminator"]).strip("'"))
        elif kind == "union_tag_invalid":
            path = (*path, str(item["ctx"]["discriminator"]).strip("'"))
            text = f'"{item["ctx"]["tag"]}" is not known here; expected {item["ctx"]["expected_tags"]}'
        elif kind == "value_error":
            text = str(item["ctx"]["error"])
        elif kind == "string_pattern_mismatch":
            text = f"{item['input']!r} does not fit; expected {_pattern_words(model, path, item)}"
        else:
            text = f"{_lower(item['msg'])}, not {_short(item.get('input'))}"
        out.append((path, text))
    return out


def _strip_tags(loc: tuple[str | int, ...], value: object) -> KeyPath:
    """Pydantic puts a union's tag into the path (buses, 0, 'tcp', host); the file knows no such key."""
    out: list[str | int] = []
    for i, part in enumerate(loc):
        if part in ("tcp", "rtu-tcp", "rtu") and i and isinstance(loc[i - 1], int):
            continue
        if part == "[key]":
            continue
        out.append(part)
    return tuple(out)


def _fields_at(model: type[BaseModel], path: KeyPath) -> set[str]:
    """Names of the keys allowed in the table at `path`."""
    found: set[type[BaseModel]] = {model}
    for part in path:
        if isinstance(part, int):
            continue
        step: set[type[BaseModel]] = set()
        for owner in found:
            for name, field in owner.model_fields.items():
                if part in (name, field.alias):
                    step |= set(_models_in(field.annotation))
                    for meta in field.metadata:
                        step |= set(_models_in(meta))
        found = step or found
    return {str(field.alias or name) for owner in found for name, field in owner.model_fields.items()}


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for arg in getattr(annotation, "__args__", ()) for found in _models_in(arg)]


def _pattern_words(model: type[BaseModel], path: KeyPath, item: Any) -> str:
    pattern = item["ctx"]["pattern"]
    words = {
        r"^[a-z0-9-]{1,48}$": "a-z, 0-9 and -, at most 48 characters",
        r"^mqtts?://[^/@]+$": "mqtts://HOST:PORT (mqtt:// only on loopback), without user and path",
        r"^(rtsp|rtsps|http|https|file)://": "rtsp://, rtsps://, http://, https:// or file://",
    }
    return words.get(pattern, f"text that fits {pattern}")


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
