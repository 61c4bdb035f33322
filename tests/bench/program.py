"""What every benchmark program does: options, progress, one measure after the other, the result file, the table."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from tests.bench.figures import Figure, table
from tests.bench.machine import describe
from tests.bench.parts import MissingPart
from tests.bench.rig import NotMeasured, Result, Run, Say

E = TypeVar("E")


def run(
    name: str,
    description: str,
    measures: Mapping[str, Callable[[E, Path, Say], Result]],
    efforts: tuple[E, E],
    need: Callable[[], object],
    argv: list[str] | None,
) -> int:
    """0 when everything was measured, met or not; 1 when a measure failed, 2 when a program is missing.

    efforts: (full, quick). need: looks for the programs, raises MissingPart.
    """
    arguments = _parser(name, description, list(measures)).parse_args(argv)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what we started is ended too
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    try:
        need()
    except MissingPart as missing:
        sys.stderr.write(f"{missing}\n")
        return 2
    failed = False
    figures: list[Figure] = []
    runs: list[Run] = []
    with tempfile.TemporaryDirectory(prefix="bench-", dir=arguments.out.parent.resolve()) as folder:
        machine = describe(Path(folder))
        for measure in arguments.only or measures:
            try:
                result = measures[measure](efforts[arguments.quick], Path(folder) / measure, _say)
            except NotMeasured as error:
                sys.stderr.write(f"{measure} could not be measured: {error}\n")
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


def _parser(name: str, description: str, measures: list[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"python -m tests.bench.{name}", description=description)
    default = Path(f"build/bench/{name}.json")
    parser.add_argument("--out", type=Path, default=default, help="result file; its folder's disk carries the journal")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds: a look, not a result")
    parser.add_argument("--only", action="append", choices=measures, help="this measure alone; may be repeated")
    return parser


_BEGAN_S = time.monotonic()


def _say(line: str) -> None:
    """One line of progress."""
    print(f"[{time.monotonic() - _BEGAN_S:5.0f} s] {line}", file=sys.stderr, flush=True)
