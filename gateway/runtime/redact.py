"""Takes secrets and names out of what leaves the gateway for support. Pure.

First by the key under which something stands, then by its look, last by comparison with every secret and name that is known here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote

GONE = "***"
SECRET_LEAST, NAME_LEAST = 4, 2  # characters; what is shorter stands in half of all words
_SECRET_WORDS = (
    r"pass(?:word|wd|phrase|code)?|pwd|secret|token|credentials?|psk|community"
    r"|api[_-]?key|private[_-]?key|pre[_-]?shared[_-]?key|authorization"
)
_SECRET_KEY = re.compile(rf"(?i)(?:{_SECRET_WORDS}|phone|mobile|tel|landline|id_?number)$")
_PERSON_KEYS = frozenset(
    {"responsible", "person", "persons", "people", "by", "second", "who", "holder", "opened_by", "acknowledged_by", "reset_by",
     "leader", "members", "cards", "on_duty", "guard", "guards", "technician", "reported_by"}
)  # fmt: skip
_PERSONS_IN = frozenset({"addressees", "accounts", "leaders"})  # lists of tables whose `name` is a person
_EVIDENCE_KEYS = frozenset({"card", "cards", "holder", "evidence", "picture", "pictures", "clip", "clips", "still", "image", "thumbnail"})

_KEYED = rf"(?i)((?:{_SECRET_WORDS})(?:\\?[\"'])?\s*[=:]\s*"  # what stands behind it follows; quotes in JSON have a backslash
_PATTERNS = (
    (re.compile(r"(\b[A-Za-z][\w+.-]{0,20}://)(?:\\.|[^\s\"<>\\]){0,400}@"), r"\1***@"),  # user and password in an address
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL), GONE),
    (re.compile(r"\$argon2[^\s\"']*"), GONE),
    (re.compile(rf"{_KEYED}(\\?[\"']))(?:(?!\2)(?:\\.|.))*"), rf"\1{GONE}"),
    (re.compile(rf"{_KEYED})(?!\\?[\"'])(?:(?:basic|bearer|digest)\s+)?[^\s\"'&}}\\]*[^\s\"'&}}\\,]"), rf"\1{GONE}"),
    (re.compile(r"(?i)(\b(?:basic|bearer)\s+)[A-Za-z0-9._~+/-]{16,}=*"), rf"\1{GONE}"),
    (re.compile(r"(?i)(\bresponse=\\?[\"']?)[0-9a-f]{32,}"), rf"\1{GONE}"),  # of a digest: a weak password can be found from it
    (re.compile(r"(?<![0-9A-Fa-f])[0-9A-Fa-f]{64}(?![0-9A-Fa-f])"), "<64 hex>"),  # a card's hash looks like any other
    (
        re.compile(r"(?<![0-9A-Za-z])[1-9]\d{5}(?:19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3}[\dXx](?![0-9A-Za-z])"),
        "<id number>",
    ),
    (re.compile(r"(?<!\d)(?:(?:\+|00)?86[ -]?)?1[3-9]\d{9}(?!\d)"), "<phone>"),
    (re.compile(r"(?<![0-9A-Za-z-])(?:(?:\+|00)?86[ -]?)?1[3-9]\d([ -])\d{4}\1\d{4}(?![0-9A-Za-z])"), "<phone>"),
    (  # with an area code: 010, 02x, 03xx to 09xx; not a part of a UUID
        re.compile(
            r"(?<![0-9A-Za-z_.-])"
            r"(?:\(?0|(?:\+|00)86[ -]?)(?:10|2\d|[3-9]\d{2})(?:\)|\) | |-)?\d{3,4}[ -]?\d{4}(?:-\d{1,6})?(?![0-9A-Za-z_-])"
        ),
        "<phone>",
    ),
)


class Redactor:
    """Knows what must not leave. secrets: literal ones; names: of persons, () where they may leave."""

    def __init__(self, secrets: Iterable[str], names: Iterable[str]) -> None:
        self.secrets = sorted({form for each in secrets if len(each) >= SECRET_LEAST for form in _forms(each)}, key=len, reverse=True)
        longest_first = sorted({each for each in names if len(each) >= NAME_LEAST}, key=lambda name: (-len(name), name))
        self._names = {name: f"P{number}" for number, name in enumerate(longest_first, 1)}

    def text(self, text: str) -> str:
        """The text without them."""
        for secret in self.secrets:
            text = text.replace(secret, GONE)
        for pattern, instead in _PATTERNS:
            text = pattern.sub(instead, text)
        for name, instead in self._names.items():
            text = text.replace(name, instead).replace(json.dumps(name, ensure_ascii=False)[1:-1], instead)
        return text

    def leaks(self, text: str) -> bool:
        """True when a known secret is in it all the same."""
        return any(secret in text for secret in self.secrets)


def _forms(secret: str) -> tuple[str, ...]:
    """As it is, in JSON, in an address."""
    return secret, json.dumps(secret, ensure_ascii=False)[1:-1], quote(secret, safe="")


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
