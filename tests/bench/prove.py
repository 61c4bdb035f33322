"""The proof that no accepted alarm is lost: troubles one after the other, causes and events counted by id.

`make prove`, `make prove-short`, or `python -m tests.bench.prove --only kills`. docs/proof.md says what each trouble is.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from simulators.errors import SimError
from tests.bench.figures import table
from tests.bench.machine import describe
from tests.bench.parts import MissingPart
from tests.bench.prove_account import Account, figures
from tests.bench.prove_effort import EFFORTS, Effort
from tests.bench.prove_troubles import TROUBLES

_BEGAN_S = time.monotonic()


def main(argv: list[str] | None = None) -> int:
    """0 when nothing was lost and all figures are met, 1 when not, 130 after Ctrl-C. What was found until then is written."""
    arguments = _parser().parse_args(argv)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what we started is ended too
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    effort: Effort = EFFORTS[arguments.effort]
    accounts: list[Account] = []
    stopped = False
    with tempfile.TemporaryDirectory(prefix="prove-", dir=arguments.out.parent.resolve()) as folder:
        machine = describe(Path(folder))
        try:
            for name in arguments.only or TROUBLES:
                _go_through(name, effort, Path(folder), accounts)
        except KeyboardInterrupt:
            _say("stopped; what was started has ended")
            stopped = True
    found = figures(accounts, effort.kills, effort.power_cuts)
    report = {
        "machine": machine,
        "effort": arguments.effort,
        "figures": [figure.as_json() for figure in found],
        "runs": [account.as_json() for account in accounts],
    }
    arguments.out.write_text(json.dumps(report, ensure_ascii=False, indent=1) + "\n")
    for account in accounts:
        print(account.line())
    print(table(found))
    print(f"written to {arguments.out}")
    if stopped:
        return 130
    return int(not all(account.good for account in accounts) or not all(figure.met for figure in found))


def _go_through(name: str, effort: Effort, folder: Path, accounts: list[Account]) -> None:
    """One trouble; when a part of it cannot even begin or end, that is a wrong of its own."""
    try:
        for account in TROUBLES[name](effort, folder / name, _say):
            accounts.append(account)
            _say(account.line())
    except (AssertionError, OSError, SimError, MissingPart, subprocess.CalledProcessError) as error:
        accounts.append(Account(name, wrong=[f"could not be proved: {error}"]))
        _say(accounts[-1].line())
    for left in folder.iterdir():
        shutil.rmtree(left, ignore_errors=True)  # a journal of 100,000 events need not stay until all is over


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.prove", description="Prove that no accepted alarm is lost.")
    parser.add_argument("--out", type=Path, default=Path("build/bench/prove.json"), help="result file; its folder's disk carries all")
    parser.add_argument("--effort", choices=EFFORTS, default="long", help="long: the proof; short: under 5 minutes; tiny: does it run")
    parser.add_argument("--only", action="append", choices=TROUBLES, help="this trouble alone; may be repeated")
    return parser


def _say(line: str) -> None:
    """One line of progress."""
    print(f"[{time.monotonic() - _BEGAN_S:5.0f} s] {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
