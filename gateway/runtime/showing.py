"""What a guard's page shows, and telling it to those who watch: whole pictures, the first at once, then at most five a second.

A picture is made only while somebody watches, and never waits for a watcher: one that does not read is sent away.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from gateway.alarm.machine import STANDING
from gateway.config.plan_file import PlanRefused, height_ratio, read_plan
from gateway.contract.envelope import Sealed, rfc3339
from gateway.core.ids import SYSTEM_PREFIX
from gateway.core.points import AlarmSpec, EventClass, Point
from gateway.rules.modes import DRILL_KINDS, MODE_NAMES
from gateway.runtime import telling
from gateway.runtime.hazards import not_closed
from gateway.runtime.inspections import inspections

if TYPE_CHECKING:
    from gateway.runtime.daemon import Daemon

PAUSE_S = 0.2  # between two pictures: what follows an alarm waits, the alarm itself does not
ALIVE_S = 1.0  # a watcher hears something at least this often, or knows that the daemon hangs
WAITING_MOST_BYTES = 4_000_000  # of one watcher that does not read
FOLLOWED_MOST = 500  # alarms whose way is remembered
TESTS_MOST = 100  # walk tests that are shown, the most urgent ones
ROUND_S = 10  # ends of drills are told to so many seconds, or each picture would differ by a hair from the one before

log = logging.getLogger(__name__)


class Ways:
    """How far the news of each alarm has got: event id -> steps with their times. In memory; the journal holds what must last."""

    def __init__(self) -> None:
        self._steps: OrderedDict[str, list[dict[str, Any]]] = OrderedDict()

    def note(self, event_id: str, step: str, at_ms: int, by: str = "", *, path: str = "") -> None:
        """One step: journalled, broker_acked, received or unusable. by: the recipient; path: on which the broker took it."""
        steps = self._steps.setdefault(event_id, [])
        if all((each["step"], each["by"], each["path"]) != (step, by, path) for each in steps):
            steps.append({"step": step, "by": by, "path": path, "at": rfc3339(at_ms)})
        while len(self._steps) > FOLLOWED_MOST:
            self._steps.popitem(last=False)

    def of(self, event_id: str) -> list[dict[str, Any]]:
        """Its steps so far, in order."""
        return self._steps.get(event_id, [])


class Showing:
    """The picture of one daemon and its watchers."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self.ways = Ways()
        self._watchers: set[asyncio.Event] = set()
        self._plan: dict[str, Any] | None = _plan(daemon)

    # --- what happens --------------------------------------------------------------------------

    def changed(self) -> None:
        """Something that a page shows is no longer true."""
        for watcher in self._watchers:
            watcher.set()

    def committed(self, events: list[Sealed]) -> None:
        """These events are on the disk."""
        for event in events:
            if event.event_class == EventClass.ALARM:
                self.ways.note(event.id, "journalled", self._daemon.clock.now().at_ms)
        self.changed()

    def carried(self, event_id: str, path: str) -> None:
        """The broker of this path has an alarm."""
        self.ways.note(event_id, "broker_acked", self._daemon.clock.now().at_ms, path=path)
        self.changed()

    def delivered(self, event_id: str, step: str, by: str) -> None:
        """A recipient has said something about an alarm."""
        if by:
            self.ways.note(event_id, step, self._daemon.clock.now().at_ms, by)
            self.changed()

    # --- who watches ---------------------------------------------------------------------------

    async def watch(self, writer: asyncio.StreamWriter, left: Callable[[], bool]) -> None:
        """Send pictures to this visitor until it has left. A picture equal to the one before is sent as a sign of life."""
        fresh, before = asyncio.Event(), b""
        self._watchers.add(fresh)
        fresh.set()
        try:
            while not left() and not writer.is_closing():
                try:
                    async with asyncio.timeout(ALIVE_S):
                        await fresh.wait()
                except TimeoutError:
                    pass
                fresh.clear()
                line = json.dumps(self.picture(), ensure_ascii=False).encode()
                if writer.transport.get_write_buffer_size() > WAITING_MOST_BYTES:
                    log.warning("a watcher at the door does not read; sent away")
                    return
                writer.write(b'{"ok": true}\n' if line == before else b'{"ok": true, "picture": ' + line + b"}\n")
                before = line
                await asyncio.sleep(PAUSE_S)
        finally:
            self._watchers.discard(fresh)

    def picture(self) -> dict[str, Any]:
        """All that a page shows, without times that pass by themselves."""
        daemon = self._daemon
        status, site = telling.status(daemon), daemon.settings.site
        return {
            "site": {"zh": site.site.name, "en": site.site.name_en or site.site.name, "source": daemon.settings.source},
            "version": status["version"],
            "clock": status["clock"],
            "places": {name: {"zh": place.name, "en": place.name_en or place.name} for name, place in site.places.items()},
            "alarms": [self._alarm(point, spec) for point, spec in _specs(daemon) if daemon.house.alarms[spec.key].state in STANDING],
            "set_aside": status["set_aside"],
            "modes": [_mode(row) for row in status["modes"]],
            "duties": [row | _checkpoints(daemon, row["duty"]) for row in status["duties"]],
            "walk_tests": [row for row in telling.tests(daemon) if row.get("due") in ("overdue", "soon")][:TESTS_MOST],
            "inspections": inspections(daemon.house, daemon.clock.now()),
            "hazards": not_closed(daemon.house, daemon.clock.now()),
            "plan": self._plan,
            "paths": status["paths"],
            "owed": status["outbox"]["depth"],
            "refusing": status["journal"]["refusing"],
            "not_good": status["not_good"],
            "points": [self._point(point) for point in daemon.house.points.values() if not point.quiet or point.kind == "measurement"],
            "recipients": [{"id": each.id, "zh": each.name or each.id, "en": each.name or each.id} for each in site.uplink.recipients],
        }

    def _alarm(self, point: Point, spec: AlarmSpec) -> dict[str, Any]:
        alarm = self._daemon.house.alarms[spec.key]
        reading = self._daemon.house.readings.get(point.id)
        return {
            "alarm": spec.key,
            "class": spec.alarm_class,
            "fault": spec.event_class is EventClass.FAULT,
            "state": str(alarm.state),
            "since": rfc3339(alarm.since_ms),
            "place": point.place,
            "zh": spec.text.zh,
            "en": spec.text.en,
            "severity": spec.severity,
            "urgency": spec.urgency,
            "managed": spec.managed,
            "responsible": point.responsible,
            "value": None if reading is None or isinstance(reading.value, bool) else reading.value,
            "unit": point.unit,
            "reason": "" if reading is None else reading.reason,
            "event": alarm.event_id,
            "incident": alarm.incident,
            "mode": alarm.mode,
            "by": alarm.by,
            "way": self.ways.of(alarm.event_id),
        }

    def _point(self, point: Point) -> dict[str, Any]:
        reading = self._daemon.house.readings.get(point.id)
        states = {str(self._daemon.house.alarms[spec.key].state) for spec in point.alarms}
        return {
            "point": point.id,
            "role": point.role,
            "place": point.place,
            "zh": point.name.zh,
            "en": point.name.en,
            "system": point.system,
            "camera": point.role == "camera_link",
            "tried": not point.system and any(spec.practised for spec in point.alarms),
            "worked_on": bool(point.alarms) and not point.id.startswith(SYSTEM_PREFIX),
            "value": None if reading is None else reading.value,
            "unit": point.unit,
            "quality": "bad" if reading is None else str(reading.quality),
            "reason": "not read yet" if reading is None else reading.reason,
            "states": sorted(states - {"normal"}),
        }


