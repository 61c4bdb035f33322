"""The command line for the whistle (吹哨报到): campus-gateway whistle blow, report-in, end, list."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from typing import Any

Site = Callable[[argparse.ArgumentParser], None]
Handler = Callable[[argparse.Namespace], int]
Ask = Callable[[argparse.Namespace, dict[str, object]], dict[str, object] | None]


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser], site: Site, handler: Handler, ask: Ask) -> None:
    """Add them. site: adds the options that say which daemon; handler: sends a command; ask: asks the daemon anything."""
    whistle = commands.add_parser(
        "whistle",
        help="call the departments, and report in (吹哨报到)",
        description="The school blows the whistle, the departments report in (学校吹哨、部门报到). Whom a whistle calls, and by\n"
        "when each one has to report in, stands in the site file under [[whistles]]. Who is late is named in an event,\n"
        "and the whistle gives alarm until he is there. A recipient of the uplink reports in by its own signed command.",
        epilog="Example:  campus-gateway whistle blow departments --why '校门口有人聚集闹事' --by 王建国\n"
        "          campus-gateway whistle report-in departments --by 李所长",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    what = whistle.add_subparsers(title="what", metavar="WHAT", required=True)
    blow = _command(what, "blow", "whistle", "call all who are named", site, handler)
    blow.add_argument("--why", metavar="WORDS", required=True, help="what has happened, where to come; it goes to all who are called")
    _command(what, "report-in", "report_in", "a person who was called is there; --by is his name", site, handler)
    end = _command(what, "end", "end_whistle", "end it although not all are there", site, handler)
    end.add_argument("--why", metavar="WORDS", required=True, help="why; it is part of the record")
    lists = what.add_parser("list", help="all whistles: whom they call, what runs, who is missing", description="List the whistles.")
    site(lists)
    lists.add_argument("--json", action="store_true")
    lists.set_defaults(handler=lambda arguments: _list(arguments, ask))


def _command(
    what: argparse._SubParsersAction[argparse.ArgumentParser], name: str, kind: str, text: str, site: Site, handler: Handler
) -> argparse.ArgumentParser:
    command = what.add_parser(name, help=text, description=f"{text[:1].upper()}{text[1:]}. Leaves an audit event.")
    command.add_argument("target", metavar="WHISTLE", nargs="?", default="", help="its id; may be left out where there is only one")
    site(command)
    command.add_argument("--by", metavar="NAME", default="", help="who does it; default: your login name")
    command.set_defaults(handler=handler, command=kind)
    return command


def _list(arguments: argparse.Namespace, ask: Ask) -> int:
    answer = ask(arguments, {"op": "whistles"})
    if answer is None:
        return 1
    if not answer.get("ok"):
        sys.stderr.write(f"campus-gateway: {answer.get('error')}\n")
        return 1
    whistles = answer["whistles"]
    assert isinstance(whistles, list)
    if arguments.json:
        print(json.dumps({"whistles": whistles}, ensure_ascii=False))
    elif not whistles:
        print("this site has no whistle; see [[whistles]] in docs/rules.md")
    for whistle in [] if arguments.json else whistles:
        print("\n".join(_lines(whistle)))
    return 0


def _lines(whistle: dict[str, Any]) -> Iterator[str]:
    blown_s = whistle["blown_s"]
    state = "not blown" if blown_s is None else f"blown {blown_s:.0f} s ago"
    yield f"{whistle['id']}  {whistle['zh']} ({whistle['en']})  {state}"
    for one in whistle["addressees"]:
        if blown_s is None:
            word = f"within {one['deadline_s']:.0f} s"
        elif one["reported_s"] is not None:
            word = f"reported in after {one['reported_s']:.0f} s"
        else:
            left_s = one["deadline_s"] - blown_s
            word = f"missing, {left_s:.0f} s left" if left_s > 0 else f"OVERDUE by {-left_s:.0f} s"
        yield f"  {one['name']}  {word}"
