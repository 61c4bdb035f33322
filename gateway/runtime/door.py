"""The door: one Unix socket through which the vision process and the command line speak to the daemon.

Newline-separated JSON, one answer for each request. Who may do what goes by the peer's user id: the daemon's
own user and root may do everything here; vision may send only readings of camera points. Others are refused.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import pwd
import socket
import struct
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gateway.contract.canonical import canonical
from gateway.core.cameras import SEES, TROUBLES
from gateway.core.commands import Command, Photographed
from gateway.core.errors import BadMessage, DoorRefused, DoorUnanswered
from gateway.core.reading import Quality, Reading
from gateway.core.wire import Exchange, Outcome, WireClass
from gateway.rules.authority import NOTED, ON_SITE, TECHNICIAN, VIEWER

_SIGHT = (SEES, *TROUBLES)  # what a camera's own point says

log = logging.getLogger(__name__)

MAX_LINE_BYTES = 256_000
MAX_DETAIL_BYTES = 4_000
MAX_WORD = 120  # characters of a command's name or target; a point's id has 48
MAX_REASON = 200
MAX_POINTS = 500  # that one command is about
FIGURES = ("frame_age_s", "judged", "inferences", "looking_s", "analysed_fps")
READS = frozenset({1, 2, 3, 4})
READ_BYTES = 5
READ_TIMEOUT_MOST_MS = 10_000
LOOKED_S = 5.0  # a page that shows cameras says so again before this is over
MODEL_TOLD = {"id": str, "provider": str, "tested": bool, "passed_over": list, "refused": str}
AHEAD_S = 0.1  # both processes read the same monotonic clock


@dataclass(slots=True)
class VisionWord:
    """When the vision process last said anything, and its figures. now_s: monotonic, 0 before its first word.

    cameras: camera id -> frame_age_s, judged, inferences, looking_s, analysed_fps (see `Vision.figures`), as of `now_s`.
    model: what runs the network (id, provider, tested, passed_over), or `refused` with the reason; empty until it says so.
    again: it is to say everything once more.
    """

    now_s: float = 0.0
    cameras: dict[str, dict[str, float]] = field(default_factory=dict)
    model: dict[str, Any] = field(default_factory=dict)
    again: bool = False


@dataclass(slots=True)
class PageWord:
    """When the page's process last said anything, and why the page cannot be opened, '' when it can. now_s as in VisionWord."""

    now_s: float = 0.0
    trouble: str = ""


