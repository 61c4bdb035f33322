"""A real stream through a real decoder child, and everything that may befall it."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import av
import numpy as np
import pytest

from drivers.camera import BLIND_S, LATE_S, Camera
from drivers.camera_memory import Frame
from gateway.config.site import Camera as Settings
from simulators.camera import CameraServer


@pytest.fixture
def server() -> Iterator[CameraServer]:
    server = CameraServer("127.0.0.1", 0, "/gate")
    server.start()
    yield server
    server.stop()


class Watched:
    """A running driver with all pictures it gave, and how old each was when it came."""

    def __init__(self, settings: Settings) -> None:
        self.camera = Camera(settings)
        self.frames: list[Frame] = []
        self.ages_s: list[float] = []

    def take(self, frame: Frame) -> None:
        self.frames.append(frame)
        self.ages_s.append(time.monotonic() - frame.captured_s)

    def blind(self) -> str:
        return self.camera.blind(time.monotonic())

    async def more(self, count: int, within_s: float = 12.0) -> None:
        wanted = len(self.frames) + count
        await reached(lambda: len(self.frames) >= wanted, within_s)


async def reached(condition: Callable[[], object], within_s: float = 12.0) -> float:
    """Polls until the condition holds; gives the seconds that took."""
    began_s = time.monotonic()
    while not condition():
        assert time.monotonic() - began_s < within_s, "not reached in time"
        await asyncio.sleep(0.02)
    return time.monotonic() - began_s


@asynccontextmanager
async def watching(url: str, *, credentials_file: str = "", analysed_fps: float = 5.0) -> AsyncIterator[Watched]:
    settings = Settings(id="gate", url=url, place="gate", credentials_file=credentials_file, analysed_fps=analysed_fps)
    watched = Watched(settings)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(watched.camera.run(watched.take))
        yield watched
        task.cancel()


def start(script: str, argument: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", script, argument], stdout=subprocess.PIPE)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_pictures_come_at_the_analysed_rate_and_are_dated_by_capture(server: CameraServer) -> None:
    async with watching(server.url) as watched:
        await watched.more(11)
        pid = watched.camera.child_pid
        assert watched.blind() == ""
    assert pid is not None
    assert not alive(pid), "the child goes with its driver"
    newest = watched.frames[-10:]
    assert all(frame.luma.shape == (360, 640) for frame in newest)
    spacing_s = np.diff([frame.stamp_s for frame in newest])
    assert np.median(spacing_s) == pytest.approx(0.2, abs=0.03), "one that a busy machine left out does not count"
    captured_s = np.diff([frame.captured_s for frame in newest])
    assert captured_s == pytest.approx(spacing_s, abs=0.05)
    assert max(watched.ages_s[-10:]) < LATE_S


@pytest.mark.slow
async def test_a_killed_child_is_replaced(server: CameraServer) -> None:
    async with watching(server.url) as watched:
        await watched.more(2)
        first = watched.camera.child_pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        took_s = await reached(lambda: watched.camera.child_pid not in (None, first))
        await watched.more(2)
        assert took_s < 3.0
        assert watched.blind() == "", "the pause was shorter than blindness"


@pytest.mark.slow
async def test_a_hung_child_makes_blind_and_is_replaced(server: CameraServer) -> None:
    async with watching(server.url) as watched:
        await watched.more(2)
        first = watched.camera.child_pid
        assert first is not None
        os.kill(first, signal.SIGSTOP)
        assert await reached(watched.blind) == pytest.approx(BLIND_S, abs=1.0)
        assert "no picture" in watched.blind()
        await reached(lambda: watched.camera.child_pid not in (None, first))
        await watched.more(2)
        assert watched.blind() == ""
        assert not alive(first)


@pytest.mark.slow
async def test_pictures_from_a_buffer_are_not_taken_as_fresh(server: CameraServer) -> None:
    """The child stands still for 4 s while the camera sends on: what comes first afterwards is old."""
    async with watching(server.url, analysed_fps=10.0) as watched:
        await watched.more(5)
        child = watched.camera.child_pid
        assert child is not None
        before = watched.frames[-1]
        os.kill(child, signal.SIGSTOP)
        stopped_s = time.monotonic()
        await reached(lambda: time.monotonic() - stopped_s > LATE_S + 2.0)
        os.kill(child, signal.SIGCONT)
        await watched.more(10)
        after = [frame for frame in watched.frames if frame.sequence > before.sequence and frame.captured_s > stopped_s + 0.2]
        assert watched.camera.child_pid == child, "the same decoder went on"
        assert max(watched.ages_s) < LATE_S + 0.3, "no old picture was handed on"
        assert after[0].captured_s - stopped_s > 1.0, "the oldest of the buffer were left out"
        assert after[0].sequence - before.sequence > 5, "though they were decoded"


@pytest.mark.slow
async def test_a_camera_that_goes_away_and_comes_back(server: CameraServer) -> None:
    async with watching(server.url) as watched:
        await watched.more(2)
        child = watched.camera.child_pid
        server.stop()
        assert await reached(watched.blind) == pytest.approx(BLIND_S, abs=1.0)
        assert "refused" in watched.blind()
        server.start()
        assert await reached(lambda: not watched.blind()) < 3.0
        assert watched.camera.child_pid == child, "a lost camera costs no new process"


@pytest.mark.slow
async def test_a_camera_that_falls_silent(server: CameraServer) -> None:
    async with watching(server.url) as watched:
        await watched.more(2)
        server.set(silent=True)
        assert await reached(watched.blind) == pytest.approx(BLIND_S, abs=1.0)
        server.set(silent=False)
        await reached(lambda: not watched.blind())


@pytest.mark.slow
async def test_a_port_that_answers_with_garbage() -> None:
    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(bytes(range(256)) * 400)
        await reader.read(100)
        writer.close()

    listener = await asyncio.start_server(babble, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    async with listener, watching(f"rtsp://127.0.0.1:{port}/gate") as watched:
        await reached(watched.blind)
        assert watched.camera.child_pid is not None
        assert watched.frames == []


@pytest.mark.slow
async def test_credentials_reach_the_camera_and_nothing_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    secret = "se:cr@t/9"
    file = tmp_path / "camera.txt"
    file.touch(0o600)
    server = CameraServer("127.0.0.1", 0, "/gate", credentials=f"guard:{secret}")
    server.start()
    try:
        with caplog.at_level(logging.DEBUG):
            file.write_text(f"guard:wrong{secret}\n")
            async with watching(server.url, credentials_file=str(file)) as watched:
                await reached(watched.blind)
                assert "401" in watched.blind() or "nauthorized" in watched.blind()
                assert secret not in watched.blind()
                child = watched.camera.child_pid
                assert child is not None
                told = Path(f"/proc/{child}/cmdline").read_bytes() + Path(f"/proc/{child}/environ").read_bytes()
                assert secret.encode() not in told
                file.write_text(f"guard:{secret}\n")
                await watched.more(1)
    finally:
        server.stop()
    everything = caplog.text + "".join(capfd.readouterr())
    for form in (secret, "se%3Acr%40t%2F9"):
        assert form not in everything


@pytest.mark.slow
async def test_a_missing_credentials_file_is_named(tmp_path: Path, server: CameraServer) -> None:
    async with watching(server.url, credentials_file=str(tmp_path / "none.txt")) as watched:
        await reached(watched.blind)
        assert "none.txt" in watched.blind()


@pytest.mark.slow
async def test_a_credentials_file_that_others_can_read_is_refused(tmp_path: Path, server: CameraServer) -> None:
    file = tmp_path / "open.txt"
    file.write_text("guard:secret\n")
    file.chmod(0o644)
    async with watching(server.url, credentials_file=str(file)) as watched:
        await reached(watched.blind)
        assert f"chmod 600 {file}" in watched.blind()
        assert "secret" not in watched.blind()


@pytest.mark.parametrize("codec", ["h265", "mjpeg"])
async def test_other_codecs(codec: str) -> None:
    server = CameraServer("127.0.0.1", 0, "/gate", codec=codec)
    server.start()
    try:
        async with watching(server.url) as watched:
            await watched.more(6)
            assert watched.blind() == ""
    finally:
        server.stop()
    assert all(frame.luma.shape == (360, 640) for frame in watched.frames)
    assert max(watched.ages_s) < LATE_S
    assert 60 < watched.frames[-1].luma.mean() < 200


@pytest.mark.slow
@pytest.mark.parametrize("codec", ["h265", "mjpeg"])
async def test_a_camera_of_another_codec_goes_away_and_comes_back(codec: str) -> None:
    server = CameraServer("127.0.0.1", 0, "/gate", codec=codec)
    server.start()
    try:
        async with watching(server.url) as watched:
            await watched.more(2)
            for lost in ({"gone": True}, {"silent": True}, {"garbage": True}):
                server.set(**lost)  # type: ignore[arg-type]
                await reached(watched.blind)
                server.set(gone=False, silent=False, garbage=False)
                await reached(lambda: not watched.blind())
    finally:
        server.stop()


@pytest.mark.slow
async def test_another_size_in_mid_stream(server: CameraServer) -> None:
    async with watching(server.url) as watched:
        await watched.more(2)
        child = watched.camera.child_pid
        server.set(size=(1280, 720))
        await reached(lambda: watched.frames[-1].luma.shape == (720, 1280))
        server.set(size=(320, 240))
        await reached(lambda: watched.frames[-1].luma.shape == (240, 320))
        assert watched.blind() == ""
        assert watched.camera.child_pid == child


@pytest.mark.slow
@pytest.mark.parametrize("codec", ["h264", "h265", "mjpeg"])
async def test_a_frozen_picture_is_noticed_and_a_quiet_one_is_not_taken_for_it(codec: str) -> None:
    server = CameraServer("127.0.0.1", 0, "/gate", codec=codec)
    server.start()
    try:
        async with watching(server.url) as watched:
            await watched.more(30)
            assert max(frame.repeats_s for frame in watched.frames) == 0
            server.set(trouble="frozen")
            await reached(lambda: watched.frames[-1].repeats_s > 2.5)
            server.set(trouble="none")
            await reached(lambda: watched.frames[-1].repeats_s == 0)
    finally:
        server.stop()


async def test_large_pictures_are_made_smaller() -> None:
    server = CameraServer("127.0.0.1", 0, "/main", size=(1920, 1080))
    server.start()
    try:
        async with watching(server.url) as watched:
            await watched.more(1)
    finally:
        server.stop()
    frame = watched.frames[-1]
    assert (frame.width_px, frame.height_px) == (1478, 830)


async def test_a_file_plays_at_its_own_speed(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for _ in range(30):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((240, 320, 3), 90, np.uint8), format="rgb24")))
        container.mux(stream.encode(None))
    async with watching(f"file://{path}") as watched:
        await watched.more(12)
    times_s = [frame.captured_s for frame in watched.frames[:12]]
    assert times_s[-1] - times_s[0] == pytest.approx(2.2, abs=0.5)


async def test_another_server_is_read_too() -> None:
    """The PyPI package rtsp as an independent peer."""
    script = (
        "import sys, rtsp\nfrom PIL import Image\n"
        "with rtsp.Source('rtsp://127.0.0.1:%s/cam' % sys.argv[1], fps=10) as source:\n"
        "    source.put(Image.new('RGB', (640, 360), (10, 120, 60)))\n"
        "    source.wait_encoding_started()\n    print('ready', flush=True)\n    source.serve_forever()\n"
    )
    other = CameraServer("127.0.0.1", 0, "/probe")  # to learn of a free port
    other.start()
    port = other.port
    other.stop()
    with start(script, str(port)) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            async with watching(f"rtsp://127.0.0.1:{port}/cam") as watched:
                await watched.more(3)
            assert watched.frames[-1].width_px == 640
        finally:
            process.kill()


async def test_the_child_dies_with_its_parent(server: CameraServer) -> None:
    script = (
        "import asyncio, sys\nfrom drivers.camera import Camera\nfrom gateway.config.site import Camera as Settings\n"
        "async def main():\n"
        "    camera = Camera(Settings(id='gate', url=sys.argv[1], place='gate'))\n"
        "    await camera.run(lambda frame: print(camera.child_pid, flush=True))\n"
        "asyncio.run(main())\n"
    )
    with start(script, server.url) as parent:
        assert parent.stdout is not None
        child = int(await asyncio.to_thread(parent.stdout.readline))
        assert alive(child)
        parent.kill()
    await reached(lambda: not alive(child), 5.0)
