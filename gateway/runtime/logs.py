"""How the processes of the gateway write their log, and how loud they are.

Each line ends with what it is about as key=value. Under systemd it begins with its priority (`<4>`, sd-daemon(3)), so that
`journalctl -p warning` works; on a terminal with time, level and logger. Levels are explained in docs/watching.md.
The daemon writes in a thread of its own: a slow terminal or journald does not hold up an alarm.
"""

from __future__ import annotations

import json
import logging
import logging.handlers
import os
import queue
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TextIO

from gateway.core.said import FIELDS, NOTICE
from gateway.runtime.redact import Redactor

logging.addLevelName(NOTICE, "NOTICE")
LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "notice": NOTICE, "warning": logging.WARNING, "error": logging.ERROR,
          "critical": logging.CRITICAL}  # fmt: skip
PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, NOTICE: 5, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}  # syslog(3)
OURS = ("gateway", "drivers", "models")  # what others say at debug may be frames and passwords
WAITING_MOST = 5_000  # lines that wait for the thread that writes
FLOOD_S = 60.0
FLOOD_MOST = {logging.INFO: 60, NOTICE: 600, logging.WARNING: 20, logging.ERROR: 20, logging.CRITICAL: 20}  # lines of one place in FLOOD_S
DEBUG_FOR_S = 1800.0
LONGEST_FOR_S = 86_400.0
LEFT_OUT = "left_out"


@dataclass(slots=True)
class Counts:
    """For metrics. lines: by level's name. dropped: not written, because too many came at once."""

    lines: Counter[str] = field(default_factory=lambda: Counter(dict.fromkeys(LEVELS, 0)))
    dropped: int = 0


COUNTS = Counts()


class Line(logging.Formatter):
    """One record as text. journal: with the priority before each line of it, for the journal of systemd."""

    def __init__(self, *, journal: bool) -> None:
        super().__init__("%(message)s" if journal else "%(asctime)s %(levelname)s %(name)s: %(message)s")
        self._journal = journal
        self._clean = Redactor((), ()).text

    def format(self, record: logging.LogRecord) -> str:
        """Secrets are taken out here, whoever wrote the line."""
        text = self._clean(super().format(record))
        if not self._journal:
            return text
        begin = f"<{PRIORITIES.get(record.levelno, 6)}>"
        return "\n".join(begin + line for line in text.split("\n"))  # a traceback has many

    def formatMessage(self, record: logging.LogRecord) -> str:
        """What a peer said stays on one line: nobody writes lines into our log."""
        fields = dict(getattr(record, FIELDS, {}))
        if self._journal:
            fields["logger"] = record.name
        ends = "".join(f" {name}={_value(value)}" for name, value in fields.items() if value not in (None, "", ()))
        record.message = _one_line(record.getMessage()) + ends
        return super().formatMessage(record)


