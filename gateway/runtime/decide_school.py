"""The part of decide() that is about the school's own rules: they look at what this decision has brought so far.

Readings that changed, alarms that moved, commands and time go to the rules that watch them. What a rule finds out becomes readings
of its points, which go through the alarm machine within the same decision and may move other rules; that ends, because a rule
answers only to changes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from gateway.core.commands import Command, Delivered, Tick
from gateway.core.hazards import LEDGER
from gateway.core.linkage import Moved, Said
from gateway.core.outputs import Asked
from gateway.core.points import Draft, EventClass, Priority
from gateway.core.reading import Quality, Reading
from gateway.core.school_days import WINDOW_POINT, Window
from gateway.rules.rule import Rule, Step, View, What
from gateway.runtime import decide_evidence, decide_fittings, decide_runs, decide_standing
from gateway.runtime.decide_house import Turn

if TYPE_CHECKING:
    from gateway.rules.linkage import Linkage

SCHOOL_TICK = ":school"  # no point has such a name
RULE_TICK = "rule:"
LOOK_S = 60.0  # all rules look at the clock so often, and when the window of the day changes
LOUD = frozenset({"siren", "strobe", "buzzer"})
_STEPS_MOST = 2000  # of one decision; a site file whose rules chase each other is refused by `check`

Tell = Callable[[Reading], None]


def follow(turn: Turn, stimulus: object, tell: Tell) -> None:
    """What the rules make of this decision so far. tell(reading): takes a derived reading into it."""
    school = turn.house.school
    if not school.rules and WINDOW_POINT not in turn.house.points:
        return
    if isinstance(stimulus, Tick):
        if stimulus.point == SCHOOL_TICK:
            _time(turn, tell)
        elif (rule := school.rules.get(stimulus.point.removeprefix(RULE_TICK))) is not None and stimulus.point.startswith(RULE_TICK):
            _step(turn, rule, None, tell)
    elif isinstance(stimulus, Delivered):
        _delivered(turn, stimulus)
    seen, moved, ordered = _Changes(turn, stimulus), 0, 0
    for _ in range(_STEPS_MOST):
        if ordered < len(turn.decision.asked):
            _ordered(turn, turn.decision.asked[ordered])
            ordered += 1
        elif moved < len(turn.decision.moves):
            what = turn.decision.moves[moved]
            moved += 1
            for rule in school.by_alarm.get(what.key, ()):
                _step(turn, rule, what, tell)
        elif (reading := seen.next()) is not None:
            for rule in school.by_point.get(reading.point, ()):
                _step(turn, rule, reading, tell)
        else:
            return


class _Changes:
    """The readings of a decision that differ from what was known before, each once, in order.

    Of a card, rules see the whole hash, and each showing; what is known before holds a few characters only.
    """

    def __init__(self, turn: Turn, stimulus: object) -> None:
        self._turn = turn
        self._stimulus = stimulus if isinstance(stimulus, Reading) else None
        self._taken = -1  # -1: the stimulus itself is still to be taken

    def next(self) -> Reading | None:
        while True:
            reading: Reading | None
            if self._taken < 0:
                reading = self._stimulus
            elif self._taken < len(self._turn.decision.derived):
                reading = self._turn.decision.derived[self._taken]
            else:
                return None
            self._taken += 1
            if reading is not None and reading.point in self._turn.house.school.by_point:
                last = self._turn.house.readings.get(reading.point)
                if last is None or (last.value, last.quality) != (reading.value, reading.quality):
                    return reading


def act(turn: Turn, asked: Command, tell: Tell) -> str | None:
    """A command that is not about one alarm or output. Why it was refused, '' when done, None: nothing of this site takes it."""
    if asked.kind == "silence":
        return _silence(turn, asked, tell)
    if asked.kind == "take_snapshot":
        return _take_snapshot(turn, asked)
    if asked.kind in decide_runs.COMMANDS:
        return decide_runs.act(turn, asked)
    return _ask_rule(turn, asked, tell)


def _silence(turn: Turn, asked: Command, tell: Tell) -> str:
    """Everything that sounds or flashes goes off, at this place or everywhere. The alarms stand as they stood."""
    loud = [spec.id for spec in turn.house.fittings.outputs.values() if spec.kind in LOUD and asked.target in ("", spec.place, spec.id)]
    if not loud and asked.target:
        return f'no siren, strobe or buzzer at "{asked.target[:48]}": nothing to silence'
    if not loud:
        return "no siren, strobe or buzzer: nothing to silence"
    for output in loud:
        _ask(turn, Asked(output, False, asked.by, asked.role, asked.origin, command_id=asked.command_id), tell)
    turn.decision.reply = f"silenced: {', '.join(loud)}"
    return ""


def _take_snapshot(turn: Turn, asked: Command) -> str:
    if asked.target not in turn.house.cameras:
        return f'"{asked.target[:48]}" is not a camera; known: {", ".join(sorted(turn.house.cameras)) or "none"}'
    decide_evidence.ask(turn, asked.target, by=asked.by)
    turn.decision.reply = f"asked {asked.target} for a picture; the event evidence.ready or evidence.failed tells how it went"
    return ""


def _ask_rule(turn: Turn, asked: Command, tell: Tell) -> str | None:
    """Give a command to the rule that it names, or to the one that knows its kind."""
    rules = [rule for rule in turn.house.school.rules.values() if asked.kind in rule.commands]
    meant = [rule for rule in rules if rule.own_targets or asked.target in ("", rule.id)]
    if not rules:
        return None
    if not meant:
        return f'"{asked.target[:48]}" takes no {asked.kind.replace("_", " ")}; known: {", ".join(rule.id for rule in rules)}'
    if len(meant) > 1:
        return f"say which one is meant: {', '.join(rule.id for rule in meant)}"
    out = _step(turn, meant[0], asked, tell)
    turn.decision.reply = out.reply
    return out.refused


def view(turn: Turn) -> View:
    """What a rule may look at in this decision."""
    return View(
        turn.now,
        turn.house.timetable,
        (turn.decision.window or turn.house.school.window) if turn.now.clock != "unknown" else Window.NONE,
        turn.reading,
        lambda key: str(turn.alarm_state(key)),
        turn.mode,
        turn.incident,
        lambda: turn.ids(turn.now.at_ms),
        lambda output: frozenset(rule.id for rule in turn.house.school.by_output.get(output, ()) if _holds(turn, rule, output)),
        lambda output: _is_away(turn, output),
        standing=lambda: decide_standing.standing(turn),
        since_ms=turn.since_ms,
    )


def _is_away(turn: Turn, output: str) -> bool:
    states = turn.decision.fittings.output_states
    state = states.get(output) or turn.house.fittings.output_states.get(output)
    return state is not None and state.down


def _holds(turn: Turn, linkage: Linkage, output: str) -> bool:
    return linkage.holds(_state(turn, linkage), output) is not None


def _ordered(turn: Turn, asked: Asked) -> None:
    """An output is switched: a linkage that holds it otherwise lets go."""
    for linkage in turn.house.school.by_output.get(asked.output, ()):
        before = _state(turn, linkage)
        after = linkage.ordered(before, asked)
        if after != before:
            turn.decision.rules[linkage.id] = after
            turn.decision.kept_rules[linkage.id] = linkage.row(after, turn.now)
            turn.decision.lasting = True


def _time(turn: Turn, tell: Tell) -> None:
    """A minute has passed, or the window has changed: every rule looks at the clock."""
    house, now = turn.house, turn.now
    turn.decision.window = house.timetable.window(now.at_ms)
    change = house.timetable.next_change(now.at_ms, days=1)
    wait_s = LOOK_S if change is None else min(LOOK_S, (change[0] - now.at_ms) / 1000)
    turn.decision.wake.append((now.now_s + max(wait_s, 0.05), SCHOOL_TICK))
    if WINDOW_POINT in house.points:
        if now.clock == "unknown":
            tell(Reading(WINDOW_POINT, None, Quality.BAD, "clock unknown", now.now_s))
        else:
            tell(Reading(WINDOW_POINT, str(turn.decision.window), now_s=now.now_s))
    for rule in house.school.rules.values():
        _step(turn, rule, None, tell)


def _step(turn: Turn, rule: Rule, what: What, tell: Tell) -> Step:
    decision = turn.decision
    state = _state(turn, rule)
    out = rule.step(state, what, view(turn))
    if out.state != state:
        decision.rules[rule.id] = out.state
    if out.keep:
        decision.kept_rules[rule.id] = rule.row(out.state, turn.now)
        decision.lasting = True
    decision.drafts += [_draft(turn, said) for said in out.said]
    decision.moves += out.moves
    for camera in out.snapshots:
        decide_evidence.ask(turn, camera, what if isinstance(what, Moved) else None)
    decision.wake += [(at_s, RULE_TICK + rule.id) for at_s in out.wake_s]
    for reading in out.readings:
        tell(reading)
    for asked in out.asks:
        _ask(turn, asked, tell)
    _found(turn, out, tell)
    return out


def _found(turn: Turn, out: Step, tell: Tell) -> None:
    """What a rule has found goes into the ledger, where the site keeps one."""
    ledger = next((rule for rule in turn.house.school.rules.values() if rule.name == LEDGER), None) if out.hazards else None
    if ledger is not None:
        for found in out.hazards:
            out.reply = "; ".join(words for words in (out.reply, _step(turn, ledger, found, tell).reply) if words)


def _state(turn: Turn, rule: Rule) -> Any:
    """Where a rule stands, this decision included."""
    states = turn.decision.rules
    return states[rule.id] if rule.id in states else turn.house.school.states[rule.id]


def _ask(turn: Turn, asked: Asked, tell: Tell) -> None:
    decide_fittings.order(turn.house, asked, turn.now, turn.ids, turn.decision, tell)


def _delivered(turn: Turn, news: Delivered) -> None:
    """The news of an alarm has got further: linkage may show that to who pressed."""
    for key, alarm in turn.house.alarms.items():
        if alarm.event_id == news.event_id:
            turn.decision.moves.append(Moved(key, news.step, str(alarm.state), news.event_id, turn.alarm_mode(key), news.by))
            return


def _draft(turn: Turn, said: Said) -> Draft:
    now, event_class = turn.now, EventClass(said.event_class)
    data: dict[str, Any] = {"status": "Actual", **said.data}
    usual = Priority.ALARM_UPDATE if event_class is EventClass.ALARM else Priority.ROUTINE
    priority = Priority.URGENT if said.urgent else usual
    draft_id = said.id or turn.ids(now.at_ms)
    return Draft(draft_id, event_class, f"campus.{said.kind}", said.subject[:48], priority, now.at_ms, now.now_s, now.clock, data)
