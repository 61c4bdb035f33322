"""The school's reports: daily, weekly, monthly and of drills, as lists and as pages that print.

A report's sections name themselves (gateway/report/parts.py): figures and tables in both languages, each value with its kind. What is
not made so is shown as it is. The report of a drill holds the data of the event that ended it; they are brought into the same form.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from gateway.console import desk, view, words
from gateway.console.pages import Answer, Download, NotThere, Page, Visit
from gateway.contract.canonical import canonical, digest
from gateway.core.history import Wanted

KINDS = ("daily", "weekly", "monthly", "drill")
EVENT = "drill-event"  # of a drill for which no report was issued: the number is the row of its event
DRILL = "drill"
LISTED_MOST = 60
_DRILL_ENDED = "campus.mode.drill_ended"
_DRILL_NEEDS = frozenset({"name", "started_at", "ended_at"})
_DRILL_FIGURES = {"listed": "count", "pressed": "count", "received": "count", "acknowledged": "count", "real": "count"}
_DRILL_TIMES = ("slowest_received_s", "slowest_acknowledged_s")


async def _lists(visit: Visit) -> dict[str, Any]:
    return {"lists": [(kind, await _kept(visit, kind) or (await _drills(visit) if kind == DRILL else [])) for kind in KINDS]}


async def _kept(visit: Visit, kind: str) -> list[dict[str, Any]]:
    rows = (await visit.archive.reports(kind))[:LISTED_MOST]
    return [
        {
            "path": f"{kind}/{row['number']}",
            "title": f"{words.of(words.REPORTS, kind, visit.language)} {row['number']}",
            "when": _period(row, visit),
        }
        for row in rows
    ]


async def _drills(visit: Visit) -> list[dict[str, Any]]:
    ended = await visit.archive.events(Wanted(types=(_DRILL_ENDED,)), LISTED_MOST)
    return [
        {
            "path": f"{EVENT}/{told.row}",
            "title": told.data["name"][visit.language],
            "when": view.day_time(told.data["started_at"], visit.zone),
        }
        for told in ended
        if told.data.keys() >= _DRILL_NEEDS
    ]


def _period(report: Mapping[str, Any], visit: Visit) -> str:
    """The day, or the first and the last day, of a report."""
    zone = ZoneInfo(visit.zone)
    first, end = (datetime.fromisoformat(report[name]).astimezone(zone) for name in ("from", "to"))
    last = datetime.fromtimestamp(end.timestamp() - 1, UTC).astimezone(zone)
    return f"{first:%Y-%m-%d}" if first.date() == last.date() else f"{first:%Y-%m-%d} – {last:%Y-%m-%d}"


async def _report(visit: Visit) -> tuple[str, int, dict[str, Any]]:
    """(kind, number, the report). Raises NotThere."""
    kind, number = visit.within["kind"], visit.within["number"]
    if kind not in (*KINDS, EVENT) or not number.isascii() or not number.isdecimal() or len(number) > 12:
        raise NotThere(f"there is no such report; kinds: {', '.join(KINDS)}")
    points = (visit.picture or {}).get("points", ())
    told = {language: desk.told_apart(points, language) for language in words.LANGUAGES}
    names = {each["point"]: {language: told[language][each["point"]] for language in words.LANGUAGES} for each in points}
    if kind != EVENT:
        report = await visit.archive.report(kind, int(number))
        if kind == DRILL and isinstance(report.get("drill"), Mapping):
            return kind, int(number), {"sections": _of_drill(report["drill"], names), "title": report["drill"].get("name")} | report
        return kind, int(number), report
    found = await visit.archive.events(Wanted(types=(_DRILL_ENDED,), before_row=int(number) + 1), 1)
    if not found or found[0].row != int(number) or not found[0].data.keys() >= _DRILL_NEEDS:
        raise NotThere(f"there is no drill report {number}")
    data = found[0].data
    head = {"report": DRILL, "title": data["name"], "from": data["started_at"], "to": data["ended_at"], "issued_at": data["ended_at"]}
    return kind, int(number), head | {"sections": _of_drill(data, names), "drill": dict(data), "event": found[0].id}


def _of_drill(data: Mapping[str, Any], names: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """The sections of a drill's report, from the data of its end. names: of the points."""
    totals = data.get("totals", {})
    kinds = _DRILL_FIGURES | dict.fromkeys(_DRILL_TIMES, "s")
    figures = [_named("figure", name, kind) | {"value": totals.get(name)} for name, kind in kinds.items()]
    figures += [_named("figure", "lasted_s", "s") | {"value": data.get("lasted_s")}]
    figures += [_named("figure", "persons", "text") | {"value": ", ".join(data.get("persons", ()))}]
    figures += [_named("figure", "ended", "text") | {"value": _ended(str(data.get("ended", "")))}]
    times = Counter(str(each.get("name")) for each in data.get("alarms", ()))
    rows = [_drill_row(each, times) for each in data.get("alarms", ())]
    columns = [_named("column", name, kind) for name, kind in _DRILL_COLUMNS.items()]
    tables = [_named("table", "exercised", "") | {"columns": columns, "rows": rows, "more": 0}] if rows else []
    if data.get("not_pressed"):
        columns = [_named("column", "point", "text")]
        missed = [{"point": names.get(point, point)} for point in data["not_pressed"]]
        tables.append(_named("table", "not_pressed", "") | {"columns": columns, "rows": missed, "more": 0})
    section = _named("section", DRILL, "") | {"figures": figures, "tables": tables}
    return {DRILL: section}


