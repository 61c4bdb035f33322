"""What a school does not have that the policies ask for: from its checked site file. Pure.

The expectations of single places are those of `check` (`gateway/config/lacks.py`); these are about the school as a whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gateway.config.lacks import LACKS, ZONES, ZONES_TERM

if TYPE_CHECKING:
    from gateway.config.settings import Settings

LAYERS = 2  # 两道防冲撞设施
_GATE = ("gate", "gatehouse", "duty-room", "monitoring-room")
_CAMERA = "camera"


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that is asked for. term: the policy's own. words: what is missing, in English."""

    id: str
    term: str
    zh: str
    words: str


ITEMS: dict[str, Item] = {
    item.id: item
    for item in (
        Item("button", "一键式紧急报警", "校门、门卫室无一键报警按钮", "no one-key button at gate or gatehouse"),
        Item("button-dormitory", "寄宿制学校一键式紧急报警", "宿舍无一键报警按钮", "a dormitory without a one-key button"),
        Item("camera", ZONES_TERM, "校门、周界无摄像机", "a gate or perimeter without a camera"),
        Item("zones", ZONES_TERM, "摄像机未划定检测区域", "a camera without zones detects nobody"),
        Item("anti-ram", "硬质防冲撞设施", "校门无防冲撞设施", "a gate without an anti-ram point"),
        Item("two-layers", "两道防冲撞设施", "防冲撞设施不足两道", "fewer than two layers of anti-ram posts"),
        Item("gas", "燃气报警器", "用气场所无燃气探测器", "a kitchen, boiler room or laboratory without a gas detector"),
        Item("electrical-fire", "电气火灾智慧监控系统", "配电室无电气火灾监控", "a power room without an electrical-fire point"),
        Item("door", "疏散通道、安全出口", "疏散出口无门磁", "an exit without a door point"),
        Item("responsible", "明确责任人", "点位未明确责任人", "a point that nobody answers for"),
        Item("leader", "领导带班值班", "未登记带班领导", "no duty leader"),
        Item("hours", "封闭化管理", "未填写上课时间", "no hours with lessons"),
        Item("guard-post", "护学岗", "未配置护学岗", "no guard post"),
        Item("recipient", "与公安机关联网", "无签收方", "nobody signs for an alarm"),
    )
}


@dataclass(frozen=True, slots=True)
class Missing:
    """One thing that one school does not have. item: a key of ITEMS. answer: why, where the file says so; empty: nobody has answered."""

    item: str
    place: str = ""
    answer: str = ""


def missing_of(settings: Settings) -> list[Missing]:
    """Everything that this school does not have."""
    site = settings.site
    held: set[tuple[str, str]] = {(point.place, point.role) for point in settings.points.values() if not point.system}
    held |= {(camera.place, _CAMERA) for camera in site.cameras}
    held |= {(point.place, _CAMERA) for point in site.points if point.camera is not None}
    held |= {(posts.place, "bollard_position") for posts in site.anti_ram}
    return [*_of_places(site, held), *_of_school(settings, held)]


def _of_places(site: Any, held: set[tuple[str, str]]) -> Iterator[Missing]:
    """What `check` expects of each place. The button of gate and gatehouse is asked of the school, below."""
    boards = site.calendar is not None and site.calendar.boarding is not None
    for lack in LACKS:
        if not lack.each or (lack.boarding and not boards):
            continue
        item = "button-dormitory" if lack.boarding else lack.name
        places = [(name, place) for name, place in site.places.items() if place.type in lack.types]
        if lack.boarding and not places:
            yield Missing(item)
        for name, place in places:
            if not any((name, role) in held for role in lack.roles):
                yield Missing(item, place.name, place.why if lack.name in place.without else "")


def _of_school(settings: Settings, held: set[tuple[str, str]]) -> Iterator[Missing]:
    site = settings.site
    gates = {name: place for name, place in site.places.items() if place.type in _GATE}
    if not any((name, "panic_button") in held for name in gates):
        why = next((place.why for place in gates.values() if "button" in place.without), "")
        yield Missing("button", "", why)
    for camera in site.cameras:
        place = site.places[camera.place]
        if not camera.zones and not camera.lines:
            yield Missing("zones", place.name, place.why if ZONES in place.without else "")
    for name, place in gates.items():
        if place.type == "gate" and sum(len(posts.layers) for posts in site.anti_ram if posts.place == name) < LAYERS:
            yield Missing("two-layers", place.name, place.why if "anti-ram" in place.without else "")
    for point in site.points:
        if not point.responsible:
            yield Missing("responsible", point.id)
    if site.rules.escalation is None or not site.rules.escalation.leaders:
        yield Missing("leader")
    if not any(getattr(site.hours, day) for day in ("mon", "tue", "wed", "thu", "fri", "sat", "sun")):
        yield Missing("hours")
    if not site.guard_posts:
        yield Missing("guard-post")
    if not site.uplink.recipients:
        yield Missing("recipient")
