"""The command line: campus-gateway upgrade, on trial and with a way back."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gateway.runtime.trial import Trial
    from gateway.runtime.trial_book import Book
    from gateway.runtime.upgrade import Places

NOW_WITHIN_S = 60.0  # for the receipt before anything is changed
UNIT = "campus-upgrade.service"
NOT_WELL = (
    "the gateway is not well as it is, so a change could not prove well: {}\n(--no-receipt does without the centre, and without this look)"
)
EPILOG = """looked at before anything is changed: signature and digests, security floor, room for a copy of the journal,
the site file as the new version reads it, and that the centre signs for events now.
then: a copy of the journal, stop, switch, start. It is kept when the daemon answers, every line was tried, what answered before
answers, the centre has signed for an event of the new version, and all that lasted 20 s; else the version before runs again.
exit status: 0 kept, 1 refused, nothing was changed, 3 gone back
examples:
  sudo campus-gateway upgrade --check          look only
  sudo campus-gateway upgrade                  the newest delivered version
  sudo campus-gateway upgrade 1.3.0 --within 10m
  sudo campus-gateway upgrade --back           the version before"""


def seconds(text: str) -> float:
    """'90s', '5m', '1h' or a number of seconds; at least 5 s."""
    unit = {"s": 1, "m": 60, "h": 3600}.get(text[-1:], 0)
    try:
        value = float(text[:-1] if unit else text) * (unit or 1)
    except ValueError:
        value = 0.0
    if not 5 <= value <= 86_400:
        raise argparse.ArgumentTypeError(f"{text!r} is no time from 5s to 24h, such as 90s, 5m or 1h")
    return value


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `upgrade` to the command line."""
    upgrade = commands.add_parser(
        "upgrade",
        help="switch to another delivered version, with a way back (升级)",
        description="Switch to a version that a package has delivered, on trial: without proof that the gateway is well\n"
        "it goes back by itself, also after a power cut. As root.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    upgrade.add_argument("version", nargs="?", default="", metavar="VERSION", help="default: the newest delivered")
    what = upgrade.add_mutually_exclusive_group()
    what.add_argument("--check", action="store_true", help="look whether it could be done, change nothing")
    what.add_argument("--list", action="store_true", help="delivered versions, which one runs, security floor, trial")
    what.add_argument("--back", action="store_true", help="to the version before; during a trial: end it and go back now")
    what.add_argument("--resume", action="store_true", help="go on with a trial that was interrupted; the unit does this at each start")
    upgrade.add_argument("--within", type=seconds, default=300.0, metavar="TIME", help="for the proof; default: 5m")
    upgrade.add_argument("--no-receipt", action="store_true", help="without the centre's receipt, where it does not answer just now")
    upgrade.add_argument("--json", action="store_true", help="with --list: one JSON object")
    upgrade.add_argument("--root", type=Path, default=Path("/"), help=argparse.SUPPRESS)
    upgrade.set_defaults(handler=_upgrade)


def _upgrade(arguments: argparse.Namespace) -> int:
    from gateway.config.settings import ConfigRefused
    from gateway.core.errors import GatewayError
    from gateway.runtime.trial_book import Book
    from gateway.runtime.upgrade import Places

    places = Places(arguments.root)
    book = Book(places.trials)
    try:
        if arguments.list:
            return _list(places, book, as_json=arguments.json)
        if os.geteuid() != 0:
            return _refused("an upgrade needs root: sudo campus-gateway upgrade")
        if arguments.resume:
            return _resume(places, book)
        if arguments.back and (standing := book.trial()) is not None:
            book.call_off(f"called off by {name_of_user()}")
            return end(watched(book, standing))
        return _begin(arguments, places, book)
    except (GatewayError, ConfigRefused) as refused:
        return _refused(str(refused))
    except OSError as error:
        return _refused(str(error))


def _refused(words: str) -> int:
    sys.stderr.write(f"campus-gateway: {words}\n")
    return 1


def say(words: str) -> None:
    """One line of progress, with the time."""
    if words:
        print(f"{time.strftime('%H:%M:%S')}  {words}", flush=True)


def name_of_user() -> str:
    """Who does it, also behind sudo."""
    return os.environ.get("SUDO_USER") or os.environ.get("USER") or "root"


def _list(places: Places, book: Book, *, as_json: bool) -> int:
    current, before, trial, last = places.version(places.current), places.version(places.previous), book.trial(), book.last()
    told: dict[str, Any] = {
        "versions": places.delivered(), "current": current, "before": before, "floor": book.floor(),
        "trial": _told(trial) if trial else None, "last": _told(last) if last else None,
    }  # fmt: skip
    if as_json:
        print(json.dumps(told, ensure_ascii=False))
        return 0
    for version in told["versions"]:
        print(f"{version}{'  (runs)' if version == current else '  (before)' if version == before else ''}")
    print(f"security floor: {told['floor']}")
    for name, each in (("trial", trial), ("last", last)):
        if each is not None:
            why = each.why or each.note
            print(f"{name}: {each.kind} {each.before} -> {each.after}, {each.state}{f': {why}' if why else ''}")
    return 0


def _told(trial: Trial) -> dict[str, Any]:
    return {name: getattr(trial, name) for name in ("kind", "before", "after", "began_at", "note", "why")} | {"state": str(trial.state)}


def _begin(arguments: argparse.Namespace, places: Places, book: Book) -> int:
    from gateway.runtime.trial_run import Systemd, systemd_runs
    from gateway.runtime.upgrade import objections, prepared, state_dir_of, wanted

    version = wanted(places, arguments.version, back=arguments.back)
    state_dir, door, _ = state_dir_of(places.site)
    say(f"{places.version(places.current)} -> {version}: looking")
    found = list(objections(places, book, version, state_dir))
    if found:
        return _refused("\n".join((f"{version} cannot be used:", *found)))
    receipt = not arguments.no_receipt
    if receipt and (words := signs_now(door, "upgrade")):
        return _refused(NOT_WELL.format(words))
    if arguments.check:
        say(f"{version} can be used; nothing was changed")
        return 0
    if not systemd_runs():
        return _refused("there is no systemd here that could stop and start the gateway")
    trial = prepared(places, book, version, within_s=arguments.within, by=name_of_user(), receipt=receipt, units=Systemd())
    return end(in_unit(book, trial))


def signs_now(door: Path, word: str) -> str:
    """What is missing before a change; '' when all is well. A receipt is asked for and waited for."""
    from gateway.runtime.trial_health import Health

    health = Health(door, word, "before a change", name_of_user(), steady_s=0.0)
    end_s = time.monotonic() + NOW_WITHIN_S
    while words := health.missing():
        if time.monotonic() > end_s or health.running() is None:
            return words
        time.sleep(0.25)
    return ""


def in_unit(book: Book, trial: Trial) -> Trial | None:
    """Have the unit carry the trial, so that a lost session does not stop it; how it ended, None when the unit died before that."""
    from gateway.runtime.trial_run import start_unit

    say("on trial now; going on by itself, also when this session ends (campus-gateway upgrade --list)")
    start_unit(UNIT)
    return watched(book, trial)


def watched(book: Book, trial: Trial) -> Trial | None:
    """Tell what becomes of a trial that the unit carries."""
    from gateway.runtime.trial_run import follow, unit_is_active

    return follow(book, say, lambda: unit_is_active(UNIT))


def end(trial: Trial | None) -> int:
    """Say how it ended; the exit status."""
    if trial is None:
        return _refused("whoever carried the trial has gone; go on with: sudo campus-gateway upgrade --resume")
    if trial.state == "confirmed":
        say(f"{trial.after} is in use now" if trial.kind == "upgrade" else "the new site file is in use")
        return 0
    kept = f"{trial.after} was not kept, {trial.before} is in use" if trial.kind == "upgrade" else "the new site file was not kept"
    sys.stderr.write(f"campus-gateway: {kept}: {trial.why}\n")
    return 3


def _resume(places: Places, book: Book) -> int:
    from gateway.runtime.apply import KIND as APPLY
    from gateway.runtime.apply import ApplyWay
    from gateway.runtime.trial_run import Systemd, carry
    from gateway.runtime.upgrade import UpgradeWay

    trial = book.trial()
    if trial is None:
        say("no trial is under way")
        return 0
    units = Systemd()
    ended = carry(book, ApplyWay(units) if trial.kind == APPLY else UpgradeWay(places, book, units), say)
    end(ended)
    return 0  # the unit has done its work, whichever way it ended
