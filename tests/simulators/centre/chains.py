"""Genuine event chains, made with the published libraries directly."""

from __future__ import annotations

import hashlib
import json
import uuid
from typing import Any

import rfc8785
from joserfc import jws
from joserfc.jwk import OKPKey

from simulators.centre.keys import Trust
from simulators.centre.ledger import Arrival

PREFIX = "campus/v1"
SOURCE = "/sites/school-1/gateways/gate"
ROOT = "campus/v1/school-1/gate"


def signature(message: dict[str, Any], key: OKPKey, header: dict[str, str]) -> str:
    """Detached JWS (RFC 7515 appendix F) over the canonical form."""
    return str(jws.detach_content(jws.serialize_compact(header, rfc8785.dumps(message), key, algorithms=["EdDSA"])))


class Gateway:
    """Signs messages as a gateway does and remembers the chain of one epoch."""

    def __init__(self, source: str = SOURCE, kid: str = "gate-key", epoch: int = 1) -> None:
        self.source = source
        self.kid = kid
        self.key = OKPKey.generate_key("Ed25519")
        self.new_epoch(epoch)

    def new_epoch(self, epoch: int) -> None:
        """Start numbers and chain again."""
        self.epoch = epoch
        self.sequence = 0
        self.class_sequences: dict[str, int] = {}
        self.previous = "0" * 64

    def trust(self) -> Trust:
        """A trust that knows this gateway only."""
        return Trust({self.source: {self.kid: OKPKey.import_key(self.key.as_dict(private=False))}})

    def trust_file(self) -> str:
        """The same as the text of a trust file."""
        return json.dumps({"keys": [{"source": self.source, "kid": self.kid, "x": self.key.as_dict(private=False)["x"]}]})

    def sign(self, message: dict[str, Any], **header: str) -> bytes:
        """The canonical form with its signature."""
        signed = {**message, "signature": signature(message, self.key, {"alg": "EdDSA", "kid": self.kid, **header})}
        return rfc8785.dumps(signed)

    def draft(self, event_id: str | None = None, **data: Any) -> dict[str, Any]:
        """An event before its numbers."""
        return {
            "specversion": "1.0",
            "id": event_id or str(uuid.uuid4()),
            "source": self.source,
            "type": "campus.alarm.activated",
            "subject": "panic-1",
            "time": "2026-11-21T08:00:00.000Z",
            "datacontenttype": "application/json",
            "bootid": "b",
            "monotonicms": "12",
            "clockquality": "synchronised",
            "data": {"alarm": "alarm", "place": "校门", "value": True, **data},
        }

    def numbered(self, draft: dict[str, Any], event_class: str = "alarm") -> dict[str, Any]:
        """The draft at its place in the chain, unsigned."""
        self.sequence += 1
        self.class_sequences[event_class] = self.class_sequences.get(event_class, 0) + 1
        return {
            **draft,
            "epoch": f"{self.epoch:010d}",
            "sequence": f"{self.sequence:020d}",
            "classsequence": f"{self.class_sequences[event_class]:020d}",
            "previoushash": self.previous,
        }

    def event(self, event_class: str = "alarm", event_id: str | None = None, **data: Any) -> bytes:
        """The next sealed event."""
        return self.seal(self.draft(event_id, **data), event_class)

    def seal(self, draft: dict[str, Any], event_class: str = "alarm") -> bytes:
        """This draft as the next sealed event."""
        body = self.sign(self.numbered(draft, event_class))
        self.previous = hashlib.sha256(body).hexdigest()
        return body

    def early(self, event_id: str) -> bytes:
        """A copy that went out before the journal could seal it."""
        return self.sign({**self.draft(event_id), "journalled": False})

    def heartbeat(self, owed: int | None, heartbeat_s: float = 30.0, recipient: str = "police") -> bytes:
        """A heartbeat; owed is the lowest sequence that the recipient still has to get, None when all has arrived."""
        entry = {"epoch": f"{self.epoch:010d}", "sequence": f"{owed:020d}"} if owed is not None else None
        return self.sign(
            {
                "source": self.source,
                "bootid": "b",
                "heartbeat_s": heartbeat_s,
                "epoch": f"{self.epoch:010d}",
                "sequence": f"{self.sequence:020d}",
                "lowest_owed": {recipient: entry},
            }
        )


def at(second: float = 0.0) -> Arrival:
    """An arrival that many seconds after the first."""
    return Arrival(at="2026-11-21T08:00:01.000Z", monotonic_ns=1_000_000_000 + int(second * 1e9))
