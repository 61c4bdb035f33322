"""Cross-checks of a site file's hazard ledger; makes its description and the point by which it says what is overdue."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.config.problems import unknown
from gateway.config.resolve_linkage import free_rule_id
from gateway.config.resolve_outputs import free_id
from gateway.config.roles_rules import HAZARDS_ROLE, rule_point
from gateway.config.site import Site
from gateway.core.hazards import HazardsSpec, Watched
from gateway.core.points import EventClass, Text

if TYPE_CHECKING:
    from gateway.config.resolve import Resolved

_DAY_S = 86_400.0


def resolve_hazards(site: Site, out: Resolved) -> None:
    """Check [hazards] and fill `out.rules` and `out.points`. Call it when all points have their alarms."""
    ledger = site.hazards
    if ledger is None or not free_id(("hazards", "id"), ledger.id, out) or not free_rule_id(("hazards", "id"), ledger.id, out):
        return
    place = ledger.place or next(iter(site.places))
    if place not in site.places:
        out.errors.append((("hazards", "place"), unknown("a place of this file", place, site.places)))
        return
    if not ledger.enabled:
        return
    name = Text(site.site.name, site.site.name_en or site.site.name)
    out.rules.append(
        HazardsSpec(
            id=ledger.id,
            place=place,
            name=name,
            responsible=ledger.responsible,
            after_s=ledger.after_h * 3600,
            fix_days=ledger.fix_days,
            remind_s=ledger.remind_days * _DAY_S,
            watched=_watched(site, out, ledger.responsible),
            places={place_id: Text(found.name, found.name_en or found.name) for place_id, found in site.places.items()},
        )
    )
    out.points[ledger.id] = rule_point(ledger.id, HAZARDS_ROLE, place, name, ledger.responsible)


def _watched(site: Site, out: Resolved, responsible: str) -> dict[str, Watched]:
    """Every fault and tamper alarm of the site, those of devices, cameras and the gateway itself included. A device belongs to its line."""
    devices = {wire.point: device for device, wires in out.wire.items() for wire in wires}
    lines = {device.id: device.bus for device in site.devices}
    links = {device: out.points[device].alarms[0].key for device in lines if device in out.points and out.points[device].alarms}
    return {
        spec.key: Watched(
            point.place,
            spec.text,
            point.responsible or responsible,
            devices.get(point.id, "") or lines.get(point.id, ""),
            links.get(devices.get(point.id, ""), ""),
        )
        for point in out.points.values()
        for spec in point.alarms
        if spec.event_class is EventClass.FAULT or spec.alarm_class == "tamper"
    }
