"""Linkage (联动): cause -> effects, in a window of the day and a mode. Every rule that switches something becomes one of these.

An alarm causes each time it does what the linkage names. A state causes once when it has lasted for its time, and again only
after it was over.

What a linkage has switched it holds, until the linkage's own end or the end of the time that the site file gives: where the output is
found otherwise (its device was away, the gateway was restarted, a shorter time of somebody else ended) it is switched again. Three
things end the holding: the end of the cause, which takes the switching back unless another linkage holds the same output; the end of
the time; and somebody's order to the contrary, which counts at once and until the next cause.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from gateway.core.deadline import Deadline
from gateway.core.linkage import Beep, Effect, LinkageSpec, Moved, OnAlarm, OnState, Switch, TakeSnapshot
from gateway.core.outputs import Asked
from gateway.core.points import Text
from gateway.core.reading import Now, Quality, Reading
from gateway.rules.rule import OfSpec, Step, View, What, Why

BEEP_S = 0.3
BEEP_EVERY_S = 0.8
BETWEEN_BEEPS_S = 1.5  # between two groups: a person counts them
MOST_BEEPS = 60  # that wait; more would sound long after their cause
GRACE_S = 2.0  # the output ends its own time a little later than it was asked for
START_S = 3.0  # after a start the outputs get their safe values first
WRITTEN_S = 5.0  # by then an output shows what was ordered
AGAIN_S = 20.0  # an order that failed is given again after this time, then after twice as long, ...
DOUBLINGS = 6
UNACKNOWLEDGED = frozenset({"unacknowledged", "returned_unacknowledged", "latched_unacknowledged"})
STANDS = {  # until -> states in which the cause is not over
    "acknowledged": UNACKNOWLEDGED,
    "cleared": frozenset({"unacknowledged", "acknowledged"}),
    "reset": UNACKNOWLEDGED | {"acknowledged", "latched_acknowledged"},
}
WINDOWS = {
    "arrival": Text("上学时段", "arrival"),
    "dismissal": Text("放学时段", "dismissal"),
    "lesson": Text("上课时段", "lessons"),
    "night": Text("住校夜间", "boarders' night"),
    "boarding": Text("住校时段", "boarding"),
    "none": Text("非在校时段", "outside school hours"),
}
MODES = {
    "normal": Text("正常", "normal"),
    "drill": Text("演练", "drill"),
    "test": Text("测试", "test"),
    "maintenance": Text("检修", "maintenance"),
}
WORDS = {
    "activated": Text("报警", "gives alarm"),
    "repeated": Text("再次报警", "gives alarm again"),
    "cleared": Text("恢复", "is over"),
    "acknowledged": Text("被确认", "is acknowledged"),
    "reset": Text("被复位", "is reset"),
    "escalated": Text("升级", "is escalated"),
    "broker_acked": Text("已到消息服务器", "has reached the broker"),
    "received": Text("中心已签收", "was received by a centre"),
    "unusable": Text("中心无法使用", "is of no use to a centre"),
}


@dataclass(frozen=True, slots=True)
class LinkageState:
    """since_s: monotonic seconds since when the state shows, None when it does not. fired: it has caused, and is not over.

    causes: alarms (or the point) that are not over. held: output -> the end of its time, None where it has none. back: outputs that
    were taken back and do not show it yet. tries, again_s: of orders that failed. beeps: groups of (output, how many), beep_s: when
    the next one is due. resumed: False until the first step after a start.
    """

    since_s: float | None = None
    fired: bool = False
    causes: frozenset[str] = frozenset()
    held: dict[str, Deadline | None] = field(default_factory=dict)
    back: frozenset[str] = frozenset()
    tries: int = 0
    again_s: float = 0.0
    beeps: tuple[tuple[str, int], ...] = ()
    beep_s: float = 0.0
    resumed: bool = True


@dataclass(frozen=True, slots=True)
class Linkage(OfSpec):
    """One linkage of a site. Satisfies rules.rule.Rule."""

    spec: LinkageSpec

    @property
    def name(self) -> str:
        """The rule that made it."""
        return self.spec.rule

    @property
    def points(self) -> frozenset[str]:
        """The point whose state is its cause, and the outputs that it may hold."""
        cause = frozenset({self.spec.cause.point}) if isinstance(self.spec.cause, OnState) else frozenset()
        return cause | {switch.output for switch in self._switches() if self._holds(switch)}

    @property
    def alarms(self) -> frozenset[str]:
        """The alarms that are its cause."""
        return self.spec.cause.alarms if isinstance(self.spec.cause, OnAlarm) else frozenset()

    @property
    def outputs(self) -> tuple[str, ...]:
        """What it switches."""
        return tuple(sorted(self.spec.outputs))

    def begin(self, row: dict[str, Any] | None) -> LinkageState:
        """What it still holds, and whether its state has caused already. An output or alarm that it no longer has is left out."""
        if row is None:
            return LinkageState()
        mine = {switch.output for switch in self._switches() if self._holds(switch)}
        held = {output: None if end is None else Deadline.read(end) for output, end in row["held"].items() if output in mine}
        causes = frozenset(map(str, row["causes"])) & (self.alarms | self.points)
        back = frozenset(map(str, row["back"])) & mine
        return LinkageState(fired=bool(row["fired"]), causes=causes, held=held, back=back, resumed=False)

    def row(self, state: LinkageState, now: Now) -> dict[str, Any]:
        """For the journal."""
        held = {output: end and end.kept(now).row() for output, end in state.held.items()}
        return {"fired": state.fired, "causes": sorted(state.causes), "held": held, "back": sorted(state.back)}

    def step(self, state: LinkageState, what: What, view: View) -> Step:
        """What follows from a reading, a move of an alarm, or time."""
        out = Step(state if state.resumed else self._resumed(state, view))
        if isinstance(what, Moved):
            self._moved(out, what, view)
        elif isinstance(self.spec.cause, OnState):
            self._state(out, self.spec.cause, what, view)
        self._end(out, view)
        self._see_to_it(out, what, view)
        self._beep(out, view)
        return out

    def ordered(self, state: LinkageState, asked: Asked) -> LinkageState:
        """Somebody else has switched an output: what they want counts."""
        if asked.by == self._by:
            return state
        held = {output: end for output, end in state.held.items() if output != asked.output or asked.on == self._on(output)}
        return replace(state, held=held, back=state.back - {asked.output})

    def holds(self, state: LinkageState, output: str) -> bool | None:
        """How it holds this output, on or off; None where it does not."""
        return self._on(output) if output in state.held else None

    def explain(self, state: LinkageState, point: str, view: View) -> Iterator[Why]:
        """Whether an alarm of this point would cause now, and if not, what stands in its way; of an output, who would switch it."""
        cause = self.spec.cause.point if isinstance(self.spec.cause, OnState) else ""
        if point not in self.spec.outputs and point != cause and not any(key.partition("/")[0] == point for key in self.alarms):
            return
        zh, en = self._cause_words()
        effects = self.effect_words()
        mode = view.mode(cause or point) if point not in self.spec.outputs else "normal"
        hindrance = self._hindrance(view, mode)
        if hindrance is None:
            yield Why(True, Text(f"{zh} → {effects.zh}", f"{en} -> {effects.en}"))
        else:
            yield Why(False, Text(f"{zh} → {effects.zh}：{hindrance.zh}", f"{en} -> {effects.en}: not now, {hindrance.en}"))

    # --- causes --------------------------------------------------------------------------------

    def _resumed(self, state: LinkageState, view: View) -> LinkageState:
        """The first look after a start: times go on, as far as what began them still stands."""
        held = {output: end and end.resumed(view.now) for output, end in state.held.items()}
        if self.alarms and not self.spec.until and all(view.state(key) == "normal" for key in state.causes):
            held = {}
        return replace(state, held=held, again_s=view.now.now_s + START_S, resumed=True)

    def _moved(self, out: Step, moved: Moved, view: View) -> None:
        cause = self.spec.cause
        if isinstance(cause, OnAlarm) and moved.word in cause.words and self._hindrance(view, moved.mode) is None:
            if not self._is_over(moved.key, view):
                self._act(out, moved.key, moved.word, view)
        elif moved.word == "out_of_service" and self.spec.until and moved.key in out.state.causes:
            out.state = replace(out.state, causes=out.state.causes - {moved.key})

    def _state(self, out: Step, cause: OnState, what: What, view: View) -> None:
        reading = what if isinstance(what, Reading) and what.point == cause.point else view.reading(cause.point)
        if reading is None or reading.quality is not Quality.GOOD:
            return  # not known: neither begun nor over
        if reading.value != cause.value:
            if out.state.fired:
                out.keep = True
                over = out.state.causes if self.spec.until == "over" else frozenset()
                out.state = replace(out.state, fired=False, causes=out.state.causes - over)
            out.state = replace(out.state, since_s=None)
            return
        if out.state.since_s is None:
            out.state = replace(out.state, since_s=view.now.now_s)
        due_s = out.state.since_s + cause.for_s
        if out.state.fired:
            return
        if view.now.now_s < due_s:
            out.wake_s.append(due_s)
        elif self._hindrance(view, view.mode(cause.point)) is None:
            out.state = replace(out.state, fired=True)
            self._act(out, cause.point, "activated", view)

    def _hindrance(self, view: View, mode: str) -> Text | None:
        """Why a cause would have no effect now, or None."""
        if mode not in self.spec.modes:
            return Text(f"{MODES[mode].zh}模式下不联动", f"the mode is {mode}")
        if any(view.state(key) != "normal" for key in self.spec.unless):
            return Text("静默报警中，不发声光", "a silent button was pressed: nothing sounds or flashes")
        if self.spec.alongside and all(view.state(key) == "normal" for key in self.spec.alongside):
            return Text("没有报警", "the alarms that it goes with are normal")
        if not self.spec.windows or view.window in self.spec.windows:
            return None
        wanted = sorted(self.spec.windows)
        if not view.knows_the_time:
            return Text("时钟未同步", "the clock is not known")
        return Text(
            f"现为{WINDOWS[view.window].zh}，只在{'、'.join(WINDOWS[window].zh for window in wanted)}联动",
            f"it is {WINDOWS[view.window].en}, acts in {', '.join(WINDOWS[window].en for window in wanted)}",
        )

    def _is_over(self, cause: str, view: View) -> bool:
        """The alarm has come as far as `until` says, or nobody is to hear of it any more."""
        if self.spec.until not in STANDS or cause not in self.alarms:
            return False
        state = view.state(cause)
        return state != "out_of_service" and state not in STANDS[self.spec.until]  # a shelf and a suppression end it too

    # --- effects -------------------------------------------------------------------------------

    def _act(self, out: Step, cause: str, word: str, view: View) -> None:
        out.keep = True
        held, beeps = dict(out.state.held), list(out.state.beeps)
        just_ordered = out.state.tries == 0 and view.now.now_s < out.state.again_s - AGAIN_S + WRITTEN_S
        for effect in self.spec.effects:
            if isinstance(effect, TakeSnapshot):
                out.snapshots.append(effect.camera)
            elif isinstance(effect, Beep):
                beeps += [(effect.output, effect.count(word))] if effect.count(word) else []
            else:
                for_s = effect.for_s
                if self._holds(effect):
                    if not for_s and effect.output in held and (view.shows(effect.output, effect.on) or just_ordered):
                        continue  # as it should be already, or will be in a moment
                    held[effect.output] = Deadline(view.now.now_s + for_s).kept(view.now) if for_s else None
                    for_s = self._pulse_s(effect.output, for_s or 0.0, view)
                out.asks.append(self._asked(effect.output, effect.on, for_s))
        beep_s = max(out.state.beep_s, view.now.now_s)
        beeps = beeps if sum(count for _, count in beeps) <= MOST_BEEPS else list(out.state.beeps)
        out.state = replace(
            out.state,
            causes=out.state.causes | {cause} if held else out.state.causes,
            held=held,
            back=out.state.back - set(held),
            tries=0,
            again_s=view.now.now_s + AGAIN_S if out.asks else out.state.again_s,
            beeps=tuple(beeps),
            beep_s=beep_s,
        )

    def _end(self, out: Step, view: View) -> None:
        """Take back what has no cause any more; let go what has had its time."""
        if self.spec.until:
            causes = frozenset(cause for cause in out.state.causes if not self._is_over(cause, view))
            if causes != out.state.causes:
                out.keep = True
                out.state = replace(out.state, causes=causes)
            if not causes and out.state.held:
                out.keep = True
                mine = [output for output in out.state.held if self.spec.give_back and not view.held_by_others(self.id, output)]
                self._take_back(out, mine, view)
                out.state = replace(out.state, held={})
        for output, end in list(out.state.held.items()):
            if end is None:
                continue
            if view.now.now_s < end.until_s + GRACE_S:
                out.wake_s.append(end.until_s + GRACE_S)
                continue
            out.keep = True
            # its time is over by itself, unless another linkage took part in it
            if view.shows(output, self._on(output)) and not view.held_by_others(self.id, output):
                self._take_back(out, [output], view)
            out.state = replace(out.state, held={name: other for name, other in out.state.held.items() if name != output})
        if out.keep and not out.state.held and not self.spec.until:
            out.state = replace(out.state, causes=frozenset())

    def _take_back(self, out: Step, outputs: list[str], view: View) -> None:
        out.asks += [self._asked(output, not self._on(output), 0.0) for output in outputs]
        out.state = replace(out.state, back=out.state.back | set(outputs), tries=0, again_s=view.now.now_s + AGAIN_S)

    def _see_to_it(self, out: Step, what: What, view: View) -> None:
        """Outputs that are not as they should be are asked for again."""
        asked = {ask.output for ask in out.asks}
        wanted = {output: not self._on(output) for output in out.state.back if not view.held_by_others(self.id, output)}
        if len(wanted) < len(out.state.back):
            out.state = replace(out.state, back=frozenset(wanted))
        ends = out.state.held
        wanted |= {name: self._on(name) for name, end in ends.items() if end is None or view.now.now_s < end.until_s}
        not_so = {output: on for output, on in wanted.items() if output not in asked and not view.shows(output, on)}
        if settled := out.state.back - not_so.keys() - asked:
            out.keep = True
            out.state = replace(out.state, back=out.state.back - settled)
        not_so = {output: on for output, on in not_so.items() if not view.is_away(output)}  # told when it is back
        if not not_so:
            if out.state.tries and not asked:
                out.state = replace(out.state, tries=0)
            return
        seen = what.point if isinstance(what, Reading) and what.quality is Quality.GOOD else ""
        due = list(not_so) if view.now.now_s >= out.state.again_s else [seen] if seen in not_so else []
        for output in due:
            end = ends.get(output)
            left_s = self._pulse_s(output, max(end.until_s - view.now.now_s, 1.0), view) if end else 0.0
            out.asks.append(self._asked(output, not_so[output], left_s))
        if due:
            tries = min(out.state.tries + 1, DOUBLINGS)
            out.state = replace(out.state, tries=tries, again_s=view.now.now_s + AGAIN_S * 2 ** (tries - 1))
        out.wake_s.append(out.state.again_s)

    def _pulse_s(self, output: str, for_s: float, view: View) -> float:
        """As long as others hold it too, nobody's time ends it; see `_end`."""
        return 0.0 if view.held_by_others(self.id, output) else for_s

    def _beep(self, out: Step, view: View) -> None:
        """One short time of the first group; the next group follows when it is done."""
        if not out.state.beeps:
            return
        if view.now.now_s >= out.state.beep_s:
            (output, count), *rest = out.state.beeps
            out.asks.append(replace(self._asked(output, True, BEEP_S), quiet=True))
            left = ((output, count - 1), *rest) if count > 1 else tuple(rest)
            next_s = BEEP_EVERY_S if count > 1 else BETWEEN_BEEPS_S
            out.state = replace(out.state, beeps=left, beep_s=view.now.now_s + next_s)
        if out.state.beeps:
            out.wake_s.append(out.state.beep_s)

    # --- what it is ----------------------------------------------------------------------------

    @property
    def _by(self) -> str:
        return f"linkage {self.id}"

    def _asked(self, output: str, on: bool, for_s: float | None) -> Asked:
        return Asked(output, on, self._by, "rule", "rule", for_s)

    def _switches(self) -> Iterator[Switch]:
        return (effect for effect in self.spec.effects if isinstance(effect, Switch))

    def _holds(self, switch: Switch) -> bool:
        """Something that ends by itself is not held; nor is what never ends, which is then as if a person had done it."""
        return bool(switch.for_s) or (switch.for_s is not None and bool(self.spec.until))

    def _on(self, output: str) -> bool:
        return next(switch.on for switch in self._switches() if switch.output == output)

    # --- words ---------------------------------------------------------------------------------

    def _cause_words(self) -> tuple[str, str]:
        cause = self.spec.cause
        if isinstance(cause, OnState):
            lasting_zh, lasting_en = (f"持续 {cause.for_s:g} 秒", f" for {cause.for_s:g} s") if cause.for_s else ("", "")
            return f"{cause.point} 为 {_value(cause.value)}{lasting_zh}", f"{cause.point} is {_value(cause.value)}{lasting_en}"
        words = [WORDS[word] for word in WORDS if word in cause.words and not (word == "repeated" and "activated" in cause.words)]
        return "或".join(text.zh for text in words), " or ".join(text.en for text in words)

    def cause_words(self) -> Text:
        """Its cause for people."""
        return Text(*self._cause_words())

    def effect_words(self) -> Text:
        """Its effects for people."""
        found = [_effect(effect) for effect in self.spec.effects]
        return Text("、".join(text.zh for text in found), ", ".join(text.en for text in found))


def _effect(effect: Effect) -> Text:
    if isinstance(effect, TakeSnapshot):
        return Text(f"{effect.camera} 抓拍", f"snapshot of {effect.camera}")
    if isinstance(effect, Beep):
        counts = "/".join(str(count) for _, count in effect.times)
        return Text(f"{effect.output} 鸣响 {counts} 声", f"{effect.output} beeps {counts} times")
    for_s = f" {effect.for_s:g} s" if effect.for_s else ""
    return Text(f"{effect.output} {'开' if effect.on else '关'}{for_s}", f"{effect.output} {'on' if effect.on else 'off'}{for_s}")


def _value(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
