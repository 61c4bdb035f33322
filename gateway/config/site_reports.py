"""Schema of the site file: [reports], what the gateway reports by itself."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from gateway.config.profile import Strict

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


class Reports(Strict):
    """Daily report (零报告), weekly report, monthly risk analysis (月研判): issued where this table stands."""

    daily_at: str = Field(
        "17:30", pattern=r"^([01]\d|2[0-3]):[0-5]\d$", description="local time of every report, also when nothing happened"
    )
    weekly_on: Weekday = "fri"
    monthly_day: int = Field(1, ge=1, le=28, description="every month has it")
    by: str = Field("", max_length=80, description="the person who answers for the reports; named in each")
