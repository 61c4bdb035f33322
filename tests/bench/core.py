"""The core benchmark: the daemon beside the floor, on real wires, a real broker and a real disk.

`make bench-core`, or `python -m tests.bench.core --out build/bench/core.json`. Needs the Debian packages
mosquitto, gcc, pkg-config and libmodbus-dev. Takes about a quarter of an hour; --quick about two minutes.
"""

from __future__ import annotations

import compileall
import sys
from collections.abc import Callable
from pathlib import Path

from tests.bench.parts import built_farm, program
from tests.bench.program import run
from tests.bench.reaction import delay, press
from tests.bench.rig import QUICK, Effort, Result, Say
from tests.bench.steady import scan, start
from tests.bench.throughput import events

ROOT = Path(__file__).parents[2]
MEASURES: dict[str, Callable[[Effort, Path, Say], Result]] = {
    "scan": scan,
    "start": start,
    "delay": delay,
    "press": press,
    "events": events,
}


def main(argv: list[str] | None = None) -> int:
    """As `program.run`."""

    def need() -> None:
        program("mosquitto", package="mosquitto")
        built_farm()
        for room in ("gateway", "drivers", "tests/bench"):  # as pip does with an installed package; a checkout may have no byte code
            compileall.compile_dir(ROOT / room, quiet=1)

    return run("core", "Measure the daemon beside the floor.", MEASURES, (Effort(), QUICK), need, argv)


if __name__ == "__main__":
    sys.exit(main())
