"""Real brokers: their data through kill -9, their end with the one who started them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest

from simulators.broker import Broker, Kind, find
from simulators.errors import SimError
from tests.real_parts import need
from tests.simulators.field import DEADLINE_S, campus_sim

V2 = mqtt.CallbackAPIVersion.VERSION2  # type: ignore[attr-defined]
QUEUED = 50


def until(holds: Callable[[], bool]) -> None:
    """Polls until the condition holds; fails at the deadline."""
    end_s = time.monotonic() + DEADLINE_S
    while not holds():
        assert time.monotonic() < end_s, "not in time"
        time.sleep(0.01)


def alive(pid: int) -> bool:
    """False once the process is gone or a mere zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def session(broker: Broker, name: str, protocol: int = mqtt.MQTTv311) -> mqtt.Client:
    """A connected client with a session that outlives its connection (3.1.1)."""
    client = mqtt.Client(V2, name, protocol=protocol, **({} if protocol == mqtt.MQTTv5 else {"clean_session": False}))
    client.connect("127.0.0.1", broker.port)
    client.loop_start()
    until(client.is_connected)
    return client


def end(client: mqtt.Client) -> None:
    client.disconnect()
    client.loop_stop()


def subscribe(client: mqtt.Client, topic: str) -> None:
    granted: list[int] = []
    client.on_subscribe = lambda _c, _u, mid, _codes, _p: granted.append(mid)
    client.subscribe(topic, qos=1)
    until(lambda: bool(granted))


def test_nats_keeps_acknowledged_messages_through_kill_9(tmp_path: Path) -> None:
    with Broker("nats", dir=tmp_path / "nats") as broker:
        reader = session(broker, "reader")
        subscribe(reader, "event/#")
        end(reader)
        writer = session(broker, "writer")
        for i in range(QUEUED):
            writer.publish("event/alarm", f"{i}", qos=1).wait_for_publish(DEADLINE_S)
        port, pid = broker.port, broker.pid
        broker.kill()
        end(writer)
        assert not broker.running
        broker.start()
        assert (broker.port, broker.running) == (port, True)
        assert broker.pid != pid
        got: list[str] = []
        late = mqtt.Client(V2, "reader", clean_session=False, protocol=mqtt.MQTTv311)
        late.on_message = lambda _c, _u, message: got.append(message.payload.decode())
        late.connect("127.0.0.1", broker.port)
        late.loop_start()
        until(lambda: len(set(got)) == QUEUED)
        end(late)
        assert sorted(map(int, set(got))) == list(range(QUEUED))


def test_mosquitto_takes_mqtt_5_and_keeps_retained_messages_over_a_restart(tmp_path: Path) -> None:
    need("mosquitto", package="mosquitto")
    with Broker("mosquitto", dir=tmp_path / "mosquitto") as broker:
        writer = session(broker, "writer", mqtt.MQTTv5)
        writer.publish("status", "on", qos=1, retain=True).wait_for_publish(DEADLINE_S)
        end(writer)
        broker.restart()
        got: list[bytes] = []
        reader = session(broker, "reader", mqtt.MQTTv5)
        reader.on_message = lambda _c, _u, message: got.append(message.payload)
        subscribe(reader, "status")
        until(lambda: got == [b"on"])
        end(reader)


def test_extra_lines_reach_the_configuration(tmp_path: Path) -> None:
    need("mosquitto", package="mosquitto")
    with Broker("mosquitto", dir=tmp_path / "b", extra="message_size_limit 4242") as broker:
        assert broker.running
        assert "message_size_limit 4242" in (tmp_path / "b" / "mosquitto.conf").read_text()
    with pytest.raises(SimError, match=r"mosquitto did not start: .*nonsense"):
        Broker("mosquitto", dir=tmp_path / "c", extra="nonsense yes").start()


def test_a_busy_port_is_named() -> None:
    with Broker() as broker, pytest.raises(SimError, match=f"cannot start nats on 127.0.0.1:{broker.port}"):
        Broker("nats", broker.port).start()


def test_a_temporary_folder_goes_with_the_broker() -> None:
    with Broker() as broker:
        folder, pid = broker.folder, broker.pid
        assert folder.is_dir()
        assert pid is not None
        assert alive(pid)
    assert not folder.exists()
    assert not alive(pid)


@pytest.mark.parametrize("kind", ["nats", "mosquitto"])
def test_a_broker_ends_with_the_one_who_started_it(kind: Kind, tmp_path: Path) -> None:
    """Even when that one is killed and has no chance to tidy up."""
    if kind == "mosquitto":
        need("mosquitto", package="mosquitto")
    script = (
        f"from simulators.broker import Broker; from pathlib import Path; b = Broker({kind!r}, dir=Path({str(tmp_path)!r})); b.start(); "
    )
    script += "print(b.pid, flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert alive(pid)
        parent.kill()
    until(lambda: not alive(pid))


def test_campus_sim_broker_says_ready_and_ends_on_ctrl_c(tmp_path: Path) -> None:
    with campus_sim("broker", "--port", "0", "--dir", str(tmp_path)) as (process, address):
        assert address.startswith("mqtt://127.0.0.1:")
        process.send_signal(signal.SIGINT)
        assert process.wait(DEADLINE_S) == 0
    assert (tmp_path / "data").is_dir()


def test_campus_sim_broker_tells_when_its_broker_ends(tmp_path: Path) -> None:
    with campus_sim("broker", "--port", "0", "--dir", str(tmp_path)) as (process, _):
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        broker_pid = int(Path(f"/proc/{children[0]}/task/{children[0]}/children").read_text().split()[0])
        os.kill(broker_pid, signal.SIGKILL)
        assert process.wait(DEADLINE_S) == 2


def test_the_program_is_found() -> None:
    assert os.access(find("nats"), os.X_OK)
    with pytest.raises(SimError, match="no broker 'amqtt'"):
        Broker("amqtt")  # type: ignore[arg-type]
