"""Nobody takes an alarm: the leader, then the centre; once each, on time, through restarts, and never after somebody has taken it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.chains import Chain, EscalationSpec
from gateway.core.linkage import Moved
from gateway.core.points import EventClass, Point, Priority, Text
from gateway.core.school_days import Window
from gateway.rules.escalation import Escalation
from gateway.rules.rule import View
from tests.gateway.rules.chained import NAME, TIMETABLE, Chained, point

LEADERS, CENTRES = ("王建国", "刘敏"), {"alarm": ("police",), "duty": ("police", "education")}


def chain(event_class: str = "alarm", leader_s: float = 120.0, centre_s: float = 300.0) -> Chain:
    return Chain(event_class, "panic", "Severe", "gate", NAME, leader_s, centre_s)


SPEC = EscalationSpec({"button/alarm": chain(), "post/alarm": chain("duty", 300.0, 600.0)}, LEADERS, CENTRES)
POINTS = (point("button"), point("post", EventClass.DUTY, latching=False, alarm_class="duty"), point("other"))


def school() -> Chained:
    here = Chained(POINTS, [SPEC])
    for each in POINTS:
        here.show(each.id, False)
    return here


def test_leader_then_centre_and_no_more() -> None:
    here = school()
    here.press("button")
    (began,) = here.said("alarm.activated")
    here.wait(119.9)
    assert here.said("alarm.escalated") == []
    here.wait(10_000)
    leader, centre = here.said("alarm.escalated")
    assert (leader.now_s - began.now_s, centre.now_s - began.now_s) == (120, 300)
    assert (leader.data["level"], leader.data["to_role"], leader.data["to"]) == (1, "duty_leader", ["王建国", "刘敏"])
    assert (centre.data["level"], centre.data["to_role"], centre.data["to"]) == (2, "centre", ["police"])
    assert (leader.priority, centre.priority) == (Priority.ALARM_UPDATE, Priority.URGENT)
    assert leader.subject == "button"
    assert leader.data["cause"] == [began.id]
    assert leader.data["incident"] == began.data["incident"] is not None
    assert leader.data["status"] == "Actual"


def test_a_duty_has_times_of_its_own_and_travels_in_its_class() -> None:
    here = school()
    here.show("post", True)
    here.wait(601)
    first, second = here.said("duty.escalated")
    assert (first.event_class, first.data["to"], second.data["to"]) == (EventClass.DUTY, list(LEADERS), ["police", "education"])
    assert second.now_s - first.now_s == 300
    assert second.priority is Priority.URGENT


def test_a_duty_that_is_done_after_all_calls_nobody() -> None:
    here = school()
    here.show("post", True)
    here.wait(299)
    here.show("post", False)
    here.wait(900)
    assert here.said("duty.escalated") == []


@pytest.mark.parametrize("how", ["acknowledge", "out_of_service"])
def test_it_stops_when_somebody_takes_it(how: str) -> None:
    here = school()
    here.press("button")
    here.wait(60)
    words = {"second": "张", "why": "works", "for_s": 600.0} if how == "out_of_service" else {}
    assert here.do(how, "button", **words).ok
    here.wait(500)
    assert here.said("alarm.escalated") == []


def test_one_that_was_pressed_while_out_of_service_waits_from_the_return_to_service() -> None:
    here = school()
    here.do("out_of_service", "button", second="张", why="works", for_s=600.0)
    here.press("button")
    here.wait(300)
    assert here.said("alarm.escalated") == []
    here.do("return_to_service", "button")
    here.wait(121)
    assert [draft.data["level"] for draft in here.said("alarm.escalated")] == [1]


def test_a_repeated_press_does_not_begin_the_times_anew() -> None:
    here = school()
    here.press("button")
    for _ in range(5):
        here.wait(23)
        here.press("button")
    here.wait(6)
    assert len(here.said("alarm.repeated")) == 5
    assert len(here.said("alarm.escalated")) == 1


def test_a_press_after_the_acknowledgement_does() -> None:
    here = school()
    here.press("button")
    here.do("acknowledge", "button")
    here.wait(1000)
    here.press("button")
    here.wait(119)
    assert here.said("alarm.escalated") == []
    here.wait(2)
    assert len(here.said("alarm.escalated")) == 1


def test_what_is_due_while_the_power_is_off_is_told_at_the_start() -> None:
    here = school()
    here.press("button")
    here.wait(60)
    here.restart(off_s=3600)
    assert [draft.data["level"] for draft in here.said("alarm.escalated")] == [1, 2]
    here.restart(off_s=60)
    here.wait(1000)
    assert len(here.said("alarm.escalated")) == 2


def test_without_a_clock_the_seconds_that_were_left_count() -> None:
    here = school()
    here.press("button")
    here.clock = "unknown"
    here.restart(off_s=5000)
    assert here.said("alarm.escalated") == []
    here.wait(121)
    assert len(here.said("alarm.escalated")) == 1


def test_a_site_file_that_no_longer_names_the_alarm_ends_it() -> None:
    here = school()
    here.press("button")
    here.specs = [EscalationSpec({"post/alarm": chain("duty")})]
    here.restart()
    here.wait(1000)
    assert here.said("alarm.escalated") == []


def test_linkage_hears_of_it() -> None:
    here = school()
    here.press("button")
    here.wait(119)
    here.now_s += 1
    decision = here.show("other", False)
    assert decision.moves == []
    here.wait(0)
    assert len(here.said("alarm.escalated")) == 1
    rule, view = Escalation(SPEC), _view(here, {"button/alarm": "unacknowledged"})
    waiting = rule.step((), Moved("button/alarm", "activated", "unacknowledged", "e1"), view).state
    later = rule.step(waiting, None, _view(here, {"button/alarm": "unacknowledged"}, later_s=120))
    assert later.moves == [Moved("button/alarm", "escalated", "unacknowledged", "e1")]


@pytest.mark.parametrize("mode", ["drill", "test", "maintenance"])
def test_what_begins_in_another_mode_does_not_escalate(mode: str) -> None:
    rule, view = Escalation(SPEC), _view(school(), {"button/alarm": "unacknowledged"})
    assert rule.step((), Moved("button/alarm", "activated", "unacknowledged", "e1", mode), view).state == ()


def test_few_writes() -> None:
    here = school()
    here.press("button")
    before = here.stores
    here.wait(110)
    assert here.stores == before, "time alone writes nothing"


def test_explain_says_whom_it_would_reach() -> None:
    here = school()
    rule = Escalation(SPEC)
    (why,) = rule.explain((), "button", _view(here, {}))
    assert why.acts
    assert why.text == Text(
        "校门：120 秒无人确认报带班领导，300 秒无人确认报联动中心", "gate: not acknowledged for 120 s -> duty leader, for 300 s -> centre"
    )
    (why,) = rule.explain((), "button", _view(here, {}, mode="drill"))
    assert not why.acts
    assert "mode is drill" in why.text.en
    assert list(rule.explain((), "other", _view(here, {}))) == []


def _view(here: Chained, states: dict[str, str], later_s: float = 0.0, mode: str = "normal") -> View:
    here.now_s += later_s
    return View(here.now(), TIMETABLE, Window.NONE, lambda name: None, lambda key: states.get(key, "normal"), lambda name: mode)


ACTS = st.one_of(
    st.tuples(st.just("wait"), st.floats(0.5, 200)),
    st.tuples(st.just("off"), st.floats(0, 400)),
    st.tuples(st.sampled_from(["press", "acknowledge", "reset"]), st.just(0.0)),
)


@given(st.lists(ACTS, max_size=25))
@settings(max_examples=60, deadline=None)
def test_each_wait_is_told_once_and_on_time(acts: list[tuple[str, float]]) -> None:
    """The model: since when nobody has taken it. What comes due while the power is off is told at the next start."""
    here = school()
    since_s: float | None = None
    wanted: list[int] = []

    def due(now_s: float) -> list[int]:
        return [] if since_s is None else [level for level, after_s in ((1, 120.0), (2, 300.0)) if now_s - since_s >= after_s + 1e-3]

    for act, seconds in acts:
        if act == "wait":
            here.wait(seconds)
        elif act == "off":
            here.restart(seconds)
        elif act == "press":
            here.press("button")
            since_s = here.now_s if since_s is None else since_s
        else:
            ok = here.do(act, "button").ok
            if ok and act == "acknowledge":
                wanted += due(here.now_s)
                since_s = None
        told = [draft.data["level"] for draft in here.said("alarm.escalated")]
        near = since_s is not None and any(abs(here.now_s - since_s - after_s) < 1e-2 for after_s in (120.0, 300.0))
        assert near or told == wanted + due(here.now_s)


def test_points_are_what_the_specs_name() -> None:
    assert all(isinstance(each, Point) for each in POINTS)
    assert Escalation(SPEC).alarms == {"button/alarm", "post/alarm"}
