"""The folder of evidence: what goes, when, and that it is on record first."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.camera_memory import Frame
from gateway.core.commands import EvidenceOver, Photographed
from gateway.core.linkage import Picture
from gateway.core.reading import Now
from gateway.runtime.evidence import Evidence, Kept, over
from gateway.runtime.vision_evidence import Evidence as Camera
from gateway.runtime.vision_evidence import store
from tests.gateway.runtime.test_vision_door import reached

ID = "019ab000-0000-7000-8000-000000000001"


@given(st.lists(st.tuples(st.floats(0, 1000), st.integers(1, 100)), max_size=30), st.floats(0, 1000), st.integers(0, 2000))
def test_what_stays_is_young_fits_and_is_the_newest(files: list[tuple[float, int]], before_s: float, most_bytes: int) -> None:
    pictures = [Kept(f"{i:03}", written_s, size) for i, (written_s, size) in enumerate(files)]
    going = over(pictures, before_s, most_bytes)
    gone = [kept for each in going.values() for kept in each]
    stays = [kept for kept in pictures if kept not in gone]
    assert len(gone) == len({kept.name for kept in gone})
    assert all(kept.written_s >= before_s for kept in stays)
    assert sum(kept.size_bytes for kept in stays) <= most_bytes
    assert all(kept.written_s < before_s for kept in going.get("age", []))
    for kept in going.get("space", []):
        assert all(other.written_s >= kept.written_s for other in stays), "the oldest go first"
        assert sum(other.size_bytes for other in stays) + kept.size_bytes <= most_bytes + max(other.size_bytes for other in pictures) * len(
            going["space"]
        )


class Rig:
    """A folder, and a conveyor that keeps what it is told until it is committed."""

    def __init__(self, folder: Path, hours: float = 72.0, mb: float = 200.0) -> None:
        self.clock = "synchronised"
        self.told: list[object] = []
        self.after: list[Any] = []
        vision = SimpleNamespace(evidence_hours=hours, evidence_mb=mb)
        settings: Any = SimpleNamespace(state_dir=folder, site=SimpleNamespace(vision=vision))
        self.house: Any = SimpleNamespace(pictures={ID: Picture(ID, "camera", until_s=5.0), "old": Picture("old", "camera")})
        conveyor: Any = SimpleNamespace(stimulate=self.told.append, after_commit=self.after.append)
        self.evidence = Evidence(settings, self.house, conveyor, lambda: Now(1.0, 0, self.clock))
        self.folder = self.evidence.folder
        self.folder.mkdir()

    def put(self, name: str, hours_old: float, size: int = 10) -> Path:
        file = self.folder / name
        file.write_bytes(b"x" * size)
        os.utime(file, (time.time() - hours_old * 3600,) * 2)
        return file

    def names(self) -> set[str]:
        return {file.name for file in self.folder.iterdir()}

    def commit(self) -> None:
        for act in self.after:
            act()
        self.after = []


async def test_old_ones_go_once_that_is_on_record(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.put("a.jpg", 73)
    rig.put("b.jpg", 71)
    rig.put("cut-short.part", 2)
    rig.put("being-written.part", 0)
    await rig.evidence.sweep()
    assert rig.told == [EvidenceOver(("a",), 10, "age")]
    assert rig.names() == {"a.jpg", "b.jpg", "being-written.part"}
    rig.commit()
    assert rig.names() == {"b.jpg", "being-written.part"}


async def test_the_oldest_go_where_there_is_no_room(tmp_path: Path) -> None:
    rig = Rig(tmp_path, mb=0.0025)
    for i in range(4):
        rig.put(f"{i}.jpg", 10 - i, 1000)
    await rig.evidence.sweep()
    rig.commit()
    assert rig.told == [EvidenceOver(("0", "1"), 2000, "space")]
    assert rig.names() == {"2.jpg", "3.jpg"}


async def test_without_a_clock_nothing_goes_for_its_age_and_what_was_written_then_counts_from_the_setting(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.clock = "unknown"
    file = rig.put(f"{ID}.jpg", 500_000)
    rig.evidence.photographed(Photographed(ID, "", "ab" * 32, 10, 0.5))
    await rig.evidence.sweep()
    rig.clock = "synchronised"
    await rig.evidence.sweep()
    rig.commit()
    assert rig.names() == {file.name}
    assert time.time() - file.stat().st_mtime < 3600
    assert rig.told == [Photographed(ID, "", "ab" * 32, 10, 0.5)]


def test_vision_is_asked_for_what_is_awaited_in_this_run(tmp_path: Path) -> None:
    assert Rig(tmp_path).evidence.wanted() == [{"picture": ID, "camera": "camera", "until_s": 5.0}]


def frame(captured_s: float = 1.0) -> Frame:
    return Frame(1, 64, 48, captured_s, 0.0, np.full((72, 64), 128, np.uint8))


def test_a_picture_is_whole_private_and_alone(tmp_path: Path) -> None:
    folder = tmp_path / "evidence"
    sha256, size_bytes = store(folder, ID, frame())
    file = folder / f"{ID}.jpg"
    assert [each.name for each in folder.iterdir()] == [file.name]
    assert (folder.stat().st_mode & 0o777, file.stat().st_mode & 0o777, file.stat().st_size) == (0o700, 0o600, size_bytes)
    assert (len(sha256), file.read_bytes()[:3]) == (64, b"\xff\xd8\xff")


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "evidence").write_text("a file where the folder should be")
    with pytest.raises(OSError, match=r"exists|Not a directory"):
        store(tmp_path / "evidence", ID, frame())


async def run_for(camera: Camera, until: Any) -> None:
    task = asyncio.get_running_loop().create_task(camera.run())
    await reached(until, 5)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_blind_camera_is_asked_until_the_time_is_over(tmp_path: Path) -> None:
    told: list[dict[str, Any]] = []
    asked: list[str] = []

    def newest(camera: str) -> Frame | None:
        asked.append(camera)
        return frame() if len(asked) > 2 else None

    camera = Camera(tmp_path / "evidence", newest, told.append, lambda: 1.0)
    item = {"picture": ID, "camera": "camera", "until_s": 5.0}
    camera.wanted([item, {"picture": "../../etc/passwd", "camera": "camera", "until_s": 5.0}, {"picture": 7}, {}])
    await run_for(camera, lambda: told)
    assert told[0]["picture"] == ID
    assert (told[0]["op"], told[0]["captured_s"], len(told[0]["sha256"])) == ("picture", 1.0, 64)
    camera.wanted([item])
    assert camera._pending == {}, "a picture that was taken is not taken again"
    late = Camera(tmp_path / "evidence", lambda name: None, told.append, lambda: 6.0)
    late.wanted([item])
    await run_for(late, lambda: not late._pending)
    assert len(told) == 1


async def test_what_cannot_be_stored_is_told(tmp_path: Path) -> None:
    told: list[dict[str, Any]] = []
    (tmp_path / "evidence").write_text("a file where the folder should be")
    camera = Camera(tmp_path / "evidence", lambda name: frame(), told.append, lambda: 1.0)
    camera.wanted([{"picture": ID, "camera": "camera", "until_s": 5.0}])
    await run_for(camera, lambda: told)
    assert told[0]["failure"].startswith("the picture cannot be stored:")
