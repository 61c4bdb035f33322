"""The alarm state machine of ISA-18.2 / IEC 62682 (designed against, not certified): one table, one function.

States A to F; G to I (shelved, suppressed, out of service) are not in this version of the table.

    A normal ──activate──> B unacknowledged ──acknowledge──> C acknowledged
    B ──clear──> D returned, unacknowledged      (latching: E latched, unacknowledged)
    C ──clear──> A normal                        (latching: F latched, acknowledged)
    D ──acknowledge──> A      E ──acknowledge──> F      F ──reset──> A
    D, E, F ──activate──> B   (D begins anew; E and F are repeated: the alarm still stood)

An acknowledge never resets. A reset while the condition is active is refused. A latching alarm never
resets itself (GB 50394-2007 5.2.3).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """States as they stand in messages and in the journal."""

    NORMAL = "normal"
    UNACK = "unacknowledged"
    ACKED = "acknowledged"
    RTN_UNACK = "returned_unacknowledged"
    LATCHED_UNACK = "latched_unacknowledged"
    LATCHED_ACKED = "latched_acknowledged"


class Stimulus(StrEnum):
    """What may happen to an alarm."""

    ACTIVATE = "activate"
    CLEAR = "clear"
    ACKNOWLEDGE = "acknowledge"
    RESET = "reset"


ACTIVE = frozenset({State.UNACK, State.ACKED})
STANDING = frozenset(State) - {State.NORMAL}
UNACKED = frozenset({State.UNACK, State.RTN_UNACK, State.LATCHED_UNACK})


@dataclass(frozen=True, slots=True)
class Step:
    """Result of one stimulus. event: last word of the event type, or empty; refused: why nothing happened."""

    state: State
    event: str = ""
    refused: str = ""


def _rows() -> dict[tuple[State, Stimulus, bool], Step]:
    a, b, c, d, e, f = State.NORMAL, State.UNACK, State.ACKED, State.RTN_UNACK, State.LATCHED_UNACK, State.LATCHED_ACKED
    activate, clear, ack, reset = Stimulus.ACTIVATE, Stimulus.CLEAR, Stimulus.ACKNOWLEDGE, Stimulus.RESET
    nothing = "there is nothing to {}: the alarm is normal"
    still = "the cause is still there: a reset is refused while the condition is active"
    rows: dict[tuple[State, Stimulus, bool], Step] = {}
    for latching in (False, True):
        rows |= {
            (a, activate, latching): Step(b, "activated"),
            (a, clear, latching): Step(a),
            (a, ack, latching): Step(a, refused=nothing.format("acknowledge")),
            (a, reset, latching): Step(a, refused=nothing.format("reset")),
            (b, activate, latching): Step(b, "repeated"),
            (b, clear, latching): Step(e if latching else d, "cleared"),
            (b, ack, latching): Step(c, "acknowledged"),
            (b, reset, latching): Step(b, refused=still),
            (c, activate, latching): Step(b, "repeated"),
            (c, clear, latching): Step(f if latching else a, "cleared"),
            (c, ack, latching): Step(c, refused="the alarm is acknowledged already"),
            (c, reset, latching): Step(c, refused=still),
            # D exists only without latching, E and F only with; a changed site file may leave either behind
            (d, activate, latching): Step(b, "activated"),
            (d, clear, latching): Step(d),
            (d, ack, latching): Step(a, "acknowledged"),
            (d, reset, latching): Step(d, refused="this alarm does not latch: acknowledge it"),
            (e, activate, latching): Step(b, "repeated"),
            (e, clear, latching): Step(e),
            (e, ack, latching): Step(f, "acknowledged"),
            (e, reset, latching): Step(e, refused="acknowledge the alarm before you reset it"),
            (f, activate, latching): Step(b, "repeated"),
            (f, clear, latching): Step(f),
            (f, ack, latching): Step(f, refused="the alarm is acknowledged already"),
            (f, reset, latching): Step(a, "reset"),
        }
    return rows


TABLE: dict[tuple[State, Stimulus, bool], Step] = _rows()


def step(state: State, stimulus: Stimulus, *, latching: bool) -> Step:
    """The next state and the event that says so. An unknown pair is a KeyError, never a guess."""
    return TABLE[state, stimulus, latching]
