"""The bus benchmark: the wire used to its limit, a panic button among meters, and a thousand numbers with few requests.

`make bench-bus`, or `python -m tests.bench.bus --out build/bench/bus.json`. Needs the Debian packages mosquitto, gcc,
pkg-config and libmodbus-dev. Takes about a quarter of an hour; --quick about three minutes.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from tests.bench.bus_holes import holes
from tests.bench.bus_pace import pace
from tests.bench.bus_panic import panic
from tests.bench.bus_rig import QUICK, Effort, built_master
from tests.bench.parts import built_farm, program
from tests.bench.program import run
from tests.bench.rig import Result, Say

MEASURES: dict[str, Callable[[Effort, Path, Say], Result]] = {"pace": pace, "panic": panic, "holes": holes}


def main(argv: list[str] | None = None) -> int:
    """As `program.run`."""

    def need() -> None:
        program("mosquitto", package="mosquitto")
        built_farm()
        built_master()

    return run("bus", "Measure the field buses.", MEASURES, (Effort(), QUICK), need, argv)


if __name__ == "__main__":
    sys.exit(main())
