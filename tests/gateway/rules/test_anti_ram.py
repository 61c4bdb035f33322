"""Posts that somebody else lowers, and posts that are raised when a window begins."""

from __future__ import annotations

import pytest

from gateway.core.commands import Command
from gateway.core.gates import ForcedSpec, RaiseSpec, Shows
from gateway.core.points import Text
from gateway.core.school_days import Window
from tests.gateway.rules.gate_site import GateSite

NAME = Text("南门", "South gate")
UP = Shows("post", frozenset({"up"}))


def posts(begin: str = "10:00:00", **changes: object) -> GateSite:
    settings: dict[str, object] = {"lowered_by": frozenset({"key"}), "lowered_with": frozenset({"lower"}), "lowered_s": 30.0}
    spec = ForcedSpec("forced", NAME, (UP,), **(settings | changes))  # type: ignore[arg-type]
    site = GateSite((spec,), {"forced": "anti_ram_forced"}, begin, outputs=("lower",))
    site.read("loop", True)
    site.read("key", False)
    site.read("post", "up")
    site.pass_time(5.0)
    return site


def raised(begin: str = "07:10:00", post: str = "down") -> GateSite:
    spec = RaiseSpec("raise", NAME, ("raise-post",), (UP,), frozenset({Window.ARRIVAL, Window.DISMISSAL}))
    site = GateSite((spec,), {}, begin, outputs=("raise-post",))
    site.house.points["post"] = site.house.points["loop"]
    site.read("loop", True)
    site.read("post", post)
    return site


def outcomes(site: GateSite) -> list[str]:
    told = [draft.type.removeprefix("campus.output.") for draft in site.told if draft.subject == "raise-post"]
    site.told = []
    return told


def test_a_post_that_goes_down_by_itself_is_an_alarm_until_it_is_up() -> None:
    site = posts()
    site.read("post", "between")
    site.read("post", "down")
    assert site.shows("forced") is True
    site.read("post", "up")
    assert site.shows("forced") is False


@pytest.mark.parametrize("wait_s", [0.0, 29.0])
def test_lowered_with_the_key_is_expected(wait_s: float) -> None:
    site = posts()
    site.read("key", True)
    site.read("key", False)
    site.pass_time(wait_s)
    site.read("post", "down")
    assert site.shows("forced") is False


def test_half_a_minute_after_the_key_it_is_no_longer_expected() -> None:
    site = posts()
    site.read("key", True)
    site.read("key", False)
    site.pass_time(31.0)
    site.read("post", "down")
    assert site.shows("forced") is True


def test_lowered_by_a_command_of_ours_is_expected() -> None:
    site = posts()
    site.take(Command("output", "lower", "王强", "guard", "page", "on"))
    site.pass_time(0.1)
    site.obey()
    site.pass_time(4.0)
    site.obey()
    site.read("post", "down")
    assert site.shows("forced") is False


def test_a_command_that_is_refused_allows_nothing() -> None:
    site = posts()
    site.read("loop", False)
    assert not site.take(Command("output", "lower", "王强", "guard", "page", "on")).ok
    site.read("post", "down")
    assert site.shows("forced") is True


def test_the_key_may_be_read_after_the_post() -> None:
    site = posts()
    site.read("post", "between")
    site.pass_time(0.4)
    site.read("key", True)
    site.pass_time(60.0)
    assert [line for line in site.events() if line.startswith("forced")] == []
    assert site.shows("forced") is False


def test_the_key_does_not_end_an_alarm_that_stands() -> None:
    site = posts()
    site.read("post", "down")
    site.pass_time(2.0)
    assert site.events() == ["forced alarm.activated"]
    site.read("key", True)
    site.pass_time(2.0)
    assert site.shows("forced") is True


def test_lowered_in_the_delivery_time_is_expected() -> None:
    site = posts("05:40:00", delivery=((330, 390),))
    site.read("post", "down")
    assert site.shows("forced") is False


def test_lost_and_found_down_is_forced_and_found_down_at_the_start_is_not() -> None:
    site = posts()
    site.lose("post")
    assert site.shows("forced") == "bad"
    site.read("post", "down")
    assert site.shows("forced") is True
    started = GateSite((ForcedSpec("forced", NAME, (UP,)),), {"forced": "anti_ram_forced"})
    started.read("post", "down")
    assert started.shows("forced") is False


def test_forced_stands_over_a_restart() -> None:
    site = posts()
    site.read("post", "down")
    site.pass_time(2.0)
    assert site.events() == ["forced alarm.activated"]
    site.restart()
    site.read("post", "down")
    assert (site.shows("forced"), site.events()) == (True, [])


def test_explain_of_the_posts() -> None:
    site = posts()
    assert [why.text.en for why in site.why("post")] == ["a post that somebody else lowers -> alarm"]
    site.read("key", True)
    assert [why.acts for why in site.why("post")] == [False]
    assert site.why("loop") == []


def test_posts_are_raised_when_the_window_begins_and_not_before() -> None:
    site = raised()
    site.until("07:19:59")
    assert site.orders == []
    site.until("07:20:00")
    assert [(order.output, order.on) for order in site.orders] == [("raise-post", True)]
    site.obey()
    site.pass_time(1.5)
    assert [order.on for order in site.orders] == [False], "the end of the pulse"
    site.obey()
    site.read("post", "up")
    site.until("07:30:00")
    assert site.orders == []


def test_posts_that_are_up_are_left_alone() -> None:
    site = raised(post="up")
    site.until("07:30:00")
    assert site.orders == []


def test_a_car_on_the_loop_is_waited_for_three_times() -> None:
    site = raised()
    site.read("loop", False)
    site.until("07:40:00")
    assert (site.orders, outcomes(site)) == ([], ["refused"] * 3)


def test_a_restart_within_the_window_moves_nothing() -> None:
    site = raised("07:25:00")
    site.until("07:59:00")
    assert site.orders == []


def test_without_the_time_nothing_is_raised() -> None:
    site = raised()
    site.clock = "unknown"
    site.until("07:30:00")
    assert site.orders == []


def test_explain_of_raising() -> None:
    site = raised()
    assert [why.acts for why in site.why("post")] == [False]
    site.until("07:20:00")
    assert [why.text.en for why in site.why("raise-post")] == ["raise-post: asked for when this window began"]
