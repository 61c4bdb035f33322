"""The command line for the hazard ledger: hazard list, open, assign, fix, verify, close, export, verify-ledger."""

from __future__ import annotations

import argparse
import io
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.core.visible import visible

if TYPE_CHECKING:
    from gateway.config.settings import Settings
    from gateway.report.hazard_ledger import Entry

EPILOG = """examples:
  campus-gateway hazard list                                        what is not closed (未销号)
  campus-gateway hazard open kitchen --what 灭火器压力不足 --responsible 王建国 --due 2026-12-01 --by 李明
  campus-gateway hazard assign hz-12 --responsible 赵强 --due 2026-12-05 --by 李明     (交办)
  campus-gateway hazard fix hz-12 --what 已更换 --by 赵强                              (整改)
  campus-gateway hazard verify hz-12 --by 李明                      a second person has seen it (复查)
  campus-gateway hazard verify hz-12 --not-right --what 仍漏气 --by 李明
  campus-gateway hazard close hz-12 --by 李明                       (销号)
  campus-gateway hazard export hazards.xlsx                         all of them with every entry and its sha-256
  campus-gateway hazard verify-ledger                               prove the ledger whole
Faults that stand too long open one by themselves: [hazards] of the site file, docs/hazards.md."""
MOST_SHOWN = 60  # characters of what is wrong, on the screen

