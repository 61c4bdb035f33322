"""How somebody shows to be there: buttons, counters, cards."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.duties import Signers
from gateway.core.reading import Quality, Reading, Value
from gateway.rules.duty import Sign, sign_of, utc_ms
from tests.gateway.rules.duty_day import ZONE, calendar
from tests.gateway.rules.duty_day import utc_ms as ms

CARD = "a1b2c3d4e5f60718"
SIGNERS = Signers(("button", "reader"), {CARD: "周建国"})


def signs(*values: Value) -> list[Sign]:
    """What a series of values of one point says."""
    known: dict[str, Value] = {}
    found = []
    for value in values:
        known, sign = sign_of(SIGNERS, known, Reading("button", value))
        found += [sign] if sign else []
    return found


@pytest.mark.parametrize(
    ("values", "count"),
    [
        ((False, True, False, True), 2),
        ((True, False), 0),  # found pressed: nobody knows since when
        ((True, True, True), 0),
        ((7, 8, 8, 10), 2),
        ((7, 0, 1), 1),  # the device was restarted; the press after that counts
    ],
)
def test_presses(values: tuple[Value, ...], count: int) -> None:
    assert signs(*values) == [Sign("button")] * count


@given(st.lists(st.booleans(), max_size=20))
def test_each_press_counts_once_and_only_when_the_button_was_seen_released(values: list[bool]) -> None:
    pressed = sum(1 for before, after in pairwise(values) if after and not before)
    assert len(signs(*values)) == pressed


def test_a_button_that_cannot_be_believed_says_nothing() -> None:
    known, _ = sign_of(SIGNERS, {}, Reading("button", False))
    for reading in (
        Reading("button", True, Quality.UNCERTAIN, "old"),
        Reading("button", None, Quality.BAD, "no answer"),
        Reading("x", True),
    ):
        known, sign = sign_of(SIGNERS, known, reading)
        assert sign is None
    assert sign_of(SIGNERS, known, Reading("button", True))[1] == Sign("button"), "what was known before still holds"


def test_cards() -> None:
    assert sign_of(SIGNERS, {}, Reading("reader", CARD))[1] == Sign("card", "周建国", CARD[:8])
    assert sign_of(SIGNERS, {}, Reading("reader", CARD[:8]))[1] is None, "a few characters of the hash are no card"
    assert sign_of(SIGNERS, {}, Reading("reader", ""))[1] is None
    discreet = Signers(("reader",), {CARD: "周建国"}, tell_names=False)
    sign = sign_of(discreet, {}, Reading("reader", CARD))[1]
    assert sign is not None
    assert (sign.by, sign.who) == ("", CARD[:8])


def test_minutes_beyond_midnight_belong_to_the_next_day() -> None:
    day = calendar().local_date(ms("2026-09-01 12:00"))
    assert utc_ms(ZONE, day, 0) == ms("2026-09-01 00:00")
    assert utc_ms(ZONE, day, 1440) == ms("2026-09-02 00:00")
    assert utc_ms(ZONE, day, 1500) == ms("2026-09-02 01:00")
