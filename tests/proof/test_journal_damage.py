"""The journal's file is destroyed under the running daemon; the disk runs full under it: alarms go on, and the log can be proved."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from simulators.broker import Broker
from tests.gateway.journal.test_writer import disk_of
from tests.proof.rig import Rig, rig, wait_for
from tests.proof.test_broker_trouble import field_text, press, pressed, ready

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


def proved(here: Rig) -> dict[str, Any]:
    """Answer of `campus-gateway journal verify`, beside the running daemon."""
    done = subprocess.run(
        [sys.executable, "-m", "gateway", "journal", "verify", "--config", str(here.site), "--json"], capture_output=True, check=False
    )
    assert done.returncode in (0, 1), done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_a_journal_destroyed_while_it_is_open(tmp_path: Path) -> None:
    with Broker("nats", dir=tmp_path / "broker") as broker, rig(tmp_path, broker.url, field_text()) as here:
        ready(here)
        press(here)
        wait_for(lambda: len(pressed(here)) == 1, "the press before")
        assert proved(here)["whole"]
        state = here.folder / "state"
        for name in ("journal.db", "journal.db-wal"):
            path = state / name
            with path.open("r+b") as file:
                size = path.stat().st_size
                file.seek(100)
                file.write(os.urandom(max(0, size - 100)))
        wait_for(lambda: list(state.glob("journal.db.set-aside-*[0-9]")), "the damaged file is set aside", 60)
        wait_for(lambda: "gw-journal/fault" in here.faults(), "a local fault: journal")
        for _ in range(3):
            press(here)
        wait_for(lambda: len(pressed(here)) == 4, "presses in the new epoch")
        wait_for(lambda: here.status()["outbox"]["depth"] == 0, "nothing is owed any more", 40)
        newest = here.journal("SELECT max(epoch) FROM epoch")
        assert newest == [(2,)]
        assert {each["file"] == "journal.db" for each in proved(here)["broken"]} <= {False}


def test_pages_destroyed_behind_the_newest_events(tmp_path: Path) -> None:
    """What is written last is whole, in SQLite's log and in memory; the pages behind it are not, and the centre still owes a receipt."""
    with Broker("nats", dir=tmp_path / "broker") as broker, rig(tmp_path, broker.url, field_text()) as here:
        ready(here)
        for n in range(8):
            press(here)
            wait_for(lambda n=n: len(pressed(here)) == n + 1, "the presses before")
        here.gateway.stop()
        here.gateway.start()
        ready(here)
        press(here)
        wait_for(lambda: len(pressed(here)) == 9, "a press whose pages are in the log")
        state = here.folder / "state"
        pages = (state / "journal.db").stat().st_size // 4096
        assert pages > 10
        with (state / "journal.db").open("r+b") as file:
            for page in range(2, pages - 1):
                file.seek(page * 4096)
                file.write(os.urandom(4096))
        wait_for(lambda: list(state.glob("journal.db.set-aside-*[0-9]")), "the damaged file is set aside", 60)
        wait_for(lambda: "gw-journal/fault" in here.faults(), "a local fault: journal")
        press(here)
        wait_for(lambda: len(pressed(here)) == 10, "a press in the new epoch, none twice")
        wait_for(lambda: here.status()["outbox"]["depth"] == 0, "nothing is owed any more", 40)
        assert here.journal("SELECT max(epoch) FROM epoch") == [(2,)]


def test_a_start_on_a_full_disk(tmp_path: Path) -> None:
    """After a clean stop SQLite needs room before it can even read: the reserve gives it."""
    with disk_of(tmp_path, 40) as disk, Broker("nats", dir=tmp_path / "broker") as broker:
        (tmp_path / "state").symlink_to(disk)
        with rig(tmp_path, broker.url, field_text()) as here:
            ready(here)
            press(here)
            wait_for(lambda: len(pressed(here)) == 1, "the press before")
            wait_for(lambda: (disk / "journal.reserve").exists(), "the reserve")
            here.gateway.stop()
            ballast = disk / "ballast"
            fd = os.open(ballast, os.O_WRONLY | os.O_CREAT)
            with contextlib.suppress(OSError):
                while True:
                    os.write(fd, bytes(4096))
            os.close(fd)
            here.gateway.start()
            ready(here)
            press(here)
            wait_for(lambda: len(pressed(here)) == 2, "the press at the centre")
            wait_for(lambda: "gw-journal/fault" in here.faults(), "a local fault: journal")
            ballast.unlink()
            wait_for(lambda: "gw-journal/fault" not in here.faults(), "the fault ends", 40)
            assert proved(here)["whole"]
            here.gateway.stop()


def test_a_disk_that_runs_full(tmp_path: Path) -> None:
    with (
        disk_of(tmp_path, 40) as disk,
        Broker("nats", dir=tmp_path / "broker") as broker,
    ):
        (tmp_path / "state").symlink_to(disk)
        with rig(tmp_path, broker.url, field_text()) as here:
            ready(here)
            press(here)
            wait_for(lambda: len(pressed(here)) == 1, "the press before")
            wait_for(lambda: (disk / "journal.reserve").exists(), "the reserve")
            ballast = disk / "ballast"
            fd = os.open(ballast, os.O_WRONLY | os.O_CREAT)
            with contextlib.suppress(OSError):  # until it is full; the daemon writes beside
                while True:
                    os.write(fd, bytes(4096))
            os.close(fd)
            for n in range(20):
                press(here)
                wait_for(lambda n=n: len(pressed(here)) == n + 2, "the press at the centre")
            wait_for(lambda: not (disk / "journal.reserve").exists(), "the reserve was given up")
            wait_for(lambda: "gw-journal/fault" in here.faults(), "a local fault: journal")
            assert all(event["sequence"] for event in here.events()), "sealed, not from memory"
            ballast.unlink()
            wait_for(lambda: "gw-journal/fault" not in here.faults(), "the fault ends", 40)
            wait_for(lambda: (disk / "journal.reserve").exists(), "the reserve is made again")
            assert proved(here)["whole"]
            here.gateway.stop()


def test_an_older_copy_of_the_journal(tmp_path: Path) -> None:
    """Written into the same file, as by `cp`, which no start can see: the centre's receipts name a later event, and a new epoch begins."""
    with Broker("nats", dir=tmp_path / "broker") as broker, rig(tmp_path, broker.url, field_text()) as here:
        ready(here)
        press(here)
        wait_for(lambda: len(pressed(here)) == 1, "the press before")
        path = here.folder / "state" / "journal.db"
        here.gateway.stop()
        backup = path.read_bytes()
        here.gateway.start()
        ready(here)
        for n in range(3):
            press(here)
            wait_for(lambda n=n: len(pressed(here)) == n + 2, "presses after the backup")
        here.gateway.stop()
        inode = path.stat().st_ino
        path.write_bytes(backup)
        assert path.stat().st_ino == inode
        here.gateway.start()
        wait_for(lambda: here.journal("SELECT reason FROM epoch ORDER BY epoch") == [("created",), ("restored",)], "a new epoch", 40)
        wait_for(lambda: "gw-journal/fault" in here.faults(), "a local fault: journal")
        before = len(pressed(here))
        press(here)
        wait_for(lambda: len(pressed(here)) > before, "a press in the new epoch")
        assert [e for e in here.events() if e["epoch"] == "0000000002" and e["type"] == "campus.alarm.activated"]
        wait_for(lambda: here.status()["outbox"]["depth"] == 0, "nothing is owed any more", 40)
        assert proved(here)["whole"]
