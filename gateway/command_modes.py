"""The command line for drills, walk tests and maintenance: drill, walk-test, maintenance."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from datetime import datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from gateway.command_alarms import seconds

Site = Callable[[argparse.ArgumentParser], None]
Handler = Callable[[argparse.Namespace], int]
Ask = Callable[[argparse.Namespace, dict[str, object]], dict[str, object] | None]
Parsers = argparse._SubParsersAction  # what argparse itself calls it is private

_KINDS = ("fire", "violence", "ram", "quake", "comprehensive", "other")
_DRILL = (
    "A drill with a list of points. It is announced to the linkage centre first and begins at its time once every recipient has signed\n"
    "for the announcement; not signed for within 10 min, it is called off. While it runs, the first alarm of each listed point is an\n"
    "exercise (CAP status Exercise). Everything else is real: a point that is not on the list, and a second press of one that is.\n"
    "It ends by itself. Reset the buttons before that: what is still pressed when the drill is over is told as real."
)
_TEST = (
    "Test points one by one: press, wait until the centre has it, acknowledge, reset. The first alarm of each is a test (CAP status\n"
    "Test), any further one is real. A test is passed when the centre has signed for its alarm, and is over when it is reset; otherwise\n"
    "it ends after its time (10 min, at most 30) as failed. Date and name are kept, and the next one falls due."
)
_MAINTENANCE = (
    "Work on points. Their faults and plain alarms go out marked `maintenance` with status Test: no siren, no incident, nobody is called.\n"
    "A highly managed alarm (one-key alarm, impact, gas second level, fire) stays real. It ends by itself after at most 8 h."
)


def add(commands: Parsers[argparse.ArgumentParser], site: Site, handler: Handler, ask: Ask) -> None:
    """Add them. site: adds the options that say which daemon; handler: sends a command; ask: puts a question."""
    _drill(_group(commands, "drill", "start, end or report a drill (演练)", _DRILL), site, handler, ask)
    _walk_test(_group(commands, "walk-test", "test alarm points one by one (报警测试)", _TEST), site, handler, ask)
    _maintenance(_group(commands, "maintenance", "work on a point (检修)", _MAINTENANCE), site, handler)


def _group(commands: Parsers[argparse.ArgumentParser], name: str, text: str, about: str) -> argparse.ArgumentParser:
    return commands.add_parser(name, help=text, description=about, formatter_class=argparse.RawDescriptionHelpFormatter)


def _drill(group: argparse.ArgumentParser, site: Site, handler: Handler, ask: Ask) -> None:
    words = group.add_subparsers(title="what", metavar="start|end|report", required=True)
    start = _order(words, "start", "announce a drill", "start_drill", site, handler)
    start.add_argument("target", metavar="KIND", choices=_KINDS, help="fire 防火, violence 防暴, ram 防冲撞, quake 防震, other")
    start.add_argument("points", metavar="POINT", nargs="+", help="points whose alarms are exercised")
    start.add_argument("--for", dest="for_s", metavar="TIME", type=seconds, required=True, help="90s, 30min or 2h; at most 4h")
    start.add_argument(
        "--announce", dest="value", metavar="TIME", type=_whole_seconds, default="60s", help="ahead of its begin; default: 60s"
    )
    start.add_argument("--reason", dest="why", metavar="WORDS", default="", help="part of the record")
    end = _order(words, "end", "end the drill now, or call it off", "end_drill", site, handler)
    end.set_defaults(target="")
    shown = words.add_parser("report", help="reports of the last drills, newest last")
    site(shown)
    shown.add_argument("--all", action="store_true", help="all that are kept (the last 10); default: the last one")
    shown.set_defaults(handler=lambda arguments: _show(arguments, ask, "drills", lambda rows: _reports(rows, arguments.all)))


def _walk_test(group: argparse.ArgumentParser, site: Site, handler: Handler, ask: Ask) -> None:
    group.add_argument("--due", action="store_true", help="which tests are overdue, due within 14 days, or were never passed")
    group.add_argument("--results", action="store_true", help="the last test of each point")
    site(group)
    group.set_defaults(handler=lambda arguments: _tests(arguments, group, ask))
    words = group.add_subparsers(title="what", metavar="start|end")
    start = _order(words, "start", "begin to test points", "start_test", site, handler)
    start.add_argument("points", metavar="POINT", nargs="+")
    start.add_argument("--for", dest="for_s", metavar="TIME", type=seconds, default=600.0, help="at most 30min; default: 10min")
    end = _order(words, "end", "end tests before their time", "end_test", site, handler)
    end.add_argument("points", metavar="POINT", nargs="*", help="default: all")
    group.set_defaults(target="")


def _maintenance(group: argparse.ArgumentParser, site: Site, handler: Handler) -> None:
    words = group.add_subparsers(title="what", metavar="start|end", required=True)
    start = _order(words, "start", "work on points begins", "start_maintenance", site, handler)
    start.add_argument("points", metavar="POINT", nargs="+")
    start.add_argument("--for", dest="for_s", metavar="TIME", type=seconds, required=True, help="90s, 30min or 2h; at most 8h")
    start.add_argument("--reason", dest="why", metavar="WORDS", required=True, help="why; it is part of the record")
    end = _order(words, "end", "work on points is over", "end_maintenance", site, handler)
    end.add_argument("points", metavar="POINT", nargs="*", help="default: all")


def _order(
    words: Parsers[argparse.ArgumentParser], name: str, text: str, kind: str, site: Site, handler: Handler
) -> argparse.ArgumentParser:
    order = words.add_parser(name, help=text, description=f"{text[:1].upper()}{text[1:]}. Leaves an audit event.")
    site(order)
    order.add_argument("--by", metavar="NAME", default="", help="who does it; default: your login name")
    order.set_defaults(handler=handler, command=kind, **({} if kind == "start_drill" else {"target": ""}))
    return order


def _whole_seconds(text: str) -> str:
    return f"{seconds(text):.0f}"


# --- what is shown ------------------------------------------------------------------------------


def _show(arguments: argparse.Namespace, ask: Ask, operation: str, lines: Callable[[list[dict[str, Any]]], list[str]]) -> int:
    answer = ask(arguments, {"op": operation})
    if answer is None:
        return 1
    rows = answer.get(operation)
    if not answer.get("ok") or not isinstance(rows, list):
        sys.stderr.write(f"campus-gateway: {answer.get('error')}\n")
        return 1
    print("\n".join(lines(rows)))
    return 0


def _zone(arguments: argparse.Namespace) -> tzinfo:
    """Of the school: this computer's own may be another."""
    from gateway.config.load import load_site

    return ZoneInfo(load_site(arguments.config, state_dir=arguments.state_dir).site.site.timezone)


