"""`data` of every kind of event, and the types that each kind has.

A new type is entered here, else the tests that play scenarios and the real daemon refuse it. What is added to a known kind is optional:
an older gateway does not send it.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.contract.schema import (
    BOTH,
    CAUSE,
    CERTAINTY,
    CLASSES,
    EPOCH,
    EVENT_ID,
    EXTERNAL,
    INCIDENT,
    MODE,
    MSG_TYPE,
    PERSON,
    PLACE,
    POINT,
    QUALITY,
    SEQUENCE,
    SEVERITY,
    SHA256,
    STATUS,
    TIME,
    URGENCY,
    VALUE,
    Schema,
    Words,
    array,
    described,
    free,
    known,
    mapping,
    maybe,
    number,
    one_of,
    record,
    text,
)
from gateway.core.hazards import HAZARD_STATES, HAZARD_STEPS, SOURCES

ALARMING = ("alarm", "fault", "duty")  # classes of events whose alarms have states
ONE_ALARM = text("`point/alarm`", r"[a-z0-9-]+/[a-z0-9_-]+")
SECONDS = number("seconds", 0)
DAMAGED = {"type": "boolean", "description": "a value that JSON cannot hold is told as text"}


@dataclass(frozen=True, slots=True)
class Kind:
    """Events that say the same members and travel in the same classes.

    name: of the schema of their data, which several kinds may share. message: their name in the AsyncAPI document. reserved: promised by
    version 1, not sent by this gateway yet.
    """

    name: str
    about: str
    classes: tuple[str, ...]
    types: tuple[str, ...]
    data: Schema
    reserved: bool = False
    part: str = ""

    @property
    def message(self) -> str:
        own = self.name.removeprefix("data-")
        return f"event-{own}-{self.part}" if self.part else f"event-{own}"


def kinds(words: Words) -> tuple[Kind, ...]:
    """Every kind of event."""
    return (*_alarms(words), *_changes(words), *_duties(), *_modes(words), *_evidence(), *_audit(words), *_log(words))


def _data(needed: dict[str, Schema], further: dict[str, Schema] | None = None) -> Schema:
    return record({**needed, "status": STATUS}, {**(further or {}), "damaged": DAMAGED})


def _mode(about: str) -> Schema:
    return record({"kind": MODE, "id": EVENT_ID}, about=about)


def _of_a_point(words: Words) -> tuple[dict[str, Schema], dict[str, Schema]]:
    needed = {
        "point": POINT,
        "role": known(words.roles, "what the point is"),
        "place": PLACE,
        "value": VALUE,
        "unit": text("UCUM; empty where the value has none"),
        "quality": QUALITY,
    }
    further = {
        "reason": text("why the value may not be believed, or what a rule has seen"),
        "responsible": text("the person whom the site file names"),
        "external": EXTERNAL,
        "mode": _mode("it belongs to this drill, test or maintenance"),
        "during": _mode("it is real, and happened in this drill or test"),
    }
    return needed, further


def told_of_alarms() -> list[Schema]:
    """What an alarm's event holds besides, by its type: who did it, or that it is set aside."""

    def of(words: tuple[str, ...], member: str) -> Schema:
        types = [f"campus.{name}.{word}" for name in ALARMING for word in words]
        return {
            "if": {"properties": {"type": {"enum": types}}, "required": ["type"]},
            "then": {"properties": {"data": {"required": [member]}}},
        }

    return [
        of(("acknowledged", "reset"), "by"),
        of(("shelved", "suppressed", "out_of_service"), "set_aside"),
    ]


def _set_aside(words: Words) -> Schema:
    state = one_of(words.alarm_states)
    needed = {"state": state, "live": described(state, "the state beneath"), "recorded": number("activations not announced", 0, whole=True)}
    signed = (("shelved", ["by", "why"]), ("out_of_service", ["by", "second", "why"]))
    by_state: list[Schema] = [
        {"if": {"properties": {"state": {"const": name}}, "required": ["state"]}, "then": {"required": members}} for name, members in signed
    ]
    further = {"by": PERSON, "second": PERSON, "why": text(), "until": TIME}
    return {**record(needed, further, "the alarm is shelved, suppressed or out of service"), "allOf": by_state}


