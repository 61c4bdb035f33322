"""The table of a trial, its files, and whoever carries one through all that can happen to him."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import Permanent
from gateway.runtime.trial import ENDS, STARTS_MOST, TABLE, Moment, State, Stimulus, Trial, UnknownStep, left_s, step, taken_in_hand
from gateway.runtime.trial_book import Book, TrialRefused, moment, put_file
from gateway.runtime.trial_run import CRASHES_MOST, carry

NEW = Trial("upgrade", "1.0", "1.1", "/etc/site.toml", within_s=60.0)
AT = Moment("boot-a", 100.0, "2026-11-22T08:00:00Z")
LATER = Moment("boot-b", 5.0, "2026-11-22T09:00:00Z")


def trying(at: Moment = AT) -> Trial:
    return step(NEW, Stimulus.BEGUN, at)


def test_the_time_is_that_of_the_computer() -> None:
    trial = trying()
    assert (trial.state, trial.deadline_up_s, left_s(trial, replace(AT, up_s=150.0)), trial.starts) == (State.TRYING, 160.0, 10.0, 1)
    assert taken_in_hand(trial, AT) is Stimulus.BEGUN
    assert taken_in_hand(trial, LATER) is Stimulus.RESTARTED
    again = step(trial, Stimulus.BEGUN, replace(AT, up_s=140.0))
    assert again.deadline_up_s == 160.0, "who was killed and comes back has no more time"
    assert step(trial, Stimulus.RESTARTED, LATER).deadline_up_s == 65.0


def test_a_computer_that_starts_again_and_again() -> None:
    trial = trying()
    for n in range(STARTS_MOST - 1):
        trial = step(trial, Stimulus.RESTARTED, replace(LATER, boot=f"boot-{n}"))
        assert trial.state is State.TRYING
    trial = step(trial, Stimulus.RESTARTED, replace(LATER, boot="once more"))
    assert trial.state is State.GOING_BACK
    assert "3 times" in trial.why


def test_what_was_never_begun_is_dropped_after_a_restart() -> None:
    """Hours later nobody wants it any more."""
    prepared = replace(NEW, boot=AT.boot)
    assert step(prepared, taken_in_hand(prepared, LATER), LATER).state is State.DROPPED


@given(st.lists(st.sampled_from(list(Stimulus)), max_size=12))
def test_every_way_ends_or_can_go_on(happens: list[Stimulus]) -> None:
    """Nothing brings back a trial that has ended; a change is confirmed only after it was well; from everywhere an end can be reached."""
    trial = NEW
    for stimulus in happens:
        if (trial.state, stimulus) not in TABLE:
            with pytest.raises(UnknownStep):
                step(trial, stimulus, AT)
            continue
        before, trial = trial, step(trial, stimulus, AT, "words")
        assert before.state not in ENDS
        assert (trial.state is State.CONFIRMED) == (stimulus is Stimulus.WELL)
        assert (trial.state is State.UNDONE) == (stimulus is Stimulus.BACK)
    if trial.state is State.TRYING:
        trial = step(trial, Stimulus.LATE, AT, "late")
    if trial.state is State.GOING_BACK:
        assert step(trial, Stimulus.BACK, AT).state is State.UNDONE


def test_on_the_disk(tmp_path: Path) -> None:
    book = Book(tmp_path / "trials")
    assert (book.trial(), book.last(), book.floor()) == (None, None, "0")
    trial = replace(trying(), devices=("a", "b"), units=("u",), more={"x": "y"}, why="了")
    book.keep(trial)
    assert Book(book.folder).trial() == trial
    assert book.folder.stat().st_mode & 0o777 == 0o700
    book.call_off("a person")
    assert book.called_off() == "a person"
    ended = book.keep(step(trial, Stimulus.WELL, AT))
    assert (book.trial(), book.last(), book.called_off()) == (None, ended, "")
    book.raise_floor("1.1")
    assert book.floor() == "1.1"


def test_a_trial_of_another_version_of_this_program(tmp_path: Path) -> None:
    book = Book(tmp_path)
    book.put(
        "trial.json", b'{"kind": "upgrade", "before": "1", "after": "2", "site": "/s", "within_s": 9, "state": "trying", "of_tomorrow": 1}'
    )
    assert book.trial() == replace(Trial("upgrade", "1", "2", "/s", 9), state=State.TRYING)
    book.put("trial.json", b'{"kind"')
    with pytest.raises(TrialRefused, match="look at what runs"):
        book.trial()


def test_a_file_is_replaced_with_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "site.toml"
    path.write_text("old")
    path.chmod(0o640)
    put_file(path, b"new", like=path)
    assert (path.read_text(), path.stat().st_mode & 0o777, os.listdir(tmp_path)) == ("new", 0o640, ["site.toml"])


def test_now() -> None:
    assert moment().boot == moment().boot
    assert moment().up_s > 0


# --- carried ------------------------------------------------------------------------------------


@dataclass
class Play:
    """A way and a daemon of which the test says how they are. A look takes a second of a clock of its own."""

    missing_for: int = 0  # looks until all is well
    answers: bool = True
    fails: str = ""
    each_crash: int = 0  # crashes with each look
    up_s: float = 100.0
    boot: str = "boot-a"
    done: list[str] = field(default_factory=list)
    looks: int = 0
    during: Any = None

    def now(self) -> Moment:
        return Moment(self.boot, self.up_s, "2026-11-22T08:00:00Z")

    def go(self, trial: Trial) -> None:
        self.done.append("go")
        if self.fails:
            raise Permanent(self.fails)

    def back(self, trial: Trial) -> None:
        self.done.append("back")
        self.answers = True

    def settle(self, trial: Trial) -> None:
        self.done.append("settle")

    def crashes(self) -> int:
        return 7 + self.looks * self.each_crash  # seven of an earlier life

    def health(self, trial: Trial, *, after: bool) -> Any:
        return self

    def missing(self) -> str:
        self.looks += 1
        self.up_s += 1
        if self.during:
            self.during(self)
        return "" if self.looks > self.missing_for else "something"

    def running(self) -> object:
        return {"bootid": "x"} if self.answers else None


def carried(folder: Path, play: Play, trial: Trial = NEW) -> tuple[Trial, list[str], list[str]]:
    book, said = Book(folder), []
    book.keep(trial)
    ended = carry(book, play, said.append, play.now, look_s=0.0)
    assert (book.trial(), book.last()) == (None, ended)
    return ended, play.done, said


def test_well(tmp_path: Path) -> None:
    ended, done, said = carried(tmp_path, Play(missing_for=3))
    assert (ended.state, done, said) == (State.CONFIRMED, ["go", "settle"], ["something", "well"])


def test_late(tmp_path: Path) -> None:
    ended, done, said = carried(tmp_path, Play(missing_for=1000))
    assert (ended.state, done) == (State.UNDONE, ["go", "back"])
    assert ended.why == "not well within 60 s: something"
    assert said[-2:] == ["going back: not well within 60 s: something", "runs again as before"]


def test_a_change_that_cannot_be_made(tmp_path: Path) -> None:
    """As where a migration fails half-way."""
    ended, done, _ = carried(tmp_path, Play(fails="disk full"))
    assert (ended.state, ended.why, done) == (State.UNDONE, "disk full", ["go", "back"])


def test_a_daemon_that_ends_again_and_again_is_not_waited_for(tmp_path: Path) -> None:
    play = Play(missing_for=1000, each_crash=1)
    ended, _, _ = carried(tmp_path, play)
    assert (ended.state, play.looks) == (State.UNDONE, CRASHES_MOST)
    assert "ended 3 times by itself" in ended.why


def test_a_daemon_that_hangs_at_its_start_is_not_waited_for_to_the_end(tmp_path: Path) -> None:
    play = Play(missing_for=10_000, during=lambda play: setattr(play, "answers", play.looks > 121))
    play.answers = False
    ended, _, _ = carried(tmp_path, play, replace(NEW, within_s=3600.0))
    assert ended.state is State.UNDONE
    assert "did not answer within 120 s" in ended.why
    assert play.looks == 121


def test_called_off(tmp_path: Path) -> None:
    play = Play(missing_for=1000, during=lambda play: Book(tmp_path).call_off("called off by 王师傅"))
    ended, done, _ = carried(tmp_path, play)
    assert (ended.why, done) == ("called off by 王师傅", ["go", "back"])


def test_whoever_was_killed_goes_on_where_he_was(tmp_path: Path) -> None:
    ended, done, _ = carried(tmp_path, Play(), trying())
    assert (ended.state, done) == (State.CONFIRMED, ["go", "settle"])
    ended, done, _ = carried(tmp_path, Play(), step(trying(), Stimulus.BROKEN, AT, "was broken"))
    assert (ended.state, ended.why, done) == (State.UNDONE, "was broken", ["back"])


def test_after_a_power_cut_the_time_begins_anew(tmp_path: Path) -> None:
    ended, done, _ = carried(tmp_path, Play(missing_for=30, boot="boot-b", up_s=2.0), trying(replace(AT, up_s=1e6)))
    assert (ended.state, done) == (State.CONFIRMED, ["go", "settle"])
