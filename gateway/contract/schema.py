"""What published schemas are made of: the words that the gateway uses, and the small schemas that many messages share.

Only keywords that mean the same in JSON Schema draft-07 and 2020-12 are used, so that one schema serves both the files and the
AsyncAPI document. Objects are open: version 1.x may add members, and a receiver ignores those that it does not know. A list of words
that may grow in 1.x stands in `x-known`, one that may not in `enum` (docs/contract/versions.md).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from gateway.core.ids import ID_PATTERN
from gateway.core.linkage import MODES
from gateway.core.points import EventClass
from gateway.core.reading import Quality

Schema = dict[str, Any]

ID = ID_PATTERN[1:-1]
CLASSES = tuple(map(str, EventClass))
KNOWN = "x-known"


@dataclass(frozen=True, slots=True)
class Words:
    """Words of the rooms above this one, which whoever generates the schemas hands in.

    alarm_states: of a point's alarm; alarm_words: last word of the type of an alarm's events; roles: of points; alarm_classes: of
    alarms; commands: kinds, as given by people; output_results, access_words: how an output's command and a door's card end;
    drill_kinds: of drills; place_types; supervision: profiles; journal_reasons: why an epoch begins.
    """

    alarm_states: tuple[str, ...]
    alarm_words: tuple[str, ...]
    roles: tuple[str, ...]
    alarm_classes: tuple[str, ...]
    commands: tuple[str, ...]
    output_kinds: tuple[str, ...]
    output_results: tuple[str, ...]
    access_words: tuple[str, ...]
    drill_kinds: tuple[str, ...]
    place_types: tuple[str, ...]
    supervision: tuple[str, ...]
    journal_reasons: tuple[str, ...]


def record(needed: dict[str, Schema], further: dict[str, Schema] | None = None, about: str = "") -> Schema:
    """An object with these members, and such as a later 1.x adds."""
    schema: Schema = {"type": "object", "properties": {**needed, **(further or {})}}
    if needed:
        schema["required"] = sorted(needed)
    return described(schema, about)


def described(schema: Schema, about: str) -> Schema:
    """The same with a description."""
    return {"description": about, **schema} if about else schema


def one_of(words: Iterable[str], about: str = "") -> Schema:
    """One word of a list that stays as it is in version 1."""
    return described({"type": "string", "enum": list(words)}, about)


def known(words: Iterable[str], about: str = "") -> Schema:
    """One word of a list that may grow in version 1.x."""
    return described({"type": "string", KNOWN: list(words)}, about)


def text(about: str = "", pattern: str = "") -> Schema:
    """Text. pattern: without anchors."""
    return described({"type": "string", **({"pattern": f"^{pattern}$"} if pattern else {})}, about)


def number(about: str = "", least: float | None = None, *, whole: bool = False) -> Schema:
    """A number, not below `least`."""
    kind = {"type": "integer" if whole else "number"}
    return described({**kind, **({} if least is None else {"minimum": least})}, about)


def array(items: Schema, about: str = "", least: int = 0, most: int | None = None) -> Schema:
    """A list."""
    sizes = {name: size for name, size in (("minItems", least), ("maxItems", most)) if size}
    return described({"type": "array", "items": items, **sizes}, about)


def mapping(values: Schema, about: str = "", keys: str = "") -> Schema:
    """An object by names that the site gives. keys: pattern without anchors."""
    names = {"propertyNames": {"pattern": f"^{keys}$"}} if keys else {}
    return described({"type": "object", "additionalProperties": values, **names}, about)


def maybe(schema: Schema) -> Schema:
    """The same, or null."""
    kind = schema["type"]
    return {**schema, "type": [*(kind if isinstance(kind, list) else [kind]), "null"]}


def free(about: str = "") -> Schema:
    """An object of which nothing is promised."""
    return described({"type": "object"}, about)


SOURCE = text("full name of the gateway", rf"/sites/{ID}/gateways/{ID}")
POINT = text("id of a point", ID)
RECIPIENT = text("id of a recipient", ID)
UUID = text("UUID", r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
EVENT_ID = text("UUIDv7 of an event", r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
TIME = text("UTC, RFC 3339, with milliseconds", r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z")
EPOCH = text("10 digits", "[0-9]{10}")
SEQUENCE = text("20 digits", "[0-9]{20}")
SHA256 = text("sha-256, lowercase hex", "[0-9a-f]{64}")
SIGNATURE = text("detached JWS (RFC 7515 appendix F), EdDSA, over the RFC 8785 form without this member", r"[\w-]+\.\.[\w-]+")
MODE = one_of(MODES[1:])
CLOCK = one_of(("synchronised", "holdover", "unknown"), "how far the gateway's clock may be believed")
QUALITY = one_of(map(str, Quality), "how far the value may be believed")
VALUE: Schema = {"type": ["boolean", "number", "string", "null"], "description": "contact, measurement, name or card; null: not known"}
BOTH = record({"zh": text(), "en": text()}, about="the same words in Chinese and English")
EXTERNAL = mapping(text(), "codes of another platform, as the site file gives them (gb28181.deviceId, alarmMethod, alarmPriority)")
CAUSE = array(EVENT_ID, "events that this one continues")
INCIDENT = maybe({**EVENT_ID, "description": "the incident that it belongs to"})
STATUS = one_of(("Actual", "Exercise", "System", "Test"), "CAP 1.2 status")
MSG_TYPE = one_of(("Alert", "Update", "Cancel", "Ack"), "CAP 1.2 msgType")
URGENCY = one_of(("Immediate", "Expected", "Future", "Past", "Unknown"), "CAP 1.2 urgency")
SEVERITY = one_of(("Extreme", "Severe", "Moderate", "Minor", "Unknown"), "CAP 1.2 severity")
CERTAINTY = one_of(("Observed", "Likely", "Possible", "Unlikely", "Unknown"), "CAP 1.2 certainty")
PERSON = text("the person, by name; of a centre `recipient: person`")
PLACE = text("id of a place of the site, see birth; empty where nobody knows it")
