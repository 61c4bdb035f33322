"""A school that lives, as an object on real wires and as a real process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from simulators.alive import Alive
from simulators.broker import free_port
from simulators.physics.orders import NoSuchThing
from simulators.school import School
from simulators.site import read_site
from tests.real_parts import need
from tests.simulators.field import call, campus_sim, eventually, mbpoll


def write_site(folder: Path, port: int, posts: int) -> Path:
    path = folder / "site.toml"
    path.write_text(
        f"""
schema = 1
site = {{ id = "school" }}
buses = [
  {{ id = "io", transport = "rtu-tcp", host = "127.0.0.1", port = {port} }},
  {{ id = "street", transport = "tcp", host = "127.0.0.1", port = {posts} }},
  {{ id = "line", transport = "rtu", device = "line.pty", baud = 115200 }},
]
devices = [
  {{ id = "module", bus = "io", profile = "waveshare-modbus-rtu-io-8ch", unit = 1 }},
  {{ id = "post", bus = "street", profile = "contact-bollard", unit = 1 }},
  {{ id = "inner-post", bus = "street", profile = "contact-bollard", unit = 2 }},
  {{ id = "gas", bus = "line", profile = "honeywell-xnx", unit = 2 }},
  {{ id = "power", bus = "line", profile = "acrel-aim-r100", unit = 3 }},
]
points = [
  {{ id = "position", role = "bollard_position", place = "gate", device = "post", signal = "position" }},
  {{ id = "impact", role = "bollard_impact", place = "gate", device = "post", signal = "impact" }},
  {{ id = "post-fault", role = "bollard_fault", place = "gate", device = "post", signal = "fault" }},
  {{ id = "inner", role = "bollard_position", place = "gate", device = "inner-post", signal = "position" }},
  {{ id = "inner-impact", role = "bollard_impact", place = "gate", device = "inner-post", signal = "impact" }},
  {{ id = "lel", role = "gas_concentration", place = "kitchen", device = "gas", signal = "gas" }},
  {{ id = "residual", role = "residual_current", place = "power-room", device = "power", signal = "residual1" }},
  {{ id = "valve-closed", role = "contact", place = "kitchen", device = "module", signal = "di1" }},
  {{ id = "door", role = "door_contact", place = "back", device = "module", signal = "di2" }},
  {{ id = "exit", role = "request_to_exit", place = "back", device = "module", signal = "di3" }},
  {{ id = "checkpoint", role = "contact", place = "back", device = "module", signal = "di4", normally = "closed" }},
]
outputs = [
  {{ id = "valve", kind = "gas_valve", place = "kitchen", device = "module", signal = "do1", confirm = {{ point = "valve-closed" }} }},
  {{ id = "lock", kind = "lock", place = "back", device = "module", signal = "do2" }},
  {{ id = "lower", kind = "bollard", place = "gate", device = "post", signal = "lower" }},
]
doors = [{{ id = "back-door", place = "back", contact = "door", lock = "lock", request_to_exit = "exit" }}]
patrols = [{{ id = "round", place = "gate", checkpoints = [{{ id = "yard", point = "checkpoint" }}, {{ id = "fence" }}] }}]
anti_ram = [{{ id = "street", place = "gate", layers = [{{ points = ["position"] }}, {{ points = ["inner"] }}] }}]

