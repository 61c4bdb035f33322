"""The page `cameras`: what each camera sees now, about once a second, while somebody looks. Nothing of it is kept."""

from __future__ import annotations

from typing import Any

from gateway.console.pages import Answer, Download, NotThere, Page, Visit
from gateway.console.told import place_name

LOOKED = "cameras"  # looking at pictures is on record


async def known(visit: Visit) -> dict[str, Any]:
    """What the template shows: a place for each camera's picture."""
    places = {each["point"]: place_name(visit, each["place"]) for each in (visit.picture or {}).get("points", [])}
    return {"cameras": [{"camera": camera, "place": places.get(camera, "")} for camera in visit.archive.cameras()]}


async def give(visit: Visit) -> Answer:
    """The newest picture; never to be kept by a browser."""
    camera = visit.within.get("camera", "")
    if camera not in visit.archive.cameras():
        raise NotThere("no such camera")
    return Answer(await visit.archive.tile(camera), "image/jpeg")


CAMERAS = Page("/cameras", "cameras", "cameras.html", ("eyes",), known, LOOKED)
TILE = Download("/cameras/{camera}/tile.jpg", give, LOOKED)
