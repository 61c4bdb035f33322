"""The centre as a program, on real brokers: nats for MQTT 3.1.1, mosquitto for MQTT 5."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
from joserfc import jws

from simulators.broker import Broker, free_port
from simulators.centre.keys import make_key, read_key
from tests.real_parts import need
from tests.simulators.centre.chains import ROOT, SOURCE, Gateway

DEADLINE_S = 60.0
PROTOCOL = {"nats": "3.1.1", "mosquitto": "5"}


class Bench:
    """A broker, a gateway's signing hand and the folder of the centre's files."""

    def __init__(self, kind: str, folder: Path) -> None:
        self.kind = kind
        self.folder = folder
        self.port = free_port()
        (folder / "broker").mkdir()
        self.broker = Broker(kind, self.port, folder / "broker")
        self.gateway = Gateway()
        make_key(folder / "key", "police")
        self.key = read_key(folder / "key")
        (folder / "trust").write_text(self.gateway.trust_file())

    @asynccontextmanager
    async def centre(self, *options: str) -> AsyncIterator[Centre]:
        """`campus-centre run --json` as a process; it must end cleanly when asked to."""
        url = () if {"--url", "--broker"} & set(options) else ("--url", f"mqtt://127.0.0.1:{self.port}")
        command = [sys.executable, "-m", "simulators.centre", "run", "--json", *url]
        command += ["--protocol", PROTOCOL[self.kind], "--key", f"{self.folder}/key", "--trust", f"{self.folder}/trust"]
        command += ["--db", f"{self.folder}/db", *options]
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE)
        centre = Centre(process)
        try:
            yield centre
            if process.returncode is None:
                process.send_signal(signal.SIGINT)
                assert await asyncio.wait_for(process.wait(), DEADLINE_S) == 0
        finally:
            if process.returncode is None:
                process.kill()
            assert process.stderr is not None
            complaints = (await process.stderr.read()).decode()
            await process.wait()
        assert "Traceback" not in complaints
        assert "never retrieved" not in complaints

    @asynccontextmanager
    async def wire(self) -> AsyncIterator[Wire]:
        """The gateway's end of the broker."""
        async with aiomqtt.Client("127.0.0.1", self.port) as client:
            await client.subscribe([(f"{ROOT}/receipt", 1), ("campus/v1/centre/police/state", 1)])
            yield Wire(self, client)


