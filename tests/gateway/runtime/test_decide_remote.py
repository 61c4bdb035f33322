"""decide() and signed commands: each counts once, over restarts too, and what was refused before is only put on record."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from gateway.alarm.machine import State
from gateway.contract.command import SKEW_MS
from gateway.core.commands import Command
from gateway.runtime.decide import Decision
from gateway.runtime.decide_house import COMMANDS_MARK
from gateway.runtime.decide_remote import KEEP_MS, MOST_IDS
from tests.gateway.runtime.test_decide_aside import Box

LIFE_MS = 60_000


def order(box: Box, name: str, kind: str = "acknowledge", target: str = "panic", **changes: Any) -> Decision:
    """A signed command that is now as old as it takes to arrive."""
    fields = {"command_id": name, "expires_ms": box.at_ms + LIFE_MS, "by": "police: 王警官", "role": "centre", "origin": "mqtt"}
    return box.take(Command(kind, target, **{**fields, **changes}))


def press(box: Box) -> None:
    box.read("panic", False)
    box.read("panic", True)


def kept(box: Box) -> set[str]:
    return set(box.house.marks.get(COMMANDS_MARK, {}))


def test_a_command_counts_once() -> None:
    box = Box()
    press(box)
    done = order(box, "a")
    assert (done.ok, box.state("panic")) == (True, State.ACKED)
    audit = done.drafts[-1].data
    assert (audit["by"], audit["role"], audit["origin"], audit["command_id"], audit["result"]) == (
        "police: 王警官", "centre", "mqtt", "a", "accepted"
    )  # fmt: skip
    assert COMMANDS_MARK in {latch.key for latch in done.latches()}, "in the transaction of the audit event"
    press(box)
    again = order(box, "a")
    assert (again.ok, again.reply.split(":")[0], box.state("panic")) == (False, "repeated", State.UNACK)
    assert [draft.data["result"] for draft in again.drafts] == ["refused"]
    box.restart(off_s=30.0)
    press(box)
    assert not order(box, "a").ok
    assert order(box, "b").ok


def test_a_refused_one_must_not_come_true_later() -> None:
    """The centre was told `refused`: the same bytes, sent again by somebody else, are not taken either."""
    box = Box()
    assert not order(box, "early").ok, "nothing stands"
    assert not order(box, "clock", refused="clock: not known").ok
    press(box)
    assert not order(box, "early").ok
    assert not order(box, "clock").ok
    assert box.state("panic") is State.UNACK


def test_what_was_found_before_is_told_of_one_that_was_here_too() -> None:
    """A broker that keeps a command hands it out at each new session."""
    box = Box()
    press(box)
    assert order(box, "a").ok
    again = order(box, "a", refused="retained: a command is never retained")
    assert [draft.data["reason"] for draft in again.drafts] == ["retained: a command is never retained"]


def test_what_was_refused_before_is_on_record() -> None:
    box = Box()
    press(box)
    for reason in ("stale: expired 600 s ago", "permission: not for reset"):
        refused = order(box, "x", refused=reason, expires_ms=box.at_ms - SKEW_MS - 1)
        assert (refused.ok, refused.reply, refused.lasting) == (False, reason, False)
        assert [(draft.type, draft.subject, draft.data["reason"]) for draft in refused.drafts] == [
            ("campus.audit.command", "panic", reason)
        ]
    nobody = box.take(Command("", "", "", "centre", "mqtt", refused="signature: does not hold"))
    assert [(draft.subject, draft.data["by"]) for draft in nobody.drafts] == [("gateway", "")]
    assert (kept(box), box.state("panic")) == (set(), State.UNACK)


def test_who_may_do_what_is_judged_as_for_everybody() -> None:
    box = Box()
    press(box)
    assert "highly managed" in order(box, "a", "shelve", why="noise", for_s=60.0).reply
    assert "two different persons" in order(box, "b", "out_of_service", why="repair", for_s=60.0).reply
    assert order(box, "c", "out_of_service", why="repair", for_s=60.0, second="police: 李警官").ok


def test_a_replay_moves_no_alarm() -> None:
    box = Box()
    press(box)
    done = order(box, "a", "replay", "police", value="0000000001/00000000000000000001")
    assert (done.ok, done.alarms, [draft.data["value"] for draft in done.drafts]) == (True, {}, ["0000000001/00000000000000000001"])
    assert not box.take(Command("replay", "police", "李强", "technician", "door", value="0000000001/00000000000000000001")).ok


def test_ids_are_kept_for_a_day() -> None:
    box = Box()
    order(box, "old")
    box.pass_time((LIFE_MS + KEEP_MS) / 1000 - 1)
    order(box, "young")
    assert kept(box) == {"old", "young"}
    box.pass_time(2.0)
    order(box, "new")
    assert kept(box) == {"young", "new"}


def test_while_nobody_knows_the_time_no_id_is_forgotten() -> None:
    box = Box()
    order(box, "old")
    box.clock = "unknown"
    box.pass_time((LIFE_MS + KEEP_MS) / 1000 + 1)
    order(box, "new")
    assert kept(box) == {"old", "new"}


@pytest.mark.parametrize("clock", ["synchronised", "unknown"])
def test_the_ids_are_bounded(clock: str) -> None:
    box = Box(clock=clock)
    for number in range(MOST_IDS + 10):
        order(box, f"id-{number}", expires_ms=box.at_ms + LIFE_MS + number)
    assert kept(box) == {f"id-{number}" for number in range(10, MOST_IDS + 10)}, "those that are over for longest go first"


class OnceOnly(RuleBasedStateMachine):
    """Commands come in any order and number, between restarts, while time goes on: none is taken twice while it is alive."""

    @initialize()
    def begin(self) -> None:
        self.box = Box()
        self.ends_ms: dict[str, int] = {}
        self.taken: set[str] = set()

    @rule(name=st.sampled_from("abcdef"))
    def arrives(self, name: str) -> None:
        end_ms = self.ends_ms.setdefault(name, self.box.at_ms + LIFE_MS)
        if self.box.at_ms > end_ms + SKEW_MS:
            return  # refused as stale before it gets here
        press(self.box)
        done = order(self.box, name, expires_ms=end_ms)
        assert done.ok is (name not in self.taken)
        assert (self.box.state("panic") is State.ACKED) is done.ok
        self.taken.add(name)

    @rule(seconds=st.sampled_from([1.0, 20.0, 70.0, 40_000.0]))
    def time_passes(self, seconds: float) -> None:
        self.box.pass_time(seconds)

    @rule(seconds=st.sampled_from([0.0, 5.0, 3600.0]))
    def restarts(self, seconds: float) -> None:
        self.box.restart(off_s=seconds)


TestOnceOnly = OnceOnly.TestCase
TestOnceOnly.settings = settings(max_examples=40, stateful_step_count=20)
