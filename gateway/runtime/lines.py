"""Makes the line of each bus: polled ones, ports where devices speak unasked, readers, the board's own contacts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from drivers.modbus_framing import framing_for
from gateway.bus.line import Line, line_for
from gateway.bus.serial_line import SerialSettings
from gateway.config.settings import ConfigRefused, Problem, Settings
from gateway.core.wire import Driver, LineSink
from gateway.runtime.equipment import POLLED, unit_of
from gateway.runtime.keys import KeyRefused, load_reader_key

if TYPE_CHECKING:
    from drivers.frames import FramesDriver
    from drivers.gpio import GpioDriver
    from gateway.config.profile import SerialDefaults
    from gateway.config.profile_frames import FramesProfile
    from gateway.config.site import Bus, Device, SerialBus, TcpBus


def line_of(settings: Settings, bus: Bus, devices: Sequence[Device], drivers: Mapping[str, Driver], sink: LineSink) -> Line:
    """The line of one bus with these devices, at least one. ConfigRefused when a reader's key cannot be used."""
    factory = settings.profiles[devices[0].profile].serial
    folder = settings.file.parent
    if bus.transport in POLLED:
        blocks = [block for device in devices for block in drivers[device.id].plan()]
        return line_for(cast("SerialBus | TcpBus", bus), framing_for(bus.transport), blocks, sink, factory, folder)
    if bus.transport == "gpio":
        from gateway.bus.gpio_line import GpioLine

        pins = [pin for device in devices for pin in cast("GpioDriver", drivers[device.id]).pins()]
        return GpioLine(bus.id, bus.chip, pins, sink)
    if bus.transport == "osdp":
        from gateway.bus.osdp_line import OsdpLine
        from gateway.bus.osdp_session import ReaderAddress

        readers = [ReaderAddress(device.id, unit_of(settings, device), _key(settings, device)) for device in devices]
        return OsdpLine(bus.id, str(folder / bus.device), serial_settings(bus, factory), readers, sink, bus.install_mode)
    return _push_line(settings, bus, devices[0], cast("FramesDriver", drivers[devices[0].id]), factory, sink)


def _push_line(settings: Settings, bus: Any, device: Device, driver: FramesDriver, factory: SerialDefaults, sink: LineSink) -> Line:
    from drivers.frames_split import Splitter
    from gateway.bus.push_line import PushDevice, PushLine, SerialPort, TcpPeer

    profile = cast("FramesProfile", settings.profiles[device.profile])
    opener: SerialPort | TcpPeer
    if bus.transport == "raw-tcp":
        opener = TcpPeer(bus.host, bus.port, bus.connect_timeout_ms / 1000)
    else:
        opener = SerialPort(str(settings.file.parent / bus.device), serial_settings(bus, factory))
    known = PushDevice(device.id, Splitter(profile), driver.opening, driver.plan(), profile.silent_s, driver.answer)
    return PushLine(bus.id, known, opener, sink)


def serial_settings(bus: SerialBus, factory: SerialDefaults) -> SerialSettings:
    """Of a serial bus; what the site file leaves out is as the device is shipped."""
    return SerialSettings(
        bus.baud or factory.baud, bus.parity or factory.parity, bus.stop_bits or factory.stop_bits, bus.data_bits or factory.data_bits
    )


def _key(settings: Settings, device: Device) -> bytes | None:
    if not device.key_file:
        return None
    try:
        return load_reader_key(settings.beside(device.key_file))
    except KeyRefused as refused:
        raise ConfigRefused([Problem(str(settings.file), 1, f"device {device.id}: key_file", str(refused))]) from refused
