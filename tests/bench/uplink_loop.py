"""The plain loop beside which the uplink's cost is told: sign, store once, publish, wait for the PUBACK.

Run as `python -m tests.bench.uplink_loop`. The same signature as the contract's (a detached JWS by Ed25519), the same durability (WAL, one
synced commit for each burst), QoS 1 to the same broker. It does not: chain events by hash, number them by class, write RFC 8785, keep what
each recipient still owes, note the PUBACK in the file, order by urgency, send again, watch a session, send heartbeats.
"""

from __future__ import annotations

import argparse
import base64
import json
import sqlite3
import sys
import time
from pathlib import Path

import paho.mqtt.client as mqtt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from paho.mqtt.properties import Properties

from gateway.core.ids import EventIds
from tests.bench.journal import draft

TOPIC = "loop/event/alarm"
WAIT_S = 10.0


class Loop:
    """One run's key, file and session."""

    def __init__(self, port: int, file: Path) -> None:
        self._key = Ed25519PrivateKey.generate()
        self._header = _b64(json.dumps({"alg": "EdDSA", "kid": "loop"}).encode())
        self._db = sqlite3.connect(file, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.execute("CREATE TABLE event (sequence INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, body BLOB NOT NULL)")
        self._ids = EventIds()
        self._sequence = 0
        self._client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, "plain-loop", protocol=mqtt.MQTTv5)
        self._client.max_inflight_messages_set(1000)
        self._client.connect("127.0.0.1", port, properties=Properties(1))  # type: ignore[no-untyped-call]
        self._client.loop_start()

    def events(self, bursts: int, size: int) -> float:
        """So many bursts, one after the other; CPU seconds of this whole process."""
        drafts = [[draft(self._ids, "alarm") for _ in range(size)] for _ in range(bursts)]
        began_s = time.process_time()
        for burst in drafts:
            bodies = []
            self._db.execute("BEGIN IMMEDIATE")
            for made in burst:
                self._sequence += 1
                event = {"specversion": "1.0", "id": made.id, "source": "/loop", "type": made.type, "subject": made.subject}
                event |= {"time": made.at_ms, "sequence": f"{self._sequence:020d}", "data": made.data}
                body = self._signed(event)
                self._db.execute("INSERT INTO event VALUES (?, ?, ?)", (self._sequence, made.id, body))
                bodies.append(body)
            self._db.execute("COMMIT")
            sent = [self._client.publish(TOPIC, body, qos=1) for body in bodies]
            for message in sent:
                message.wait_for_publish(WAIT_S)
        return time.process_time() - began_s

    def _signed(self, event: dict[str, object]) -> bytes:
        payload = _b64(_json(event))
        signature = _b64(self._key.sign(f"{self._header}.{payload}".encode()))
        return _json({**event, "signature": f"{self._header}..{signature}"})


def _json(event: dict[str, object]) -> bytes:
    return json.dumps(event, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def main() -> None:
    """Orders on standard input as uplink_subject takes them: {"bursts", "size"}; answers {"cpu_s"}."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="of the broker on loopback")
    parser.add_argument("--file", type=Path, required=True, help="the SQLite file")
    arguments = parser.parse_args()
    loop = Loop(arguments.port, arguments.file)
    for line in sys.stdin:
        order = json.loads(line)
        cpu_s = loop.events(order["bursts"], order["size"])
        sys.stdout.write(json.dumps({"cpu_s": cpu_s}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
