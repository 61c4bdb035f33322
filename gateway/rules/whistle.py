"""The whistle (学校吹哨、部门报到): somebody calls, and each one who is called reports in by a time of his own.

It is blown by a command or by an alarm, and is over when all have reported in, when it is ended by name, or after a day. Whoever is
overdue is named in an event, and the whistle's own point gives alarm until he is there. What begins in a drill or a test blows nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from gateway.core.chains import Addressee, WhistleSpec
from gateway.core.commands import Command
from gateway.core.deadline import Deadline
from gateway.core.linkage import Moved, Said
from gateway.core.points import Text
from gateway.core.reading import Now, Reading
from gateway.rules.authority import same_person
from gateway.rules.rule import OfSpec, Step, View, What, Why

LONGEST_S = 24 * 3600.0
BEGINS = frozenset({"activated", "repeated"})
LONGEST_WORDS = 200


@dataclass(frozen=True, slots=True)
class Call:
    """One whistle that was blown. id: of its event. over: a day later. reported: (name, seconds). overdue: who was named as such."""

    id: str
    event_class: str
    over: Deadline
    reported: tuple[tuple[str, float], ...] = ()
    overdue: frozenset[str] = frozenset()

    def after_s(self, now: Now) -> float:
        """Seconds since it was blown."""
        return LONGEST_S - (self.over.until_s - now.now_s)


@dataclass(frozen=True, slots=True)
class WhistleState:
    """call: what runs, or None. told: what the whistle's point was last said to show, None before the first time of a run."""

    call: Call | None = None
    told: bool | None = None


