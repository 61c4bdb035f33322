"""TLS with a real broker: what is refused and in which words, dates while the clock is unknown, renewal under way."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import signal
import socket
import ssl
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.core.errors import LinkLost
from gateway.runtime.credentials import CertificateFiles, Credentials
from gateway.uplink.session import Address, MqttDialler
from simulators.broker import Broker
from tests.proof.authority import LOOPBACK, Authority, mosquitto, nats, pid_file, run
from tests.proof.rig import Rig, rig, wait_for
from tests.proof.test_broker_trouble import field_text, press, pressed, ready, whole
from tests.proof.test_clock_jump import faketime_library
from tests.real_parts import need

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(120),
    # paho leaves the socket of a failed handshake to the garbage collector
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

SCHOOL = "proof-school/gate"
WITHIN_S = 40.0
LONG_AGO = "-40d"  # what was signed then for 30 days has expired
Pair = tuple[Path, Path]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def school(authority: Authority) -> Pair:
    return authority.issue(SCHOOL)


@pytest.fixture(scope="module")
def server(authority: Authority) -> Pair:
    return authority.issue("broker", LOOPBACK)


def dialler(port: int, authority: Authority, pair: Pair | None, *, host: str = LOOPBACK, clock_known: bool = True) -> MqttDialler:
    """The product's own way to that broker."""
    files = CertificateFiles(authority.ca, *(pair or (None, None)))
    return MqttDialler(Address(host, port, "proof", True, 10), 10, Credentials("main", files, lambda: clock_known))


async def refusal(there: MqttDialler) -> str:
    """In which words it fails."""
    with pytest.raises(LinkLost) as lost:
        async with there.dial(f"campus/v1/{SCHOOL}/status", b"{}"):
            pass
    words = str(lost.value)
    del lost
    gc.collect()  # paho leaves the socket of a failed handshake to it
    return words


async def opens(there: MqttDialler) -> None:
    async with there.dial(f"campus/v1/{SCHOOL}/status", b"{}"):
        pass


async def test_all_in_order(authority: Authority, server: Pair, school: Pair, tmp_path: Path) -> None:
    with mosquitto(tmp_path, authority, server) as port:
        await opens(dialler(port, authority, school))


@pytest.mark.parametrize("clock_known", [True, False])
async def test_wrong_host_name(authority: Authority, school: Pair, tmp_path: Path, clock_known: bool) -> None:
    other = authority.issue("broker", "other.example", "127.0.0.9", file="other")
    with mosquitto(tmp_path, authority, other) as port:
        for host, words in ((LOOPBACK, "another address"), ("localhost", "another host name")):
            assert words in await refusal(dialler(port, authority, school, host=host, clock_known=clock_known))


@pytest.mark.parametrize("clock_known", [True, False])
async def test_unknown_authority(authority: Authority, server: Pair, school: Pair, tmp_path: Path, clock_known: bool) -> None:
    stranger = Authority(tmp_path / "other", "Pilot CA")  # even under the same name
    with mosquitto(tmp_path, authority, server) as port:
        assert "not signed by the authority in ca_file" in await refusal(dialler(port, stranger, school, clock_known=clock_known))


@pytest.mark.parametrize(("at", "words"), [(LONG_AGO, "has expired"), ("+5d", "is not valid yet")])
async def test_dates_of_the_broker(authority: Authority, school: Pair, tmp_path: Path, at: str, words: str) -> None:
    """Refused with a clock that is known; excused, and nothing else with them, while it is not."""
    dated = authority.issue("broker", LOOPBACK, at=at, file=f"dated{at}")
    with mosquitto(tmp_path, authority, dated) as port:
        said = await refusal(dialler(port, authority, school))
        assert words in said
        assert "clock" in said
        await opens(dialler(port, authority, school, clock_known=False))
        assert "another host name" in await refusal(dialler(port, authority, school, host="localhost", clock_known=False))


