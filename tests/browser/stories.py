"""What happens in the school while somebody looks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tests.browser.school import GUARD, LEADER, School
from tests.proof.rig import Rig, wait_for
from tests.proof.school_rig import on_site, press, status

WORDS = ("fence mended",)  # that people write
STANDING = ("unacknowledged", "latched_unacknowledged", "returned_unacknowledged")


def busy_day(campus: School) -> None:
    """Something in every list: alarms, one that was taken, one set aside, a drill and the report of another, a hazard."""
    here = campus.here
    drill(here, "quake", "panic-office")
    on_site(here, "drill", "end", "--by", LEADER)
    wait_for(lambda: not status(here)["modes"], "the first drill is over")
    drill(here, "fire", "panic-office")
    for button in ("panic-gate", "panic-store", "panic-office"):
        press(here, button)
    here.post("/points/gas-kitchen", {"value": 60.0})
    here.post("/points/door-store", {"value": True})
    once_there(here, "shelve", "door-store", "--for", "60min", "--reason", WORDS[0], "--by", LEADER)
    once_there(here, "acknowledge", "panic-store", "--by", GUARD)
    once_there(here, "acknowledge", "gas-kitchen", "--by", GUARD)
    due = datetime.now(UTC).date() + timedelta(days=30)
    on_site(here, "hazard", "open", "gate", "--what", WORDS[0], "--responsible", GUARD, "--due", str(due), "--by", LEADER)


def drill(here: Rig, kind: str, button: str) -> None:
    """A drill with this button, once it runs."""
    on_site(here, "drill", "start", kind, button, "--for", "60min", "--announce", "1s", "--by", LEADER)
    wait_for(lambda: [row["state"] for row in status(here)["modes"]] == ["running"], "the drill begins")


def once_there(here: Rig, *words: str) -> None:
    """A command about a point, once an alarm of it stands."""

    def stands() -> bool:
        return any(item["alarm"].startswith(f"{words[1]}/") and item["state"] in STANDING for item in status(here)["alarms"])

    wait_for(stands, f"{words[1]} stands")
    on_site(here, *words)
