"""The picture that a page is made of, from a daemon that is made and not started."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.config.load import load_site
from gateway.core.commands import Command
from gateway.runtime.daemon import Daemon

EXAMPLES = Path(__file__).parents[3] / "deploy" / "examples"
PATROL = """
[[patrols]]
id = "night-round"
place = "gate"
name = "夜间巡逻"
checkpoints = [{ id = "boiler", name = "锅炉房", name_en = "boiler room" }, { id = "gym" }]
"""


@contextmanager
def school(folder: Path) -> Iterator[Daemon]:
    """The demo's school with a patrol, in a folder of its own."""
    shutil.copy(EXAMPLES / "demo-plan.svg", folder)
    (folder / "site.toml").write_text((EXAMPLES / "demo-school.toml").read_text(encoding="utf-8") + PATROL, encoding="utf-8")
    daemon = Daemon(load_site(folder / "site.toml", state_dir=str(folder)), spawn_vision=False)
    daemon.writer.start()
    daemon.conveyor.start(daemon.writer)
    try:
        yield daemon
    finally:
        daemon.writer.stop()
        daemon.reader.close()


async def test_the_plan_is_shown_with_its_points_and_a_drawing_that_is_gone_is_not(tmp_path: Path) -> None:
    with school(tmp_path) as daemon:
        plan = daemon.showing.picture()["plan"]
        points = {point["point"]: point for point in daemon.showing.picture()["points"]}
    assert (plan["ratio"], plan["at"]["gate-camera"]) == (0.47, [0.5, 0.8])
    assert plan["at"].keys() <= points.keys(), "each has a mark"
    assert [name for name, point in points.items() if point["camera"]] == ["gate-camera"]
    assert points["panic-duty"]["tried"]
    assert not points["gate-camera"]["tried"]
    settings = load_site(tmp_path / "site.toml", state_dir=str(tmp_path / "later"))
    (tmp_path / "demo-plan.svg").write_text("no drawing any more", encoding="utf-8")
    assert Daemon(settings, spawn_vision=False).showing.picture()["plan"] is None


async def test_a_picture_is_the_same_while_nothing_happens(tmp_path: Path) -> None:
    """Or each page would be drawn anew once a second while a drill goes on."""
    with school(tmp_path) as daemon:
        worked_on = Command("start_maintenance", "bollard-1-impact", "赵工", "technician", "door", why="换传感器", for_s=3600.0)
        assert daemon.conveyor.stimulate(worked_on).ok
        first = daemon.showing.picture()
        (mode,) = first["modes"]
        assert (mode["zh"], mode["points"], mode["by"]) == ("检修", ["bollard-1-impact"], "赵工")
        assert mode["until"].endswith("0.000Z"), "to ten seconds"
        second = daemon.showing.picture()
    assert json.dumps(first["modes"]) == json.dumps(second["modes"])


async def test_a_patrol_names_its_checkpoints(tmp_path: Path) -> None:
    with school(tmp_path) as daemon:
        (patrol,) = [duty for duty in daemon.showing.picture()["duties"] if duty["rule"] == "patrol"]
    assert patrol["checkpoints"] == [{"id": "boiler", "zh": "锅炉房", "en": "boiler room"}, {"id": "gym", "zh": "gym", "en": "gym"}]
