"""Linkage through `decide`: what it switches, what it takes back, and that nothing sounds on when its cause is over."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import settings, strategies
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from gateway.core.linkage import Beep, OnAlarm, OnState, Switch, TakeSnapshot
from gateway.core.reading import Now, Quality
from gateway.core.school_days import Window
from gateway.rules.linkage import Linkage
from gateway.runtime.decide_house import Decision, Turn
from gateway.runtime.decide_school import view
from tests.gateway.rules.linked import Linked, linkage, output


def test_a_press_sounds_for_its_time_and_each_press_begins_it_anew() -> None:
    house = Linked([linkage("loud", "a", effects=(Switch("siren", for_s=60.0), TakeSnapshot("eye")))])
    house.press("a")
    house.pass_time(40)
    house.press("a")
    house.pass_time(59)
    assert house.sounding() == {"siren"}
    house.pass_time(3)
    assert house.sounding() == set()
    house.pass_time(600)
    assert [on for _, _, on in house.changes] == [True, False]
    assert house.pictures[0] == "eye"


@pytest.mark.parametrize(
    ("until", "still", "over"),
    [("acknowledged", [], ["acknowledge"]), ("reset", ["acknowledge"], ["reset"]), ("cleared", [], ["clear"])],
)
def test_what_was_switched_on_is_taken_back(until: str, still: list[str], over: list[str]) -> None:
    house = Linked([linkage("loud", "a", "siren", until=until)])
    house.read("a", True)
    if until != "cleared":
        house.read("a", False)
    for kind in still:
        house.command(kind, "a")
        assert house.sounding() == {"siren"}
    for kind in over:
        house.read("a", False) if kind == "clear" else house.command(kind, "a")
    assert house.sounding() == set()


def test_an_output_that_two_hold_goes_off_when_neither_does() -> None:
    house = Linked([linkage("one", "a", "siren", until="reset"), linkage("two", "b", "siren", until="reset")])
    house.press("a")
    house.press("b")
    for point in ("a", "b"):
        house.command("acknowledge", point)
        assert house.sounding() == {"siren"}
        house.command("reset", point)
        assert house.sounding() == ({"siren"} if point == "a" else set())
    assert len(house.changes) == 2, "no gap while one of them holds it"


@pytest.mark.parametrize("first", ["a", "b"])
def test_a_shorter_time_does_not_end_what_another_holds(first: str) -> None:
    house = Linked([linkage("short", "a", effects=(Switch("siren", for_s=10.0),)), linkage("long", "b", "siren", until="acknowledged")])
    house.press(first)
    house.press("b" if first == "a" else "a")
    house.pass_time(60)
    assert house.sounding() == {"siren"}
    house.command("acknowledge", "b")
    house.pass_time(1)
    assert house.sounding() == set()


def test_a_time_that_another_took_over_and_left_still_ends() -> None:
    house = Linked([linkage("long", "a", effects=(Switch("siren", for_s=100.0),)), linkage("short", "b", "siren", until="acknowledged")])
    house.press("a")
    house.press("b")
    house.command("acknowledge", "b")
    house.pass_time(90)
    assert house.sounding() == {"siren"}, "its own hundred seconds go on"
    house.pass_time(15)
    assert house.sounding() == set()


@pytest.mark.parametrize(("kind", "target", "value"), [("silence", "", ""), ("output", "siren", "off")])
def test_a_person_ends_the_holding_until_the_next_cause(kind: str, target: str, value: str) -> None:
    house = Linked([linkage("loud", "a", "siren", until="reset")])
    house.press("a")
    house.command(kind, target, value)
    house.pass_time(120)
    assert house.sounding() == set()
    house.start(off_s=30)
    house.pass_time(60)
    assert house.sounding() == set(), "nor after a restart"
    house.press("a")
    assert house.sounding() == {"siren"}


def test_what_a_person_switched_on_is_not_taken_back() -> None:
    house = Linked([linkage("loud", "a", "siren", until="acknowledged")])
    house.press("a")
    house.command("silence")
    house.command("output", "siren", "on")
    house.command("acknowledge", "a")
    assert house.sounding() == {"siren"}


@pytest.mark.parametrize("clock", ["synchronised", "unknown"])
def test_after_a_restart_what_should_go_on_does(clock: str) -> None:
    held = linkage("held", "a", "strobe", until="acknowledged")
    house = Linked([linkage("timed", "a", effects=(Switch("siren", for_s=100.0),)), held])
    house.press("a")
    house.pass_time(20)
    house.on = dict.fromkeys(house.on, False)  # the board was without power too
    house.start(off_s=30, clock=clock)
    assert house.sounding() == {"siren", "strobe"}
    house.pass_time(110)
    assert house.sounding() == {"strobe"}


def test_after_a_restart_nothing_sounds_that_should_not() -> None:
    house = Linked([linkage("timed", "door", effects=(Switch("siren", for_s=100.0),)), linkage("held", "a", "strobe", until="reset")])
    house.press("door")
    house.command("acknowledge", "door")
    house.press("a")
    house.command("acknowledge", "a")
    house.command("reset", "a")
    assert house.sounding() == {"siren"}
    house.start(off_s=3 * 86_400, clock="unknown")
    house.pass_time(120)
    assert house.sounding() == set()


def test_a_board_that_was_away_is_told_again() -> None:
    house = Linked([linkage("loud", "a", "siren", until="reset")])
    house.press("a")
    house.leave()
    house.pass_time(4000)
    house.come_back(reset=True)
    assert house.sounding() == {"siren"}
    house.leave()
    house.command("acknowledge", "a")
    house.command("reset", "a")
    house.come_back(reset=False)
    house.pass_time(1)
    assert house.sounding() == set()


def test_a_write_that_fails_is_tried_again_less_and_less_often() -> None:
    house = Linked([linkage("loud", "a", "siren", until="reset")])
    house.failing = frozenset({"siren"})
    before = house.writes
    house.press("a")
    house.pass_time(3600)
    assert 5 < house.writes - before < 15
    house.failing = frozenset()
    house.pass_time(1300)
    assert house.sounding() == {"siren"}
    house.failing = frozenset({"siren"})
    house.command("acknowledge", "a")
    house.command("reset", "a")
    assert house.sounding() == {"siren"}, "the write failed"
    house.failing = frozenset()
    house.pass_time(60)
    assert house.sounding() == set()


def test_an_output_that_stays_when_its_cause_is_over() -> None:
    house = Linked([linkage("shut", "a", "siren", until="reset", give_back=False)])
    house.press("a")
    house.command("acknowledge", "a")
    house.command("reset", "a")
    house.pass_time(100)
    assert house.sounding() == {"siren"}


def test_an_output_that_ends_by_itself_is_switched_once() -> None:
    pulse = output("siren", pulse_s=1.0)
    house = Linked([linkage("once", "a", effects=(Switch("siren", for_s=None),), until="reset")], outputs=(pulse,))
    house.press("a")
    house.pass_time(500)
    assert [on for _, _, on in house.changes] == [True, False]


def test_an_alarm_that_is_set_aside_holds_nothing() -> None:
    house = Linked([linkage("loud", "a", "siren", until="reset"), linkage("light", "door", "lamp", until="acknowledged")])
    house.press("a")
    house.press("door")
    assert house.sounding() == {"siren", "lamp"}
    assert house.command("shelve", "door/alarm").ok
    assert house.sounding() == {"siren"}
    assert house.command("out_of_service", "a/alarm").ok
    assert house.sounding() == set()
    house.press("a")
    assert house.sounding() == {"siren"}, "a highly managed alarm is announced all the same"


def test_windows_and_modes() -> None:
    house = Linked([linkage("early", "a", "siren", windows=frozenset({Window.ARRIVAL}), until="reset")])
    house.press("a")
    assert house.sounding() == {"siren"}
    house.command("silence")
    house.pass_time(3700)
    house.press("a")
    assert house.sounding() == set(), "lessons have begun"
    house.start(clock="unknown")
    house.press("a")
    assert house.sounding() == set(), "without a clock no window counts"


def test_a_state_causes_once_when_it_has_lasted() -> None:
    spec = linkage("open", (), "lamp", cause=OnState("key", True, 60.0), until="over")
    house = Linked([spec])
    house.read("key", True)
    house.pass_time(59)
    house.read("key", False)
    house.read("key", True)
    house.pass_time(59)
    assert house.sounding() == set()
    house.pass_time(2)
    assert house.sounding() == {"lamp"}
    house.read("key", None, Quality.BAD)
    house.pass_time(600)
    assert house.sounding() == {"lamp"}, "unknown is neither begun nor over"
    house.read("key", False)
    assert house.sounding() == set()


def test_a_state_that_was_over_causes_again_after_a_restart() -> None:
    house = Linked([linkage("open", (), cause=OnState("key", True), effects=(TakeSnapshot("eye"),))])
    house.read("key", True)
    house.read("key", False)
    assert len(house.pictures) == 1
    house.pass_time(60)
    house.start()
    house.read("key", True)
    assert len(house.pictures) == 2
    house.start()
    house.read("key", True)
    assert len(house.pictures) == 3, "its first reading after the start was false"


def test_three_steps_are_counted_out_one_after_the_other() -> None:
    steps = (("activated", 1), ("broker_acked", 2), ("received", 3))
    words = frozenset(word for word, _ in steps)
    buzzer = output("buzzer", "buzzer")
    house = Linked(
        [linkage("proof", "a", cause=OnAlarm(frozenset({"a/alarm"}), words), effects=(Beep("buzzer", steps),))], outputs=(buzzer,)
    )
    house.press("a")
    house.news("a", "broker_acked")
    house.news("a", "received")
    house.pass_time(30)
    beeps_s = [at_s for at_s, _, on in house.changes if on]
    gaps = [round(later - earlier, 1) for earlier, later in pairwise(beeps_s)]
    assert gaps == [1.5, 0.8, 1.5, 0.8, 0.8]
    assert house.sounding() == set()


def test_nothing_sounds_while_a_silent_button_stands() -> None:
    loud = linkage("loud", "b", "siren", until="reset", unless=frozenset({"a/alarm"}))
    beside = linkage("beside", "door", "strobe", until="acknowledged", alongside=frozenset({"b/alarm"}))
    house = Linked([loud, beside])
    house.press("a")
    house.press("b")
    assert house.sounding() == set()
    house.press("door")
    assert house.sounding() == {"strobe"}
    for kind in ("acknowledge", "reset"):
        house.command(kind, "a")
        house.command(kind, "b")
    house.command("acknowledge", "door")
    house.press("b")
    assert house.sounding() == {"siren"}


def test_it_says_what_stands_in_its_way() -> None:
    spec = linkage("early", "a", "siren", windows=frozenset({Window.ARRIVAL}), until="reset")
    house = Linked([spec])
    turn = Turn(house.house, Now(house.now_s, 0), lambda at_ms: "", Decision())
    (why,) = Linkage(spec).explain(house.house.school.states["early"], "a", view(turn))
    assert (why.acts, why.text.zh, why.text.en) == (True, "报警 → siren 开", "gives alarm -> siren on")
    house.pass_time(3700)
    (why,) = Linkage(spec).explain(house.house.school.states["early"], "siren", view(turn))
    assert (why.acts, why.text.en) == (False, "gives alarm -> siren on: not now, it is lessons, acts in arrival")
    assert list(Linkage(spec).explain(house.house.school.states["early"], "b", view(turn))) == []


def test_a_damaged_row_leaves_it_as_at_the_first_start() -> None:
    house = Linked([linkage("loud", "a", "siren", until="reset")])
    house.press("a")
    house.stored["rule:loud"].state.pop("held")
    house.start()
    house.pass_time(60)
    assert house.house.school.states["loud"].causes == frozenset()


# --- whatever the order ---------------------------------------------------------------------------


class Orders(RuleBasedStateMachine):
    """Buttons, a state, people, restarts and a board that comes and goes, in any order. The model is a few lines: who holds what."""

    def __init__(self) -> None:
        super().__init__()
        self.house = Linked(
            [
                linkage("one", "a", "siren", until="acknowledged"),
                linkage("two", "b", "siren", "strobe", until="reset"),
                linkage("three", (), "lamp", "strobe", cause=OnState("key", True), until="over"),
                linkage("four", "door", effects=(Switch("siren", for_s=40.0),)),
            ]
        )
        self.held: dict[str, set[str]] = {"siren": set(), "strobe": set(), "lamp": set()}
        self.timed_s = 0.0

    @rule(point=strategies.sampled_from(["a", "b"]))
    def press(self, point: str) -> None:
        self.house.press(point)
        for name in ["siren"] if point == "a" else ["siren", "strobe"]:
            self.held[name].add(point)

    @rule(point=strategies.sampled_from(["a", "b"]))
    def acknowledge(self, point: str) -> None:
        self.house.command("acknowledge", point)
        if point == "a":
            self.held["siren"].discard("a")

    @rule(point=strategies.sampled_from(["a", "b"]))
    def reset(self, point: str) -> None:
        if self.house.command("reset", point).ok:
            for name in self.held:
                self.held[name].discard(point)

    @rule(open_=strategies.booleans())
    def turn_key(self, open_: bool) -> None:
        was = self.house.house.readings["key"].value
        self.house.read("key", open_)
        for name in ("lamp", "strobe"):
            if open_ and not was:
                self.held[name].add("key")
            elif not open_:
                self.held[name].discard("key")

    @rule()
    def knock(self) -> None:
        self.house.press("door")
        self.house.command("acknowledge", "door")
        self.timed_s = self.house.now_s + 40.0

    @rule(name=strategies.sampled_from(["siren", "strobe", "lamp"]))
    def switch_off(self, name: str) -> None:
        self.house.command("output", name, "off")
        self.held[name].clear()
        self.timed_s = 0.0 if name == "siren" else self.timed_s

    @rule()
    def silence(self) -> None:
        self.house.command("silence")
        for name in ("siren", "strobe"):
            self.held[name].clear()
        self.timed_s = 0.0

    @precondition(lambda self: not self.house.away)
    @rule(off_s=strategies.sampled_from([0.0, 5.0, 3600.0]), clock=strategies.sampled_from(["synchronised", "unknown"]))
    def restart(self, off_s: float, clock: str) -> None:
        key = bool(self.house.house.readings["key"].value)
        self.house.start(off_s, clock)
        self.timed_s = 0.0  # its alarm was taken
        self.turn_key(False)
        self.turn_key(key)

    @precondition(lambda self: not self.house.away)
    @rule()
    def leave(self) -> None:
        self.house.leave()

    @precondition(lambda self: self.house.away)
    @rule(reset=strategies.booleans())
    def come_back(self, reset: bool) -> None:
        self.house.come_back(reset=reset)

    @rule(seconds=strategies.sampled_from([0.5, 10.0, 45.0, 700.0]))
    def wait(self, seconds: float) -> None:
        self.house.pass_time(seconds)

    @invariant()
    def as_it_should_be(self) -> None:
        if self.house.away:
            return
        self.house.pass_time(3.0)
        expected = {name for name, holders in self.held.items() if holders}
        if self.house.now_s < self.timed_s:
            expected.add("siren")
        if not self.timed_s <= self.house.now_s < self.timed_s + 3.0:
            assert self.house.sounding() == expected


Orders.TestCase.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
TestOrders = Orders.TestCase