async def test_client_certificates_that_the_broker_refuses(authority: Authority, server: Pair, tmp_path: Path) -> None:
    expired = authority.issue(SCHOOL, at=LONG_AGO, file="expired")
    revoked = authority.issue(SCHOOL, file="revoked")
    foreign = Authority(tmp_path / "other", "Other CA").issue(SCHOOL)
    authority.revoke(revoked[0])
    with mosquitto(tmp_path, authority, server) as port:
        assert "wants a client certificate" in await refusal(dialler(port, authority, None))
        assert "certificate has expired: campus-gateway enroll --renew" in await refusal(dialler(port, authority, expired))
        assert "was revoked" in await refusal(dialler(port, authority, revoked))
        assert "does not know the authority" in await refusal(dialler(port, authority, foreign))


async def test_a_certificate_revoked_under_way(authority: Authority, server: Pair, tmp_path: Path) -> None:
    """The broker reads the new list on SIGHUP, as `systemctl reload mosquitto` sends it."""
    lost = authority.issue(SCHOOL, file="lost")
    with mosquitto(tmp_path, authority, server) as port:
        await opens(dialler(port, authority, lost))
        authority.revoke(lost[0])
        os.kill(int(pid_file(tmp_path, port).read_text()), signal.SIGHUP)
        log = tmp_path / f"mosquitto-{port}.log"
        wait_for(lambda: "Reloading config" in log.read_text(), "mosquitto has read its files again")
        assert "was revoked" in await refusal(dialler(port, authority, lost))


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated:DeprecationWarning")
async def test_tls_1_1_is_refused_by_the_gateway(authority: Authority, server: Pair, school: Pair) -> None:
    """A server that speaks TLS 1.1 and nothing newer."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*server)
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with socket.create_server((LOOPBACK, 0)) as listening:
        old = threading.Thread(target=_shake_once, args=(listening, context))
        old.start()
        assert "TLS 1.2 or newer" in await refusal(dialler(listening.getsockname()[1], authority, school))
        old.join()


def _shake_once(listening: socket.socket, context: ssl.SSLContext) -> None:
    """One handshake that fails; the client reads why before the connection goes."""
    with listening.accept()[0] as peer:
        peer.settimeout(WITHIN_S)
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        old = context.wrap_bio(incoming, outgoing, server_side=True)
        with pytest.raises(ssl.SSLError) as refused:
            _shake(old, incoming, peer)
        assert "UNSUPPORTED_PROTOCOL" in str(refused.value)
        peer.sendall(outgoing.read())


def _shake(old: ssl.SSLObject, incoming: ssl.MemoryBIO, peer: socket.socket) -> None:
    while True:
        try:
            return old.do_handshake()
        except ssl.SSLWantReadError:
            incoming.write(peer.recv(65536))


def test_tls_1_1_is_refused_by_the_broker(authority: Authority, server: Pair, school: Pair, tmp_path: Path) -> None:
    with mosquitto(tmp_path, authority, server) as port:
        asking = ["openssl", "s_client", "-connect", f"{LOOPBACK}:{port}", "-cert", str(school[0]), "-key", str(school[1])]
        asking += ["-CAfile", str(authority.ca), "-cipher", "ALL:@SECLEVEL=0"]
        assert "alert protocol version" in run(*asking, "-tls1_1", status=1)
        assert "Verify return code: 0" in run(*asking, "-tls1_2"), "the same, one version newer"


async def test_no_tls_on_that_port(authority: Authority, school: Pair, tmp_path: Path) -> None:
    with socket.create_server((LOOPBACK, 0)) as plain:
        greeter = threading.Thread(target=_greet, args=(plain,))
        greeter.start()
        assert "does not speak TLS" in await refusal(dialler(plain.getsockname()[1], authority, school))
        greeter.join()


def _greet(plain: socket.socket) -> None:
    with plain.accept()[0] as peer:
        peer.settimeout(WITHIN_S)
        peer.recv(65536)  # what is left unread would turn the end into a reset
        peer.sendall(b"220 welcome\r\n")


@pytest.mark.parametrize("rudely", [False, True], ids=["end", "reset"])
async def test_a_port_that_only_hangs_up(authority: Authority, school: Pair, rudely: bool) -> None:
    with socket.create_server((LOOPBACK, 0)) as plain:
        other = threading.Thread(target=_hang_up, args=(plain, rudely))
        other.start()
        assert "closes the connection at the TLS handshake" in await refusal(dialler(plain.getsockname()[1], authority, school))
        other.join()


def _hang_up(plain: socket.socket, rudely: bool) -> None:
    with plain.accept()[0] as peer:
        peer.settimeout(WITHIN_S)
        peer.recv(65536)
        if rudely:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # the end is a reset


async def test_a_plain_port_of_a_real_broker(authority: Authority, school: Pair, tmp_path: Path) -> None:
    """Once it hangs up, once it resets: what it has not read yet decides that. Either way the words name TLS."""
    need("mosquitto", package="mosquitto")
    with Broker("mosquitto", dir=tmp_path) as broker:
        for _ in range(10):
            assert "at the TLS handshake: is TLS spoken on this port?" in await refusal(dialler(broker.port, authority, school))


# --- the whole daemon ---------------------------------------------------------------------------


@contextlib.contextmanager
def secured(
    folder: Path,
    port: int,
    authority: Authority,
    pair: Pair,
    *,
    protocol: str = "5",
    environment: dict[str, str] | None = None,
    centre: bool = True,
) -> Iterator[Rig]:
    """The rig over TLS. The gateway's files are copies: uplink.pem and uplink.key beside the site file."""
    for source, name in zip(pair, ("uplink.pem", "uplink.key"), strict=True):
        new = folder / name
        new.touch(0o600)
        new.write_bytes(source.read_bytes())
    police = authority.issue("centre/police", file=f"police-{port}")
    further = ("--ca", str(authority.ca), "--cert", str(police[0]), "--key-file", str(police[1])) if centre else None
    path = f', ca_file = "{authority.ca}", cert_file = "uplink.pem", key_file = "uplink.key"'
    with rig(
        folder, f"mqtts://{LOOPBACK}:{port}", field_text(), protocol=protocol, path=path, centre=further, environment=environment,
        school=centre,
    ) as here:  # fmt: skip
        yield here


