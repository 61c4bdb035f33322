"""Schema of the site file: the rules that are linkages: [rules.one_key], [rules.gas], [rules.fire], [rules.electrical]."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from gateway.config.profile import Strict
from gateway.config.site_linkage import Id

Until = Literal["", "acknowledged", "reset"]


class Steps(Strict):
    """Three lamps by which a person who presses sees how far the alarm has got."""

    pressed: Id | None = Field(None, description="the gateway has the press")
    broker: Id | None = Field(None, description="the message broker has it")
    received: Id | None = Field(None, description="a centre has signed for it")


class OneKey(Strict):
    """What a press of a one-key button does here, besides the alarm itself (一键报警)."""

    enabled: bool = True
    sirens: list[Id] | None = Field(None, description="every siren of the site if left out")
    strobes: list[Id] | None = Field(None, description="every strobe of the site if left out")
    siren_s: float = Field(180.0, ge=1, le=3600, description="they sound and flash for so long after each press")
    until: Until = Field("", description="acknowledged or reset: they stop then, if their time is not over before")
    silent: list[Id] = Field(default_factory=list, description="buttons for duress (胁迫): nothing sounds or flashes")
    pictures: list[Id] | None = Field(None, description="cameras that take one; if left out those of gates and of the button's own place")
    lamp: Steps = Field(default_factory=lambda: Steps())
    buzzer: Id | None = Field(None, description="the same three steps by one, two and three beeps")
    centre_silent: list[Id] | None = Field(
        None, description="sound when a centre does not sign for a press in time; the sirens if left out"
    )
    raise_bollards: list[Id] = Field(default_factory=list, description="bollard outputs that are raised; none if left out")
    drill: bool = Field(False, description="true: in a drill too")


class Gas(Strict):
    """What gas does: the valve is shut (燃气报警联动切断)."""

    enabled: bool = True
    shut_at: Literal["level1", "level2", "confirmed"] = Field(
        "level2", description="of a detector with two levels; confirmed: when two detectors agree (confirm_with)"
    )
    valves: list[Id] | None = Field(None, description="gas valves shut by detectors of their own place; every gas valve if left out")
    main_valves: list[Id] = Field(default_factory=list, description="gas valves shut by every detector of the site")
    fans: list[Id] = Field(default_factory=list, description="outputs that run while a detector of their own place gives alarm")
    explosion_proof: bool = Field(False, description="true: the fans are rated for gas (防爆); without it no fan is switched")
    sirens: list[Id] = Field(default_factory=list, description="sound for siren_s")
    siren_s: float = Field(60.0, ge=1, le=3600)
    drill: bool = Field(False, description="true: in a drill too")


class Fire(Strict):
    """What a fire alarm does: exit doors are let go until the alarm is reset (火灾时释放疏散门)."""

    enabled: bool = True
    release: list[Id] = Field(min_length=1, description="locks")
    sirens: list[Id] = Field(default_factory=list)
    siren_s: float = Field(180.0, ge=1, le=3600)
    electrical: bool = Field(False, description="true: an electrical-fire alarm does the same")
    drill: bool = Field(False, description="true: in a drill too")


class Electrical(Strict):
    """What electrical-fire detectors do. A warning is a message only, unless lamps are named. The supply is never cut by default."""

    enabled: bool = True
    warning_lamps: list[Id] = Field(default_factory=list, description="lamps that are lit from a warning on until it is acknowledged")
    sirens: list[Id] = Field(default_factory=list, description="sound for siren_s at an alarm")
    siren_s: float = Field(60.0, ge=1, le=3600)
    cut: list[Id] = Field(default_factory=list, description="relays that are switched on at an alarm, and stay so: they cut the supply")
    drill: bool = Field(False, description="true: in a drill too")
