"""The desk for signed commands: what it hands on, how much of what it refuses it puts on record, and its topic at a real broker."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.contract.envelope import rfc3339
from gateway.contract.jws import COMMAND_TYPE, TrustedKey
from gateway.core.commands import Command
from gateway.core.errors import LinkLost, SubscriptionRefused
from gateway.core.reading import Now
from gateway.uplink.commands import KEY_BURST, MOST_RESULTS, READ_BURST, RECORD_BURST, Bucket, CommandDesk, Finished
from gateway.uplink.session import Address, Session
from simulators.broker import Broker
from tests.gateway.contract.keys import b64, key, raw_public, token
from tests.real_parts import need

SOURCE = "/sites/school/gateways/gate"
POLICE, BUREAU, STRANGER, WANG, LI, WEAK = (key(30 + number) for number in range(6))
MAY = frozenset({"acknowledge"})
OUTPUTS = MAY | {"output"}
OPEN = {"command": "output", "target": "lock-1", "value": "on", "by": "police"}
HEAD = {"alg": "EdDSA", "kid": "police", "typ": COMMAND_TYPE}
KEYS = {
    "police": TrustedKey("police", b64(raw_public(POLICE)), "police", OUTPUTS),
    "bureau": TrustedKey("bureau", b64(raw_public(BUREAU)), "bureau", MAY),
    "wang": TrustedKey("wang", b64(raw_public(WANG)), "police", OUTPUTS, "王"),
    "li": TrustedKey("li", b64(raw_public(LI)), "police", OUTPUTS, "李"),
    "weak": TrustedKey("weak", b64(raw_public(WEAK)), "police", MAY, "赵"),
}
START_MS = 1_795_248_000_000


class Gateway:
    """What stands behind the desk: it takes what it has not had before, and remembers the ids."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.clock = "synchronised"
        self.taken: list[str] = []
        self.recorded: list[str] = []
        self.told: list[Command] = []
        self.answers: list[dict[str, Any]] = []
        self.waiting: list[Finished] = []
        self.desk = CommandDesk(SOURCE, KEYS, self.now, self.act, self.taken.__contains__, frozenset({"lock-1"}))

    def now(self) -> Now:
        return Now(self.now_s, START_MS + round(self.now_s * 1000), self.clock)

    def act(self, command: Command, finished: Finished) -> tuple[bool, str]:
        if command.refused:
            self.recorded.append(command.refused.split(":")[0])
            self.told.append(command)
            return False, command.refused
        self.taken.append(command.command_id)
        if command.target == "unknown":
            return False, "no such point"
        self.waiting.append(finished)
        return True, "done"

    def results(self) -> list[tuple[str, str, str]]:
        return [(answer["id"], answer["result"], answer["reason"]) for answer in self.answers]

    def signed(self, name: str, private: Any = POLICE, kid: str = "police", **changes: Any) -> bytes:
        message = {
            "id": name,
            "by": kid,
            "gateway": SOURCE,
            "command": "acknowledge",
            "target": "panic",
            "issued_at": rfc3339(self.now().at_ms),
            "expires_at": rfc3339(self.now().at_ms + 60_000),
        }
        return token(private, {"alg": "EdDSA", "kid": kid, "typ": COMMAND_TYPE}, message | changes)

    def take(self, *tokens: bytes) -> None:
        for each in tokens:
            self.desk.take(each, retained=False)


def together(*tokens: bytes) -> bytes:
    """General JSON of compact JWS over one payload."""
    parts = [each.decode().split(".") for each in tokens]
    signatures = [{"protected": protected, "signature": signature} for protected, _, signature in parts]
    return json.dumps({"payload": parts[0][1], "signatures": signatures}).encode()


@pytest.fixture
def box() -> Gateway:
    made = Gateway()
    made.desk.open("main", made.answers.append)
    return made


def test_a_bucket_fills_with_time() -> None:
    bucket = Bucket(per_min=60, burst=3)
    assert [bucket.take(5.0) for _ in range(4)] == [True, True, True, False]
    assert [bucket.take(6.5), bucket.take(6.5), bucket.take(7.0)] == [True, False, True]
    assert [bucket.take(1e9) for _ in range(4)] == [True, True, True, False]


def test_a_command_is_answered_twice(box: Gateway) -> None:
    box.take(box.signed("a"))
    assert box.results() == [("a", "accepted", "")]
    box.waiting.pop()(True, "on the disk")
    assert box.results()[1:] == [("a", "done", "")]
    box.take(box.signed("b"))
    box.waiting.pop()(False, "not confirmed")
    box.take(box.signed("c", target="unknown"))
    assert box.results()[2:] == [("b", "accepted", ""), ("b", "failed", ""), ("c", "refused", "rules")]
    assert dict(box.desk.counts) == {"accepted": 2, "done": 1, "failed": 1, "rules": 1}


