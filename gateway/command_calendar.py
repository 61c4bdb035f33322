"""The command line: campus-gateway calendar, the days of a school as the gateway understands them."""

from __future__ import annotations

import argparse
import json
import sys
import time
from datetime import date, timedelta

EPILOG = """examples:
  campus-gateway calendar                          now, and the two weeks from today
  campus-gateway calendar --month 2026-10          one month
  campus-gateway calendar --from 2026-12-25 --days 30
Reads the site file only; the daemon need not run."""
DAYS_MOST = 3660


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser], site: str) -> None:
    """Add `calendar` to the command line."""
    calendar = commands.add_parser(
        "calendar",
        help="the school's days: terms, holidays, make-up workdays, windows (校历)",
        description="Show what each day is for this school: school day, weekend, public holiday, make-up workday, vacation or\n"
        "exception, with its hours, its windows of arrival and dismissal, and how far the calendar reaches.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    calendar.add_argument("--config", metavar="SITE.toml", default=site, help=f"site file; default: {site}")
    first = calendar.add_mutually_exclusive_group()
    first.add_argument("--from", dest="first", type=_date, metavar="DATE", help="first day; default: today")
    first.add_argument("--month", type=_month, metavar="YYYY-MM", help="a whole month")
    calendar.add_argument("--days", type=_count, metavar="N", help="how many days; default: 14, or the whole month")
    calendar.add_argument("--json", action="store_true", help="one JSON object")
    calendar.set_defaults(handler=_calendar)


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f'"{text}" is not a day such as 2026-09-01') from None


def _month(text: str) -> date:
    try:
        return date.fromisoformat(f"{text}-01")
    except ValueError:
        raise argparse.ArgumentTypeError(f'"{text}" is not a month such as 2026-09') from None


def _count(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 0 < int(text[:5]) <= DAYS_MOST):
        raise argparse.ArgumentTypeError(f"expected 1 to {DAYS_MOST} days")
    return int(text)


def _calendar(arguments: argparse.Namespace) -> int:
    from zoneinfo import ZoneInfo

    from gateway.config.hours import week_spans
    from gateway.config.load import load_site
    from gateway.config.settings import ConfigRefused
    from gateway.rules.calendar import SchoolCalendar
    from gateway.runtime.calendar_text import calendar_as_json, calendar_lines, now_line

    try:
        settings = load_site(arguments.config)
    except ConfigRefused as refused:
        sys.stderr.write(f"{refused}\n")
        return 1
    calendar = SchoolCalendar(ZoneInfo(settings.site.site.timezone), week_spans(settings.site.hours), settings.school_days)
    at_ms = time.time_ns() // 1_000_000
    days = _days(arguments, calendar.local_date(at_ms))
    if arguments.json:
        print(json.dumps(calendar_as_json(calendar, days, at_ms), ensure_ascii=False))
        return 0
    print(now_line(calendar, at_ms))
    print("\n".join(calendar_lines(calendar, days)))
    return 0


def _days(arguments: argparse.Namespace, today: date) -> list[date]:
    from calendar import monthrange

    first: date = arguments.month or arguments.first or today
    usual = monthrange(first.year, first.month)[1] if arguments.month else 14
    count = min(arguments.days or usual, (date.max - first).days + 1)
    return [first + timedelta(days=number) for number in range(count)]
