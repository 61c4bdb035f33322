"""The metrics page: read from the live parts at each scrape, so that counting costs nothing in between.

The page is served by a thread; what it shows is read in the event loop, one family at a time, where nothing changes meanwhile.
What there is, with names, labels and help, stands in table.py.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, Histogram, start_http_server
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily
from prometheus_client.metrics_core import Metric as Shown
from prometheus_client.registry import Collector

from gateway.metrics.table import COUNTER, INFO, METRICS, Metric

READ_WITHIN_S = 5.0  # a scrape fails when the event loop does not answer for so long

Sample = tuple[dict[str, str], float]
Read = Callable[[], Iterable[Sample]]


class Exporter:
    """Serves the metrics of the table, and the histograms of alarm delivery and of acknowledgement.

    loop: where they are read; None: in the thread that serves the page. table: what may be added.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None, table: Mapping[str, Metric] = METRICS) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._table = table
        self._reads: list[tuple[Metric, Read]] = []
        self._server: WSGIServer | None = None
        self._thread: threading.Thread | None = None
        self.delivery = self._histogram("gw_alarm_delivery_seconds")
        self.acknowledge = self._histogram("gw_alarm_acknowledge_seconds")
        self._registry.register(_Live(self._reads, loop))

    def _histogram(self, name: str) -> Histogram:
        metric = METRICS[name]
        return Histogram(name, metric.text, metric.labels, buckets=metric.buckets, registry=self._registry)

    def add(self, name: str, read: Read) -> None:
        """Show one metric of the table; read() gives its samples now. Raises KeyError for one that is not declared."""
        self._reads.append((self._table[name], read))

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
    def __init__(self, reads: list[tuple[Metric, Read]], loop: asyncio.AbstractEventLoop | None) -> None:
        self._reads = reads
        self._loop = loop

    def collect(self) -> Iterator[Shown]:
        for metric, read in self._reads:
            shown: Any
            if metric.kind == INFO:
                shown = InfoMetricFamily(metric.name, metric.text, labels=())
                for labels, _ in self._samples(read):
                    shown.add_metric([], labels)
                yield shown
                continue
            family: Any = CounterMetricFamily if metric.kind == COUNTER else GaugeMetricFamily
            shown = family(metric.name, metric.text, labels=metric.labels)
            for labels, value in self._samples(read):
                shown.add_metric([labels[name] for name in metric.labels], value)
            yield shown

    def _samples(self, read: Read) -> list[Sample]:
        """Raises TimeoutError when the loop does not answer, RuntimeError when it is closed."""
        if self._loop is None:
            return list(read())
        asked = asyncio.run_coroutine_threadsafe(_in_the_loop(read), self._loop)
        try:
            return asked.result(READ_WITHIN_S)
        finally:
            asked.cancel()


async def _in_the_loop(read: Read) -> list[Sample]:
    return list(read())
