"""What the measures of sight share: cameras that show films, the vision process, and what it costs."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench.machine import tree, usage
from tests.bench.parts import stop
from tests.bench.rig import NotMeasured, Run
from tests.bench.uplink_rig import REPOSITORY, Asked
from tests.bench.vision_door import Door
from tests.bench.vision_reel import FPS, film, people, still

READY_S = 60.0
ANALYSED_FPS = 5
STRIPS = 8  # zones side by side: somebody who walks makes a reading in nearly each picture
APRON = ((0.02, 0.3), (0.98, 0.3), (0.98, 1.0), (0.02, 1.0))
_PSS = re.compile(r"^Pss:\s+(\d+) kB", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Effort:
    """How long it all may take. reel_s: length of the films; minutes: of the run that looks for growth."""

    reel_s: float = 20.0
    settle_s: float = 8.0
    chain_rounds: int = 5
    chain_s: float = 30.0
    static_s: float = 120.0
    fps_s: float = 15.0
    delay_s: float = 30.0
    panic_rounds: int = 3
    presses: int = 100
    empty_minutes: float = 60.0
    minutes: float = 60.0


QUICK = Effort(
    reel_s=10.0, settle_s=6.0, chain_rounds=2, chain_s=10.0, static_s=30.0, fps_s=6.0, delay_s=8.0,
    panic_rounds=1, presses=25, empty_minutes=2.0, minutes=3.0,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class View:
    """A camera of the site. zones: by id; points: (id, role, zone)."""

    name: str
    url: str
    zones: dict[str, Sequence[tuple[float, float]]]
    points: tuple[tuple[str, str, str], ...]
    analysed_fps: float = ANALYSED_FPS
    dwell_s: float = 1.0

    def toml(self) -> str:
        """Its tables of the site file."""
        parts = [f'[[cameras]]\nid = "{self.name}"\nurl = "{self.url}"\nplace = "gate"\nanalysed_fps = {self.analysed_fps}']
        for zone, polygon in self.zones.items():
            parts.append(f'[[cameras.zones]]\nid = "{zone}"\npolygon = {[list(corner) for corner in polygon]}\ndwell_s = {self.dwell_s}')
        for name, role, zone in self.points:
            parts.append(f'[[points]]\nid = "{name}"\nrole = "{role}"\nplace = "gate"\ncamera = "{self.name}"\nzone = "{zone}"')
        return "\n".join(parts) + "\n"


def apron(name: str, url: str, analysed_fps: float = ANALYSED_FPS) -> View:
    """A camera with one zone, as most have."""
    return View(name, url, {"apron": APRON}, ((f"person-{name}", "person_in_zone", "apron"),), analysed_fps)


def strips(name: str, url: str) -> View:
    """A camera with upright zones side by side, in which everybody counts at once."""
    zones = {f"strip-{n}": ((n / STRIPS, 0.0), ((n + 1) / STRIPS, 0.0), ((n + 1) / STRIPS, 1.0), (n / STRIPS, 1.0)) for n in range(STRIPS)}
    return View(name, url, zones, tuple((f"{name}-{zone}", "crowd_count", zone) for zone in zones), dwell_s=0.0)


def site_text(views: Sequence[View], broker_port: int = 1883, field: str = "") -> str:
    """The site file. field: buses, devices and points besides."""
    head = f"""schema = 1