class Door:
    """Serves the socket. push: takes readings; act: takes a command, gives (ok, text).

    pictures: operation -> what it answers (`status`, `cards`). submit: sends one request on a bus, None when there is no such polled bus.
    wanted: the pictures of cameras that are awaited, told to vision with every answer; photographed: takes what became of one.
    """

    def __init__(
        self,
        path: Path,
        camera_points: frozenset[str],
        push: Callable[[list[Reading]], None],
        act: Callable[[Command], tuple[bool, str]],
        pictures: Mapping[str, Callable[[], object]],
        submit: Callable[[str, Exchange], Awaitable[Outcome | None]],
    ) -> None:
        self._path = path
        self._camera_points = camera_points
        self._push = push
        self._act = act
        self._pictures = pictures
        self._submit = submit
        self.explain: Callable[[dict[str, Any]], Awaitable[dict[str, Any]]] = _nothing_to_explain
        self.watch: Callable[[asyncio.StreamWriter, Callable[[], bool]], Awaitable[None]] = _nothing_to_watch
        self.report: Callable[[dict[str, Any]], Awaitable[dict[str, Any]]] = _no_reports
        self.restart: Callable[[str], Awaitable[None]] = _no_restart  # user
        self.log_level: Callable[[dict[str, Any], str], dict[str, str]] = lambda request, user: {}
        self.loud: Callable[[], dict[str, str]] = dict  # levels of the log that differ from those of the start, for the other processes
        self._visitors: set[asyncio.StreamWriter] = set()
        self.vision = VisionWord()
        self.page = PageWord()
        self.wanted: Callable[[], list[dict[str, Any]]] = list
        self._tiles: dict[str, float] = {}  # camera -> until when somebody looks, monotonic
        self.photographed: Callable[[Photographed], None] = lambda found: None
        self.give_key: Callable[[dict[str, Any], str], Awaitable[dict[str, Any]]] = _no_evidence

    async def run(self) -> None:
        """Listen until cancelled."""
        self._path.unlink(missing_ok=True)
        server = await asyncio.start_unix_server(self._serve, self._path, limit=MAX_LINE_BYTES)
        self._path.chmod(0o600)
        try:
            await asyncio.get_running_loop().create_future()  # until cancelled
        finally:
            server.close()
            for visitor in list(self._visitors):
                visitor.close()  # from Python 3.12 a server waits for its visitors, and vision never leaves
            self._path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        uid = _peer_uid(writer.get_extra_info("socket"))
        self._visitors.add(writer)
        try:
            while (line := await _line(reader)) != b"":
                if _watches(line) and _trusted(uid):
                    await self.watch(writer, reader.at_eof)
                    return
                answer = await self._answer(line, uid)
                writer.write(json.dumps(answer, ensure_ascii=False).encode() + b"\n")
                await writer.drain()
        except ConnectionError as error:
            log.info("a visitor at the door left: %s", error)
        finally:
            self._visitors.discard(writer)
            writer.close()

    async def _answer(self, line: bytes | None, uid: int) -> dict[str, Any]:
        try:
            if line is None:
                raise DoorRefused(f"a line is longer than {MAX_LINE_BYTES} bytes")
            if not _trusted(uid):
                raise DoorRefused(f"user {uid} may not use this socket")
            request = _request(line)
            if request.get("op") == "explain":
                return {"ok": True, "explain": await self.explain(request)}
            if request.get("op") == "evidence_key":
                return await self.give_key(request, _user(uid))
            if request.get("op") == "log_level":
                return {"ok": True, "log_level": self.log_level(request, _user(uid))}
            if request.get("op") == "restart":
                await self.restart(_user(uid))
                return {"ok": True}
            if request.get("op") == "report":
                return {"ok": True, "report": await self.report(request)}
            return await self._read(request) if request.get("op") == "read" else self._handle(request, uid)
        except DoorRefused as refused:
            return {"ok": False, "error": str(refused)}

    def _handle(self, request: dict[str, Any], uid: int) -> dict[str, Any]:
        operation = request.get("op")
        if operation in ("hello", "alive"):
            self._note_vision(request)
            return self._to_vision(request)
        if operation == "readings":
            self._note_vision({"who": "vision"})
            self._push(self._readings(request.get("readings")))
            return self._to_vision({})
        if operation == "tiles":
            self._look(request.get("cameras"))
            return {"ok": True}
        if operation == "page":
            self.page.now_s, self.page.trouble = time.monotonic(), str(request.get("trouble", ""))[:MAX_REASON]
            return {"ok": True}
        if operation == "picture":
            self._note_vision({"who": "vision"})
            self.photographed(_photographed(request))
            return {"ok": True}
        if isinstance(operation, str) and operation in self._pictures:
            return {"ok": True, operation: self._pictures[operation]()}
        if operation == "command":
            ok, text = self._act(_command(request, uid))
            return {"ok": ok, "text": text} if ok else {"ok": False, "error": text}
        known = ("hello", "alive", "readings", "picture", "tiles", "page", "command", "read", "log_level", "restart", *self._pictures)
        raise DoorRefused(f"{_shown(operation)} is not known here; known: {', '.join(known)}")

    async def _read(self, request: dict[str, Any]) -> dict[str, Any]:
        """A technician's read of a device, on a line of ours, behind everything else."""
        bus, words = request.get("bus"), request.get("request")
        numbers = [request.get(name) for name in ("unit", "reply_bytes", "timeout_ms")]
        if not isinstance(bus, str) or not isinstance(words, str) or not all(isinstance(number, int) for number in numbers):
            raise DoorRefused("a read needs `bus`, `unit`, `request` (hex), `reply_bytes` and `timeout_ms`")
        unit, reply_bytes, timeout_ms = (int(number) for number in numbers if number is not None)
        try:
            pdu = bytes.fromhex(words)
        except ValueError:
            raise DoorRefused("`request` is not hex") from None
        if len(pdu) != READ_BYTES or pdu[0] not in READS or not 0 <= unit <= 255 or not 2 < reply_bytes <= 253:
            raise DoorRefused("only a Modbus read is sent for a visitor: functions 1 to 4, unit 0 to 255")
        if not 0 < timeout_ms <= READ_TIMEOUT_MOST_MS:
            raise DoorRefused(f"`timeout_ms` is 1 to {READ_TIMEOUT_MOST_MS}")
        exchange = Exchange("visitor", "read", unit, pdu, reply_bytes, timeout_ms / 1000, WireClass.DIAGNOSTICS, late_s=timeout_ms / 1000)
        outcome = await self._submit(bus, exchange)
        if outcome is None:
            raise DoorRefused(f"{_shown(bus)} is not a polled bus of this daemon")
        return {
            "ok": True,
            "pdu": outcome.pdu.hex(),
            "failure": outcome.failure and str(outcome.failure),
            "took_ms": round(outcome.took_s * 1000, 1),
            "exception": outcome.exception,
            "detail": outcome.detail,
        }

    def _note_vision(self, request: dict[str, Any]) -> None:
        if request.get("who", "vision") == "vision":
            self.vision.now_s = time.monotonic()
        if isinstance(model := request.get("model"), dict):
            self.vision.model = {name: model[name] for name, kind in MODEL_TOLD.items() if isinstance(model.get(name), kind)}
        for item in _list_of_objects(request.get("cameras")):
            camera = item.get("camera")
            numbers = {name: item.get(name) for name in FIGURES}
            if isinstance(camera, str) and camera in self._camera_points and all(map(_is_number, numbers.values())):
                self.vision.cameras[camera] = {name: float(value) for name, value in numbers.items()}  # type: ignore[arg-type]

    def _to_vision(self, request: dict[str, Any]) -> dict[str, Any]:
        """Done; and what vision shall do."""
        if request.get("who", "vision") != "vision":
            return {"ok": True}
        wanted, again, self.vision.again = self.wanted(), self.vision.again, False
        told: dict[str, Any] = {"pictures": wanted, "tiles": self._looked_at(), "again": again, "log": self.loud()}
        return {"ok": True} | {name: value for name, value in told.items() if value}

    def _look(self, cameras: object) -> None:
        """Somebody looks at these cameras on the page."""
        if not isinstance(cameras, list) or not all(isinstance(each, str) and each in self._camera_points for each in cameras):
            raise DoorRefused("`cameras` is a list of cameras of this site")
        self._tiles |= dict.fromkeys(cameras, time.monotonic() + LOOKED_S)

    def _looked_at(self) -> list[str]:
        now_s = time.monotonic()
        self._tiles = {camera: until_s for camera, until_s in self._tiles.items() if until_s > now_s}
        return sorted(self._tiles)

    def _readings(self, items: object) -> list[Reading]:
        if not isinstance(items, list):
            raise DoorRefused("readings must be a list")
        now_s = time.monotonic()
        out = []
        for item in items:
            if not isinstance(item, dict):
                raise DoorRefused("each reading must be an object")
            point = item.get("point")
            if not isinstance(point, str) or point not in self._camera_points:
                raise DoorRefused(f"{_shown(point)} is not a camera or a camera's point")
            value, at_s, detail, reason = item.get("value"), item.get("now_s", now_s), item.get("detail"), item.get("reason", "")
            if value is not None and not isinstance(value, bool | int | float) and value not in _SIGHT:
                raise DoorRefused(f"{point}: value must be true, false, a number or null")
            try:
                quality = Quality(item.get("quality", "good"))
            except ValueError:
                raise DoorRefused(f"{point}: quality must be good, uncertain or bad") from None
            if not isinstance(at_s, int | float) or not 0 <= at_s <= now_s + AHEAD_S:
                raise DoorRefused(f"{point}: now_s is not a monotonic time in the past")
            if detail is not None and (not isinstance(detail, dict) or len(json.dumps(detail)) > MAX_DETAIL_BYTES):
                raise DoorRefused(f"{point}: detail must be an object of at most {MAX_DETAIL_BYTES} bytes")
            if not isinstance(reason, str):
                raise DoorRefused(f"{point}: reason must be text")
            out.append(Reading(point, value, quality, reason[:200], float(at_s), detail))
        return out


