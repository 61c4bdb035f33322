"""Plays a scenario in virtual time over `decide`, and says in which step something else happened than was expected."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from gateway.alarm import machine
from gateway.alarm.machine import Row
from gateway.config.problems import unknown
from gateway.config.settings import Settings
from gateway.core.points import Draft
from gateway.core.reading import Value
from tests.scenarios.gateway import Gateway, Said
from tests.scenarios.grammar import UNWATCHED, Expect, Restart, Scenario, Step, read, refused
from tests.scenarios.school_field import Field, Switched
from tests.scenarios.site_files import NotThere, settings_of

RUNNING_S = 60.0  # the gateway has run for so long when the scenario begins
TAIL_S = 10.0  # what the last step brings may take so long
TIMELINE_LINES = 40


@dataclass(slots=True)
class Outcome:
    """How a scenario came out. wrong: what was not as expected, one text for each step. rows: of the alarm table that were taken.

    rules: names of the school rules that the gateway had. drafts: all that it said.
    """

    scenario: Scenario
    wrong: list[str] = field(default_factory=list)
    timeline: list[str] = field(default_factory=list)
    rows: set[Row] = field(default_factory=set)
    rules: set[str] = field(default_factory=set)
    drafts: list[Draft] = field(default_factory=list)

    def report(self, file: Path) -> str:
        """All that a person needs to see what is wrong."""
        lines = self.timeline[-TIMELINE_LINES:]
        left_out = [f"  ... {len(self.timeline) - len(lines)} lines before"] if len(lines) < len(self.timeline) else []
        return "\n".join([f"{file.name}: {self.scenario.title} ({self.scenario.title_en})", *self.wrong, "timeline:", *left_out, *lines])


def play(file: Path) -> Outcome:
    """Play one file. Raises ConfigRefused where it is wrong."""
    scenario = read(file)
    try:
        return _Player(file, scenario).play()
    except NotThere as error:
        text = file.read_text(encoding="utf-8")
        raise refused(file, text, [((), str(error))]) from error


played = cache(play)  # of files that do not change meanwhile


@contextmanager
def recorded_rows() -> Iterator[set[Row]]:
    """The rows of the alarm table that are taken meanwhile."""
    rows: set[Row] = set()

    class Table(dict[Row, machine.Step]):
        def __getitem__(self, row: Row) -> machine.Step:
            rows.add(row)
            return super().__getitem__(row)

    before = machine.TABLE
    machine.TABLE = Table(before)
    try:
        yield rows
    finally:
        machine.TABLE = before


class _Player:
    def __init__(self, file: Path, scenario: Scenario) -> None:
        self._file, self._scenario = file, scenario
        self._changes = dict(scenario.changes)
        settings = self._settings()
        self._check_names(settings)
        self._zone = ZoneInfo(settings.site.site.timezone)
        self._begin_ms = self._utc_ms(scenario.begin)
        self._gateway = Gateway(settings, self._begin_ms, -RUNNING_S)
        self._field = Field(self._gateway)
        self._outcome = Outcome(scenario)

    def play(self) -> Outcome:
        scenario, gateway = self._scenario, self._gateway
        with recorded_rows() as rows:
            self._begin(gateway.settings)
            gateway.advance(0.0)
            begun = [one for one in gateway.said if _word(one.draft) not in UNWATCHED]  # outputs take their safe values
            self._compare("the start", scenario.expect, begun, [], Step(at=scenario.begin))
            starts_s = [(self._utc_ms(at) - self._begin_ms) / 1000 for at in scenario.times()]
            for number, step in enumerate(scenario.step):
                gateway.advance(starts_s[number])
                what = f"step {number + 1} ({step.at}, {_what(step)})"
                self._outcome.timeline.append(f"  {self._clock(gateway.t_s)}  {_what(step)}{'  # ' + step.note if step.note else ''}")
                said, switched = len(gateway.said), len(self._field.switched)
                refusal = self._do(step)
                is_last = number + 1 == len(starts_s)
                gateway.advance(gateway.t_s + TAIL_S if is_last else max(starts_s[number + 1], gateway.t_s))
                found = gateway.said[said:], self._field.switched[switched:]
                self._compare(what, step.expect, *found, step)
                self._states(what, step)
                if refusal:
                    self._wrong(what, [refusal])
        self._outcome.rows = rows
        self._outcome.drafts = [one.draft for one in gateway.said]
        self._outcome.rules = {rule.name for rule in gateway.house.school.rules.values()}
        return self._outcome

    # --- what happens ---------------------------------------------------------------------------

    def _settings(self) -> Settings:
        return settings_of(self._scenario.site, self._changes, self._scenario.add)

    def _begin(self, settings: Settings) -> None:
        self._field.settle(settings)
        for point, value in self._scenario.start.items():
            self._field.put(point, value)
        self._gateway.start(settings, self._scenario.clock, 0)
        self._field.come_up()

    def _do(self, step: Step) -> str:
        """Let it happen. Returns what was wrong with the answer to a command, or ''."""
        if step.point is not None:
            self._point(step.point, step)
        for point, value in (step.points or {}).items():
            self._field.show(point, value)
        if step.device is not None:
            self._field.silence(step.device, bool(step.silent))
        if step.output is not None and step.writes is not None:
            self._field.write_ends(step.output, step.writes)
        if step.centre is not None:
            self._field.centre(step.centre == "answers")
        if step.clock is not None:
            self._gateway.set_clock(step.clock)
        if step.restart is not None:
            self._restart(step.restart)
        return self._command(step) if step.command is not None else ""

    def _point(self, point: str, step: Step) -> None:
        if step.bad is not None:
            self._field.fail(point, step.bad)
        elif step.press_ms is not None:
            self._field.press(point, step.press_ms)
        else:
            self._field.show(point, step.value, step.detail, step.uncertain or "")

    def _command(self, step: Step) -> str:
        assert step.command is not None
        answer = self._gateway.take(step.command)
        if step.refused is None:
            return "" if answer.ok else f"the command was refused: {answer.reply}"
        if answer.ok:
            return f"the command was carried out; expected: refused, {step.refused}"
        return "" if step.refused in answer.reply else f"refused with: {answer.reply}; expected: {step.refused}"

    def _restart(self, restart: Restart) -> None:
        gateway = self._gateway
        gateway.stop()
        gateway.advance(gateway.t_s + restart.off_s)
        self._changes |= restart.changes
        settings = self._settings()
        for point, value in restart.meanwhile.items():
            self._field.put(point, value)
        self._field.settle(settings)
        gateway.start(settings, restart.clock, round(restart.off_s * 1000) if restart.clock == "unknown" else 0)
        self._field.come_up()

    # --- what must follow -----------------------------------------------------------------------

    def _compare(self, what: str, expected: list[Expect], said: list[Said], switched: list[Switched], step: Step) -> None:
        watched = [one for one in said if self._is_watched(one.draft)]
        lines = [(one.t_s, _said(one.draft)) for one in watched] + [(one.t_s, _switched(one)) for one in switched]
        for t_s, line in sorted(lines, key=lambda line: line[0]):
            self._outcome.timeline.append(f"  {self._clock(t_s)}      {line}")
        wrong = _differences(expected, watched, step.also or "", self._at_wrong)
        outputs = [(one.output, one.on) for one in switched]
        wrong += _switch_differences([(one.output, one.on) for one in step.switch], outputs, step.also or "")
        if wrong:
            self._wrong(what, wrong)

    def _states(self, what: str, step: Step) -> None:
        wrong = []
        for key, state in step.state.items():
            if key not in self._gateway.house.alarms:
                wrong.append(f"state: {unknown('an alarm of this site', key, self._gateway.house.alarms)}")
            elif (found := self._gateway.house.alarms[key].state) != state:
                wrong.append(f"state: {key} is {found}, expected {state}")
        if wrong:
            self._wrong(what, wrong)

    def _wrong(self, what: str, words: list[str]) -> None:
        self._outcome.wrong += [f"{what}:", *(f"    {line}" for line in words)]

    def _is_watched(self, draft: Draft) -> bool:
        word = _word(draft)
        return word not in UNWATCHED if self._scenario.watch is None else word in self._scenario.watch

    def _at_wrong(self, expected: Expect, said: Said) -> str:
        if expected.at is None:
            return ""
        local = datetime.fromtimestamp((self._begin_ms + said.t_s * 1000) / 1000, self._zone).replace(tzinfo=None)
        at = expected.at if isinstance(expected.at, datetime) else datetime.combine(local.date(), expected.at)
        return "" if abs((local - at).total_seconds()) <= expected.within_s else f"said at {local:%Y-%m-%d %H:%M:%S}, expected at {at}"

    # --- names and times ------------------------------------------------------------------------

    def _check_names(self, settings: Settings) -> None:
        """Every point, device and output that the scenario names is one of the site's own."""
        named: list[tuple[tuple[str | int, ...], str, str]] = [(("start", point), "a point", point) for point in self._scenario.start]
        for number, step in enumerate(self._scenario.step):
            here = ("step", number)
            named += [((*here, "point"), "a point", step.point)] if step.point else []
            named += [((*here, "points", point), "a point", point) for point in step.points or {}]
            named += [
                ((*here, "restart", "meanwhile", point), "a point", point) for point in (step.restart.meanwhile if step.restart else {})
            ]
            named += [((*here, "device"), "a device", step.device)] if step.device else []
            named += [((*here, "output"), "an output", step.output)] if step.output else []
            named += [((*here, "switch", i, "output"), "an output", one.output) for i, one in enumerate(step.switch)]
        wired = {wire.point for wires in settings.wire.values() for wire in wires} | {
            p for points in settings.zones.values() for p in points
        }
        links = {point.id for point in settings.points.values() if point.role in ("device_link", "camera_link")}
        known = {"a point": wired, "a device": links, "an output": set(settings.outputs)}
        problems = [
            (key, unknown(f"{what} of site {self._scenario.site}", name, known[what]))
            for key, what, name in named
            if name not in known[what]
        ]
        if problems:
            raise refused(self._file, self._file.read_text(encoding="utf-8"), problems)

    def _utc_ms(self, local: datetime) -> int:
        return round(local.replace(tzinfo=self._zone).timestamp() * 1000)

    def _clock(self, t_s: float) -> str:
        local = datetime.fromtimestamp((self._begin_ms + t_s * 1000) / 1000, self._zone)
        return f"{local:%m-%d %H:%M:%S}.{local.microsecond // 100_000}"


