"""Who enters a zone of the campus clip, by its labels, and what came out at the end of the whole chain.

The clip is served over RTSP and goes through decoder child, vision process and door. An entry is a labelled person whose foot point is in
the zone for more than LONG_S, gaps of less than BRIDGE_S bridged. It is confirmed when it has lasted for the zone's dwell time; it is
reported when the zone is told as occupied at that moment or within WITHIN_S of it. Where others are in the zone already, that is no new
alarm; so it is shown besides how many entries were counted: the number told for the zone is at least that of the labelled people whose stay
there is confirmed then; and how many of those into an empty zone, each of which is an alarm of its own, were told.
A false entry is a zone told as occupied although no labelled person was in it, or at its edge, at that time.
"""

from __future__ import annotations

import csv
import time
import tomllib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from tests.bench.figures import Figure
from tests.bench.machine import Meter
from tests.bench.rig import NotMeasured, Result, Run, Say, noise
from tests.bench.vision_reel import film, still
from tests.bench.vision_rig import Effort, Player, View, emptied, sight
from tests.vision_data import vision_data

Bytes = NDArray[np.uint8]
Corner = Sequence[float]
Told = tuple[float, dict[str, Any]]

ZONES: dict[str, list[Corner]] = tomllib.loads(Path(__file__).with_name("vision_campus.toml").read_text())["zones"]
CLIP_FPS = 10
CLIP_SIZE = (480, 360)
BIT_RATE = 800_000
LONG_S = 2.0
BRIDGE_S = 1.0
DWELL_S = 1.0
WITHIN_S = 1.5
EDGE = 0.03  # of the picture: a foot point so near to a zone may be told as in it; a box of 50 px is not drawn more exactly
LEAD_S = 4.0  # the empty scene before the clip, again and again until it begins
TRAIL_S = 3.0
NAME = "vision.zone_entries_reported_share"
COUNTED = "vision.zone_entries_counted_share"
FALSE = "vision.zone_false_entries"
GOAL = ">= 0.95"


@dataclass(frozen=True, slots=True)
class Stay:
    """A labelled person in a zone. Seconds of the clip."""

    zone: str
    person: int
    begin_s: float
    end_s: float


def zones(effort: Effort, folder: Path, say: Say) -> Result:
    """The clip once through the whole chain."""
    data = vision_data()
    if data is None:
        lacking = "the labelled clip is not here: name its folder in VISION_DATA"
        return Result([Figure(NAME, None, "share", GOAL, lacking), *(Figure(name, None, "", "", lacking) for name in (COUNTED, FALSE))])
    source, labels = data / "dev" / "pets-s2l1" / "clip.mp4", data / "dev" / "pets-s2l1" / "gt.txt"
    lead, clip = emptied(folder) / "lead.h264", folder / "clip.h264"
    pictures = list(_pictures(source))
    ground = np.median(np.stack(pictures[::10]), axis=0).astype(np.uint8)
    film(lead, still(LEAD_S, ground, CLIP_SIZE, CLIP_FPS), CLIP_SIZE, CLIP_FPS, BIT_RATE)
    film(clip, pictures, CLIP_SIZE, CLIP_FPS, BIT_RATE)
    points = tuple(
        (f"{kind}-{zone}", role, zone) for zone in ZONES for kind, role in (("seen", "person_in_zone"), ("count", "crowd_count"))
    )
    with Player(folder / "player.log") as player:
        view = View("campus", player.mount("/campus", lead, CLIP_FPS), ZONES, points, dwell_s=DWELL_S)
        with sight(folder, [view]) as seeing:
            time.sleep(effort.settle_s)
            player.ask(op="once", path="/campus", file=str(clip))
            began_s = _begin_s(player, clip)
            meter = Meter(seeing.process.pid)
            time.sleep(max(0.0, began_s + len(pictures) / CLIP_FPS + TRAIL_S - time.monotonic()))
            use = meter.read()
            told = [(at_s - began_s, reading) for at_s, reading in seeing.door.readings if at_s > began_s]
    return judge(stays(labels), stays(labels, EDGE), told, len(pictures) / CLIP_FPS, use, say)


def _begin_s(player: Player, clip: Path) -> float:
    """When the clip began to be shown, in monotonic seconds."""
    end_s = time.monotonic() + 3 * LEAD_S
    while time.monotonic() < end_s:
        for name, at_s in player.ask(op="shown", path="/campus")["shown"]:
            if name == str(clip):
                return float(at_s)
        time.sleep(0.1)
    raise NotMeasured("the player does not begin with the clip")


def _pictures(source: Path) -> Iterator[Bytes]:
    with av.open(str(source)) as container:
        for frame in container.decode(video=0):
            yield frame.to_ndarray(format="rgb24")


def stays(labels: Path, edge: float = 0.0) -> list[Stay]:
    """Who was in which zone and when, by a file in MOT format of the clip; in order of their begin. edge: as EDGE, still in the zone."""
    seen: dict[tuple[str, int], list[float]] = defaultdict(list)
    with labels.open(newline="") as file:
        for row in csv.reader(file):
            left, top, width, height = map(float, row[2:6])
            foot = ((left + width / 2) / CLIP_SIZE[0], min(1.0, (top + height) / CLIP_SIZE[1]))
            for zone, polygon in ZONES.items():
                if _edge_px(polygon, foot) >= -edge * CLIP_SIZE[0]:
                    seen[zone, int(row[1])].append((int(row[0]) - 1) / CLIP_FPS)
    found = []
    for (zone, person), moments in seen.items():
        for begin_s, end_s in runs_of(sorted(moments)):
            found.append(Stay(zone, person, begin_s, end_s))
    return sorted(found, key=lambda stay: stay.begin_s)


