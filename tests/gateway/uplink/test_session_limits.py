"""What a broker announces and what this side announces: how much at once, how large; and answers that the library does not know."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.core.errors import LinkLost, NotAllowed, PacketTooLarge
from gateway.uplink import session as session_module
from gateway.uplink.session import INCOMING_MOST_BYTES, UNLIMITED, Session
from simulators.broker import Broker
from tests.gateway.uplink.test_session import address, drain, publish_once
from tests.proof.scripted_broker import ScriptedBroker
from tests.real_parts import need


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Broker]:
    """It announces a Receive Maximum of 100 and packets of 8,000 bytes."""
    need("mosquitto", package="mosquitto")
    with Broker("mosquitto", dir=tmp_path, extra="max_packet_size 8000") as broker:
        yield broker


def open_to(port: int, *, v5: bool = True, name: str = "school-gate") -> Session:
    return Session(address(port, v5=v5, name=name), f"{name}/status", b"gone", 100)


@pytest.mark.parametrize(("v5", "most", "largest"), [(True, 100, 8000), (False, UNLIMITED, None)])
async def test_limits_of_the_broker(mosquitto: Broker, v5: bool, most: int, largest: int | None) -> None:
    async with open_to(mosquitto.port, v5=v5) as session:
        assert (session.receive_maximum, session.maximum_packet_bytes) == (most, largest)


async def test_no_limits() -> None:
    with ScriptedBroker() as broker:
        async with open_to(broker.port) as session:
            assert (session.receive_maximum, session.maximum_packet_bytes) == (UNLIMITED, None)


@pytest.mark.parametrize("most", [1, 3, 20])
async def test_no_more_in_flight_than_the_broker_takes(most: int) -> None:
    """A broker may end the session with 0x93; what is too much waits, in its order."""
    with ScriptedBroker(most=most, delay_s=0.01) as broker:
        async with open_to(broker.port) as session:
            loop = asyncio.get_running_loop()
            codes = [loop.create_future() for _ in range(30)]
            order: list[int] = []
            for number, code in enumerate(codes):
                code.add_done_callback(lambda _, number=number: order.append(number))
                session.publish_event("c/v/s/g/event/alarm", b"{}", code.set_result)
            assert set(await asyncio.wait_for(asyncio.gather(*codes), 10)) == {0}
            assert order == list(range(30))
            assert broker.breaches == 0


@pytest.mark.parametrize("code", [0x95, 0x8F, 0xE7])
async def test_a_code_that_the_library_does_not_know_for_a_puback(code: int) -> None:
    with ScriptedBroker(answers={"event/alarm": [code]}) as broker:
        async with open_to(broker.port) as session:
            assert await publish_once(session, "c/v/s/g/event/alarm") == code
            assert session.taken == {}
            assert await publish_once(session, "c/v/s/g/event/alarm") == 0
            assert session.taken == {"c/v/s/g/event/alarm": 2}


async def test_mosquitto_refuses_a_large_message_and_goes_on(tmp_path: Path) -> None:
    need("mosquitto", package="mosquitto")
    with Broker("mosquitto", dir=tmp_path, extra="message_size_limit 6000") as broker:
        async with open_to(broker.port) as session:
            code = asyncio.get_running_loop().create_future()
            session.publish_event("t/event/alarm", b"x" * 8000, code.set_result)
            assert await asyncio.wait_for(code, 5) == 0x95
            assert await publish_once(session, "t/event/alarm") == 0x10


@pytest.mark.parametrize(("code", "kind"), [(0x95, PacketTooLarge), (0x87, NotAllowed), (0x89, LinkLost)])
async def test_a_broker_that_leaves_because_of_a_message_says_so(code: int, kind: type[LinkLost]) -> None:
    with ScriptedBroker(ends=code) as broker:
        async with open_to(broker.port) as session:
            session.publish_event("c/v/s/g/event/alarm", b"x" * 300, lambda code: None)
            session.publish("c/v/s/g/heartbeat", b"{}", qos=1, retain=False, on_ack=lambda code: None)
            with pytest.raises(LinkLost) as ended:
                await asyncio.wait_for(drain(session), 5)
            assert type(ended.value) is kind
            assert session.unacknowledged() == [("c/v/s/g/heartbeat", 2)], "known after the end"


@pytest.mark.parametrize("v5", [True, False])
async def test_a_huge_message_is_not_looked_at(tmp_path: Path, v5: bool, caplog: pytest.LogCaptureFixture) -> None:
    """It is thrown away as it comes, however many there are."""
    need("mosquitto", package="mosquitto")
    with Broker("mosquitto", dir=tmp_path) as broker:
        async with open_to(broker.port, v5=v5) as session, open_to(broker.port, name="other") as other:
            await session.subscribe("t/receipt")
            huge = (b"x" * 5_000_000, *[b"y" * INCOMING_MOST_BYTES] * 120)  # more than the broker may have in flight
            for payload in (b"before", *huge, b"z" * (INCOMING_MOST_BYTES - 100), b"after"):
                other.publish("t/receipt", payload, qos=1, retain=False)
            heard = []
            async with asyncio.timeout(10):
                async for _, payload, _ in session.messages():
                    heard.append(payload)
                    if payload == b"after":
                        break
            assert [payload[:6] for payload in heard] == [b"before", b"zzzzzz", b"after"]
            assert session._client.waiting_bytes == 0
            assert caplog.text.count("not looked at") == 1


async def test_what_waits_to_be_looked_at_is_bounded(mosquitto: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_module, "WAITING_MOST_BYTES", 10_000)
    async with open_to(mosquitto.port) as session:
        await session.subscribe("t/#")
        for number in range(10):
            code = asyncio.get_running_loop().create_future()
            session.publish_event(f"t/{number}", b"x" * 3000, code.set_result)
            await asyncio.wait_for(code, 5)
        await session.subscribe("u/receipt")  # by its answer all that was sent before is here
        assert session._client.waiting_bytes == 9000
        heard = session.messages()
        assert [(await anext(heard))[0] for _ in range(3)] == ["t/0", "t/1", "t/2"]
        assert await publish_once(session, "t/last") == 0
        assert (await anext(heard))[0] == "t/last"


async def test_a_session_that_is_dropped_says_nothing(mosquitto: Broker) -> None:
    """The broker publishes the will, and nobody waits for an answer of a dead line."""
    async with open_to(mosquitto.port, name="watcher") as watcher:
        await watcher.subscribe("dies/status")
        async with open_to(mosquitto.port, name="dies") as session:
            session.drop()
            with pytest.raises(LinkLost):
                await drain(session)
            with pytest.raises(LinkLost):
                session.publish_event("t/event/alarm", b"{}", print)
        async with asyncio.timeout(5):
            assert await anext(watcher.messages()) == ("dies/status", b"gone", False)
