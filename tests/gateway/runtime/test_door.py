"""The door: a real socket, and whatever a visitor may send: always one answer of one line."""

from __future__ import annotations

import asyncio
import getpass
import json
import multiprocessing
import os
import pwd
import socket
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.contract.canonical import canonical
from gateway.core.commands import Command, Photographed
from gateway.core.errors import DoorRefused, DoorUnanswered
from gateway.core.reading import Quality, Reading
from gateway.core.wire import Exchange, Outcome, WireClass
from gateway.runtime.door import MAX_LINE_BYTES, Door, ask
from tests.gateway.runtime.waiting import until
from tests.real_parts import missing


@dataclass
class Inside:
    """What is behind the door."""

    readings: list[Reading] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)
    exchanges: list[Exchange] = field(default_factory=list)

    def act(self, command: Command) -> tuple[bool, str]:
        self.commands.append(command)
        return command.kind != "refuse", f"{command.kind}: {command.target}"

    async def read(self, bus: str, exchange: Exchange) -> Outcome | None:
        self.exchanges.append(exchange)
        return Outcome(b"\x03\x02\x00\x07", None, 0.0, took_s=0.012) if bus == "line" else None


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[tuple[Door, Inside]]:
    inside = Inside()
    pictures = {"status": lambda: {"version": "1", "zh": "校门"}, "cards": list}
    door = Door(path, frozenset({"camera", "person"}), inside.readings.extend, inside.act, pictures, inside.read)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(door.run())
        await until(lambda: path.exists() and path.stat().st_mode & 0o777 == 0o600)
        try:
            yield door, inside
        finally:
            running.cancel()