def _trusted(uid: int) -> bool:
    return uid in (0, os.getuid())


def _watches(line: bytes | None) -> bool:
    """A visitor that wants to be told what changes, until it leaves."""
    try:
        return line is not None and b'"watch"' in line and _request(line).get("op") == "watch"
    except DoorRefused:
        return False


async def _nothing_to_watch(writer: asyncio.StreamWriter, left: Callable[[], bool]) -> None:
    """Before there is anything to show."""


async def _nothing_to_explain(request: dict[str, Any]) -> dict[str, Any]:
    raise DoorRefused("explain is not known here")


async def _no_reports(request: dict[str, Any]) -> dict[str, Any]:
    raise DoorRefused("this gateway makes no reports: its site file has no [reports]")


async def _no_restart(user: str) -> None:
    raise DoorRefused("restart is not known here")


async def _no_evidence(request: dict[str, Any], user: str) -> dict[str, Any]:
    raise DoorRefused("this gateway keeps no evidence: it has no cameras")


async def _line(reader: asyncio.StreamReader) -> bytes | None:
    """The next line; None for one that is too long, which is read to its end and dropped; empty when the visitor has left."""
    too_long = False
    while True:
        try:
            line = await reader.readuntil(b"\n")
        except asyncio.IncompleteReadError as end:
            return b"" if too_long else end.partial
        except asyncio.LimitOverrunError as over:
            await reader.readexactly(over.consumed)
            too_long = True
            continue
        return None if too_long else line


