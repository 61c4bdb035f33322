"""The command line: campus-gateway commission, a guided first visit that ends in a signed report."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gateway.config.settings import Settings
    from gateway.runtime.commission import Book
    from gateway.runtime.commission_steps import Visit

STEPS = ("site", "ports", "devices", "points", "cameras", "link", "board", "outputs")
EPILOG = """examples:
  campus-gateway commission --by 李工                     the whole visit; leave it with Ctrl-C at any time
  campus-gateway commission --by 李工 --resume            go on where it was left
  campus-gateway commission --by 李工 --resume --redo points/panic-gate
  campus-gateway commission --by 李工 --resume --only outputs
The daemon must run. What is not right goes into the hazard ledger, where the site has one.
Exit status: 0 all is right, 1 there are problems, 2 it cannot be done (or was left before its end)."""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser], site: Callable[[argparse.ArgumentParser], None]) -> None:
    """Add it. site: adds the options that say which site."""
    visit = commands.add_parser(
        "commission",
        help="a guided first visit with a signed report (调试验收)",
        description="A guided first visit: site file, ports and units, devices, each point tried by hand, cameras, a test event and its\n"
        "signed receipt, clock, disk and power, outputs. Each answer is kept at once. Ends in a signed report, HTML to print\n"
        "and JSON, whose sha-256 goes into a sealed event.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    site(visit)
    visit.add_argument("--by", metavar="NAME", required=True, help="who leads the visit; stands in every event and in the report")
    visit.add_argument("--resume", action="store_true", help="go on with the visit that was left")
    visit.add_argument("--anew", action="store_true", help="begin again, although a visit is not finished")
    visit.add_argument("--only", metavar="STEP", choices=STEPS, default="", help=f"one step, without a report: {', '.join(STEPS)}")
    visit.add_argument("--redo", metavar="STEP|CHECK", default="", help="do a step, or a check such as points/ID, once more")
    visit.add_argument("--report", metavar="DIR", type=Path, help="where the report goes; default: commission/ in the state folder")
    visit.add_argument("--scan", metavar="FIRST-LAST", type=_units, default=range(1, 33), help="units to look for on serial lines, or none")
    visit.add_argument("--wait", metavar="SECONDS", type=float, default=120.0, help="for a press or an opening; default: 120")
    visit.add_argument("--answers", metavar="FILE.json", type=Path, help="answers for a run without a person")
    visit.add_argument("--json", action="store_true", help="one line of JSON for each thing said; nobody is asked")
    visit.set_defaults(handler=_commission)


def _units(text: str) -> range:
    if text == "none":
        return range(0)
    first, _, last = text.partition("-")
    try:
        found = range(int(first), int(last or first) + 1)
    except ValueError:
        found = range(0)
    if not found or not 1 <= found[0] <= found[-1] <= 247:
        raise argparse.ArgumentTypeError(f'"{text}" is not a range of unit ids such as 1-32, or none')
    return found


def _commission(arguments: argparse.Namespace) -> int:
    import logging

    from gateway.config.load import load_site
    from gateway.config.settings import ConfigRefused
    from gateway.core.errors import GatewayError

    logging.getLogger("gateway.bus").setLevel(logging.CRITICAL)  # what went wrong stands in the note
    logging.getLogger("pymodbus").setLevel(logging.CRITICAL)
    try:
        settings = load_site(arguments.config, state_dir=arguments.state_dir)
        return _visited(arguments, settings)
    except ConfigRefused as refused:
        sys.stderr.write(f"{refused}\n")
    except GatewayError as error:
        sys.stderr.write(f"campus-gateway: {error}\n")
    except KeyboardInterrupt:
        sys.stderr.write("\ncampus-gateway: left; all answers are kept, --resume goes on\n")
    return 2


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _visited(arguments: argparse.Namespace, settings: Settings) -> int:
    from gateway.runtime.clock import Clock
    from gateway.runtime.commission import PROBLEM, Book, walk
    from gateway.runtime.commission_exercise import DoorSide
    from gateway.runtime.commission_steps import Visit, checks
    from gateway.runtime.commission_talk import Answers, Talk, Terminal

    door = DoorSide(settings.door_path)
    door.status()  # without a daemon nothing is begun
    as_person = not (arguments.json or arguments.answers)
    talk: Talk = Terminal() if as_person else Answers.read(arguments.answers, as_json=arguments.json)
    book = Book.open(settings, arguments.by, _now_ms(), resume=arguments.resume, anew=arguments.anew)
    visit = Visit(settings, door, talk, arguments.by, _now_ms, arguments.wait, arguments.scan, Clock().now().clock)
    walk(checks(visit, arguments.only), book, arguments.by, _now_ms, talk.result, arguments.redo)
    if not arguments.only:
        _end(arguments, visit, book)
    return int(any(row["result"] == PROBLEM for row in book.results.values()))


def _end(arguments: argparse.Namespace, visit: Visit, book: Book) -> None:
    from gateway.runtime.commission import BOOK_NAME, report, signer_of, write_report
    from gateway.runtime.commission_end import fill_ledger, seal
    from gateway.runtime.commission_page import html
    from gateway.runtime.keys import KeyRefused

    settings, at_ms = visit.settings, _now_ms()
    not_opened = fill_ledger(settings, book, visit.door, arguments.by, at_ms)
    unsigned = ""
    try:
        signer = signer_of(settings)
    except KeyRefused as error:
        signer, unsigned = None, str(error)
    told = report(settings, book, arguments.by, at_ms)
    file, sha256 = write_report(arguments.report or settings.state_dir / BOOK_NAME.partition(".")[0], told, signer, html)
    refused = seal(visit.door, sha256, arguments.by)
    book.finish(at_ms)
    said: dict[str, Any] = {"kind": "report", "json": str(file), "html": str(file.with_suffix(".html")), "sha256": sha256}
    said |= {"totals": told["totals"], "signed": signer is not None, "unsigned_why": unsigned, "sealed": not refused}
    said["not_in_ledger"] = not_opened
    if arguments.json:
        print(json.dumps(said, ensure_ascii=False))
        return
    print("\n" + ", ".join(f"{count} {result}" for result, count in told["totals"].items()))
    print(f"report 报告: {file.with_suffix('.html')}\n             {file}\n  sha-256 {sha256}")
    for words in (unsigned, refused and f"its sha-256 was not sealed: {refused}", *(f"not in the ledger: {each}" for each in not_opened)):
        if words:
            print(f"  {words}")
