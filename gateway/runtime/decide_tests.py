"""The part of decide() that knows when walk tests are due (一键报警每季度主动测试): one duty for all points that are late."""

from __future__ import annotations

from typing import Any

from gateway.alarm.condition import Delayed
from gateway.alarm.machine import Stimulus
from gateway.core.points import TESTS_POINT, Point
from gateway.core.reading import Now, Reading
from gateway.rules.modes import DAY_MS, SOON_DAYS, KnownTests
from gateway.runtime.decide_alarm import advance
from gateway.runtime.decide_house import House, Turn
from gateway.runtime.mode_book import MODES_TICK

_LOOK_S = 3600.0
_LOOK_WITHOUT_CLOCK_S = 60.0
_MOST_NAMES = 20  # in the words; `points` has all of them


def look_at_tests(turn: Turn) -> None:
    """Which tests are late by now. A point that was never tested counts from the day on which the gateway first knew it."""
    house, now = turn.house, turn.now
    duty = house.points.get(TESTS_POINT)
    if duty is None:
        return
    if now.clock == "unknown":
        turn.decision.wake.append((now.now_s + _LOOK_WITHOUT_CLOCK_S, MODES_TICK))
        return
    turn.decision.wake.append((now.now_s + _LOOK_S, MODES_TICK))
    known = house.modes.tested | turn.decision.modes.tested
    for point in house.points.values():
        if point.test_every_days and not (point.id in known and known[point.id].known_ms):
            known[point.id] = turn.decision.modes.tested[point.id] = _known_since(known.get(point.id), now.at_ms)
    _tell(turn, duty, [point for point in house.points.values() if point.test_every_days and _is_late(point, known[point.id], now.at_ms)])


def _known_since(tested: KnownTests | None, at_ms: int) -> KnownTests:
    if tested is None:
        return KnownTests(known_ms=at_ms)
    return KnownTests(at_ms, tested.passed_ms, tested.at_ms, tested.result, tested.by)


def _is_late(point: Point, tested: KnownTests, at_ms: int) -> bool:
    return at_ms >= tested.due_ms(point.test_every_days)


def _tell(turn: Turn, duty: Point, late: list[Point]) -> None:
    last = turn.reading(TESTS_POINT)
    names = [point.id for point in late]
    reading = Reading(TESTS_POINT, len(late), reason=", ".join(names[:_MOST_NAMES]), now_s=turn.now.now_s, detail={"points": names})
    if last is not None and last.detail == reading.detail:
        return
    turn.decision.derived.append(reading)
    turn.decision.changed.add(TESTS_POINT)
    before = set(last.detail["points"]) if last is not None and last.detail else set(names)
    (spec,) = duty.alarms
    was_due, is_due = turn.alarm(spec).condition.active, bool(late)
    if is_due is was_due and not set(names) - before:
        return
    extra: dict[str, Any] = {"points": names}
    if is_due:
        more_zh, more_en = (" 等", " and more") if len(late) > _MOST_NAMES else ("", "")
        named = late[:_MOST_NAMES]
        zh = f"{spec.text.zh}（{len(late)}）：{'、'.join(point.name.zh for point in named)}{more_zh}"
        en = f"{spec.text.en} ({len(late)}): {', '.join(point.name.en for point in named)}{more_en}"
        extra["text"] = {"zh": zh, "en": en}
    condition = Delayed(is_due, is_due, turn.now.now_s)
    advance(turn, duty, spec, Stimulus.ACTIVATE if is_due else Stimulus.CLEAR, condition, reading, extra)


def is_to_do(row: dict[str, Any]) -> bool:
    """Whether a row of `walk_tests` is one to see to now: overdue, due soon, or never passed so far."""
    return row.get("due") in ("overdue", "soon") or ("due" in row and not row["passed_ms"])


def walk_tests(house: House, now: Now) -> list[dict[str, Any]]:
    """Every point that is tested from time to time: when it is due, how late, and how the last test ended. The most urgent first."""
    rows = []
    for point in house.points.values():
        tested = house.modes.tested.get(point.id)
        if not point.test_every_days and tested is None:
            continue
        tested = tested or KnownTests()
        row: dict[str, Any] = {"point": point.id, "zh": point.name.zh, "en": point.name.en, "every_days": point.test_every_days}
        row |= {"at_ms": tested.at_ms, "result": tested.result, "by": tested.by, "passed_ms": tested.passed_ms}
        if point.test_every_days and (tested.known_ms or tested.passed_ms):
            row["due_ms"] = tested.due_ms(point.test_every_days)
            row["in_days"] = (row["due_ms"] - now.at_ms) // DAY_MS
            row["due"] = "overdue" if row["in_days"] < 0 else "soon" if row["in_days"] < SOON_DAYS else "later"
        rows.append(row)
    return sorted(rows, key=lambda row: row.get("due_ms", 1 << 62))
