"""A past made of what a test says: events in the order of time, minutes of measured points."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

from gateway.core.history import Minute, Told, Wanted
from gateway.core.points import Text
from gateway.report.facts import Facts, Named

ZONE = ZoneInfo("Asia/Shanghai")
DAY_MS = 86_400_000
BEGIN_MS = 1_795_253_400_000  # 2026-11-21 17:30 in Shanghai, a Saturday
END_MS = BEGIN_MS + DAY_MS
SITE = {"id": "school", "gateway": "gate", "zh": "实验小学", "en": "Experimental School", "by": "王校长"}


@dataclass
class Made:
    """Satisfies core.history.Past."""

    told: list[Told] = field(default_factory=list)
    measured: list[Minute] = field(default_factory=list)

    def events(self, wanted: Wanted) -> Iterator[Told]:
        for told in reversed(self.told):
            inside = wanted.from_ms <= told.at_ms < wanted.to_ms and (not wanted.classes or told.event_class in wanted.classes)
            if inside and (not wanted.types or told.type.startswith(wanted.types)):
                yield told

    def minutes(self, points: Collection[str], from_ms: int, to_ms: int) -> Iterator[Minute]:
        return (each for each in self.measured if each.point in points and from_ms <= each.at_ms < to_ms)

    def say(self, event_class: str, name: str, after_s: float, /, **data: Any) -> Told:
        """One event, seconds after the period's begin. name: its type without `campus.`."""
        at_ms, row = BEGIN_MS + round(after_s * 1000), len(self.told) + 1
        received = data.pop("received", {"police": at_ms + 800})
        owed = frozenset(data.pop("owed", ()))
        found = Told(row, 1, row, event_class, f"e{row}", f"campus.{name}", data.get("point", ""), at_ms, data, received, owed)
        self.told.append(found)
        return found

    def alarm(self, word: str, after_s: float, point: str = "button", **more: Any) -> Told:
        """A step of the alarm of a point."""
        data = {
            "point": point,
            "alarm": "alarm",
            "alarm_class": "panic",
            "role": "panic_button",
            "place": "gate",
            "status": "Actual",
        } | more
        return self.say("alarm", f"alarm.{word}", after_s, **data)

    def fault(self, word: str, after_s: float, point: str, **more: Any) -> Told:
        """A step of a fault."""
        data = {
            "point": point,
            "alarm": "fault",
            "alarm_class": "fault",
            "role": "bollard_fault",
            "place": "gate",
            "status": "Actual",
        } | more
        return self.say("fault", f"fault.{word}", after_s, **data)


def facts(**more: Any) -> Facts:
    """Of a small school."""
    points = {
        "button": Named(Text("一键报警按钮", "panic button"), "gate", "panic_button"),
        "gas": Named(Text("厨房燃气", "kitchen gas"), "kitchen", "gas_concentration", "%LEL", 25.0),
    }
    places = {"gate": Text("校门", "gate"), "kitchen": Text("厨房", "kitchen")}
    here = {"version": "1.0", "clock": "synchronised", "boots": [BEGIN_MS + 5], "disk_bytes": 100, "disk_free_bytes": 40}
    return Facts(**{"site": SITE, "places": places, "points": points, "gateway": here} | more)


def hazard(number: int, **more: Any) -> dict[str, Any]:
    """An open hazard of the ledger, not overdue, opened before the period."""
    return {
        "hazard": f"hz-{number}",
        "number": number,
        "state": "assigned",
        "source": "person",
        "alarm": "",
        "place": "kitchen",
        "zh": "灭火器过期",
        "en": "extinguisher expired",
        "responsible": "李明",
        "due": "2026-11-30",
        "overdue": False,
        "opened_at": "2026-11-01T00:00:00.000Z",
        "recurrences": 0,
        "steps": [],
    } | more
