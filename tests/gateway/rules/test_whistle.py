"""The school blows the whistle, those who are called report in: each by a time of his own, through restarts."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.chains import Addressee, WhistleSpec
from gateway.core.linkage import Moved
from gateway.core.points import EventClass, Priority, Text
from gateway.core.reading import Quality
from gateway.core.school_days import Window
from gateway.rules.rule import View
from gateway.rules.whistle import LONGEST_S, Whistle, WhistleState
from tests.gateway.rules.chained import NAME, TIMETABLE, Chained, point

SPEC = WhistleSpec(
    "all",
    Text("联合处置", "joint action"),
    "gate",
    (Addressee("police", True, 300.0), Addressee("education", True, 600.0), Addressee("李 所长", False, 600.0)),
)
BY_ALARM = WhistleSpec("forced", NAME, "gate", (Addressee("队长", False, 180.0),), frozenset({"fence/alarm"}))
POINTS = (
    point("all", EventClass.DUTY, alarm_class="duty", latching=False),
    point("forced", EventClass.DUTY, alarm_class="duty", latching=False),
    point("fence", alarm_class="intrusion"),
)


def school() -> Chained:
    here = Chained(POINTS, [SPEC, BY_ALARM])
    here.show("fence", False)
    return here


def blow(here: Chained) -> None:
    assert here.do("whistle", "all", why="校门口有人闹事").ok


def report(here: Chained, who: str, origin: str = "mqtt", target: str = "all") -> bool:
    return here.do("report_in", target, by=who, role="centre" if origin == "mqtt" else "guard", origin=origin).ok


def test_it_is_known_at_the_start_that_nobody_is_overdue() -> None:
    here = school()
    reading = here.house.readings["all"]
    assert (reading.value, reading.quality) == (False, Quality.GOOD)
    assert here.told == []


def test_blown_by_hand_it_names_all_and_goes_first() -> None:
    here = school()
    blow(here)
    (whistle,) = here.said("duty.whistle")
    assert (whistle.event_class, whistle.priority, whistle.subject) == (EventClass.DUTY, Priority.URGENT, "all")
    assert (whistle.data["by"], whistle.data["why"], whistle.data["cause"]) == ("李", "校门口有人闹事", [])
    assert whistle.data["addressees"] == [
        {"name": "police", "kind": "recipient", "deadline_s": 300.0},
        {"name": "education", "kind": "recipient", "deadline_s": 600.0},
        {"name": "李 所长", "kind": "person", "deadline_s": 600.0},
    ]


def test_blown_by_an_alarm_it_travels_as_one() -> None:
    here = school()
    here.show("fence", True)
    (alarm,), (whistle,) = here.said("alarm.activated"), here.said("duty.whistle")
    assert (whistle.event_class, whistle.priority) == (EventClass.ALARM, Priority.URGENT)
    assert (whistle.data["cause"], whistle.data["incident"]) == ([alarm.id], alarm.data["incident"])
    here.do("acknowledge", "fence")
    here.show("fence", False)
    here.show("fence", True)
    assert len(here.said("duty.whistle")) == 1, "one that was blown is not blown again"


def test_all_there() -> None:
    here = school()
    blow(here)
    here.wait(100)
    assert report(here, "police: 张警官")
    assert report(here, "李所长", "door")
    here.wait(20)
    assert report(here, "education")
    (answered,) = here.said("duty.whistle_answered")
    assert answered.data["seconds"] == {"police": 100.0, "李 所长": 100.0, "education": 120.0}
    assert answered.data["cause"] == [here.said("duty.whistle")[0].id]
    here.wait(2 * LONGEST_S)
    assert here.said("duty.whistle_overdue") == here.said("duty.whistle_ended") == here.said("duty.activated") == []


def test_who_is_late_is_named_at_his_own_time_and_the_point_gives_alarm_until_he_is_there() -> None:
    here = school()
    blow(here)
    here.wait(299)
    assert here.said("duty.whistle_overdue") == []
    here.wait(2)
    assert [draft.data["who"] for draft in here.said("duty.whistle_overdue")] == [["police"]]
    assert here.house.readings["all"].reason == "police"
    here.wait(300)
    assert [draft.data["who"] for draft in here.said("duty.whistle_overdue")] == [["police"], ["education", "李 所长"]]
    for who in ("police", "education"):
        report(here, who)
        assert here.house.readings["all"].value is True
    report(here, "李所长", "door")
    assert here.house.readings["all"].value is False
    assert here.said("duty.whistle_reported")[0].data["late"] is True
    assert len(here.said("duty.whistle_answered")) == len(here.said("duty.activated")) == 1


@pytest.mark.parametrize(
    ("who", "origin", "words"),
    [
        ("police", "door", "'police' is not called by all"),  # a recipient reports by a signed command only
        ("李所长", "mqtt", "is not called by all"),
        ("fire", "mqtt", "called are: police, education, 李 所长"),
    ],
)
def test_who_is_not_called_does_not_report(who: str, origin: str, words: str) -> None:
    here = school()
    blow(here)
    decision = here.do("report_in", "all", by=who, role="centre" if origin == "mqtt" else "guard", origin=origin)
    assert not decision.ok
    assert words in decision.reply


def test_what_makes_no_sense_is_refused_in_words() -> None:
    here = school()
    assert here.do("report_in", "all").reply == "all is not blown"
    assert here.do("end_whistle", "all").reply == "all is not blown"
    assert "needs words" in here.do("whistle", "all", why=" ").reply
    assert "say which one is meant" in here.do("whistle", why="x").reply
    assert "a guard may not whistle" in here.do("whistle", "all", role="guard", why="x").reply
    blow(here)
    assert "blown already; waiting for police, education" in here.do("whistle", "all", why="x").reply
    report(here, "police")
    assert here.do("report_in", "all", by="police", role="centre", origin="mqtt").reply == "police has reported in already"


def test_it_is_ended_by_name_or_after_a_day() -> None:
    here = school()
    blow(here)
    here.wait(1000)
    assert here.do("end_whistle", "all", why="误报").ok
    blow(here)
    here.wait(LONGEST_S + 1)
    by_name, by_time = here.said("duty.whistle_ended")
    assert (by_name.data["by"], by_name.data["why"]) == ("李", "误报")
    assert by_name.data["missing"] == ["police", "education", "李 所长"]
    assert by_time.now_s - here.said("duty.whistle")[1].now_s == pytest.approx(LONGEST_S)
    assert here.house.readings["all"].value is False


def test_a_power_cut_changes_nothing() -> None:
    here = school()
    blow(here)
    here.wait(60)
    report(here, "education")
    here.restart(off_s=300)
    assert [draft.data["who"] for draft in here.said("duty.whistle_overdue")] == [["police"]]
    here.restart(off_s=10)
    assert here.house.readings["all"].value is True
    report(here, "police")
    report(here, "李所长", "door")
    assert here.said("duty.whistle_answered")[0].data["seconds"] == {"education": 60.0, "police": 370.0, "李 所长": 370.0}
    assert len(here.said("duty.activated")) == 1, "the alarm that stands is not begun again"


def test_what_begins_in_a_drill_blows_nothing() -> None:
    here, rule = school(), Whistle(BY_ALARM)
    view = View(here.now(), TIMETABLE, Window.NONE, lambda name: None, lambda key: "unacknowledged", lambda name: "drill")
    drill, real = (Moved("fence/alarm", "activated", "unacknowledged", "e1", mode) for mode in ("drill", "normal"))
    assert rule.step(WhistleState(), drill, view).said == []
    assert [said.kind for said in rule.step(WhistleState(), real, view).said] == ["duty.whistle"]
    (why,) = rule.explain(WhistleState(), "fence", view)
    assert not why.acts
    assert why.text.en == "whistle: 队长 report in: not now, mode is drill"
    assert list(rule.explain(WhistleState(), "gate", view)) == []


WHO = ["police", "education", "李所长"]
ACTS = st.one_of(
    st.tuples(st.just("wait"), st.floats(1, 250)),
    st.tuples(st.just("off"), st.floats(0, 250)),
    st.tuples(st.sampled_from([*WHO, "whistle", "end_whistle"]), st.just(0.0)),
)


@given(st.lists(ACTS, max_size=25))
@settings(max_examples=60, deadline=None)
def test_each_is_named_once_and_the_alarm_stands_while_somebody_is_overdue(acts: list[tuple[str, float]]) -> None:
    here = school()
    blown_s: float | None = None
    missing: dict[str, float] = {}
    counts = {"whistle": 0, "whistle_answered": 0, "whistle_ended": 0}
    for act, seconds in acts:
        if act == "wait":
            here.wait(seconds)
        elif act == "off":
            here.restart(seconds)
        elif act == "whistle":
            ok = here.do("whistle", "all", why="x").ok
            assert ok is (blown_s is None)
            if ok:
                blown_s, missing = here.now_s, {"police": 300.0, "education": 600.0, "李 所长": 600.0}
                counts["whistle"] += 1
        elif act == "end_whistle":
            assert here.do("end_whistle", "all", why="x").ok is (blown_s is not None)
            counts["whistle_ended"] += blown_s is not None
            blown_s, missing = None, {}
        else:
            name = "李 所长" if act == "李所长" else act
            assert report(here, act, "door" if act == "李所长" else "mqtt") is (name in missing)
            missing.pop(name, None)
            if blown_s is not None and not missing:
                blown_s = None
                counts["whistle_answered"] += 1
        late = {} if blown_s is None else {name: here.now_s - blown_s - due_s for name, due_s in missing.items()}
        if all(abs(over_s) > 1e-2 for over_s in late.values()):
            assert here.house.readings["all"].value is any(over_s > 0 for over_s in late.values())
        assert {kind: len(here.said(f"duty.{kind}")) for kind in counts} == counts
    named = [(draft.data["cause"], who) for draft in here.said("duty.whistle_overdue") for who in draft.data["who"]]  # type: ignore[attr-defined]
    assert len(named) == len({str(each) for each in named}), "nobody is named twice for one whistle"
