"""What happens before a camera, told at run time: who walks there, light and weather.

{"walk": {"from": [x, foot], "to": [x, foot], "seconds": 8, "count": 3, "who": "astronaut", "child": true}}, {"stand": {"name": "guard",
"at": [0.5, 0.9]}}, {"leave": "guard"} ("": everybody who stands), {"climb": true}, {"light": "day" | "dusk" | "night"}, {"rain": true},
{"headlights": true} (one car passes), {"hand": true}, {"clear": true} (nobody, a fine day); several at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from simulators.camera_people import People, Spot, Walker
from simulators.camera_scene import PEOPLE
from simulators.camera_weather import CAR_S, LIGHTS, Weather
from simulators.physics.orders import flag, number, only, word

KEYS = ("walk", "stand", "leave", "climb", "light", "rain", "headlights", "hand", "clear")
WALK_KEYS = ("from", "to", "seconds", "count", "who", "child")


class Life:
    """People and weather before one camera. Times are those of one clock that is handed in."""

    def __init__(self, seed: int = 1) -> None:
        self._seed = seed
        self._people = People(seed)
        self._light, self._rain = "day", False
        self._car_s: float | None = None
        self._hand_s: float | None = None
        self.rng = np.random.default_rng(seed)

    def order(self, scene: Mapping[str, Any], now_s: float) -> None:
        """One request. ValueError for what cannot be shown; nothing has happened then."""
        only(scene, KEYS)
        light, rain, hand, lamps = word(scene, "light", LIGHTS), flag(scene, "rain"), flag(scene, "hand"), flag(scene, "headlights")
        walk, stand = _table(scene, "walk", WALK_KEYS), _table(scene, "stand", ("name", "at", "who"))
        leave, climb, clear = word(scene, "leave"), flag(scene, "climb"), flag(scene, "clear")
        ways = _spot(walk, "from"), _spot(walk, "to"), number(walk, "seconds", 0.5, 600)
        count, who, child = number(walk, "count", 1, 40), word(walk, "who", PEOPLE), flag(walk, "child")
        spot, name, guard = _spot(stand, "at"), word(stand, "name"), word(stand, "who", PEOPLE)
        if clear:
            self._quiet()
        if "walk" in scene:
            self._people.walk(now_s, *ways, int(count or 1), who, bool(child))
        if "stand" in scene:
            self._people.stand(now_s, name or "somebody", spot or (0.5, 0.9), guard)
        if leave is not None:
            self._people.leave(now_s, leave)
        if climb:
            self._people.climb(now_s)
        self._light = light or self._light
        self._rain = self._rain if rain is None else rain
        if lamps is not None:
            self._car_s = now_s if lamps else None
        if hand is not None:
            self._hand_s = now_s if hand else None

    def _quiet(self) -> None:
        """Nobody, and a fine day."""
        self._people = People(self._seed)
        self._light, self._rain = "day", False
        self._car_s = self._hand_s = None

    def people(self, now_s: float) -> list[Walker]:
        """Who is in the picture, the farthest first."""
        return self._people.seen(now_s)

    def weather(self, now_s: float) -> Weather:
        """What the weather is like."""
        if self._car_s is not None and now_s - self._car_s > CAR_S:
            self._car_s = None
        car_s, hand_s = (None if at is None else now_s - at for at in (self._car_s, self._hand_s))
        return Weather(self._light, self._rain, car_s, hand_s)

    def state(self, now_s: float) -> dict[str, Any]:
        """For those who watch."""
        return {
            "people": len(self._people.seen(now_s)),
            "light": self._light,
            "rain": self._rain,
            "headlights": self.weather(now_s).car_s is not None,
            "hand": self._hand_s is not None,
        }


def _table(scene: Mapping[str, Any], key: str, keys: tuple[str, ...]) -> Mapping[str, Any]:
    """A table in a request; true and {} are one without anything in it."""
    value = scene.get(key, {})
    if value is True or value == {}:
        return {}
    if not isinstance(value, dict):
        raise ValueError(f"{key} is an object with {', '.join(keys)}, not {value!r}")  # noqa: TRY004 - the API answers 400 to it
    only(value, keys)
    return value


def _spot(body: Mapping[str, Any], key: str) -> Spot | None:
    """Where feet are: [x, y], 0 to 1 inside the picture, a little more outside."""
    value = body.get(key)
    if value is None:
        return None
    if not isinstance(value, list) or len(value) != 2 or not all(type(each) in (int, float) and -0.5 <= each <= 1.5 for each in value):
        raise ValueError(f"{key} is [x, y] of the feet, each from -0.5 to 1.5, not {value!r}")
    return float(value[0]), float(value[1])
