"""Texts that people and devices wrote, before they reach a terminal. Pure."""

from __future__ import annotations

import unicodedata

_HARMLESS = frozenset("\n\t")


def visible(text: str) -> str:
    r"""The text with `\x1b` in the place of what would command the terminal (categories C, but line ends and tabs)."""
    return "".join(
        letter if letter in _HARMLESS or unicodedata.category(letter)[0] != "C" else letter.encode("unicode_escape").decode()
        for letter in text
    )
