"""Hazard ledger (隐患台账): every hazard has a person and a day, and is closed only after a second person has seen it set right.

Each change is one entry of the ledger, an event of class duty. Entries are numbered, and each holds the sha-256 of the one before it, so
that the ledger proves itself whole by the entries alone. docs/hazards.md draws the states.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any

from gateway.contract.canonical import canonical, digest
from gateway.contract.envelope import rfc3339
from gateway.core.commands import Command
from gateway.core.hazards import (
    ASSIGNED,
    CLOSED,
    COMMISSION,
    FIXED,
    LEDGER,
    MOST_NOTE,
    MOST_STEPS,
    NO_ENTRY,
    OPEN,
    VERIFIED,
    Found,
    Hazard,
    HazardsSpec,
    HazardStep,
    Watched,
)
from gateway.core.linkage import Moved, Said
from gateway.core.points import Text
from gateway.core.reading import Now, Reading
from gateway.rules.authority import LONGEST_WORDS, could_be_one
from gateway.rules.duty import NO_CLOCK, tell
from gateway.rules.rule import OfSpec, Step, View, What, Why

OPEN_HAZARD, ASSIGN, FIX, VERIFY, CLOSE = COMMANDS = ("open_hazard", "assign_hazard", "fix_hazard", "verify_hazard", "close_hazard")
# From where each command leads to where; `no` stands for a hazard that was looked at and is not right.
TABLE: dict[tuple[str, str], str] = {
    (OPEN, ASSIGN): ASSIGNED,
    (ASSIGNED, ASSIGN): ASSIGNED,
    (ASSIGNED, FIX): FIXED,
    (FIXED, VERIFY): VERIFIED,
    (FIXED, "no"): ASSIGNED,
    (VERIFIED, CLOSE): CLOSED,
}
STANDS = frozenset({"unacknowledged", "acknowledged", "latched_unacknowledged", "latched_acknowledged"})
HIDDEN = frozenset({"shelved", "out_of_service"})  # whether its cause is gone, nobody is told
AGAIN = frozenset({"activated", "repeated"})
REMEMBERED_DAYS = 400  # after closing: a fault that comes again is the same hazard
MOST_CLOSED = 200  # that are remembered; all are in the events
MOST_OPEN = 200
MOST_FOUND = 100  # characters of what a rule found; its note is in its own event
MOST_NEW = 10  # opened by faults at one look; the rest at the next
TOGETHER_MS = 60_000  # points of one device that fail within it fail for one reason
DUE_MOST_DAYS = 731
GATEWAY = "gateway"  # who opens what opens by itself
NAMED = 5  # overdue ones that the fault names
_DAY_MS = 86_400_000

_WORDS = {
    "opened": Text("隐患登记", "Hazard opened"),
    "assigned": Text("隐患交办", "Hazard assigned"),
    "rejected": Text("复查不合格，退回整改", "Hazard is not set right, back to"),
    "fixed": Text("整改完成，待复查", "Hazard set right, to be verified"),
    "verified": Text("复查合格，待销号", "Hazard verified, to be closed"),
    "closed": Text("隐患销号", "Hazard closed"),
    "reopened": Text("隐患复发，重新整改", "Hazard came again, reopened"),
}


@dataclass(frozen=True, slots=True)
class HazardsState:
    """hazards: not closed, in order of number. closed: of the last 400 days, the newest last, their steps shortened.

    number: the last given. entry, sha256: of the last entry. late: numbers that are overdue and were told; told_ms: when, UTC.
    begun: alarm -> monotonic seconds of its beginning in this run. told: what the rule's point showed last in this run.
    left_out: how many findings were not entered since the ledger is full. rebuilt: made from its entries, and nobody has taken note.
    """

    hazards: tuple[Hazard, ...] = ()
    closed: tuple[Hazard, ...] = ()
    number: int = 0
    entry: int = 0
    sha256: str = NO_ENTRY
    late: frozenset[int] = frozenset()
    told_ms: int = 0
    begun: Mapping[str, float] = field(default_factory=dict)
    told: str = ""
    left_out: int = 0
    rebuilt: bool = False

    def find(self, name: str) -> Hazard | None:
        """By its id, also of one that is closed."""
        return next((hazard for hazard in (*self.hazards, *reversed(self.closed)) if hazard.id == name), None)

    def of_alarm(self, key: str) -> Hazard | None:
        """The one that stands for this alarm, rather one that is not closed."""
        return next((hazard for hazard in (*self.hazards, *reversed(self.closed)) if hazard.alarm == key), None)


def told(hazard: Hazard, today: str) -> dict[str, Any]:
    """One hazard as pages, reports and commands show it. today: the date on the school's own wall."""
    steps = [{"step": each.step, "at": rfc3339(each.at_ms), "by": each.by, "why": each.why} for each in hazard.steps]
    return {**about(hazard), "overdue": hazard.is_overdue(today), "steps": steps}


