"""The proof that no accepted alarm is lost: troubles one after the other, causes and events counted by id.

`make prove`, `make prove-short`, or `python -m tests.bench.prove --only kills`. docs/proof.md says what each trouble is.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Self

from simulators.errors import SimError
from tests.bench.figures import table
from tests.bench.machine import describe, tree
from tests.bench.parts import MissingPart
from tests.bench.prove_account import Account, comparison, figures
from tests.bench.prove_effort import EFFORTS, Effort
from tests.bench.prove_troubles import TROUBLES

_BEGAN_S = time.monotonic()
SEEDS = 1 << 32


def main(argv: list[str] | None = None) -> int:
    """0 when nothing was lost and all figures are met, 1 when not, 130 after Ctrl-C, 143 after SIGTERM; what was found is written."""
    arguments = _parser().parse_args(argv)
    effort = _effort(arguments)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    accounts: list[Account] = []
    _say(f"seed {effort.seed}")
    with _Stop() as stop, tempfile.TemporaryDirectory(prefix="prove-", dir=arguments.out.parent.resolve()) as name:
        folder = Path(name)
        machine: dict[str, object] = {}
        try:
            machine = describe(folder)
            for trouble in arguments.only or TROUBLES:
                _go_through(trouble, effort, folder, accounts, stop)
                if stop.signal:
                    break
        except KeyboardInterrupt:
            pass
        finally:
            _end_what_is_left(folder)
    found = figures(accounts, effort.kills, effort.power_cuts)
    report = {
        "machine": machine,
        "effort": arguments.effort,
        "seed": effort.seed,
        "asked": {"kills": effort.kills, "power_cuts": effort.power_cuts, "queued": effort.queued},
        "stopped": bool(stop.signal),
        "figures": [figure.as_json() for figure in found],
        "runs": [account.as_json() for account in accounts],
    }
    arguments.out.write_text(json.dumps(report, ensure_ascii=False, indent=1) + "\n")
    for account in accounts:
        print(account.line())
    print("\n\n".join(part for part in (comparison(accounts), table(found)) if part))
    print(f"seed {effort.seed}; written to {arguments.out}")
    if stop.signal:
        return 128 + stop.signal
    return int(not all(account.good for account in accounts) or not all(figure.met for figure in found))


class _Stop:
    """Ctrl-C or SIGTERM stops the run once; while what was started is being ended, another changes nothing. signal: which, or 0."""

    def __init__(self) -> None:
        self.signal = 0

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._stop) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _stop(self, number: int, _: object) -> None:
        if self.signal:
            return
        self.signal = number
        _say("stopped; ending what was started")
        raise KeyboardInterrupt


def _go_through(name: str, effort: Effort, folder: Path, accounts: list[Account], stop: _Stop) -> None:
    """One trouble; when a part of it cannot even begin or end, that is a wrong of its own."""
    try:
        with contextlib.closing(TROUBLES[name](effort, folder / name, _say)) as parts:
            for account in parts:
                accounts.append(account)
                _say(account.line())
    except KeyboardInterrupt:
        accounts.append(Account(name, wrong=["stopped before it had ended"]))
    except (AssertionError, OSError, SimError, MissingPart, subprocess.SubprocessError) as error:
        why = "stopped before it had ended" if stop.signal else f"could not be proved: {error}"
        accounts.append(Account(name, wrong=[why]))
        _say(accounts[-1].line())
    if not stop.signal:
        for left in folder.iterdir():
            shutil.rmtree(left, ignore_errors=True)  # a journal of 100,000 events need not stay until all is over


def _end_what_is_left(folder: Path) -> None:
    """Each part ends what it started; left are children of a daemon that was killed, and what a signal met between start and note."""
    for pid in {*tree(os.getpid())[1:], *_named_in(folder)}:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    for line in Path("/proc/self/mounts").read_text().splitlines():
        place = line.split()[1]
        if place.startswith(f"{folder}/"):
            subprocess.run(["umount", "--lazy", place], check=False)


def _named_in(folder: Path) -> Iterator[int]:
    """Processes whose command names this run's own folder."""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if f"{folder}/".encode() in (process / "cmdline").read_bytes():
                yield int(process.name)


def _effort(arguments: argparse.Namespace) -> Effort:
    """The effort that was named, with what was said otherwise."""
    said = {name: getattr(arguments, name) for name in ("kills", "power_cuts", "queued", "seed", "peer")}
    effort: Effort = replace(EFFORTS[arguments.effort], seed=random.SystemRandom().randrange(SEEDS))
    return replace(effort, **{name: value for name, value in said.items() if value is not None})


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.prove", description="Prove that no accepted alarm is lost.")
    parser.add_argument("--out", type=Path, default=Path("build/bench/prove.json"), help="result file; its folder's disk carries all")
    parser.add_argument("--effort", choices=EFFORTS, default="long", help="long: the proof; short: under 5 minutes; tiny: does it run")
    parser.add_argument("--only", action="append", choices=TROUBLES, help="this trouble alone; may be repeated")
    parser.add_argument("--seed", type=int, help="of every draw; a run prints its own")
    parser.add_argument("--kills", type=_count, metavar="N", help="so many kills instead")
    parser.add_argument("--cuts", type=_count, metavar="N", dest="power_cuts", help="so many power cuts instead")
    parser.add_argument("--queued", type=_count, metavar="N", help="so many events behind a dead broker instead")
    parser.add_argument("--peer", type=Path, metavar="PATH", help="thingsboard-gateway: its virtual environment or its program")
    return parser


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def _say(line: str) -> None:
    """One line of progress."""
    print(f"[{time.monotonic() - _BEGAN_S:5.0f} s] {line}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
