"""The simulated camera as a client sees it: a real RTSP stream, read by libav."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import av
import numpy as np
import pytest
from av.error import HTTPUnauthorizedError

from models.runner import Detector, load
from simulators.camera import CameraServer
from simulators.camera_scene import PEOPLE, SCENES_DIR, Person, Scene
from simulators.camera_trouble import TROUBLES
from simulators.rtsp_server import MAX_PAYLOAD, fragments, split_nals

OPTIONS = {"rtsp_transport": "tcp", "analyzeduration": "500000"}


@pytest.fixture
def camera() -> Iterator[CameraServer]:
    camera = CameraServer("127.0.0.1", 0, "/gate")
    camera.start()
    yield camera
    camera.stop()


@pytest.fixture(scope="module")
def detector() -> Detector:
    return load("nanodet-g-person-int8")


def watch(url: str, until: Callable[[np.ndarray], bool], within_s: float = 15.0) -> list[np.ndarray]:
    """Pictures (H, W, 3) BGR of a stream until one of them is as wanted."""
    pictures: list[np.ndarray] = []
    deadline_s = time.monotonic() + within_s
    with av.open(url, options=OPTIONS, timeout=(5, 5)) as container:
        for frame in container.decode(video=0):
            pictures.append(frame.to_ndarray(format="bgr24"))
            if until(pictures[-1]):
                return pictures
            assert time.monotonic() < deadline_s, "not seen in time"
    raise AssertionError("the stream ended")


@pytest.mark.parametrize("who", PEOPLE)
def test_the_person_is_found_throughout_the_stay(detector: Detector, who: str) -> None:
    scene = Scene((640, 360))
    for _ in range(30):
        boxes, scores, _ = detector.detect(np.ascontiguousarray(scene.picture(Person(who), 1.0)[:, :, ::-1]))
        assert scores[0] >= 0.6
        assert 200 < (boxes[0][0] + boxes[0][2]) / 2 < 440
        assert boxes[0][3] > 330


def test_nobody_is_found_at_the_empty_gate(detector: Detector) -> None:
    scene = Scene((640, 360))
    for _ in range(30):
        assert detector.detect(np.ascontiguousarray(scene.picture(None, 0.0)[:, :, ::-1]))[1].max(initial=0.0) < 0.35


def test_the_photographs_are_small_and_their_terms_are_beside_them() -> None:
    notice = (SCENES_DIR / "NOTICE").read_text(encoding="utf-8")
    for who in PEOPLE:
        assert (SCENES_DIR / f"{who}.png").stat().st_size < 150_000
        assert f"{who}.png" in notice


def test_a_person_walks_in_and_leaves(camera: CameraServer, detector: Detector) -> None:
    camera.set(person=True)
    seen = watch(camera.url, lambda picture: detector.detect(picture)[1].max(initial=0.0) >= 0.6)
    assert seen[-1].shape == (360, 640, 3)
    camera.set(person=False)
    watch(camera.url, lambda picture: detector.detect(picture)[1].max(initial=0.0) < 0.35)


def test_black_and_frozen(camera: CameraServer) -> None:
    camera.set(black=True)
    watch(camera.url, lambda picture: picture.max() < 10)
    camera.set(black=False, freeze=True)
    last: list[np.ndarray] = []

    def still(picture: np.ndarray) -> bool:
        last.append(picture)
        return len(last) > 4 and all(np.abs(picture.astype(int) - other).mean() < 0.5 for other in last[-4:]) and picture.max() > 50

    watch(camera.url, still)


def test_two_cameras_share_a_port(camera: CameraServer) -> None:
    other = CameraServer("127.0.0.1", camera.port, "/yard", size=(320, 240))
    other.start()
    try:
        assert watch(other.url, lambda _: True)[0].shape == (240, 320, 3)
        assert watch(camera.url, lambda _: True)[0].shape == (360, 640, 3)
        with pytest.raises(OSError, match="taken"):
            CameraServer("127.0.0.1", camera.port, "/yard").start()
    finally:
        other.stop()
    assert watch(camera.url, lambda _: True)


def test_a_port_in_use_is_an_oserror_and_a_stopped_camera_starts_again() -> None:
    camera = CameraServer("127.0.0.1", 0, "/gate")
    camera.start()
    port = camera.port
    camera.stop()
    with pytest.raises(OSError):
        av.open(camera.url, options=OPTIONS, timeout=(2, 2))
    again = CameraServer("127.0.0.1", port, "/gate")
    again.start()
    try:
        assert watch(again.url, lambda _: True)
    finally:
        again.stop()


def test_credentials_are_asked_for() -> None:
    camera = CameraServer("127.0.0.1", 0, "/gate", credentials="guard:pass")
    camera.start()
    try:
        with pytest.raises(HTTPUnauthorizedError):
            av.open(camera.url, options=OPTIONS, timeout=(5, 5))
        assert watch(camera.url.replace("://", "://guard:pass@"), lambda _: True)
    finally:
        camera.stop()


@pytest.mark.parametrize("person", [{"who": "nobody"}, {"hat": 1}, {"height_ratio": 9.0}])
def test_what_cannot_be_shown_is_refused(person: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="who"):
        CameraServer("127.0.0.1", 0, "/gate").set(person=person)


def test_the_command_with_its_remote() -> None:
    command = [sys.executable, "-m", "simulators.camera", "--port", "0", "--path", "/door", "--http", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            ready = json.loads(process.stdout.readline())
            remote = f"http://127.0.0.1:{ready['http']}/"
            assert ready["url"].endswith("/door")
            state = post(remote, {"person": {"who": "cameraman", "height_ratio": 0.4}, "black": True})
            assert (state["person"]["who"], state["black"]) == ("cameraman", True)
            with pytest.raises(urllib.error.HTTPError, match="400") as refused:
                post(remote, {"person": {"who": "nobody"}})
            refused.value.close()
            assert watch(ready["url"], lambda picture: picture.max() < 10)
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 0


def post(url: str, body: dict[str, Any]) -> dict[str, Any]:
    with urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode(), method="POST"), timeout=5) as answer:
        result: dict[str, Any] = json.load(answer)
        return result


def test_packets_can_be_put_together_again() -> None:
    nal = bytes([0x65]) + bytes(range(1, 256)) * 20
    pieces = fragments(nal)
    assert all(len(piece) <= MAX_PAYLOAD for piece in pieces)
    assert [piece[1] & 0xC0 for piece in pieces] == [0x80, *[0] * (len(pieces) - 2), 0x40]
    assert bytes([(pieces[0][0] & 0xE0) | (pieces[0][1] & 0x1F)]) + b"".join(piece[2:] for piece in pieces) == nal
    assert fragments(b"\x67abc") == [b"\x67abc"]
    assert split_nals(b"\x00\x00\x00\x01\x67ab\x00\x00\x01\x68cd\x00\x00\x00\x01\x65ef") == [b"\x67ab", b"\x68cd", b"\x65ef"]


@pytest.mark.parametrize("codec", ["h265", "mjpeg"])
def test_other_codecs(codec: str) -> None:
    camera = CameraServer("127.0.0.1", 0, "/gate", codec=codec)
    camera.start()
    try:
        assert camera.url.startswith("http:" if codec == "mjpeg" else "rtsp:")
        options = {} if codec == "mjpeg" else OPTIONS
        with av.open(camera.url, options=options, timeout=(5, 5)) as container:
            assert container.streams.video[0].codec_context.name == ("mjpeg" if codec == "mjpeg" else "hevc")
            picture = next(container.decode(video=0)).to_ndarray(format="rgb24")
        assert picture.shape == (360, 640, 3)
        assert np.abs(picture.astype(int) - Scene((640, 360)).picture(None, 0.0)).mean() < 8
    finally:
        camera.stop()


def test_h265_packets_can_be_put_together_again() -> None:
    nal = bytes([0x26, 0x01]) + bytes(range(1, 256)) * 20
    pieces = fragments(nal, h265=True)
    assert all(len(piece) <= MAX_PAYLOAD for piece in pieces)
    assert [piece[2] & 0xC0 for piece in pieces] == [0x80, *[0] * (len(pieces) - 2), 0x40]
    assert {piece[0] >> 1 for piece in pieces} == {49}
    assert bytes([pieces[0][0] & 0x81 | (pieces[0][2] & 0x3F) << 1, pieces[0][1]]) + b"".join(piece[3:] for piece in pieces) == nal


@pytest.mark.parametrize("name", TROUBLES)
def test_each_trouble_is_another_picture(name: str) -> None:
    picture = Scene((640, 360)).picture(None, 0.0)
    troubled = TROUBLES[name](picture)
    assert (troubled.shape, troubled.dtype) == (picture.shape, np.uint8)
    assert np.abs(troubled.astype(int) - picture).mean() > 4


def test_another_size_in_mid_stream(camera: CameraServer) -> None:
    seen = watch(camera.url, lambda picture: camera.set(size=(320, 240)) is None and picture.shape == (240, 320, 3))
    assert seen[0].shape == (360, 640, 3)


def test_a_camera_that_is_gone_and_comes_back(camera: CameraServer) -> None:
    camera.set(gone=True)
    with pytest.raises(OSError):
        av.open(camera.url, options=OPTIONS, timeout=(2, 2))
    camera.set(gone=False)
    assert watch(camera.url, lambda _: True)


@pytest.mark.parametrize("change", [{"trouble": "sleepy"}, {"size": [641, 360]}, {"size": [640]}])
def test_what_cannot_befall_it_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"expected|even"):
        CameraServer("127.0.0.1", 0, "/gate").set(**change)
