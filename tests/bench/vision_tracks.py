"""How well people are followed: labelled clips through motion gate, model and tracks, held against the labels.

`python -m tests.bench.vision_tracks` prints one table, `--json` one line. Needs the labelled clips (tests/vision_data.py). What the
model finds is kept in `--cache` (a folder, none if left out), so that tracking can be tried out within seconds.
MOTA, switches and IDF1 are those of the MOT benchmarks, at an overlap of 0.5.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from gateway.vision import following, motion
from gateway.vision.assign import assign
from gateway.vision.picture import to_bgr
from gateway.vision.tracks import Box, iou
from models.runner import Detector, Found, load
from tests.vision_data import vision_data

OVERLAP = 0.5
FPS = 5.0
CLIPS = ("pets-s2l1", "one-by-one")
WIDTH_PX = 416

Bytes = NDArray[np.uint8]
Detect = Callable[["Picture"], Found]
Boxes = Mapping[int, Box]  # by a person's or a track's number


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of a clip, as the camera driver would give it. number: from 0; captured_s: the clip's own time."""

    number: int
    captured_s: float
    width_px: int
    height_px: int
    i420: Bytes

    @property
    def luma(self) -> Bytes:
        """Brightness (H, W) uint8."""
        return self.i420[: self.height_px]


@dataclass(frozen=True, slots=True)
class Account:
    """One clip followed. people: labelled; tracks: told; switches: of a person's track; delays: from first label to first match."""

    mota: float
    recall: float
    precision: float
    idf1: float
    switches: int
    people: int
    people_found: int
    tracks: int
    tracks_per_person: float
    delay_median_s: float
    delay_most_s: float
    looked_share: float


def pictures(clip: Path, fps: float = FPS) -> Iterator[Picture]:
    """The pictures of a clip, as many a second as are analysed, by the clip's own time stamps."""
    with av.open(str(clip)) as container:
        due_s = 0.0
        for number, frame in enumerate(container.decode(video=0)):
            at_s = float(frame.time or 0.0)
            if at_s >= due_s - 1e-6:
                due_s = max(due_s + 1 / fps, at_s)
                yield Picture(number, at_s, frame.width, frame.height, frame.to_ndarray(format="yuv420p"))


def labels(path: Path) -> dict[int, dict[int, Box]]:
    """Boxes in MOT format by picture (from 0) and person, xyxy in pixels."""
    out: dict[int, dict[int, Box]] = {}
    for line in path.read_text().splitlines():
        frame, person, left, top, width, height, *_ = (float(word) for word in line.split(","))
        out.setdefault(int(frame) - 1, {})[int(person)] = (left, top, left + width, top + height)
    return out


def finder(detector: Detector, cache: Path | None, clip: str) -> Detect:
    """What the model finds in the pictures of a clip, from the cache where it is there already."""
    if cache is None:
        return lambda picture: detector.detect(to_bgr(picture.i420))

    def detect(picture: Picture) -> Found:
        path = cache / detector.info.sha256[:12] / f"{clip}-{detector.info.input_width_px}" / f"{picture.number}.npz"
        if path.exists():
            kept = np.load(path)
            return Found(kept["boxes"], kept["scores"], kept["kinds"])
        found = detector.detect(to_bgr(picture.i420))
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path, boxes=found.boxes, scores=found.scores, kinds=found.kinds)
        return found

    return detect


def followed(clip: Iterable[Picture], detect: Detect, start: float, keep: float) -> Iterator[tuple[int, dict[int, Box], bool]]:
    """By picture: its number, the tracks that are told with their boxes, and whether it was looked at."""
    state = following.Following()
    for picture in clip:
        plane = motion.shrink(picture.luma)
        state, worth = following.gate(state, plane, picture.captured_s)
        if worth:
            boxes, scores, kinds = detect(picture)
            found = {"person": (boxes[kinds == 0], scores[kinds == 0])}
            size_px = (picture.width_px, picture.height_px)
            state = following.looked(state, found, plane, picture.captured_s, size_px, start=start, keep=keep)
        else:
            state = following.quiet(state, picture.captured_s)
        yield picture.number, {track.id: track.box for track in state.of("person") if track.believed and track.missed_s == 0.0}, worth


