"""The page `trends`: gas, residual current, temperature over an hour to a month, each point with its limits and alarms."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from gateway.console import chart, told, words
from gateway.console.pages import Answer, BadQuery, Download, Measured, Page, Visit
from gateway.console.table import csv_file
from gateway.core.history import Minute, Wanted

SPANS_H = {"1h": 1, "24h": 24, "7d": 7 * 24, "30d": 30 * 24}
FIRST = "24h"
POINTS_MOST = 6
UNASKED = 2  # charts where no point was chosen
ALARMS_MOST = 100
CHOSEN = "p."  # a point's field in the address
_HOUR_MS = 3_600_000
_ALARMS = ("campus.alarm.activated", "campus.alarm.repeated", "campus.fault.activated")

SPANS: dict[str, tuple[str, str]] = {
    "1h": ("1 小时", "1 hour"),
    "24h": ("24 小时", "24 hours"),
    "7d": ("7 天", "7 days"),
    "30d": ("30 天", "30 days"),
}


@dataclass(frozen=True, slots=True)
class Asked:
    """What the address asks for; times in UTC milliseconds."""

    span: str
    points: tuple[Measured, ...]
    from_ms: int
    to_ms: int


@dataclass(frozen=True, slots=True)
class Drawn:
    """One point: its chart and the same in numbers, as texts."""

    point: str
    name: str
    place: str
    unit: str
    chart: chart.Chart
    figures: tuple[tuple[str, str], ...]
    limits: tuple[tuple[str, str], ...]
    alarms: tuple[tuple[str, str], ...]
    told: str


def asked(visit: Visit) -> Asked:
    """Raises BadQuery."""
    span = visit.query.get("span", FIRST)
    if span not in SPANS_H:
        raise BadQuery(words.say("bad_span", visit.language).format(names=", ".join(SPANS_H)))
    known = {each.point: each for each in visit.archive.measured()}
    names = [name.removeprefix(CHOSEN) for name in visit.query if name.startswith(CHOSEN)]
    if missing := [name for name in names if name not in known]:
        raise BadQuery(words.say("bad_point", visit.language).format(name=missing[0][:40]))
    if len(names) > POINTS_MOST:
        raise BadQuery(words.say("bad_points", visit.language).format(most=POINTS_MOST))
    points = tuple(known[name] for name in names) or tuple(known.values())[:UNASKED]
    to_ms = visit.now_ms - visit.now_ms % chart.MINUTE_MS + chart.MINUTE_MS
    return Asked(span, points, to_ms - SPANS_H[span] * _HOUR_MS, to_ms)


async def known(visit: Visit) -> dict[str, Any]:
    """What the template shows."""
    wish = asked(visit)
    minutes = await _minutes(visit, wish)
    drawn = [await _drawn(visit, wish, each, minutes[each.point]) for each in wish.points]
    chosen = {each.point for each in wish.points}
    query = {"span": wish.span} | {f"{CHOSEN}{each.point}": "on" for each in wish.points}
    return {
        "charts": drawn,
        "spans": [(name, words.of(SPANS, name, visit.language), urlencode({**query, "span": name})) for name in SPANS],
        "span": wish.span,
        "choices": [(CHOSEN + each.point, _name(each, visit.language), each.point in chosen) for each in visit.archive.measured()],
        "points_most": POINTS_MOST,
        "file": urlencode(query),
    }


async def _minutes(visit: Visit, wish: Asked) -> dict[str, list[Minute]]:
    by_point: dict[str, list[Minute]] = {each.point: [] for each in wish.points}
    if by_point:
        for minute in await visit.archive.minutes(frozenset(by_point), wish.from_ms, wish.to_ms):
            by_point[minute.point].append(minute)
    return by_point


async def _drawn(visit: Visit, wish: Asked, point: Measured, minutes: Sequence[Minute]) -> Drawn:
    found = await visit.archive.events(Wanted(from_ms=wish.from_ms, types=_ALARMS, subject=point.point), ALARMS_MOST)
    alarms = told.rows(found, visit)
    unit = told.UNITS.get(point.unit, point.unit)
    limits = [(limit.value, limit.zh if visit.language == "zh" else limit.en) for limit in point.limits if not limit.natural]
    summary = chart.summary(minutes, wish.from_ms, wish.to_ms)
    marks = [(each.at_ms, f"{each.at} {each.what}") for each in alarms]
    picture = chart.drawn(
        chart.columns(minutes, wish.from_ms, wish.to_ms), wish.from_ms, wish.to_ms, ZoneInfo(visit.zone),
        [(value, f"{text} {value:g} {unit}") for value, text in limits], marks,
    )  # fmt: skip
    figures = _figures(summary, unit, visit.language)
    return Drawn(
        point=point.point,
        name=_name(point, visit.language),
        place=told.place_name(visit, point.place),
        unit=unit,
        chart=picture,
        figures=figures,
        limits=tuple(_limit(limit.value, unit, limit.natural, limit.zh, limit.en, visit.language) for limit in point.limits),
        alarms=tuple((each.at, each.what) for each in alarms),
        told="; ".join(f"{name} {value}" for name, value in figures),
    )


def _limit(value: float, unit: str, natural: bool, zh: str, en: str, language: str) -> tuple[str, str]:
    shown = f"{value:g} {unit}"
    return (zh if language == "zh" else en), f"{shown} {words.say('above_natural', language)}" if natural else shown


def _figures(summary: chart.Summary | None, unit: str, language: str) -> tuple[tuple[str, str], ...]:
    if summary is None:
        return ((words.say("read_minutes", language), "0"),)
    named = {"lowest": summary.low, "mean": summary.mean, "highest": summary.high, "newest": summary.newest}
    values = tuple((words.of(_NAMES, name, language), f"{value:.4g} {unit}".strip()) for name, value in named.items())
    return (*values, (words.say("read_minutes", language), f"{summary.minutes} / {summary.of}"))


_NAMES: dict[str, tuple[str, str]] = {
    "lowest": ("最低", "lowest"),
    "mean": ("平均", "mean"),
    "highest": ("最高", "highest"),
    "newest": ("最新", "newest"),
}


def _name(point: Measured, language: str) -> str:
    return point.zh if language == "zh" else point.en


async def give(visit: Visit) -> Answer:
    """Every minute of what is shown, as a table."""
    wish = asked(visit)
    minutes = await visit.archive.minutes(frozenset(each.point for each in wish.points), wish.from_ms, wish.to_ms) if wish.points else []
    return Answer(await asyncio.to_thread(_file, minutes, visit, wish), "text/csv; charset=utf-8", f"trends-{wish.span}.csv")


def _file(minutes: Sequence[Minute], visit: Visit, wish: Asked) -> bytes:
    zone, known = ZoneInfo(visit.zone), {each.point: each for each in wish.points}
    heading = [f"时间 time ({visit.zone})", "点位 point", "名称 name", "最低 low", "平均 mean", "最高 high", "单位 unit"]
    rows: Iterator[list[str | float]] = (
        [
            told.local(each.at_ms, zone, "%Y-%m-%d %H:%M"),
            each.point,
            _name(known[each.point], visit.language),
            *(float(f"{value:.6g}") for value in (each.low, each.mean, each.high)),
            known[each.point].unit,
        ]
        for each in minutes
    )
    return csv_file(heading, rows)


TRENDS = Page("/trends", "trends", "trends.html", known=known)
TRENDS_FILE = Download("/trends.csv", give)
