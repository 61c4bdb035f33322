"""One centre at two brokers: one store, one account, receipts at both; either may die."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from simulators.broker import Broker
from simulators.centre.__main__ import main
from simulators.centre.commands import order, send, sign
from simulators.centre.keys import make_key, read_key, read_trust
from simulators.centre.session import Client, link_from
from tests.simulators.centre.chains import ROOT, SOURCE, Gateway
from tests.simulators.centre.test_station import DEADLINE_S, Bench, Centre, Wire, named, of, report_of
from tests.simulators.centre.test_tls_and_metrics import read, says

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


class Pair(Bench):
    """Two brokers, `broker` and `other`."""

    def __init__(self, folder: Path) -> None:
        super().__init__("nats", folder)
        self.other = Broker("nats", dir=folder / "other")

    @property
    def options(self) -> tuple[str, ...]:
        return ("--broker", self.broker.url, "--broker", self.other.url)

    @asynccontextmanager
    async def wire_at(self, broker: Broker) -> AsyncIterator[Wire]:
        """The gateway's end of one of them."""
        async with aiomqtt.Client("127.0.0.1", broker.port) as client:
            await client.subscribe([(f"{ROOT}/receipt", 1), ("campus/v1/centre/police/state", 1)])
            yield Wire(self, client)


@pytest.fixture
def pair(tmp_path: Path) -> Any:
    pair = Pair(tmp_path)
    with pair.broker, pair.other:
        yield pair


@asynccontextmanager
async def heard(pair: Pair, *further: str) -> AsyncIterator[Centre]:
    """The centre, once it hears at both."""
    async with pair.centre(*pair.options, *further) as centre:
        brokers = {(await centre.line(of("online")))["broker"] for _ in range(2)}
        assert brokers == {f"127.0.0.1:{broker.port}" for broker in (pair.broker, pair.other)}
        yield centre


async def test_what_comes_twice_counts_once_and_is_answered_at_both(pair: Pair) -> None:
    first, second, third = (pair.gateway.event(event_id=f"e{n}") for n in range(3))
    async with (
        heard(pair, "--metrics", "0") as centre,
        pair.wire_at(pair.broker) as one,
        pair.wire_at(pair.other) as two,
    ):
        page = (await says(centre, "metrics http")).split()[1]
        await one.online()
        await two.online()
        await one.send("event/alarm", first)
        for wire in (one, two):
            assert (await wire.receipt())["items"][0]["id"] == "e0", "on whichever path the gateway still has"
        assert (await centre.line(named("e0")))["broker"] == f"127.0.0.1:{pair.broker.port}"
        await two.send("event/alarm", first)
        again = await centre.line(named("e0"))
        assert (again["resend"], again["broker"]) == (True, f"127.0.0.1:{pair.other.port}")
        await two.send("event/alarm", third)
        await centre.line(named("e2"))
        await two.send("heartbeat", pair.gateway.heartbeat(owed=2))
        await centre.line(of("heartbeat"))
        await one.send("event/alarm", second)  # the hole of one broker is filled by the other
        await centre.line(named("e1"))
        await two.send("heartbeat", pair.gateway.heartbeat(owed=None))
        assert (await centre.line(of("heartbeat", "gap")))["kind"] == "heartbeat"
        said = await asyncio.to_thread(read, page)
        assert f'centre_events_total{{result="received",source="{SOURCE}"}} 3.0' in said
        for broker, new, resent in ((pair.broker, 2, 0), (pair.other, 1, 1)):
            name = f"127.0.0.1:{broker.port}"
            assert f'centre_broker_up{{broker="{name}"}} 1.0' in said
            assert f'centre_broker_events_total{{broker="{name}",standing="new"}} {new:.1f}' in said
            assert f'centre_broker_events_total{{broker="{name}",standing="resend"}} {resent:.1f}' in said
    report = await report_of(pair.folder / "db")
    assert (report["received"], report["resent"], report["chain"], report["gaps"]) == (3, 1, "whole", [])


