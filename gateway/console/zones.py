"""The page of one camera's zones, lines and masks: everybody may look; a technician draws, and takes the text for the site file along.

The page saves nothing: the site file is changed by hand or by a command that checks it, never from a browser.
"""

from __future__ import annotations

import json
from typing import Any

from gateway.console.cameras import LOOKED
from gateway.console.pages import NotThere, Page, Visit
from gateway.core.ids import ID_PATTERN

DRAWS = "technician"


async def known(visit: Visit) -> dict[str, Any]:
    """What the template shows. shapes: the same as JSON for the script."""
    camera = visit.within.get("camera", "")
    if camera not in visit.archive.cameras():
        raise NotThere("no such camera")
    drawn = visit.archive.drawn(camera)
    shapes = [{"kind": each.kind, "id": each.name, "corners": each.corners} for each in drawn]
    return {
        "camera": camera,
        "drawn": drawn,
        "shapes": json.dumps(shapes),
        "draws": visit.role == DRAWS,
        "id_pattern": ID_PATTERN,
    }


ZONES = Page("/cameras/{camera}/zones", "", "zones.html", (), known, LOOKED)
