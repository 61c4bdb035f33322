"""Every family of a real daemon's metrics page, judged by promtool."""

from __future__ import annotations

import asyncio
import subprocess
import urllib.request
from pathlib import Path

from gateway.config.load import load_site
from gateway.core.commands import Command
from gateway.core.reading import Quality, Reading
from gateway.runtime import telling, watching
from gateway.runtime.daemon import Daemon
from gateway.runtime.status_text import lines
from tests.real_parts import need

EXAMPLE = Path(__file__).parents[3] / "deploy" / "examples" / "demo-school.toml"


def scrape(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        return str(answer.read().decode())


def check(promtool: str, page: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([promtool, "check", "metrics"], input=page, capture_output=True, text=True, timeout=30)


async def test_page_and_status_of_a_school(tmp_path: Path) -> None:
    """The daemon is made but not started: nothing is sent, and every number can be read from the first moment."""
    promtool = need("promtool", package="prometheus")
    daemon = Daemon(load_site(EXAMPLE, state_dir=str(tmp_path)), spawn_vision=False)
    daemon.writer.start()
    daemon.conveyor.start(daemon.writer)
    try:
        daemon.conveyor.push(
            [
                Reading("panic-gatehouse", True),
                Reading("gas-kitchen-lel", 60.0),
                Reading("residual-main", 450.0),
                Reading("panic-duty", None, Quality.BAD, "no answer"),
            ]
        )
        asked = Command("shelve", "door-back-forced", "王芳", "technician", "door", why="delivery", for_s=3600.0)
        assert daemon.conveyor.stimulate(asked).ok
        worked_on = Command("start_maintenance", "bollard-1-impact", "王芳", "technician", "door", why="new sensor", for_s=3600.0)
        assert daemon.conveyor.stimulate(worked_on).ok
        watching.fill(daemon.exporter, daemon)
        port = daemon.exporter.start("127.0.0.1", 0)
        page = await asyncio.to_thread(scrape, port)
        checked = await asyncio.to_thread(check, promtool, page)
        assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
        assert 'gw_gas_concentration_lel_ratio{point="gas-kitchen-lel"} 0.6' in page
        assert 'gw_residual_current_amperes{point="residual-main"} 0.45' in page
        assert 'gw_point_good{point="panic-duty"} 0.0' in page
        assert 'gw_point_state{alarm="alarm",class="panic",point="panic-gatehouse"} 1.0' in page
        assert 'gw_point_state{alarm="alarm",class="door",point="door-back-forced"} 6.0' in page
        assert 'gw_alarm_set_aside{state="shelved"} 1.0' in page
        assert 'gw_mode{mode="maintenance"} 1.0' in page
        assert 'gw_mode{mode="drill"} 0.0' in page
        assert "gw_alarm_recently_announced 3.0" in page
        assert 'gw_alarm_top{point="gas-kitchen-lel"} 2.0' in page
        told = "\n".join(lines(telling.status(daemon)))
        assert "SET ASIDE (1)" in told
        assert "*** MAINTENANCE 检修: ends in 60 min, by 王芳, new sensor: bollard-1-impact ***" in told
        assert "door-back-forced/alarm  shelved (beneath: normal, recorded 0), delivery, by 王芳, until " in told
        assert "most often: gas-kitchen-lel 2, " in told
        assert "panic-gatehouse/alarm  unacknowledged" in told
        assert "not good: panic-duty: bad: no answer" in told
    finally:
        daemon.exporter.stop()
        daemon.writer.stop()
        daemon.reader.close()
