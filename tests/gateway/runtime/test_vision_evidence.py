"""Stills and clips as the vision process keeps them: masked, sealed, and told of."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from drivers.camera_memory import Frame, FrameMemory
from drivers.camera_ring import PacketRing
from gateway.runtime import vision_evidence
from gateway.runtime.evidence_file import KEY_NAME, file_key, load_key, opened, read_head
from gateway.runtime.vision_evidence import LOST, Evidence, Judged, NoPackets, View, Wanted, copied, outgoing_jpeg
from tests.gateway.runtime.test_vision_clip import FPS, MASK, film, pictures
from tests.gateway.runtime.test_vision_door import reached

ID = "019ab000-0000-7000-8000-000000000001"
OTHER = "019ab000-0000-7000-8000-000000000002"
WISH = {"picture": ID, "camera": "camera", "until_s": 5.0, "about": {"cause": ["e1"], "by": "王"}}


def frame(captured_s: float = 1.0) -> Frame:
    """Noise, as only coarse things survive a blurring."""
    memory = FrameMemory.create()
    planes = np.full((240 * 3 // 2, 320), 128, np.uint8)
    planes[:240] = np.random.default_rng(1).integers(100, 250, (240, 320), np.uint8)
    memory.write(planes, 320, 240, captured_s, 0.0)
    found = memory.read()
    memory.close()
    assert found is not None
    return found


@pytest.fixture
def ring() -> Iterator[PacketRing]:
    made = PacketRing.create()
    yield made
    made.close()


def a_camera(folder: Path, told: list[dict[str, Any]], view: View | None = None, now: Any = lambda: 1.0) -> Evidence:
    return Evidence(folder / "evidence", lambda name: frame(), told.append, now, {"camera": view or View()})


async def run_for(camera: Evidence, until: Any, within_s: float = 5) -> None:
    task = asyncio.get_running_loop().create_task(camera.run())
    await reached(until, within_s)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def plain(folder: Path, kind: str, picture: str = ID) -> bytes:
    path = folder / "evidence" / f"{picture}.{kind}.sealed"
    return opened(path.read_bytes(), file_key(path, load_key(folder)))


def bgr_of(body: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(body, np.uint8), cv2.IMREAD_COLOR)


async def test_a_still_is_masked_sealed_and_told(tmp_path: Path) -> None:
    told: list[dict[str, Any]] = []
    camera = a_camera(tmp_path, told, View([MASK]))
    camera.wanted([WISH])
    await run_for(camera, lambda: told)
    body = plain(tmp_path, "still")
    (ready,) = told
    assert (ready["op"], ready["picture"], ready["captured_s"]) == ("picture", ID, 1.0)
    assert (ready["sha256"], ready["bytes"]) == (hashlib.sha256(body).hexdigest(), len(body))
    (file,) = (tmp_path / "evidence").iterdir()
    assert ready["file_sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
    picture = bgr_of(body)
    assert picture.shape == (240, 320, 3)
    assert picture[:112, :152].max() < 12
    assert picture[128:, 168:].mean() > 100
    head = read_head(file)
    assert [head[name] for name in ("id", "kind", "camera", "cause", "by", "media_type")] == [
        ID,
        "still",
        "camera",
        ["e1"],
        "王",
        "image/jpeg",
    ]


@pytest.mark.parametrize("outgoing", ["blurred", "as it is"])
async def test_a_copy_that_may_leave(tmp_path: Path, outgoing: str) -> None:
    told: list[dict[str, Any]] = []
    box = np.array([[200.0, 40.0, 260.0, 240.0]])
    camera = a_camera(tmp_path, told, View([MASK], judged=lambda: Judged(frame().i420, 1.0, box)))
    camera.wanted([WISH | {"outgoing": outgoing}])
    await run_for(camera, lambda: told)
    body = plain(tmp_path, "outgoing")
    assert told[0]["outgoing_sha256"] == hashlib.sha256(body).hexdigest() != told[0]["sha256"] or outgoing == "as it is"
    assert len(body) <= 1_000_000
    head, feet = bgr_of(body)[45:85, 205:255].astype(int), bgr_of(body)[150:190, 205:255].astype(int)
    sharp = np.abs(np.diff(feet, axis=1)).mean()
    assert bool(np.abs(np.diff(head, axis=1)).mean() < sharp / 5) is (outgoing == "blurred")
    assert bgr_of(body)[:112, :152].max() < 12, "masked all the same"


async def test_nothing_leaves_while_nobody_knows_where_the_heads_are(tmp_path: Path) -> None:
    told: list[dict[str, Any]] = []
    camera = a_camera(tmp_path, told)
    camera.wanted([WISH | {"outgoing": "blurred"}])
    await run_for(camera, lambda: told)
    assert "outgoing_sha256" not in told[0]
    assert told[0]["unsent"] == "where the heads are is not known: no picture is judged at present"
    assert [file.name for file in (tmp_path / "evidence").iterdir()] == [f"{ID}.still.sealed"], "the still itself is kept"


async def test_heads_are_blurred_in_the_picture_in_which_they_were_looked_for(tmp_path: Path) -> None:
    """What leaves is that picture: here a dark one, while the newest is bright noise."""
    told: list[dict[str, Any]] = []
    looked_at = np.full((240 * 3 // 2, 320), 128, np.uint8)
    looked_at[:240] = 60
    camera = a_camera(tmp_path, told, View(judged=lambda: Judged(looked_at, 1.6, np.zeros((0, 4)))), lambda: 2.0)
    camera.wanted([WISH | {"outgoing": "blurred"}])
    await run_for(camera, lambda: told)
    assert bgr_of(plain(tmp_path, "still")).mean() > 120
    assert bgr_of(plain(tmp_path, "outgoing")).mean() < 80
    heads = [read_head(tmp_path / "evidence" / f"{ID}.{kind}.sealed")["from"] for kind in ("still", "outgoing")]
    assert heads[0] < heads[1], "each says when it was taken"


async def test_an_old_look_is_renewed_or_nothing_leaves(tmp_path: Path) -> None:
    told: list[dict[str, Any]] = []
    clock, looked_s, hurried = [5.0], [1.0], []
    view = View(judged=lambda: Judged(frame().i420, looked_s[0], np.zeros((0, 4))), hurry=lambda: hurried.append(clock[0]))
    camera = a_camera(tmp_path, told, view, lambda: clock[0])
    camera.wanted([WISH | {"outgoing": "blurred", "until_s": 5.05}])
    task = asyncio.get_running_loop().create_task(camera.run())
    await reached(lambda: hurried, 5)
    assert told == [], "it waits for a look"
    looked_s[0] = clock[0] = 5.2
    await reached(lambda: told, 5)
    assert "outgoing_sha256" in told[0]
    assert told[0]["captured_s"] == 1.0, "the still is of the moment at which it was asked for"
    clock[0] = 7.0
    camera.wanted([WISH | {"picture": OTHER, "outgoing": "blurred", "until_s": 12.0}])
    await reached(lambda: len(hurried) > 1 and hurried[-1] == 7.0, 5)
    clock[0] = 8.5
    await reached(lambda: len(told) == 2, 5)
    assert told[1]["unsent"] == "where the heads are is not known: the last look for people is more than 1 s old"
    assert not (tmp_path / "evidence" / f"{OTHER}.outgoing.sealed").exists()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_what_is_written_while_nobody_knows_the_time_says_so_beside_it(tmp_path: Path, ring: PacketRing) -> None:
    told: list[dict[str, Any]] = []
    film(ring, 3)
    camera = a_camera(tmp_path, told, View([], lambda: ring), lambda: 104.6)
    about = {"camera": "camera", "until_s": 150.0, "undated": True}
    camera.wanted([about | {"picture": ID}, about | {"picture": OTHER, "kind": "clip", "from_s": 100.0, "to_s": 103.0, "at_s": 101.0}])
    await run_for(camera, lambda: len(told) == 2, 20)
    assert all("sha256" in ready for ready in told)
    names = {file.name for file in (tmp_path / "evidence").iterdir()}
    assert names == {f"{ID}.still.sealed", f"{ID}.undated", f"{OTHER}.clip.sealed", f"{OTHER}.undated"}


def test_a_large_picture_is_made_small_enough() -> None:
    noise = np.random.default_rng(1).integers(0, 255, (960, 1280, 3), np.uint8)
    assert len(outgoing_jpeg(noise)) <= vision_evidence.OUTGOING_MOST_BYTES
    assert bgr_of(outgoing_jpeg(np.zeros((96, 128, 3), np.uint8))).shape == (96, 128, 3)


async def test_a_blind_camera_is_asked_until_the_time_is_over(tmp_path: Path) -> None:
    told: list[dict[str, Any]] = []
    asked: list[str] = []

    def newest(camera: str) -> Frame | None:
        asked.append(camera)
        return frame() if len(asked) > 2 else None

    camera = Evidence(tmp_path / "evidence", newest, told.append, lambda: 1.0)
    camera.wanted([WISH, {"picture": "../../etc/passwd", "camera": "camera", "until_s": 5.0}, {"picture": 7}, {}, WISH | {"kind": "film"}])
    assert len(camera._pending) == 1
    await run_for(camera, lambda: told)
    camera.wanted([WISH])
    assert camera._pending == {}, "a picture that was taken is not taken again"
    late = Evidence(tmp_path / "evidence", lambda name: None, told.append, lambda: 6.0)
    late.wanted([WISH])
    await run_for(late, lambda: not late._pending)
    assert len(told) == 1


async def test_what_cannot_be_stored_is_told(tmp_path: Path) -> None:
    told: list[dict[str, Any]] = []
    (tmp_path / "evidence").write_text("a file where the folder should be")
    camera = a_camera(tmp_path, told)
    camera.wanted([WISH])
    await run_for(camera, lambda: told)
    assert told[0]["failure"].startswith("the picture cannot be stored:")


async def test_a_key_that_cannot_be_used_is_told_and_nothing_is_kept_in_clear(tmp_path: Path) -> None:
    told: list[dict[str, Any]] = []
    (tmp_path / KEY_NAME).write_bytes(b"short")
    (tmp_path / KEY_NAME).chmod(0o600)
    camera = a_camera(tmp_path, told)
    camera.wanted([WISH])
    await run_for(camera, lambda: told)
    assert "has 5 bytes, expected 32" in told[0]["failure"]
    assert not (tmp_path / "evidence").exists()


async def test_a_clip_is_cut_when_its_last_second_is_over(tmp_path: Path, ring: PacketRing) -> None:
    told: list[dict[str, Any]] = []
    film(ring, 10)
    clock = [103.0]
    camera = a_camera(tmp_path, told, View([MASK], lambda: ring), lambda: clock[0])
    wish = WISH | {"picture": OTHER, "kind": "clip", "from_s": 101.0, "to_s": 104.0, "until_s": 200.0}
    camera.wanted([wish])
    camera.wanted([wish | {"to_s": 106.0}])
    task = asyncio.get_running_loop().create_task(camera.run())
    clock[0] = 106.5
    await asyncio.sleep(3 * vision_evidence.LOOK_S)
    assert told == [], "it became longer"
    clock[0] = 108.0
    await reached(lambda: told, 20)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    (ready,) = told
    assert (ready["captured_s"], ready["ends_s"]) == (101.0, 106.0)
    body = plain(tmp_path, "clip", OTHER)
    assert (ready["sha256"], ready["bytes"]) == (hashlib.sha256(body).hexdigest(), len(body))
    seen = pictures(body)
    assert len(seen) == 51
    assert all(bgr[:58, :78].max() < 12 for _, bgr in seen)


async def test_a_camera_without_memory_and_a_child_that_is_too_slow(tmp_path: Path, ring: PacketRing) -> None:
    told: list[dict[str, Any]] = []
    film(ring, 2, begin_s=1.0)
    wish = WISH | {"kind": "clip", "from_s": 1.0, "to_s": 2.0, "until_s": time.monotonic()}
    camera = a_camera(tmp_path, told, now=time.monotonic)
    camera.wanted([wish])
    await run_for(camera, lambda: told)
    assert told[0]["failure"] == "this camera has no memory of its last pictures"
    late = a_camera(tmp_path, told, View([], lambda: ring), time.monotonic)
    late.wanted([wish])
    await run_for(late, lambda: len(told) == 2)
    assert told[1]["failure"] == "the clip was not ready in time"


def clip_of(from_s: float, to_s: float, at_s: float) -> Wanted:
    return Wanted(OTHER, "camera", "clip", 1e6, from_s, to_s, at_s=at_s)


async def test_in_a_storm_no_clip_waits_in_a_ring_that_goes_on_being_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is made before all are copied; by then the ring shows a later time only."""
    small = PacketRing.create(60_000)
    film(small, 10)
    free, order_of, told = asyncio.Event(), vision_evidence._cutter, list[dict[str, Any]]()

    async def cutter(order: dict[str, Any], within_s: float) -> dict[str, Any]:
        await free.wait()
        return await order_of(order, within_s)

    monkeypatch.setattr(vision_evidence, "_cutter", cutter)
    camera = a_camera(tmp_path, told, View([MASK], lambda: small), lambda: 110.0)
    ids = [f"019ab000-0000-7000-8000-00000000000{i}" for i in range(3)]
    camera.wanted(
        [WISH | {"picture": each, "kind": "clip", "from_s": 105.0, "to_s": 108.0, "at_s": 107.0, "until_s": 200.0} for each in ids]
    )
    task = asyncio.get_running_loop().create_task(camera.run())
    await reached(lambda: len(camera._copies) == 3, 5)
    film(small, 200, begin_s=110.0, session=2)
    assert small.read()[0].arrival_s > 110.0
    free.set()
    await reached(lambda: len(told) == 3, 30)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert [(ready.get("captured_s"), ready.get("ends_s")) for ready in told] == [(105.0, 108.0)] * 3
    assert not camera._copies
    small.close()


