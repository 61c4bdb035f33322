"""Schema of the site file: [[guard_posts]], [[patrols]], [rules.duty_room] and [rules.shifts], the duties of people."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from gateway.config.profile import Strict
from gateway.config.site_linkage import Id, WindowName

CARDS = "cards that count: hashes, or holders named in cards_file; every card of cards_file if left out"


class GuardPost(Strict):
    """Guard post (护学岗): somebody is there while pupils come and go."""

    id: Id
    place: Id
    name: str = ""
    name_en: str = ""
    responsible: str = ""
    windows: list[WindowName] = Field(default_factory=lambda: list[WindowName](["arrival", "dismissal"]), min_length=1)
    buttons: list[Id] = Field(default_factory=list, description="points of plain contacts or counters")
    readers: list[Id] = Field(default_factory=list, description="points of role card_reader")
    cards: list[str] = Field(default_factory=list, description=CARDS)
    cards_file: str = Field("", description="CSV beside the site file, columns card, name, schedule")
    tell_names: bool = Field(True, description="false: events carry eight characters of the card's hash instead of its holder")
    cameras: list[Id] = Field(default_factory=list, description="points that are true while a person is in a camera's zone")
    grace_s: float = Field(300.0, ge=0, le=3600, description="so long after the window has begun somebody must be there")
    away_s: float = Field(180.0, ge=10, le=3600, description="no camera has seen anybody for so long: the post was left")
    valid_s: float | None = Field(None, ge=60, le=86_400, description="how long a check-in counts; the rest of the window if left out")
    early_s: float = Field(1800.0, ge=0, le=7200, description="a check-in so long before the window counts for it")
    enabled: bool = True


class Checkpoint(Strict):
    """A place that every round comes to."""

    id: Id
    name: str = ""
    name_en: str = ""
    point: Id | None = Field(None, description="its button or card reader; by command only if left out")


class Patrol(Strict):
    """Patrol (门卫巡逻): rounds to checkpoints."""

    id: Id
    place: Id
    name: str = ""
    name_en: str = ""
    responsible: str = ""
    checkpoints: list[Checkpoint] = Field(min_length=1, max_length=50)
    rounds_per_day: int | None = Field(None, ge=1, le=48, description="the day divided evenly; 5 if neither this nor rounds is given")
    rounds: list[str] = Field(default_factory=list, max_length=48, description='the time of each round: "07:00-08:30"; may cross midnight')
    days: Literal["all", "school"] = "all"
    cards: list[str] = Field(default_factory=list, description=CARDS)
    cards_file: str = ""
    tell_names: bool = True
    enabled: bool = True

    @model_validator(mode="after")
    def one_plan(self) -> Patrol:
        if self.rounds and self.rounds_per_day is not None:
            raise ValueError("a patrol has either `rounds` or `rounds_per_day`")
        return self


Minutes = Annotated[float, Field(ge=5, le=1440)]


class DutyRoom(Strict):
    """The duty room (24小时值班值守) is asked at random moments whether somebody is there."""

    id: Id = "duty-room"
    place: Id
    name: str = ""
    name_en: str = ""
    responsible: str = ""
    min_interval_min: Minutes = 60.0
    max_interval_min: Minutes = 180.0
    answer_within_s: float = Field(300.0, ge=30, le=3600)
    hours: list[str] = Field(default_factory=list, description="when it is asked; all day if left out")
    buttons: list[Id] = Field(default_factory=list, description="points of plain contacts or counters that answer")
    lamp: Id | None = Field(None, description="output that is on while a question is open")
    buzzer: Id | None = Field(None, description="output that sounds 1 s each 30 s while a question is open")
    enabled: bool = True

    @model_validator(mode="after")
    def in_order(self) -> DutyRoom:
        if self.min_interval_min >= self.max_interval_min:
            raise ValueError("max_interval_min must be more than min_interval_min, or the moments could be foreseen")
        return self


class Shifts(Strict):
    """Changes of shift (交接班)."""

    id: Id = "shifts"
    place: Id
    name: str = ""
    name_en: str = ""
    responsible: str = ""
    times: list[str] = Field(min_length=1, max_length=12, description='times of change: "08:00", "20:00"')
    overdue_min: float = Field(15.0, ge=1, le=120)
    early_min: float = Field(30.0, ge=0, le=120, description="a shift opened so long before its time counts for it")
    enabled: bool = True