class Visitor:
    """One connection; answers are read as bytes so that a missing or second line is noticed."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def say(self, line: bytes) -> dict[str, Any]:
        self.writer.write(line)
        answer: dict[str, Any] = json.loads(await asyncio.wait_for(self.reader.readline(), 5))
        return answer

    async def ask(self, **request: object) -> dict[str, Any]:
        return await self.say(json.dumps(request).encode() + b"\n")

    async def leave(self) -> bytes:
        """Say nothing more; what still comes."""
        self.writer.write_eof()
        rest = await asyncio.wait_for(self.reader.read(), 5)
        self.writer.close()
        return rest


@asynccontextmanager
async def visiting(path: Path) -> AsyncIterator[Visitor]:
    visitor = Visitor(*await asyncio.open_unix_connection(path))
    try:
        yield visitor
        assert await visitor.leave() == b"", "one answer for each request"
    finally:
        visitor.writer.close()


async def test_hello_readings_and_the_last_word_of_vision(tmp_path: Path) -> None:
    async with opened(tmp_path / "door") as (door, inside), visiting(tmp_path / "door") as visitor:
        assert door.vision.now_s == 0
        assert await visitor.ask(op="hello", who="status") == {"ok": True}
        assert door.vision.now_s == 0, "another program is not the vision process"
        assert await visitor.ask(op="alive") == {"ok": True}
        assert 0 < time.monotonic() - door.vision.now_s < 5
        at_s = time.monotonic()
        items = [
            {"point": "person", "value": True, "now_s": at_s, "detail": {"confidence": 0.9, "count": 2}},
            {"point": "camera", "value": None, "quality": "bad", "reason": "camera blind"},
        ]
        assert await visitor.ask(op="readings", readings=items) == {"ok": True}
        person, camera = inside.readings
        assert person == Reading("person", True, now_s=at_s)
        assert person.detail == {"confidence": 0.9, "count": 2}
        assert (camera.value, camera.quality, camera.reason) == (None, Quality.BAD, "camera blind")
        assert camera.now_s >= at_s


async def test_vision_is_asked_once_to_say_everything_again(tmp_path: Path) -> None:
    async with opened(tmp_path / "door") as (door, _), visiting(tmp_path / "door") as visitor:
        door.vision.again = True
        assert await visitor.ask(op="hello", who="status") == {"ok": True}, "not another program"
        assert await visitor.ask(op="alive") == {"ok": True, "again": True}
        assert await visitor.ask(op="alive") == {"ok": True}


async def test_status_and_commands(tmp_path: Path) -> None:
    async with opened(tmp_path / "door") as (_, inside), visiting(tmp_path / "door") as visitor:
        assert await visitor.ask(op="status") == {"ok": True, "status": {"version": "1", "zh": "校门"}}
        assert await visitor.ask(op="command", command="reset", target="panic") == {"ok": True, "text": "reset: panic"}
        assert await visitor.ask(op="command", command="refuse", target="x", by="王芳") == {"ok": False, "error": "refuse: x"}
        assert inside.commands == [
            Command("reset", "panic", getpass.getuser() if os.geteuid() else "root", "technician", "door"),
            Command("refuse", "x", "王芳", "technician", "door"),
        ]


NOW_S = time.monotonic()
WRONG = {
    "no JSON": b"hello\n",
    "empty line": b"\n",
    "a list": b"[]\n",
    "a number": b"5\n",
    "not UTF-8": b'{"op": "\xff"}\n',
    "zero bytes": b"\0\0\0\n",
    "NaN": b'{"op": "readings", "readings": [{"point": "person", "value": NaN}]}\n',
    "endless number": b'{"op": "readings", "readings": [{"point": "person", "value": 1e999}]}\n',
    "too large a number": b'{"op": "readings", "readings": [{"point": "person", "value": 9007199254740993}]}\n',
    "number of 5000 digits": b'{"op": ' + b"1" * 5000 + b"}\n",
    "half a character": b'{"op": "command", "command": "reset", "target": "panic", "by": "\\ud800"}\n',
    "half a character as a key": b'{"op": "status", "\\udfff": 1}\n',
    "no op": b"{}\n",
    "op unknown": b'{"op": "open sesame"}\n',
    "op a list": b'{"op": ["status"]}\n',
    "op an object": b'{"op": {"a": 1}}\n',
    "readings left out": b'{"op": "readings"}\n',
    "readings an object": b'{"op": "readings", "readings": {}}\n',
    "a reading is text": b'{"op": "readings", "readings": ["x"]}\n',
    "point left out": b'{"op": "readings", "readings": [{}]}\n',
    "point a list": b'{"op": "readings", "readings": [{"point": ["person"], "value": true}]}\n',
    "another's point": b'{"op": "readings", "readings": [{"point": "panic", "value": true}]}\n',
    "value is text": b'{"op": "readings", "readings": [{"point": "person", "value": "yes"}]}\n',
    "quality unknown": b'{"op": "readings", "readings": [{"point": "person", "value": true, "quality": "fine"}]}\n',
    "quality a list": b'{"op": "readings", "readings": [{"point": "person", "value": true, "quality": []}]}\n',
    "reason a list": b'{"op": "readings", "readings": [{"point": "person", "value": null, "quality": "bad", "reason": []}]}\n',
    "from the future": json.dumps({"op": "readings", "readings": [{"point": "person", "value": True, "now_s": NOW_S + 1e6}]}).encode()
    + b"\n",
    "before the boot": b'{"op": "readings", "readings": [{"point": "person", "value": true, "now_s": -1}]}\n',
    "time is text": b'{"op": "readings", "readings": [{"point": "person", "value": true, "now_s": "now"}]}\n',
    "detail is a list": b'{"op": "readings", "readings": [{"point": "person", "value": true, "detail": []}]}\n',
    "detail is a book": b'{"op": "readings", "readings": [{"point": "person", "value": true, "detail": {"a": "' + b"x" * 5000 + b'"}}]}\n',
    "second reading wrong": b'{"op": "readings", "readings": [{"point": "person", "value": true}, {"point": "x"}]}\n',
    "command left out": b'{"op": "command", "target": "panic"}\n',
    "target a number": b'{"op": "command", "command": "reset", "target": 5}\n',
    "by a list": b'{"op": "command", "command": "reset", "target": "panic", "by": ["x"]}\n',
    "target endless": b'{"op": "command", "command": "reset", "target": "' + b"x" * 5000 + b'"}\n',
    "command endless": b'{"op": "command", "target": "panic", "command": "' + b"x" * 5000 + b'"}\n',
    "deep": b"[" * 100_000 + b"]" * 100_000 + b"\n",
    "oversize": b'{"op": "' + b"x" * MAX_LINE_BYTES + b'"}\n',
    "oversize by far": b"x" * (MAX_LINE_BYTES * 5) + b"\n",
    "just oversize": b"x" * MAX_LINE_BYTES + b"y\n",
}


@pytest.mark.parametrize("line", WRONG.values(), ids=WRONG.keys())
async def test_one_clear_error_line_and_the_visit_goes_on(tmp_path: Path, line: bytes) -> None:
    async with opened(tmp_path / "door") as (_, inside), visiting(tmp_path / "door") as visitor:
        answer = await visitor.say(line)
        assert answer["ok"] is False
        assert 0 < len(answer["error"]) < 300
        assert inside == Inside(), "nothing of a wrong request is taken"
        assert (await visitor.ask(op="status"))["ok"] is True


@pytest.mark.parametrize("junk_bytes", [MAX_LINE_BYTES, MAX_LINE_BYTES + 1, 2 * MAX_LINE_BYTES, 3 * MAX_LINE_BYTES - 7])
async def test_nothing_in_a_line_that_is_too_long_is_a_request(tmp_path: Path, junk_bytes: int) -> None:
    async with opened(tmp_path / "door") as (_, inside), visiting(tmp_path / "door") as visitor:
        answer = await visitor.say(b" " * junk_bytes + b'{"op": "command", "command": "reset", "target": "panic"}\n')
        assert answer == {"ok": False, "error": f"a line is longer than {MAX_LINE_BYTES} bytes"}
        assert inside == Inside()


async def test_every_depth_is_answered(tmp_path: Path) -> None:
    async with opened(tmp_path / "door"), visiting(tmp_path / "door") as visitor:
        for depth in range(100, 1100, 9):
            nested = b"[" * depth + b"]" * depth
            for line in (b'{"op": ' + nested + b"}\n", b'{"op": "command", "command": "reset", "target": "x", "by": ' + nested + b"}\n"):
                assert (await visitor.say(line))["ok"] is False


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["person", "status", "readings", "bad"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
requests = st.fixed_dictionaries(
    {"op": st.sampled_from(["hello", "alive", "readings", "status", "command"]) | json_values},
    optional={
        "readings": st.lists(
            st.fixed_dictionaries(
                {"point": st.just("person") | json_values},
                optional=dict.fromkeys(("value", "quality", "reason", "now_s", "detail"), json_values),
            ),
            max_size=2,
        )
        | json_values,
        **dict.fromkeys(("who", "command", "target", "by"), json_values),
    },
)
lines = requests.map(lambda r: json.dumps(r).encode()) | st.binary(max_size=50).map(lambda b: b.replace(b"\n", b""))
lines = lines.filter(lambda line: b'"watch"' not in line)  # answered by a stream that has no end, or nothing to tell


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(lines, max_size=5))
def test_any_requests(tmp_path_factory: pytest.TempPathFactory, lines: list[bytes]) -> None:
    """Answered or refused, and whatever came through can be written into an event."""
    path = tmp_path_factory.mktemp("d") / "door"

    async def visit() -> None:
        async with opened(path) as (_, inside), visiting(path) as visitor:
            for line in lines:
                answer = await visitor.say(line + b"\n")
                assert isinstance(answer["ok"], bool)
            for reading in inside.readings:
                canonical({"value": reading.value, "reason": reading.reason, "detail": reading.detail})
            for command in inside.commands:
                canonical({"all": [command.kind, command.target, command.by]})

    asyncio.run(visit())


async def test_many_visitors_at_once(tmp_path: Path) -> None:
    async with opened(tmp_path / "door") as (_, inside):

        async def visit(number: int) -> None:
            async with visiting(tmp_path / "door") as visitor:
                for n in range(20):
                    if n % 5 == 4:
                        assert (await visitor.say(b"junk\n"))["ok"] is False
                    else:
                        answer = await visitor.ask(op="command", command="acknowledge", target=f"p{number}-{n}")
                        assert answer == {"ok": True, "text": f"acknowledge: p{number}-{n}"}, "everyone gets the own answer"

        async with asyncio.TaskGroup() as tasks:
            for number in range(50):
                tasks.create_task(visit(number))
        assert len(inside.commands) == 50 * 16


async def test_visitors_who_leave_in_the_middle(tmp_path: Path) -> None:
    async with opened(tmp_path / "door"):
        for _ in range(20):
            _, writer = await asyncio.open_unix_connection(tmp_path / "door")
            writer.write(b'{"op": "status"}\n' * 50 + b'{"op": "sta')
            writer.transport.abort()
        async with visiting(tmp_path / "door") as visitor:
            assert (await visitor.ask(op="status"))["ok"] is True


async def test_a_last_line_without_its_end_is_answered(tmp_path: Path) -> None:
    async with opened(tmp_path / "door"):
        visitor = Visitor(*await asyncio.open_unix_connection(tmp_path / "door"))
        visitor.writer.write(b'{"op": "hello"}')
        assert json.loads(await visitor.leave()) == {"ok": True}


async def test_one_byte_at_a_time(tmp_path: Path) -> None:
    async with opened(tmp_path / "door"), visiting(tmp_path / "door") as visitor:
        for byte in b'{"op": "status"}':
            visitor.writer.write(bytes([byte]))
            await visitor.writer.drain()
            await asyncio.sleep(0)
        assert (await visitor.say(b"\n"))["ok"] is True


async def test_closing_sends_visitors_away_and_removes_the_socket(tmp_path: Path) -> None:
    async with opened(tmp_path / "door"):
        visitor = Visitor(*await asyncio.open_unix_connection(tmp_path / "door"))
        assert (await visitor.ask(op="hello"))["ok"]
    assert not (tmp_path / "door").exists()
    assert await asyncio.wait_for(visitor.reader.read(), 5) == b""
    visitor.writer.close()


async def test_a_socket_left_by_a_killed_daemon_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "door").write_text("left behind")
    (tmp_path / "door").chmod(0o644)
    async with opened(tmp_path / "door"):
        assert (await ask(tmp_path / "door", {"op": "hello"}))["ok"]


def foreigner(path: Path, answers: Connection) -> None:
    """Runs in a child process as user 65534."""
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
    with socket.socket(socket.AF_UNIX) as visitor:
        visitor.connect(str(path))
        visitor.sendall(b'{"op": "command", "command": "reset", "target": "panic"}\n')
        answers.send(visitor.makefile().readline())


async def test_another_user_is_refused() -> None:
    """Even where somebody has opened the folder and the socket to all: the peer's user id decides."""
    if os.geteuid() != 0:
        missing("only root may try the door as another user")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "door"
        async with opened(path) as (_, inside):
            Path(folder).chmod(0o755)
            path.chmod(0o666)
            forking = multiprocessing.get_context("fork")
            answers, there = forking.Pipe()
            child = forking.Process(target=foreigner, args=(path, there))
            child.start()
            await until(lambda: answers.poll() or child.exitcode is not None)
            assert json.loads(answers.recv()) == {"ok": False, "error": "user 65534 may not use this socket"}
            assert inside == Inside()
            await until(lambda: child.exitcode == 0)
            child.close()