[places]
gate = {{ name = "校门" }}
kitchen = {{ name = "厨房" }}
""",
        encoding="utf-8",
    )  # fmt: skip
    return path


@asynccontextmanager
async def living(folder: Path) -> AsyncIterator[tuple[School, Alive]]:
    school = School(read_site(write_site(folder, free_port(), free_port())))
    async with school, Alive(school) as alive:
        yield school, alive


def values(school: School) -> dict[str, Any]:
    return {point: school.point_value(point) for point in school.points}


async def test_a_school_at_rest_stays_as_it_is(tmp_path: Path) -> None:
    async with living(tmp_path) as (school, alive):
        before, changes = values(school), {device.id: dict(device.changes) for device in school.devices.values()}
        alive.order(lambda world: world.sky_order({"speed": 100}, alive.field))
        for _ in range(5):
            alive._step(0.1)
        assert values(school) == before
        alive.order(lambda world: world.post_order("position", {"move": "stop"}, alive.field))
        assert values(school) == before
        assert {device.id: dict(device.changes) for device in school.devices.values()} == changes
        assert alive.state()["cannot"] == {}


async def test_a_car_rams_the_posts_of_a_gate(tmp_path: Path) -> None:
    async with living(tmp_path) as (school, alive):
        _, answer = alive.order(lambda world: world.post_order("impact", {"ram": 60}, alive.field))
        assert answer == {"hit": ["position", "inner"], "kmh_behind": 0.0}
        assert values(school) | {"position": "between", "impact": True, "post-fault": True, "inner-impact": True} == values(school)
        await eventually(lambda: school.point_value("impact") is False)
        alive.order(lambda world: world.post_order("position", {"move": "repair"}, alive.field))
        assert (school.point_value("position"), school.point_value("post-fault")) == ("up", False)


async def test_gas_is_shut_off_by_its_valve_unless_that_is_stuck(tmp_path: Path) -> None:
    async with living(tmp_path) as (school, alive):
        alive.order(lambda world: world.gas_order("kitchen", {"rate": 200}, alive.field))
        alive.world.step(60, alive.field)
        high = school.point_value("lel")
        assert isinstance(high, float)
        assert high > 25
        alive.order(lambda world: world.output_order("valve", {"stuck": True}, alive.field))
        school.device("module").set("do1", True)
        alive._step(30)
        assert school.point_value("valve-closed") is False
        assert alive.state()["gas"]["kitchen"]["valve_open_ratio"] == 1.0
        alive.order(lambda world: world.output_order("valve", {"stuck": False}, alive.field))
        alive._step(5)
        assert school.point_value("valve-closed") is True
        alive._step(3600)
        assert school.point_value("lel") == pytest.approx(0, abs=1)


async def test_a_door_opens_by_its_lock_and_by_force(tmp_path: Path) -> None:
    async with living(tmp_path) as (school, alive):
        alive.order(lambda world: world.door_order("back-door", {"do": "exit"}, alive.field))
        assert school.point_value("exit") is True
        alive._step(2)
        assert school.point_value("door") is False
        school.device("module").set("do2", True)
        alive._step(1.0)
        assert school.point_value("door") is True
        alive.order(lambda world: world.door_order("door", {"do": "close"}, alive.field))
        assert school.point_value("door") is False
        alive.order(lambda world: world.door_order("door", {"do": "force"}, alive.field))
        assert school.point_value("door") is True


async def test_what_is_set_by_hand_stays_until_its_thing_is_acted_on(tmp_path: Path) -> None:
    async with living(tmp_path) as (school, alive):
        alive.order(lambda world: world.gas_order("kitchen", {"rate": 200}, alive.field))
        school.set_point("lel", 77.0)
        alive._step(60)
        assert (school.point_value("lel"), alive.state()["by_hand"]) == (77.0, ["lel"])
        alive.order(lambda world: world.gas_order("kitchen", {"rate": 0}, alive.field), ("lel",))
        alive._step(0.1)
        assert school.point_value("lel") != 77.0


async def test_a_device_that_lost_its_power_is_shown_again_how_things_stand(tmp_path: Path) -> None:
    async with living(tmp_path) as (school, alive):
        alive.order(lambda world: world.post_order("inner", {"move": "down"}, alive.field))
        alive._step(10)
        school.device("inner-post").restart()
        assert school.point_value("inner") == "up"
        alive.field.again()
        assert school.point_value("inner") == "down"


async def test_a_living_school_trembles_within_reason_and_by_its_seed(tmp_path: Path) -> None:
    async def run() -> list[Any]:
        async with living(tmp_path) as (school, alive):
            alive.world.liven(alive.field)
            seen = []
            for _ in range(100):
                alive.world.step(0.1, alive.field)
                seen.append((school.point_value("residual"), school.point_value("lel")))
            assert school.point_value("position") == "up"
            return seen

    first = await run()
    assert all(5 < residual < 90 and 0 <= lel < 2 for residual, lel in first)
    assert len({residual for residual, _ in first}) > 2
    assert first == await run()


async def test_a_guard_presses_the_button_of_a_checkpoint(tmp_path: Path) -> None:
    async with living(tmp_path) as (school, alive):
        alive.order(lambda world: world.people_order({"patrol": "round", "walk_s": 10}, alive.field))
        assert school.point_value("checkpoint") is False
        alive.world.step(13, alive.field)
        assert school.point_value("checkpoint") is True
        alive.world.step(13, alive.field)
        assert alive.state()["people"]["patrols"]["round"]["passed"] == ["yard", "fence"]


async def test_orders_that_cannot_be_are_refused_by_name(tmp_path: Path) -> None:
    async with living(tmp_path) as (_, alive):
        field = alive.field
        with pytest.raises(NoSuchThing, match="did you mean 'kitchen'"):
            alive.order(lambda world: world.gas_order("kitchn", {"rate": 1}, field))
        with pytest.raises(ValueError, match="no 'rat' here; did you mean 'rate'"):
            alive.order(lambda world: world.gas_order("kitchen", {"rat": 1}, field))
        with pytest.raises(ValueError, match="rate is a number from 0"):
            alive.order(lambda world: world.gas_order("kitchen", {"rate": -1}, field))
        with pytest.raises(ValueError, match="give one of patrol, pupils"):
            alive.order(lambda world: world.people_order({}, field))
        with pytest.raises(ValueError, match="has no reader"):
            alive.order(lambda world: world.door_order("back-door", {"card": "26 01"}, field))
        assert not alive.world.begun


async def test_over_http_and_modbus_a_post_sinks_when_its_output_is_written(tmp_path: Path) -> None:
    program = need("mbpoll", package="mbpoll")
    posts = free_port()
    site = write_site(tmp_path, free_port(), posts)
    limits = ("-a", "1", "-t", "1", "-r", "1", "-c", "2", "-p", str(posts), "127.0.0.1")
    with campus_sim("school", str(site), "--alive") as (_, address):
        assert call(address, "POST", "/world", {"speed": 20})[0] == 200
        assert await mbpoll(program, *limits) == {1: "1", 2: "0"}
        await mbpoll(program, "-a", "1", "-t", "0", "-r", "2", "-p", str(posts), "127.0.0.1", "1")
        async with asyncio.timeout(30):
            while await mbpoll(program, *limits) != {1: "0", 2: "1"}:
                pass
        assert call(address, "GET", "/world")[1]["bollards"]["position"]["at"] == "down"
        assert call(address, "POST", "/places/kitchn/gas", {"rate": 1})[0] == 404
        assert call(address, "POST", "/people", {"patrol": "round", "walk": 1})[0] == 400


SITES = [*Path("tests/scenarios/sites").glob("*.toml"), *Path("deploy/examples").glob("*-school.toml")]


@pytest.mark.parametrize("site", SITES, ids=lambda path: path.stem)
async def test_every_school_of_the_repository_lives_and_can_be_acted_on(site: Path) -> None:
    school = School(read_site(site))
    alive = Alive(school)
    world, field = alive.world, alive.field
    alive.liven()
    for place in world.gas:
        alive.order(lambda world, place=place: world.gas_order(place, {"rate": 100}, field))
    for cable in world.cables:
        alive.order(lambda world, cable=cable: world.cable_order(cable, {"load_ratio": 1.6, "tau_s": 10}, field))
    for leak in world.leaks:
        alive.order(lambda world, leak=leak: world.cable_order(leak, {"leak_ma": 600}, field))
    for door in world.doors:
        alive.order(lambda world, door=door: world.door_order(door, {"do": "force"}, field))
    for post in world.posts:
        alive.order(lambda world, post=post: world.post_order(post, {"move": "down"}, field))
    for _ in range(40):
        world.step(5, field)
    assert field.cannot == {}
    assert {post.model.at for post in world.posts.values() if post.at.position} <= {"down"}
    lows = {"gas_concentration": 25, "cable_temperature": 70, "residual_current": 500}
    for point in world.layout.points.values():
        if point.role in lows:
            assert float(school.point_value(point.id)) > lows[point.role]
        elif point.role in ("door_contact", "door_forced", "door_held"):
            assert school.point_value(point.id) is True


async def test_people_come_before_cameras_and_show_cards(tmp_path: Path) -> None:
    port = free_port()
    path = tmp_path / "site.toml"
    path.write_text(
        f"""
