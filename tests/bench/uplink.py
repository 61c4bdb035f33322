"""The uplink's benchmark: press to wire beyond the disk, a backlog drained, and the cost of an event beside a plain loop.

`make bench-uplink`, or `python -m tests.bench.uplink --out build/bench/uplink.json`. Needs mosquitto, gcc and nats-server (in the locked
packages). Under ten minutes; --quick about one.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from tests.bench.program import run
from tests.bench.rig import Result, Say
from tests.bench.uplink_cost import cost
from tests.bench.uplink_drain import drain
from tests.bench.uplink_panic import panic
from tests.bench.uplink_rig import QUICK, Effort, need

MEASURES: dict[str, Callable[[Effort, Path, Say], Result]] = {"panic": panic, "drain": drain, "cost": cost}


def main(argv: list[str] | None = None) -> int:
    """As `program.run`."""
    return run("uplink", "Measure the uplink.", MEASURES, (Effort(), QUICK), lambda: need("mosquitto", "nats"), argv)


if __name__ == "__main__":
    sys.exit(main())
