"""Schema of the site file: the rules at gates and doors ([[anti_ram]], [[lanes]], [[exits]], [rules.closed_campus])."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from gateway.config.profile import Strict
from gateway.config.site_linkage import Id, Shown, WindowName

GateId = Annotated[Id, Field(max_length=36)]  # its points are named after it


class Layer(Strict):
    """One layer of posts or barriers."""

    name: str = ""
    name_en: str = ""
    points: list[Id] = Field(default_factory=list, description="of role bollard_position or barrier_position; others with `up`")
    up: list[Shown] = Field(default_factory=list, description="what they show when up or closed; the role's own words if left out")
    fixed: bool = Field(False, description="posts that do not move and have no sensor: an asset, never an alarm")

    @model_validator(mode="after")
    def fixed_or_sensed(self) -> Layer:
        if self.fixed == bool(self.points):
            raise ValueError("a layer has either `points` that show whether it is up, or `fixed = true`")
        return self


class AntiRam(Strict):
    """Anti-ram posts of one gate, from the street inwards."""

    id: GateId
    place: Id
    name: str = ""
    name_en: str = ""
    layers: list[Layer] = Field(min_length=1, max_length=4)
    windows: list[WindowName] = Field(
        default_factory=lambda: list[WindowName](["arrival", "dismissal"]), min_length=1, description="every layer is up then"
    )
    grace_s: float = Field(60.0, ge=0, le=3600, description="a layer may be down for so long, then it is an alarm")
    one_always_up: bool = Field(False, description="true: all layers down at once is an alarm at any time but `delivery`")
    delivery: list[str] = Field(default_factory=list, description='times of each day at which vehicles may pass: "05:30-06:30"')
    forced: bool = Field(True, description="a rising post that goes down without `lowered_by`, outside `delivery`, is an alarm")
    lowered_by: list[Id] | None = Field(
        None, description="outputs and contacts that lower a post; the place's outputs of kind bollard but `raise_with` if left out"
    )
    lowered_s: float = Field(30.0, ge=1, le=600, description="how long after that a post may go down")
    raise_with: list[Id] = Field(default_factory=list, description="outputs that are switched on when a window begins; none if left out")


class Lane(Strict):
    """A lane for vehicles and a gate for pupils that are not open together."""

    id: Id
    place: Id
    name: str = ""
    name_en: str = ""
    vehicle: list[Id] = Field(min_length=1, description="points of the vehicle lane: barrier, posts, gate")
    vehicle_open: list[Shown] = Field(default_factory=list, description="what they show when open; not closed if left out")
    pupils: list[Id] = Field(min_length=1, description="points of the pupils' gate, or doors of this file")
    pupils_open: list[Shown] = Field(default_factory=list)
    windows: list[WindowName] = Field(default_factory=lambda: list[WindowName](["arrival", "dismissal"]), min_length=1)
    grace_s: float = Field(10.0, ge=0, le=3600, description="both may be open for so long")


class Exit(Strict):
    """An exit that must be free while people are in the school."""

    id: Id
    place: Id
    name: str = ""
    name_en: str = ""
    points: list[Id] = Field(min_length=1, description="contacts that are active while it is locked or blocked, and locks")
    blocked: list[Shown] = Field(default_factory=list, description="what they show then; true for a contact, off for a lock if left out")
    windows: list[WindowName] | None = Field(
        None, min_length=1, description="arrival, dismissal and lesson if left out; with boarders also night and boarding"
    )
    grace_s: float = Field(10.0, ge=0, le=3600, description="it may be so for so long")


class ClosedCampus(Strict):
    """[rules.closed_campus]: gates stay shut while pupils are in, and at night."""

    gates: list[Id] = Field(
        default_factory=list,
        description="points and doors; every door_contact and barrier_position at places of type gate and perimeter if left out",
    )
    windows: list[WindowName] = Field(
        default_factory=lambda: list[WindowName](["lesson"]), description="of the day; not arrival, dismissal"
    )
    open_s: float = Field(120.0, ge=0, le=86_400, description="a gate may stand open for so long in them")
    night_windows: list[WindowName] = Field(
        default_factory=lambda: list[WindowName](["night", "boarding", "none"]), description="empty: only the day counts"
    )
    night_open_s: float = Field(60.0, ge=0, le=86_400, description="a gate may stand open for so long in them")
    allowed_s: float = Field(30.0, ge=0, le=3600, description="after a card, an exit button or a grant the time begins so much later")
    delivery: list[str] = Field(default_factory=list, description='times of each day at which gates may stand open: "05:30-06:30"')

    @model_validator(mode="after")
    def one_time_each(self) -> ClosedCampus:
        both = sorted(set(self.windows) & set(self.night_windows))
        if both:
            raise ValueError(f"{both[0]} stands in `windows` and in `night_windows`: say which time counts")
        if not self.windows and not self.night_windows:
            raise ValueError("no windows: it could never act; leave the table out instead")
        return self
