"""A school as a world: things that live by themselves, and what people do to them. Pure: time and the field are handed in.

Everything sleeps, and the school stands as its devices were started, until somebody acts on it, or until it comes alive.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from zlib import crc32

from simulators.physics.crowd import Crowd
from simulators.physics.doors import Door
from simulators.physics.electric import Arcs, Cable, Leak, ambient_cel
from simulators.physics.field import Field
from simulators.physics.gas import GasRoom
from simulators.physics.layout import UP_WORDS, Layout, word_for
from simulators.physics.orders import flag, found, number, only, word
from simulators.physics.posts import EMERGENCY_S, Post, ram
from simulators.physics.things import (
    BUTTON_MS,
    ArcThing,
    CableThing,
    DoorThing,
    GasPlace,
    LeakThing,
    MachineThing,
    PostThing,
    Sky,
    Thing,
)

DEFAULT_RAM_KMH = 40.0
LIVE_LOAD_RATIO = 0.5
ROOM_CEL = 25.0
MOST_SPEED = 600.0


class World:
    """The things of one school. seed: of all chance in it. speed: how many seconds of the world pass in one."""

    def __init__(self, layout: Layout, field: Field, seed: int = 1, hour: float = 12.0) -> None:
        self.layout = layout
        self.sky = Sky(hour=hour)
        self.speed = 1.0
        self.begun = False
        self._seed = seed
        positions = {post.position for post in layout.posts}
        self.machines = {
            name: MachineThing.of(output, output.confirm in layout.points and output.confirm not in positions)
            for name, output in layout.outputs.items()
            if output.kind != "bollard"
        }
        self.gas = {place: self._gas(place) for place in self._places("gas_concentration", "gas_alarm")}
        self.cables = {
            p.id: CableThing(p, Cable(_present(field, p.id, ROOM_CEL), self._chance(p.id))) for p in self._of("cable_temperature")
        }
        self.leaks = {p.id: LeakThing(p, Leak(self._chance(p.id), _present(field, p.id, 0.0))) for p in self._of("residual_current")}
        self.arcs = {p.id: ArcThing(p, Arcs()) for p in self._of("arc_fault")}
        self.posts = {post.id: PostThing(post, Post(moves=bool(post.position))) for post in layout.posts}
        self.doors = {door.id: DoorThing(door, Door(has_lock=door.lock in self.machines)) for door in layout.doors}
        for door in self.doors.values():
            door.lock = self.machines[door.at.lock].model if door.at.lock in self.machines else None
        self.crowd = Crowd(layout, self._chance("people"))
        for post in self.posts.values():
            _stand(post, field)
        for machine in self.machines.values():
            if machine.watched and field.value(machine.output.confirm) == machine.output.shows_on:
                machine.model.at_ratio = 1.0

    # --- time ------------------------------------------------------------------------------------------

    def step(self, dt_s: float, field: Field, switched: Iterable[tuple[str, bool]] = ()) -> None:
        """What happens in dt_s of a clock on the wall. switched: outputs that were written since the last step, in their order."""
        for output, on in switched:
            self._switched(output, on)
        if not self.begun:
            return
        dt_s *= self.speed
        self.sky.hour = (self.sky.hour + dt_s / 3600) % 24
        for thing in self._things():
            if thing.awake:
                thing.step(dt_s, self.sky, field)
        for door in self.crowd.step(dt_s, field, self.sky):
            self._come_to(door)

    def begin(self, field: Field) -> None:
        """The first thing happens: outputs have their effect from now on."""
        if not self.begun:
            self.begun = True
            for name, machine in self.machines.items():
                machine.model.on, machine.awake = field.is_on(name), machine.watched
                if not machine.watched:
                    machine.model.at_ratio = float(machine.model.on)

    def liven(self, field: Field) -> None:
        """The school comes alive: everything is awake, circuits leak a little, boards are loaded, posts go up."""
        self.begin(field)
        if self.sky.alive:
            return
        self.sky.alive = True
        for cable in self.cables.values():
            cable.model.load_ratio = cable.model.load_ratio or LIVE_LOAD_RATIO
            cable.model.ambient = ambient_cel(self.sky.hour)
            cable.model.warm = cable.model.equilibrium_cel
        for name, leak in self.leaks.items():
            leak.model.base_ma = Leak(self._chance(name)).base_ma
        for post in self.posts.values():
            post.model.move(up=True)
        for thing in self._things():
            thing.awake = True

    # --- what people do --------------------------------------------------------------------------------

    def sky_order(self, body: Mapping[str, Any], field: Field) -> None:
        """{"alive": true, "speed": 10, "rain": true, "hour": 7.5}"""
        only(body, ("alive", "speed", "rain", "hour"))
        speed, hour = number(body, "speed", 0.1, MOST_SPEED), number(body, "hour", 0, 24)
        rain, alive = flag(body, "rain"), flag(body, "alive")
        if alive:
            self.liven(field)
        elif alive is False:
            self.sky.alive = False
        self.speed = speed or self.speed
        self.sky.hour = self.sky.hour if hour is None else hour % 24
        if rain is not None:
            self.begin(field)
            self.sky.rain = rain
            for leak in self.leaks.values():
                leak.awake = True

    def gas_order(self, place: str, body: Mapping[str, Any], field: Field) -> None:
        """{"rate": 100}: the tap lets out so many litres a minute; 0 shuts it. {"window": true}: fresh air."""
        thing = found(self.gas, place, "place with a gas detector")
        only(body, ("rate", "window"))
        rate, window = number(body, "rate", 0, 10_000), flag(body, "window")
        self.begin(field)
        thing.awake = True
        thing.room.rate_l_min = thing.room.rate_l_min if rate is None else rate
        thing.window = thing.window if window is None else window

    def cable_order(self, point: str, body: Mapping[str, Any], field: Field) -> None:
        """Temperature: {"load_ratio": 1.6, "loose": true, "tau_s": 20}. Residual current: {"leak_ma": 400}. Arcs: {"arcs": 14}."""
        found({**self.cables, **self.leaks, **self.arcs}, point, "cable, residual current or arc point")
        if point in self.cables:
            only(body, ("load_ratio", "loose", "tau_s"))
            load, loose, tau_s = number(body, "load_ratio", 0, 5), flag(body, "loose"), number(body, "tau_s", 1, 7200)
            cable = self.cables[point].model
            cable.load_ratio = cable.load_ratio if load is None else load
            cable.loose = cable.loose if loose is None else loose
            cable.tau_s = tau_s or cable.tau_s
            self.cables[point].awake = True
        elif point in self.leaks:
            only(body, ("leak_ma",))
            self.leaks[point].model.leak_ma = number(body, "leak_ma", 0, 30_000) or 0.0
            self.leaks[point].awake = True
        else:
            only(body, ("arcs",))
            self.arcs[point].model.waiting = int(number(body, "arcs", 0, 1000) or 0)
            self.arcs[point].awake = True
        self.begin(field)

    def post_order(self, point: str, body: Mapping[str, Any], field: Field) -> dict[str, Any]:
        """{"move": "up" | "down" | "stop" | "repair"}, {"obstacle": true}, {"ram": true} or {"ram": 60} (km/h).

        point: any of the post's. A ram answers with the posts that were hit, and how fast the vehicle was behind them.
        """
        names = {each: post for post in self.posts.values() for each in post.at.points}
        thing = found(names, point, "post or barrier")
        only(body, ("move", "obstacle", "ram"))
        move, obstacle = word(body, "move", ("up", "down", "stop", "repair")), flag(body, "obstacle")
        speed = DEFAULT_RAM_KMH if body.get("ram") is True else number(body, "ram", 1, 200) if "ram" in body else None
        self.begin(field)
        thing.awake = True
        thing.model.obstacle = thing.model.obstacle if obstacle is None else obstacle
        if move in ("up", "down"):
            thing.model.move(move == "up")
        elif move == "stop":
            thing.model.stop()
        elif move == "repair":
            thing.model.repair()
        if speed is None:
            return {}
        line = self._behind(thing)
        drive = ram([(each.at.id, each.model) for each in line], speed)
        for each in line:
            each.awake = each.awake or each.at.id in drive.hit
        return {"hit": drive.hit, "kmh_behind": round(drive.kmh, 1)}

    def door_order(self, name: str, body: Mapping[str, Any], field: Field) -> None:
        """{"do": "pass" | "exit" | "force" | "hold" | "close"}; pass may have {"card": "26 00C0FFEE"}."""
        names = {each: door for door in self.doors.values() for each in (*door.at.contacts, *door.at.forced, *door.at.held, door.at.id)}
        thing = found(names, name, "door")
        only(body, ("do", "card"))
        do, card = word(body, "do", ("pass", "exit", "force", "hold", "close")), word(body, "card")
        if card is not None and not thing.at.reader:
            raise ValueError(f"door {thing.at.id} has no reader")
        if do == "exit" and not thing.at.exit_button:
            raise ValueError(f"door {thing.at.id} has no button to go out")
        self.begin(field)
        thing.awake = True
        if card is not None:
            field.card(thing.at.reader, card)
        if do == "exit":
            field.press(thing.at.exit_button, BUTTON_MS)
        acts = {"force": thing.model.force, "hold": thing.model.hold, "close": thing.model.close}
        acts.get(do or "pass", thing.model.try_it)()

    def output_order(self, name: str, body: Mapping[str, Any], field: Field) -> None:
        """{"stuck": true}: the valve, lock or siren does not follow its output."""
        thing = found(self.machines, name, "output but a bollard's")
        only(body, ("stuck",))
        stuck = flag(body, "stuck")
        self.begin(field)
        thing.model.stuck = bool(stuck)

    def people_order(self, body: Mapping[str, Any], field: Field) -> None:
        """See `Crowd.order`."""
        self.crowd.order(body)
        self.begin(field)

    # --- for those who watch ---------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """All of it, small."""
        sorts: dict[str, Mapping[str, Thing]] = {
            "gas": self.gas,
            "cables": {**self.cables, **self.leaks, **self.arcs},
            "bollards": self.posts,
            "doors": self.doors,
            "outputs": self.machines,
        }
        return {
            "alive": self.sky.alive,
            "speed": self.speed,
            "hour": round(self.sky.hour, 3),
            "rain": self.sky.rain,
            **{sort: {name: thing.state() for name, thing in things.items()} for sort, things in sorts.items()},
            "lines": [list(line) for line in self.layout.lines],
            "people": self.crowd.state(),
        }

    def shown(self) -> set[str]:
        """Points whose value a model sets."""
        gas = {point.id for place in self.gas.values() for point in (*place.detectors, *place.contacts)}
        posts = {point for post in self.layout.posts for point in (post.position, *post.faults, *post.loops)}
        doors = {point for door in self.layout.doors for point in (*door.contacts, *door.forced, *door.held)}
        return {*gas, *self.cables, *self.leaks, *posts, *doors, *(m.output.confirm for m in self.machines.values() if m.watched)}

    # --- inside ----------------------------------------------------------------------------------------

    def _things(self) -> Iterable[Thing]:
        """Machines first: valves and locks are where others look for them."""
        for things in (self.machines, self.gas, self.cables, self.leaks, self.arcs, self.posts, self.doors):
            yield from things.values()

    def _of(self, *roles: str) -> list[Any]:
        return [point for point in self.layout.points.values() if point.role in roles]

    def _places(self, *roles: str) -> list[str]:
        return list(dict.fromkeys(point.place for point in self._of(*roles)))

    def _chance(self, name: str) -> int:
        """A seed of its own for each thing, so that one more thing changes no other."""
        return crc32(f"{self._seed} {name}".encode())

    def _gas(self, place: str) -> GasPlace:
        detectors = tuple(point for point in self._of("gas_concentration") if point.place == place)
        contacts = tuple(point for point in self._of("gas_alarm") if point.place == place)
        valves = [m for m in self.machines.values() if m.output.kind == "gas_valve"]
        own = [m for m in valves if m.output.place == place or m.output.id in self.layout.main_valves] or valves
        fans = [m.model for n, m in self.machines.items() if n in self.layout.fans and m.output.place == place]
        room = GasRoom(len(detectors) + len(contacts), self._chance(place))
        return GasPlace(room, detectors, contacts, tuple((m.output, m.model) for m in own), tuple(fans))

    def _behind(self, thing: PostThing) -> list[PostThing]:
        """The post, and those of the layers behind it."""
        line = next((line for line in self.layout.lines if thing.at.id in line), (thing.at.id,))
        return [self.posts[name] for name in line[line.index(thing.at.id) :] if name in self.posts]

    def _come_to(self, door: str) -> None:
        thing = self.doors[door]
        thing.awake = True
        thing.model.try_it()

    def _switched(self, output: str, on: bool) -> None:
        if not self.begun:
            return
        if output in self.machines:
            self.machines[output].model.on = on
            self.machines[output].awake = True
        for door in self.doors.values():
            door.awake = door.awake or door.at.lock == output
        for post in self.posts.values():
            if not on or output not in (*post.at.raised_by, *post.at.lowered_by, *post.at.stopped_by):
                continue
            post.awake = True
            if output in post.at.stopped_by:
                post.model.stop()
            else:
                emergency = "efo" in self.layout.outputs[output].signal
                post.model.move(output in post.at.raised_by, EMERGENCY_S if emergency else 0.0)


def _present(field: Field, point: str, otherwise: float) -> float:
    """What a point measures at present, where it can be taken as it stands."""
    value = field.value(point)
    plain = isinstance(value, int | float) and not isinstance(value, bool) and field.unit(point) != "mA-loop"
    return float(value) if plain else otherwise


def _stand(thing: PostThing, field: Field) -> None:
    """A post stands as its position says; one that says nothing is up."""
    if not thing.at.position:
        return
    words, value = field.words(thing.at.position), field.value(thing.at.position)
    if words:
        up = value == thing.at.up or value == word_for(words, UP_WORDS)
        thing.model.height_ratio = 1.0 if up else 0.0
    else:
        thing.model.height_ratio = float(bool(value) == (thing.at.up != 0))
