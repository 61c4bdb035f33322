"""What is watched in a camera's zones and at its lines, as the site file says it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.config.roles import ROLES
from gateway.core.reading import Quality, Reading

if TYPE_CHECKING:
    from gateway.config.site import Camera, PointSettings, Site

NO_VEHICLES = "the model knows no vehicles"


@dataclass(frozen=True, slots=True)
class Watch:
    """The points of one zone or line that want the same. zone: its id; sees: of gateway.config.role.SEEN.

    dwell_s: how long somebody must stay. counting: those of the points that show how many, the others whether.
    """

    zone: str
    dwell_s: float
    sees: frozenset[str]
    points: tuple[str, ...]
    counting: frozenset[str]


@dataclass(frozen=True, slots=True)
class LineWatch:
    """The points of one line that see the same. direction: of each point, None for both."""

    line: str
    sees: frozenset[str]
    points: tuple[tuple[str, str | None], ...]
    counting: frozenset[str]


def watches_of(camera: Camera, site: Site) -> list[Watch]:
    """What is looked for in each zone of a camera; nothing in a zone without points."""
    wanted: dict[tuple[str, float, frozenset[str]], list[str]] = {}
    dwells = {zone.id: zone.dwell_s for zone in camera.zones}
    for point in _points(camera, site):
        if point.zone is not None:
            wanted.setdefault((point.zone, dwell_of(point, dwells[point.zone]), ROLES[point.role].sees), []).append(point.id)
    counting = _counting(camera, site)
    return [Watch(*key, tuple(points), counting & set(points)) for key, points in wanted.items()]


def line_watches_of(camera: Camera, site: Site) -> list[LineWatch]:
    """What is looked for at each line of a camera."""
    wanted: dict[tuple[str, frozenset[str]], list[tuple[str, str | None]]] = {}
    for point in _points(camera, site):
        if point.line is not None:
            wanted.setdefault((point.line, ROLES[point.role].sees), []).append((point.id, point.direction))
    counting = _counting(camera, site)
    return [LineWatch(*key, tuple(points), counting & {name for name, _ in points}) for key, points in wanted.items()]


def dwell_of(point: PointSettings, zone_s: float) -> float:
    """Seconds that a person must stay for this point: its own, its role's, or those of the zone."""
    return point.dwell_s if point.dwell_s is not None else ROLES[point.role].dwell_s or zone_s


def blind_readings(camera: Camera, site: Site, reason: str, now_s: float) -> list[Reading]:
    """All points of a camera that cannot be judged: bad, never "nobody there"."""
    return [Reading(point.id, None, Quality.BAD, reason, now_s) for point in _points(camera, site)]


def _points(camera: Camera, site: Site) -> list[PointSettings]:
    return [point for point in site.points if point.camera == camera.id]


def _counting(camera: Camera, site: Site) -> frozenset[str]:
    return frozenset(point.id for point in _points(camera, site) if "measurement" in ROLES[point.role].kinds)
