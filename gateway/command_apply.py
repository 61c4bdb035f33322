"""The command line: campus-gateway apply, a new site file on trial."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.command_upgrade import NOT_WELL, end, in_unit, name_of_user, say, seconds, signs_now

if TYPE_CHECKING:
    from gateway.config.settings import Settings
    from gateway.runtime.trial import Trial

EPILOG = """The file is checked as `campus-gateway check` does, what it changes is shown, and the one in use is kept beside it.
The daemon takes it without ending: alarms that stand, stay. It is kept when every line was tried, what answered before
answers, and the centre has signed for an event since; else the file before is in use again, by itself, also after a power cut.
exit status: 0 kept, 1 refused, nothing was changed, 3 gone back
examples:
  sudo campus-gateway apply new.toml --check     what would change
  sudo campus-gateway apply new.toml
  sudo campus-gateway apply --revert             the file before
  campus-gateway apply new.toml --site ./site.toml"""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser], site: str) -> None:
    """Add `apply` to the command line."""
    apply = commands.add_parser(
        "apply",
        help="use a new site file, with a way back (应用新的场所文件)",
        description="Put a new site file to use, on trial.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    apply.add_argument("file", nargs="?", metavar="NEW.toml", type=Path)
    apply.add_argument("--site", metavar="SITE.toml", type=Path, default=Path(site), help=f"the one in use; default: {site}")
    apply.add_argument("--within", type=seconds, default=180.0, metavar="TIME", help="for the proof; default: 3m")
    what = apply.add_mutually_exclusive_group()
    what.add_argument("--check", action="store_true", help="check it and show what would change")
    what.add_argument("--revert", action="store_true", help="to the file before; during a trial: end it and go back now")
    what.add_argument("--resume", action="store_true", help="go on with a trial of a daemon started by hand that was interrupted")
    apply.add_argument("--anyway", action="store_true", help="although an alarm that stands would be gone, or the gateway's name changes")
    apply.add_argument("--no-receipt", action="store_true", help="without the centre's receipt, where it does not answer just now")
    apply.set_defaults(handler=_apply)


class _Refused(Exception):
    """Nothing was changed; why."""


def _apply(arguments: argparse.Namespace) -> int:
    from gateway.config.settings import ConfigRefused
    from gateway.core.errors import GatewayError

    try:
        return _applied(arguments)
    except (_Refused, GatewayError, ConfigRefused, OSError) as refused:
        sys.stderr.write(f"campus-gateway: {refused}\n")
        return 1


def _applied(arguments: argparse.Namespace) -> int:
    from gateway.config.apart import Loading
    from gateway.runtime import apply
    from gateway.runtime.trial_book import Book
    from gateway.runtime.upgrade import Places

    site = arguments.site.resolve()
    if not site.is_file():
        raise _Refused(f"{site} is not there: put the first site file there yourself, and start the daemon")
    places = Places()
    installed = os.geteuid() == 0 and site == places.site and places.current.exists()
    old = Loading(site).result()
    book = Book(places.trials if installed else old.state_dir / "trial")
    standing = book.trial()
    if standing is not None:
        return _go_on(arguments, book, standing, installed=installed)
    if arguments.resume:
        raise _Refused("no trial is under way")
    content = _content(arguments, site, apply.copies(site))
    if content == site.read_bytes():
        raise _Refused(f"{site} is to the byte what is in use already")
    if not apply.may_write(site):
        raise _Refused(f"files beside {site} cannot be written by you: use sudo, or the user of the daemon")
    staged = apply.stage(site, content)
    try:
        checked(staged, str(arguments.file or "the file before"))
        new = Loading(staged).result()
        words = _told(old, new, site, arguments)
        if arguments.check:
            staged.unlink()
            return 0
    except BaseException:
        staged.unlink(missing_ok=True)
        raise
    return _begin(arguments, book, old, staged, words, installed=installed)


def _go_on(arguments: argparse.Namespace, book: object, standing: Trial, *, installed: bool) -> int:
    from gateway.command_upgrade import watched
    from gateway.runtime.apply import ApplyWay
    from gateway.runtime.trial_book import Book
    from gateway.runtime.trial_run import ByHand, carry

    assert isinstance(book, Book)
    if arguments.revert:
        book.call_off(f"called off by {name_of_user()}")
    elif not arguments.resume:
        again = "campus-gateway upgrade --list" if installed else "campus-gateway apply --resume, or --revert"
        raise _Refused(f"a trial is under way ({standing.kind}, {standing.state}): {again}")
    return end(watched(book, standing) if installed else carry(book, ApplyWay(ByHand()), say))


def _content(arguments: argparse.Namespace, site: Path, copies: list[Path]) -> bytes:
    if arguments.revert:
        former = [copy for copy in copies if copy.read_bytes() != site.read_bytes()]
        if not former:
            raise _Refused(f"there is no file before {site}")
        say(f"back to {former[-1].name}")
        return former[-1].read_bytes()
    if arguments.file is None:
        raise _Refused("which file? campus-gateway apply NEW.toml")
    content: bytes = arguments.file.read_bytes()
    return content


def checked(staged: Path, shown: str) -> None:
    """As `campus-gateway check` says, under the name that the person gave. Raises _Refused."""
    command = [sys.executable, "-I", "-m", "gateway", "check", "--json", str(staged)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        errors = json.loads(done.stdout)["errors"] if done.stdout else [{"file": shown, "line": 1, "key": "", "text": done.stderr}]
        lines = (f"{shown if e['file'] == str(staged) else e['file']}:{e['line']}: {e['key']}: {e['text']}" for e in errors)
        raise _Refused("\n".join(("nothing was changed:", *lines)))


def _told(old: Settings, new: Settings, site: Path, arguments: argparse.Namespace) -> str:
    """Shows what changes; in one line for the event. Raises _Refused where a person must decide first."""
    from gateway.runtime.apply import changes, objections
    from gateway.runtime.trial_health import Health

    found = changes(old, new)
    for change in found:
        print(f"  {change}")
    if not found:
        print("  nothing but comments and order")
    status = Health(old.door_path, "apply", "", "").running()
    if old.state_dir != new.state_dir:
        raise _Refused(f"state_dir would change from {old.state_dir} to {new.state_dir}: stop the daemon and move the folder by hand")
    against = list(objections(old, new, status))
    if against and not arguments.anyway:
        raise _Refused("\n".join(("a person must decide first; with --anyway it is done all the same", *against)))
    if status is None and not arguments.check:
        raise _Refused(
            f"no daemon answers at {old.door_path}: check the file with `campus-gateway check`, put it to {site}, start the daemon"
        )
    return "; ".join([*map(str, found), *against])[:200]


def _begin(arguments: argparse.Namespace, book: object, old: Settings, staged: Path, words: str, *, installed: bool) -> int:
    from gateway.runtime.apply import KIND, ApplyWay, keep_copy
    from gateway.runtime.trial import Trial
    from gateway.runtime.trial_book import Book, moment
    from gateway.runtime.trial_health import Health
    from gateway.runtime.trial_run import ByHand, Systemd, carry
    from gateway.runtime.upgrade import Places

    assert isinstance(book, Book)
    receipt, site = not arguments.no_receipt, arguments.site.resolve()
    if receipt and (missing := signs_now(old.door_path, KIND)):
        staged.unlink()
        raise _Refused(NOT_WELL.format(missing))
    running = Health(old.door_path, KIND, "", "").running()
    assert running is not None
    places, units = Places(), Systemd() if installed else ByHand()
    known = {device for device, up in running["devices"].items() if up}
    trial = Trial(
        KIND, str(keep_copy(site, moment().at)), str(staged), str(site), arguments.within, by=name_of_user(), receipt=receipt,
        daemon=str(running["bootid"]), devices=tuple(sorted(known & _devices(staged))), units=units.active(),
        more={"door": str(old.door_path), "words": words},
    )  # fmt: skip
    if installed:
        places.point(places.before, places.version(places.current))  # who decides on the way back
    book.keep(trial)
    return end(in_unit(book, trial) if installed else carry(book, ApplyWay(units), say))


def _devices(staged: Path) -> set[str]:
    from gateway.config.apart import Loading

    return {device.id for device in Loading(staged).result().site.devices}
