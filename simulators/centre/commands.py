"""Signed commands: what a person at the centre asks of a gateway, and how the gateway answers."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import aiomqtt
import rfc8785
from joserfc import jws

from simulators.centre.keys import CentreKey, Trust
from simulators.centre.session import Client, Link
from simulators.centre.verify import Message, Refused, check_canonical, check_signature, parse, root

TYPE = "campus-command"
OPEN_S = 5.0  # a person waits
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


async def send(
    links: Sequence[Link], prefix: str, gateway: str, token: bytes, command_id: str, trust: Trust, wait_s: float
) -> tuple[list[Message], list[str]]:
    """Publish one command, the same bytes at each broker, and gather the gateway's answers until the last, or until `wait_s` is over.

    Each answer once, though it comes at each broker. Gives the answers, and what is wrong with brokers that did not take it; raises
    aiomqtt.MqttError when none took it.
    """
    answers: list[Message] = []
    problems: list[str] = []
    last = asyncio.Event()

    def take(answer: Message) -> None:
        if all(answer.get("result") != known.get("result") for known in answers):
            answers.append(answer)
        if answer.get("result") in LAST_RESULTS:
            last.set()

    async def at(link: Link) -> None:
        try:
            await _at(link, f"{root(gateway, prefix)}/command", token, lambda body: _answer(body, gateway, trust, command_id), take)
        except aiomqtt.MqttError as problem:
            problems.append(f"no broker at {link.name} ({problem})")

    async with asyncio.TaskGroup() as tasks:
        asking = {tasks.create_task(at(link)) for link in links}  # these end only with their sessions
        ends = [tasks.create_task(last.wait()), tasks.create_task(asyncio.wait(asking))]
        await asyncio.wait(ends, timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)
        for task in (*asking, *ends):
            task.cancel()
    if len(problems) == len(links) and not answers:
        raise aiomqtt.MqttError("; ".join(problems))
    return answers, problems


async def _at(link: Link, topic: str, token: bytes, read: Callable[[object], Message | None], take: Callable[[Message], None]) -> None:
    async with Client(link.host, link.port, protocol=link.protocol, tls_context=link.tls, timeout=OPEN_S) as client:
        await client.subscribe(f"{topic}/result", qos=1)
        await client.publish(topic, token, qos=1)
        async for message in client.messages:
            answer = read(message.payload)
            if answer is not None:
                take(answer)


def _answer(body: object, gateway: str, trust: Trust, command_id: str) -> Message | None:
    answer = _genuine(body, gateway, trust)
    return answer if answer is not None and answer.get("id") == command_id else None


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
