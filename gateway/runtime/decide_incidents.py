"""The part of decide() that puts related alarms into incidents and says how far each has come."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gateway.contract.envelope import rfc3339
from gateway.core.commands import Delivered, Tick
from gateway.core.deadline import Deadline
from gateway.core.points import AlarmSpec, Draft, EventClass, Point, Priority
from gateway.rules import incidents
from gateway.rules.incidents import Incident
from gateway.rules.modes import MAINTENANCE, tag_mode
from gateway.runtime.decide_house import Turn

_WORDS = {
    "opened": ("事件发现", "incident opened"),
    "reported": ("事件已报告", "incident reported"),
    "controlled": ("事件已控制", "incident controlled"),
    "resolved": ("事件已解决", "incident resolved"),
}
_MINOR = "Minor"  # joins an incident, but opens none


def join(turn: Turn, point: Point, spec: AlarmSpec, status: str, event_id: str, mode: str = "") -> str:
    """The incident that an alarm belongs to which has just begun; '' where it is none. What opens one is said after the alarm.

    status: CAP status of the alarm. mode: the run in which it began; work on a point is no incident.
    """
    rules = turn.house.incident_rules
    if rules is None or spec.event_class is not EventClass.ALARM or tag_mode(mode) == MAINTENANCE:
        return ""
    found = incidents.home(open_ones(turn), rules, point.place, spec.key, status, turn.now)
    if found is None and spec.severity == _MINOR:
        return ""
    is_new = found is None
    if found is None:
        found = Incident(turn.ids(turn.now.at_ms), point.place, status, spec.text, joins=Deadline(0.0), detected_ms=turn.now.at_ms)
    found = found.with_alarm(spec.key, event_id, turn.now, rules.window_s)
    turn.decision.incidents[found.id] = found
    if is_new:
        turn.decision.opened.append(found.id)
    return found.id


def follow(turn: Turn, stimulus: object) -> None:
    """Say which incidents this decision opened, and which are reported, controlled or resolved by it."""
    for incident_id in turn.decision.opened:
        incident = turn.decision.incidents[incident_id]
        assert incident is not None
        _say(turn, incident, "opened", incident.events[0])
    if isinstance(stimulus, Delivered) and stimulus.step == "received":
        _reported(turn, stimulus)
    touched = {moved.key for moved in turn.decision.moves}
    at_start = isinstance(stimulus, Tick)  # the site file may have lost the alarms of one
    for incident in open_ones(turn) if touched or at_start else ():
        if at_start or touched.intersection(incident.alarms):
            _progress(turn, incident)
    if turn.decision.incidents:
        turn.decision.all_incidents = {incident.id: incident.row() for incident in reversed(open_ones(turn))}
        turn.decision.lasting = True


def open_ones(turn: Turn) -> list[Incident]:
    """All that are not resolved, this decision included; the newest first."""
    known: dict[str, Incident | None] = {**turn.house.incidents, **turn.decision.incidents}
    return [incident for incident in reversed(list(known.values())) if incident is not None]


def _progress(turn: Turn, incident: Incident) -> None:
    def state(key: str) -> str:
        return str(turn.live_state(key))

    if not incident.controlled_ms and incidents.is_controlled(incident, state):
        incident = replace(incident, controlled_ms=turn.now.at_ms)
        turn.decision.incidents[incident.id] = incident
        _say(turn, incident, "controlled", incident.events[-1])
    if incident.controlled_ms and incidents.is_resolved(incident, state):
        turn.decision.incidents[incident.id] = None
        _say(turn, incident, "resolved", incident.events[-1])


def _reported(turn: Turn, news: Delivered) -> None:
    for incident in open_ones(turn):
        if news.event_id in incident.events and not incident.reported_ms:
            incident = replace(incident, reported_ms=turn.now.at_ms)
            turn.decision.incidents[incident.id] = incident
            _say(turn, incident, "reported", news.event_id, {"to": news.by})


def _say(turn: Turn, incident: Incident, word: str, cause: str, extra: dict[str, Any] | None = None) -> None:
    now, (zh, en) = turn.now, _WORDS[word]
    times = {
        "detected": incident.detected_ms,
        "reported": incident.reported_ms,
        "controlled": incident.controlled_ms,
        "resolved": now.at_ms if word == "resolved" else 0,
    }
    data: dict[str, Any] = {
        "incident": incident.id,
        "place": incident.place,
        "alarms": list(incident.alarms),
        "times": {name: rfc3339(at_ms) for name, at_ms in times.items() if at_ms},
        "cause": [cause],
        "status": incident.status,
        "msgType": "Alert" if word == "opened" else "Update",
        "text": {"zh": f"{zh}：{incident.text.zh}", "en": f"{en}: {incident.text.en}"},
    } | (extra or {})
    subject = incident.alarms[0].partition("/")[0]
    turn.decision.drafts.append(
        Draft(
            id=turn.ids(now.at_ms),
            event_class=EventClass.ALARM,
            type=f"campus.incident.{word}",
            subject=subject,
            priority=Priority.ALARM_UPDATE,
            at_ms=now.at_ms,
            now_s=now.now_s,
            clock=now.clock,
            data=data,
        )
    )
