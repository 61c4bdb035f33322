"""What a request of the world may hold, checked key by key. ValueError says what was expected. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from simulators.kinds import near

T = TypeVar("T")


class NoSuchThing(Exception):
    """The school has nothing of that name. The message names the near miss."""


def only(body: Mapping[str, Any], keys: Sequence[str]) -> None:
    """Nothing else is in it, and something is."""
    for key in body:
        if key not in keys:
            raise ValueError(f"no {key!r} here{near(key, keys)}; it takes {', '.join(keys)}")
    if not body:
        raise ValueError(f"give one or more of {', '.join(keys)}")


def number(body: Mapping[str, Any], key: str, low: float, high: float) -> float | None:
    """A number in this range; None when it is not given."""
    value = body.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise ValueError(f"{key} is a number from {low:g} to {high:g}, not {value!r}")
    return float(value)


def flag(body: Mapping[str, Any], key: str) -> bool | None:
    """True, false; None when it is not given."""
    value = body.get(key)
    if value is not None and not isinstance(value, bool):
        raise ValueError(f"{key} is true or false, not {value!r}")
    return value


def word(body: Mapping[str, Any], key: str, choices: Sequence[str] = ()) -> str | None:
    """One of these words, or any where there are none; None when it is not given."""
    value = body.get(key)
    if value is not None and (not isinstance(value, str) or (choices and value not in choices)):
        raise ValueError(f"{key} is {' or '.join(choices) or 'a text'}, not {value!r}")
    return value


def words(body: Mapping[str, Any], key: str) -> list[str]:
    """A list of texts; empty when it is not given."""
    value = body.get(key, [])
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return value
    raise ValueError(f"{key} is a list of texts, not {value!r}")


def found(things: Mapping[str, T], name: str, what: str) -> T:
    """The thing of that name."""
    if name not in things:
        there = ", ".join(things) or "none"
        raise NoSuchThing(f"no {what} {name!r}{near(name, things)}; there is {there}")
    return things[name]
