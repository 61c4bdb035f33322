"""Counts over a period: every event is looked at once, newest first. What happened before the period, or after it, is not known here.

Going backwards, an acknowledgement is met before the alarm that it belongs to: it waits in `_acknowledged` until its alarm comes, and an
earlier one of the same alarm takes its place.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.core.history import Past, Told, Wanted

READ = frozenset({"alarm", "fault", "access", "duty", "mode", "audit"})  # observations are many, and no report counts them
MOST_KEPT = 200  # rows of one kind; more are counted only
KEPT_DUTIES = {"checked_in": "guard_post", "on_post": "guard_post", "round_done": "patrol", "whistle_answered": "whistle"}
MISSED_DUTIES = {"round_missed": "patrol", "whistle_overdue": "whistle"}
STANDING_DUTIES = frozenset({"guard_post", "duty_room", "shift", "inspection"})  # missed is what became an alarm of class duty
OWN = "gw-"


@dataclass(slots=True)
class Group:
    """Alarms that count together. Seconds from activation; open: not acknowledged within the period."""

    count: int = 0
    open: int = 0
    acknowledged_s: list[float] = field(default_factory=list)
    cleared_s: list[float] = field(default_factory=list)


@dataclass(slots=True)
class Alarms:
    """Alarms or faults. by_*: real ones only. at_ms: of each real activation of a point, newest first."""

    status: Counter[str] = field(default_factory=Counter)
    repeated: int = 0
    escalated: int = 0
    cleared: int = 0
    all: Group = field(default_factory=Group)
    by_class: defaultdict[str, Group] = field(default_factory=lambda: defaultdict(Group))
    by_place: defaultdict[str, Group] = field(default_factory=lambda: defaultdict(Group))
    at_ms: defaultdict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    place_of: dict[str, str] = field(default_factory=dict)
    role_of: dict[str, str] = field(default_factory=dict)
    _acknowledged: dict[str, int] = field(default_factory=dict)
    _cleared: dict[str, int] = field(default_factory=dict)

    def take(self, told: Told, word: str) -> None:
        """One event of an alarm; word: the last of its type."""
        key = f"{told.data.get('point')}/{told.data.get('alarm')}"
        real = told.data.get("status") not in ("Exercise", "Test")
        if word == "acknowledged":
            self._acknowledged[key] = told.at_ms
        elif word == "cleared":
            self.cleared += real
            self._cleared[key] = told.at_ms
        elif word == "repeated":
            self.repeated += real
        elif word == "escalated":
            self.escalated += real
        elif word == "activated":
            self._activated(told, key)

    def _activated(self, told: Told, key: str) -> None:
        acknowledged_ms, cleared_ms = self._acknowledged.pop(key, None), self._cleared.pop(key, None)
        status = _text(told.data, "status")
        self.status[status] += 1
        if status in ("Exercise", "Test"):
            return
        point, place = _text(told.data, "point"), _text(told.data, "place")
        self.at_ms[point].append(told.at_ms)
        self.place_of[point], self.role_of[point] = place, _text(told.data, "role")
        for group in (self.all, self.by_class[_text(told.data, "alarm_class")], self.by_place[place]):
            group.count += 1
            if acknowledged_ms is None:
                group.open += 1
            else:
                group.acknowledged_s.append(_seconds(told.at_ms, acknowledged_ms))
            if cleared_ms is not None:
                group.cleared_s.append(_seconds(told.at_ms, cleared_ms))

    @property
    def real(self) -> int:
        """Activations that were neither drill nor test."""
        return self.all.count

    @property
    def by_point(self) -> dict[str, int]:
        """Real activations of each point."""
        return {point: len(times) for point, times in self.at_ms.items()}


@dataclass(slots=True)
class Duties:
    """kept, missed: by (kind of duty, its point). rows: what was missed, newest first."""

    kept: Counter[tuple[str, str]] = field(default_factory=Counter)
    missed: Counter[tuple[str, str]] = field(default_factory=Counter)
    rows: list[Told] = field(default_factory=list)

    def take(self, told: Told, word: str) -> None:
        """One event of class duty; word: the last of its type."""
        point = _text(told.data, "point") or _text(told.data, "whistle")
        if word == "answered":
            self._note("duty_room", point, told, kept=bool(told.data.get("in_time")), silent=True)
        elif word == "shift_opened":
            self._note("shift", point, told, kept=not told.data.get("late_s"), silent=True)
        elif word in KEPT_DUTIES:
            self._note(KEPT_DUTIES[word], point, told, kept=True)
        elif word in MISSED_DUTIES:
            self._note(MISSED_DUTIES[word], point, told, kept=False)
        elif word == "activated" and told.data.get("role") in STANDING_DUTIES and told.data.get("status") not in ("Exercise", "Test"):
            self._note(_text(told.data, "role"), point, told, kept=False)

    def _note(self, duty: str, point: str, told: Told, *, kept: bool, silent: bool = False) -> None:
        """silent: what came too late was counted when its time was over."""
        if kept:
            self.kept[duty, point] += 1
        elif not silent:
            self.missed[duty, point] += 1
            if len(self.rows) < MOST_KEPT:
                self.rows.append(told)


@dataclass(slots=True)
class Recipient:
    """What one recipient has of the events of a period. Seconds from the event to its signed receipt."""

    received: int = 0
    owed: int = 0
    slowest_s: float | None = None
    slowest_alarm_s: float | None = None


@dataclass(slots=True)
class Tally:
    """All that is counted. incidents: id -> its newest event; incidents_opened, _resolved: in the period. doors: (door, word) -> times."""

    events: int = 0
    alarms: Alarms = field(default_factory=Alarms)
    faults: Alarms = field(default_factory=Alarms)
    duties: Duties = field(default_factory=Duties)
    incidents: dict[str, Told] = field(default_factory=dict)
    words: Counter[str] = field(default_factory=Counter)
    doors: Counter[tuple[str, str]] = field(default_factory=Counter)
    drills: list[Told] = field(default_factory=list)
    tests: Counter[str] = field(default_factory=Counter)
    recipients: defaultdict[str, Recipient] = field(default_factory=lambda: defaultdict(Recipient))
    classes: Counter[str] = field(default_factory=Counter)
    dropped: int = 0
    inspection_problems: int = 0

    def take(self, told: Told) -> None:
        """One event, older than those before it."""
        _, _, rest = told.type.partition(".")
        head, _, word = rest.partition(".")
        self.words[rest] += 1
        self._delivered(told)
        if head == "alarm":
            self.alarms.take(told, word)
            if word == "activated" and told.data.get("status") not in ("Exercise", "Test"):
                self._door_alarm(told)
        elif head == "fault":
            self.faults.take(told, word)
        elif head == "duty":
            self.duties.take(told, word)
        elif head == "incident":
            self.incidents.setdefault(_text(told.data, "incident"), told)
        elif head == "access" and word in ("granted", "denied"):
            self.doors[_text(told.data, "door"), word] += 1
        elif head == "mode":
            self._mode(told, word)
        elif rest == "journal.dropped":
            self.dropped += int(told.data.get("count", 0))
        elif rest == "inspection.done":
            self.inspection_problems += told.data.get("result") == "problem"
            self.duties.kept["inspection", _text(told.data, "point")] += not told.data.get("late")  # a late one was counted when overdue

    def _door_alarm(self, told: Told) -> None:
        word = {"door_forced": "forced", "door_held": "held"}.get(_text(told.data, "role"))
        if word is not None:
            self.doors[_text(told.data, "point").removesuffix(f"-{word}"), word] += 1

    def _mode(self, told: Told, word: str) -> None:
        if word == "drill_ended" and len(self.drills) < MOST_KEPT:
            self.drills.append(told)
        elif word == "test_ended":
            self.tests[_text(told.data, "result")] += 1

    def _delivered(self, told: Told) -> None:
        self.events += 1
        self.classes[told.event_class] += 1
        for name, at_ms in told.received.items():
            found, seconds = self.recipients[name], _seconds(told.at_ms, at_ms)
            found.received += 1
            found.slowest_s = max(found.slowest_s or 0.0, seconds)
            if told.event_class == "alarm":
                found.slowest_alarm_s = max(found.slowest_alarm_s or 0.0, seconds)
        for name in told.owed:
            self.recipients[name].owed += 1


def tally(past: Past, from_ms: int, to_ms: int) -> Tally:
    """Everything counted that happened from from_ms on and before to_ms, UTC. Raises JournalUnreadable."""
    found = Tally()
    for told in past.events(Wanted(from_ms=from_ms, to_ms=to_ms, classes=READ)):
        found.take(told)
    return found


def _text(data: Mapping[str, Any], name: str) -> str:
    found = data.get(name)
    return found if isinstance(found, str) else ""


def _seconds(from_ms: int, to_ms: int) -> float:
    """Never below 0: a clock may have been set in between."""
    return max(0.0, (to_ms - from_ms) / 1000)
