"""The words in which a school is told what shall go wrong: kinds, what each can be told besides, and how long. Pure.

An order comes as JSON: {"kind": "late", "ms": 400, "for_s": 30}. What it may hold is in one table for each sort of thing (devices in
`faults`, the others in `vocabulary`), from which the API checks it, the command line takes its options and a page draws its buttons.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

LONGEST_S = 86_400.0
FOR_S = "for_s"


@dataclass(frozen=True, slots=True)
class Option:
    """One thing that a kind can be told. A number between low and high, or a word (one of `choices`, where there are any).

    default None: it must be given. whole: whole numbers only.
    """

    en: str
    zh: str
    default: float | str | None = None
    low: float = 0
    high: float = 0
    whole: bool = True
    choices: tuple[str, ...] = ()

    @property
    def is_word(self) -> bool:
        return not self.high


@dataclass(frozen=True, slots=True)
class Kind:
    """One thing that can go wrong. once: it is over as soon as it has happened, there is nothing to heal."""

    en: str
    zh: str
    options: Mapping[str, Option] = field(default_factory=dict)
    once: bool = False

    def as_json(self) -> dict[str, Any]:
        """For those who draw buttons from it."""
        return {"en": self.en, "zh": self.zh, "once": self.once, "options": {name: asdict(each) for name, each in self.options.items()}}


@dataclass(frozen=True, slots=True)
class Order:
    """What shall go wrong. options: all that the kind can be told. for_s: it heals by itself after so long; None: it stays."""

    kind: str
    options: dict[str, Any]
    for_s: float | None = None


def order(kinds: Mapping[str, Kind], body: Mapping[str, Any]) -> Order:
    """The order in a JSON object. ValueError says what was expected."""
    name = str(body.get("kind", ""))
    if not name:
        raise ValueError(f'give {{"kind": ...}}; there are {", ".join(kinds)}')
    if name not in kinds:
        raise ValueError(f"no kind {name!r}{near(name, kinds)}; there are {', '.join(kinds)}")
    kind = kinds[name]
    given = {key: value for key, value in body.items() if key != "kind"}
    for_s = given.pop(FOR_S, None)
    if for_s is not None and (kind.once or not _is_number(for_s) or not 0 < for_s <= LONGEST_S):
        raise ValueError(f"{name} is over at once and takes no for_s" if kind.once else f"for_s is more than 0 s, at most {LONGEST_S:.0f}")
    for key in given:
        if key not in kind.options:
            raise ValueError(
                f"{name} takes no {key!r}; it takes {', '.join((*kind.options, *(() if kind.once else (FOR_S,)))) or 'nothing'}"
            )
    return Order(name, {key: _checked(name, key, option, given) for key, option in kind.options.items()}, for_s)


def near(name: object, known: Iterable[str]) -> str:
    """The near miss, as the end of a sentence; empty when nothing is near."""
    close = difflib.get_close_matches(str(name), list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _checked(kind: str, key: str, option: Option, given: Mapping[str, Any]) -> Any:
    if key not in given:
        if option.default is None:
            raise ValueError(f"{kind} needs {key}: {option.en}")
        return option.default
    value = given[key]
    if option.is_word:
        if not isinstance(value, str) or (option.choices and value not in option.choices):
            raise ValueError(f"{key} is {' or '.join(option.choices) or 'a word'}, not {value!r}")
        return value
    if not _is_number(value) or (option.whole and value != int(value)):
        raise ValueError(f"{key} is {'a whole number' if option.whole else 'a number'}, not {value!r}")
    if not option.low <= value <= option.high:
        raise ValueError(f"{key} is {option.low:g} to {option.high:g}, not {value!r}")
    return int(value) if option.whole else float(value)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
