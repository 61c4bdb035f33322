"""The command line: campus-gateway run, check, status, acknowledge, reset, shelve, devices, key, schema, vision, demo."""

from __future__ import annotations

import argparse
import json
import os
import sys
from typing import TYPE_CHECKING

from gateway import (
    __version__,
    command_account,
    command_alarms,
    command_apply,
    command_backup,
    command_calendar,
    command_commission,
    command_devices,
    command_doctor,
    command_duty,
    command_enroll,
    command_evidence,
    command_fleet,
    command_hazard,
    command_inspection,
    command_journal,
    command_log,
    command_models,
    command_modes,
    command_report,
    command_rules,
    command_snapshot,
    command_support,
    command_upgrade,
    command_whistle,
)
from gateway.core.visible import visible

if TYPE_CHECKING:
    from gateway.config.settings import Settings

SITE = "/etc/campus-gateway/site.toml"


def main(argv: list[str] | None = None) -> int:
    """Entry point; returns the exit status."""
    words = sys.argv[1:] if argv is None else argv
    if words[:1] == ["demo"]:
        return _demo(words[1:])
    arguments = _parser().parse_args(words)
    try:
        return int(arguments.handler(arguments))
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 141


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="campus-gateway",
        description="Alarm gateway of a school: reads buttons, bollards, gas and fire detectors, doors and cameras,\n"
        "and delivers every event to the linkage centre with proof.",
        epilog="Start here:  campus-gateway demo          a whole school on this machine, one minute\n"
        "             campus-gateway check FILE    every error of a site file, with its line\n"
        "             campus-gateway run --config FILE",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"campus-gateway {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    run = commands.add_parser("run", help="run the daemon", description="Run the daemon until SIGTERM or Ctrl-C.")
    _site(run)
    run.add_argument("--no-vision", action="store_true", help="do not start the vision process (systemd starts it as a unit of its own)")
    run.add_argument("--no-console", action="store_true", help="do not start the guard-room page (systemd starts it as a unit of its own)")
    run.add_argument("--log-level", default="info", choices=["debug", "info", "notice", "warning", "error"])
    run.set_defaults(handler=_run)

    check = commands.add_parser(
        "check",
        help="check a site file",
        description="Check a site file: each error on one line with file, line, key and what was expected.\n"
        "Then, for each line and each point on it, the promised worst delay from a change at the device to its reading:\n"
        "its own period, what can hold the line, everything that goes before it, its own request (docs/field-buses.md).\n"
        "A line used for more than 0.9 of its time and a panic button beyond its limit (250 ms) are refused.\n"
        "Exit status 0 when it can be used, 1 when not.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    check.add_argument("site", metavar="SITE.toml")
    check.add_argument("--json", action="store_true", help="one JSON object instead of lines")
    check.set_defaults(handler=_check)

    status = commands.add_parser("status", help="what the running daemon sees", description="Ask the running daemon.")
    _site(status)
    status.add_argument("--json", action="store_true", help="the whole answer as JSON")
    status.add_argument(
        "--watch", nargs="?", type=command_doctor.seconds, const=1.0, metavar="SECONDS", help="a view that refreshes; q or Ctrl-C ends it"
    )
    status.set_defaults(handler=_status)

    command_alarms.add(commands, _site, _command)
    command_modes.add(commands, _site, _command, _ask)
    command_duty.add(commands, _site, _command, _ask)
    command_hazard.add(commands, _site, _command, _ask)
    command_inspection.add(commands, _site, _command, _ask)

    output = commands.add_parser(
        "output",
        help="switch an output (输出控制)",
        description="Switch an output of the site file: siren, strobe, relay, lock, gas valve, bollard. It is refused where its\n"
        "interlock, its remote switch or its loop says so; how it ended is told by an event.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    output.add_argument("target", metavar="OUTPUT", help="id of an output")
    output.add_argument("value", choices=["on", "off"])
    _site(output)
    output.add_argument("--by", metavar="NAME", default="", help="who does it; default: your login name")
    output.set_defaults(handler=_command, command="output")

    cards = commands.add_parser(
        "cards",
        help="the cards shown last, for the cards file",
        description="Show the cards that readers reported last: the hash that belongs into a door's cards_file, and where and when it\n"
        "was shown. Numbers of cards are never stored; the hash depends on a key of this gateway.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _site(cards)
    cards.add_argument("--json", action="store_true")
    cards.set_defaults(handler=_cards)

    key = commands.add_parser(
        "key",
        help="this gateway's public key, for the centre",
        description="Print the public half of the event key as one line of JSON; makes the key when there is none.",
    )
    key.add_argument("site", metavar="SITE.toml")
    key.add_argument("--state-dir", metavar="DIR", help="where the key lies; default: state_dir of the site file")
    key.set_defaults(handler=_key)

    schema = commands.add_parser("schema", help="JSON Schema of the site file, for editors", description="Print a JSON Schema.")
    schema.add_argument("what", nargs="?", default="site", choices=["site", "profile"])
    schema.add_argument(
        "--protocol", choices=["modbus", "frames", "osdp", "gpio"], help="of the profile: marks of an editor are then exact"
    )
    schema.set_defaults(handler=_schema)

    command_calendar.add(commands, SITE)
    command_rules.add(commands, _site, _ask)
    command_report.add(commands, _site, _ask)
    command_snapshot.add(commands, _site, _command)
    command_evidence.add(commands, _site, _ask)
    command_whistle.add(commands, _site, _command, _ask)
    command_devices.add(commands, SITE)
    command_journal.add(commands, SITE)
    command_enroll.add(commands, _site)
    command_models.add(commands, SITE)
    command_fleet.add(commands)

    command_account.add(commands, _site)
    command_doctor.add(commands, _site)
    command_commission.add(commands, _site)
    command_support.add(commands, _site)
    command_upgrade.add(commands)
    command_apply.add(commands, SITE)
    command_backup.add(commands, _site)
    command_log.add(commands, _site, _ask)

    console = commands.add_parser("console", help="run the guard-room page (usually started for you)")
    _site(console)
    console.add_argument("--parent", metavar="PID", type=int, help="end when this process is not (or no longer) the parent")
    console.set_defaults(handler=_console)
    vision = commands.add_parser("vision", help="run the vision process (usually started for you)")
    _site(vision, state_dir=False)
    vision.add_argument("--door", metavar="SOCKET", help="the daemon's control socket")
    vision.add_argument("--parent", metavar="PID", type=int, help="end when this process is not (or no longer) the parent")
    vision.add_argument("--accept-view", metavar="CAMERA", help="take what this camera shows now for its usual view, as after work on it")
    vision.set_defaults(handler=_vision)

    commands.add_parser("demo", help="a whole school on this machine, played for one minute", add_help=False)
    return parser


def _site(parser: argparse.ArgumentParser, *, state_dir: bool = True) -> None:
    parser.add_argument("--config", metavar="SITE.toml", default=SITE, help=f"site file; default: {SITE}")
    if state_dir:
        parser.add_argument("--state-dir", metavar="DIR", help="journal, keys, control socket; default: state_dir of the site file")


def _run(arguments: argparse.Namespace) -> int:
    import logging

    from gateway.config.apart import Loading
    from gateway.config.settings import ConfigRefused

    loading = Loading(arguments.config, arguments.state_dir)  # runs beside the imports
    from gateway.runtime import memory

    memory.begin()
    from gateway.runtime import logs
    from gateway.runtime.daemon import serve
    from gateway.runtime.keys import no_core_dump

    no_core_dump()
    try:
        settings = loading.result()
    except ConfigRefused as refused:
        sys.stderr.write(f"{refused}\n")
        return 1
    finish_log = logs.set_up(arguments.log_level, thread=True)
    for warning in settings.warnings:
        logging.getLogger("gateway.config").warning("%s", warning)
    under_systemd = "INVOCATION_ID" in os.environ and "NOTIFY_SOCKET" in os.environ
    try:
        return serve(
            settings,
            spawn_vision=not arguments.no_vision and not under_systemd,
            spawn_console=not arguments.no_console and not under_systemd,
        )
    finally:
        finish_log()


def _check(arguments: argparse.Namespace) -> int:
    from gateway.config.load import load_site
    from gateway.config.settings import ConfigRefused
    from gateway.runtime.check_models import judge_model
    from gateway.runtime.check_text import promise_lines, promises_as_json
    from gateway.runtime.promises import judge_site

    try:
        settings = load_site(arguments.site)
        problems, doubts = judge_model(settings)
        if problems:
            raise ConfigRefused(problems)
        settings.warnings.extend(doubts)
        judged = judge_site(settings)
        if judged.problems and not arguments.json:
            print("\n".join(promise_lines(judged)))
        if judged.problems:
            raise ConfigRefused(judged.problems)
    except ConfigRefused as refused:
        if arguments.json:
            errors = [{"file": p.file, "line": p.line, "key": p.key, "text": p.text} for p in refused.problems]
            print(json.dumps({"ok": False, "errors": errors}, ensure_ascii=False))
        else:
            print(refused)
            count = len(refused.problems)
            print(f"{arguments.site}: {count} error{'s' if count != 1 else ''}; this file cannot be used")
        return 1
    site = settings.site
    counts = {
        "buses": len(site.buses),
        "devices": len(site.devices),
        "points": len(site.points),
        "alarms": sum(not alarm.auxiliary for point in settings.points.values() if not point.system for alarm in point.alarms),
        "cameras": len(site.cameras),
        "recipients": len(site.uplink.recipients),
    }
    if arguments.json:
        warnings = [{"file": p.file, "line": p.line, "key": p.key, "text": p.text} for p in (*settings.warnings, *judged.warnings)]
        print(json.dumps({"ok": True, "warnings": warnings, "summary": counts, **promises_as_json(judged)}, ensure_ascii=False))
        return 0
    for warning in (*settings.warnings, *judged.warnings):
        print(f"warning: {warning}")
    print("\n".join(promise_lines(judged)))
    print(f"{arguments.site}: ok, {', '.join(f'{count} {name}' for name, count in counts.items())}")
    return 0


def _settings(arguments: argparse.Namespace) -> Settings | None:
    from gateway.config.load import load_site
    from gateway.config.settings import ConfigRefused

    try:
        return load_site(arguments.config, state_dir=arguments.state_dir)
    except ConfigRefused as refused:
        sys.stderr.write(f"{refused}\n")
        return None


def _ask(arguments: argparse.Namespace, request: dict[str, object], timeout_s: float = 5.0) -> dict[str, object] | None:
    import asyncio

    from gateway.core.errors import DoorRefused
    from gateway.runtime.door import ask

    settings = _settings(arguments)
    if settings is None:
        return None
    try:
        return asyncio.run(ask(settings.door_path, request, timeout_s))
    except DoorRefused as refused:
        sys.stderr.write(f"campus-gateway: {refused}\n")
        return None


def _status(arguments: argparse.Namespace) -> int:
    if arguments.watch:
        from gateway.runtime.status_watch import run

        settings = _settings(arguments)
        return 1 if settings is None else run(settings.door_path, settings.site.site.timezone, arguments.watch)
    answer = _ask(arguments, {"op": "status"})
    if answer is None:
        return 1
    if not answer.get("ok"):
        sys.stderr.write(f"campus-gateway: {answer.get('error')}\n")
        return 1
    status = answer["status"]
    if arguments.json:
        print(json.dumps(status, ensure_ascii=False))
        return 0
    from gateway.runtime.status_text import lines

    assert isinstance(status, dict)
    print("\n".join(lines(status)))
    return 0


def _command(arguments: argparse.Namespace) -> int:
    request = {"op": "command", "command": arguments.command, "target": arguments.target, "by": arguments.by}
    request |= {name: given for name in ("value", "why", "second", "for_s", "points") if (given := getattr(arguments, name, ""))}
    answer = _ask(arguments, request)
    if answer is None:
        return 1
    if not answer.get("ok"):
        sys.stderr.write(f"campus-gateway: refused: {visible(str(answer.get('error')))}\n")
        return 1
    print(visible(str(answer.get("text"))))
    return 0


def _cards(arguments: argparse.Namespace) -> int:
    answer = _ask(arguments, {"op": "cards"})
    if answer is None:
        return 1
    if not answer.get("ok"):
        sys.stderr.write(f"campus-gateway: {answer.get('error')}\n")
        return 1
    cards = answer["cards"]
    assert isinstance(cards, list)
    if arguments.json:
        print(json.dumps({"cards": cards}, ensure_ascii=False))
    elif not cards:
        print("no card was shown since the daemon started; hold it to a reader and ask again")
    for card in [] if arguments.json else cards:
        print(f"{card['at']}  {card['point']}  {card['card']}")
    return 0


def _key(arguments: argparse.Namespace) -> int:
    from gateway.config.load import load_site
    from gateway.config.settings import ConfigRefused
    from gateway.runtime.keys import KeyRefused, public_key

    try:
        settings = load_site(arguments.site, state_dir=arguments.state_dir)
        public = public_key(settings.state_dir)
    except (ConfigRefused, KeyRefused) as refused:
        sys.stderr.write(f"{refused}\n")
        return 1
    print(json.dumps({"source": settings.source, **public}))
    return 0


def _schema(arguments: argparse.Namespace) -> int:
    from pydantic import TypeAdapter

    from gateway.config.profiles import PROFILES, Profile
    from gateway.config.site import Site

    if arguments.what == "site":
        schema = Site.model_json_schema()
    elif arguments.protocol:
        schema = PROFILES[arguments.protocol].model_json_schema()
    else:
        schema = TypeAdapter(Profile).json_schema()
    print(json.dumps(schema, ensure_ascii=False, indent=1))
    return 0


def _console(arguments: argparse.Namespace) -> int:
    try:
        from gateway.runtime import console_process
        from gateway.runtime.keys import no_core_dump
    except ImportError as error:
        sys.stderr.write(f"campus-gateway console needs the packages of the extra `console`: {error}\n")
        return 1
    no_core_dump()
    return console_process.main(arguments.config, arguments.state_dir, arguments.parent)


def _vision(arguments: argparse.Namespace) -> int:
    try:
        from gateway.runtime import vision_process
        from gateway.runtime.keys import no_core_dump
    except ImportError as error:
        sys.stderr.write(f"campus-gateway vision needs the packages of the extra `vision`: {error}\n")
        return 1
    if arguments.accept_view:
        return vision_process.accept_view(arguments.config, arguments.door, arguments.accept_view)
    no_core_dump()
    return vision_process.main(arguments.config, arguments.door, arguments.parent)


def _demo(words: list[str]) -> int:
    """The demo is a program of the simulators; the product does not import it."""
    os.execv(sys.executable, [sys.executable, "-m", "simulators.demo", *words])


if __name__ == "__main__":
    sys.exit(main())
