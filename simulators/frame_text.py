"""A text that a regular expression finds, with a value in its first group: what a device prints that a profile describes by a pattern.

Only what profiles need: characters, escapes, sets, groups, repeats, `.`, `^`, `$`, alternatives (the first one is taken).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

FILLERS = "0x- \n"  # what stands for "some character"
_CLASSES = {"d": "0", "w": "x", "s": " ", "D": "x", "W": " ", "S": "x", "n": "\n", "r": "\r", "t": "\t", "b": "", "B": "", "A": "", "Z": ""}
_REPEAT = re.compile(r"\{(\d+)(?:,\d*)?\}")


@dataclass(slots=True)
class _Writer:
    """Reads a pattern once from the left and writes the shortest text for it."""

    pattern: str
    value: str | None
    at: int = 0
    groups: int = 0

    def branch(self) -> str:
        """The first alternative up to a closing parenthesis or the end."""
        out, first = "", True
        while self.at < len(self.pattern) and self.pattern[self.at] != ")":
            if self.pattern[self.at] == "|":
                self.at += 1
                first = False
                continue
            piece = self._times(self._piece())
            out += piece if first else ""
        return out

    def _times(self, piece: str) -> str:
        """The piece as often as the repeat behind it asks for at least."""
        rest = self.pattern[self.at : self.at + 1]
        times = 1
        if rest and rest in "*?+":
            self.at += 1
            times = int(rest == "+")
        elif found := _REPEAT.match(self.pattern, self.at):
            self.at = found.end()
            times = int(found[1])
        if self.pattern[self.at : self.at + 1] == "?":  # lazy: the shortest is written anyway
            self.at += 1
        return piece * times

    def _piece(self) -> str:
        letter = self.pattern[self.at]
        self.at += 1
        if letter == "(":
            return self._group()
        if letter == "[":
            return self._set()
        if letter == "\\":
            return self._escape()
        return {"^": "", "$": "", ".": "x"}.get(letter, letter)

    def _group(self) -> str:
        captures = not self.pattern.startswith("?", self.at)
        if not captures:
            self.at = self.pattern.index(":", self.at) + 1
        self.groups += captures
        number = self.groups
        text = self.branch()
        self.at += 1
        return self.value if captures and number == 1 and self.value is not None else text

    def _set(self) -> str:
        end = self.pattern.index("]", self.at + 1)
        chosen = re.compile(self.pattern[self.at - 1 : end + 1])
        self.at = end + 1
        return next((letter for letter in (*FILLERS, *map(chr, range(33, 127))) if chosen.fullmatch(letter)), "")

    def _escape(self) -> str:
        letter = self.pattern[self.at]
        self.at += 1
        if letter in "xu":
            digits = 2 if letter == "x" else 4
            self.at += digits
            return chr(int(self.pattern[self.at - digits : self.at], 16))
        return _CLASSES.get(letter, letter)


def text_for(pattern: str, value: str | None = None) -> str:
    """A text in which the pattern is found, its first group being `value`. ValueError when the pattern does not find it there."""
    text = _Writer(pattern, value).branch()
    found = re.search(pattern, text, re.DOTALL)
    if found is None or (value is not None and (found[1] if found.re.groups else found[0]).strip() != value.strip()):
        raise ValueError(f"{value!r} is not what {pattern!r} finds" if value is not None else f"no text is known that {pattern!r} finds")
    return text


def anchored(pattern: str) -> bool:
    """The pattern speaks of the whole frame."""
    return pattern.startswith(("^", "\\A"))
