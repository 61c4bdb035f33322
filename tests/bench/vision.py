"""The benchmark of sight: what it costs beside the bare parts, what it sees, and what it does to a panic button.

`make bench-vision`, or `python -m tests.bench.vision --out build/bench/vision.json`. Needs the Debian packages mosquitto, gcc, pkg-config
and libmodbus-dev, and for the figures about real people the labelled clips (VISION_DATA). Under half an hour without the empty hour, which
plays as fast as the machine can; --quick a few minutes. Not in it unless asked for: --only hour [--minutes N], the search for growth.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Callable
from pathlib import Path

from models.runner import load
from tests.bench.figures import Figure
from tests.bench.parts import built_farm, program
from tests.bench.program import run
from tests.bench.rig import Result, Run, Say
from tests.bench.vision_cost import INPUT_PX, chain, delay, fps, static
from tests.bench.vision_empty import run as play
from tests.bench.vision_hour import hour
from tests.bench.vision_panic import panic
from tests.bench.vision_raw import MODEL
from tests.bench.vision_rig import QUICK, Effort
from tests.bench.vision_zones import zones
from tests.vision_data import vision_data

EMPTY = "vision.false_alarms_empty_hour"
KEPT = "vision.false_alarms_kept_scenes"
KEPT_FIRST, KEPT_MINUTES = 35, 39.0  # of the 48 scenes; settings were chosen on those before


def empty(effort: Effort, folder: Path, say: Say) -> Result:
    """False alarms in so many minutes of stream time of scenes without people (vision_empty.py)."""
    if vision_data() is None:
        missing = "the clip without people is not here: name its folder in VISION_DATA"
        return Result([Figure(name, None, "", "= 0", missing) for name in (EMPTY, KEPT)])
    detector = load(MODEL, input_width_px=INPUT_PX)
    found = play(effort.empty_minutes, detector, say)
    kept = play(min(effort.empty_minutes, KEPT_MINUTES), detector, say, KEPT_FIRST)
    note = f"in {kept.stream_s / 60:.0f} min of scenes that no setting was chosen on"
    which = ", ".join(f"{alarm['point']} in {alarm['scene']} at {alarm['at_s']:g} s" for alarm in found.false_alarms)
    told = f"in {found.stream_s / 60:.0f} min of stream time, {found.looked} of {found.pictures} pictures looked at; {which or 'none'}"
    run: Run = {"measure": "empty", **dataclasses.asdict(found)}
    figures = [Figure(EMPTY, len(found.false_alarms), "", "= 0", told), Figure(KEPT, len(kept.false_alarms), "", "= 0", note)]
    return Result(figures, [run, {"measure": "kept", **dataclasses.asdict(kept)}])


MEASURES: dict[str, Callable[[Effort, Path, Say], Result]] = {
    "chain": chain,
    "static": static,
    "fps": fps,
    "delay": delay,
    "panic": panic,
    "zones": zones,
    "empty": empty,
    "hour": hour,
}
USUAL = [name for name in MEASURES if name != "hour"]


def main(argv: list[str] | None = None) -> int:
    """As `program.run`, with --minutes besides: how long `hour` runs."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--minutes", type=float)
    chosen, rest = parser.parse_known_args(argv)
    if "--only" not in rest:
        rest += [word for name in USUAL for word in ("--only", name)]
    efforts = Effort(), QUICK
    if chosen.minutes is not None:
        efforts = dataclasses.replace(efforts[0], minutes=chosen.minutes), dataclasses.replace(efforts[1], minutes=chosen.minutes)

    def need() -> None:
        program("mosquitto", package="mosquitto")
        built_farm()

    return run("vision", "Measure sight.", MEASURES, efforts, need, rest)


if __name__ == "__main__":
    sys.exit(main())