def _differences(expected: list[Expect], said: list[Said], also: str, at_wrong: Callable[[Expect, Said], str]) -> list[str]:
    """What is missing, what is too much, what is other than expected. The events of one subject come in the order that is written;
    between different subjects there is none: two devices of a real school are never read in the same order.
    """
    wrong: list[str] = []
    left = list(said)
    for one in expected:
        mine = [event for event in left if event.draft.subject == one.of]
        fitting = [event for event in mine if _is(one, event.draft)]
        if not fitting:
            wrong.append(f"not said: {_expected(one)}")
            continue
        found = fitting[0]
        if not also and found is not mine[0]:
            wrong.append(f"said later than {_said(mine[0].draft)}: {_expected(one)}")
        if late := at_wrong(one, found):
            wrong.append(f"{_expected(one)}: {late}")
        left = [event for event in left if event is not found and not (also and event in mine[: mine.index(found)])]
    return wrong if also else wrong + [f"not expected: {_said(event.draft)}" for event in left]


def _switch_differences(expected: list[tuple[str, bool]], found: list[tuple[str, bool]], also: str) -> list[str]:
    if also:
        left = iter(found)
        return [f"not switched: {output} {'on' if on else 'off'}" for output, on in expected if (output, on) not in left]
    words = [" ".join((output, "on" if on else "off")) for output, on in found]
    return [] if expected == found else [f"switched: {', '.join(words) or 'nothing'}; expected: {expected or 'nothing'}"]


