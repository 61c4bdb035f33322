"""The command line: campus-gateway doctor, what is wrong and what to do about it."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser], site: Callable[[argparse.ArgumentParser], None]) -> None:
    """Add it. site: adds the options that say which site."""
    doctor = commands.add_parser(
        "doctor",
        help="what is wrong with this gateway, and what to do (诊断)",
        description="Look at daemon, lines, points, paths, journal, clock, disk, power, keys, certificates, model, walk tests and\n"
        "hazards, and say what is wrong and what to do, the worst first. Works with the daemon down. Run it as the daemon's user\n"
        "or with sudo. Exit status 0 when nothing is wrong, 1 when something is, 2 when the site file cannot be used (then it\n"
        "looks at the computer only).",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    site(doctor)
    doctor.add_argument("--json", action="store_true", help="one JSON object with the facts of the computer")
    doctor.add_argument("--lang", choices=["en", "zh"], help="zh: Chinese and English; default: by LANG")
    doctor.set_defaults(handler=_doctor)


def _doctor(arguments: argparse.Namespace) -> int:
    import asyncio

    from gateway.config.load import load_site
    from gateway.config.settings import ConfigRefused
    from gateway.runtime.doctor import examine, examine_without_site, lines

    try:
        settings = load_site(arguments.config, state_dir=arguments.state_dir)
        found = asyncio.run(examine(settings))
        status = 0 if found.ok else 1
    except ConfigRefused as refused:
        sys.stderr.write(f"{refused}\n")
        found = asyncio.run(examine_without_site(Path(arguments.config), refused, arguments.state_dir))
        status = 2
    if arguments.json:
        print(json.dumps(found.as_json(), ensure_ascii=False))
    else:
        print("\n".join(lines(found, chinese=speaks_chinese(arguments.lang))))
    return status


def speaks_chinese(chosen: str | None) -> bool:
    """By --lang, or else as the terminal is set up."""
    said = chosen or os.environ.get("LC_ALL") or os.environ.get("LC_MESSAGES") or os.environ.get("LANG") or ""
    return said.lower().startswith("zh")


def seconds(text: str) -> float:
    """Of `--watch`: 0.2 to 3600."""
    try:
        found = float(text)
    except ValueError:
        found = 0.0
    if not 0.2 <= found <= 3600:
        raise argparse.ArgumentTypeError(f'"{text}" is not a number of seconds from 0.2 to 3600')
    return found
