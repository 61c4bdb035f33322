"""The columns of an event beside its signed body: whoever selects by a column must know that it tells the same."""

from __future__ import annotations

from typing import Any

from gateway.contract.envelope import rfc3339
from gateway.core.points import EventClass, Priority
from gateway.journal.rows import Row

# Second word of an event's type -> its class. `duty` is not here: a site may let a call for help from the duty room travel as an alarm.
_CLASSES = {str(name): str(name) for name in EventClass if name is not EventClass.DUTY} | {
    "incident": "alarm",
    "evidence": "alarm",
    "journal": "audit",
    "output": "audit",
    "key": "audit",
}


def class_of(event: dict[str, Any], column: str) -> str:
    """The event class as the type tells it; the column where the type leaves it open (there the class numbers hold it)."""
    parts = str(event.get("type")).split(".")
    return _CLASSES.get(parts[1], column) if len(parts) > 1 else column


def wrong_numbers(row: Row, event: dict[str, Any]) -> bool:
    """True when the event does not say the id and the numbers of its columns."""
    said = (event.get("id"), event.get("epoch"), event.get("sequence"), event.get("classsequence"))
    return said != (row.id, f"{row.epoch:010d}", f"{row.sequence:020d}", f"{row.class_sequence:020d}")


def wrong_column(row: Row, event: dict[str, Any]) -> str:
    """The first column that tells otherwise than the event; empty when all agree.

    A priority only orders what is sent. It is not signed, but an alarm's is one of two.
    """
    if event.get("type") != row.type:
        return "type"
    if event.get("subject") != row.subject:
        return "subject"
    if class_of(event, row.name) != row.name:
        return "class"
    try:
        time = rfc3339(row.at_ms)
    except (ValueError, OverflowError, OSError):
        time = ""
    if event.get("time") != time:
        return "at_ms"
    highest = Priority.ALARM_UPDATE if row.name == EventClass.ALARM else Priority.OBSERVATION
    return "" if 0 <= row.priority <= highest else "priority"