def _specs(daemon: Daemon) -> list[tuple[Point, AlarmSpec]]:
    return [(point, spec) for point in daemon.house.points.values() for spec in point.alarms]


def _plan(daemon: Daemon) -> dict[str, Any] | None:
    """The site plan without its drawing: height over width, and where on it each point is. A drawing that is gone is no reason to stop."""
    settings = daemon.settings
    if settings.site.plan is None:
        return None
    try:
        ratio = height_ratio(*read_plan(settings.beside(settings.site.plan.file)))
    except PlanRefused as refused:
        log.warning("the site plan is not shown: %s", refused)
        return None
    return {"ratio": round(ratio, 4), "at": {name: list(spot) for name, spot in settings.site.plan.at.items()}}


def _mode(row: dict[str, Any]) -> dict[str, Any]:
    """A drill, walk test or maintenance with its name and end, without the time that is left."""
    name = DRILL_KINDS.get(row.get("drill", ""), MODE_NAMES[row["kind"]])
    shown = {key: value for key, value in row.items() if key != "left_s"} | {"zh": name.zh, "en": name.en}
    return shown | {key: _rounded(shown[key]) for key in ("until", "begins_at") if key in shown}


def _rounded(text: str) -> str:
    at_s = datetime.fromisoformat(text).timestamp()
    return rfc3339(round(at_s / ROUND_S) * ROUND_S * 1000)


def _checkpoints(daemon: Daemon, duty: str) -> dict[str, Any]:
    """Those of a patrol, for who tells of a visit by hand."""
    for patrol in daemon.settings.site.patrols:
        if patrol.id == duty:
            named = [{"id": each.id, "zh": each.name or each.id, "en": each.name_en or each.name or each.id} for each in patrol.checkpoints]
            return {"checkpoints": named}
    return {}