@pytest.mark.parametrize("kind", ["mosquitto", "nats"])
def test_delivery_over_the_shipped_brokers(authority: Authority, server: Pair, school: Pair, tmp_path: Path, kind: str) -> None:
    """The access lists of deploy/broker let through all that gateway and centre need, receipts, commands and resumed sessions."""
    running = (
        mosquitto(tmp_path, authority, server) if kind == "mosquitto" else nats(tmp_path, authority, server, [SCHOOL, "centre/police"])
    )
    with running as port, secured(tmp_path, port, authority, school, protocol="5" if kind == "mosquitto" else "3.1.1") as here:
        ready(here)
        press(here, 2)
        wait_for(lambda: len(pressed(here)) == 2, "the presses")
        wait_for(lambda: here.status()["outbox"]["depth"] == 0, "receipts for all")
        assert here.gateway.stop() == 0
        here.gateway.start()
        ready(here)
        press(here)
        wait_for(lambda: len(pressed(here)) == 3, "the press after a restart")
        wait_for(lambda: here.status()["outbox"]["depth"] == 0, "receipts for all")
        whole(here)
        assert not here.faults() & {"gw-publish/fault", "gw-path-main/fault", "gw-receipt/fault"}


def test_renewal_without_a_break(authority: Authority, server: Pair, tmp_path: Path) -> None:
    """The new certificate is used within seconds; the centre never reads that the gateway is offline."""
    ending = authority.issue(SCHOOL, days=20, file="ending")
    with mosquitto(tmp_path, authority, server) as port, secured(tmp_path, port, authority, ending) as here:
        ready(here)
        wait_for(lambda: "gw-certificate/fault" in here.faults(), "a fault: it ends within 30 days")
        press(here)
        wait_for(lambda: len(pressed(here)) == 1, "a press with the old one")
        assert connects(here) == 1
        enroll(here, "--renew")
        authority.sign(tmp_path / "uplink.csr", tmp_path / "back.pem", SCHOOL, days=300)
        enroll(here, "--install", str(tmp_path / "back.pem"))
        wait_for(lambda: connects(here) == 2, "a new session")
        press(here)
        wait_for(lambda: len(pressed(here)) == 2, "a press with the new one")
        wait_for(lambda: "gw-certificate/fault" not in here.faults(), "the fault ends")
        told = [line["message"]["online"] for line in here.centre_lines() if line["kind"] == "status"]
        assert told == [True, True]
        (tmp_path / "uplink.key").chmod(0o644)
        wait_for(lambda: "gw-certificate-urgent/fault" in here.faults(), "a key that others can read is a fault")
        assert here.status()["paths"][0]["up"], "and no reason to end a session that works"
        whole(here)


