"""Pictures as evidence: asked for by linkage and by name, told when they are there, told when not, and not asked for without end."""

from __future__ import annotations

import itertools

import pytest

from gateway.core.commands import Delivered, EvidenceOver, EvidenceRead, Photographed
from gateway.core.linkage import CLIP, LinkageSpec, OnAlarm, Picture, TakeSnapshot
from gateway.core.points import EventClass, Point, Priority
from gateway.core.reading import Reading
from gateway.runtime.decide_house import Keeping
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
    here.take(Reading("camera", "no_frames" if blind else "sees", reason="no picture for 5 s" if blind else "", now_s=here.now().now_s))
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


RECORDER = ("34020000001180000001", "34020000001310000001")
FILMED = frozenset({f"button{i}" for i in ("", *range(30))})


def filmed(**changes: float) -> Chained:
    """A school that keeps clips, with as many buttons as a storm needs."""
    alarms = frozenset(f"{name}/alarm" for name in FILMED)
    spec = LinkageSpec("picture", NAME, OnAlarm(alarms), (TakeSnapshot("camera"),), modes=frozenset({"normal", "drill"}))
    here = Chained((*(point(name) for name in sorted(FILMED)), CAMERA), [spec], frozenset({"camera"}))
    keeps(here, **changes)
    for name in FILMED:
        here.show(name, False)
    return here


def keeps(here: Chained, **changes: float) -> None:
    here.house.keeping = Keeping(**({"before_s": 30.0, "after_s": 15.0} | changes), recorders={"camera": RECORDER})


def clips(here: Chained) -> list[Picture]:
    """As they are awaited now."""
    return [picture for picture in here.house.pictures.values() if picture.kind == CLIP]


def test_a_clip_around_an_alarm() -> None:
    here = filmed()
    now_s = here.now().now_s
    here.press("button")
    (still, clip), (alarm,) = here.wanted, here.said("alarm.activated")
    assert (still.kind, clip.kind, clip.causes) == ("still", "clip", [alarm.id])
    assert (clip.from_s, clip.to_s, clip.until_s) == (now_s - 30, now_s + 15, now_s + 135)
    here.wait(16)
    here.take(Photographed(clip.id, "", SHA, 900_000, now_s - 31, now_s + 14.9, "cd" * 32, 900_500))
    (ready,) = here.said("evidence.ready")
    expected = {
        "picture": clip.id,
        "kind": "clip",
        "media_type": "video/mp4",
        "cause": [alarm.id],
        "incident": alarm.data["incident"],
        "at": "2026-11-20T07:59:29.000Z",
        "from": "2026-11-20T07:59:29.000Z",
        "to": "2026-11-20T08:00:14.900Z",
        "sha256": SHA,
        "bytes": 900_000,
        "encrypted": True,
        "file_sha256": "cd" * 32,
        "file_bytes": 900_500,
        "kept_h": 72.0,
        "recorder": {
            "device": RECORDER[0],
            "channel": RECORDER[1],
            "from": "2026-11-20T07:59:30.000Z",
            "to": "2026-11-20T08:00:15.000Z",
        },
    }
    assert {name: ready.data.get(name) for name in expected} == expected
    here.wait(200)
    assert len(here.said("evidence.failed")) == 1, "the still, which nobody took"


def test_no_clip_without_an_alarm_or_where_the_site_wants_none() -> None:
    here = filmed()
    here.do("take_snapshot", "camera")
    assert clips(here) == []
    here = filmed(before_s=0.0, after_s=0.0)
    here.press("button")
    assert [picture.kind for picture in here.wanted] == ["still"]


def test_alarms_that_come_while_it_runs_belong_to_it() -> None:
    here = filmed()
    began_s = here.now().now_s
    here.press("button")
    here.wait(10)
    here.press("button1")
    (clip,) = clips(here)
    assert clip.causes == [alarm.id for alarm in here.said("alarm.activated")]
    assert (clip.from_s, clip.to_s) == (began_s - 30, began_s + 25)
    assert clip.until_s == began_s + 145


def test_a_storm_is_filmed_once() -> None:
    here = filmed()
    began_s = here.now().now_s
    for i in range(30):
        here.press(f"button{i}")
        here.wait(3)
    here.wait(20)
    made = sorted(clips(here), key=lambda clip: clip.from_s)
    assert all(earlier.to_s == later.from_s for earlier, later in itertools.pairwise(made)), "no second is kept twice, none is lost"
    assert all(clip.to_s - clip.from_s <= 60 for clip in made)
    assert made[0].from_s == began_s - 30
    assert made[-1].to_s == began_s + 29 * 3 + 15
    told = {cause for clip in made for cause in clip.causes}
    assert told == {alarm.id for alarm in here.said("alarm.activated")}, "each alarm has its clip"


