"""Schema of a card reader's profile (OSDP, IEC 60839-11-5): which of the reader's reports and commands are signals."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from gateway.config.profile import BaseProfile, Offered

Colour = Literal["red", "green", "amber", "blue", "magenta", "cyan", "white"]
_KINDS = {
    "card": "card",
    "keypad": "card",
    "tamper": "contact",
    "power": "contact",
    "input": "contact",
    "led": "output",
    "buzzer": "output",
    "output": "output",
}


class OsdpSignal(Offered):
    """One thing that a reader offers. what: card, keypad digits, tamper, power, an input; led, buzzer, an output.

    number: of the input, output or LED, from 0; with `repeat`, number + i * stride. Kind: `card` for card and keypad,
    `contact` for tamper (opened), power (failed) and inputs, `output` for the rest.
    """

    what: Literal["card", "keypad", "tamper", "power", "input", "led", "buzzer", "output"]
    number: int = Field(0, ge=0, le=63)
    reader: int = Field(0, ge=0, le=15, description="reading head, of a card, keypad, LED or buzzer; nearly always 0")
    colour: Colour = Field("green", description="of an LED that is just switched on")

    @model_validator(mode="after")
    def fits(self) -> OsdpSignal:
        if self.kind != _KINDS[self.what]:
            raise ValueError(f'what = "{self.what}" is of kind "{_KINDS[self.what]}", not "{self.kind}"')
        if self.repeat is not None and self.number + (self.repeat.count - 1) * self.repeat.stride > 63:
            raise ValueError("the numbers of a repeated signal end at 63")
        return self


class OsdpProfile(BaseProfile):
    """One type of reader."""

    protocol: Literal["osdp"]
    transports: list[Literal["osdp"]] = Field(min_length=1)
    same_s: float = Field(2.0, ge=0, le=60, description="a card that is read again within this time is still the same showing")
    entry_s: float = Field(10.0, gt=0, le=60, description="a keypad entry without a further key for so long is forgotten")
    signals: list[OsdpSignal] = Field(min_length=1)