@dataclass(frozen=True, slots=True)
class Whistle(OfSpec):
    """One whistle of a site. Satisfies rules.rule.Rule."""

    spec: WhistleSpec

    @property
    def name(self) -> str:
        """As in docs/rules.md."""
        return "whistle"

    @property
    def alarms(self) -> frozenset[str]:
        """The alarms that blow it."""
        return self.spec.causes

    @property
    def commands(self) -> frozenset[str]:
        """Blow, report in, end."""
        return frozenset({"whistle", "report_in", "end_whistle"})

    def begin(self, row: dict[str, Any] | None) -> WhistleState:
        """What was blown in an earlier run and is not over."""
        kept = None if row is None else row["call"]
        if kept is None:
            return WhistleState()
        reported = tuple((str(name), float(seconds)) for name, seconds in kept["reported"])
        overdue = frozenset(map(str, kept["overdue"]))
        return WhistleState(Call(str(kept["id"]), str(kept["event_class"]), Deadline.read(kept["over"]), reported, overdue))

    def row(self, state: WhistleState, now: Now) -> dict[str, Any]:
        """For the journal."""
        call = state.call
        if call is None:
            return {"call": None}
        return {
            "call": {
                "id": call.id,
                "event_class": call.event_class,
                "over": call.over.resumed(now).kept(now).row(),
                "reported": [list(one) for one in call.reported],
                "overdue": sorted(call.overdue),
            }
        }

    def step(self, state: WhistleState, what: What, view: View) -> Step:
        """A command, an alarm that blows it, or time."""
        if state.call is not None:
            state = replace(state, call=replace(state.call, over=state.call.over.resumed(view.now)))
        out = Step(state)
        if isinstance(what, Command):
            self._command(out, what, view)
        elif isinstance(what, Moved) and what.word in BEGINS and what.mode == "normal" and state.call is None:
            self._blow(out, view, what)
        self._look(out, view)
        self._tell(out, view)
        return out

    def explain(self, state: WhistleState, point: str, view: View) -> Iterator[Why]:
        """Whom an alarm of this point would call."""
        if not any(key.partition("/")[0] == point for key in self.spec.causes):
            return
        names = [one.name for one in self.spec.addressees]
        zh, en = f"吹哨：{'、'.join(names)} 报到", f"whistle: {', '.join(names)} report in"
        if state.call is not None:
            yield Why(False, Text(f"{zh}；已吹哨，不重复", f"{en}: not now, it is blown already"))
        elif (mode := view.mode(point)) != "normal":
            yield Why(False, Text(f"{zh}；现为非正常模式，不吹哨", f"{en}: not now, mode is {mode}"))
        else:
            yield Why(True, Text(zh, en))

    # --- what happens ---------------------------------------------------------------------------

    def _command(self, out: Step, asked: Command, view: View) -> None:
        call = out.state.call
        if asked.kind == "whistle":
            if call is not None:
                out.refused = f"{self.id} is blown already; waiting for {', '.join(self._missing(call))}"
            elif not asked.why.strip():
                out.refused = "a whistle needs words: what has happened, where to come"
            else:
                self._blow(out, view, asked)
        elif call is None:
            out.refused = f"{self.id} is not blown"
        elif asked.kind == "end_whistle":
            self._end(out, call, view, asked.by, asked.why[:LONGEST_WORDS])
        else:
            self._report(out, call, asked, view)

    def _blow(self, out: Step, view: View, by: Moved | Command) -> None:
        """Call all. By an alarm it travels in class alarm, so that it is sent again as often; by hand in class duty."""
        by_alarm = isinstance(by, Moved)
        call = Call(view.new_id(), "alarm" if by_alarm else "duty", Deadline(view.now.now_s + LONGEST_S))
        data: dict[str, object] = {
            "addressees": [
                {"name": one.name, "kind": "recipient" if one.recipient else "person", "deadline_s": one.deadline_s}
                for one in self.spec.addressees
            ],
            "cause": [by.event_id] if isinstance(by, Moved) else [],
        }
        if isinstance(by, Command):
            data |= {"by": by.by, "why": by.why[:LONGEST_WORDS]}
        else:
            data |= {"incident": view.incident(by.key) or None, "point": by.point}
        names = [one.name for one in self.spec.addressees]
        words = Text(f"吹哨：请{'、'.join(names)}报到", f"Whistle blown: {', '.join(names)} to report in")
        out.said.append(self._said(call, "whistle", words, data, event_id=call.id))
        out.state, out.keep = replace(out.state, call=call), True
        out.reply = f"{self.id} blown: {', '.join(names)}"

    def _report(self, out: Step, call: Call, asked: Command, view: View) -> None:
        """A recipient reports by a signed command, a person by name."""
        addressee = self._meant(asked)
        if addressee is None:
            known = ", ".join(one.name for one in self.spec.addressees)
            out.refused = f"{asked.by[:48]!r} is not called by {self.id}; called are: {known}"
        elif addressee.name in dict(call.reported):
            out.refused = f"{addressee.name} has reported in already"
        else:
            seconds = round(call.after_s(view.now), 1)
            call = replace(call, reported=(*call.reported, (addressee.name, seconds)))
            missing = self._missing(call)
            words = Text(f"报到：{addressee.name}（{seconds:g} 秒）", f"Reported in: {addressee.name} after {seconds:g} s")
            data: dict[str, object] = {
                "who": addressee.name,
                "seconds": seconds,
                "late": seconds > addressee.deadline_s,
                "missing": missing,
            }
            out.said.append(self._said(call, "whistle_reported", words, data))
            out.state, out.keep = replace(out.state, call=call), True
            out.reply = f"{addressee.name} reported in; still missing: {', '.join(missing) or 'nobody'}"
            if not missing:
                self._answered(out, call)

    def _meant(self, asked: Command) -> Addressee | None:
        """A signed command counts for the recipient whose key signed it; `recipient: person` names both."""
        by_centre = asked.origin == "mqtt"
        name = asked.by.partition(":")[0] if by_centre else asked.by
        for one in self.spec.addressees:
            if one.recipient is by_centre and same_person(one.name, name):
                return one
        return None

    def _answered(self, out: Step, call: Call) -> None:
        words = Text(f"吹哨全部报到：{self.spec.name.zh}", f"All have reported in: {self.spec.name.en}")
        out.said.append(self._said(call, "whistle_answered", words, {"seconds": dict(call.reported)}))
        out.state, out.keep = replace(out.state, call=None), True

    def _end(self, out: Step, call: Call, view: View, by: str, why: str) -> None:
        missing = self._missing(call)
        words = Text(f"吹哨结束，未报到：{'、'.join(missing)}", f"Whistle ended; did not report in: {', '.join(missing)}")
        data: dict[str, object] = {"by": by, "why": why, "missing": missing, "seconds": dict(call.reported)}
        out.said.append(self._said(call, "whistle_ended", words, data))
        out.state, out.keep = replace(out.state, call=None), True
        out.reply = f"{self.id} ended; did not report in: {', '.join(missing)}"

    def _look(self, out: Step, view: View) -> None:
        """Name those whose time is over."""
        call = out.state.call
        if call is None:
            return
        after_s = call.after_s(view.now)
        if after_s >= LONGEST_S:
            self._end(out, call, view, "", "a day is over")
            return
        missing = [one for one in self.spec.addressees if one.name not in dict(call.reported)]
        late = [one.name for one in missing if one.deadline_s <= after_s and one.name not in call.overdue]
        if late:
            call = replace(call, overdue=call.overdue | frozenset(late))
            words = Text(f"逾期未报到：{'、'.join(late)}", f"Has not reported in by the deadline: {', '.join(late)}")
            out.said.append(self._said(call, "whistle_overdue", words, {"who": late, "missing": self._missing(call)}))
            out.state, out.keep = replace(out.state, call=call), True
        due_s = [one.deadline_s for one in missing if one.deadline_s > after_s] + [LONGEST_S]
        out.wake_s.append(call.over.until_s - LONGEST_S + min(due_s))

    def _tell(self, out: Step, view: View) -> None:
        """The whistle's own point: somebody is overdue and still missing."""
        call = out.state.call
        shows = call is not None and bool(call.overdue - dict(call.reported).keys())
        if shows is not out.state.told:
            reason = ", ".join(sorted(call.overdue - dict(call.reported).keys())) if call is not None and shows else ""
            out.readings.append(Reading(self.id, shows, reason=reason, now_s=view.now.now_s))
            out.state = replace(out.state, told=shows)

    def _missing(self, call: Call) -> list[str]:
        there = dict(call.reported)
        return [one.name for one in self.spec.addressees if one.name not in there]

    def _said(self, call: Call, word: str, words: Text, data: dict[str, object], event_id: str = "") -> Said:
        about: dict[str, object] = {
            "whistle": self.id,
            "name": {"zh": self.spec.name.zh, "en": self.spec.name.en},
            "place": self.spec.place,
            "text": {"zh": words.zh, "en": words.en},
            "msgType": "Alert" if event_id else "Update",
            "cause": [] if event_id else [call.id],
        }
        return Said(call.event_class, f"duty.{word}", self.id, about | data, urgent=word in ("whistle", "whistle_overdue"), id=event_id)
