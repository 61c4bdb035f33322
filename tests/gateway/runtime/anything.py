"""Anything that may happen to a gateway, in any order: what no site expects, and what no device should say."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from random import Random
from typing import Any

from gateway.config.settings import Settings
from gateway.core.commands import Command, Delivered, LatchReleased, Photographed, Tick
from gateway.core.outputs import OutputDone, OutputOrder
from gateway.core.points import Draft, Latch, Point
from gateway.core.reading import Quality, Reading, Value
from gateway.rules.authority import MAY, ROLES
from gateway.runtime.decide import Stimuli
from tests.scenarios.gateway import Gateway
from tests.scenarios.grammar import SITES
from tests.scenarios.site_files import settings_of

NAMES = sorted(file.stem for file in SITES.glob("*.toml"))
BEGIN_MS = 1_788_220_800_000  # 2026-09-01 08:00 in China
DAY_MS = 86_400_000
ODD: list[Value] = [None, True, 0, -1, 2, 30.0, 1e9, 2**40, 2**70, "", "open", "up", "正" * 70, float("nan"), float("inf")]
REASONS = ["", "loop open", "stale", "no answer", "sensor warms up", "exception 2", "camera blind", "vision silent", "being written"]
USUAL: dict[str, list[Value]] = {
    "contact": [False, True],
    "latched": [False, True],
    "counter": [0, 1, 2, 3, 200, 2**16 - 1, 2**32 - 1],
    "measurement": [0.0, 26.0, 60.0, 350.0, 600.0],
    "enum": ["up", "down", "moving", "open", "closed"],
}
CLOCKS = ["synchronised", "holdover", "unknown"]
TARGETS = ["", "fire", "/", "a/b/c", "x" * 120]
WORDS = ["", "on", "off", "0", "30", "99999", "-1", "１２", "gate"]
TIMES_S = [0.0, -1.0, 1.0, 60.0, 1800.0, 28_800.0, 1e12, float("nan"), float("inf")]
PEOPLE = ["王强", "李娜", "", "  ", "police", "police:张"]


@dataclass
class Anything:
    """One gateway of a site, and chance. Every draft can be written into an event, and no look is asked for in the past."""

    site: str
    chance: Random
    settings: Settings | None = None
    orders: list[OutputOrder] = field(default_factory=list)
    releases: list[tuple[str, int]] = field(default_factory=list)
    sent: list[Draft] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.settings = self.settings or settings_of(self.site, {}, {})
        self.gateway = Gateway(self.settings, BEGIN_MS + self.chance.randrange(0, 40) * DAY_MS, 0.0)
        self.gateway.order = self.orders.append
        self.gateway.release = lambda point, press: self.releases.append((point, press))
        self.gateway.sent = self._sent
        self.gateway.start(self.settings, "synchronised", 0)

    def _sent(self, draft: Draft) -> None:
        json.dumps(draft.data)
        self.sent.append(draft)

    @property
    def stored(self) -> dict[str, Latch]:
        """What its journal holds."""
        return self.gateway._stored

    def happen(self, times: int) -> None:
        """So many things, one after another."""
        for _ in range(times):
            kind = self.chance.choices(range(6), weights=[45, 25, 20, 7, 2, 2])[0]
            if kind == 3:
                self.gateway.advance(self.gateway.t_s + self.chance.choice([0.01, 0.5, 3.0, 30.0, 95.0, 700.0]))
            elif kind == 4:
                self.gateway.set_clock(self.chance.choice(CLOCKS))
            elif kind == 5:
                self.restart()
            else:
                self.gateway.take((self._reading, self._command, self._answer)[kind]())

    def restart(self) -> None:
        """The power is cut for some time."""
        self.gateway.stop()
        self.gateway.advance(self.gateway.t_s + self.chance.choice([0.0, 5.0, 90.0, 4000.0, 90_000.0]))
        self.orders.clear()
        self.releases.clear()
        assert self.settings is not None
        self.gateway.start(self.settings, self.chance.choice(CLOCKS), 0)

    def _reading(self) -> Reading:
        points = self.gateway.house.points
        point = points[self.chance.choice([point for point in points if point not in ("gw-tests", "gw-window")])]
        quality = self.chance.choice([Quality.GOOD] * 6 + [Quality.UNCERTAIN, Quality.BAD])
        name = point.id if self.chance.random() > 0.02 else "never-heard-of"
        reason = "" if quality is Quality.GOOD else self.chance.choice(REASONS)
        return Reading(name, self._value(point), quality, reason, self.gateway.now().now_s)

    def _value(self, point: Point) -> Value:
        return self.chance.choice(ODD if self.chance.random() < 0.3 else USUAL.get(point.kind, ODD))

    def _command(self) -> Command:
        pick, house = self.chance.choice, self.gateway.house
        points = list(house.points)
        targets = [*TARGETS, pick(points), pick(list(house.alarms)), *house.fittings.outputs, *house.school.rules]
        return Command(
            pick([*MAY, "", "replay", "bogus"]),
            pick(targets),
            pick(PEOPLE),
            pick([*ROLES, "bogus"]),
            pick(["door", "page", "mqtt"]),
            value=pick(WORDS),
            why=pick(["", "检修", "因为" * 200]),
            for_s=pick(TIMES_S),
            second=pick(["", "王强", "李娜", " 王 强"]),
            points=pick([(), (pick(points), pick(points)), ("nope",), ("",)]),
            command_id=pick(["", "", "c1", "c2"]),
            expires_ms=self.gateway.now().at_ms,
            refused=pick(["", "", "", "stale"]),
        )

    def _answer(self) -> Stimuli:
        """What comes from elsewhere: the field, the centre, the cameras, time itself; also what nobody asked for."""
        pick, house = self.chance.choice, self.gateway.house
        event = pick(self.sent).id if self.sent else "x"
        order = self.orders.pop(self.chance.randrange(len(self.orders))) if self.orders else None
        ticks = [*house.points, *house.fittings.doors, *(f"rule:{rule}" for rule in house.school.rules)]
        answers: list[Stimuli] = [
            Delivered(event, pick(["broker_acked", "received", "unusable"]), pick(["", "police", "bureau", "nobody"])),
            OutputDone(order.output, order.number, pick(["", "", "no answer"])) if order else OutputDone("never-heard-of", 1),
            LatchReleased(*self.releases.pop()) if self.releases else LatchReleased("never-heard-of", 1),
            Photographed(pick([*house.pictures, "x"]), pick(["", "blind"]), "0" * 64, 100, self.gateway.now().now_s),
            Tick(pick([*ticks, ":modes", ":school", ":incidents", ":pictures", "rule:never-heard-of", "never-heard-of"])),
        ]
        return pick(answers)


def damaged(chance: Random, value: Any) -> Any:
    """The same with something else somewhere in it, as another version might have written it."""
    if isinstance(value, dict) and value and chance.random() < 0.9:
        name = chance.choice(sorted(value))
        rest = {other: each for other, each in value.items() if other != name}
        return rest if chance.random() < 0.15 else {**value, name: damaged(chance, value[name])}
    if isinstance(value, list) and value and chance.random() < 0.8:
        place = chance.randrange(len(value))
        return [*value[:place], damaged(chance, value[place]), *value[place + 1 :]]
    return chance.choice([None, "x", "", 5, -1, 1e300, True, [], {}, [1], {"a": 1}, "9" * 30, 2**70, ["x", "y"]])
