"""Is this message genuine? Topics, canonical form (RFC 8785) and detached signatures (RFC 7515 appendix F).

Pure: bytes and keys in, words or `Refused` out.
"""

from __future__ import annotations

import hashlib
import json
import re
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from typing import Any

import rfc8785
from joserfc import jws
from joserfc.errors import JoseError

from simulators.centre.keys import Trust

MAX_BYTES = 256 * 1024  # far above any event; evidence pictures travel on topics that are not subscribed
ALGORITHM = "EdDSA"
NOT_FOR_EVENTS = frozenset({"campus-receipt", "campus-command"})  # contract, Commands: never interchangeable
_ID = r"[a-z0-9-]{1,48}"
_ROOT = re.compile(rf"({_ID})/({_ID})/(.+)", re.DOTALL)

Message = dict[str, Any]


class Refused(Exception):
    """This message is not genuine or not readable; the text says why."""


class NotEnrolled(Refused):
    """Signed with a key, `kid`, that nobody has enrolled for this gateway."""

    def __init__(self, kid: object, source: str) -> None:
        super().__init__(f"no enrolled key {kid!r} for {source}")
        self.kid = kid


@dataclass(frozen=True, slots=True)
class Address:
    """What a topic says: full name of the gateway, kind of message, and the rest (class, point, period)."""

    source: str
    kind: str
    rest: str = ""


def address(topic: str, prefix: str) -> Address | None:
    """Split `{prefix}/{site}/{gateway}/{kind}[/rest]`; None when the topic is not below the prefix."""
    if not topic.startswith(f"{prefix}/"):
        return None
    match = _ROOT.fullmatch(topic.removeprefix(f"{prefix}/"))
    if match is None or match[1] == "centre":
        return None
    kind, _, rest = match[3].partition("/")
    if kind == "command":
        kind, rest = match[3], ""
    return Address(source=f"/sites/{match[1]}/gateways/{match[2]}", kind=kind, rest=rest)


def root(source: str, prefix: str) -> str:
    """Topic root of a gateway: `/sites/S/gateways/G` -> `{prefix}/S/G`."""
    _, _, site, _, gateway = source.split("/")
    return f"{prefix}/{site}/{gateway}"


def sha256(body: bytes) -> str:
    """Lowercase hex digest, as receipts and `previoushash` carry it."""
    return hashlib.sha256(body).hexdigest()


def parse(body: bytes) -> Message:
    """The JSON object in a payload; Refused for anything else."""
    if len(body) > MAX_BYTES:
        raise Refused(f"{len(body)} bytes, more than {MAX_BYTES}")
    try:
        message = json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError):
        raise Refused("not JSON") from None
    if not isinstance(message, dict):
        raise Refused("not a JSON object")
    return message


def canonical(message: Message) -> bytes:
    """RFC 8785 form; Refused for what has none (NaN, whole numbers beyond 2**53, lone surrogates)."""
    try:
        return rfc8785.dumps(message)
    except (ValueError, RecursionError) as problem:  # a lone surrogate in a name escapes as UnicodeEncodeError
        raise Refused(f"no canonical form: {problem}") from None


def check_canonical(body: bytes, message: Message) -> None:
    """The payload on the wire is the canonical form itself, byte for byte."""
    if canonical(message) != body:
        raise Refused("payload is not its canonical form (RFC 8785)")


def check_signature(message: Message, source: str, trust: Trust) -> None:
    """Detached JWS in member `signature`, over the canonical form without it, by a key enrolled for `source`."""
    named = message.get("source", source)
    if named != source:
        raise Refused(f"source {named!r} does not fit the topic of {source}")
    signature = message.get("signature")
    if not isinstance(signature, str):
        raise Refused("no signature")
    header, dots, mac = signature.partition("..")
    if not dots or not mac or "." in header or "." in mac:
        raise Refused("signature is not a detached compact JWS")
    content = canonical({name: value for name, value in message.items() if name != "signature"})
    compact = f"{header}.{urlsafe_b64encode(content).rstrip(b'=').decode()}.{mac}"
    try:
        protected = jws.extract_compact(compact.encode()).headers()
        if protected.get("alg") != ALGORITHM:
            raise Refused(f"signature algorithm {protected.get('alg')!r}, expected {ALGORITHM!r}")
        if protected.get("typ") in NOT_FOR_EVENTS:
            raise Refused(f"signed as {protected['typ']}, not as an event")
        kid = protected.get("kid")
        key = trust.key(source, kid) if isinstance(kid, str) else None
        if key is None:
            raise NotEnrolled(kid, source)
        jws.deserialize_compact(compact, key, algorithms=[ALGORITHM])
    except (JoseError, ValueError):
        raise Refused("signature does not hold") from None
