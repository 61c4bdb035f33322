"""The drivers of a site and what they ask: one driver for each device. For the daemon, `check` and `devices`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from drivers import DRIVERS
from gateway.config.settings import Settings
from gateway.core.reading import Value
from gateway.core.wire import Block, Driver

if TYPE_CHECKING:
    from gateway.config.site import Device

HashCard = Callable[[bytes], str]
POLLED = frozenset({"rtu", "ascii", "tcp", "rtu-tcp"})


def no_card(_: bytes) -> str:
    """Where nobody reads cards: `check` only plans."""
    return ""


def unit_of(settings: Settings, device: Device) -> int:
    """Its unit id: the site's, or the profile's factory value."""
    return settings.profiles[device.profile].serial.unit if device.unit is None else device.unit


def driver_of(settings: Settings, device: Device, hash_card: HashCard, learned: Mapping[str, Value]) -> Driver:
    """The driver of one device. learned: what an earlier run found out about it."""
    profile = settings.profiles[device.profile]
    points = settings.wire.get(device.id, [])
    unit = unit_of(settings, device)
    make = DRIVERS[profile.protocol]
    if profile.protocol == "modbus":
        driver: Driver = make(
            device.id,
            profile,
            unit,
            points,
            device.timeout_ms,
            delay_ms=device.delay_ms,
            address_offset=device.address_offset,
            configure=device.configure,
            learned=learned,
        )
    elif profile.protocol == "gpio":
        outputs = [output.signal for output in settings.outputs.values() if output.device == device.id]
        driver = make(device.id, profile, unit, points, outputs)
    else:
        driver = make(device.id, profile, unit, points, hash_card)
    return driver


def drivers_of(
    settings: Settings, hash_card: HashCard = no_card, learned: Mapping[str, Mapping[str, Value]] | None = None
) -> dict[str, Driver]:
    """Device id -> its driver."""
    known = learned or {}
    return {device.id: driver_of(settings, device, hash_card, known.get(device.id, {})) for device in settings.site.devices}


def plans_of(settings: Settings, drivers: Mapping[str, Driver]) -> dict[str, list[Block]]:
    """Bus id -> blocks of all its devices."""
    plans: dict[str, list[Block]] = {}
    for device in settings.site.devices:
        plans.setdefault(device.bus, []).extend(drivers[device.id].plan())
    return plans


def writing_buses(settings: Settings, drivers: Mapping[str, Driver]) -> frozenset[str]:
    """Buses on which something is written now and then: outputs, or the clearing of latches."""
    outputs = {output.device for output in settings.outputs.values()}
    return frozenset(
        device.bus
        for device in settings.site.devices
        if device.id in outputs or any(drivers[device.id].clear(point.point) for point in settings.wire.get(device.id, []))
    )
