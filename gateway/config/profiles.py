"""All schemas of device profiles, by the protocol that a profile names."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.config.profile import BaseProfile, Offered
from gateway.config.profile_frames import FramesProfile
from gateway.config.profile_gpio import GpioProfile
from gateway.config.profile_modbus import ModbusProfile
from gateway.config.profile_osdp import OsdpProfile

Profile = ModbusProfile | FramesProfile | OsdpProfile | GpioProfile

PROFILES: dict[str, type[BaseProfile]] = {
    "modbus": ModbusProfile,
    "frames": FramesProfile,
    "osdp": OsdpProfile,
    "gpio": GpioProfile,
}


def signals_of(profile: Profile) -> Iterator[tuple[str, Offered]]:
    """(name, signal) of a profile with repeats written out."""
    for signal in profile.signals:
        if signal.repeat is None:
            yield signal.name, signal
        else:
            for n in range(signal.repeat.first, signal.repeat.first + signal.repeat.count):
                yield signal.name.replace("{n}", str(n)), signal