def test_what_is_refused_is_put_on_record_and_answered(box: Gateway) -> None:
    box.take(box.signed("a"), box.signed("a"), box.signed("b", command="reset"))
    assert box.results() == [("a", "accepted", ""), ("a", "refused", "repeated"), ("b", "refused", "permission")]
    assert (box.taken, box.recorded) == (["a"], ["repeated", "permission"])


def test_a_centre_with_two_paths_says_it_twice_and_it_is_done_once(box: Gateway) -> None:
    further: list[dict[str, Any]] = []
    box.desk.open("modem", further.append)
    message = box.signed("a")
    for path in ("main", "modem"):
        box.desk.take(message, retained=False, path=path)
    assert (box.taken, box.desk.counts["copy"]) == (["a"], 1)
    assert box.results() == [("a", "accepted", "")]
    assert further == box.answers, "the answer goes out on both"
    box.desk.take(message, retained=False, path="modem")
    assert box.results()[1:] == [("a", "refused", "repeated")], "a third time is a replay"


def test_nobody_is_answered_who_has_not_signed(box: Gateway) -> None:
    box.take(box.signed("a", STRANGER), b"junk", token(POLICE, HEAD, b"[]"))
    box.desk.take(box.signed("b", STRANGER), retained=True)
    assert (box.taken, box.answers, box.recorded) == ([], [], ["signature", "message", "message", "retained"])
    box.desk.take(b"", retained=True)
    assert box.recorded[4:] == [], "this is how a retained message is removed"


def test_whoever_has_signed_is_answered_whatever_is_wrong(box: Gateway) -> None:
    """Also where the message is no good command; the id on record is one that a command can have."""
    box.take(box.signed("a b"), box.signed("zone", expires_at="2026-11-21T08:00:59"), box.signed("nowhere", target=None))
    box.take(together(box.signed("twice"), box.signed("twice")))
    box.desk.take(box.signed("kept"), retained=True)
    box.desk.take(box.signed("kept and odd", command=5), retained=True)
    assert box.results() == [
        ("a b", "refused", "message"), ("zone", "refused", "message"), ("nowhere", "refused", "message"),
        ("twice", "refused", "signature"), ("kept", "refused", "retained"), ("kept and odd", "refused", "retained"),
    ]  # fmt: skip
    assert [(each.command_id, each.by) for each in box.told] == [
        ("", "police"), ("zone", "police"), ("nowhere", "police"), ("twice", "police"), ("kept", "police"), ("", "police"),
    ]  # fmt: skip
    assert box.taken == []
    box.take(box.signed("x" * 121), box.signed("", id=5))
    assert len(box.answers) == 6, "no answer can say what it is about"
    assert box.recorded[6:] == ["message", "message"]


def test_one_person_does_not_open_a_door(box: Gateway) -> None:
    """Two persons do, each with a key that is good for it; a siren takes one, and so does locking."""
    box.take(box.signed("wang", WANG, "wang", **OPEN), box.signed("li", LI, "li", **OPEN), box.signed("program", **OPEN))
    box.take(together(box.signed("same", WANG, "wang", **OPEN), box.signed("same", WANG, "wang", **OPEN)))
    box.take(together(box.signed("nobody", WANG, "wang", **OPEN), box.signed("nobody", POLICE, "police", **OPEN)))
    box.take(together(box.signed("weak", WANG, "wang", **OPEN), box.signed("weak", WEAK, "weak", **OPEN)))
    assert [reason for _, _, reason in box.results()] == ["second", "second", "second", "signature", "second", "permission"]
    assert (box.taken, box.recorded) == ([], ["second", "second", "second", "signature", "second", "permission"])
    box.take(together(box.signed("both", WANG, "wang", **OPEN), box.signed("both", LI, "li", **OPEN)))
    box.take(box.signed("shut", WANG, "wang", **OPEN | {"value": "off"}), box.signed("siren", WANG, "wang", **OPEN | {"target": "siren-1"}))
    assert box.taken == ["both", "shut", "siren"]


async def test_a_flood_of_forgeries_cannot_fill_the_journal(box: Gateway) -> None:
    flood = 3 * int(READ_BURST)
    for _ in range(flood):
        box.take(box.signed("a", STRANGER))
    assert len(box.recorded) == RECORD_BURST
    assert (box.desk.counts["signature"], box.desk.counts["dropped"]) == (READ_BURST, flood - READ_BURST)
    box.desk.summarise()
    assert box.recorded[-1] == "flood"
    rest = flood - int(RECORD_BURST)
    dropped = flood - int(READ_BURST)
    assert box.told[-1].refused == f"flood: {rest} more messages were refused (dropped {dropped}, signature {rest - dropped})"
    box.desk.summarise()
    assert len(box.recorded) == RECORD_BURST + 1, "said once"
    box.now_s = 60.0
    box.take(box.signed("real"))
    assert box.taken == ["real"]


