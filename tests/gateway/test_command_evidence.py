"""campus-gateway evidence: list and show read the folder, export asks the daemon's door for the key of one file."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from gateway.__main__ import main
from gateway.core.errors import DoorRefused
from gateway.runtime.door import Door
from gateway.runtime.evidence_file import file_key, load_key, store
from tests.gateway.runtime.waiting import until
from tests.gateway.test_command_alarms import EXAMPLE, nothing

ID = "019ab000-0000-7000-8000-000000000001"
CLIP = "019ab000-0000-7000-8000-000000000002"
BEGAN = "2026-11-20T08:00:00.000Z"


def keep(state_dir: Path, picture: str, kind: str, body: bytes, **about: Any) -> Path:
    head = {"id": picture, "kind": kind, "camera": "gate-camera", "from": BEGAN, "to": BEGAN, "media_type": "x", "cause": [], "by": ""}
    file = state_dir / "evidence" / f"{picture}.{kind}.sealed"
    store(file, body, head | about, load_key(state_dir))
    return file


def run(state_dir: Path, *words: str) -> int:
    return main(["evidence", *words, "--config", str(EXAMPLE), "--state-dir", str(state_dir)])


def test_the_list_tells_camera_time_cause_size_and_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tmp_path, "list") == 0
    assert capsys.readouterr().out == "nothing is kept at present\n"
    older = keep(tmp_path, ID, "still", b"x" * 5000, by="张卫国")
    keep(tmp_path, ID, "outgoing", b"x")
    keep(tmp_path, CLIP, "clip", b"x" * 900_000, cause=["e1", "e2"])
    os.utime(older, (0, 0))
    assert run(tmp_path, "list") == 0
    still, clip = capsys.readouterr().out.splitlines()
    assert [word in still for word in (ID, "gate-camera", BEGAN, "5 kB", "deleted 1970-01-04T", "张卫国")] == [True] * 6
    assert [word in clip for word in (CLIP, "clip", "900 kB", "e1, e2")] == [True] * 4
    assert run(tmp_path, "list", "--json") == 0
    assert [item["id"] for item in json.loads(capsys.readouterr().out)["evidence"]] == [ID, CLIP]
    older.write_bytes(b"damaged")
    assert run(tmp_path, "list") == 0
    assert "no file of evidence, or its head is damaged" in capsys.readouterr().out


def test_show_proves_the_file_without_opening_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = keep(tmp_path, ID, "still", b"a picture")
    assert run(tmp_path, "show", ID) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["camera"], shown["file_sha256"]) == ("gate-camera", hashlib.sha256(file.read_bytes()).hexdigest())
    assert run(tmp_path, "show", CLIP) == 1
    assert "there is no evidence" in capsys.readouterr().err


async def exported(state_dir: Path, target: Path, asked: list[tuple[dict[str, Any], str]], refusal: str = "") -> int:
    async def give(request: dict[str, Any], user: str) -> dict[str, Any]:
        asked.append((request, user))
        if refusal:
            raise DoorRefused(refusal)
        path = state_dir / "evidence" / f"{ID}.still.sealed"
        return {"ok": True, "file": path.name, "key": file_key(path, load_key(state_dir)).hex()}

    door = Door(state_dir / "door.sock", frozenset(), print, lambda command: (True, ""), {}, nothing)
    door.give_key = give
    task = asyncio.get_running_loop().create_task(door.run())
    await until((state_dir / "door.sock").exists)
    status = await asyncio.to_thread(run, state_dir, "export", ID, "--to", str(target), "--by", "王建国", "--why", "民警调取")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return status


async def test_export_writes_what_was_sealed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, target = keep(tmp_path, ID, "still", b"a picture"), tmp_path / "out.jpg"
    asked: list[tuple[dict[str, Any], str]] = []
    assert await exported(tmp_path, target, asked) == 0
    ((request, user),) = asked
    assert (request["picture"], request["by"], request["why"], bool(user)) == (ID, "王建国", "民警调取", True)
    assert (target.read_bytes(), target.stat().st_mode & 0o777) == (b"a picture", 0o600)
    assert await exported(tmp_path, target, asked) == 1
    assert ("is not written over" in capsys.readouterr().err, len(asked)) == (True, 1), "not even asked for"
    body = bytearray(file.read_bytes())
    body[-1] ^= 1
    file.write_bytes(body)
    assert await exported(tmp_path, tmp_path / "other.jpg", asked) == 1
    assert "is damaged, was changed" in capsys.readouterr().err
    assert not (tmp_path / "other.jpg").exists()


async def test_a_refusal_and_a_daemon_that_does_not_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keep(tmp_path, ID, "still", b"a picture")
    assert await exported(tmp_path, tmp_path / "out.jpg", [], "put the evidence-key of that time back") == 1
    assert "put the evidence-key" in capsys.readouterr().err
    words = ("export", ID, "--to", str(tmp_path / "out.jpg"), "--by", "王", "--why", "x")
    assert await asyncio.to_thread(run, tmp_path, *words) == 1
    assert "no daemon listens" in capsys.readouterr().err
    assert not (tmp_path / "out.jpg").exists()


@pytest.mark.parametrize("missing", ["--by", "--why", "--to"])
def test_who_and_why_must_be_said(tmp_path: Path, missing: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = {"--to": "f", "--by": "王", "--why": "x"}
    del words[missing]
    with pytest.raises(SystemExit):
        run(tmp_path, "export", ID, *(part for pair in words.items() for part in pair))
    assert missing in capsys.readouterr().err
