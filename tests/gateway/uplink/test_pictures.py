"""Pictures that leave: one at a time, given up rather than costing the alarms their path."""

from __future__ import annotations

from gateway.uplink.pictures import MOST_WAITING, Pictures


def test_one_at_a_time_in_order() -> None:
    pictures = Pictures()
    pictures.offer("e", 1, b"one")
    pictures.offer("e", 2, b"two")
    first = pictures.next("main")
    assert first is not None
    assert first.body == b"one"
    assert pictures.next("main") is None
    assert pictures.next("other") is None
    assert pictures.answered(first, 0) == ""
    second = pictures.next("other")
    assert second is not None
    assert second.number == 2
    assert "0x87" in pictures.answered(second, 0x87)
    assert (pictures.next("main"), pictures.taken) == (None, 1)


def test_a_lost_session_offers_it_again_and_its_late_answer_counts_for_nothing() -> None:
    pictures = Pictures()
    pictures.offer("e", 1, b"one")
    first = pictures.next("main")
    assert first is not None
    pictures.session_lost("other")
    assert pictures.next("main") is None
    pictures.session_lost("main")
    again = pictures.next("other")
    assert again is first
    pictures.session_lost("main")
    assert pictures.answered(again, 0) == ""
    assert pictures.taken == 1
    assert pictures.answered(again, 0) == ""
    assert pictures.taken == 1


def test_sessions_that_end_at_pictures_close_the_road() -> None:
    pictures = Pictures()
    for number in range(5):
        pictures.offer("e", number, b"x")
    for _ in range(3):
        assert pictures.closed == ""
        assert pictures.next("main") is not None
        pictures.session_lost("main")
    assert pictures.closed == "3 sessions ended with a picture on its way"
    pictures.offer("e", 9, b"x")
    assert pictures.next("main") is None


def test_one_that_was_taken_in_between_forgives_the_rest() -> None:
    pictures = Pictures()
    for number in range(10):
        pictures.offer("e", number, b"x")
        assert pictures.next("main") is not None
        pictures.session_lost("main")
        picture = pictures.next("main")
        assert picture is not None
        pictures.answered(picture, 0)
    assert pictures.closed == ""


def test_what_does_not_fit_is_given_up_and_a_long_queue_loses_its_oldest() -> None:
    pictures = Pictures()
    for number in range(MOST_WAITING + 5):
        pictures.offer("e", number, b"x")
    first = pictures.next("main")
    assert first is not None
    assert first.number == 5
    pictures.give_up(first)
    second = pictures.next("main")
    assert second is not None
    assert second.number == 6
