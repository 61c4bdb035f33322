"""Lines of the log: levels for the journal, fields, nothing secret, no flood; and levels that change at run time."""

from __future__ import annotations

import io
import logging
import os
import sys
from collections.abc import Callable, Iterator

import pytest

from gateway.core.points import Draft, EventClass, Priority
from gateway.core.said import NOTICE, about
from gateway.runtime import logs
from gateway.runtime.event_lines import EventLines
from gateway.runtime.logs import FLOOD_MOST, FLOOD_S, Flood, Line, Loudness


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logs.apply({})


def record(text: str, *words: object, level: int = logging.WARNING, line: int = 1, **fields: object) -> logging.LogRecord:
    made = logging.LogRecord("gateway.bus.tcp_line", level, "tcp_line.py", line, text, words, None)
    made.__dict__.update(about(**fields))
    return made


def journal(one: logging.LogRecord) -> str:
    return Line(journal=True).format(one)


@pytest.mark.parametrize(
    ("level", "begins"),
    [
        (logging.DEBUG, "<7>"),
        (logging.INFO, "<6>"),
        (NOTICE, "<5>"),
        (logging.WARNING, "<4>"),
        (logging.ERROR, "<3>"),
        (logging.CRITICAL, "<2>"),
    ],
)
def test_priority_for_the_journal(level: int, begins: str) -> None:
    assert journal(record("lost", level=level)) == f"{begins}lost logger=gateway.bus.tcp_line"


def test_fields_stand_at_the_end_and_empty_ones_do_not() -> None:
    line = journal(record("line %s: lost", "io", line=1, device="io", incident="", alarm=None, place="main gate"))
    assert line == '<4>line io: lost device=io place="main gate" logger=gateway.bus.tcp_line'
    assert Line(journal=False).format(record("lost", path="main")).endswith(" WARNING gateway.bus.tcp_line: lost path=main")


def test_nobody_writes_lines_into_the_log() -> None:
    line = journal(record("the broker says %s", "ok\n<0>all is lost\x1b[2J"))
    assert "\n" not in line
    assert "\x1b" not in line
    assert 'name="a\\nb"' in journal(record("said", name="a\nb"))
    assert "校门" in journal(record("place 校门"))


def test_each_line_of_a_traceback_has_its_priority() -> None:
    try:
        raise ValueError("odd")
    except ValueError:
        one = record("task crashed", level=logging.ERROR)
        one.exc_info = sys.exc_info()
    lines = journal(one).split("\n")
    assert len(lines) > 3
    assert all(line.startswith("<3>") for line in lines)


@pytest.mark.parametrize("secret", ["rtsp://admin:Geheim77@10.0.0.5/1", "password=Geheim77", 'token: "Geheim77xyz"'])
def test_secrets_are_taken_out(secret: str) -> None:
    assert "Geheim77" not in journal(record("cannot open %s", secret))
    assert "Geheim77" not in Line(journal=False).format(record("cannot open", where=secret))


def test_a_flood_is_cut_counted_and_told() -> None:
    now_s = [0.0]
    flood, most, before = Flood(lambda: now_s[0]), FLOOD_MOST[logging.WARNING], logs.COUNTS.dropped
    assert [flood.filter(record("again")) for _ in range(most + 30)] == [True] * most + [False] * 30
    assert flood.filter(record("another place", line=2))
    assert logs.COUNTS.dropped - before == 30
    now_s[0] = FLOOD_S
    later = record("again")
    assert flood.filter(later)
    assert "left_out=30" in journal(later)
    assert all(flood.filter(record("asked for", level=logging.DEBUG, line=3)) for _ in range(1000)), "somebody asked for it"


def test_the_thread_writes_everything_before_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    finish = logs.set_up("info", stream=out, thread=True)
    for number in range(40):
        logging.getLogger("gateway.test").info("line %d", number, extra=about(line="io"))
    logging.getLogger("gateway.test").debug("not this one")
    finish()
    lines = out.getvalue().splitlines()
    assert len(lines) == 40
    assert lines[-1].endswith("INFO gateway.test: line 39 line=io")


