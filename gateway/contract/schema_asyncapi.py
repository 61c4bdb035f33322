"""The AsyncAPI 3.0 document of version 1: topics, directions, what each carries. Pure data, made from the schemas."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gateway.contract.jws import COMMAND_TYPE, MAX_JWS_BYTES, RECEIPT_TYPE
from gateway.contract.schema import CLASSES, ID, Schema, Words
from gateway.contract.schema_data import Kind, kinds, told_of_alarms
from gateway.contract.schema_messages import REPORTS, VERSION, schemas

CLOUD_EVENT = "application/cloudevents+json"
_ROOT = "campus/v1/{site}/{gateway}"
_MQTT = "0.2.0"  # version of AsyncAPI's MQTT bindings
_ABOUT = """What a linkage centre may rely on. `send` and `receive` are told as the gateway does them: a centre subscribes to what is sent
and publishes what is received. `campus/v1` is the usual prefix; a site may have another. Works over MQTT 5 and 3.1.1.

To receive: verify `signature` with the gateway's enrolled key (detached JWS over the RFC 8785 form without it), see that the payload is
its own RFC 8785 form, keep it, then publish a receipt: a compact JWS, EdDSA, typ campus-receipt, naming id and sha-256 of the bytes.
Whatever has no receipt is sent again under the same id. Objects are open: ignore members and types that you do not know, and receipt
them all the same. Lists of words in `x-known` may grow."""


@dataclass(frozen=True, slots=True)
class Topic:
    """One channel. action: as the gateway does it. messages: name -> what the AsyncAPI document says of it."""

    name: str
    address: str
    action: str
    qos: int
    retain: bool
    about: str
    messages: dict[str, dict[str, Any]]
    reserved: bool = False


def document(words: Words) -> dict[str, Any]:
    """The whole document; self-contained."""
    topics = _topics(kinds(words))
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "campus-gateway: alarms of a school for a linkage centre",
            "version": f"{VERSION}.0",
            "description": _ABOUT,
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "centre": {
                "host": "broker.example:8883",
                "protocol": "secure-mqtt",
                "protocolVersion": "5",
                "description": "TLS 1.2 or newer with certificates on both sides; MQTT 3.1.1 works too",
                "security": [{"type": "X509"}],
            }
        },
        "channels": {topic.name: _channel(topic) for topic in topics},
        "operations": {topic.name: _operation(topic) for topic in topics},
        "components": {
            "messages": {name: message for topic in topics for name, message in topic.messages.items()},
            "schemas": {name: _within(schema) for name, schema in schemas(words).items()},
        },
    }


def _topics(all_kinds: tuple[Kind, ...]) -> tuple[Topic, ...]:
    root = _ROOT
    events = {kind.message: _event_message(kind) for kind in all_kinds}
    evidence = {
        "evidence": {"contentType": "image/jpeg", "summary": "The picture itself.", "payload": {"type": "string", "format": "binary"}}
    }

    def plain(name: str, about: str = "", **further: Any) -> dict[str, dict[str, Any]]:
        return {name: {"summary": about, **further, "payload": {"$ref": f"#/components/schemas/{name}"}}}

    return (
        Topic("birth", f"{root}/birth", "send", 1, True, "Identity and inventory.", plain("birth", "Who I am.")),
        Topic("status", f"{root}/status", "send", 1, True, "There or not; also the last will.", plain("status", "There or not.")),
        Topic("event", f"{root}/event/{{class}}", "send", 1, False, "Sealed events, one a message.", events),
        Topic(
            "state", f"{root}/state/{{point}}", "send", 1, True, "Present state of a point, newest only.", plain("state", "A point now.")
        ),
        Topic("heartbeat", f"{root}/heartbeat", "send", 1, False, "How far delivery has come.", plain("heartbeat", "I am there.")),
        Topic("telemetry", f"{root}/telemetry", "send", 0, False, "Measured values; expires.", plain("telemetry", "Values.")),
        Topic("report", f"{root}/report/{{kind}}", "send", 1, True, "The newest report of each kind.", plain("report", "A report.")),
        Topic(
            "evidence", f"{root}/evidence/{{event}}/{{number}}", "send", 1, False, "Pictures of alarms, where the site allows it.", evidence
        ),
        Topic("receipt", f"{root}/receipt", "receive", 1, False, "The centre has events.", _jws("receipt", RECEIPT_TYPE)),
        Topic("command", f"{root}/command", "receive", 1, False, "Never retained.", _jws("command", COMMAND_TYPE)),
        Topic("commandResult", f"{root}/command/result", "send", 1, False, "What became of it.", plain("command-result", "Its result.")),
        Topic("centreState", "campus/v1/centre/{centre}/state", "receive", 1, True, "A label only.", plain("centre-state", "The centre.")),
    )


def _event_message(kind: Kind) -> dict[str, Any]:
    own = {"properties": {"type": {"enum": list(kind.types)}, "data": {"$ref": f"#/components/schemas/{kind.name}"}}}
    further = told_of_alarms() if kind.name == "data-alarm" else []
    message: dict[str, Any] = {
        "contentType": CLOUD_EVENT,
        "summary": kind.about,
        "x-classes": list(kind.classes),
        "payload": {"allOf": [{"$ref": "#/components/schemas/envelope"}, own, *further]},
    }
    return message | ({"x-reserved": True} if kind.reserved else {})


def _jws(name: str, typ: str) -> dict[str, dict[str, Any]]:
    """What a centre signs: the payload on the wire is a JWS, what it says has the schema."""
    message = {
        "contentType": "application/jose",
        "summary": f"A JWS by a key of the site file, header alg EdDSA, kid and typ {typ}.",
        "payload": {"type": "string", "maxLength": MAX_JWS_BYTES},
        "x-jws-header": {"alg": "EdDSA", "typ": typ},
        "x-jws-payload": {"$ref": f"#/components/schemas/{name}"},
    }
    return {name: message}


def _channel(topic: Topic) -> dict[str, Any]:
    names = {
        "site": "id of the school",
        "gateway": "id of the gateway",
        "point": "id of the point",
        "event": "id of the event",
        "number": "from 1",
        "centre": "id of the recipient",
        "class": "class of the event",
        "kind": "of the report",
    }
    lists: dict[str, tuple[str, ...]] = {"class": CLASSES, "kind": REPORTS}
    parameters: dict[str, Any] = {
        name: {"description": about, **({"enum": list(lists[name])} if name in lists else {})}
        for name, about in names.items()
        if f"{{{name}}}" in topic.address
    }
    for name in {"site", "gateway", "point", "centre"}.intersection(parameters):
        parameters[name]["description"] += f"; {ID}"
    channel: dict[str, Any] = {
        "address": topic.address,
        "description": topic.about,
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in topic.messages},
        "parameters": parameters,
    }
    return channel | ({"x-reserved": True} if topic.reserved else {})


def _operation(topic: Topic) -> dict[str, Any]:
    return {
        "action": topic.action,
        "channel": {"$ref": f"#/channels/{topic.name}"},
        "messages": [{"$ref": f"#/channels/{topic.name}/messages/{name}"} for name in topic.messages],
        "bindings": {"mqtt": {"qos": topic.qos, "retain": topic.retain, "bindingVersion": _MQTT}},
    }


def _within(schema: Schema) -> Any:
    """The schema with its references into this document."""
    return refer(schema, "#/components/schemas/{}")


def refer(schema: Any, form: str) -> Any:
    """The schema with each reference NAME written as `form`."""
    if isinstance(schema, dict):
        return {name: form.format(part) if name == "$ref" else refer(part, form) for name, part in schema.items()}
    return [refer(part, form) for part in schema] if isinstance(schema, list) else schema
