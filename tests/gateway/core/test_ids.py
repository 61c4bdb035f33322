"""UUIDv7 in the order of making, whatever the wall clock does."""

from __future__ import annotations

import uuid

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.ids import ID, EventIds


@given(st.lists(st.integers(0, (1 << 48) - 1), min_size=1, max_size=50))
def test_order_and_shape_under_any_clock(times_ms: list[int]) -> None:
    ids = EventIds()
    made = [ids(at_ms) for at_ms in times_ms]
    assert made == sorted(made)
    assert len(set(made)) == len(made)
    for text in made:
        number = uuid.UUID(text)
        assert str(number) == text
        assert number.version == 7
        assert number.variant == uuid.RFC_4122


def test_the_time_can_be_read_back() -> None:
    assert int(EventIds()(1_795_248_000_123).replace("-", "")[:12], 16) == 1_795_248_000_123


def test_many_in_one_millisecond_borrow_from_the_next() -> None:
    ids = EventIds(lambda size: bytes(size))
    made = [ids(1_000) for _ in range(10_000)]
    assert made == sorted(made)
    assert len(set(made)) == 10_000
    assert int(made[-1].replace("-", "")[:12], 16) == 1_002


def test_a_clock_that_jumps_back_does_not_disturb_the_order() -> None:
    ids = EventIds()
    made = [ids(5_000), ids(4_000), ids(5_000), ids(5_001)]
    assert made == sorted(made)


def test_ids_of_points() -> None:
    for good in ("a", "gate-1", "0", "x" * 48):
        assert ID.fullmatch(good)
    for bad in ("", "A", "a_b", "a b", "x" * 49, "门", "a\n"):
        assert not ID.fullmatch(bad)
