"""Small pictures for the page: masked, drawn upon, in memory, only while somebody looks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from drivers.camera_memory import Frame
from gateway.config.settings import MEMORY, TILE_SUFFIX, tiles_dir
from gateway.config.site import Camera
from gateway.runtime.vision_tiles import EACH_S, LOOKED_S, PERSON, Tiles, drawn
from tests.gateway.runtime.test_vision_camera import Clock

LEFT_HALF = [[0.0, 0.0], [0.5, 0.0], [0.5, 1.0], [0.0, 1.0]]
TOP_BOX = [[0.6, 0.1], [0.9, 0.1], [0.9, 0.3], [0.6, 0.3]]
CAMERA = {"id": "gate", "url": "rtsp://127.0.0.1/gate", "place": "gate"}


def frame(at_s: float = 1000.0, level: int = 150, width: int = 640, height: int = 360) -> Frame:
    """All of one grey."""
    i420 = np.full((height * 3 // 2, width), 128, np.uint8)
    i420[:height] = level
    return Frame(1, width, height, at_s, at_s, i420)


def camera(**settings: object) -> Camera:
    return Camera.model_validate({**CAMERA, **settings})


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "tiles"


@pytest.fixture
def tiles(folder: Path, clock: Clock) -> Iterator[Tiles]:
    made = Tiles(folder, [camera(masks=[LEFT_HALF])], "Asia/Shanghai", clock)
    yield made
    made.clear()


def test_what_is_masked_is_black_and_the_rest_is_seen() -> None:
    seen = drawn(frame(width=1280, height=720).i420, camera(masks=[LEFT_HALF]), [], "")
    assert seen.shape == (270, 480, 3)
    assert seen[:, :238].max() <= 2
    assert seen[:, 246:].min() > 120


def test_boxes_zones_and_lines_are_drawn_where_they_are() -> None:
    bare = drawn(frame().i420, camera(), [], "")
    zone = drawn(frame().i420, camera(zones=[{"id": "apron", "polygon": TOP_BOX}]), [], "")
    changed = np.argwhere((zone != bare).any(axis=2))
    assert np.abs(changed.min(axis=0) - (27, 288)).max() <= 2
    assert np.abs(changed.max(axis=0) - (81, 432)).max() <= 2
    person = drawn(frame().i420, camera(), [(64.0, 36.0, 128.0, 180.0)], "")
    assert person[100, 48].tolist() == list(PERSON)
    assert person[100, 70].tolist() == bare[100, 70].tolist()
    line = drawn(frame().i420, camera(lines=[{"id": "curb", "start": [0.0, 0.5], "end": [1.0, 0.5]}]), [], "")
    assert (line[135] != bare[135]).any(axis=1).all()


def test_a_small_stream_is_not_blown_up() -> None:
    assert drawn(frame(width=320, height=180).i420, camera(), [], "").shape == (180, 320, 3)


def test_only_while_somebody_looks_and_at_most_one_a_second(tiles: Tiles, clock: Clock, folder: Path) -> None:
    assert not tiles.due("gate")
    tiles.looked_at(["gate", "unknown"])
    assert tiles.due("gate")
    tiles.make("gate", frame(clock()), [])
    assert not tiles.due("gate")
    clock.now_s += EACH_S + 0.01
    assert tiles.due("gate")
    tiles.tidy()
    assert (folder / f"gate{TILE_SUFFIX}").exists()
    clock.now_s += LOOKED_S
    assert not tiles.due("gate")
    tiles.tidy()
    assert list(folder.iterdir()) == []


def test_a_whole_jpeg_that_nobody_else_reads(tiles: Tiles, folder: Path) -> None:
    tiles.make("gate", frame(), [])
    file = folder / f"gate{TILE_SUFFIX}"
    seen = cv2.imdecode(np.frombuffer(file.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    assert seen is not None
    assert seen.shape == (270, 480, 3)
    assert file.stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700
    assert [each.name for each in folder.iterdir()] == [file.name]
    tiles.clear()
    assert not folder.exists()


def test_a_folder_of_somebody_else_is_not_used(tmp_path: Path, tiles: Tiles, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir(mode=0o777)
    theirs.chmod(0o777)
    folder.symlink_to(theirs)
    tiles.make("gate", frame(), [])
    tiles.make("gate", frame(), [])
    assert list(theirs.iterdir()) == []
    assert caplog.text.count("the page has no pictures") == 1
    folder.unlink()
    theirs.rename(folder)
    tiles.make("gate", frame(), [])
    assert list(folder.iterdir()) == []


def test_what_a_killed_run_left_goes_with_the_next_start(folder: Path, clock: Clock) -> None:
    Tiles(folder, [camera()], "Asia/Shanghai", clock).make("gate", frame(), [])
    assert folder.exists()
    Tiles(folder, [camera()], "Asia/Shanghai", clock)
    assert not folder.exists()


def test_halves_and_tiles_of_cameras_that_are_gone_go_too_and_nothing_else(folder: Path, clock: Clock) -> None:
    folder.mkdir(mode=0o700)
    for name in ("gate.part", "gone.jpg", "gone.part", "notes.txt"):
        (folder / name).write_bytes(b"x")
    Tiles(folder, [camera()], "Asia/Shanghai", clock)
    assert [each.name for each in folder.iterdir()] == ["notes.txt"]


def test_a_folder_that_others_may_read_is_not_cleared(folder: Path, clock: Clock) -> None:
    folder.mkdir(mode=0o755)
    folder.chmod(0o755)
    (folder / "gate.jpg").write_bytes(b"x")
    Tiles(folder, [camera()], "Asia/Shanghai", clock)
    assert (folder / "gate.jpg").exists()


def test_one_folder_in_memory_for_each_state_folder(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    assert tiles_dir(tmp_path / "link") == tiles_dir(tmp_path)
    assert tiles_dir(tmp_path / "other") != tiles_dir(tmp_path)
    assert tiles_dir(tmp_path).parent == MEMORY
    filesystems = {line.split()[1]: line.split()[2] for line in Path("/proc/mounts").read_text().splitlines()}
    assert filesystems.get(str(MEMORY)) == "tmpfs"