def about(hazard: Hazard) -> dict[str, Any]:
    """The same without what depends on the day, and without its steps."""
    return {
        "hazard": hazard.id,
        "number": hazard.number,
        "state": hazard.state,
        "source": hazard.source,
        "alarm": hazard.alarm,
        "place": hazard.place,
        "zh": hazard.text.zh,
        "en": hazard.text.en,
        "responsible": hazard.responsible,
        "due": hazard.due,
        "opened_at": rfc3339(hazard.opened_ms),
        "recurrences": hazard.recurrences,
        "extended": hazard.extended,
    }


@dataclass(frozen=True, slots=True)
class Hazards(OfSpec):
    """The ledger of a site. Satisfies rules.rule.Rule."""

    spec: HazardsSpec

    @property
    def name(self) -> str:
        """Of the kind of rule."""
        return LEDGER

    @property
    def alarms(self) -> frozenset[str]:
        """Faults and tamper alarms of the site, and its own: whoever takes it has been told."""
        return frozenset({*self.spec.watched, f"{self.id}/alarm"})

    @property
    def commands(self) -> frozenset[str]:
        """What people do with hazards."""
        return frozenset(COMMANDS)

    @property
    def own_targets(self) -> bool:
        """They name a place or a hazard."""
        return True

    def begin(self, row: dict[str, Any] | None) -> HazardsState:
        """The ledger as it was left."""
        if row is None:
            return HazardsState()
        return HazardsState(
            hazards=tuple(Hazard.read(each) for each in row["hazards"]),
            closed=tuple(Hazard.read(each) for each in row["closed"]),
            number=int(row["number"]),
            entry=int(row["entry"]),
            sha256=str(row["sha256"]),
            late=frozenset(int(number) for number in row["late"]),
            told_ms=int(row["told_ms"]),
            left_out=int(row.get("left_out", 0)),
            rebuilt=bool(row.get("rebuilt", False)),
        )

    def row(self, state: HazardsState, now: Now) -> dict[str, Any]:
        """For the journal."""
        return {
            "hazards": [hazard.row() for hazard in state.hazards],
            "closed": [hazard.row() for hazard in state.closed],
            "number": state.number,
            "entry": state.entry,
            "sha256": state.sha256,
            "late": sorted(state.late),
            "told_ms": state.told_ms,
            "left_out": state.left_out,
            "rebuilt": state.rebuilt,
        }

    def step(self, state: HazardsState, what: What, view: View) -> Step:
        """What follows from a command, a fault, something that was found, or from time."""
        out = Step(state)
        if isinstance(what, Found):
            self._take(out, what, view)
        elif isinstance(what, Moved) and what.key == f"{self.id}/alarm":
            if what.word == "acknowledged" and state.rebuilt:
                out.state, out.keep = replace(state, rebuilt=False), True
        elif isinstance(what, Moved):
            self._moved(out, what, view)
        elif isinstance(what, Command):
            self._command(out, what, view)
        elif view.knows_the_time:
            self._look(out, view)
        self._judge(out, view)
        return out

    def explain(self, state: HazardsState, point: str, view: View) -> Iterator[Why]:
        """What a fault of this point that stands now will lead to, or has led to; and what is overdue."""
        hours = f"{self.spec.after_s / 3600:g}"
        for key in self.spec.watched:
            if key.partition("/")[0] != point or view.state(key) not in STANDS:
                continue
            known = state.of_alarm(key)
            if known is not None and known.state != CLOSED:
                yield Why(False, Text(f"{key} 已登记隐患 {known.id}", f"{key}: hazard {known.id} stands for it"))
            else:
                yield Why(view.knows_the_time, Text(f"{key} 持续 {hours} 小时登记隐患", f"{key}: opens a hazard after {hours} h"))
        if point == self.id:
            yield Why(bool(state.late), Text(f"逾期隐患 {len(state.late)} 项", f"overdue hazards: {len(state.late)}"))

    # --- opened by itself ----------------------------------------------------------------------

    def _moved(self, out: Step, what: Moved, view: View) -> None:
        state: HazardsState = out.state
        begun = dict(state.begun)
        if what.word == "activated":
            begun[what.key] = view.now.now_s
        elif view.state(what.key) == "normal":
            begun.pop(what.key, None)
        out.state = replace(state, begun=begun)
        known = state.of_alarm(what.key)
        if what.word in AGAIN and what.mode == "normal" and known is not None and known.state in (FIXED, VERIFIED):
            self._reopen(out, known, view)

    def _look(self, out: Step, view: View) -> None:
        """Faults that have stood long enough; and those that came again while nobody told this rule."""
        closed = _remembered(out.state.closed, view.now.at_ms)
        if len(closed) < len(out.state.closed):
            out.state = replace(out.state, closed=closed)
        failed, new = self._failed(out.state, view), 0
        for key, watched in self.spec.watched.items():
            if view.state(key) not in STANDS or view.mode(key.partition("/")[0]) != "normal":
                continue
            known = out.state.of_alarm(key)
            if known is not None and known.state in (FIXED, VERIFIED):
                fixed = known.last("fixed")
                if fixed is not None and view.since_ms(key) > fixed.at_ms:
                    self._reopen(out, known, view)
                continue
            if known is not None and known.state != CLOSED:
                continue
            if new == MOST_NEW or len(out.state.hazards) >= MOST_OPEN or self._follows(key, watched, failed, view):
                continue
            if self._age_s(out.state, key, view) >= self.spec.after_s:
                if known is not None:
                    self._reopen(out, known, view)
                else:
                    self._open_fault(out, key, watched, view)
                failed.setdefault(watched.device, []).append(view.since_ms(key))
                new += 1

    def _failed(self, state: HazardsState, view: View) -> dict[str, list[int]]:
        """Device -> since when those of its points fail, UTC, for which a hazard is there."""
        found: dict[str, list[int]] = {}
        for hazard in state.hazards:
            watched = self.spec.watched.get(hazard.alarm)
            if watched is not None and view.state(hazard.alarm) in STANDS:
                found.setdefault(watched.device, []).append(view.since_ms(hazard.alarm))
        return found

    def _follows(self, key: str, watched: Watched, failed: Mapping[str, list[int]], view: View) -> bool:
        """The fault is one of its device's: that one stands itself, or another point of it failed at the same time."""
        if not watched.device:
            return False
        if view.state(watched.above) in STANDS | HIDDEN:
            return True
        since_ms = view.since_ms(key)
        return any(abs(at_ms - since_ms) <= TOGETHER_MS for at_ms in failed.get(watched.device, ()))

    def _age_s(self, state: HazardsState, key: str, view: View) -> float:
        """How long the fault has stood. What began in this run is not older than this run says, whatever was done to the clock."""
        age_s = (view.now.at_ms - view.since_ms(key)) / 1000
        return min(age_s, view.now.now_s - state.begun[key]) if key in state.begun else age_s

    def _open_fault(self, out: Step, key: str, watched: Watched, view: View) -> None:
        hours = f"{self.spec.after_s / 3600:g}"
        due = self._usual_due(view)
        hazard = self._new(out, view, "fault", watched.place, watched.text, watched.responsible, due)
        self._enter(out, replace(hazard, alarm=key), "opened", GATEWAY, f"{hours} h", view)

    def _reopen(self, out: Step, hazard: Hazard, view: View, by: str = GATEWAY, why: str = "") -> None:
        again = replace(hazard, state=ASSIGNED, recurrences=hazard.recurrences + 1, due=self._usual_due(view))
        self._enter(out, again, "reopened", by, why, view)

    def _usual_due(self, view: View) -> str:
        return (_today(view) + timedelta(days=self.spec.fix_days)).isoformat()

    # --- opened by people and rules ------------------------------------------------------------

    def _take(self, out: Step, found: Found, view: View) -> None:
        """It is never refused: what it lacks, it gets. What is open already is not opened twice; what was set right was not."""
        key = _clean(found.key)
        if self._stands_already(out, key, found.by, found.why, view):
            return
        if len(out.state.hazards) >= MOST_OPEN:
            out.state, out.keep = replace(out.state, left_out=out.state.left_out + 1, told=""), True
            out.reply = f"not in the ledger: {MOST_OPEN} hazards are not closed"
            return
        due, wrong = _due(found.due, view)
        text = Text(_clean(found.text.zh)[:MOST_FOUND], _clean(found.text.en)[:MOST_FOUND])
        responsible, due = _clean(found.responsible) or self.spec.responsible, self._usual_due(view) if wrong else due
        hazard = self._new(out, view, found.source, found.place, text, responsible, due)
        self._enter(out, replace(hazard, key=key), "opened", _clean(found.by), _clean(found.why), view)

    def _stands_already(self, out: Step, key: str, by: str, why: str, view: View) -> bool:
        """What was found under this key is in the ledger and not closed; it is reopened where it was said to be set right."""
        known = next((each for each in out.state.hazards if key and each.key == key), None)
        if known is None:
            return False
        if known.state in (FIXED, VERIFIED):
            self._reopen(out, known, view, _clean(by), _clean(why))
        else:
            out.reply = f"{known.id} stands for it already: {known.responsible}, {known.due}"
        return True

    def _open_by_hand(self, out: Step, asked: Command, view: View) -> None:
        place, what, responsible = asked.target, _clean(asked.why), _clean(asked.second)
        source = COMMISSION if asked.points[:1] == (COMMISSION,) else "person"  # `points` says what found it, and at which check
        key = _clean(" ".join(asked.points)) if source == COMMISSION and len(asked.points) > 1 else ""
        due, wrong = _due(asked.value, view)
        if place not in self.spec.places:
            wrong = f'"{place[:48]}" is not a place of this site; known: {", ".join(self.spec.places)}'
        elif not what:
            wrong = "say what is wrong there"
        elif not responsible:
            wrong = "a hazard has a responsible person (整改责任人): name one"
        elif self._stands_already(out, key, asked.by, what, view):
            return
        elif len(out.state.hazards) >= MOST_OPEN:
            wrong = f"{MOST_OPEN} hazards are not closed; close some first"
        if wrong:
            out.refused = wrong
            return
        hazard = self._new(out, view, source, place, Text(what, what), responsible, due)
        self._enter(out, replace(hazard, key=key), "opened", _clean(asked.by), "", view)

    def _new(self, out: Step, view: View, source: str, place: str, text: Text, responsible: str, due: str) -> Hazard:
        """With the next number; not entered yet."""
        out.state = replace(out.state, number=out.state.number + 1)
        return Hazard(out.state.number, OPEN, source, place, text, responsible, due, view.now.at_ms)

    # --- steps of people -----------------------------------------------------------------------

    def _command(self, out: Step, asked: Command, view: View) -> None:
        if not view.knows_the_time:
            out.refused = NO_CLOCK
            return
        if asked.kind == OPEN_HAZARD:
            self._open_by_hand(out, asked, view)
            return
        hazard = out.state.find(asked.target)
        if hazard is None:
            known = ", ".join(each.id for each in out.state.hazards) or "none"
            out.refused = f'"{asked.target[:48]}" is not a hazard of this ledger; not closed: {known}'
            return
        if asked.kind == VERIFY and asked.value not in ("", "no"):
            out.refused = f'"{asked.value[:20]}" is no result: expected "no" where it is not right, or nothing'
            return
        rejects = asked.kind == VERIFY and asked.value == "no"
        state = TABLE.get((hazard.state, "no" if rejects else asked.kind))
        if state is None:
            froms = " or ".join(start for start, kind in TABLE if kind == asked.kind)
            out.refused = f"{hazard.id} is {hazard.state}; {asked.kind.replace('_', ' ')} is for one that is {froms}"
            return
        after = replace(hazard, state=state)
        if asked.kind == ASSIGN:
            after, out.refused = self._assigned(after, asked, view)
        elif asked.kind == FIX and not asked.why.strip():
            out.refused = "say what was done"
        elif rejects and not asked.why.strip():
            out.refused = "say what is not right yet"
        elif asked.kind == VERIFY and not rejects:
            out.refused = _why_not_verified(hazard, asked, view)
        if not out.refused:
            self._enter(out, after, state, _clean(asked.by), _clean(asked.why), view, rejected=rejects)

    def _assigned(self, hazard: Hazard, asked: Command, view: View) -> tuple[Hazard, str]:
        """With the person and day that the command names; those that it does not name are confirmed."""
        due, wrong = _due(asked.value, view) if asked.value else (hazard.due, "")
        later = due > hazard.due
        if later and not asked.why.strip():
            wrong = "say why the day is put off"
        responsible = _clean(asked.second) or hazard.responsible
        return replace(hazard, responsible=responsible, due=due, extended=hazard.extended + later), wrong

    # --- entries -------------------------------------------------------------------------------

    def _enter(self, out: Step, hazard: Hazard, step: str, by: str, why: str, view: View, *, rejected: bool = False) -> None:
        """One entry of the ledger, and the hazard as it is from now on."""
        state: HazardsState = out.state
        before = state.find(hazard.id)
        steps = (*hazard.steps, HazardStep(step, view.now.at_ms, by, why[:MOST_NOTE]))
        hazard = replace(hazard, steps=steps if len(steps) <= MOST_STEPS else (steps[0], *steps[1 - MOST_STEPS :]))
        data: dict[str, object] = {
            **about(hazard),
            "status": "Actual",
            "point": self.id,
            "overdue": before is not None and before.is_overdue(_today(view).isoformat()),
            "entry": state.entry + 1,
            "previous_entry": state.sha256,
            "step": step,
            "at": rfc3339(view.now.at_ms),
            "by": by,
            "why": why,
            "text": self._text(hazard, "rejected" if rejected else step),
        }
        if rejected:
            data["rejected"] = True
        out.said.append(Said("duty", f"hazard.{step}", hazard.id, data))
        others = tuple(each for each in state.hazards if each.number != hazard.number)
        closed = tuple(each for each in state.closed if each.number != hazard.number)
        if hazard.state == CLOSED:
            closed = _remembered((*closed, _shortened(hazard)), view.now.at_ms)
        else:
            others = tuple(sorted((*others, hazard), key=lambda each: each.number))
        out.state = replace(state, hazards=others, closed=closed, entry=state.entry + 1, sha256=digest(canonical(data)))
        out.keep = True
        out.reply = f"{hazard.id} is {hazard.state}: {hazard.text.zh}, {hazard.responsible}, {hazard.due}"

    def _text(self, hazard: Hazard, word: str) -> dict[str, str]:
        place = self.spec.places.get(hazard.place, Text(hazard.place, hazard.place))
        where = Text(f"{place.zh}，", f"{place.en}, ") if hazard.place else Text("", "")  # nobody knows where a device may be
        zh = f"{_WORDS[word].zh}：{hazard.id} {where.zh}{hazard.text.zh}，责任人：{hazard.responsible}，期限：{hazard.due}"
        en = f"{_WORDS[word].en}: {hazard.id} {where.en}{hazard.text.en}, responsible: {hazard.responsible}, due {hazard.due}"
        return {"zh": zh, "en": en}

    # --- overdue -------------------------------------------------------------------------------

    def _judge(self, out: Step, view: View) -> None:
        """The fault of the ledger stands while something is overdue. It comes anew for each further one, and from time to time."""
        if not view.knows_the_time:
            out.state = replace(out.state, told=tell(out, self.id, out.state.told, None, view, NO_CLOCK))
            return
        state, today = out.state, _today(view).isoformat()
        found = [hazard for hazard in state.hazards if hazard.is_overdue(today)]
        late = frozenset(hazard.number for hazard in found)
        if state.left_out and len(state.hazards) < MOST_OPEN:
            state, out.keep = replace(state, left_out=0), True
        full = f"台账已满，{state.left_out} 项未登记 ledger is full, not entered: {state.left_out}" if state.left_out else ""
        rebuilt = (
            "台账状态损坏，已由台账记录重建，请核对 ledger was damaged and made anew from its entries: check it" if state.rebuilt else ""
        )
        reason = "; ".join(words for words in (rebuilt, _overdue_words(found) if found else "", full) if words)
        again = late and (late - state.late or not 0 <= view.now.at_ms - state.told_ms < self.spec.remind_s * 1000)
        if again:
            if state.late:
                out.readings.append(Reading(self.id, False, now_s=view.now.now_s))
            out.readings.append(Reading(self.id, True, reason=reason, now_s=view.now.now_s))
            out.state, out.keep = replace(state, late=late, told_ms=view.now.at_ms, told=str(True)), True
            return
        if late != state.late:
            state, out.keep = replace(state, late=late, told=""), True
        out.state = replace(state, told=tell(out, self.id, state.told, bool(reason), view, reason))


