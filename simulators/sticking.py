"""Signals that are stuck, for devices that keep their values in no memory of registers: what is set meanwhile waits."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from simulators.encode import Value


class Sticking:
    """Which signals of one device are stuck, and what was wished of them since. names: all that can be."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = tuple(names)
        self._wishes: dict[str, Value | None] = {}

    def hold(self, name: str = "") -> None:
        """A signal is stuck; without a name all are."""
        for each in (name,) if name else self._names:
            self._wishes.setdefault(each, None)

    def let_go(self, name: str, set_it: Callable[[str, Value], object]) -> None:
        """It moves again, and does what was wished last."""
        for each in (name,) if name else self._names:
            wish = self._wishes.pop(each, None)
            if wish is not None:
                set_it(each, wish)

    def takes(self, name: str, value: Value) -> bool:
        """True while it is stuck: the value then waits."""
        if name not in self._wishes:
            return False
        self._wishes[name] = value
        return True
