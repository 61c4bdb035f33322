"""The whole road of sight with real parts: simulated camera, RTSP, decoder child, model, zone, control socket."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest

from gateway.config.settings import tiles_dir
from gateway.runtime.vision_tiles import PERSON, WIDTH_PX
from simulators.camera import CameraServer
from tests.gateway.runtime.test_vision_door import Daemon, reached

SITE = """
schema = 1
[site]
id = "demo-school"
name = "Demo"
state_dir = "."
[uplink]
paths = [{{ url = "mqtt://127.0.0.1:21883" }}]
[places]
gate = {{ name = "Gate" }}
[vision]
model = "{model}"
[[cameras]]
id = "gate-camera"
url = "{url}"
place = "gate"
zones = [{{ id = "apron", polygon = [[0.05, 0.3], [0.95, 0.3], [0.95, 1.0], [0.05, 1.0]], dwell_s = 1.0 }}]
[[points]]
id = "person-gate"
role = "person_in_zone"
place = "gate"
camera = "gate-camera"
zone = "apron"
"""
RUN = "import sys; from gateway.runtime.vision_process import main; sys.exit(main(sys.argv[1]))"


@pytest.fixture
def server() -> Iterator[CameraServer]:
    server = CameraServer("127.0.0.1", 0, "/gate")
    server.start()
    yield server
    server.stop()


@asynccontextmanager
async def seeing(folder: Path, url: str, model: str = "nanodet-g-person-int8") -> AsyncIterator[tuple[Daemon, subprocess.Popen[bytes]]]:
    """A running vision process with a daemon's end of the door."""
    daemon = Daemon()
    async with daemon.listening(folder / "door.sock"):
        process = start(folder, url, model)
        try:
            yield daemon, process
        finally:
            process.kill()
            process.wait()


def start(folder: Path, url: str, model: str = "nanodet-g-person-int8") -> subprocess.Popen[bytes]:
    (folder / "site.toml").write_text(SITE.format(url=url, model=model), encoding="utf-8")
    return subprocess.Popen([sys.executable, "-c", RUN, str(folder / "site.toml")])


def children_of(pid: int) -> list[int]:
    """Process ids of a process's children, by all its threads."""
    return [int(child) for tasks in Path(f"/proc/{pid}/task").glob("*/children") for child in tasks.read_text().split()]


@pytest.mark.slow
async def test_a_person_comes_and_goes(tmp_path: Path, server: CameraServer) -> None:
    async with seeing(tmp_path, server.url) as (daemon, process):
        await reached(lambda: daemon.newest("person-gate").get("value") is False, 20)
        assert daemon.newest("gate-camera")["value"] == "sees"
        server.set(person=True)
        came_s = time.monotonic()
        assert await reached(lambda: daemon.newest("person-gate")["value"] is True) < 5.0
        reading = daemon.newest("person-gate")
        assert reading["quality"] == "good"
        assert reading["detail"]["count"] == 1
        assert reading["detail"]["confidence"] >= 0.5
        assert came_s + 1.0 < reading["now_s"] <= time.monotonic(), "dated by the picture's capture, after the dwell"
        server.set(person=False)
        await reached(lambda: daemon.newest("person-gate")["value"] is False)
        assert os.getpriority(os.PRIO_PROCESS, process.pid) >= 10
        process.send_signal(signal.SIGTERM)
        await reached(lambda: process.poll() is not None)
        assert process.returncode == 0


