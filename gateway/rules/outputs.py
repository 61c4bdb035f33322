"""Outputs: what is written when, what is refused, and how each command ends. Pure.

    ask ──refused──> ended: refused
     └──> waiting (an interlocked output of unknown state is let go first; an earlier write comes back)
            └──> writing ──failure──> ended: unconfirmed
                    └──> confirming (the input that must show it) ──in time──> ended: done, else unconfirmed

Every command ends in exactly one of three ways. Besides commands the gateway writes two things of its own accord and
repeats them until they are done: the safe value at start and when a device is back, and the end of a pulse that it times.
Unknown is not clear: a condition on an input holds only while that input is good.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from math import inf
from typing import Any

from gateway.core.outputs import Asked, OutputDone, OutputOrder, OutputSpec
from gateway.core.reading import Quality, Reading, Value

WRITE_MOST_S = 15.0  # a write of which nothing is heard for so long counts as failed
LET_GO_AGAIN_S = 1.0
SAFE_AGAIN_S = 10.0
OWN_ROLE = "gateway"


class Result(StrEnum):
    """How a command ended; the last word of its event's type."""

    DONE = "done"
    REFUSED = "refused"
    UNCONFIRMED = "unconfirmed"


class Stage(StrEnum):
    """How far the running command is."""

    NONE = ""
    WAITING = "waiting"
    WRITING = "writing"
    CONFIRMING = "confirming"


class Own(StrEnum):
    """What the gateway itself has to write."""

    NONE = ""
    SAFE = "safe value"
    LET_GO = "end of the pulse"


@dataclass(frozen=True, slots=True)
class Write:
    """A write that is on its way. pulse_s: how long `on` shall last, 0 for a level; by_device: the device ends it.

    own: why the gateway itself wrote it. until_s: when it counts as failed (WRITE_MOST_S).
    """

    on: bool
    pulse_s: float
    by_device: bool
    own: Own
    until_s: float


@dataclass(frozen=True, slots=True)
class OutputState:
    """What is known of one output. Times are monotonic seconds, 0 for none.

    on: None while it is not known. number: of the newest write. ends_s: when a pulse that the device times is over. own: what the
    gateway has to write from own_due_s on; own_failed: that it could not was told. settled: the safe value was written since
    the device was lost. trouble: why `on` may not be believed.
    """

    on: bool | None = None
    number: int = 0
    writing: Write | None = None
    running: Asked | None = None
    stage: Stage = Stage.NONE
    confirm_by_s: float = 0.0
    ends_s: float = 0.0
    own: Own = Own.NONE
    own_due_s: float = 0.0
    own_failed: bool = False
    settled: bool = False
    down: bool = False
    trouble: str = ""

    @property
    def moving_on(self) -> bool:
        """True while it is on, or a write or a command may be switching it on."""
        return bool(
            self.on or (self.writing and self.writing.on) or (self.running and self.running.on and self.stage is not Stage.CONFIRMING)
        )

    def reading(self, output: str, now_s: float) -> Reading:
        """The output as a point: on or off, and whether that may be believed."""
        if self.down:
            return Reading(output, self.on, Quality.BAD, "no answer", now_s)
        if self.trouble:
            return Reading(output, self.on, Quality.BAD, self.trouble, now_s)
        if self.on is None:
            return Reading(output, None, Quality.UNCERTAIN, "being written" if self.writing else "not written yet", now_s)
        return Reading(output, self.on, now_s=now_s)


@dataclass(frozen=True, slots=True)
class Ended:
    """One command is over."""

    asked: Asked
    result: Result
    reason: str = ""


def judge(spec: OutputSpec, on: bool, states: Callable[[str], OutputState], readings: Callable[[str], Reading | None]) -> str:
    """Why this output may not be switched now, or ''. Looks at the site file, the device, the inputs and the interlock."""
    if not spec.enabled:
        return "it is not enabled in the site file (enabled = true)"
    if states(spec.id).down:
        return f"device {spec.device} does not answer"
    if spec.remote_when is not None and not _shows(readings(spec.remote_when.point), spec.remote_when.value):
        return f"remote control is not selected: {_seen(spec.remote_when.point, readings)}"
    if not on:
        return "it ends by itself and has no off" if spec.momentary else ""
    if spec.kind == "bollard" and not spec.loop_clear:
        return "a bollard is not moved without an input that shows its loop clear (loop_clear)"
    if spec.loop_clear and not _shows(readings(spec.loop_clear), True):
        return f"the loop is not known to be clear: {_seen(spec.loop_clear, readings)}"
    for other in spec.interlock:
        state = states(other)
        if state.moving_on:
            return f"interlock: {other} is on"
        if state.on is None and state.down:
            return f"interlock: whether {other} is on is not known"
    return ""


