"""How batches are cut on a full disk."""

from __future__ import annotations

from functools import partial

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.points import Draft, EventClass, Latch
from gateway.journal.lean import alarms_first, together
from gateway.journal.store import Batch
from tests.gateway.journal.journals import draft

CLASSES = st.sampled_from([EventClass.ALARM, EventClass.FAULT, EventClass.ACCESS])
BATCHES = st.lists(st.tuples(st.lists(CLASSES, max_size=6), st.lists(st.sampled_from("abc"), max_size=2)), max_size=8)


class Calls:
    """Remembers which batches were called stored."""

    def __init__(self) -> None:
        self.done: list[int] = []


def built(shapes: list[tuple[list[EventClass], list[str]]], calls: Calls) -> list[Batch]:
    return [
        Batch([draft(each, n=n) for each in classes], [Latch(key, {"n": n}) for key in keys], (partial(calls.done.append, n),))
        for n, (classes, keys) in enumerate(shapes)
    ]


def drafts(batches: list[Batch]) -> list[Draft]:
    return [item for batch in batches for item in batch.drafts]


@given(BATCHES, st.integers(1, 4), st.integers(0, 20))
def test_nothing_is_lost_and_alarms_lead(shapes: list[tuple[list[EventClass], list[str]]], most: int, stored: int) -> None:
    """Also when it is cut again after some pieces are stored."""
    calls = Calls()
    whole = built(shapes, calls)
    alarms, rest = alarms_first(whole, most + 1)
    done, left = (alarms + rest)[:stored], (alarms + rest)[stored:]
    again = alarms_first(left, most)
    order = [*done, *again[0], *again[1]]
    asked = drafts(whole)
    urgent = [item for item in asked if item.event_class is EventClass.ALARM]
    assert drafts(order) == urgent + [item for item in asked if item.event_class is not EventClass.ALARM]
    assert all(len(piece.drafts) <= most for part in again for piece in part)
    held: dict[str, object] = {}
    for piece in order:
        held |= {latch.key: latch.state for latch in piece.latches}
        for call in piece.after:
            call()
    assert held == {latch.key: latch.state for batch in whole for latch in batch.latches}, "the newest of each"
    assert sorted(calls.done) == list(range(len(whole)))


@given(BATCHES, st.integers(1, 4))
def test_a_latch_is_never_stored_before_its_alarms(shapes: list[tuple[list[EventClass], list[str]]], most: int) -> None:
    calls = Calls()
    whole = built(shapes, calls)
    alarms, rest = alarms_first(whole, most)
    of = {item.id: n for n, batch in enumerate(whole) for item in batch.drafts}
    stored: set[str] = set()
    for piece in alarms + rest:
        stored |= {item.id for item in piece.drafts}
        if piece.latches:
            assert {item.id for item in drafts(whole) if item.event_class is EventClass.ALARM} <= stored
        for call in piece.after:
            call()
        for n in calls.done:
            batch = whole[n]
            urgent = {item.id for item in batch.drafts if item.event_class is EventClass.ALARM}
            assert (urgent or {item.id for item in batch.drafts}) <= stored
    assert set(of) == stored


def test_what_makes_one_commit() -> None:
    pieces = [Batch([draft()] * n) for n in (3, 2, 0, 9)]
    assert together(pieces, 5) == 3
    assert together(pieces[3:], 5) == 1, "at least one"
    assert together([], 5) == 0
