"""libosdp's side of the conversation with one reader. It never touches the wire: frames go in and out as bytes.

One control panel of libosdp for each reader, so that a reader that misbehaves can be begun anew at any time while
the others keep their secure channels. libosdp leaves a lost reader alone for 300 s; `again` circumvents that.

libosdp keeps about 130 bytes and a reference to its channel for ever, for each panel made (3.2.9); so a panel is made
anew only when a reader was lost in the middle of a conversation, and `again` serves all other cases.
"""

from __future__ import annotations

import ctypes
import json
import os
from dataclasses import dataclass, field
from typing import Any

import osdp_sys  # type: ignore[import-not-found]

from gateway.bus.osdp_frames import NAK_WORDS, Code, Frame
from gateway.core.reader import CardShown, KeysPressed, ReaderInputs, ReaderState

DEFAULT_KEY = bytes(range(0x30, 0x40))  # SCBK-D, printed in the standard
KEY_BYTES = 16
STEPS = 4  # refreshes in one turn: from a reply over the next command to its frame
UNIT_S = 0.1  # of the standard's timers
COLOURS = {name: number for number, name in enumerate(("off", "red", "green", "amber", "blue", "magenta", "cyan", "white"))}

STATE_QUERY: dict[str, Any] = {"command": osdp_sys.CMD_STATUS, "type": osdp_sys.STATUS_REPORT_LOCAL, "nr_entries": 0}
INPUTS_QUERY: dict[str, Any] = {"command": osdp_sys.CMD_STATUS, "type": osdp_sys.STATUS_REPORT_INPUT, "nr_entries": 0}

# libosdp draws its challenges from C's rand(), which begins alike in each process: all that was said after one start of the
# gateway could be replayed after the next. Its state is filled with real randomness before each handshake.
_RANDOM_STATE = ctypes.create_string_buffer(128)
_RANDOM_HEAD_BYTES = 4  # the C library's own word
ctypes.CDLL(None).initstate(1, _RANDOM_STATE, len(_RANDOM_STATE))


def _stir() -> None:
    words = os.urandom(len(_RANDOM_STATE) - _RANDOM_HEAD_BYTES)
    ctypes.memmove(ctypes.addressof(_RANDOM_STATE) + _RANDOM_HEAD_BYTES, words, len(words))


Message = CardShown | KeysPressed | ReaderState | ReaderInputs


@dataclass(frozen=True, slots=True)
class ReaderAddress:
    """Where a reader is and how it is trusted. key: its own secure channel key, 16 bytes; None: it has none, all is in clear."""

    device: str
    address: int
    key: bytes | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not 0 <= self.address <= 126:
            raise ValueError(f"reader {self.device}: address {self.address} is not within 0..126")
        if self.key is not None and len(self.key) != KEY_BYTES:
            raise ValueError(f"reader {self.device}: a key has {KEY_BYTES} bytes, this one {len(self.key)}")


class _Channel:
    """What libosdp reads from and writes to."""

    __slots__ = ("heard", "said")

    def __init__(self) -> None:
        self.heard = b""
        self.said = b""

    def read(self, most: int) -> bytes:
        data, self.heard = self.heard[:most], self.heard[most:]
        return data

    def write(self, frame: bytes) -> int:
        self.said += frame
        return len(frame)

    def flush(self) -> None:
        self.heard = b""


class Session:
    """A conversation with one reader. messages, completed: what came since they were last emptied; completed: True is success."""

    def __init__(self, reader: ReaderAddress, install_mode: bool) -> None:
        """install_mode: a reader on the default key is given its own one."""
        self.messages: list[Message] = []
        self.completed: list[bool] = []
        _stir()
        self._keyed = reader.key is not None
        self._channel = _Channel()
        flags = 0 if not self._keyed else osdp_sys.FLAG_INSTALL_MODE if install_mode else osdp_sys.FLAG_ENFORCE_SECURE
        about = {"name": reader.device, "address": reader.address, "flags": flags, "scbk": reader.key, "channel": self._channel}
        about |= {"version": 0, "model": 0, "vendor_code": 0, "serial_number": 0, "firmware_version": 0}  # of a peripheral only
        osdp_sys.set_loglevel(osdp_sys.LOG_EMERG)  # it writes to stderr past our log, and keys and reasons are judged here
        self._panel: Any = osdp_sys.ControlPanel([about])
        self._panel.set_event_callback(self._event)
        self._panel.set_command_completion_callback(self._completion)

    def close(self) -> None:
        """Lets libosdp go; the callbacks would keep this object alive for ever."""
        self._panel = None

    @property
    def online(self) -> bool:
        """libosdp talks to it, maybe in clear."""
        return bool(self._panel.status())

    @property
    def trusted(self) -> bool:
        """Online, and under its own key where it has one."""
        return self.online and (not self._keyed or bool(self._panel.sc_status()))

    @property
    def has_inputs(self) -> bool:
        """The reader says that it has contacts of its own. Known once it is online."""
        return bool(self._panel.check_capability(0, osdp_sys.CAP_CONTACT_STATUS_MONITORING)[1])

    def step(self) -> bytes:
        """The next frame for the wire, with its leading mark; empty when there is nothing to say now."""
        for _ in range(STEPS):
            self._panel.refresh()
            if self._channel.said:
                break
        said, self._channel.said = self._channel.said, b""
        return said

    def hear(self, frame: Frame) -> None:
        """The reader's answer."""
        self._channel.heard += frame.raw
        self._panel.refresh()

    def again(self) -> bool:
        """Begin the handshake anew, now. False when libosdp does not let go of the old one."""
        _stir()
        self._panel.flush_commands(0)
        self._panel.disable_pd(0)
        for _ in range(STEPS):
            self._panel.refresh()
            if not self._panel.is_pd_enabled(0):
                self._channel.said = self._channel.heard = b""
                return bool(self._panel.enable_pd(0))
        return False

    def submit(self, command: dict[str, Any]) -> bool:
        """Queue one command of libosdp; its end is told in `completed`. False when it is not taken."""
        return bool(self._panel.submit_command(0, command))

    def _event(self, _reader: int, event: dict[str, Any]) -> int:
        if message := _message(event):
            self.messages.append(message)
        event.clear()  # libosdp 3.2.9 never frees it: 0.3 KB with the card's bits in it, for each card
        return 0

    def _completion(self, _reader: int, _command: dict[str, Any], status: int) -> None:
        self.completed.append(status == osdp_sys.COMPLETION_OK)


