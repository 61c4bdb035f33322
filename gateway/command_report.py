"""The command line for reports: campus-gateway report list, show, now."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gateway.config.settings import Settings

Site = Callable[[argparse.ArgumentParser], None]
Ask = Callable[..., dict[str, Any] | None]
KINDS = ("daily", "weekly", "monthly", "drill")
NOW_S = 600.0  # a month read back on a small computer takes its time
EPILOG = """examples:
  campus-gateway report list                    what was issued, the newest first
  campus-gateway report show daily              the newest daily report (日报)
  campus-gateway report show monthly 3 --json   one of them, exactly as it was sent
  campus-gateway report now weekly              what the weekly report would say now"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser], site: Site, ask: Ask) -> None:
    """Add `report`. site: adds the options that say which daemon; ask(arguments, request, timeout_s): asks the daemon."""
    report = commands.add_parser(
        "report",
        help="daily, weekly, monthly and drill reports (日报、零报告、月研判)",
        description="Reports that the gateway issues by itself where the site file has [reports]. They lie in STATE_DIR/reports, numbered\n"
        "and signed, and go to the linkage centre.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    what = report.add_subparsers(title="what", metavar="WHAT", required=True)
    listed = what.add_parser("list", help="what was issued, the newest first")
    listed.add_argument("kind", nargs="?", choices=KINDS, help="only these")
    site(listed)
    listed.add_argument("--json", action="store_true", help="a JSON list")
    listed.set_defaults(handler=_list)
    shown = what.add_parser("show", help="one report")
    shown.add_argument("kind", choices=KINDS)
    shown.add_argument("number", nargs="?", type=int, help="default: the newest")
    site(shown)
    shown.add_argument("--json", action="store_true", help="as it was issued, with its signature")
    shown.set_defaults(handler=_show)
    checked = what.add_parser(
        "check",
        help="was the daily report that was due last issued? Exit status 1 when not",
        description="Read from the journal; the daemon need not run. A timer asks each hour. Exit status 0 also without [reports], and\n"
        "while the clock was never set.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    site(checked)
    checked.set_defaults(handler=_check)
    present = what.add_parser("now", help="the period that is not over, for a look: not numbered, not sent")
    present.add_argument("kind", choices=KINDS[:-1])
    site(present)
    present.add_argument("--json", action="store_true")
    present.set_defaults(handler=lambda arguments: _now(arguments, ask))


def _check(arguments: argparse.Namespace) -> int:
    from gateway.runtime.clock import Clock
    from gateway.runtime.report_check import overdue
    from gateway.runtime.reports import schedule_of

    settings = _settings(arguments)
    if settings is None:
        return 1
    site, now = settings.site, Clock().now()
    if site.reports is None or now.clock == "unknown":
        print("no reports: the site file has no [reports]" if site.reports is None else "the clock was never set; no report is due")
        return 0
    schedule = schedule_of(site.site.timezone, site.reports.daily_at, 0, 1)
    missing, words = overdue(settings.state_dir, schedule, now.at_ms)
    (sys.stderr if missing else sys.stdout).write(f"{words}\n")
    return int(missing)


def _settings(arguments: argparse.Namespace) -> Settings | None:
    from gateway.config.load import load_site
    from gateway.config.settings import ConfigRefused

    try:
        return load_site(arguments.config, state_dir=arguments.state_dir)
    except ConfigRefused as refused:
        sys.stderr.write(f"{refused}\n")
        return None


def _list(arguments: argparse.Namespace) -> int:
    from zoneinfo import ZoneInfo

    from gateway.report.text import local
    from gateway.report.words import KINDS as WORDS
    from gateway.runtime.report_files import ReportUnreadable, kept

    settings = _settings(arguments)
    if settings is None:
        return 1
    try:
        found = [each for kind in ([arguments.kind] if arguments.kind else KINDS) for each in kept(settings.state_dir, kind)]
    except ReportUnreadable as error:
        return _refuse(str(error))
    if arguments.json:
        print(json.dumps(found, ensure_ascii=False))
        return 0
    if not found:
        none = "no report was issued yet" if settings.site.reports is not None else "the site file has no [reports]: none are issued"
        print(none)
    zone = ZoneInfo(settings.site.site.timezone)
    for each in found:
        words = "".join(text for name, text in (("late", "  逾时 late"), ("nothing_happened", "  零报告 zero report")) if each.get(name))
        print(f"{each['report']:8} {each['number']:6}  {local(each['issued_at'], zone)}  {WORDS[each['report']].zh}{words}")
    return 0


def _show(arguments: argparse.Namespace) -> int:
    from gateway.runtime.report_files import ReportUnreadable, body_of, numbers, parsed

    settings = _settings(arguments)
    if settings is None:
        return 1
    try:
        number = arguments.number
        if number is None:
            there = numbers(settings.state_dir, arguments.kind)
            if not there:
                return _refuse(f"no {arguments.kind} report was issued yet")
            number = there[0]
        body = body_of(settings.state_dir, arguments.kind, number)
        report = parsed(body, arguments.kind, number)
    except ReportUnreadable as error:
        return _refuse(str(error))
    if arguments.json:
        print(body.decode())  # the very bytes, so that its signature can be checked
        return 0
    return _print(report, settings)


def _now(arguments: argparse.Namespace, ask: Ask) -> int:
    settings = _settings(arguments)
    if settings is None:
        return 1
    answer = ask(arguments, {"op": "report", "kind": arguments.kind}, NOW_S)
    if answer is None:
        return 1
    if not answer.get("ok"):
        return _refuse(str(answer.get("error")))
    if arguments.json:
        print(json.dumps(answer["report"], ensure_ascii=False))
        return 0
    return _print(answer["report"], settings)


def _print(report: dict[str, Any], settings: Settings) -> int:
    from zoneinfo import ZoneInfo

    from gateway.report.text import lines

    print("\n".join(lines(report, ZoneInfo(settings.site.site.timezone))))
    return 0


def _refuse(words: str) -> int:
    sys.stderr.write(f"campus-gateway: {words}\n")
    return 1
