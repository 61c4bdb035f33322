"""What reports are told of a running house: every part of the site once, limits, what stands, and the account of the four 100%."""

from __future__ import annotations

import asyncio
from pathlib import Path

from gateway.config.load import load_site
from gateway.core.reading import Reading
from gateway.runtime.daemon import Daemon
from gateway.runtime.report_facts import facts, named
from tests.gateway.runtime.waiting import until

EXAMPLE = Path(__file__).parents[3] / "deploy" / "examples" / "demo-school.toml"
REPORTS = '\n[reports]\nby = "王校长"\n'


def daemon_of(folder: Path, more: str = REPORTS) -> Daemon:
    for file in EXAMPLE.parent.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    site = folder / EXAMPLE.name
    site.write_text(EXAMPLE.read_text(encoding="utf-8") + more, encoding="utf-8")
    return Daemon(load_site(site, state_dir=str(folder / "state")), spawn_vision=False, spawn_console=False)


async def test_a_house_as_reports_see_it_and_the_report_of_its_present_day(tmp_path: Path) -> None:
    daemon = daemon_of(tmp_path)
    daemon.writer.start()
    daemon.conveyor.start(daemon.writer)
    now_s = daemon.clock.now().now_s
    daemon.conveyor.push([Reading("gas-kitchen-lel", 60.0, now_s=now_s)])
    await until(lambda: any(alarm.state != "normal" for alarm in daemon.house.alarms.values()))
    try:
        found = facts(daemon, [1, 2])
        assert found.points["gas-kitchen-lel"].limit == 25.0
        assert found.points["gas-kitchen-lel"].name.zh
        assert {each["alarm"] for each in found.standing} >= {"gas-kitchen-lel/level2"}
        assert all(each["zh"] and each["en"] for each in found.standing)
        assert (found.site["zh"], found.site["by"]) == ("实验小学", "王校长")
        assert found.gateway["boots"] == [1, 2]
        assert set(daemon.settings.site.places) == set(found.places)
        assert daemon.reports is not None
        await daemon.reports.look()
        report = await daemon.reports.preview("monthly")
        assert len(report["sections"]["compliance"]["tables"][0]["rows"]) == 4, "the four 100%"
        assert report["sections"]["drills"]["tables"], "the drills that are required"
    finally:
        await asyncio.to_thread(daemon.writer.stop)
        daemon.reader.close()


async def test_a_site_without_the_table_makes_none(tmp_path: Path) -> None:
    daemon = daemon_of(tmp_path, "")
    assert daemon.reports is None
    daemon.store.close()


async def test_only_measured_values_have_a_first_limit(tmp_path: Path) -> None:
    daemon = daemon_of(tmp_path)
    link = named(daemon.house.points["gate-module"])
    assert "gate-module" in link.name.en, "each device's link is told apart"
    points = [named(point) for point in daemon.house.points.values()]
    assert any(point.limit is not None for point in points)
    assert all(point.unit for point in points if point.limit is not None)
    daemon.store.close()