def _shown(value: object) -> str:
    return repr(value[:60]) if isinstance(value, str) else f"a {type(value).__name__}"


def _request(line: bytes) -> dict[str, Any]:
    try:
        request = json.loads(line)
        canonical({"request": request})  # what cannot be written into an event is refused here
    except (ValueError, RecursionError, BadMessage):
        raise DoorRefused("not a line of JSON that can be written down: no NaN, half characters or numbers beyond 2^53") from None
    if not isinstance(request, dict):
        raise DoorRefused("a request is a JSON object")
    return request


def _photographed(request: dict[str, Any]) -> Photographed:
    picture, failure, sha256 = (request.get(name, "") for name in ("picture", "failure", "sha256"))
    size_bytes, captured_s = request.get("bytes", 0), request.get("captured_s", 0.0)
    if not isinstance(picture, str) or not isinstance(failure, str) or not (failure or _is_sha256(sha256)):
        raise DoorRefused("a picture needs `picture`, and `sha256` (64 hex digits) or `failure`")
    if not failure and not (_is_number(size_bytes) and size_bytes > 0 and _is_number(captured_s) and 0 < captured_s <= time.monotonic()):
        raise DoorRefused("a picture has `bytes` and `captured_s`, a monotonic time in the past")
    if failure:
        return Photographed(picture[:MAX_WORD], failure[:MAX_REASON])
    found = Photographed(picture[:MAX_WORD], "", str(sha256), int(size_bytes), float(captured_s))
    return replace(found, **_about_the_file(request))


