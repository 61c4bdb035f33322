"""Schema of a Modbus device's profile: where each signal lies, how its bits become a value, when that value may be believed.

Addresses count from `address_base`: 0 for wire addresses (as in the request), 1 for a manual that counts from 1. A
Modicon number (40003) is written without its area digit (3, with address_base = 1).
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, computed_field, model_validator

from gateway.config.profile import BaseProfile, Offered, Strict

Area = Literal["coil", "discrete", "holding", "input"]
Number = Literal["bool", "u8hi", "u8lo", "u16", "s16", "u32", "s32", "f32", "bcd16", "bcd32", "text"]
LoopState = Literal["normal", "active", "open", "short"]
WriteFunction = Literal[5, 6, 15, 16]
ReplyForm = Literal["echo", "request", "none"]


class Limits(Strict):
    """What one request may ask of the device, and how much time it needs."""

    max_registers: int = Field(125, ge=1, le=125)
    max_bits: int = Field(2000, ge=1, le=2000)
    max_hole: int = Field(8, ge=0, le=125, description="unused registers or bits that a block may bridge")
    exact_bits: int = Field(0, ge=0, le=2000, description="this many bits must be read, no other count")
    delay_ms: int = Field(10, ge=0, le=10_000, description="longest time that the healthy device takes until its reply begins")
    timeout_ms: int = Field(300, ge=10, le=10_000, description="end of request to first reply byte")
    gap_ms: int = Field(0, ge=0, le=5_000, description="pause that the device needs between requests")
    write_gap_ms: int = Field(0, ge=0, le=5_000, description="pause after a write, where it needs a longer one")
    late_ms: int = Field(200, ge=0, le=10_000, description="how late an answer may still arrive after a timeout")


class When(Strict):
    """A condition on another signal of the same device.

    The lists hold raw numbers, "low-high" ranges of them, or names of that signal's enum.
    """

    signal: str = Field(description="its name; {n} in a repeated signal stands for the same n")
    is_in: list[int | str] = Field(default_factory=list, alias="in")
    not_in: list[int | str] = Field(default_factory=list)
    reason: str = Field(description="said as the quality's reason when this does not hold")
    quality: Literal["bad", "uncertain"] = "bad"

    @model_validator(mode="after")
    def one_list(self) -> When:
        if bool(self.is_in) == bool(self.not_in):
            raise ValueError("give either `in` or `not_in`")
        return self


class Write(Strict):
    """One write with a fixed value: releases a latch, feeds a watchdog, unlocks, sets a device up.

    A coil's value is 1 or 0, or the raw word of function 5 when it is larger (0x5500 toggles on some boards). further:
    the registers behind it, written by the same request (a key of two words; function 16).
    """

    area: Literal["coil", "holding"]
    address: int = Field(ge=0, le=65535)
    stride: int = Field(0, description="of the address, in a repeated signal")
    value: int = Field(1, ge=0, le=65535)
    further: list[Annotated[int, Field(ge=0, le=65535)]] = Field(default_factory=list, max_length=15)
    function: WriteFunction | None = Field(None, description="5 for a coil and 6 for a register if left out")
    reply: ReplyForm = Field("echo", description="request: the whole request comes back; none: nobody answers")
    whole_device: bool = Field(False, description="clears every latch of the device, not this one alone")

    @model_validator(mode="after")
    def fits(self) -> Write:
        if self.function is not None and (self.function in (5, 15)) != (self.area == "coil"):
            raise ValueError(f"function {self.function} does not write a {self.area}")
        if self.further and self.function != 16:
            raise ValueError("further registers need function = 16")
        return self


class Output(Strict):
    """How an output is written, where that differs from a plain write of 1 or 0 (or the scaled number) to its own address.

    on, off: raw words. An output with `on` alone is a momentary command (reset, open). before, after: writes that
    enclose it (unlock, save), all within `within_ms`. ack: the word that a "done" carries where the echo has the written one.
    """

    function: WriteFunction | None = None
    address: int | None = Field(None, ge=0, le=65535, description="where it is written, if not where it is read")
    stride: int | None = Field(None, description="of that address; the signal's own if left out")
    on: int | None = Field(None, ge=0, le=65535)
    off: int | None = Field(None, ge=0, le=65535)
    reply: ReplyForm = "echo"
    ack: int | None = Field(None, ge=0, le=65535)
    before: list[Write] = Field(default_factory=list)
    after: list[Write] = Field(default_factory=list)
    within_ms: int = Field(10_000, ge=100, le=60_000)
    remote_when: When | None = Field(None, description="a command is refused unless this holds")


class Pulse(Strict):
    """A pulse that the device ends by itself: written value = base + duration / unit_ms."""

    address: int = Field(ge=0, le=65535)
    stride: int = 1
    area: Literal["coil", "holding"] = "coil"
    function: WriteFunction | None = None
    base: int = Field(0, ge=0, le=65535)
    unit_ms: int = Field(100, ge=1, le=60_000)
    most: int = Field(255, ge=1, le=65535, description="largest duration, in units")

    @model_validator(mode="after")
    def fits(self) -> Pulse:
        if self.area == "coil" and self.function not in (None, 5):
            raise ValueError("a pulse of a coil is a word of function 5")
        if self.area == "holding" and self.function not in (None, 6, 16):
            raise ValueError(f"function {self.function} does not write a holding")
        if self.base + self.most > 0xFFFF:
            raise ValueError("base + most do not fit a register")
        return self


class Signal(Offered):
    """One thing that a Modbus device offers: read from an area, or derived from other signals.

    Derived: `from_signals` names contacts, `table` says what their states together mean: "10" is the first on and the
    second off, x stands for either. For a contact the meanings are normal, active, open, short.
    """

    area: Area | None = None
    address: int | None = Field(None, ge=0, le=65535)
    type: Number = "bool"
    words: Literal["high-first", "low-first", "tested"] = Field("high-first", description="tested: as the word_order register shows")
    bytes: Literal["big", "little"] = Field("big", description="byte order inside a register")
    length: int = Field(1, ge=1, le=64, description="registers of a text")
    characters: Literal[1, 2] = Field(2, description="of a text, in each register; a single one lies in the low byte")
    bit: int | None = Field(None, ge=0, le=31, description="lowest bit of a field inside the number")
    bits: int = Field(1, ge=1, le=16, description="width of that field")
    invert: bool = Field(False, description="0 means active")
    sense_from: str = Field("", description="signal that is 1 where this contact is normally energised: active = this XOR that one")
    or_with: list[str] = Field(default_factory=list, description="further contacts that make this one active")
    scale: float = 1.0
    offset: float = 0.0
    exponent_from: str = Field("", description="signal whose value p makes it raw x 10^-p; {n} as in valid_when")
    sign_from: str = Field("", description="signal that is not 0 where the value is negative")
    current_loop: bool = Field(False, description="the scaled value is a loop current in mA (4-20); the point gives its range")
    sentinels: dict[str, str] = Field(default_factory=dict, description="raw number (decimal or 0x..) -> what it means")
    enum: dict[str, str] = Field(default_factory=dict, description='raw number or "low-high" range -> name')
    bad: list[str] = Field(default_factory=list, description="names of enum or table that are a fault: the reading is then bad")
    fault_values: dict[str, str] = Field(
        default_factory=dict, description='raw number or "low-high" range -> fault; the reading is then bad'
    )
    uncertain_values: dict[str, str] = Field(default_factory=dict, description="the same, but the value stays, marked uncertain")
    loop: dict[str, LoopState] = Field(default_factory=dict, description='four-state contact: raw number or "low-high" range -> state')
    from_signals: list[str] = Field(default_factory=list)
    table: dict[str, str] = Field(default_factory=dict)
    valid_when: list[When] = Field(default_factory=list)
    clear: Write | None = Field(None, description="how a latched input is released after it was journalled")
    read_clears: bool = Field(False, description="reading it sets it back: what was read and not yet stored is lost with a crash")
    write: Output | None = None
    pulse: Pulse | None = None
    safe: Write | None = Field(None, description="sets the state that the device itself takes when the bus is lost")

    @model_validator(mode="after")
    def shape(self) -> Signal:
        if self.kind == "card":
            raise ValueError("a Modbus device offers no cards")
        self._names()
        self._references()
        if self.from_signals:
            self._derived()
            return self
        if self.table:
            raise ValueError("`table` needs `from_signals`")
        if self.area is None or self.address is None:
            raise ValueError("give `area` and `address`, or `from_signals` and `table`")
        if self.area in ("coil", "discrete") and self.type != "bool":
            raise ValueError(f"a {self.area} is one bit: type must be bool, not {self.type}")
        if self.area in ("holding", "input") and self.type == "bool" and self.bit is None and self.kind != "output":
            raise ValueError("a bool in a register needs `bit`")
        if self.kind == "latched" and self.clear is None and not self.read_clears:
            raise ValueError("a latched input needs `clear` (or read_clears), or the latch would never be released")
        if self.kind == "enum" and not self.enum:
            raise ValueError("an enum needs its names")
        if self.kind == "output" and self.area not in ("coil", "holding"):
            raise ValueError(f"an output lies in coil or holding, not in {self.area}")
        if (self.write or self.pulse or self.safe) and self.kind != "output":
            raise ValueError("write, pulse and safe are for outputs")
        if self.loop and self.kind != "contact":
            raise ValueError("loop is for contacts")
        if self.write and self.write.function is not None and (self.write.function in (5, 15)) != (self.area == "coil"):
            raise ValueError(f"function {self.write.function} does not write a {self.area}")
        if (self.kind == "text") != (self.type == "text") and self.kind != "output":
            raise ValueError("a text has type text, and only a text")
        if self.bit is not None and self.type not in ("bool", "u8hi", "u8lo", "u16", "s16", "u32", "s32"):
            raise ValueError(f"a {self.type} has no bits to pick")
        if self.words == "tested" and self.type not in ("u32", "s32", "f32", "bcd32"):
            raise ValueError(f"a {self.type} has one word, whose order cannot be tested")
        return self

    def _names(self) -> None:
        names = {*self.enum.values(), *self.table.values()}
        for name in self.bad:
            if name not in names:
                raise ValueError(f'"{name}" in bad is no name of enum or table')

    def _references(self) -> None:
        if (self.sense_from or self.or_with) and self.kind not in ("contact", "latched"):
            raise ValueError("sense_from and or_with are for contacts")
        if (self.sign_from or self.exponent_from or self.current_loop) and self.kind != "measurement":
            raise ValueError("sign_from, exponent_from and current_loop are for measurements")

    def _derived(self) -> None:
        if self.area is not None or self.address is not None:
            raise ValueError("a signal made from others has no area or address of its own")
        if self.kind not in ("contact", "enum"):
            raise ValueError("only a contact or an enum can be made from others")
        if not self.table:
            raise ValueError("`from_signals` needs `table`")
        for pattern, name in self.table.items():
            if len(pattern) != len(self.from_signals) or set(pattern) - set("01x"):
                raise ValueError(f'"{pattern}" in table needs one 0, 1 or x for each of {len(self.from_signals)} signals')
            if self.kind == "contact" and name not in ("normal", "active", "open", "short"):
                raise ValueError(f'"{name}" in table of a contact must be normal, active, open or short')


class Span(Strict):
    """A block that must be read exactly so."""

    area: Area
    address: int = Field(ge=0, le=65535)
    count: int = Field(ge=1, le=2000)


class Identity(Strict):
    """A register that must hold a known number before the device is trusted."""

    area: Literal["holding", "input"] = "holding"
    address: int = Field(ge=0, le=65535)
    mask: int = 0xFFFF
    expect: int

    @computed_field  # type: ignore[prop-decorator]
    @property
    def signal(self) -> Signal:
        """The register as a signal like any other, so that it is planned and read like one."""
        return Signal(name="identity_register", kind="measurement", area=self.area, address=self.address, type="u16")


class WordOrder(Strict):
    """Two registers with a known 32-bit number, by which the order of words is found out."""

    area: Literal["holding", "input"] = "holding"
    address: int = Field(ge=0, le=65535)
    expect: int = Field(0x12345678, ge=1, le=0xFFFFFFFF)

    @model_validator(mode="after")
    def tells(self) -> WordOrder:
        if self.expect >> 16 == self.expect & 0xFFFF:
            raise ValueError("expect must have two different words, or it tells no order")
        return self

    @computed_field  # type: ignore[prop-decorator]
    @property
    def signal(self) -> Signal:
        """The registers as a signal like any other."""
        return Signal(name="word_order_register", kind="measurement", area=self.area, address=self.address, type="u32")


class Heartbeat(Strict):
    """A signal that must change at least this often, or all values are stale."""

    signal: str
    within_s: float = Field(gt=0)


class Feed(Strict):
    """A watchdog in the device that wants a write this often; alternate: the value of every second write (a toggle bit)."""

    write: Write
    every_s: float = Field(gt=0, le=3600)
    alternate: int | None = Field(None, ge=0, le=65535)


class ModbusProfile(BaseProfile):
    """One type of Modbus device."""

    protocol: Literal["modbus"] = "modbus"
    transports: list[Literal["rtu", "tcp", "rtu-tcp", "ascii"]] = Field(min_length=1)
    address_base: Literal[0, 1] = Field(0, description="1: all addresses of this file count from 1")
    limits: Limits = Field(default_factory=lambda: Limits())
    max_clients: int | None = Field(None, ge=1, description="TCP connections that the device takes at once")
    exact_blocks: list[Span] = Field(default_factory=list, description="reads that the device answers in exactly this form only")
    identity: Identity | None = None
    word_order: WordOrder | None = None
    heartbeat: Heartbeat | None = None
    feed: Feed | None = None
    start: list[Write] = Field(default_factory=list, description="written each time it comes up, where the site says configure = true")
    warm_up_s: float = Field(0, ge=0, description="after power-on: values are uncertain for so long")
    signals: list[Signal] = Field(min_length=1)
