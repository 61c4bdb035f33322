"""The gateway's wire against a device that shares no line with it: libmodbus's server, over TCP and RTU."""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path

import pytest

from drivers.modbus import ModbusDriver
from drivers.modbus_framing import framing_for
from gateway.bus.serial_line import SerialLine, SerialSettings
from gateway.bus.tcp_line import TcpLine
from gateway.core.reading import Quality, Reading
from gateway.core.wire import Block, Failure, Outcome, WireClass, WirePoint
from tests.drivers.golden import profile
from tests.field.device import null_modem, rtu_device, tcp_device
from tests.gateway.bus.wires import running, until
from tests.real_parts import need


class Decoding:
    """A sink that decodes as the runtime does and keeps the newest reading of each point."""

    def __init__(self, *drivers: tuple[str, ModbusDriver]) -> None:
        self.drivers = dict(drivers)
        self.readings: dict[str, Reading] = {}
        self.links: dict[str, tuple[bool, str]] = {}

    def outcome(self, block: Block, outcome: Outcome) -> None:
        driver = self.drivers[block.device]
        found = driver.fail(block, outcome.reason, outcome.now_s) if outcome.failure else driver.decode(block, outcome.pdu, outcome.now_s)
        self.readings.update({reading.point: reading for reading in found})

    def device_link(self, device: str, up: bool, reason: str, now_s: float) -> None:
        self.links[device] = (up, reason)

    def value(self, point: str) -> object:
        return self.readings[point].value if point in self.readings else None

    def reason(self, point: str) -> str:
        return self.readings[point].reason if point in self.readings else ""


PANIC = WirePoint("panic", "di1", WireClass.PANIC, 0.05)
SECOND = WirePoint("second", "di2", WireClass.PANIC, 0.05, inverted=True)


@pytest.mark.slow
async def test_adam_over_tcp() -> None:
    driver = ModbusDriver("adam", profile("advantech-adam-6060"), 1, [PANIC, WirePoint("presses", "di1_count", WireClass.STATE, 0.1)])
    sink = Decoding(("adam", driver))
    with tcp_device() as device:
        async with running(TcpLine("gate-io", "127.0.0.1", device.port, framing_for("tcp"), driver.plan(), sink)) as line:
            await until(lambda: sink.value("panic") is False)
            device.set("coil", 0, 1)
            await until(lambda: sink.value("panic") is True)
            device.set("holding", 1, 1)
            device.set("holding", 0, 7)
            await until(lambda: sink.value("presses") == 65543)
            outcome = await line.submit(driver.encode("do1", True)[0])
            assert outcome.failure is None
            assert device.get("coil", 16) == 1
            device.silence(True)
            await until(lambda: sink.links["adam"] == (False, "no answer"))
            assert (sink.readings["panic"].quality, sink.reason("panic")) == (Quality.BAD, "no answer")
            device.silence(False)
            await until(lambda: sink.links["adam"] == (True, "") and sink.value("panic") is True, 15.0)
        assert device.requests > 5


async def test_a_device_that_restarts_on_tcp_is_found_again() -> None:
    driver = ModbusDriver("adam", profile("advantech-adam-6060"), 1, [PANIC])
    sink = Decoding(("adam", driver))
    with tcp_device() as device:
        port = device.port
        line = TcpLine("gate-io", "127.0.0.1", port, framing_for("tcp"), driver.plan(), sink)
        task = asyncio.get_running_loop().create_task(line.run())
        await until(lambda: sink.value("panic") is False)
    await until(lambda: sink.reason("panic") == "port lost")
    with tcp_device(port) as device:
        device.set("coil", 0, 1)
        await until(lambda: sink.value("panic") is True, 15.0)
        task.cancel()
        await asyncio.wait([task])


async def test_an_address_that_the_device_lacks_is_a_configuration_fault() -> None:
    driver = ModbusDriver("xnx", profile("honeywell-xnx"), 1, [WirePoint("gas", "gas", WireClass.LIFE_SAFETY, 0.1)])
    blocks = [Block("xnx", "far", 1, b"\x03\xff\x00\x00\x01", 4, 0.1, 1.0, WireClass.STATE, 0.3, ()), *driver.plan()]

    class Sink(Decoding):
        def outcome(self, block: Block, outcome: Outcome) -> None:
            if block.name == "far":
                assert (outcome.failure, outcome.exception) == (Failure.EXCEPTION, 2)
            else:
                super().outcome(block, outcome)

    sink = Sink(("xnx", driver))
    with tcp_device() as device:
        for address, word in enumerate([0x2401, 0x2401, 0x4148, 0x0000, 0, 0, 1, 1, 0, 0, 5]):
            device.set("holding", address, word)
        async with running(TcpLine("b", "127.0.0.1", device.port, framing_for("tcp"), blocks, sink)):
            await until(lambda: sink.value("gas") == 12.5)
            await until(lambda: not sink.links["xnx"][0])
    assert sink.links["xnx"][1].startswith("configuration: exception 2")


@pytest.mark.slow
async def test_waveshare_over_a_9600_baud_line(tmp_path: Path) -> None:
    driver = ModbusDriver("io", profile("waveshare-modbus-rtu-io-8ch"), 7, [PANIC, SECOND])
    sink = Decoding(("io", driver))
    with null_modem(tmp_path) as (gateway_end, device_end), rtu_device(device_end, 9600, 7) as device:
        line = SerialLine("field", str(gateway_end), SerialSettings(9600), framing_for("rtu"), driver.plan(), sink)
        async with running(line):
            await until(lambda: sink.value("panic") is False and sink.value("second") is True)
            device.set("input", 0, 1)
            await until(lambda: sink.value("panic") is True)
            assert (await line.submit(driver.encode("do8", True)[0])).failure is None
            assert device.get("coil", 7) == 1
            device.silence(True)
            await until(lambda: sink.links["io"] == (False, "no answer"))
            device.silence(False)
            await until(lambda: sink.links["io"] == (True, ""), 15.0)
    assert line.counters.transactions["bad frame"] == 0


@pytest.mark.slow
async def test_a_pulled_adapter_and_a_new_one_under_the_same_name(tmp_path: Path) -> None:
    driver = ModbusDriver("io", profile("waveshare-modbus-rtu-io-8ch"), 7, [PANIC])
    sink = Decoding(("io", driver))
    line = SerialLine("field", str(tmp_path / "gateway-end"), SerialSettings(9600), framing_for("rtu"), driver.plan(), sink)
    async with running(line):
        await until(lambda: sink.reason("panic") == "port lost")
        for state in (True, False):
            with null_modem(tmp_path) as (_, device_end), rtu_device(device_end, 9600, 7) as device:
                device.set("input", 0, int(state))
                await until(lambda state=state: sink.value("panic") is state, 10.0)  # type: ignore[misc]
            await until(lambda: sink.reason("panic") == "port lost")


def test_mbpoll_reads_what_the_device_was_told() -> None:
    """The device itself is checked by a third program."""
    mbpoll = need("mbpoll", package="mbpoll")
    with tcp_device() as device:
        device.set("input", 2, 1)
        command = [mbpoll, "-1", "-t", "1", "-r", "1", "-c", "4", "-p", str(device.port), "127.0.0.1"]
        out = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20).stdout
    assert [line.split()[-1] for line in out.splitlines() if line.startswith("[")] == ["0", "0", "1", "0"]
