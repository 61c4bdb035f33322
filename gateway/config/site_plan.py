"""Schema of the site file: [plan], the drawing of the school on which the page shows every point and camera."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from gateway.config.profile import Strict
from gateway.config.site_linkage import Id

Ratio = Annotated[float, Field(ge=0, le=1)]
Spot = Annotated[tuple[Ratio, Ratio], Field(strict=False)]  # a TOML list is no tuple


class Plan(Strict):
    """The site plan of the page."""

    file: str = Field(min_length=1, description="SVG with a viewBox, or PNG; beside the site file")
    at: dict[Id, Spot] = Field(
        default_factory=dict,
        description="point or camera = [x, y] on it, 0 to 1 from the top left; the others are listed below it",
    )
