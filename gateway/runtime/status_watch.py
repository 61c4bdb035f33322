"""`campus-gateway status --watch`: what the daemon sees, in a terminal, kept up to date. Says so while the daemon is away, and goes on.

On a terminal that can, the screen is drawn in place; on any other, and into a pipe, it is printed anew each time it changes.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
import termios
import tty
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO
from zoneinfo import ZoneInfo

from gateway.runtime.status_text import duty_lines

AGAIN_S = 1.0  # between two tries to reach the daemon
SILENT_S = 5.0  # it says something each second
LINE_MOST_BYTES = 16_000_000
_ENTER, _LEAVE, _HOME, _REST_OF_LINE, _REST = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l", "\x1b[H", "\x1b[K", "\x1b[J"
_COLOURS = {"bad": "\x1b[31;1m", "warn": "\x1b[33m", "good": "\x1b[32m", "": ""}
_PLAIN = "\x1b[0m"
_MODES = {"drill": "演练 DRILL", "test": "报警测试 WALK TEST", "maintenance": "检修 MAINTENANCE"}

Row = tuple[str, str]  # (colour: bad, warn, good or '', text)


# --- what is shown ------------------------------------------------------------------------------


def rows(picture: dict[str, Any] | None, away: str, zone: ZoneInfo) -> Iterator[Row]:
    """The lines of the screen, the most urgent first. picture: as the door's `watch` gives it; away: why there is no newer one.

    zone: of the school, in which times are told.
    """
    if away:
        yield "bad", f"*** 守护进程失去联系 THE DAEMON IS AWAY: {away} ***"
    if picture is None:
        return
    site = picture["site"]
    yield "", f"{site['zh']} {site['en']}  {site['source']}  {picture['version']}  clock {picture['clock']}  {zone.key}"
    for mode in picture["modes"]:
        yield "warn", f"*** {_MODES[mode['kind']]}: {', '.join(mode['points'])} ({mode['state']}, {mode['by']}) ***"
    yield from _alarms("报警 ALARMS", "bad", [alarm for alarm in picture["alarms"] if not alarm["fault"]], zone)
    yield from _alarms("故障 FAULTS", "warn", [alarm for alarm in picture["alarms"] if alarm["fault"]], zone)
    if not picture["alarms"]:
        yield "good", "无报警、无故障 no alarms, no faults"
    for path in picture["paths"]:
        words = f"connected to {path['broker']}" if path["up"] else f"NOT CONNECTED to {path['broker']} {path['reason']}"
        yield "good" if path["up"] else "bad", f"path {path['id']}: {words}"
    yield "warn" if picture["owed"] else "good", f"待回执 events that await receipts: {picture['owed']}"
    if picture["refusing"]:
        yield "bad", f"事件日志 THE JOURNAL REFUSES: {picture['refusing']}"
    for item in picture["set_aside"]:
        yield "warn", f"搁置 set aside: {item['alarm']}  {item['zh']}  {item['en']}"
    for hazard in picture.get("hazards", []):
        late = "超期 OVERDUE " if hazard["overdue"] else ""
        yield "warn" if late else "", f"隐患 hazard {hazard['hazard']}: {late}{hazard['zh']}  {hazard['en']}"
    for item in picture["not_good"]:
        yield "warn", f"读数不可信 not good: {item['point']}: {item['reason']}"
    for text in duty_lines(picture["duties"]):
        yield "", text
    for point in picture["points"]:
        if not point["system"] and isinstance(point["value"], int | float) and not isinstance(point["value"], bool):
            yield "", f"  {point['point']}  {point['value']:g} {point['unit']}  {point['zh']}  {point['en']}"


def _alarms(title: str, colour: str, alarms: list[dict[str, Any]], zone: ZoneInfo) -> Iterator[Row]:
    if alarms:
        yield colour, f"{title} ({len(alarms)})"
    for alarm in alarms:
        by = f"  {alarm['by']}" if alarm["by"] else ""
        steps = alarm["way"][-1:]
        way = f"  [{steps[0]['step']} {steps[0]['by'] or steps[0]['path']}]" if steps else ""
        yield colour, f"  {_clock(alarm['since'], zone)}  {alarm['state']}{by}  {alarm['zh']}  {alarm['en']}  {alarm['alarm']}{way}"


def _clock(at: str, zone: ZoneInfo) -> str:
    """Date and time at the school, as short as a terminal wants it."""
    try:
        return f"{datetime.fromisoformat(at).astimezone(zone):%m-%d %H:%M:%S}"
    except ValueError:
        return at


def fitted(text: str, columns: int) -> str:
    """As much of it as has room in so many columns; Chinese characters take two."""
    used, out = 0, []
    for letter in text:
        if unicodedata.category(letter)[0] == "C":
            letter = "?"  # what a device says never moves the cursor
        used += 2 if unicodedata.east_asian_width(letter) in "WF" else 0 if unicodedata.combining(letter) else 1
        if used > columns:
            break
        out.append(letter)
    return "".join(out)


def screen(shown: list[Row], columns: int, height: int, coloured: bool) -> list[str]:
    """The rows as they go to the terminal: at most `height`, the last of which says how many have no room."""
    if len(shown) > height:
        shown = [*shown[: height - 1], ("", f"... {len(shown) - height + 1} more lines; q ends")]
    return [_coloured(colour, fitted(text, columns), coloured) for colour, text in shown]


def _coloured(colour: str, text: str, coloured: bool) -> str:
    return f"{_COLOURS[colour]}{text}{_PLAIN}" if coloured and colour else text


# --- keeping it up to date ----------------------------------------------------------------------


@dataclass(slots=True)
class _View:
    """What there is to show. away: why the daemon is not heard, '' while it is."""

    picture: dict[str, Any] | None = None
    away: str = "connecting"
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def tell(self, picture: dict[str, Any] | None, away: str) -> None:
        if picture is not None:
            self.picture = picture
        self.away = away
        self.changed.set()


async def watch(door: Path, zone: ZoneInfo, every_s: float, out: TextIO, keys: TextIO) -> None:
    """Show what happens until somebody presses q or Ctrl-C, or `keys` ends. every_s: at least so long between two drawings."""
    view, stop = _View(), asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, stop.set)
    in_place = out.isatty() and os.environ.get("TERM", "dumb") != "dumb"
    with _quiet_keys(keys, stop), _whole_screen(out, in_place):
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(_listen(door, view)), tasks.create_task(_draw(view, zone, every_s, out, in_place))]
            await stop.wait()
            for task in running:
                task.cancel()


async def _listen(door: Path, view: _View) -> None:
    while True:
        try:
            reader, writer = await asyncio.open_unix_connection(door, limit=LINE_MOST_BYTES)
            try:
                writer.write(b'{"op": "watch"}\n')
                await _hear(reader, view)
            finally:
                writer.close()
        except TimeoutError:
            view.tell(None, f"no word for {SILENT_S:.0f} s")
        except (OSError, ValueError) as error:
            view.tell(None, getattr(error, "strerror", None) or str(error))
        await asyncio.sleep(AGAIN_S)


async def _hear(reader: asyncio.StreamReader, view: _View) -> None:
    """Pictures until the daemon leaves. Raises OSError, TimeoutError, ValueError."""
    while True:
        async with asyncio.timeout(SILENT_S):
            line = await reader.readline()
        if not line:
            raise ConnectionResetError("it has closed the connection")
        said = json.loads(line)
        if not said.get("ok"):
            raise ConnectionRefusedError(str(said.get("error")))
        if "picture" in said or view.away:
            view.tell(said.get("picture"), "")


async def _draw(view: _View, zone: ZoneInfo, every_s: float, out: TextIO, in_place: bool) -> None:
    coloured = in_place and not os.environ.get("NO_COLOR")
    before: list[str] = []
    while True:
        size = shutil.get_terminal_size((80, 24))
        text = screen(list(rows(view.picture, view.away, zone)), size.columns, size.lines if in_place else 10_000, coloured)
        if text != before:
            _put(out, text, in_place)
            before = text
        await asyncio.sleep(every_s)  # what changes meanwhile is drawn then
        try:
            async with asyncio.timeout(AGAIN_S if in_place else None):  # a terminal may have another size by now
                await view.changed.wait()
        except TimeoutError:
            pass
        view.changed.clear()


def _put(out: TextIO, text: list[str], in_place: bool) -> None:
    if in_place:
        out.write(_HOME + "\r\n".join(f"{line}{_REST_OF_LINE}" for line in text) + _REST)
    else:
        out.write("\n".join([*text, "-" * 20, ""]))
    out.flush()


@contextmanager
def _whole_screen(out: TextIO, in_place: bool) -> Iterator[None]:
    """What was on the terminal is there again afterwards."""
    if in_place:
        out.write(_ENTER)
    try:
        yield
    finally:
        if in_place:
            out.write(_LEAVE)
            out.flush()


@contextmanager
def _quiet_keys(keys: TextIO, stop: asyncio.Event) -> Iterator[None]:
    """q is heard without Enter, and not shown. What is no terminal is not read: `status --watch < /dev/null` goes on."""
    if not keys.isatty():
        yield
        return
    fd, loop = keys.fileno(), asyncio.get_running_loop()
    before = termios.tcgetattr(fd)
    tty.setcbreak(fd)
    loop.add_reader(fd, _pressed(fd, stop))
    try:
        yield
    finally:
        loop.remove_reader(fd)
        termios.tcsetattr(fd, termios.TCSADRAIN, before)


def _pressed(fd: int, stop: asyncio.Event) -> Callable[[], None]:
    def press() -> None:
        found = os.read(fd, 64)
        if not found or b"q" in found.lower():
            stop.set()

    return press


def run(door: Path, timezone: str, every_s: float) -> int:
    """The exit status. timezone: of the school."""
    status = 0
    try:
        asyncio.run(watch(door, ZoneInfo(timezone), every_s, sys.stdout, sys.stdin))
    except* BrokenPipeError:  # whoever read it has enough
        sys.stderr.close()
        status = 141
    return status
