"""Cross-checks of a site file's rules; makes their descriptions, and the points by which they say what they find.

Two steps: rules that bring points of their own come before the alarms of points are put together, linkage comes when all are there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.config.linkage_checks import check_linkages
from gateway.config.problems import unknown
from gateway.config.resolve_chains import resolve_escalation, resolve_whistle_points, resolve_whistles
from gateway.config.resolve_duties import resolve_duties
from gateway.config.resolve_gates import resolve_gates
from gateway.config.resolve_hazards import resolve_hazards
from gateway.config.resolve_inspections import resolve_inspections
from gateway.config.resolve_linkage import resolve_linkage
from gateway.config.resolve_links import miss_links, resolve_links
from gateway.config.resolve_tests import resolve_tests
from gateway.config.site import Site

if TYPE_CHECKING:
    from gateway.config.resolve import Resolved


def resolve_rule_points(site: Site, out: Resolved) -> None:
    """Rules that say what they find through points. Call it when all other points, outputs and doors are there."""
    resolve_duties(site, out)
    resolve_inspections(site, out)
    resolve_whistle_points(site, out)
    resolve_gates(site, out)


def resolve_rules(site: Site, out: Resolved) -> None:
    """Rules that act on alarms. Call it when all points have their alarms."""
    _check_together(site, out)
    resolve_tests(site, out)
    resolve_hazards(site, out)
    resolve_whistles(site, out)
    resolve_escalation(site, out)
    resolve_links(site, out)
    resolve_linkage(site, out)
    check_linkages(site, out)
    miss_links(site, out)


def _check_together(site: Site, out: Resolved) -> None:
    for i, group in enumerate(site.rules.incidents.together):
        for j, place in enumerate(group):
            if place not in site.places:
                out.errors.append((("rules", "incidents", "together", i, j), unknown("a place of this file", place, site.places)))
        if len(group) < 2:
            out.errors.append((("rules", "incidents", "together", i), "a group names at least two places"))
