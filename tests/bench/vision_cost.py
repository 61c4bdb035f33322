"""What sight costs: CPU beside the bare decoder and network, pictures that are skipped, cameras that fit, time from picture to reading."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

from models.picture import Fit
from tests.bench.figures import Figure, percentile, span
from tests.bench.machine import Meter, busy_core_s
from tests.bench.rig import NotMeasured, Result, Run, Say, noise
from tests.bench.uplink_rig import REPOSITORY
from tests.bench.vision_reel import BIT_RATE, FPS, SIZE
from tests.bench.vision_rig import ANALYSED_FPS, Effort, Player, Sight, apron, emptied, footprint, reels, sight, spent_s, strips

INPUT_PX = 416
MULTIPLE_PX = 32
CAMERAS = (1, 2, 4)
FULL_FPS = 25  # asked for, to see how many there can be
STREAM = f"{SIZE[0]}x{SIZE[1]} H.264 {BIT_RATE // 1000} kbit/s, {FPS} fps in, {ANALYSED_FPS} analysed"


def chain(effort: Effort, folder: Path, say: Say) -> Result:
    """CPU of all vision processes over that of the bare decoder and the bare network for as many pictures, in turn."""
    walking, _ = reels(emptied(folder), effort.reel_s)
    runs: list[Run] = []
    with Player(folder / "player.log") as player:
        view = apron("c0", player.mount("/c0", walking))
        with sight(folder, [view]) as seeing:
            time.sleep(effort.settle_s)
            for number in range(effort.chain_rounds):
                run = {"measure": "chain", "round": number, **_chain_once(seeing, effort.chain_s)}
                runs.append(run | _raw_beside(walking, run, effort.chain_s))
                say(f"chain {number + 1}/{effort.chain_rounds}: {_told(runs[-1])}")
    ratio = statistics.median(run["ratio"] for run in runs)
    paced = statistics.median(run["ratio_paced"] for run in runs)
    ms = {
        key: 1000 * statistics.median(run[key] / run["pictures"] for run in runs) for key in ("parent_s", "child_s", "decode_s", "infer_s")
    }
    skipped = sum(run["pictures"] - run["inferences"] for run in runs)
    note = (
        f"median of {len(runs)}, {span([run['ratio'] for run in runs])}; {STREAM}, three people walking, "
        f"{skipped} of {sum(run['pictures'] for run in runs)} pictures skipped by the gate; per analysed picture: "
        f"parent {ms['parent_s']:.1f}, decoder child {ms['child_s']:.1f}, raw decode {ms['decode_s']:.1f}, "
        f"raw inference {ms['infer_s']:.1f} ms; raw is one picture after the other; {noise(runs)}"
    )
    cold = "the same, the bare decoder and network working at the stream's own pace (cold caches, as the chain has them)"
    return Result([Figure("vision.chain_over_raw", round(ratio, 3), "ratio", "<= 1.3", note),
                   Figure("vision.chain_over_raw_paced", round(paced, 3), "ratio", "", cold)], runs)  # fmt: skip


def _chain_once(seeing: Sight, seconds: float) -> Run:
    """CPU of parent and children, pictures judged and inferences, between two signs of life."""
    pid = seeing.process.pid
    judged, inferences = seeing.counts()["c0"]
    began_s, cpu_s, own_s, busy_s = time.monotonic(), spent_s(pid), _own_s(pid), busy_core_s()
    time.sleep(seconds)
    judged_after, inferences_after = seeing.counts()["c0"]
    took_s, cpu_s, own_s = time.monotonic() - began_s, spent_s(pid) - cpu_s, _own_s(pid) - own_s
    if inferences_after == inferences:
        raise NotMeasured("the vision process has judged nothing")
    return {
        "took_s": round(took_s, 3),
        "cpu_s": round(cpu_s, 4),
        "parent_s": round(own_s, 4),
        "child_s": round(cpu_s - own_s, 4),
        "pictures": judged_after - judged,
        "inferences": inferences_after - inferences,
        "machine_busy_cores": round((busy_core_s() - busy_s) / took_s, 2),
    }


def _own_s(pid: int) -> float:
    """CPU seconds of one process with its threads, without its children."""
    return time.clock_gettime(~pid << 3 | 2)


def _raw_beside(walking: Path, run: Run, seconds: float) -> Run:
    """The bare parts for as many pictures, hot and paced."""
    fit = Fit.of(*SIZE, INPUT_PX, MULTIPLE_PX)
    decoded = round(run["took_s"] * FPS)
    command = [sys.executable, "-m", "tests.bench.vision_raw", str(walking), str(decoded), str(run["inferences"])]
    command += [str(fit.input_width), str(fit.input_height)]
    hot, cold = (
        json.loads(subprocess.run([*command, *pace], cwd=REPOSITORY, capture_output=True, check=True, timeout=120 + 3 * seconds).stdout)
        for pace in ([], ["--fps", str(FPS)])
    )
    return {
        "decode_s": round(hot["decode_s"], 4),
        "infer_s": round(hot["infer_s"], 4),
        "ratio": round(run["cpu_s"] / (hot["decode_s"] + hot["infer_s"]), 4),
        "ratio_paced": round(run["cpu_s"] / (cold["decode_s"] + cold["infer_s"]), 4),
    }


def _told(run: Run) -> str:
    return (
        f"{run['cpu_s']:.2f} s (parent {run['parent_s']:.2f}, child {run['child_s']:.2f}) over {run['decode_s']:.2f} + "
        f"{run['infer_s']:.2f} s for {run['pictures']} pictures, {run['inferences']} inferences: "
        f"{run['ratio']:.2f}, paced {run['ratio_paced']:.2f}"
    )


def static(effort: Effort, folder: Path, say: Say) -> Result:
    """The share of pictures of a scene where nothing moves but noise that cost no inference."""
    _, quiet = reels(emptied(folder), effort.reel_s)
    with Player(folder / "player.log") as player:
        view = apron("c0", player.mount("/c0", quiet))
        with sight(folder, [view]) as seeing:
            time.sleep(effort.settle_s)
            judged, inferences = seeing.counts()["c0"]
            meter = Meter(seeing.process.pid)
            time.sleep(effort.static_s)
            judged_after, inferences_after = seeing.counts()["c0"]
            use = meter.read()
    pictures, looked = judged_after - judged, inferences_after - inferences
    share = 1 - looked / pictures
    run: Run = {"measure": "static", "pictures": pictures, "inferences": looked, **use}
    say(f"static: {looked} inferences for {pictures} pictures, {use['cpu_share']:.1%} of a core")
    note = (
        f"{looked} inferences for {pictures} pictures of a still scene with noise of {STREAM}; CPU {use['cpu_share']:.1%}; {noise([run])}"
    )
    return Result([Figure("vision.static_skip_share", round(share, 4), "share", ">= 0.95", note)], [run])


def fps(effort: Effort, folder: Path, say: Say) -> Result:
    """Pictures judged a second and camera with one, two and four cameras; as asked for, and as many as there can be."""
    walking, _ = reels(emptied(folder), effort.reel_s)
    runs: list[Run] = []
    figures: list[Figure] = []
    with Player(folder / "player.log") as player:
        urls = [player.mount(f"/c{n}", walking) for n in range(max(CAMERAS))]
        for cameras in CAMERAS:
            found = [_fps_once(effort, emptied(folder / f"{cameras}-{asked}"), urls[:cameras], asked) for asked in (ANALYSED_FPS, FULL_FPS)]
            runs += found
            usual, full = found
            least, most = min(usual["fps"]), statistics.mean(full["fps"])
            about = f"{usual['cpu_share']:.0%} CPU, {usual['pss_mb']:.0f} MB"
            say(f"fps {cameras} cameras: {usual['fps']}, {about}; {FULL_FPS} asked: {full['fps']}")
            note = (
                f"least of {cameras}, {STREAM}; CPU {usual['cpu_share']:.0%} of a core; {usual['pss_mb']:.0f} MB in {usual['processes']} "
                f"processes; with {FULL_FPS} asked for {most:.1f} ({span(full['fps'], 1)}) and {full['pss_mb']:.0f} MB; {noise(found)}"
            )
            figures += [Figure(f"vision.fps.{cameras}", round(least, 2), "pictures/s a camera", ">= 4.75", note),
                        Figure(f"vision.memory_mb.{cameras}", usual["pss_mb"], "MB", "", "PSS of all vision processes")]  # fmt: skip
    return Result(figures, runs)


def _fps_once(effort: Effort, folder: Path, urls: list[str], asked: int) -> Run:
    views = [apron(f"c{number}", url, asked) for number, url in enumerate(urls)]
    with sight(folder, views) as seeing:
        time.sleep(effort.settle_s)
        before, began_s, meter = seeing.counts(), time.monotonic(), Meter(seeing.process.pid)
        time.sleep(effort.fps_s)
        after = seeing.counts()
        took_s, use = time.monotonic() - began_s, meter.read()
        size = footprint(seeing.process.pid)
    rates = [round((after[view.name][0] - before[view.name][0]) / took_s, 2) for view in views]
    return {"measure": "fps", "cameras": len(urls), "asked": asked, "fps": rates, **size, **use}


def delay(effort: Effort, folder: Path, say: Say) -> Result:
    """From the moment a picture was taken, by the stream's stamp, until a reading from it is at the door; one camera and four."""
    walking, _ = reels(emptied(folder), effort.reel_s)
    runs: list[Run] = []
    figures: list[Figure] = []
    with Player(folder / "player.log") as player:
        urls = [player.mount(f"/c{n}", walking) for n in range(max(CAMERAS))]
        for cameras in (1, max(CAMERAS)):
            views = [strips(f"c{number}", url) for number, url in enumerate(urls[:cameras])]
            with sight(emptied(folder / str(cameras)), views) as seeing:
                time.sleep(effort.settle_s)
                heard, meter = len(seeing.door.readings), Meter(seeing.process.pid)
                time.sleep(effort.delay_s)
                use = meter.read()
                taken = [(at_s, reading) for at_s, reading in seeing.door.readings[heard:] if reading["quality"] == "good"]
            late_ms = [1000 * (at_s - reading["now_s"]) for at_s, reading in taken]
            if not late_ms:
                raise NotMeasured("people walk, and no reading comes")
            run: Run = {"measure": "delay", "cameras": cameras, "delay_ms": [round(ms, 2) for ms in late_ms], **use}
            runs.append(run)
            note = f"{len(late_ms)} readings, {cameras} camera(s); {STREAM}; {noise([run])}"
            figures += [
                Figure(f"vision.frame_to_reading_p{percent}_ms.{cameras}", round(percentile(late_ms, percent), 1), "ms", "", note)
                for percent in (50, 99)
            ]
            say(f"delay {cameras}: p50 {percentile(late_ms, 50):.1f}, p99 {percentile(late_ms, 99):.1f} ms of {len(late_ms)} readings")
    return Result(figures, runs)
