"""Patrol (门卫巡逻): a round is complete when every checkpoint was visited within its slot of the day.

A round that was not completed by its end is an alarm, which is over at the next complete round, or when somebody takes it; each missed
round is an event besides. A round of which this gateway has seen less than half (it was off, or just installed) is not asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from gateway.contract.envelope import rfc3339
from gateway.core.commands import Command
from gateway.core.duties import Checkpoint, PatrolSpec
from gateway.core.linkage import Moved
from gateway.core.points import Text
from gateway.core.reading import Now, Reading, Value
from gateway.rules.duty import NO_CLOCK, OFF_S, Report, Sign, local_time, said, sign_by, sign_of, tell, utc_ms, wake
from gateway.rules.rule import OfSpec, Step, View, What, Why

PATROL = "patrol"


@dataclass(frozen=True, slots=True)
class Visit:
    """Somebody was at a checkpoint. at_ms: UTC, 0 when the clock was unknown."""

    at_ms: int
    who: str = ""


@dataclass(frozen=True, slots=True)
class Slot:
    """The time of one round, UTC milliseconds. number: 1 for the first of its day."""

    begin_ms: int
    end_ms: int
    number: int


@dataclass(frozen=True, slots=True)
class PatrolState:
    """slot: the round that runs. visits: by checkpoint. due: it is asked for. missed: the alarm stands. day: local date of the slot's
    begin, of which `done` rounds are complete and `lost` were missed.
    """

    known: dict[str, Value] = field(default_factory=dict)
    slot: Slot | None = None
    visits: dict[str, Visit] = field(default_factory=dict)
    due: bool = False
    missed: bool = False
    day: str = ""
    done: int = 0
    lost: int = 0
    who: str = ""
    told: str = ""


@dataclass(frozen=True, slots=True)
class Patrol(OfSpec):
    """One patrol of a site. Satisfies rules.rule.Rule and rules.duty.Duty."""

    spec: PatrolSpec

    @property
    def name(self) -> str:
        """Of the kind of rule."""
        return "patrol"

    @property
    def points(self) -> frozenset[str]:
        """Buttons and readers of the checkpoints."""
        return frozenset(self.spec.signers.points)

    @property
    def alarms(self) -> frozenset[str]:
        """Its own: whoever takes it has been told of the missed round."""
        return frozenset({f"{self.id}/alarm"})

    @property
    def commands(self) -> frozenset[str]:
        """`patrol`: value names the checkpoint."""
        return frozenset({PATROL})

    def begin(self, row: dict[str, Any] | None) -> PatrolState:
        """The round that ran, with its visits."""
        if row is None:
            return PatrolState()
        slot = None
        if row["slot"]:
            begin_ms, end_ms, number = map(int, row["slot"])
            slot = Slot(begin_ms, end_ms, number)
        return PatrolState(
            slot=slot,
            visits={str(name): Visit(int(at_ms), str(who)) for name, (at_ms, who) in dict(row["visits"]).items()},
            due=bool(row["due"]),
            missed=bool(row["missed"]),
            day=str(row["day"]),
            done=int(row["done"]),
            lost=int(row["lost"]),
            who=str(row["who"]),
        )

    def row(self, state: PatrolState, now: Now) -> dict[str, Any]:
        """For the journal."""
        slot = state.slot
        return {
            "slot": [slot.begin_ms, slot.end_ms, slot.number] if slot else [],
            "visits": {name: [visit.at_ms, visit.who] for name, visit in state.visits.items()},
            "due": state.due,
            "missed": state.missed,
            "day": state.day,
            "done": state.done,
            "lost": state.lost,
            "who": state.who,
        }

    def step(self, state: PatrolState, what: What, view: View) -> Step:
        """What follows from a visit, from the alarm being taken, or from time."""
        out = Step(state)
        if view.knows_the_time:
            self._follow_the_clock(out, view)
        if isinstance(what, Moved) and what.word == "acknowledged" and out.state.missed:
            out.state, out.keep = replace(out.state, missed=False), True
        elif isinstance(what, Reading):
            known, sign = sign_of(self.spec.signers, out.state.known, what)
            out.state = replace(out.state, known=known)
            for checkpoint in self.spec.checkpoints:
                if sign is not None and checkpoint.point == what.point:
                    self._visited(out, checkpoint, sign, view)
        elif isinstance(what, Command):
            self._command(out, what, view)
        known_now = view.knows_the_time or out.state.missed
        reason = "" if view.knows_the_time else NO_CLOCK
        out.state = replace(out.state, told=tell(out, self.id, out.state.told, out.state.missed if known_now else None, view, reason))
        return out

    def explain(self, state: PatrolState, point: str, view: View) -> Iterator[Why]:
        """What a visit by this point would mean now."""
        name = self.spec.name
        if point == self.id:
            yield Why(state.due, self.report(state, view).text)
        for checkpoint in self.spec.checkpoints:
            if checkpoint.point != point:
                continue
            zh, en = f"{name.zh}：到达{checkpoint.name.zh}", f"{name.en}: visit of {checkpoint.name.en}"
            if state.slot is None:
                yield Why(False, Text(f"{zh}，现在没有巡逻任务", f"{en}: no round runs now"))
            elif checkpoint.id in state.visits:
                yield Why(False, Text(f"{zh}，本轮已到过", f"{en}: counted in this round already"))
            else:
                yield Why(True, Text(f"{zh}，计入第 {state.slot.number} 轮", f"{en}: counts for round {state.slot.number}"))

    def report(self, state: PatrolState, view: View) -> Report:
        """Where the patrol stands now."""
        name, of, slot = self.spec.name, len(self.spec.rounds), state.slot
        there, due_ms = f"{len(state.visits)}/{len(self.spec.checkpoints)}", 0
        if slot is None:
            word, zh, en = "not due", "现在没有巡逻任务", "no round runs now"
        elif self._is_complete(state):
            word, zh, en = "done", f"第 {slot.number} 轮已完成", f"round {slot.number} is complete"
        else:
            word, due_ms, end = "due" if state.due else "open", slot.end_ms, local_time(view, slot.end_ms)
            zh, en = f"第 {slot.number} 轮，{end} 前完成，已到 {there}", f"round {slot.number} until {end}, {there} checkpoints"
        if state.missed:
            word, zh, en = "missed", f"有漏巡；{zh}", f"a round was missed; {en}"
        text = Text(f"{name.zh}：{zh}", f"{name.en}: {en}")
        return Report(self.id, self.name, self.spec.place, name, word, text, state.who, due_ms, state.done, of)

    # --- rounds --------------------------------------------------------------------------------

    def _slot(self, view: View) -> Slot | None:
        """The round of this moment, or None."""
        today = view.calendar.local_date(view.now.at_ms)
        for day in (today, today - timedelta(days=1)):
            found = view.calendar.day(day)
            if self.spec.school_days_only and not found.lessons and not found.boarding:
                continue
            for number, (start, end) in enumerate(self.spec.rounds, 1):
                slot = Slot(utc_ms(view.calendar.zone, day, start), utc_ms(view.calendar.zone, day, end), number)
                if slot.begin_ms <= view.now.at_ms < slot.end_ms:
                    return slot
        return None

    def _follow_the_clock(self, out: Step, view: View) -> None:
        now, state = view.now, out.state
        if state.slot is not None and state.slot.begin_ms <= now.at_ms < state.slot.end_ms:
            wake(out, view, view.seconds_until(state.slot.end_ms))
            return
        slot = self._slot(view)
        if state.slot is None and slot is None:
            return
        if state.slot is not None and now.at_ms >= state.slot.end_ms:
            self._close(out, state.slot, view)
        due, day = False, out.state.day
        if slot is not None:
            due = slot.end_ms - now.at_ms >= (slot.end_ms - slot.begin_ms) / 2
            day = view.calendar.local_date(slot.begin_ms).isoformat()
            wake(out, view, view.seconds_until(slot.end_ms))
        if day != out.state.day:
            out.state = replace(out.state, day=day, done=0, lost=0)
        out.state = replace(out.state, slot=slot, visits={}, due=due)
        out.keep = True

    def _close(self, out: Step, slot: Slot, view: View) -> None:
        state, name = out.state, self.spec.name
        if not state.due or self._is_complete(state):
            return
        left = [checkpoint for checkpoint in self.spec.checkpoints if checkpoint.id not in state.visits]
        data = self._round_data(state, slot) | {"missing": [checkpoint.id for checkpoint in left]}
        if view.now.at_ms - slot.end_ms > OFF_S * 1000:
            data["reason"] = "the gateway was off when the round ended"
        text = Text(
            f"漏巡：{name.zh}，第 {slot.number} 轮，未到：{'、'.join(checkpoint.name.zh for checkpoint in left)}",
            f"Round missed: {name.en}, round {slot.number}, not visited: {', '.join(checkpoint.name.en for checkpoint in left)}",
        )
        out.said.append(said("round_missed", self.id, self.spec.place, text, **data))
        out.state = replace(state, missed=True, lost=state.lost + 1)

    def _is_complete(self, state: PatrolState) -> bool:
        return all(checkpoint.id in state.visits for checkpoint in self.spec.checkpoints)

    def _round_data(self, state: PatrolState, slot: Slot) -> dict[str, object]:
        visits = {name: {"at": rfc3339(visit.at_ms) if visit.at_ms else None, "by": visit.who} for name, visit in state.visits.items()}
        return {
            "round": slot.number,
            "of": len(self.spec.rounds),
            "begin": rfc3339(slot.begin_ms),
            "end": rfc3339(slot.end_ms),
            "checkpoints": visits,
        }

    # --- visits --------------------------------------------------------------------------------

    def _command(self, out: Step, asked: Command, view: View) -> None:
        found = next((checkpoint for checkpoint in self.spec.checkpoints if checkpoint.id == asked.value), None)
        if found is None:
            known = ", ".join(checkpoint.id for checkpoint in self.spec.checkpoints)
            out.refused = f'"{asked.value[:48]}" is not a checkpoint of {self.id}; known: {known}'
        elif out.state.slot is None:
            out.refused = f"no round of {self.id} runs now" if view.knows_the_time else NO_CLOCK
        elif found.id in out.state.visits:
            out.refused = f"{found.id} was visited in this round already"
        else:
            number = out.state.slot.number
            self._visited(out, found, sign_by(asked), view)
            out.reply = f"round {number}: {len(out.state.visits)} of {len(self.spec.checkpoints)} checkpoints, {found.id} by {asked.by}"

    def _visited(self, out: Step, checkpoint: Checkpoint, sign: Sign, view: View) -> None:
        state = out.state
        if state.slot is None or checkpoint.id in state.visits:
            return
        visit = Visit(view.now.at_ms if view.knows_the_time else 0, sign.who)
        state = replace(state, visits={**state.visits, checkpoint.id: visit}, who=sign.who or state.who)
        out.state, out.keep = state, True
        if not self._is_complete(state):
            return
        assert state.slot is not None
        name, number = self.spec.name, state.slot.number
        text = Text(f"巡逻完成：{name.zh}，第 {number} 轮", f"Round complete: {name.en}, round {number}")
        out.said.append(said("round_done", self.id, self.spec.place, text, **self._round_data(state, state.slot)))
        out.state = replace(state, missed=False, done=state.done + 1)
