"""The metrics page: read from the live parts at each scrape, so that counting costs nothing in between.

The page is served by a thread; what it shows is read in the event loop, one family at a time, where nothing changes meanwhile.

Names and units follow OpenMetrics (base units, ratios). Labels are bounded by the site file; no names of people,
no free text.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, Histogram, start_http_server
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

ACKNOWLEDGE_BUCKETS_S = (5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)  # 120 and 300 s: the chain's own times
DELIVERY_BUCKETS_S = (0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 90.0)  # 2 s: DB15/T 3968-2025

READ_WITHIN_S = 5.0  # a scrape fails when the event loop does not answer for so long

Sample = tuple[dict[str, str], float]


@dataclass(frozen=True, slots=True)
class Family:
    """One metric: kind is counter, gauge or info; read() gives its samples now."""

    name: str
    kind: str
    help: str
    labels: tuple[str, ...]
    read: Callable[[], Iterable[Sample]]


class Exporter:
    """Serves the families, and the histograms of alarm delivery and of acknowledgement.

    loop: where the families are read; None: in the thread that serves the page.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._families: list[Family] = []
        self._server: WSGIServer | None = None
        self._thread: threading.Thread | None = None
        self.delivery = Histogram(
            "gw_alarm_delivery_seconds",
            "From an alarm's reading to the recipient's signed receipt.",
            ["recipient"],
            buckets=DELIVERY_BUCKETS_S,
            registry=self._registry,
        )
        self.acknowledge = Histogram(
            "gw_alarm_acknowledge_seconds",
            "From an alarm's beginning to the person who took it; drills and tests are left out.",
            ["class"],
            buckets=ACKNOWLEDGE_BUCKETS_S,
            registry=self._registry,
        )
        self._registry.register(_Live(self._families, loop))

    def add(self, name: str, kind: str, text: str, labels: tuple[str, ...], read: Callable[[], Iterable[Sample]]) -> None:
        """Add one metric."""
        self._families.append(Family(name, kind, text, labels, read))

    def start(self, host: str, port: int) -> int:
        """Serve on this address; returns the port. Raises OSError when it is taken."""
        self._server, self._thread = start_http_server(port, host, self._registry)
        return int(self._server.server_port)

    def stop(self) -> None:
        """Close the page."""
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()


class _Live(Collector):
    def __init__(self, families: list[Family], loop: asyncio.AbstractEventLoop | None) -> None:
        self._families = families
        self._loop = loop

    def collect(self) -> Iterator[Metric]:
        for family in self._families:
            metric: Any
            if family.kind == "counter":
                metric = CounterMetricFamily(family.name, family.help, labels=family.labels)
            elif family.kind == "info":
                metric = InfoMetricFamily(family.name, family.help, labels=())
                for labels, _ in self._samples(family):
                    metric.add_metric([], labels)
                yield metric
                continue
            else:
                metric = GaugeMetricFamily(family.name, family.help, labels=family.labels)
            for labels, value in self._samples(family):
                metric.add_metric([labels[name] for name in family.labels], value)
            yield metric

    def _samples(self, family: Family) -> list[Sample]:
        """Raises TimeoutError when the loop does not answer, RuntimeError when it is closed."""
        if self._loop is None:
            return list(family.read())
        asked = asyncio.run_coroutine_threadsafe(_read(family), self._loop)
        try:
            return asked.result(READ_WITHIN_S)
        finally:
            asked.cancel()


async def _read(family: Family) -> list[Sample]:
    return list(family.read())