async def test_asking_where_nobody_answers(tmp_path: Path) -> None:
    with pytest.raises(DoorRefused, match=r"no daemon listens at .*No such file.*campus-gateway run"):
        await ask(tmp_path / "door", {"op": "status"})

    left = asyncio.Event()

    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()
        await writer.wait_closed()
        left.set()

    async with await asyncio.start_unix_server(mute, tmp_path / "mute"):
        with pytest.raises(DoorRefused, match="does not answer"):
            await ask(tmp_path / "mute", {"op": "status"}, timeout_s=0.05)
        await left.wait()
        left.clear()
        with pytest.raises(DoorUnanswered, match="whether it was carried out is not known"):
            await ask(tmp_path / "mute", {"op": "command", "command": "acknowledge"}, timeout_s=0.05)
        await left.wait()
    with pytest.raises(DoorRefused) as never_sent:
        await ask(tmp_path / "door", {"op": "command", "command": "acknowledge"})
    assert not isinstance(never_sent.value, DoorUnanswered)


async def test_a_daemon_that_dies_over_a_command_leaves_it_unknown(tmp_path: Path) -> None:
    async def dying(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.close()

    async with await asyncio.start_unix_server(dying, tmp_path / "dying"):
        with pytest.raises(DoorUnanswered, match="closed the connection"):
            await ask(tmp_path / "dying", {"op": "command", "command": "acknowledge"})
        assert not (await ask(tmp_path / "dying", {"op": "status"}))["ok"]


async def test_figures_of_cameras_are_kept_and_nonsense_is_not(tmp_path: Path) -> None:
    good = {"camera": "camera", "frame_age_s": 0.2, "judged": 10, "inferences": 4, "looking_s": 0.1, "analysed_fps": 5.0}
    nonsense = [
        {**good, "camera": "other"},
        {**good, "camera": ["camera"]},
        {**good, "judged": "many"},
        {**good, "looking_s": True},
        {name: value for name, value in good.items() if name != "judged"},
        "camera",
    ]
    async with opened(tmp_path / "door") as (door, _), visiting(tmp_path / "door") as visitor:
        assert await visitor.ask(op="alive", cameras=nonsense) == {"ok": True}
        assert door.vision.cameras == {}
        assert await visitor.ask(op="alive", cameras=[good]) == {"ok": True}
        assert door.vision.cameras == {
            "camera": {"frame_age_s": 0.2, "judged": 10.0, "inferences": 4.0, "looking_s": 0.1, "analysed_fps": 5.0}
        }
        assert await visitor.ask(op="alive", cameras="none") == {"ok": True}


async def test_what_runs_the_model_is_kept_and_nonsense_is_not(tmp_path: Path) -> None:
    told = {"id": "nanodet", "provider": "CPUExecutionProvider", "tested": True, "passed_over": ["CUDAExecutionProvider: not there"]}
    async with opened(tmp_path / "door") as (door, _), visiting(tmp_path / "door") as visitor:
        assert await visitor.ask(op="alive", model={**told, "weights": "many"}) == {"ok": True}
        assert door.vision.model == told
        assert await visitor.ask(op="alive", model=["CUDA"]) == {"ok": True}
        assert door.vision.model == told
        assert await visitor.ask(op="alive", model={"provider": 7, "refused": "no such file"}) == {"ok": True}
        assert door.vision.model == {"refused": "no such file"}


READ = {"op": "read", "bus": "line", "unit": 3, "request": "0300070001", "reply_bytes": 4, "timeout_ms": 100}


async def test_a_technicians_read_goes_through_as_the_last_in_line(tmp_path: Path) -> None:
    async with opened(tmp_path / "door") as (_, inside):
        answer = await ask(tmp_path / "door", READ)
    assert answer == {"ok": True, "pdu": "03020007", "failure": None, "took_ms": 12.0, "exception": 0, "detail": ""}
    (exchange,) = inside.exchanges
    assert (exchange.unit, exchange.request, exchange.wire_class) == (3, b"\x03\x00\x07\x00\x01", WireClass.DIAGNOSTICS)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"request": "0600070001"}, "only a Modbus read"),
        ({"request": "03000700"}, "only a Modbus read"),
        ({"request": "0300070001ff"}, "only a Modbus read"),
        ({"request": "xyz"}, "not hex"),
        ({"unit": 256}, "only a Modbus read"),
        ({"unit": "3"}, "a read needs"),
        ({"timeout_ms": 0}, "`timeout_ms` is 1 to"),
        ({"timeout_ms": 60_000}, "`timeout_ms` is 1 to"),
        ({"reply_bytes": 2}, "only a Modbus read"),
        ({"bus": "other"}, "not a polled bus"),
        ({"bus": 5}, "a read needs"),
    ],
)
async def test_nothing_but_a_read_goes_through(tmp_path: Path, change: dict[str, object], words: str) -> None:
    async with opened(tmp_path / "door") as (_, inside):
        answer = await ask(tmp_path / "door", READ | change)
    assert not answer["ok"]
    assert words in answer["error"]
    assert not inside.exchanges or change == {"bus": "other"}


