"""campus-gateway shelve and its like, against a real control socket."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gateway.__main__ import main
from gateway.command_alarms import seconds
from gateway.core.commands import Command
from gateway.core.wire import Exchange, Outcome
from gateway.runtime.door import Door
from tests.gateway.runtime.waiting import until

EXAMPLE = Path(__file__).parents[2] / "deploy" / "examples" / "demo-school.toml"


async def nothing(bus: str, exchange: Exchange) -> Outcome | None:
    raise AssertionError("no read is asked for")


async def asked(state_dir: Path, *words: str) -> tuple[int, list[Command]]:
    """Exit status, and what the daemon was asked for."""
    commands: list[Command] = []

    def act(command: Command) -> tuple[bool, str]:
        commands.append(command)
        return command.target != "refused", f"{command.kind} done"

    door = Door(state_dir / "door.sock", frozenset(), lambda readings: None, act, {}, nothing)
    task = asyncio.get_running_loop().create_task(door.run())
    await until((state_dir / "door.sock").exists)
    arguments = [*words, "--config", str(EXAMPLE), "--state-dir", str(state_dir)]
    status = await asyncio.to_thread(main, arguments)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return status, commands


WORDS = ["--for", "2h", "--reason", "delivery"]


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (["acknowledge", "p", "--by", "王芳"], Command("acknowledge", "p", "王芳", "technician", "door")),
        (["silence", "--by", "王芳"], Command("silence", "", "王芳", "technician", "door")),
        (["silence", "gate", "--by", "王芳"], Command("silence", "gate", "王芳", "technician", "door")),
        (["unshelve", "p/alarm", "--by", "王芳"], Command("unshelve", "p/alarm", "王芳", "technician", "door")),
        (["return-to-service", "p", "--by", "王芳"], Command("return_to_service", "p", "王芳", "technician", "door")),
        (
            ["shelve", "p", "--by", "王芳", *WORDS],
            Command("shelve", "p", "王芳", "technician", "door", why="delivery", for_s=7200.0),
        ),
        (
            ["out-of-service", "p", "--by", "王芳", "--with", "李强", *WORDS],
            Command("out_of_service", "p", "王芳", "technician", "door", why="delivery", for_s=7200.0, second="李强"),
        ),
        (["output", "siren", "on", "--by", "王芳"], Command("output", "siren", "王芳", "technician", "door", "on")),
    ],
)
async def test_what_is_sent(tmp_path: Path, words: list[str], command: Command) -> None:
    assert await asked(tmp_path, *words) == (0, [command])


async def test_a_refusal_is_an_exit_status(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, _ = await asked(tmp_path, "reset", "refused")
    assert status == 1
    assert "refused: reset done" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words", [["shelve", "p"], ["shelve", "p", "--for", "2"], ["out-of-service", "p", *WORDS], ["shelve", "p", "--for", "2h"]]
)
def test_what_is_missing_is_asked_for(words: list[str]) -> None:
    with pytest.raises(SystemExit):
        main(words)


@pytest.mark.parametrize(("text", "expected"), [("90s", 90.0), ("30min", 1800.0), ("2h", 7200.0)])
def test_times(text: str, expected: float) -> None:
    assert seconds(text) == expected
