"""Pictures as evidence: asked for by linkage and by name, told when they are there, told when not, and not asked for without end."""

from __future__ import annotations

import pytest

from gateway.core.commands import EvidenceOver, Photographed
from gateway.core.linkage import LinkageSpec, OnAlarm, TakeSnapshot
from gateway.core.points import EventClass, Point, Priority
from gateway.core.reading import Reading
from tests.gateway.rules.chained import NAME, Chained, point

SHA = "ab" * 32
CAMERA = Point("camera", "camera_link", "gate", NAME, watched=True, system=True)
SPEC = LinkageSpec("picture", NAME, OnAlarm(frozenset({"button/alarm"})), (TakeSnapshot("camera"),), modes=frozenset({"normal", "drill"}))


def school() -> Chained:
    here = Chained((point("button"), CAMERA), [SPEC], frozenset({"camera"}))
    here.show("button", False)
    return here


def taken(here: Chained, picture: str) -> None:
    here.take(Photographed(picture, "", SHA, 1234, here.now().now_s - 0.25))


def test_a_picture_for_an_alarm() -> None:
    here = school()
    here.press("button")
    (alarm,), (wanted,) = here.said("alarm.activated"), here.wanted
    assert (wanted.camera, wanted.cause, wanted.status) == ("camera", alarm.id, "Actual")
    taken(here, wanted.id)
    (ready,) = here.said("evidence.ready")
    assert (ready.event_class, ready.priority, ready.subject) == (EventClass.ALARM, Priority.ALARM_UPDATE, "camera")
    assert ready.data["at"] == "2026-11-20T07:59:59.750Z"
    expected = {"picture": wanted.id, "sha256": SHA, "bytes": 1234, "cause": [alarm.id], "incident": alarm.data["incident"]}
    assert {name: ready.data[name] for name in expected} == expected
    here.wait(100)
    assert here.said("evidence.failed") == []
    taken(here, wanted.id)
    assert len(here.said("evidence.ready")) == 1, "told once"


@pytest.mark.parametrize(
    ("blind", "reason"), [(False, "the vision process gave no picture within 5 s"), (True, "camera blind: no picture for 5 s")]
)
def test_none_within_five_seconds(blind: bool, reason: str) -> None:
    here = school()
    here.take(Reading("camera", blind, reason="no picture for 5 s" if blind else "", now_s=here.now().now_s))
    here.press("button")
    here.wait(4.9)
    assert here.said("evidence.failed") == []
    here.wait(0.2)
    (failed,) = here.said("evidence.failed")
    assert failed.data["reason"] == reason
    taken(here, here.wanted[0].id)
    assert here.said("evidence.ready") == [], "what came too late is not told twice"


def test_what_vision_could_not_store_is_told_at_once() -> None:
    here = school()
    here.press("button")
    here.take(Photographed(here.wanted[0].id, "the picture cannot be stored: No space left on device"))
    assert here.said("evidence.failed")[0].data["reason"] == "the picture cannot be stored: No space left on device"
    here.wait(10)
    assert len(here.said("evidence.failed")) == 1


def test_a_stuck_button_asks_once_in_ten_seconds() -> None:
    here = school()
    for _ in range(60):
        here.press("button")
        here.wait(0.5)
    assert len(here.said("alarm.repeated")) == 59
    assert len(here.wanted) == 3
    here.do("take_snapshot", "camera")
    here.do("take_snapshot", "camera")
    assert len(here.wanted) == 5, "a person gets every picture"


def test_asked_for_by_name() -> None:
    here = school()
    decision = here.do("take_snapshot", "camera", by="张卫国", role="guard")
    assert decision.ok
    taken(here, here.wanted[0].id)
    (ready,) = here.said("evidence.ready")
    assert (ready.data["by"], ready.data["cause"], ready.data["incident"]) == ("张卫国", [], None)
    assert "is not a camera; known: camera" in here.do("take_snapshot", "yard").reply


def test_a_command_that_moves_an_alarm_keeps_its_reply() -> None:
    here = school()
    here.specs = [
        LinkageSpec("picture", NAME, OnAlarm(frozenset({"button/alarm"}), frozenset({"acknowledged"})), (TakeSnapshot("camera"),))
    ]
    here.restart()
    here.press("button")
    assert here.do("acknowledge", "button").reply == "acknowledge done: button"
    assert len(here.wanted) == 1


def test_after_a_restart_it_is_asked_for_once_more() -> None:
    here = school()
    here.press("button")
    (wanted,) = here.wanted
    here.restart(off_s=60)
    again = here.wanted[1]
    assert (again.id, again.camera, again.cause) == (wanted.id, wanted.camera, wanted.cause)
    here.wait(24)
    assert here.said("evidence.failed") == []
    taken(here, again.id)
    assert len(here.said("evidence.ready")) == 1
    here.restart()
    assert len(here.wanted) == 2, "what is answered is not asked for again"


def test_a_deletion_is_put_on_record() -> None:
    here = school()
    here.take(EvidenceOver(tuple(f"p{i}" for i in range(60)), 6_000_000, "age"))
    (over,) = here.said("audit.evidence_deleted")
    assert (over.event_class, over.data["count"], over.data["bytes"], over.data["why"]) == (EventClass.AUDIT, 60, 6_000_000, "age")
    assert len(over.data["pictures"]) == 50  # type: ignore[arg-type]
