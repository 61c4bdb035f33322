"""Blindness through the whole chain: a real stream, a real decoder, the judge, the daemon's door. Deadlines are generous; figures: docs."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.runtime.vision_process import accept_view
from simulators.camera import CameraServer
from tests.gateway.runtime.test_vision_door import Daemon, reached
from tests.gateway.runtime.test_vision_process import children_of, seeing

LONG_S = 30.0
LONG = pytest.mark.skipif(os.environ.get("LONG_PROOFS") != "1", reason="test_sight_chain.py has the short form; LONG_PROOFS=1 runs it")


@pytest.fixture
def camera() -> Iterator[CameraServer]:
    camera = CameraServer("127.0.0.1", 0, "/gate")
    camera.start()
    yield camera
    camera.stop()


def says(daemon: Daemon, word: str) -> Callable[[], bool]:
    """Whether the camera's point says this, and its zone's point fits: bad and unknown while it is blind, never "nobody there"."""

    def fits() -> bool:
        camera, zone = daemon.newest("gate-camera"), daemon.newest("person-gate")
        if camera.get("value") != word:
            return False
        if word == "sees":
            return zone.get("quality") == "good"
        return zone["value"] is None and zone["quality"] == "bad" and zone["reason"] == camera["reason"]

    return fits


@pytest.mark.slow
async def test_each_trouble_is_a_state_of_its_own_and_passes(tmp_path: Path, camera: CameraServer) -> None:
    async with seeing(tmp_path, camera.url) as (daemon, _):
        await reached(says(daemon, "sees"), LONG_S)
        await reached(stored_view(tmp_path).exists, LONG_S)
        for trouble, word in (
            ("black", "black"),
            ("washed", "washed_out"),
            ("blurred", "blurred"),
            ("covered", "covered"),
            ("sprayed", "covered"),
            ("moved", "moved"),
            ("frozen", "frozen"),
        ):
            camera.set(trouble=trouble)
            await reached(says(daemon, word), LONG_S)
            camera.set(trouble="none")
            await reached(says(daemon, "sees"), LONG_S)
        troubles = [reading["value"] for reading in daemon.readings() if reading["point"] == "gate-camera" and reading["value"] != "sees"]
        assert troubles == ["black", "washed_out", "blurred", "covered", "covered", "moved", "frozen"], "one at a time, and no other"


@pytest.mark.slow
async def test_night_and_another_size_are_no_trouble(tmp_path: Path, camera: CameraServer) -> None:
    async with seeing(tmp_path, camera.url) as (daemon, _):
        await reached(says(daemon, "sees"), LONG_S)
        await reached(stored_view(tmp_path).exists, LONG_S)
        told = len(daemon.readings())
        camera.set(trouble="night")
        camera.set(size=(1280, 720))
        await asyncio.sleep(12)  # longer than any trouble needs to be told
        assert {reading["value"] for reading in daemon.readings()[told:] if reading["point"] == "gate-camera"} <= {"sees"}
        camera.set(trouble="covered")
        await reached(says(daemon, "covered"), LONG_S)


@LONG
@pytest.mark.slow
async def test_a_decoder_that_is_killed_or_hangs_a_server_that_goes_and_garbage(tmp_path: Path, camera: CameraServer) -> None:
    async with seeing(tmp_path, camera.url) as (daemon, process):
        await reached(says(daemon, "sees"), LONG_S)
        for change in ({"gone": True}, {"silent": True}, {"garbage": True}):
            camera.set(**change)  # type: ignore[arg-type]
            await reached(says(daemon, "no_frames"), LONG_S)
            camera.set(gone=False, silent=False, garbage=False)
            await reached(says(daemon, "sees"), LONG_S)
        (child,) = children_of(process.pid)
        os.kill(child, signal.SIGSTOP)
        await reached(says(daemon, "no_frames"), LONG_S)
        await reached(says(daemon, "sees"), LONG_S)
        os.kill(children_of(process.pid)[0], signal.SIGKILL)
        camera.set(trouble="black")
        await reached(says(daemon, "black"), LONG_S)


@pytest.mark.slow
async def test_a_restart_does_not_take_a_covered_lens_for_the_view_and_a_technician_may(tmp_path: Path, camera: CameraServer) -> None:
    async with seeing(tmp_path, camera.url) as (daemon, _):
        await reached(says(daemon, "sees"), LONG_S)
        await reached(stored_view(tmp_path).exists, LONG_S)
    assert stored_view(tmp_path).stat().st_mode & 0o077 == 0
    camera.set(trouble="moved")
    async with seeing(tmp_path, camera.url) as (daemon, _):
        await reached(says(daemon, "moved"), LONG_S)
        assert accept_view(str(tmp_path / "site.toml"), str(tmp_path / "door.sock"), "yard") == 2
        assert accept_view(str(tmp_path / "site.toml"), str(tmp_path / "door.sock"), "gate-camera") == 0
        await reached(says(daemon, "sees"), LONG_S)


def stored_view(folder: Path) -> Path:
    """Where the camera's view is kept."""
    return folder / "views" / "gate-camera.npz"