def _message(event: dict[str, Any]) -> Message | None:
    """The house's word for an event of libosdp; None for those that nobody needs."""
    kind = event["event"]
    if kind == osdp_sys.EVENT_CARDREAD:
        data = bytes(event["data"])
        return CardShown(event["reader_no"], event.get("length", 8 * len(data)), data)
    if kind == osdp_sys.EVENT_KEYPRESS:
        return KeysPressed(event["reader_no"], bytes(event["data"]))
    if kind != osdp_sys.EVENT_STATUS:
        return None
    report = bytes(event["report"])
    if event["type"] == osdp_sys.STATUS_REPORT_LOCAL and len(report) >= 2:
        return ReaderState(bool(report[0]), bool(report[1]))
    if event["type"] == osdp_sys.STATUS_REPORT_INPUT:
        return ReaderInputs(tuple(bool(state) for state in report))
    return None


def command_of(request: bytes) -> dict[str, Any]:
    """libosdp's command for an exchange's request, a JSON object.

    {"do": "output", "number": 0, "on": true} or with "for_s" (0.1 to 25.5 s) a pulse that the reader ends itself;
    {"do": "led", "reader": 0, "number": 0, "colour": "green"}, also with "for_s"; {"do": "buzzer", "reader": 0, "on": true},
    also with "for_s". KeyError or ValueError for anything else.
    """
    wish = json.loads(request)
    units = round(wish.get("for_s", 0.0) / UNIT_S)
    if not 0 <= units <= 255:
        raise ValueError(f"{wish['for_s']} s is not within 0..25.5 s")
    match wish["do"]:
        case "output":
            # 2 on, 1 off for good; 5 on, 6 off until the timer ends
            code = (5 if wish["on"] else 6) if units else (2 if wish["on"] else 1)
            return {"command": osdp_sys.CMD_OUTPUT, "output_no": wish["number"], "control_code": code, "timer_count": units}
        case "led":
            led = {"command": osdp_sys.CMD_LED, "reader": wish["reader"], "led_number": wish["number"], "temporary": bool(units)}
            colour = COLOURS[wish["colour"]]
            led |= {"on_color": colour, "off_color": colour, "on_count": 1, "off_count": 1}
            return led | ({"control_code": 2, "timer_count": units} if units else {"control_code": 1})
        case "buzzer":
            # tone 1 is off, 2 the default; without end it repeats 0 times, which means for ever
            tone = {"command": osdp_sys.CMD_BUZZER, "reader": wish["reader"], "control_code": 2 if wish["on"] else 1}
            return tone | {"on_count": units or 1, "off_count": 0, "rep_count": 1 if units or not wish["on"] else 0}
    raise ValueError(f"a reader cannot {wish['do']!r}")


CHANNEL_WORDS = "secure channel refused: "


def why_refused(keyed: bool, command: Frame | None, reply: Frame | None, online: bool) -> str:
    """Why a reader that answers is not up, from the last command and the answer to it."""
    asked = command.code if command else -1
    if reply is None:
        return "no answer"
    if keyed and asked in (Code.CHALLENGE, Code.CRYPTOGRAM) and reply.nak_code not in (5, 6):
        return CHANNEL_WORDS + "the key does not match"
    if keyed and (asked == Code.CAPABILITIES or reply.nak_code in (5, 6) or online):
        return CHANNEL_WORDS + "the reader offers none with a key of its own"
    if not keyed and reply.nak_code in (5, 6):
        return CHANNEL_WORDS + "the reader insists on one, and no key is set for it"
    if reply.nak_code == 4:
        return "the reader has begun anew"
    if reply.code == Code.NAK:
        return f"the reader refuses to talk: {NAK_WORDS.get(reply.nak_code, 'no reason given')}"
    return "the conversation broke off"
