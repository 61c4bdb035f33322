"""The duty room (24小时值班值守) is asked at random moments whether somebody is there; no answer in 5 min is an alarm.

The moment of the next question lies between two intervals after the last answer. It is drawn from a digest of the site, the rule and the
monotonic clock at that answer, to the last digit, which no event carries: the same history gives the same moments (so it can be played
again), but nobody in the room can foresee them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from gateway.core.commands import Command
from gateway.core.deadline import Deadline
from gateway.core.duties import DutyRoomSpec
from gateway.core.outputs import Asked
from gateway.core.points import Text
from gateway.core.reading import Now, Reading, Value
from gateway.rules.duty import NO_CLOCK, Report, Sign, local_time, said, sign_by, sign_of, tell, wake
from gateway.rules.rule import OfSpec, Step, View, What, Why

ANSWER = "answer"
BEEP_S = 1.0
BEEP_EVERY_S = 30.0


@dataclass(frozen=True, slots=True)
class DutyRoomState:
    """next: when the next question comes, None outside the hours. answer_by: end of an open question, None when there is none.

    asked_ms: UTC of the open question. beep_s: when the buzzer sounds again. unanswered: the alarm stands. answered_ms, who: the last
    answer. today: local date of which `done` questions were answered.
    """

    known: dict[str, Value] = field(default_factory=dict)
    next: Deadline | None = None
    answer_by: Deadline | None = None
    asked_ms: int = 0
    beep_s: float = 0.0
    unanswered: bool = False
    answered_ms: int = 0
    who: str = ""
    today: str = ""
    done: int = 0
    begun: bool = False
    told: str = ""


@dataclass(frozen=True, slots=True)
class DutyRoom(OfSpec):
    """The duty room of a site. Satisfies rules.rule.Rule and rules.duty.Duty."""

    spec: DutyRoomSpec

    @property
    def name(self) -> str:
        """Of the kind of rule."""
        return "duty-room"

    @property
    def points(self) -> frozenset[str]:
        """Buttons and readers that answer."""
        return frozenset(self.spec.signers.points)

    @property
    def commands(self) -> frozenset[str]:
        """`answer` by name."""
        return frozenset({ANSWER})

    def begin(self, row: dict[str, Any] | None) -> DutyRoomState:
        """When the next question comes, or the open one."""
        if row is None:
            return DutyRoomState()
        return DutyRoomState(
            next=Deadline.read(row["next"]) if row["next"] else None,
            answer_by=Deadline.read(row["answer_by"]) if row["answer_by"] else None,
            asked_ms=int(row["asked_ms"]),
            unanswered=bool(row["unanswered"]),
            answered_ms=int(row["answered_ms"]),
            who=str(row["who"]),
            today=str(row["today"]),
            done=int(row["done"]),
        )

    def row(self, state: DutyRoomState, now: Now) -> dict[str, Any]:
        """For the journal."""
        return {
            "next": state.next.kept(now).row() if state.next else None,
            "answer_by": state.answer_by.kept(now).row() if state.answer_by else None,
            "asked_ms": state.asked_ms,
            "unanswered": state.unanswered,
            "answered_ms": state.answered_ms,
            "who": state.who,
            "today": state.today,
            "done": state.done,
        }

    def step(self, state: DutyRoomState, what: What, view: View) -> Step:
        """What follows from an answer, or from time."""
        out = Step(state)
        sign = None
        if isinstance(what, Reading):
            known, sign = sign_of(self.spec.signers, out.state.known, what)
            out.state = replace(out.state, known=known)
        elif isinstance(what, Command):
            sign = sign_by(what)
            if out.state.answer_by is None:
                out.refused = "no question is open: an answer counts when the duty room was asked"
        if view.knows_the_time:
            self._begin(out, view)
            if sign is not None and out.state.answer_by is not None:
                self._answered(out, sign, view)
            self._follow_the_clock(out, view)
        elif not out.refused and sign is not None:
            out.refused = NO_CLOCK
        known_now = view.knows_the_time or out.state.unanswered
        reason = "" if view.knows_the_time else NO_CLOCK
        value = out.state.unanswered if known_now else None
        out.state = replace(out.state, told=tell(out, self.id, out.state.told, value, view, reason))
        return out

    def explain(self, state: DutyRoomState, point: str, view: View) -> Iterator[Why]:
        """What an answer by this point would mean now."""
        if point in self.points | {self.id}:
            yield Why(state.answer_by is not None, self.report(state, view).text)

    def report(self, state: DutyRoomState, view: View) -> Report:
        """Where the duty room stands now. When the next question comes is not told."""
        name, due_ms = self.spec.name, 0
        if state.answer_by is None:
            word, zh, en = "not asked", "现在没有查岗", "no question is open"
        else:
            due_ms = state.asked_ms + round(self.spec.within_s * 1000)
            since = local_time(view, state.asked_ms)
            if state.unanswered:
                word, zh, en = "unanswered", f"{since} 查岗未应答", f"asked at {since}, nobody has answered"
            else:
                end = local_time(view, due_ms)
                word, zh, en = "asked", f"{since} 查岗，{end} 前应答", f"asked at {since}, answer until {end}"
        text = Text(f"{name.zh}：{zh}", f"{name.en}: {en}")
        return Report(self.id, self.name, self.spec.place, name, word, text, state.who, due_ms, state.done)

    # --- questions -----------------------------------------------------------------------------

    def _begin(self, out: Step, view: View) -> None:
        """The first look of this run: deadlines go on. A question that ran out while nobody could answer is put again."""
        state = out.state
        if state.begun:
            return
        state = replace(state, begun=True, next=state.next and state.next.resumed(view.now))
        if state.answer_by is not None:
            answer_by = state.answer_by.resumed(view.now)
            if answer_by.until_s <= view.now.now_s and not state.unanswered:
                answer_by = Deadline(view.now.now_s + self.spec.within_s)
                state, out.keep = replace(state, asked_ms=view.now.at_ms), True
            state = replace(state, answer_by=answer_by, beep_s=view.now.now_s)
            out.asks += self._lamp(True)
        out.state = state

    def _follow_the_clock(self, out: Step, view: View) -> None:
        state, now = out.state, view.now
        if state.answer_by is not None:
            if now.now_s >= state.answer_by.until_s and not state.unanswered:
                out.state, out.keep = replace(state, unanswered=True), True
            self._beep(out, view)
            wake(out, view, state.answer_by.until_s)
            return
        if not self._in_hours(view):
            if state.next is not None:
                out.state, out.keep = replace(state, next=None), True
            return
        if state.next is None:
            self._draw(out, 0.0, self.spec.max_interval_s, view)
        elif now.now_s >= state.next.until_s:
            self._ask(out, view)
        if out.state.next is not None:
            wake(out, view, out.state.next.until_s)

    def _in_hours(self, view: View) -> bool:
        local = datetime.fromtimestamp(view.now.at_ms / 1000, UTC).astimezone(view.calendar.zone)
        minute = local.hour * 60 + local.minute
        return any(start <= minute < end for start, end in self.spec.hours)

    def _draw(self, out: Step, least_s: float, most_s: float, view: View) -> None:
        """The next question: so long from now, at least and at most."""
        seed = f"{self.spec.seed}|{self.id}|{out.state.asked_ms}|{view.now.at_ms}|{view.now.now_s!r}"
        share = int.from_bytes(sha256(seed.encode()).digest()[:8]) / 2**64
        out.state = replace(out.state, next=Deadline(view.now.now_s + least_s + share * (most_s - least_s)))
        out.keep = True

    def _ask(self, out: Step, view: View) -> None:
        name, now = self.spec.name, view.now
        text = Text(f"值班查岗：{name.zh}，请应答", f"Duty room asked: {name.en}, please answer")
        out.said.append(said("asked", self.id, self.spec.place, text, within_s=round(self.spec.within_s)))
        out.state = replace(out.state, next=None, answer_by=Deadline(now.now_s + self.spec.within_s), asked_ms=now.at_ms, beep_s=now.now_s)
        out.keep = True
        out.asks += self._lamp(True)
        self._beep(out, view)
        wake(out, view, now.now_s + self.spec.within_s)

    def _answered(self, out: Step, sign: Sign, view: View) -> None:
        state, now, name = out.state, view.now, self.spec.name
        assert state.answer_by is not None
        response_s = round(max(now.at_ms - state.asked_ms, 0) / 1000, 1)
        who_zh, who_en = (f"（{sign.who}）", f" ({sign.who})") if sign.who else ("", "")
        text = Text(f"值班查岗已应答：{name.zh}{who_zh}", f"Duty room answered: {name.en}{who_en}")
        out.said.append(
            said("answered", self.id, self.spec.place, text, response_s=response_s, in_time=not state.unanswered, **sign.data())
        )
        today = view.calendar.local_date(now.at_ms).isoformat()
        done = state.done + 1 if today == state.today else 1
        state = replace(state, answer_by=None, unanswered=False, answered_ms=now.at_ms, who=sign.who, today=today, done=done)
        out.state, out.reply = state, f"answered after {response_s:g} s"
        out.asks += self._lamp(False)
        self._draw(out, self.spec.min_interval_s, self.spec.max_interval_s, view)

    # --- lamp and buzzer -----------------------------------------------------------------------

    def _lamp(self, on: bool) -> list[Asked]:
        return [Asked(self.spec.lamp, on, f"rule {self.id}", "rule", "rule")] if self.spec.lamp else []

    def _beep(self, out: Step, view: View) -> None:
        """A short sound again and again while the question is open."""
        if not self.spec.buzzer:
            return
        if view.now.now_s >= out.state.beep_s:
            out.asks.append(Asked(self.spec.buzzer, True, f"rule {self.id}", "rule", "rule", BEEP_S, quiet=True))
            out.state = replace(out.state, beep_s=view.now.now_s + BEEP_EVERY_S)
        wake(out, view, out.state.beep_s)