def _shows(reading: Reading | None, value: Value) -> bool:
    return reading is not None and reading.quality is Quality.GOOD and reading.value == value


def _seen(point: str, readings: Callable[[str], Reading | None]) -> str:
    reading = readings(point)
    if reading is None:
        return f"{point} was not read yet"
    if reading.quality is not Quality.GOOD:
        return f"{point} is {reading.quality} ({reading.reason})"
    return f"{point} shows {_word(reading.value)}"


def _word(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


class Outputs:
    """One look at the outputs: takes what happened, collects what follows; `states` it was given stay as they are.

    changed: new states. orders: writes for the field. ended: commands that are over, those of the gateway itself included.
    """

    def __init__(
        self,
        specs: dict[str, OutputSpec],
        states: dict[str, OutputState],
        readings: Callable[[str], Reading | None],
        now_s: float,
    ) -> None:
        self._specs = specs
        self._states = states
        self._readings = readings
        self._now_s = now_s
        self.changed: dict[str, OutputState] = {}
        self.orders: list[OutputOrder] = []
        self.ended: list[Ended] = []

    def at(self, output: str) -> OutputState:
        """The state of an output as it is by now."""
        return self.changed.get(output) or self._states.get(output) or OutputState()

    def wakes(self) -> Iterator[tuple[float, str]]:
        """(monotonic seconds, output): when to call `passed`."""
        for output, state in self.changed.items():
            times = [state.confirm_by_s, state.ends_s, state.writing.until_s if state.writing else 0.0]
            if state.own and not state.writing and not state.down:
                times.append(state.own_due_s)
            yield from ((at_s, output) for at_s in times if at_s > self._now_s)

    def on_until_s(self, output: str) -> float:
        """Until when an output stays on as things are (monotonic seconds): infinite for a level, 0 where it is not on."""
        state = self.at(output)
        spec, asked = self._specs.get(output), state.running
        if spec is not None and asked is not None and asked.on and not spec.momentary and not self._pulse_s(spec, asked):
            return inf  # on its way
        if not state.on or state.writing is not None:
            return 0.0
        return state.own_due_s if state.own else state.ends_s or inf

    # --- what may happen -----------------------------------------------------------------------

    def ask(self, asked: Asked) -> str:
        """A command. Returns why it is refused, or ''; a later command overtakes the one that still runs."""
        spec = self._specs.get(asked.output)
        refused = f'"{asked.output}" is not an output of this site' if spec is None else judge(spec, asked.on, self.at, self._readings)
        if refused:
            self.ended.append(Ended(asked, Result.REFUSED, refused))
            return refused
        running = self.at(asked.output).running
        if running is not None and running.role != OWN_ROLE:  # a safe value that was written and is not seen yet matters no more
            self._end(asked.output, Result.UNCONFIRMED, f"overtaken by a later command of {asked.by}")
        self._put(asked.output, running=asked, stage=Stage.WAITING, confirm_by_s=0.0)
        self._go(asked.output)
        return ""

    def done(self, done: OutputDone) -> None:
        """The field says how a write ended; an answer to an earlier write says nothing."""
        state = self.at(done.output)
        if done.output in self._specs and state.writing is not None and state.number == done.number:
            self._wrote(done.output, state.writing, done.failure)

    def seen(self, point: str) -> None:
        """A point has a new reading: it may confirm a command, or show that a bollard must not move."""
        for output, spec in self._specs.items():
            if spec.confirm is not None and spec.confirm.point == point:
                self._confirm(output)
            if spec.loop_clear == point:
                self._stop_if_blocked(output)

    def link(self, device: str, up: bool) -> None:
        """A device answers, or went silent."""
        mine = [output for output, spec in self._specs.items() if spec.device == device]
        for output in mine:
            if up:
                self._put(output, down=False)
            else:
                self._lost(output)
        for output in mine:
            if up:
                self.settle(output)
            self._after_partner(output, "its device does not answer" if not up else "")

    def settle(self, output: str) -> None:
        """Write the safe value, once after each start or loss."""
        state = self.at(output)
        if not state.settled and not state.own and not state.down and self._specs[output].at_start is not None:
            self._put(output, own=Own.SAFE, own_due_s=self._now_s, own_failed=False)
            self._go(output)

    def passed(self, output: str) -> None:
        """Time has passed."""
        state = self.at(output)
        if state.writing and self._now_s >= state.writing.until_s:
            self._wrote(output, state.writing, "no word from the line")
        if state.ends_s and self._now_s >= state.ends_s:
            self._put(output, on=False, ends_s=0.0)
        if state.confirm_by_s and self._now_s >= state.confirm_by_s:
            confirm = self._specs[output].confirm
            assert confirm is not None
            reason = f"not confirmed within {confirm.within_s:g} s: {_seen(confirm.point, self._readings)}"
            self._put(output, trouble=reason)
            self._end(output, Result.UNCONFIRMED, reason)
        self._go(output)
        self._put(output)  # asks for the next look

    # --- what follows --------------------------------------------------------------------------

    def _put(self, output: str, **changes: Any) -> None:
        self.changed[output] = replace(self.at(output), **changes)

    def _end(self, output: str, result: Result, reason: str = "") -> None:
        """The running command, if there is one, is over."""
        asked = self.at(output).running
        if asked is not None:
            self.ended.append(Ended(asked, result, reason))
            self._put(output, running=None, stage=Stage.NONE, confirm_by_s=0.0)

    def _go(self, output: str) -> None:
        """The next write, if one is due and none is on its way."""
        state = self.at(output)
        if state.writing is not None:
            return
        if state.stage is Stage.WAITING:
            self._start(output)
        elif state.own and not state.down and self._now_s >= state.own_due_s:
            on = bool(self._specs[output].at_start) if state.own is Own.SAFE else False
            self._write(output, on, 0.0, state.own)

    def _start(self, output: str) -> None:
        """Write the waiting command, once nothing that it is interlocked with can be on."""
        spec, asked = self._specs[output], self.at(output).running
        assert asked is not None
        refused = judge(spec, asked.on, self.at, self._readings)
        if refused:
            self._end(output, Result.REFUSED, refused)
            return
        unknown = [other for other in spec.interlock if asked.on and not self._is_off(other)]
        if not unknown:
            self._put(output, stage=Stage.WRITING)
            self._write(output, asked.on, self._pulse_s(spec, asked), Own.NONE)
        for other in unknown:
            self._put(other, own=self.at(other).own or Own.LET_GO, own_due_s=self._now_s)
            self._go(other)

    def _is_off(self, output: str) -> bool:
        """Known to be off, with nothing on its way."""
        state = self.at(output)
        return state.writing is None and (state.on is False or self._specs[output].momentary)

    @staticmethod
    def _pulse_s(spec: OutputSpec, asked: Asked) -> float:
        if not asked.on or spec.momentary:
            return 0.0
        return spec.pulse_s if asked.pulse_s is None else asked.pulse_s

    def _write(self, output: str, on: bool, pulse_s: float, own: Own) -> None:
        spec, number = self._specs[output], self.at(output).number + 1
        by_device = 0 < pulse_s <= spec.device_pulse_s
        write = Write(on, pulse_s, by_device, own, self._now_s + WRITE_MOST_S)
        self._put(output, number=number, writing=write, on=None if on else self.at(output).on)
        self.orders.append(OutputOrder(output, number, spec.device, spec.signal, on, pulse_s if by_device else 0.0))

    def _wrote(self, output: str, write: Write, failure: str) -> None:
        self._put(output, writing=None)
        if failure:
            self._failed(output, write, failure)
            self._after_partner(output, failure)
            self._go(output)
        else:
            self._obeyed(output, write)
            self._go(output)
            self._after_partner(output, "")

    def _obeyed(self, output: str, write: Write) -> None:
        """The device has taken the write."""
        spec = self._specs[output]
        timed_here = write.on and write.pulse_s > 0 and not write.by_device
        self._put(
            output,
            on=write.on and not spec.momentary,
            ends_s=self._now_s + write.pulse_s if write.by_device else 0.0,
            settled=True,
        )
        if write.own:
            self._own_over(output, write)
        else:
            due = {"own": Own.LET_GO, "own_due_s": self._now_s + write.pulse_s} if timed_here else {"own": Own.NONE}
            self._put(output, **due, own_failed=False)
            self._stop_if_blocked(output)
        state = self.at(output)
        if state.stage is Stage.WRITING and not write.own:
            self._confirm_or_end(output, write)
        elif state.stage is not Stage.CONFIRMING:
            self._put(output, trouble="")

    def _own_over(self, output: str, write: Write) -> None:
        """The safe value is told each time, and confirmed as a command would be; the end of a pulse is told only where it had failed."""
        state = self.at(output)
        self._put(output, own=Own.NONE, own_due_s=0.0, own_failed=False)
        if write.own is Own.SAFE and state.running is None:
            self._put(output, running=self._mine(output, write.own))
            self._confirm_or_end(output, write)
        elif write.own is Own.SAFE or state.own_failed:
            self.ended.append(Ended(self._mine(output, write.own), Result.DONE))

    def _failed(self, output: str, write: Write, failure: str) -> None:
        """What it is now is not known; a pulse that may have begun is ended, and the gateway's own writes are tried again."""
        state = self.at(output)
        self._put(output, on=False if self._specs[output].momentary else None, trouble=failure)
        if write.own:
            if not state.own_failed:
                self.ended.append(Ended(self._mine(output, write.own), Result.UNCONFIRMED, failure))
            again_s = SAFE_AGAIN_S if write.own is Own.SAFE else LET_GO_AGAIN_S
            self._put(output, own=write.own, own_due_s=self._now_s + again_s, own_failed=True)
            return
        if write.on and write.pulse_s > 0 and not write.by_device:
            self._put(output, own=Own.LET_GO, own_due_s=self._now_s)
        if state.stage is Stage.WRITING:
            self._end(output, Result.UNCONFIRMED, failure)

    def _mine(self, output: str, own: Own) -> Asked:
        on = bool(self._specs[output].at_start) if own is Own.SAFE else False
        return Asked(output, on, str(own), OWN_ROLE, OWN_ROLE)

    def _lost(self, output: str) -> None:
        """The device is silent: nothing is known of its outputs, and nothing can be written."""
        self._put(
            output, writing=None, on=None, down=True, settled=False, own=Own.NONE, own_due_s=0.0, own_failed=False, ends_s=0.0, trouble=""
        )
        self._end(output, Result.UNCONFIRMED, "the device went silent")

    def _after_partner(self, output: str, failure: str) -> None:
        """Commands that wait until this output is off: go on, or give up where it does not let go."""
        if self.at(output).writing is not None:
            return
        for other in self._specs[output].interlock:
            state = self.at(other)
            if state.stage is Stage.WAITING and state.running is not None and state.running.on:
                if failure:
                    self._end(other, Result.REFUSED, f"interlock: {output} cannot be switched off: {failure}")
                else:
                    self._go(other)

    def _confirm_or_end(self, output: str, write: Write) -> None:
        confirm = self._specs[output].confirm
        wanted = None if confirm is None else confirm.on if write.on else confirm.off
        if confirm is None or wanted is None:
            self._put(output, trouble="")
            self._end(output, Result.DONE)
            return
        self._put(output, stage=Stage.CONFIRMING, confirm_by_s=self._now_s + confirm.within_s)
        self._confirm(output)

    def _confirm(self, output: str) -> None:
        state, confirm = self.at(output), self._specs[output].confirm
        if state.stage is not Stage.CONFIRMING or state.running is None or confirm is None:
            return
        if _shows(self._readings(confirm.point), confirm.on if state.running.on else confirm.off):
            self._put(output, trouble="")
            self._end(output, Result.DONE)

    def _stop_if_blocked(self, output: str) -> None:
        """A pulse to a bollard ends at once when its loop is no longer known to be clear."""
        state, point = self.at(output), self._specs[output].loop_clear
        if point and state.own is Own.LET_GO and state.on and not _shows(self._readings(point), True):
            self._end(output, Result.UNCONFIRMED, f"stopped: the loop is not known to be clear: {_seen(point, self._readings)}")
            self._put(output, own_due_s=self._now_s)
            self._go(output)
