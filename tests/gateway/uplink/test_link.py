"""One path against brokers with limits: what is sent then, what is left out, and how soon it comes back for an alarm."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.core.errors import LinkLost, NoPuback
from gateway.uplink import link as link_module
from gateway.uplink import patience, suspicion
from gateway.uplink.lane import Entry
from gateway.uplink.outbox import Outbox
from gateway.uplink.session import MqttDialler
from gateway.uplink.uplink import Outside, Uplink
from simulators.broker import Broker
from tests.gateway.uplink.test_outbox import entry
from tests.gateway.uplink.test_redial import Line
from tests.gateway.uplink.test_session import address
from tests.gateway.uplink.test_session_limits import open_to
from tests.gateway.uplink.test_uplink import KEYS, TIMING, Empty, School, make  # noqa: F401 - a fixture
from tests.proof.scripted_broker import ScriptedBroker
from tests.real_parts import need

Make = Callable[[], School]
ROOT = "campus/v1/demo-school/gate"
POINTS = [{"id": f"point-{number}", "role": "panic_button"} for number in range(200)]  # about 8 kB


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short waits between attempts."""
    monkeypatch.setattr(patience, "BACK_OFF_FIRST_S", 0.02)
    monkeypatch.setattr(patience, "BACK_OFF_OWED_CAP_S", 0.05)
    monkeypatch.setattr(patience, "BACK_OFF_CAP_S", 0.05)
    monkeypatch.setattr(patience, "SHORT_TIMES", 100)
    monkeypatch.setattr(link_module, "SUSPECT_S", 0.2)
    monkeypatch.setattr(suspicion, "SUSPECT_S", 0.2)


class Full(Empty):
    """A board with many points."""

    def birth(self) -> dict[str, Any]:
        return {"source": "x", "places": {"gate": {}}, "cameras": [], "points": POINTS}


class Gate:
    """A gateway with one path, to a real broker."""

    def __init__(self, school: School, port: int, *, v5: bool, board: Empty) -> None:
        self.faults: list[tuple[str, bool, str]] = []
        self.box = Outbox(10, 10.0, paths=("lan",))
        outside = Outside(Empty(), board, lambda settled: None, lambda *told: self.faults.append(told), lambda who, seconds: None)
        identity = school.uplink.links["lan"]._shared.identity
        self.uplink = Uplink(identity, {"lan": MqttDialler(address(port, v5=v5), 10)}, self.box, KEYS, ["police"], TIMING, outside)
        self.link = self.uplink.links["lan"]

    def offer(self, *entries: Entry) -> None:
        for item in entries:
            self.box.offer(item)
        self.uplink.wake()


@asynccontextmanager
async def gate(school: School, port: int, *, v5: bool = True, board: Empty | None = None) -> AsyncIterator[Gate]:
    """It runs within."""
    here = Gate(school, port, v5=v5, board=board or Empty())
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(here.link.run())
        yield here
        running.cancel()


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - parts of the product have no event for a test
            await asyncio.sleep(0.01)


def large(row: int) -> Entry:
    item = entry(row)
    item.body = b"x" * 8000
    return item


@pytest.fixture
def strict(tmp_path: Path) -> Iterator[Broker]:
    """mosquitto that takes packets of 6,000 bytes; it says so over MQTT 5 and closes the socket over 3.1.1."""
    need("mosquitto", package="mosquitto")
    with Broker("mosquitto", dir=tmp_path, extra="max_packet_size 6000") as broker:
        yield broker


@pytest.mark.parametrize("v5", [True, False])
async def test_a_birth_that_the_broker_does_not_take_is_sent_short(make: Make, strict: Broker, v5: bool) -> None:  # noqa: F811
    """Else the session would end again and again, and no alarm would get through."""
    async with open_to(strict.port, name="watcher") as watcher:
        await watcher.subscribe(f"{ROOT}/birth")
        await watcher.subscribe(f"{ROOT}/event/alarm")
        async with gate(make(), strict.port, v5=v5, board=Full()) as here:
            here.offer(entry(1))
            heard: dict[str, bytes] = {}
            async with asyncio.timeout(20):
                async for topic, payload, _ in watcher.messages():
                    heard[topic.removeprefix(ROOT)] = payload
                    if len(heard) == 2:
                        break
            birth = json.loads(heard["/birth"])
            assert (birth["points"], birth["short"]) == ([], True)
            assert birth["places"] == ({"gate": {}} if v5 else {}), "what fits stays, where the limit is known"
            assert here.link.counts.losses == (0 if v5 else link_module.BIRTH_TIMES)
            assert not here.box.holds, "the alarm was not to blame"


