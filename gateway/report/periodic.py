"""Weekly report and monthly risk analysis (月研判): the daily sections over the period, held against the same length of time before it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from gateway.contract.envelope import rfc3339
from gateway.core.history import Minute, Past
from gateway.report import daily
from gateway.report.facts import Facts
from gateway.report.findings import Seen, Trend, findings, rows
from gateway.report.parts import both, section, value
from gateway.report.sections import Sections, sections
from gateway.report.tally import tally
from gateway.report.words import FIGURES, SECTIONS

COMPARED = (
    "alarms.real",
    "alarms.unacknowledged",
    "alarms.escalated",
    "alarms.acknowledged_median",
    "alarms.acknowledged_worst",
    "incidents.opened",
    "faults.new",
    "duty.missed",
    "access.forced",
    "access.held",
    "access.denied",
    "drills.held",
    "delivery.slowest_alarm",
    "delivery.path_losses",
    "gateway.starts",
    "gateway.off",
)  # only what the past tells of both periods: facts are known for now alone


def build(past: Past, facts: Facts, from_ms: int, to_ms: int, zone: ZoneInfo) -> dict[str, Any]:
    """As daily.build, with findings, comparison and trends. Trends go back as far as the journal keeps them (30 days)."""
    before_ms = from_ms - (to_ms - from_ms)
    now, before = tally(past, from_ms, to_ms), tally(past, before_ms, from_ms)
    parts, parts_before = sections(now, facts, from_ms, to_ms), sections(before, facts, before_ms, from_ms)
    trends = measured(past, facts, from_ms, to_ms, before_ms)
    found = findings(Seen(now, before, facts, trends, from_ms, to_ms))
    ahead = {
        "findings": section("findings", {"findings": len(found)}, [("findings", ("what", "rule"), rows(found))]),
        "compared": _compared(parts, parts_before),
    }
    report = daily.told(now, {**ahead, **parts, "trends": _trends(trends, facts)}, from_ms, to_ms, zone)
    summary = report["summary"]
    if not found:
        summary = {"zh": summary["zh"] + "按既定规则无研判条目。", "en": summary["en"] + " No finding by the rules."}
    return {**report, "summary": summary, "compared_with": {"from": rfc3339(before_ms), "to": rfc3339(from_ms)}}


@dataclass(slots=True)
class _Values:
    """Of one point. beyond: minutes in which it passed its limit."""

    count: int = 0
    total: float = 0.0
    peak: float = 0.0
    beyond: int = 0

    def take(self, minute: Minute, limit: float, *, is_low: bool) -> None:
        edge = minute.low if is_low else minute.high
        self.peak = edge if not self.count else min(self.peak, edge) if is_low else max(self.peak, edge)
        self.beyond += edge <= limit if is_low else edge >= limit
        self.total += minute.mean
        self.count += 1


def measured(past: Past, facts: Facts, from_ms: int, to_ms: int, before_ms: int) -> list[Trend]:
    """Of each measured point that has a limit, in the order of their ids; those without a value in the period are left out."""
    now, before = _values(past, facts, from_ms, to_ms), _values(past, facts, before_ms, from_ms)
    found = []
    for point, each in sorted(now.items()):
        peak_before = _short(before[point].peak) if point in before else None
        found.append(Trend(point, _short(each.peak), _short(each.total / each.count), peak_before, round(each.beyond / each.count, 4)))
    return found


def _values(past: Past, facts: Facts, from_ms: int, to_ms: int) -> dict[str, _Values]:
    limits = {point: (about.limit, about.is_low) for point, about in facts.points.items() if about.limit is not None}
    found: dict[str, _Values] = {}
    for minute in past.minutes(list(limits), from_ms, to_ms) if limits else ():
        limit, is_low = limits[minute.point]
        found.setdefault(minute.point, _Values()).take(minute, limit, is_low=is_low)
    return found


def _short(value: float) -> float:
    """Four digits that count: a trend is kept as a small float."""
    return float(f"{value:.4g}")


def _trends(trends: list[Trend], facts: Facts) -> dict[str, Any]:
    rows = [
        {
            "point": both(facts.point(trend.point)),
            "unit": facts.points[trend.point].unit,
            "peak": trend.peak,
            "peak_before": trend.peak_before,
            "mean": trend.mean,
            "limit": facts.points[trend.point].limit,
            "beyond": trend.beyond,
        }
        for trend in trends
    ]
    figures = {"points": len(rows), "above": sum(bool(trend.beyond) for trend in trends)}
    columns = ("point", "unit", "peak", "peak_before", "mean", "limit", "beyond")
    return section("trends", figures, [("points", columns, rows)])


def _compared(parts: Sections, before: Sections) -> dict[str, Any]:
    rows: list[dict[str, Any]] = []
    for key in COMPARED:
        name, _, figure = key.partition(".")
        now, earlier = value(parts, name, figure), value(before, name, figure)
        if not now and not earlier:
            continue
        change = None if now is None or earlier is None else round(now - earlier, 3)
        words = FIGURES[key][0]
        what = {"zh": f"{SECTIONS[name].zh}：{words.zh}", "en": f"{SECTIONS[name].en}: {words.en}"}
        rows.append({"what": what, "now": now, "before": earlier, "change": change})
    changes = [row["change"] for row in rows if row["change"]]
    figures = {"rose": sum(change > 0 for change in changes), "fell": sum(change < 0 for change in changes)}
    return section("compared", figures, [("figures", ("what", "now", "before", "change"), rows)])
