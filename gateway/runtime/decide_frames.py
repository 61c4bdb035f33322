"""The pictures that led to an alarm of a camera, as its event tells them. Pure."""

from __future__ import annotations

from typing import Any

from gateway.contract.envelope import rfc3339
from gateway.core.reading import Now, Reading

FRAMES_MOST = 5


def detail_data(reading: Reading | None, now: Now) -> dict[str, Any]:
    """`detail` of an event as the camera or rule gave it, and `evidence_frames`: when, where and how surely it saw what it says."""
    if reading is None or not reading.detail:
        return {}
    detail = {name: value for name, value in reading.detail.items() if name != "frames"}
    given = reading.detail.get("frames")
    frames = [_frame(item, now) for item in given[-FRAMES_MOST:] if _is_frame(item)] if isinstance(given, list) else []
    return ({"detail": detail} if detail else {}) | ({"evidence_frames": frames} if frames else {})


def _frame(item: dict[str, Any], now: Now) -> dict[str, Any]:
    """Capture time as UTC, by the clock of the event; the box's left, top, right and bottom edge as shares of the picture."""
    at_ms = round(now.at_ms - (now.now_s - item["at_s"]) * 1000)
    score = item.get("score")
    return {"at": rfc3339(at_ms), "box": item["box"]} | ({"score": score} if _is_number(score) else {})


def _is_frame(item: object) -> bool:
    """The door lets any object pass as a detail."""
    if not isinstance(item, dict) or not _is_number(item.get("at_s")):
        return False
    box = item.get("box")
    return isinstance(box, list) and len(box) == 4 and all(_is_number(edge) and 0 <= edge <= 1 for edge in box)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e9