def _tests(arguments: argparse.Namespace, group: argparse.ArgumentParser, ask: Ask) -> int:
    if not arguments.due and not arguments.results:
        group.print_help()
        return 2
    return _show(arguments, ask, "walk_tests", lambda rows: (_due if arguments.due else _results)(rows, _zone(arguments)))


def _due(rows: list[dict[str, Any]], zone: tzinfo) -> list[str]:
    out = []
    for row in rows:
        never = not row["passed_ms"]
        if row.get("due") in ("overdue", "soon") or ("due" in row and never):
            late = f"OVERDUE for {-row['in_days']} days" if row["due"] == "overdue" else f"due in {row['in_days']} days"
            late += (", last test failed" if row["result"] else ", not yet tested") if never else ""
            out.append(f"{_day(row['due_ms'], zone)}  {row['point']}  {late}  {row['zh']}  {row['en']}")
    return out or ["no walk test is due within 14 days; every point has passed its last one or needs none"]


def _results(rows: list[dict[str, Any]], zone: tzinfo) -> list[str]:
    tested = [row for row in rows if row["result"]]
    return [f"{_day(row['at_ms'], zone)}  {row['point']}  {row['result']}, by {row['by']}  {row['zh']}  {row['en']}" for row in tested] or [
        "no point was tested yet"
    ]


def _day(at_ms: int, zone: tzinfo) -> str:
    """The day on the school's own wall."""
    return f"{datetime.fromtimestamp(at_ms / 1000, zone):%Y-%m-%d}" if at_ms else "date unknown"


def _reports(rows: list[dict[str, Any]], is_all: bool) -> list[str]:
    chosen = rows if is_all else rows[-1:]
    return [line for report in chosen for line in _report(report)] or ["no drill was held yet"]


def _report(report: dict[str, Any]) -> list[str]:
    """One drill, as a head of school reads it."""
    totals = report["totals"]
    out = [
        f"{report['name']['zh']} {report['name']['en']}  {report['started_at']} to {report['ended_at']} ({report['lasted_s']:g} s)"
        f"{', at night 夜间' if report['night'] else ''}",
        f"  opened by {report['opened_by']}; ended: {report['ended']}; persons: {', '.join(report['persons'])}",
        f"  pressed {totals['pressed']} of {totals['listed']}, received {totals['received']}, acknowledged {totals['acknowledged']}"
        f", real alarms meanwhile {totals['real']}",
    ]
    for row in report["alarms"]:
        received = ", ".join(f"{who} {took_s:g} s" for who, took_s in row["received_s"].items()) or "NOT RECEIVED"
        taken = "nobody" if row["acknowledged_s"] is None else f"{row['acknowledged_by']} {row['acknowledged_s']:g} s"
        back = "no" if row["reset_s"] is None else f"{row['reset_by']} {row['reset_s']:g} s"
        out.append(f"  {row['alarm']}  after {row['after_s']:g} s; received: {received}; acknowledged: {taken}; reset: {back}")
    out += [f"  not pressed 未触发: {', '.join(report['not_pressed'])}"] if report["not_pressed"] else []
    return out