def _evidence_frame() -> Schema:
    share = {"type": "number", "minimum": 0, "maximum": 1}
    box = {"type": "array", "items": share, "minItems": 4, "maxItems": 4}
    needed = {
        "at": described(TIME, "when the picture was taken"),
        "box": described(box, "left, top, right, bottom, as shares of the picture"),
    }
    return record(needed, {"score": described(share, "how sure the model is; none of a thing that stands")})


def _alarms(words: Words) -> tuple[Kind, ...]:
    needed, further = _of_a_point(words)
    alarm = {
        "alarm": text("name of the alarm at its point", "[a-z0-9_-]+"),
        "alarm_class": known(words.alarm_classes),
        "state": one_of(words.alarm_states, "ISA-18.2 state"),
    }
    told = {
        "previous_state": one_of(words.alarm_states),
        "priority": described({"type": "integer", "minimum": 1, "maximum": 4}, "1 is the highest"),
        "text": BOTH,
        "cause": CAUSE,
        "incident": INCIDENT,
        "msgType": MSG_TYPE,
        "urgency": URGENCY,
        "severity": SEVERITY,
        "certainty": CERTAINTY,
    }
    rest = {
        "by": PERSON,
        "set_aside": _set_aside(words),
        "out_of_service": {"type": "boolean", "description": "it is announced although it is out of service"},
        "detail": free("what a camera or a rule adds: counts, confidence"),
        "evidence_frames": array(_evidence_frame(), "of a camera: the last pictures that led to it, oldest first", most=5),
        "baseline": number("natural leakage that was taken off the value (mA)"),
        "count": number("of a press counter", 0, whole=True),
        "presses": number("presses that this one event tells", 1, whole=True),
        "held_back": number("times that were not told because the alarm chatters", 1, whole=True),
        "points": array(POINT, "of a duty that is about several"),
        "after": _mode("it stood when this drill, test or maintenance ended, and is real from now on"),
        "ended": text("why it is no longer set aside"),
    }
    moved, about = _data(needed | alarm | told, further | rest), {"alarm": "An alarm", "fault": "A fault", "duty": "A missed duty"}
    steps = tuple(
        Kind(
            "data-alarm",
            f"{about[name]} changes its state.",
            (name,),
            tuple(f"campus.{name}.{word}" for word in words.alarm_words),
            moved,
            part="" if name == "alarm" else name,
        )
        for name in ALARMING
    )
    recorded = Kind(
        "data-recorded",
        "What happened to an alarm that is set aside, and was not announced.",
        ("observation",),
        ("campus.observation.recorded",),
        _data(needed | alarm | told | {"recorded": one_of(("activated", "cleared"))}, further | rest),
    )
    return (*steps, recorded, *_escalated(alarm), _incident())


def _escalated(alarm: dict[str, Schema]) -> tuple[Kind, ...]:
    data = _data(
        {
            "point": POINT,
            "place": PLACE,
            **alarm,
            "severity": SEVERITY,
            "level": number("1: duty leader, 2: centre", 1, whole=True),
            "to_role": known(("duty_leader", "centre")),
            "to": array(text(), "names or recipients"),
            "after_s": SECONDS,
            "cause": CAUSE,
            "incident": INCIDENT,
            "msgType": MSG_TYPE,
            "text": BOTH,
        }
    )
    about = "Nobody has acknowledged it in time."
    return tuple(Kind("data-escalated", about, (name,), (f"campus.{name}.escalated",), data, part=name) for name in ("alarm", "duty"))


def _incident() -> Kind:
    times = record({"detected": TIME}, {"reported": TIME, "controlled": TIME, "resolved": TIME}, "how far the incident has come")
    needed = {
        "incident": EVENT_ID,
        "place": PLACE,
        "alarms": array(ONE_ALARM, least=1),
        "times": times,
        "cause": CAUSE,
        "msgType": MSG_TYPE,
        "text": BOTH,
    }
    types = tuple(f"campus.incident.{word}" for word in ("opened", "reported", "controlled", "resolved"))
    data = _data(needed, {"to": text("of reported: the recipient that has it")})
    return Kind("data-incident", "Related alarms, one id, four times.", ("alarm",), types, data)


