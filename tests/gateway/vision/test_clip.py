"""Which packets make a clip, and when each was taken."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.vision.clip import chosen, dated, ticks

NAN = math.nan


@dataclass(frozen=True)
class Packet:
    arrival_s: float
    stamp_s: float = NAN
    key: bool = False
    session: int = 1


def film(begin_s: float, count: int, *, every: int = 10, session: int = 1, stamp_s: float = 500.0) -> list[Packet]:
    """Ten packets a second, a key picture each `every`."""
    return [Packet(begin_s + i / 10, stamp_s + i / 10, i % every == 0, session) for i in range(count)]


def times(found: list[tuple[float, Packet]]) -> list[float]:
    return [round(at_s, 3) for at_s, _ in found]


def test_from_the_key_picture_before_its_beginning_to_its_end() -> None:
    found = chosen(film(100.0, 300), 115.5, 120.0)
    assert (times(found)[0], times(found)[-1]) == (115.0, 120.0)
    assert found[0][1].key
    assert chosen(film(100.0, 300), 200.0, 220.0) == [], "nothing of that time is there"
    assert times(chosen(film(100.0, 300), 90.0, 101.0))[0] == 100.0, "as far as memory reaches back"


def test_a_late_packet_was_taken_when_its_stamp_says() -> None:
    packets = film(100.0, 30)
    packets[20] = Packet(107.0, packets[20].stamp_s, True)
    assert times(dated(packets))[20] == 102.0


def test_stamps_that_leap_are_a_new_count() -> None:
    packets = film(100.0, 20) + film(102.0, 20, stamp_s=90_000.0)
    assert times(dated(packets)) == [round(100 + i / 10, 3) for i in range(40)]


def test_without_stamps_arrival_has_to_do() -> None:
    packets = [Packet(5.0), Packet(6.0, key=True), Packet(6.5)]
    assert times(dated(packets)) == [6.0, 6.5], "nothing before the first key picture"
    mixed = [Packet(5.0, NAN, True), Packet(5.1, 1.1), Packet(5.2, 1.2, True), Packet(5.3, 1.3)]
    assert times(dated(mixed)) == [5.2, 5.3]


def test_a_stream_that_came_back_is_the_same_clip() -> None:
    packets = [*film(100.0, 50), Packet(107.0, 1.0, False, 2), *film(107.1, 30, session=2, stamp_s=1.1)]
    found = times(chosen(packets, 103.0, 109.0))
    assert (found[0], 104.9 in found, 107.1 in found, found[-1]) == (103.0, True, True, 109.0)


@given(st.lists(st.floats(0, 100), min_size=1, max_size=50))
def test_ticks_can_be_muxed(times_s: list[float]) -> None:
    pairs = ticks(times_s, 90_000)
    dts = [due for _, due in pairs]
    assert dts[0] == 0
    assert all(later > earlier for earlier, later in itertools.pairwise(dts))
    assert all(own >= due for own, due in pairs)
    assert len({own for own, _ in pairs}) == len(pairs)


def test_reordered_pictures_keep_their_times() -> None:
    pairs = ticks([0.0, 0.2, 0.1, 0.4, 0.3], 10)
    assert [own - pairs[0][0] for own, _ in pairs] == [0, 2, 1, 4, 3]
    assert ticks([], 10) == []


@pytest.mark.parametrize("count", [1, 2])
def test_pictures_in_order_need_no_delay(count: int) -> None:
    assert ticks([5 + i for i in range(count)], 10) == [(10 * i, 10 * i) for i in range(count)]