async def test_a_birth_that_fits_is_whole(make: Make, strict: Broker) -> None:  # noqa: F811
    async with open_to(strict.port, name="watcher") as watcher:
        await watcher.subscribe(f"{ROOT}/birth")
        async with gate(make(), strict.port):
            async with asyncio.timeout(10):
                _, payload, _ = await anext(watcher.messages())
            assert "short" not in json.loads(payload)


@pytest.mark.parametrize("v5", [True, False])
async def test_an_event_that_the_broker_does_not_take_holds_up_no_other(make: Make, strict: Broker, v5: bool) -> None:  # noqa: F811
    async with gate(make(), strict.port, v5=v5) as here:
        await until(lambda: here.link.proven)
        here.offer(large(1), *(entry(row) for row in range(2, 5)))
        await until(lambda: all(item.attempts and not here.link.lane.in_flight for item in map(here.box._entries.__getitem__, (2, 3, 4))))
        assert here.link.counts.losses == 0 if v5 else 0 < here.link.counts.losses <= 5
        await until(lambda: 1 in here.link.lane.rejected)
        assert not here.box.holds, "the class flows"


async def test_a_broker_that_says_so_only_when_it_leaves(make: Make) -> None:  # noqa: F811
    """MQTT 5, DISCONNECT 0x95, no limit announced."""
    with ScriptedBroker(largest=6000) as broker:
        async with gate(make(), broker.port) as here:
            await until(lambda: here.link.proven)
            here.offer(large(1), *(entry(row) for row in range(2, 5)))
            await until(lambda: 1 in here.link.lane.rejected and all(here.box._entries[row].acked for row in (2, 3, 4)))
            assert broker.publishes["event/alarm"] <= 10
            connects = broker.connects
            here.offer(large(5))
            await until(lambda: 5 in here.link.lane.rejected)
            assert (here.link.counts.up, broker.connects) == (True, connects), "it is not tried with another one of that size"
            assert not here.link.patience.rival


async def test_a_class_that_the_broker_leaves_at_is_set_aside(make: Make) -> None:  # noqa: F811
    """MQTT 5, DISCONNECT 0x87 after an event: found as over 3.1.1, where no reason is given."""

    class Picky(ScriptedBroker):
        def _publish(self, body: bytes) -> bytes:
            answer = super()._publish(body)
            return b"\xe0\x02\x87\x00" if b"event/observation" in body[:80] else answer

    with Picky() as broker:
        async with gate(make(), broker.port) as here:
            await until(lambda: here.link.proven)
            here.offer(entry(1, "observation"), entry(2, "observation"))
            await until(lambda: here.box.holds)
            assert list(here.box.holds) == [("lan", "observation")]
            here.offer(entry(3))
            await until(lambda: 3 in here.box._entries and here.box._entries[3].acked)


@pytest.mark.parametrize("most", [1, 4, 10])
async def test_a_broker_that_takes_few_at_once(make: Make, most: int) -> None:  # noqa: F811
    with ScriptedBroker(most=most, delay_s=0.005) as broker:
        async with gate(make(), broker.port) as here:
            here.offer(*(entry(row) for row in range(1, 41)))
            await until(lambda: all(item.acked for item in here.box._entries.values()))
            assert (broker.breaches, broker.connects) == (0, 1)


@pytest.mark.parametrize(
    ("most", "window", "states"), [(65_535, None, 20), (200, 160, 20), (100, 80, 10), (20, 16, 2), (4, 4, 1), (1, 1, 1)]
)
async def test_events_leave_room_for_the_gateways_own_messages(
    make: Make,  # noqa: F811
    most: int,
    window: int | None,
    states: int,
) -> None:
    lan, line = make().uplink.links["lan"], Line(quiet=True)
    line.receive_maximum = most
    lan._set_limits(line)
    assert (lan.lane.window, lan._states_most) == (window, states)


