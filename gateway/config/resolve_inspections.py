"""Cross-checks of a site file's inspections; makes their descriptions, and for each the point by which it tells that it is late."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from gateway.config.hours import WEEKDAYS
from gateway.config.problems import unknown
from gateway.config.resolve_linkage import free_rule_id
from gateway.config.resolve_outputs import free_id
from gateway.config.roles_rules import RULE_ROLES, rule_point
from gateway.config.site import Site
from gateway.config.site_inspections import Inspection
from gateway.config.toml_lines import KeyPath
from gateway.core.inspections import InspectionSpec, Item
from gateway.core.points import Text

if TYPE_CHECKING:
    from gateway.config.resolve import Resolved

_TIME = re.compile(r"^([01]\d|2[0-3]):([0-5]\d)$")


def resolve_inspections(site: Site, out: Resolved) -> None:
    """Check the inspections and fill `out.rules` and `out.points`."""
    for i, inspection in enumerate(site.inspections):
        _inspection(("inspections", i), inspection, site, out)


def _inspection(key: KeyPath, asked: Inspection, site: Site, out: Resolved) -> None:
    if not free_id((*key, "id"), asked.id, out) or not free_rule_id((*key, "id"), asked.id, out):
        return
    if asked.place and asked.place not in site.places:
        out.errors.append(((*key, "place"), unknown("a place of this file", asked.place, site.places)))
        return
    by = _TIME.match(asked.by)
    if asked.by and not by:
        out.errors.append(((*key, "by"), f'"{asked.by[:40]}" is not a time of the day; expected HH:MM'))
    for j, item in enumerate(asked.items):
        if item.id in [other.id for other in asked.items[:j]]:
            out.errors.append(((*key, "items", j, "id"), f'"{item.id}" is another item of this inspection already'))
    if asked.every == "term" and (site.calendar is None or not (site.calendar.terms or site.calendar.file)):
        out.errors.append(((*key, "every"), "needs terms: see [calendar], `terms`"))
    if not asked.enabled:
        return
    spec = InspectionSpec(
        id=asked.id,
        place=asked.place or next(iter(site.places)),
        name=Text(asked.name, asked.name_en or asked.name),
        every=asked.every,
        items=tuple(Item(item.id, Text(item.name, item.name_en or item.name)) for item in asked.items),
        responsible=asked.responsible,
        whole_school=not asked.place,
        by_min=int(by[1]) * 60 + int(by[2]) if by else None,
        weekday=WEEKDAYS.index(asked.weekday or "fri"),
        day_of_month=asked.day_of_month or 31,
        term_days=14 if asked.term_days is None else asked.term_days,
        school_days_only=asked.days == "school",
        drill=asked.drill or "",
    )
    out.rules.append(spec)
    out.points[spec.id] = rule_point(spec.id, RULE_ROLES["inspection"], spec.place, spec.name, spec.responsible)
