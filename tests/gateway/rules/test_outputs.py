"""Outputs: never both on, no bollard moved blindly, every command ended once, whatever is asked and whatever the devices answer."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.outputs import Asked, Confirm, Need, OutputDone, OutputOrder, OutputSpec
from gateway.core.points import Text
from gateway.core.reading import Quality, Reading, Value
from gateway.rules.outputs import OWN_ROLE, WRITE_MOST_S, Ended, Outputs, OutputState, Result


def spec(output: str, kind: str = "relay", device: str = "board", **more: Any) -> OutputSpec:
    return OutputSpec(output, kind, "gate", Text(output, output), device, output, **more)


SPECS = {
    made.id: made
    for made in (
        spec("left", interlock=("right",)),
        spec("right", device="other", safe=None, interlock=("left",)),
        spec("up", "bollard", safe=None, pulse_s=0.5, interlock=("down",), loop_clear="loop"),
        spec("down", "bollard", safe=None, pulse_s=0.5, device_pulse_s=9.0, interlock=("up",), loop_clear="loop"),
        spec("parked", "bollard", safe=None, pulse_s=0.5, loop_clear="loop", enabled=False),
        spec("blind", "bollard", safe=None, pulse_s=0.5),
        spec("siren", "siren", confirm=Confirm("sound", True, False, 2.0)),
        spec("valve", "gas_valve", safe=True, remote_when=Need("selector", "remote"), confirm=Confirm("limit", "closed", None, 8.0)),
        spec("lock", "lock", pulse_s=3.0),
        spec("open", momentary=True, safe=None, interlock=("close",)),
        spec("close", momentary=True, safe=None, interlock=("open",)),
    )
}
PAIRS = (("left", "right"), ("up", "down"), ("open", "close"))


@dataclass
class Wired:
    """An order on its line: the device may do it before its answer, or do it and not answer."""

    order: OutputOrder
    applied: bool = False


@dataclass
class Bench:
    """Outputs with devices that obey, or not. `on`: what is really so; lines keep the order of writes to one output."""

    now_s: float = 100.0
    states: dict[str, OutputState] = field(default_factory=dict)
    readings: dict[str, Reading] = field(default_factory=dict)
    lines: dict[str, list[Wired]] = field(default_factory=dict)
    on: dict[str, bool] = field(default_factory=dict)
    until_s: dict[str, float] = field(default_factory=dict)
    wakes: dict[str, set[float]] = field(default_factory=dict)
    ended: list[Ended] = field(default_factory=list)
    orders: list[OutputOrder] = field(default_factory=list)
    asked: int = 0

    def look(self) -> Outputs:
        return Outputs(SPECS, dict(self.states), self.readings.get, self.now_s)

    def take(self, look: Outputs) -> None:
        self.states |= look.changed
        self.ended += look.ended
        for at_s, output in look.wakes():
            assert at_s > self.now_s
            self.wakes.setdefault(output, set()).add(at_s)
        for order in look.orders:
            self.orders.append(order)
            self.lines.setdefault(order.output, []).append(Wired(order))
            if SPECS[order.output].kind == "bollard" and order.on:
                assert SPECS[order.output].enabled
                assert self.readings["loop"].quality is Quality.GOOD
                assert self.readings["loop"].value is True

    def ask(self, output: str, on: bool, **more: Any) -> str:
        self.asked += 1
        look = self.look()
        refused = look.ask(Asked(output, on, f"person {self.asked}", "guard", "test", **more))
        self.take(look)
        return refused

    def read(self, point: str, value: Value, quality: Quality = Quality.GOOD) -> None:
        self.readings[point] = Reading(point, value, quality, "" if quality is Quality.GOOD else "odd", self.now_s)
        look = self.look()
        look.seen(point)
        self.take(look)

    def link(self, device: str, up: bool) -> None:
        look = self.look()
        look.link(device, up)
        self.take(look)

    def apply(self, output: str) -> None:
        for wired in self.lines.get(output, []):
            if not wired.applied:
                wired.applied = True
                self.on[output] = wired.order.on and not SPECS[output].momentary
                self.until_s[output] = self.now_s + wired.order.pulse_s if wired.order.pulse_s else 0.0
                return

    def answer(self, output: str, failure: str = "", *, applied: bool = True) -> None:
        if self.lines.get(output):
            if applied and not self.lines[output][0].applied:
                self.apply(output)
            wired = self.lines[output].pop(0)
            look = self.look()
            look.done(OutputDone(output, wired.order.number, failure))
            self.take(look)

    def pass_time(self, seconds: float) -> None:
        """In steps from one look that was asked for to the next."""
        end_s = self.now_s + seconds
        while True:
            due = [(min(times), output) for output, times in self.wakes.items() if times and min(times) <= end_s]
            if not due:
                break
            at_s, output = min(due)
            self.now_s = max(self.now_s, at_s)
            self.wakes[output] = {later for later in self.wakes[output] if later > self.now_s}
            self._devices()
            look = self.look()
            look.passed(output)
            self.take(look)
        self.now_s = end_s
        self._devices()

    def _devices(self) -> None:
        for output, until_s in self.until_s.items():
            if until_s and self.now_s >= until_s:
                self.on[output], self.until_s[output] = False, 0.0

    def answer_all(self) -> None:
        while any(self.lines.values()):
            for output in list(self.lines):
                self.answer(output)

    def results(self) -> list[tuple[str, str]]:
        return [(ended.asked.output, str(ended.result)) for ended in self.ended]


def by_persons(bench: Bench) -> list[Ended]:
    return [ended for ended in bench.ended if ended.asked.role != OWN_ROLE]


names = st.sampled_from(sorted(SPECS))
actions = st.one_of(
    st.tuples(st.just("ask"), names, st.booleans()),
    st.tuples(st.just("ask"), st.sampled_from(["left", "right", "up", "down"]), st.just(True)),
    st.tuples(st.just("apply"), names),
    st.tuples(st.just("answer"), names, st.sampled_from(["", "no answer", "exception"]), st.booleans()),
    st.tuples(st.just("link"), st.sampled_from(["board", "other"]), st.booleans()),
    st.tuples(
        st.just("read"), st.sampled_from(["loop", "sound"]), st.booleans(), st.sampled_from([Quality.GOOD, Quality.GOOD, Quality.BAD])
    ),
    st.tuples(st.just("pass"), st.sampled_from([0.1, 0.5, 1.0, 3.0, WRITE_MOST_S])),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(actions, max_size=60))
def test_any_story(story: list[Any]) -> None:
    bench = Bench()
    bench.read("loop", True)
    for action in story:
        match action:
            case ("ask", output, on):
                bench.ask(output, on)
            case ("apply", output):
                bench.apply(output)
            case ("answer", output, failure, applied):
                bench.answer(output, failure, applied=applied or not failure)
            case ("link", device, up):
                bench.link(device, up)
            case ("read", point, value, quality):
                bench.read(point, value, quality)
            case ("pass", seconds):
                bench.pass_time(seconds)
        for one, other in PAIRS:
            assert not (bench.on.get(one) and bench.on.get(other)), "interlocked outputs are both on"
    bench.pass_time(2 * WRITE_MOST_S)
    told = Counter(ended.asked.by for ended in by_persons(bench))
    assert set(told.values()) <= {1}
    assert len(told) == bench.asked, "each command ends in exactly one way"
    bench.link("board", True)
    for _ in range(4):
        bench.answer_all()
        bench.pass_time(20.0)
    bench.answer_all()
    assert not any(bench.on.get(output) for output in ("up", "down", "lock")), "every pulse ends"
    assert bench.on.get("parked", False) is bench.on.get("blind", False) is False


def test_a_command_is_written_and_done() -> None:
    bench = Bench()
    assert bench.ask("left", True) == ""
    assert bench.orders == [OutputOrder("right", 1, "other", "right", False)], "its state is not known: it is let go first"
    bench.answer("right")
    assert bench.orders[1:] == [OutputOrder("left", 1, "board", "left", True)]
    bench.answer("left")
    assert bench.results() == [("left", "done")]
    assert bench.states["left"].reading("left", 1.0) == Reading("left", True, now_s=1.0)
    assert bench.ask("right", True) == "interlock: left is on"
    assert bench.results()[1:] == [("right", "refused")]


def test_an_interlock_that_does_not_let_go_is_a_refusal() -> None:
    bench = Bench()
    bench.ask("left", True)
    bench.answer("right", "no answer")
    (own, refused) = bench.ended
    assert (own.asked.role, own.result, own.reason) == (OWN_ROLE, Result.UNCONFIRMED, "no answer")
    assert (refused.result, refused.reason) == (Result.REFUSED, "interlock: right cannot be switched off: no answer")
    bench.link("other", False)
    assert bench.ask("left", True) == "interlock: whether right is on is not known"


@pytest.mark.parametrize(
    ("output", "value", "quality", "words"),
    [
        ("parked", True, Quality.GOOD, "it is not enabled in the site file (enabled = true)"),
        ("blind", True, Quality.GOOD, "a bollard is not moved without an input that shows its loop clear (loop_clear)"),
        ("up", False, Quality.GOOD, "the loop is not known to be clear: loop shows false"),
        ("up", True, Quality.BAD, "the loop is not known to be clear: loop is bad (odd)"),
        ("up", True, Quality.UNCERTAIN, "the loop is not known to be clear: loop is uncertain (odd)"),
        ("open", True, Quality.GOOD, ""),
        ("nothing", True, Quality.GOOD, '"nothing" is not an output of this site'),
    ],
)
def test_what_is_refused(output: str, value: Value, quality: Quality, words: str) -> None:
    bench = Bench()
    bench.read("loop", value, quality)
    assert bench.ask(output, True) == words
    assert bool(bench.orders) is not bool(words)


def test_a_loop_that_was_never_read_is_not_clear() -> None:
    assert Bench().ask("up", True) == "the loop is not known to be clear: loop was not read yet"


def test_a_command_without_off() -> None:
    assert Bench().ask("open", False) == "it ends by itself and has no off"


def test_remote_control_must_be_selected() -> None:
    bench = Bench()
    assert bench.ask("valve", True) == "remote control is not selected: selector was not read yet"
    bench.read("selector", "local")
    assert bench.ask("valve", False) == "remote control is not selected: selector shows local"
    bench.read("selector", "remote")
    assert bench.ask("valve", True) == ""


def test_a_pulse_is_ended_by_the_gateway_or_by_the_device() -> None:
    bench = Bench()
    bench.read("loop", True)
    bench.ask("up", True)
    bench.answer("down")
    bench.answer("up")
    assert [(order.on, order.pulse_s) for order in bench.orders if order.output == "up"] == [(True, 0.0)]
    bench.pass_time(0.49)
    assert len(bench.lines["up"]) == 0
    bench.pass_time(0.02)
    bench.answer("up")
    assert bench.states["up"].on is False
    bench.ask("down", True)
    bench.answer("down")
    assert bench.orders[-1].pulse_s == 0.5
    assert bench.ask("up", True) == "interlock: down is on"
    bench.pass_time(0.51)
    assert bench.ask("up", True) == ""
    assert bench.results() == [("up", "done"), ("down", "done"), ("up", "refused")], "the end of a pulse is told only if it fails"


def test_the_end_of_a_pulse_is_tried_until_it_is_done() -> None:
    bench = Bench()
    bench.ask("lock", True, pulse_s=1.0)
    bench.answer("lock")
    bench.pass_time(1.1)
    for _ in range(3):
        bench.answer("lock", "no answer", applied=False)
        bench.pass_time(1.1)
    bench.answer("lock")
    assert bench.on["lock"] is False
    assert bench.results() == [("lock", "done"), ("lock", "unconfirmed"), ("lock", "done")], "told when it fails and when it is over"
    assert bench.ended[1].asked.by == "end of the pulse"


def test_a_bollard_stops_when_its_loop_is_no_longer_clear() -> None:
    bench = Bench()
    bench.read("loop", True)
    bench.ask("up", True)
    bench.answer("down")
    bench.answer("up")
    bench.read("loop", None, Quality.BAD)
    assert (bench.orders[-1].output, bench.orders[-1].on) == ("up", False)


def test_an_input_must_confirm_in_time() -> None:
    bench = Bench()
    bench.ask("siren", True)
    bench.answer("siren")
    assert bench.results() == []
    bench.pass_time(1.9)
    bench.read("sound", True)
    assert bench.results() == [("siren", "done")]
    bench.ask("siren", False)
    bench.answer("siren")
    bench.pass_time(2.1)
    assert bench.results()[1:] == [("siren", "unconfirmed")]
    assert bench.ended[-1].reason == "not confirmed within 2 s: sound shows true"
    assert bench.states["siren"].reading("siren", 1.0).quality is Quality.BAD
    bench.read("sound", False)
    assert len(bench.ended) == 2, "too late is too late"


def test_only_a_good_reading_confirms() -> None:
    bench = Bench()
    bench.read("sound", True, Quality.BAD)
    bench.ask("siren", True)
    bench.answer("siren")
    bench.pass_time(2.1)
    assert bench.ended[0].reason == "not confirmed within 2 s: sound is bad (odd)"


def test_a_later_command_overtakes() -> None:
    bench = Bench()
    bench.ask("siren", True)
    bench.ask("siren", False)
    assert len(bench.orders) == 1, "the first write comes back before the second goes out"
    bench.answer("siren")
    bench.answer("siren")
    bench.read("sound", False)
    assert bench.results() == [("siren", "unconfirmed"), ("siren", "done")]
    assert bench.ended[0].reason == "overtaken by a later command of person 2"


def test_the_safe_value_is_written_once_at_start_and_once_after_each_loss() -> None:
    bench = Bench()
    for _ in range(2):
        bench.link("board", True)
        safe = {order.output: order.on for order in bench.orders}
        assert safe == {"left": False, "up": False, "siren": False, "valve": True, "lock": False, "blind": False}, (
            "a timed pulse may have been left on"
        )
        bench.answer_all()
        bench.link("board", True)
        assert not any(bench.lines.values()), "once"
        bench.read("sound", False)
        bench.read("limit", "closed")
        assert {(ended.asked.output, str(ended.result)) for ended in bench.ended} == {(name, "done") for name in safe}
        bench.link("board", False)
        assert bench.states["siren"].reading("siren", 1.0).reason == "no answer"
        assert bench.ask("siren", True) == "device board does not answer"
        bench.orders, bench.ended = [], []


def test_a_safe_value_that_is_not_seen_is_no_safe_value() -> None:
    bench = Bench()
    bench.link("board", True)
    bench.answer_all()
    bench.read("limit", "open")
    bench.pass_time(8.1)
    valve = [ended for ended in bench.ended if ended.asked.output == "valve"]
    assert [(ended.result, ended.reason) for ended in valve] == [(Result.UNCONFIRMED, "not confirmed within 8 s: limit shows open")]
    assert bench.states["valve"].reading("valve", 1.0).quality is Quality.BAD


def test_a_command_takes_the_place_of_a_safe_value_that_is_not_seen_yet() -> None:
    bench = Bench()
    bench.link("board", True)
    bench.answer_all()
    bench.ask("siren", True)
    bench.answer("siren")
    bench.read("sound", True)
    assert [(ended.asked.on, ended.result) for ended in bench.ended if ended.asked.output == "siren"] == [(True, Result.DONE)]


def test_a_device_that_goes_silent_ends_its_commands() -> None:
    bench = Bench()
    bench.ask("siren", True)
    bench.link("board", False)
    assert [(ended.result, ended.reason) for ended in bench.ended] == [(Result.UNCONFIRMED, "the device went silent")]
    bench.answer("siren")
    assert bench.states["siren"].on is None, "what came before the loss says nothing about now"


def test_a_line_that_says_nothing_ends_the_write() -> None:
    bench = Bench()
    bench.ask("siren", True)
    bench.pass_time(WRITE_MOST_S + 1)
    assert bench.ended[0].reason == "no word from the line"


def test_an_answer_that_comes_too_late_is_not_taken_for_a_later_one() -> None:
    bench = Bench()
    bench.ask("siren", True)
    bench.pass_time(WRITE_MOST_S + 1)
    bench.ask("siren", False)
    bench.answer("siren")
    assert bench.on["siren"] is True
    assert bench.states["siren"].on is None
    bench.answer("siren")
    assert bench.states["siren"].on is False


def test_states_handed_in_stay_as_they_are() -> None:
    states = {"siren": OutputState(on=False)}
    look = Outputs(SPECS, states, {}.get, 1.0)
    look.ask(Asked("siren", True, "李", "guard", "test"))
    assert states == {"siren": OutputState(on=False)}
    assert look.changed["siren"] != states["siren"]


def test_what_is_written_at_start() -> None:
    pulsed = spec("x", pulse_s=1.0, safe=None)
    assert pulsed.at_start is False
    assert replace(pulsed, device_pulse_s=1.0).at_start is None
    assert replace(pulsed, momentary=True).at_start is None
    assert replace(pulsed, enabled=False).at_start is None
    assert replace(pulsed, pulse_s=0.0).at_start is None
