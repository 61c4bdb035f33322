"""Takes secrets and names out of what leaves the gateway for support. Pure.

First by the key under which something stands, then by its look, last by comparison with every secret and name that is known here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

GONE = "***"
SECRET_LEAST, NAME_LEAST = 4, 2  # characters; what is shorter stands in half of all words
_SECRET_KEY = re.compile(r"(?i)(pass(word|wd|phrase)?|secret|token|credentials?|api_?key|private_?key|phone|mobile|tel)$")
_PERSON_KEYS = frozenset(
    {"responsible", "person", "persons", "people", "by", "second", "who", "holder", "opened_by", "acknowledged_by", "reset_by",
     "leader", "members", "cards", "on_duty", "guard", "guards", "technician", "reported_by"}
)  # fmt: skip
_PERSONS_IN = frozenset({"addressees", "accounts", "leaders"})  # lists of tables whose `name` is a person
_EVIDENCE_KEYS = frozenset({"card", "cards", "holder", "evidence", "picture", "pictures", "clip", "clips", "still", "image", "thumbnail"})

_PATTERNS = (
    (re.compile(r"(\b[A-Za-z][\w+.-]*://)[^\s/\"'<>]*@"), r"\1***@"),  # user and password in an address
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL), GONE),
    (re.compile(r"\$argon2[^\s\"']*"), GONE),
    (re.compile(r"(?i)((?:pass(?:word|wd|phrase)?|pwd|secret|token|api_?key)[\"']?\s*[=:]\s*[\"']?)[^\s\"'&,}]+"), rf"\1{GONE}"),
    (re.compile(r"(?<![0-9A-Fa-f])[0-9A-Fa-f]{64}(?![0-9A-Fa-f])"), "<64 hex>"),  # a card's hash looks like any other
    (re.compile(r"(?<!\d)1[3-9]\d{9}(?!\d)"), "<phone>"),
)


class Redactor:
    """Knows what must not leave. secrets: literal ones; names: of persons, () where they may leave."""

    def __init__(self, secrets: Iterable[str], names: Iterable[str]) -> None:
        self.secrets = sorted({each for each in secrets if len(each) >= SECRET_LEAST}, key=len, reverse=True)
        longest_first = sorted({each for each in names if len(each) >= NAME_LEAST}, key=lambda name: (-len(name), name))
        self._names = {name: f"P{number}" for number, name in enumerate(longest_first, 1)}

    def text(self, text: str) -> str:
        """The text without them."""
        for secret in self.secrets:
            text = text.replace(secret, GONE)
        for pattern, instead in _PATTERNS:
            text = pattern.sub(instead, text)
        for name, instead in self._names.items():
            text = text.replace(name, instead)
        return text

    def leaks(self, text: str) -> bool:
        """True when a known secret is in it all the same."""
        return any(secret in text for secret in self.secrets)


def without_secrets(value: Any) -> Any:
    """Plain data without the values of keys that hold secrets, and without what follows the ? of an address."""
    if isinstance(value, dict):
        return {name: GONE if _SECRET_KEY.search(name) and each else without_secrets(each) for name, each in value.items()}
    if isinstance(value, list):
        return [without_secrets(each) for each in value]
    if isinstance(value, str) and "://" in value and "?" in value:
        return f"{value.partition('?')[0]}?{GONE}"
    return value


def without_evidence(value: Any) -> Any:
    """Plain data without cards, pictures and clips."""
    if isinstance(value, dict):
        return {name: without_evidence(each) for name, each in value.items() if name not in _EVIDENCE_KEYS}
    return [without_evidence(each) for each in value] if isinstance(value, list) else value


def names_in(value: Any) -> Iterator[str]:
    """Names of persons in plain data, by the keys under which they stand."""
    if isinstance(value, dict):
        for name, each in value.items():
            if name in _PERSON_KEYS:
                yield from _texts(each)
            if name in _PERSONS_IN and isinstance(each, list):
                yield from (str(row["name"]) for row in each if isinstance(row, dict) and row.get("name"))
            yield from names_in(each)
    elif isinstance(value, list):
        for each in value:
            yield from names_in(each)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        yield from (each for each in value if isinstance(each, str))
