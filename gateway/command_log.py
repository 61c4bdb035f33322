"""The command line: campus-gateway log-level, how much the running processes say."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from gateway.command_alarms import seconds

LEVELS = ("debug", "info", "notice", "warning", "error", "critical")


def add(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    site: Callable[[argparse.ArgumentParser], None],
    ask: Callable[[argparse.Namespace, dict[str, object]], dict[str, object] | None],
) -> None:
    """Add it. site: adds the options that say which daemon; ask: one question to it."""
    level = commands.add_parser(
        "log-level",
        help="how much the running gateway logs",
        description="Show the level of the log, or change it while the gateway runs: of the daemon, and through it of the vision process\n"
        "and of the page. Goes back by itself after --for; `debug` does so after 30 minutes in any case. `start` takes back what\n"
        "was changed. Each change is an audit event.",
        epilog="campus-gateway log-level debug --logger gateway.bus --for 10m\n"
        "campus-gateway log-level start\n"
        "What each level means: docs/watching.md. To read along: journalctl -fu campus-gateway",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    level.add_argument("level", metavar="LEVEL", nargs="?", choices=[*LEVELS, "start"], help=f"{', '.join(LEVELS)}, or start")
    level.add_argument("--logger", metavar="NAME", default="", help="a part of the code, as gateway.bus or drivers.camera; default: all")
    level.add_argument("--for", dest="for_s", metavar="TIME", type=_seconds, help="as 90s, 10m, 2h; default: 30m for debug, else for good")
    level.add_argument("--by", metavar="NAME", default="", help="who does it; default: your login name")
    site(level)
    level.set_defaults(handler=lambda arguments: _handle(arguments, ask))


def _handle(arguments: argparse.Namespace, ask: Callable[[argparse.Namespace, dict[str, object]], dict[str, object] | None]) -> int:
    request: dict[str, object] = {"op": "log_level"}
    if arguments.level is not None:
        level = "" if arguments.level == "start" else arguments.level
        request |= {"level": level, "logger": arguments.logger, "for_s": arguments.for_s, "by": arguments.by}
    elif arguments.logger or arguments.for_s is not None:
        sys.stderr.write("campus-gateway: name a LEVEL with --logger and --for; without one the present levels are shown\n")
        return 2
    answer = ask(arguments, request)
    if answer is None:
        return 1
    if not answer.get("ok"):
        sys.stderr.write(f"campus-gateway: refused: {answer.get('error')}\n")
        return 1
    levels = answer["log_level"]
    assert isinstance(levels, dict)
    print("\n".join(f"{logger}: {level}" for logger, level in levels.items()) or "as at the start of the gateway")
    return 0


def _seconds(text: str) -> float:
    """As of the other commands, and `10m`. Raises ArgumentTypeError."""
    return float(seconds(f"{text}in" if text.endswith("m") else text))