def _changes(words: Words) -> tuple[Kind, ...]:
    needed, further = _of_a_point(words)
    data = _data(needed | {"previous_value": VALUE, "text": BOTH}, further)
    about = "An observed point shows something else."
    door = {
        "door": POINT,
        "role": one_of(("door",)),
        "place": PLACE,
        "means": known(("card", "request_to_exit", "controller")),
        "text": BOTH,
    }
    said = {"card": text("first characters of the card's hash"), "holder": text("where the site file lets names be told"), "reason": text()}
    passed = tuple(f"campus.access.{word}" for word in words.access_words)
    return (
        *(Kind("data-changed", about, (name,), (f"campus.{name}.changed",), data, part=name) for name in ("observation", "access")),
        Kind("data-access", "Somebody asked for a door to be opened.", ("access",), passed, _data(door, said)),
    )


def _duties() -> tuple[Kind, ...]:
    base = {"point": POINT, "place": PLACE, "text": BOTH}
    sign = {"means": known(("card", "button", "command", "camera")), "by": PERSON, "card": text("first characters of the card's hash")}
    visits = mapping(record({"at": maybe(TIME), "by": text()}), "checkpoint -> who was there", "[a-z0-9-]+")
    tour = {
        "round": number("of the day", 1, whole=True),
        "of": number("rounds a day", 1, whole=True),
        "begin": TIME,
        "end": TIME,
        "checkpoints": visits,
    }

    def duty(name: str, about: str, words: tuple[str, ...], needed: dict[str, Schema], further: dict[str, Schema] | None = None) -> Kind:
        return Kind(f"data-duty-{name}", about, ("duty",), tuple(f"campus.duty.{w}" for w in words), _data(base | needed, further))

    shift = {
        "by": PERSON,
        "from": text("who hands over"),
        "on_duty_before": text(),
        "open": free("what stands open: lists and their counts"),
    }
    return (
        duty("asked", "The duty room is asked for an answer (查岗).", ("asked",), {"within_s": SECONDS}),
        duty(
            "answered",
            "It has answered.",
            ("answered",),
            {"response_s": SECONDS, "in_time": {"type": "boolean"}, "means": sign["means"]},
            sign,
        ),
        duty(
            "post",
            "Guard post (护学岗): checked in, or seen.",
            ("checked_in", "on_post"),
            {"means": sign["means"]},
            sign | {"late_s": SECONDS},
        ),
        duty("unattended", "A guard post was empty when its window ended.", ("unattended",), {"unattended_s": SECONDS}),
        duty("round", "A patrol round is complete.", ("round_done",), tour),
        duty("missed", "A patrol round was missed.", ("round_missed",), tour | {"missing": array(text())}, {"reason": text()}),
        duty("shift", "Shift handover (交接班).", ("shift_opened",), shift, {"late_s": SECONDS}),
        *_inspections(base),
        _hazard(base),
        *_whistles(),
    )


def _inspections(base: dict[str, Schema]) -> tuple[Kind, ...]:
    """日排查、周巡查、月报告."""
    done = {
        "by": PERSON,
        "result": one_of(("ok", "problem")),
        "wrong": array(text(), "ids of the items that are not right"),
        "every": one_of(("day", "week", "month", "term")),
        "late": {"type": "boolean"},
    }
    found = {
        "note": text("what the person found"),
        "responsible": text("who puts a problem right"),
        "set_right_by": text("date, on the school's own wall", r"[0-9]{4}-[0-9]{2}-[0-9]{2}"),
        "drill": known(("tabletop",), "it is counted as this drill"),
    }
    late = {"responsible": text("who was to do it"), "reason": text()}
    return (
        Kind("data-inspection-done", "An inspection was done.", ("duty",), ("campus.inspection.done",), _data(base | done, found)),
        Kind(
            "data-inspection-overdue",
            "An inspection was not done by its time.",
            ("duty",),
            ("campus.inspection.overdue",),
            _data(base | {"due": TIME}, late),
        ),
    )


