"""What the compliance figures need of a running gateway: its points, tests, gates and guard posts as they are now."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.alarm.machine import ACTIVE, State
from gateway.config.settings import Settings
from gateway.core.duties import GuardPostSpec
from gateway.core.gates import GateSpec
from gateway.core.points import Point, Text
from gateway.core.reading import Now
from gateway.report.compliance import Facts, Gate, Place, PostWindow, Shown, WalkTests
from gateway.report.drills import SchoolYear
from gateway.rules.calendar import SchoolCalendar
from gateway.runtime.decide_house import House

CLOSED_CAMPUS = "closed-campus"
WINDOWS_MOST_MS = 400 * 86_400_000  # a longer period comes of a clock that was wrong


def facts_of(settings: Settings, house: House, now: Now) -> Facts:
    """As it is now, without the windows of a period. Call it where the house is decided about; what it gives may cross to a thread."""
    places = settings.site.places.items()
    return Facts(
        now_ms=now.at_ms,
        zone=house.timetable.zone,
        points={point.id: _shown(house, point) for point in house.points.values()},
        tests={point.id: _tests(house, point) for point in house.points.values() if point.test_every_days},
        places=[Place(name, Text(place.name, place.name_en or place.name), place.type) for name, place in places],
        cameras=[camera.id for camera in settings.site.cameras],
        gates=[_gate(settings, spec) for spec in settings.rules if isinstance(spec, GateSpec) and spec.rule == CLOSED_CAMPUS],
    )


def windows_of(settings: Settings, calendar: SchoolCalendar, from_ms: int, to_ms: int) -> list[PostWindow]:
    """Of all guard posts in a period (UTC milliseconds), its last 400 days at most. It takes its time, and may be done in a thread."""
    begin_ms = max(from_ms, to_ms - WINDOWS_MOST_MS)
    posts = [spec for spec in settings.rules if isinstance(spec, GuardPostSpec)]
    return [window for spec in posts for window in post_windows(spec, calendar, begin_ms, to_ms)]


def school_year_of(settings: Settings, house: House) -> SchoolYear:
    """What the required drills depend on."""
    days = settings.school_days
    return SchoolYear(house.timetable.zone, days.terms, days.boarding is not None)


def post_windows(spec: GuardPostSpec, calendar: SchoolCalendar, from_ms: int, to_ms: int) -> Iterator[PostWindow]:
    """The times from from_ms on and before to_ms at which somebody must be on this post; those that follow without a gap are one."""
    at_ms, begin_ms = from_ms - 1, 0
    inside = calendar.window(at_ms) in spec.windows  # what began before belongs to the period before
    while (at_ms < to_ms or begin_ms) and (change := calendar.next_change(at_ms)) is not None:
        at_ms, is_in = change[0], change[1] in spec.windows
        if is_in and not inside and at_ms < to_ms:
            begin_ms = at_ms
        elif inside and not is_in and begin_ms:
            yield _window(spec, begin_ms, at_ms)
            begin_ms = 0
        inside = is_in


def _window(spec: GuardPostSpec, begin_ms: int, end_ms: int) -> PostWindow:
    by_ms = begin_ms + round(spec.grace_s * 1000)
    return PostWindow(spec.id, spec.name, begin_ms - round(spec.early_s * 1000), begin_ms, min(by_ms, end_ms), end_ms)


def _shown(house: House, point: Point) -> Shown:
    reading = house.readings.get(point.id)
    alarms = {spec.name: house.alarms[spec.key] for spec in point.alarms}
    standing = frozenset(name for name, alarm in alarms.items() if alarm.live in ACTIVE)
    out_of_service = any(alarm.state is State.OUT_OF_SERVICE for alarm in alarms.values())
    if reading is None:
        return Shown(point.id, point.role, point.place, point.name, standing=standing, out_of_service=out_of_service)
    quality, reason = str(reading.quality), reading.reason
    return Shown(point.id, point.role, point.place, point.name, quality, reason, reading.value, standing, out_of_service)


def _tests(house: House, point: Point) -> WalkTests:
    known = house.modes.tested.get(point.id)
    if known is None:
        return WalkTests(point.test_every_days)
    due_ms = known.due_ms(point.test_every_days) if known.known_ms or known.passed_ms else 0
    return WalkTests(point.test_every_days, known.passed_ms, due_ms, known.result)


def _gate(settings: Settings, spec: GateSpec) -> Gate:
    sensors = tuple(shows.point for group in spec.groups for shows in group)
    devices = tuple(point.device for point in settings.site.points if point.id in sensors and point.device)
    return Gate(spec.id, spec.name, settings.points[spec.id].place, (*sensors, *devices))
