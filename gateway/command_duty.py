"""The command line for duties of people: duty check-in, patrol, answer, open-shift, list."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from typing import Any

EPILOG = """examples:
  campus-gateway duty list                                     what is due, who is on duty, what was done today
  campus-gateway duty check-in east-post --by 周建国            somebody is on post (签到)
  campus-gateway duty patrol boiler --by 周建国                 a checkpoint was visited (巡更)
  campus-gateway duty answer --by 周建国                        the duty room is asked, and answers (查岗应答)
  campus-gateway duty open-shift --by 李明 --taken-from 周建国    change of shift (交接班)
Each is part of the record, with the name. Buttons, card readers and cameras of the site file tell the same without a word."""

Site = Callable[[argparse.ArgumentParser], None]
Handler = Callable[[argparse.Namespace], int]
Ask = Callable[[argparse.Namespace, dict[str, object]], dict[str, Any] | None]


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser], site: Site, handler: Handler, ask: Ask) -> None:
    """Add `duty`. site: adds the options that say which daemon; handler: sends a command; ask: asks the daemon something."""
    raw = argparse.RawDescriptionHelpFormatter
    duty = commands.add_parser(
        "duty",
        help="guard posts, patrols, duty room, shifts (值守)",
        description="Duties of people: who is on post, which round was made, who is on duty.",
        epilog=EPILOG,
        formatter_class=raw,
    )
    kinds = duty.add_subparsers(title="duties", metavar="WHAT", required=True)

    check_in = kinds.add_parser(
        "check-in",
        help="somebody is on post (护学岗签到)",
        description="Check in at a guard post. It counts for the rest of the window (arrival, dismissal); half an hour before it too.",
    )
    check_in.add_argument("target", metavar="POST", nargs="?", default="", help="id of the guard post; not needed where there is one only")
    _finish(check_in, site, handler, "check_in")

    patrol = kinds.add_parser(
        "patrol",
        help="a checkpoint was visited (巡更)",
        description="Tell that a checkpoint was visited. A round is complete when all its checkpoints were visited in its time.",
    )
    patrol.add_argument("value", metavar="CHECKPOINT", help="id of the checkpoint")
    patrol.add_argument("--of", dest="target", metavar="PATROL", default="", help="id of the patrol; not needed where there is one only")
    _finish(patrol, site, handler, "patrol")

    answer = kinds.add_parser(
        "answer",
        help="answer a question to the duty room (查岗应答)",
        description="Answer for the duty room. Refused when no question is open: nobody can answer beforehand.",
    )
    _finish(answer, site, handler, "answer", target="")

    shift = kinds.add_parser(
        "open-shift",
        help="take over the shift (交接班)",
        description="Take over the shift. Who hands over is named too, and what stands open (alarms, faults, what is shelved or out\n"
        "of service, modes, duties) is put on record with it. Read `campus-gateway status` together first.",
        formatter_class=raw,
    )
    shift.add_argument("--taken-from", dest="second", metavar="NAME", default="", help="who hands over; needed when somebody is on duty")
    _finish(shift, site, handler, "open_shift", target="")

    listed = kinds.add_parser("list", help="what is due, who is on duty, what was done today")
    site(listed)
    listed.add_argument("--json", action="store_true", help="a JSON list")
    listed.set_defaults(handler=lambda arguments: _list(arguments, ask))


def _finish(parser: argparse.ArgumentParser, site: Site, handler: Handler, kind: str, **fixed: str) -> None:
    site(parser)
    parser.add_argument("--by", metavar="NAME", default="", help="who it is; default: your login name")
    parser.set_defaults(handler=handler, command=kind, **fixed)


def _list(arguments: argparse.Namespace, ask: Ask) -> int:
    from gateway.runtime.status_text import duty_lines

    answer = ask(arguments, {"op": "status"})
    if answer is None:
        return 1
    if not answer.get("ok"):
        sys.stderr.write(f"campus-gateway: {answer.get('error')}\n")
        return 1
    rows = answer["status"]["duties"]
    if arguments.json:
        print(json.dumps(rows, ensure_ascii=False))
    else:
        print("\n".join(duty_lines(rows) or ["the site file has no duties: see [[guard_posts]], [[patrols]], [rules] in docs/rules.md"]))
    return 0
