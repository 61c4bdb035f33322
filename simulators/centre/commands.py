"""Signed commands: what a person at the centre asks of a gateway, and how the gateway answers."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import aiomqtt
import rfc8785
from joserfc import jws

from simulators.centre.keys import CentreKey, Trust
from simulators.centre.station import ANSWER_S, Link
from simulators.centre.verify import Message, Refused, check_canonical, check_signature, parse, root

TYPE = "campus-command"
LAST_RESULTS = ("refused", "done", "failed")


def order(by: str, gateway: str, command: str, target: str, at: datetime, life_s: float, **further: Any) -> Message:
    """What is signed. at: UTC; life_s: seconds until it expires, at most 300. further: person, why, for_s, value and so on."""
    return {
        "id": str(uuid.uuid4()),
        "by": by,
        "gateway": gateway,
        "command": command,
        "target": target,
        "issued_at": _stamp(at),
        "expires_at": _stamp(at + timedelta(seconds=life_s)),
        **{name: value for name, value in further.items() if value},
    }


def sign(message: Message, keys: Sequence[CentreKey]) -> bytes:
    """Compact JWS with one key, General JSON (RFC 7515 section 7.2.1) with several."""
    content = rfc8785.dumps(message)
    headers = [{"alg": "EdDSA", "kid": key.kid, "typ": TYPE} for key in keys]
    if len(keys) == 1:
        return jws.serialize_compact(headers[0], content, keys[0].key, algorithms=["EdDSA"]).encode()
    signed = [jws.serialize_json([{"protected": h}], content, k.key, algorithms=["EdDSA"]) for h, k in zip(headers, keys, strict=True)]
    together = {"payload": signed[0]["payload"], "signatures": [each["signatures"][0] for each in signed]}
    return json.dumps(together).encode()


async def send(link: Link, prefix: str, gateway: str, token: bytes, command_id: str, trust: Trust, wait_s: float) -> list[Message]:
    """Publish one command and gather the gateway's answers until the last, or until `wait_s` is over. Raises aiomqtt.MqttError."""
    answers: list[Message] = []
    client = aiomqtt.Client(link.host, link.port, protocol=link.protocol, tls_context=link.tls, timeout=ANSWER_S)
    async with client:
        await client.subscribe(f"{root(gateway, prefix)}/command/result", qos=1)
        await client.publish(f"{root(gateway, prefix)}/command", token, qos=1)
        try:
            async with asyncio.timeout(wait_s):
                async for message in client.messages:
                    answer = _genuine(message.payload, gateway, trust)
                    if answer is not None and answer.get("id") == command_id:
                        answers.append(answer)
                        if answer.get("result") in LAST_RESULTS:
                            break
        except TimeoutError:
            pass
    return answers


def _genuine(body: object, gateway: str, trust: Trust) -> Message | None:
    try:
        message = parse(body if isinstance(body, bytes) else b"")
        check_canonical(body if isinstance(body, bytes) else b"", message)
        check_signature(message, gateway, trust)
    except Refused:
        return None
    return message


def _stamp(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
