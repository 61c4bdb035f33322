"""The part of decide() that opens, begins and ends drills, walk tests and maintenance, and keeps what came of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gateway.alarm.machine import ACTIVE, State, Stimulus
from gateway.contract.envelope import rfc3339
from gateway.core.commands import Command, Delivered
from gateway.core.deadline import Deadline
from gateway.core.ids import SYSTEM_PREFIX
from gateway.core.linkage import EXERCISE, TEST, Moved
from gateway.core.points import Draft, EventClass, Point, Priority, Text
from gateway.rules import modes
from gateway.rules.authority import LONGEST_WORDS
from gateway.rules.modes import DRILL, DRILL_KINDS, MAINTENANCE, KnownTests, Run, Tried
from gateway.runtime.decide_alarm import advance
from gateway.runtime.decide_house import Turn
from gateway.runtime.decide_modes import change, note
from gateway.runtime.drill_report import report
from gateway.runtime.mode_book import MODES_TICK

_TIME_OVER = "its time is over"
_STARTS = {"start_drill": DRILL, "start_test": modes.TEST, "start_maintenance": MAINTENANCE}
_ENDS = {"end_drill": DRILL, "end_test": modes.TEST, "end_maintenance": MAINTENANCE}
COMMANDS = frozenset({*_STARTS, *_ENDS})


# --- commands -----------------------------------------------------------------------------------


def act(turn: Turn, asked: Command) -> str:
    """Carry out one of COMMANDS. Returns why it was refused, or ''; the reply is in the decision."""
    if asked.kind in _ENDS:
        return _end_asked(turn, asked, _ENDS[asked.kind])
    mode = _STARTS[asked.kind]
    named = asked.points or ((asked.target,) if asked.target and mode != DRILL else ())
    points = tuple(dict.fromkeys(named))
    refused = _refused(turn, asked, mode, points)
    if refused:
        return refused
    if mode == DRILL:
        _announce(turn, asked, points)
    else:
        for point in points:
            _open(turn, asked, mode, point)
        over_s = asked.for_s or modes.TEST_S
        turn.decision.reply = f"{modes.MODE_NAMES[mode].en} of {', '.join(points)} for {over_s / 60:g} min"
    return ""


def _refused(turn: Turn, asked: Command, mode: str, points: tuple[str, ...]) -> str:
    name = modes.MODE_NAMES[mode].en
    if mode == DRILL and asked.target not in DRILL_KINDS:
        return f'"{asked.target[:48]}" is no kind of drill; known: {", ".join(DRILL_KINDS)}'
    if not points or len(points) > modes.MOST_POINTS:
        return f"a {name} names its points, 1 to {modes.MOST_POINTS} of them"
    for point in points:
        if refused := _refused_point(turn, mode, point):
            return refused
    if mode == MAINTENANCE and not asked.why.strip():
        return "maintenance needs a reason"
    if not 0 < (asked.for_s or (modes.TEST_S if mode == modes.TEST else 0.0)) <= modes.MOST_S[mode]:
        return f"a {name} needs a time of at most {modes.MOST_S[mode] / 60:g} min"
    return _refused_drill(turn, asked) if mode == DRILL else ""


def _refused_drill(turn: Turn, asked: Command) -> str:
    if any(run.mode == DRILL for run in turn.runs):
        return "a drill is open already: end it first"
    if asked.value and not (asked.value.isascii() and asked.value.isdecimal() and int(asked.value) <= modes.ANNOUNCE_MOST_S):
        return f"a drill is announced 0 to {modes.ANNOUNCE_MOST_S:g} s before it begins, not {asked.value[:20]!r}"
    signers = turn.house.modes.signers
    if signers and not signers.get(EventClass.MODE):
        return "no recipient of the site file signs for class mode: a drill cannot be announced"
    return ""


def _refused_point(turn: Turn, mode: str, point_id: str) -> str:
    point = turn.house.points.get(point_id)
    if point is None:
        return f'"{point_id[:48]}" is not a point of this site'
    run = next((run for run in turn.runs if point_id in run.points), None)
    if run is not None:
        return f'"{point_id}" is in {modes.MODE_NAMES[run.mode].en} already, by {run.by}'
    if mode == MAINTENANCE:
        return (
            "" if point.alarms and not point_id.startswith(SYSTEM_PREFIX) else f'"{point_id}" has no alarms that work on it could set off'
        )
    specs = [spec for spec in point.alarms if spec.practised]
    if not specs or point.system:
        return f'"{point_id}" has no alarm that could be tried'
    if mode == modes.TEST and all(turn.alarm(spec).live is not State.NORMAL for spec in specs):
        return f'the alarm of "{point_id}" stands already: reset it first, then test it'
    return ""


def _run(turn: Turn, asked: Command, mode: str, points: tuple[str, ...], for_s: float) -> Run:
    kind, now = asked.target if mode == DRILL else "", turn.now
    return Run(
        turn.ids(now.at_ms),
        mode,
        kind,
        points,
        asked.by,
        asked.role,
        asked.why[:LONGEST_WORDS],
        for_s,
        asked_ms=now.at_ms,
        kept_s=now.now_s,
    )


def _announce(turn: Turn, asked: Command, points: tuple[str, ...]) -> None:
    now, announce_s = turn.now, float(asked.value or modes.ANNOUNCE_S)
    run = _run(turn, asked, DRILL, points, asked.for_s)
    run = replace(
        run,
        begins=Deadline(now.now_s + announce_s),
        called_off=Deadline(now.now_s + modes.UNSIGNED_MOST_S),
        unsigned=turn.house.modes.signers.get(EventClass.MODE, frozenset()) or frozenset({""}),
    )
    name, count = DRILL_KINDS[run.kind], len(points)
    text = Text(
        f"演练预告：{name.zh}，{count} 个点位，{announce_s:g} 秒后开始", f"announced: {name.en}, {count} points, in {announce_s:g} s"
    )
    begins = {"begins_at": rfc3339(now.at_ms + round(announce_s * 1000)), "announce_s": announce_s, "for_s": run.for_s}
    draft = _say(turn, run, "drill_announced", text, begins)
    change(turn, replace(run, announcement=draft.id))
    standing = [point for point in points if _stands(turn, turn.house.points[point])]
    real = f"; stands already and stays real: {', '.join(standing)}" if standing else ""
    turn.decision.reply = f"{name.en} announced; it begins in {announce_s:g} s, once it is signed for{real}"


def _stands(turn: Turn, point: Point) -> bool:
    return any(spec.practised and turn.alarm(spec).live is not State.NORMAL for spec in point.alarms)


def _open(turn: Turn, asked: Command, mode: str, point: str) -> None:
    run = _run(turn, asked, mode, (point,), asked.for_s or modes.TEST_S)
    _begin(turn, run, "test_started" if mode == modes.TEST else "maintenance_started")


def _begin(turn: Turn, run: Run, word: str) -> None:
    now = turn.now
    window = "" if now.clock == "unknown" else str(turn.house.timetable.window(now.at_ms))
    run = run.begin(now, window)
    change(turn, run)
    turn.decision.changed |= set(run.points)
    name = _name(turn, run)
    text = Text(f"{modes.MODE_NAMES[run.mode].zh}开始：{name.zh}", f"{modes.MODE_NAMES[run.mode].en} begins: {name.en}")
    until = {} if now.clock == "unknown" else {"until": rfc3339(now.at_ms + round(run.for_s * 1000))}
    _say(turn, run, word, text, {"for_s": run.for_s, **until})


def _end_asked(turn: Turn, asked: Command, mode: str) -> str:
    """asked names a point, points, the id of a drill or its kind; nothing: all that are open."""
    named = set(asked.points) | ({asked.target} if asked.target else set())
    opened = [run for run in turn.runs if run.mode == mode]
    meant = [run for run in opened if not named or named.intersection((*run.points, run.id, run.kind))] if mode != DRILL else opened
    if mode == DRILL and asked.target and asked.target not in {word for run in opened for word in (run.id, run.kind)}:
        meant = []
    if not meant:
        known = ", ".join(run.kind or run.points[0] for run in opened)
        return f"no such {modes.MODE_NAMES[mode].en} is open{f'; open: {known}' if known else ''}"
    for run in meant:
        if run.begun:
            end(turn, run, asked.by, "")
        else:
            _call_off(turn, run, Text(f"由{asked.by}取消", f"by {asked.by}"))
    return ""


# --- what happens -------------------------------------------------------------------------------


def time_passed(turn: Turn) -> None:
    """Look at the clock: what begins, what ends, what is stored again."""
    turn.decision.modes.runs, now_s = turn.runs, turn.now.now_s
    for run in turn.runs:
        if run.begun and not run.runs(now_s):
            end(turn, run, "", _TIME_OVER)
        elif not run.begun and run.unsigned and now_s >= run.called_off.until_s:
            waiting = ", ".join(sorted(run.unsigned)) or "the broker"
            _call_off(turn, run, Text(f"{waiting} 在 10 分钟内未确认预告", f"not signed for within 10 min by {waiting}"))
        elif not run.begun and not run.unsigned and now_s >= run.begins.until_s:
            _begin(turn, run, "drill_started")
        elif now_s >= run.kept_s + modes.KEEP_AGAIN_S:
            turn.decision.modes.keep = True


def delivered(turn: Turn, news: Delivered) -> None:
    """The announcement of a drill, or an alarm that was tried, has got further."""
    for run in turn.runs:
        if not run.begun and news.event_id == run.announcement:
            _announced(turn, run, news)
        for key, tried in run.tried.items():
            if tried.event and tried.event == news.event_id:
                _got_further(turn, run, key, tried, news)


def _announced(turn: Turn, run: Run, news: Delivered) -> None:
    if news.step == "unusable":
        _call_off(turn, run, Text(f"{news.by} 无法使用预告", f"{news.by} cannot use the announcement"))
    elif news.by in run.unsigned:
        run = replace(run, unsigned=run.unsigned - {news.by})
        change(turn, run)
        if not run.unsigned and turn.now.now_s >= run.begins.until_s:
            _begin(turn, run, "drill_started")


def _got_further(turn: Turn, run: Run, key: str, tried: Tried, news: Delivered) -> None:
    took_s = round(run.elapsed_s(turn.now.now_s) - tried.pressed_s, 1)
    if news.step == "broker_acked" and tried.broker_s is None:
        run = note(turn, run, key, lambda known: replace(known, broker_s=took_s))
    elif news.step == "received" and news.by not in tried.received_s:
        run = note(turn, run, key, lambda known: replace(known, received_s={**known.received_s, news.by: took_s}))
    if run.mode == modes.TEST and not run.passed and modes.passes(run, turn.house.modes.signers.get(EventClass.ALARM, frozenset())):
        change(turn, replace(run, passed=True))
        _record(turn, run, "passed")


def follow(turn: Turn) -> None:
    """What this decision means for the runs. Call it last: it completes what the journal keeps."""
    if turn.decision.moves and turn.runs:
        for moved in turn.decision.moves:
            _moved(turn, moved)
        for run in turn.runs:
            if run.passed and not any(_stands(turn, turn.house.points[point]) for point in run.points if point in turn.house.points):
                end(turn, run, "", "passed, and reset")
    out = turn.decision.modes
    if out.keep and out.runs is not None:
        out.runs = tuple(run.kept(turn.now) for run in out.runs)
    out.rows = turn.house.modes.rows(out, turn.runs)
    turn.decision.lasting |= bool(out.rows)
    if out.runs:
        turn.decision.wake.append((max(min(run.look_s() for run in out.runs), turn.now.now_s + 0.05), MODES_TICK))


def _moved(turn: Turn, moved: Moved) -> None:
    for run in turn.runs:
        tried = run.tried.get(moved.key)
        if tried is None or not tried.exercise or not run.begun:
            continue
        took_s, by = round(run.elapsed_s(turn.now.now_s) - tried.pressed_s, 1), moved.by
        if moved.word == "activated" and not tried.event and moved.mode == run.mode:
            change(turn, note(turn, run, moved.key, lambda known: replace(known, event=moved.event_id)))
        elif moved.event_id != tried.event:
            continue
        elif moved.word == "acknowledged" and tried.acknowledged_s is None:
            change(turn, note(turn, run, moved.key, lambda known, s=took_s, by=by: replace(known, acknowledged_s=s, acknowledged_by=by)))  # type: ignore[misc]
        elif moved.word == "reset" and tried.reset_s is None:
            change(turn, note(turn, run, moved.key, lambda known, s=took_s, by=by: replace(known, reset_s=s, reset_by=by)))  # type: ignore[misc]


# --- ends ---------------------------------------------------------------------------------------


def end(turn: Turn, run: Run, by: str, why: str) -> None:
    """A run is over. What it set off and what is still there is real from now on, and told anew."""
    _remove(turn, run)
    name = _name(turn, run)
    mode = modes.MODE_NAMES[run.mode]
    about: dict[str, Any] = {"ended_by": by} if by else {"ended": why}
    if run.mode == DRILL:
        found = report(turn.house, run, by, why, turn.now)
        turn.decision.modes.reports.append(found)
        totals = found["totals"]
        zh = f"演练结束：{name.zh}，已触发 {totals['pressed']}/{totals['listed']}，真实报警 {run.real} 次"
        en = f"{name.en} is over: {totals['pressed']} of {totals['listed']} pressed, {run.real} times real"
        _say(turn, run, "drill_ended", Text(zh, en), found)
    elif run.mode == modes.TEST:
        if not run.passed:
            _record(turn, run, "failed")
        result = Text("合格", "passed") if run.passed else Text("不合格", "failed")
        text = Text(f"{mode.zh}{result.zh}：{name.zh}", f"{mode.en} {result.en}: {name.en}")
        _say(turn, run, "test_ended", text, about | {"result": result.en} | _tried(run))
    else:
        _say(turn, run, "maintenance_ended", Text(f"{mode.zh}结束：{name.zh}", f"{mode.en} ends: {name.en}"), about)
    _still_there(turn, run)


def _tried(run: Run) -> dict[str, Any]:
    """When the tested alarm came, and how long its news took."""
    for key, tried in run.tried.items():
        return {"alarm": key, "pressed_at": rfc3339(tried.at_ms), "received_s": tried.received_s}
    return {}


def _still_there(turn: Turn, run: Run) -> None:
    for point_id in run.points:
        point = turn.house.points.get(point_id)
        for spec in point.alarms if point is not None else ():
            alarm = turn.alarm(spec)
            if alarm.mode == run.tag and alarm.live in ACTIVE and point is not None:
                extra = {"after": {"kind": run.mode, "id": run.id}}
                advance(turn, point, spec, Stimulus.ACTIVATE, alarm.condition, turn.reading(point_id), extra)


def _call_off(turn: Turn, run: Run, why: Text) -> None:
    _remove(turn, run)
    name = DRILL_KINDS[run.kind]
    text = Text(f"演练取消：{name.zh}，{why.zh}", f"{name.en} is called off: {why.en}")
    _say(turn, run, "drill_called_off", text, {"reason": why.en})


def _remove(turn: Turn, run: Run) -> None:
    turn.decision.modes.runs = tuple(each for each in turn.runs if each.id != run.id)
    turn.decision.modes.keep = True
    turn.decision.changed |= {point for point in run.points if point in turn.house.points}


def _record(turn: Turn, run: Run, result: str) -> None:
    """Date and name of a test. A date that nobody knows does not put off the next one."""
    now, point = turn.now, run.points[0]
    at_ms = 0 if now.clock == "unknown" else now.at_ms
    known = turn.decision.modes.tested.get(point) or turn.house.modes.tested.get(point) or KnownTests(known_ms=at_ms)
    passed_ms = at_ms if result == "passed" and at_ms else known.passed_ms
    turn.decision.modes.tested[point] = replace(known, passed_ms=passed_ms, at_ms=at_ms, result=result, by=run.by)


# --- words --------------------------------------------------------------------------------------


def _name(turn: Turn, run: Run) -> Text:
    if run.mode == DRILL:
        return DRILL_KINDS.get(run.kind, DRILL_KINDS["other"])
    point = turn.house.points.get(run.points[0])
    return Text(run.points[0], run.points[0]) if point is None else point.name


def _say(turn: Turn, run: Run, word: str, text: Text, data: dict[str, Any]) -> Draft:
    now = turn.now
    about: dict[str, Any] = {
        "mode": {"kind": run.mode, "id": run.id},
        "by": run.by,
        "role": run.role,
        "status": EXERCISE if run.mode == DRILL else TEST,
        "msgType": "Alert" if word.endswith(("announced", "test_started", "maintenance_started")) else "Update",
        "text": {"zh": text.zh, "en": text.en},
    }
    about |= {"drill": run.kind, "points": list(run.points)} if run.mode == DRILL else {"point": run.points[0]}
    about |= {"why": run.why} if run.why else {}
    subject = f"drill-{run.kind}" if run.mode == DRILL else run.points[0]
    draft = Draft(
        turn.ids(now.at_ms),
        EventClass.MODE,
        f"campus.mode.{word}",
        subject,
        Priority.ROUTINE,
        now.at_ms,
        now.now_s,
        now.clock,
        about | data,
    )
    turn.decision.drafts.append(draft)
    return draft
