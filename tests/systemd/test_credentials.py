"""The shipped unit under a real systemd in a container: every key comes by LoadCredential= or LoadCredentialEncrypted=."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from simulators.broker import find
from simulators.errors import SimError
from simulators.leash import Leashed
from tests.proof.authority import Authority, run
from tests.proof.rig import wait_for
from tests.real_parts import missing, need

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

ROOT = Path(__file__).parents[2]
PASSWORD = "open sesame"
WITHIN_S = 60.0
FORBIDDEN = ("Operation not permitted", "Permission denied", "Function not implemented")
KEYS = ("event-key.pem", "uplink.key", "password")

DROP_IN = """[Service]
LoadCredential=event-key.pem:/etc/keys/event-key.pem
LoadCredential=uplink.key:/etc/keys/uplink.key
LoadCredentialEncrypted=password:/etc/keys/password.cred
"""
ENCRYPTING = """[Unit]
Before=campus-gateway.service
[Service]
Type=oneshot
ExecStart=systemd-creds --with-key=host encrypt --name=password /etc/keys/password /etc/keys/password.cred
ExecStart=rm /etc/keys/password
"""
BROKER = """[Service]
ExecStart=mosquitto -v -c /etc/mosquitto.conf
"""
LISTENERS = """per_listener_settings true
user root
listener 8883 127.0.0.1
allow_anonymous true
cafile /etc/campus-gateway/ca.pem
certfile /etc/broker.pem
keyfile /etc/broker.key
require_certificate true
listener 1883 127.0.0.1
allow_anonymous false
password_file /etc/users
"""
SITE = """schema = 1
[site]
id = "school-1"
gateway = "gw1"
name = "x"
state_dir = "/var/lib/campus-gateway"
[uplink]
[[uplink.paths]]
id = "certificate"
url = "mqtts://127.0.0.1:8883"
ca_file = "ca.pem"
cert_file = "uplink.pem"
key_file = "$CREDENTIALS_DIRECTORY/uplink.key"
[[uplink.paths]]
id = "password"
url = "mqtt://127.0.0.1:1883"
username = "school"
password_file = "$CREDENTIALS_DIRECTORY/password"
[places]
gate = { name = "门", name_en = "gate", type = "gate" }
"""


class Box:
    """A small system: /usr of this machine, everything else of its own, no network but loopback."""

    def __init__(self, folder: Path, authority: Authority) -> None:
        self.root = folder / "box"
        self.log = folder / "box.log"
        self.etc = self.root / "etc"
        self.state = self.root / "var/lib/campus-gateway"
        for name in (
            "etc/systemd/system",
            "etc/campus-gateway",
            "etc/keys",
            "usr",
            "var",
            "tmp",
            "run",
            "proc",
            "sys",
            "dev",
            "root",
            "opt",
        ):
            (self.root / name).mkdir(parents=True)
        for name in ("bin", "lib", "lib64", "sbin"):
            (self.root / name).symlink_to(f"usr/{name}")
        for name in ("passwd", "group", "nsswitch.conf", "ld.so.cache"):
            shutil.copy(f"/etc/{name}", self.etc)
        with (self.etc / "passwd").open("a") as users, (self.etc / "group").open("a") as groups:
            users.write("campus-gateway:x:990:990::/var/lib/campus-gateway:/usr/sbin/nologin\n")
            groups.write("campus-gateway:x:990:\n")
        (self.etc / "machine-id").touch()
        (self.etc / "os-release").write_text("ID=box\n")
        self._program()
        self._units()
        self._files(authority)

    def _program(self) -> None:
        """The gateway where its unit expects it; the interpreter may lie in a home, which the unit does not see."""
        program = self.root / "opt/campus-gateway/current/bin/campus-gateway"
        program.parent.mkdir(parents=True)
        python = f"/opt/python/bin/python{sys.version_info.major}.{sys.version_info.minor}"
        program.write_text(
            "#!/bin/sh\nexport LD_LIBRARY_PATH=/opt/python/lib PYTHONPATH=/opt/repo:/opt/packages PYTHONDONTWRITEBYTECODE=1\n"
            f'exec {python} -m gateway "$@"\n'
        )
        program.chmod(0o755)

    def _units(self) -> None:
        units = self.etc / "systemd/system"
        shutil.copy(ROOT / "systemd" / "campus-gateway.service", units)
        (units / "campus-gateway.service.d").mkdir()
        (units / "campus-gateway.service.d" / "keys.conf").write_text(DROP_IN)
        (units / "encrypting.service").write_text(ENCRYPTING)
        (units / "broker.service").write_text(BROKER)
        (units / "box.target").write_text("[Unit]\nWants=broker.service encrypting.service campus-gateway.service\n")
        (units / "default.target").symlink_to("box.target")

    def _files(self, authority: Authority) -> None:
        settings = self.etc / "campus-gateway"
        certificate, key = authority.issue("school-1/gw1", days=300)
        server = authority.issue("broker", "127.0.0.1")
        (settings / "site.toml").write_text(SITE)
        shutil.copy(authority.ca, settings / "ca.pem")
        shutil.copy(certificate, settings / "uplink.pem")
        shutil.copy(key, self.etc / "keys/uplink.key")
        for source, name in zip(server, ("broker.pem", "broker.key"), strict=True):
            shutil.copy(source, self.etc / name)
        (self.etc / "keys/password").write_text(PASSWORD)
        run("openssl", "genpkey", "-algorithm", "ed25519", "-out", str(self.etc / "keys/event-key.pem"))
        users = self.etc / "users"
        users.touch(0o600)
        run(need("mosquitto_passwd", package="mosquitto"), "-b", str(users), "school", PASSWORD)
        (self.etc / "mosquitto.conf").write_text(LISTENERS)
        for file in (self.etc / "keys").iterdir():
            file.chmod(0o600)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """systemd is up as the first process of the container."""
        command = [need("systemd-nspawn", package="systemd-container"), "-q", "-b", "-D", str(self.root), "--private-network"]
        command += [
            "--kill-signal=SIGKILL",
            "--register=no",
            "--keep-unit",
            "--console=pipe",
            "--bind-ro=/usr",
            f"--bind-ro={sys.base_prefix}:/opt/python",
        ]
        command += [f"--bind-ro={ROOT}:/opt/repo", f"--bind-ro={sysconfig.get_paths()['purelib']}:/opt/packages"]
        machine = Leashed(command, self.log)
        try:
            wait_for(lambda: self.status() or not machine.running, "the daemon in the container answers", WITHIN_S)
            said = self.log.read_text(errors="replace")
            if not machine.running and any(word in said for word in FORBIDDEN):
                pytest.skip(f"this machine lets no container boot: {said.strip()[-300:]}")
            yield
        finally:
            machine.stop()  # nspawn kills the first process in it, and all others with that

    def status(self) -> dict[str, Any]:
        """Answer of the daemon in the box; empty while it gives none."""
        command = [sys.executable, "-m", "gateway", "status", "--config", str(self.etc / "campus-gateway/site.toml"), "--json"]
        done = subprocess.run([*command, "--state-dir", str(self.state)], capture_output=True, check=False)
        return json.loads(done.stdout) if done.returncode == 0 else {}


def test_the_shipped_unit_with_all_its_keys_from_systemd(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("a container needs root")
    try:
        find("mosquitto")
    except SimError as error:
        missing(str(error))
    box = Box(tmp_path, Authority(tmp_path / "authority"))
    with box.running():
        try:
            wait_for(lambda: [path["up"] for path in box.status().get("paths", [])] == [True, True], "both paths are up", WITHIN_S)
        except AssertionError:
            raise AssertionError(f"{box.log.read_text()[-2000:]}{box.status()}") from None
        assert not (box.etc / "keys/password").exists(), "only encrypted by then"
        assert not {item["alarm"] for item in box.status()["faults"]} & {"gw-certificate/fault", "gw-certificate-urgent/fault"}
    kept = {file.name: file.read_bytes() for file in box.state.rglob("*") if file.is_file()}
    public = json.loads(kept["event-keys.json"])
    assert public["credential"]
    pem = run("openssl", "pkey", "-in", str(box.etc / "keys/event-key.pem"), "-pubout", "-outform", "PEM")
    assert not set(KEYS) & set(kept), "nothing is copied into the state folder"
    box.state.joinpath("key.pem").write_text(pem)
    verify = [
        sys.executable,
        "-m",
        "gateway",
        "journal",
        "verify",
        "--state-dir",
        str(box.state),
        "--key",
        str(box.state / "key.pem"),
        "--json",
    ]
    assert json.loads(run(*verify))["whole"], "signed with the key that systemd handed over"
