"""The command line for inspections: inspection list, done."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from typing import Any

from gateway.core.visible import visible

EPILOG = """examples:
  campus-gateway inspection list                                       what is due, by when, and who did it last
  campus-gateway inspection done daily-fire-exits --by 周建国           looked at, everything is right
  campus-gateway inspection done daily-fire-exits --by 周建国 --problem extinguishers \\
      --note "二楼灭火器过期" --responsible 李明 --due 2026-12-01         opens a hazard (隐患台账)
Which inspections there are stands in the site file: [[inspections]], docs/rules.md."""
LEAST_S = 60.0  # for a date that is today

Site = Callable[[argparse.ArgumentParser], None]
Handler = Callable[[argparse.Namespace], int]
Ask = Callable[[argparse.Namespace, dict[str, object]], dict[str, Any] | None]


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser], site: Site, handler: Handler, ask: Ask) -> None:
    """Add `inspection`. site: adds the options that say which daemon; handler: sends a command; ask: asks the daemon something."""
    raw = argparse.RawDescriptionHelpFormatter
    inspection = commands.add_parser(
        "inspection",
        help="daily, weekly, monthly inspections (日排查、周巡查、月报告)",
        description="What people look at each day, week, month or term.",
        epilog=EPILOG,
        formatter_class=raw,
    )
    kinds = inspection.add_subparsers(title="what to do", metavar="WHAT", required=True)

    listed = kinds.add_parser("list", help="what is due, by when, and who did it last")
    site(listed)
    listed.add_argument("--json", action="store_true", help="a JSON list")
    listed.set_defaults(handler=lambda arguments: _list(arguments, ask))

    done = kinds.add_parser(
        "done",
        help="tell that one was done, and what was found",
        description="Tell that an inspection was done. Without --problem and --due everything was right. A problem needs a note, a person\n"
        "who is responsible for putting it right, and a date: it opens a hazard where the site keeps a ledger.",
        formatter_class=raw,
    )
    done.add_argument("target", metavar="ID", nargs="?", default="", help="id of the inspection; not needed where there is one only")
    site(done)
    done.add_argument("--by", metavar="NAME", default="", help="who did it; default: your login name")
    done.add_argument(
        "--problem", metavar="ITEM", nargs="?", const="", action="append", help="something is not right; may name items, one each time"
    )
    done.add_argument("--note", dest="why", metavar="TEXT", default="", help="what was found, and where")
    done.add_argument(
        "--responsible", dest="second", metavar="NAME", default="", help="who puts it right; default: who is responsible for the inspection"
    )
    done.add_argument("--due", metavar="DATE", type=date.fromisoformat, help="by when, as 2026-12-01")
    done.set_defaults(handler=lambda arguments: _done(arguments, handler), command="inspect")


def seconds_until(due: date, now: datetime) -> float:
    """Seconds after which it is that date at the school, whatever its time zone: noon UTC lies in it nearly everywhere."""
    return max((datetime.combine(due, time(12), UTC) - now).total_seconds(), LEAST_S)


def _done(arguments: argparse.Namespace, handler: Handler) -> int:
    now = datetime.now(UTC)
    if arguments.due is not None and arguments.due < now.date():
        sys.stderr.write(f"campus-gateway: {arguments.due} is over\n")
        return 1
    is_problem = arguments.problem is not None or arguments.due is not None
    arguments.value = "problem" if is_problem else "ok"
    arguments.points = [item for item in arguments.problem or () if item]
    arguments.for_s = seconds_until(arguments.due, now) if arguments.due is not None else 0.0
    return handler(arguments)


def _list(arguments: argparse.Namespace, ask: Ask) -> int:
    answer = ask(arguments, {"op": "inspections"})
    if answer is None:
        return 1
    if not answer.get("ok"):
        sys.stderr.write(f"campus-gateway: {answer.get('error')}\n")
        return 1
    rows = answer["inspections"]
    if arguments.json:
        print(json.dumps(rows, ensure_ascii=False))
    else:
        print(visible("\n".join(map(_line, rows))) or "the site file has no [[inspections]]: see docs/rules.md")
    return 0


def _line(row: dict[str, Any]) -> str:
    parts = [row["inspection"], row["state"], f"each {row['every']}"]
    parts += [f"by {row['due']}"] if row["due"] and row["state"] in ("due", "overdue") else []
    if row["done_at"]:
        parts.append(f"last {row['done_at']} by {row['by']}: {row['result']}{': ' if row['wrong'] else ''}{', '.join(row['wrong'])}")
    return "  ".join([*parts, row["zh"], row["en"]])
