"""Secrets stay where they are: canaries in every place of a site where one belongs, then a search of everything that leaves the daemon."""

from __future__ import annotations

import base64
import http.client
import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import paho.mqtt.client as mqtt
import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from paho.mqtt.enums import CallbackAPIVersion

from simulators.broker import free_port
from simulators.camera import CameraServer
from tests.proof.authority import LOOPBACK, Authority, run, running_mosquitto
from tests.proof.field_rig import traces_of
from tests.proof.rig import Program, Rig, rig, start_centre, wait_for
from tests.real_parts import need

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

MQTT_PASSWORD = "Canary/uplink+8842=="
WRONG_PASSWORD = "Canary-of-last-year-5510"
CAMERA_PASSWORD = "Canary%camera#7731"
READER_KEY = "c0ffee0102030405060708090a0bca7a"
PHONES = ("13912347701", "13912347702")
CARD_NUMBER = 0xC3A95D17
CARD = f"34 {((1 << 33) | (CARD_NUMBER << 1)) << 6:010x}"
NAME = "王建国"  # no secret: it must be found, or the search is blind
KEYS = ("event-key.pem", "event-key.next.pem", "card-key")


def field_text(camera: str) -> str:
    return f"""
[rules.escalation]
leaders = [{{ name = "{NAME}", phone = "{PHONES[0]}" }}]
[rules.escalation.times]
Extreme = {{ leader_after_s = 10, centre_after_s = 11 }}
[[whistles]]
id = "departments"
addressees = [{{ name = "李所长", phone = "{PHONES[1]}" }}]
[[buses]]
id = "io"
transport = "tcp"
host = "127.0.0.1"
port = {free_port()}
[[buses]]
id = "readers"
transport = "osdp"
device = "readers.tty"
baud = 38400
[[devices]]
id = "module"
bus = "io"
profile = "advantech-adam-6060"
[[devices]]
id = "reader"
bus = "readers"
profile = "osdp-reader"
unit = 5
key_file = "reader.key"
[[points]]
id = "panic"
role = "panic_button"
place = "gate"
device = "module"
signal = "di1"
[[points]]
id = "cards"
role = "card_reader"
place = "gate"
device = "reader"
signal = "card"
[[cameras]]
id = "gate-camera"
url = "{camera}"
credentials_file = "camera.txt"
place = "gate"
"""


def canaries(here: Rig) -> dict[str, set[bytes]]:
    """Each secret in every form in which it could be found, in lower case."""
    folder = here.folder
    texts = {
        "password": MQTT_PASSWORD,
        "old password": WRONG_PASSWORD,
        "camera": CAMERA_PASSWORD,
        "phone": PHONES[0],
        "other phone": PHONES[1],
    }
    found = {name: _forms(text.encode()) for name, text in texts.items()}
    found["camera login"] = _forms(f"guard:{CAMERA_PASSWORD}".encode())
    found["reader key"] = _forms(bytes.fromhex(READER_KEY))
    found["card"] = {trace for size in (4, 8) for trace in traces_of(CARD_NUMBER, size)}
    found["card key"] = _forms((folder / "state" / "card-key").read_bytes())
    for file in (
        folder / "state" / "event-key.pem",
        folder / "state" / "event-key.next.pem",
        folder / "uplink.key",
        folder / "uplink.key.next",
    ):
        key = load_pem_private_key(file.read_bytes(), None)
        secret = key.private_bytes_raw() if hasattr(key, "private_bytes_raw") else key.private_numbers().private_value.to_bytes(32, "big")  # type: ignore[union-attr]
        lines = [line.lower().encode() for line in file.read_text().splitlines() if not line.startswith("-")]
        found[file.name] = _forms(secret) | {line for line in lines if len(line) > 30}
    return found


def _forms(secret: bytes) -> set[bytes]:
    coded = base64.b64encode(secret).rstrip(b"=")
    forms = {secret, secret.hex().encode(), secret.hex(" ").encode(), coded, coded.translate(bytes.maketrans(b"+/", b"-_"))}
    forms.add(quote(secret, safe="").encode())
    return {form.lower() for form in forms} | {repr(secret)[2:-1].lower().encode()}


class Brokers:
    """One mosquitto: a plain port for the centre and the listener, one that wants a password, one that wants TLS."""

    def __init__(self, folder: Path, authority: Authority) -> None:
        self.plain, self.password, self.tls = (free_port() for _ in range(3))
        users = folder / "users"
        users.touch(0o600)
        run(need("mosquitto_passwd", package="mosquitto"), "-b", str(users), "school", MQTT_PASSWORD)
        server = authority.issue("broker", LOOPBACK)
        self.lines = f"""per_listener_settings true
listener {self.plain} {LOOPBACK}
allow_anonymous true
listener {self.password} {LOOPBACK}
allow_anonymous false
password_file {users}
listener {self.tls} {LOOPBACK}
allow_anonymous true
cafile {authority.ca}
certfile {server[0]}
keyfile {server[1]}
require_certificate true
"""


