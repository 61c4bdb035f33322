"""The hazard ledger (隐患台账): what is not right, who sets it right and by when, every step of it, and the whole of it as a table."""

from __future__ import annotations

from typing import Any

from gateway.console import desk
from gateway.console.pages import Answer, Download, NotThere, Page, Visit
from gateway.core.history import Told, Wanted

STEPS_MOST = 500  # of one hazard that are shown
CLOSED_MOST = 200
CLOSED_DAYS = 400
DAY_MS = 86_400_000
_XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


async def _list(visit: Visit) -> dict[str, Any]:
    places = visit.picture["places"] if visit.picture else {}
    return desk.about(visit) | {"places": [(name, place[visit.language]) for name, place in places.items()]}


async def _closed(visit: Visit) -> dict[str, Any]:
    wanted = Wanted(visit.now_ms - CLOSED_DAYS * DAY_MS, types=("campus.hazard.closed",))
    return desk.about(visit) | {"closed": [dict(told.data) for told in await visit.archive.events(wanted, CLOSED_MOST)]}


async def _one(visit: Visit) -> dict[str, Any]:
    name = visit.within["hazard"]
    steps = await _entries(visit, name)
    listed = (visit.picture or {}).get("hazards") or []
    hazard = next((each for each in listed if each["hazard"] == name), steps[-1].data if steps else None)
    if hazard is None:
        raise NotThere(f"{name[:40]} is not in the ledger")
    told = [{word: step.data[word] for word in ("at", "by", "why")} | {"step": _word(step)} for step in steps]
    return desk.about(visit) | {"hazard": hazard, "steps": told or hazard.get("steps", [])}


def _word(entry: Told) -> str:
    return "rejected" if entry.data.get("rejected") else str(entry.data["step"])


async def _entries(visit: Visit, hazard: str) -> list[Told]:
    """All that the journal says of it, oldest first."""
    found = await visit.archive.events(Wanted(types=("campus.hazard.",), subject=hazard), STEPS_MOST)
    return [told for told in reversed(found) if "step" in told.data]


async def _xlsx(visit: Visit) -> Answer:
    return Answer(await visit.archive.ledger("xlsx"), _XLSX, "hazards.xlsx")


async def _csv(visit: Visit) -> Answer:
    return Answer(await visit.archive.ledger("csv"), "text/csv; charset=utf-8", "hazards.csv")


HAZARDS = Page("/hazards", "hazards", "hazards-page.html", ("hazards",), _list)
CLOSED = Page("/hazards/closed", "", "closed-page.html", (), _closed)
HAZARD = Page("/hazards/{hazard}", "", "hazard-page.html", (), _one)
LEDGERS = (Download("/ledger/hazards.xlsx", _xlsx), Download("/ledger/hazards.csv", _csv))
