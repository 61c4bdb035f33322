"""The folder of evidence: what goes, when, and that it is on record first."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.commands import EvidenceOver, EvidenceRead, Photographed
from gateway.core.errors import DoorRefused
from gateway.core.linkage import CLIP, Picture
from gateway.core.reading import Now
from gateway.runtime.evidence import Evidence, Kept, over
from gateway.runtime.evidence_file import KEY_NAME, load_key, opened, store
from tests.gateway.runtime.test_vision_door import reached

ID = "019ab000-0000-7000-8000-000000000001"
OTHER = "019ab000-0000-7000-8000-000000000002"


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

    def __init__(self, folder: Path, hours: float = 72.0, mb: float = 200.0, heads: str = "") -> None:
        folder.mkdir(exist_ok=True)
        self.clock = "synchronised"
        self.told: list[object] = []
        self.after: list[Any] = []
        vision = SimpleNamespace(
            evidence_hours=hours, evidence_mb=mb, clips_mb=mb, send_stills=bool(heads), heads_blurred=heads == "blurred"
        )
        settings: Any = SimpleNamespace(state_dir=folder, site=SimpleNamespace(vision=vision))
        self.house: Any = SimpleNamespace(pictures={ID: Picture(ID, "camera", until_s=5.0), "old": Picture("old", "camera")})
        self.sent: list[tuple[str, int, bytes]] = []
        conveyor: Any = SimpleNamespace(stimulate=self.told.append, after_commit=self.after.append)
        self.evidence = Evidence(settings, self.house, conveyor, lambda: Now(1.0, 0, self.clock))
        self.evidence.send = lambda *picture: self.sent.append(picture)
        self.folder = self.evidence.folder
        self.folder.mkdir(parents=True, exist_ok=True)

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
    assert [item["undated"] for item in rig.evidence.wanted()] == [True]
    files = [rig.put(f"{ID}.{kind}.sealed", hours_old) for kind, hours_old in (("still", 500_000), ("outgoing", -5000))]
    rig.put(f"{ID}.undated", 500_000)
    await rig.evidence.sweep()
    assert rig.names() == {file.name for file in files} | {f"{ID}.undated"}
    del rig
    rig = Rig(tmp_path)  # another run, which was told of nothing
    await rig.evidence.sweep()
    rig.commit()
    assert rig.names() == {file.name for file in files}
    assert all(abs(time.time() - file.stat().st_mtime) < 3600 for file in files)
    assert rig.told == []
    assert "undated" not in rig.evidence.wanted()[0]


async def test_what_is_dated_ahead_counts_from_now(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    ahead, nearly = rig.put(f"{ID}.still.sealed", -24 * 365), rig.put(f"{OTHER}.still.sealed", -0.5)
    before_s = nearly.stat().st_mtime
    rig.clock = "unknown"
    await rig.evidence.sweep()
    assert ahead.stat().st_mtime > time.time() + 3600, "nobody knows better"
    rig.clock = "synchronised"
    await rig.evidence.sweep()
    assert ahead.stat().st_mtime <= time.time()
    assert nearly.stat().st_mtime == before_s
    assert rig.told == []


def test_vision_is_asked_for_what_is_awaited_in_this_run(tmp_path: Path) -> None:
    still = {"picture": ID, "camera": "camera", "until_s": 5.0, "about": {"cause": [], "by": ""}}
    assert Rig(tmp_path / "a").evidence.wanted() == [still]
    assert Rig(tmp_path / "b", heads="blurred").evidence.wanted() == [still | {"outgoing": "blurred"}]
    rig = Rig(tmp_path / "c", heads="as it is")
    clip = Picture(OTHER, "camera", "e1", by="", until_s=90.0, kind=CLIP, more=("e2",), from_s=1.0, to_s=46.0, asked_s=31.0)
    rig.house.pictures[OTHER] = clip
    assert rig.evidence.wanted() == [
        still | {"outgoing": "as it is"},
        {
            "picture": OTHER, "camera": "camera", "until_s": 90.0, "kind": "clip", "from_s": 1.0, "to_s": 46.0, "at_s": 31.0,
            "about": {"cause": ["e1", "e2"], "by": ""},
        },
    ]  # fmt: skip


async def test_each_kind_has_its_own_room(tmp_path: Path) -> None:
    rig = Rig(tmp_path, mb=0.0025)
    for i in range(3):
        rig.put(f"{i}.still.sealed", 10 - i, 1000)
        rig.put(f"{i}.clip.sealed", 20 - i, 1000)
    rig.put("2.outgoing.sealed", 8, 100)
    rig.put("notes.txt", 100)
    await rig.evidence.sweep()
    rig.commit()
    assert rig.told == [EvidenceOver(("0",), 1000, "space"), EvidenceOver(("0",), 1000, "space", CLIP)]
    assert rig.names() == {"1.still.sealed", "2.still.sealed", "2.outgoing.sealed", "1.clip.sealed", "2.clip.sealed", "notes.txt"}


async def running(rig: Rig, until: Any) -> None:
    task = asyncio.get_running_loop().create_task(rig.evidence.run())
    await reached(until, 5)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def keep(rig: Rig, kind: str, body: bytes) -> None:
    head = {"id": ID, "kind": kind, "camera": "camera"}
    store(rig.folder / f"{ID}.{kind}.sealed", body, head, load_key(rig.folder.parent))


async def test_the_key_of_one_file_is_given_once_that_is_on_record(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    keep(rig, "still", b"a picture")
    asking = asyncio.get_running_loop().create_task(rig.evidence.give_key({"picture": ID, "by": "王建国", "why": "民警调取"}, "root"))
    await reached(lambda: rig.after, 5)
    assert rig.told == [EvidenceRead(ID, "camera", "still", "王建国", "民警调取", "root")]
    assert not asking.done()
    rig.commit()
    answer = await asking
    body = (rig.folder / answer["file"]).read_bytes()
    assert opened(body, bytes.fromhex(answer["key"])) == b"a picture"
    assert load_key(tmp_path).hex() not in str(answer)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"by": " "}, "needs `picture`, `by`"),
        ({"why": ""}, "the reason"),
        ({"why": None}, "the reason"),
        ({"picture": OTHER}, "there is no evidence"),
        ({"picture": "../../etc/passwd"}, "there is no evidence"),
    ],
)
async def test_what_is_refused_is_not_opened(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    rig = Rig(tmp_path)
    keep(rig, "still", b"a picture")
    with pytest.raises(DoorRefused, match=words):
        await rig.evidence.give_key({"picture": ID, "by": "王", "why": "x"} | change, "root")
    assert rig.told == []


async def test_a_lost_key_is_said_clearly(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    keep(rig, "clip", b"a clip")
    (tmp_path / KEY_NAME).unlink()
    with pytest.raises(DoorRefused, match="put the evidence-key of that time back"):
        await rig.evidence.give_key({"picture": ID, "by": "王", "why": "x"}, "root")
    assert rig.told == []


async def test_a_copy_is_sent_once_the_picture_is_on_record_and_only_where_the_site_says_so(tmp_path: Path) -> None:
    for heads in ("", "blurred"):
        rig = Rig(tmp_path / (heads or "kept"), heads=heads)
        rig.house.pictures[ID] = Picture(ID, "camera", "alarm-id", until_s=5.0)
        keep(rig, "outgoing", b"blurred")
        for _ in range(2):
            rig.evidence.photographed(Photographed(ID, "", "ab" * 32, 10, 0.5, outgoing_sha256="cd" * 32))
        assert rig.sent == []
        rig.commit()
        await running(rig, lambda rig=rig, heads=heads: len(rig.sent) == (2 if heads else 0))
        assert rig.sent == ([("alarm-id", 1, b"blurred"), ("alarm-id", 2, b"blurred")] if heads else [])


async def test_the_key_is_made_at_the_first_start(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    await running(rig, (tmp_path / KEY_NAME).exists)
    assert len(load_key(tmp_path)) == 32
