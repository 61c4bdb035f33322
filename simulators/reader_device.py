"""A simulated OSDP reader as one device of a school: cards, keys and contacts are set, lamps and outputs follow the control panel.

The reader itself is libosdp's, in `simulators.osdp_reader`; it is needed only where a site has such a line.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from simulators.device import Change
from simulators.encode import Value
from simulators.errors import SimError
from simulators.faults import EVERY_DEVICE, ON_THE_WIRE, Fault, spoil_bytes
from simulators.profiles import SERIAL_KEYS
from simulators.signals import TALK, known
from simulators.sticking import Sticking
from simulators.wires import WireTraffic

PROFILE_KEYS = TALK | {
    "schema", "id", "vendor", "model", "summary", "summary_zh", "map_only", "serial", "protocol", "transports", "same_s", "entry_s",
    "signals",
}  # fmt: skip
SIGNAL_KEYS = TALK | {"name", "kind", "repeat", "what", "number", "reader", "colour"}
OUTPUT_ON = (2, 4, 5)  # control codes of osdp_OUT that switch it on, for good or for a time
BUZZER_OFF = 1
CARD_BITS = 26

OnChange = Callable[["ReaderDevice", str, Value, int], None]


@dataclass(frozen=True, slots=True)
class ReaderSignal:
    """One thing that a reader offers. number: of the input, lamp or output."""

    name: str
    kind: str
    what: str
    number: int = 0


@dataclass(frozen=True, slots=True)
class ReaderProfile:
    """One type of reader."""

    id: str
    summary: str
    transports: tuple[str, ...]
    signals: dict[str, ReaderSignal]
    unit: int = 0
    baud: int = 9600
    data_bits: int = 8
    parity: str = "N"
    stop_bits: int = 1


def parse(data: dict[str, Any]) -> ReaderProfile:
    """Profile from its parsed TOML. KeyError, TypeError, ValueError when it is not one."""
    known(data, PROFILE_KEYS, "profile")
    signals: dict[str, ReaderSignal] = {}
    for entry in data["signals"]:
        known(entry, SIGNAL_KEYS, f"signal {entry['name']}")
        repeat = entry.get("repeat") or {"count": 1, "stride": 0}
        for i in range(repeat["count"]):
            name = entry["name"].replace("{n}", str(repeat.get("first", 1) + i))
            signals[name] = ReaderSignal(name, entry["kind"], entry["what"], entry.get("number", 0) + i * repeat.get("stride", 1))
    serial = data.get("serial", {})
    given = {key: serial[key] for key in SERIAL_KEYS if key in serial}
    return ReaderProfile(data["id"], data.get("summary", ""), tuple(data.get("transports", ())), signals, **given)


@dataclass(slots=True)
class ReaderTraffic:
    """What it was told."""

    requests: int = 0


class ReaderDevice:
    """One reader. fault: how it answers; what it says under `wrong-crc`, `truncated` and `garbage` a panel cannot read."""

    can: tuple[str, ...] = (*EVERY_DEVICE, *ON_THE_WIRE)

    def __init__(self, device_id: str, unit: int, profile: ReaderProfile, key_file: Path | None = None) -> None:
        self.id = device_id
        self.unit = unit
        self.profile = profile
        self.on_change: list[OnChange] = []
        self.changes: dict[str, Change] = {}
        self.reader: Any = _module().Reader(unit, _key(key_file))
        self._values: dict[str, Value] = {
            name: "" if signal.kind == "card" else False for name, signal in profile.signals.items() if signal.kind != "output"
        }  # fmt: skip
        self._fault: Fault | None = None
        self._sticking = Sticking(self._values)

    @property
    def traffic(self) -> ReaderTraffic:
        """How many commands it was given."""
        return ReaderTraffic(len(self.reader.commands))

    @property
    def fault(self) -> Fault | None:
        return self._fault

    @fault.setter
    def fault(self, fault: Fault | None) -> None:
        self._fault = fault
        self.reader.plugged = fault is None or not (fault.is_off or fault.kind == "silent")
        self.reader.spoil = partial(spoil_bytes, fault.kind) if fault else None

    def get(self, name: str) -> Value:
        """Present value of a signal; of a card or keypad what was shown or typed last. KeyError when there is none of that name."""
        signal = self.profile.signals[name]
        return self._values[name] if signal.kind != "output" else self._is_on(signal)

    def set(self, name: str, value: Value) -> int:
        """Shows a card ("26 00C0FFEE": bits, hex digits), types keys ("1234#"), works a contact; returns when.

        ValueError for a value that it cannot hold, and for an output: the control panel works those.
        """
        signal = self.profile.signals[name]
        if signal.kind == "output":
            raise ValueError(f"{name} is worked by the control panel alone")
        if self._sticking.takes(name, value):
            return time.monotonic_ns()
        if signal.kind == "card":
            self._show(signal, str(value))
        elif value not in (0, 1):
            raise ValueError(f"{name} is true or false, not {value!r}")
        else:
            self._values[name] = bool(value)
            if signal.what == "input":
                self.reader.set_input(signal.number, bool(value))
            else:
                states = {each.what: bool(self._values[each.name]) for each in self.profile.signals.values() if each.kind == "contact"}
                self.reader.set_case(states.get("tamper", False), states.get("power", False))
        self._values[name] = value
        at_ns = time.monotonic_ns()
        self.changes[name] = Change(at_ns)
        for call in self.on_change:
            call(self, name, value, at_ns)
        return at_ns

    def press(self, name: str) -> int:
        """Makes a contact active; returns when."""
        if self.profile.signals[name].kind != "contact":
            raise ValueError(f"{name} is a {self.profile.signals[name].kind}: only a contact can be pressed")
        return self.set(name, True)

    def release(self, name: str) -> int:
        """Lets a contact go; returns when."""
        return self.set(name, False)

    def rest(self, name: str, closed: bool) -> None:
        """A contact that stands closed when nothing happens."""
        self.set(name, closed)

    def hold(self, name: str = "") -> None:
        """A signal is stuck; without a name all are. What is set meanwhile happens when it is let go."""
        self._sticking.hold(name)

    def let_go(self, name: str = "") -> None:
        """It moves again."""
        self._sticking.let_go(name, self.set)

    def reset_counters(self, name: str = "") -> int:
        """ValueError: it counts nothing."""
        raise ValueError(f"device {self.id} has no counters")

    def restart(self, keeps: str = "nothing") -> int:
        """Power off and on; returns when. It keeps its key, whatever `keeps` says."""
        self.reader.restart()
        return time.monotonic_ns()

    def _show(self, signal: ReaderSignal, value: str) -> None:
        if not value:
            return
        if signal.what == "keypad":
            self.reader.type_keys(value.encode("ascii", "replace"))
            return
        bits, _, digits = value.rpartition(" ")
        try:
            data = bytes.fromhex(digits)
            self.reader.show_card(int(bits or CARD_BITS), data)
        except ValueError as error:
            raise ValueError(f'{signal.name} takes bits and hex digits, such as "26 00C0FFEE", not {value!r}') from error

    def _is_on(self, signal: ReaderSignal) -> Value:
        """What the last command to a lamp, buzzer or output made of it."""
        for command in reversed(list(self.reader.commands)):
            match signal.what:
                case "output" if command.get("output_no") == signal.number and "control_code" in command:
                    return command["control_code"] in OUTPUT_ON
                case "led" if command.get("led_number") == signal.number:
                    return bool(command.get("on_color"))
                case "buzzer" if "rep_count" in command and "led_number" not in command:
                    return bool(command["control_code"] != BUZZER_OFF)
        return False


class ReaderWire:
    """A line with its readers, behind a pty."""

    def __init__(self, link: Path, devices: Sequence[ReaderDevice]) -> None:
        self.link = link
        self.traffic = WireTraffic()
        self._devices = list(devices)
        self._line: Any = None

    @property
    def address(self) -> str:
        """Where a control panel finds it."""
        return str(self.link)

    @property
    def plugged(self) -> bool:
        return self._line is not None

    def noise(self, data: bytes) -> None:
        """Bytes that no reader meant."""
        if self._line is not None:
            self._line.say(data)

    async def start(self) -> None:
        """Shows the pty at the link. SimError when something else is there."""
        if self._line is None:
            self._line = _module().ReaderLine(self.link, [device.reader for device in self._devices])

    async def stop(self) -> None:
        """Pulls the line out."""
        if self._line is not None:
            self._line.close()
            self._line = None


def _module() -> Any:
    try:
        return importlib.import_module("simulators.osdp_reader")
    except ImportError as error:
        raise SimError(f"OSDP readers need libosdp ({error}): pip install libosdp") from error


def _key(path: Path | None) -> bytes | None:
    """The key of a key file: 32 hex digits."""
    if path is None:
        return None
    try:
        return bytes.fromhex(path.read_text(encoding="ascii"))
    except (OSError, ValueError) as error:
        raise SimError(f"cannot read a key from {path}: {error}") from error
