"""Broker, clock and disk around a gateway: real brokers, a real program under libfaketime, a real file system."""

from __future__ import annotations

import asyncio
import errno
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from simulators.broker import free_port, takes_sessions
from simulators.clock import FakeClock
from simulators.disk import Disk
from simulators.errors import SimError
from simulators.site import PathPlan
from simulators.surroundings import Surroundings
from tests.real_parts import missing, need
from tests.simulators.field import DEADLINE_S

CONNECT_5 = b"\x10\x11\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x04test"
PUBLISH_5 = b"\x32\x08\x00\x01a\x00\x07\x00hi"


async def test_the_broker_stands_where_the_site_file_looks_for_it() -> None:
    port = free_port()
    paths = [PathPlan("lan", f"mqtt://127.0.0.1:{port}"), PathPlan("modem", "mqtts://192.0.2.1:8883")]
    around = Surroundings("nats", paths)
    await around.start()
    try:
        assert list(around.links) == ["lan"]
        assert await asyncio.to_thread(takes_sessions, port)
        assert around.broker is not None
        for kind in ("kill", "stop"):
            await around.broker.begin(kind, {})
            assert not await asyncio.to_thread(takes_sessions, port)
            await around.broker.end(kind)
            assert await asyncio.to_thread(takes_sessions, port)
        await around.broker.begin("hang", {})
        assert not await asyncio.to_thread(takes_sessions, port)
        await around.broker.end("hang")
        assert await asyncio.to_thread(takes_sessions, port)
        with pytest.raises(ValueError, match="cannot refuse"):
            await around.broker.begin("refuse-publish", {"topic": "#"})
    finally:
        await around.stop()
    assert not await asyncio.to_thread(takes_sessions, port)


async def test_mosquitto_refuses_to_publish() -> None:
    need("mosquitto", package="mosquitto")
    around = Surroundings("mosquitto")
    await around.start()
    try:
        assert around.broker is not None
        assert await puback(around) in (0x00, 0x10)
        await around.broker.begin("refuse-publish", {"topic": "a"})
        await eventually_code(around, (0x87,))
        await around.broker.end("refuse-publish")
        await eventually_code(around, (0x00, 0x10))
    finally:
        await around.stop()


async def eventually_code(around: Surroundings, codes: tuple[int, ...]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while await puback(around) not in codes:  # noqa: ASYNC110 - the broker reads its list when it comes to it
            await asyncio.sleep(0.02)


async def puback(around: Surroundings) -> int:
    """Reason code with which a publish is answered (MQTT 5, 3.4.2.1)."""
    reader, writer = await asyncio.open_connection("127.0.0.1", next(iter(around.links.values())).port)
    try:
        writer.write(CONNECT_5)
        head = await asyncio.wait_for(reader.readexactly(2), DEADLINE_S)
        await reader.readexactly(head[1])
        writer.write(PUBLISH_5)
        head = await asyncio.wait_for(reader.readexactly(2), DEADLINE_S)
        body = await reader.readexactly(head[1])
        assert head[0] == 0x40
        return body[2] if len(body) > 2 else 0
    finally:
        writer.transport.abort()


def test_brokers_that_cannot_be(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SimError, match="takes nats, mosquitto or mqtt://"):
        Surroundings("rabbit")
    with pytest.raises(SimError, match="a proxy needs a port of its own"):
        Surroundings("mqtt://127.0.0.1:1883", [PathPlan("main", "mqtt://127.0.0.1:1883")])
    around = Surroundings("mqtt://192.0.2.9:1883", [PathPlan("far", "mqtt://192.0.2.1:1883")])
    assert list(around.links) == ["broker"]
    assert "path far has no proxy" in capsys.readouterr().err


def test_a_clock_that_jumps_while_a_program_runs(tmp_path: Path) -> None:
    need("faketime", package="faketime")
    clock = FakeClock(tmp_path / "offset")
    code = "import sys, time\nfor _ in sys.stdin: print(time.time(), time.monotonic(), flush=True)"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ | clock.environment()
    ) as program:
        assert program.stdin is not None
        assert program.stdout is not None
        off_s = []
        for jump_s in (0, 3600, -7200):
            clock.jump(jump_s)
            program.stdin.write("\n")
            program.stdin.flush()
            wall_s, monotonic_s = map(float, program.stdout.readline().split())
            off_s.append(round((wall_s - time.time()) / 60))
            assert abs(monotonic_s - time.monotonic()) < DEADLINE_S
        program.stdin.close()
    assert off_s == [0, 60, -60]


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    if os.geteuid() != 0:
        missing("a disk of its own needs root")
    need("mkfs.ext4", package="e2fsprogs")
    return Disk(tmp_path, 8)


async def test_a_disk_that_is_full_slow_and_hanging(disk: Disk) -> None:
    try:
        disk.start()
    except SimError as error:
        pytest.skip(f"no loop device can be mounted here: {error}")
    file = disk.mounted_at / "file"
    try:
        disk.fill(free_bytes=1 << 20)
        written(file, 1 << 16)
        disk.fill()
        with pytest.raises(OSError, match="No space") as caught:
            written(file, 1 << 20)
        assert caught.value.errno == errno.ENOSPC
        disk.free()
        written(file, 1 << 16)
        disk.brake(60.0)
        async with asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(asyncio.to_thread(written, file, 10))
            await asyncio.wait([waiting], timeout=0.2)
            held_up = not waiting.done()
            disk.release()
        assert held_up, "the write waits"
        disk.brake(0.05)
        for _ in range(3):
            await asyncio.to_thread(written, file, 10)
    finally:
        disk.stop()
    assert not file.exists()
    disk.start()
    assert file.read_bytes() == bytes(10), "what was on it stays"
    disk.stop()


def written(path: Path, size: int) -> None:
    with path.open("wb") as file:
        file.write(bytes(size))
        file.flush()
        os.fsync(file.fileno())


def test_a_disk_for_root_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(SimError, match="needs root"):
        Disk(tmp_path).start()
