"""What the pages that are read once say in common: places, times, and what this person may do."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from gateway.console import view
from gateway.console.pages import Visit

ACTING = frozenset({"guard", "duty_leader", "technician"})
LEADING = frozenset({"duty_leader", "technician"})


told_apart = view.told_apart


def about(visit: Visit) -> dict[str, Any]:
    """For a template: `place(id)`, `clock_time`, `day_time`, `today`, `may_act`, `leads`."""
    places = visit.picture["places"] if visit.picture else {}
    return {
        "place": lambda name: places.get(name, {"zh": name, "en": name})[visit.language],
        "clock_time": lambda text: view.clock_time(text, visit.zone),
        "day_time": lambda text: view.day_time(text, visit.zone),
        "today": datetime.fromtimestamp(visit.now_ms / 1000, UTC).astimezone(ZoneInfo(visit.zone)).date().isoformat(),
        "may_act": visit.role in ACTING,
        "leads": visit.role in LEADING,
    }
