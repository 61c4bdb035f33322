"""The command line for what is kept of cameras: campus-gateway evidence list, show, export."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gateway.config.settings import Settings
    from gateway.runtime.evidence import Kept

Site = Callable[[argparse.ArgumentParser], None]
Ask = Callable[[argparse.Namespace, dict[str, object]], dict[str, object] | None]
HASHED_BYTES = 1 << 20


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser], site: Site, ask: Ask) -> None:
    """Add them. site: adds the options that say which daemon; ask: asks the daemon anything."""
    evidence = commands.add_parser(
        "evidence",
        help="pictures and clips of alarms (视频证据): list, show, export",
        description="Pictures and clips that cameras kept for alarms. They lie encrypted in STATE_DIR/evidence and are deleted after\n"
        "[vision] evidence_hours. To read one takes a name and a reason, which go on record before the key of that one file is\n"
        "given; the daemon must run. The main stream is on the recorder: its ids and the time stand in the event evidence.ready.",
        epilog="Example:  campus-gateway evidence list\n"
        "          campus-gateway evidence export 0190... --to gate.mp4 --by 王建国 --why '民警调取，案号 …'",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    what = evidence.add_subparsers(title="what", metavar="WHAT", required=True)
    lists = what.add_parser("list", help="all of them: camera, time, cause, size, when it will be deleted", description="List them.")
    site(lists)
    lists.add_argument("--json", action="store_true")
    lists.set_defaults(handler=_list)
    show = what.add_parser(
        "show", help="everything about one, its file's sha-256 included; the picture stays closed", description="Show one."
    )
    show.add_argument("id", metavar="ID")
    site(show)
    show.set_defaults(handler=_show)
    export = what.add_parser("export", help="write one in clear; goes on record", description="Decrypt one. Leaves an audit event.")
    export.add_argument("id", metavar="ID")
    site(export)
    export.add_argument("--to", metavar="FILE", required=True, help="a new file, mode 0600; .jpg or .mp4")
    export.add_argument("--by", metavar="NAME", required=True, help="who reads it")
    export.add_argument("--why", metavar="REASON", required=True, help="for what; it is part of the record")
    export.set_defaults(handler=lambda arguments: _export(arguments, ask))


def _settings(arguments: argparse.Namespace) -> Settings | None:
    from gateway.config.load import load_site
    from gateway.config.settings import ConfigRefused

    try:
        return load_site(arguments.config, state_dir=arguments.state_dir)
    except ConfigRefused as refused:
        sys.stderr.write(f"{refused}\n")
        return None


def _folder(settings: Settings) -> Path:
    from gateway.config.settings import EVIDENCE_NAME

    return settings.state_dir / EVIDENCE_NAME


def _list(arguments: argparse.Namespace) -> int:
    from gateway.runtime.evidence import OUTGOING, look

    settings = _settings(arguments)
    if settings is None:
        return 1
    folder = _folder(settings)
    try:
        files = look(folder) if folder.exists() else []
    except OSError as error:
        return _refuse(f"{folder} cannot be read: {error.strerror}")
    items = [_item(folder, kept, settings.site.vision.evidence_hours) for kept in files if f".{OUTGOING}." not in kept.name]
    if arguments.json:
        print(json.dumps({"evidence": items}, ensure_ascii=False))
    elif not items:
        print("nothing is kept at present")
    for item in [] if arguments.json else items:
        trouble = f"  {item['trouble']}" if item["trouble"] else ""
        print(f"{item['id']}  {item['kind']:<5}  {item['camera']:<16}  {item['from']}  {item['bytes'] / 1000:8.0f} kB  "
              f"deleted {item['deleted_at']}  cause {', '.join(item['cause']) or item['by'] or '-'}{trouble}")  # fmt: skip
    return 0


def _item(folder: Path, kept: Kept, hours: float) -> dict[str, Any]:
    """One line of the list; what cannot be read says so."""
    from gateway.runtime.evidence_file import EvidenceRefused, read_head

    head: dict[str, Any] = {}
    trouble = ""
    try:
        head = read_head(folder / kept.name)
    except (OSError, EvidenceRefused) as error:
        trouble = str(error)
    return {
        "id": kept.id,
        "kind": kept.kind,
        **{name: str(head.get(name, "")) for name in ("camera", "from", "to", "media_type", "by")},
        "cause": [str(event) for event in head.get("cause", [])],
        "bytes": kept.size_bytes,
        "deleted_at": time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(kept.written_s + hours * 3600)),
        "trouble": trouble,
    }


def _show(arguments: argparse.Namespace) -> int:
    import hashlib

    from gateway.core.errors import DoorRefused
    from gateway.runtime.evidence import Kept, find

    settings = _settings(arguments)
    if settings is None:
        return 1
    try:
        path = find(_folder(settings), arguments.id)
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while part := file.read(HASHED_BYTES):
                digest.update(part)
        stat = path.stat()
    except (DoorRefused, OSError) as error:
        return _refuse(str(error))
    item = _item(path.parent, Kept(path.name, stat.st_mtime, stat.st_size), settings.site.vision.evidence_hours)
    print(json.dumps({**item, "file": str(path), "file_sha256": digest.hexdigest()}, ensure_ascii=False, indent=1))
    return 0


def _export(arguments: argparse.Namespace, ask: Ask) -> int:
    from gateway.runtime.evidence_file import EvidenceRefused, opened

    settings = _settings(arguments)
    if settings is None:
        return 1
    target = Path(arguments.to)
    if target.exists():
        return _refuse(f"{target} exists; evidence is not written over")
    answer = ask(arguments, {"op": "evidence_key", "picture": arguments.id, "by": arguments.by, "why": arguments.why})
    if answer is None:
        return 1
    if not answer.get("ok"):
        return _refuse(str(answer.get("error")))
    path = _folder(settings) / str(answer["file"])
    try:
        plain = opened(path.read_bytes(), bytes.fromhex(str(answer["key"])), path.name)
        with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(plain)
    except (OSError, EvidenceRefused) as error:
        return _refuse(str(error))
    print(f"{target}: {len(plain)} bytes; on record as read by {arguments.by}")
    return 0


def _refuse(why: str) -> int:
    sys.stderr.write(f"campus-gateway: {why}\n")
    return 1
