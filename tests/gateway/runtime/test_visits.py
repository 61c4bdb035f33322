"""How long a question may hold a line: what the panic buttons can spare, worked out from the line's promise."""

from __future__ import annotations

from dataclasses import replace
from math import inf

import pytest

from gateway.bus.promise import LinePromise, Promise, Wire, frames_s
from gateway.core.wire import Block, Exchange, WireClass
from gateway.runtime.visits import PATIENCE_MOST_S, patience_s, room_s

BLOCK = Block("module", "di", 1, bytes(5), 3, 0.05, 0.05, WireClass.PANIC, 0.1, ("panic",))
WIRE = Wire("rtu", 9600)
QUESTION = Exchange("visitor", "read", 9, bytes(5), 4, timeout_s=0.1)


def line(*promises: tuple[WireClass, float, float]) -> LinePromise:
    """(class, response, blocking) of each block, in seconds."""
    return LinePromise(0.5, tuple(Promise(replace(BLOCK, wire_class=c), response, blocking, 0.0) for c, response, blocking in promises))


def test_a_question_may_take_what_a_lower_class_takes_and_what_is_left_to_the_limit() -> None:
    assert room_s(line((WireClass.PANIC, 0.15, 0.12)), 0.25) == pytest.approx(0.12 + 0.05)
    assert room_s(line((WireClass.PANIC, 0.30, 0.12)), 0.25) == pytest.approx(0.12)  # late already: not later still
    assert room_s(line((WireClass.PANIC, inf, 0.12)), 0.25) == pytest.approx(0.12)
    assert room_s(line((WireClass.PANIC, 0.15, 0.12), (WireClass.PANIC, 0.19, 0.0)), 0.25) == pytest.approx(0.01)
    assert room_s(line((WireClass.LIFE_SAFETY, 5.0, 0.1)), 0.25) == inf


def test_a_question_is_given_the_patience_that_it_asks_for_or_what_can_be_spared() -> None:
    frames = frames_s(QUESTION, WIRE)
    assert patience_s(QUESTION, WIRE, frames + 0.2) == 0.1
    assert patience_s(QUESTION, WIRE, frames + 0.06) == pytest.approx(0.06)
    assert patience_s(QUESTION, WIRE, frames + 0.019) == 0.0
    assert patience_s(replace(QUESTION, timeout_s=0.01), WIRE, frames + 0.015) == 0.01
    assert patience_s(replace(QUESTION, reply_bytes=252), WIRE, frames + 0.2) == 0.0
    assert patience_s(replace(QUESTION, timeout_s=10.0), WIRE, inf) == PATIENCE_MOST_S