def account(told: Iterable[tuple[int, Boxes, bool]], labelled: Mapping[int, Boxes], fps_of_clip: float) -> Account:
    """What was told held against the labels: CLEAR MOT, and IDF1."""
    labels_seen, boxes_told, matches, switches, pictures_seen, looked = 0, 0, 0, 0, 0, 0
    partner: dict[int, int] = {}
    first: dict[int, int] = {}
    matched: dict[int, int] = {}
    together: Counter[tuple[int, int]] = Counter()
    for number, tracks, worth in told:
        people = labelled.get(number, {})
        pairs = _matched(people, tracks, partner)
        switches += sum(person in partner and partner[person] != track for person, track in pairs.items())
        partner.update(pairs)
        labels_seen, boxes_told, matches = labels_seen + len(people), boxes_told + len(tracks), matches + len(pairs)
        pictures_seen, looked = pictures_seen + 1, looked + worth
        for person in people:
            first.setdefault(person, number)
        for person in pairs:
            matched.setdefault(person, number)
        together.update((p, t) for p, box in people.items() for t, other in tracks.items() if iou(box, other) >= OVERLAP)
        together.update({(-1, track): 0 for track in tracks})
    tracks_told = {track for _, track in together}
    delays = [(matched[person] - first[person]) / fps_of_clip for person in matched]
    wrong = labels_seen - matches + boxes_told - matches + switches
    return Account(
        mota=1 - wrong / labels_seen,
        recall=matches / labels_seen,
        precision=matches / max(1, boxes_told),
        idf1=2 * _same(together, list(first), sorted(tracks_told)) / (labels_seen + boxes_told),
        switches=switches,
        people=len(first),
        people_found=len(matched),
        tracks=len(tracks_told),
        tracks_per_person=len(tracks_told) / len(first),
        delay_median_s=float(np.median(delays)) if delays else float("inf"),
        delay_most_s=max(delays, default=float("inf")),
        looked_share=looked / pictures_seen,
    )


def _matched(people: Boxes, tracks: Boxes, partner: Mapping[int, int]) -> dict[int, int]:
    """Person -> track: who was matched before stays so while the boxes overlap, the others as well as can be."""
    pairs = {p: partner[p] for p, box in people.items() if partner.get(p) in tracks and iou(box, tracks[partner[p]]) >= OVERLAP}
    left = [person for person in people if person not in pairs]
    free = [track for track in tracks if track not in pairs.values()]
    costs = np.array([[1 - iou(people[p], tracks[t]) for t in free] for p in left]).reshape(len(left), len(free))
    return pairs | {left[row]: free[column] for row, column in assign(costs, 1 - OVERLAP)}


def _same(together: Counter[tuple[int, int]], people: list[int], tracks: list[int]) -> int:
    """Boxes of persons that carry the one track that stands for this person in the whole clip."""
    costs = np.array([[-together[person, track] for track in tracks] for person in people], float).reshape(len(people), len(tracks))
    return -int(sum(costs[row, column] for row, column in assign(costs, 0.0)))


def judge(detector: Detector, name: str, folder: Path, cache: Path | None, part: str = "whole", fps: float = FPS) -> Account:
    """One clip of the labelled ones, or its first or second half."""
    clip = folder / "dev" / name / "clip.mp4"
    labelled = labels(clip.with_name("gt.txt"))
    with av.open(str(clip)) as container:
        rate, count = float(container.streams.video[0].average_rate or 10), container.streams.video[0].frames
    begin, end = {"whole": (0, count), "first half": (0, count // 2), "second half": (count // 2, count)}[part]
    chosen = (picture for picture in pictures(clip, fps) if begin <= picture.number < end)
    detect = finder(detector, cache, name)
    return account(followed(chosen, detect, detector.info.start, detector.info.keep), labelled, rate)


def main(argv: list[str] | None = None) -> int:
    """The command. 1 without the clips."""
    parser = argparse.ArgumentParser(description="How well people are followed in the labelled clips.")
    parser.add_argument("--model", default="nanodet-g-person-int8")
    parser.add_argument("--width", type=int, default=WIDTH_PX)
    parser.add_argument("--fps", type=float, default=FPS)
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args(argv)
    folder = vision_data()
    if folder is None:
        sys.stderr.write("the labelled clips are not here: name their folder in VISION_DATA\n")
        return 1
    detector = load(args.model, input_width_px=args.width)
    results: dict[str, dict[str, Any]] = {}
    for name in CLIPS:
        for part in ("first half", "second half", "whole"):
            results[f"{name}, {part}"] = asdict(judge(detector, name, folder, args.cache, part, args.fps))
    if args.json:
        print(json.dumps(results))
        return 0
    columns = list(results.values())
    print(f"{'':<20}", *(f"{part:>24}" for part in results))
    for name in columns[0]:
        print(f"{name:<20}", *(f"{round(column[name], 3):>24}" for column in columns))
    return 0


if __name__ == "__main__":
    sys.exit(main())
