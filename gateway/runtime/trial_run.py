"""Carries a trial through to its end, whoever began it: makes the change, watches, keeps it or goes back."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from gateway.core.errors import GatewayError
from gateway.runtime.trial import Moment, State, Stimulus, Trial, left_s, step, taken_in_hand
from gateway.runtime.trial_book import Book, moment
from gateway.runtime.trial_health import Health

LOOK_S = 0.5
READY_WITHIN_S = 120.0  # a daemon that does not even answer after so long is given up before the trial's end
CRASHES_MOST = 3
BACK_WITHIN_S = 90.0
DAEMON = "campus-gateway.service"
OTHERS = ("campus-vision.service", "campus-console.service")

Say = Callable[[str], object]


class Way(Protocol):
    """How one kind of change is made. Each of these may be called again after a power cut, and then does what is left to do."""

    def go(self, trial: Trial) -> None:
        """Make the change, and have the daemon run with it. Raises GatewayError, OSError, subprocess.SubprocessError."""

    def back(self, trial: Trial) -> None:
        """Undo it, and have the daemon run as before. Raises as go()."""

    def settle(self, trial: Trial) -> None:
        """It is confirmed: tidy up."""

    def crashes(self) -> int:
        """How often the daemon has ended by itself since it was started."""

    def health(self, trial: Trial, *, after: bool) -> Health:
        """Looks at the daemon. after: with the change; else once it is undone."""


def carry(book: Book, way: Way, say: Say, now: Callable[[], Moment] = moment, look_s: float = LOOK_S) -> Trial:
    """Bring the trial of this book to its end. Raises OSError when the disk does not take what is decided."""
    trial = book.trial()
    assert trial is not None
    trial = book.keep(step(trial, taken_in_hand(trial, now()), now()))
    if trial.state is State.TRYING:
        trial = _try(book, way, trial, say, now, look_s)
    if trial.state is State.GOING_BACK:
        say(f"going back: {trial.why}")
        trial = _go_back(book, way, trial, say, look_s)
    elif trial.state is State.CONFIRMED:
        way.settle(trial)
    return trial


def _try(book: Book, way: Way, trial: Trial, say: Say, now: Callable[[], Moment], look_s: float) -> Trial:
    try:
        if words := book.called_off():
            return book.keep(step(trial, Stimulus.CALLED_OFF, now(), words))
        way.go(trial)
    except (GatewayError, OSError, subprocess.SubprocessError) as error:
        return book.keep(step(trial, Stimulus.BROKEN, now(), _words(error)))
    health, answered, began_s, crashes = way.health(trial, after=True), False, now().up_s, way.crashes()
    while True:
        if words := book.called_off():
            return book.keep(step(trial, Stimulus.CALLED_OFF, now(), words))
        missing = health.missing()
        if not missing:
            say("well")
            return book.keep(step(trial, Stimulus.WELL, now()))
        if missing != trial.note:
            say(missing)
            trial = book.keep(replace(trial, note=missing))
        answered = answered or health.running() is not None
        stimulus, words = _verdict(trial, missing, way.crashes() - crashes, now().up_s - began_s, now(), answered=answered)
        if stimulus is not None:
            return book.keep(step(trial, stimulus, now(), words))
        time.sleep(look_s)


def _verdict(trial: Trial, missing: str, crashes: int, tried_s: float, at: Moment, *, answered: bool) -> tuple[Stimulus | None, str]:
    """Why it is no use to wait any longer, if so."""
    if crashes >= CRASHES_MOST:
        return Stimulus.BROKEN, f"the daemon ended {crashes} times by itself; {missing}"
    if not answered and tried_s > READY_WITHIN_S:
        return Stimulus.LATE, f"the daemon did not answer within {READY_WITHIN_S:.0f} s; {missing}"
    if left_s(trial, at) <= 0:
        return Stimulus.LATE, f"not well within {trial.within_s:.0f} s: {missing}"
    return None, ""


def _go_back(book: Book, way: Way, trial: Trial, say: Say, look_s: float) -> Trial:
    """Once the old one runs again the trial is over, whatever the centre says: there is nothing else to go back to."""
    try:
        way.back(trial)
    except (GatewayError, OSError, subprocess.SubprocessError) as error:
        words = f"{trial.why}; the way back failed: {_words(error)}"
        say(words)
        book.keep(replace(trial, note=words))
        raise
    trial = book.keep(step(trial, Stimulus.BACK, moment()))
    health, end_s = way.health(trial, after=False), time.monotonic() + BACK_WITHIN_S
    while health.running() is None and time.monotonic() < end_s:
        time.sleep(look_s)
    say("runs again as before" if health.running() is not None else f"no daemon answers after {BACK_WITHIN_S:.0f} s: campus-gateway doctor")
    return trial


def _words(error: Exception) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        said = ((error.stderr or "") + (error.stdout or "")).strip()
        return f"{' '.join(map(str, error.cmd))}: {said[-400:] or f'ended with {error.returncode}'}"
    return str(error) or type(error).__name__


def follow(book: Book, say: Say, alive: Callable[[], bool], look_s: float = LOOK_S) -> Trial | None:
    """Tell what becomes of a trial that another process carries; how it ended. None when that process has gone before the end."""
    note, gone = "", 0
    while True:
        trial = book.trial()
        if trial is None:
            return book.last()
        words = f"going back: {trial.why}" if trial.state is State.GOING_BACK else trial.note
        if words != note:
            note = words
            say(note)
        gone = 0 if alive() else gone + 1
        if gone > 4:  # looks
            return None
        time.sleep(look_s)


class Systemd:
    """The units of an installed gateway."""

    def active(self) -> tuple[str, ...]:
        """Those that run or are about to."""
        return tuple(unit for unit in (DAEMON, *OTHERS) if self._show(unit, "ActiveState") in ("active", "activating", "reloading"))

    def stop(self, units: Sequence[str]) -> None:
        """And wait until they have ended. Raises subprocess.SubprocessError."""
        if units:
            _systemctl("stop", *units)

    def start(self, units: Sequence[str]) -> None:
        """Without waiting: whether they become ready is seen by asking them."""
        if units:
            _systemctl("reset-failed", *units, check=False)
            _systemctl("start", "--no-block", *units)

    def restart_others(self) -> None:
        """Eyes and page, where they run, read the site file anew."""
        _systemctl("try-restart", "--no-block", *OTHERS, check=False)

    def crashes(self) -> int:
        """Of the daemon since it was last started by hand."""
        return int(self._show(DAEMON, "NRestarts") or 0)

    def _show(self, unit: str, name: str) -> str:
        return _systemctl("show", "--property", name, "--value", unit, check=False).strip()


class ByHand:
    """A daemon that somebody started by hand: nothing here can start it."""

    def active(self) -> tuple[str, ...]:
        """None."""
        return ()

    def stop(self, units: Sequence[str]) -> None:
        """Nothing."""

    def start(self, units: Sequence[str]) -> None:
        """Nothing."""

    def restart_others(self) -> None:
        """The daemon has started them, and does so again."""

    def crashes(self) -> int:
        """Not known."""
        return 0


class Units(Protocol):
    """Who starts and stops the programs."""

    def active(self) -> tuple[str, ...]: ...

    def stop(self, units: Sequence[str]) -> None: ...

    def start(self, units: Sequence[str]) -> None: ...

    def restart_others(self) -> None: ...

    def crashes(self) -> int: ...


def _systemctl(*words: str, check: bool = True) -> str:
    return subprocess.run(["systemctl", *words], check=check, capture_output=True, text=True, timeout=120).stdout


def systemd_runs() -> bool:
    """True where systemd is what starts programs."""
    return Path("/run/systemd/system").is_dir()


def start_unit(unit: str) -> None:
    """Have systemd start it, without waiting. Raises subprocess.SubprocessError."""
    _systemctl("reset-failed", unit, check=False)
    _systemctl("start", "--no-block", unit)


def unit_is_active(unit: str) -> bool:
    """It runs or is about to."""
    return _systemctl("show", "--property", "ActiveState", "--value", unit, check=False).strip() in ("active", "activating")
