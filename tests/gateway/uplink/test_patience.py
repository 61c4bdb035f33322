"""Waits between attempts: short for a broker that restarts, long for one that says no, staggered for two with one client id."""

from __future__ import annotations

import pytest

from gateway.core.errors import GatewayError, LinkLost, NoPuback, NotAllowed, PacketTooLarge, TakenOver, Unwelcome
from gateway.uplink.patience import CALM_S, SHORT_TIMES, Patience, kind_of


def test_waits_grow_to_the_cap_and_start_anew_after_a_steady_session() -> None:
    patience = Patience()
    most = [round(patience.ended(LinkLost("refused"), 0.0, owes_alarms=False)[1], 2) for _ in range(8)]
    assert most == [1.05, 2.05, 4.05, 8.05, 16.05, 30.05, 30.05, 30.05]
    assert patience.ended(LinkLost("gone"), 11.0, owes_alarms=False)[1] == pytest.approx(0.55)


def test_who_waits_for_an_alarm_waits_less() -> None:
    patience = Patience()
    waits = [patience.ended(LinkLost("refused"), 0.0, owes_alarms=True)[1] for _ in range(9)]
    assert max(waits) == pytest.approx(3.05)


def test_an_alarm_that_comes_during_the_wait_makes_it_short() -> None:
    patience = Patience()
    for _ in range(8):
        patience.ended(TakenOver("another device"), 2.0, owes_alarms=False)
    assert patience.wait(owes_alarms=False) == (150.0, 300.0)
    assert patience.wait(owes_alarms=True) == (3.0, 6.0)
    patience.ended(Unwelcome("user or password is wrong"), 0.0, owes_alarms=False)
    assert patience.wait(owes_alarms=True) == (15.0, 30.0), "who asks a wrong password too often is locked out"


@pytest.mark.parametrize("error", [PacketTooLarge("x"), NotAllowed("x")])
def test_a_broker_that_says_why_it_leaves_is_no_sign_of_a_rival(error: GatewayError) -> None:
    patience = Patience()
    for _ in range(2 * SHORT_TIMES):
        patience.ended(error, 1.0, owes_alarms=False)
    assert not patience.rival


def test_a_wrong_password_is_tried_slowly_from_the_first_time() -> None:
    assert Patience().ended(Unwelcome("user or password is wrong"), 0.0, owes_alarms=True) == (15.0, 30.0)


def test_a_takeover_names_a_rival_and_each_further_one_waits_longer() -> None:
    patience = Patience()
    waits = [patience.ended(TakenOver("another device"), 2.0, owes_alarms=False) for _ in range(8)]
    assert patience.rival == "another device"
    assert [most for _, most in waits] == [10, 20, 40, 80, 160, 300, 300, 300]
    assert all(least == most / 2 for least, most in waits), "by chance, so that two do not keep step"
    assert patience.ended(TakenOver("another device"), 2.0, owes_alarms=True)[1] == 6.0


def test_the_rival_is_forgotten_after_a_calm_session() -> None:
    patience = Patience()
    patience.ended(TakenOver("another device"), 2.0, owes_alarms=False)
    patience.steady(CALM_S)
    assert patience.rival
    patience.steady(CALM_S + 1)
    assert not patience.rival
    assert patience.ended(TakenOver("another device"), 2.0, owes_alarms=False)[1] == 10


def test_mqtt_311_has_no_word_for_it_but_the_pattern_tells() -> None:
    patience = Patience()
    for _ in range(SHORT_TIMES - 1):
        patience.ended(LinkLost("closed"), 5.0, owes_alarms=False)
        patience.ended(LinkLost("no answer"), 0.0, owes_alarms=False)
    assert not patience.rival
    patience.ended(LinkLost("closed"), 5.0, owes_alarms=False)
    assert "5 sessions" in patience.rival


def test_long_sessions_between_are_no_pattern() -> None:
    patience = Patience()
    for lasted_s in (5.0, 5.0, 5.0, 70.0, 5.0, 5.0):
        patience.ended(LinkLost("closed"), lasted_s, owes_alarms=False)
    assert not patience.rival


@pytest.mark.parametrize(
    ("error", "lasted_s", "kind"),
    [
        (LinkLost("x"), 0.0, "unreachable"),
        (LinkLost("x"), 3.0, "closed"),
        (NoPuback("x"), 3.0, "unacknowledged"),
        (TakenOver("x"), 3.0, "taken_over"),
        (Unwelcome("x"), 0.0, "refused"),
    ],
)
def test_kinds(error: GatewayError, lasted_s: float, kind: str) -> None:
    assert kind_of(error, lasted_s) == kind