def runs_of(moments: Sequence[float]) -> list[tuple[float, float]]:
    """Moments in order -> begin and end of each run of them without a gap of BRIDGE_S or more."""
    runs: list[tuple[float, float]] = []
    for moment in moments:
        if runs and moment - runs[-1][1] < BRIDGE_S:
            runs[-1] = (runs[-1][0], moment)
        else:
            runs.append((moment, moment))
    return runs


def _edge_px(polygon: Sequence[Corner], foot: Corner) -> float:
    """How far a foot point is within a zone, in pixels of the clip; negative outside."""
    corners = (np.array(polygon) * CLIP_SIZE).astype(np.float32)
    return float(cv2.pointPolygonTest(corners, (foot[0] * CLIP_SIZE[0], foot[1] * CLIP_SIZE[1]), True))


def judge(labelled: Sequence[Stay], near: Sequence[Stay], told: Sequence[Told], length_s: float, use: Run, say: Say) -> Result:
    """The figures. near: stays with the zones' edges. told: (seconds of the clip at the arrival, reading) in order."""
    entries = [stay for stay in labelled if stay.end_s - stay.begin_s > LONG_S]
    if not entries:
        raise NotMeasured("the labels hold no entry")
    reported = {stay: told_s(stay, 1, told) for stay in entries}
    counted = {stay: told_s(stay, _confirmed(stay, labelled), told) for stay in entries}
    alone = [stay for stay in entries if not any(_before(stay, other) for other in near)]
    rises = [(at_s, str(reading["point"]).removeprefix("seen-")) for at_s, reading in _rises(told)]
    false = [f"{zone} at {at_s:.1f} s" for at_s, zone in rises if not _labelled_near(near, zone, at_s)]
    missed, uncounted = ([_words(stay) for stay, at_s in found.items() if at_s is None] for found in (reported, counted))
    after_s = sorted(at_s - stay.begin_s - DWELL_S for stay in alone if (at_s := reported[stay]) is not None)
    bad = sorted({str(reading["reason"]) for at_s, reading in told if 0 < at_s < length_s and reading["quality"] != "good"})
    run: Run = {"measure": "zones", "entries": len(entries), "missed": missed, "uncounted": uncounted, "rises": len(rises), "false": false,
                "bad": bad, "after_confirmation_s": [round(s, 2) for s in after_s], **use}  # fmt: skip
    say(f"zones: of {len(entries)} entries {len(missed)} not reported, {len(uncounted)} not counted; {len(false)} false")
    note = (
        f"{len(entries)} labelled entries longer than {LONG_S:g} s in {len(ZONES)} zones, dwell {DWELL_S:g} s, told as occupied within "
        f"{WITHIN_S:g} s; of {len(alone)} into an empty zone {len(after_s)}"
        f"{f', the latest {after_s[-1]:.2f} s after confirmation' if after_s else ''}; missed: {', '.join(missed) or 'none'}"
        f"{'; points were bad: ' + ', '.join(bad) if bad else ''}; {noise([run])}"
    )
    about = f"the number told for the zone is at least that of all labelled people there; not so: {', '.join(uncounted) or 'none'}"
    wrong = (
        f"of {len(rises)} times that a zone was told as occupied, without anybody in it or within {EDGE:g} of its edge: {', '.join(false)}"
    )
    return Result([Figure(NAME, round(1 - len(missed) / len(entries), 4), "share", GOAL, note),
                   Figure(COUNTED, round(1 - len(uncounted) / len(entries), 4), "share", "", about),
                   Figure(FALSE, len(false), "", "", wrong.rstrip(": "))], [run])  # fmt: skip


def _before(stay: Stay, other: Stay) -> bool:
    """Whether somebody else was in the zone of this entry when it began."""
    return other.zone == stay.zone and other.person != stay.person and other.begin_s <= stay.begin_s <= other.end_s + BRIDGE_S


def _words(stay: Stay) -> str:
    return f"{stay.zone} {stay.begin_s:.1f}-{stay.end_s:.1f} s"


def _confirmed(stay: Stay, labelled: Sequence[Stay]) -> int:
    """How many people are in the zone for the dwell time when this entry is confirmed, itself among them."""
    at_s = stay.begin_s + DWELL_S
    return sum(s.zone == stay.zone and s.begin_s + DWELL_S <= at_s <= s.end_s for s in labelled)


def told_s(stay: Stay, least: int, told: Sequence[Told]) -> float | None:
    """When at least so many were told to be in the zone of an entry (seconds of the clip): in time after its begin, None if not so.

    A number that was told before the entry and is taken back before it is confirmed was about others.
    """
    confirmed_s, since_s = stay.begin_s + DWELL_S, None
    for at_s, reading in told:
        if at_s > confirmed_s + WITHIN_S:
            break
        if reading["point"] != f"seen-{stay.zone}":
            continue
        if since_s is not None and at_s > confirmed_s:
            break  # it was told at the moment of the confirmation
        enough = reading["value"] is True and int(reading["detail"].get("count", 0)) >= least
        since_s = (at_s if since_s is None else since_s) if enough else None
        if since_s is not None and since_s > confirmed_s:
            break
    return None if since_s is None else max(since_s, stay.begin_s)


def _rises(told: Sequence[Told]) -> Iterator[Told]:
    showed: dict[str, bool] = {}
    for at_s, reading in told:
        point, now = str(reading["point"]), reading["value"] is True
        if point.startswith("seen-") and now and not showed.get(point, False):
            yield at_s, reading
        showed[point] = now


def _labelled_near(labelled: Sequence[Stay], zone: str, at_s: float) -> bool:
    return any(stay.zone == zone and stay.begin_s <= at_s <= stay.end_s + DWELL_S + WITHIN_S for stay in labelled)
