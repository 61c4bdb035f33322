"""A hazard ledger that is stepped by hand, with faults that come and go, and a check of its chain that shares nothing with the code."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import rfc8785

from gateway.core.commands import Command
from gateway.core.hazards import HazardsSpec, Watched
from gateway.core.linkage import Moved
from gateway.core.points import Text
from gateway.rules.hazards import Hazards
from gateway.rules.rule import Step, View
from tests.gateway.rules.duty_day import Desk

DAY_S, HOUR_S = 86_400.0, 3600.0
GAS, DOOR = "gas-kitchen/signal", "door/tamper"
PLACES = {"kitchen": Text("食堂厨房", "kitchen"), "gate": Text("校门", "main gate")}
WATCHED = {
    GAS: Watched("kitchen", Text("信号故障：厨房", "Signal fault: kitchen"), "王建国"),
    DOOR: Watched("gate", Text("防拆：校门", "Tamper: gate"), "赵强"),
}
SPEC = HazardsSpec("hazards", "gate", Text("新华路小学", "school"), "赵强", watched=WATCHED, places=PLACES)
LEADER = "duty_leader"


class Ledger(Desk):
    """The rule alone. entries: data of every event so far."""

    def __init__(self, spec: HazardsSpec = SPEC, begin: str = "2026-09-01 10:00") -> None:
        super().__init__(Hazards(spec), begin)
        self.states: dict[str, str] = {}
        self.since: dict[str, int] = {}
        self.modes: dict[str, str] = {}
        self.entries: list[dict[str, Any]] = []
        self.shown: list[bool | None] = []

    def view(self) -> View:
        return replace(
            super().view(),
            state=lambda key: self.states.get(key, "normal"),
            mode=lambda point: self.modes.get(point, "normal"),
            since_ms=lambda key: self.since.get(key, 0),
        )

    def step(self, what: Any = None) -> Step:
        out = super().step(what)
        assert all((said.event_class, said.subject) == ("duty", said.data["hazard"]) for said in out.said)
        assert not out.said or out.keep, "an entry is in the journal together with the ledger"
        self.entries += [said.data for said in out.said]
        self.shown += [reading.value for reading in out.readings]  # type: ignore[misc]
        return out

    def wait(self, seconds: float) -> Step:
        """Time goes on; the rule looks at the clock."""
        self.now_s += seconds
        return self.step()

    def fault(self, key: str, word: str = "activated", mode: str = "normal") -> Step:
        """A fault comes (activated, repeated) or goes (cleared, reset)."""
        self.states[key] = {"cleared": "latched_unacknowledged", "reset": "normal"}.get(word, "unacknowledged")
        if word == "activated":
            self.since[key] = self.view().now.at_ms
        return self.step(Moved(key, word, self.states[key], "id", mode))

    def command(self, kind: str, target: str = "hz-1", by: str = "李明", role: str = LEADER, **more: Any) -> str:
        """Why it was refused, or ''."""
        return self.step(Command(f"{kind}_hazard", target, by, role, "door", **more)).refused

    def open(self, place: str = "kitchen", due: str = "2026-09-10", why: str = "灭火器压力不足", second: str = "王建国") -> str:
        return self.command("open", place, value=due, why=why, second=second)

    def to(self, state: str, target: str = "hz-1") -> None:
        """On to this state, from one that is open."""
        for kind, reached, by in (
            ("assign", "assigned", "李明"),
            ("fix", "fixed", "王建国"),
            ("verify", "verified", "李明"),
            ("close", "closed", "李明"),
        ):
            assert self.command(kind, target, by, why="已更换") == ""
            if reached == state:
                return

    def kinds(self) -> list[str]:
        """Steps so far."""
        return [str(entry["step"]) for entry in self.entries]


def chain_problem(entries: list[dict[str, Any]]) -> str:
    """What is wrong with the chain of these entries; '' when whole."""
    before = "0" * 64
    for number, entry in enumerate(entries, 1):
        if (entry["entry"], entry["previous_entry"]) != (number, before):
            return f"entry {number}"
        before = hashlib.sha256(rfc8785.dumps(entry)).hexdigest()
    return ""
