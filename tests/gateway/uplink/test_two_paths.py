"""Two paths in one outbox: who carries, what goes out on both, what the other path does after silence, refusals and losses."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gateway.uplink.lane import Entry, Lane
from gateway.uplink.outbox import RETURN_S, Outbox
from tests.gateway.uplink.test_outbox import entry


def two(*, dual: bool = False, up: str = "lan modem", window: int = 10) -> tuple[Outbox, Lane, Lane]:
    box = Outbox(window, 10.0, paths=("lan", "modem"), dual=dual)
    for name in up.split():
        box.link_up(box.lanes[name], 0.0)
    return box, box.lanes["lan"], box.lanes["modem"]


def pump(box: Outbox, lane: Lane, now_s: float) -> list[int]:
    rows = []
    while (item := box.next(lane, now_s)) is not None:
        box.sent(lane, item, now_s)
        rows.append(item.row)
    return rows


def receipt(box: Outbox, row: int) -> None:
    assert box.receipt("police", [(f"id-{row}", f"hash-{row}")], unusable=False)[0]


def test_the_first_path_carries_and_the_other_is_the_reserve() -> None:
    box, lan, modem = two()
    box.offer(entry(1))
    assert pump(box, modem, 0.0) == []
    assert pump(box, lan, 0.0) == [1]


def test_what_was_in_flight_on_a_lost_path_goes_out_on_the_other() -> None:
    box, lan, modem = two()
    for row in (1, 2):
        box.offer(entry(row))
    assert pump(box, lan, 0.0) == [1, 2]
    box.puback(lan, 1, 0, 0.1)
    box.link_lost(lan)
    assert pump(box, modem, 0.2) == [2], "1 is with the broker and waits for its receipt"
    assert pump(box, modem, 10.1) == [1]


def test_a_path_that_came_back_must_be_good_for_a_while() -> None:
    box, lan, modem = two()
    box.link_lost(lan)
    box.link_up(lan, 5.0)
    box.offer(entry(1))
    assert box.carrier(5.0 + RETURN_S - 0.1) is modem
    assert box.carrier(5.0 + RETURN_S) is lan
    box.link_lost(modem)
    assert box.carrier(6.0) is lan, "better than none"


def test_a_session_closed_on_purpose_casts_no_doubt() -> None:
    box, lan, _ = two()
    box.link_lost(lan, on_purpose=True)
    box.link_up(lan, 1.0)
    assert box.carrier(1.0) is lan


def test_no_receipt_and_it_goes_out_on_the_other_path_which_then_carries() -> None:
    box, lan, modem = two()
    box.offer(entry(1))
    pump(box, lan, 0.0)
    box.puback(lan, 1, 0, 0.0)
    assert pump(box, modem, 10.0) == [1]
    assert pump(box, lan, 10.0) == [1], "an alarm is tried on both"
    box.puback(modem, 1, 0, 10.0)
    receipt(box, 1)
    assert lan.deaf
    assert box.carrier(11.0) is modem
    box.offer(entry(2, "audit"))
    assert pump(box, modem, 11.0) == [2]


def test_while_the_first_path_is_in_doubt_alarms_take_both() -> None:
    box, lan, modem = two()
    box.offer(entry(1))
    pump(box, lan, 0.0)
    box.puback(lan, 1, 0, 0.0)
    assert (pump(box, lan, 10.0), pump(box, modem, 10.0)) == ([1], [1])
    box.offer(entry(2))
    box.offer(entry(3, "audit"))
    later_s = 10.0 + RETURN_S
    assert box.carrier(later_s) is lan
    assert pump(box, lan, later_s) == [2, 3]
    assert pump(box, modem, later_s) == [2]
    box.puback(lan, 3, 0, later_s)
    receipt(box, 3)
    assert not lan.deaf, "what went out on it alone was answered"
    box.offer(entry(4))
    assert (pump(box, lan, later_s), pump(box, modem, later_s)) == ([4], [])


def test_routine_without_receipt_goes_out_on_the_other_path_only() -> None:
    box, lan, modem = two()
    box.offer(entry(1, "audit"))
    pump(box, lan, 0.0)
    box.puback(lan, 1, 0, 0.0)
    assert (pump(box, lan, 10.0), pump(box, modem, 10.0)) == ([], [1])


def test_a_missing_receipt_says_nothing_when_later_messages_had_theirs() -> None:
    box, lan, modem = two()
    box.offer(entry(1, "audit"))
    pump(box, lan, 0.0)
    box.puback(lan, 1, 0, 0.0)
    box.offer(entry(2, "audit"))
    pump(box, lan, 5.0)
    box.puback(lan, 2, 0, 5.0)
    receipt(box, 2)
    assert pump(box, modem, 10.0) == [1], "the one goes out again on the other path"
    assert not lan.deaf
    assert box.carrier(10.0) is lan


def test_dual_sends_alarms_on_both_and_the_rest_on_one() -> None:
    box, lan, modem = two(dual=True)
    box.offer(entry(1))
    box.offer(entry(2, "audit"))
    assert pump(box, lan, 0.0) == [1, 2]
    assert pump(box, modem, 0.0) == [1]
    box.puback(lan, 1, 0, 0.1)
    box.puback(modem, 1, 0, 0.4)
    assert box.next_due_s() == 10.1, "one clock for both"
    box.puback(lan, 2, 0, 0.5)
    receipt(box, 1)
    assert 1 not in box
    assert pump(box, modem, 100.0) == [2], "a receipt from either settles it; only what nobody confirmed goes out again"


def test_dual_tells_once_that_a_broker_has_it() -> None:
    box, lan, modem = two(dual=True)
    told: list[str] = []
    box.heard = lambda event, step, by: told.append(step)
    box.offer(entry(1))
    for lane in (lan, modem):
        pump(box, lane, 0.0)
        box.puback(lane, 1, 0, 0.0)
    assert told == ["broker_acked"]


def test_dual_with_one_path_down_needs_no_second_copy() -> None:
    box, lan, modem = two(dual=True, up="lan")
    box.offer(entry(1))
    box.link_up(modem, 0.0)
    assert pump(box, lan, 0.0) == [1]
    assert pump(box, modem, 0.0) == [1], "it is up again before the first copy left"
    box.offer(entry(2))
    box.link_lost(modem)
    assert pump(box, lan, 0.0) == [2]
    box.link_up(modem, 1.0)
    assert pump(box, modem, 1.0) == []


def test_a_topic_refused_on_one_path_goes_out_on_the_other() -> None:
    box, lan, modem = two()
    for row in (1, 2):
        box.offer(entry(row, "audit"))
    assert pump(box, lan, 0.0) == [1, 2]
    assert not box.puback(lan, 1, 0x87, 0.0)
    assert pump(box, modem, 0.0) == [1]
    assert box.puback(lan, 2, 0, 0.0), "this one it took after all"
    assert not lan.holds
    box.offer(entry(3, "audit"))
    assert (pump(box, modem, 0.1), pump(box, lan, 0.1)) == ([], [3])


def test_the_refused_topic_is_probed_on_its_path_and_nowhere_else() -> None:
    box, lan, modem = two()
    box.offer(entry(1, "audit"))
    pump(box, lan, 0.0)
    box.puback(lan, 1, 0x87, 0.0)
    assert pump(box, modem, 0.0) == [1]
    assert not modem.holds
    for row in (2, 3):
        box.offer(entry(row, "audit"))
    assert pump(box, lan, 29.9) == []
    assert pump(box, lan, 30.0) == [2], "one probe"
    assert pump(box, modem, 30.0) == [3]


def test_nobody_listens_there_so_it_is_tried_here() -> None:
    box, lan, modem = two()
    told: list[str] = []
    box.heard = lambda event, step, by: told.append(step)
    box.offer(entry(1))
    pump(box, lan, 0.0)
    box.puback(lan, 1, 0x10, 0.0)
    assert told == []
    assert pump(box, modem, 0.0) == [1], "at once"
    box.puback(modem, 1, 0x10, 0.0)
    assert (pump(box, lan, 9.9), pump(box, modem, 9.9)) == ([], []), "but not back and forth"
    assert told == [], "that is no delivery"


def test_each_path_has_a_window_of_its_own() -> None:
    box, lan, modem = two(dual=True, window=1)
    for row in (1, 2):
        box.offer(entry(row))
    assert (pump(box, lan, 0.0), pump(box, modem, 0.0)) == ([1], [1])
    box.puback(modem, 1, 0, 0.0)
    assert (pump(box, lan, 0.0), pump(box, modem, 0.0)) == ([], [2])


class AnyTwoPaths(RuleBasedStateMachine):
    """Any order of events, sends, answers and losses on two paths: nothing owed is ever forgotten or stuck."""

    @initialize(dual=st.booleans(), window=st.integers(1, 3))
    def begin(self, dual: bool, window: int) -> None:
        self.box, self.lan, self.modem = two(dual=dual, up="", window=window)
        self.now_s = 0.0
        self.row = 0

    def lane(self, which: bool) -> Lane:
        return self.modem if which else self.lan

    @rule(event_class=st.sampled_from(["alarm", "alarm", "audit", "fault"]))
    def offer(self, event_class: str) -> None:
        self.row += 1
        self.box.offer(entry(self.row, event_class))

    @rule(which=st.booleans())
    def connect(self, which: bool) -> None:
        if not self.lane(which).up:
            self.box.link_up(self.lane(which), self.now_s)

    @rule(which=st.booleans())
    def lose(self, which: bool) -> None:
        self.box.link_lost(self.lane(which))

    @rule(which=st.booleans())
    def send(self, which: bool) -> None:
        lane = self.lane(which)
        if lane.up and (item := self.box.next(lane, self.now_s)) is not None:
            assert item.row in self.box, "what is settled is not sent"
            assert item.row not in lane.in_flight, "nothing twice at once on one path"
            self.box.sent(lane, item, self.now_s)

    @precondition(lambda self: self.lan.in_flight or self.modem.in_flight)
    @rule(which=st.integers(0, 5), code=st.sampled_from([0, 0, 0, 0x10, 0x87, 0x97]))
    def puback(self, which: int, code: int) -> None:
        flying = [(lane, row) for lane in (self.lan, self.modem) for row in lane.in_flight]
        lane, row = flying[which % len(flying)]
        self.box.puback(lane, row, code, self.now_s)

    @precondition(lambda self: self.row)
    @rule(which=st.integers(0, 50))
    def receive(self, which: int) -> None:
        row = 1 + which % self.row
        self.box.receipt("police", [(f"id-{row}", f"hash-{row}")], unusable=False)

    @rule(seconds=st.sampled_from([0.1, 5.0, 10.0, 30.0, 300.0]))
    def wait(self, seconds: float) -> None:
        self.now_s += seconds

    @invariant()
    def windows_hold(self) -> None:
        if self.row:
            assert all(len(lane.in_flight) <= 3 for lane in (self.lan, self.modem))

    def teardown(self) -> None:
        """Both paths good, a centre that answers: everything is settled in the end."""
        if not hasattr(self, "box"):
            return
        for lane in (self.lan, self.modem):
            self.box.link_lost(lane)
            self.box.link_up(lane, self.now_s)
        for _ in range(4 * self.row + 20):
            self.now_s += 301.0
            for lane in (self.lan, self.modem):
                while (item := self.box.next(lane, self.now_s)) is not None:
                    self.box.sent(lane, item, self.now_s)
                    self.box.puback(lane, item.row, 0, self.now_s)
                    self.settled(item)
        assert len(self.box) == 0

    def settled(self, item: Entry) -> None:
        self.box.receipt("police", [(item.id, item.sha256)], unusable=False)


TestAnyTwoPaths = AnyTwoPaths.TestCase
TestAnyTwoPaths.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
