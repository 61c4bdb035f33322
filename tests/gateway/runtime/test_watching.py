"""The table of metrics and what a real daemon shows are the same, both ways."""

from __future__ import annotations

import asyncio
import re
import urllib.request
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from gateway.alarm.machine import State
from gateway.config.load import load_site
from gateway.metrics.table import HISTOGRAM, INFO, METRICS
from gateway.runtime import watching
from gateway.runtime.daemon import Daemon

EXAMPLE = Path(__file__).parents[3] / "deploy" / "examples" / "demo-school.toml"
MADE_BY_LIBRARY = {"le", "quantile"}


def scrape(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        return str(answer.read().decode())


async def test_the_table_and_the_page_are_the_same(tmp_path: Path) -> None:
    site = tmp_path / "site.toml"
    (tmp_path / "demo-plan.svg").write_bytes((EXAMPLE.parent / "demo-plan.svg").read_bytes())
    site.write_text(EXAMPLE.read_text(encoding="utf-8") + '\n[reports]\nby = "张卫国"\n', encoding="utf-8")
    daemon = Daemon(load_site(site, state_dir=str(tmp_path / "state")), spawn_vision=False)
    daemon.writer.start()
    daemon.conveyor.start(daemon.writer)
    try:
        daemon.exporter.delivery.labels("police").observe(0.3)
        daemon.exporter.acknowledge.labels("panic").observe(30.0)
        watching.fill(daemon.exporter, daemon)
        port = daemon.exporter.start("127.0.0.1", 0)
        page = await asyncio.to_thread(scrape, port)
    finally:
        daemon.exporter.stop()
        daemon.writer.stop()
        daemon.reader.close()
    shown = {family.name: family for family in text_string_to_metric_families(page) if not family.name.endswith("_created")}
    declared = {metric.exposed if metric.kind == INFO else metric.name: metric for metric in METRICS.values()}
    assert shown.keys() == declared.keys()
    for name, family in shown.items():
        metric = declared[name]
        assert (family.type, family.documentation) == ("gauge" if metric.kind == INFO else metric.kind, metric.text)
        for sample in family.samples:
            assert sample.labels.keys() - MADE_BY_LIBRARY == set(metric.labels), name
            assert metric.kind == HISTOGRAM or sample.name == metric.exposed


def test_the_disk_and_the_trial(tmp_path: Path) -> None:
    free, size = (watching._disk(tmp_path, figure) for figure in (lambda disk: disk.f_bavail, lambda disk: disk.f_blocks))
    assert 0 <= free()[0][1] <= size()[0][1]  # type: ignore[index]
    assert watching._disk(tmp_path / "gone", lambda disk: disk.f_bavail)() == [], "a page without this number, not no page"


def test_the_states_are_told_by_their_numbers() -> None:
    text = METRICS["gw_point_state"].text
    assert re.findall(r"(?<=[:,] )(\d) (\w+)", text) == [(str(number), str(state)) for number, state in enumerate(State)]


def test_names_and_units() -> None:
    for name, metric in METRICS.items():
        assert re.fullmatch(r"gw_[a-z][a-z0-9_]*", name)
        assert not name.endswith(("_total", "_info")), "the end comes from the kind"
        assert metric.text.endswith("."), name
        assert bool(metric.buckets) is (metric.kind == HISTOGRAM)
    assert METRICS["gw_start_time_seconds"].unit == "Unix seconds"
    assert METRICS["gw_outbox_oldest_seconds"].unit == "seconds"
    assert METRICS["gw_gas_concentration_lel_ratio"].unit == "ratio"
    assert METRICS["gw_outbox_depth"].unit == ""
