"""Which writes a simulated Modbus device takes, and what each of them means. Pure.

Every output, pulse, latch, key, setting and watchdog of a profile is a rule: a place, the functions and words that it takes. A write
to a place without a rule is refused with exception 2, by a wrong function with 1, with a word that nothing there takes with 3.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from simulators import modbus
from simulators.profiles import Profile
from simulators.signals import Output, Pulse, Signal, Write

COIL_WORDS = (0, modbus.COIL_ON)


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """One thing that a write may do.

    does: `value` (an output takes the written number), `switch` (on or off by words of its own), `pulse`, or what a fixed write is for:
    `clear`, `key`, `setting`, `safe`, `feed`. words: of a fixed write. size: registers or bits.
    """

    does: str
    area: str
    address: int
    size: int = 1
    function: int = 0
    words: tuple[int, ...] = ()
    alternate: int | None = None
    signal: Signal | None = None
    how: Output | None = None
    pulse: Pulse | None = None
    write: Write | None = None

    def takes(self, word: int) -> bool:
        """It does not refuse this word."""
        if self.pulse is not None:
            return self.pulse.base < word <= self.pulse.base + self.pulse.most
        if self.does == "switch":
            return word in self.words
        return self.area != "coil" or word in (*COIL_WORDS, *self.words)

    def acts(self, words: tuple[int, ...]) -> bool:
        """A fixed write does its work with its very words only; of a setting any word will do."""
        return self.write is None or self.does in ("safe", "setting") or words == self.words or words == (self.alternate,)

    @property
    def reply(self) -> tuple[str, int | None]:
        """Form of the answer, and the word in the place of the written one."""
        if self.write is not None:
            return self.write.reply, None
        return (self.how.reply, self.how.ack) if self.how and self.pulse is None else ("echo", None)


@dataclass(frozen=True, slots=True)
class Hit:
    """A rule that takes part of a write. words: what is written at its address and behind, raw."""

    rule: Rule
    words: tuple[int, ...]


class Rules:
    """All writes that devices of one profile take."""

    def __init__(self, profile: Profile) -> None:
        self._at: dict[tuple[str, int], list[Rule]] = {}
        for rule in _rules(profile):
            for address in range(rule.address, rule.address + rule.size):
                self._at.setdefault((rule.area, address), []).append(rule)

    def hits(self, request: modbus.Request) -> list[Hit]:
        """What a write does. Refused when any part of it is."""
        words, found = request.words, dict[Rule, None]()
        for i, word in enumerate(words):
            there = self._at.get((request.area, request.address + i))
            if there is None:
                raise modbus.Refused(modbus.ILLEGAL_ADDRESS)
            allowed = [rule for rule in there if rule.function in (0, request.function)]
            if not allowed:
                raise modbus.Refused(modbus.ILLEGAL_FUNCTION)
            takers = [rule for rule in allowed if rule.takes(word)]
            if not takers:
                raise modbus.Refused(modbus.ILLEGAL_VALUE)
            found |= dict.fromkeys(takers)
        return [Hit(rule, words[max(0, rule.address - request.address) :][: rule.size]) for rule in found]


def coil_word(value: int) -> int:
    """1 and 0 as function 5 says them; a larger word as it stands."""
    return modbus.COIL_ON if value == 1 else value


def _rules(profile: Profile) -> Iterator[Rule]:
    for signal in profile.signals.values():
        if signal.kind == "output":
            yield from _output_rules(signal)
        if signal.clear:
            yield _fixed("clear", signal.clear, signal)
        if signal.safe:
            yield _fixed("safe", signal.safe, signal)
    for write in profile.start:
        yield _fixed("setting", write)
    if profile.feed:
        yield _fixed("feed", profile.feed.write, alternate=profile.feed.alternate)


def _output_rules(signal: Signal) -> Iterator[Rule]:
    how = signal.write or Output(signal.area, signal.address)
    if signal.has_words:
        words = tuple(word for word in (how.on, how.off) if word is not None)
        if how.area == "coil":
            words = tuple(coil_word(word) for word in words)
        yield Rule("switch", how.area, how.address, 1, how.function, words, signal=signal, how=how)
    else:
        yield Rule("value", how.area, how.address, signal.size, how.function, signal=signal, how=how)
    if signal.pulse:
        yield Rule("pulse", signal.pulse.area, signal.pulse.address, 1, signal.pulse.function, signal=signal, how=how, pulse=signal.pulse)
    for write in (*how.before, *how.after):
        yield _fixed("key", write, signal)


def _fixed(does: str, write: Write, signal: Signal | None = None, alternate: int | None = None) -> Rule:
    words = write.values
    if write.area == "coil":
        words = tuple(coil_word(word) for word in words)
        alternate = None if alternate is None else coil_word(alternate)
    return Rule(does, write.area, write.address, len(words), write.function, words, alternate, signal, write=write)
