"""Schema of the site file: [[inspections]], what people look at each day, week, month or term."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from gateway.config.calendar import Weekday
from gateway.config.profile import Strict
from gateway.config.site_linkage import Id


class InspectionItem(Strict):
    """One thing that is looked at."""

    id: Id
    name: str = Field(min_length=1)
    name_en: str = ""


class Inspection(Strict):
    """An inspection (日排查、周巡查、月报告): due once in each day, week, month or term; somebody says by name what was found."""

    id: Id
    name: str = Field(min_length=1)
    name_en: str = ""
    place: str = Field("", description="a place of this file; empty: the whole school")
    every: Literal["day", "week", "month", "term"]
    by: str = Field("", description="HH:MM until which it is to be done; the end of that day's lessons and dismissal if left out")
    weekday: Weekday | None = Field(None, description="of a weekly one, the day on which it is due; fri if left out")
    day_of_month: int | None = Field(
        None, ge=1, le=31, description="of a monthly one; the last day of the month if left out or if it has fewer"
    )
    term_days: int | None = Field(None, ge=0, le=200, description="of one each term: due so many days after its first day; 14 if left out")
    days: Literal["all", "school"] = Field(
        "school", description="school: never due on a day without lessons and boarders, but on the school day before it"
    )
    items: list[InspectionItem] = Field(default_factory=list, max_length=50)
    responsible: str = Field(
        "", max_length=80, description="who does it; also for putting right what is found, unless another is named then"
    )
    drill: Literal["tabletop"] | None = Field(
        None, description="tabletop: it is a table-top exercise (处置方案推演), counted with the drills"
    )
    enabled: bool = True

    @model_validator(mode="after")
    def only_its_own(self) -> Inspection:
        for name, every in (("weekday", "week"), ("day_of_month", "month"), ("term_days", "term")):
            if getattr(self, name) is not None and self.every != every:
                raise ValueError(f'`{name}` is for every = "{every}"; this one is due each {self.every}')
        return self
