"""What is told of whistles, and how long alarms waited for a person."""

from __future__ import annotations

from typing import Any

from gateway.core.points import Draft, EventClass, Priority
from gateway.runtime.chains import Response, whistles
from tests.gateway.rules.test_whistle import blow, report, school


def test_whistles_and_who_is_missing() -> None:
    here = school()
    assert [(one["id"], one["blown_s"]) for one in whistles(here.house.school, here.now())] == [("all", None), ("forced", None)]
    blow(here)
    here.wait(40)
    report(here, "police")
    here.wait(10)
    told = next(whistles(here.house.school, here.now()))
    assert told["blown_s"] == 50
    assert [(one["name"], one["reported_s"]) for one in told["addressees"]] == [("police", 40.0), ("education", None), ("李 所长", None)]


def draft(word: str, now_s: float, status: str = "Actual", **data: Any) -> Draft:
    about = {"alarm": "alarm", "alarm_class": "panic", "status": status} | data
    return Draft("id", EventClass.ALARM, f"campus.alarm.{word}", "button", Priority.URGENT, 0, now_s, "synchronised", about)


def test_seconds_to_acknowledge_run_from_the_first_press() -> None:
    taken: list[tuple[str, float]] = []
    response = Response(lambda alarm_class, seconds: taken.append((alarm_class, seconds)))
    response.told([draft("activated", 10.0), draft("cleared", 11.0)])
    response.told([draft("repeated", 50.0), draft("acknowledged", 70.0), draft("acknowledged", 80.0)])
    assert taken == [("panic", 60.0)]
    response.told([draft("activated", 100.0, "Exercise"), draft("acknowledged", 101.0, "Exercise")])
    response.told([draft("activated", 200.0), draft("out_of_service", 210.0), draft("acknowledged", 220.0)])
    assert len(taken) == 1


def test_escalations_are_counted_by_whom_they_reach() -> None:
    response = Response(lambda alarm_class, seconds: None)
    response.told([draft("escalated", 1.0, to_role="duty_leader"), draft("escalated", 2.0, to_role="centre")] * 2)
    assert response.escalations == {("panic", "duty_leader"): 2, ("panic", "centre"): 2}