async def test_copies_have_an_end_and_the_others_wait_in_their_rings(
    tmp_path: Path, ring: PacketRing, monkeypatch: pytest.MonkeyPatch
) -> None:
    film(ring, 3)
    monkeypatch.setattr(vision_evidence, "COPIES_MOST", 1)
    told: list[dict[str, Any]] = []
    free = asyncio.Event()

    async def cutter(order: dict[str, Any], within_s: float) -> dict[str, Any]:
        await free.wait()
        return {"failure": "not made here"}

    monkeypatch.setattr(vision_evidence, "_cutter", cutter)
    clock = [105.0]
    camera = a_camera(tmp_path, told, View([], lambda: ring), lambda: clock[0])
    wish = WISH | {"kind": "clip", "from_s": 100.0, "to_s": 103.0, "at_s": 101.0}
    late = "019ab000-0000-7000-8000-000000000003"
    camera.wanted(
        [wish | {"picture": ID, "until_s": 110.0}, wish | {"picture": OTHER, "until_s": 120.0}, wish | {"picture": late, "until_s": 106.0}]
    )
    task = asyncio.get_running_loop().create_task(camera.run())
    await reached(lambda: camera._copies, 5)
    clock[0] = 107.0
    await reached(lambda: told, 5)
    assert told == [{"op": "picture", "picture": late, "failure": "the clip was not ready in time: too many others were to be made"}]
    assert len(camera._copies) == 1
    free.set()
    await reached(lambda: len(told) == 3, 5)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def test_a_copy_is_what_the_ring_had() -> None:
    ring = PacketRing.create()
    film(ring, 5)
    film(ring, 5, begin_s=106.0, session=2, size=(320, 240))
    copy = copied(ring, clip_of(103.5, 108.0, 104.0)).packets
    wanted = [packet for packet in ring.read() if 103.0 - 1e-6 < packet.arrival_s <= 108.0]
    assert len(wanted) == 2 * FPS + 2 * FPS + 1
    assert [(p.body, p.key, p.session, p.arrival_s, p.parameters) for p in copy.read()] == [
        (p.body, p.key, p.session, pytest.approx(p.arrival_s), p.parameters) for p in wanted
    ]
    for each in (ring, copy):
        each.close()


def test_a_clip_without_the_moment_of_its_alarm_is_none_where_memory_had_it_once() -> None:
    ring = PacketRing.create(60_000)
    film(ring, 2, begin_s=103.0)
    copied(ring, clip_of(95.0, 104.0, 101.0)).packets.close()  # a camera that came after the alarm: what there is, is kept
    film(ring, 200, begin_s=106.0, session=2)
    begins_s = ring.read()[0].arrival_s
    with pytest.raises(NoPackets, match=LOST):
        copied(ring, clip_of(begins_s - 30, begins_s + 1, begins_s - 0.05))
    copied(ring, clip_of(begins_s - 30, begins_s + 1, begins_s + 0.05)).packets.close()
    with pytest.raises(NoPackets, match="no pictures of this time"):
        copied(ring, clip_of(500.0, 510.0, 505.0))
    ring.close()
