"""The schemas of version 1 by name: what each topic carries. Docs are made from them; tests hold real messages against them."""

from __future__ import annotations

from gateway.contract.command import LONGEST_LIFE_MS, MOST_POINTS
from gateway.contract.envelope import DATA_SCHEMA
from gateway.contract.receipt import MAX_ITEMS
from gateway.contract.schema import (
    BOTH,
    CLOCK,
    EPOCH,
    EVENT_ID,
    EXTERNAL,
    ID,
    MODE,
    PERSON,
    PLACE,
    POINT,
    QUALITY,
    RECIPIENT,
    SEQUENCE,
    SHA256,
    SIGNATURE,
    SOURCE,
    TIME,
    UUID,
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
from gateway.contract.schema_data import Kind, kinds, told_of_alarms

VERSION = "1.0"
REPORTS = ("daily", "weekly", "monthly", "drill")
REASONS = (
    "",
    "message",
    "signature",
    "retained",
    "gateway",
    "by",
    "person",
    "second",
    "permission",
    "lifetime",
    "stale",
    "future",
    "clock",
)
LATER_REASONS = ("repeated", "rate", "rules")  # judged once the message itself is good
PATH = text("id of the path on which this is said, where the gateway has several brokers or networks")
_TYPE = r"campus\.[a-z_]+\.[a-z_]+"
_COMMAND_ID = r"[A-Za-z0-9._-]{1,64}"
_ZONED = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+(Z|[+-][0-9]{2}:[0-9]{2})"
_PLACED = ("epoch", "sequence", "classsequence", "previoushash")


def schemas(words: Words) -> dict[str, Schema]:
    """Name -> schema. A reference is `{"$ref": "NAME"}`; whoever writes them down makes it a file or a part of a document."""
    all_kinds = kinds(words)
    found = {"envelope": _envelope(), "event": _event(all_kinds), **{kind.name: described(kind.data, kind.about) for kind in all_kinds}}
    return found | {
        "birth": _birth(words),
        "status": _signed(
            {"online": {"type": "boolean"}},
            {"path": PATH},
            about="The session is there, or not: the last will says false, with the same boot id.",
        ),
        "state": _state(words),
        "heartbeat": _heartbeat(words),
        "telemetry": _telemetry(),
        "command-result": _command_result(words),
        "receipt": _receipt(),
        "command": _command(words),
        "centre-state": record(
            {"online": {"type": "boolean"}, "by": RECIPIENT, "at": TIME}, about="Whether the centre's application is there."
        ),
        "report": _report(),
    }


def _signed(needed: dict[str, Schema], further: dict[str, Schema] | None = None, about: str = "") -> Schema:
    """One of the gateway's own messages besides events."""
    return record({"source": SOURCE, "bootid": UUID, "at": TIME, **needed, "signature": SIGNATURE}, further, about)


def _envelope() -> Schema:
    needed = {
        "specversion": {"const": "1.0"},
        "id": EVENT_ID,
        "source": SOURCE,
        "type": text("campus.{what}.{word}", _TYPE),
        "subject": text("point, output, camera, rule or run that it is about"),
        "time": TIME,
        "datacontenttype": {"const": "application/json"},
        "dataschema": {"const": DATA_SCHEMA},
        "bootid": {**UUID, "description": "new at each start of the gateway"},
        "monotonicms": text("milliseconds since that start", "[0-9]+"),
        "clockquality": CLOCK,
        "data": free("as the type says"),
        "signature": SIGNATURE,
    }
    further = {
        "epoch": EPOCH,
        "sequence": {**SEQUENCE, "description": "from 1 in each epoch, contiguous over all classes"},
        "classsequence": {**SEQUENCE, "description": "the same within the class"},
        "previoushash": {**SHA256, "description": "of the event before it in the epoch, signature included; 64 zeros for the first"},
        "journalled": {
            "const": False,
            "description": "an early copy, without place in the log; the sealed event follows under the same id",
        },
    }
    schema = record(needed, further, "CloudEvents 1.0 in structured mode. The bytes on the wire are the RFC 8785 form.")
    early = {"not": {"anyOf": [{"required": [name]} for name in _PLACED]}}
    return {**schema, "if": {"required": ["journalled"]}, "then": early, "else": {"required": list(_PLACED)}}


def _event(all_kinds: tuple[Kind, ...]) -> Schema:
    """Any event. A type that is not named here comes from a later 1.x: verify, keep and receipt it all the same."""
    by_type: list[Schema] = [
        {
            "if": {"properties": {"type": {"enum": list(kind.types)}}, "required": ["type"]},
            "then": {"properties": {"data": {"$ref": kind.name}}},
        }
        for kind in all_kinds
    ]
    types = [name for kind in all_kinds for name in kind.types]
    named: Schema = {"properties": {"type": known(types)}}
    parts = [{"$ref": "envelope"}, named, *by_type, *told_of_alarms()]
    return {"description": "One sealed event, or its early copy.", "type": "object", "allOf": parts}


def _birth(words: Words) -> Schema:
    point = {
        "id": POINT,
        "role": known(words.roles),
        "place": PLACE,
        "name": BOTH,
        "kind": known(("contact", "counter", "latched", "measurement", "enum", "text", "card", "vision", "output", "rule")),
        "unit": text(),
        "responsible": text(),
        "alarms": array(text()),
    }
    needed = {
        "contract": {"const": 1},
        "software": record({"name": text(), "version": text()}),
        "site": record({"id": text(pattern=ID), "name": text(), "name_en": text(), "timezone": text()}),
        "key": record({"kid": text(), "x": text()}, about="for display only: trust what was enrolled"),
        "supervision": one_of(words.supervision, "a dead link is known within 90 s (sp5) or 20 s (sp6)"),
        "places": mapping(record({"name": text(), "name_en": text(), "type": known(words.place_types)}), keys=ID),
        "cameras": array(record({"id": POINT, "place": PLACE, "zones": array(text())})),
        "points": array(record(point, {"external": EXTERNAL})),
    }
    further = {
        "modes": array(_run(words, array(POINT)), "drills, tests and maintenance that are open"),
        "short": {"const": True, "description": "the broker takes no packet as large as the whole: lists are empty that are not"},
    }
    return _signed(needed, further, "Identity, versions, points, cameras, places; at each new session.")


def _run(words: Words, points: Schema) -> Schema:
    """A drill, test or maintenance that is open."""
    needed = {
        "kind": MODE,
        "id": EVENT_ID,
        "state": one_of(("announced", "running")),
        "points": points,
        "left_s": number("until it begins or ends", 0),
    }
    further = {"drill": known(words.drill_kinds), "passed": {"type": "boolean"}, "until": TIME, "begins_at": TIME}
    return record(needed, further)


def _state(words: Words) -> Schema:
    needed = {
        "point": POINT,
        "role": known(words.roles),
        "place": PLACE,
        "value": VALUE,
        "unit": text(),
        "quality": QUALITY,
        "reason": text("why the value may not be believed"),
        "alarms": mapping(one_of(words.alarm_states), "alarm -> state"),
    }
    mode = record({"kind": MODE, "id": EVENT_ID}, about="the drill, test or maintenance in which it is")
    return _signed(needed, {"mode": mode}, "Present state of one point.")


def _heartbeat(words: Words) -> Schema:
    owed = maybe(record({"epoch": EPOCH, "sequence": SEQUENCE}))
    needed = {
        "epoch": EPOCH,
        "newest_sequence": SEQUENCE,
        "heartbeat_s": number("seconds between heartbeats", 0),
        "lowest_owed": mapping(
            owed, "recipient -> lowest sequence that it has not receipted; a hole below it is a gap; null: nothing is owed"
        ),
        "outbox_depth": number("events that await receipts", 0, whole=True),
        "outbox_oldest_s": number("how long the oldest waits", 0),
        "clockquality": CLOCK,
    }
    modes = {"modes": array(_run(words, number("how many", 1, whole=True)), "drills, tests and maintenance that are open")}
    return _signed(needed, {"path": PATH, **modes}, "The gateway is there; how far its events are delivered.")


def _telemetry() -> Schema:
    needed = {"source": SOURCE, "at": TIME, "values": mapping(VALUE, "point -> value")}
    return record(needed, {"bad": mapping(text(), "point -> why it has none")}, "All measured values. Not signed; it may get lost.")


def _command_result(words: Words) -> Schema:
    needed = {
        "id": text("of the command"),
        "command": known(words.commands),
        "target": text(),
        "result": one_of(("accepted", "refused", "done", "failed")),
        "reason": known((*REASONS, *LATER_REASONS), "of a refusal"),
        "text": text("for people"),
    }
    return _signed(needed, about="What became of a command: accepted or refused, then done or failed.")


def _report() -> Schema:
    """Sections name their figures and columns themselves, so that a reader can show those that a later version adds."""
    named = {"zh": text(), "en": text()}
    kind = known(("count", "s", "share", "number", "text", "time"), "what a value is: seconds, a share of 1, RFC 3339")
    cell: Schema = {"type": ["number", "string", "object", "null"], "description": "null: nothing can be said; an object has zh and en"}
    figure = record({**named, "figure": text(), "kind": kind, "value": cell})
    column = record({**named, "column": text(), "kind": kind})
    left_out = number("rows that were left out", 0, whole=True)
    table = record({**named, "table": text(), "columns": array(column), "rows": array(mapping(cell, "column -> value")), "more": left_out})
    part = record({**named, "figures": array(figure), "tables": array(table)})
    needed = {
        "report": one_of(REPORTS),
        "number": number("counts up by one, for each kind; never used twice", 1, whole=True),
        "from": TIME,
        "to": TIME,
        "zone": text("IANA name of the school's time"),
        "issued_at": TIME,
        "late": {"type": "boolean", "description": "issued more than 15 min after its time"},
        "clockquality": CLOCK,
        "site": record({"id": text(pattern=ID), "gateway": text(pattern=ID), **named, "by": text("who answers for it")}),
        "nothing_happened": {"type": "boolean", "description": "a zero report (零报告)"},
        "summary": BOTH,
    }
    further = {
        "order": array(text(), "names of the sections as people read them"),
        "sections": mapping(part, "of a daily, weekly or monthly report", "[a-z_]+"),
        "compared_with": record({"from": TIME, "to": TIME}, about="the period before, of a weekly or monthly report"),
        "replaces": array(
            number("", 1, whole=True), "earlier reports of this kind that do not hold: the clock was wrong when they were issued"
        ),
        "event": {**EVENT_ID, "description": "of a drill: the event that ended it"},
        "drill": free("data of that event"),
    }
    return _signed(needed, further, "A report, signed; retained. Announced by an event of type campus.report.issued with its sha-256.")


def _receipt() -> Schema:
    item = record({"id": text("of the event"), "sha256": {**SHA256, "description": "of the bytes that arrived"}})
    needed = {
        "by": RECIPIENT,
        "at": TIME,
        "gateway": SOURCE,
        "items": array(item, least=1, most=MAX_ITEMS),
        "result": one_of(("received", "unusable")),
    }
    further = {
        "reason": text("of unusable; goes on record"),
        "newest": {
            **record({"epoch": EPOCH, "sequence": SEQUENCE, "sha256": SHA256}),
            "description": "latest event of this gateway that the centre has; a gateway without it in its journal begins a new epoch",
        },
    }
    return record(needed, further, "Payload of a receipt: the centre has these events, or cannot use them.")


def _command(words: Words) -> Schema:
    needed = {
        "id": text("new for each command; a UUID is good", _COMMAND_ID),
        "by": {**RECIPIENT, "description": "whose key signs"},
        "gateway": SOURCE,
        "command": known((*words.commands, "replay")),
        "issued_at": text("with its zone", _ZONED),
        "expires_at": text(f"at most {LONGEST_LIFE_MS // 60_000} min later", _ZONED),
    }
    further = {
        "target": text("point, point/alarm, output, camera or rule", "[a-z0-9/_-]{0,120}"),
        "person": PERSON,
        "value": text("on or off of an output"),
        "why": text(),
        "for_s": number("seconds", 0),
        "points": array(text(), most=MOST_POINTS),
        "from_epoch": text("of replay", "[0-9]{1,20}"),
        "from_sequence": text("of replay", "[0-9]{1,20}"),
    }
    schema = record(needed, further, "Payload of a command. Two persons sign for out_of_service, and for `on` of a door's lock.")
    replay = {"properties": {"command": {"const": "replay"}}, "required": ["command"]}
    return {**schema, "if": replay, "then": {"required": ["from_epoch", "from_sequence"]}}
