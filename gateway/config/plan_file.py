"""The drawing that a site file names for the page: whether it can be shown, and its size. The daemon reads it too: no validator here."""

from __future__ import annotations

import re
from pathlib import Path

MOST_BYTES = 4_000_000
SVG, PNG = MEDIA_TYPES = ("image/svg+xml", "image/png")
_PNG_START = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
_ROOT = re.compile(rb"<svg\b([^>]*)>")
_VIEW_BOX = re.compile(rb"""\bviewBox\s*=\s*["']\s*[-+.\de]+[\s,]+[-+.\de]+[\s,]+([.\de]+)[\s,]+([.\de]+)\s*["']""")
_MOST_RATIO = 5.0  # of its sides


class PlanRefused(ValueError):
    """The drawing cannot be shown; the text says why."""


def read_plan(path: Path) -> tuple[bytes, str]:
    """(content, media type). Raises PlanRefused."""
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise PlanRefused(f'"{path.name}" cannot be read: {error.strerror}') from None
    if len(content) > MOST_BYTES:
        raise PlanRefused(f'"{path.name}" is larger than {MOST_BYTES // 1_000_000} MB')
    if content.startswith(_PNG_START):
        return content, PNG
    if _ROOT.search(content):
        return content, SVG
    raise PlanRefused(f'"{path.name}" is neither SVG nor PNG')


def height_ratio(content: bytes, media_type: str) -> float:
    """Height over width of such a drawing. Raises PlanRefused."""
    width, height = _png_size(content) if media_type == PNG else _svg_size(content)
    if not width > 0 or not height > 0 or not 1 / _MOST_RATIO <= height / width <= _MOST_RATIO:
        raise PlanRefused(f"a plan of {width:g} by {height:g} cannot be shown; its sides differ by {_MOST_RATIO:g} times at most")
    return height / width


def _png_size(content: bytes) -> tuple[float, float]:
    start = len(_PNG_START)
    return int.from_bytes(content[start : start + 4]), int.from_bytes(content[start + 4 : start + 8])


def _svg_size(content: bytes) -> tuple[float, float]:
    root = _ROOT.search(content)
    found = _VIEW_BOX.search(root[1]) if root else None
    try:
        if found:
            return float(found[1]), float(found[2])
    except ValueError:
        pass
    raise PlanRefused('the SVG names no size; expected viewBox="0 0 WIDTH HEIGHT" in its first element')
