"""The shipped configuration of a city's bus, as it stands: three nodes, routes with certificates of their own, rights, a node killed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import aiomqtt
import pytest

from gateway.core.errors import LinkLost
from gateway.uplink.session import Address, MqttDialler
from simulators.broker import find, free_port
from simulators.errors import SimError
from simulators.leash import Leashed
from tests.proof.authority import BROKER_FILES, LOOPBACK, ROOT, Authority, run
from tests.proof.rig import wait_for
from tests.real_parts import missing

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

CENTRE_FILES = ROOT / "deploy" / "centre"
US, THEM = "campus/v1/school-1/gw1", "campus/v1/school-2/gw1"
WITHIN_S = 40.0
NODES = (1, 2, 3)


class Bus:
    """Three nodes with the shipped files, each in a folder of its own."""

    def __init__(self, folder: Path, authority: Authority) -> None:
        try:
            self._program = find("nats")
        except SimError as error:
            missing(str(error))
        self.folder = folder
        self.authority = authority
        self.ports = {node: free_port() for node in NODES}
        self.routes = {node: free_port() for node in NODES}
        self._broker = authority.issue("broker", LOOPBACK)
        self._processes: dict[int, Leashed] = {}
        run(str(CENTRE_FILES / "route-certs"), str(folder / "routes"), LOOPBACK)
        names = "school-1/gw1\nschool-2/gw1\ncentre/police\n"
        self._users = run(str(BROKER_FILES / "nats-users"), text=names)

    def settings(self, node: int) -> Path:
        """The shipped file with the places of this machine."""
        home = self.folder / f"bus-{node}"
        home.mkdir()
        text = (CENTRE_FILES / "campus-bus.conf").read_text()
        for shipped, here in {
            "127.0.0.1:4222": f"{LOOPBACK}:-1",
            "127.0.0.1:8222": f"{LOOPBACK}:-1",
            "0.0.0.0:6222": f"{LOOPBACK}:{self.routes[node]}",
            "0.0.0.0:8883": f"{LOOPBACK}:{self.ports[node]}",
            **{f"bus-{other}.city.example:6222": f"{LOOPBACK}:{self.routes[other]}" for other in NODES},
            "/etc/nats/campus/route.pem": f"{self.folder}/routes/{LOOPBACK}/route.pem",
            "/etc/nats/campus/route.key": f"{self.folder}/routes/{LOOPBACK}/route.key",
            "/etc/nats/campus/route-ca.pem": f"{self.folder}/routes/route-ca.pem",
            "/etc/nats/campus/broker.pem": str(self._broker[0]),
            "/etc/nats/campus/broker.key": str(self._broker[1]),
            "/etc/nats/campus/ca.pem": str(self.authority.ca),
        }.items():
            assert text.count(shipped) == 1, shipped
            text = text.replace(shipped, here)
        (home / "nats-users.conf").write_text(self._users)
        path = home / "campus-bus.conf"
        path.write_text(text)
        return path

    def start(self, node: int, settings: Path) -> None:
        home = settings.parent
        shipped = dict(line.split("=", 1) for line in (CENTRE_FILES / "node.env").read_text().splitlines() if line[:1] not in ("", "#"))
        assert set(shipped) == {"CAMPUS_NODE", "CAMPUS_STORE"}
        words = ["env", f"CAMPUS_NODE=bus-{node}", f"CAMPUS_STORE={home}/data", self._program]
        checked = subprocess.run([*words, "-t", "-c", str(settings)], capture_output=True, text=True, check=False, env=os.environ)
        assert checked.returncode == 0, checked.stderr
        self._processes[node] = Leashed([*words, "-c", str(settings)], self.log(node))

    def log(self, node: int) -> Path:
        return self.folder / f"bus-{node}.log"

    def kill(self, node: int) -> None:
        self._processes.pop(node).kill()

    def close(self) -> None:
        for process in self._processes.values():
            process.stop()

    @property
    def route_pair(self) -> tuple[Path, Path]:
        """Certificate and key of a node for its routes."""
        home = self.folder / "routes" / LOOPBACK
        return home / "route.pem", home / "route.key"

    def dialler(self, node: int, name: str, pair: tuple[Path, Path]) -> MqttDialler:
        """The gateway's own sessions at this node."""
        context = self._context(pair)
        address = Address(LOOPBACK, self.ports[node], name.replace("/", "-"), v5=False, keepalive_s=20, tls=context)
        return MqttDialler(address, 10)

    def _context(self, pair: tuple[Path, Path]) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.authority.ca))
        context.load_cert_chain(*pair)
        return context

    def client(self, node: int, name: str, pair: tuple[Path, Path]) -> aiomqtt.Client:
        """A session that lasts, at this node."""
        context = self._context(pair)
        identifier = name.replace("/", "-")
        return aiomqtt.Client(LOOPBACK, self.ports[node], identifier=identifier, tls_context=context, timeout=WITHIN_S, clean_session=False)


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[Bus]:
    made = Bus(tmp_path, Authority(tmp_path))
    with contextlib.closing(made):
        for node in NODES:
            made.start(node, made.settings(node))
        wait_for(lambda: any("JetStream cluster new metadata leader" in made.log(node).read_text() for node in NODES), "a leader", 30)
        yield made