def test_a_stuck_button_is_filmed_for_a_while_and_again_after_five_minutes() -> None:
    here = filmed()
    for _ in range(400):
        here.press("button")
        here.wait(1)
    asked = [picture for picture in here.wanted if picture.kind == CLIP]
    assert len(asked) == 2
    assert asked[1].asked_s - asked[0].asked_s >= 300


def test_a_clip_that_never_comes_has_failed_and_the_recorder_is_named() -> None:
    here = filmed()
    here.press("button")
    here.wait(134)
    assert [failed.data["kind"] for failed in here.said("evidence.failed")] == ["still"]
    here.wait(2)
    failed = here.said("evidence.failed")[-1]
    assert failed.data["reason"] == "the vision process gave no clip within 120 s of its end"
    assert failed.data["recorder"]["device"] == RECORDER[0]  # type: ignore[index]
    assert clips(here) == []


def test_after_a_restart_the_time_of_a_clip_is_found_by_the_clock() -> None:
    here = filmed()
    began_s = here.now_s
    here.press("button")
    here.wait(5)
    here.press("button1")
    here.restart(off_s=20)
    (again,) = (picture for picture in here.wanted[-2:] if picture.kind == CLIP)
    assert again.causes == [alarm.id for alarm in here.said("alarm.activated")]
    ran_s = here.now().now_s - here.now_s
    assert (again.from_s, again.to_s) == (began_s - 30 + ran_s, began_s + 20 + ran_s)
    assert again.until_s == here.now().now_s + 115


def test_without_a_clock_the_time_of_a_clip_is_lost_with_a_restart() -> None:
    here = filmed()
    here.press("button")
    here.clock = "unknown"
    here.restart()
    reasons = [failed.data["reason"] for failed in here.said("evidence.failed")]
    assert reasons == ["the gateway was restarted and does not know the time of this clip any more"]


def test_a_drill_never_shares_a_clip_with_an_alarm() -> None:
    here = filmed()
    assert here.do("start_drill", "fire", points=("button",), for_s=600.0, value="0").ok
    here.take(Delivered(here.said("mode.drill_announced")[0].id, "broker_acked"))
    here.wait(1)
    here.press("button")
    here.press("button1")
    assert sorted((clip.status, len(clip.causes)) for clip in clips(here)) == [("Actual", 1), ("Exercise", 1)]


def test_a_reading_is_put_on_record() -> None:
    here = school()
    here.take(EvidenceRead("p1", "camera", "clip", "王建国", "民警调取", "root"))
    (read,) = here.said("audit.evidence_read")
    assert (read.event_class, read.subject) == (EventClass.AUDIT, "camera")
    assert {name: read.data[name] for name in ("picture", "kind", "by", "why", "user")} == {
        "picture": "p1", "kind": "clip", "by": "王建国", "why": "民警调取", "user": "root",
    }  # fmt: skip
    assert read.data["text"] == {
        "zh": "王建国 调取录像片段（camera）：民警调取",
        "en": "王建国 reads a clip of camera: 民警调取",
    }


def test_a_still_names_its_recorder_and_the_copy_that_leaves() -> None:
    here = filmed()
    here.do("take_snapshot", "camera", by="张卫国")
    (still,) = here.wanted
    here.take(Photographed(still.id, "", SHA, 10, here.now().now_s, 0.0, "cd" * 32, 20, "ef" * 32))
    (ready,) = here.said("evidence.ready")
    assert ready.data["outgoing_sha256"] == "ef" * 32
    assert "outgoing_failure" not in ready.data
    assert ready.data["recorder"]["from"] == "2026-11-20T07:59:30.000Z"  # type: ignore[index]


def test_what_a_camera_sees_is_kept_by_it_without_a_linkage() -> None:
    here = Chained((point("person"), point("button"), CAMERA), [], frozenset({"camera"}))
    here.house.keeping = Keeping(before_s=30.0, after_s=15.0, eyes={"person": "camera", "camera": "camera"})
    for name in ("person", "button"):
        here.show(name, False)
    here.press("button")
    assert here.wanted == [], "nobody sees that one"
    here.show("person", True)
    assert [(each.camera, each.kind) for each in here.wanted] == [("camera", "still"), ("camera", CLIP)]
    assert {each.cause for each in here.wanted} == {here.said("alarm.activated")[-1].id}


def test_a_copy_that_may_leave_and_does_not_says_why() -> None:
    here = filmed()
    here.do("take_snapshot", "camera", by="张卫国")
    (still,) = here.wanted
    here.take(Photographed(still.id, "", SHA, 10, here.now().now_s, unsent="where the heads are is not known"))
    (ready,) = here.said("evidence.ready")
    assert ready.data["outgoing_failure"] == "where the heads are is not known"
    assert "outgoing_sha256" not in ready.data