async def test_one_broker_dies_and_comes_back(pair: Pair) -> None:
    async with heard(pair) as centre, pair.wire_at(pair.broker) as one:
        await one.online()
        pair.other.kill()
        assert (await centre.line(of("offline")))["broker"] == f"127.0.0.1:{pair.other.port}"
        await one.send("event/alarm", pair.gateway.event(event_id="e0"))
        assert (await one.receipt())["items"][0]["id"] == "e0", "the other goes on"
        pair.other.start()
        assert (await centre.line(of("online")))["broker"] == f"127.0.0.1:{pair.other.port}"
        pair.broker.kill()
        async with pair.wire_at(pair.other) as two:
            assert json.loads(await two.message("/state"))["online"] is True
            await two.send("event/alarm", pair.gateway.event(event_id="e1"))
            assert (await two.receipt())["items"][0]["id"] == "e1"


async def test_a_command_goes_to_both_as_the_same_bytes_and_its_answer_is_told_once(pair: Pair) -> None:
    make_key(pair.folder / "hand", "police")
    key, trust = read_key(pair.folder / "hand"), read_trust(pair.folder / "trust")
    links = [link_from(broker.url, "3.1.1", "", "", "") for broker in (pair.broker, pair.other)]
    message = order("police", SOURCE, "acknowledge", "p", datetime.now(UTC), 60.0)
    came: list[bytes] = []

    async def gateway(broker: Broker, ready: asyncio.Event) -> None:
        async with Client("127.0.0.1", broker.port) as client:
            await client.subscribe(f"{ROOT}/command", qos=1)
            ready.set()
            async for heard in client.messages:
                assert isinstance(heard.payload, bytes)
                came.append(heard.payload)
                for result in ("accepted", "done"):
                    answer = pair.gateway.sign({"source": SOURCE, "id": message["id"], "result": result})
                    await client.publish(f"{ROOT}/command/result", answer, qos=1)

    async with asyncio.timeout(3 * DEADLINE_S), asyncio.TaskGroup() as tasks:
        ready = [asyncio.Event(), asyncio.Event()]
        hearing = [tasks.create_task(gateway(broker, it)) for broker, it in zip((pair.broker, pair.other), ready, strict=True)]
        for it in ready:
            await it.wait()
        answers, problems = await send(links, "campus/v1", SOURCE, sign(message, [key]), message["id"], trust, DEADLINE_S)
        assert ([answer["result"] for answer in answers], problems) == (["accepted", "done"], [])
        assert len(set(came)) == 1
        hearing[1].cancel()
        await asyncio.wait({hearing[1]})
        pair.other.kill()
        message = order("police", SOURCE, "acknowledge", "p", datetime.now(UTC), 60.0)
        answers, problems = await send(links, "campus/v1", SOURCE, sign(message, [key]), message["id"], trust, DEADLINE_S)
        assert [answer["result"] for answer in answers] == ["accepted", "done"]
        assert [line.partition(" (")[0] for line in problems] == [f"no broker at 127.0.0.1:{pair.other.port}"]
        hearing[0].cancel()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--broker mqtt://127.0.0.1:1 --broker mqtt://127.0.0.1:1", "the same broker is named twice"),
        ("--broker mqtts://a:1 --broker mqtts://b:1 --broker mqtts://c:1 --ca one --ca two", "once for each of the 3"),
        ("--broker mqtts://a:1 --ca none.pem", "--ca none.pem: No such file"),
        ("--broker mqtts://a:1 --cert none.pem", "--cert none.pem: No such file"),
        ("--broker mqtts://a:1 --key-file none.key", "give the certificate"),
    ],
)
def test_links_that_cannot_be(words: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_key(tmp_path / "key", "police")
    (tmp_path / "trust").write_text(Gateway().trust_file())
    assert main(["run", *words.split(), "--key", str(tmp_path / "key"), "--trust", str(tmp_path / "trust")]) == 2
    told = capsys.readouterr().err
    assert said in told
    assert told.count("\n") == 1


async def test_a_new_reason_is_told_although_the_first_was_another(tmp_path: Path) -> None:
    """The centre was started before its broker, and asks it for a protocol that it does not speak."""
    bench = Bench("nats", tmp_path)
    async with bench.centre("--protocol", "5") as centre:
        assert "refused" in await says(centre, "no broker at")
        with bench.broker:
            assert "Unsupported protocol version" in await says(centre, "Unsupported")
