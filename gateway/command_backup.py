"""The command line for copies: campus-gateway backup, restore, retention."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gateway.runtime.backup_files import Place

FOLDER = "/var/backups/campus-gateway"
Site = Callable[[argparse.ArgumentParser], None]
BACKUP = """examples:
  sudo campus-gateway backup                             into /var/backups/campus-gateway, as each night
  sudo campus-gateway backup --to /media/stick --keep 3
  sudo campus-gateway backup list
  campus-gateway backup verify FILE
Without --with-keys a backup holds no private key: restored elsewhere it makes a gateway with a new key, which the centre must enroll.
Exit status: 0 done, 1 refused or broken."""
RESTORE = """The backup goes into an empty state folder, never over a journal: what is only there would be lost, and alarms with it.
The daemon begins a new epoch by itself (docs/journal.md), and tells the centre."""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser], site: Site) -> None:
    """Add `backup`, `restore` and `retention`. site: adds the options that say which gateway."""
    backup = commands.add_parser(
        "backup",
        help="copy journal, reports, accounts and site file while the daemon runs (备份)",
        description="Make one .tar.gz with a manifest of sha-256, whole or not at all. The daemon may run. What is in it, and what\n"
        "a copy of a journal means: docs/backup.md.",
        epilog=BACKUP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    backup.add_argument("what", nargs="?", choices=["list", "verify"], help="list those that there are; prove one whole")
    backup.add_argument("file", nargs="?", metavar="FILE", type=Path, help="of verify")
    site(backup)
    backup.add_argument("--to", metavar="DIR", type=Path, default=Path(FOLDER), help=f"folder of backups; default: {FOLDER}")
    backup.add_argument("--keep", metavar="N", type=_count, default=7, help="so many stay; default: 7")
    backup.add_argument("--most-mb", metavar="MB", type=_megabytes, default=2000.0, help="and at most so much of them; the newest stays")
    backup.add_argument("--leave-mb", metavar="MB", type=_megabytes, default=256.0, help="to stay free on the disk; default: 256")
    backup.add_argument(
        "--with-keys", action="store_true", help="private keys too, closed with a password: whoever opens it is this gateway"
    )
    backup.add_argument("--password-file", metavar="FILE", type=Path, help="its first line closes the keys; at least 12 characters")
    backup.add_argument("--json", action="store_true", help="one JSON object")
    backup.set_defaults(handler=_backup)

    restore = commands.add_parser(
        "restore",
        help="unpack a backup into an empty state folder (恢复)",
        description=RESTORE,
        epilog="Example:  sudo campus-gateway restore /media/stick/campus-gateway-...tar.gz --state-dir /var/lib/campus-gateway",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    restore.add_argument("file", metavar="FILE", type=Path)
    restore.add_argument("--state-dir", metavar="DIR", type=Path, required=True, help="where journal and reports go; without a journal yet")
    restore.add_argument(
        "--config-dir", metavar="DIR", type=Path, help="where site file and what it names go; default: they stay in the backup"
    )
    restore.add_argument("--password-file", metavar="FILE", type=Path, help="opens the keys of a backup made --with-keys")
    restore.set_defaults(handler=_restore)

    retention = commands.add_parser(
        "retention",
        help="remove what is past its time: evidence while no daemon runs, old backups (到期清理)",
        description="Done by a timer each hour. The daemon removes evidence, events and reports itself; this is for what it does not see.",
    )
    site(retention)
    retention.add_argument("--to", metavar="DIR", type=Path, default=Path(FOLDER), help=f"folder of backups; default: {FOLDER}")
    retention.add_argument("--days", metavar="N", type=_megabytes, default=35.0, help="age of a backup at which it goes, but the newest")
    retention.add_argument("--json", action="store_true", help="one JSON object")
    retention.set_defaults(handler=_retention)


def _count(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 1000:
        raise argparse.ArgumentTypeError(f'"{text}" is not a number from 1 to 1000')
    return int(text)


def _megabytes(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = -1.0
    if not 0 <= found < 1e9:
        raise argparse.ArgumentTypeError(f'"{text}" is not a number from 0 on')
    return found


def _backup(arguments: argparse.Namespace) -> int:
    from gateway.runtime.backup_files import BackupRefused

    try:
        if arguments.what == "list":
            return _list(arguments)
        if arguments.what == "verify":
            return _verify(arguments)
        return _make(arguments)
    except BackupRefused as refused:
        return _refuse(str(refused))


def _make(arguments: argparse.Namespace) -> int:
    from gateway.runtime.backup import Wish, make
    from gateway.runtime.backup_files import BackupRefused
    from gateway.runtime.clock import Clock

    if arguments.with_keys is not (arguments.password_file is not None):
        raise BackupRefused("--with-keys and --password-file FILE belong together: keys leave this computer only closed with a password")
    password = _password(arguments.password_file)
    now, began_s = Clock().now(), time.monotonic()
    wish = Wish(arguments.keep, arguments.most_mb, arguments.leave_mb, password, now.clock != "unknown")
    made = make(_place(arguments), arguments.to, wish, now.at_ms, now.clock)
    size = made.path.stat().st_size
    if arguments.json:
        print(json.dumps({"file": str(made.path), "bytes": size, "removed": made.removed, **made.manifest}, ensure_ascii=False))
        return 0
    events = made.manifest.get("journal", {}).get("events", 0)
    keys, took_s = "with private keys, closed" if arguments.with_keys else "without private keys", time.monotonic() - began_s
    print(f"{made.path}: {size / 1e6:.1f} MB, {events} events, {len(made.manifest['files'])} files, {keys}, {took_s:.1f} s")
    for name in made.removed:
        print(f"removed: {name}")
    for what, why in made.manifest["left_out"].items():
        if "cannot be read" in why:
            print(f"not in it: {what} {why}")
    return 0


def _place(arguments: argparse.Namespace) -> Place:
    from gateway.runtime.backup_files import place_of

    return place_of(Path(arguments.config), None if arguments.state_dir is None else Path(arguments.state_dir))


def _password(file: Path | None) -> str:
    from gateway.runtime.backup_files import BackupRefused

    if file is None:
        return ""
    try:
        return file.read_text(encoding="utf-8").split("\n", 1)[0].strip()
    except (OSError, UnicodeDecodeError) as error:
        raise BackupRefused(f"{file} cannot be read: {error}") from None


def _list(arguments: argparse.Namespace) -> int:
    from gateway.runtime.backup import backups, read_manifest
    from gateway.runtime.backup_files import BackupRefused

    items: list[dict[str, Any]] = []
    for path in backups(arguments.to):
        item: dict[str, Any] = {"file": str(path), "bytes": path.stat().st_size}
        try:
            manifest = read_manifest(path)
            item |= {name: manifest.get(name) for name in ("source", "version", "made_at", "keys", "journal")}
        except BackupRefused as refused:
            item["trouble"] = str(refused)
        items.append(item)
    if arguments.json:
        print(json.dumps({"backups": items}, ensure_ascii=False))
    elif not items:
        print(f"there is no backup in {arguments.to}")
    for item in [] if arguments.json else items:
        journal = item.get("journal") or {}
        words = item.get("trouble") or f"{journal.get('events', 0)} events to {journal.get('newest_at', '-')}, keys {item['keys']}"
        print(f"{item['file']}  {item['bytes'] / 1e6:8.1f} MB  {words}")
    return int(any("trouble" in item for item in items))


def _verify(arguments: argparse.Namespace) -> int:
    from gateway.runtime.backup_files import BackupRefused
    from gateway.runtime.backup_restore import verify

    if arguments.file is None:
        raise BackupRefused("verify needs the name of a file; `backup list` shows those that there are")
    manifest, wrong = verify(arguments.file)
    if arguments.json:
        print(json.dumps({"whole": not wrong, "wrong": wrong, "manifest": manifest}, ensure_ascii=False))
    else:
        journal = manifest.get("journal", {})
        whole = f"whole: {len(manifest['files'])} files, {journal.get('events', 0)} events to {journal.get('newest_at', '-')}"
        print("\n".join(f"{arguments.file}: broken: {line}" for line in wrong) or f"{arguments.file}: {whole}")
    return int(bool(wrong))


def _restore(arguments: argparse.Namespace) -> int:
    from gateway.runtime.backup_files import BackupRefused
    from gateway.runtime.backup_restore import restore

    try:
        done = restore(arguments.file, arguments.state_dir, arguments.config_dir, _password(arguments.password_file))
    except BackupRefused as refused:
        return _refuse(str(refused))
    print(f"{len(done.files)} files of {done.manifest['source']}, made {done.manifest['made_at']}, are in place")
    if done.apart:
        print(f"not put anywhere: {', '.join(done.apart)} (--config-dir DIR takes those that begin with site/)")
    print("The daemon will begin a new epoch, reason `restored`, and tell what stood then once more (docs/journal.md).")
    if not done.has_key:
        print("There is no event key: the gateway makes a new one at its start. Have the centre enroll it: campus-gateway key SITE.toml")
    return 0


def _retention(arguments: argparse.Namespace) -> int:
    from gateway.config.load import load_site
    from gateway.config.settings import ConfigRefused
    from gateway.runtime.backup_files import BackupRefused
    from gateway.runtime.clock import Clock
    from gateway.runtime.retention import retain

    try:
        settings = load_site(arguments.config, state_dir=arguments.state_dir)
        now = Clock().now()
        hours = settings.site.vision.evidence_hours
        gone = retain(settings.state_dir, hours, arguments.to, arguments.days, now.at_ms / 1000, now.clock)
    except (ConfigRefused, BackupRefused) as refused:
        return _refuse(str(refused))
    if arguments.json:
        print(json.dumps({"evidence": gone.evidence, "backups": gone.backups, "daemon_runs": gone.daemon, "failed": gone.failed}))
        return int(bool(gone.failed))
    for kind, names in (("evidence", gone.evidence), ("backup", gone.backups)):
        for name in names:
            print(f"removed {kind}: {name}")
    for line in gone.failed:
        sys.stderr.write(f"campus-gateway: cannot be removed: {line}\n")
    if not gone.evidence and not gone.backups:
        waits = "the clock was never set: nothing is old" if now.clock == "unknown" else "nothing was past its time"
        print(f"{waits}; evidence is the running daemon's own work" if gone.daemon else waits)
    return int(bool(gone.failed))


def _refuse(why: str) -> int:
    sys.stderr.write(f"campus-gateway: {why}\n")
    return 1
