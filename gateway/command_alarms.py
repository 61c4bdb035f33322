"""The command line for alarms: acknowledge, reset, silence, shelve, unshelve, out-of-service, return-to-service."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable

_TIME = re.compile(r"^(\d{1,4})(s|min|h)$")
_SECONDS = {"s": 1.0, "min": 60.0, "h": 3600.0}

# command line -> (what it does, its two long lines of description)
_PLAIN = {
    "acknowledge": "take an alarm (确认)",
    "reset": "reset a latched alarm whose cause is gone (复位)",
    "unshelve": "end a shelf before its time (取消搁置)",
    "return-to-service": "an alarm counts again (恢复使用)",
    "learn": "learn the natural leakage of a circuit anew, after work on it (重新学习自然漏流)",
}
_ASIDE = {
    "shelve": (
        "do not announce a nuisance alarm for a while (搁置)",
        "For a time, at most 8 h, the alarm is recorded and not announced; then it is announced if its cause is there.\n"
        "Highly managed alarms (one-key alarm, impact, gas second level, fire) are never shelved. Leaves an audit event.",
    ),
    "out-of-service": (
        "take an alarm out of service for work on it (停用)",
        "Two different persons sign; for at most 24 h, 8 h for a highly managed alarm, which is announced even then, marked\n"
        "out_of_service. It stays visible everywhere and ends by itself. Leaves an audit event.",
    ),
}


def seconds(text: str) -> float:
    """Seconds of "90s", "30min" or "2h". Raises ArgumentTypeError."""
    found = _TIME.match(text)
    if not found:
        raise argparse.ArgumentTypeError(f'"{text}" is not a time; write 90s, 30min or 2h')
    return int(found[1]) * _SECONDS[found[2]]


def add(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    site: Callable[[argparse.ArgumentParser], None],
    handler: Callable[[argparse.Namespace], int],
) -> None:
    """Add them. site: adds the options that say which daemon; handler: sends the command."""
    for name, text in _PLAIN.items():
        _command(commands, name, text, f"{text[:1].upper()}{text[1:]}. Leaves an audit event.", site, handler)
    about = "Sirens, strobes and buzzers go off. The alarms stand as they stood; the next cause sounds again. Leaves an audit event."
    silence = commands.add_parser("silence", help="switch off what sounds and flashes (消音)", description=about)
    silence.add_argument("target", metavar="PLACE|OUTPUT", nargs="?", default="", help="only there; default: everywhere")
    _signed(silence, "silence", site, handler)
    for name, (text, description) in _ASIDE.items():
        command = _command(commands, name, text, description, site, handler)
        command.add_argument("--for", dest="for_s", metavar="TIME", type=seconds, required=True, help="90s, 30min or 2h")
        command.add_argument("--reason", dest="why", metavar="WORDS", required=True, help="why; it is part of the record")
        if name == "out-of-service":
            command.add_argument("--with", dest="second", metavar="NAME", required=True, help="the second person who signs")


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    text: str,
    description: str,
    site: Callable[[argparse.ArgumentParser], None],
    handler: Callable[[argparse.Namespace], int],
) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=text, description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    command.add_argument("target", metavar="POINT[/ALARM]", help="a point, or one of its alarms")
    _signed(command, name, site, handler)
    return command


def _signed(
    command: argparse.ArgumentParser,
    name: str,
    site: Callable[[argparse.ArgumentParser], None],
    handler: Callable[[argparse.Namespace], int],
) -> None:
    """What every command has: which daemon, and who gives it."""
    site(command)
    command.add_argument("--by", metavar="NAME", default="", help="who does it; default: your login name")
    command.set_defaults(handler=handler, command=name.replace("-", "_"))
