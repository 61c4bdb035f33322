"""Which version is meant, why one is refused, and what stays on the box; in a folder that stands for the whole system."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.journal.store import JOURNAL_NAME
from gateway.runtime.trial import State, Trial
from gateway.runtime.trial_book import Book, TrialRefused
from gateway.runtime.upgrade import Places, UpgradeWay, objections, wanted
from tests.gateway.journal.journals import open_at, rows
from tests.gateway.runtime.test_release import KEY, made

MACHINE = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, "")


@pytest.fixture
def places(tmp_path: Path) -> Places:
    """1.0 runs; 1.1 and 1.2 are delivered."""
    places = Places(tmp_path)
    for version in ("1.0", "1.1", "1.2"):
        made(places.versions / version, version, floor="1.1" if version == "1.2" else "0.9")
    (places.versions / ".1.3.new").mkdir()
    places.keys.mkdir(parents=True)
    (places.keys / "a.pem").write_bytes(KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    places.point(places.current, "1.0")
    return places


class Still:
    """Units that say what was asked of them."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def active(self) -> tuple[str, ...]:
        return ("campus-gateway.service",)

    def stop(self, units: object) -> None:
        self.asked.append("stop")

    def start(self, units: object) -> None:
        self.asked.append("start")

    def restart_others(self) -> None:
        self.asked.append("others")

    def crashes(self) -> int:
        return 0


def test_which_version_is_meant(places: Places) -> None:
    assert places.delivered() == ["1.0", "1.1", "1.2"]
    assert wanted(places, "", back=False) == "1.2"
    assert wanted(places, "1.1", back=False) == "1.1"
    for version, words in (("1.0", "runs already"), ("2.0", "not delivered; delivered: 1.0, 1.1, 1.2")):
        with pytest.raises(TrialRefused, match=words):
            wanted(places, version, back=False)
    with pytest.raises(TrialRefused, match=r"no version before 1\.0"):
        wanted(places, "", back=True)
    places.point(places.previous, "1.0")
    places.point(places.current, "1.2")
    assert wanted(places, "", back=True) == "1.0"
    with pytest.raises(TrialRefused, match="nothing newer is delivered"):
        wanted(places, "", back=False)


def test_nothing_is_installed(tmp_path: Path) -> None:
    with pytest.raises(TrialRefused, match="no gateway is installed"):
        wanted(Places(tmp_path), "", back=False)


@pytest.mark.skipif(MACHINE != "amd64", reason="the small release says amd64")
def test_why_a_version_is_refused(places: Places, tmp_path: Path) -> None:
    book, state = Book(places.trials), tmp_path / "state"
    assert list(objections(places, book, "1.1", state)) == []
    book.raise_floor("1.2")
    assert list(objections(places, book, "1.1", state)) == [
        "1.1 is below the security floor 1.2 of this box: what it lacks must not be missing again"
    ]
    assert list(objections(places, book, "1.2", state)) == []
    places.site.write_text("refused")
    program = places.versions / "1.2/bin/campus-gateway"
    program.write_text("#!/bin/sh\necho line 1: unknown key; exit 1\n")
    assert "is not as it was signed" in "".join(objections(places, book, "1.2", state)), "nothing of it is run"
    (places.keys / "a.pem").unlink()
    assert "no release key" in "".join(objections(places, book, "1.2", state))


def test_room_for_a_copy_of_the_journal(places: Places, tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    with (state / JOURNAL_NAME).open("wb") as journal:
        journal.truncate(1 << 43)  # with holes
    found = list(objections(places, Book(places.trials), "1.1", state))
    assert any("MB for a copy of the journal" in words for words in found)


def test_there_and_back(places: Places, tmp_path: Path) -> None:
    state = tmp_path / "state"
    store, _ = open_at(state)
    store.close()
    book, units = Book(places.trials), Still()
    way = UpgradeWay(places, book, units)
    more = {"state_dir": str(state), "door": str(state / "door.sock"), "schema_before": "4", "schema_after": "5"}
    trial = Trial("upgrade", "1.0", "1.1", "", 60.0, state=State.TRYING, began_at="2026-11-22T08:00:00Z", more=more)
    places.trials.mkdir(parents=True)
    way.go(trial)
    assert (places.version(places.current), units.asked) == ("1.1", ["stop", "start"])
    (backup,) = places.trials.glob("journal-*.db")
    assert backup.name == "journal-2026-11-22T080000Z-1.0.db"
    way.go(trial)
    assert units.asked == ["stop", "start", "start"], "after a power cut they run already"
    way.back(trial)
    assert (places.version(places.current), rows(state, "PRAGMA user_version")) == ("1.0", [(4,)])
    assert rows(state, "SELECT count(*) FROM event") == [(1,)]


def test_what_stays(places: Places, tmp_path: Path) -> None:
    book = Book(places.trials)
    places.trials.mkdir(parents=True)
    for n in range(4):
        (places.trials / f"journal-{n}.db").write_text("")
    trial = Trial("upgrade", "1.1", "1.2", "", 60.0, more={"state_dir": str(tmp_path / "state")})
    UpgradeWay(places, book, Still()).settle(trial)
    assert (book.floor(), places.delivered(), places.version(places.previous)) == ("1.1", ["1.1", "1.2"], "1.1")
    assert [path.name for path in sorted(places.trials.glob("journal-*"))] == ["journal-2.db", "journal-3.db"]
    UpgradeWay(places, book, Still()).settle(replace(trial, before="1.2", after="1.1"))
    assert (book.floor(), places.delivered()) == ("1.1", ["1.1", "1.2"]), "the floor never sinks; what is newer stays"
