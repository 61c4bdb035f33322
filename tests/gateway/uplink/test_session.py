"""Sessions with a real mosquitto: reason codes, lost links, TLS with client certificates, and the traps of the library."""

from __future__ import annotations

import asyncio
import os
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from gateway.core.errors import LinkLost
from gateway.uplink.session import Address, Session
from gateway.uplink.session import _Client as OurClient
from simulators.broker import Broker
from simulators.centre.session import Client as CentreClient
from tests.real_parts import need


def address(port: int, *, v5: bool = True, name: str = "school-gate") -> Address:
    return Address("127.0.0.1", port, name, v5, keepalive_s=10)


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Broker]:
    need("mosquitto", package="mosquitto")
    with Broker("mosquitto", dir=tmp_path) as broker:
        yield broker


async def publish_once(session: Session, topic: str) -> int:
    """Reason code of one event's PUBACK."""
    code = asyncio.get_running_loop().create_future()
    session.publish_event(topic, b"{}", code.set_result)
    return int(await asyncio.wait_for(code, 5))


async def drain(session: Session) -> None:
    """Read messages until the link ends."""
    async for _ in session.messages():
        pass


@pytest.mark.parametrize("client", [OurClient, CentreClient])
async def test_a_task_that_is_stopped_in_the_turn_of_the_answer_ends(client: type[OurClient] | type[CentreClient]) -> None:
    answer = asyncio.Event()

    async def ask() -> None:
        await client("127.0.0.1")._wait_for(answer.wait(), 60.0)
        await asyncio.Event().wait()

    asking = asyncio.get_running_loop().create_task(ask())
    for _ in "its wait":
        await asyncio.sleep(0)
    answer.set()
    await asyncio.sleep(0)  # `asyncio.wait_for` has its result here and has not been run again yet
    asking.cancel()
    await asyncio.wait({asking}, timeout=5)
    assert asking.cancelled()


async def test_nobody_subscribed_is_told(mosquitto: Broker) -> None:
    async with Session(address(mosquitto.port), "t/status", b"{}", 100) as session:
        assert await publish_once(session, "t/event/alarm") == 0x10
        await session.subscribe("t/event/alarm")
        assert await publish_once(session, "t/event/alarm") == 0x00


async def test_mqtt_311_has_no_reason_code(mosquitto: Broker) -> None:
    async with Session(address(mosquitto.port, v5=False), "t/status", b"{}", 100) as session:
        assert await publish_once(session, "t/event/alarm") == 0


async def test_lost_link_ends_the_messages_at_once(mosquitto: Broker) -> None:
    """The library alone lets a publish hang until its own timeout."""
    session = Session(address(mosquitto.port), "t/status", b"{}", 100)
    await session.__aenter__()
    await session.subscribe("t/receipt")
    mosquitto.kill()
    began_s = time.monotonic()
    with pytest.raises(LinkLost, match="link ended"):
        await asyncio.wait_for(drain(session), 5)
    with pytest.raises(LinkLost):
        session.publish_event("t/event/alarm", b"{}", print)
    assert time.monotonic() - began_s < 4
    await session.__aexit__(None, None, None)


async def test_hundred_in_flight_keep_their_own_acks(mosquitto: Broker) -> None:
    async with Session(address(mosquitto.port), "t/status", b"{}", 100) as session:
        await session.subscribe("t/event/7")
        codes = [asyncio.get_running_loop().create_future() for _ in range(100)]
        for number, code in enumerate(codes):
            session.publish_event(f"t/event/{number}", b"x" * 250, code.set_result)
        told = await asyncio.wait_for(asyncio.gather(*codes), 5)
        assert told == [0x00 if number == 7 else 0x10 for number in range(100)]