async def test_vision_hears_which_pictures_are_awaited_and_tells_what_became_of_them(tmp_path: Path) -> None:
    wanted = [{"picture": "p1", "camera": "camera", "until_s": 5.0}]
    found: list[Photographed] = []
    async with opened(tmp_path / "door") as (door, _), visiting(tmp_path / "door") as visitor:
        door.wanted, door.photographed = lambda: wanted, found.append
        for request in ({"op": "hello", "who": "vision"}, {"op": "alive"}, {"op": "readings", "readings": []}):
            assert await visitor.ask(**request) == {"ok": True, "pictures": wanted}
        assert await visitor.ask(op="hello", who="status") == {"ok": True}
        assert await visitor.ask(op="status") == {"ok": True, "status": {"version": "1", "zh": "校门"}}
        captured_s = time.monotonic() - 0.5
        taken = {"op": "picture", "picture": "p1", "sha256": "ab" * 32, "bytes": 1234, "captured_s": captured_s}
        assert await visitor.ask(**taken) == {"ok": True}
        assert await visitor.ask(op="picture", picture="p2", failure="disk") == {"ok": True}
        assert found == [Photographed("p1", "", "ab" * 32, 1234, captured_s), Photographed("p2", "disk")]
        further = {"ends_s": captured_s + 0.25, "file_sha256": "cd" * 32, "file_bytes": 1300, "outgoing_sha256": "ef" * 32}
        assert await visitor.ask(**(taken | further)) == {"ok": True}
        whole = Photographed("p1", "", "ab" * 32, 1234, captured_s, captured_s + 0.25, "cd" * 32, 1300, "ef" * 32)
        assert found.pop() == whole
        assert await visitor.ask(**taken, unsent="nobody knows") == {"ok": True}
        assert found.pop().unsent == "nobody knows"
        for change in ({"file_sha256": "cd"}, {"outgoing_sha256": ""}, {"ends_s": "now"}, {"file_bytes": -1}):
            assert "64 hex digits" in (await visitor.ask(**(taken | further | change)))["error"]
        wrong: list[dict[str, object]] = [
            {"sha256": "AB" * 32}, {"sha256": 7}, {"bytes": 0}, {"bytes": True}, {"captured_s": captured_s + 3600}, {"picture": None},
        ]  # fmt: skip
        for change in wrong:
            answer = await visitor.ask(**(taken | change))
            assert (answer["ok"], "a picture" in answer["error"]) == (False, True)
    assert len(found) == 2


