"""The part of decide() that is about pictures of cameras kept as evidence: asked for, there, failed, deleted.

The vision process takes them; the picture itself never goes through here. An alarm that is told again and again asks once in a while
only, so that a stuck button does not push the picture of its first press out of the storage.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gateway.contract.envelope import rfc3339
from gateway.core.commands import EvidenceOver, Photographed, Tick
from gateway.core.linkage import ACTUAL, EXERCISE, TEST, Moved, Picture
from gateway.core.points import Draft, EventClass, Priority
from gateway.runtime.decide_house import PICTURES, Turn

WAIT_S = 5.0
RESTARTED_S = 25.0  # after a restart the vision process may still have its model to load
AGAIN_S = 10.0  # of the same camera for the same alarm
NAMED_MOST = 50  # of the pictures that one deletion is about

_STATUS = {"drill": EXERCISE, "test": TEST}
_WORDS = {"ready": ("抓拍已留存", "snapshot kept"), "failed": ("抓拍失败", "snapshot failed")}
_OVER = {"age": ("保存期已满", "kept for its time"), "space": ("存储空间已满，先删最早的", "storage full, oldest first")}


def ask(turn: Turn, camera: str, moved: Moved | None = None, by: str = "") -> None:
    """A picture of this camera is wanted. moved: what the alarm did that it belongs to."""
    cause, now_s = ("" if moved is None else moved.event_id), turn.now.now_s
    before = [(picture.cause, picture.asked_s) for picture in turn.decision.snapshots if picture.camera == camera]
    last_cause, last_s = before[-1] if before else turn.house.pictured.get(camera, ("", -AGAIN_S))
    if cause and cause == last_cause and now_s - last_s < AGAIN_S:
        return
    status = ACTUAL if moved is None else _STATUS.get(moved.mode, ACTUAL)
    picture = Picture(turn.ids(turn.now.at_ms), camera, cause, status, by, now_s, now_s + WAIT_S)
    turn.decision.snapshots.append(picture)
    _await(turn, {**awaited(turn), picture.id: picture})


def follow(turn: Turn, stimulus: object) -> None:
    """A picture is there or not, its time is over, or old ones go."""
    if isinstance(stimulus, Photographed):
        picture = awaited(turn).get(stimulus.picture)
        if picture is not None:
            _done(turn, picture, stimulus)
    elif isinstance(stimulus, Tick) and stimulus.point == PICTURES:
        _time(turn)
    elif isinstance(stimulus, EvidenceOver):
        turn.decision.drafts.append(_over(turn, stimulus))


def awaited(turn: Turn) -> dict[str, Picture]:
    """All that are awaited, this decision included."""
    return turn.house.pictures if turn.decision.pictures is None else turn.decision.pictures


def _await(turn: Turn, pictures: dict[str, Picture]) -> None:
    if set(pictures) != set(awaited(turn)):
        turn.decision.lasting = True
    turn.decision.pictures = pictures
    due_s = [picture.until_s for picture in pictures.values() if picture.until_s > turn.now.now_s]
    if due_s:
        turn.decision.wake.append((min(due_s), PICTURES))


def _time(turn: Turn) -> None:
    """What is overdue has failed; what an earlier run asked for is asked for once more."""
    now_s = turn.now.now_s
    again = {p.id: replace(p, asked_s=now_s, until_s=now_s + RESTARTED_S) for p in awaited(turn).values() if not p.until_s}
    turn.decision.snapshots += again.values()
    _await(turn, awaited(turn) | again)
    for picture in [picture for picture in awaited(turn).values() if picture.until_s <= now_s]:
        _done(turn, picture, Photographed(picture.id, _why(turn, picture)))


def _why(turn: Turn, picture: Picture) -> str:
    reading = turn.reading(picture.camera)
    if reading is not None and reading.value is True:
        return f"camera blind: {reading.reason}"
    return f"the vision process gave no picture within {picture.until_s - picture.asked_s:.0f} s"


def _done(turn: Turn, picture: Picture, found: Photographed) -> None:
    _await(turn, {other.id: other for other in awaited(turn).values() if other.id != picture.id})
    now, word = turn.now, "failed" if found.failure else "ready"
    camera = turn.house.points.get(picture.camera)
    (zh, en), name = _WORDS[word], picture.camera
    data: dict[str, Any] = {
        "picture": picture.id,
        "camera": picture.camera,
        "place": "" if camera is None else camera.place,
        "cause": [picture.cause] if picture.cause else [],
        "incident": _incident(turn, picture.cause),
        "status": picture.status,
        "msgType": "Update",
        "text": {"zh": f"{zh}：{name}", "en": f"{en}: {name}"},
    }
    if picture.by:
        data["by"] = picture.by
    if found.failure:
        data["reason"] = found.failure[:200]
    else:
        at_ms = now.at_ms - round((now.now_s - found.captured_s) * 1000)
        data |= {"sha256": found.sha256, "bytes": found.size_bytes, "media_type": "image/jpeg", "at": rfc3339(at_ms)}
    turn.decision.drafts.append(_draft(turn, EventClass.ALARM, f"campus.evidence.{word}", picture.camera, Priority.ALARM_UPDATE, data))


def _incident(turn: Turn, cause: str) -> str | None:
    """The incident of the alarm that this event began."""
    known = {**turn.house.alarms, **turn.decision.alarms} if cause else {}
    return next((alarm.incident for alarm in known.values() if alarm.event_id == cause and alarm.incident), None)


def _over(turn: Turn, over: EvidenceOver) -> Draft:
    zh, en = _OVER[over.why]
    data: dict[str, Any] = {
        "pictures": list(over.pictures[:NAMED_MOST]),
        "count": len(over.pictures),
        "bytes": over.size_bytes,
        "why": over.why,
        "status": "System",
        "text": {"zh": f"删除抓拍 {len(over.pictures)} 张：{zh}", "en": f"{len(over.pictures)} snapshots deleted: {en}"},
    }
    return _draft(turn, EventClass.AUDIT, "campus.audit.evidence_deleted", "gateway", Priority.ROUTINE, data)


def _draft(turn: Turn, event_class: EventClass, kind: str, subject: str, priority: Priority, data: dict[str, Any]) -> Draft:
    now = turn.now
    return Draft(turn.ids(now.at_ms), event_class, kind, subject, priority, now.at_ms, now.now_s, now.clock, data)
