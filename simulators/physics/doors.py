"""A door: a leaf that opens and closes, a lock that lets it, people who hold it. And outputs whose machines take their time. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from simulators.physics.lag import travel

REACH_S = 1.0  # from the click of the lock, or the button, to the hand at the door
OPEN_S = 4.0  # how long it stands open while one person passes
WAIT_S = 3.0  # how long somebody pulls at a door that is not let go

# how long a machine takes from one end to the other, by the kind of output
TRAVEL_S = {"gas_valve": 3.0, "lock": 0.2, "siren": 0.3, "strobe": 0.3, "buzzer": 0.1, "lamp": 0.2, "relay": 0.5}


@dataclass(slots=True)
class Door:
    """unlocked: it can be opened. has_lock False: always. forced: it was broken open, and stays so until it is closed.

    somebody_s: how long somebody still tries it; held: somebody keeps it open.
    """

    has_lock: bool = False
    unlocked: bool = False
    open: bool = False
    forced: bool = False
    held: bool = False
    open_s: float = 0.0
    somebody_s: float = 0.0
    reach_s: float = 0.0

    def try_it(self) -> None:
        """Somebody comes to pass through."""
        if self.open:
            self.open_s = 0.0
        else:
            self.reach_s, self.somebody_s = REACH_S, REACH_S + WAIT_S

    def force(self) -> None:
        self.open = self.forced = self.held = True
        self.open_s = 0.0

    def hold(self) -> None:
        """Wedged: opened if it can be, and left open."""
        self.held = True
        self.try_it()

    def close(self) -> None:
        self.open = self.forced = self.held = False
        self.somebody_s = 0.0

    def step(self, dt_s: float) -> None:
        if self.open:
            self.open_s += dt_s
            if not self.held and self.open_s >= OPEN_S:
                self.open = self.forced = False
            return
        self.open_s = 0.0
        if self.somebody_s <= 0:
            return
        self.reach_s -= dt_s
        self.somebody_s -= dt_s
        if self.reach_s <= 0 and (self.unlocked or not self.has_lock):
            self.open, self.somebody_s = True, 0.0
        elif self.somebody_s <= 0:
            self.held = False  # locked: he goes away

    def state(self) -> dict[str, object]:
        return {"open": self.open, "open_s": round(self.open_s, 1), "forced": self.forced, "held": self.held, "unlocked": self.unlocked}


@dataclass(slots=True)
class Machine:
    """What an output moves: a valve, a lock, a siren. at_ratio: 0 is off, 1 is on. stuck: it does not move."""

    travel_s: float
    on: bool = False
    at_ratio: float = 0.0
    stuck: bool = False

    def step(self, dt_s: float) -> None:
        if not self.stuck:
            self.at_ratio = travel(self.at_ratio, float(self.on), dt_s / self.travel_s)

    @property
    def arrived(self) -> bool | None:
        """True at its on end, False at its off end, None between."""
        return {1.0: True, 0.0: False}.get(self.at_ratio)

    def state(self) -> dict[str, object]:
        return {"on": self.on, "at_ratio": round(self.at_ratio, 2), "stuck": self.stuck}
