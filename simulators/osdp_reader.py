"""OSDP readers behind a pty, played by libosdp's peripheral side.

A `ReaderLine` is the cable: a pty that a control panel finds by a symlink, and readers at different addresses on it.
A `Reader` can be restarted, given another key, pulled off the cable and put back; cards are shown to it, keys typed,
its case opened. It remembers the commands that it was given. Everything that reaches or leaves it can be recorded and
put on the line again, as an eavesdropper would.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import pty
import select
import sys
import threading
import tty
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import osdp_sys  # type: ignore[import-not-found]

from simulators.errors import SimError
from simulators.serial_line import refuse_foreign

REFRESH_S = 0.005
INPUTS = 2
OUTPUTS = 2
KEY_BYTES = 16


class _Tap:
    """What libosdp reads from and writes to; the line moves the bytes."""

    __slots__ = ("heard", "said")

    def __init__(self) -> None:
        self.heard = b""
        self.said = b""

    def read(self, most: int) -> bytes:
        data, self.heard = self.heard[:most], self.heard[most:]
        return data

    def write(self, data: bytes) -> int:
        self.said += data
        return len(data)

    def flush(self) -> None:
        self.heard = b""


class Reader:
    """One reader.

    key: 16 bytes; None: it is as delivered, on the default key, and takes the key that it is given. insist: it talks
    under secure channel only. commands: those it was given, as libosdp's dictionaries. refuse: numbers of libosdp's
    commands that it answers with NAK.
    """

    def __init__(self, address: int, key: bytes | None = None, insist: bool = True) -> None:
        self.address = address
        self.key = key
        self.insist = insist
        self.plugged = True
        self.commands: list[dict[str, Any]] = []
        self.refuse: set[int] = set()
        self.spoil: Callable[[bytes], bytes] | None = None  # what becomes of its frames on the way
        self._tamper = self._power_failed = False
        self._inputs = [False] * INPUTS
        self._wishes: deque[dict[str, Any] | None] = deque()  # events for libosdp; None: start anew
        self._tap = _Tap()
        self._device = self._power_on()

    # --- from outside, in any thread ---------------------------------------------------

    def show_card(self, bits: int, data: bytes) -> None:
        """Hold a card before it; data: its bits, the first one highest."""
        card = {"event": osdp_sys.EVENT_CARDREAD, "reader_no": 0, "format": osdp_sys.CARD_FMT_RAW_WIEGAND, "direction": 0}
        self._wishes.append(card | {"length": bits, "data": data})

    def type_keys(self, keys: bytes) -> None:
        self._wishes.append({"event": osdp_sys.EVENT_KEYPRESS, "reader_no": 0, "data": keys})

    def set_case(self, tamper: bool = False, power_failed: bool = False) -> None:
        self._tamper, self._power_failed = tamper, power_failed
        self._wishes.append({"event": osdp_sys.EVENT_STATUS} | self._state(osdp_sys.STATUS_REPORT_LOCAL))

    def set_input(self, number: int, active: bool) -> None:
        self._inputs[number] = active
        self._wishes.append({"event": osdp_sys.EVENT_STATUS} | self._state(osdp_sys.STATUS_REPORT_INPUT))

    def restart(self, key: bytes | None = None) -> None:
        """Power off and on, with another key when one is given."""
        if key is not None:
            self.key = key
        self._wishes.append(None)

    @property
    def secure(self) -> bool:
        return bool(self._device.is_sc_active())

    # --- in the line's thread ----------------------------------------------------------

    def serve(self, heard: bytes) -> bytes:
        """What it says to these bytes."""
        while self._wishes:
            wish = self._wishes.popleft()
            if wish is None:
                self._device = self._power_on()
            else:
                self._device.submit_event(wish)
        if not self.plugged:
            return b""
        self._tap.heard += heard
        self._device.refresh()
        said, self._tap.said = self._tap.said, b""
        return self.spoil(said) if said and self.spoil else said

    def _power_on(self) -> Any:
        osdp_sys.set_loglevel(osdp_sys.LOG_EMERG)
        trust = osdp_sys.FLAG_INSTALL_MODE if self.key is None else osdp_sys.FLAG_ENFORCE_SECURE
        flags = trust if self.insist else 0
        about = {"name": f"reader-{self.address}", "address": self.address, "flags": flags, "scbk": self.key, "channel": self._tap}
        about |= {"version": 1, "model": 1, "vendor_code": 0x00C0FFEE, "serial_number": 1, "firmware_version": 0x010000}
        abilities = (
            (osdp_sys.CAP_CONTACT_STATUS_MONITORING, 1, INPUTS),
            (osdp_sys.CAP_OUTPUT_CONTROL, 1, OUTPUTS),
            (osdp_sys.CAP_CARD_DATA_FORMAT, 1, 1),
            (osdp_sys.CAP_READER_LED_CONTROL, 1, 1),
            (osdp_sys.CAP_READER_AUDIBLE_OUTPUT, 1, 1),
            (osdp_sys.CAP_CHECK_CHARACTER_SUPPORT, 1, 0),
            (osdp_sys.CAP_COMMUNICATION_SECURITY, 1, 1),
            (osdp_sys.CAP_READERS, 1, 1),
        )
        words = ("function_code", "compliance_level", "num_items")
        device = osdp_sys.PeripheralDevice(about, capabilities=[dict(zip(words, ability, strict=True)) for ability in abilities])
        device.set_command_callback(self._obey)
        return device

    def _obey(self, command: dict[str, Any]) -> tuple[int, None]:
        if command["command"] in self.refuse:
            return -1, None
        if command["command"] == osdp_sys.CMD_STATUS:
            # A reply handed over here crashes the interpreter later (libosdp 3.2.9 gives one reference too many back). Without one
            # it answers "all is well" for its case and NAK for its inputs; the true state follows with the next poll.
            self._wishes.append({"event": osdp_sys.EVENT_STATUS} | self._state(command["type"]))
            return 0, None
        if command["command"] == osdp_sys.CMD_KEYSET:
            self.key = bytes(command["data"])
        self.commands.append(command)
        return 0, None

    def _state(self, kind: int) -> dict[str, Any]:
        flags = self._inputs if kind == osdp_sys.STATUS_REPORT_INPUT else [self._tamper, self._power_failed]
        return {"type": kind, "report": bytes(flags)}


class ReaderLine:
    """The cable with its readers, behind a pty that a control panel finds at `link`. All bytes are remembered in `spoken`."""

    def __init__(self, link: Path, readers: Sequence[Reader]) -> None:
        """SimError when something else is at the link already."""
        refuse_foreign(link)
        self.link = link
        self.readers = list(readers)
        self.spoken: list[bytes] = []  # what the readers said, one turn each
        self._master, self._slave = pty.openpty()
        tty.setraw(self._master)
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self._leave_r, self._leave_w = os.pipe()
        link.unlink(missing_ok=True)
        link.symlink_to(os.ttyname(self._slave))
        self._thread = threading.Thread(target=self._run, name=f"readers {link.name}", daemon=True)
        self._thread.start()

    def say(self, data: bytes) -> None:
        """Put bytes on the line, as somebody does who is no reader."""
        with contextlib.suppress(BlockingIOError):
            os.write(self._master, data)

    def close(self) -> None:
        """Pull the adapter out: the link is gone and a control panel gets EIO."""
        os.write(self._leave_w, b"x")
        self._thread.join()
        self.link.unlink(missing_ok=True)
        for fd in (self._master, self._slave, self._leave_r, self._leave_w):
            os.close(fd)

    def _run(self) -> None:
        while True:
            ready, _, _ = select.select([self._master, self._leave_r], [], [], REFRESH_S)
            if self._leave_r in ready:
                return
            heard = os.read(self._master, 4096) if self._master in ready else b""
            for reader in self.readers:
                if said := reader.serve(heard):
                    self.spoken.append(said)
                    self.say(said)


def main(argv: Sequence[str] | None = None) -> int:
    """`campus-sim reader`: one reader behind a pty, worked from standard input. Returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="campus-sim reader",
        description="An OSDP reader behind a pty. Lines on standard input: card BITS HEX, keys 1234#, tamper on|off, power on|off, "
        "input N on|off, unplug, plug, restart, quit.",
    )
    parser.add_argument("--link", type=Path, required=True, help="symlink at which the gateway finds the port")
    parser.add_argument("--address", type=int, default=0)
    parser.add_argument("--key-file", type=Path, help="32 hex digits; left out: on the default key, ready to be given its own")
    options = parser.parse_args(argv)
    try:
        reader = Reader(options.address, _key(options.key_file))
        line = ReaderLine(options.link, [reader])
    except SimError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"reader {options.address} at {options.link}", flush=True)
    try:
        for text in sys.stdin:
            if text.split()[:1] == ["quit"]:
                break
            if text.strip() and not obey(reader, text.split()):
                print(f"not understood: {text.strip()}", file=sys.stderr)
    except KeyboardInterrupt:
        pass
    finally:
        line.close()
    return 0


def obey(reader: Reader, words: list[str]) -> bool:
    """Do what one line of input says; False when it says nothing known."""
    try:
        match words:
            case ["card", bits, digits]:
                reader.show_card(int(bits), bytes.fromhex(digits))
            case ["keys", keys]:
                reader.type_keys(keys.encode("ascii"))
            case ["tamper", "on" | "off" as state]:
                reader.set_case(tamper=state == "on")
            case ["power", "on" | "off" as state]:
                reader.set_case(power_failed=state == "off")
            case ["input", number, "on" | "off" as state]:
                reader.set_input(int(number), state == "on")
            case ["unplug" | "plug" as state]:
                reader.plugged = state == "plug"
            case ["restart"]:
                reader.restart()
            case _:
                return False
    except (ValueError, IndexError):
        return False
    return True


def _key(path: Path | None) -> bytes | None:
    """The key in a file; SimError when it is none."""
    if path is None:
        return None
    try:
        key = bytes.fromhex(path.read_text(encoding="ascii"))
    except (OSError, ValueError) as error:
        raise SimError(f"cannot read a key from {path}: {error}") from error
    if len(key) != KEY_BYTES:
        raise SimError(f"{path}: a key has 32 hex digits, this one {2 * len(key)}")
    return key
