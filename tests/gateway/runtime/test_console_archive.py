"""The page's archive: how it asks for pictures of cameras, whom it believes, and that it never asks the journal for too much at once."""

from __future__ import annotations

import asyncio
import os
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.config.load import load_site
from gateway.config.settings import Settings
from gateway.console.pages import Busy, Limit, NotThere
from gateway.core.errors import DoorRefused
from gateway.core.history import Wanted
from gateway.journal.history import JournalHistory
from gateway.journal.store import Batch
from gateway.runtime import console_archive
from gateway.runtime.console_archive import READ_MOST_S, TILE_MOST_S, WAITING_MOST, WISH_EACH_S, DiskArchive
from gateway.runtime.door import ask
from tests.gateway.console.test_past import SITE
from tests.gateway.journal.journals import draft, open_at
from tests.gateway.runtime.test_door import opened
from tests.gateway.runtime.test_vision_camera import Clock

EXAMPLE = Path(__file__).parents[3] / "deploy/examples/demo-school.toml"


class Wishes:
    """What the daemon is told, by a daemon that may be away."""

    def __init__(self) -> None:
        self.told: list[list[str]] = []
        self.away = False

    async def __call__(self, cameras: list[str]) -> None:
        self.told.append(cameras)
        if self.away:
            raise DoorRefused("no daemon listens")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def wishes() -> Wishes:
    return Wishes()


@pytest.fixture
def site(tmp_path: Path) -> Settings:
    (tmp_path / "site.toml").write_text(SITE, encoding="utf-8")
    return load_site(tmp_path / "site.toml")


@pytest.fixture
def archive(site: Settings, wishes: Wishes, clock: Clock) -> Iterator[DiskArchive]:
    made = DiskArchive(site, wishes, clock)
    yield made
    made.close()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console_archive, "FIRST_EACH_S", 0.001)


@pytest.fixture
def tile(site: Settings) -> Iterator[Path]:
    site.tiles_dir.mkdir(mode=0o700)
    file = site.tiles_dir / "gate-camera.jpg"
    file.write_bytes(b"picture")
    yield file
    file.unlink(missing_ok=True)
    site.tiles_dir.rmdir()


async def test_the_daemon_is_told_now_and_then_that_somebody_looks(archive: DiskArchive, wishes: Wishes, clock: Clock, tile: Path) -> None:
    for _ in range(4):
        assert await archive.tile("gate-camera") == b"picture"
    assert wishes.told == [["gate-camera"]]
    with pytest.raises(NotThere):
        await archive.tile("yard")
    assert wishes.told[1:] == [["gate-camera", "yard"]], "another camera is told at once"
    clock.now_s += 2 * WISH_EACH_S
    await archive.tile("gate-camera")
    assert wishes.told[2:] == [["gate-camera"]], "who looks no more is forgotten"
    wishes.away = True
    clock.now_s += WISH_EACH_S
    assert await archive.tile("gate-camera") == b"picture"


async def test_the_first_picture_is_waited_for(archive: DiskArchive, site: Settings, tile: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console_archive, "FIRST_EACH_S", 0.05)
    later = tile.rename(tile.with_name("later"))
    async with asyncio.TaskGroup() as tasks:
        asked = tasks.create_task(archive.tile("gate-camera"))
        await asyncio.sleep(0)
        later.rename(tile)
    assert asked.result() == b"picture"


async def test_an_old_picture_is_none(archive: DiskArchive, tile: Path) -> None:
    before = time.time() - TILE_MOST_S - 1
    os.utime(tile, (before, before))
    with pytest.raises(NotThere, match="no picture"):
        await archive.tile("gate-camera")


async def test_a_picture_from_a_folder_that_others_may_write_is_none(archive: DiskArchive, tile: Path) -> None:
    tile.parent.chmod(0o777)
    with pytest.raises(NotThere):
        await archive.tile("gate-camera")
    tile.parent.chmod(0o700)
    tile.rename(tile.with_name("else"))
    tile.symlink_to(tile.with_name("else"))
    with pytest.raises(NotThere):
        await archive.tile("gate-camera")
    tile.with_name("else").unlink()


async def test_a_long_search_ends_and_says_so(site: Settings, archive: DiskArchive, monkeypatch: pytest.MonkeyPatch) -> None:
    store, _ = open_at(site.state_dir)
    store.commit([Batch([draft() for _ in range(1200)])], [])
    store.close()
    assert len(await archive.events(Wanted(), 2000)) == 1201
    monkeypatch.setattr(console_archive, "READ_MOST_S", -1.0)
    with pytest.raises(NotThere, match="ask for a shorter time"):
        await archive.events(Wanted(), 10)
    assert READ_MOST_S > 1


