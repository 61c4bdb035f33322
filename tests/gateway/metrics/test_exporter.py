"""The metrics page over real HTTP, judged by promtool."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import threading
import urllib.request
from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway.metrics.exporter import Exporter, Sample
from gateway.metrics.table import COUNTER, DELIVERY_BUCKETS_S, GAUGE, INFO, Metric
from tests.real_parts import need


def page(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        assert answer.status == 200
        assert answer.headers["Content-Type"].startswith("text/plain")
        return str(answer.read().decode())


TABLE = {
    metric.name: metric
    for metric in (
        Metric("gw_readings", COUNTER, (), "Readings taken."),
        Metric("gw_point_good", GAUGE, ("point",), "1 while good."),
        Metric("gw_build", INFO, ("version", "source"), "Version of the software."),
        Metric("gw_empty", GAUGE, ("path",), "Has no samples."),
    )
}


@pytest.fixture
def exporter() -> Iterator[Exporter]:
    made = Exporter(table=TABLE)
    yield made
    made.stop()


def fill(exporter: Exporter, count: list[float]) -> None:
    exporter.add("gw_readings", lambda: [({}, count[0])])
    exporter.add("gw_point_good", lambda: [({"point": "panic"}, 1.0), ({"point": 'odd "\\\n'}, 0.0)])
    exporter.add("gw_build", lambda: [({"version": "1.2.3", "source": "/sites/校/gateways/g"}, 1.0)])
    exporter.add("gw_empty", list)
    exporter.delivery.labels("police").observe(0.3)


def values(text: str) -> dict[str, float]:
    return {
        sample.name + "".join(f"|{name}={value}" for name, value in sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def test_what_it_shows_is_read_in_the_loop_where_nothing_changes_meanwhile() -> None:
    """A dict that grows while another thread goes through it would fail the scrape."""
    readers: set[int] = set()

    def read() -> list[Sample]:
        readers.add(threading.get_ident())
        return [({}, 1.0)]

    exporter = Exporter(asyncio.get_running_loop())
    exporter.add("gw_readings", read)
    port = exporter.start("127.0.0.1", 0)
    try:
        assert values(await asyncio.to_thread(page, port))["gw_readings_total"] == 1.0
        assert readers == {threading.get_ident()}
    finally:
        exporter.stop()


def test_values_are_read_at_each_scrape(exporter: Exporter) -> None:
    count = [5.0]
    fill(exporter, count)
    port = exporter.start("127.0.0.1", 0)
    assert values(page(port))["gw_readings_total"] == 5.0
    count[0] = 7.0
    found = values(page(port))
    assert found["gw_readings_total"] == 7.0
    assert found["gw_point_good|point=panic"] == 1.0
    assert found['gw_point_good|point=odd "\\\n'] == 0.0
    assert found["gw_build_info|source=/sites/校/gateways/g|version=1.2.3"] == 1.0
    assert found["gw_alarm_delivery_seconds_bucket|le=0.5|recipient=police"] == 1.0
    assert found["gw_alarm_delivery_seconds_bucket|le=0.25|recipient=police"] == 0.0


def test_promtool_has_nothing_to_say(exporter: Exporter) -> None:
    promtool = need("promtool", package="prometheus")
    fill(exporter, [1.0])
    port = exporter.start("127.0.0.1", 0)
    checked = subprocess.run([promtool, "check", "metrics"], input=page(port), capture_output=True, text=True, timeout=30)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


def test_what_is_not_in_the_table_is_not_shown(exporter: Exporter) -> None:
    with pytest.raises(KeyError, match="gw_unheard_of"):
        exporter.add("gw_unheard_of", list)


def test_the_standards_limit_is_a_bucket_of_its_own() -> None:
    assert 2.0 in DELIVERY_BUCKETS_S, "DB15/T 3968-2025"
    assert list(DELIVERY_BUCKETS_S) == sorted(set(DELIVERY_BUCKETS_S))


def test_a_port_that_is_taken(exporter: Exporter) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        exporter.start("127.0.0.1", taken.getsockname()[1])


def test_stopped_twice_or_never_started() -> None:
    Exporter().stop()
    exporter = Exporter()
    port = exporter.start("127.0.0.1", 0)
    exporter.stop()
    with pytest.raises(OSError):
        page(port)


def test_the_page_is_on_loopback_only(exporter: Exporter) -> None:
    port = exporter.start("127.0.0.1", 0)
    with socket.create_server(("127.0.0.2", port)):
        pass  # the same port on another address is free
