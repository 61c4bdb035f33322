"""Schema of the site file: [rules], the school rules of which a site has one each. Each table switches its rule and sets it."""

from __future__ import annotations

from pydantic import Field

from gateway.config.profile import Strict
from gateway.config.site_chains import Escalation
from gateway.config.site_duties import DutyRoom, Shifts
from gateway.config.site_gates import ClosedCampus
from gateway.config.site_linkage import Id
from gateway.config.site_links import Electrical, Fire, Gas, OneKey


class Incidents(Strict):
    """Related alarms become one incident."""

    window_s: float = Field(300.0, ge=10, le=3600, description="alarms of a place that follow each other so fast belong together")
    together: list[list[Id]] = Field(
        default_factory=list, description="groups of places that count as one, such as a gate and its gatehouse"
    )


class Rules(Strict):
    """[rules.NAME], one table for each."""

    incidents: Incidents = Field(default_factory=lambda: Incidents())
    duty_room: DutyRoom | None = None
    shifts: Shifts | None = None
    closed_campus: ClosedCampus | None = None
    escalation: Escalation = Field(default_factory=lambda: Escalation())
    one_key: OneKey | None = None
    gas: Gas | None = None
    fire: Fire | None = None
    electrical: Electrical | None = None
