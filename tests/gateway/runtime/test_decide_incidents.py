"""decide(): related alarms are one incident with four times, across restarts, and no alarm is without one."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from gateway.core.commands import Delivered, Tick
from gateway.core.points import EventClass
from gateway.core.reading import Quality, Reading
from gateway.rules.incidents import IncidentRules
from gateway.runtime.decide import Decision
from gateway.runtime.decide_house import INCIDENTS
from tests.gateway.runtime.test_decide import Box as PlainBox

RULES = IncidentRules(300.0)


class Box(PlainBox):
    """A gateway that puts alarms into incidents."""

    def __init__(self) -> None:
        super().__init__()
        self.house.incident_rules = RULES

    def restart(self) -> None:
        """As after a power cut: the state comes from the journal."""
        super().restart()
        self.house.incident_rules = RULES
        self.take(Tick(INCIDENTS))

    def see(self, point: str, value: Any) -> list[tuple[str, str | None]]:
        """(type without campus., incident) of what a reading brings."""
        return words(self.take(Reading(point, value, now_s=self.now_s)))

    def do(self, kind: str, target: str) -> list[tuple[str, str | None]]:
        """The same of a command."""
        return words(self.order(kind, target))


def words(decision: Decision) -> list[tuple[str, Any]]:
    """What was said, audits left out."""
    told = [draft for draft in decision.drafts if draft.event_class is not EventClass.AUDIT]
    return [(draft.type.removeprefix("campus."), draft.data.get("incident")) for draft in told]


def test_from_the_first_alarm_to_the_end() -> None:
    box = Box()
    (activated, incident), (opened, same) = box.see("panic", True)
    assert (activated, opened, same) == ("alarm.activated", "incident.opened", incident)
    assert incident
    first = box.told[0].id
    box.pass_time(3)
    (reported,) = words(box.take(Delivered(first, "received", "police")))
    assert reported == ("incident.reported", incident)
    assert box.told[-1].data["to"] == "police"
    assert words(box.take(Delivered(first, "received", "education"))) == [], "once"
    assert box.see("panic", False) == [("alarm.cleared", incident)], "over, but nobody has taken it"
    box.pass_time(20)
    assert box.do("acknowledge", "panic") == [("alarm.acknowledged", incident), ("incident.controlled", incident)]
    box.pass_time(60)
    assert box.do("reset", "panic") == [("alarm.reset", incident), ("incident.resolved", incident)]
    assert list(box.told[-1].data["times"]) == ["detected", "reported", "controlled", "resolved"]  # type: ignore[call-overload]
    assert not box.house.incidents
    (_, another), _ = box.see("panic", True)
    assert another != incident


def test_a_second_alarm_of_the_place_joins_and_takes_controlled_back() -> None:
    box = Box()
    (_, incident), _ = box.see("panic", True)
    box.see("panic", False)
    box.do("acknowledge", "panic")
    assert box.see("held", True) == []
    box.pass_time(5)
    assert words(box.take(Tick("held"))) == [("alarm.activated", incident)]
    box.do("reset", "panic")
    assert box.house.incidents[str(incident)].controlled_ms == 0
    box.see("held", False)
    box.pass_time(2)
    box.take(Tick("held"))
    assert box.do("acknowledge", "held")[1:] == [("incident.controlled", incident), ("incident.resolved", incident)]


def test_another_place_is_another_incident_and_faults_are_none() -> None:
    box = Box()
    (_, gate), _ = box.see("panic", True)
    told = box.see("gas", 60.0)
    assert [word for word, _ in told] == ["alarm.activated", "alarm.activated", "incident.opened"]
    assert {incident for _, incident in told} == {told[0][1]} != {gate}
    assert words(box.take(Reading("panic", None, Quality.BAD, "over range"))) == [("fault.activated", None)]


def test_an_alarm_that_the_site_file_no_longer_has_does_not_keep_its_incident_open() -> None:
    box = Box()
    box.see("panic", True)
    del box.stored["panic/alarm"]  # as it is when the point was taken out of the file
    box.restart()
    assert [draft.type for draft in box.told[-2:]] == ["campus.incident.controlled", "campus.incident.resolved"]
    assert not box.house.incidents


class Incidents(RuleBasedStateMachine):
    """Whatever happens: each standing alarm that was told is in exactly one open incident, and each open incident has one standing."""

    def __init__(self) -> None:
        super().__init__()
        self.box = Box()

    @rule(point=st.sampled_from(["panic", "held", "gas", "latched"]), on=st.booleans())
    def read(self, point: str, on: bool) -> None:
        self.box.see(point, (60.0 if on else 0.0) if point == "gas" else on)

    @rule(kind=st.sampled_from(["acknowledge", "reset"]), point=st.sampled_from(["panic", "held", "gas", "latched"]))
    def person(self, kind: str, point: str) -> None:
        self.box.do(kind, point)

    @rule(seconds=st.sampled_from([1.0, 6.0, 400.0]))
    def wait(self, seconds: float) -> None:
        self.box.pass_time(seconds)
        self.box.take(Tick("held"))

    @rule()
    def restart(self) -> None:
        self.box.restart()

    def teardown(self) -> None:
        house = self.box.house
        open_keys = [key for incident in house.incidents.values() for key in incident.alarms]
        for key, alarm in house.alarms.items():
            if alarm.state != "normal" and not key.endswith("/signal"):
                assert alarm.incident in house.incidents
                assert key in house.incidents[alarm.incident].alarms
        for incident in house.incidents.values():
            assert any(house.alarms[key].live != "normal" for key in incident.alarms)
        assert len(open_keys) >= len(house.incidents)
        opened = [draft for draft in self.box.told if draft.type == "campus.incident.opened"]
        resolved = [draft for draft in self.box.told if draft.type == "campus.incident.resolved"]
        assert len(opened) - len(resolved) == len(house.incidents)


TestIncidents = Incidents.TestCase
TestIncidents.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
