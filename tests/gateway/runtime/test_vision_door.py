"""What the vision process says to a real Unix socket: changes in order, all again after a return, a sign of life in between."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from gateway.core.reading import Quality, Reading
from gateway.runtime.vision_door import VisionDoor


class Daemon:
    """The daemon's end of the door: answers each line and keeps it."""

    def __init__(self) -> None:
        self.heard: list[dict[str, Any]] = []
        self.at_s: list[float] = []
        self.pictures: list[Any] = []
        self.again = False
        self.tiles: list[str] = []
        self.refuse: Callable[[dict[str, Any]], bool] = lambda request: False
        self._writers: list[asyncio.StreamWriter] = []

    @asynccontextmanager
    async def listening(self, path: Path) -> AsyncIterator[None]:
        server = await asyncio.start_unix_server(self._serve, path)
        try:
            yield
        finally:
            server.close()
            for writer in self._writers:
                writer.close()
            path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        while line := await reader.readline():
            self.heard.append(json.loads(line))
            self.at_s.append(time.monotonic())
            answer: dict[str, Any] = {"ok": False, "error": "no such point"} if self.refuse(self.heard[-1]) else {"ok": True}
            if self.pictures:
                answer["pictures"] = self.pictures
            if self.tiles:
                answer["tiles"] = self.tiles
            if self.again:
                answer["again"], self.again = True, False
            writer.write(json.dumps(answer).encode() + b"\n")
        writer.close()

    def readings(self) -> list[dict[str, Any]]:
        return [reading for request in self.heard if request["op"] == "readings" for reading in request["readings"]]

    def newest(self, point: str) -> dict[str, Any]:
        return next((reading for reading in reversed(self.readings()) if reading["point"] == point), {})


async def reached(condition: Callable[[], object], within_s: float = 10.0) -> float:
    """Polls until the condition holds; gives the seconds that took."""
    began_s = time.monotonic()
    while not condition():
        assert time.monotonic() - began_s < within_s, "not reached in time"
        await asyncio.sleep(0.02)
    return time.monotonic() - began_s


@asynccontextmanager
async def running(door: VisionDoor) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        task = group.create_task(door.run())
        yield
        task.cancel()


async def test_hello_then_changes_in_their_order(tmp_path: Path) -> None:
    daemon, door = Daemon(), VisionDoor(str(tmp_path / "door"))
    async with daemon.listening(tmp_path / "door"), running(door):
        await reached(lambda: daemon.heard)
        assert daemon.heard[0] == {"op": "hello", "who": "vision"}
        door.put([Reading("gate", True, now_s=5.25, detail={"confidence": 0.71, "count": 1})])
        door.put([Reading("gate", True, now_s=5.45, detail={"confidence": 0.70, "count": 1})])
        door.put([Reading("gate", False, now_s=5.65, detail={"confidence": 0.0, "count": 0})])
        door.put([Reading("gate", None, Quality.BAD, "no picture for 5 s", 10.0)])
        await reached(lambda: len(daemon.readings()) >= 3)
    assert daemon.readings() == [
        {"point": "gate", "value": True, "quality": "good", "reason": "", "now_s": 5.25, "detail": {"confidence": 0.71, "count": 1}},
        {"point": "gate", "value": False, "quality": "good", "reason": "", "now_s": 5.65, "detail": {"confidence": 0.0, "count": 0}},
        {"point": "gate", "value": None, "quality": "bad", "reason": "no picture for 5 s", "now_s": 10.0, "detail": {}},
    ]


async def test_a_sign_of_life_each_second(tmp_path: Path) -> None:
    daemon, door = Daemon(), VisionDoor(str(tmp_path / "door"))
    async with daemon.listening(tmp_path / "door"), running(door):
        await reached(lambda: sum(request["op"] == "alive" for request in daemon.heard) >= 4)
    assert all(later - earlier <= 1.0 for earlier, later in zip(daemon.at_s, daemon.at_s[1:], strict=False))