def _word(draft: Draft) -> str:
    """The first word of the event's type: alarm, fault, incident."""
    return draft.type.split(".")[1]


def _is(expected: Expect, draft: Draft) -> bool:
    return draft.type == f"campus.{expected.event}" and draft.subject == expected.of and _holds(draft.data, expected.members())


def _holds(found: Any, wanted: Any) -> bool:
    """A table holds another one if each of its keys does."""
    if isinstance(wanted, dict):
        return isinstance(found, dict) and all(key in found and _holds(found[key], value) for key, value in wanted.items())
    return bool(found == wanted) and isinstance(found, bool) is isinstance(wanted, bool)


def _said(draft: Draft) -> str:
    """An event as a scenario would expect it."""
    data = draft.data
    text: Any = data.get("text") or {}
    words = {
        name: data[name]
        for name in ("alarm", "state", "status", "value", "by", "reason", "result", "recorded")
        if data.get(name) not in (None, "")
    }
    shown = "".join(f", {name} = {_toml(value)}" for name, value in words.items())
    return f'{{ event = "{draft.type.removeprefix("campus.")}", of = "{draft.subject}", text = "{text.get("zh", "")}"{shown} }}'


def _expected(one: Expect) -> str:
    members = dict(one.model_extra or {}) | ({"text": one.text} if one.text else {})
    return f"{one.event} of {one.of}{''.join(f', {name} = {_toml(value)}' for name, value in members.items())}"


def _toml(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def _switched(one: Switched) -> str:
    return f"{one.output} goes {'on' if one.on else 'off'}"


def _what(step: Step) -> str:
    """What happens in a step, in a few words."""
    if step.point is not None:
        value: Value = step.value
        return f"{step.point}: " + (step.bad or (f"pressed {step.press_ms} ms" if step.press_ms else _toml(value)))
    if step.command is not None:
        return f"{step.command.by} ({step.command.role}): {step.command.kind} {step.command.target} {step.command.value}".rstrip()
    given = step.points or step.restart or step.centre or step.clock
    if step.device is not None:
        return f"{step.device} {'is silent' if step.silent else 'answers'}"
    if step.output is not None:
        return f"{step.output}: writes {step.writes}"
    return "time passes" if given is None else f"{given!r}"