schema = 1
site = {{ id = "school" }}
buses = [{{ id = "line", transport = "serial", device = "reader.pty" }}]
devices = [{{ id = "reader", bus = "line", profile = "rdm6300" }}]
points = [{{ id = "card", role = "card_reader", place = "gate", device = "reader", signal = "card" }}]
doors = [{{ id = "gate-door", place = "gate", reader = "reader" }}]
patrols = [{{ id = "round", place = "gate", checkpoints = [{{ id = "gate", point = "card" }}] }}]
places = {{ gate = {{ name = "校门" }} }}

[[cameras]]
id = "gate-camera"
url = "rtsp://127.0.0.1:{port}/gate"
place = "gate"
zones = [{{ id = "post", polygon = [[0.4, 0.6], [0.6, 0.6], [0.6, 0.8], [0.4, 0.8]] }}]
""",
        encoding="utf-8",
    )
    school = School(read_site(path))
    async with school, Alive(school) as alive:
        field, camera = alive.field, school.camera("gate-camera")

        def people() -> int:
            return int(camera.state()["scene"]["people"])

        alive.order(lambda world: world.people_order({"patrol": "round", "walk_s": 5, "card": "041A2B3C4D"}, field))
        alive.world.step(10, field)
        assert school.device("reader").get("card") == "041A2B3C4D"
        alive.order(lambda world: world.people_order({"guard": "gate-camera"}, field))
        alive.order(lambda world: world.people_order({"climber": "gate-camera"}, field))
        assert people() == 2
        order = {"pupils": "gate", "per_minute": 600, "minutes": 1, "card": "0400000001"}
        alive.order(lambda world: world.people_order(order, field))
        for _ in range(60):
            alive.world.step(1, field)
        came = alive.state()["people"]["pupils"]["gate"]["came"]
        assert 200 < came < 400
        assert people() > 20
        assert school.device("reader").get("card") == "0400000001"
        assert field.cannot == {}