@pytest.mark.slow
async def test_the_page_has_pictures_while_somebody_looks(tmp_path: Path, server: CameraServer) -> None:
    folder = tiles_dir(tmp_path)
    tile = folder / "gate-camera.jpg"
    async with seeing(tmp_path, server.url) as (daemon, process):
        await reached(lambda: daemon.newest("gate-camera").get("value") == "sees", 20)
        assert not folder.exists()
        server.set(person=True)
        await reached(lambda: daemon.newest("person-gate")["value"] is True)
        daemon.tiles = ["gate-camera"]
        await reached(tile.exists, 3)
        first = tile.stat().st_mtime_ns
        seen = cv2.imdecode(np.frombuffer(tile.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
        assert seen is not None
        assert seen.shape[1] == WIDTH_PX
        assert (np.abs(seen.astype(int) - PERSON).max(axis=2) < 60).sum() > 50, "the person's box"
        await reached(lambda: tile.exists() and tile.stat().st_mtime_ns != first, 3)
        daemon.tiles = []
        await reached(lambda: not tile.exists(), 5)
        process.send_signal(signal.SIGTERM)
        await reached(lambda: process.poll() is not None)
    assert not folder.exists()


@pytest.mark.slow
async def test_a_camera_that_goes_away_makes_its_points_bad_and_comes_back(tmp_path: Path, server: CameraServer) -> None:
    async with seeing(tmp_path, server.url) as (daemon, _):
        await reached(lambda: daemon.newest("person-gate").get("quality") == "good", 20)
        server.stop()
        gone_s = time.monotonic()
        await reached(lambda: daemon.newest("person-gate")["quality"] == "bad")
        assert 3.5 < time.monotonic() - gone_s < 6.5
        reading = daemon.newest("person-gate")
        assert reading["value"] is None
        assert "no picture for 4.5 s" in reading["reason"]
        await reached(lambda: daemon.newest("gate-camera")["value"] == "no_frames")
        server.start()
        assert await reached(lambda: daemon.newest("person-gate")["quality"] == "good") < 4.0
        await reached(lambda: daemon.newest("gate-camera")["value"] == "sees")


@pytest.mark.slow
async def test_a_decoder_that_hangs_makes_blind_one_that_dies_does_not(tmp_path: Path, server: CameraServer) -> None:
    async with seeing(tmp_path, server.url) as (daemon, process):
        await reached(lambda: daemon.newest("person-gate").get("quality") == "good", 20)
        sees_since = len(daemon.readings())
        (child,) = children_of(process.pid)
        os.kill(child, signal.SIGKILL)
        await reached(lambda: children_of(process.pid) not in ([], [child]))
        server.set(person=True)
        await reached(lambda: daemon.newest("person-gate")["value"] is True)
        assert all(reading["quality"] == "good" for reading in daemon.readings()[sees_since:])
        (child,) = children_of(process.pid)
        os.kill(child, signal.SIGSTOP)
        assert await reached(lambda: daemon.newest("person-gate")["quality"] == "bad") < 6.5
        await reached(lambda: daemon.newest("person-gate")["value"] is True, 15)


@pytest.mark.slow
async def test_a_model_that_is_refused_is_said_for_every_point(tmp_path: Path, server: CameraServer) -> None:
    async with seeing(tmp_path, server.url, model="no-such-model") as (daemon, _):
        await reached(lambda: daemon.newest("person-gate").get("quality") == "bad", 20)
        assert "no-such-model" in daemon.newest("person-gate")["reason"]
        await reached(lambda: daemon.newest("gate-camera").get("value") == "no_model")


@pytest.mark.slow
async def test_it_waits_for_the_daemon_and_finds_it_again(tmp_path: Path, server: CameraServer) -> None:
    process = start(tmp_path, server.url)
    try:
        for _ in range(2):
            daemon = Daemon()
            async with daemon.listening(tmp_path / "door.sock"):
                await reached(lambda d=daemon: d.newest("person-gate").get("value") is False, 20)  # type: ignore[misc]
    finally:
        process.kill()
        process.wait()


@pytest.mark.slow
async def test_it_ends_with_its_parent_and_leaves_no_decoder(tmp_path: Path, server: CameraServer) -> None:
    (tmp_path / "site.toml").write_text(SITE.format(url=server.url, model="nanodet-g-person-int8"), encoding="utf-8")
    command = [sys.executable, "-c", RUN, str(tmp_path / "site.toml")]
    script = "import subprocess, sys; print(subprocess.Popen(sys.argv[1:]).pid, flush=True); sys.stdin.read()"
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    vision = int(await parent.stdout.readline())
    await reached(lambda: children_of(vision), 20)
    (decoder,) = children_of(vision)
    parent.kill()
    await parent.wait()
    await reached(lambda: not Path(f"/proc/{vision}").exists() and not Path(f"/proc/{decoder}").exists())


def test_a_site_file_that_is_refused_ends_with_two(tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text("schema = 1\n", encoding="utf-8")
    ended = subprocess.run([sys.executable, "-c", RUN, str(tmp_path / "site.toml")], capture_output=True, text=True, timeout=30)
    assert ended.returncode == 2
    assert "site.toml" in ended.stderr