async def test_alarms_go_out_where_no_receipts_may_be_read(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    monkeypatch.setattr(link_module, "ASK_AGAIN_S", 0.1)
    with ScriptedBroker(closed=("/receipt",)) as broker:
        async with gate(make(), broker.port) as here:
            here.offer(entry(1))
            await until(lambda: broker.publishes["event/alarm"] and here.link.proven)
            here.uplink.look(0.0)
            told = [reason for point, active, reason in here.faults if point == "gw-path-lan" and active]
            assert len(told) == 1
            assert "0x87" in told[0]
            assert f"{ROOT}/receipt" in told[0]
            broker.closed = ()
            await until(lambda: not here.link.unread)
            here.uplink.look(0.0)
            assert here.faults[-1][:2] != ("gw-path-lan", True)
            assert ("gw-path-lan", False, "") in here.faults
            assert broker.connects == 1


class Refusing:
    """A dialler that reaches nobody, counted."""

    where = "nowhere"
    can_refuse = True

    def __init__(self) -> None:
        self.dialled = 0

    def stale(self) -> str:
        return ""

    @asynccontextmanager
    async def dial(self, will_topic: str, will: bytes) -> AsyncIterator[Line]:
        self.dialled += 1
        if self.dialled:
            raise LinkLost("nobody there")
        yield Line(quiet=True)


async def test_an_alarm_ends_the_sleep_between_attempts(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    """Five minutes may be left when somebody presses; states and routine events do not count."""
    monkeypatch.setattr(link_module, "TICK_S", 0.01)
    monkeypatch.setattr(patience, "BACK_OFF_CAP_S", 300.0)
    monkeypatch.setattr(patience, "BACK_OFF_FIRST_S", 300.0)
    monkeypatch.setattr(link_module.random, "uniform", lambda least, most: most)
    school, dialler = make(), Refusing()
    lan = school.uplink.links["lan"]
    monkeypatch.setattr(lan, "_dialler", dialler)
    looks: list[bool] = []
    owes = school.box.owes_alarms

    def looked() -> bool:
        looks.append(owes())
        return looks[-1]

    monkeypatch.setattr(school.box, "owes_alarms", looked)
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(lan.run())
        await until(lambda: dialler.dialled == 1)
        school.box.offer(entry(1, "observation"))
        for _ in range(50):
            lan.wake()
            await asyncio.sleep(0.001)
        assert dialler.dialled == 1, "not for a routine event"
        assert len(looks) < 40, "not once for each change"
        school.box.offer(entry(2))
        lan.wake()
        await until(lambda: dialler.dialled >= 2)
        running.cancel()


async def test_a_path_that_is_given_up_is_lost_before_it_is_closed(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    """Closing may wait ten seconds for a line on which nothing gets through; an alarm goes out on the other path meanwhile."""
    school = make()
    lan = school.uplink.links["lan"]
    closing = asyncio.Event()
    seen: list[tuple[bool, bool]] = []

    class Stuck(Line):
        dropped = False

        @asynccontextmanager
        async def dial(self, will_topic: str, will: bytes) -> AsyncIterator[Line]:
            yield self
            seen.append((lan.lane.up, self.dropped))
            closing.set()
            await asyncio.Event().wait()

        def drop(self) -> None:
            self.dropped = True

        async def messages(self) -> AsyncIterator[tuple[str, bytes, bool]]:
            await until(lambda: lan.lane.in_flight)
            raise NoPuback("nothing is acknowledged")
            yield "", b"", False

    monkeypatch.setattr(lan, "_dialler", Stuck(quiet=True))
    school.box.link_up(school.box.lanes["modem"], 0.0)
    school.box.offer(entry(1))
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(lan.run())
        await closing.wait()
        assert seen == [(False, True)]
        taken = school.box.next(school.box.lanes["modem"], 1e9)
        assert taken is not None
        assert taken.row == 1
        running.cancel()


async def test_a_lost_session_leaves_no_cancellation_counted(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    """What is left counted, asyncio.timeout() of Python 3.11.2 takes for somebody else's cancellation: the path would not come back."""
    lan = make().uplink.links["lan"]
    counted: list[int] = []

    class Ending(Line):
        @asynccontextmanager
        async def dial(self, will_topic: str, will: bytes) -> AsyncIterator[Line]:
            task = asyncio.current_task()
            assert task is not None
            counted.append(task.cancelling())
            yield self

        async def messages(self) -> AsyncIterator[tuple[str, bytes, bool]]:
            await asyncio.sleep(0)
            raise LinkLost("the broker is gone")
            yield "", b"", False

    monkeypatch.setattr(lan, "_dialler", Ending(quiet=True))
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(lan.run())
        await until(lambda: len(counted) == 3)
        running.cancel()
    assert counted == [0, 0, 0]
