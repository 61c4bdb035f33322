"""What the demo prints."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from simulators.demo_lines import columns, event_line, padded, summary_lines, table_lines
from simulators.demo_site import Names
from simulators.demo_story import CAUSES, Told

NAMES = Names({"gatehouse": "门卫室 gatehouse"})
LINE: dict[str, Any] = {
    "arrived_at": "2026-11-21T08:00:01.234Z",
    "type": "campus.alarm.activated",
    "subject": "panic-gatehouse",
    "resend": False,
    "problem": None,
    "data": {"place": "gatehouse", "text": {"zh": "一键报警", "en": "One-key alarm"}, "value": True},
}


@pytest.fixture(autouse=True)
def own_clock() -> Iterator[None]:
    yield
    time.tzset()


def test_columns() -> None:
    assert columns("门卫室 a") == 8
    assert padded("门", 4) == "门  "


def test_event_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Shanghai")
    time.tzset()
    line = event_line(LINE, Told(CAUSES[0], 41.6), NAMES)
    assert line.startswith("16:00:01  门卫室 gatehouse")
    assert "一键报警 One-key alarm " in line
    assert line.endswith("42 ms")
    assert event_line({**LINE, "resend": True}, Told(CAUSES[0], 41.6), NAMES).endswith("42 ms  resent")
    assert event_line({**LINE, "problem": "chain"}, Told(None, None), NAMES).endswith("PROBLEM: chain")


def test_lines_of_one_story_stand_in_columns() -> None:
    other = {**LINE, "data": {"place": "nowhere", "text": {"zh": "", "en": "x"}}}
    assert columns(event_line(LINE, Told(CAUSES[0], 1), NAMES)) == columns(event_line(other, Told(None, None), NAMES))


def test_event_line_with_a_value_and_another_word() -> None:
    data = {"place": "gatehouse", "text": {"zh": "低限", "en": "first level"}, "value": 12.5, "unit": "%LEL"}
    line = event_line({**LINE, "type": "campus.alarm.cleared", "data": data}, Told(None, None), NAMES)
    assert "低限 first level (cleared) 12.5 %LEL" in line
    assert "ms" not in line


def test_event_line_with_nothing_but_its_envelope() -> None:
    for data in ({}, None, [1]):
        assert "campus.alarm.activated" in event_line({**LINE, "data": data}, Told(None, None), NAMES)


def test_table() -> None:
    lines = table_lines([(CAUSES[0], 1, 12.3), (CAUSES[1], 0, None), (CAUSES[2], 2, 5000.0)])
    assert lines[2].split()[-3:] == ["once", "12", "ms"]
    assert lines[3].split()[-1] == "lost"
    assert lines[4].split()[-4:] == ["2", "times", "5000", "ms"]
    assert "alarm.activated panic-gatehouse/alarm" in lines[2]


def test_summary() -> None:
    figures = {"caused": 2, "received": 2, "lost": 0, "duplicated": 0, "resent": 1}
    assert summary_lines({**figures, "delay_ms": {"p50": 1.2, "p99": 9.0, "max": 9.0}}) == [
        "caused 2, received 2, lost 0, duplicated 0, resent 1",
        "delay from cause to centre: p50 1 ms  p99 9 ms  max 9 ms",
    ]
    assert summary_lines({**figures, "delay_ms": {"p50": None, "p99": None, "max": None}})[1].endswith("none")
