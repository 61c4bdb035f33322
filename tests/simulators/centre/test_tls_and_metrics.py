"""The centre over TLS with certificates on both sides, on a real mosquitto; and its metrics page."""

from __future__ import annotations

import asyncio
import ssl
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import aiomqtt
import pytest

from simulators.broker import Broker, free_port
from tests.real_parts import need
from tests.simulators.centre.certificates import Authority
from tests.simulators.centre.chains import ROOT
from tests.simulators.centre.test_station import DEADLINE_S, Bench, Centre, named, of

pytestmark = pytest.mark.slow

TLS = """listener {port} 127.0.0.1
cafile {ca}
certfile {cert}
keyfile {key}
require_certificate true
tls_version tlsv1.2
"""


class TlsBench(Bench):
    """A mosquitto that takes nobody without a certificate of its authority on its second port."""

    def __init__(self, folder: Path) -> None:
        super().__init__("mosquitto", folder)
        self.authority = Authority(folder)
        cert, key = self.authority.issue("localhost", server=True)
        self.tls_port = free_port()
        extra = TLS.format(port=self.tls_port, ca=self.authority.ca, cert=cert, key=key)
        self.broker = Broker("mosquitto", self.port, folder / "broker", extra=extra)

    def options(self, authority: Authority, *files: str, host: str = "localhost") -> tuple[str, ...]:
        """What the centre is told. files: its certificate and key."""
        own = ("--cert", files[0], "--key-file", files[1]) if files else ()
        return ("--url", f"mqtts://{host}:{self.tls_port}", "--ca", str(authority.ca), *own)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[TlsBench]:
    need("mosquitto", package="mosquitto")
    bench = TlsBench(tmp_path)
    bench.broker.start()
    yield bench
    bench.broker.stop()


async def says(centre: Centre, words: str) -> str:
    """The next line of standard error with these words."""
    assert centre.process.stderr is not None
    async with asyncio.timeout(DEADLINE_S):
        while True:
            line = (await centre.process.stderr.readline()).decode()
            assert line, "the centre ended"
            if words in line:
                return line


async def test_an_event_and_its_receipt_over_tls(bench: TlsBench) -> None:
    files = bench.authority.issue("centre-police")
    tls = ssl.create_default_context(cafile=str(bench.authority.ca))
    tls.load_cert_chain(*bench.authority.issue("school-1"))
    async with (
        bench.centre(*bench.options(bench.authority, *files)) as centre,
        aiomqtt.Client("localhost", bench.tls_port, tls_context=tls) as gateway,
    ):
        await centre.line(of("online"))
        await gateway.subscribe(f"{ROOT}/receipt", qos=1)
        await gateway.publish(f"{ROOT}/event/alarm", bench.gateway.event(event_id="e1"), qos=1)
        assert (await centre.line(named("e1")))["verified"] is True
        async with asyncio.timeout(DEADLINE_S):
            message = await anext(gateway.messages)
        assert isinstance(message.payload, bytes)
        assert message.payload.count(b".") == 2


@pytest.mark.parametrize("wrong", ["no certificate", "another authority's certificate", "another authority", "over", "host name"])
async def test_what_is_not_let_in(bench: TlsBench, wrong: str) -> None:
    """The centre neither takes a broker that it cannot verify, nor is it taken without a certificate; it says so and tries again."""
    (bench.folder / "other").mkdir()
    other = Authority(bench.folder / "other", "other-ca")
    good = bench.authority.issue("centre-police")
    options = {
        "no certificate": lambda: bench.options(bench.authority),
        "another authority's certificate": lambda: bench.options(bench.authority, *other.issue("centre-police")),
        "another authority": lambda: bench.options(other, *good),
        "over": lambda: bench.options(bench.authority, *bench.authority.issue("centre-old", days=-1)),
        "host name": lambda: bench.options(bench.authority, *good, host="127.0.0.1"),
    }[wrong]()
    async with bench.centre(*options) as centre:
        said = await says(centre, "no broker at")
        if wrong in ("another authority", "host name"):
            assert "certificate" in said.lower()
        assert not (await drained(centre))


async def drained(centre: Centre) -> bytes:
    """What it printed so far."""
    assert centre.process.stdout is not None
    try:
        async with asyncio.timeout(0.3):
            return await centre.process.stdout.readline()
    except TimeoutError:
        return b""


async def test_metrics(bench: TlsBench) -> None:
    async with bench.centre("--metrics", "0", "--silent-after", "1") as centre, bench.wire() as wire:
        url = (await says(centre, "metrics http")).split()[1]
        await wire.online()
        await wire.send("event/alarm", bench.gateway.event(event_id="e1"))
        await wire.send("event/alarm", bench.gateway.event(event_id="e2"))
        bench.gateway.event(event_id="lost")
        await wire.send("event/fault", bench.gateway.event("fault", "e4"))
        await wire.send("heartbeat", bench.gateway.heartbeat(owed=None))
        await centre.line(of("gap"))
        page = await asyncio.to_thread(read, url)
        source = 'source="/sites/school-1/gateways/gate"'
        assert f'centre_events_total{{result="received",{source}}} 3.0' in page
        assert f"centre_missing_events{{{source}}} 1.0" in page
        assert f"centre_chain_whole{{{source}}} 0.0" in page
        assert "centre_alarm_lateness_seconds_count 2.0" in page
        await centre.line(of("silent"))
        assert f"centre_gateway_up{{{source}}} 0.0" in await asyncio.to_thread(read, url)
        assert 'centre_receipts_total{result="received"} 3.0' in await asyncio.to_thread(read, url)
        busy = url.split(":")[2].partition("/")[0]
        async with bench.centre("--metrics", busy) as second:
            assert await says(second, f"--metrics {busy}: ")
            assert await second.process.wait() == 2


def read(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return str(answer.read().decode())


async def test_a_will_is_told_as_silence(bench: TlsBench) -> None:
    """The gateway's session ends without a goodbye: the broker publishes its will."""
    client = need("mosquitto_sub", package="mosquitto-clients")
    will = bench.gateway.sign({"source": bench.gateway.source, "bootid": "b", "online": False}).decode()
    async with bench.centre() as centre, bench.wire() as wire:
        await wire.online()
        await centre.line(of("online"))
        session = await asyncio.create_subprocess_exec(
            client, "-p", str(bench.port), "-t", f"{ROOT}/ready", "-q", "1", "--will-topic", f"{ROOT}/status", "--will-payload", will,
            stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        await wire.send("heartbeat", bench.gateway.heartbeat(owed=None))
        await centre.line(of("heartbeat"))
        assert session.stdout is not None
        ready = asyncio.ensure_future(session.stdout.readline())  # noqa: TID251 - the session answers while we knock
        while not ready.done():
            await wire.send("ready", b"ready")
            await asyncio.wait({ready}, timeout=0.05)
        session.kill()
        assert "last will" in (await centre.line(of("silent")))["why"]
        await session.wait()
        await wire.send("heartbeat", bench.gateway.heartbeat(owed=None))
        assert (await centre.line(of("back")))["source"] == bench.gateway.source
