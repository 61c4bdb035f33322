"""The part of decide() that is about pictures and clips kept as evidence: asked for, there, failed, deleted, read.

The vision process takes them; the pictures themselves never go through here. An alarm that is told again and again asks once in a while
only, so that a stuck button does not push the picture of its first press out of the storage. Alarms that come while a clip is still
running belong to it and make it longer, up to a limit; then the next clip begins where it ends, so that a storm is filmed once.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gateway.contract.envelope import rfc3339
from gateway.core.cameras import BLIND
from gateway.core.commands import EvidenceOver, EvidenceRead, Photographed, Tick
from gateway.core.linkage import ACTUAL, CLIP, EXERCISE, STILL, TEST, Moved, Picture
from gateway.core.points import Draft, EventClass, Priority
from gateway.runtime.decide_house import CLIP_AGAIN_S, PICTURES, Turn

WAIT_S = 5.0
CLIP_WAIT_S = 120.0  # after its end: several cameras, coded again at the lowest priority on a small board
RESTARTED_S = 25.0  # after a restart the vision process may still have its model to load
AGAIN_S = 10.0  # a still of the same camera for the same alarm
LONGER_S = 15.0  # a clip may grow by so much for alarms that come while it runs
CAUSES_MOST = 20  # that one clip names
NAMED_MOST = 50  # of the pictures that one deletion is about

_STATUS = {"drill": EXERCISE, "test": TEST}
_WORDS = {
    (STILL, "ready"): ("抓拍已留存", "snapshot kept"),
    (STILL, "failed"): ("抓拍失败", "snapshot failed"),
    (CLIP, "ready"): ("录像片段已留存", "clip kept"),
    (CLIP, "failed"): ("录像片段留存失败", "clip failed"),
}
_NAMES = {STILL: ("抓拍", "张", "snapshots"), CLIP: ("录像片段", "段", "clips")}
_ONE = {STILL: ("抓拍", "snapshot"), CLIP: ("录像片段", "clip")}
_OVER = {"age": ("保存期已满", "kept for its time"), "space": ("存储空间已满，先删最早的", "storage full, oldest first")}


def ask(turn: Turn, camera: str, moved: Moved | None = None, by: str = "") -> None:
    """A picture of this camera is wanted, and a clip where an alarm wants it. moved: what the alarm did that it belongs to."""
    _ask_still(turn, camera, moved, by)
    if moved is not None and moved.event_id:
        _ask_clip(turn, camera, moved.event_id, _STATUS.get(moved.mode, ACTUAL))


def witness(turn: Turn) -> None:
    """An alarm of what a camera sees, or of somebody at the camera, is kept by that camera; its faults are not: there is nothing to see."""
    for moved in turn.decision.moves:
        camera = turn.house.keeping.eyes.get(moved.point)
        point = turn.house.points.get(moved.point)
        if camera is None or point is None or moved.word != "activated":
            continue
        if any(spec.key == moved.key and spec.event_class is EventClass.ALARM for spec in point.alarms):
            ask(turn, camera, moved)


def _ask_still(turn: Turn, camera: str, moved: Moved | None, by: str) -> None:
    cause, now_s = ("" if moved is None else moved.event_id), turn.now.now_s
    before = [(each.cause, each.asked_s) for each in turn.decision.snapshots if each.camera == camera and each.kind == STILL]
    last_cause, last_s = before[-1] if before else turn.house.pictured.get(camera, ("", -AGAIN_S))
    if cause and cause == last_cause and now_s - last_s < AGAIN_S:
        return
    status = ACTUAL if moved is None else _STATUS.get(moved.mode, ACTUAL)
    picture = Picture(turn.ids(turn.now.at_ms), camera, cause, status, by, now_s, now_s + WAIT_S)
    turn.decision.snapshots.append(picture)
    _await(turn, {**awaited(turn), picture.id: picture})


def _ask_clip(turn: Turn, camera: str, cause: str, status: str) -> None:
    """The seconds around now. What runs already is made longer."""
    keeping, now = turn.house.keeping, turn.now
    if not keeping.before_s and not keeping.after_s:
        return
    from_s, to_s = now.now_s - keeping.before_s, now.now_s + keeping.after_s
    alike = [each for each in awaited(turn).values() if (each.kind, each.camera, each.status) == (CLIP, camera, status) and each.until_s]
    running = max(alike, key=lambda each: each.to_s, default=None)
    if running is not None and now.now_s <= running.to_s:
        if to_s <= running.from_s + keeping.before_s + keeping.after_s + LONGER_S:
            _join(turn, running, cause, to_s)
            return
        from_s = max(from_s, running.to_s)
    if now.now_s - turn.house.clipped.get((camera, cause), -CLIP_AGAIN_S) < CLIP_AGAIN_S:
        return
    from_ms = now.at_ms - round((now.now_s - from_s) * 1000)
    clip = Picture(
        turn.ids(now.at_ms), camera, cause, status, "", now.now_s, to_s + CLIP_WAIT_S, CLIP, from_s=from_s, to_s=to_s, from_ms=from_ms
    )
    turn.decision.snapshots.append(clip)
    _await(turn, {**awaited(turn), clip.id: clip})


def _join(turn: Turn, clip: Picture, cause: str, to_s: float) -> None:
    more = clip.more if cause in clip.causes or len(clip.causes) >= CAUSES_MOST else (*clip.more, cause)
    _await(turn, {**awaited(turn), clip.id: replace(clip, more=more, to_s=to_s, until_s=to_s + CLIP_WAIT_S)})


def follow(turn: Turn, stimulus: object) -> None:
    """A picture is there or not, its time is over, old ones go, or somebody reads one."""
    if isinstance(stimulus, Photographed):
        picture = awaited(turn).get(stimulus.picture)
        if picture is not None:
            _done(turn, picture, stimulus)
    elif isinstance(stimulus, Tick) and stimulus.point == PICTURES:
        _time(turn)
    elif isinstance(stimulus, EvidenceOver):
        turn.decision.drafts.append(_over(turn, stimulus))
    elif isinstance(stimulus, EvidenceRead):
        turn.decision.drafts.append(_read(turn, stimulus))


def awaited(turn: Turn) -> dict[str, Picture]:
    """All that are awaited, this decision included."""
    return turn.house.pictures if turn.decision.pictures is None else turn.decision.pictures


def _await(turn: Turn, pictures: dict[str, Picture]) -> None:
    before = awaited(turn)
    if set(pictures) != set(before) or any(picture.row() != before[name].row() for name, picture in pictures.items()):
        turn.decision.lasting = True
    turn.decision.pictures = pictures
    due_s = [picture.until_s for picture in pictures.values() if picture.until_s > turn.now.now_s]
    if due_s:
        turn.decision.wake.append((min(due_s), PICTURES))


def _time(turn: Turn) -> None:
    """What is overdue has failed; what an earlier run asked for is asked for once more."""
    now_s = turn.now.now_s
    again = {picture.id: _asked_again(turn, picture) for picture in awaited(turn).values() if not picture.until_s}
    turn.decision.snapshots += [picture for picture in again.values() if picture.until_s > now_s]
    _await(turn, awaited(turn) | again)
    for picture in [picture for picture in awaited(turn).values() if picture.until_s <= now_s]:
        _done(turn, picture, Photographed(picture.id, _why(turn, picture)))


def _asked_again(turn: Turn, picture: Picture) -> Picture:
    """Of an earlier run. A clip's time is found by the clock; where that cannot be believed there is none."""
    now, until_s = turn.now, turn.now.now_s + RESTARTED_S
    if picture.kind == STILL:
        return replace(picture, asked_s=now.now_s, until_s=until_s)
    from_s = now.now_s - (now.at_ms - picture.from_ms) / 1000
    to_s = from_s + (picture.to_s - picture.from_s)
    if now.clock == "unknown" or from_s > now.now_s or to_s < 0:
        return replace(picture, from_s=0.0, to_s=0.0, asked_s=now.now_s, until_s=now.now_s)
    return replace(picture, from_s=from_s, to_s=to_s, asked_s=now.now_s, until_s=max(until_s, to_s + CLIP_WAIT_S))


