"""Certificates of the proofs, made by the authority that is shipped (deploy/ca), and the shipped brokers' files put to use."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

from simulators.broker import find, free_port
from simulators.errors import SimError
from simulators.leash import Leashed
from tests.proof.rig import wait_for
from tests.real_parts import missing, need

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "deploy" / "ca" / "campus-ca"


class Authority:
    """One authority in a folder of its own; every certificate as (certificate, key)."""

    def __init__(self, folder: Path, name: str = "Pilot CA") -> None:
        need("openssl", package="openssl")
        self.folder = folder
        self.home = folder / "ca"
        self.ca = self.home / "ca.pem"
        self.crl = self.home / "crl.pem"
        folder.mkdir(parents=True, exist_ok=True)
        run(str(PROGRAM), "init", str(self.home), name, "--no-password")

    def issue(self, name: str, *hosts: str, days: int = 30, at: str = "", file: str = "") -> tuple[Path, Path]:
        """Make a key, sign it. at: when it is signed, as faketime takes it ("-40d"); file: its name, default from `name`."""
        stem = file or name.replace("/", ".")
        key, request, certificate = (self.folder / f"{stem}.{kind}" for kind in ("key", "csr", "pem"))
        run("openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", str(key))
        key.chmod(0o600)
        run("openssl", "req", "-new", "-key", str(key), "-subj", "/CN=" + name.replace("/", r"\/"), "-out", str(request))
        self.sign(request, certificate, name, *hosts, days=days, at=at)
        return certificate, key

    def sign(self, request: Path, certificate: Path, name: str, *hosts: str, days: int = 30, at: str = "") -> None:
        """Sign a request as its sender would be asked to confirm it."""
        fingerprint = run(str(PROGRAM), "fingerprint", str(request)).strip()
        words = [str(PROGRAM), "sign", str(self.home), str(request), str(certificate), "--as", name, "--fingerprint", fingerprint]
        words += ["--days", str(days), *(word for host in hosts for word in ("--host", host))]
        if at:
            words = [need("faketime", package="faketime"), "-f", at, *words]
        run(*words)

    def revoke(self, certificate: Path) -> None:
        """Take it back; `crl` is new then."""
        run(str(PROGRAM), "revoke", str(self.home), str(certificate))


def run(*words: str, text: str = "", status: int = 0) -> str:
    """Standard output of a program that must end with `status`; its standard error where it should fail."""
    done = subprocess.run(words, capture_output=True, text=True, input=text, check=False, env={**os.environ, "LC_ALL": "C"})
    assert done.returncode == status, f"{words[0]} ended with {done.returncode}: {done.stdout}{done.stderr}"
    return done.stderr if status else done.stdout


BROKER_FILES = ROOT / "deploy" / "broker"
LOOPBACK = "127.0.0.1"


@contextlib.contextmanager
def mosquitto(folder: Path, authority: Authority, broker: tuple[Path, Path], *, tls: str = "tlsv1.2", acl: str = "") -> Iterator[int]:
    """The shipped mosquitto.conf at work with this authority's files, on a loopback port, which is yielded. acl: added to the list."""
    port = free_port()
    rules = folder / "acl"
    rules.write_text((BROKER_FILES / "acl").read_text() + acl)
    text = _changed(
        (BROKER_FILES / "mosquitto.conf").read_text(),
        {
            "listener 8883": f"listener {port} {LOOPBACK}",
            "tls_version tlsv1.2": f"tls_version {tls}",
            "/etc/mosquitto/campus/ca.pem": str(authority.ca),
            "/etc/mosquitto/campus/crl.pem": str(authority.crl),
            "/etc/mosquitto/campus/broker.pem": str(broker[0]),
            "/etc/mosquitto/campus/broker.key": str(broker[1]),
            "/etc/mosquitto/campus/acl": str(rules),
            "/var/lib/mosquitto/": f"{folder}/",
        },
    )
    with running_mosquitto(folder, text, port):
        yield port


def pid_file(folder: Path, port: int) -> Path:
    """Where that mosquitto keeps its process id."""
    return folder / f"mosquitto-{port}.pid"


@contextlib.contextmanager
def running_mosquitto(folder: Path, lines: str, port: int) -> Iterator[None]:
    """A mosquitto with this configuration, which listens on `port` among others."""
    user = "user root" if os.geteuid() == 0 else ""  # else it drops to a user that cannot enter our folder
    conf = folder / f"mosquitto-{port}.conf"
    conf.write_text(f"{lines}\n{user}\npid_file {pid_file(folder, port)}\n")
    with _running([need("mosquitto", package="mosquitto"), "-v", "-c", str(conf)], folder / f"mosquitto-{port}.log", port):
        yield


@contextlib.contextmanager
def nats(folder: Path, authority: Authority, broker: tuple[Path, Path], names: list[str], *, user: str = "") -> Iterator[int]:
    """The shipped nats.conf at work, with users for these names, on a loopback port, which is yielded. user: one more, as NATS has it."""
    try:
        program = find("nats")
    except SimError as error:
        missing(str(error))
    port = free_port()
    text = _changed(
        (BROKER_FILES / "nats.conf").read_text(),
        {
            "127.0.0.1:4222": f"{LOOPBACK}:-1",
            "0.0.0.0:8883": f"{LOOPBACK}:{port}",
            "/var/lib/nats": f"{folder}/nats",
            "/etc/nats/campus/broker.pem": str(broker[0]),
            "/etc/nats/campus/broker.key": str(broker[1]),
            "/etc/nats/campus/ca.pem": str(authority.ca),
        },
    )
    conf = folder / "nats.conf"
    conf.write_text(text)
    users = run(str(BROKER_FILES / "nats-users"), text="\n".join(names) + "\n")
    (folder / "nats-users.conf").write_text(users.replace("users = [", f"users = [ {user}"))
    with _running([program, "-c", str(conf)], folder / "nats.log", port):
        yield port


def _changed(text: str, places: dict[str, str]) -> str:
    for shipped, here in places.items():
        assert text.count(shipped) == 1, shipped
        text = text.replace(shipped, here)
    return text


@contextlib.contextmanager
def _running(command: list[str], log: Path, port: int) -> Iterator[None]:
    process = Leashed(command, log)
    try:
        wait_for(lambda: not process.running or _listens(port), f"{command[0]} listens")
        assert process.running, log.read_text()
        yield
    finally:
        process.stop()


def _listens(port: int) -> bool:
    try:
        with socket.create_connection((LOOPBACK, port), timeout=1.0):
            return True
    except OSError:
        return False
