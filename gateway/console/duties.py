"""Who is on duty, what is to be done now, and the modes: drill, walk test, maintenance."""

from __future__ import annotations

from typing import Any

from gateway.console import desk, words
from gateway.console.pages import Page, Visit


async def _known(visit: Visit) -> dict[str, Any]:
    picture = visit.picture or {"points": [], "duties": []}
    due = {test["point"]: number for number, test in enumerate(picture.get("walk_tests", []))}  # the most urgent first
    tried = sorted((point for point in picture["points"] if point.get("tried")), key=lambda point: due.get(point["point"], len(due)))
    return desk.about(visit) | {
        "shifts": [duty for duty in picture["duties"] if duty["rule"] == "shift"],
        "tried": tried,
        "worked_on": [point for point in picture["points"] if point.get("worked_on")],
        "drills": tuple(words.DRILLS),
        "named": desk.told_apart(picture["points"], visit.language),
    }


DUTY = Page("/duty", "duty", "duty-page.html", ("duty", "modes"), _known)
