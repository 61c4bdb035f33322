"""Small files of /proc, /sys and /etc, read so that what cannot be read is nothing rather than an error."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path


def text(file: Path) -> str:
    """What is in a small file; '' where it cannot be read."""
    try:
        return file.read_text(errors="replace").strip()
    except OSError:
        return ""


def number(words: str) -> float | None:
    """A number, None where it is none."""
    try:
        return float(words)
    except ValueError:
        return None


def hexadecimal(*files: Path) -> int | None:
    """The first that can be read: hexadecimal, with or without 0x."""
    for file in files:
        with suppress(ValueError):
            return int(text(file), 16)
    return None


def table(file: Path) -> dict[str, str]:
    """Rows of `name: value`."""
    rows = (line.partition(":") for line in text(file).splitlines())
    return {name: value.strip() for name, _, value in rows}


def kilobytes(words: str | None) -> int | None:
    """Bytes of "123 kB"."""
    found = number((words or "").removesuffix("kB"))
    return None if found is None else round(found * 1024)
