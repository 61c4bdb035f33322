"""Schema of the site file: [hazards], the hazard ledger (隐患台账)."""

from __future__ import annotations

from pydantic import Field

from gateway.config.profile import Strict
from gateway.config.site_linkage import Id


class Hazards(Strict):
    """Hazard ledger (隐患台账): kept where this table stands."""

    id: Id = "hazards"
    place: Id | None = Field(None, description="of the ledger's own fault, that something is overdue; the first place if left out")
    responsible: str = Field(min_length=1, max_length=80, description="of what opens by itself, where its point names nobody")
    after_h: float = Field(24.0, ge=0.01, le=720, description="a fault or tamper alarm that stands so long opens a hazard")
    fix_days: int = Field(7, ge=1, le=365, description="days from opening to the due date of what opens by itself")
    remind_days: float = Field(7.0, ge=1, le=90, description="the fault that something is overdue comes anew so often")
    enabled: bool = True