@contextmanager
def overheard(port: int) -> Iterator[list[bytes]]:
    """Topic and payload of all that crosses the broker."""
    heard: list[bytes] = []
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="listener")
    client.on_message = lambda _client, _data, message: heard.append(message.topic.encode() + b" " + bytes(message.payload))
    client.connect(LOOPBACK, port)
    client.subscribe("#", qos=1)
    client.loop_start()
    try:
        yield heard
    finally:
        client.disconnect()
        client.loop_stop()


def command(here: Rig, *words: str, site: Path | None = None) -> bytes:
    """All that `campus-gateway WORDS` says."""
    done = subprocess.run([sys.executable, "-m", "gateway", *words, "--config", str(site or here.site)], capture_output=True, check=False)
    return done.stdout + done.stderr


def secret_file(path: Path, text: str) -> None:
    path.touch(0o600)
    path.write_text(text + "\n")


def test_no_secret_leaves(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "authority")
    for source, name in zip(authority.issue("proof-school/gate"), ("uplink.pem", "uplink.key"), strict=True):
        secret_file(tmp_path / name, source.read_text())
    secret_file(tmp_path / "reader.key", READER_KEY)
    secret_file(tmp_path / "camera.txt", f"guard:{CAMERA_PASSWORD}")
    secret_file(tmp_path / "password", WRONG_PASSWORD)
    camera = CameraServer(LOOPBACK, 0, "/gate", credentials="guard:another")
    brokers = Brokers(tmp_path, authority)
    path = ', username = "school", password_file = "password"'
    camera.start()
    try:
        with (
            running_mosquitto(tmp_path, brokers.lines, brokers.plain),
            overheard(brokers.plain) as heard,
            rig(tmp_path, f"mqtt://{LOOPBACK}:{brokers.password}", field_text(camera.url), protocol="5", path=path, centre=None) as here,
        ):
            here.gateway.stop()
            here.gateway = Program(
                tmp_path / "debug.log", "gateway", "run", "--config", str(here.site), "--no-vision", "--log-level", "debug"
            ).start()
            here.centre = start_centre(here, f"mqtt://{LOOPBACK}:{brokers.plain}", "5")
            said = through_good_and_bad(here, brokers, authority)
            said["mqtt"] = b"\n".join(heard)
            said |= {file.name: file.read_bytes() for file in tmp_path.glob("*.log")}
            said |= files_of(here)
            secrets = canaries(here)
    finally:
        camera.stop()
    for name in ("mqtt", "journal", "export"):
        assert NAME.encode() in said[name], f"the search must find what is there: {name}"
    leaks = [
        (where, name) for where, text in said.items() for name, forms in secrets.items() if any(form in text.lower() for form in forms)
    ]
    assert not leaks


def through_good_and_bad(here: Rig, brokers: Brokers, authority: Authority) -> dict[str, bytes]:
    """A wrong password, a camera that lets nobody in, a day's work, a wrong authority; what was said by the way."""
    said: dict[str, bytes] = {}
    wait_for(
        lambda: "refuses this gateway" in here.status().get("paths", [{}])[0].get("reason", ""), "a wrong password is told as such", 40
    )
    vision = Program(
        here.folder / "vision.log", "gateway", "vision", "--config", str(here.site), "--door", str(here.folder / "state" / "door.sock")
    ).start()
    try:
        secret_file(here.folder / "password", MQTT_PASSWORD)
        wait_for(lambda: here.status()["paths"][0]["up"], "the path is up once the password is right", 70)
        wait_for(lambda: here.status()["devices"] == {"module": True, "reader": True}, "the devices answer")
        wait_for(lambda: "gate-camera/fault" in here.faults(), "the camera lets nobody in", 40)
        said["arguments"] = _arguments(here, vision)
        here.post("/devices/reader/signals/card", {"value": CARD})
        here.post("/points/panic", {"press_ms": 300})
        said["whistle"] = command(here, "whistle", "blow", "departments", "--why", "canary", "--by", NAME)
        wait_for(lambda: any(event["type"] == "campus.alarm.escalated" for event in here.events()), "nobody reacts: the leader is told", 40)
        said["new key"] = command(here, "enroll", "--new-event-key") + command(here, "enroll", "--use-new-event-key")
        wait_for(lambda: any(event["type"] == "campus.key.announced" for event in here.events()), "the new key is announced")
        said |= pages(here)
        said["door"] = at_the_door(here)
    finally:
        vision.kill()
    assert here.gateway.stop() == 0
    said["other site"] = wrong_authority(here, brokers, authority)
    said["check"] = misplaced(here)
    said["enroll"] = command(here, "enroll", "--renew") + command(here, "enroll", "--install", str(here.folder / "uplink.key"))
    return said


def pages(here: Rig) -> dict[str, bytes]:
    """All that a running daemon shows to those who ask."""
    host = here.status()["metrics"].split("/")[2]
    connection = http.client.HTTPConnection(host, timeout=5)
    connection.request("GET", "/metrics")
    metrics = connection.getresponse().read()
    connection.close()
    shown = {"metrics": metrics, "explain": command(here, "rules", "explain", "panic")}
    for words in (["status"], ["status", "--json"], ["cards"], ["whistle", "list", "--json"], ["journal", "verify"]):
        shown[" ".join(words)] = command(here, *words)
    shown["export"] = command(here, "journal", "export") + command(here, "journal", "export", "--format", "csv")
    return shown


