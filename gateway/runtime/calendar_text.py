"""How `calendar` shows a school's days: for people, and as JSON."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Any

from gateway.core.points import Text
from gateway.core.school_days import DayKind, DaySpans, Window
from gateway.rules.calendar import Day, SchoolCalendar
from gateway.runtime.devices_text import table

WEEKDAYS_ZH = "一二三四五六日"
KINDS_ZH = {
    DayKind.HOLIDAY: "法定节假日",
    DayKind.MAKE_UP_DAY: "调休上课",
    DayKind.EXCEPTION: "校内调整",
}
WINDOWS_ZH = {
    Window.ARRIVAL: "上学",
    Window.DISMISSAL: "放学",
    Window.LESSON: "在校时间",
    Window.NIGHT: "住校夜间",
    Window.BOARDING: "住校",
    Window.NONE: "无人时段",
}


def calendar_lines(calendar: SchoolCalendar, days: Iterable[date]) -> list[str]:
    """One line for each day, under a heading; a last line says how far the calendar reaches."""
    rows: list[tuple[str, ...]] = [
        ("DATE 日期", "星期", "KIND 类别", "NAME 名称", "HOURS 在校", "ARRIVAL 上学", "DISMISSAL 放学", "BOARDING 住校")
    ]
    rows += [_row(calendar, day) for day in days]
    return [*table(rows, (10, 4, 24, 48, 40, 30, 30, 30)), _reach(calendar)]


def now_line(calendar: SchoolCalendar, at_ms: int) -> str:
    """What pupils do now, and until when."""
    window, change = calendar.window(at_ms), calendar.next_change(at_ms)
    words = f"now 现在: {WINDOWS_ZH[window]} {window}"
    if change is None:
        return words
    local = datetime.fromtimestamp(change[0] / 1000, UTC).astimezone(calendar.zone)
    return f"{words}, until {local:%Y-%m-%d %H:%M}, then {WINDOWS_ZH[change[1]]} {change[1]}"


def calendar_as_json(calendar: SchoolCalendar, days: Iterable[date], at_ms: int) -> dict[str, Any]:
    """timezone, ends (null: never), window and next_change of now, days."""
    change = calendar.next_change(at_ms)
    return {
        "timezone": calendar.zone.key,
        "ends": None if calendar.days.ends is None else calendar.days.ends.isoformat(),
        "window": calendar.window(at_ms),
        "next_change": None if change is None else {"at": _utc(change[0]), "window": change[1]},
        "days": [_day_as_json(day, calendar.day(day)) for day in days],
    }


def _row(calendar: SchoolCalendar, day: date) -> tuple[str, ...]:
    found, term = calendar.day(day), calendar.term(day)
    if found.kind in KINDS_ZH:
        kind, name = f"{KINDS_ZH[found.kind]} {found.kind.replace('_', ' ')}", _both(found.name)
    else:
        kind, name = _both(found.name), _both(term.name) if term else ""
    board = (_hours(found.night) or "是 yes") if found.boarding else ""
    spans = (_hours(found.lessons), _hours(found.arrival), _hours(found.dismissal))
    return (day.isoformat(), f"周{WEEKDAYS_ZH[day.weekday()]}", kind, name, *spans, board)


def _both(text: Text) -> str:
    return text.zh if text.zh == text.en else f"{text.zh} {text.en}"


def _reach(calendar: SchoolCalendar) -> str:
    ends, beyond = calendar.days.ends, calendar.days.beyond
    if ends is None:
        return "without an end 长期有效"
    return f"ends {ends}, {beyond.en} beyond it; 校历只到 {ends}，之后{beyond.zh}"


def _day_as_json(day: date, found: Day) -> dict[str, Any]:
    return {
        "date": day.isoformat(),
        "kind": found.kind,
        "name": {"zh": found.name.zh, "en": found.name.en},
        "lessons": _words(found.lessons),
        "arrival": _words(found.arrival),
        "dismissal": _words(found.dismissal),
        "night": _words(found.night),
        "boarding": found.boarding,
    }


def _hours(spans: DaySpans) -> str:
    return " ".join(_words(spans))


def _words(spans: DaySpans) -> list[str]:
    return [f"{start // 60:02d}:{start % 60:02d}-{end // 60:02d}:{end % 60:02d}" for start, end in spans]


def _utc(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
