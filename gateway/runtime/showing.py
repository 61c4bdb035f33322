"""What a guard's page shows, and telling it to those who watch: whole pictures, the first at once, then at most five a second.
While alarms come or go it is at most twenty: what happens beside an alarm must not make it wait.

A picture is made only while somebody watches, and never waits for a watcher: one that does not read is sent away.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any

from gateway.alarm.machine import STANDING
from gateway.config.plan_file import PlanRefused, height_ratio, read_plan
from gateway.contract.envelope import Sealed, rfc3339
from gateway.core.ids import SYSTEM_PREFIX
from gateway.core.points import AlarmSpec, EventClass, Point
from gateway.rules.modes import DRILL_KINDS, MODE_NAMES
from gateway.runtime import telling
from gateway.runtime.decide_school import LOUD
from gateway.runtime.decide_tests import is_to_do
from gateway.runtime.hazards import not_closed, not_closed_count
from gateway.runtime.inspections import inspections

if TYPE_CHECKING:
    from gateway.runtime.daemon import Daemon
    from gateway.runtime.decide_house import AlarmState

ANSWERS = ("received", "unusable")  # steps by which a recipient has answered
PAUSE_S = 0.2  # between two pictures
ALARM_PAUSE_S = 0.05  # before one with an alarm's event that is on the disk
ALIVE_S = 1.0  # a watcher hears something at least this often, or knows that the daemon hangs
WAITING_MOST_BYTES = 4_000_000  # of one watcher that does not read
HAZARDS_MOST = 100  # the most urgent; how many more is said
FOLLOWED_MOST = 500  # alarms whose way is remembered
TESTS_MOST = 100  # walk tests that are shown, the most urgent ones
ROUND_S = 10  # ends of drills are told to so many seconds, or each picture would differ by a hair from the one before

log = logging.getLogger(__name__)


class Ways:
    """How far the news of each alarm has got: event id -> steps with their times. In memory; the journal holds what must last."""

    def __init__(self) -> None:
        self._steps: OrderedDict[str, list[dict[str, Any]]] = OrderedDict()
        self._begun: dict[str, tuple[float, tuple[str, ...]]] = {}  # since when (monotonic s) who is to confirm it

    def note(self, event_id: str, step: str, at_ms: int, by: str = "", *, path: str = "") -> None:
        """One step: journalled, broker_acked, received, unusable or acknowledged. by: recipient or person; path: whose broker took it."""
        steps = self._steps.setdefault(event_id, [])
        if all((each["step"], each["by"], each["path"]) != (step, by, path) for each in steps):
            steps.append({"step": step, "by": by, "path": path, "at": rfc3339(at_ms)})
        while len(self._steps) > FOLLOWED_MOST:
            self._begun.pop(self._steps.popitem(last=False)[0], None)

    def begin(self, event_id: str, now_s: float, entitled: tuple[str, ...]) -> None:
        """It is on the disk, and these recipients are to confirm it from now on."""
        self._begun.setdefault(event_id, (now_s, entitled))

    def awaited(self, event_id: str, now_s: float) -> dict[str, int]:
        """Recipient that has not answered -> for how many seconds; nothing where the event is of a run before this one."""
        begun_s, entitled = self._begun.get(event_id, (now_s, ()))
        answered = {step["by"] for step in self.of(event_id) if step["step"] in ANSWERS}
        return {each: int(now_s - begun_s) for each in entitled if each not in answered}

    def knows(self, event_id: str) -> bool:
        """It was put on the disk in this run."""
        return event_id in self._begun

    def of(self, event_id: str) -> list[dict[str, Any]]:
        """Its steps so far, in order."""
        return self._steps.get(event_id, [])


class _Watcher:
    """fresh: there is something new; alarm: an alarm is among it."""

    def __init__(self) -> None:
        self.fresh, self.alarm = asyncio.Event(), asyncio.Event()


class Showing:
    """The picture of one daemon and its watchers."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self.ways = Ways()
        self._watchers: set[_Watcher] = set()
        self._plan: dict[str, Any] | None = _plan(daemon)

    # --- what happens --------------------------------------------------------------------------

    def changed(self) -> None:
        """Something that a page shows is no longer true."""
        for watcher in self._watchers:
            watcher.fresh.set()

    def committed(self, events: list[Sealed]) -> None:
        """These events are on the disk."""
        shown = {alarm.event_id for alarm in self._daemon.house.alarms.values()}
        alarms = [
            each for each in events if each.event_class == EventClass.ALARM or (each.id in shown and each.event_class != EventClass.FAULT)
        ]
        now = self._daemon.clock.now()
        for event in alarms:
            self.ways.note(event.id, "journalled", now.at_ms)
            self.ways.begin(event.id, now.now_s, self._entitled(event.event_class))
        for event in events:
            if event.type.endswith(".acknowledged"):
                self._acknowledged(event)
        self.changed()
        for watcher in self._watchers if alarms else ():
            watcher.alarm.set()

    def carried(self, event_id: str, path: str) -> None:
        """The broker of this path has an alarm."""
        self.ways.note(event_id, "broker_acked", self._daemon.clock.now().at_ms, path=path)
        self.changed()

    def delivered(self, event_id: str, step: str, by: str) -> None:
        """A recipient has said something about an alarm."""
        if by:
            self.ways.note(event_id, step, self._daemon.clock.now().at_ms, by)
            self.changed()

    def further(self, event_id: str, step: str, by: str, path: str) -> None:
        """As carried() and delivered(), for an event of another class; only where a page follows it."""
        if self.ways.knows(event_id):
            self.ways.note(event_id, step, self._daemon.clock.now().at_ms, by, path=path)
            self.changed()

    def _acknowledged(self, event: Sealed) -> None:
        """Somebody, here or at a centre, has taken the alarm that an event names as its cause."""
        data = json.loads(event.body)["data"]
        for cause in data.get("cause") or ():
            if self.ways.knows(cause):
                self.ways.note(cause, "acknowledged", event.at_ms, data.get("by", ""))

    def _entitled(self, event_class: str) -> tuple[str, ...]:
        return tuple(each.id for each in self._daemon.settings.site.uplink.recipients if event_class in each.classes)

    # --- who watches ---------------------------------------------------------------------------

    async def watch(self, writer: asyncio.StreamWriter, left: Callable[[], bool]) -> None:
        """Send pictures to this visitor until it has left. A picture equal to the one before is sent as a sign of life."""
        watcher, before = _Watcher(), b""
        self._watchers.add(watcher)
        watcher.fresh.set()
        try:
            while not left() and not writer.is_closing():
                try:
                    async with asyncio.timeout(ALIVE_S):
                        await watcher.fresh.wait()
                except TimeoutError:
                    pass
                watcher.fresh.clear()
                watcher.alarm.clear()
                line = json.dumps(self.picture(), ensure_ascii=False).encode()
                if writer.transport.get_write_buffer_size() > WAITING_MOST_BYTES:
                    log.warning("a watcher at the door does not read; sent away")
                    return
                loud = json.dumps(self._daemon.loudness.now).encode()
                picture = b"" if line == before else b', "picture": ' + line
                writer.write(b'{"ok": true, "log": ' + loud + picture + b"}\n")
                before = line
                await asyncio.sleep(ALARM_PAUSE_S)
                with suppress(TimeoutError):
                    async with asyncio.timeout(PAUSE_S - ALARM_PAUSE_S):
                        await watcher.alarm.wait()
        finally:
            self._watchers.discard(watcher)

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
            "walk_tests": [row for row in telling.tests(daemon) if is_to_do(row)][:TESTS_MOST],
            "rules": [row for rule in daemon.house.school.rules.values() if (row := _acting(rule))],
            "inspections": inspections(daemon.house, daemon.clock.now()),
            "hazards": not_closed(daemon.house, daemon.clock.now(), HAZARDS_MOST),
            "hazards_more": max(0, not_closed_count(daemon.house) - HAZARDS_MOST),
            "plan": self._plan,
            "loud": any(spec.kind in LOUD for spec in daemon.house.fittings.outputs.values()),
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
            "waits": [] if spec.event_class is EventClass.FAULT else self._waits(alarm, spec),
        }

    def _waits(self, alarm: AlarmState, spec: AlarmSpec) -> list[dict[str, Any]]:
        """What its news still waits for: the disk, a path, each recipient. late: it should have been there; s: for how long, in tens."""
        daemon, uplink = self._daemon, self._daemon.settings.site.uplink
        if not self.ways.knows(alarm.event_id):
            before = alarm.since_ms < daemon.started_at_s * 1000
            return [{"what": "earlier" if before else "disk", "name": "", "late": False, "s": 0}]
        waits = []
        for recipient, waited_s in self.ways.awaited(alarm.event_id, daemon.clock.now().now_s).items():
            silent = daemon.house.readings.get(f"{SYSTEM_PREFIX}centre-{recipient}")
            late = waited_s >= uplink.receipt_timeout_s or (silent is not None and silent.value is True)
            waits.append({"what": "centre", "name": recipient, "late": late, "s": waited_s // ROUND_S * ROUND_S})
        return (self._paths_awaited(alarm, spec) if waits or not uplink.recipients else []) + waits

    def _paths_awaited(self, alarm: AlarmState, spec: AlarmSpec) -> list[dict[str, Any]]:
        """Paths whose broker has not taken it: all of them where it goes on both, else any as long as none has."""
        took = {step["path"] for step in self.ways.of(alarm.event_id) if step["step"] == "broker_acked"}
        both = self._daemon.settings.site.uplink.mode == "dual" and spec.event_class is EventClass.ALARM
        if took and not both:
            return []
        links = self._daemon.uplink.links
        return [{"what": "path", "name": name, "late": not link.counts.up, "s": 0} for name, link in links.items() if name not in took]

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


def _acting(rule: Any) -> dict[str, str]:
    """The name of a rule that switches outputs, for who reads later what it did; nothing for another."""
    return {"rule": rule.id, "zh": rule.spec.name.zh, "en": rule.spec.name.en} if getattr(rule, "outputs", ()) else {}


def _checkpoints(daemon: Daemon, duty: str) -> dict[str, Any]:
    """Those of a patrol, for who tells of a visit by hand."""
    for patrol in daemon.settings.site.patrols:
        if patrol.id == duty:
            named = [{"id": each.id, "zh": each.name or each.id, "en": each.name_en or each.name or each.id} for each in patrol.checkpoints]
            return {"checkpoints": named}
    return {}