async def test_a_long_curve_ends_too(site: Settings, archive: DiskArchive, monkeypatch: pytest.MonkeyPatch) -> None:
    store, _ = open_at(site.state_dir)
    store.commit([Batch(minutes=[(60_000, "gas", struct.pack("<3f", 1, 2, 3))])], [])
    store.close()
    assert len(await archive.minutes(frozenset({"gas"}), 0, 1 << 62)) == 1
    monkeypatch.setattr(console_archive, "READ_MOST_S", -1.0)
    with pytest.raises(NotThere, match="ask for a shorter time"):
        await archive.minutes(frozenset({"gas"}), 0, 1 << 62)


async def test_a_search_whose_asker_has_left_ends(site: Settings, archive: DiskArchive) -> None:
    store, _ = open_at(site.state_dir)
    store.commit([Batch([draft() for _ in range(1200)])], [])
    store.close()
    began, go, ended = threading.Event(), threading.Event(), threading.Event()

    def slow(past: JournalHistory) -> None:
        try:
            for told in past.events(Wanted()):
                if not began.is_set():
                    began.set()
                    go.wait(10)
                last.append(told.row)
        finally:
            ended.set()

    last: list[int] = []
    async with asyncio.TaskGroup() as tasks:
        asked = tasks.create_task(archive._read(slow))
        await asyncio.to_thread(began.wait, 10)
        asked.cancel()
    go.set()
    assert await asyncio.to_thread(ended.wait, 10)
    assert 0 < len(last) < 1201, "the page of rows at hand, and no further one"


async def test_a_hundred_who_look_cost_the_daemon_one_wish(archive: DiskArchive, wishes: Wishes, clock: Clock, tile: Path) -> None:
    seconds = 20
    for _ in range(seconds):
        await asyncio.gather(*(archive.tile("gate-camera") for _ in range(100)))
        clock.now_s += 1.0
    assert len(wishes.told) <= seconds / WISH_EACH_S
    wishes.told.clear()
    for camera in ("gate-camera", "yard", "gate-camera", "yard"):
        await asyncio.gather(*(archive.tile(camera) for _ in range(100)), return_exceptions=True)
    assert len(wishes.told) <= 2, "another camera is told once"


async def test_too_many_questions_at_once(archive: DiskArchive) -> None:
    asked = [archive.events(Wanted(), 10) for _ in range(WAITING_MOST + 3)]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert sum(isinstance(answer, Busy) for answer in answers) == 3
    assert await archive.events(Wanted(), 10) == []


async def test_what_is_not_there(archive: DiskArchive) -> None:
    for question in (archive.file("plan"), archive.file("passwd"), archive.report("daily", 1), archive.ledger("exe")):
        with pytest.raises(NotThere):
            await question
    assert await archive.reports("daily") == []
    assert (await archive.ledger("csv")).startswith(b"\xef\xbb\xbf")


def test_measured_points_with_their_limits(wishes: Wishes) -> None:
    archive = DiskArchive(load_site(EXAMPLE), wishes)
    measured = {each.point: each for each in archive.measured()}
    gas = next(each for each in measured.values() if each.unit == "%LEL")
    assert [limit.value for limit in gas.limits] == [25.0, 50.0]
    assert all(isinstance(limit, Limit) and limit.zh and limit.en for each in measured.values() for limit in each.limits)
    archive.close()


async def test_the_daemon_passes_it_on_to_vision_for_some_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "door"
    async with opened(path):
        assert await ask(path, {"op": "alive", "cameras": []}) == {"ok": True}
        assert await ask(path, {"op": "tiles", "cameras": ["camera"]}) == {"ok": True}
        assert await ask(path, {"op": "alive", "cameras": []}) == {"ok": True, "tiles": ["camera"]}
        assert await ask(path, {"op": "readings", "readings": []}) == {"ok": True, "tiles": ["camera"]}
        for wrong in ("camera", ["other"], [1], None):
            assert not (await ask(path, {"op": "tiles", "cameras": wrong}))["ok"]
        monkeypatch.setattr("gateway.runtime.door.LOOKED_S", -1.0)
        await ask(path, {"op": "tiles", "cameras": ["camera"]})
        assert await ask(path, {"op": "alive", "cameras": []}) == {"ok": True}
