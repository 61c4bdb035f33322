"""Cross-checks of [[linkage]]: what it names must be there, its effects must be able to happen, and it must not cause itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.config.linkage_checks import may_free
from gateway.config.problems import unknown
from gateway.config.resolve_outputs import watch
from gateway.config.roles import ROLES
from gateway.config.site import Site
from gateway.config.site_linkage import Linkage, Then, When
from gateway.config.toml_lines import KeyPath
from gateway.core.linkage import Beep, Effect, LinkageSpec, OnAlarm, OnState, Switch, TakeSnapshot
from gateway.core.points import Text
from gateway.core.reading import Value
from gateway.core.school_days import Window

if TYPE_CHECKING:
    from gateway.config.resolve import Resolved


def resolve_linkage(site: Site, out: Resolved) -> None:
    """Check [[linkage]] and add to `out.rules`."""
    for i, linkage in enumerate(site.linkage):
        key: KeyPath = ("linkage", i)
        if not may_free((*key, "id"), linkage.id, out):
            continue
        effects = [
            effect for j, then in enumerate(linkage.then) if (effect := _effect((*key, "then", j), then, linkage, site, out)) is not None
        ]
        cause = _cause((*key, "when"), linkage, out)
        if cause is None or len(effects) < len(linkage.then):
            continue
        _check_until(key, linkage, cause, out)
        if linkage.enabled:
            out.rules.append(_spec(linkage, cause, tuple(effects)))


def free_rule_id(key: KeyPath, name: str, out: Resolved) -> bool:
    """False, with an error, for a rule's id that another rule has."""
    if any(rule.id == name for rule in out.rules):
        out.errors.append((key, f'"{name}" is another rule already'))
        return False
    return True


def _spec(linkage: Linkage, cause: OnAlarm | OnState, effects: tuple[Effect, ...]) -> LinkageSpec:
    return LinkageSpec(
        id=linkage.id,
        name=Text(linkage.name or linkage.id, linkage.name_en or linkage.name or linkage.id),
        cause=cause,
        effects=effects,
        windows=frozenset(Window(name) for name in linkage.windows),
        modes=frozenset(linkage.modes),
        until=linkage.until,
    )


def _cause(key: KeyPath, linkage: Linkage, out: Resolved) -> OnAlarm | OnState | None:
    when = linkage.when
    if when.point is not None:
        system = when.point in out.points and out.points[when.point].system
        if not system and not watch((*key, "point"), when.point, out):
            return None
        if words := _never_shows(when.point, when.value, out):
            out.errors.append(((*key, "value"), words))
            return None
        return OnState(when.point, when.value, when.for_s)
    alarms = _alarms(key, when, out)
    if not when.alarm:  # named by what they have in common: not what its own effects may bring about
        alarms -= {
            f"{then.output}/{spec.name}" for then in linkage.then if then.output in out.outputs for spec in out.points[then.output].alarms
        }
        if not alarms:
            out.errors.append((key, "no alarm of this file fits: the linkage could never act"))
    return OnAlarm(alarms, frozenset({"activated", "repeated"} if when.does == "activated" else {when.does})) if alarms else None


def _never_shows(point: str, value: Value, out: Resolved) -> str:
    """Why the point never shows this value, or ''."""
    kind = out.points[point].kind
    if point in out.shows and value not in out.shows[point]:
        return unknown(f"what {point} may show", str(value), out.shows[point])
    if kind in ("contact", "latched") and not out.points[point].system and not isinstance(value, bool):
        return f'"{point}" is a contact: it shows true or false'
    if kind in ("measurement", "counter") and (isinstance(value, bool) or not isinstance(value, int | float)):
        return f'"{point}" is a {kind}: it shows a number'
    if kind in ("text", "card") and not isinstance(value, str):
        return f'"{point}" is a {kind}: it shows text'
    return ""


def _alarms(key: KeyPath, when: When, out: Resolved) -> frozenset[str]:
    """The alarms that a cause names; empty, with an error, where one that it spells out is not there."""
    specs = [(point, spec) for point in out.points.values() for spec in point.alarms]
    if when.alarm:
        point_id, _, name = when.alarm.partition("/")
        if point_id not in out.points:
            known = [point.id for point in out.points.values() if point.alarms]
            out.errors.append(((*key, "alarm"), unknown("a point of this file", point_id, known)))
            return frozenset()
        names = [spec.name for spec in out.points[point_id].alarms]
        if not names or (name and name not in names):
            words = unknown(f"an alarm of {point_id}", name, names) if names else _no_alarms(point_id, out)
            out.errors.append(((*key, "alarm"), words))
            return frozenset()
        specs = [(point, spec) for point, spec in specs if point.id == point_id and name in ("", spec.name)]
        if not name:
            specs = [(point, spec) for point, spec in specs if spec.alarm_class not in ("fault", "tamper")] or specs
    if when.role and when.role not in ROLES and not any(point.role == when.role for point in out.points.values()):
        out.errors.append(((*key, "role"), unknown("a role", when.role, ROLES)))
        return frozenset()
    return frozenset(
        spec.key
        for point, spec in specs
        if (not when.role or (point.role == when.role and (spec.alarm_class not in ("fault", "tamper") or point.role == "tamper")))
        and (not when.alarm_class or spec.alarm_class == when.alarm_class)
        and (when.place is None or point.place == when.place)
    )


def _no_alarms(point: str, out: Resolved) -> str:
    if out.points[point].role in ROLES and ROLES[out.points[point].role].alarms:
        return f'the alarms of "{point}" are switched off (alarm = false): the linkage could never act'
    return f'point "{point}" has no alarms'


def _effect(key: KeyPath, then: Then, linkage: Linkage, site: Site, out: Resolved) -> Effect | None:
    if then.snapshot is not None:
        cameras = [camera.id for camera in site.cameras]
        if then.snapshot not in cameras:
            out.errors.append(((*key, "snapshot"), unknown("a camera of this file", then.snapshot, cameras)))
            return None
        return TakeSnapshot(then.snapshot)
    assert then.output is not None
    if then.output not in out.outputs:
        out.errors.append(((*key, "output"), unknown("an output of this file", then.output, out.outputs)))
        return None
    output = out.outputs[then.output]
    if not output.enabled:
        out.errors.append(((*key, "output"), f'"{then.output}" is not enabled: every command to it is refused (enabled = true)'))
        return None
    if then.do != "on" and then.for_s is not None:
        out.errors.append(((*key, "for_s"), f'"{then.do}" takes no for_s; it says how long `on` lasts'))
        return None
    if then.do == "off" and output.momentary:
        out.errors.append(((*key, "do"), f'"{then.output}" ends by itself and has no off'))
        return None
    if then.do == "beep":
        words = ("activated", "repeated") if linkage.when.does == "activated" or linkage.when.point else (linkage.when.does,)
        return Beep(then.output, tuple((word, then.times) for word in words))
    if then.for_s is None:
        return Switch(then.output, then.do == "on", None if output.momentary or (output.pulse_s and then.do == "on") else 0.0)
    return Switch(then.output, for_s=None if output.momentary else then.for_s)


def _check_until(key: KeyPath, linkage: Linkage, cause: OnAlarm | OnState, out: Resolved) -> None:
    if linkage.until and isinstance(cause, OnState) != (linkage.until == "over"):
        words = "is for a point's state" if linkage.until == "over" else "is for an alarm; a state is `over`"
        out.errors.append(((*key, "until"), f'"{linkage.until}" {words}'))