async def test_events_cross_the_nodes_rights_hold_and_one_node_may_die(bus: Bus) -> None:
    school, centre = bus.authority.issue("school-1/gw1"), bus.authority.issue("centre/police")
    async with bus.client(2, "centre/police", centre) as police:
        await police.subscribe("campus/v1/+/+/event/+", qos=1)
        async with bus.client(1, "school-1/gw1", school) as gateway:
            await gateway.subscribe(f"{US}/receipt", qos=1)
            await gateway.publish(f"{THEM}/event/alarm", b"forged", qos=1)
            await gateway.publish(f"{US}/event/alarm", b"first", qos=1)
            arrived = await anext(aiter(police.messages))
            assert (str(arrived.topic), arrived.payload) == (f"{US}/event/alarm", b"first"), "what is forged is not passed on"
            await police.publish(f"{US}/receipt", b"received", qos=1)
            assert (await anext(aiter(gateway.messages))).payload == b"received"
    bus.kill(3)
    await deliver(bus.dialler(1, "school-1/gw1", school), f"{US}/event/alarm", b"second")
    async with bus.client(1, "centre/police", centre) as police:
        assert (await anext(aiter(police.messages))).payload == b"second", "kept for the centre, whichever node it comes to"


async def deliver(dialler: MqttDialler, topic: str, body: bytes) -> None:
    """Send it until it is acknowledged, as an outbox does: a cluster that elects a new leader ends sessions rather than say yes."""
    acked = asyncio.Event()
    while not acked.is_set():
        with contextlib.suppress(LinkLost, TimeoutError):
            async with dialler.dial(f"{US}/status", b"offline") as session:
                session.publish_event(topic, body, lambda code: acked.set())
                await asyncio.wait_for(acked.wait(), 2.0)


def test_only_a_node_opens_a_route(bus: Bus) -> None:
    """Behind a route nothing is held against the list of rights: a certificate of the schools' authority must not open one."""
    assert answer_of_a_route(bus, bus.route_pair).startswith(b"INFO ")
    assert answer_of_a_route(bus, bus.authority.issue("school-1/gw1")) == b""
    wait_for(lambda: "unknown authority" in bus.log(1).read_text(), "the node says why", 10)


def answer_of_a_route(bus: Bus, pair: tuple[Path, Path]) -> bytes:
    """What node 1 says to somebody with this certificate; empty when it says nothing."""
    context = ssl.create_default_context(cafile=str(bus.folder / "routes" / "route-ca.pem"))
    context.load_cert_chain(*pair)
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.suppress(ssl.SSLError, ConnectionError))
        plain = stack.enter_context(socket.create_connection((LOOPBACK, bus.routes[1]), WITHIN_S))
        inside = stack.enter_context(context.wrap_socket(plain, server_hostname=LOOPBACK))
        inside.sendall(b"CONNECT {}\r\nPING\r\n")
        return inside.recv(4096)
    return b""