async def test_one_recorded_message_sent_again_and_again_uses_up_nobodys_share(box: Gateway) -> None:
    old = box.signed("old")
    box.take(old)
    for second in range(1, 200):
        box.now_s = float(second)
        box.take(old)
    assert len(box.recorded) < RECORD_BURST + 200 / 60 * 10 + 1
    box.take(box.signed("new"))
    assert box.taken == ["old", "new"]


async def test_each_key_has_its_own_share(box: Gateway) -> None:
    for number in range(int(KEY_BURST) + 5):
        box.take(box.signed(f"p{number}"))
    box.take(box.signed("b", BUREAU, "bureau"))
    assert box.taken == [*(f"p{number}" for number in range(int(KEY_BURST))), "b"]
    assert box.recorded == ["rate"] * 5
    box.now_s = 2.0
    box.take(box.signed("later"))
    assert box.taken[-1] == "later"


def test_without_a_clock(box: Gateway) -> None:
    box.clock = "unknown"
    stale = box.signed("a", expires_at=rfc3339(START_MS + 1000))
    box.now_s = 1e6
    box.take(stale)
    assert box.taken == ["a"], "an acknowledgement is taken; its id is what keeps it from being taken twice"
    box.take(stale)
    assert box.taken == ["a"]


def test_results_wait_for_a_session() -> None:
    box = Gateway()
    box.take(box.signed("a"))
    assert box.answers == []

    def lost(message: dict[str, Any]) -> None:
        raise LinkLost("gone")

    box.desk.open("main", lost)
    box.waiting.pop()(True, "on the disk")
    box.desk.open("main", box.answers.append)
    assert box.results() == [("a", "accepted", ""), ("a", "done", "")]
    box.desk.open("main", lost)
    for number in range(2 * MOST_RESULTS):
        box.now_s += 2.0
        box.take(box.signed(f"n{number}", target="unknown"))
    box.desk.open("main", box.answers.append)
    assert box.results()[2:] == [(f"n{number}", "refused", "rules") for number in range(MOST_RESULTS, 2 * MOST_RESULTS)]


# --- the topic at a broker ----------------------------------------------------------------------


@contextlib.asynccontextmanager
async def connected(port: int, name: str, *, v5: bool = True, username: str | None = None) -> AsyncIterator[Session]:
    address = Address("127.0.0.1", port, name, v5, keepalive_s=10, username=username)
    async with Session(address, f"{name}/status", b"{}", 10) as session:
        yield session


async def publish(port: int, payload: bytes, *, retain: bool) -> None:
    done = asyncio.get_running_loop().create_future()
    async with connected(port, "writer") as writer:
        writer.publish("t/command", payload, qos=1, retain=retain, on_ack=done.set_result)
        await asyncio.wait_for(done, 5)


async def heard(session: Session, until: bytes) -> list[tuple[bytes, bool]]:
    """(payload, retained) of what came, up to this payload."""
    out = []
    async with asyncio.timeout(5):
        async for _, payload, retained in session.messages():
            out.append((payload, retained))
            if payload == until:
                break
    return out


@pytest.mark.parametrize(
    ("v5", "expected"),
    [(True, [(b"now", True), (b"end", False)]), (False, [(b"kept", True), (b"now", False), (b"end", False)])],
    ids=["5", "3.1.1"],
)
async def test_what_a_broker_has_kept(tmp_path: Path, v5: bool, expected: list[tuple[bytes, bool]]) -> None:
    """MQTT 5 sends nothing kept, and what is published to be kept shows it; 3.1.1 marks only what was kept before."""
    need("mosquitto", package="mosquitto")
    with Broker("mosquitto", dir=tmp_path) as broker:
        await publish(broker.port, b"kept", retain=True)
        async with connected(broker.port, "gate", v5=v5) as session:
            await session.subscribe("t/command", fresh_only=True)
            await publish(broker.port, b"now", retain=True)
            await publish(broker.port, b"end", retain=False)
            assert await heard(session, b"end") == expected


NO_COMMANDS = """
authorization { users = [ { user: "gate", password: "gate", permissions: { subscribe: { deny: ["t.command"] } } } ] }
no_auth_user: gate
"""


async def test_a_broker_may_forbid_the_topic(tmp_path: Path) -> None:
    with Broker("nats", dir=tmp_path, extra=NO_COMMANDS) as broker:
        async with connected(broker.port, "gate", v5=False) as session:
            await session.subscribe("t/receipt")
            with pytest.raises(SubscriptionRefused, match="t/command"):
                await session.subscribe("t/command", fresh_only=True)
            await session.subscribe("t/status")
