"""What a school of this kind is expected to have and this site file does not name (GB/T 29315-2022 and the ministries' lists).

Each finding is a warning and names the policy's own term. It is answered by adding what is missing, or in the place itself:
`without = ["gas"]` with the reason beside it. An answer that does not fit what is there is an error, because it hides a warning.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.config.site import Place, Site

if TYPE_CHECKING:
    from gateway.config.resolve import Resolved

ZONES = "zones"  # the answer for a place whose cameras are there to be looked at, not to detect
ZONES_TERM = "重点部位视频监控"
_CAMERA = "camera"  # stands among the roles for a camera that looks at the place

Found = dict[tuple[str, str], str]  # (place, role) -> id of a point or camera


@dataclass(frozen=True, slots=True)
class Lack:
    """Something that is expected. name: as in `without`. types: of the places that are asked for it. words: with its article.

    roles: of points, one of which is it. term: the policy's own. each: every such place is asked; else one of them is enough.
    boarding: asked of boarding schools only.
    """

    name: str
    types: tuple[str, ...]
    roles: tuple[str, ...]
    term: str
    words: str
    each: bool = True
    boarding: bool = False

    @property
    def remedy(self) -> str:
        """What to do about it."""
        what = self.words if self.roles == (_CAMERA,) else f"a point of role {' or '.join(self.roles)}"
        return f"add {what}, or {_answer(self.name)}"


LACKS = (
    Lack("button", ("gatehouse", "duty-room", "monitoring-room"), ("panic_button",), "一键式紧急报警", "a one-key button", each=False),
    Lack("button", ("dormitory",), ("panic_button",), "寄宿制学校一键式紧急报警", "a one-key button", boarding=True),
    Lack("camera", ("gate", "perimeter"), (_CAMERA,), ZONES_TERM, "a camera"),
    Lack(
        "anti-ram",
        ("gate",),
        ("bollard_position", "bollard_impact", "bollard_fault", "barrier_position"),
        "硬质防冲撞设施",
        "an anti-ram point",
    ),
    Lack("gas", ("kitchen", "boiler-room", "laboratory"), ("gas_concentration", "gas_alarm"), "燃气报警器", "a gas detector"),
    Lack(
        "electrical-fire",
        ("power-room",),
        ("residual_current", "cable_temperature", "arc_fault"),
        "电气火灾智慧监控系统",
        "an electrical-fire point",
    ),
    Lack("door", ("exit",), ("door_contact", "door_forced"), "疏散通道、安全出口", "a door point"),
)


def find_lacks(site: Site, out: Resolved) -> None:
    """Warn of what is missing, refuse answers that do not fit. Call it when all points are there."""
    found = _found(site, out)
    boards = site.calendar is not None and site.calendar.boarding is not None
    for lack in LACKS:
        if boards or not lack.boarding:
            _look_for(lack, site, found, out)
    for i, camera in enumerate(site.cameras):
        if not camera.zones and not camera.lines and camera.place in site.places and ZONES not in site.places[camera.place].without:
            words = f"has no zones, so it detects nobody ({ZONES_TERM}): add one, or {_answer(ZONES)} at places.{camera.place}"
            out.warnings.append((("cameras", i), words))
    for name, place in site.places.items():
        for j, answer in enumerate(place.without):
            for words in _misfit(answer, name, place, site, found):
                out.errors.append((("places", name, "without", j), words))


def _found(site: Site, out: Resolved) -> Found:
    """What the places have. A camera counts where it hangs and where a point is that it feeds."""
    found: Found = {(camera.place, _CAMERA): camera.id for camera in site.cameras}
    found |= {(point.place, _CAMERA): point.camera for point in site.points if point.camera is not None}
    found |= {(point.place, point.role): point.id for point in out.points.values()}
    found |= {(anti_ram.place, "bollard_position"): anti_ram.id for anti_ram in site.anti_ram}  # fixed posts have no point
    return found


def _look_for(lack: Lack, site: Site, found: Found, out: Resolved) -> None:
    asked = {name: place for name, place in site.places.items() if place.type in lack.types}
    missing = [name for name, place in asked.items() if lack.name not in place.without and not _of_place(lack, name, found)]
    if lack.each and asked:
        for name in missing:
            out.warnings.append((("places", name), f"{asked[name].type} without {lack.words} ({lack.term}): {lack.remedy}"))
    elif lack.boarding:
        words = f"no place is a {' or '.join(lack.types)} with {lack.words} ({lack.term}): add one, and {lack.remedy}"
        out.warnings.append((("calendar", "boarding"), words))
    elif not lack.each and len(missing) == len(asked):
        words = f"no {' or '.join(lack.types)} with {lack.words} ({lack.term}): {lack.remedy}"
        out.warnings.append((("places",), words))


def _of_place(lack: Lack, place: str, found: Found) -> list[str]:
    return [found[place, role] for role in lack.roles if (place, role) in found]


def _misfit(answer: str, name: str, place: Place, site: Site, found: Found) -> Iterator[str]:
    """Why a place may not say that it is without this."""
    if answer == ZONES:
        if all(camera.zones or camera.lines for camera in site.cameras if camera.place == name):
            yield "no camera of this place is without zones"
        return
    lacks = [lack for lack in LACKS if lack.name == answer]
    fitting = [lack for lack in lacks if place.type in lack.types]
    if not fitting:
        types = ", ".join(each for lack in lacks for each in lack.types)
        yield f'a place of type {place.type} is not asked for "{answer}"; asked are: {types}'
    elif here := _of_place(fitting[0], name, found):
        yield f'says that it is without {fitting[0].words}, but "{here[0]}" is here'


def _answer(name: str) -> str:
    return f'say without = ["{name}"] and why'
