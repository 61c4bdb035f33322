"""How often somebody is seen where nobody is: an hour of empty scenes, through decoder, motion gate, model, zones and lines.

`python -m tests.bench.vision_empty --minutes 60`. The scenes are photographs and a clip without people (tests/vision_data.py), or
drawn ones where those are not here, with light switches, rain, headlights and nights drawn on. They are written to a file and
played from it by its own time stamps, as fast as the machine allows.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import json
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from gateway.config.site import Site
from gateway.runtime.vision_eye import Eye
from models.runner import Detector, load
from simulators.camera_scene import Scene
from tests.bench.vision_tracks import FPS, WIDTH_PX, pictures
from tests.bench.vision_weather import Weather
from tests.vision_data import vision_data

SIZE = (640, 360)
SCENE_S = 180.0  # a scene goes through all the weather once

Bytes = NDArray[np.uint8]
Source = Callable[[float], Bytes]  # seconds of the scene -> picture (H, W, 3) BGR


@dataclass(slots=True)
class Emptiness:
    """What was seen where nobody was. stream_s: of pictures; false_alarms: what a point said, and when in which scene."""

    scenes: str
    stream_s: float = 0.0
    pictures: int = 0
    looked: int = 0
    false_alarms: list[dict[str, Any]] = field(default_factory=list)


def site() -> Site:
    """A camera that is asked everything: each meaning in the whole picture or in its lower half, and a line across its middle."""
    zones = [
        {"id": "all", "polygon": [[0, 0], [1, 0], [1, 1], [0, 1]]},
        {"id": "lower", "polygon": [[0.05, 0.5], [0.95, 0.5], [0.95, 0.98], [0.05, 0.98]], "dwell_s": 0.5},
    ]
    roles = {
        "person_in_zone": "all",
        "person_at_perimeter": "lower",
        "person_near_water": "lower",
        "loitering": "all",
        "crowd_count": "all",
        "guard_at_post": "lower",
        "pupil_lane": "lower",
        "exit_blocked": "lower",
    }
    points: list[dict[str, Any]] = [
        {"id": role.replace("_", "-"), "role": role, "place": "gate", "camera": "cam", "zone": zone} for role, zone in roles.items()
    ]
    points += [
        {"id": role.replace("_", "-"), "role": role, "place": "gate", "camera": "cam", "line": "middle"}
        for role in ("line_crossed", "people_passed")
    ]
    return Site.model_validate(
        {
            "schema": 1,
            "site": {"id": "empty", "name": "Empty"},
            "uplink": {"paths": [{"url": "mqtt://127.0.0.1:1883"}]},
            "places": {"gate": {"name": "Gate"}},
            "cameras": [
                {
                    "id": "cam",
                    "url": "file:///empty.mp4",
                    "place": "gate",
                    "zones": zones,
                    "lines": [{"id": "middle", "start": [0.5, 0.0], "end": [0.5, 1.0]}],
                }
            ],
            "points": points,
        }
    )


def run(minutes: float, detector: Detector, say: Callable[[str], None] = lambda line: None, first: int = 0) -> Emptiness:
    """See so many minutes of stream time in which nobody is there. first: the scene to begin with."""
    folder = vision_data()
    result = Emptiness("photographs and a clip" if folder else "drawn")
    sources = itertools.islice(itertools.cycle(_labelled(folder) if folder else _drawn()), first, None)
    with tempfile.TemporaryDirectory(prefix="empty-") as room:
        while result.stream_s < 60 * minutes:
            name, source = next(sources)
            clip = Path(room) / "scene.mp4"
            _write(clip, source, min(SCENE_S, 60 * minutes - result.stream_s), seed=int(result.stream_s))
            _see(clip, name, detector, result)
            told = f"{len(result.false_alarms)} false alarms, {result.looked} of {result.pictures} looked at"
            say(f"{result.stream_s / 60:.0f} min: {told}; {name}")
    return result


def _see(clip: Path, name: str, detector: Detector, result: Emptiness) -> None:
    settings = site()
    eye = Eye(settings.cameras[0], settings, detector.detect, detector.info.start, detector.info.keep, detector.info.kinds)
    before: dict[str, object] = {}
    began_s = result.stream_s
    for picture in pictures(clip):
        for reading in eye.look(picture):
            if reading.value and not before.get(reading.point):
                result.false_alarms.append(
                    {"scene": name, "at_s": round(picture.captured_s, 1), "point": reading.point, "detail": reading.detail}
                )
            before[reading.point] = reading.value
        result.pictures += 1
        result.stream_s = began_s + picture.captured_s + 1 / FPS
    result.looked += eye.looked


def _write(clip: Path, source: Source, seconds: float, seed: int) -> None:
    rng, weather = np.random.default_rng(seed), Weather(seed)
    with av.open(str(clip), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(int(FPS)), options={"preset": "ultrafast", "crf": "23", "g": "25"})
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        for number in range(round(seconds * FPS)):
            at_s = number / FPS
            frame = av.VideoFrame.from_ndarray(weather.drawn(source(at_s), at_s, rng), format="bgr24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def _labelled(folder: Path) -> list[tuple[str, Source]]:
    """Photographs without a person that the model was not trained on, and among them the clip in which cars drive by."""
    stills = folder / "dev" / "coco-stills"
    with (stills / "manifest.csv").open() as file:
        names = [row["file"] for row in csv.DictReader(file) if row["persons"] == "0" and row["file"].startswith("val_")]
    sources: list[tuple[str, Source]] = []
    for i, name in enumerate(sorted(names)):
        if i % 4 == 0:
            sources.append(("cars-no-people", _Clip(folder / "dev" / "cars-no-people" / "clip.mp4").picture))
        sources.append((name, _still(stills / "images" / name)))
    return sources


def _still(path: Path) -> Source:
    picture = cv2.imread(str(path), cv2.IMREAD_COLOR)
    assert picture is not None, path
    fitted = _cover(picture.astype(np.uint8, copy=False))
    return lambda at_s: fitted


def _drawn() -> list[tuple[str, Source]]:
    scene = Scene(SIZE)
    return [("drawn gate", lambda at_s: np.ascontiguousarray(scene.picture(None, 0.0)[:, :, ::-1]))]


class _Clip:
    """A clip that is played forth and back, so that nothing jumps."""

    def __init__(self, path: Path) -> None:
        with av.open(str(path)) as container:
            self._pictures = [_cover(frame.to_ndarray(format="bgr24")) for frame in container.decode(video=0)]
            self._fps = float(container.streams.video[0].average_rate or FPS)

    def picture(self, at_s: float) -> Bytes:
        """The picture at `at_s`."""
        there, count = int(at_s * self._fps), len(self._pictures)
        place = there % (2 * count - 2)
        return self._pictures[min(place, 2 * count - 2 - place)]


def _cover(picture: Bytes) -> Bytes:
    """Made as large as needed to cover the size, and cut."""
    width, height = SIZE
    ratio = max(width / picture.shape[1], height / picture.shape[0])
    large = cv2.resize(picture, (max(width, round(picture.shape[1] * ratio)), max(height, round(picture.shape[0] * ratio))))
    left, top = (large.shape[1] - width) // 2, (large.shape[0] - height) // 2
    return np.ascontiguousarray(large[top : top + height, left : left + width]).astype(np.uint8, copy=False)


def main(argv: list[str] | None = None) -> int:
    """The command. 1 when somebody was seen."""
    parser = argparse.ArgumentParser(description="How often somebody is seen where nobody is.")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--first", type=int, default=0, help="the scene to begin with: an hour takes the first twenty of 48")
    parser.add_argument("--model", default="nanodet-g-person-int8")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args(argv)
    result = run(
        args.minutes, load(args.model, input_width_px=WIDTH_PX), lambda line: None if args.json else print(line, flush=True), args.first
    )
    summary = {
        "scenes": result.scenes,
        "stream_s": round(result.stream_s),
        "pictures": result.pictures,
        "looked": result.looked,
        "false_alarms": len(result.false_alarms),
        "which": result.false_alarms,
    }
    if args.json:
        print(json.dumps(summary))
    else:
        print(*(json.dumps(alarm) for alarm in result.false_alarms), sep="\n")
    return 1 if result.false_alarms else 0


if __name__ == "__main__":
    sys.exit(main())
