"""What a week or a month says about risks (月研判): plain statements by the rules written here and in docs/reports.md, and by no others.

A rule looks at counts; it never says why something happened. Each finding names its rule, so that a reader can check it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.core.points import Text
from gateway.report.facts import Facts
from gateway.report.parts import longest, most_first
from gateway.report.sections import class_name
from gateway.report.tally import OWN, Tally
from gateway.report.words import DUTIES

DAY_MS = 24 * 3_600_000
ROSE_LEAST, ROSE_RATIO = 3, 1.5  # so many alarms at least, and so many times those of the period before
SAME_FAULT_PLACES = 3
REPEAT_TIMES, REPEAT_DAYS = 3, 7.0
SLOW_S = 300.0  # by then an alarm has gone on to the duty leader and to the centre
FAULT_DAYS = 7.0
MISSED_LEAST = 2
DOOR_LEAST = 3
BEYOND_LEAST = 0.01  # of the time beyond the first limit
NEAR_RATIO, NEAR_ROSE = 0.5, 1.2  # half of the limit, and a fifth more than before


@dataclass(frozen=True, slots=True)
class Trend:
    """A measured point over the period. peak: highest value, lowest where the limit is passed downwards. beyond: share of minutes."""

    point: str
    peak: float
    mean: float
    peak_before: float | None
    beyond: float | None


@dataclass(frozen=True, slots=True)
class Seen:
    """All that the rules look at. from_ms, to_ms: UTC. before: counts of the period before."""

    now: Tally
    before: Tally
    facts: Facts
    trends: Sequence[Trend]
    from_ms: int
    to_ms: int


Finding = tuple[str, Text]  # rule, words


def findings(seen: Seen) -> list[Finding]:
    """In the order of the rules; nothing where there is nothing to say."""
    return [(name, text) for name, rule in RULES.items() for text in rule(seen)]


def _alarms_rose(seen: Seen) -> Iterator[Text]:
    now, before = seen.now.alarms.real, seen.before.alarms.real
    if now >= ROSE_LEAST and now >= ROSE_RATIO * before:
        yield Text(f"实际报警由上期 {before} 次升至 {now} 次", f"Real alarms rose from {before} to {now}")


def _class_rose(seen: Seen) -> Iterator[Text]:
    for name, now in most_first({name: group.count for name, group in seen.now.alarms.by_class.items()}):
        before = seen.before.alarms.by_class[name].count if name in seen.before.alarms.by_class else 0
        if now >= ROSE_LEAST and now >= ROSE_RATIO * before:
            words = class_name(name)
            yield Text(f"{words.zh}类报警由上期 {before} 次升至 {now} 次", f"Alarms of class {words.en} rose from {before} to {now}")


def _repeated(seen: Seen) -> Iterator[Text]:
    for point in sorted(seen.now.alarms.at_ms):
        times = closest(seen.now.alarms.at_ms[point], REPEAT_DAYS * DAY_MS)
        if times >= REPEAT_TIMES:
            name = seen.facts.point(point)
            yield Text(
                f"同一点位 {REPEAT_DAYS:g} 天内报警 {times} 次：{name.zh}；应查明是否误报",
                f"{times} alarms of one point within {REPEAT_DAYS:g} days: {name.en}; find out whether they were false",
            )


def _same_fault(seen: Seen) -> Iterator[Text]:
    places: defaultdict[str, set[str]] = defaultdict(set)
    for point, role in seen.now.faults.role_of.items():
        if not point.startswith(OWN):
            places[role].add(seen.now.faults.place_of[point])
    for role in sorted(places):
        count = len(places[role])
        if count >= SAME_FAULT_PLACES:
            words = seen.facts.role(role)
            yield Text(f"{count} 处出现同类故障：{words.zh}", f"Faults of one kind in {count} places: {words.en}")


def _lasting_fault(seen: Seen) -> Iterator[Text]:
    for each in seen.facts.standing:
        days = (seen.to_ms - each["since_ms"]) / DAY_MS
        if each["fault"] and days >= FAULT_DAYS:
            who_zh, who_en = (
                (f"，责任人 {each['responsible']}", f", responsible: {each['responsible']}") if each["responsible"] else ("", "")
            )
            yield Text(f"故障已持续 {int(days)} 天：{each['zh']}{who_zh}", f"A fault has stood for {int(days)} days: {each['en']}{who_en}")


def _slow(seen: Seen) -> Iterator[Text]:
    late = [seconds for seconds in seen.now.alarms.all.acknowledged_s if seconds > SLOW_S]
    if late:
        worst = longest(late)
        yield Text(
            f"{len(late)} 次报警超过 {SLOW_S:g} 秒才确认，最长 {worst:g} 秒",
            f"{len(late)} alarms were acknowledged after more than {SLOW_S:g} s; the longest took {worst:g} s",
        )


def _untaken(seen: Seen) -> Iterator[Text]:
    if count := seen.now.alarms.all.open:
        yield Text(f"{count} 次报警在期内无人确认", f"{count} alarms were not acknowledged within the period")


def _missed(seen: Seen) -> Iterator[Text]:
    for (duty, point), count in sorted(seen.now.duties.missed.items()):
        if count >= MISSED_LEAST:
            name = seen.facts.point(point)
            yield Text(f"{DUTIES[duty].zh}未履行 {count} 次：{name.zh}", f"Missed {count} times, {DUTIES[duty].en}: {name.en}")


def _doors(seen: Seen) -> Iterator[Text]:
    words = {"forced": Text("被强行开启", "was forced"), "held": Text("长时间未关", "was held open")}
    for (door, word), count in sorted(seen.now.doors.items()):
        if word in words and count >= DOOR_LEAST:
            name = seen.facts.point(door)
            yield Text(f"{name.zh}{words[word].zh} {count} 次", f"{name.en} {words[word].en} {count} times")


def _measured(seen: Seen) -> Iterator[Text]:
    for trend in seen.trends:
        about = seen.facts.points[trend.point]
        unit, limit, name = about.unit, about.limit, about.name
        if trend.beyond is not None and trend.beyond >= BEYOND_LEAST:
            share = f"{trend.beyond:.1%}"
            yield Text(f"{name.zh} 有 {share} 的时间超过一级限值", f"{name.en} was beyond its first limit for {share} of the time")
        elif limit and not about.is_low and trend.peak_before and trend.peak >= max(NEAR_RATIO * limit, NEAR_ROSE * trend.peak_before):
            yield Text(
                f"{name.zh} 最高值由 {trend.peak_before:g} 升至 {trend.peak:g} {unit}，接近一级限值 {limit:g}",
                f"{name.en} peaked at {trend.peak:g} {unit} after {trend.peak_before:g}, nearing its first limit {limit:g}",
            )


def _overdue(seen: Seen) -> Iterator[Text]:
    for each in seen.facts.hazards:
        if each["state"] != "closed" and each["overdue"]:
            yield Text(
                f"隐患 {each['hazard']} 逾期未整改（期限 {each['due']}，责任人 {each['responsible']}）：{each['zh']}",
                f"Hazard {each['hazard']} is overdue (due {each['due']}, responsible: {each['responsible']}): {each['en']}",
            )


def _recurred(seen: Seen) -> Iterator[Text]:
    for each in seen.facts.hazards:
        if each["state"] != "closed" and each["recurrences"]:
            yield Text(
                f"隐患 {each['hazard']} 复发 {each['recurrences']} 次：{each['zh']}",
                f"Hazard {each['hazard']} came back {each['recurrences']} times: {each['en']}",
            )


def _rates(seen: Seen) -> Iterator[Text]:
    for each in seen.facts.compliance:
        if each["rate"] is not None and each["rate"] < 1:
            yield Text(
                f"{each['zh']} {each['rate']:.0%}（{each['ok']}/{each['of']}）",
                f"{each['en']}: {each['rate']:.0%} ({each['ok']} of {each['of']})",
            )


def _lost(seen: Seen) -> Iterator[Text]:
    if count := seen.now.dropped:
        yield Text(f"{count} 条事件未送达即被清除", f"{count} events were dropped before they were received")


RULES: Mapping[str, Callable[[Seen], Iterator[Text]]] = {
    "alarms-rose": _alarms_rose,
    "class-rose": _class_rose,
    "repeated-alarm": _repeated,
    "same-fault": _same_fault,
    "lasting-fault": _lasting_fault,
    "slow-acknowledgement": _slow,
    "not-acknowledged": _untaken,
    "missed-duty": _missed,
    "door": _doors,
    "measured": _measured,
    "hazard-overdue": _overdue,
    "hazard-recurred": _recurred,
    "below-100": _rates,
    "dropped": _lost,
}


def closest(times_ms: Sequence[int], within_ms: float) -> int:
    """The most of these times that lie within one such span. times_ms: newest first."""
    most, first = 0, 0
    for last, at_ms in enumerate(times_ms):
        while times_ms[first] - at_ms >= within_ms:
            first += 1
        most = max(most, last - first + 1)
    return most


def rows(found: list[Finding]) -> list[dict[str, Any]]:
    """For a report."""
    return [{"what": {"zh": text.zh, "en": text.en}, "rule": rule} for rule, text in found]
