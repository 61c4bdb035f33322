"""Escalation chain (领导带班值班): an alarm that nobody takes is told to the duty leader, then to the centre.

The times run from the alarm's beginning and survive a restart. They stop as soon as somebody has acknowledged or reset it, or has set
it aside, or a duty is done after all; a further press meanwhile does not begin them anew. What begins in a drill, a test or maintenance
does not escalate.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from gateway.core.chains import EscalationSpec
from gateway.core.deadline import Deadline
from gateway.core.linkage import Moved, Said
from gateway.core.points import Text
from gateway.core.reading import Now
from gateway.rules.rule import OfSpec, Step, View, What, Why

BEGINS = frozenset({"activated", "repeated", "returned_to_service"})  # the last: it was told meanwhile, and nobody has taken it
WAITING = frozenset({"unacknowledged", "returned_unacknowledged", "latched_unacknowledged"})
LEADER, CENTRE = 1, 2
LONGEST_S = 2 * 86_400.0  # more than any time of a chain
_TO = {LEADER: Text("带班领导", "duty leader"), CENTRE: Text("联动中心", "linkage centre")}
_ROLES = {LEADER: "duty_leader", CENTRE: "centre"}


@dataclass(frozen=True, slots=True)
class Waiting:
    """An alarm that nobody has taken. level: who has been told (0: the guard). over: LONGEST_S after its beginning."""

    key: str
    event_id: str
    level: int
    over: Deadline

    @property
    def since_s(self) -> float:
        """Monotonic seconds of its beginning, which may lie before this process did."""
        return self.over.until_s - LONGEST_S


@dataclass(frozen=True, slots=True)
class Escalation(OfSpec):
    """The chain of one site. Satisfies rules.rule.Rule; its state is a tuple of Waiting, oldest first."""

    spec: EscalationSpec

    @property
    def name(self) -> str:
        """As in docs/rules.md."""
        return "escalation"

    @property
    def alarms(self) -> frozenset[str]:
        """Those that escalate."""
        return frozenset(self.spec.chains)

    def begin(self, row: dict[str, Any] | None) -> tuple[Waiting, ...]:
        """The alarms that waited; those that the site file no longer names are left out."""
        if row is None:
            return ()
        rows = [(str(key), kept) for key, kept in row["waiting"].items()]
        return tuple(
            Waiting(key, str(kept["event_id"]), int(kept["level"]), Deadline.read(kept["over"]))
            for key, kept in rows
            if key in self.spec.chains
        )

    def row(self, state: tuple[Waiting, ...], now: Now) -> dict[str, Any]:
        """For the journal."""
        return {
            "waiting": {
                one.key: {"event_id": one.event_id, "level": one.level, "over": one.over.resumed(now).kept(now).row()} for one in state
            }
        }

    def step(self, state: tuple[Waiting, ...], what: What, view: View) -> Step:
        """An alarm moved, or time has passed."""
        out = Step(tuple(replace(one, over=one.over.resumed(view.now)) for one in state))
        if isinstance(what, Moved):
            self._moved(out, what, view)
        self._look(out, view)
        out.wake_s += sorted(one.since_s + self._after_s(one) for one in out.state if one.level < CENTRE)[:1]
        return out

    def explain(self, state: tuple[Waiting, ...], point: str, view: View) -> Iterator[Why]:
        """When whom an alarm of this point would reach that nobody takes."""
        mode = view.mode(point)
        for key, chain in self.spec.chains.items():
            if key.partition("/")[0] != point:
                continue
            leader, centre = chain.leader_after_s, chain.centre_after_s
            zh = f"{chain.text.zh}：{leader:g} 秒无人确认报带班领导，{centre:g} 秒无人确认报联动中心"
            en = f"{chain.text.en}: not acknowledged for {leader:g} s -> duty leader, for {centre:g} s -> centre"
            if mode == "normal":
                yield Why(True, Text(zh, en))
            else:
                yield Why(False, Text(f"{zh}；现为非正常模式，不上报", f"{en}; not now, mode is {mode}"))

    def _moved(self, out: Step, moved: Moved, view: View) -> None:
        waiting = {one.key: one for one in out.state}
        known = waiting.get(moved.key)
        is_done = moved.word == "cleared" and self.spec.chains[moved.key].event_class == "duty"  # the guard has come: nobody is called
        if moved.state not in WAITING or is_done:
            waiting.pop(moved.key, None)
        elif moved.word in BEGINS and moved.mode == "normal":
            if known is None:
                waiting[moved.key] = Waiting(moved.key, moved.event_id, 0, Deadline(view.now.now_s + LONGEST_S))
            else:
                waiting[moved.key] = replace(known, event_id=moved.event_id)
        if tuple(waiting.values()) != out.state:
            out.state, out.keep = tuple(waiting.values()), True

    def _look(self, out: Step, view: View) -> None:
        """Tell the next one of each whose time has come."""
        kept: list[Waiting] = []
        for one in out.state:
            state = view.state(one.key)
            if state not in WAITING:  # a changed site file, or a damaged journal
                out.keep = True
                continue
            while one.level < CENTRE and one.since_s + self._after_s(one) <= view.now.now_s:
                one = replace(one, level=one.level + 1)
                out.said.append(self._said(one, state, view))
                out.moves.append(Moved(one.key, "escalated", state, one.event_id))
                out.keep = True
            kept.append(one)
        out.state = tuple(kept)

    def _after_s(self, one: Waiting) -> float:
        """How long after its beginning the next one is told."""
        chain = self.spec.chains[one.key]
        return chain.centre_after_s if one.level else chain.leader_after_s

    def _said(self, one: Waiting, state: str, view: View) -> Said:
        chain, (point, _, alarm) = self.spec.chains[one.key], one.key.partition("/")
        after_s = chain.leader_after_s if one.level == LEADER else chain.centre_after_s
        to = self.spec.leaders if one.level == LEADER else self.spec.centres.get(chain.event_class, ())
        whom = _TO[one.level]
        data: dict[str, object] = {
            "point": point,
            "place": chain.place,
            "alarm": alarm,
            "alarm_class": chain.alarm_class,
            "severity": chain.severity,
            "state": state,
            "level": one.level,
            "to_role": _ROLES[one.level],
            "to": list(to),
            "after_s": after_s,
            "cause": [one.event_id],
            "incident": view.incident(one.key) or None,
            "msgType": "Update",
            "text": {
                "zh": f"{chain.text.zh}：{after_s:g} 秒无人确认，上报{whom.zh}",
                "en": f"{chain.text.en}: not acknowledged for {after_s:g} s, escalated to the {whom.en}",
            },
        }
        return Said(chain.event_class, f"{chain.event_class}.escalated", point, data, urgent=one.level == CENTRE)
