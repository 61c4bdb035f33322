"""Schema of a device that speaks in frames of its own: what begins and ends a frame, what proves it, where its values lie.

A frame is described, not programmed: `start` and then a fixed `length`, a `length_field`, an `end`, or silence. Byte
positions count from 0, the first byte of the frame (the start included) or of the record.

Bytes to send are written in hex, with braces for what is known only then: {unit} the device's unit id in one byte, {unit:2}
in two; {2:6} bytes 2 to 5 of the received frame (answers only); {xor}, {sum}, {sum-complement}, {crc16-modbus} the check
over everything before it, or with {sum:2} from byte 2 on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from gateway.config.profile import BaseProfile, Offered, Strict

CheckKind = Literal["xor", "xor-ascii-hex", "sum", "sum-complement", "crc16-modbus"]

_TEMPLATE = re.compile(r"([0-9A-Fa-f]{2}|\{unit(:[1-4])?\}|\{\d{1,3}:\d{1,3}\}|\{(xor|sum|sum-complement|crc16-modbus)(:\d{1,3})?\})+")
_COMMAND = re.compile(r"([0-9A-Fa-f]{2}|\{unit(:[1-4])?\}|\{(xor|sum|sum-complement|crc16-modbus)(:\d{1,3})?\})+")
_HEX = re.compile(r"([0-9A-Fa-f]{2})+")
_NUMBER = re.compile(r"-?(0x[0-9a-fA-F]+|\d+)(--?(0x[0-9a-fA-F]+|\d+))?")
_SIZES = {"u16": 2, "s16": 2, "u16le": 2, "s16le": 2, "u32": 4, "s32": 4, "u32le": 4}


def _hex(text: str) -> str:
    if text and not _HEX.fullmatch(text):
        raise ValueError(f'"{text}" is not bytes in hex, such as "FF0186"')
    return text


def _command(text: str) -> str:
    if not _COMMAND.fullmatch(text):
        raise ValueError(f'"{text}" is neither hex nor one of {{unit}}, {{xor}}, {{sum}}, {{sum-complement}}, {{crc16-modbus}}')
    return text


def _answer(text: str) -> str:
    if not _TEMPLATE.fullmatch(text):
        raise ValueError(f'"{text}" is neither hex nor one of {{unit}}, {{2:6}}, {{xor}}, {{sum}}, {{sum-complement}}, {{crc16-modbus}}')
    return text


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f'"{text}" is no regular expression: {error}') from error
    return text


def _when(table: dict[str, str]) -> dict[str, str]:
    for position, text in table.items():
        if not re.fullmatch(r"-?\d{1,4}", position):
            raise ValueError(f'"{position}" is not a byte position')
        if not text:
            raise ValueError(f"the bytes at position {position} are missing")
        _hex(text)
    return table


Hex = Annotated[str, AfterValidator(_hex)]
Command = Annotated[str, AfterValidator(_command)]
Pattern = Annotated[str, AfterValidator(_pattern)]
When = Annotated[dict[str, str], AfterValidator(_when)]


class LengthField(Strict):
    """Where a frame says how long it is: whole frame = field + plus."""

    at: int = Field(ge=0, le=1024)
    size: Literal[1, 2] = 1
    order: Literal["big", "little"] = "big"
    plus: int = Field(0, ge=0, le=1024, description="bytes of the frame that the field does not count")


class Checksum(Strict):
    """What proves a frame. first, last: positions that are covered; a negative `last` counts from the end of the frame.

    xor: of the bytes; xor-ascii-hex: of the bytes that the ASCII hex characters stand for; sum; sum-complement: two's complement
    of the sum (Winsen); crc16-modbus: low byte first. `at` is the position of the check itself, negative from the end.
    or_kind: a second kind that devices in the field use as well.
    """

    kind: CheckKind
    or_kind: Literal["xor", "sum"] | None = None
    first: int = Field(ge=0, le=1024)
    last: int = Field(ge=-1024, le=1024)
    at: int = Field(ge=-1024, le=1024)
    ascii_hex: bool = Field(False, description="the check itself is written as two ASCII hex characters")

    @model_validator(mode="after")
    def fits(self) -> Checksum:
        if self.kind == "crc16-modbus" and (self.ascii_hex or self.or_kind):
            raise ValueError("a CRC is two bytes; it goes neither with ascii_hex nor with or_kind")
        if 0 <= self.last < self.first:
            raise ValueError("the check covers nothing: `last` comes before `first`")
        return self


class Framed(Strict):
    """One form of frame.

    A frame that an `end` closes ends at the first one, and a `start` inside it begins it anew; with a length the `end` is only
    checked. quiet_ms: silence that ends a frame which has neither length nor end; with a length, the frame stands alone
    between two such silences. matches: the whole frame as text, where no checksum proves it.
    """

    start: Hex = Field("", description="bytes in hex; empty where text lines have none")
    length: int | None = Field(None, ge=1, le=1024)
    length_field: LengthField | None = None
    end: Hex = Field("", description="bytes in hex; with a length they are only checked")
    most: int = Field(256, ge=1, le=4096, description="a frame is never longer")
    checksum: Checksum | None = None
    matches: Pattern = Field("", description="regular expression that the whole frame must match as text")
    quiet_ms: int = Field(0, ge=0, le=5000)

    @model_validator(mode="after")
    def ends(self) -> Framed:
        if self.length is not None and self.length_field is not None:
            raise ValueError("give `length` or `length_field`, not both")
        if self.length is None and self.length_field is None and not self.end and not self.quiet_ms:
            raise ValueError("say where a frame ends: length, length_field, end or quiet_ms")
        if self.quiet_ms and (self.length_field or (self.end and self.length is None)):
            raise ValueError("quiet_ms goes with `length` or alone")
        if self.length is not None:
            self._within(self.length)
        return self

    def _within(self, length: int) -> None:
        if length > self.most:
            raise ValueError(f"length {length} is more than `most` {self.most}")
        if len(self.start + self.end) // 2 > length:
            raise ValueError(f"start and end do not fit into {length} bytes")
        if self.checksum is None:
            return
        for position in (self.checksum.first, self.checksum.last, self.checksum.at):
            if not -length <= position < length:
                raise ValueError(f"checksum position {position} is not within {length} bytes")


class Answer(Strict):
    """What to send back, at once, for each frame whose bytes at these positions are these."""

    when: When = Field(default_factory=dict, description='position -> hex bytes, such as "26" = "02"')
    bytes: Annotated[str, AfterValidator(_answer)]


class Poll(Strict):
    """A request that is sent every so often; its answer is a frame like any other."""

    bytes: Command
    every_s: float = Field(gt=0, le=3600)
    timeout_ms: int = Field(500, ge=10, le=10_000)


class Records(Strict):
    """Several reports in one frame: how many (byte `count_at`), where the first one lies, how long each one is."""

    when: When = Field(default_factory=dict)
    count_at: int = Field(ge=0, le=1024)
    first: int = Field(ge=0, le=1024)
    size: int = Field(ge=1, le=1024)


class FrameSignal(Offered):
    """One thing that frames say. when: only in frames (or records) whose bytes at these positions are these.

    at, type: where a number or text lies; pattern: a regular expression over the decoded frame, its first group (or all of it)
    is the value; a contact with a pattern is active when it matches. A contact with neither is active when such a frame comes.
    record: positions count in each record of that name. each: (first byte, length) of what names the reporting part; the
    contact is active while any part reports it so. reset_by: a contact of this profile; while it is active, this one goes
    back. hold_s: a contact or text that is only ever reported goes back after this time without a new report. same_s: the same
    card again within so many seconds is the same showing. stale_s: a value that no frame repeats for so long is bad.
    send: what commands an output, by the name of the state ("on", "off", or a word).
    """

    when: When = Field(default_factory=dict, description='position -> hex bytes, such as "1" = "86"')
    record: str = ""
    at: int | None = Field(None, ge=-1024, le=1024)
    type: Literal["u8", "s8", "u16", "s16", "u32", "s32", "u16le", "s16le", "u32le", "bcd", "ascii-hex", "text"] = "u8"
    length: int = Field(1, ge=1, le=256, description="bytes of a text, of ASCII hex or of BCD")
    bit: int | None = Field(None, ge=0, le=31)
    bits: int = Field(1, ge=1, le=16)
    invert: bool = False
    scale: float = 1.0
    offset: float = 0.0
    decimals_at: int | None = Field(None, ge=0, le=1024, description="position of the byte that says how many decimals the number has")
    enum: dict[str, str] = Field(default_factory=dict)
    sentinels: dict[str, str] = Field(default_factory=dict, description='raw number or range "a-b" -> what it means')
    pattern: Pattern = ""
    each: tuple[int, int] | None = Field(None, strict=False)
    reset_by: str = ""
    hold_s: float = Field(0, ge=0, le=3600)
    same_s: float = Field(0, ge=0, le=3600)
    stale_s: float = Field(0, ge=0, le=86_400)
    send: dict[str, Command] = Field(default_factory=dict)

    @model_validator(mode="after")
    def fits(self) -> FrameSignal:
        if (self.kind == "output") != bool(self.send):
            raise ValueError("an output has `send`, and only an output")
        if self.kind not in ("contact", "latched", "output") and self.at is None and not self.pattern:
            raise ValueError(f"say where the {self.kind} lies: `at` or `pattern`")
        if self.at is not None and self.pattern:
            raise ValueError("give `at` or `pattern`, not both")
        if self.kind == "card" and not (self.pattern or self.type in ("ascii-hex", "text")):
            raise ValueError("a card number is ascii-hex, text or a pattern")
        if (self.kind == "card") != bool(self.same_s):
            raise ValueError("a card has `same_s`, and only a card")
        if self.each is not None and (self.kind != "contact" or self.at is None or min(self.each[0], self.each[1] - 1) < 0):
            raise ValueError("`each` goes with a contact that has `at`: (first byte, length) of what names the part")
        if self.hold_s and self.kind not in ("contact", "text"):
            raise ValueError("hold_s is for contacts and texts")
        if self.reset_by and (self.kind != "contact" or self.hold_s):
            raise ValueError("reset_by is for contacts that do not go back by themselves")
        for raw in self.sentinels:
            if not _NUMBER.fullmatch(raw):
                raise ValueError(f'"{raw}" is neither a raw number nor a range such as "1000-1999"')
        return self

    @property
    def size(self) -> int:
        """Bytes that this signal reads at `at`."""
        return self.length if self.type in ("bcd", "ascii-hex", "text") else _SIZES.get(self.type, 1)


class FramesProfile(BaseProfile):
    """One type of device with frames of its own."""

    protocol: Literal["frames"]
    transports: list[Literal["serial", "raw-tcp"]] = Field(min_length=1)
    frames: list[Framed] = Field(default_factory=list)
    codec: Literal["ascii", "gbk", "utf-8"] = "ascii"
    start: list[Command] = Field(default_factory=list, description="sent when the port is opened, and again when the device fell silent")
    polls: list[Poll] = Field(default_factory=list)
    answers: list[Answer] = Field(default_factory=list)
    records: dict[str, Records] = Field(default_factory=dict)
    silent_s: float = Field(
        0, ge=0, le=86_400, description="no frame for so long: the device does not answer; 0: it may be silent for ever"
    )
    warm_up_s: float = Field(0, ge=0)
    signals: list[FrameSignal] = Field(min_length=1)

    @model_validator(mode="after")
    def holds_together(self) -> FramesProfile:
        for problem in self._problems():
            raise ValueError(problem)
        return self

    def _problems(self) -> Iterator[str]:
        if not self.frames and any(signal.kind != "output" for signal in self.signals):
            yield "a device without frames has outputs only"
        if self.polls and not self.silent_s:
            yield "a device that is polled answers: say after which silence it is lost (silent_s)"
        contacts = {signal.name for signal in self.signals if signal.kind == "contact"}
        for signal in self.signals:
            if signal.record and signal.record not in self.records:
                yield f'{signal.name}: "{signal.record}" is not in `records`'
            if signal.reset_by and (signal.reset_by not in contacts or signal.reset_by == signal.name):
                yield f'{signal.name}: "{signal.reset_by}" is not another contact of this profile'
            if signal.record and signal.at is not None and not 0 <= signal.at <= self.records[signal.record].size - signal.size:
                yield f"{signal.name}: position {signal.at} is not within the record"
