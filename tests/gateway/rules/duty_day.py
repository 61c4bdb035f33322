"""A day of the school of tests/scenarios/sites/duties.toml, moved by hand: what people do, and what is said of it."""

from __future__ import annotations

import json
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from gateway.core.commands import Command
from gateway.core.outputs import OutputDone, OutputOrder
from gateway.core.points import Draft
from gateway.core.reading import Now, Quality, Reading, Value
from gateway.core.school_days import Window
from gateway.rules.calendar import SchoolCalendar
from gateway.rules.rule import Rule, Step, View, What
from gateway.runtime.decide import Decision
from gateway.runtime.houses import calendar_of
from tests.scenarios.gateway import Gateway
from tests.scenarios.site_files import settings_of

ZONE = ZoneInfo("Asia/Shanghai")
NO_PATROL: dict[str, Any] = {"patrols": []}


def utc_ms(local: str) -> int:
    """UTC milliseconds of a local time such as 2026-09-01 07:20."""
    return round(datetime.fromisoformat(local).replace(tzinfo=ZONE).timestamp() * 1000)


def calendar() -> SchoolCalendar:
    """The calendar of that school."""
    return calendar_of(settings_of("duties", {}, {}))


class Day:
    """The whole gateway in virtual time; `at` goes on to a time of the day."""

    def __init__(self, begin: str, changes: dict[str, Any] | None = None, add: dict[str, Any] | None = None) -> None:
        self.settings = settings_of("duties", changes or {}, add or {})
        self._begin = datetime.fromisoformat(begin)
        self.gateway = Gateway(self.settings, utc_ms(begin), 0.0)
        self.switched: list[tuple[str, bool, float]] = []
        self.gateway.order, self.gateway.release, self.gateway.sent = self._order, lambda point, press: None, lambda draft: None
        self._told = 0
        self.gateway.start(self.settings, "synchronised", 0)
        self.at(self._begin.strftime("%H:%M:%S"))

    def _order(self, order: OutputOrder) -> None:
        self.switched.append((order.output, order.on, order.pulse_s))
        self.gateway.after(0.05, lambda: self._done(order))

    def _done(self, order: OutputOrder) -> None:
        self.gateway.take(OutputDone(order.output, order.number))

    def at(self, local: str) -> None:
        """On to HH:MM or HH:MM:SS; to the next day where that is over."""
        here = self._begin + timedelta(seconds=self.gateway.t_s)
        there = datetime.combine(here.date(), time.fromisoformat(local))
        self.gateway.advance((there + timedelta(days=there < here) - self._begin).total_seconds())

    def read(self, point: str, value: Value, quality: Quality = Quality.GOOD, reason: str = "") -> None:
        """A point shows a value."""
        self.gateway.take(Reading(point, value, quality, reason, self.gateway.now().now_s))

    def command(self, kind: str, target: str = "", by: str = "周建国", role: str = "guard", **more: Any) -> Decision:
        """A person asks for something."""
        return self.gateway.take(Command(kind, target, by, role, "door", **more))

    def restart(self, off_s: float, clock: str = "synchronised") -> None:
        """The power is cut; with clock unknown, the clock begins in 1970."""
        self.gateway.stop()
        self.gateway.advance(self.gateway.t_s + off_s)
        behind_ms = self.gateway.now().at_ms if clock == "unknown" else 0
        self.gateway.start(self.settings, clock, behind_ms)

    def drafts(self) -> list[Draft]:
        """The duty events since the last time."""
        said = [one.draft for one in self.gateway.said[self._told :]]
        self._told = len(self.gateway.said)
        return [draft for draft in said if draft.type.startswith("campus.duty.")]

    def words(self) -> list[str]:
        """The last words of their types."""
        return [draft.type.removeprefix("campus.duty.") for draft in self.drafts()]

    def state(self, key: str) -> str:
        """Where an alarm stands."""
        return str(self.gateway.house.alarms[key].state)


class Desk:
    """One rule alone, stepped by hand."""

    def __init__(self, rule: Rule, begin: str) -> None:
        self.rule = rule
        self._calendar = calendar()
        self.now_s, self.begin_ms = 1000.0, utc_ms(begin)
        self.shows: dict[str, Reading] = {}
        self.clock = "synchronised"
        self.state: Any = rule.begin(None)
        self.said: list[str] = []

    def view(self) -> View:
        """What the rule may look at now."""
        now = Now(self.now_s, self.begin_ms + round((self.now_s - 1000.0) * 1000), self.clock)
        return View(now, self._calendar, Window.NONE, self.shows.get, lambda key: "normal", lambda point: "normal")

    def step(self, what: What = None) -> Step:
        """One step, taken over."""
        if isinstance(what, Reading):
            self.shows[what.point] = what
        out = self.rule.step(self.state, what, self.view())
        self.state = out.state
        self.said += [said.kind for said in out.said]
        return out

    def restart(self) -> None:
        """Only what the journal keeps is left."""
        row = json.loads(json.dumps(self.rule.row(self.state, self.view().now)))
        self.state = self.rule.begin(row)
