"""The benchmark's arithmetic, its MQTT subscriber, and one very short real run."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gateway.config.load import load_site
from tests.bench.figures import Figure, median_ratio, meets, percentile, span, table
from tests.bench.listener import Listener, packet, take_packets
from tests.bench.machine import Meter, sync_times_ms, tree
from tests.bench.parts import Broker, Farm, MissingPart, program
from tests.bench.rig import NotMeasured, rig
from tests.bench.subjects import REPOSITORY, Floor, Gateway, Load, site_text
from tests.real_parts import missing, need


@pytest.fixture
def parts() -> None:
    """All system programs that a run needs."""
    need("mosquitto", package="mosquitto")
    need("gcc", package="gcc")
    pkg_config = need("pkg-config", package="pkg-config")
    if subprocess.run([pkg_config, "--exists", "libmodbus"], check=False).returncode:
        missing("libmodbus is not installed: apt-get install libmodbus-dev")


# --- arithmetic ----------------------------------------------------------------------------------


def test_percentile_is_a_sample_of_nearest_rank() -> None:
    samples = [float(number) for number in range(200, 0, -1)]
    assert [percentile(samples, percent) for percent in (0, 50, 99, 100)] == [1, 100, 198, 200]
    assert percentile([7.0], 99) == 7
    with pytest.raises(ValueError, match="no samples"):
        percentile([], 50)


def test_the_ratio_is_that_of_runs_side_by_side() -> None:
    assert median_ratio([2.0, 30.0, 5.0], [1.0, 10.0, 2.0]) == 2.5
    with pytest.raises(ValueError, match="no runs"):
        median_ratio([], [])
    with pytest.raises(ValueError, match="shorter"):
        median_ratio([1.0, 2.0], [1.0])


@pytest.mark.parametrize(
    ("value", "goal", "met"),
    [
        (1.5, "<= 1.5", True),
        (1.51, "<= 1.5", False),
        (1500, ">= 1500", True),
        (1499.9, ">= 1500", False),
        (0.98, ">= 1.0", False),
        (20.3, "= 20", True),
        (19.5, "= 20", False),
        (40.0, "= 20", False),
        (-1.0, "<= 5", True),
    ],
)
def test_verdicts(value: float, goal: str, met: bool) -> None:
    assert meets(value, goal) is met


@pytest.mark.parametrize("goal", ["1.5", "< 1.5", ">= 1500 1/s", ""])
def test_a_goal_of_another_form_is_an_error(goal: str) -> None:
    with pytest.raises(ValueError, match="is not a goal"):
        meets(1.0, goal)


def test_the_table_shows_verdict_and_note() -> None:
    figures = [Figure("core.a", 1.25, "ratio", "<= 1.5", "quiet"), Figure("core.bb", 70, "MB", "<= 60")]
    assert table(figures).splitlines() == [
        "figure   value  unit   goal",
        "core.a   1.25   ratio  <= 1.5  met",
        "    quiet",
        "core.bb  70     MB     <= 60   MISSED",
    ]
    assert figures[1].as_json() == {"name": "core.bb", "value": 70, "unit": "MB", "goal": "<= 60", "note": ""}
    assert span([0.5, 0.25, 1.0]) == "0.25 to 1.00"


# --- MQTT ----------------------------------------------------------------------------------------


def test_packets_are_taken_one_byte_at_a_time() -> None:
    sent = [(0x30, b"a" * 3), (0x32, b"b" * 200), (0xD0, b""), (0x30, b"c" * 20_000)]
    received = bytearray()
    found: list[tuple[int, bytes]] = []
    for byte in b"".join(packet(kind, body) for kind, body in sent):
        received.append(byte)
        found += take_packets(received)
    assert found == sent
    assert not received


def test_the_listener_hears_what_another_client_sends(parts: None, tmp_path: Path) -> None:
    need("mosquitto_pub", package="mosquitto-clients")
    with Broker(tmp_path) as broker:
        listener = Listener(broker.port, "a/#")
        began_ns = time.monotonic_ns()
        for topic, qos in (("a/b", "1"), ("other", "1"), ("a/c", "0")):
            command = ["mosquitto_pub", "-p", str(broker.port), "-t", topic, "-q", qos, "-m", f"{topic} at {qos}"]
            subprocess.run(command, check=True, timeout=10)
        assert listener.wait_for(lambda: len(listener.messages) == 2, 5.0)
        listener.close()
    assert [(message.topic, message.payload) for message in listener.messages] == [("a/b", b"a/b at 1"), ("a/c", b"a/c at 0")]
    assert all(began_ns < message.ns < time.monotonic_ns() for message in listener.messages)


# --- machine and site ----------------------------------------------------------------------------


def test_the_meter_counts_a_child_that_works() -> None:
    work = "import time\nwhile time.process_time() < 0.2: pass\nprint(flush=True)\ninput()"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {work!r}])"
    with subprocess.Popen([sys.executable, "-c", parent], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        meter = Meter(process.pid)
        assert process.stdout is not None
        assert process.stdout.readline() == b"\n"
        use, members = meter.read(), tree(process.pid)
        process.communicate(b"\n", timeout=10)
    assert 0.2 <= use["cpu_s"] < 2.0
    assert use["rss_mb"] > 5
    assert len(members) == 2


def test_the_disk_is_timed(tmp_path: Path) -> None:
    times_ms = sync_times_ms(tmp_path, 10)
    assert len(times_ms) == 10
    assert min(times_ms) > 0


def test_the_site_file_is_one_that_the_gateway_takes(tmp_path: Path) -> None:
    """20 devices with 100 points each, read in one request; the coil is one event a change."""
    file = tmp_path / "site.toml"
    file.write_text(site_text(Load(range(2000, 2020), [3000], 1000, 50), 1883))
    settings = load_site(file)
    scanned = [point for point in settings.points.values() if point.role == "measurement"]
    assert len(scanned) == 2000
    assert all(point.quiet for point in scanned)
    assert settings.points["coil-0"].observe
    assert not settings.points["coil-0"].alarms
    assert [point.period_s for point in settings.wire["io-0"]] == [0.05]


def test_values_are_those_of_the_field_only() -> None:
    gateway, floor = Gateway(), Floor()
    root = "campus/v1/bench/gate"

    def values(kind: str, message: object) -> dict[str, object]:
        return gateway.values(f"{root}/{kind}", json.dumps(message).encode())

    assert values("telemetry", {"values": {"scan-0-r1": 7}}) == {"scan-0-r1": 7}
    assert values("event/observation", {"data": {"point": "coil-0", "role": "contact", "value": True}}) == {"coil-0": True}
    assert values("state/coil-0", {"point": "coil-0", "role": "contact", "value": False}) == {"coil-0": False}
    assert values("state/scan-0", {"point": "scan-0", "role": "device_link", "value": False}) == {}
    assert values("birth", {"points": []}) == {}
    assert floor.values("floor/scan/3", b'{"values": {"r9": 1}}') == {"scan-3-r9": 1}
    assert floor.values("floor/coil/0", b'{"value": true}') == {"coil-0": True}


# --- real parts ----------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_farm_counts_what_the_floor_reads(parts: None, tmp_path: Path) -> None:
    with rig(Floor(), tmp_path / "rig", Floor.everything, scanned=2, coils=1, coil_period_ms=20) as work:
        told: dict[str, object] = {}

        def reads(point: str, value: object) -> bool:
            for _, values in work.news():
                told.update(values)
            return told.get(point) == value

        work.require(lambda: reads("scan-1-r99", 1099), 20.0, "register")
        work.require(lambda: reads("coil-0", False), 20.0, "coil")
        set_ns = work.farm.set_coil(2, True)
        work.require(lambda: reads("coil-0", True), 20.0, "change")
        served_ns = work.farm.ask("served")["ns"]
        assert set_ns < served_ns < work.listener.messages[-1].ns
        assert work.farm.ask("stats")["changes"] == [0, 0, 1]
        work.farm.ask("churn 1")
        work.require(lambda: reads("scan-1-r99", 1101), 20.0, "register that changes at each read")
        work.farm.ask("toggle 1")
        before = work.farm.ask("stats")
        run = work.window(1.0)
        after = work.farm.ask("stats")
        reads_of_coil = after["requests"][2] - before["requests"][2]
        assert abs(after["changes"][2] - before["changes"][2] - reads_of_coil) <= 1
        assert 10 < run["requests_per_s"] <= 60
        with pytest.raises(ValueError, match="unknown command"):
            work.farm.ask("coil 99 1")


@pytest.mark.slow
def test_a_subject_that_ends_is_told_with_its_last_words(parts: None, tmp_path: Path) -> None:
    with rig(Gateway(), tmp_path / "rig", Gateway.everything, coils=1) as work:
        work.process.send_signal(signal.SIGKILL)
        with pytest.raises(NotMeasured, match="status -9"):
            work.require(lambda: False, 20.0, "anything")


def test_the_farm_ends_with_its_owner(parts: None) -> None:
    with Farm(1, 4) as farm:
        assert farm.requests() == 0
        assert len(farm.ports) == 1
    with pytest.raises(ValueError, match="closed file"):
        farm.requests()


@pytest.mark.slow
def test_a_short_run_of_one_measure_writes_its_file(parts: None, tmp_path: Path) -> None:
    out = tmp_path / "bench" / "core.json"
    command = [sys.executable, "-m", "tests.bench.core", "--quick", "--only", "press", "--out", str(out)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    report = json.loads(out.read_text())
    assert set(report) == {"machine", "figures", "runs"}
    assert {"cpu", "cores", "kernel", "python", "fdatasync_p50_ms", "fdatasync_p99_ms"} <= set(report["machine"])
    (figure,), (run,) = report["figures"], report["runs"]
    assert (figure["name"], figure["unit"], figure["goal"]) == ("core.press_100ms_seen_share", "share", ">= 1.0")
    assert figure["value"] == pytest.approx(run["seen"] / run["presses"], abs=1e-3)
    assert run["seen"] > 0
    assert "core.press_100ms_seen_share" in done.stdout
    assert "told with both edges" in done.stderr
    assert [file.name for file in out.parent.iterdir()] == ["core.json"]


def test_a_missing_program_is_named_with_its_package() -> None:
    with pytest.raises(MissingPart, match="no-such-program is not installed: apt-get install some-package"):
        program("no-such-program", package="some-package")
