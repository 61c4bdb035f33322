"""The field as the models see it: points that they set, outputs that are switched."""

from __future__ import annotations

from typing import Protocol

from simulators.encode import Value
from simulators.physics.layout import PointAt

METHANE_MG_M3 = 656_000.0  # of the pure gas, at 25 Cel
LOOP_MA = (4.0, 20.0)


class Field(Protocol):
    """What the models need of a school."""

    def show(self, point: str, value: Value) -> None:
        """A sensor shows this from now on."""

    def press(self, point: str, press_ms: int) -> None:
        """A contact closes for a while, a counter counts."""

    def value(self, point: str) -> Value:
        """What a point shows at present."""

    def words(self, point: str) -> list[str]:
        """Names of its states; none for contacts and measurements."""

    def unit(self, point: str) -> str:
        """Unit in which its signal is set: `mA-loop` for a transmitter of 4 to 20 mA."""

    def is_on(self, output: str) -> bool:
        """How an output stands."""

    def card(self, reader: str, card: str) -> None:
        """A card is shown to a reader: a device or a point."""

    def scene(self, camera: str, scene: dict[str, object]) -> None:
        """Something happens before a camera."""


def gas_value(ratio: float, unit: str, at: PointAt) -> float:
    """A concentration by volume as the detector shows it. %LEL, 0 to 100, where the unit is not of another kind."""
    match unit:
        case "ppm":
            return round(max(0.0, ratio) * 1e6)
        case "%" | "%vol" | "%VOL":
            return round(max(0.0, ratio) * 100, 2)
        case "mg/m3":
            return round(max(0.0, ratio) * METHANE_MG_M3)
    return measured(min(100.0, max(0.0, ratio / 0.05 * 100)), unit, at)


def measured(value: float, unit: str, at: PointAt, digits: int = 1) -> float:
    """A value in the unit of its role, as the signal is set: through the loop current where it hangs on a transmitter."""
    if unit != "mA-loop":
        return round(value, digits)
    low, high = at.span or (0.0, 100.0)
    current = LOOP_MA[0] + (LOOP_MA[1] - LOOP_MA[0]) * (value - low) / (high - low)
    return round(min(LOOP_MA[1], max(LOOP_MA[0], current)), 3)
