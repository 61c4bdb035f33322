"""The outbox against a plain model: any order of events, sends, answers, receipts, losses and time."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.gateway.uplink.test_outbox import PRIORITY, Box, entry


@dataclass
class Fact:
    """What this test knows of one event."""

    event_class: str
    owed: set[str]
    state: str = "queued"  # queued, sent, waiting
    due_s: float = 0.0
    attempts: int = 0
    unanswered: int = 0  # acknowledged by the broker, not followed by a receipt
    refusals: int = 0
    refused_s: float = 0.0
    in_memory: bool = True

    def place(self, row: int) -> tuple[int, bool, int]:
        return PRIORITY[self.event_class], self.unanswered > 0, row


@dataclass
class Held:
    until_s: float
    wait_s: float
    probing: bool = False


CLASSES = st.sampled_from(sorted(PRIORITY))
RECIPIENTS = st.sampled_from(["police", "bureau"])
PAGE = 3


@dataclass
class Model:
    facts: dict[int, Fact] = field(default_factory=dict)
    in_flight: dict[int, str] = field(default_factory=dict)
    held: dict[str, Held] = field(default_factory=dict)
    took_s: dict[str, float] = field(default_factory=dict)


class AnyDelivery(RuleBasedStateMachine):
    """Any order of events, sends, answers, receipts, losses and time, against a plain model."""

    @initialize(window=st.integers(1, 4), max_entries=st.integers(4, 12))
    def begin(self, window: int, max_entries: int) -> None:
        self.window = window
        self.box = Box(window, 10.0, max_entries)
        self.model = Model()
        self.now_s = 0.0
        self.row = 0
        self.sends: dict[int, int] = {}

    @rule(event_class=CLASSES, owed=st.sampled_from(["police", "bureau", "police bureau"]))
    def offer(self, event_class: str, owed: str) -> None:
        self.row += 1
        taken = self.box.offer(entry(self.row, event_class, owed))
        self.model.facts[self.row] = Fact(event_class, set(owed.split()), in_memory=taken)

    def sendable(self, row: int) -> bool:
        fact = self.model.facts[row]
        held = self.model.held.get(fact.event_class)
        queued = fact.state == "queued" or (fact.state == "waiting" and fact.due_s <= self.now_s)
        return bool(fact.owed) and fact.in_memory and queued and (held is None or (not held.probing and self.now_s >= held.until_s))

    @rule()
    def send(self) -> None:
        item = self.box.take(self.now_s)
        ready = [row for row in self.model.facts if self.sendable(row)]
        if item is None:
            assert not ready or len(self.model.in_flight) >= self.window, "what may be sent is sent"
            return
        facts = self.model.facts
        firsts = [
            min((row for row in ready if facts[row].event_class == name), key=lambda row: (facts[row].refusals, facts[row].place(row)))
            for name in {facts[row].event_class for row in ready}
        ]
        assert item.row == min(firsts, key=lambda row: facts[row].place(row)), "the most urgent first"
        self.box.went(item, self.now_s)
        fact = self.model.facts[item.row]
        fact.state = "sent"
        fact.attempts += 1
        if fact.event_class in self.model.held:
            self.model.held[fact.event_class].probing = True
        self.model.in_flight[item.row] = fact.event_class
        self.sends[item.row] = self.sends.get(item.row, 0) + 1

    @precondition(lambda self: self.model.in_flight)
    @rule(which=st.integers(0, 3), code=st.sampled_from([0x00, 0x00, 0x00, 0x10, 0x87, 0x97]))
    def puback(self, which: int, code: int) -> None:
        row = list(self.model.in_flight)[which % len(self.model.in_flight)]
        event_class = self.model.in_flight.pop(row)
        fact = self.model.facts[row]
        assert self.box.answer(row, code, self.now_s) is (code < 0x80)
        cap_s = 30.0 if event_class == "alarm" else 300.0
        if code < 0x80:
            self.model.held.pop(event_class, None)
            self.model.took_s[event_class] = self.now_s
            fact.state = "waiting"
            fact.unanswered += 1
            fact.due_s = self.now_s + min(10.0 * 2 ** (fact.unanswered - 1), cap_s)
            return
        fact.refusals += 1
        before_s, fact.refused_s = fact.refused_s, self.now_s
        held = self.model.held.get(event_class)
        if fact.refusals > 1 and self.model.took_s.get(event_class, -1.0) > before_s:
            fact.state, fact.due_s = "waiting", self.now_s + cap_s
            if held is not None:
                held.probing = False
            return
        fact.state = "queued"
        if held is None or held.probing or self.now_s >= held.until_s:
            first_s = 2.0 if code == 0x97 else 30.0
            wait_s = min(cap_s, first_s if held is None else held.wait_s * 2)
            self.model.held[event_class] = Held(self.now_s + wait_s, wait_s)

    @precondition(lambda self: self.model.facts)
    @rule(which=st.integers(0, 50), recipient=RECIPIENTS, unusable=st.booleans())
    def receive(self, which: int, recipient: str, unusable: bool) -> None:
        row = 1 + which % self.row
        fact = self.model.facts[row]
        settled, wrong, unknown = self.box.receipt(recipient, [(f"id-{row}", f"hash-{row}")], unusable=unusable)
        assert not wrong
        if fact.in_memory and fact.owed:
            assert [item.row for item in settled] == ([row] if recipient in fact.owed else [])
        else:
            assert unknown == [f"id-{row}"]
        fact.owed.discard(recipient)
        if fact.in_memory and row not in self.box:  # those who still owe it have full shelves
            self.model.facts[row] = Fact(fact.event_class, fact.owed, in_memory=False)

    @rule(seconds=st.sampled_from([0.1, 5.0, 10.0, 30.0, 100.0]))
    def wait(self, seconds: float) -> None:
        self.now_s += seconds

    @rule()
    def lose_the_link(self) -> None:
        assert self.box.lose() == set(self.model.in_flight.values())
        for row in self.model.in_flight:
            self.model.facts[row].state = "queued"
        self.model.in_flight.clear()
        for held in self.model.held.values():
            held.probing = False

    @rule()
    def page_in(self) -> None:
        """As backlog.py does: bring in what only the journal holds."""
        shelves = self.box.shelves
        for shelf in [shelf for shelf in shelves.behind if shelves.has_room(shelf)]:
            first, _ = shelves.behind.pop(shelf)
            facts = self.model.facts.items()
            rows = [row for row, fact in facts if row >= first and shelf[0] in fact.owed and fact.event_class == shelf[1]][:PAGE]
            if len(rows) == PAGE:
                shelves.put_behind(shelf, (rows[-1] + 1, (1, rows[-1] + 1)))
            for row in rows:
                fact = self.model.facts[row]
                taken = self.box.offer(entry(row, fact.event_class, " ".join(fact.owed)))
                fact.in_memory = fact.in_memory or taken

    @invariant()
    def nothing_is_forgotten(self) -> None:
        if not hasattr(self, "box"):
            return
        assert self.box.in_flight == len(self.model.in_flight) <= self.window
        for row, fact in self.model.facts.items():
            if not fact.owed:
                assert row not in self.box
            elif row not in self.box:
                marks = [self.box.shelves.behind.get((name, fact.event_class)) for name in fact.owed]
                assert any(mark is not None and mark[0] <= row for mark in marks), "still in the journal's part that will be paged in"

    def teardown(self) -> None:
        """With a broker that takes everything and a centre that answers, everything ends."""
        for _ in range(2000):
            if not any(fact.owed for fact in self.model.facts.values()):
                break
            for _ in range(self.window):
                self.send()
            while self.model.in_flight:
                row = next(iter(self.model.in_flight))
                self.puback(0, 0x00)
                for recipient in list(self.model.facts[row].owed):
                    self.receive(row - 1, recipient, False)
            self.page_in()
            self.now_s += 30.0
        for row, fact in self.model.facts.items():
            assert not fact.owed, f"row {row} was forgotten"
        assert len(self.box) == 0


TestAnyDelivery = AnyDelivery.TestCase
TestAnyDelivery.settings = settings(max_examples=250, stateful_step_count=40, deadline=None)