def at_the_door(here: Rig) -> bytes:
    """What the control socket answers to everything it knows, and to nonsense."""
    asked: list[object] = [{"op": op} for op in ("status", "cards", "drills", "walk_tests", "whistles", "explain", "read", "nothing", "")]
    asked += [{"op": "command", "command": "acknowledge", "target": "", "by": NAME}, {"op": 5}, [], "x", None]
    said = b""
    for request in asked:
        with socket.socket(socket.AF_UNIX) as door:
            door.settimeout(10)
            door.connect(str(here.folder / "state" / "door.sock"))
            door.sendall(json.dumps(request).encode() + b"\n")
            door.shutdown(socket.SHUT_WR)
            while part := door.recv(65536):
                said += part
    assert b'"ok"' in said
    return said


def wrong_authority(here: Rig, brokers: Brokers, authority: Authority) -> bytes:
    """The same gateway over TLS: a foreign ca_file, then a key that others can read, then one that belongs to something else."""
    stranger = Authority(here.folder / "stranger", "Stranger CA")
    text = here.site.read_text()
    start, end = text.index("paths = ["), text.index("\n", text.index("paths = ["))
    files = f'ca_file = "{stranger.ca}", cert_file = "uplink.pem", key_file = "uplink.key"'
    tls = f'paths = [{{ url = "mqtts://{LOOPBACK}:{brokers.tls}", {files} }}]'
    here.site.write_text(text[:start] + tls + text[end:])
    log = here.folder / "wrong.log"
    here.gateway = Program(log, "gateway", "run", "--config", str(here.site), "--no-vision", "--log-level", "debug").start()
    wait_for(lambda: "not signed by the authority" in here.status().get("paths", [{}])[0].get("reason", ""), "a foreign authority", 40)
    (here.folder / "uplink.key").chmod(0o644)
    wait_for(lambda: "chmod 600" in here.status()["paths"][0]["reason"], "an open key", 40)
    shown = command(here, "status", "--json")
    (here.folder / "uplink.key").chmod(0o600)
    (here.folder / "reader.key").chmod(0o644)
    assert here.gateway.stop() == 0
    again = subprocess.run(
        [sys.executable, "-m", "gateway", "run", "--config", str(here.site), "--no-vision"], capture_output=True, check=False, timeout=20
    )
    assert again.returncode == 1, "a reader's key that others can read"
    (here.folder / "reader.key").chmod(0o600)
    return shown + again.stdout + again.stderr


def misplaced(here: Rig) -> bytes:
    """What `check` says of secrets in places where they do not belong, and of a file that is no TOML just there."""
    text, said = here.site.read_text(), b""
    wrongs = [
        ('url = "rtsp://', f'url = "rtsp://guard:{quote(CAMERA_PASSWORD, safe="")}@'),
        ('url = "mqtts://', f'url = "mqtts://school:{quote(MQTT_PASSWORD, safe="")}@'),
        ('key_file = "reader.key"', f'key = "{READER_KEY}"'),
        (f'phone = "{PHONES[0]}"', f"phone = {PHONES[0]}"),
        (f'phone = "{PHONES[0]}"', f'phone = "{PHONES[0]}'),
        (f'phone = "{PHONES[0]}"', f'phone = "{PHONES[0] * 5}"'),
    ]
    for right, wrong in wrongs:
        assert right in text, right
        site = here.folder / "wrong.toml"
        site.write_text(text.replace(right, wrong))
        for words in (["check", str(site)], ["check", str(site), "--json"], ["run", "--config", str(site)]):
            done = subprocess.run([sys.executable, "-m", "gateway", *words], capture_output=True, check=False, timeout=20)
            assert done.returncode == 1, wrong
            said += done.stdout + done.stderr
    return said


def files_of(here: Rig) -> dict[str, bytes]:
    """Everything in the state folder but the keys."""
    state = here.folder / "state"
    found = {str(file.relative_to(state)): file.read_bytes() for file in state.rglob("*") if file.is_file() and file.name not in KEYS}
    found["journal"] = b"".join(content for name, content in found.items() if name.startswith("journal.db"))
    return found


def _arguments(here: Rig, vision: Program) -> bytes:
    """Command lines of our processes, which every user of the box may read, and their environment, which their children inherit."""
    pids = {program.process.pid for program in (here.gateway, vision) if program.process is not None}
    said = b""
    for pid in pids:
        limits = Path(f"/proc/{pid}/limits").read_text()
        assert re.search(r"Max core file size +0 +0 ", limits), "a core dump would hold all of them"
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if parent in pids or int(folder.name) in pids:
                said += b"\n".join((folder / name).read_bytes() for name in ("cmdline", "environ"))
        except (OSError, ValueError):
            continue  # it has ended
    assert b"gateway" in said
    return said
