"""What would happen now if a point showed a value, and why: the real `decide` on a twin of the house, played some minutes ahead.

Nothing of the house itself changes. The twin's outputs obey, its broker and its recipients answer; a second twin to which nothing
happens shows what would have come anyway, and that is left out.
"""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

from gateway.core.commands import Delivered, Photographed, Tick
from gateway.core.deadline import Deadline
from gateway.core.ids import EventIds
from gateway.core.linkage import CLIP
from gateway.core.outputs import OutputDone, OutputOrder
from gateway.core.points import Above, Below, Contact, Draft, EventClass, OneOf, Point, Press
from gateway.core.reading import Now, Reading, Value
from gateway.rules.linkage import MODES, WINDOWS
from gateway.rules.modes import MODES as RUN_MODES
from gateway.rules.modes import Run
from gateway.runtime.decide import Decision, House, Stimuli, decide
from gateway.runtime.decide_house import Turn
from gateway.runtime.decide_school import SCHOOL_TICK, view

AHEAD_S = 605.0  # ten minutes, and what falls due at their end
LOOKS_MOST = 3000  # of one play; a site whose rules look that often is cut short, and that is said
LINES_MOST = 400
SAME_S = 1.0  # what comes in both plays at about the same time would have come anyway
BROKER_S, RECEIPT_S, OBEYED_S = 0.2, 0.5, 0.1
_PLAYED = "explain"  # stands for a person or a run that the play has made up
_UNTOLD = frozenset({"campus.output.done", "campus.audit.command"})


