"""Combustible gas in a room: a tap lets it out, it gathers under the ceiling, air carries it away, detectors follow. Pure.

Natural gas rises, so it is the layer under the ceiling that fills, where detectors hang. One layer, well mixed:

    d(volume)/dt = flow - volume * changes of air

A detector sees the layer through its distance from the tap (it takes time to get there) and through its own sensor.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random

from simulators.physics.lag import towards

LEL_RATIO = 0.05  # methane, by volume: 5 % is 100 %LEL
LAYER_M3 = 8.0  # a kitchen of 25 m2, a third of a metre under its ceiling
AIR_PER_H = 6.0  # changes of the layer's air by what leaks through windows and doors
FAN_AIR_PER_H = 90.0  # and by a fan
SENSOR_S = 4.0  # catalytic beads: t90 of 10 s
M_PER_S = 0.5  # how fast gas creeps along a ceiling
FIRST_M, NEXT_M = 2.0, 2.5  # how far detectors hang from the tap: the first, and each further one
NOISE_LEL = 0.2  # standard deviation, %LEL


@dataclass(slots=True)
class Detector:
    """shown_ratio: what it measures, by volume. distance_m: from the tap."""

    distance_m: float
    shown_ratio: float = 0.0
    noise_ratio: float = 0.0

    @property
    def lag_s(self) -> float:
        return SENSOR_S + self.distance_m / M_PER_S

    @property
    def lel(self) -> float:
        """%LEL, 0 to 100: more than that no detector shows."""
        return min(100.0, max(0.0, (self.shown_ratio + self.noise_ratio) / LEL_RATIO * 100))


class GasRoom:
    """The gas of one place. rate_l_min: what the open tap lets out, litres a minute. noisy: detectors tremble a little."""

    def __init__(self, detectors: int, seed: int, layer_m3: float = LAYER_M3) -> None:
        self._random = Random(seed)
        self.layer_m3 = layer_m3
        self.gas_m3 = 0.0
        self.rate_l_min = 0.0
        self.valve_open_ratio = 1.0
        self.fan = False
        self.noisy = False
        self.detectors = [Detector(FIRST_M + i * NEXT_M + self._random.uniform(0, 1)) for i in range(detectors)]

    @property
    def flow_m3_s(self) -> float:
        """What comes out at present."""
        return self.rate_l_min / 1000 / 60 * self.valve_open_ratio

    @property
    def ratio(self) -> float:
        """Gas in the layer, by volume."""
        return self.gas_m3 / self.layer_m3

    def step(self, dt_s: float) -> None:
        """One step of any length; the layer is exact, detectors follow its end."""
        per_s = (FAN_AIR_PER_H if self.fan else AIR_PER_H) / 3600
        balance_m3 = self.flow_m3_s / per_s
        self.gas_m3 = min(self.layer_m3, balance_m3 + (self.gas_m3 - balance_m3) * math.exp(-per_s * dt_s))
        for detector in self.detectors:
            detector.shown_ratio = towards(detector.shown_ratio, self.ratio, dt_s, detector.lag_s)
            wanted = self._random.gauss(0, NOISE_LEL / 100 * LEL_RATIO) if self.noisy else 0.0
            detector.noise_ratio = towards(detector.noise_ratio, wanted, dt_s, 2.0) if self.noisy else 0.0

    def state(self) -> dict[str, object]:
        """For those who watch."""
        return {
            "rate_l_min": round(self.rate_l_min, 3),
            "valve_open_ratio": round(self.valve_open_ratio, 2),
            "fan": self.fan,
            "lel": round(min(100.0, self.ratio / LEL_RATIO * 100), 2),
        }