Site = Callable[[argparse.ArgumentParser], None]
Handler = Callable[[argparse.Namespace], int]
Ask = Callable[[argparse.Namespace, dict[str, object]], dict[str, Any] | None]


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser], site: Site, handler: Handler, ask: Ask) -> None:
    """Add `hazard`. site: adds the options that say which daemon; handler: sends a command; ask: asks the daemon something."""
    hazard = commands.add_parser(
        "hazard",
        help="the hazard ledger (隐患台账): list, open, assign, fix, verify, close, export",
        description="Hazards: what is not right, who sets it right and by when. open -> assigned -> fixed -> verified by a second\n"
        "person -> closed. Every step is part of the record, with the name.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    kinds = hazard.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _steps(kinds, site, handler)

    listed = kinds.add_parser("list", help="hazards that are not closed")
    site(listed)
    listed.add_argument("--all", action="store_true", help="also those closed within the last 400 days, the newest 200")
    listed.add_argument("--json", action="store_true", help="a JSON list, with all steps")
    listed.set_defaults(handler=lambda arguments: _list(arguments, ask))

    export = kinds.add_parser(
        "export",
        help="all hazards of the journal as .xlsx or .csv (导出)",
        description="Write every hazard of which the journal has an entry, also those that were closed years ago: one row each. An .xlsx\n"
        "file has a second sheet with every entry and its sha-256. The daemon may run meanwhile.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    export.add_argument("file", metavar="FILE", type=Path, help="name that ends in .xlsx or .csv")
    site(export)
    export.set_defaults(handler=_export)

    prove = kinds.add_parser(
        "verify-ledger",
        help="prove that no entry was changed or left out (校验)",
        description="Compute the sha-256 of every entry anew: each entry holds that of the one before it, and the daemon\n"
        "keeps that of the newest. Signatures and numbers of the\n"
        "events themselves are proved by `journal verify`. Exit status: 0 whole, 1 broken, 2 cannot be read.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    site(prove)
    prove.set_defaults(handler=_verify_ledger)


def _steps(kinds: argparse._SubParsersAction[argparse.ArgumentParser], site: Site, handler: Handler) -> None:
    opened = kinds.add_parser("open", help="something is not right (登记)")
    opened.add_argument("target", metavar="PLACE", help="id of a place of the site")
    opened.add_argument("--what", dest="why", metavar="TEXT", required=True, help="what is wrong there")
    opened.add_argument("--responsible", dest="second", metavar="NAME", required=True, help="who sets it right (整改责任人)")
    opened.add_argument("--due", dest="value", metavar="DATE", required=True, help="by when, such as 2026-12-01 (整改期限)")
    _finish(opened, site, handler, "open_hazard")

    assigned = kinds.add_parser("assign", help="confirm or change who sets it right and by when (交办); duty leader or technician")
    _which(assigned)
    assigned.add_argument("--responsible", dest="second", metavar="NAME", default="", help="who sets it right; as it is if left out")
    assigned.add_argument("--due", dest="value", metavar="DATE", default="", help="by when; as it is if left out")
    assigned.add_argument("--why", metavar="TEXT", default="", help="needed where the day is put off")
    _finish(assigned, site, handler, "assign_hazard")

    fixed = kinds.add_parser("fix", help="it was set right (整改)")
    _which(fixed)
    fixed.add_argument("--what", dest="why", metavar="TEXT", required=True, help="what was done")
    _finish(fixed, site, handler, "fix_hazard")

    verified = kinds.add_parser(
        "verify", help="a second person has seen it (复查)", description="Neither the person who set it right nor the one responsible."
    )
    _which(verified)
    verified.add_argument(
        "--not-right", dest="value", action="store_const", const="no", default="", help="it is not: back to the person responsible"
    )
    verified.add_argument("--what", dest="why", metavar="TEXT", default="", help="what was seen; needed with --not-right")
    _finish(verified, site, handler, "verify_hazard")

    closed = kinds.add_parser("close", help="strike it off (销号); duty leader or technician")
    _which(closed)
    closed.add_argument("--why", metavar="TEXT", default="")
    _finish(closed, site, handler, "close_hazard")


def _which(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("target", metavar="HAZARD", help="its id, such as hz-12")


def _finish(parser: argparse.ArgumentParser, site: Site, handler: Handler, kind: str) -> None:
    site(parser)
    parser.add_argument("--by", metavar="NAME", default="", help="who it is; default: your login name")
    parser.set_defaults(handler=handler, command=kind)


def _list(arguments: argparse.Namespace, ask: Ask) -> int:
    answer = ask(arguments, {"op": "hazards"})
    if answer is None:
        return 1
    if not answer.get("ok"):
        sys.stderr.write(f"campus-gateway: {answer.get('error')}\n")
        return 1
    rows = [row for row in answer["hazards"] if arguments.all or row["state"] != "closed"]
    if arguments.json:
        print(json.dumps(rows, ensure_ascii=False))
    else:
        print(visible("\n".join(lines(rows))) or "no hazard is open; faults open one by themselves where the site file has [hazards]")
    return 0


def lines(rows: list[dict[str, Any]]) -> list[str]:
    """The list as a terminal shows it, the overdue first, then by due date."""
    out = []
    for row in sorted(rows, key=lambda row: (row["state"] == "closed", not row["overdue"], row["due"], row["number"])):
        what = row["zh"] if row["zh"] == row["en"] else f"{row['zh']}  {row['en']}"
        again = f", came again {row['recurrences']} x" if row["recurrences"] else ""
        late = "  OVERDUE 逾期" if row["overdue"] else ""
        out.append(f"{row['hazard']}  {row['state']}{late}  due {row['due']}  {row['responsible']}")
        out.append(f"    {row['place']}: {what[:MOST_SHOWN]}{again}")
    return out


def _read(arguments: argparse.Namespace) -> tuple[Settings, list[Entry], dict[str, Any] | None] | None:
    """The site, its ledger, oldest entry first, and what the daemon keeps of it; None where either cannot be read, which was said."""
    from gateway.config.load import load_site
    from gateway.config.settings import ConfigRefused
    from gateway.core.errors import JournalUnreadable
    from gateway.core.hazards import LEDGER
    from gateway.journal.history import JournalHistory
    from gateway.report.hazard_ledger import entries
    from gateway.runtime.school import KEPT

    try:
        settings = load_site(arguments.config, state_dir=arguments.state_dir)
        history, ledger = JournalHistory(settings.state_dir), settings.site.hazards
        kept = history.kept(f"{KEPT}{ledger.id if ledger is not None else LEDGER}")  # first: the daemon may write meanwhile
        return settings, entries(history), kept
    except ConfigRefused as refused:
        sys.stderr.write(f"{refused}\n")
    except JournalUnreadable as error:
        sys.stderr.write(f"campus-gateway: the journal cannot be read: {error}\n")
    return None


def _export(arguments: argparse.Namespace) -> int:
    from zoneinfo import ZoneInfo

    from gateway.core.points import Text
    from gateway.runtime.hazard_files import write_csv, write_xlsx

    writers = {".xlsx": write_xlsx, ".csv": write_csv}
    write = writers.get(arguments.file.suffix.lower())
    if write is None:
        sys.stderr.write(f"campus-gateway: {arguments.file} ends neither in .xlsx nor in .csv\n")
        return 2
    found = _read(arguments)
    if found is None:
        return 1
    settings, entries, _ = found
    places = {name: Text(place.name, place.name_en or place.name) for name, place in settings.site.places.items()}
    out = io.BytesIO()
    try:
        count = write(out, entries, places, ZoneInfo(settings.site.site.timezone), round(time.time() * 1000))
        arguments.file.write_bytes(out.getvalue())
    except ImportError:
        sys.stderr.write("campus-gateway: .xlsx needs the packages of the extra `console`; .csv does not\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"campus-gateway: {arguments.file} cannot be written: {error.strerror}\n")
        return 1
    print(f"{arguments.file}: {count} hazards, {len(entries)} entries")
    return 0


def _verify_ledger(arguments: argparse.Namespace) -> int:
    from gateway.report.hazard_ledger import check, end_problem

    found = _read(arguments)
    if found is None:
        return 2
    _, entries, kept = found
    checked = check(entries)
    wrong = checked.wrong or (end_problem(entries, kept) if kept is not None else "")
    if wrong:
        print(f"broken: {wrong}")
        return 1
    if not checked.last:
        print("the ledger has no entries")
        return 0
    print(f"whole: entries {checked.first} to {checked.last}")
    if checked.first > 1:
        print(f"the beginning is missing: entries 1 to {checked.first - 1} are not in the journal any more and are not proved")
    if kept is None:
        print("the journal keeps no state of the ledger: whether entries are missing at the end is not known")
    print(f"sha-256 of the last: {checked.sha256}")
    return 0