async def test_a_daemon_that_comes_late_or_again_is_told_the_newest_of_all(tmp_path: Path) -> None:
    door = VisionDoor(str(tmp_path / "door"))
    async with running(door):
        door.put([Reading("a", True, now_s=1.0), Reading("b", False, now_s=1.0)])
        door.put([Reading("a", False, now_s=2.0)])
        for _ in range(2):
            daemon = Daemon()
            async with daemon.listening(tmp_path / "door"):
                assert await reached(lambda d=daemon: len(d.readings()) >= 2) < 2.0  # type: ignore[misc]
                assert [(reading["point"], reading["value"]) for reading in daemon.readings()] == [("a", False), ("b", False)]


async def test_a_refused_reading_does_not_silence_the_others(tmp_path: Path) -> None:
    daemon, door = Daemon(), VisionDoor(str(tmp_path / "door"))
    daemon.refuse = lambda request: any(reading["point"] == "unknown" for reading in request.get("readings", ()))
    async with daemon.listening(tmp_path / "door"), running(door):
        await reached(lambda: daemon.heard)
        door.put([Reading("unknown", True)])
        await reached(lambda: daemon.newest("unknown"))
        door.put([Reading("gate", True)])
        await reached(lambda: daemon.newest("gate"))
    assert sum(request["op"] == "hello" for request in daemon.heard) == 1


async def test_a_daemon_that_never_answers_is_left(tmp_path: Path) -> None:
    heard: list[bytes] = []

    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readline())
        await reader.read()
        writer.close()

    server = await asyncio.start_unix_server(mute, tmp_path / "door")
    async with server, running(VisionDoor(str(tmp_path / "door"))):
        await reached(lambda: len(heard) >= 2)


async def test_what_the_daemon_awaits_is_heard_and_answered_even_by_the_next_daemon(tmp_path: Path) -> None:
    daemon, door = Daemon(), VisionDoor(str(tmp_path / "door"))
    heard: list[dict[str, Any]] = []
    door.wanted = heard.extend
    wanted = [{"picture": "p1", "camera": "gate", "until_s": 5.0}]
    daemon.pictures = [*wanted, "no object"]
    async with running(door):
        async with daemon.listening(tmp_path / "door"):
            await reached(lambda: heard)
        assert wanted[0] in heard
        assert all(isinstance(item, dict) for item in heard)
        door.tell({"op": "picture", "picture": "p1", "failure": "disk"})
        again = Daemon()
        async with again.listening(tmp_path / "door"):
            await reached(lambda: any(request["op"] == "picture" for request in again.heard))
    assert [request for request in again.heard if request["op"] == "picture"] == [{"op": "picture", "picture": "p1", "failure": "disk"}]


async def test_an_answer_that_the_daemon_refuses_is_not_said_for_ever(tmp_path: Path) -> None:
    daemon, door = Daemon(), VisionDoor(str(tmp_path / "door"))
    daemon.refuse = lambda request: request["op"] == "picture"
    async with daemon.listening(tmp_path / "door"), running(door):
        door.tell({"op": "picture", "picture": "p1"})
        await reached(lambda: daemon.heard)
        door.put([Reading("gate", True)])
        await reached(lambda: daemon.newest("gate"))
    assert sum(request["op"] == "picture" for request in daemon.heard) == 1


async def test_everything_is_said_again_to_a_daemon_that_had_given_us_up(tmp_path: Path) -> None:
    daemon = Daemon()
    door = VisionDoor(str(tmp_path / "door"))
    async with daemon.listening(tmp_path / "door"), asyncio.TaskGroup() as group:
        task = group.create_task(door.run())
        door.put([Reading("person-gate", False, now_s=1.0), Reading("gate-camera", "sees", now_s=1.0)])
        await reached(lambda: len(daemon.readings()) == 2)
        daemon.again = True
        await reached(lambda: len(daemon.readings()) == 4)
        task.cancel()
    assert [reading["point"] for reading in daemon.readings()[2:]] == ["person-gate", "gate-camera"]