def _hazard(base: dict[str, Schema]) -> Kind:
    """隐患台账. Each event is one entry of the ledger."""
    day = text("date, on the school's own wall", r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
    entry = {
        "hazard": text("id", "hz-[0-9]+"),
        "number": number("of the hazard", 1, whole=True),
        "state": one_of(HAZARD_STATES, "after this step"),
        "source": known(SOURCES, "who or what found it"),
        "alarm": text("`point/alarm` of the fault that it stands for, or empty"),
        "zh": text("what is wrong"),
        "en": text("the same in English, as far as it is known"),
        "responsible": described(PERSON, "who sets it right"),
        "due": described(day, "by when"),
        "overdue": {"type": "boolean", "description": "it was not set right although its day was over"},
        "opened_at": TIME,
        "recurrences": number("how often it came again", 0, whole=True),
        "step": one_of(HAZARD_STEPS),
        "at": TIME,
        "by": PERSON,
        "why": text("what that person says of it"),
        "entry": number("of the ledger, over all hazards", 1, whole=True),
        "previous_entry": {**SHA256, "description": "of the canonical form of the data of the entry before; zeros for the first"},
    }
    rejected = {"type": "boolean", "description": "a second person has looked and it is not right"}
    extended = number("how often its day was put off", 0, whole=True)
    types = tuple(f"campus.hazard.{step}" for step in HAZARD_STEPS)
    data = _data(base | entry, {"rejected": rejected, "extended": extended})
    return Kind("data-hazard", "A hazard takes one step.", ("duty",), types, data)


def _whistles() -> tuple[Kind, ...]:
    """吹哨报到. Class alarm where an alarm blew it, so that it is sent again as often; the type is the same."""
    about = {
        "whistle": text("id of the rule", "[a-z0-9-]+"),
        "name": BOTH,
        "place": PLACE,
        "text": BOTH,
        "msgType": MSG_TYPE,
        "cause": CAUSE,
    }
    missing = array(text(), "who has not reported in")
    called = record({"name": text(), "kind": one_of(("recipient", "person")), "deadline_s": SECONDS})
    each = mapping(SECONDS, "who -> seconds until the report")

    def whistle(name: str, what: str, word: str, needed: dict[str, Schema], further: dict[str, Schema] | None = None) -> Kind:
        return Kind(f"data-{name}", what, ("duty", "alarm"), (f"campus.duty.{word}",), _data(about | needed, further))

    by = {"by": PERSON, "why": text(), "incident": INCIDENT, "point": POINT}
    return (
        whistle("whistle", "Addressees are called (吹哨).", "whistle", {"addressees": array(called, least=1)}, by),
        whistle(
            "whistle-reported",
            "One has reported in (报到).",
            "whistle_reported",
            {"who": text(), "seconds": SECONDS, "late": {"type": "boolean"}, "missing": missing},
        ),
        whistle("whistle-answered", "All have reported in.", "whistle_answered", {"seconds": each}),
        whistle(
            "whistle-overdue", "Some have not reported in by their deadline.", "whistle_overdue", {"who": array(text()), "missing": missing}
        ),
        whistle(
            "whistle-ended",
            "Ended before all have reported in.",
            "whistle_ended",
            {"by": text(), "why": text(), "missing": missing, "seconds": each},
        ),
    )


def _modes(words: Words) -> tuple[Kind, ...]:
    who = {"by": PERSON, "role": text(), "mode": _mode("the run"), "msgType": MSG_TYPE, "text": BOTH}
    drill = who | {"drill": known(words.drill_kinds), "points": array(POINT, least=1)}
    one = who | {"point": POINT}
    why = {"why": text()}
    until = {"for_s": SECONDS}
    ended = {"ended_by": PERSON, "ended": text()}

    def mode(name: str, about: str, words: tuple[str, ...], needed: dict[str, Schema], further: dict[str, Schema]) -> Kind:
        types = tuple(f"campus.mode.{word}" for word in words)
        return Kind(f"data-{name}", about, ("mode",), types, _data(needed, why | further))

    tried = {"alarm": ONE_ALARM, "pressed_at": TIME, "received_s": mapping(SECONDS, "recipient -> seconds from the press to its receipt")}
    return (
        mode(
            "drill-announced", "A drill will begin.", ("drill_announced",), drill | {"begins_at": TIME, "announce_s": SECONDS} | until, {}
        ),
        mode("drill-started", "A drill begins.", ("drill_started",), drill | until, {"until": TIME}),
        mode("drill-called-off", "An announced drill does not take place.", ("drill_called_off",), drill | {"reason": text()}, {}),
        mode("drill-ended", "A drill is over: its report.", ("drill_ended",), drill | _drill_report(), {}),
        mode("mode-started", "A walk test or maintenance begins.", ("test_started", "maintenance_started"), one | until, {"until": TIME}),
        mode("test-ended", "A walk test is over.", ("test_ended",), one | {"result": one_of(("passed", "failed"))}, tried | ended),
        mode("maintenance-ended", "Maintenance is over.", ("maintenance_ended",), one, ended),
    )


def _drill_report() -> dict[str, Schema]:
    some = maybe(SECONDS)
    alarm = {
        "alarm": ONE_ALARM,
        "name": free(),
        "pressed_at": TIME,
        "after_s": SECONDS,
        "broker_s": some,
        "received_s": mapping(SECONDS, "recipient -> seconds"),
        "acknowledged_s": some,
        "acknowledged_by": text(),
        "reset_s": some,
        "reset_by": text(),
    }
    counts = {name: number("", 0, whole=True) for name in ("listed", "pressed", "received", "acknowledged", "real")}
    return {
        "id": EVENT_ID,
        "name": BOTH,
        "opened_by": PERSON,
        "ended": text(),
        "announced_at": TIME,
        "started_at": TIME,
        "ended_at": TIME,
        "lasted_s": SECONDS,
        "window": text("of the school day; empty where the clock was unknown"),
        "night": {"type": "boolean"},
        "alarms": array(record(alarm)),
        "not_pressed": array(POINT),
        "persons": array(text()),
        "totals": record(counts | {"slowest_received_s": some, "slowest_acknowledged_s": some}),
    }


def _evidence() -> tuple[Kind, ...]:
    kind = known(("still", "clip"), "a picture or a clip; an older gateway has pictures only and does not say so")
    needed = {
        "picture": EVENT_ID,
        "camera": POINT,
        "place": PLACE,
        "cause": CAUSE,
        "incident": INCIDENT,
        "msgType": MSG_TYPE,
        "text": BOTH,
    }
    gb28181 = text("GB/T 28181 id", "[0-9]{20}")
    span = {"from": TIME, "to": TIME}
    recorder = record({"device": gb28181, "channel": gb28181, **span}, about="where the main stream of that time is recorded")
    further = {"kind": kind, "by": PERSON, "recorder": recorder}
    picture = {"sha256": described(SHA256, "of the JPEG or MP4"), "bytes": number("of it", 1, whole=True), "media_type": text(), "at": TIME}
    file = {
        **span,
        "encrypted": {"type": "boolean", "description": "the file at rest"},
        "file_sha256": described(SHA256, "of the file at rest"),
        "file_bytes": number("", 1, whole=True),
        "kept_h": number("hours until it is deleted", 0),
        "outgoing_sha256": described(SHA256, "of the picture that is sent under evidence/, where the site allows that"),
        "outgoing_failure": text("why no picture is sent although the site allows that"),
    }
    gone = {
        "pictures": array(EVENT_ID),
        "count": number("", 1, whole=True),
        "bytes": number("", 0, whole=True),
        "why": known(("age", "space")),
        "text": BOTH,
    }
    read = {"picture": EVENT_ID, "kind": kind, "camera": POINT, "by": PERSON, "why": text("the reason given"), "text": BOTH}
    user = {"user": text("login name on the gateway")}
    return (
        Kind(
            "data-evidence-ready",
            "A picture or clip is kept.",
            ("alarm",),
            ("campus.evidence.ready",),
            _data(needed | picture, further | file),
        ),
        Kind(
            "data-evidence-failed",
            "There is no picture or clip.",
            ("alarm",),
            ("campus.evidence.failed",),
            _data(needed | {"reason": text()}, further),
        ),
        Kind("data-evidence-deleted", "They were deleted.", ("audit",), ("campus.audit.evidence_deleted",), _data(gone, {"kind": kind})),
        Kind("data-evidence-read", "A person reads one in clear.", ("audit",), ("campus.audit.evidence_read",), _data(read, user)),
    )


def _audit(words: Words) -> tuple[Kind, ...]:
    who = {"by": text("person, recipient or rule"), "role": text(), "origin": known(("door", "page", "mqtt", "rule", "gateway"))}
    asked = who | {
        "command": known((*words.commands, ""), "empty where the message could not be read, or nobody known has signed it"),
        "target": text(),
        "result": one_of(("accepted", "refused")),
        "reason": text("why it was refused; empty"),
    }
    further = {
        "command_id": text("id of a centre's signed command"),
        "value": text(),
        "why": text(),
        "second": PERSON,
        "for_s": SECONDS,
        "points": array(text()),
    }
    switched = who | {
        "output": text("id of an output"),
        "kind": known((*words.output_kinds, ""), "empty where the site has no such output"),
        "place": PLACE,
        "command": one_of(("on", "off")),
        "result": one_of(words.output_results),
        "reason": text(),
        "text": BOTH,
    }
    types = tuple(f"campus.output.{word}" for word in words.output_results)
    stopping = {"reason": text(), "poweroff": {"type": "boolean"}, "text": BOTH}
    return (
        Kind("data-command", "A person asked for something.", ("audit",), ("campus.audit.command",), _data(asked, further)),
        Kind(
            "data-output",
            "How the switching of an output ended.",
            ("audit",),
            types,
            _data(switched, {"command_id": text(), "second": PERSON}),
        ),
        Kind("data-stopping", "The gateway stops because its power ends.", ("audit",), ("campus.gateway.stopping",), _data(stopping)),
    )


def _log(words: Words) -> tuple[Kind, ...]:
    """The journal about itself. What is reserved has only the members that version 1 promises."""
    states = one_of(("all", "some", "none"), "of the old file's states that could be carried over, where it was found damaged at a start")
    stayed = {
        "kept": number("events before it that stay", 0, whole=True),
        "kept_sha256": {**SHA256, "description": "of their sha256, as hex, joined in their order"},
        "removed": mapping(number("", 0, whole=True), "class -> events that were removed up to here"),
    }
    went = {
        "class": one_of(("alarm",)),
        "count": number("alarms that went with this event", 1, whole=True),
        "total": number("alarms that went from this journal so far", 1, whole=True),
        "ids": array(EVENT_ID),
        "reason": one_of(("age",)),
        "text": BOTH,
    }
    opened = {"reason": known(words.journal_reasons), "last_epoch": EPOCH, "text": BOTH}
    dropped = {"class": one_of(CLASSES), "count": number("", 1, whole=True), "ids": array(EVENT_ID), "reason": text(), "text": BOTH}
    lost = {
        "epoch": EPOCH,
        "first": {**SEQUENCE, "description": "class sequence of the first, where they were sealed"},
        "last": {**SEQUENCE, "description": "class sequence of the last"},
    }
    gone = {
        "epoch": EPOCH,
        "sequence": {**SEQUENCE, "description": "up to here"},
        "sha256": {**SHA256, "description": "of the event there"},
        "count": number("stubs that are gone", 1, whole=True),
        "classes": mapping(number("", 0, whole=True), "class -> highest class sequence among them"),
        "text": BOTH,
    }
    key = {"kid": text("of the new key"), "x": text("its public part"), "text": BOTH}
    issued = {
        "number": number("", 1, whole=True),
        "sha256": described(SHA256, "of the report as it is sent on `report/`, signature included"),
        "report": one_of(("daily", "weekly", "monthly", "drill")),
        "text": BOTH,
    }
    span = {
        "from": TIME,
        "to": TIME,
        "late": {"type": "boolean", "description": "issued more than 15 min after its time"},
        "nothing_happened": {"type": "boolean", "description": "a zero report"},
    }
    return (
        Kind(
            "data-journal-opened",
            "A journal begins, with a new epoch.",
            ("audit",),
            ("campus.journal.opened",),
            _data(opened, {"last_sequence": SEQUENCE, "last_hash": SHA256, "states": states}),
        ),
        Kind(
            "data-journal-dropped", "Events that went before their receipt.", ("audit",), ("campus.journal.dropped",), _data(dropped, lost)
        ),
        Kind(
            "data-journal-removed",
            "Received alarms that were removed because of their age.",
            ("audit",),
            ("campus.journal.removed",),
            _data(went),
        ),
        Kind(
            "data-journal-checkpoint",
            "Stubs up to this place are gone.",
            ("audit",),
            ("campus.journal.checkpoint",),
            _data(gone, stayed),
        ),
        Kind(
            "data-key-announced",
            "A new key; it counts once enrolled.",
            ("audit",),
            ("campus.key.announced",),
            _data(key),
        ),
        Kind("data-report-issued", "A report was issued.", ("duty",), ("campus.report.issued",), _data(issued, span)),
    )
