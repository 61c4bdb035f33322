"""Walk tests (报警测试): how often each point is to be tested, and the point that tells which tests are late."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gateway.config.site import Site
from gateway.core.points import TESTS_POINT, AlarmSpec, Contact, EventClass, Point, Text

if TYPE_CHECKING:
    from gateway.config.resolve import Resolved

# A one-key alarm is tested every quarter (a practice of police linkage centres); detectors once a year (GB 50166, GB 50444)
TEST_EVERY_DAYS = {"panic_button": 92, "bollard_impact": 365, "gas_concentration": 365, "gas_alarm": 365, "fire_alarm": 365}
_TEXT = Text("报警测试逾期", "Walk tests are overdue")


def resolve_tests(site: Site, out: Resolved) -> None:
    """Give each point its time, and the site its duty. Call it when all points have their alarms."""
    for i, settings in enumerate(site.points):
        point = out.points.get(settings.id)
        if point is None:
            continue
        can_be_tried = any(spec.practised for spec in point.alarms)
        if settings.test_every_days and not can_be_tried:
            out.errors.append((("points", i, "test_every_days"), f"a {settings.role} has no alarm here that could be tested"))
            continue
        given = settings.test_every_days
        every_days = TEST_EVERY_DAYS.get(settings.role, 0) if given is None else given
        if every_days and can_be_tried:
            out.points[point.id] = replace(point, test_every_days=every_days)
    if any(point.test_every_days for point in out.points.values()):
        out.points[TESTS_POINT] = _duty(next(iter(site.places)))


def _duty(place: str) -> Point:
    due = AlarmSpec(
        TESTS_POINT, "due", Contact(), "duty", EventClass.DUTY, latching=False, text=_TEXT, urgency="Expected", severity="Minor"
    )
    return Point(TESTS_POINT, "tests_due", place, Text("报警测试", "walk tests"), kind="rule", alarms=(due,), system=True)
