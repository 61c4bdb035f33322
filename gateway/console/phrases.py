"""Sentences of the daemon, which come with names and numbers in them, in the language of the page. Pure.

A phrase is written as the daemon says it, with a field in braces for each part that varies: `device {device} does not answer`.
A field that the reader's table knows (`said`, `role`, ...) is put into words itself, any other stays as it is. What no phrase knows
stays as it was said.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

LONGEST = 400  # characters; what is longer is no sentence of ours, and patterns are not tried on it
REMEMBERED = 2000  # a page is made anew with each picture, and says the same


@dataclass(frozen=True, slots=True)
class Phrase:
    """said: as the daemon says it; zh: in Chinese; en: in English where that is not what was said."""

    said: str
    zh: str
    en: str = ""


class Phrases:
    """A table of phrases, tried in their order. fields: name of a field -> (its text, language) in words; `said` is a phrase itself."""

    def __init__(self, table: Iterable[Phrase], fields: Mapping[str, Callable[[str, str], str]]) -> None:
        table = tuple(table)
        self._whole = {phrase.said: phrase for phrase in table if "{" not in phrase.said}
        self._varying = [(_pattern(phrase.said), phrase) for phrase in table if "{" in phrase.said]
        self._fields = {"said": self.say, **fields}
        self._known = lru_cache(REMEMBERED)(self._find)

    def say(self, text: str, language: str) -> str:
        """In this language; as it was said where no phrase fits."""
        return self._known(text, language)

    def _find(self, text: str, language: str) -> str:
        if len(text) > LONGEST:
            return text
        if text in self._whole:
            return _in(self._whole[text], language)
        for pattern, phrase in self._varying:
            if fits := pattern.fullmatch(text):
                fields = {name: self._field(name, value, language) for name, value in fits.groupdict().items()}
                return re.sub(r"{(\w+)}", lambda field, known=fields: known[field[1]], _in(phrase, language))  # type: ignore[misc]
        return text

    def _field(self, name: str, value: str, language: str) -> str:
        return self._fields[name](value, language) if name in self._fields else value


def _in(phrase: Phrase, language: str) -> str:
    return phrase.zh if language == "zh" else phrase.en or phrase.said


def _pattern(said: str) -> re.Pattern[str]:
    parts = re.split(r"{(\w+)}", said)
    return re.compile("".join(f"(?P<{part}>.+?)" if number % 2 else re.escape(part) for number, part in enumerate(parts)))