def _why_not_verified(hazard: Hazard, asked: Command, view: View) -> str:
    fixed = hazard.last("fixed")
    if fixed is None or could_be_one(fixed.by, asked.by):
        return "a second person verifies: not the one who set it right"
    if could_be_one(hazard.responsible, asked.by):
        return "a second person verifies: not the one who is responsible"
    stands = view.state(hazard.alarm) if hazard.alarm else "normal"
    if stands in STANDS | HIDDEN:
        return f"{hazard.alarm} is {stands.replace('_', ' ')}: the fault itself must be over, and reset, first"
    return ""


def _today(view: View) -> date:
    return view.calendar.local_date(view.now.at_ms)


def _due(words: str, view: View) -> tuple[str, str]:
    """(day, what is wrong with it or '')."""
    try:
        day = date.fromisoformat(words.strip())
    except ValueError:
        return "", f'"{words[:20]}" is not the day by which it is set right (整改期限); expected one such as 2026-12-01'
    today = _today(view)
    if not today <= day <= today + timedelta(days=DUE_MOST_DAYS):
        return "", f"{day} is not a day from today on, two years ahead at most"
    return day.isoformat(), ""


def _overdue_words(found: list[Hazard]) -> str:
    named = ", ".join(f"{hazard.id} {hazard.responsible[:20]} {hazard.due}" for hazard in found[:NAMED])
    return f"{len(found)} 项逾期 overdue: {named}{' …' if len(found) > NAMED else ''}"


def _shortened(hazard: Hazard) -> Hazard:
    """What is remembered of one that is closed: how it began, and its last round."""
    steps = hazard.steps if len(hazard.steps) <= 6 else (hazard.steps[0], *hazard.steps[-5:])
    return replace(hazard, steps=tuple(replace(each, why="") for each in steps))


def _remembered(closed: tuple[Hazard, ...], at_ms: int) -> tuple[Hazard, ...]:
    return tuple(each for each in closed if at_ms - each.steps[-1].at_ms <= REMEMBERED_DAYS * _DAY_MS)[-MOST_CLOSED:]


def _clean(words: str) -> str:
    """As it can be written down: cut, without half characters."""
    return words[:LONGEST_WORDS].encode("utf-8", "replace").decode().strip()
