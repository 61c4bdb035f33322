"""A point tried by hand, and the daemon asked and waited for meanwhile: a press as a walk test, a contact by its change of value."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from gateway.console import refusals
from gateway.core.errors import DoorRefused
from gateway.core.points import Point, Text
from gateway.runtime.commission import OK, PROBLEM, SKIPPED, Outcome
from gateway.runtime.commission_talk import Talk
from gateway.runtime.door import ask

SIGNED_WITHIN_S = 60.0
RELEASED_WITHIN_S = 60.0
TEST_S = 600.0
SILENT_S = 5.0  # a daemon that is watched says something each second

Found = TypeVar("Found")


class DoorSide:
    """The daemon as a visit sees it. Every call raises DoorRefused when there is none."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def ask(self, **request: Any) -> dict[str, Any]:
        """One question."""
        return asyncio.run(ask(self._path, request))

    def status(self) -> dict[str, Any]:
        """The answer to `status`."""
        found: dict[str, Any] = self._part("status")
        return found

    def rows(self, operation: str) -> list[dict[str, Any]]:
        """The answer to an operation that gives a list."""
        found: list[dict[str, Any]] = self._part(operation)
        return found

    def _part(self, operation: str) -> Any:
        answer = self.ask(op=operation)
        if not answer.get("ok"):
            raise DoorRefused(str(answer.get("error")))
        return answer[operation]

    def command(self, kind: str, target: str = "", **words: Any) -> str:
        """Give a command; why it was refused, or ''."""
        done, text = self.told(kind, target, **words)
        return "" if done else text

    def told(self, kind: str, target: str = "", **words: Any) -> tuple[bool, str]:
        """Give a command; whether it was carried out, and the daemon's words."""
        answer = self.ask(op="command", command=kind, target=target, **words)
        return bool(answer.get("ok")), str(answer.get("text" if answer.get("ok") else "error") or "refused")

    def point(self, point_id: str) -> dict[str, Any] | None:
        """A point as a page shows it."""
        for picture in self._pictures():
            return next((row for row in picture["points"] if row["point"] == point_id), None)
        return None

    def until(self, found: Callable[[dict[str, Any]], Found | None], within_s: float, enough: Callable[[], bool]) -> Found | None:
        """What `found` makes of a picture, as soon as it makes anything of one; None when the time is over, or it is enough.

        It is asked again each second, also when nothing has changed.
        """
        end_s = time.monotonic() + within_s
        for picture in self._pictures():
            value = found(picture)
            if value is not None:
                return value
            if time.monotonic() > end_s or enough():
                return None
        raise DoorRefused("the daemon has gone; start it, and go on with --resume")

    def _pictures(self) -> Iterator[dict[str, Any]]:
        """What the daemon shows, as it changes, and at least each second."""
        try:
            with socket.socket(socket.AF_UNIX) as door:
                door.settimeout(SILENT_S)
                door.connect(str(self._path))
                door.sendall(b'{"op": "watch"}\n')
                with door.makefile("rb") as lines:
                    yield from _pictures(lines)
        except OSError as error:
            raise DoorRefused(f"the daemon at {self._path} is not heard: {error}; start it, and go on with --resume") from error


