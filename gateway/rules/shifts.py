"""Change of shift (交接班): who takes over says so by name and names who hands over; what stands open is part of the record."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from gateway.core.commands import Command
from gateway.core.duties import ShiftsSpec
from gateway.core.points import Text
from gateway.core.reading import Now
from gateway.rules.authority import same_person
from gateway.rules.duty import NO_CLOCK, Report, local_time, said, tell, utc_ms, wake
from gateway.rules.rule import OfSpec, Step, View, What, Why

OPEN_SHIFT = "open_shift"
AHEAD_MS = 60_000  # less is a clock that is being set right


@dataclass(frozen=True, slots=True)
class ShiftsState:
    """by: who is on duty, '' while nobody has said so. opened_ms: since when, UTC. overdue: the alarm stands.

    watched_s: monotonic seconds of the first look of this run at a known clock.
    """

    by: str = ""
    opened_ms: int = 0
    overdue: bool = False
    watched_s: float | None = None
    told: str = ""


@dataclass(frozen=True, slots=True)
class Shifts(OfSpec):
    """The shifts of a site. Satisfies rules.rule.Rule and rules.duty.Duty."""

    spec: ShiftsSpec

    @property
    def name(self) -> str:
        """Of the kind of rule."""
        return "shift"

    @property
    def commands(self) -> frozenset[str]:
        """`open_shift` by the person who takes over; `second` hands over."""
        return frozenset({OPEN_SHIFT})

    def begin(self, row: dict[str, Any] | None) -> ShiftsState:
        """Who is on duty."""
        return ShiftsState() if row is None else ShiftsState(str(row["by"]), int(row["opened_ms"]), bool(row["overdue"]))

    def row(self, state: ShiftsState, now: Now) -> dict[str, Any]:
        """For the journal."""
        return {"by": state.by, "opened_ms": state.opened_ms, "overdue": state.overdue}

    def step(self, state: ShiftsState, what: What, view: View) -> Step:
        """What follows from a handover, or from time."""
        out = Step(state)
        if not view.knows_the_time:
            if isinstance(what, Command):
                out.refused = NO_CLOCK
            value = True if state.overdue else None
            out.state = replace(state, told=tell(out, self.id, state.told, value, view, NO_CLOCK))
            return out
        if state.watched_s is None:
            out.state = replace(state, watched_s=view.now.now_s, opened_ms=state.opened_ms or view.now.at_ms)
            out.keep = not state.opened_ms
        if out.state.opened_ms > view.now.at_ms + AHEAD_MS:  # the clock was wrong then: this shift is not open for ever
            out.state, out.keep = replace(out.state, opened_ms=view.now.at_ms), True
        if isinstance(what, Command):
            self._open(out, what, view)
        self._judge(out, view)
        reason = f"on duty since {local_time(view, out.state.opened_ms)}: {out.state.by or 'nobody by name'}" if out.state.overdue else ""
        out.state = replace(out.state, told=tell(out, self.id, out.state.told, out.state.overdue, view, reason))
        return out

    def explain(self, state: ShiftsState, point: str, view: View) -> Iterator[Why]:
        """Who is on duty, and when the next change is due."""
        if point == self.id:
            yield Why(state.overdue, self.report(state, view).text)

    def report(self, state: ShiftsState, view: View) -> Report:
        """Who is on duty, and when the next change is due."""
        name, due_ms = self.spec.name, 0
        if not view.knows_the_time:
            who_zh, who_en = state.by or "未登记", state.by or "nobody by name"
            return self._report("unknown", f"值班：{who_zh}（时钟未同步）", f"on duty: {who_en} ({NO_CLOCK})", state, 0)
        due_ms = self._change_ms(view, 0) if state.overdue else self._next_ms(view, state)
        zh, en = state.by or "未登记", state.by or "nobody by name"
        since = local_time(view, state.opened_ms) if state.opened_ms else ""
        word = "overdue" if state.overdue else "on duty"
        due = local_time(view, due_ms)
        text_zh, text_en = f"值班：{zh}（{since} 起），{due} 交接班", f"on duty: {en} since {since}, next change {due}"
        if state.overdue:
            text_zh, text_en = f"交接班超时（应于 {due}）；值班：{zh}", f"handover of {due} is overdue; on duty: {en}"
        return self._report(word, f"{name.zh}：{text_zh}", f"{name.en}: {text_en}", state, due_ms)

    def _report(self, word: str, zh: str, en: str, state: ShiftsState, due_ms: int) -> Report:
        return Report(self.id, self.name, self.spec.place, self.spec.name, word, Text(zh, en), state.by, due_ms)

    # --- handover ------------------------------------------------------------------------------

    def _changes(self, view: View) -> list[int]:
        """Changes of shift from yesterday to the day after tomorrow, UTC milliseconds in order."""
        today = view.calendar.local_date(view.now.at_ms)
        days = [today + timedelta(days=number) for number in (-1, 0, 1, 2)]
        return [utc_ms(view.calendar.zone, day, minute) for day in days for minute in self.spec.times]

    def _change_ms(self, view: View, ahead_ms: int) -> int:
        """The last change of shift up to now, or up to so far ahead."""
        return max(at_ms for at_ms in self._changes(view) if at_ms <= view.now.at_ms + ahead_ms)

    def _next_ms(self, view: View, state: ShiftsState) -> int:
        """The change that is due next: the first that this shift was not opened for."""
        early_ms = round(self.spec.early_s * 1000)
        after_ms = max(min(state.opened_ms, view.now.at_ms) + early_ms, view.now.at_ms - early_ms)
        return min(at_ms for at_ms in self._changes(view) if at_ms > after_ms)

    def _judge(self, out: Step, view: View) -> None:
        state = out.state
        change_ms = self._change_ms(view, 0)
        if state.opened_ms >= change_ms - self.spec.early_s * 1000:
            return
        due_s = max(view.seconds_until(change_ms), state.watched_s or 0.0) + self.spec.overdue_s
        if view.now.now_s >= due_s and not state.overdue:
            out.state, out.keep = replace(state, overdue=True), True
        wake(out, view, due_s)

    def _open(self, out: Step, asked: Command, view: View) -> None:
        state, name = out.state, self.spec.name
        by, handing = asked.by.strip(), asked.second.strip()
        if handing and same_person(by, handing):
            out.refused = "who takes over and who hands over are two different persons"
            return
        if not handing and state.by and not same_person(by, state.by):
            out.refused = f"{state.by} is on duty and hands over: name the person (--taken-from)"
            return
        late_s = 0
        if state.overdue:
            late_s = round((view.now.at_ms - self._change_ms(view, 0)) / 1000)
        from_zh, from_en = (f"，交班：{handing}", f", from {handing}") if handing else ("", "")
        text = Text(f"交接班：{name.zh}，接班：{by}{from_zh}", f"Shift opened: {name.en}, by {by}{from_en}")
        data: dict[str, object] = {"by": by, "from": handing, "on_duty_before": state.by, "open": view.standing()}
        if late_s:
            data["late_s"] = late_s
        out.said.append(said("shift_opened", self.id, self.spec.place, text, **data))
        out.state, out.keep = replace(state, by=by, opened_ms=view.now.at_ms, overdue=False), True
        out.reply = f"shift opened: {by}{from_en}"
