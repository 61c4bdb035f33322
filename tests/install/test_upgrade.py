"""Upgrades of an installed gateway under a real systemd: kept when well, and back by itself from each kind of broken version."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from deploy.package import build, release
from tests.install.root import PROJECT, Box, Root, fresh_root
from tests.proof.rig import wait_for
from tests.real_parts import need

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

FIRST = "0.1.0"
HOME = "/opt/campus-gateway"
SITE = "/etc/campus-gateway/site.toml"
TRIALS = "/var/lib/campus-gateway-upgrade"
PACKAGES = "lib/python3.11/site-packages"
STEPS = f"{PACKAGES}/gateway/journal/migrations"
WITHIN = ("--within", "90s")

FIELD = """schema = 1
profile_dirs = ["profiles"]
[site]
id = "school-1"
name = "实验小学"
[uplink]
paths = [{ url = "mqtt://127.0.0.1:1883", protocol = "3.1.1" }]
[[uplink.recipients]]
id = "police"
keys = [{ kid = "KID", x = "X" }]
[places]
gate = { name = "校门", name_en = "gate", type = "gate" }
[[buses]]
id = "io"
transport = "tcp"
host = "127.0.0.1"
port = 1502
[[devices]]
id = "module"
bus = "io"
profile = "latch-module"
[[points]]
id = "pressed"
role = "door_forced"
place = "gate"
device = "module"
signal = "di1_latched"
latching = false
[[buses]]
id = "contacts"
transport = "tcp"
host = "127.0.0.1"
port = 1503
[[devices]]
id = "buttons"
bus = "contacts"
profile = "advantech-adam-6060"
[[points]]
id = "panic"
role = "panic_button"
place = "gate"
device = "buttons"
signal = "di1"
"""

Edit = Callable[[str], str]


def crashes(text: str) -> str:
    return f'{text}\nraise SystemExit("broken on purpose")\n'


def hangs(text: str) -> str:
    return f"{text}\nimport time as _time\n_time.sleep(1e6)\n"


def deaf(text: str) -> str:
    """Receipts are not taken."""
    wanted = "        try:\n            receipt = read_receipt("
    assert wanted in text
    return text.replace(wanted, f"        return\n{wanted}")


def deliver(
    root: Root, version: str, key: Ed25519PrivateKey, edits: dict[str, Edit] | None = None, more: dict[str, str] | None = None
) -> Path:
    """As a package of that version does: another version beside the first, of hard links but for what differs, signed."""
    first, folder = root.at(f"{HOME}/versions/{FIRST}"), root.at(f"{HOME}/versions/{version}")
    subprocess.run(["cp", "-al", first, folder], check=True)
    changes: dict[str, str] = dict(more or {})
    changes |= {name: change((first / name).read_text()) for name, change in (edits or {}).items()}
    changes[f"{PACKAGES}/gateway/__init__.py"] = f'__version__ = "{version}"\n'
    for name in ("campus-gateway", "campus-sim", "campus-centre"):
        changes[f"bin/{name}"] = (first / "bin" / name).read_text().replace(f"/versions/{FIRST}/", f"/versions/{version}/")
    told: dict[str, Any] = json.loads((first / "release.json").read_bytes())
    for name, text in changes.items():
        (folder / name).unlink(missing_ok=True)
        (folder / name).write_text(text)
        (folder / name).chmod(0o755 if name.startswith("bin/") else 0o644)
        told["files"][name] = hashlib.sha256(text.encode()).hexdigest()
    told |= {"version": version, "schema": told["schema"] + any(name.startswith(STEPS) for name in changes)}
    for name in ("release.json", "release.sig"):
        (folder / name).unlink()
    content = rfc8785.dumps(told)
    (folder / "release.json").write_bytes(content)
    (folder / "release.sig").write_bytes(base64.b64encode(key.sign(content)))
    return folder


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Root]:
    """The package installed, and versions of all kinds delivered beside it."""
    need("dpkg-deb", package="dpkg")
    out = tmp_path_factory.mktemp("packages")
    key = release.development_key(Path(os.environ.get("CAMPUS_GATEWAY_KEY", out / "key.pem")))
    package = (
        Path(os.environ["CAMPUS_GATEWAY_DEB"]) if "CAMPUS_GATEWAY_DEB" in os.environ else build.build("amd64", out, key, version=FIRST)
    )
    with fresh_root() as root:
        root.put(package, "/srv/campus-gateway.deb")
        root.run("dpkg", "-i", "/srv/campus-gateway.deb")
        for folder in (PROJECT / "drivers/profiles", PROJECT / "tests/proof/profiles"):
            for file in folder.glob("*.toml"):
                root.put(file, f"/srv/profiles/{file.name}")
        root.put(PROJECT / "tests/proof/profiles/latch-module.toml", "/etc/campus-gateway/profiles/latch-module.toml")
        root.run("campus-centre", "keygen", "--id", "police", "/srv/centre.jwk", binds=())
        made = json.loads(root.at("/srv/centre.jwk").read_text())
        root.write(SITE, FIELD.replace("KID", made["kid"]).replace('"X"', f'"{made["x"]}"'), mode=0o640)
        root.run("chown", "-R", "root:campus-gateway", "/etc/campus-gateway")
        daemon, receipts = f"{PACKAGES}/gateway/runtime/daemon.py", f"{PACKAGES}/gateway/uplink/receipts.py"
        number = json.loads(root.at(f"{HOME}/versions/{FIRST}/release.json").read_bytes())["schema"] + 1
        half = {
            f"{STEPS}/{number:04}_half.sql": "CREATE TABLE half (x TEXT); INSERT INTO nothing_such VALUES (1);",
            f"{STEPS}/{number:04}_half.down.sql": "DROP TABLE half;",
        }
        tomorrow = {
            f"{STEPS}/{number:04}_tomorrow.sql": "CREATE TABLE tomorrow (x TEXT);",
            f"{STEPS}/{number:04}_tomorrow.down.sql": "DROP TABLE tomorrow;",
        }
        deliver(root, "0.0.5", key)
        deliver(root, "0.2.0", key)
        deliver(root, "0.3.0", key, {daemon: crashes})
        deliver(root, "0.4.0", key, {daemon: hangs})
        deliver(root, "0.5.0", key, {receipts: deaf}, tomorrow)
        deliver(root, "0.6.0", key, more=half)
        root.write("/srv/press.py", PRESS)
        tampered = deliver(root, "0.7.0", key) / PACKAGES / "gateway/__main__.py"
        text = tampered.read_text()
        tampered.unlink()
        tampered.write_text(f"{text}\n# and something more\n")
        deliver(root, "0.8.0", Ed25519PrivateKey.generate())
        yield root


class School:
    """A box with its field, broker and centre."""

    def __init__(self, root: Root, box: Box) -> None:
        self.root, self.box = root, box
        box.wait("the gateway is ready", "systemctl", "is-active", "campus-gateway")
        if not root.at("/srv/trust.json").exists():
            own = box.run("runuser", "-u", "campus-gateway", "--", "campus-gateway", "key", SITE).stdout
            root.write("/srv/trust.json", json.dumps({"keys": [json.loads(own)]}))
        self._program("broker", "campus-sim", "broker", "--port", "1883", "--dir", "/srv/broker")
        self._program("school", "campus-sim", "school", SITE, "--http", "8600", "--no-cameras", "--profiles", "/srv/profiles")
        self._program(
            "centre", "campus-centre", "run", "--url", "mqtt://127.0.0.1:1883", "--protocol", "3.1.1", "--json", "--key", "/srv/centre.jwk",
            "--trust", "/srv/trust.json", "--db", "/srv/centre.db",
        )  # fmt: skip
        wait_for(lambda: (self.status().get("receipts") or {}).get("police"), "the centre signs", 120)

    def _program(self, name: str, *command: str) -> None:
        first = f"{HOME}/versions/{FIRST}/bin/{command[0]}"  # whatever runs
        self.box.run("systemd-run", f"--unit={name}", f"--property=StandardOutput=append:/srv/{name}.log", first, *command[1:])

    def status(self) -> dict[str, Any]:
        done = self.box.run("campus-gateway", "status", "--json", check=False)
        return json.loads(done.stdout) if done.returncode == 0 else {}

    def told(self) -> list[str]:
        """Ids of presses at the centre."""
        lines = self.root.at("/srv/centre.log").read_text().splitlines()
        events = [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]
        wanted = ("campus.alarm.activated", "campus.alarm.repeated")
        return list(dict.fromkeys(e["id"] for e in events if e.get("type") in wanted and e["subject"] == "pressed"))

    def upgrade(self, *words: str) -> tuple[int, str]:
        done = self.box.run("campus-gateway", "upgrade", *words, check=False)
        return done.returncode, done.stdout + done.stderr

    def listed(self) -> dict[str, Any]:
        return json.loads(self.box.run("campus-gateway", "upgrade", "--list", "--json").stdout)

    def pressed_during(self, *words: str) -> tuple[int, str]:
        """An upgrade, with a press while the units are stopped."""
        before = len(self.told())
        self.box.run("systemd-run", "--unit=pressing", "--collect", "sh", "-c", PRESSING)
        found = self.upgrade(*words)
        wait_for(lambda: len(self.told()) > before, "the press arrives", 60)
        assert len(self.told()) == before + 1, "once"
        return found


PRESS = """import urllib.request
urllib.request.urlopen(urllib.request.Request("http://127.0.0.1:8600/points/pressed", b'{"press_ms": 20}')).read()
"""
PRESSING = 'until test "$(systemctl is-active campus-gateway)" != active; do sleep 0.05; done; exec python3 /srv/press.py'


@contextlib.contextmanager
def booted(root: Root) -> Iterator[School]:
    with root.boot() as box:
        yield School(root, box)


@pytest.fixture(scope="module")
def school(root: Root) -> Iterator[School]:
    with booted(root) as school:
        yield school


def test_what_is_refused_changes_nothing(school: School) -> None:
    for version, words in (
        ("0.0.5", "below the security floor"), ("0.7.0", "gateway/__main__.py is not as it was signed"), ("0.8.0", "is not signed by any"),
        ("9.9", "is not delivered"), (FIRST, "runs already"),
    ):  # fmt: skip
        school.box.run("sh", "-c", f"echo {FIRST} > {TRIALS}/floor")
        status, said = school.upgrade(version)
        assert (status, words in said) == (1, True), said
    assert (school.listed()["current"], school.listed()["trial"]) == (FIRST, None)


@pytest.mark.parametrize(
    ("version", "why"),
    [
        ("0.3.0", "the daemon ended 3 times by itself"),
        ("0.4.0", "not well within 30 s"),
        ("0.5.0", "no receipt yet from police"),
        ("0.6.0", "the daemon ended 3 times by itself"),
    ],
)
def test_a_broken_version_goes_back_by_itself(school: School, version: str, why: str) -> None:
    status, said = school.pressed_during(version, "--within", "30s")
    print(said)
    assert (status, why in said) == (3, True), said
    assert (school.listed()["current"], school.listed()["trial"]) == (FIRST, None)
    assert school.status()["version"] == FIRST
    assert not list(school.root.at("/var/lib/campus-gateway").glob("*set-aside*"))
    whole = school.box.run("campus-gateway", "journal", "verify")
    assert "whole" in whole.stdout


def test_a_power_cut_in_the_middle(root: Root, school: School) -> None:
    """The version before decides at the next start of the computer."""
    school.box.run("campus-gateway", "upgrade", "--check", "0.2.0")
    school.box.run("systemd-run", "--unit=somebody", "campus-gateway", "upgrade", "0.4.0", "--within", "30s")
    trial = root.at(f"{TRIALS}/trial.json")
    wait_for(lambda: trial.exists() and json.loads(trial.read_text())["note"], "the trial is under way", 120)
    school.box._machine.stop()
    with root.boot() as box:
        wait_for(lambda: not trial.exists(), "the trial is over", 180)
        box.wait("the gateway is ready", "systemctl", "is-active", "campus-gateway")
        again = School(root, box)
        assert again.listed()["current"] == FIRST
        assert again.listed()["last"]["state"] == "undone"

        status, said = again.pressed_during("0.2.0", *WITHIN)
        print(said)
        assert status == 0, said
        assert (again.status()["version"], again.listed()["before"], again.listed()["floor"]) == ("0.2.0", FIRST, FIRST)
        assert "0.0.5" not in again.listed()["versions"], "two are kept, and what is newer"

        text = root.at(SITE).read_text()
        root.write("/srv/new.toml", text.replace('name_en = "gate"', 'name_en = "north gate"'))
        done = box.run("campus-gateway", "apply", "/srv/new.toml", *WITHIN, check=False)
        print(done.stdout)
        assert done.returncode == 0, done.stdout + done.stderr
        root.write("/srv/new.toml", text.replace(":1883", ":1999"))
        done = box.run("campus-gateway", "apply", "/srv/new.toml", "--within", "10s", check=False)
        print(done.stdout)
        assert done.returncode == 3, done.stdout + done.stderr
        owner = box.run("stat", "--format=%a %U %G", SITE).stdout.strip()
        assert (owner, "north gate" in root.at(SITE).read_text()) == ("640 root campus-gateway", True)
        assert box.show("campus-gateway", "NRestarts") == "0"

        status, said = again.upgrade("--back", *WITHIN)
        print(said)
        assert status == 0, said
        assert again.status()["version"] == FIRST
