"""The house of a checked site file: what the daemon decides with, and a scenario in virtual time too."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from gateway.config.hours import week_spans
from gateway.config.settings import Settings
from gateway.rules.calendar import SchoolCalendar
from gateway.rules.incidents import IncidentRules
from gateway.runtime.decide import House
from gateway.runtime.decide_house import INCIDENTS, PICTURES, Keeping
from gateway.runtime.decide_school import SCHOOL_TICK
from gateway.runtime.fittings import Fittings
from gateway.runtime.mode_book import MODES_TICK, ModeBook
from gateway.runtime.school import School


def calendar_of(settings: Settings) -> SchoolCalendar:
    """The school's calendar."""
    return SchoolCalendar(ZoneInfo(settings.site.site.timezone), week_spans(settings.site.hours), settings.school_days)


def house_of(settings: Settings, calendar: SchoolCalendar) -> House:
    """A house in which nothing is known yet; `restore` gives it what an earlier run kept."""
    fittings = Fittings(settings.outputs, settings.doors, settings.power)
    cameras = frozenset(camera.id for camera in settings.site.cameras)
    grouped = settings.site.rules.incidents
    incidents = IncidentRules(grouped.window_s, tuple(frozenset(group) for group in grouped.together))
    return House(
        settings.points,
        calendar,
        fittings=fittings,
        school=School.of(settings.rules),
        cameras=cameras,
        incident_rules=incidents,
        modes=ModeBook.of(settings.site.uplink.recipients),
        keeping=keeping_of(settings),
    )


def keeping_of(settings: Settings) -> Keeping:
    """What the site says about evidence."""
    vision = settings.site.vision
    recorders = {camera.id: (camera.recorder.device, camera.recorder.channel) for camera in settings.site.cameras if camera.recorder}
    eyes = {point.id: point.camera for point in settings.site.points if point.camera} | {
        camera.id: camera.id for camera in settings.site.cameras
    }
    return Keeping(vision.clip_before_s, vision.clip_after_s, vision.evidence_hours, recorders, eyes)


def first_looks(house: House) -> list[str]:
    """What wants a Tick when a run begins: alarms that were set aside in an earlier one, incidents, pictures, modes, rules."""
    return [MODES_TICK, *house.set_aside(), INCIDENTS, PICTURES, SCHOOL_TICK]
