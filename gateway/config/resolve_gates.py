"""Cross-checks of the rules at gates and doors; makes their descriptions, and the points by which they say what they find."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from gateway.config.hours import parse_spans
from gateway.config.problems import unknown
from gateway.config.resolve_linkage import free_rule_id
from gateway.config.resolve_outputs import free_id, watch
from gateway.config.role import Role
from gateway.config.roles import ROLES, SIGNAL_FAULT_DELAY_S
from gateway.config.roles_rules import RULE_ROLES, rule_point
from gateway.config.site import Site
from gateway.config.site_gates import AntiRam, ClosedCampus, Exit, Lane, Layer
from gateway.config.toml_lines import KeyPath
from gateway.core.gates import ForcedSpec, GateSpec, RaiseSpec, Shows, WatchedZone
from gateway.core.ids import ID
from gateway.core.points import Above, AlarmSpec, EventClass, NotGood, Text
from gateway.core.reading import Value
from gateway.core.school_days import DaySpans, Window

if TYPE_CHECKING:
    from gateway.config.resolve import Resolved

# What a point shows while it is up or closed, by role and kind of signal; the names are those of the shipped profiles.
CLOSED: dict[tuple[str, str], Value] = {
    ("bollard_position", "enum"): "up",
    ("bollard_position", "contact"): True,
    ("barrier_position", "enum"): "closed",
    ("barrier_position", "contact"): False,
    ("door_contact", "enum"): "closed",
    ("door_contact", "contact"): False,
}
OPEN_PLACES = frozenset({"gate", "perimeter"})  # where closed-campus looks of its own accord
FORCED_DELAY_S = 1.0  # an input that allows the lowering may be read after the position
_ORDER = ("外层", "outer layer"), ("内层", "inner layer"), ("第三层", "third layer"), ("第四层", "fourth layer")
# Roles of camera points whose time has a meaning of its own, and the rule that says so.
WATCHED = {
    "crowd_count": "crowd",
    "person_at_perimeter": "perimeter",
    "loitering": "loitering",
    "person_near_water": "water",
    "person_after_hours": "after-hours",
}


def resolve_gates(site: Site, out: Resolved) -> None:
    """Check [[anti_ram]], [[lanes]], [[exits]] and [rules.closed_campus]. Call it when all points, outputs and doors are there."""
    for i, anti_ram in enumerate(site.anti_ram):
        _anti_ram(("anti_ram", i), anti_ram, site, out)
    for i, lane in enumerate(site.lanes):
        _lane(("lanes", i), lane, site, out)
    for i, exit_ in enumerate(site.exits):
        _exit(("exits", i), exit_, site, out)
    if site.rules.closed_campus is not None:
        _closed_campus(("rules", "closed_campus"), site.rules.closed_campus, site, out)
    _watched_zones(site, out)


# --- anti-ram 防冲撞 ----------------------------------------------------------------------------


def _anti_ram(key: KeyPath, asked: AntiRam, site: Site, out: Resolved) -> None:
    if not _place(key, asked.place, site, out):
        return
    name = _name(asked.name, asked.name_en, asked.place, site)
    layers = [(n, _layer((*key, "layers", n), layer, out)) for n, layer in enumerate(asked.layers) if not layer.fixed]
    delivery = _spans((*key, "delivery"), asked.delivery, out)
    if any(ups is None for _, ups in layers) or delivery is None:
        return
    lasts_s = {Window(window): asked.grace_s for window in asked.windows}
    every = [(n, ups) for n, ups in layers if ups is not None]
    for n, ups in every:
        what = _layer_name(name, asked.layers[n], n)
        groups = (tuple(replace(up, other=True) for up in ups),)
        text = Text(f"{what.zh}未到位", f"{what.en}: not in place")
        spec = GateSpec(f"{asked.id}-layer-{n + 1}", "anti-ram", what, text, groups, lasts_s, delivery, own_fault=True)
        _add(key, spec, "anti_ram_layer", asked.place, out, sight=True)
    if asked.one_always_up:
        _all_down(key, asked, name, [ups for _, ups in every], delivery, out)
    _forced(key, asked, name, [up for _, ups in every for up in ups], delivery, out)
    _raise(key, asked, name, [up for _, ups in every for up in ups], out)
    if len(asked.layers) < 2:
        out.warnings.append(
            ((*key, "layers"), "one layer only (两道防撞设施): fixed posts without sensors are a layer too, `fixed = true`")
        )


def _layer(key: KeyPath, layer: Layer, out: Resolved) -> tuple[Shows, ...] | None:
    """What shows that each part of the layer is up; None, with errors, where that cannot be said."""
    found = [_shows((*key, "points", j), point, layer.up, out) for j, point in enumerate(layer.points)]
    return tuple(shows for shows in found if shows is not None) if None not in found else None


def _layer_name(name: Text, layer: Layer, n: int) -> Text:
    zh, en = _ORDER[n]
    return Text(f"{name.zh}{layer.name or zh}", f"{name.en}, {layer.name_en or layer.name or en}")


def _all_down(key: KeyPath, asked: AntiRam, name: Text, layers: list[tuple[Shows, ...]], delivery: DaySpans, out: Resolved) -> None:
    if len(layers) < len(asked.layers):
        out.errors.append(((*key, "one_always_up"), "a fixed layer is always up: this could never act"))
        return
    groups = tuple(tuple(replace(up, other=True) for up in ups) for ups in layers)
    lasts_s = dict.fromkeys(Window, asked.grace_s)
    text = Text(f"{name.zh}各层防冲撞设施同时降下", f"{name.en}: every layer is down")
    _add(key, GateSpec(f"{asked.id}-open", "anti-ram", name, text, groups, lasts_s, delivery), "anti_ram_open", asked.place, out)


def _forced(key: KeyPath, asked: AntiRam, name: Text, ups: list[Shows], delivery: DaySpans, out: Resolved) -> None:
    posts = tuple(up for up in ups if out.points[up.point].role == "bollard_position")
    if asked.lowered_by is None:
        given = [spec.id for spec in out.outputs.values() if spec.kind == "bollard" and spec.place == asked.place]
        lowered_by = [output for output in given if output not in asked.raise_with]
    else:
        lowered_by = asked.lowered_by
        for j, point in enumerate(lowered_by):
            if point not in out.outputs:
                watch((*key, "lowered_by", j), point, out, kind="contact")
    if not posts or not asked.forced:
        return
    outputs = frozenset(lowered_by).intersection(out.outputs)
    spec = ForcedSpec(f"{asked.id}-forced", name, posts, frozenset(lowered_by) - outputs, outputs, asked.lowered_s, delivery)
    _add(key, spec, "anti_ram_forced", asked.place, out, FORCED_DELAY_S)


def _raise(key: KeyPath, asked: AntiRam, name: Text, ups: list[Shows], out: Resolved) -> None:
    if not asked.raise_with:
        return
    for j, output in enumerate(asked.raise_with):
        here: KeyPath = (*key, "raise_with", j)
        spec = out.outputs.get(output)
        if spec is None:
            out.errors.append((here, unknown("an output of this file", output, out.outputs)))
        elif not spec.enabled:
            out.errors.append((here, f'output "{output}" is not enabled: it would be refused each time (enabled = true)'))
        elif not spec.loop_clear:
            out.errors.append((here, f'output "{output}" has no loop_clear: nothing is raised where a vehicle may stand over it'))
    rule_id = f"{asked.id}-raise"
    posts = [up for up in ups if out.points[up.point].role == "bollard_position"] or ups
    if free_rule_id((*key, "id"), rule_id, out):
        out.rules.append(RaiseSpec(rule_id, name, tuple(asked.raise_with), tuple(posts), frozenset(map(Window, asked.windows))))


# --- lanes, exits 人车分流、生命通道 -----------------------------------------------------------------


def _lane(key: KeyPath, lane: Lane, site: Site, out: Resolved) -> None:
    if not _place(key, lane.place, site, out):
        return
    groups = []
    for what, points, values in (("vehicle", lane.vehicle, lane.vehicle_open), ("pupils", lane.pupils, lane.pupils_open)):
        found = [_open((*key, what, j), point, values, out) for j, point in enumerate(points)]
        groups.append(tuple(shows for shows in found if shows is not None))
        if None in found:
            return
    name = _name(lane.name, lane.name_en, lane.place, site)
    text = Text(f"{name.zh}：车道与学生通道同时打开", f"{name.en}: vehicle lane and pupils' gate open together")
    spec = GateSpec(lane.id, "lane-interlock", name, text, tuple(groups), {Window(window): lane.grace_s for window in lane.windows})
    _add(key, spec, "lane_interlock", lane.place, out, sight=True)


def _exit(key: KeyPath, asked: Exit, site: Site, out: Resolved) -> None:
    if not _place(key, asked.place, site, out):
        return
    found = [_blocked((*key, "points", j), point, asked.blocked, out) for j, point in enumerate(asked.points)]
    if None in found:
        return
    windows = list(map(Window, asked.windows or ("arrival", "dismissal", "lesson")))
    if asked.windows is None and site.calendar is not None and site.calendar.boarding is not None:
        windows += [Window.NIGHT, Window.BOARDING]
    name = _name(asked.name, asked.name_en, asked.place, site)
    text = Text(f"{name.zh}：安全出口锁闭或堵塞", f"{name.en}: exit locked or blocked")
    group = tuple(shows for shows in found if shows is not None)
    spec = GateSpec(asked.id, "exit-clear", name, text, (group,), dict.fromkeys(windows, asked.grace_s))
    _add(key, spec, "exit_blocked", asked.place, out, sight=True)


def _blocked(key: KeyPath, point: str, values: Sequence[Value], out: Resolved) -> Shows | None:
    """What shows that an exit is blocked: a contact that is active, a lock of ours that is not let go."""
    output = out.outputs.get(point)
    if output is not None:
        if output.kind != "lock":
            out.errors.append((key, f'output "{point}" is a {output.kind}, not a lock'))
            return None
        return Shows(point, frozenset(values or (False,)))
    if not watch(key, point, out) or not _fits(key, point, values, out):
        return None
    if not values and out.points[point].kind != "contact":
        out.errors.append((key, f'"{point}" is no contact: say with `blocked` what it shows when the exit is locked or blocked'))
        return None
    return Shows(point, frozenset(values or (True,)))


# --- closed campus 封闭化管理 ---------------------------------------------------------------------


def _closed_campus(key: KeyPath, asked: ClosedCampus, site: Site, out: Resolved) -> None:
    delivery = _spans((*key, "delivery"), asked.delivery, out)
    found = [((*key, "gates", j), gate) for j, gate in enumerate(asked.gates)] or [(key, gate) for gate in _gates_of(site, out)]
    if not found:
        out.errors.append((key, "no door_contact or barrier_position at a place of type gate or perimeter: name the `gates`"))
    lasts_s = {Window(window): asked.open_s for window in asked.windows}
    lasts_s |= {Window(window): asked.night_open_s for window in asked.night_windows}
    for gate_key, gate in found:
        shows = _open(gate_key, gate, (), out)
        if shows is None or delivery is None:
            continue
        door = next((door for door in out.doors.values() if shows.point == door.contact), None)
        place, name = (door.place, door.name) if door is not None else (out.points[gate].place, out.points[gate].name)
        allowed = () if door is None else tuple(
            Shows(point, frozenset({True})) for point in (door.request_to_exit, door.granted, door.lock) if point
        )  # fmt: skip
        text = Text(f"{name.zh}开着", f"{name.en} is open")
        spec = GateSpec(f"{gate}-left-open", "closed-campus", name, text, ((shows,),), lasts_s, delivery, allowed, asked.allowed_s)
        _add(gate_key, spec, "closed_campus", place, out, sight=door is None)


def _gates_of(site: Site, out: Resolved) -> list[str]:
    """Every gate of the campus: doors by their own name, other contacts and barriers by that of the point."""
    contacts = {door.contact: door.id for door in out.doors.values() if door.contact}
    roles = ("door_contact", "barrier_position")
    points = [p for p in out.points.values() if p.role in roles and p.place in site.places and site.places[p.place].type in OPEN_PLACES]
    return [contacts.get(point.id, point.id) for point in points]


# --- eyes at the gate 校门视频 -------------------------------------------------------------------


def _watched_zones(site: Site, out: Resolved) -> None:
    for settings in site.points:
        point = out.points.get(settings.id)
        if point is None or settings.camera is None or point.role not in WATCHED or not point.alarms:
            continue
        alarm, role = point.alarms[0], ROLES[point.role]
        limit = alarm.condition.limit if isinstance(alarm.condition, Above) else None
        dwell_s = settings.dwell_s if settings.dwell_s is not None else role.dwell_s
        rule = WATCHED[point.role]
        out.rules.append(
            WatchedZone(f"watch:{point.id}", rule, point.name, point.id, alarm.windows, alarm.outside_hours, limit, dwell_s or 0.0)
        )


# --- parts --------------------------------------------------------------------------------------


def _add(
    key: KeyPath,
    spec: GateSpec | ForcedSpec,
    role_name: str,
    place: str,
    out: Resolved,
    on_delay_s: float = 0.0,
    *,
    sight: bool = False,
) -> None:
    """Take a rule and its point into the house. sight: a sensor that is not known is a fault of this point."""
    here: KeyPath = (*key, "id") if key and isinstance(key[-1], int) and "gates" not in key else key
    if not ID.match(spec.id):
        out.errors.append((here, f'"{spec.id}", the name of its point, is longer than 48 characters'))
        return
    if not free_id(here, spec.id, out) or not free_rule_id(here, spec.id, out):
        return
    role: Role = RULE_ROLES[role_name]
    point = rule_point(spec.id, role, place, spec.name)
    alarms = tuple(replace(alarm, on_delay_s=on_delay_s or alarm.on_delay_s) for alarm in point.alarms)
    if sight:
        alarms = (*alarms, _sight(spec))
    out.points[spec.id] = replace(point, alarms=alarms)
    out.rules.append(spec)


def _sight(spec: GateSpec | ForcedSpec) -> AlarmSpec:
    text = Text(f"状态未知：{spec.name.zh}", f"State not known: {spec.name.en}")
    return AlarmSpec(
        spec.id, "signal", NotGood(), "fault", EventClass.FAULT, latching=True, text=text,
        on_delay_s=SIGNAL_FAULT_DELAY_S, urgency="Expected", severity="Moderate",
    )  # fmt: skip


def _shows(key: KeyPath, point: str, closed: Sequence[Value], out: Resolved) -> Shows | None:
    """What shows that a point is up or closed; None, with an error, where that cannot be said."""
    if not watch(key, point, out) or not _fits(key, point, closed, out):
        return None
    found = out.points[point]
    usual = CLOSED.get((found.role, found.kind))
    if not closed and usual is None:
        roles = " or ".join(sorted({role for role, _ in CLOSED}))
        out.errors.append((key, f'"{point}" has role {found.role}: expected {roles}, or say what it shows'))
        return None
    return Shows(point, frozenset(closed or (usual,)))


def _open(key: KeyPath, gate: str, values: Sequence[Value], out: Resolved) -> Shows | None:
    """What shows that a gate is open: one of these values, else anything but closed. gate: a point, or a door of the file."""
    point = gate
    if gate in out.doors:
        point = out.doors[gate].contact
        if not point:
            out.errors.append((key, f'door "{gate}" has no contact: whether it is open is not seen'))
            return None
    shows = _shows(key, point, values, out)
    return None if shows is None else replace(shows, other=not values)


def _fits(key: KeyPath, point: str, values: Sequence[Value], out: Resolved) -> bool:
    if out.points[point].kind == "contact" and not all(isinstance(value, bool) for value in values):
        out.errors.append((key, f'"{point}" is a contact: it shows true or false'))
        return False
    return True


def _spans(key: KeyPath, words: list[str], out: Resolved) -> DaySpans | None:
    try:
        return tuple(parse_spans(words))
    except ValueError as error:
        out.errors.append((key, str(error)))
        return None


def _place(key: KeyPath, place: str, site: Site, out: Resolved) -> bool:
    if place in site.places:
        return True
    out.errors.append(((*key, "place"), unknown("a place of this file", place, site.places)))
    return False


def _name(name: str, name_en: str, place: str, site: Site) -> Text:
    there = site.places[place]
    return Text(name or there.name, name_en or name or there.name_en or there.name)
