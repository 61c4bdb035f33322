"""Does the vision process grow? Four cameras for an hour, some restarted and some decoders killed meanwhile, and a slope through each.

The slope is that of a straight line by least squares. Neighbouring samples are not independent of each other, so its confidence comes from
means of blocks of samples (at least a minute each), 95 % by Student's t.
"""

from __future__ import annotations

import math
import os
import random
import signal
import statistics
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.bench.figures import Figure, span
from tests.bench.machine import busy_core_s
from tests.bench.rig import NotMeasured, Result, Run, Say
from tests.bench.vision_rig import Effort, Player, Sight, apron, decoders, emptied, footprint, reels, sight

CAMERAS = 4
SAMPLE_S = 2.0
WARM_S = 90.0  # models, caches and the ring of each camera fill up
WARM_SHARE = 0.25  # of a short run
TROUBLE_S = 120.0
BACK_S = 8.0  # how long a camera stays away
HEAL_S = 60.0  # samples from a trouble until so long after it are left out: the ring of a camera takes 30 s to fill again
BLOCK_S = 60.0
LEAST_BLOCKS = 5
# 97.5 % quantiles of Student's t for 1, 2, .. degrees of freedom; beyond them nearly the normal distribution's
T = (12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23, 2.20, 2.18, 2.16, 2.14, 2.13, 2.12, 2.11, 2.10, 2.09, 2.09)
T_MANY = 2.05
LIMITS = {"pss_mb": ("MB", 8.0), "descriptors": ("", 0.5), "processes": ("", 0.5)}  # growth in an hour that nobody would notice in a year


@dataclass(frozen=True, slots=True)
class Slope:
    """Growth per hour, and half the width of its 95 % confidence interval."""

    per_hour: float
    half: float

    @property
    def least(self) -> float:
        """The growth is at least this, with 97.5 % confidence."""
        return self.per_hour - self.half


def hour(effort: Effort, folder: Path, say: Say) -> Result:
    """So many minutes of samples, with troubles by chance; the slopes."""
    walking, _ = reels(emptied(folder), effort.reel_s)
    length_s = effort.minutes * 60
    with Player(folder / "player.log") as player:
        views = [apron(f"c{n}", player.mount(f"/c{n}", walking)) for n in range(CAMERAS)]
        with sight(folder, views) as seeing:
            time.sleep(min(WARM_S, WARM_SHARE * length_s))
            began_s, busy_s = time.monotonic(), busy_core_s()
            samples, troubles = _watch(seeing, player, walking, length_s, say)
            busy = (busy_core_s() - busy_s) / (time.monotonic() - began_s)
            seeing.sees(views)  # nothing of it was for ever
    return _judged(samples, troubles, effort.minutes, busy, say)


def _watch(seeing: Sight, player: Player, reel: Path, length_s: float, say: Say) -> tuple[list[Run], list[Run]]:
    chance, began_s = random.Random(1), time.monotonic()
    samples: list[Run] = []
    troubles: list[Run] = []
    away: dict[str, float] = {}
    trouble_s = TROUBLE_S / 2
    while (at_s := time.monotonic() - began_s) < length_s:
        if seeing.process.poll() is not None:
            raise NotMeasured(f"the vision process has ended with {seeing.process.returncode}")
        for path in [path for path, back_s in away.items() if at_s >= back_s]:
            del away[path]
            player.mount(path, reel)
        if at_s >= trouble_s and at_s < length_s - 2 * HEAL_S:
            trouble_s += TROUBLE_S
            troubles.append({"at_s": at_s, "trouble": _trouble(seeing, player, away, at_s, chance)})
        quiet = all(not 0 <= at_s - each["at_s"] < HEAL_S for each in troubles)
        samples.append({"at_s": at_s, "quiet": quiet, **footprint(seeing.process.pid)})
        if len(samples) % 60 == 1:
            say(f"hour: {at_s / 60:.0f} min, {samples[-1]}, {len(troubles)} troubles")
        time.sleep(SAMPLE_S)
    return samples, troubles


def _trouble(seeing: Sight, player: Player, away: dict[str, float], at_s: float, chance: random.Random) -> str:
    """A camera goes away for a while, or a decoder is killed or stopped (and then found to hang, and killed by its parent)."""
    kind = chance.choice(("camera away", "decoder killed", "decoder stopped"))
    if kind == "camera away":
        path = f"/c{chance.randrange(1, CAMERAS)}"  # the first one keeps the port open
        player.ask(op="unmount", path=path)
        away[path] = at_s + BACK_S
        return f"{kind}: {path}"
    with suppress(ProcessLookupError, IndexError):
        os.kill(chance.choice(decoders(seeing.process.pid)), signal.SIGKILL if kind == "decoder killed" else signal.SIGSTOP)
    return kind


def slope(moments_s: Sequence[float], values: Sequence[float], block_s: float = BLOCK_S) -> Slope:
    """Growth per hour of values at moments in order. ValueError for fewer than LEAST_BLOCKS blocks: nothing can be said of them."""
    blocks: dict[int, list[tuple[float, float]]] = {}
    for moment_s, value in zip(moments_s, values, strict=True):
        blocks.setdefault(int(moment_s / block_s), []).append((moment_s / 3600, value))
    if len(blocks) < LEAST_BLOCKS:
        raise ValueError(f"{len(blocks)} blocks of samples; at least {LEAST_BLOCKS} are needed")
    hours = [statistics.fmean(hour for hour, _ in block) for block in blocks.values()]
    means = [statistics.fmean(value for _, value in block) for block in blocks.values()]
    found, base = statistics.linear_regression(hours, means)
    rest = sum((mean - base - found * hour) ** 2 for hour, mean in zip(hours, means, strict=True))
    middle = statistics.fmean(hours)
    degrees = len(means) - 2
    error = math.sqrt(rest / degrees / sum((hour - middle) ** 2 for hour in hours))
    return Slope(found, (T[degrees - 1] if degrees <= len(T) else T_MANY) * error)


def _judged(samples: list[Run], troubles: list[Run], minutes: float, busy: float, say: Say) -> Result:
    """A figure for each: the growth per hour that is certain; that a line can be drawn through noise proves nothing."""
    quiet = [sample for sample in samples if sample["quiet"]]
    block_s = min(BLOCK_S, minutes * 60 / (2 * LEAST_BLOCKS))
    figures = []
    for name, (unit, limit) in LIMITS.items():
        values = [float(sample[name]) for sample in quiet]
        found = slope([sample["at_s"] for sample in quiet], values, block_s)
        words = f"{found.per_hour:+.2f} +- {found.half:.2f} {unit} an hour".replace("  ", " ")
        say(f"hour: {name} {words}, {span(values, 1)}")
        note = (
            f"slope {words} (95 %); {span(values, 1)} {unit} in {minutes:g} min, {len(quiet)} of {len(samples)} samples, "
            f"{len(troubles)} troubles; the figure is the lower end: growth that is certain"
            f"{'' if found.half <= limit else ' (too short a run to tell more)'}; machine busy {busy:.2f} cores in all"
        )
        figures.append(Figure(f"vision.growth_an_hour.{name}", round(found.least, 3), unit, f"<= {limit:g}", note))
    return Result(figures, [{"measure": "hour", "minutes": minutes, "samples": samples, "troubles": troubles}])