async def test_the_key_of_a_piece_of_evidence(tmp_path: Path) -> None:
    asked: list[tuple[dict[str, Any], str]] = []

    async def give(request: dict[str, Any], user: str) -> dict[str, Any]:
        asked.append((request, user))
        return {"ok": True, "file": "f", "key": "ab" * 32}

    request = {"op": "evidence_key", "picture": "p1", "by": "王", "why": "x"}
    async with opened(tmp_path / "door") as (door, _), visiting(tmp_path / "door") as visitor:
        assert await visitor.ask(**request) == {"ok": False, "error": "this gateway keeps no evidence: it has no cameras"}
        door.give_key = give
        assert await visitor.ask(**request) == {"ok": True, "file": "f", "key": "ab" * 32}
    assert asked == [(request, pwd.getpwuid(os.getuid()).pw_name)]


async def test_what_would_happen_is_asked_of_the_daemon(tmp_path: Path) -> None:
    asked: list[dict[str, Any]] = []

    async def explain(request: dict[str, Any]) -> dict[str, Any]:
        asked.append(request)
        return {"point": request["point"]}

    async with opened(tmp_path / "door") as (door, _), visiting(tmp_path / "door") as visitor:
        refused = await visitor.ask(op="explain", point="person")
        assert refused == {"ok": False, "error": "explain is not known here"}
        door.explain = explain
        assert await visitor.ask(op="explain", point="person", value=True) == {"ok": True, "explain": {"point": "person"}}
    assert asked == [{"op": "explain", "point": "person", "value": True}]
