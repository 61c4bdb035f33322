"""Chains of certificates with one thing wrong, or two: dates are excused while the clock is unknown, and nothing else ever."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gateway.core.errors import LinkLost
from gateway.runtime.credentials import CertificateFiles, Credentials
from gateway.uplink.session import Address, MqttDialler
from simulators.broker import free_port
from tests.proof.authority import LOOPBACK, running_mosquitto

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(60),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),  # paho leaves the socket of a failed handshake
]

GOOD, OVER, EARLY = (-10, 100), (-100, -10), (10, 100)  # valid from .. to, in days from now
DATES = "clock is wrong"
AUTHORITY = "was not signed by the authority in ca_file"


@dataclass(frozen=True, slots=True)
class Chain:
    """What the broker shows: days of validity of each certificate; for whom it is; what is wrong with its line."""

    root: tuple[int, int] = GOOD
    between: tuple[int, int] = GOOD
    broker: tuple[int, int] = GOOD
    host: str = LOOPBACK
    foreign: bool = False  # another root of the same name stands in ca_file
    alone: bool = False  # it has signed itself
    no_authority: bool = False  # the one between may not sign others
    for_clients: bool = False

    def lay(self, folder: Path) -> Path:
        """Writes broker.pem, broker.key and ca.pem; the last is returned."""
        root, root_key = _make("Root", self.root, authority=True)
        between, between_key = _make("Between", self.between, (root, root_key), authority=not self.no_authority)
        above = None if self.alone else (between, between_key)
        broker, key = _make("broker", self.broker, above, host=self.host, for_clients=self.for_clients)
        shown = [broker] if self.alone else [broker, between]
        (folder / "broker.pem").write_bytes(b"".join(each.public_bytes(Encoding.PEM) for each in shown))
        (folder / "broker.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        trusted = _make("Root", GOOD, authority=True)[0] if self.foreign else root
        (folder / "ca.pem").write_bytes(trusted.public_bytes(Encoding.PEM))
        return folder / "ca.pem"


Signed = tuple[x509.Certificate, ec.EllipticCurvePrivateKey]


def _make(
    name: str, days: tuple[int, int], above: Signed | None = None, *, authority: bool = False, host: str = "", for_clients: bool = False
) -> Signed:
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if above is None else above[0].subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=days[0]))
        .not_valid_after(now + timedelta(days=days[1]))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    )
    if host:
        names = [x509.IPAddress(ipaddress.ip_address(host)) if host[0].isdigit() else x509.DNSName(host)]
        purpose = ExtendedKeyUsageOID.CLIENT_AUTH if for_clients else ExtendedKeyUsageOID.SERVER_AUTH
        made = made.add_extension(x509.SubjectAlternativeName(names), False).add_extension(x509.ExtendedKeyUsage([purpose]), False)
    return made.sign(key if above is None else above[1], SHA256()), key


async def said(port: int, ca: Path, *, clock_known: bool) -> str:
    """How the product's own way in ends; empty when it is let in."""
    wallet = Credentials("main", CertificateFiles(ca), lambda: clock_known)
    try:
        async with MqttDialler(Address(LOOPBACK, port, "proof", True, 10), 10, wallet).dial("x/status", b"{}"):
            return ""
    except LinkLost as lost:
        return str(lost)


WRONG = {
    "nothing": (Chain(), "", ""),
    "root expired": (Chain(root=OVER), DATES, ""),
    "root not yet valid": (Chain(root=EARLY), DATES, ""),
    "between expired": (Chain(between=OVER), DATES, ""),
    "between not yet valid": (Chain(between=EARLY), DATES, ""),
    "broker expired": (Chain(broker=OVER), DATES, ""),
    "all expired": (Chain(root=OVER, between=OVER, broker=OVER), DATES, ""),
    "host": (Chain(host="127.0.0.9"), "another address", "another address"),
    "host, and expired": (Chain(host="127.0.0.9", broker=OVER), "", "another address"),
    "host, and root expired": (Chain(host="other.example", root=OVER), "", "another address"),
    "foreign root of the same name": (Chain(foreign=True), AUTHORITY, AUTHORITY),
    "foreign root, and expired": (Chain(foreign=True, broker=OVER, root=OVER), "", AUTHORITY),
    "self-signed": (Chain(alone=True), AUTHORITY, AUTHORITY),
    "self-signed and expired": (Chain(alone=True, broker=OVER), "", AUTHORITY),
    "signed by one that may not": (Chain(no_authority=True), AUTHORITY, AUTHORITY),
    "signed by one that may not, and expired": (Chain(no_authority=True, between=OVER), "", AUTHORITY),
    "for clients": (Chain(for_clients=True), "not one for a broker", "not one for a broker"),
    "for clients, and expired": (Chain(for_clients=True, broker=OVER), "", "not one for a broker"),
}


@pytest.mark.parametrize(("chain", "known", "unknown"), WRONG.values(), ids=WRONG.keys())
async def test_chain(tmp_path: Path, chain: Chain, known: str, unknown: str) -> None:
    """known, unknown: part of what is said with a clock that is known or not. With both, a chain in order opens."""
    ca, port = chain.lay(tmp_path), free_port()
    lines = f"listener {port} {LOOPBACK}\nallow_anonymous true\ncertfile {tmp_path / 'broker.pem'}\nkeyfile {tmp_path / 'broker.key'}\n"
    with running_mosquitto(tmp_path, lines, port):
        with_clock, without = await said(port, ca, clock_known=True), await said(port, ca, clock_known=False)
    assert known in with_clock
    assert bool(with_clock) is (chain != Chain())
    assert unknown in without
    dated = replace(chain, root=GOOD, between=GOOD, broker=GOOD)
    assert bool(without) is (dated != Chain()), "dates are excused, and nothing else"
