"""The bus benchmark: the wire used to its limit, a panic button among meters, and a thousand numbers with few requests.

`make bench-bus`, or `python -m tests.bench.bus --out build/bench/bus.json`. Needs the Debian packages mosquitto, gcc,
pkg-config and libmodbus-dev. Takes about a quarter of an hour; --quick about three minutes.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.bench.bus_holes import holes
from tests.bench.bus_pace import pace
from tests.bench.bus_panic import panic
from tests.bench.bus_rig import QUICK, Effort, built_master
from tests.bench.figures import Figure, table
from tests.bench.machine import describe
from tests.bench.parts import MissingPart, built_farm, program
from tests.bench.rig import NotMeasured, Result, Run, Say

MEASURES: dict[str, Callable[[Effort, Path, Say], Result]] = {"pace": pace, "panic": panic, "holes": holes}


def main(argv: list[str] | None = None) -> int:
    """0 when everything was measured, met or not; 1 when a measure failed, 2 when a program is missing."""
    arguments = _parser().parse_args(argv)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what we started is ended too
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    try:
        program("mosquitto", package="mosquitto")
        built_farm()
        built_master()
    except MissingPart as missing:
        sys.stderr.write(f"{missing}\n")
        return 2
    failed = False
    figures: list[Figure] = []
    runs: list[Run] = []
    with tempfile.TemporaryDirectory(prefix="bench-", dir=arguments.out.parent) as folder:
        machine = describe(Path(folder))
        for name in arguments.only or MEASURES:
            try:
                result = MEASURES[name](QUICK if arguments.quick else Effort(), Path(folder) / name, _say)
            except NotMeasured as error:
                sys.stderr.write(f"{name} could not be measured: {error}\n")
                failed = True
                continue
            figures += result.figures
            runs += result.runs
    report = {"machine": machine, "figures": [figure.as_json() for figure in figures], "runs": runs}
    arguments.out.write_text(json.dumps(report, ensure_ascii=False, indent=1) + "\n")
    print(table(figures))
    print(", ".join(f"{key} {value}" for key, value in machine.items()))
    print(f"written to {arguments.out}")
    return int(failed)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.bus", description="Measure the field buses.")
    parser.add_argument("--out", type=Path, default=Path("build/bench/bus.json"), help="result file; its folder's disk carries the journal")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds: a look, not a result")
    parser.add_argument("--only", action="append", choices=list(MEASURES), help="this measure alone; may be repeated")
    return parser


_BEGAN_S = time.monotonic()


def _say(line: str) -> None:
    """One line of progress."""
    print(f"[{time.monotonic() - _BEGAN_S:5.0f} s] {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