def test_the_journal_is_known_by_its_file(monkeypatch: pytest.MonkeyPatch) -> None:
    there = os.fstat(sys.__stderr__.fileno())  # type: ignore[union-attr]
    monkeypatch.setenv("JOURNAL_STREAM", f"{there.st_dev}:{there.st_ino}")
    assert logs.under_journal(sys.__stderr__)  # type: ignore[arg-type]
    monkeypatch.setenv("JOURNAL_STREAM", f"{there.st_dev}:{there.st_ino + 1}")
    assert not logs.under_journal(sys.__stderr__)  # type: ignore[arg-type]
    assert not logs.under_journal(io.StringIO())


class Later:
    """Calls back when told to."""

    def __init__(self) -> None:
        self.calls: list[tuple[float, Callable[[], None]]] = []
        self.cancelled = 0

    def __call__(self, seconds: float, call: Callable[[], None]) -> Later:
        self.calls.append((seconds, call))
        return self

    def cancel(self) -> None:
        self.cancelled += 1


def test_a_level_goes_back_by_itself() -> None:
    later = Later()
    loudness, bus, other = Loudness(later), logging.getLogger("gateway.bus.tcp_line"), logging.getLogger("urllib3")
    logging.getLogger().setLevel(logging.INFO)
    loudness.set("debug", "gateway.bus", 600.0)
    assert bus.isEnabledFor(logging.DEBUG)
    assert not logging.getLogger("gateway.uplink").isEnabledFor(logging.DEBUG)
    ((seconds, back),) = later.calls
    assert seconds == 600.0
    back()
    assert not bus.isEnabledFor(logging.DEBUG)
    loudness.set("debug", "", 60.0)
    assert bus.isEnabledFor(logging.DEBUG)
    assert not other.isEnabledFor(logging.DEBUG), "what libraries say may hold passwords"
    cancelled = later.cancelled
    loudness.set("error", "", 0.0)
    assert later.cancelled == cancelled + 1, "what was to end the level before"
    assert not bus.isEnabledFor(logging.WARNING)
    loudness.set("", "", 0.0)
    assert loudness.now == {}
    assert bus.isEnabledFor(logging.INFO)


def test_another_process_follows() -> None:
    logging.getLogger().setLevel(logging.INFO)
    camera = logging.getLogger("drivers.camera")
    held = logs.follow({"drivers": "debug", "gateway": "loud", 3: "x"}, {})
    assert held == {"drivers": "debug"}
    assert camera.isEnabledFor(logging.DEBUG)
    assert logs.follow(None, held) == {}
    assert not camera.isEnabledFor(logging.DEBUG)


@pytest.mark.parametrize(
    ("level", "logger", "for_s"),
    [("loud", "", 0.0), (3, "", 0.0), ("debug", "urllib3", 5.0), ("debug", "gatewayx", 5.0), ("debug", "", -1.0), ("debug", "", "5"),
     ("info", "", float("nan")), ("info", None, 0.0), ("info", "", True), ("info", "gateway." + "x" * 200, 0.0)],
)  # fmt: skip
def test_what_is_refused(level: object, logger: object, for_s: object) -> None:
    assert logs.refused(level, logger, for_s)
    assert not logs.refused("debug", "gateway.bus", 600.0)


def test_the_story_of_an_incident(caplog: pytest.LogCaptureFixture) -> None:
    def draft(event: str, kind: EventClass, what: str, **data: object) -> Draft:
        return Draft(event, kind, f"campus.{what}", "panic-gate", Priority.ROUTINE, 0, 0.0, "synchronised", dict(data))

    caplog.set_level(logging.INFO)
    lines = EventLines()
    text = {"zh": "一键报警", "en": "one-key alarm"}
    lines.decided([
        draft("e1", EventClass.ALARM, "alarm.activated", incident="i1", alarm="alarm", place="gate", text=text, status="Actual"),
        draft("e2", EventClass.ACCESS, "access.granted", by="张卫国"),
        draft("e3", EventClass.AUDIT, "audit.command", command="acknowledge", result="accepted", by="张卫国"),
    ])  # fmt: skip
    lines.further("e1", "received", "police")
    lines.further("e3", "received", "police")
    told = [Line(journal=True).format(each) for each in caplog.records]
    end = " logger=gateway.runtime.event_lines"
    assert told == [
        f"<5>alarm.activated panic-gate: one-key alarm event=e1 incident=i1 alarm=alarm place=gate class=alarm{end}",
        f"<6>audit.command panic-gate event=e3 command=acknowledge result=accepted class=audit{end}",
        f"<6>received by police event=e1 incident=i1{end}",
    ]
