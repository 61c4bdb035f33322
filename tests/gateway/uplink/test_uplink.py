"""The local faults of delivery: each told once when it begins and once when it ends, by what the parts know."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gateway.contract.jws import Signer
from gateway.contract.topics import Topics
from gateway.core.delivery import Channel, Owed
from gateway.core.errors import LinkLost, TakenOver
from gateway.uplink.link import Identity, Timing
from gateway.uplink.outbox import SUSPECTED, Outbox
from gateway.uplink.uplink import SUPERVISION, Faults, Outside, Uplink
from tests.gateway.contract.keys import token
from tests.gateway.contract.test_receipt import GOOD, HEADER, KEYS, POLICE
from tests.gateway.uplink.test_outbox import entry

TIMING = Timing(30.0, 40, 10.0, 100.0, 10.0, 60.0)
SOURCE = "/sites/demo-school/gateways/gate"


class NoBroker:
    """A dialler that reaches nobody."""

    where = "nowhere"
    can_refuse = True

    def stale(self) -> str:
        return ""

    def dial(self, will_topic: str, will: bytes) -> AbstractAsyncContextManager[Channel]:
        raise LinkLost("nobody there")


class Empty:
    """A journal that owes nothing, and a board with nothing on it."""

    async def owed(self, after_row: int, limit: int) -> list[Owed]:
        return []

    async def bodies(self, rows: list[int]) -> dict[int, tuple[str, bytes]]:
        return {}

    async def since(self, recipient: str, place: tuple[int, int], after_row: int, limit: int) -> list[Owed]:
        return []

    async def known(self, ids: list[str]) -> dict[str, tuple[int, str]]:
        return {}

    def everything(self) -> None:
        pass

    def birth(self) -> dict[str, Any]:
        return {}

    def next_state(self) -> tuple[str, dict[str, Any]] | None:
        return None

    def telemetry(self) -> dict[str, Any] | None:
        return None

    def heartbeat(self) -> dict[str, Any]:
        return {}


class School:
    """An uplink with two paths and one recipient; what it said about faults."""

    def __init__(self, identity: Identity) -> None:
        self.said: list[tuple[str, bool, str]] = []
        self.box = Outbox(10, 10.0, paths=("lan", "modem"))
        empty = Empty()
        outside = Outside(empty, empty, lambda settled: None, lambda *told: self.said.append(told), lambda who, seconds: None)
        self.uplink = Uplink(identity, {"lan": NoBroker(), "modem": NoBroker()}, self.box, KEYS, ["police"], TIMING, outside)
        self.began_s = self.uplink.links["lan"].connected_s

    def look(self, after_s: float) -> list[tuple[str, bool]]:
        """What is said at a look so long after the start."""
        self.said.clear()
        self.uplink.look(self.began_s + after_s)
        return [(point, active) for point, active, _ in self.said]

    def up(self, path: str) -> None:
        link = self.uplink.links[path]
        link.counts.up = link.proven = True


@pytest.fixture
def make() -> Callable[[], School]:
    signer = Signer(Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return lambda: School(Identity(Topics("campus/v1/demo-school/gate"), SOURCE, "boot", signer))


async def test_each_path_has_a_fault_of_its_own(make: Callable[[], School]) -> None:
    school = make()
    school.up("lan")
    said = school.look(1.0)
    assert ("gw-path-lan", False) in said
    assert ("gw-path-modem", True) in said
    assert school.look(2.0) == [], "each change is told once"
    school.up("modem")
    assert school.look(3.0) == [("gw-path-modem", False)]


async def test_a_session_in_which_nothing_is_acknowledged_is_no_path(make: Callable[[], School]) -> None:
    school = make()
    school.uplink.links["lan"].counts.up = True
    assert ("gw-path-lan", True) in school.look(1.0)


async def test_a_rival_is_told(make: Callable[[], School]) -> None:
    school = make()
    school.look(1.0)
    school.uplink.links["lan"].patience.ended(TakenOver("another device"), 1.0, owes_alarms=False)
    school.look(2.0)
    assert school.said == [("gw-client-lan", True, "another device")]


async def test_a_refused_topic_names_its_path(make: Callable[[], School]) -> None:
    school = make()
    school.look(1.0)
    lan = school.box.lanes["lan"]
    school.box.hold(lan, "access", 0x87, 0.0)
    school.look(2.0)
    assert school.said == [("gw-publish", True, "the broker refuses path lan, event/access: reason code 0x87")]
    school.box.release(lan, "access")
    school.box.hold(school.box.lanes["modem"], "access", SUSPECTED, 0.0)
    assert school.look(3.0) == [], "one ends, another begins: the fault stands"
    school.box.release(school.box.lanes["modem"], "access")
    assert school.look(4.0) == [("gw-publish", False)]


async def test_a_centre_is_silent_after_100_s_from_sealing(make: Callable[[], School]) -> None:
    school = make()
    item = entry(1)
    item.sealed_s = school.began_s + 5.0
    school.box.offer(item)
    school.look(1.0)
    assert school.look(105.0) == []
    assert school.look(105.1) == [("gw-centre-police", True)]


async def test_a_backlog_that_flows_is_no_silence_and_one_that_stands_is(make: Callable[[], School]) -> None:
    school = make()
    for row in range(1, 11):
        item = entry(row)
        item.sealed_s = school.began_s - 3600.0
        school.box.offer(item)
    for row in range(1, 6):
        assert ("gw-centre-police", True) not in school.look(row * 60.0)
        school.box.receipt("police", [(f"id-{row}", f"hash-{row}")], unusable=False)
    assert school.look(310.0) == []
    assert school.look(411.0) == [("gw-centre-police", True)]


async def test_unusable_is_a_fault_for_a_while(make: Callable[[], School]) -> None:
    school = make()
    school.look(1.0)
    item = entry(1)
    item.id, item.sha256 = GOOD["items"][0]["id"], GOOD["items"][0]["sha256"]
    school.box.offer(item)
    message = token(POLICE, HEADER, GOOD | {"gateway": SOURCE, "result": "unusable", "reason": "no such school"})
    school.said.clear()
    await school.uplink.receipts.take(message)
    assert school.said == [("gw-centre-police", True, f"cannot use event {item.id}: no such school")]
    assert len(school.box) == 0, "nothing is repeated"
    assert school.look(2.0) == [], "it stands"
    assert school.look(1000.0) == [("gw-centre-police", False)]


async def test_a_link_that_reaches_nobody_waits_and_tries_again(make: Callable[[], School]) -> None:
    link = make().uplink.links["lan"]
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(link.run(), 0.2)
    assert 1 <= link.counts.ends["unreachable"] <= 4, "each wait is at least 0.05 s"
    assert link.counts.reason == "nobody there"


def test_the_first_word_always_goes_through() -> None:
    said: list[tuple[str, bool, str]] = []
    faults = Faults(lambda *told: said.append(told))
    for active in (False, False, True, True, False):
        faults.say("gw-path-lan", active, "why")
    assert said == [("gw-path-lan", False, ""), ("gw-path-lan", True, "why"), ("gw-path-lan", False, "")]


@pytest.mark.parametrize(("profile", "deadline_s"), [("sp5", 90.0), ("dp4", 90.0), ("sp6", 20.0)])
def test_profiles_leave_time_for_a_coarse_broker(profile: str, deadline_s: float) -> None:
    """EN 50136-1. A broker drops a silent client after 1.5 keep-alives (MQTT 5, 3.1.2.10); mosquitto 2.0 looks each 5 s."""
    heartbeat_s, keepalive_s = SUPERVISION[profile]
    assert 1.5 * keepalive_s + 6 < deadline_s
    assert 2 * heartbeat_s < deadline_s
