"""A picture for an alarm, with real parts: a video file, the vision process, the daemon, a broker and the centre."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from simulators.broker import Broker, free_port
from tests.proof.rig import Program, Rig, rig, wait_for
from tests.proof.test_commands import Centre
from tests.real_parts import need

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

GREY = 90
GREY_JPEG = b"JFIF\0"  # what a picture in clear holds


def clip(path: Path) -> None:
    """Two minutes of grey."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=5)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        picture = np.full((240, 320, 3), GREY, np.uint8)
        for _ in range(600):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))


def field_text(video: Path) -> str:
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
id = "gate-camera"
url = "file://{video}"
place = "gate"
[[linkage]]
id = "picture"
when = {{ alarm = "panic" }}
then = [{{ snapshot = "gate-camera" }}]
[vision]
clip_before_s = 0
clip_after_s = 0
"""


def evidence(here: Rig, word: str, count: int = 1) -> list[dict[str, Any]]:
    """The centre's events of this kind, once there are so many."""

    def found() -> list[dict[str, Any]]:
        events = {event["id"]: event for event in here.events() if event["type"] == f"campus.evidence.{word}"}
        return list(events.values()) if len(events) >= count else []

    events: list[dict[str, Any]] = wait_for(found, f"{count} of evidence.{word}", 30)
    return events


def command(here: Rig, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "gateway", *words, "--config", str(here.site)], capture_output=True, text=True, check=True, timeout=30
    )
    return done.stdout


def test_a_press_keeps_the_picture_of_the_gate(tmp_path: Path) -> None:
    need("mosquitto", package="mosquitto")
    clip(tmp_path / "gate.mp4")
    may = ', may = ["take_snapshot"]'
    with (
        Broker("mosquitto", dir=tmp_path / "broker") as broker,
        rig(tmp_path, broker.url, field_text(tmp_path / "gate.mp4"), key=may) as here,
    ):
        centre = Centre(here, broker, "3.1.1")
        wait_for(lambda: here.status().get("devices") == {"module": True}, "the module answers")
        vision = Program(
            tmp_path / "vision.log", "gateway", "vision", "--config", str(here.site), "--door", str(tmp_path / "state" / "door.sock")
        ).start()
        try:
            wait_for(lambda: here.metric("gw_camera_frame_age_seconds").get('{camera="gate-camera"}', -1) >= 0, "the camera sees", 40)
            here.post("/points/panic", {"press_ms": 300})
            (ready,) = evidence(here, "ready")
            the_picture_is_there(here, ready)
            assert "tells how it went" in command(here, "snapshot", "gate-camera", "--by", "张卫国")
            by_hand = evidence(here, "ready", 2)[1]["data"]
            assert (by_hand["by"], by_hand["cause"]) == ("张卫国", [])
            assert taken(centre) == ["accepted", "done"]
            assert len(here.journal("SELECT 1 FROM event WHERE type = 'campus.evidence.ready'")) == 3, "done when it is there"
        finally:
            vision.kill()
        assert taken(centre) == ["accepted", "failed"], "nobody is there to take it"
        (failed,) = evidence(here, "failed")
        assert any(words in failed["data"]["reason"] for words in ("no picture within 5 s", "vision silent"))
        assert len(list((tmp_path / "state" / "evidence").iterdir())) == 3
        assert here.gateway.stop() == 0


def taken(centre: Centre) -> list[str]:
    """What the centre is told of a picture that it asks for."""
    return [answer["result"] for answer in centre.says("take_snapshot", "gate-camera")[1]]


def the_picture_is_there(here: Rig, ready: dict[str, Any]) -> None:
    data, folder = ready["data"], here.folder / "state" / "evidence"
    file = folder / f"{data['picture']}.still.sealed"
    out = here.folder / "out.jpg"
    command(here, "evidence", "export", data["picture"], "--to", str(out), "--by", "王建国", "--why", "民警调取")
    body = out.read_bytes()
    assert GREY_JPEG in body
    assert GREY_JPEG not in file.read_bytes()
    assert (hashlib.sha256(body).hexdigest(), len(body)) == (data["sha256"], data["bytes"])
    assert (folder.stat().st_mode & 0o777, file.stat().st_mode & 0o777) == (0o700, 0o600)
    picture = cv2.imdecode(np.frombuffer(body, np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape == (240, 320, 3)
    assert abs(float(picture.mean()) - GREY) < 5
    (alarm,) = (event for event in here.events() if event["type"] == "campus.alarm.activated")
    assert data["cause"] == [alarm["id"]]
    assert data["incident"] == alarm["data"]["incident"]
    assert (ready["subject"], data["camera"], data["place"], data["status"]) == ("gate-camera", "gate-camera", "gate", "Actual")