async def test_more_than_the_socket_takes_waits_for_room(mosquitto: Broker) -> None:
    """10 MB while the broker reads nothing: what the system does not take goes out once there is room, all of it and once."""
    assert mosquitto.pid is not None
    async with Session(address(mosquitto.port), "t/status", b"{}", 100) as session:
        await session.subscribe("t/event/#")
        codes = [asyncio.get_running_loop().create_future() for _ in range(100)]
        os.kill(mosquitto.pid, signal.SIGSTOP)
        try:
            for number, code in enumerate(codes):
                session.publish_event(f"t/event/{number}", b"x" * 100_000, code.set_result)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert session._client._client.want_write()
        finally:
            os.kill(mosquitto.pid, signal.SIGCONT)
        heard: list[str] = []
        async with asyncio.timeout(10):
            async for topic, payload, _ in session.messages():
                assert len(payload) == 100_000
                heard.append(topic)
                if len(heard) == 100:
                    break
            assert set(await asyncio.gather(*codes)) == {0x00}
        assert heard == [f"t/event/{number}" for number in range(100)]
        assert not session._client._client.want_write()


async def test_will_is_published_when_the_link_is_cut(mosquitto: Broker, tmp_path: Path) -> None:
    code = (
        "import asyncio, os, sys\n"
        "from gateway.uplink.session import Address, Session\n"
        "async def main():\n"
        f"    async with Session(Address('127.0.0.1', {mosquitto.port}, 'dies', True, 10), 't/status', b'gone', 10):\n"
        "        os.kill(os.getpid(), 9)\n"
        "asyncio.run(main())\n"
    )
    async with Session(address(mosquitto.port, name="watcher"), "w/status", b"{}", 10) as session:
        await session.subscribe("t/status")
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", code)
        assert await process.wait() == -9
        async with asyncio.timeout(5):
            async for topic, payload, _ in session.messages():
                assert (topic, payload) == ("t/status", b"gone")
                break


async def test_stalled_broker_is_noticed_by_keep_alive(mosquitto: Broker) -> None:
    async with Session(replace(address(mosquitto.port), keepalive_s=1), "t/status", b"{}", 10) as session:
        await session.subscribe("t/receipt")
        assert mosquitto.pid is not None
        os.kill(mosquitto.pid, signal.SIGSTOP)
        try:
            with pytest.raises(LinkLost):
                await asyncio.wait_for(drain(session), 10)
        finally:
            os.kill(mosquitto.pid, signal.SIGCONT)


async def test_version_5_is_explained_to_a_311_broker(tmp_path: Path) -> None:
    with Broker("nats", dir=tmp_path) as nats:
        with pytest.raises(LinkLost, match=r'protocol = "3\.1\.1"'):
            async with Session(address(nats.port), "t/status", b"{}", 10):
                pass
        async with Session(address(nats.port, v5=False), "t/status", b"{}", 10) as session:
            assert await publish_once(session, "t/event/alarm") == 0


async def test_closed_port_is_a_lost_link() -> None:
    with pytest.raises(LinkLost, match=r"127\.0\.0\.1:9"):
        async with Session(address(9), "t/status", b"{}", 10):
            pass


def test_nothing_is_left_on_stderr_after_a_lost_link(tmp_path: Path) -> None:
    """aiomqtt's own futures would complain "exception was never retrieved"."""
    need("mosquitto", package="mosquitto")
    with Broker("mosquitto", dir=tmp_path) as broker:
        code = (
            "import asyncio, gc, os\n"
            "from gateway.core.errors import LinkLost\n"
            "from gateway.uplink.session import Address, Session\n"
            "async def main():\n"
            f"    async with Session(Address('127.0.0.1', {broker.port}, 'gate', True, 10), 't/status', b'', 10) as session:\n"
            f"        os.kill({broker.pid}, 9)\n"
            "        try:\n"
            "            async for _ in session.messages(): pass\n"
            "        except LinkLost: pass\n"
            "    gc.collect()\n"
            "asyncio.run(main())\n"
        )
        done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=20, check=False)
        assert (done.returncode, done.stderr) == (0, "")


