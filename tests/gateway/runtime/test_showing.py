"""The picture that a page is made of, from a daemon that is made and not started."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway.config.load import load_site
from gateway.core.commands import Command
from gateway.core.linkage import LinkageSpec, OnAlarm, Switch
from gateway.core.outputs import OutputSpec
from gateway.core.points import Text
from gateway.core.reading import Reading
from gateway.runtime import showing
from gateway.runtime.daemon import Daemon
from gateway.runtime.school import rule_of
from tests.gateway.runtime.waiting import until

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


async def test_rules_that_switch_something_are_named(tmp_path: Path) -> None:
    with school(tmp_path) as daemon:
        causes = OnAlarm(frozenset({"panic-duty/alarm"}), frozenset({"activated"}))
        lights = LinkageSpec("lights", Text("报警照明", "lights"), causes, (Switch("yard-lamp", True),))
        daemon.house.school.rules["lights"] = rule_of(lights)
        rules = daemon.showing.picture()["rules"]
    assert rules == [{"rule": "lights", "zh": "报警照明", "en": "lights"}], "the patrol switches nothing"


async def test_whether_anything_sounds_here_is_told(tmp_path: Path) -> None:
    """Or the page would offer to silence what is not there."""
    with school(tmp_path) as daemon:
        for kind, loud in (("lock", False), ("siren", True)):
            daemon.house.fittings.outputs[kind] = OutputSpec(kind, kind, "gate", Text("输出", "output"), "board", "do1")
            assert daemon.showing.picture()["loud"] is loud


async def test_a_patrol_names_its_checkpoints(tmp_path: Path) -> None:
    with school(tmp_path) as daemon:
        (patrol,) = [duty for duty in daemon.showing.picture()["duties"] if duty["rule"] == "patrol"]
    assert patrol["checkpoints"] == [{"id": "boiler", "zh": "锅炉房", "en": "boiler room"}, {"id": "gym", "zh": "gym", "en": "gym"}]


async def test_an_alarm_on_the_disk_does_not_wait_for_the_pause_between_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(showing, "PAUSE_S", 1000.0)  # whoever waits for it fails by the time limit of the test
    ours, theirs = socket.socketpair()
    with school(tmp_path) as daemon:
        reader, their_writer = await asyncio.open_connection(sock=theirs, limit=1 << 20)
        _, writer = await asyncio.open_connection(sock=ours)
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(daemon.showing.watch(writer, lambda: False))
            first = json.loads(await reader.readline())["picture"]["alarms"]
            daemon.conveyor.push([Reading("panic-duty", True, now_s=daemon.clock.now().now_s)])
            second = json.loads(await reader.readline())["picture"]["alarms"]
            watching.cancel()
        for one in (writer, their_writer):
            one.close()
            await one.wait_closed()
    assert first == []
    assert [(alarm["alarm"], [step["step"] for step in alarm["way"]]) for alarm in second] == [("panic-duty/alarm", ["journalled"])]


def _waits(daemon: Daemon, key: str) -> list[tuple[str, str, bool]]:
    (alarm,) = [each for each in daemon.showing.picture()["alarms"] if each["alarm"] == key]
    return [(each["what"], each["name"], each["late"]) for each in alarm["waits"]]


async def test_the_lamp_says_what_the_news_of_an_alarm_waits_for(tmp_path: Path) -> None:
    with school(tmp_path) as daemon:
        (recipient,) = daemon.recipients
        daemon.conveyor.push([Reading("panic-duty", True, now_s=daemon.clock.now().now_s)])
        assert _waits(daemon, "panic-duty/alarm") == [("disk", "", False)]
        await until(lambda: daemon.showing.picture()["alarms"][0]["way"])
        (path,) = daemon.uplink.links
        assert _waits(daemon, "panic-duty/alarm") == [("path", path, True), ("centre", recipient, False)], "no broker here"
        event = daemon.house.alarms["panic-duty/alarm"].event_id
        daemon.showing.carried(event, path)
        assert _waits(daemon, "panic-duty/alarm") == [("centre", recipient, False)]
        silent = daemon.house.readings
        silent[f"gw-centre-{recipient}"] = Reading(f"gw-centre-{recipient}", True, now_s=daemon.clock.now().now_s)
        assert _waits(daemon, "panic-duty/alarm") == [("centre", recipient, True)], "a silent centre is late at once"
        daemon.showing.delivered(event, "received", recipient)
        assert _waits(daemon, "panic-duty/alarm") == []


def test_a_recipient_is_awaited_until_it_has_answered() -> None:
    ways = showing.Ways()
    ways.note("e1", "journalled", 0)
    ways.begin("e1", 100.0, ("police", "bureau"))
    ways.note("e1", "broker_acked", 0, path="main")
    assert ways.awaited("e1", 112.5) == {"police": 12, "bureau": 12}
    ways.note("e1", "received", 0, "police")
    ways.note("e1", "unusable", 0, "bureau")
    assert ways.awaited("e1", 112.5) == {}
    assert ways.awaited("of an earlier run", 112.5) == {}
    assert not ways.knows("of an earlier run")


async def test_who_took_an_alarm_is_a_step_of_its_lamp(tmp_path: Path) -> None:
    with school(tmp_path) as daemon:
        daemon.conveyor.push([Reading("panic-duty", True, now_s=daemon.clock.now().now_s)])
        await until(lambda: daemon.showing.picture()["alarms"][0]["way"])
        assert daemon.conveyor.stimulate(Command("acknowledge", "panic-duty/alarm", "police: 张三", "centre", "mqtt")).ok
        await until(lambda: len(daemon.showing.picture()["alarms"][0]["way"]) == 2)
        step = daemon.showing.picture()["alarms"][0]["way"][1]
    assert (step["step"], step["by"]) == ("acknowledged", "police: 张三")


async def test_an_alarm_of_a_duty_has_its_steps_too(tmp_path: Path) -> None:
    with school(tmp_path) as daemon:
        (recipient,) = daemon.recipients
        spec, point = next((spec, point) for point in daemon.house.points.values() for spec in point.alarms if spec.alarm_class == "duty")
        daemon.conveyor.push([Reading(point.id, True, now_s=daemon.clock.now().now_s)])
        await until(lambda: any(each["way"] for each in daemon.showing.picture()["alarms"]))
        daemon.showing.further(daemon.house.alarms[spec.key].event_id, "received", recipient, "")
        daemon.showing.further("another event", "received", recipient, "")
        (alarm,) = daemon.showing.picture()["alarms"]
    assert [step["step"] for step in alarm["way"]] == ["journalled", "received"]
    assert alarm["waits"] == []
