"""Schema of a board's own contacts (Linux GPIO character device)."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from gateway.config.profile import BaseProfile, Offered


class GpioSignal(Offered):
    """One line of the chip. With `repeat`, line + i * stride."""

    line: int = Field(ge=0, le=1023, description="number of the line on its chip")
    bias: Literal["as-is", "disabled", "pull-up", "pull-down"] = "as-is"
    active_low: bool = Field(False, description="a low level means active: a contact that pulls the line to ground")
    debounce_ms: int = Field(5, ge=0, le=1000, description="of an input: a level must stand so long to count")
    safe: bool = Field(False, description="what an output is set to at start and when the gateway ends")

    @model_validator(mode="after")
    def fits(self) -> GpioSignal:
        if self.kind not in ("contact", "output"):
            raise ValueError(f'a line is a contact or an output, not "{self.kind}"')
        if self.safe and self.kind != "output":
            raise ValueError("safe is for outputs")
        return self


class GpioProfile(BaseProfile):
    """The contacts of one type of board. Nothing of another device may hang on the same line of the chip."""

    protocol: Literal["gpio"]
    transports: list[Literal["gpio"]] = Field(min_length=1)
    signals: list[GpioSignal] = Field(min_length=1)

    @model_validator(mode="after")
    def lines_differ(self) -> GpioProfile:
        seen: set[int] = set()
        for signal in self.signals:
            repeat = signal.repeat
            lines = [signal.line + i * repeat.stride for i in range(repeat.count)] if repeat else [signal.line]
            for line in lines:
                if line in seen:
                    raise ValueError(f'line {line} of "{signal.name}" is used by another signal already')
                seen.add(line)
        return self
