"""Evidence with real parts: RTSP cameras, the vision process, the daemon, a broker and the centre.

A press; one camera has a mask and its decoder is killed just before the clip is cut, the other has none. Nothing lies in clear, nothing
leaves, and a disk without room is told.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from simulators.broker import Broker, free_port
from tests.proof.rig import Program, Rig, rig, wait_for
from tests.proof.test_pictures import command, evidence
from tests.real_parts import need

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

BEFORE_S, AFTER_S = 6.0, 3.0
CLEAR = (b"ftypisom", b"JFIF\0", b"x264 - core", b"moov", b"\xff\xd8\xff\xe0\0\x10")  # of pictures and clips that are not sealed
RECORDER = {"device": "34020000001180000001", "channel": "34020000001310000001"}


def field_text(masked: str, bare: str, further: str = "") -> str:
    return f"""
[[buses]]
id = "a"
transport = "rtu-tcp"
host = "127.0.0.1"
port = {free_port()}
[[devices]]
id = "module"
bus = "a"
profile = "waveshare-modbus-rtu-io-8ch"
[[points]]
id = "panic"
role = "panic_button"
place = "gate"
device = "module"
signal = "di1"
[[cameras]]
id = "masked"
url = "{masked}"
place = "gate"
masks = [[[0.0, 0.0], [0.4, 0.0], [0.4, 0.5], [0.0, 0.5]]]
recorder = {{ device = "{RECORDER["device"]}", channel = "{RECORDER["channel"]}" }}
[[cameras]]
id = "bare"
url = "{bare}"
place = "gate"
[[linkage]]
id = "picture"
when = {{ alarm = "panic" }}
then = [{{ snapshot = "masked" }}, {{ snapshot = "bare" }}]
[vision]
clip_before_s = {BEFORE_S}
clip_after_s = {AFTER_S}
{further}
"""


class Ear:
    """Everything on the bus."""

    def __init__(self, broker: Broker) -> None:
        self.heard: list[tuple[str, bytes]] = []
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="ear")
        self._there = threading.Event()
        self._client.on_message = lambda client, data, message: self.heard.append((message.topic, message.payload))
        self._client.on_connect = lambda client, *rest: client.subscribe("#", 1)
        self._client.on_subscribe = lambda *rest: self._there.set()
        host, _, port = broker.url.removeprefix("mqtt://").partition(":")
        self._client.connect(host, int(port))
        self._client.loop_start()
        assert self._there.wait(10)

    def pictures(self) -> list[tuple[str, bytes]]:
        return [(topic, body) for topic, body in self.heard if "/evidence/" in topic]

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@contextlib.contextmanager
def eyes(folder: Path, further: str = "", person: bool = False) -> Iterator[tuple[Rig, Program, Ear]]:
    """Two cameras that are seen, and everything behind them."""
    need("mosquitto", package="mosquitto")
    words = ("--person",) if person else ()
    cameras = [Program(folder / f"{name}.log", "simulators", "camera", "--port", "0", *words).start() for name in ("masked", "bare")]
    vision: Program | None = None
    try:
        urls = [json.loads(wait_for(lambda c=camera: c.log.read_text().strip(), "a camera is ready"))["url"] for camera in cameras]
        with (
            Broker("mosquitto", dir=folder / "broker") as broker,
            rig(folder, broker.url, field_text(*urls, further)) as here,
            contextlib.closing(Ear(broker)) as ear,
        ):
            wait_for(lambda: here.status().get("devices") == {"module": True}, "the module answers")
            door = str(folder / "state" / "door.sock")
            vision = Program(folder / "vision.log", "gateway", "vision", "--config", str(here.site), "--door", door).start()
            ages = lambda: here.metric("gw_camera_frame_age_seconds")  # noqa: E731
            wait_for(lambda: [ages().get(f'{{camera="{name}"}}', -1) >= 0 for name in ("masked", "bare")] == [True] * 2, "they see", 40)
            yield here, vision, ear
            assert here.gateway.stop() == 0
    finally:
        for program in (*cameras, vision):
            if program is not None:
                program.kill()


def decoder_of(vision: Program, url: str) -> int:
    """Process id of the child that reads this camera: the one with a connection to its port."""
    assert vision.process is not None
    port = f"{int(url.rpartition(':')[2].partition('/')[0]):04X}"
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (folder / "cmdline").read_bytes().split(b"\0")
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if b"drivers.camera_child" not in words or parent != vision.process.pid:
                continue
            inodes = {
                link.rpartition("[")[2].rstrip("]") for fd in (folder / "fd").iterdir() if (link := os.readlink(fd)).startswith("socket:")
            }
            lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
            if any(line[9] in inodes and line[2].endswith(f":{port}") for line in lines):
                return int(folder.name)
    raise AssertionError("no decoder")


def exported(here: Rig, event: dict[str, Any]) -> bytes:
    """What `evidence export` writes; it is what the event says."""
    data = event["data"]
    target = here.folder / f"{data['picture']}.out"
    said = command(here, "evidence", "export", data["picture"], "--to", str(target), "--by", "王建国", "--why", "民警调取")
    assert "on record as read by 王建国" in said
    body = target.read_bytes()
    assert (hashlib.sha256(body).hexdigest(), len(body)) == (data["sha256"], data["bytes"])
    file = here.folder / "state" / "evidence" / f"{data['picture']}.{data['kind']}.sealed"
    assert (hashlib.sha256(file.read_bytes()).hexdigest(), file.stat().st_size) == (data["file_sha256"], data["file_bytes"])
    target.unlink()
    return body


def at_s(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def frames(body: bytes) -> list[np.ndarray]:
    with av.open(io.BytesIO(body)) as container:
        return [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]


def black(picture: np.ndarray) -> bool:
    return bool(picture[:170, :245].max() < 16)


def in_clear(folder: Path) -> list[str]:
    """Files that hold a picture in clear, the journal included."""
    return [str(file) for file in folder.rglob("*") if file.is_file() and any(mark in file.read_bytes() for mark in CLEAR)]


def test_a_press_keeps_what_came_before_it_sealed_and_here(tmp_path: Path) -> None:
    with eyes(tmp_path) as (here, vision, ear):
        began_s = time.monotonic()
        url = next(line for line in here.site.read_text().splitlines() if line.startswith("url")).split('"')[1]
        wait_for(lambda: time.monotonic() > began_s + BEFORE_S + 3, "memory is full enough")
        here.post("/points/panic", {"press_ms": 300})
        pressed_s = time.monotonic()
        wait_for(lambda: time.monotonic() > pressed_s + AFTER_S - 0.6, "the clip is about to be cut")
        os.kill(decoder_of(vision, url), signal.SIGKILL)
        ready = {(event["data"]["kind"], event["data"]["camera"]): event for event in evidence(here, "ready", 4)}
        assert set(ready) == {(kind, camera) for kind in ("still", "clip") for camera in ("masked", "bare")}
        (alarm,) = (event for event in here.events() if event["type"] == "campus.alarm.activated")
        assert all(event["data"]["cause"] == [alarm["id"]] and event["data"]["encrypted"] for event in ready.values())
        the_clips_show_it(here, ready, at_s(alarm["time"]))
        data = ready["clip", "masked"]["data"]
        assert {name: data["recorder"][name] for name in RECORDER} == RECORDER
        assert "recorder" not in ready["clip", "bare"]["data"]
        reads = here.journal("SELECT 1 FROM event WHERE type = 'campus.audit.evidence_read'")
        assert len(reads) == 4
        listed = command(here, "evidence", "list")
        assert all(event["data"]["picture"] in listed for event in ready.values())
        assert in_clear(tmp_path / "state") == []
        assert ear.pictures() == [], "nothing leaves unless the site says so"
        assert not any(mark in body for _, body in ear.heard for mark in CLEAR)


def the_clips_show_it(here: Rig, ready: dict[tuple[str, str], dict[str, Any]], alarm_s: float) -> None:
    for camera in ("masked", "bare"):
        data = ready["clip", camera]["data"]
        assert at_s(data["from"]) <= alarm_s - BEFORE_S + 0.3
        assert at_s(data["to"]) >= alarm_s + AFTER_S - (1.5 if camera == "masked" else 0.5)
        seen = frames(exported(here, ready["clip", camera]))
        assert len(seen) >= 10 * (BEFORE_S + AFTER_S - 1.5)
        assert [black(picture) for picture in seen] == [camera == "masked"] * len(seen)
        still = picture_of(exported(here, ready["still", camera]))
        assert black(still) is (camera == "masked")
        assert still[200:].mean() > 40, "the rest is there"


def test_a_disk_without_room_is_told_and_nothing_half_written_stays(tmp_path: Path) -> None:
    folder = tmp_path / "state" / "evidence"
    folder.mkdir(parents=True, mode=0o700)
    folder.parent.chmod(0o700)
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(folder)], check=False).returncode:
        pytest.skip("a small disk wants to be mounted, which only root may")
    try:
        with eyes(tmp_path) as (here, _, _):
            here.post("/points/panic", {"press_ms": 300})
            failed = evidence(here, "failed", 4)
            assert all("the disk is full" in event["data"]["reason"] for event in failed)
            assert list(folder.iterdir()) == []
            assert here.faults() == set(), "pictures that cannot be kept are no trouble of the gateway"
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_still_leaves_where_the_site_says_so_with_its_heads_blurred(tmp_path: Path) -> None:
    with eyes(tmp_path, "send_stills = true", person=True) as (here, _, ear):
        here.post("/points/panic", {"press_ms": 300})
        ready = [event["data"] for event in evidence(here, "ready", 2) if event["data"]["kind"] == "still"]
        assert len(ready) == 2
        (alarm,) = (event for event in here.events() if event["type"] == "campus.alarm.activated")
        sent = wait_for(lambda: len(ear.pictures()) >= 2 and ear.pictures(), "both pictures on the bus")
        root = "campus/v1/proof-school/gate/evidence"
        assert {topic for topic, _ in sent} == {f"{root}/{alarm['id']}/1", f"{root}/{alarm['id']}/2"}
        assert {hashlib.sha256(body).hexdigest() for _, body in sent} == {data["outgoing_sha256"] for data in ready}
        assert all(len(body) <= 1_000_000 for _, body in sent)
        for data in ready:
            (body,) = (body for _, body in sent if hashlib.sha256(body).hexdigest() == data["outgoing_sha256"])
            still = exported(here, next(event for event in evidence(here, "ready", 2) if event["data"] == data))
            the_head_is_blurred(picture_of(still), picture_of(body))
        places = [topic for topic, _ in ear.heard]
        assert places.index(f"{root}/{alarm['id']}/1") > places.index("campus/v1/proof-school/gate/event/alarm"), "after the alarm"
        assert in_clear(tmp_path / "state") == []


def picture_of(body: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(body, np.uint8), cv2.IMREAD_COLOR)


def the_head_is_blurred(still: np.ndarray, sent: np.ndarray) -> None:
    """The simulated person stands in the middle, 0.55 of the picture high: eyes and mouth lie in these pixels."""
    face = np.s_[175:230, 285:325]
    sharp, blurred = (cv2.Laplacian(cv2.cvtColor(picture[face], cv2.COLOR_BGR2GRAY), cv2.CV_64F).var() for picture in (still, sent))
    assert blurred < sharp / 20
    assert np.abs(still[280:].astype(int) - sent[280:]).mean() < 4, "the rest is as it was"