[site]
id = "bench"
gateway = "gate"
name = "压力测试"
name_en = "Benchmark"
state_dir = "state"
[uplink]
paths = [{{ url = "mqtt://127.0.0.1:{broker_port}" }}]
[places]
gate = {{ name = "校门", name_en = "main gate", type = "gate" }}
[metrics]
port = 0
"""
    return head + field + "".join(view.toml() for view in views)


class Player(Asked):
    """The cameras (vision_player.py)."""

    def __init__(self, log: Path) -> None:
        super().__init__(["tests.bench.vision_player"], log)

    def mount(self, path: str, reel: Path, fps: int = FPS) -> str:
        """Address of a camera that shows this film again and again."""
        return str(self.ask(op="mount", path=path, file=str(reel), fps=fps)["url"])


@dataclass(slots=True)
class Sight:
    """The vision process at work. door: what it says."""

    process: subprocess.Popen[bytes]
    door: Door
    folder: Path

    def await_(self, holds: Any, what: str, within_s: float = READY_S) -> None:
        """Wait for a condition on what the door has heard. Raises NotMeasured."""
        end_s = time.monotonic() + within_s
        while not self.door.wait_for(holds, 0.5):
            if self.process.poll() is not None or time.monotonic() > end_s:
                words = (self.folder / "vision.log").read_text(errors="replace").strip().splitlines()[-5:]
                raise NotMeasured(f"not within {within_s:g} s: {what}; the vision process's last words: {words}")

    def sees(self, views: Sequence[View]) -> None:
        """Wait until every point of these cameras is known."""
        points = [point for view in views for point, _, _ in view.points]
        self.await_(lambda: all(self.door.newest(point).get("quality") == "good" for point in points), "every camera sees")

    def counts(self) -> dict[str, tuple[int, int]]:
        """Pictures judged and inferences so far, by camera, as the process next tells them with a sign of life."""
        self.door.figures.clear()
        self.await_(lambda: bool(self.door.figures), "a sign of life with its figures", 15)
        return {name: (told["judged"], told["inferences"]) for name, told in self.door.figures.items()}


@contextlib.contextmanager
def sight(folder: Path, views: Sequence[View]) -> Iterator[Sight]:
    """The vision process with a door of its own, once it sees through all its cameras."""
    site = folder / "site.toml"
    site.write_text(site_text(views))
    with contextlib.ExitStack() as stack:
        door = stack.enter_context(Door(folder / "door.sock"))
        process = start_vision(site, door.path, folder / "vision.log")
        stack.callback(stop, process)
        here = Sight(process, door, folder)
        here.sees(views)
        yield here


def start_vision(site: Path, door: Path, log: Path) -> subprocess.Popen[bytes]:
    """`campus-gateway vision`."""
    with log.open("wb") as said:
        command = [sys.executable, "-m", "gateway", "vision", "--config", str(site), "--door", str(door)]
        return subprocess.Popen(command, cwd=REPOSITORY, stdin=subprocess.DEVNULL, stdout=said, stderr=said)


def emptied(folder: Path) -> Path:
    """The folder, new and empty."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def reels(folder: Path, seconds: float) -> tuple[Path, Path]:
    """Two films: people who walk, and a scene in which nothing moves."""
    walking, quiet = folder / "people.h264", folder / "still.h264"
    if not walking.exists():
        film(walking, people(seconds))
        film(quiet, still(seconds))
    return walking, quiet


def footprint(pid: int) -> Run:
    """Of a process tree: megabytes (PSS, shared pages shared out), file descriptors, processes."""
    pss_kb = descriptors = processes = 0
    for member in tree(pid):
        with contextlib.suppress(OSError):
            found = _PSS.search((Path(f"/proc/{member}/smaps_rollup")).read_text())
            descriptors += len(os.listdir(f"/proc/{member}/fd"))
            pss_kb += int(found[1]) if found else 0
            processes += 1
    return {"pss_mb": round(pss_kb / 1024, 2), "descriptors": descriptors, "processes": processes}


def decoders(pid: int) -> list[int]:
    """Process ids of the decoder children below a process."""
    found = []
    for member in tree(pid):
        with contextlib.suppress(OSError):
            if b"drivers.camera_child" in Path(f"/proc/{member}/cmdline").read_bytes():
                found.append(member)
    return found


def spent_s(pid: int) -> float:
    """CPU seconds of a process tree so far."""
    return usage(pid)[0]