_DRILL_COLUMNS = {
    "point": "text",
    "pressed_at": "time",
    "after_s": "s",
    "broker_s": "s",
    "received_s": "s",
    "acknowledged_s": "s",
    "acknowledged_by": "text",
    "reset_s": "s",
}


def _drill_row(alarm: Mapping[str, Any], times: Mapping[str, int]) -> dict[str, Any]:
    """times: how often each name is there; one that is there twice is told with its point's id."""
    name, point = alarm.get("name"), str(alarm.get("alarm", "")).partition("/")[0]
    if isinstance(name, Mapping) and times[str(name)] > 1:
        name = {language: f"{text} ({point})" for language, text in name.items()}
    received = alarm.get("received_s") or {}
    row = {name: alarm.get(name) for name in _DRILL_COLUMNS}
    return row | {"point": name or alarm.get("alarm"), "received_s": max(received.values(), default=None)}


def _ended(how: str) -> dict[str, str]:
    """`by NAME`, or why it ended by itself."""
    who = how.removeprefix("by ")
    return {"zh": who if who != how else words.of(words.DRILL_ENDS, how, "zh"), "en": how}


def _named(what: str, name: str, kind: str) -> dict[str, Any]:
    zh, en = words.DRILL_REPORT[name]
    return {what: name, "zh": zh, "en": en, "kind": kind}


def shown(value: Any, kind: str, language: str, zone: str) -> str:
    """A value of this kind (count, s, share, number, text, time) as people read it."""
    if value is None or value == "":
        return words.say("none", language)
    if isinstance(value, Mapping):
        return str(value.get(language) or words.say("none", language))
    writer = _WRITERS.get(kind)
    if writer is not None and isinstance(value, int | float) and not isinstance(value, bool):
        return writer(value)
    return view.clock_time(value, zone) if kind == "time" and isinstance(value, str) else str(value)


def _seconds(value: float) -> str:
    if value < 120:
        return f"{value:.1f} s" if value < 10 else f"{value:.0f} s"
    return f"{value / 60:.0f} min" if value < 7200 else f"{value / 3600:.1f} h"


_WRITERS: dict[str, Callable[[float], str]] = {
    "s": _seconds,
    "share": lambda value: f"{100 * value:.1f} %".replace(".0 %", " %"),
    "count": lambda value: f"{value:g}",
    "number": lambda value: f"{value:.4g}",
}


async def _page(visit: Visit) -> dict[str, Any]:
    kind, number, report = await _report(visit)
    sections = report.get("sections", {})
    names = [name for name in report.get("order", sections) if name in sections]
    told = [(name, sections[name]) for name in (*names, *(name for name in sections if name not in names))]
    signature = str(report.get("signature", ""))
    site = report.get("site") or (visit.picture or {}).get("site") or {}
    title = report.get("title") or {}
    return desk.about(visit) | {
        "kind": kind,
        "number": number,
        "report": report,
        "title": title.get(visit.language) or words.of(words.REPORTS, kind, visit.language),
        "answers": site.get("by", ""),
        "school": site.get(visit.language) or site.get("zh", ""),
        "sections": [(name, section, _is_told(section)) for name, section in told],
        "shown": lambda value, form: shown(value, form, visit.language, visit.zone),
        "raw": lambda value: json.dumps(value, ensure_ascii=False, indent=1),
        "sha256": digest(canonical(await _as_issued(visit))),
        "signature": signature,
    }


def _is_told(section: Any) -> bool:
    """Whether a section is made of figures and tables that name themselves."""
    return isinstance(section, Mapping) and {"zh", "en", "figures", "tables"} <= section.keys()


async def _as_issued(visit: Visit) -> dict[str, Any]:
    """The report without what was added to show it: in canonical form these are the bytes that were signed."""
    kind, number, report = await _report(visit)
    return report if kind == EVENT else await visit.archive.report(kind, number)


async def _json(visit: Visit) -> Answer:
    kind, number, _ = await _report(visit)
    return Answer(canonical(await _as_issued(visit)), "application/json", f"{kind}-{number:06d}.json")


REPORTS = Page("/reports", "reports", "reports-page.html", (), _lists)
REPORT = Page("/reports/{kind}/{number}", "", "report-page.html", (), _page)
AS_JSON = Download("/reports/{kind}/{number}/report.json", _json)