def _pictures(lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """A line without a picture says that the last one still holds."""
    picture: dict[str, Any] = {}
    for line in lines:
        said = json.loads(line)
        if not said.get("ok"):
            raise DoorRefused(str(said.get("error")))
        picture = said.get("picture", picture)
        yield picture


def exercise(door: DoorSide, talk: Talk, point: Point, by: str, wait_s: float) -> Outcome:
    """Have a point tried: one with alarms that people practise as a walk test, any other until its value changes."""
    if not any(spec.practised for spec in point.alarms):
        return _moved(door, talk, point, wait_s)
    if refused := door.command("start_test", points=[point.id], for_s=TEST_S, by=by):
        return Outcome(PROBLEM, Text(f"测试不能开始：{refusals.say(refused, 'zh')}", f"the test cannot begin: {refused}"))
    with _ended(door, point.id, by):
        return _pressed(door, talk, point, by, wait_s)


@contextmanager
def _ended(door: DoorSide, point_id: str, by: str) -> Iterator[None]:
    """Whatever happens, the point does not stay in a test."""
    try:
        yield
    finally:
        with suppress(DoorRefused):  # without a daemon the test ends by its own time
            if any(run["kind"] == "test" and point_id in run["points"] for run in door.status()["modes"]):
                door.command("end_test", points=[point_id], by=by)


def _pressed(door: DoorSide, talk: Talk, point: Point, by: str, wait_s: float) -> Outcome:
    key = f"points/{point.id}"
    talk.say(key, Text(f"请现在触发：{point.name.zh}", f"set it off now: {point.name.en}"))
    begun_s = time.monotonic()
    alarm = door.until(lambda picture: _standing(picture, point.id), wait_s, talk.no_more)
    if alarm is None:
        waited = f"{time.monotonic() - begun_s:.0f}"
        return Outcome(PROBLEM, Text(f"{waited} 秒内没有触发", f"nothing came within {waited} s"))
    seen: dict[str, Any] = {"alarm": alarm["alarm"], "pressed_s": round(time.monotonic() - begun_s, 1), "mode": alarm["mode"]}
    talk.say(key, Text("收到触发，等中心回执", "it is here; waiting for the centre's receipt"))
    way = door.until(lambda picture: _received(picture, alarm["event"]), SIGNED_WITHIN_S, talk.no_more)
    seen["way"] = way or []
    _reset(door, talk, point, by)
    result = _result(door, point.id)
    if result != "passed":
        unsigned = Text("中心没有回执", "the centre has not signed for it")
        why = unsigned if way is None else Text("没有复位", "it was not reset")
        return Outcome(PROBLEM, why, {**seen, "walk_test": result})
    return Outcome(OK, "", {**seen, "walk_test": result})


def _standing(picture: dict[str, Any], point_id: str) -> dict[str, Any] | None:
    """The alarm of the test; one that stood before it is not meant."""
    alarms = (alarm for alarm in picture["alarms"] if alarm["alarm"].partition("/")[0] == point_id and not alarm["fault"])
    return next((alarm for alarm in alarms if alarm["mode"].startswith("test:")), None)


def _received(picture: dict[str, Any], event_id: str) -> list[dict[str, Any]] | None:
    """The way of the alarm once every recipient has signed for it; without recipients, once the broker has it."""
    alarm = next((alarm for alarm in picture["alarms"] if alarm["event"] == event_id), None)
    if alarm is None:
        return None
    wanted = {recipient["id"] for recipient in picture["recipients"]}
    signed = {step["by"] for step in alarm["way"] if step["step"] == "received"}
    done = wanted <= signed if wanted else any(step["step"] == "broker_acked" for step in alarm["way"])
    return list(alarm["way"]) if done else None


def _reset(door: DoorSide, talk: Talk, point: Point, by: str) -> None:
    """Take the alarm, wait until the point is let go, and reset it."""
    door.command("acknowledge", point.id, by=by)
    key = f"points/{point.id}"
    talk.say(key, Text(f"请恢复：{point.name.zh}", f"let it go, or put it back: {point.name.en}"))

    def normal(picture: dict[str, Any]) -> bool | None:
        alarm = _standing(picture, point.id)
        if alarm is None:
            return True
        if alarm["state"].startswith("latched"):
            door.command("reset", point.id, by=by)
        return None

    door.until(normal, RELEASED_WITHIN_S, talk.no_more)


def _result(door: DoorSide, point_id: str) -> str:
    return next((str(row["result"]) for row in door.rows("walk_tests") if row["point"] == point_id), "")


def _moved(door: DoorSide, talk: Talk, point: Point, wait_s: float) -> Outcome:
    """A contact without alarms: its value is seen to change."""
    row = door.point(point.id)
    if row is None:
        answer = talk.ask(f"points/{point.id}", Text(f"{point.name.zh} 试过了吗，正常？", f"was {point.name.en} tried, and is it right?"))
        return Outcome(SKIPPED if answer.yes is None else OK if answer.yes else PROBLEM, answer.note)
    before = row["value"]
    talk.say(f"points/{point.id}", Text(f"请现在操作：{point.name.zh}", f"operate it now: {point.name.en}"))

    def changed(picture: dict[str, Any]) -> dict[str, Any] | None:
        now = next((each for each in picture["points"] if each["point"] == point.id), row)
        return {"from": before, "to": now["value"]} if now["value"] not in (before, None) else None

    seen = door.until(changed, wait_s, talk.no_more)
    if seen is None:
        return Outcome(PROBLEM, Text(f"值没有变化，一直是 {before}", f"its value did not change from {before}"))
    return Outcome(OK, "", seen)
