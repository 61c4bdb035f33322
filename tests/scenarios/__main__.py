"""`python -m tests.scenarios FILE ...`: what the gateway says to these scenarios, as a timeline."""

from __future__ import annotations

import sys
from pathlib import Path

from gateway.config.settings import ConfigRefused
from tests.scenarios.player import played


def main(names: list[str]) -> int:
    """0 when all came out as expected."""
    failed = 0
    for file in map(Path, names):
        try:
            outcome = played(file)
        except ConfigRefused as refused:
            sys.stdout.write(f"{refused}\n")
            failed += 1
            continue
        sys.stdout.write(outcome.report(file) + "\n\n")
        failed += bool(outcome.wrong)
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