def _why(turn: Turn, picture: Picture) -> str:
    if picture.kind == CLIP:
        if picture.until_s <= picture.asked_s:
            return "the gateway was restarted and does not know the time of this clip any more"
        return f"the vision process gave no clip within {CLIP_WAIT_S:.0f} s of its end"
    reading = turn.reading(picture.camera)
    if reading is not None and reading.value in BLIND:
        return f"camera blind: {reading.reason}"
    return f"the vision process gave no picture within {picture.until_s - picture.asked_s:.0f} s"


def _done(turn: Turn, picture: Picture, found: Photographed) -> None:
    _await(turn, {other.id: other for other in awaited(turn).values() if other.id != picture.id})
    word = "failed" if found.failure else "ready"
    camera = turn.house.points.get(picture.camera)
    (zh, en), name = _WORDS[picture.kind, word], picture.camera
    data: dict[str, Any] = {
        "picture": picture.id,
        "kind": picture.kind,
        "camera": picture.camera,
        "place": "" if camera is None else camera.place,
        "cause": picture.causes,
        "incident": _incident(turn, picture.cause),
        "status": picture.status,
        "msgType": "Update",
        "text": {"zh": f"{zh}：{name}", "en": f"{en}: {name}"},
    }
    if picture.by:
        data["by"] = picture.by
    data |= _recorded(turn, picture)
    if found.failure:
        data["reason"] = found.failure[:200]
    else:
        data |= _kept(turn, picture, found)
    turn.decision.drafts.append(_draft(turn, EventClass.ALARM, f"campus.evidence.{word}", picture.camera, Priority.ALARM_UPDATE, data))


