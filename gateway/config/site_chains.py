"""Schema of the site file: [rules.escalation] and [[whistles]]: who is told when nobody reacts, and who is called."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from gateway.config.profile import Strict
from gateway.config.site_linkage import Id

EscalatesName = Literal["Extreme", "Severe", "Moderate", "Minor", "duty"]


class Leader(Strict):
    """A duty leader. The name goes into events; the telephone number never leaves this gateway."""

    name: str = Field(min_length=1, max_length=40)
    phone: str = Field("", max_length=40)


class Times(Strict):
    """How long an alarm may wait to be acknowledged; both times from its beginning."""

    leader_after_s: float = Field(120.0, ge=10, le=86_400, description="then the duty leader is told")
    centre_after_s: float = Field(300.0, ge=10, le=86_400, description="then the centre is told")

    @model_validator(mode="after")
    def in_order(self) -> Times:
        if self.centre_after_s <= self.leader_after_s:
            raise ValueError("the centre is told after the duty leader: centre_after_s must be more than leader_after_s")
        return self


def _usual() -> dict[EscalatesName, Times]:
    return {"Extreme": Times(), "Severe": Times(), "duty": Times(leader_after_s=300.0, centre_after_s=600.0)}


class Escalation(Strict):
    """An alarm that nobody acknowledges is told to the duty leader, then to the centre (领导带班值班)."""

    enabled: bool = True
    leaders: list[Leader] = Field(default_factory=list, description="the duty leaders, by name")
    times: dict[EscalatesName, Times] = Field(
        default_factory=_usual,
        description="alarms by their severity, and duties; once the table is there, what it leaves out does not escalate",
    )


class WhistleAddressee(Strict):
    """One who is called: a recipient of the uplink, or a person by name."""

    recipient: Id | None = Field(None, description="a recipient of [uplink]; reports in by a signed command")
    name: str = Field("", max_length=40, description="a person; reports in by name")
    phone: str = Field("", max_length=40, description="never leaves this gateway")
    deadline_s: float | None = Field(None, ge=10, le=86_400)

    @model_validator(mode="after")
    def one_of_two(self) -> WhistleAddressee:
        if (self.recipient is None) == (not self.name.strip()):
            raise ValueError("an addressee has either `recipient` or `name`")
        return self


class Whistle(Strict):
    """The school blows the whistle, the departments report in (学校吹哨、部门报到)."""

    id: Id
    name: str = ""
    name_en: str = ""
    place: Id | None = None
    addressees: list[WhistleAddressee] = Field(min_length=1)
    deadline_s: float = Field(600.0, ge=10, le=86_400, description="for an addressee that has none of its own")
    alarm_classes: list[str] = Field(default_factory=list, description="alarms of these classes blow it by themselves")
    roles: list[str] = Field(default_factory=list, description="and the alarms of points with these roles")
