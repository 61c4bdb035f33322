"""What reports are told of the running house besides its past. Gathered in the event loop, where nothing changes meanwhile."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gateway import __version__
from gateway.alarm.machine import STANDING
from gateway.contract.envelope import rfc3339
from gateway.core.history import Past
from gateway.core.points import TESTS_POINT, Above, Below, EventClass, Latch, Point, Text
from gateway.journal.history import JournalHistory
from gateway.report import compliance, drills
from gateway.report.facts import Facts, Named
from gateway.runtime.decide_house import House
from gateway.runtime.facts import facts_of, school_year_of, windows_of
from gateway.runtime.hazards import hazards
from gateway.runtime.inspections import inspections
from gateway.runtime.reports import KEY, Hands, Reports, schedule_of

WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")  # as the site file writes them

if TYPE_CHECKING:
    from gateway.runtime.daemon import Daemon


def facts(daemon: Daemon, boots: Sequence[int]) -> Facts:
    """As things are now. boots: starts of the daemon, UTC milliseconds."""
    house, now, site = daemon.house, daemon.clock.now(), daemon.settings.site
    overdue = house.readings.get(TESTS_POINT)
    return Facts(
        site=site_of(daemon),
        places={name: Text(place.name, place.name_en or place.name) for name, place in site.places.items()},
        points=_things(daemon),
        standing=list(_standing(house)),
        hazards=hazards(house, now),
        inspections=inspections(house, now),
        tests_overdue=int(overdue.value) if overdue is not None and isinstance(overdue.value, int | float) else 0,
        gateway={
            "version": __version__,
            "clock": now.clock,
            "boots": list(boots),
            "paths": [{"id": path, "up": link.counts.up} for path, link in daemon.uplink.links.items()],
            **_disk(str(daemon.settings.state_dir)),
        },
    )


def _further(daemon: Daemon, from_ms: int, to_ms: int) -> Callable[[Past, Facts], Facts]:
    """What adds, in the thread that builds a report, what must be read from the past besides: the four 100%, the required drills."""
    house, now = daemon.house, daemon.clock.now()
    rates, year, timetable = facts_of(daemon.settings, house, now), school_year_of(daemon.settings, house), house.timetable

    def further(past: Past, facts: Facts) -> Facts:
        windows = windows_of(daemon.settings, timetable, from_ms, to_ms)
        found = compliance.build(replace(rates, windows=windows, off=facts.off), past, from_ms, to_ms)
        return replace(facts, compliance=found, drills=drills.build(year, past, now.at_ms))

    return further


def site_of(daemon: Daemon) -> dict[str, str]:
    """Who reports."""
    site, reports = daemon.settings.site.site, daemon.settings.site.reports
    by = "" if reports is None else reports.by
    return {"id": site.id, "gateway": site.gateway, "zh": site.name, "en": site.name_en or site.name, "by": by}


def named(point: Point) -> Named:
    """A point as reports speak of it, with its first limit."""
    highs = [spec.condition.limit for spec in point.alarms if isinstance(spec.condition, Above)]
    lows = [spec.condition.limit for spec in point.alarms if isinstance(spec.condition, Below)]
    limit = None if point.kind != "measurement" else min(highs) if highs else max(lows, default=None)
    name = Text(f"{point.name.zh} {point.id}", f"{point.name.en} {point.id}") if point.system else point.name  # all links have one name
    return Named(name, point.place, point.role, point.unit, limit, not highs and bool(lows), point.responsible)


def _things(daemon: Daemon) -> dict[str, Named]:
    """All that events are about: cameras, doors, points."""
    settings = daemon.settings
    cameras = {camera.id: Named(Text(camera.id, camera.id), camera.place, "camera") for camera in settings.site.cameras}
    doors = {door.id: Named(door.name, door.place, "door") for door in settings.doors.values()}
    return cameras | doors | {point.id: named(point) for point in daemon.house.points.values()}


def _standing(house: House) -> Iterator[dict[str, Any]]:
    for point in house.points.values():
        for spec in point.alarms:
            alarm = house.alarms[spec.key]
            if alarm.state in STANDING:
                reading = house.readings.get(point.id)
                yield {
                    "alarm": spec.key,
                    "fault": spec.event_class is EventClass.FAULT,
                    "state": str(alarm.state),
                    "since": rfc3339(alarm.since_ms),
                    "since_ms": alarm.since_ms,
                    "place": point.place,
                    "zh": spec.text.zh,
                    "en": spec.text.en,
                    "responsible": point.responsible,
                    "reason": "" if reading is None else reading.reason,
                }


def _disk(folder: str) -> dict[str, int]:
    try:
        disk = os.statvfs(folder)
    except OSError:
        return {}
    return {"disk_bytes": disk.f_blocks * disk.f_frsize, "disk_free_bytes": disk.f_bavail * disk.f_frsize}


def reports_of(daemon: Daemon, latches: Sequence[Latch]) -> Reports | None:
    """The reports of this site; None where its site file has no [reports]. latches: what the journal kept."""
    settings = daemon.settings
    wanted = settings.site.reports
    if wanted is None:
        return None
    schedule = schedule_of(settings.site.site.timezone, wanted.daily_at, WEEKDAYS.index(wanted.weekly_on), wanted.monthly_day)
    hands = Hands(
        now=lambda: daemon.clock.now(),
        gather=lambda boots, from_ms, to_ms: (facts(daemon, boots), _further(daemon, from_ms, to_ms)),
        submit=daemon.writer.submit,
        publish=daemon.uplink.send_report,
        event_id=daemon.ids,
    )
    row = next((latch.state for latch in latches if latch.key == KEY), None)
    past = JournalHistory(settings.state_dir)
    return Reports(schedule, settings.state_dir, settings.source, daemon.boot_id, daemon.signer, past, hands, row)