def _kept(turn: Turn, picture: Picture, found: Photographed) -> dict[str, Any]:
    """What is told of a file."""
    data: dict[str, Any] = {
        "sha256": found.sha256,
        "bytes": found.size_bytes,
        "media_type": "video/mp4" if picture.kind == CLIP else "image/jpeg",
        "at": _utc(turn, found.captured_s),
        "kept_h": turn.house.keeping.hours,
    }
    if found.file_sha256:
        data |= {"encrypted": True, "file_sha256": found.file_sha256, "file_bytes": found.file_bytes}
    if picture.kind == CLIP:
        data |= {"from": data["at"], "to": _utc(turn, found.ends_s)}
    if found.outgoing_sha256:
        data["outgoing_sha256"] = found.outgoing_sha256
    elif found.unsent:
        data["outgoing_failure"] = found.unsent[:200]
    return data


def _recorded(turn: Turn, picture: Picture) -> dict[str, Any]:
    """Where the main stream of that time is recorded; told also where we have nothing ourselves."""
    recorder = turn.house.keeping.recorders.get(picture.camera)
    if recorder is None:
        return {}
    if picture.kind == CLIP and picture.to_s:
        from_s, to_s = picture.from_s, picture.to_s
    else:
        from_s, to_s = picture.asked_s - turn.house.keeping.before_s, picture.asked_s + turn.house.keeping.after_s
    device, channel = recorder
    return {"recorder": {"device": device, "channel": channel, "from": _utc(turn, from_s), "to": _utc(turn, to_s)}}


def _utc(turn: Turn, at_s: float) -> str:
    return rfc3339(turn.now.at_ms - round((turn.now.now_s - at_s) * 1000))


def _incident(turn: Turn, cause: str) -> str | None:
    """The incident of the alarm that this event began."""
    known = {**turn.house.alarms, **turn.decision.alarms} if cause else {}
    return next((alarm.incident for alarm in known.values() if alarm.event_id == cause and alarm.incident), None)


def _over(turn: Turn, over: EvidenceOver) -> Draft:
    zh, en = _OVER[over.why]
    name_zh, unit_zh, name_en = _NAMES[over.kind]
    data: dict[str, Any] = {
        "pictures": list(over.pictures[:NAMED_MOST]),
        "kind": over.kind,
        "count": len(over.pictures),
        "bytes": over.size_bytes,
        "why": over.why,
        "status": "System",
        "text": {"zh": f"删除{name_zh} {len(over.pictures)} {unit_zh}：{zh}", "en": f"{len(over.pictures)} {name_en} deleted: {en}"},
    }
    return _draft(turn, EventClass.AUDIT, "campus.audit.evidence_deleted", "gateway", Priority.ROUTINE, data)


def _read(turn: Turn, read: EvidenceRead) -> Draft:
    zh, en = _ONE[read.kind]
    data: dict[str, Any] = {
        "picture": read.picture,
        "kind": read.kind,
        "camera": read.camera,
        "by": read.by,
        "why": read.why,
        "user": read.user,
        "status": "System",
        "text": {"zh": f"{read.by} 调取{zh}（{read.camera}）：{read.why}", "en": f"{read.by} reads a {en} of {read.camera}: {read.why}"},
    }
    return _draft(turn, EventClass.AUDIT, "campus.audit.evidence_read", read.camera, Priority.ROUTINE, data)


def _draft(turn: Turn, event_class: EventClass, kind: str, subject: str, priority: Priority, data: dict[str, Any]) -> Draft:
    now = turn.now
    return Draft(turn.ids(now.at_ms), event_class, kind, subject, priority, now.at_ms, now.now_s, now.clock, data)
