"""A distribution board: cables that warm, current that leaks, joints that arc. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random

from simulators.physics.lag import towards

RISE_K = 40.0  # of a cable at its rated current; PVC: 30 Cel of air and 70 Cel of conductor
JOINT_K = 60.0  # and of a loose joint, besides
CABLE_TAU_S = 240.0
NIGHT_CEL, DAY_CEL = 18.0, 26.0
WARMEST_H = 15.0
NOISE_CEL = 0.15

BASE_MA = (18.0, 60.0)  # what a sound circuit leaks: filters and long cables
NOISE_MA = 0.8
DRIFT_MA, DRIFT_TAU_S = 6.0, 1800.0
WET_FACTOR, WET_TAU_S = 2.2, 600.0
FAULT_TAU_S = 0.5

ARCS_PER_S = 5.0


def ambient_cel(hour: float) -> float:
    """Air in a board's room, by the hour of the day, 0 to 24."""
    middle, swing = (NIGHT_CEL + DAY_CEL) / 2, (DAY_CEL - NIGHT_CEL) / 2
    return middle + swing * math.cos((hour - WARMEST_H) / 24 * 2 * math.pi)


class Cable:
    """A cable's surface. load_ratio: its current, of the rated one. ambient: Cel. noisy: the sensor trembles."""

    def __init__(self, ambient: float, seed: int) -> None:
        self._random = Random(seed)
        self.ambient = self.warm = ambient
        self.load_ratio = 0.0
        self.loose = False
        self.tau_s = CABLE_TAU_S
        self.noisy = False
        self._noise = 0.0

    @property
    def equilibrium_cel(self) -> float:
        """Where it ends if nothing changes: heat goes with the square of the current."""
        return self.ambient + (RISE_K + (JOINT_K if self.loose else 0.0)) * self.load_ratio**2

    @property
    def cel(self) -> float:
        return self.warm + self._noise

    def step(self, dt_s: float) -> None:
        self.warm = towards(self.warm, self.equilibrium_cel, dt_s, self.tau_s)
        self._noise = towards(self._noise, self._random.gauss(0, NOISE_CEL), dt_s, 1.0) if self.noisy else 0.0

    def state(self) -> dict[str, object]:
        return {
            "load_ratio": self.load_ratio,
            "loose": self.loose,
            "cel": round(self.warm, 2),
            "equilibrium_cel": round(self.equilibrium_cel, 2),
        }


class Leak:
    """Residual current of a circuit, mA. base_ma: of a sound one; leak_ma: a fault's; wet: it rains on lamps and cables outside.

    noisy: noise, and a drift that stays within a few times DRIFT_MA.
    """

    def __init__(self, seed: int, base_ma: float | None = None) -> None:
        self._random = Random(seed)
        self.base_ma = self._random.uniform(*BASE_MA) if base_ma is None else base_ma
        self.leak_ma = 0.0
        self.wet = False
        self.noisy = False
        self._fault_ma = self._drift_ma = self._noise_ma = 0.0
        self._wet_factor = 1.0

    @property
    def ma(self) -> float:
        """What the transformer shows."""
        return max(0.0, (self.base_ma + self._drift_ma) * self._wet_factor + self._fault_ma + self._noise_ma)

    def step(self, dt_s: float) -> None:
        self._fault_ma = towards(self._fault_ma, self.leak_ma, dt_s, FAULT_TAU_S)
        self._wet_factor = towards(self._wet_factor, WET_FACTOR if self.wet else 1.0, dt_s, WET_TAU_S)
        if not self.noisy:
            self._noise_ma = 0.0
            return
        kept = math.exp(-dt_s / DRIFT_TAU_S)
        self._drift_ma = kept * self._drift_ma + self._random.gauss(0, DRIFT_MA * math.sqrt(1 - kept * kept))
        self._noise_ma = self._random.gauss(0, NOISE_MA)

    def state(self) -> dict[str, object]:
        return {"ma": round(self.ma, 1), "base_ma": round(self.base_ma, 1), "leak_ma": self.leak_ma}


@dataclass(slots=True)
class Arcs:
    """A joint that arcs: so many pulses to come, about ARCS_PER_S of them a second."""

    waiting: int = 0
    seen: int = 0
    _next_s: float = 0.0

    def step(self, dt_s: float) -> int:
        """How many pulses begin in this step: one at most, for a contact has to fall back in between."""
        self._next_s -= dt_s
        if not self.waiting or self._next_s > 0:
            return 0
        self._next_s = 1 / ARCS_PER_S
        self.waiting -= 1
        self.seen += 1
        return 1

    def state(self) -> dict[str, object]:
        return {"waiting": self.waiting, "seen": self.seen}
