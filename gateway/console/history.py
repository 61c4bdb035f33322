"""The page `history`: everything that was ever sealed and is still kept, found by place, role, class, time and words."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from gateway.config.roles import ROLES
from gateway.console import told, words
from gateway.console.pages import Answer, BadQuery, Download, Page, Visit
from gateway.console.table import csv_file
from gateway.core.history import Wanted

A_PAGE = 50
FILE_MOST = 10_000
TEXT_MOST = 100
FIELDS = ("text", "place", "role", "class", "from", "to")
_ID = re.compile(r"[a-z0-9_-]{1,64}")
_ROW = re.compile(r"[0-9]{1,18}")

# heading -> what stands below it
_COLUMNS: dict[str, Callable[[told.Row], str]] = {
    "类别 class": lambda row: row.class_word,
    "位置 place": lambda row: row.place,
    "内容 what": lambda row: row.what,
    "动作 deed": lambda row: row.deed,
    "状态 state": lambda row: row.state,
    "数值 value": lambda row: row.value,
    "人员 who": lambda row: row.who,
    "送达 received": lambda row: "; ".join(f"{each.recipient} {each.at}" for each in row.proof if each.at),
    "待送达 owed": lambda row: "; ".join(each.recipient for each in row.proof if not each.at),
    "点位 point": lambda row: row.point,
    "事件 incident": lambda row: row.incident,
    "类型 type": lambda row: row.type,
    "编号 id": lambda row: row.id,
}


def asked(visit: Visit) -> Wanted:
    """What the address asks for. Raises BadQuery."""
    query = {name: visit.query.get(name, "").strip() for name in (*FIELDS, "before")}
    zone = ZoneInfo(visit.zone)
    for name in ("place", "role"):
        if query[name] and not _ID.fullmatch(query[name]):
            raise BadQuery(words.say("bad_id", visit.language).format(name=name))
    if query["class"] and query["class"] not in told.CLASSES:
        raise BadQuery(words.say("bad_class", visit.language).format(names=", ".join(told.CLASSES)))
    if query["before"] and not _ROW.fullmatch(query["before"]):
        raise BadQuery(words.say("bad_row", visit.language))
    if len(query["text"]) > TEXT_MOST:
        raise BadQuery(words.say("bad_text", visit.language).format(most=TEXT_MOST))
    return Wanted(
        from_ms=day_ms(query["from"], zone, visit.language) if query["from"] else 0,
        to_ms=day_ms(query["to"], zone, visit.language, days=1) if query["to"] else 1 << 62,
        classes=frozenset({query["class"]} - {""}),
        places=frozenset({query["place"]} - {""}),
        roles=frozenset({query["role"]} - {""}),
        text=query["text"],
        before_row=int(query["before"] or 0),
    )


def day_ms(text: str, zone: ZoneInfo, language: str, days: int = 0) -> int:
    """2026-11-22 -> UTC milliseconds at which that day, or one so many days later, begins at the school. Raises BadQuery."""
    try:
        day = date.fromisoformat(text) + timedelta(days=days)
        return max(0, round(datetime.combine(day, time(), zone).timestamp() * 1000))
    except (ValueError, OverflowError):
        raise BadQuery(words.say("bad_day", language)) from None


async def known(visit: Visit) -> dict[str, Any]:
    """What the template shows."""
    found = await visit.archive.events(asked(visit), A_PAGE + 1)
    rows = told.rows(found[:A_PAGE], visit)
    query = {name: visit.query[name].strip() for name in FIELDS if visit.query.get(name, "").strip()}
    older = urlencode({**query, "before": rows[-1].row}) if len(found) > A_PAGE else ""
    return {
        "rows": rows,
        "query": query,
        "older": older,
        "first": "before" not in visit.query,
        "newest": urlencode(query),
        "file": urlencode(query),
        "file_most": FILE_MOST,
        "classes": [(name, words.of(told.CLASSES, name, visit.language)) for name in told.CLASSES],
        "places": _places(visit),
        "roles": _roles(visit),
    }


def _places(visit: Visit) -> list[tuple[str, str]]:
    places = (visit.picture or {}).get("places", {})
    return _with_asked([(name, each[visit.language]) for name, each in places.items()], visit.query.get("place", ""))


def _roles(visit: Visit) -> list[tuple[str, str]]:
    """Those that this school has."""
    here = {each["role"] for each in (visit.picture or {}).get("points", [])} or set(ROLES)
    named = [(role, told.role_name(role, visit.language)) for role in ROLES if role in here]
    return _with_asked(named, visit.query.get("role", ""))


def _with_asked(named: list[tuple[str, str]], now: str) -> list[tuple[str, str]]:
    """What is asked for stays chosen, although the site no longer has it."""
    return named if not now or now in dict(named) else [*named, (now, now)]


async def give(visit: Visit) -> Answer:
    """What was found, as a table: the newest FILE_MOST."""
    rows = told.rows(await visit.archive.events(asked(visit), FILE_MOST), visit)
    heading = [f"时间 time ({visit.zone})", *_COLUMNS]
    body = csv_file(heading, ([row.at, *(column(row) for column in _COLUMNS.values())] for row in rows))
    return Answer(body, "text/csv; charset=utf-8", "history.csv")


HISTORY = Page("/history", "history", "history.html", known=known)
HISTORY_FILE = Download("/history.csv", give)
