"""Cross-checks of a site file's doors and power supply; makes the points by which a door tells what it finds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from gateway.config.hours import WEEKDAYS, parse_spans
from gateway.config.problems import unknown
from gateway.config.profiles import Profile, signals_of
from gateway.config.resolve_outputs import free_id, watch
from gateway.config.roles import ROLES, SIGNAL_FAULT_DELAY_S
from gateway.config.site import Device, Door, PointSettings, Site
from gateway.config.toml_lines import KeyPath
from gateway.core.doors import DoorSpec, PowerSpec
from gateway.core.points import AlarmSpec, EventClass, NotGood, Point, Text

if TYPE_CHECKING:
    from gateway.config.resolve import Resolved


def reader_points(site: Site, profiles: dict[str, Profile]) -> Iterator[PointSettings]:
    """The points of readers that a door names as a device: its card, and its tamper switch where it has one."""
    used = {(point.device, point.signal) for point in site.points}
    devices = {device.id: device for device in site.devices}
    for door in site.doors:
        device = devices.get(door.reader or "")
        if device is None or device.profile not in profiles or door.place not in site.places:
            continue
        for name, signal in signals_of(profiles[device.profile]):
            role = "card_reader" if signal.kind == "card" else "tamper" if name == "tamper" and signal.kind == "contact" else ""
            if role and (device.id, name) not in used:
                used.add((device.id, name))
                suffix = "card" if signal.kind == "card" else "tamper"
                yield PointSettings(
                    id=f"{door.id}-{suffix}",
                    role=role,
                    place=door.place,
                    device=device.id,
                    signal=name,
                    name=door.name,
                    name_en=door.name_en,
                )


def resolve_doors(site: Site, out: Resolved) -> None:
    """Check [[doors]], [schedules] and [power]; fill `out.doors` and `out.power`. Call it when all points and outputs are there."""
    for name, hours in site.schedules.items():
        for day in WEEKDAYS:
            for j, words in enumerate(getattr(hours, day)):
                try:
                    parse_spans([words])
                except ValueError as error:
                    out.errors.append((("schedules", name, day, j), str(error)))
        if hours.holidays == "closed" and site.calendar is None:
            words = "needs [calendar], an empty one is enough: without it no day is known to be a holiday"
            out.errors.append((("schedules", name, "holidays"), words))
    for i, door in enumerate(site.doors):
        _door(i, door, site, out)
    _power(site, out)


def _door(i: int, door: Door, site: Site, out: Resolved) -> None:
    key: KeyPath = ("doors", i)
    if not free_id((*key, "id"), door.id, out):
        return
    if door.place not in site.places:
        out.errors.append(((*key, "place"), unknown("a place of this file", door.place, site.places)))
        return
    if door.contact is None and door.reader is None and door.granted is None:
        out.errors.append((key, "a door has at least one of contact, reader and granted"))
        return
    place = site.places[door.place]
    spec = DoorSpec(
        id=door.id,
        place=door.place,
        name=Text(door.name or place.name, door.name_en or place.name_en or door.name or place.name),
        contact=_input(key, "contact", door.contact, ("door_contact",), out),
        card=_card_point(key, door, site, out),
        request_to_exit=_input(key, "request_to_exit", door.request_to_exit, ("request_to_exit",), out),
        granted=_input(key, "granted", door.granted, ("door_granted",), out),
        lock=_lock(key, door, out),
        held_s=door.held_s,
        unlock_s=door.unlock_s,
        tell_names=door.tell_names,
        denied_burst=door.denied_burst,
    )
    out.doors[door.id] = spec
    for point in _derived(spec):
        if free_id((*key, "id"), point.id, out):
            out.points[point.id] = point


def _input(key: KeyPath, name: str, point: str | None, roles: tuple[str, ...], out: Resolved) -> str:
    if point is None or not watch((*key, name), point, out, roles=roles, kind="contact"):
        return ""
    return point


def _card_point(key: KeyPath, door: Door, site: Site, out: Resolved) -> str:
    """The point that shows cards: named itself, or the one of the named device."""
    if door.reader is None:
        if door.cards_file:
            out.errors.append(((*key, "cards_file"), "needs a reader"))
        return ""
    devices: dict[str, Device] = {device.id: device for device in site.devices}
    if door.reader in devices:
        cards = [wire.point for wire in out.wire.get(door.reader, []) if out.points[wire.point].role == "card_reader"]
        if not cards:
            out.errors.append(((*key, "reader"), f'device "{door.reader}" offers no card'))
            return ""
        out.points[cards[0]] = replace(out.points[cards[0]], watched=True)
        return cards[0]
    if not watch((*key, "reader"), door.reader, out, roles=("card_reader",)):
        return ""
    return door.reader


def _lock(key: KeyPath, door: Door, out: Resolved) -> str:
    if door.lock is None:
        return ""
    lock = out.outputs.get(door.lock)
    if lock is None:
        out.errors.append(((*key, "lock"), unknown("an output of this file", door.lock, out.outputs)))
    elif lock.kind != "lock":
        out.errors.append(((*key, "lock"), f'output "{door.lock}" is a {lock.kind}, not a lock'))
    elif lock.safe is None and not lock.momentary:
        out.errors.append(((*key, "lock"), f'output "{door.lock}" has safe = "keep": the door would stay unlocked after a crash'))
    else:
        return door.lock
    return ""


def _derived(spec: DoorSpec) -> Iterator[Point]:
    if spec.contact:
        yield _derived_point(spec, spec.forced_point, "door_forced", sight=True)
        yield _derived_point(spec, spec.held_point, "door_held")
    if spec.card:
        yield _derived_point(spec, spec.denied_point, "door_denied")


def _derived_point(spec: DoorSpec, point_id: str, role_name: str, *, sight: bool = False) -> Point:
    """sight: a contact that cannot be believed is a fault, told once for the door."""
    role = ROLES[role_name]
    alarms = [
        AlarmSpec(
            point=point_id,
            name=default.name,
            condition=default.condition,
            alarm_class=default.alarm_class,
            event_class=default.event_class,
            latching=default.latching,
            text=_text(default.text, spec),
            on_delay_s=default.on_delay_s,
            off_delay_s=default.off_delay_s,
            urgency=default.urgency,
            severity=default.severity,
            certainty=default.certainty,
            boot=role.boot,
        )
        for default in role.alarms
    ]
    if sight:
        text = _text(Text("门磁信号故障", "Door contact fault"), spec)
        alarms.append(
            AlarmSpec(
                point_id, "signal", NotGood(), "fault", EventClass.FAULT, latching=True, text=text,
                on_delay_s=SIGNAL_FAULT_DELAY_S, urgency="Expected", severity="Moderate",
            )
        )  # fmt: skip
    name = Text(f"{spec.name.zh}{role.text.zh}", f"{spec.name.en} {role.text.en}")
    return Point(id=point_id, role=role.name, place=spec.place, name=name, alarms=tuple(alarms))


def _text(text: Text, spec: DoorSpec) -> Text:
    return Text(f"{text.zh}：{spec.name.zh}", f"{text.en}: {spec.name.en}")


def _power(site: Site, out: Resolved) -> None:
    power = site.power
    if power is None:
        return
    watch(("power", "battery_low"), power.battery_low, out, roles=("battery_low",), kind="contact")
    if power.mains is not None:
        watch(("power", "mains"), power.mains, out, roles=("mains_fail",), kind="contact")
    out.power = PowerSpec(power.battery_low, power.mains or "", power.shutdown_after_s, power.poweroff)