@dataclass(frozen=True, slots=True)
class Asking:
    """The question. value: None for what makes the point give alarm. mode: '' for the one that the point is in."""

    point: str
    value: Value = None
    mode: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that would happen. t_s: seconds from now. kind: event, output, picture."""

    t_s: float
    kind: str
    zh: str
    en: str


def asked(request: dict[str, Any], house: House) -> Asking:
    """The question of a visitor at the door. Raises ValueError, in words, for a point, value or mode that cannot be."""
    point, value, mode = request.get("point"), request.get("value"), request.get("mode") or ""
    if not isinstance(point, str) or point not in house.points:
        raise ValueError(f'"{str(point)[:48]}" is not a point of this site')
    if value is not None and not isinstance(value, bool | int | float | str):
        raise ValueError("`value` is true, false, a number or text")
    if mode not in ("", "normal", *RUN_MODES):
        raise ValueError(f'"{str(mode)[:20]}" is not a mode; expected normal, drill, test or maintenance')
    return Asking(point, value, mode)


def explain(house: House, quiet_house: House, asking: Asking, now: Now) -> dict[str, Any]:
    """The answer as JSON: value, mode, window, then `follows` in the order of time, `rules` with why each acts or not, `cut` if short.

    Both houses are twins of the real one, and are used up. Takes up to a second: not for an event loop.
    """
    point = house.points[asking.point]
    value = alarming(house, point) if asking.value is None else asking.value
    played, quiet = _Play(house, now), _Play(quiet_house, now)
    for play in (played, quiet):
        _enter(play.house, asking, now)
        play.take(Tick(SCHOOL_TICK))
        if point.kind == "counter" and "counter" not in house.marks.get(point.id, {}) and isinstance(value, int):
            play.take(Reading(point.id, value - 1, now_s=now.now_s))  # the first count that is ever read is no press
    shown = view(Turn(played.house, now, lambda at_ms: "", Decision()))
    mode = shown.mode(point.id)
    rules = [
        {"rule": rule.id, "name": rule.name, "acts": why.acts, "zh": why.text.zh, "en": why.text.en}
        for rule in played.house.school.rules.values()
        for why in rule.explain(played.house.school.states[rule.id], point.id, shown)
    ]
    alarms = {spec.key: shown.state(spec.key) for spec in point.alarms if not spec.auxiliary}
    output = point.kind == "output"
    if not output:
        played.lines, quiet.lines = [], []
        played.take(Reading(point.id, value, now_s=now.now_s))
        played.run()
        quiet.run()
    follows = [line for line in played.lines if not _comes_anyway(line, quiet.lines)][:LINES_MOST]
    return {
        "point": point.id,
        "name": {"zh": point.name.zh, "en": point.name.en},
        "value": None if output else value,
        "window": {"zh": WINDOWS[shown.window].zh, "en": WINDOWS[shown.window].en},
        "mode": {"zh": MODES[mode].zh, "en": MODES[mode].en},
        "alarms": alarms,
        "follows": [{"t_s": round(line.t_s, 1), "kind": line.kind, "zh": line.zh, "en": line.en} for line in follows],
        "rules": rules,
        "ahead_s": 0 if output else AHEAD_S,
        "cut": played.cut or quiet.cut,
    }


def _comes_anyway(line: Line, others: list[Line]) -> bool:
    return any((line.kind, line.en) == (other.kind, other.en) and abs(line.t_s - other.t_s) < SAME_S for other in others)


def alarming(house: House, point: Point) -> Value:
    """A value that makes this point give alarm; of a counter one more than it shows; true where nothing else is known."""
    for spec in point.alarms:
        match spec.condition:
            case Contact(active):
                return active
            case Press():
                known = house.marks.get(point.id, {}).get("counter")
                return int(known or 0) + 1 if point.kind == "counter" else True
            case Above(limit) | Below(limit):
                fixed = point.baseline.fixed or 0.0 if point.baseline is not None else 0.0
                highest = [other.condition.limit for other in point.alarms if isinstance(other.condition, Above)]
                return max(highest, default=limit) + fixed
            case OneOf(values):
                return min(values)
            case _:
                continue
    return True


# --- twins --------------------------------------------------------------------------------------


def twin(house: House) -> House:
    """A house that can be played with. What is frozen is shared."""
    made: House = _twin(house)
    return made


def _twin(value: Any) -> Any:
    """Containers are copied, and so is every dataclass that may change; what they hold is frozen."""
    if isinstance(value, dict | list | set | deque):
        return copy(value)
    made: Any = value
    if not is_dataclass(value) or getattr(type(value), "__dataclass_params__").frozen:  # noqa: B009 (no public name)
        return made
    made = copy(made)
    for each in fields(value):
        setattr(made, each.name, _twin(getattr(value, each.name)))
    return made


def _enter(house: House, asking: Asking, now: Now) -> None:
    """Put the point into the mode that was asked for."""
    if not asking.mode:
        return
    house.modes.runs = tuple(run for run in house.modes.runs if asking.point not in run.points)
    if asking.mode in RUN_MODES:
        ends = Deadline(now.now_s + 2 * AHEAD_S)
        run = Run(
            _PLAYED, asking.mode, "other", (asking.point,), _PLAYED, "technician", "", 2 * AHEAD_S, ends, begun_ms=max(now.at_ms, 1)
        )  # fmt: skip
        house.modes.runs = (*house.modes.runs, run)


# --- the play -----------------------------------------------------------------------------------


@dataclass(slots=True)
class _Play:
    """A house in virtual time. lines: what happened, in order."""

    house: House
    start: Now
    lines: list[Line] = field(default_factory=list)
    cut: bool = False
    _t_s: float = 0.0
    _looks: int = 0
    _wakes: dict[str, float] = field(default_factory=dict)
    _later: list[tuple[float, int, Stimuli]] = field(default_factory=list)
    _count: Iterator[int] = field(default_factory=itertools.count)
    _ids: Callable[[int], str] = field(default_factory=EventIds)

    def run(self) -> None:
        """Everything that follows within AHEAD_S."""
        while self._looks < LOOKS_MOST:
            wake_s = min(self._wakes.values(), default=float("inf")) - self.start.now_s
            later_s = self._later[0][0] if self._later else float("inf")
            if min(wake_s, later_s) > AHEAD_S:
                return
            self._t_s = max(self._t_s, min(wake_s, later_s))
            if later_s <= wake_s:
                self.take(heapq.heappop(self._later)[2])
            else:
                name = min(self._wakes, key=self._wakes.__getitem__)
                del self._wakes[name]
                self.take(Tick(name))
        self.cut = True

    def take(self, stimulus: Stimuli) -> None:
        """Decide, take over, note what follows, let field and centre answer."""
        self._looks += 1
        now = Now(self.start.now_s + self._t_s, self.start.at_ms + round(self._t_s * 1000), self.start.clock)
        decision = decide(self.house, stimulus, now, self._ids)
        self._note(decision)
        self.house.apply(decision)
        for due_s, name in decision.wake:
            self._wakes[name] = min(max(due_s, now.now_s + 0.001), self._wakes.get(name, float("inf")))
        for order in decision.outputs:
            self._obey(order)
        for draft in decision.drafts:
            self._answer(draft)
        for picture in decision.snapshots:
            self._after(RECEIPT_S, Photographed(picture.id))

    def _obey(self, order: OutputOrder) -> None:
        self._after(OBEYED_S, OutputDone(order.output, order.number))
        confirm = self.house.fittings.outputs[order.output].confirm
        shown = None if confirm is None else confirm.on if order.on else confirm.off
        if confirm is not None and shown is not None:
            self._after(2 * OBEYED_S, Reading(confirm.point, shown, now_s=self.start.now_s + self._t_s + 2 * OBEYED_S))

    def _answer(self, draft: Draft) -> None:
        if draft.event_class is EventClass.ALARM and draft.type.endswith(".activated"):
            self._after(BROKER_S, Delivered(draft.id, "broker_acked"))
            for recipient in sorted(self.house.modes.signers.get("alarm", ())):
                self._after(RECEIPT_S, Delivered(draft.id, "received", recipient))

    def _after(self, seconds: float, stimulus: Stimuli) -> None:
        heapq.heappush(self._later, (self._t_s + seconds, next(self._count), stimulus))

    def _note(self, decision: Decision) -> None:
        for draft in decision.drafts:
            if draft.type not in _UNTOLD:
                self._event(draft)
        for asked in decision.asked:
            how_zh, how_en = ("开", "on") if asked.on else ("关", "off")
            for_s = f" {asked.pulse_s:g} s" if asked.on and asked.pulse_s else ""
            self._line("output", f"{asked.output} {how_zh}{for_s}（{asked.by}）", f"{asked.output} {how_en}{for_s}, by {asked.by}")
        for picture in decision.snapshots:
            zh, en = ("录像片段", "clip") if picture.kind == CLIP else ("抓拍", "picture")
            self._line("picture", f"{picture.camera} {zh}", f"{en} of {picture.camera}")

    def _event(self, draft: Draft) -> None:
        text = draft.data.get("text")
        zh, en = (text["zh"], text["en"]) if isinstance(text, dict) else ("", "")
        state, status, reason = draft.data.get("state"), draft.data.get("status"), draft.data.get("reason")
        marks = [str(mark) for mark in (state, status if status not in ("Actual", "System") else "", reason) if mark]
        to = ", ".join(sorted(self.house.modes.signers.get(str(draft.event_class), ()))) or "broker"
        words = f"{draft.type.removeprefix('campus.')} {draft.subject}"
        more = f" ({'; '.join(marks)})" if marks else ""
        self._line("event", f"{words} {zh}{more} → {to}", f"{words} {en}{more} -> {to}")

    def _line(self, kind: str, zh: str, en: str) -> None:
        if len(self.lines) < LINES_MOST * 2:
            self.lines.append(Line(self._t_s, kind, zh, en))


# --- words --------------------------------------------------------------------------------------


def lines(answer: dict[str, Any], at: str) -> list[str]:
    """The answer for people, Chinese and English. at: the time that it is about."""
    value = answer["value"]
    shown = "" if value is None else f" = {str(value).lower() if isinstance(value, bool) else value}"
    window, mode, name = answer["window"], answer["mode"], answer["name"]
    out = [
        f"{answer['point']}{shown}  {name['zh']} / {name['en']}",
        f"{at}  时段 window: {window['zh']} / {window['en']}  模式 mode: {mode['zh']} / {mode['en']}",
    ]
    out += [f"  {key}: {state}" for key, state in answer["alarms"].items()]
    if answer["ahead_s"]:
        out.append(f"随后 what follows within {answer['ahead_s'] / 60:.0f} min, if outputs and cameras obey and the centre answers:")
        out += [f"  T+{row['t_s']:<6g} {row['kind']:8} {row['en']}\n{'':18}{row['zh']}" for row in answer["follows"]] or ["  nothing 无"]
        out += ["  ... cut short: too much follows 内容过多，已截断"] if answer["cut"] else []
    acting = [row for row in answer["rules"] if row["acts"]]
    idle = [row for row in answer["rules"] if not row["acts"]]
    for title, rows in (("规则 rules that act:", acting), ("不动作 rules that do not act now:", idle)):
        out += [title] if rows else []
        out += [f"  {row['rule']} ({row['name']}): {row['en']}\n{'':6}{row['zh']}" for row in rows]
    if not answer["rules"]:
        out.append("规则 rules: none looks at this point 没有规则关注此点")
    return out
