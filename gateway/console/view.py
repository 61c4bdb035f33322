"""From the daemon's picture to the parts of the page, as HTML. Pure.

Order of the alarms (ISA-18.2, EEMUA 191): what nobody has taken before what somebody has, the graver first, then what still goes on,
then the newer. A one-key alarm whose button is at rest again stays on top until somebody has taken it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import jinja2

from gateway.console import plan, reasons, words

PARTS: tuple[str, ...] = ("banner", "alarms", "faults", "aside", "duties", "delivery", "points", "eyes")
PARTS += ("plan", "plan_rest", "all_points", "duty", "modes", "hazards", "inspections")
UNTAKEN = frozenset({"unacknowledged", "returned_unacknowledged", "latched_unacknowledged"})
ACTIVE = frozenset({"unacknowledged", "acknowledged"})
_SEVERITY = {"Extreme": 0, "Severe": 1, "Moderate": 2, "Minor": 3}

_FOLDER = Path(__file__).parent / "templates"
_JINJA = jinja2.Environment(
    loader=jinja2.FileSystemLoader(_FOLDER),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,
)


def hazard_order(hazard: Mapping[str, Any]) -> tuple[bool, str, int]:
    """Where a hazard stands in the list; the smallest first: what is overdue, then what is due sooner."""
    return not hazard["overdue"], hazard["due"] or "9999", hazard["number"]


def inspection_order(inspection: Mapping[str, Any]) -> tuple[int, str]:
    """Where an inspection stands in the list; the smallest first: what is overdue, then what is due sooner."""
    state = inspection["state"]
    return _INSPECTIONS.index(state) if state in _INSPECTIONS else len(_INSPECTIONS), inspection["due"] or "9999"


_INSPECTIONS = ("overdue", "due", "not_due", "done")


def order(alarm: Mapping[str, Any]) -> tuple[bool, int, bool, str]:
    """Where an alarm stands in the list; the smallest first."""
    newer_first = "".join(chr(0x10FFFF - ord(letter)) for letter in alarm["since"])
    return alarm["state"] not in UNTAKEN, _SEVERITY.get(alarm["severity"], 9), alarm["state"] not in ACTIVE, newer_first


def sounds(picture: Mapping[str, Any]) -> bool:
    """The page sounds: there is an alarm, no fault, that nobody has taken."""
    return untaken(picture) > 0


def untaken(picture: Mapping[str, Any]) -> int:
    """How many alarms, no faults, nobody has taken."""
    return sum(alarm["state"] in UNTAKEN and not alarm["fault"] for alarm in picture["alarms"])


def alike(picture: Mapping[str, Any], language: str) -> dict[str, str]:
    """Point -> its name, with its id where another has that too, of those whose place has several of their role."""
    kinds: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for point in picture["points"]:
        if not point["system"]:
            kinds.setdefault((point.get("role", point["point"]), point["place"]), []).append(point)
    return {name: text for points in kinds.values() if len(points) > 1 for name, text in told_apart(points, language).items()}


def told_apart(points: Iterable[Mapping[str, Any]], language: str) -> dict[str, str]:
    """Point -> its name, with its id behind it where another point has the same name."""
    points = list(points)
    times = Counter(point[language] for point in points)
    return {each["point"]: each[language] + (f" ({each['point']})" if times[each[language]] > 1 else "") for each in points}


def stays_real(picture: Mapping[str, Any], mode: Mapping[str, Any], language: str) -> list[str]:
    """Names of the points of a drill whose real alarm still stands: a press of one of them is real, and the drill will not count it."""
    if mode["kind"] != "drill":
        return []
    real = {each["alarm"].partition("/")[0] for each in picture["alarms"] if not each["mode"] and not each["fault"]}
    named = told_apart(picture["points"], language)
    return [named.get(point, point) for point in mode["points"] if point in real]


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
        "day_time": lambda text: day_time(text, zone),
        "day_of": lambda at_ms: f"{datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(ZoneInfo(zone)):%Y-%m-%d}",
        "seen": {point["place"] for point in picture["points"] if point.get("camera")},
        "recipient": lambda by: recipient(picture, by, language),
        "wait_word": lambda wait: wait_word(picture, wait, language),
        "exercise_of": exercise_of,
        "alike": alike(picture, language),
        "stays_real": lambda mode: stays_real(picture, mode, language),
        "marks": lambda: plan.marks(picture, UNTAKEN),
        "labels": lambda rows: plan.labels(rows, told_apart(picture["points"], language), plan.height(picture)),
        "plan_height": plan.height(picture),
        "point_name": lambda point: next((each[language] for each in picture["points"] if each["point"] == point), point),
        "hazards": sorted(picture.get("hazards") or [], key=hazard_order),
        "hazards_more": picture.get("hazards_more", 0),
        "inspections": sorted(picture.get("inspections") or [], key=inspection_order),
        "untaken": UNTAKEN,
        "untaken_count": untaken(picture),
        "may_act": role in ("guard", "duty_leader", "technician"),
    }
    return {name: render(f"{name}.html", language, **known) for name in wanted}


def recipient(picture: Mapping[str, Any], by: str, language: str) -> str:
    """The name of a recipient; of `police: name`, a person there, that name behind it. Any other person as written."""
    owner, colon, person = by.partition(": ")
    name = next((str(each[language]) for each in picture["recipients"] if each["id"] == owner), owner)
    return f"{name}{colon}{person}"


def wait_word(picture: Mapping[str, Any], wait: Mapping[str, Any], language: str) -> str:
    """What the news of an alarm waits for, in words."""
    name = recipient(picture, wait["name"], language) if wait["what"] == "centre" else wait["name"]
    key = f"{wait['what']} late" if wait["late"] else wait["what"]
    return words.of(words.WAITS, key, language).replace("{s}", str(wait["s"])).replace("{name}", name)


def exercise_of(alarm: Mapping[str, Any]) -> str:
    """`drill`, `test` or `maintenance` where the alarm belongs to one, else ''."""
    return str(alarm["mode"]).partition(":")[0]


class Drawn:
    """The parts of the newest picture: each is rendered once for all pages of one language and role. zone: as for parts()."""

    def __init__(self, zone: str) -> None:
        self._zone = zone
        self._picture: Mapping[str, Any] | None = None
        self._away = True
        self._html: dict[tuple[str, str], dict[str, str]] = {}

    def parts(
        self, picture: Mapping[str, Any] | None, away: bool, language: str, role: str, wanted: Collection[str] = PARTS
    ) -> dict[str, str]:
        """As parts(). A picture is known by its identity: whoever has a newer one hands in another object."""
        if picture is not self._picture or away != self._away:
            self._picture, self._away, self._html = picture, away, {}
        known = self._html.setdefault((language, role), {})
        if missing := [name for name in wanted if name not in known]:
            known |= parts(picture, away, language, role, self._zone, missing)
        return {name: known[name] for name in wanted}


def render(template: str, language: str, **known: Any) -> str:
    """One template in one language."""
    tables = {
        "state_word": words.STATES,
        "step_word": words.STEPS,
        "clock_word": words.CLOCKS,
        "mode_word": words.MODES,
        "first_step": words.FIRST_STEPS,
        "exercise_word": words.EXERCISES,
        "mode_name": words.MODE_NAMES,
        "camera_word": words.CAMERAS,
        "mark_word": words.MARKS,
        "duty_word": words.DUTY_STATES,
        "drill_word": words.DRILLS,
        "hazard_word": words.HAZARD_STATES,
        "hazard_step": words.HAZARD_STEPS,
        "source_word": words.HAZARD_SOURCES,
        "inspection_word": words.INSPECTION_STATES,
        "every_word": words.EVERY,
        "report_word": words.REPORTS,
    }
    helpers = {name: _reader(table, language) for name, table in tables.items()}
    helpers |= {"reason_word": lambda text: reasons.say(text, language), "value_word": lambda shown: reasons.value(str(shown), language)}
    return _JINJA.get_template(template).render(t=lambda key: words.say(key, language), lang=language, **helpers, **known).strip()


def clock_time(text: str, zone: str) -> str:
    """RFC 3339 UTC -> the time of day at the school, with the day where it is not today's."""
    at = datetime.fromisoformat(text).astimezone(ZoneInfo(zone))
    return at.strftime("%m-%d %H:%M:%S")


def day_time(text: str, zone: str) -> str:
    """RFC 3339 UTC -> day and minute at the school."""
    return f"{datetime.fromisoformat(text).astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M}"


def _reader(table: dict[str, tuple[str, str]], language: str) -> Any:
    return lambda key: words.of(table, key, language)
