"""The site plan and the list of all points: how each stands, and where it is. Pure, but for the drawing itself."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.config.plan_file import PlanRefused, read_plan
from gateway.console.pages import Answer, Download, NotThere, Page, Visit

# How a point stands, the gravest first: what of it is true first is shown.
MARKS = ("alarm", "rehearsed", "taken", "fault", "aside", "mode", "normal")
WIDTH = 1000  # of the plan, in the units in which its marks are drawn
LETTER = 15  # width of a Chinese letter of a label, in the same units; as in page.css
MARK = 21  # half of the size of a mark
DROPS = (36, -26, 54, -44, 72, -62)  # of a label's base line below or above its mark, the best first
EDGE = 24  # no mark is nearer to the plan's edge
SHOWN_S = 60  # a browser may keep the drawing so long


def marks(picture: Mapping[str, Any], untaken: Collection[str]) -> list[dict[str, Any]]:
    """Each point as in the picture, the gravest first, with `mark` (one of MARKS) and, where it is on the plan, its `x` and `y`.

    untaken: states of alarms that nobody has taken.
    """
    at = picture["plan"]["at"] if picture.get("plan") else {}
    standing: dict[str, set[str]] = {}
    for point, mark in _told(picture, untaken):
        standing.setdefault(point, set()).add(mark)
    rows = []
    for point in picture["points"]:
        told = standing.get(point["point"], set()) | ({"fault"} if point["quality"] != "good" else set())
        row = point | {"mark": next((mark for mark in MARKS if mark in told), "normal")}
        rows.append(row | _spot(at.get(point["point"]), height(picture)))
    return sorted(rows, key=lambda row: MARKS.index(row["mark"]))


def height(picture: Mapping[str, Any]) -> int:
    """Of the plan that is WIDTH wide; 0 where there is none."""
    return round(picture["plan"]["ratio"] * WIDTH) if picture.get("plan") else 0


def _told(picture: Mapping[str, Any], untaken: Collection[str]) -> Iterator[tuple[str, str]]:
    for alarm in picture["alarms"]:
        rehearsed = "rehearsed" if alarm["mode"] else ""
        yield (
            alarm["alarm"].partition("/")[0],
            rehearsed or ("fault" if alarm["fault"] else "alarm" if alarm["state"] in untaken else "taken"),
        )
    for item in picture["set_aside"]:
        yield item["alarm"].partition("/")[0], "aside"
    for mode in picture["modes"]:
        if mode["state"] == "running":
            yield from ((point, "mode") for point in mode["points"])


def _spot(at: list[float] | None, high: int) -> dict[str, Any]:
    if at is None:
        return {"x": None, "y": None}
    return {"x": _within(at[0] * WIDTH, WIDTH), "y": _within(at[1] * high, high)}


@dataclass(frozen=True, slots=True)
class Label:
    """The name of a mark: dx and dy of the middle of its base line from the mark, in units of the plan."""

    text: str
    dx: int
    dy: int


def labels(rows: Iterable[Mapping[str, Any]], names: Mapping[str, str], high: int) -> dict[str, Label]:
    """Point -> its label, within a plan of this height and beside the labels and marks that were placed before it.

    rows: as of marks(), the gravest first, which thus has the best place. Where there is no room left, two lie over each other.
    """
    rows = [row for row in rows if row["x"] is not None]
    marked = [(row["point"], (row["x"] - MARK, row["y"] - MARK, row["x"] + MARK, row["y"] + MARK)) for row in rows]
    taken: list[tuple[float, float, float, float]] = []
    found = {}
    for row in rows:
        text = names.get(row["point"], row["point"])
        half, others = half_width(text), [box for point, box in marked if point != row["point"]]
        spots = [Label(text, label_shift(row["x"], text), dy) for dy in DROPS if LETTER <= row["y"] + dy <= high - LETTER // 2]
        spots += [
            Label(text, side * round(half + MARK), LETTER // 3)
            for side in (1, -1)
            if half <= row["x"] + side * (half + MARK) <= WIDTH - half
        ]
        spots = spots or [Label(text, label_shift(row["x"], text), DROPS[0])]
        label = min(spots, key=lambda spot: sum(_over(_box(row, spot, half), box) for box in (*taken, *others)))
        taken.append(_box(row, label, half))
        found[row["point"]] = label
    return found


def label_shift(x: int, text: str) -> int:
    """How far a label of LETTER units, centred under a mark, moves aside so that it stays within the plan."""
    half = half_width(text)
    return min(max(x, half), max(WIDTH - half, half)) - x


def half_width(text: str) -> int:
    """Half of the width of a label, with a little air."""
    return round(sum(LETTER if ord(letter) > 0x2E7F else LETTER * 0.6 for letter in text) / 2) + 4


def _box(row: Mapping[str, Any], label: Label, half: int) -> tuple[float, float, float, float]:
    x, y = row["x"] + label.dx, row["y"] + label.dy
    return x - half, y - LETTER, x + half, y + LETTER * 0.3


def _over(one: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> float:
    """Area that two boxes (left, top, right, bottom) have in common."""
    wide, high = min(one[2], other[2]) - max(one[0], other[0]), min(one[3], other[3]) - max(one[1], other[1])
    return max(wide, 0.0) * max(high, 0.0)


def _within(where: float, most: int) -> int:
    return round(min(max(where, EDGE), most - EDGE))


async def _drawing(visit: Visit) -> Answer:
    try:
        content, media_type = read_plan(await visit.archive.file("plan"))
    except PlanRefused as refused:
        raise NotThere(str(refused)) from None
    return Answer(content, media_type, store_s=SHOWN_S)


async def _legend(visit: Visit) -> dict[str, Any]:
    return {"legend": MARKS}


PLAN = Page("/plan", "plan", "plan-page.html", ("plan", "plan_rest"), _legend)
POINTS = Page("/plan/list", "", "points-page.html", ("all_points",))
DRAWING = Download("/plan/drawing", _drawing)
