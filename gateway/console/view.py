"""From the daemon's picture to the parts of the page, as HTML. Pure.

Order of the alarms (ISA-18.2, EEMUA 191): what nobody has taken before what somebody has, the graver first, then what still goes on,
then the newer. A one-key alarm whose button is at rest again stays on top until somebody has taken it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import jinja2

from gateway.console import words

PARTS = ("banner", "alarms", "faults", "aside", "duties", "delivery", "points")
UNTAKEN = frozenset({"unacknowledged", "returned_unacknowledged", "latched_unacknowledged"})
ACTIVE = frozenset({"unacknowledged", "acknowledged"})
_SEVERITY = {"Extreme": 0, "Severe": 1, "Moderate": 2, "Minor": 3}

_FOLDER = Path(__file__).parent / "templates"
_JINJA = jinja2.Environment(
    loader=jinja2.FileSystemLoader(_FOLDER), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
)


def order(alarm: Mapping[str, Any]) -> tuple[bool, int, bool, str]:
    """Where an alarm stands in the list; the smallest first."""
    newer_first = "".join(chr(0x10FFFF - ord(letter)) for letter in alarm["since"])
    return alarm["state"] not in UNTAKEN, _SEVERITY.get(alarm["severity"], 9), alarm["state"] not in ACTIVE, newer_first


def sounds(picture: Mapping[str, Any]) -> bool:
    """The page sounds: there is an alarm, no fault, that nobody has taken."""
    return any(alarm["state"] in UNTAKEN and not alarm["fault"] for alarm in picture["alarms"])


def parts(
    picture: Mapping[str, Any] | None, away: bool, language: str, role: str, zone: str, wanted: Collection[str] = PARTS
) -> dict[str, str]:
    """Part -> HTML for somebody of this role. away: the daemon is silent. zone: IANA name of the times that are shown."""
    if picture is None:
        return {
            name: render("banner.html", language, picture=None, away=True, untaken_count=0) if name == "banner" else "" for name in wanted
        }
    known = {
        "picture": picture,
        "away": away,
        "role": role,
        "alarms": sorted((each for each in picture["alarms"] if not each["fault"]), key=order),
        "faults": sorted((each for each in picture["alarms"] if each["fault"]), key=order),
        "place": lambda name: picture["places"].get(name, {"zh": name, "en": name})[language],
        "clock_time": lambda text: clock_time(text, zone),
        "untaken": UNTAKEN,
        "untaken_count": sum(alarm["state"] in UNTAKEN and not alarm["fault"] for alarm in picture["alarms"]),
        "may_act": role in ("guard", "duty_leader", "technician"),
    }
    return {name: render(f"{name}.html", language, **known) for name in wanted}


def render(template: str, language: str, **known: Any) -> str:
    """One template in one language."""
    tables = {"state_word": words.STATES, "step_word": words.STEPS, "mode_word": words.MODES, "first_step": words.FIRST_STEPS}
    helpers = {name: _reader(table, language) for name, table in tables.items()}
    return _JINJA.get_template(template).render(t=lambda key: words.say(key, language), lang=language, **helpers, **known).strip()


def clock_time(text: str, zone: str) -> str:
    """RFC 3339 UTC -> the time of day at the school, with the day where it is not today's."""
    at = datetime.fromisoformat(text).astimezone(ZoneInfo(zone))
    return at.strftime("%m-%d %H:%M:%S")


def _reader(table: dict[str, tuple[str, str]], language: str) -> Any:
    return lambda key: words.of(table, key, language)
