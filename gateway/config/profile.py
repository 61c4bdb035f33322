"""What all device profiles have in common. A profile is a data file that describes one type of device.

One schema for each protocol: `profile_modbus`, `profile_frames`, `profile_osdp`, `profile_gpio`; the profile's
own `protocol` says which. A profile offers signals; the site file puts them to use as points and outputs.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Confidence = Literal["manual", "manual via map", "code", "recalled"]
Kind = Literal["contact", "counter", "latched", "measurement", "enum", "text", "output", "card"]

NAME = r"^[a-z][a-z0-9_]*(\{n\})?[a-z0-9_]*$"


class Strict(BaseModel):
    """Base of all file schemas: an unknown key is an error, and so is "3" for 3, true for 1, or a number without end."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False, defer_build=True)


class SerialDefaults(Strict):
    """Factory serial settings, used where the site file is silent."""

    baud: int = Field(9600, ge=300, le=1_000_000, description="bits a second")
    data_bits: Literal[7, 8] = 8
    parity: Literal["N", "E", "O"] = "N"
    stop_bits: Literal[1, 2] = 1
    unit: int = Field(1, ge=0, le=255, description="factory unit id")


class Repeat(Strict):
    """The same signal again and again: n = first .. first+count-1 at address + i*stride (or bit + i*bit_stride)."""

    count: int = Field(ge=1, le=256)
    stride: int = Field(1, ge=0)
    bit_stride: int = 0
    first: int = 1


class Offered(Strict):
    """What every signal of every protocol has."""

    name: Annotated[str, Field(pattern=NAME, description="di1, gas, state; with repeat: di{n}")]
    kind: Kind
    unit: str = Field("", description="unit of the scaled value: %LEL, mA, Cel, ppm, %")
    repeat: Repeat | None = None
    note: str = ""
    source: str = Field("", description="where this one comes from, if not from the profile's source")
    confidence: Confidence | None = Field(None, description="where it differs from the profile's")

    @model_validator(mode="after")
    def named(self) -> Offered:
        if ("{n}" in self.name) != (self.repeat is not None):
            raise ValueError("a repeated signal has {n} in its name, and only a repeated one")
        return self


class BaseProfile(Strict):
    """What every profile has. A profile that is `map_only` was written from a register map and has no published frames to check it with."""

    schema_version: Literal[1] = Field(alias="schema")
    id: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,48}$")]
    vendor: str
    model: str
    summary: str = Field(description="what it is, in one line")
    summary_zh: str
    source: str = Field(description="document and page the facts come from")
    confidence: Confidence
    map_only: bool = Field(False, description="no published frame or worked figure was found to test it with")
    serial: SerialDefaults = Field(default_factory=lambda: SerialDefaults())
    note: str = ""
