"""The pages `incidents` and of one incident: its four times, and everything that was said of it in order."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from gateway.console import told, words
from gateway.console.pages import BadQuery, NotThere, Page, Visit
from gateway.core.history import Told, Wanted

A_PAGE = 30
EVENTS_MOST = 2000
STAGES = ("detected", "reported", "controlled", "resolved")
AFTERWARDS_MS = 3_600_000  # clips and receipts come after the end
BEFORE_MS = 60_000
BAR = 1000  # width of the drawn line, in its own units
_KIND = "campus.incident."
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")

# 早发现、早报告、早控制、早解决
WORDS: dict[str, tuple[str, str]] = {
    "detected": ("发现", "detected"),
    "reported": ("报告", "reported"),
    "controlled": ("控制", "controlled"),
    "resolved": ("解决", "resolved"),
}


@dataclass(frozen=True, slots=True)
class Stage:
    """One of the four times. at: local, '' while it has not come; took: since detection; share: of the way to the last one, 0..BAR."""

    stage: str
    word: str
    at: str
    took: str
    share: int


@dataclass(frozen=True, slots=True)
class Incident:
    """open: it is not resolved."""

    id: str
    what: str
    place: str
    open: bool
    exercise: bool
    stages: tuple[Stage, ...]


@dataclass(frozen=True, slots=True)
class Mark:
    """A stage on the drawn line: where from 0 to BAR, in which line its words stand, from where, and to which side of that."""

    at: int
    line: int
    words_at: int
    side: str
    stage: Stage


def duration(ms: int, language: str) -> str:
    """A time that something took."""
    seconds = ms / 1000
    if seconds < 60:
        return f"{seconds:.1f} s" if language == "en" else f"{seconds:.1f} 秒"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if not hours:
        return f"{minutes} min {rest:02d} s" if language == "en" else f"{minutes} 分 {rest:02d} 秒"
    return f"{hours} h {minutes:02d} min" if language == "en" else f"{hours} 小时 {minutes:02d} 分"


async def listed(visit: Visit) -> dict[str, Any]:
    """Those that began last, A_PAGE of them, below the row that the address names."""
    before = visit.query.get("before", "")
    if before and not re.fullmatch(r"[0-9]{1,18}", before):
        raise BadQuery(words.say("bad_row", visit.language))
    opened = await visit.archive.events(Wanted(types=(f"{_KIND}opened",), before_row=int(before or 0)), A_PAGE + 1)
    shown = opened[:A_PAGE]
    newest: dict[str, Told] = {}
    if shown:
        since = Wanted(from_ms=min(each.at_ms for each in shown), types=(_KIND,))
        for each in await visit.archive.events(since, EVENTS_MOST):
            newest.setdefault(str(each.data.get("incident", "")), each)
    incidents = [incident(newest.get(str(each.data.get("incident", "")), each), each, visit) for each in shown]
    return {"incidents": incidents, "older": shown[-1].row if len(opened) > A_PAGE else 0, "first": not before, "stages": _stages(visit)}


def _stages(visit: Visit) -> list[str]:
    return [words.of(WORDS, each, visit.language) for each in STAGES]


def incident(newest: Told, opened: Told, visit: Visit) -> Incident:
    """newest: the last event of it, which knows all its times so far."""
    times = newest.data.get("times")
    at_ms = {name: ms for name, text in times.items() if (ms := _utc_ms(text))} if isinstance(times, dict) else {}
    began_ms = at_ms.get("detected", opened.at_ms)
    whole_ms = max(1, max(at_ms.values(), default=began_ms) - began_ms)
    text = opened.data.get("text")
    what = str(text.get(visit.language, "")) if isinstance(text, dict) else opened.subject
    return Incident(
        id=str(opened.data.get("incident", "")),
        what=what.partition("：" if visit.language == "zh" else ": ")[2] or what,
        place=told.place_name(visit, str(opened.data.get("place", ""))),
        open="resolved" not in at_ms,
        exercise=opened.data.get("status") in ("Exercise", "Test"),
        stages=tuple(_stage(name, at_ms.get(name, 0), began_ms, whole_ms, visit) for name in STAGES),
    )


def _stage(name: str, at_ms: int, began_ms: int, whole_ms: int, visit: Visit) -> Stage:
    word = words.of(WORDS, name, visit.language)
    if not at_ms:
        return Stage(name, word, "", "", 0)
    took = duration(max(0, at_ms - began_ms), visit.language) if name != "detected" else ""
    share = min(BAR, max(0, round(BAR * (at_ms - began_ms) / whole_ms)))
    return Stage(name, word, told.local(at_ms, ZoneInfo(visit.zone)), took, share)


def _utc_ms(text: object) -> int:
    try:
        return round(datetime.fromisoformat(text).timestamp() * 1000) if isinstance(text, str) else 0
    except (ValueError, OverflowError):
        return 0


async def one(visit: Visit) -> dict[str, Any]:
    """One incident with every event that names it, oldest first."""
    wanted = visit.within.get("incident", "")
    if not _ID.fullmatch(wanted):
        raise NotThere(words.say("no_incident", visit.language))
    began_ms = int(wanted.replace("-", "")[:12], 16)  # an id begins with its time
    about = await visit.archive.events(Wanted(from_ms=max(0, began_ms - BEFORE_MS), types=(_KIND,), text=wanted), 50)
    about = [each for each in about if each.data.get("incident") == wanted]
    if not about:
        raise NotThere(words.say("no_incident", visit.language))
    ended_ms = about[0].at_ms + AFTERWARDS_MS if about[0].type == f"{_KIND}resolved" else 1 << 62
    found = await visit.archive.events(Wanted(from_ms=max(0, began_ms - BEFORE_MS), to_ms=ended_ms, text=wanted), EVENTS_MOST)
    steps = told.rows([each for each in reversed(found) if each.data.get("incident") == wanted], visit)
    here = incident(about[0], about[-1], visit)
    since_ms, marks = about[-1].at_ms, _marks(here)
    return {
        "incident": here,
        "marks": marks,
        "lines": max((mark.line for mark in marks), default=0),
        "steps": [(step, ("+" + duration(step.at_ms - since_ms, visit.language)) if step.at_ms >= since_ms else "") for step in steps],
        "ways": _ways(visit),
        "bar": BAR,
    }


def _marks(here: Incident) -> list[Mark]:
    """Times that lie close to each other are written below each other."""
    marks: list[Mark] = []
    for stage in here.stages:
        if stage.at:
            line = max((each.line + 1 for each in marks if abs(stage.share - each.at) < BAR // 4), default=0)
            side = "begin" if stage.share < BAR // 8 else "end" if stage.share > BAR * 7 // 8 else "middle"
            marks.append(Mark(stage.share, line, {"begin": 0, "end": BAR}.get(side, stage.share), side, stage))
    return marks


def _ways(visit: Visit) -> dict[str, list[tuple[str, str, str]]]:
    """Event -> (step, who or which path, time) of the alarms that stand now: brokers are remembered by the daemon alone."""
    zone, out = ZoneInfo(visit.zone), {}
    for alarm in (visit.picture or {}).get("alarms", []):
        steps = [
            (
                words.of(words.STEPS, step["step"], visit.language),
                step["by"] or step["path"],
                told.local(_utc_ms(step["at"]), zone, "%H:%M:%S"),
            )
            for step in alarm["way"]
            if step["step"] != "received"
        ]
        if steps:
            out[alarm["event"]] = steps
    return out


INCIDENTS = Page("/incidents", "incidents", "incidents.html", known=listed)
INCIDENT = Page("/incidents/{incident}", "", "incident.html", known=one)