class Centre:
    """The program's standard output."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def line(self, wanted: Callable[[dict[str, Any]], bool] = lambda _: True) -> dict[str, Any]:
        """The next line that is wanted."""
        assert self.process.stdout is not None
        async with asyncio.timeout(DEADLINE_S):
            while True:
                raw = await self.process.stdout.readline()
                assert raw, "the centre ended"
                line: dict[str, Any] = json.loads(raw)
                if wanted(line):
                    return line


class Wire:
    """Publishes as the gateway and reads receipts."""

    def __init__(self, bench: Bench, client: aiomqtt.Client) -> None:
        self._bench = bench
        self._client = client

    async def send(self, tail: str, body: bytes) -> None:
        await self._client.publish(f"{ROOT}/{tail}", body, qos=1)

    async def message(self, tail: str) -> bytes:
        """The next message on a topic that ends like this."""
        async with asyncio.timeout(DEADLINE_S):
            async for message in self._client.messages:
                if str(message.topic).endswith(tail):
                    assert isinstance(message.payload, bytes)
                    return message.payload
        raise AssertionError("unreachable")

    async def receipt(self) -> dict[str, Any]:
        """Content of the next receipt, its signature checked."""
        compact = (await self.message("/receipt")).decode()
        signed = jws.deserialize_compact(compact, self._bench.key.key, algorithms=["EdDSA"])
        assert dict(signed.headers()) == {"alg": "EdDSA", "kid": self._bench.key.kid, "typ": "campus-receipt"}
        return dict(json.loads(signed.payload))

    async def online(self) -> None:
        """Until the centre has told the gateways that it is there."""
        while not json.loads(await self.message("/state"))["online"]:
            pass


@pytest.fixture(params=["nats", "mosquitto"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    if request.param == "mosquitto":
        need("mosquitto", package="mosquitto")
    bench = Bench(request.param, tmp_path)
    bench.broker.start()
    yield bench
    bench.broker.stop()


def named(event_id: str) -> Callable[[dict[str, Any]], bool]:
    return lambda line: line.get("id") == event_id


def of(*kinds: str) -> Callable[[dict[str, Any]], bool]:
    return lambda line: line["kind"] in kinds


async def test_event_to_receipt(bench: Bench) -> None:
    async with bench.centre() as centre, bench.wire() as wire:
        await wire.online()
        await wire.send("birth", bench.gateway.sign({"source": SOURCE}))
        assert [(await centre.line())["kind"] for _ in range(2)] == ["online", "birth"]
        body = bench.gateway.event(event_id="e1")
        for resend in (False, True):
            await wire.send("event/alarm", body)
            line = await centre.line(named("e1"))
            assert (line["verified"], line["resend"], line["problem"], line["sequence"]) == (True, resend, None, 1)
            receipt = await wire.receipt()
            assert (receipt["by"], receipt["gateway"], receipt["result"]) == ("police", SOURCE, "received")
            assert receipt["items"] == [{"id": "e1", "sha256": line["sha256"]}]


async def test_forged_events_are_told_and_not_receipted(bench: Bench) -> None:
    async with bench.centre() as centre, bench.wire() as wire:
        await wire.online()
        await wire.send("event/alarm", Gateway().event(event_id="forged"))
        assert (await centre.line(of("bad")))["problem"] == "signature does not hold"
        await wire.send("event/alarm", bench.gateway.event(event_id="genuine"))
        assert [item["id"] for item in (await wire.receipt())["items"]] == ["genuine"]


async def test_a_burst_shares_receipts(bench: Bench) -> None:
    bodies = [bench.gateway.event("observation", f"e{n}") for n in range(150)]
    async with bench.centre() as centre, bench.wire() as wire:
        await wire.online()
        await asyncio.gather(*(wire.send("event/observation", body) for body in bodies))
        receipted: list[str] = []
        receipts = 0
        while len(receipted) < len(bodies):
            items = (await wire.receipt())["items"]
            assert len(items) <= 100
            receipted += [item["id"] for item in items]
            receipts += 1
        assert sorted(receipted) == sorted(f"e{n}" for n in range(150))
        assert receipts < 75
        await wire.send("heartbeat", bench.gateway.heartbeat(owed=None))
        kinds = {(await centre.line())["kind"] for _ in range(152)}
        assert kinds == {"online", "event", "heartbeat"}, "and no gap"


async def test_killed_centre_goes_on_where_it_was(bench: Bench) -> None:
    first, second, third = (bench.gateway.event(event_id=f"e{n}") for n in range(3))
    async with bench.wire() as wire:
        async with bench.centre() as centre:
            await wire.online()
            await wire.send("event/alarm", first)
            await centre.line(named("e0"))
            await wire.receipt()
            centre.process.kill()
            await centre.process.wait()
        assert json.loads(await wire.message("/state"))["online"] is False
        await wire.send("event/alarm", second)  # its session keeps this
        async with bench.centre() as centre:
            line = await centre.line(named("e1"))
            assert (line["resend"], line["problem"]) == (False, None)
            await wire.send("event/alarm", first)
            assert (await centre.line(named("e0")))["resend"] is True
            await wire.send("event/alarm", third)
            await centre.line(named("e2"))
    report = await report_of(bench.folder / "db")
    assert (report["received"], report["resent"], report["chain"], report["missing"]) == (3, 1, "whole", [])


async def test_broker_killed(bench: Bench) -> None:
    async with bench.centre() as centre:
        async with bench.wire() as wire:
            await wire.online()
        bench.broker.kill()
        bench.broker.restart()
        async with bench.wire() as wire:
            await wire.online()  # a mosquitto that was killed knows no session, and drops what comes before the centre is back
            await wire.send("event/alarm", bench.gateway.event(event_id="after"))
            await centre.line(named("after"))
            assert (await wire.receipt())["items"][0]["id"] == "after"


async def test_manners(bench: Bench) -> None:
    body = bench.gateway.event(event_id="e1")
    async with bench.wire() as wire:
        async with bench.centre("--result", "unusable") as centre:
            await wire.online()
            await wire.send("event/alarm", body)
            receipt = await wire.receipt()
            assert (receipt["result"], receipt["reason"]) == ("unusable", "refused on request")
        async with bench.centre("--no-receipts") as centre:
            await wire.online()
            await wire.send("event/alarm", body)
            await centre.line(named("e1"))
        async with bench.centre("--receipt-delay-ms", "300") as centre:
            await wire.online()
            await wire.send("event/alarm", body)
            arrived_s = (await centre.line(named("e1")))["arrived_monotonic_ns"] / 1e9
            assert (await wire.receipt())["result"] == "received"
            assert asyncio.get_running_loop().time() - arrived_s >= 0.3


async def test_enrolled_while_running(bench: Bench) -> None:
    bench.folder.joinpath("trust").write_text('{"keys": []}')
    async with bench.centre() as centre, bench.wire() as wire:
        await wire.online()
        body = bench.gateway.event(event_id="e1")
        await wire.send("event/alarm", body)
        assert "no enrolled key" in (await centre.line(of("bad")))["problem"]
        bench.folder.joinpath("trust").write_text(bench.gateway.trust_file())
        centre.process.send_signal(signal.SIGHUP)
        async with asyncio.timeout(DEADLINE_S):
            line: dict[str, Any] = {}
            while line.get("kind") != "event":
                await wire.send("event/alarm", body)
                line = await centre.line(of("event", "bad"))


async def test_silent_site(bench: Bench) -> None:
    async with bench.centre("--silent-after", "1") as centre, bench.wire() as wire:
        await wire.online()
        await wire.send("heartbeat", bench.gateway.heartbeat(owed=None))
        await centre.line(of("heartbeat"))
        assert (await centre.line(of("silent")))["source"] == SOURCE


async def run(*arguments: str) -> tuple[int, str, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "simulators.centre", *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await asyncio.wait_for(process.communicate(), DEADLINE_S)
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def report_of(db: Path) -> dict[str, Any]:
    code, out, _ = await run("report", "--json", "--db", str(db))
    assert code == 0
    return dict(json.loads(out)["gateways"][SOURCE])


async def test_keygen_and_what_cannot_be_used(tmp_path: Path) -> None:
    key, trust = str(tmp_path / "key"), str(tmp_path / "trust")
    code, out, _ = await run("keygen", "--id", "police", key)
    assert (code, set(json.loads(out))) == (0, {"kid", "x"})
    code, _, err = await run("keygen", "--id", "police", key)
    assert (code, err) == (2, f"campus-centre: {key}: exists already; a key is never overwritten\n")
    code, _, err = await run("keygen", "--id", "Police!", key)
    assert code == 2
    Path(trust).write_text('{"keys": []}')
    for url in ("mqtt://192.0.2.1:1883", "mqtt://broker.example", "http://127.0.0.1", "mqtt://", "mqtts://h:99999"):
        code, _, err = await run("run", "--url", url, "--key", key, "--trust", trust)
        assert code == 2
        assert err.startswith(f"campus-centre: {url}: ")
        assert err.count("\n") == 1
    code, _, err = await run("run", "--url", "mqtt://127.0.0.1", "--key", key, "--trust", trust + "s")
    assert (code, err.count("\n")) == (2, 1)
    code, _, err = await run("report", "--db", str(tmp_path / "none"))
    assert (code, err.count("\n")) == (2, 1)
    os.mkdir(tmp_path / "folder")
    code, _, err = await run("run", "--url", "mqtt://127.0.0.1", "--key", key, "--trust", trust, "--db", str(tmp_path / "folder"))
    assert (code, err.count("\n")) == (1, 1)
