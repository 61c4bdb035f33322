"""A change on trial: a new version or a new site file is used, and kept only when the gateway proves well with it.

Pure: one table, one function. A person's clock is not believed (a small computer may have none): the time of a trial is measured by
the time since the computer started; a trial that finds itself after another start begins its time anew, three times at most.

    prepared --begun--> trying --well--> confirmed
                          |--late, broken, called off--> going back --back--> undone
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields, replace
from enum import StrEnum
from typing import Any

STARTS_MOST = 3  # of the computer in one trial: a change that makes it start again and again is undone


class State(StrEnum):
    """Where a trial is. The last three are ends."""

    PREPARED = "prepared"
    TRYING = "trying"
    GOING_BACK = "going back"
    CONFIRMED = "confirmed"
    UNDONE = "undone"
    DROPPED = "dropped"


class Stimulus(StrEnum):
    """What can happen to one."""

    BEGUN = "begun"  # somebody takes it in hand: at first, or after he was killed
    RESTARTED = "restarted"  # the same, after the computer was switched off
    WELL = "well"
    LATE = "late"
    BROKEN = "broken"
    CALLED_OFF = "called off"
    BACK = "back"


ENDS = frozenset({State.CONFIRMED, State.UNDONE, State.DROPPED})
TABLE: dict[tuple[State, Stimulus], State] = {
    (State.PREPARED, Stimulus.BEGUN): State.TRYING,
    (State.PREPARED, Stimulus.RESTARTED): State.DROPPED,  # nothing was changed, and nobody waits for it any more
    (State.PREPARED, Stimulus.BROKEN): State.DROPPED,
    (State.PREPARED, Stimulus.CALLED_OFF): State.DROPPED,
    (State.TRYING, Stimulus.BEGUN): State.TRYING,
    (State.TRYING, Stimulus.RESTARTED): State.TRYING,  # with its time anew; too often: going back
    (State.TRYING, Stimulus.WELL): State.CONFIRMED,
    (State.TRYING, Stimulus.LATE): State.GOING_BACK,
    (State.TRYING, Stimulus.BROKEN): State.GOING_BACK,
    (State.TRYING, Stimulus.CALLED_OFF): State.GOING_BACK,
    (State.GOING_BACK, Stimulus.BEGUN): State.GOING_BACK,
    (State.GOING_BACK, Stimulus.RESTARTED): State.GOING_BACK,
    (State.GOING_BACK, Stimulus.CALLED_OFF): State.GOING_BACK,
    (State.GOING_BACK, Stimulus.BACK): State.UNDONE,
}


class UnknownStep(ValueError):
    """This cannot happen in that state."""


@dataclass(frozen=True, slots=True)
class Moment:
    """boot: id of this start of the computer; up_s: seconds since it; at: UTC, RFC 3339, for people."""

    boot: str
    up_s: float
    at: str


@dataclass(frozen=True, slots=True)
class Trial:
    """One change on trial, as it lies on the disk.

    kind: upgrade or apply. before, after: version, or file. within_s: how long the gateway may take to prove well. deadline_up_s: counted
    as `up_s` of the start `boot`. starts: of the computer since it was begun. daemon: boot id of the daemon before; devices: those that
    answered then. receipt: a centre must have signed. units: what ran before. note: what it waits for; why: what was wrong.
    """

    kind: str
    before: str
    after: str
    site: str
    within_s: float
    by: str = ""
    state: State = State.PREPARED
    began_at: str = ""
    boot: str = ""
    deadline_up_s: float = 0.0
    starts: int = 0
    daemon: str = ""
    devices: tuple[str, ...] = ()
    receipt: bool = True
    units: tuple[str, ...] = ()
    schema: int = 0
    note: str = ""
    why: str = ""
    more: dict[str, str] = field(default_factory=dict)


def step(trial: Trial, stimulus: Stimulus, moment: Moment, words: str = "") -> Trial:
    """The trial after this. words: what was wrong. Raises UnknownStep."""
    state = TABLE.get((trial.state, stimulus))
    if state is None:
        raise UnknownStep(f"a trial that is {trial.state} cannot be {stimulus}")
    if stimulus is Stimulus.RESTARTED and trial.state is State.TRYING:
        if trial.starts >= STARTS_MOST:
            often = f"the computer was started {trial.starts} times during the trial"
            return replace(trial, state=State.GOING_BACK, why=often, boot=moment.boot)
        return _timed(trial, moment)
    if stimulus is Stimulus.BEGUN and trial.state is State.PREPARED:
        return _timed(replace(trial, state=state, began_at=trial.began_at or moment.at), moment)
    why = words if stimulus in (Stimulus.LATE, Stimulus.BROKEN, Stimulus.CALLED_OFF) else trial.why
    return replace(trial, state=state, why=why)


def _timed(trial: Trial, moment: Moment) -> Trial:
    return replace(trial, boot=moment.boot, deadline_up_s=moment.up_s + trial.within_s, starts=trial.starts + 1)


def taken_in_hand(trial: Trial, moment: Moment) -> Stimulus:
    """What it is to this trial that somebody takes it in hand now."""
    return Stimulus.BEGUN if trial.boot in ("", moment.boot) else Stimulus.RESTARTED


def left_s(trial: Trial, moment: Moment) -> float:
    """How long the gateway still has; below 0 when it is late."""
    return trial.deadline_up_s - moment.up_s


def written(trial: Trial) -> dict[str, Any]:
    """As it goes into a file."""
    return asdict(trial) | {"state": str(trial.state)}


def from_file(row: dict[str, Any]) -> Trial:
    """From a file, also one of another version: what is unknown is left out. Raises ValueError, KeyError, TypeError."""
    known = {each.name for each in fields(Trial)}
    found: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in row.items() if name in known}
    found["state"] = State(row["state"])
    return Trial(**found)
