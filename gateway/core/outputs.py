"""Outputs, and the words in which one is asked for, written and answered."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.core.points import Text
from gateway.core.reading import Value


@dataclass(frozen=True, slots=True)
class Need:
    """A point that must show this value, and be known to, before a command is carried out."""

    point: str
    value: Value


@dataclass(frozen=True, slots=True)
class Confirm:
    """The input that must show what an output did, within_s seconds after the write. None: that state is not looked at."""

    point: str
    on: Value
    off: Value
    within_s: float


@dataclass(frozen=True, slots=True)
class OutputSpec:
    """One output of this site, all defaults applied.

    kind: siren, strobe, relay, lock, gas_valve or bollard. safe: what is written at start and when its device is back; None
    writes nothing. pulse_s: `on` lasts so long; 0 for a level. device_pulse_s: the longest pulse that the device ends by
    itself, 0 where it cannot; any other pulse is ended by the gateway. momentary: `on` is a command that ends itself, there
    is no `off`. interlock: outputs that are never on together with this one. loop_clear: point that must be known active.
    """

    id: str
    kind: str
    place: str
    name: Text
    device: str
    signal: str
    safe: bool | None = False
    pulse_s: float = 0.0
    device_pulse_s: float = 0.0
    momentary: bool = False
    interlock: tuple[str, ...] = ()
    confirm: Confirm | None = None
    remote_when: Need | None = None
    loop_clear: str = ""
    enabled: bool = True

    @property
    def at_start(self) -> bool | None:
        """What is written at start: `safe`, and `off` where a pulse that this gateway timed may have been left on."""
        if not self.enabled:
            return None
        if self.safe is None and self.pulse_s and not self.momentary and self.pulse_s > self.device_pulse_s:
            return False
        return self.safe


@dataclass(frozen=True, slots=True)
class Asked:
    """Who wants what of an output. pulse_s: how long `on` shall last, None for the output's own. origin: as in Command.

    quiet: one of many short sounds; only that it failed is worth an event. command_id: of a centre's signed command;
    second: the other person who signed it.
    """

    output: str
    on: bool
    by: str
    role: str
    origin: str
    pulse_s: float | None = None
    quiet: bool = False
    command_id: str = ""
    second: str = ""


@dataclass(frozen=True, slots=True)
class OutputOrder:
    """One write for the field, answered by exactly one `OutputDone` of the same output and number.

    pulse_s: a pulse that the device must end by itself; 0 for a plain write of `on`.
    """

    output: str
    number: int
    device: str
    signal: str
    on: bool
    pulse_s: float = 0.0


@dataclass(frozen=True, slots=True)
class OutputDone:
    """How the write of an `OutputOrder` ended. failure: empty when the device confirmed it, else why it did not."""

    output: str
    number: int
    failure: str = ""
