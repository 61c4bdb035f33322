"""The level of a running daemon's log: asked for over its socket, put on record, passed on to the other processes."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest

from gateway.__main__ import main
from gateway.core.commands import Command
from gateway.core.errors import DoorRefused
from gateway.runtime import log_level, logs
from gateway.runtime.door import Door, ask
from gateway.runtime.logs import Loudness
from gateway.runtime.vision_door import VisionDoor
from tests.gateway.runtime.waiting import until

SITE = Path(__file__).parents[3] / "deploy/examples/demo-school.toml"


class House:
    """Takes every command, and keeps it."""

    def __init__(self, *, ok: bool = True) -> None:
        self.ok = ok
        self.asked: list[Command] = []
        self.loudness = Loudness(asyncio.get_running_loop().call_later)

    def act(self, command: Command) -> tuple[bool, str]:
        self.asked.append(command)
        return self.ok, "noted" if self.ok else "no"

    def answer(self, request: dict[str, Any]) -> dict[str, str]:
        return log_level.answer(self.loudness, self.act, request, "root")


async def test_each_change_is_put_on_record_and_a_question_is_not() -> None:
    house = House()
    try:
        assert house.answer({}) == {}
        assert house.asked == []
        assert house.answer({"level": "debug", "logger": "gateway.bus", "for_s": None}) == {"gateway.bus": "debug"}
        assert house.answer({"level": "error", "by": "李强"}) == {"gateway.bus": "debug", "all": "error"}
        told = [(each.kind, each.target, each.value, each.by, each.role, each.origin, each.for_s) for each in house.asked]
        assert told == [
            ("log_level", "gateway.bus", "debug", "root", "technician", "door", logs.DEBUG_FOR_S),
            ("log_level", "all", "error", "李强", "technician", "door", 0.0),
        ]
        house.answer({"level": "", "logger": "gateway.bus"})
        assert house.answer({"level": ""}) == {}
    finally:
        logs.apply({})


@pytest.mark.parametrize(
    "request_", [{"level": "loud"}, {"level": "debug", "for_s": 0}, {"level": "info", "by": 3}, {"level": "info", "logger": "root"}]
)
async def test_what_is_refused_changes_nothing(request_: dict[str, Any]) -> None:
    house = House()
    with pytest.raises(DoorRefused):
        house.answer(request_)
    assert (house.asked, house.loudness.now) == ([], {})


async def test_what_the_rules_refuse_changes_nothing() -> None:
    house = House(ok=False)
    with pytest.raises(DoorRefused, match="no"):
        house.answer({"level": "error"})
    assert house.loudness.now == {}


async def test_over_the_socket_and_on_to_the_vision_process(tmp_path: Path) -> None:
    house = House()
    door = Door(tmp_path / "door.sock", frozenset(), lambda readings: None, house.act, {}, lambda bus, exchange: None)  # type: ignore[arg-type, return-value]
    door.log_level, door.loud = lambda request, user: house.answer(request), lambda: house.loudness.now
    eyes = VisionDoor(str(tmp_path / "door.sock"))
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(door.run()), group.create_task(eyes.run())]
        await until(lambda: door.vision.now_s)
        answer = await ask(tmp_path / "door.sock", {"op": "log_level", "level": "debug", "logger": "drivers.camera", "for_s": 60})
        assert answer == {"ok": True, "log_level": {"drivers.camera": "debug"}}
        await until(lambda: eyes._loud == {"drivers.camera": "debug"})
        assert logging.getLogger("drivers.camera").isEnabledFor(logging.DEBUG)
        refused = await ask(tmp_path / "door.sock", {"op": "log_level", "level": "debug", "logger": "paho"})
        assert refused["ok"] is False
        await ask(tmp_path / "door.sock", {"op": "log_level", "level": "", "logger": "drivers.camera"})
        await until(lambda: not eyes._loud)
        for task in tasks:
            task.cancel()


def test_the_command_without_a_daemon_and_with_half_a_question(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = ["--config", str(SITE), "--state-dir", str(tmp_path)]
    assert main(["log-level", *where]) == 1
    assert "no daemon listens" in capsys.readouterr().err
    assert main(["log-level", "--for", "10m", *where]) == 2
    assert "name a LEVEL" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["log-level", "loud", *where])