class Flood(logging.Filter):
    """Lets a place in the code say only so much; what was left out is counted, and said by its next line."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._now = now
        self._said: dict[tuple[str, int], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """False for a line too many."""
        most = FLOOD_MOST.get(record.levelno)
        if most is not None and not self._room(record, (record.pathname, record.lineno), most):
            COUNTS.dropped += 1
            return False
        COUNTS.lines[record.levelname.lower()] += 1
        return True

    def _room(self, record: logging.LogRecord, place: tuple[str, int], most: int) -> bool:
        now_s = self._now()
        since_s, count = self._said.get(place, (now_s, 0))
        if now_s - since_s >= FLOOD_S:
            if count > most:
                setattr(record, FIELDS, {**getattr(record, FIELDS, {}), LEFT_OUT: count - most})
            since_s, count = now_s, 0
        self._said[place] = (since_s, count + 1)
        return count < most


class _Waiting(logging.handlers.QueueHandler):
    """Hands records to the thread that writes; where that cannot follow they are dropped and counted."""

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        return record  # the thread is in this process: nothing has to be made fit for a pipe

    def enqueue(self, record: logging.LogRecord) -> None:
        try:
            self.queue.put_nowait(record)
        except queue.Full:
            COUNTS.dropped += 1


def under_journal(stream: TextIO) -> bool:
    """True when this stream goes to the journal of systemd (sd-daemon(3): JOURNAL_STREAM is device:inode of it)."""
    try:
        there = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return os.environ.get("JOURNAL_STREAM", "") == f"{there.st_dev}:{there.st_ino}"


def set_up(level: str = "info", *, stream: TextIO | None = None, thread: bool = False) -> Callable[[], None]:
    """Log to this stream from now on, stderr without one. thread: write in a thread of its own. Returns what writes the rest at the end."""
    out = stream or sys.stderr
    writes: logging.Handler = logging.StreamHandler(out)
    writes.setFormatter(Line(journal=under_journal(out)))
    finish: Callable[[], None] = writes.flush
    takes = writes
    if thread:
        waiting: queue.Queue[Any] = queue.Queue(WAITING_MOST)
        takes = _Waiting(waiting)
        listener = logging.handlers.QueueListener(waiting, writes)
        listener.start()
        finish = listener.stop
    takes.addFilter(Flood())
    root = logging.getLogger()
    for handler in root.handlers[:]:
        root.removeHandler(handler)
    root.addHandler(takes)
    root.setLevel(LEVELS[level])
    logging.getLogger("pymodbus").setLevel(logging.CRITICAL)  # it dumps frames in hex; our lines say what is wrong
    return finish


class Handle(Protocol):
    """Something that will happen, and may be called off."""

    def cancel(self) -> object:
        """Call it off."""


class Loudness:
    """Level of our own loggers at run time. later(seconds, call): calls back; goes back by itself after the time asked for."""

    def __init__(self, later: Callable[[float, Callable[[], None]], Handle]) -> None:
        self._later = later
        self._back: dict[str, Handle] = {}
        self.now: dict[str, str] = {}

    def set(self, level: str, logger: str, for_s: float) -> None:
        """level: one of LEVELS, '' for what it was at the start. logger: '' for all of ours. for_s: 0 for until the next start."""
        handle = self._back.pop(logger, None)
        if handle is not None:
            handle.cancel()
        if level:
            self.now[logger] = level
        else:
            self.now.pop(logger, None)
        if level and for_s:
            self._back[logger] = self._later(for_s, lambda: self.set("", logger, 0.0))
        apply(self.now)


def apply(levels: Mapping[str, str]) -> None:
    """Set these levels of our loggers ('' for all of them), and take every other one of ours back to the level of the start."""
    for name, known in logging.root.manager.loggerDict.items():
        if isinstance(known, logging.Logger) and name.partition(".")[0] in OURS:
            known.setLevel(logging.NOTSET)
    for logger, level in sorted(levels.items()):  # the more special one after the one that it is part of
        for name in (logger,) if logger else OURS:
            logging.getLogger(name).setLevel(LEVELS[level])


def follow(told: object, before: Mapping[str, str]) -> dict[str, str]:
    """What another process does with the daemon's word about levels; nothing said: as at the start. Returns what holds from now on."""
    wanted = {str(logger): str(level) for logger, level in told.items() if level in LEVELS} if isinstance(told, dict) else {}
    if wanted != before:
        apply(wanted)
    return wanted


def refused(level: object, logger: object, for_s: object) -> str:
    """Why these are no level, logger and time, or ''."""
    if level not in ("", *LEVELS):
        return f"`level` is one of {', '.join(LEVELS)}; '' for what it was at the start"
    if not isinstance(logger, str) or (logger and logger.partition(".")[0] not in OURS) or len(logger) > 120:
        return f"`logger` begins with {', '.join(OURS)}, as gateway.bus; what libraries say is not shown, it may hold passwords"
    if isinstance(for_s, bool) or not isinstance(for_s, int | float) or not 0 <= for_s <= LONGEST_FOR_S:
        return f"`for_s` is a number of seconds, at most {LONGEST_FOR_S:.0f}"
    return ""


def _value(value: object) -> str:
    text = str(value)
    plain = text and all(letter.isprintable() and letter not in ' "=' for letter in text)
    return text if plain else json.dumps(text, ensure_ascii=False)


def _one_line(text: str) -> str:
    return text if text.isprintable() else "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)
