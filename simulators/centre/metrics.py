"""What the centre knows, for Prometheus: read on the event loop at each scrape, so that counting costs nothing in between."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from prometheus_client import CollectorRegistry, Histogram, start_http_server
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from simulators.centre.ledger import Ledger, Standing, Verdict

LATENESS_BUCKETS_S = (0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 90.0, 300.0)
SCRAPE_WITHIN_S = 5.0
_FRESH = (Standing.NEW, Standing.EARLY)


class Metrics(Collector):
    """Page of one centre. Start it from the event loop that moves the ledger. brokers: HOST:PORT of each that it is to hear."""

    def __init__(self, ledger: Ledger, brokers: Sequence[str] = ()) -> None:
        self._ledger = ledger
        self._hears = dict.fromkeys(brokers, False)
        self._events: dict[str, Counter[str]] = {broker: Counter() for broker in brokers}
        self._registry = CollectorRegistry(auto_describe=False)
        self._receipts: dict[str, int] = {"received": 0, "unusable": 0}
        self._lateness = Histogram(
            "centre_alarm_lateness_seconds",
            "From an alarm's own time to its first arrival.",
            buckets=LATENESS_BUCKETS_S,
            registry=self._registry,
        )
        self._registry.register(self)

    def start(self, host: str, port: int) -> int:
        """Serve on this address; the port. Raises OSError when it is taken."""
        self._loop = asyncio.get_running_loop()
        server, _ = start_http_server(port, host, self._registry)
        return int(server.server_port)

    def told(self, verdict: Verdict) -> None:
        """One verdict that was kept."""
        broker = verdict.arrival.broker
        if verdict.kind in ("online", "offline"):
            self._hears[broker] = verdict.kind == "online"
        elif verdict.standing is not None:
            self._events.setdefault(broker, Counter())[verdict.standing] += 1
        if verdict.event_class == "alarm" and verdict.standing in _FRESH:
            late = datetime.fromisoformat(verdict.arrival.at) - datetime.fromisoformat(verdict.message["time"])
            self._lateness.observe(max(0.0, late.total_seconds()))

    def receipted(self, result: str, count: int) -> None:
        """Events that a receipt has named."""
        self._receipts[result] = self._receipts.get(result, 0) + count

    def collect(self) -> Iterable[Metric]:
        """For Prometheus, on its own thread."""
        return asyncio.run_coroutine_threadsafe(self._families(), self._loop).result(SCRAPE_WITHIN_S)

    async def _families(self) -> list[Metric]:
        report = self._ledger.report()["gateways"]
        counts = ("received", "resent", "conflicts", "unusable", "unverified")
        families: list[Metric] = [_family("centre_events", "Genuine events, and what else came.", "result", report, counts)]
        gaps = GaugeMetricFamily("centre_missing_events", "Events that never came and are no longer owed.", labels=["source"])
        whole = GaugeMetricFamily("centre_chain_whole", "1 while no link is broken and nothing is missing.", labels=["source"])
        for source, row in report.items():
            gaps.add_metric([source], float(sum(gap["last"] - gap["first"] + 1 for gap in row["gaps"])))
            whole.add_metric([source], float(row["chain"] == "whole"))
        up = GaugeMetricFamily("centre_gateway_up", "1 while the gateway is heard, 0 while it is silent.", labels=["source"])
        missing = GaugeMetricFamily("centre_report_missing", "1 while a daily report is overdue.", labels=["source"])
        for source, heard in self._ledger.watch.heard.items():
            up.add_metric([source], float(not heard.silent))
            missing.add_metric([source], float(heard.report_missing))
        receipts = CounterMetricFamily("centre_receipts", "Events that receipts have named.", labels=["result"])
        for result, count in self._receipts.items():
            receipts.add_metric([result], float(count))
        hears = GaugeMetricFamily("centre_broker_up", "1 while this centre has its session at that broker.", labels=["broker"])
        for broker, is_up in self._hears.items():
            hears.add_metric([broker], float(is_up))
        came = CounterMetricFamily("centre_broker_events", "Events by the broker over which they came.", labels=["broker", "standing"])
        for broker, counts_there in self._events.items():
            for standing in Standing:
                came.add_metric([broker, standing], float(counts_there[standing]))
        return [*families, gaps, whole, up, missing, receipts, hears, came]


def _family(name: str, text: str, label: str, report: dict[str, dict[str, Any]], counts: tuple[str, ...]) -> Metric:
    family = CounterMetricFamily(name, text, labels=["source", label])
    for source, row in report.items():
        for count in counts:
            family.add_metric([source, count], float(row[count]))
    return family
