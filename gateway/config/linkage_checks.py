"""What all linkages of a site file must be together: free of circles and contradictions, able to act, and quiet where they must be.

What can never work is an error, what is doubtful a warning.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import TYPE_CHECKING

from gateway.config.resolve_outputs import free_id
from gateway.config.site import Site
from gateway.config.toml_lines import KeyPath
from gateway.core.linkage import Beep, LinkageSpec, OnAlarm, OnState, Switch
from gateway.core.reading import Value

if TYPE_CHECKING:
    from gateway.config.resolve import Resolved

LOUD = frozenset({"siren", "strobe", "buzzer"})
_TABLES = {"one-key": "one_key", "gas": "gas", "fire-release": "fire", "electrical": "electrical"}
_DELIVERY = frozenset({"broker_acked", "received", "unusable"})


def may_free(key: KeyPath, name: str, out: Resolved) -> bool:
    """False, with an error, for an id that a rule, a point or something else of the site has."""
    if any(rule.id == name for rule in out.rules):
        out.errors.append((key, f'"{name}" is another rule already'))
        return False
    return free_id(key, name, out)


def check_linkages(site: Site, out: Resolved) -> None:
    """Look at all of them. Call it when all linkages are there."""
    linkages = [spec for spec in out.rules if isinstance(spec, LinkageSpec)]
    for spec in linkages:
        key = _key(spec, site)
        for words in _never(spec, site, out):
            out.errors.append((key, words))
        for words in _doubtful(spec, site, out):
            out.warnings.append((key, words))
    for one, other in combinations(linkages, 2):
        for output in _against(one, other):
            words = f'{other.id} and {one.id} switch "{output}" on and off for the same cause, at the same time'
            out.errors.append((_key(other, site), words))
    for circle in _circles(linkages, out):
        out.errors.append((_key(circle[0][0], site), _circle_words(circle)))


def _key(spec: LinkageSpec, site: Site) -> KeyPath:
    if spec.rule in _TABLES:
        return ("rules", _TABLES[spec.rule])
    return ("linkage", next(i for i, linkage in enumerate(site.linkage) if linkage.id == spec.id))


# --- what can never happen -------------------------------------------------------------------------


def _never(spec: LinkageSpec, site: Site, out: Resolved) -> Iterator[str]:
    possible = windows_of(site)
    if spec.windows and not spec.windows & possible:
        yield f"{_list(spec.windows)} never comes at this school: {_why_no_window(spec.windows, site)}"
    outputs = [effect.output for effect in spec.effects if isinstance(effect, Switch | Beep)]
    for output in {output for output in outputs if outputs.count(output) > 1}:
        yield f'"{output}" stands twice among the effects'
    yield from _silent(spec, site, out)
    if not isinstance(spec.cause, OnAlarm) or spec.rule != "linkage":
        return
    alarms = [alarm for point in out.points.values() for alarm in point.alarms if alarm.key in spec.cause.alarms]
    latching = any(alarm.latching or alarm.managed for alarm in alarms)
    if "reset" in spec.cause.words and not latching:
        yield "these alarms do not latch: they are never reset"
    if spec.until == "reset" and not latching:
        yield "these alarms do not latch: they are never reset; until = acknowledged or cleared"
    if spec.until and spec.until in spec.cause.words:
        yield f'is over as soon as it begins: until = "{spec.until}" is its own cause'
    if spec.cause.words & {"received", "unusable"} and not site.uplink.recipients:
        yield "no recipients in [uplink]: nobody ever signs for an alarm"
    if spec.cause.words & _DELIVERY and all(alarm.event_class != "alarm" for alarm in alarms):
        yield "how far its news have got is followed for alarms, not for faults and duties"
    if spec.cause.words == {"escalated"} and not site.rules.escalation.enabled:
        yield "escalation is switched off (rules.escalation.enabled): no alarm is ever escalated"
    if spec.modes == {"maintenance"} and all(alarm.managed for alarm in alarms):
        yield "highly managed alarms stay in force during maintenance: this mode never applies to them"


def _doubtful(spec: LinkageSpec, site: Site, out: Resolved) -> Iterator[str]:
    lost = spec.windows - windows_of(site)
    if lost and lost != spec.windows:
        yield f"{_list(lost)} never comes at this school: {_why_no_window(lost, site)}"
    if (
        spec.until
        and spec.rule == "linkage"
        and not any(isinstance(effect, Switch) and effect.for_s is not None for effect in spec.effects)
    ):
        yield f'until = "{spec.until}" takes nothing back: each of its effects ends by itself'
    if spec.rule == "linkage" and not spec.until:
        for effect in spec.effects:
            if isinstance(effect, Switch) and effect.on and effect.for_s == 0 and out.outputs[effect.output].kind in LOUD:
                yield f'"{effect.output}" goes on until somebody switches it off: for_s or until would end it'
    if isinstance(spec.cause, OnAlarm) and spec.windows and not spec.windows & {"none", "night", "boarding"}:
        outside = [
            alarm.key for point in out.points.values() for alarm in point.alarms if alarm.key in spec.cause.alarms and alarm.outside_hours
        ]
        if outside and len(outside) == len(spec.cause.alarms):
            yield f"{outside[0]} counts only while the school is closed; {_list(spec.windows)} is hardly ever then"


def _silent(spec: LinkageSpec, site: Site, out: Resolved) -> Iterator[str]:
    """Nothing sounds or flashes for a silent button, whoever wrote it."""
    silent = site.rules.one_key.silent if site.rules.one_key is not None else []
    if spec.rule == "one-key" or not isinstance(spec.cause, OnAlarm):
        return
    pressed = sorted({key.partition("/")[0] for key in spec.cause.alarms} & set(silent))
    loud = sorted(output for output in spec.outputs if out.outputs[output].kind in LOUD)
    if pressed and loud:
        yield f'"{pressed[0]}" is a silent button (rules.one_key.silent), and {loud[0]} would sound or flash for it'


def windows_of(site: Site) -> frozenset[str]:
    """The windows that a day of this school may have."""
    calendar, found = site.calendar, {"none"}
    if any(spans for _, spans in site.hours):
        found.add("lesson")
    if calendar is None:
        return frozenset(found)
    if calendar.file or any(exception.hours for exception in calendar.exceptions):
        found.add("lesson")
    for name in ("arrival", "dismissal"):
        week = getattr(calendar, name)
        days = [getattr(week, day) for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")]
        if week.daily or any(days) or calendar.file or any(getattr(exception, name) for exception in calendar.exceptions):
            found.add(name)
    if calendar.boarding is not None:
        found |= {"night", "boarding"}
    return frozenset(found)


def _why_no_window(windows: frozenset[str] | frozenset[object], site: Site) -> str:
    reasons = {
        "arrival": "calendar.arrival names no time" if site.calendar else "there is no [calendar]",
        "dismissal": "calendar.dismissal names no time" if site.calendar else "there is no [calendar]",
        "lesson": "[hours] names no time",
        "night": "there is no [calendar.boarding]",
        "boarding": "there is no [calendar.boarding]",
    }
    return "; ".join(dict.fromkeys(reasons[str(window)] for window in sorted(map(str, windows - windows_of(site)))))


def _list(words: frozenset[str] | frozenset[object]) -> str:
    return " or ".join(sorted(map(str, words)))


# --- against each other ------------------------------------------------------------------------------


def _against(one: LinkageSpec, other: LinkageSpec) -> Iterator[str]:
    """Outputs that both switch for the same cause, each the other way."""
    if not _same_cause(one, other) or not one.modes & other.modes:
        return
    if one.windows and other.windows and not one.windows & other.windows:
        return
    wanted = {effect.output: effect.on for effect in one.effects if isinstance(effect, Switch)}
    for effect in other.effects:
        if isinstance(effect, Switch) and wanted.get(effect.output, effect.on) is not effect.on:
            yield effect.output


def _same_cause(one: LinkageSpec, other: LinkageSpec) -> bool:
    a, b = one.cause, other.cause
    if isinstance(a, OnAlarm) and isinstance(b, OnAlarm):
        return bool(a.alarms & b.alarms and a.words & b.words)
    return isinstance(a, OnState) and isinstance(b, OnState) and (a.point, a.value) == (b.point, b.value)


Way = tuple[LinkageSpec, str]  # a linkage, and what of the next one's cause it brings about


def _circles(linkages: list[LinkageSpec], out: Resolved) -> Iterator[list[Way]]:
    """Each circle once, beginning with the linkage that stands last in the file."""
    order = {spec.id: number for number, spec in enumerate(linkages)}
    ways: dict[str, list[tuple[LinkageSpec, str]]] = {spec.id: [] for spec in linkages}
    for spec in linkages:
        alarms, states = _brings(spec, out)
        for other in linkages:
            for thing in _causes(other, alarms, states):
                ways[spec.id].append((other, thing))
                break

    def walk(path: list[Way], spec: LinkageSpec) -> Iterator[list[Way]]:
        for other, thing in ways[spec.id]:
            if other.id == path[0][0].id if path else other.id == spec.id:
                yield [*path, (spec, thing)]
            elif order[other.id] < order[(path[0][0] if path else spec).id] and all(other.id != passed.id for passed, _ in path):
                yield from walk([*path, (spec, thing)], other)

    for spec in linkages:
        yield from walk([], spec)


def _causes(spec: LinkageSpec, alarms: set[str], states: set[tuple[str, Value]]) -> list[str]:
    if isinstance(spec.cause, OnAlarm):
        return sorted(spec.cause.alarms & alarms)
    return [spec.cause.point] if (spec.cause.point, spec.cause.value) in states else []


def _brings(spec: LinkageSpec, out: Resolved) -> tuple[set[str], set[tuple[str, Value]]]:
    """The alarms and states that its effects may bring about."""
    alarms: set[str] = set()
    states: set[tuple[str, Value]] = set()
    for effect in spec.effects:
        if not isinstance(effect, Switch | Beep):
            continue
        output = out.outputs[effect.output]
        alarms |= {alarm.key for alarm in out.points[output.id].alarms}
        both = isinstance(effect, Beep) or bool(spec.until) or effect.for_s != 0.0
        if output.confirm is not None:
            alarms |= _alarms_of(output.confirm.point, out)
            shown = {True: output.confirm.on, False: output.confirm.off}
            values = [*shown.values()] if both or isinstance(effect, Beep) else [shown[effect.on]]
            states |= {(output.confirm.point, value) for value in values}
        for door in out.doors.values():
            if door.lock == output.id:
                alarms |= _alarms_of(f"{door.id}-held", out) | _alarms_of(door.contact, out)
                states |= {(door.contact, True), (door.contact, False)}
    return alarms, states


def _alarms_of(point: str | None, out: Resolved) -> set[str]:
    found = out.points.get(point or "")
    return set() if found is None else {alarm.key for alarm in found.alarms if alarm.alarm_class not in ("fault", "tamper")}


def _circle_words(circle: list[Way]) -> str:
    steps = [f"{spec.id} -> {thing}" for spec, thing in circle]
    return f"a circle: {' -> '.join(steps)} -> {circle[0][0].id}; it would cause itself"
