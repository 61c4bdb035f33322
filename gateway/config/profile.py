"""Schema of a device profile: a data file that describes one type of device.

A profile says where each signal of a Modbus device lies, how its bits become a value, and when that
value may be believed. Addresses are always *wire* addresses (0-based, as in the request); a profile
made from a 1-based manual says so in `note`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, computed_field, model_validator

Area = Literal["coil", "discrete", "holding", "input"]
Confidence = Literal["manual", "manual via map", "code", "recalled"]
Number = Literal["bool", "u8hi", "u8lo", "u16", "s16", "u32", "s32", "f32", "text"]
Kind = Literal["contact", "counter", "latched", "measurement", "enum", "text", "output"]

NAME = r"^[a-z][a-z0-9_]*(\{n\})?[a-z0-9_]*$"


class Strict(BaseModel):
    """Base of all file schemas: an unknown key is an error, and so is "3" for 3, true for 1, or a number without end."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False, defer_build=True)


class SerialDefaults(Strict):
    """Factory serial settings, used where the site file is silent."""

    baud: int = Field(9600, ge=300, le=1_000_000, description="bits a second")
    parity: Literal["N", "E", "O"] = "N"
    stop_bits: Literal[1, 2] = 1
    unit: int = Field(1, ge=0, le=255, description="factory unit id")


class Limits(Strict):
    """What one request may ask of the device, and how much time it needs."""

    max_registers: int = Field(125, ge=1, le=125)
    max_bits: int = Field(2000, ge=1, le=2000)
    max_hole: int = Field(8, ge=0, le=125, description="unused registers or bits that a block may bridge")
    exact_bits: int = Field(0, ge=0, le=2000, description="this many bits must be read, no other count")
    timeout_ms: int = Field(300, ge=10, le=10_000, description="end of request to first reply byte")
    gap_ms: int = Field(0, ge=0, le=5_000, description="pause that the device needs between requests")
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


class Repeat(Strict):
    """The same signal again and again: n = first .. first+count-1 at address + i*stride (or bit + i*bit_stride)."""

    count: int = Field(ge=1, le=256)
    stride: int = Field(1, ge=0)
    bit_stride: int = 0
    first: int = 1


class Write(Strict):
    """A single write: what to send to clear a latch."""

    area: Literal["coil", "holding"]
    address: int = Field(ge=0, le=65535)
    stride: int = 0
    value: int = Field(1, ge=0, le=65535)


class Signal(Strict):
    """One thing that a device offers."""

    name: Annotated[str, Field(pattern=NAME, description="di1, gas, state; with repeat: di{n}")]
    kind: Kind
    area: Area
    address: int = Field(ge=0, le=65535, description="wire address, 0-based")
    type: Number = "bool"
    words: Literal["high-first", "low-first"] = "high-first"
    length: int = Field(1, ge=1, le=64, description="registers of a text")
    bit: int | None = Field(None, ge=0, le=31, description="lowest bit of a field inside the number")
    bits: int = Field(1, ge=1, le=16, description="width of that field")
    invert: bool = Field(False, description="0 means active")
    scale: float = 1.0
    offset: float = 0.0
    exponent_from: str = Field("", description="signal whose value p makes it raw x 10^-p; {n} as in valid_when")
    unit: str = Field("", description="unit of the scaled value: %LEL, mA, Cel, ppm, %")
    sentinels: dict[str, str] = Field(default_factory=dict, description="raw number (decimal or 0x..) -> what it means")
    enum: dict[str, str] = Field(default_factory=dict, description="raw number -> name")
    fault_values: dict[str, str] = Field(
        default_factory=dict, description='raw number or "low-high" range -> fault; the reading is then bad'
    )
    valid_when: list[When] = Field(default_factory=list)
    repeat: Repeat | None = None
    clear: Write | None = Field(None, description="how a latched input is released after it was journalled")
    note: str = ""
    confidence: Confidence | None = Field(None, description="where it differs from the profile's")

    @model_validator(mode="after")
    def shape(self) -> Signal:
        if ("{n}" in self.name) != (self.repeat is not None):
            raise ValueError("a repeated signal has {n} in its name, and only a repeated one")
        if self.area in ("coil", "discrete") and self.type != "bool":
            raise ValueError(f"a {self.area} is one bit: type must be bool, not {self.type}")
        if self.area in ("holding", "input") and self.type == "bool" and self.bit is None:
            raise ValueError("a bool in a register needs `bit`")
        if self.kind == "latched" and self.clear is None:
            raise ValueError("a latched input needs `clear`, or the latch would never be released")
        if self.kind == "enum" and not self.enum:
            raise ValueError("an enum needs its names")
        return self


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


class Heartbeat(Strict):
    """A signal that must change at least this often, or all values are stale."""

    signal: str
    within_s: float = Field(gt=0)


class Profile(Strict):
    """One type of device."""

    schema_version: Literal[1] = Field(alias="schema")
    id: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,48}$")]
    vendor: str
    model: str
    summary: str = Field(description="what it is, in one line")
    summary_zh: str
    protocol: Literal["modbus"] = "modbus"
    transports: list[Literal["rtu", "tcp", "rtu-tcp"]]
    source: str = Field(description="document and page the facts come from")
    confidence: Confidence
    serial: SerialDefaults = Field(default_factory=lambda: SerialDefaults())
    limits: Limits = Field(default_factory=lambda: Limits())
    identity: Identity | None = None
    heartbeat: Heartbeat | None = None
    warm_up_s: float = Field(0, ge=0, description="after power-on: values are uncertain for so long")
    signals: list[Signal] = Field(min_length=1)
    note: str = ""
