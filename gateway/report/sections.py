"""The sections that every report has, from the counts of its period and the facts of its moment."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from typing import Any

from gateway.contract.envelope import rfc3339
from gateway.core.points import Text
from gateway.report.facts import Facts
from gateway.report.off import lasted_ms, within
from gateway.report.parts import Row, Table, both, longest, middle, most_first, section
from gateway.report.tally import OWN, Alarms, Group, Tally
from gateway.report.words import CLASSES, CLASSES_OF_EVENTS, CLOCKS, DUTIES, HAZARD_STATES

MOST_NAMED = 20
_OVER = ("acknowledged", "cleared", "reset", "unshelved", "suppressed", "unsuppressed", "returned_to_service")
ROUTINE = frozenset(f"{name}.{word}" for name in ("alarm", "fault", "duty") for word in _OVER) | {  # whatever else happens is something
    "access.granted", "access.changed",
    "duty.asked", "duty.answered", "duty.checked_in", "duty.on_post", "duty.round_done", "duty.shift_opened",
    "hazard.assigned", "hazard.fixed", "hazard.verified", "hazard.closed", "inspection.done",
    "audit.command", "audit.evidence_deleted", "audit.evidence_read", "evidence.ready", "output.done", "report.issued",
    "gateway.stopping", "key.announced", "journal.opened", "journal.checkpoint", "journal.export", "journal.removed",
}  # fmt: skip
_TIMES = ("detected", "reported", "controlled", "resolved")

Sections = dict[str, dict[str, Any]]


def sections(found: Tally, facts: Facts, from_ms: int, to_ms: int) -> Sections:
    """Name -> section, in the order in which people read them."""
    period = rfc3339(from_ms), rfc3339(to_ms)
    return {
        "alarms": _alarms(found, facts),
        "incidents": _incidents(found, facts, period),
        "faults": _faults(found, facts),
        "duty": _duty(found, facts),
        "access": _access(found, facts),
        "drills": _drills(found, facts),
        "delivery": _delivery(found),
        "hazards": _hazards(facts, period),
        "inspections": _inspections(found, facts),
        "compliance": _compliance(facts),
        "gateway": _gateway(found, facts, from_ms, to_ms),
    }


def nothing_happened(found: Tally) -> bool:
    """True when there is nothing to report (零报告): every event of the period is one of ROUTINE, and no inspection found a problem."""
    return not found.inspection_problems and all(word in ROUTINE for word, count in found.words.items() if count)


def _spread(group: Group) -> dict[str, Any]:
    return {
        "acknowledged_median": middle(group.acknowledged_s),
        "acknowledged_worst": longest(group.acknowledged_s),
        "cleared_median": middle(group.cleared_s),
        "cleared_worst": longest(group.cleared_s),
    }


def _grouped(groups: Mapping[str, Group], column: str, name: Callable[[str], Text]) -> list[dict[str, Any]]:
    ordered = most_first({key: group.count for key, group in groups.items()})
    return [{column: both(name(key)), "count": count, "open": groups[key].open, **_spread(groups[key])} for key, count in ordered]


def _points(alarms: Alarms, facts: Facts) -> list[dict[str, Any]]:
    return [
        {"point": both(facts.point(point)), "place": both(facts.place(alarms.place_of[point])), "count": count}
        for point, count in most_first(alarms.by_point)[:MOST_NAMED]
    ]


def _alarms(found: Tally, facts: Facts) -> dict[str, Any]:
    alarms = found.alarms
    figures = {
        "real": alarms.real,
        "exercise": alarms.status["Exercise"],
        "test": alarms.status["Test"],
        "repeated": alarms.repeated,
        "escalated": alarms.escalated,
        "unacknowledged": alarms.all.open,
        **_spread(alarms.all),
        "standing": sum(not each["fault"] for each in facts.standing),
    }
    columns = ("count", "open", "acknowledged_median", "acknowledged_worst", "cleared_median", "cleared_worst")
    return section(
        "alarms",
        figures,
        [
            ("by_class", ("class", *columns), _grouped(alarms.by_class, "class", class_name)),
            ("by_place", ("place", *columns), _grouped(alarms.by_place, "place", facts.place)),
            ("by_point", ("point", "place", "count"), _points(alarms, facts)),
        ],
    )


def _incidents(found: Tally, facts: Facts, period: tuple[str, str]) -> dict[str, Any]:
    rows, opened, resolved = [], 0, 0
    for told in found.incidents.values():
        times = told.data.get("times", {})
        opened += period[0] <= str(times.get("detected", "")) < period[1]
        resolved += "resolved" in times
        text = told.data.get("text", {})
        what = {language: str(text.get(language, "")).partition(mark)[2] for language, mark in (("zh", "："), ("en", ": "))}
        about = {"what": what, "place": both(facts.place(str(told.data.get("place")))), "alarms": len(told.data.get("alarms", ()))}
        rows.append(about | {name: times.get(name) for name in _TIMES})
    rows.sort(key=lambda row: str(row["detected"]))
    figures = {"opened": opened, "resolved": resolved, "open": len(rows) - resolved}
    return section("incidents", figures, [("incidents", ("what", "place", "alarms", *_TIMES), rows)])


def _faults(found: Tally, facts: Facts) -> dict[str, Any]:
    standing = sorted((each for each in facts.standing if each["fault"]), key=lambda each: (each["since"], each["alarm"]))
    rows = [
        {
            "what": {"zh": each["zh"], "en": each["en"]},
            "place": both(facts.place(each["place"])),
            "since": each["since"],
            "responsible": each["responsible"],
            "why": each["reason"],
        }
        for each in standing
    ]
    figures = {"new": found.faults.real, "cleared": found.faults.cleared, "standing": len(rows)}
    tables: list[Table] = [
        ("standing", ("what", "place", "since", "responsible", "why"), rows),
        ("by_point", ("point", "place", "count"), _points(found.faults, facts)),
    ]
    return section("faults", figures, tables)


def _duty(found: Tally, facts: Facts) -> dict[str, Any]:
    kept, missed = found.duties.kept, found.duties.missed
    rows = [
        {"duty": both(DUTIES[duty]), "point": both(facts.point(point)), "kept": kept[duty, point], "missed": missed[duty, point]}
        for duty, point in sorted({*kept, *missed})
    ]
    late = [
        {"at": rfc3339(told.at_ms), "what": _text_of(told.data), "place": both(facts.place(str(told.data.get("place", ""))))}
        for told in found.duties.rows
    ]
    tables: list[Table] = [("duties", ("duty", "point", "kept", "missed"), rows), ("missed", ("at", "what", "place"), late)]
    return section("duty", {"kept": kept.total(), "missed": missed.total()}, tables)


def _access(found: Tally, facts: Facts) -> dict[str, Any]:
    words = ("granted", "denied", "forced", "held")
    totals: Counter[str] = Counter()
    by_door: defaultdict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(words, 0))
    for (door, word), count in found.doors.items():
        totals[word] += count
        by_door[door][word] += count
    rows = [{"door": both(facts.point(door)), **by_door[door]} for door in sorted(by_door)]
    return section("access", {word: totals[word] for word in words}, [("by_door", ("door", *words), rows)])


def _drills(found: Tally, facts: Facts) -> dict[str, Any]:
    rows = [_drill(told.data) for told in reversed(found.drills)]
    required = [{"what": {"zh": each["zh"], "en": each["en"]}, "done": each["done"], "needed": each["needed"]} for each in facts.drills]
    figures = {
        "held": len(found.drills),
        "passed": found.tests["passed"],
        "failed": found.tests["failed"],
        "maintenance": found.words["mode.maintenance_ended"],
        "tests_overdue": facts.tests_overdue,
    }
    columns = ("at", "what", "lasted", "listed", "pressed", "slowest_received", "slowest_acknowledged")
    return section("drills", figures, [("drills", columns, rows), ("required", ("what", "done", "needed"), required)])


def _drill(data: Mapping[str, Any]) -> dict[str, Any]:
    totals = data.get("totals", {})
    return {
        "at": data.get("started_at"),
        "what": data.get("name"),
        "lasted": data.get("lasted_s"),
        "listed": totals.get("listed"),
        "pressed": totals.get("pressed"),
        "slowest_received": totals.get("slowest_received_s"),
        "slowest_acknowledged": totals.get("slowest_acknowledged_s"),
    }


def _delivery(found: Tally) -> dict[str, Any]:
    rows: list[Row] = [
        {
            "recipient": name,
            "received": each.received,
            "owed": each.owed,
            "slowest_alarm": longest([] if each.slowest_alarm_s is None else [each.slowest_alarm_s], 3),
            "slowest": longest([] if each.slowest_s is None else [each.slowest_s], 3),
        }
        for name, each in sorted(found.recipients.items())
    ]
    figures = {
        "sealed": found.events,
        "owed": sum(each.owed for each in found.recipients.values()),
        "dropped": found.dropped,
        "path_losses": sum(count for point, count in found.faults.by_point.items() if point.startswith(f"{OWN}path-")),
        "slowest_alarm": longest([row["slowest_alarm"] for row in rows if row["slowest_alarm"] is not None], 3),
    }
    sealed = [{"class": both(CLASSES_OF_EVENTS[name]), "sealed": count} for name, count in most_first(found.classes)]
    tables: list[Table] = [
        ("recipients", ("recipient", "received", "owed", "slowest_alarm", "slowest"), rows),
        ("classes", ("class", "sealed"), sealed),
    ]
    return section("delivery", figures, tables)


def _hazards(facts: Facts, period: tuple[str, str]) -> dict[str, Any]:
    begin, end = period
    open_ones = sorted((each for each in facts.hazards if each["state"] != "closed"), key=lambda each: (each["due"], each["number"]))
    closed = [
        each
        for each in facts.hazards
        if each["state"] == "closed" and any(step["step"] == "closed" and begin <= step["at"] < end for step in each.get("steps", ()))
    ]
    figures = {
        "open": len(open_ones),
        "new": sum(begin <= each["opened_at"] < end for each in facts.hazards),
        "closed": len(closed),
        "overdue": sum(bool(each["overdue"]) for each in open_ones),
    }
    columns = ("number", "what", "place", "responsible", "due", "state", "recurrences")
    late = [_hazard(each, facts) for each in open_ones if each["overdue"]]
    rest = [_hazard(each, facts) for each in open_ones if not each["overdue"]]
    return section("hazards", figures, [("overdue", columns, late), ("open", columns, rest)])


def _hazard(each: Mapping[str, Any], facts: Facts) -> dict[str, Any]:
    state = HAZARD_STATES.get(each["state"], Text(each["state"], each["state"]))
    return {
        "number": each["hazard"],
        "what": {"zh": each["zh"], "en": each["en"]},
        "place": both(facts.place(each["place"])),
        "responsible": each["responsible"],
        "due": each["due"],
        "state": both(state),
        "recurrences": each["recurrences"],
    }


def _inspections(found: Tally, facts: Facts) -> dict[str, Any]:
    rows = [
        {
            "what": {"zh": each["zh"], "en": each["en"]},
            "place": both(facts.place(each["place"])),
            "due_at": each["due"] or None,
            "responsible": each["responsible"],
        }
        for each in facts.inspections
        if each["state"] == "overdue"
    ]
    figures = {"done": found.words["inspection.done"], "problems": found.inspection_problems, "overdue": len(rows)}
    return section("inspections", figures, [("overdue", ("what", "place", "due_at", "responsible"), rows)])


def _compliance(facts: Facts) -> dict[str, Any]:
    known = [each for each in facts.compliance if each["rate"] is not None]
    rates = [
        {"what": {"zh": each["zh"], "en": each["en"]}, "rate": each["rate"], "ok": each["ok"], "of": each["of"]}
        for each in facts.compliance
    ]
    named: dict[str, set[str]] = {}
    for one in (one for each in facts.compliance for one in each["evidence"]):
        named.setdefault(one["zh"], set()).add(one["what"])
    lacking = [
        {
            "class": {"zh": each["zh"], "en": each["en"]},
            "what": {name: one[name] + (f" ({one['what']})" if len(named[one["zh"]]) > 1 else "") for name in ("zh", "en")},
            "why": {"zh": one["why_zh"], "en": one["why_en"]},
        }
        for each in facts.compliance
        for one in each["evidence"]
        if not one["ok"]
    ]
    figures = {"complete": sum(each["rate"] >= 1 for each in known), "known": len(known)}
    return section("compliance", figures, [("rates", ("what", "rate", "ok", "of"), rates), ("lacking", ("class", "what", "why"), lacking)])


def _gateway(found: Tally, facts: Facts, from_ms: int, to_ms: int) -> dict[str, Any]:
    here, off = facts.gateway, within(facts.off, from_ms, to_ms)
    disk_bytes = here.get("disk_bytes", 0)
    clock = str(here.get("clock", ""))
    figures = {
        "starts": sum(from_ms <= at_ms < to_ms for at_ms in here.get("boots", ())),
        "off": lasted_ms(off) // 1000,
        "own_faults": sum(count for point, count in found.faults.by_point.items() if point.startswith(OWN)),
        "journals": found.words["journal.opened"],
        "disk_free": round(here["disk_free_bytes"] / disk_bytes, 3) if disk_bytes else None,
        "paths_up": sum(bool(path["up"]) for path in here.get("paths", ())),
        "clock": both(CLOCKS.get(clock, Text(clock, clock))),
        "version": here.get("version", ""),
    }
    rows = [{"since": rfc3339(begin), "until": rfc3339(end), "lasted": (end - begin) // 1000} for begin, end in off]
    return section("gateway", figures, [("off", ("since", "until", "lasted"), rows)])


def class_name(name: str) -> Text:
    """A class of alarms in words."""
    return CLASSES.get(name, Text(name, name))


def _text_of(data: Mapping[str, Any]) -> dict[str, str]:
    text = data.get("text", {})
    return {"zh": str(text.get("zh", "")), "en": str(text.get("en", ""))}