def test_certificates_that_come_late(authority: Authority, server: Pair, school: Pair, tmp_path: Path) -> None:
    """Without its files the gateway guards the school all the same, says what is missing, and delivers when it is there."""
    with mosquitto(tmp_path, authority, server) as port, secured(tmp_path, port, authority, school) as here:
        ready(here)
        assert here.gateway.stop() == 0
        (tmp_path / "uplink.pem").rename(tmp_path / "away")
        here.gateway.start()
        wait_for(lambda: "gw-certificate-urgent/fault" in here.faults(), "a fault that names the file")
        assert "uplink.pem" in here.status()["paths"][0]["reason"]
        press(here)
        wait_for(lambda: "button/alarm" in {item["alarm"] for item in here.status()["alarms"]}, "the alarm is shown on the spot")
        (tmp_path / "away").rename(tmp_path / "uplink.pem")
        wait_for(lambda: len(pressed(here)) == 1, "the press reaches the centre", 40)
        whole(here)


def test_dates_are_checked_once_the_clock_is_known(authority: Authority, school: Pair, tmp_path: Path) -> None:
    """A board without a clock chip starts in 2019: alarms go out all the same; when the time is there, the session is judged again."""
    offset = tmp_path / "offset"
    offset.write_text("-220752000\n")
    environment = {"LD_PRELOAD": faketime_library(), "FAKETIME_TIMESTAMP_FILE": str(offset)}
    environment |= {"FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    expired = authority.issue("broker", LOOPBACK, at=LONG_AGO, file="server-expired")
    with (
        mosquitto(tmp_path, authority, expired) as port,
        secured(tmp_path, port, authority, school, environment=environment, centre=False) as here,
    ):
        wait_for(lambda: here.status().get("paths", [{}])[0].get("up"), "the path is up without a clock")
        assert here.status()["clock"] == "unknown"
        wait_for(lambda: "gw-clock/fault" in here.faults(), "and that is a fault")
        assert any("dates of certificates" in item["reason"] for item in here.status()["faults"])
        offset.write_text("+0\n")
        wait_for(lambda: not here.status()["paths"][0]["up"], "with the time the session ends", 30)
        assert "has expired" in wait_for(lambda: here.status()["paths"][0]["reason"], "a reason")


def connects(here: Rig) -> float:
    return here.metric("gw_link_connects_total")['{path="main"}']


def enroll(here: Rig, *words: str) -> dict[str, str]:
    command = [sys.executable, "-m", "gateway", "enroll", "--config", str(here.site), "--json", *words]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    answer: dict[str, str] = json.loads(done.stdout)
    return answer
