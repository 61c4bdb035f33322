"""Inspection rounds (巡查、排查): which is due, and a form to note what was found."""

from __future__ import annotations

from typing import Any

from gateway.console import desk, view
from gateway.console.pages import Page, Visit


async def _known(visit: Visit) -> dict[str, Any]:
    listed = (visit.picture or {}).get("inspections") or []
    return desk.about(visit) | {"inspections": sorted(listed, key=view.inspection_order)}


INSPECTIONS = Page("/inspections", "inspections", "inspections-page.html", ("inspections",), _known)