class Authority:
    """A certificate authority of the test, with what it signs, as files."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.file = folder / f"{name}.crt"
        certificate = (
            self._builder(self.subject, self.key).add_extension(x509.BasicConstraints(True, None), True).sign(self.key, hashes.SHA256())
        )
        self.file.write_bytes(certificate.public_bytes(Encoding.PEM))

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, days: int = 1) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=2))
            .not_valid_after(now + timedelta(days=days))
        )

    def issue(self, name: str, host: str = "", days: int = 1) -> tuple[Path, Path]:
        """(certificate, key) files; host goes into the subject alternative name."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = self._builder(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]), key, days)
        if host:
            builder = builder.add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(host))]), False)
        certificate, key_file = self.folder / f"{name}.crt", self.folder / f"{name}.key"
        certificate.write_bytes(builder.sign(self.key, hashes.SHA256()).public_bytes(Encoding.PEM))
        key_file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return certificate, key_file


def client_context(authority: Authority, pair: tuple[Path, Path] | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(authority.file))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if pair is not None:
        context.load_cert_chain(*pair)
    return context


@pytest.fixture
def tls_broker(tmp_path: Path) -> Iterator[tuple[Broker, Authority]]:
    need("mosquitto", package="mosquitto")
    authority = Authority(tmp_path, "authority")
    certificate, key = authority.issue("broker", host="127.0.0.1")
    extra = f"cafile {authority.file}\ncertfile {certificate}\nkeyfile {key}\nrequire_certificate true\nuse_identity_as_username true"
    from simulators.broker import free_port

    port = free_port()
    tls = f"listener {port} 127.0.0.1\nallow_anonymous true\n{extra}"
    with Broker("mosquitto", dir=tmp_path / "broker", extra=tls) as broker:
        broker.tls_port = port  # type: ignore[attr-defined]
        yield broker, authority


async def test_mutual_tls(tls_broker: tuple[Broker, Authority]) -> None:
    broker, authority = tls_broker
    context = client_context(authority, authority.issue("gate-1"))
    async with Session(replace(address(broker.tls_port), tls=context), "t/status", b"{}", 10) as session:  # type: ignore[attr-defined]
        assert await publish_once(session, "t/event/alarm") == 0x10


async def test_missing_client_certificate_is_explained(tls_broker: tuple[Broker, Authority], monkeypatch: pytest.MonkeyPatch) -> None:
    """TLS 1.3 without a client certificate: the library only says "timed out"; ours says what brokers mean by it."""
    monkeypatch.setattr("gateway.uplink.session.CONNECT_TIMEOUT_S", 2.0)
    broker, authority = tls_broker
    with pytest.raises(LinkLost, match="certificate"):
        async with Session(replace(address(broker.tls_port), tls=client_context(authority, None)), "t", b"", 10):  # type: ignore[attr-defined]
            pass


# paho leaves the socket of a failed handshake to the garbage collector
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_foreign_authority_is_refused(tls_broker: tuple[Broker, Authority], tmp_path: Path) -> None:
    broker, authority = tls_broker
    (tmp_path / "other").mkdir()
    stranger = Authority(tmp_path / "other", "stranger")
    context = client_context(stranger, authority.issue("gate-1"))
    with pytest.raises(LinkLost, match="certificate verify failed"):
        async with Session(replace(address(broker.tls_port), tls=context), "t", b"", 10):  # type: ignore[attr-defined]
            pass


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_wrong_host_name_is_refused(tls_broker: tuple[Broker, Authority]) -> None:
    broker, authority = tls_broker
    context = client_context(authority, authority.issue("gate-1"))
    there = replace(address(broker.tls_port), host="localhost", tls=context)  # type: ignore[attr-defined]
    with pytest.raises(LinkLost, match=r"certificate verify failed"):
        async with Session(there, "t", b"", 10):
            pass