def _about_the_file(request: dict[str, Any]) -> dict[str, Any]:
    """Of a picture that lies sealed, of a clip, and of a copy that may leave."""
    ends_s, file_bytes = request.get("ends_s", 0.0), request.get("file_bytes", 0)
    shas: dict[str, Any] = {name: request[name] for name in ("file_sha256", "outgoing_sha256") if name in request}
    if not all(map(_is_sha256, shas.values())) or not _is_number(ends_s) or not _is_number(file_bytes) or file_bytes < 0:
        raise DoorRefused("`file_sha256` and `outgoing_sha256` are 64 hex digits, `ends_s` and `file_bytes` numbers")
    return {**shas, "ends_s": float(ends_s), "file_bytes": int(file_bytes), "unsent": str(request.get("unsent", ""))[:MAX_REASON]}


def _is_sha256(value: object) -> bool:
    return isinstance(value, str) and len(value) == 64 and not set(value) - set("0123456789abcdef")


def _command(request: dict[str, Any], uid: int) -> Command:
    kind, target, by, value, why, second = (request.get(name) or "" for name in ("command", "target", "by", "value", "why", "second"))
    words = (kind, target, by, value, why, second)
    role = request.get("role") or TECHNICIAN
    if role not in ON_SITE and not (role == VIEWER and kind in NOTED):
        raise DoorRefused(f"`role` is one of {', '.join(sorted(ON_SITE))}")
    for_s = request.get("for_s") or 0
    if not all(isinstance(word, str) for word in words) or not request.get("command") or "target" not in request:
        raise DoorRefused("a command needs `command`, `target` and perhaps `by`, `value`, `why` and `second`, all of them text")
    if max(map(len, (kind, target, value))) > MAX_WORD:
        raise DoorRefused(f"`command`, `target` and `value` have at most {MAX_WORD} characters")
    points = request.get("points") or []
    if not isinstance(points, list) or len(points) > MAX_POINTS or not all(isinstance(p, str) and len(p) <= MAX_WORD for p in points):
        raise DoorRefused(f"`points` is a list of at most {MAX_POINTS} ids")
    if not _is_number(for_s):
        raise DoorRefused("`for_s` is a number of seconds")
    user = _user(uid)
    return Command(
        kind=kind,
        target=target,
        by=(by or user)[:80],
        role=role,
        origin="page" if request.get("who") == "console" else "door",
        value=value,
        why=why[:MAX_REASON],
        for_s=float(for_s),
        second=second[:80],
        points=tuple(points),
    )


def _user(uid: int) -> str:
    """Login name."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def _peer_uid(sock: socket.socket) -> int:
    """User id of the process at the other end (SO_PEERCRED: pid, uid, gid)."""
    raw = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return int(struct.unpack("3i", raw)[1])


async def ask(path: Path, request: dict[str, Any], timeout_s: float = 5.0) -> dict[str, Any]:
    """One question to a running daemon. Raises DoorRefused when there is none, or it does not answer.

    A command that was sent and not answered may have been carried out all the same: DoorUnanswered.
    """
    sent = False
    try:
        async with asyncio.timeout(timeout_s):
            reader, writer = await asyncio.open_unix_connection(path, limit=16_000_000)
            try:
                sent = True
                writer.write(json.dumps(request).encode() + b"\n")
                line = await reader.readline()
            finally:
                writer.close()
    except TimeoutError:
        raise _silent(request, f"the daemon behind {path} does not answer within {timeout_s:.0f} s", sent=sent) from None
    except OSError as error:
        if sent:
            raise _silent(request, f"the daemon closed the connection: {error.strerror}", sent=True) from error
        raise DoorRefused(f"no daemon listens at {path}: {error.strerror}; start it with `campus-gateway run --config SITE`") from error
    if not line and request.get("op") == "command":
        raise _silent(request, "the daemon closed the connection", sent=True)
    answer = json.loads(line) if line else {"ok": False, "error": "the daemon closed the connection"}
    assert isinstance(answer, dict)
    return answer


def _silent(request: dict[str, Any], why: str, *, sent: bool) -> DoorRefused:
    if sent and request.get("op") == "command":
        return DoorUnanswered(f"{why}: whether it was carried out is not known; look at the alarms before you do it again")
    return DoorRefused(why)


def _list_of_objects(value: object) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and -1e12 < value < 1e12
