"""People of a school: guards on their rounds and at their post, pupils in waves, a climber. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from simulators.physics.field import Field
from simulators.physics.layout import Layout
from simulators.physics.orders import flag, found, number, only, word, words
from simulators.physics.rounds import Arrivals, Round, Wave
from simulators.physics.things import BUTTON_MS, Sky

WALK_S = 60.0
DEFAULT_CARD = "26 00C0FFEE"


class Crowd:
    """Who is on the way. seed: of their chances."""

    def __init__(self, layout: Layout, seed: int) -> None:
        self._layout = layout
        self._seed = seed
        self._rounds: dict[str, tuple[Round, str]] = {}
        self._waves: dict[str, tuple[Arrivals, str]] = {}
        self._scenes: list[tuple[str, dict[str, object]]] = []
        self._guards: set[str] = set()
        self._cameras = {camera.id: camera for camera in layout.cameras}

    def order(self, body: Mapping[str, Any]) -> None:
        """{"patrol": ID, "walk_s": 60, "skip": [STOP], "card": "26 00C0FFEE"} ("stop": true ends it); {"pupils": PLACE, "per_minute": 30,
        "minutes": 20, "card": ...}; {"guard": CAMERA, "present": true}; {"climber": CAMERA}."""
        sorts = ("patrol", "pupils", "guard", "climber")
        if sum(sort in body for sort in sorts) != 1:
            raise ValueError(f"give one of {', '.join(sorts)}")
        next(getattr(self, f"_{sort}") for sort in sorts if sort in body)(body)

    def step(self, dt_s: float, field: Field, sky: Sky) -> list[str]:
        """What they do in this time. Returns the doors that somebody comes to."""
        doors: list[str] = []
        for camera, scene in self._scenes:
            field.scene(camera, scene)
        self._scenes = []
        for name, (round_, card) in self._rounds.items():
            stop = round_.step(dt_s)
            if stop is not None:
                self._reach(name, stop, card, field)
        for place, (arrivals, card) in self._waves.items():
            for _ in range(arrivals.step(dt_s)):
                for camera in (each.id for each in self._layout.cameras if each.place == place):
                    field.scene(camera, {"walk": {"count": 1}})
                for door in (each for each in self._layout.doors if each.place == place):
                    doors.append(door.id)
                    if door.reader and card:
                        field.card(door.reader, card)
        return doors

    def state(self) -> dict[str, Any]:
        """For those who watch; who has finished stays until he is sent again."""
        return {
            "patrols": {name: round_.state() for name, (round_, _) in self._rounds.items()},
            "pupils": {place: arrivals.state() for place, (arrivals, _) in self._waves.items()},
            "guards": sorted(self._guards),
        }

    def _patrol(self, body: Mapping[str, Any]) -> None:
        only(body, ("patrol", "walk_s", "skip", "card", "stop"))
        rounds = {each.id: each for each in self._layout.rounds}
        plan = found(rounds, str(body["patrol"]), "patrol")
        skip, walk_s = words(body, "skip"), number(body, "walk_s", 0.1, 7200)
        card = word(body, "card") or DEFAULT_CARD
        if flag(body, "stop"):
            self._rounds.pop(plan.id, None)
            return
        for stop in skip:
            found(plan.stops, stop, f"stop of patrol {plan.id}")
        self._rounds[plan.id] = Round(list(plan.stops), walk_s or WALK_S, self._seed, frozenset(skip)), card

    def _pupils(self, body: Mapping[str, Any]) -> None:
        only(body, ("pupils", "per_minute", "minutes", "card"))
        place = str(body["pupils"])
        found(self._layout.places, place, "place")
        wave = Wave(number(body, "per_minute", 0, 600) or 30.0, number(body, "minutes", 0.1, 240) or 20.0)
        self._waves[place] = Arrivals(wave, self._seed), word(body, "card") or ""

    def _guard(self, body: Mapping[str, Any]) -> None:
        only(body, ("guard", "present"))
        camera = found(self._cameras, str(body["guard"]), "camera")
        present = flag(body, "present") is not False
        x, y = camera.post or (0.5, 0.9)
        self._guards = self._guards | {camera.id} if present else self._guards - {camera.id}
        self._scenes.append((camera.id, {"stand": {"name": "guard", "at": [x, y]}} if present else {"leave": "guard"}))

    def _climber(self, body: Mapping[str, Any]) -> None:
        only(body, ("climber",))
        camera = found(self._cameras, str(body["climber"]), "camera")
        self._scenes.append((camera.id, {"climb": True}))

    def _reach(self, name: str, stop: str, card: str, field: Field) -> None:
        """A guard shows his card, or presses the button of a checkpoint."""
        point = next(each.stops[stop] for each in self._layout.rounds if each.id == name)
        if point not in self._layout.points:
            return
        if self._layout.points[point].role == "card_reader":
            field.card(point, card)
        else:
            field.press(point, BUTTON_MS)
