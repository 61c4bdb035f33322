"""The command line: campus-gateway journal verify, export and migrate."""

from __future__ import annotations

import argparse
import json
import sqlite3
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from gateway import command_migrate

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

    from gateway.contract.jws import Signer, TrustedKey
    from gateway.journal.verify import Verdict

NAMED = 20  # removed alarms on the screen
VERIFY_EPILOG = """exit status: 0 whole, 1 broken, 2 cannot be read
examples:
  campus-gateway journal verify --config site.toml
  campus-gateway journal verify --state-dir /mnt/card/campus-gateway --key enrolled.json
  campus-gateway journal verify --export november.ndjson --key enrolled.json"""
EXPORT_EPILOG = """examples:
  campus-gateway journal export --from 2026-11-01 --to 2026-11-30 --out november.ndjson
  campus-gateway journal export --class alarm --point panic-gatehouse --format csv --out panic.csv
  campus-gateway journal export --trends --point gas-kitchen --from 2026-11-21 --out gas.csv
Times without an offset are the site's; a date given to --to is included."""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser], site: str) -> None:
    """Add `journal` to the command line."""
    journal = commands.add_parser("journal", help="prove the event log whole, or export it as evidence (事件日志)")
    parts = journal.add_subparsers(title="commands", metavar="COMMAND", required=True)

    prove = parts.add_parser(
        "verify",
        help="prove the event log whole, or name the first broken link (校验)",
        description="Compute every event's form, sha-256, signature, number and link to the one before it anew, in the present file\n"
        "and in those set aside. Reads only; the daemon may run meanwhile.",
        epilog=VERIFY_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _place(prove, site)
    prove.add_argument("--export", metavar="FILE", type=Path, help="prove an exported NDJSON file instead")
    prove.add_argument("--json", action="store_true", help="one JSON object")
    prove.set_defaults(handler=_verify)

    export = parts.add_parser(
        "export",
        help="sealed events as NDJSON with a signed last line, or as CSV (导出)",
        description="Write sealed events out: NDJSON for proof (the bodies unchanged, and a signed last line with count, range and\n"
        "sha-256), CSV for people (Excel and WPS open it).",
        epilog=EXPORT_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _place(export, site)
    export.add_argument("--from", dest="first", metavar="TIME", help="first day or moment")
    export.add_argument("--to", dest="last", metavar="TIME", help="last day, or the moment before which")
    export.add_argument("--class", dest="classes", metavar="CLASS", action="append", default=[], help="alarm, fault, ...; may be repeated")
    export.add_argument("--point", dest="points", metavar="POINT", action="append", default=[], help="may be repeated")
    export.add_argument("--format", choices=["ndjson", "csv"], default="ndjson")
    export.add_argument("--trends", action="store_true", help="minutes of measured values as CSV instead (趋势)")
    export.add_argument("--out", metavar="FILE", type=Path, help="a new file; default: standard output")
    export.set_defaults(handler=_export)
    command_migrate.add(parts, site)


def _place(parser: argparse.ArgumentParser, site: str) -> None:
    parser.add_argument("--config", metavar="SITE.toml", default=site, help=f"site file; default: {site}")
    parser.add_argument("--state-dir", metavar="DIR", type=Path, help="where journal and key lie; the site file is then not needed")
    parser.add_argument("--key", metavar="FILE", type=Path, action="append", default=[], help="public key from enrolment: JSON or PEM")


class _Refused(Exception):
    """Why nothing can be done, in one line."""


def _state_dir(arguments: argparse.Namespace) -> tuple[Path, ZoneInfo, str]:
    """(state folder, the site's zone, full name of the gateway; UTC and empty without a site file)."""
    from zoneinfo import ZoneInfo

    if arguments.state_dir is not None:
        return arguments.state_dir, ZoneInfo("UTC"), ""
    from gateway.config.load import load_site
    from gateway.config.settings import ConfigRefused

    try:
        settings = load_site(arguments.config)
    except ConfigRefused as refused:
        raise _Refused(str(refused)) from None
    return settings.state_dir, ZoneInfo(settings.site.site.timezone), settings.source


def _signer(state_dir: Path) -> Signer | None:
    """This gateway's own signer; None where its key is not here. Never makes one."""
    from gateway.contract.jws import Signer
    from gateway.runtime.keys import event_key_file

    path = event_key_file(state_dir)
    try:
        return Signer(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise _Refused(f"{path} cannot be used: {error}") from error


def _keys(arguments: argparse.Namespace, state_dir: Path | None) -> dict[str, TrustedKey]:
    """kid -> key: the gateway's own, present and former, and those given with --key. Raises _Refused when there is none."""
    from gateway.contract.jws import TrustedKey
    from gateway.runtime.keys import public_keys

    signer = None if state_dir is None else _signer(state_dir)
    found = [] if state_dir is None else public_keys(state_dir)[0]
    found += [] if signer is None else [signer.public()]
    for path in arguments.key:
        found += _read_keys(path)
    if not found:
        raise _Refused("there is no key to verify with; give the public key of the enrolment with --key FILE")
    return {key["kid"]: TrustedKey(key["kid"], key["x"], "gateway") for key in found}


def _read_keys(path: Path) -> list[dict[str, str]]:
    """Keys of a file: what `campus-gateway key` prints, a list of those under "keys", or a public key in PEM."""
    from base64 import urlsafe_b64encode

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    from gateway.journal.verify import public_key, thumbprint

    try:
        text = path.read_bytes()
        if text.lstrip().startswith(b"-----"):
            key = load_pem_public_key(text)
            if not isinstance(key, Ed25519PublicKey):
                raise ValueError("a key of another kind")
            xs = [urlsafe_b64encode(key.public_bytes_raw()).rstrip(b"=").decode()]
        else:
            content = json.loads(text)
            xs = [str(item["x"]) for item in content.get("keys", [content])]
            for x in xs:
                public_key(x)
    except OSError as error:
        raise _Refused(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _Refused(f"{path} holds no Ed25519 public key: {error}") from error
    return [{"kid": thumbprint(x), "x": x} for x in xs]


def _verify(arguments: argparse.Namespace) -> int:
    from gateway.journal.verify import Unreadable

    try:
        return _verify_export(arguments) if arguments.export else _verify_files(arguments)
    except (_Refused, Unreadable) as error:
        sys.stderr.write(f"campus-gateway: {error}\n")
        return 2


def _verify_export(arguments: argparse.Namespace) -> int:
    from gateway.journal.export import check_ndjson

    state_dir = None if arguments.key and arguments.state_dir is None else _state_dir(arguments)[0]
    count, wrong = check_ndjson(arguments.export, _keys(arguments, state_dir))
    if arguments.json:
        print(json.dumps({"whole": not wrong, "events": count, "broken": wrong}, ensure_ascii=False))
    else:
        print(f"{arguments.export}: {f'broken: {wrong}' if wrong else f'whole: {count} events, as exported'}")
    return int(bool(wrong))


def _verify_files(arguments: argparse.Namespace) -> int:
    from gateway.journal.verify import public_key, verify

    state_dir = _state_dir(arguments)[0]
    keys = {kid: public_key(key.x) for kid, key in _keys(arguments, state_dir).items()}
    began_s = time.monotonic()

    def progress(count: int) -> None:
        if sys.stderr.isatty():
            sys.stderr.write(f"\r{count} events, {count / (time.monotonic() - began_s):.0f} a second ")

    verdict = verify(state_dir, keys, progress)
    took_s = max(time.monotonic() - began_s, 0.001)
    if sys.stderr.isatty():
        sys.stderr.write("\r\033[K")
    print(json.dumps(_as_json(verdict, took_s), ensure_ascii=False) if arguments.json else "\n".join(_lines(verdict, took_s)))
    return int(bool(verdict.broken))


def _as_json(verdict: Verdict, took_s: float) -> dict[str, object]:
    return {
        "whole": not verdict.broken,
        "events": verdict.events,
        "carried": verdict.carried,
        "stubs": verdict.stubs,
        "checkpointed": verdict.checkpointed,
        "removed": dict(sorted(verdict.removed.items())),
        "removed_alarms": verdict.alarms,
        "epochs": [{"epoch": epoch, "first": span.first, "last": span.last} for epoch, span in sorted(verdict.epochs.items())],
        "broken": [
            {
                "file": b.file,
                "epoch": b.epoch,
                "sequence": b.sequence,
                "id": b.id,
                "text": b.text,
                "last_good": b.last_good,
                "behind": b.behind,
                "further": b.gaps,
                "line": str(b),
            }
            for b in verdict.broken
        ],
        "notes": verdict.notes,
        "events_per_s": round((verdict.events + verdict.stubs) / took_s),
    }


def _lines(verdict: Verdict, took_s: float) -> list[str]:
    lines = [f"note: {note}" for note in verdict.notes] + _removed(verdict)
    total = verdict.events + verdict.stubs
    rate = f"{total} checked in {took_s:.1f} s, {total / took_s:.0f} a second"
    if verdict.broken:
        return [*lines, *(f"broken: {broken}" for broken in verdict.broken), rate]
    spans = sorted(verdict.epochs.items())
    epochs = f"epoch {spans[0][0]}" if len(spans) == 1 else f"epochs {spans[0][0]}-{spans[-1][0]}" if spans else "no epoch"
    ranges = "; ".join(f"{span.first}-{span.last}" for _, span in spans)
    removed = verdict.stubs + verdict.checkpointed
    further = f"; {removed} removed ones proved by stub or checkpoint" if removed else ""
    return [*lines, f"whole: {verdict.events} events, {epochs}, sequence {ranges}{further}", rate]


def _removed(verdict: Verdict) -> list[str]:
    """What is gone, by class; the alarms by name as far as their stubs are here."""
    if not verdict.removed:
        return []
    lines = ["removed: " + ", ".join(f"{count} {name}" for name, count in sorted(verdict.removed.items()))]
    if verdict.alarms:
        more = f" and {len(verdict.alarms) - NAMED} more (--json names all)" if len(verdict.alarms) > NAMED else ""
        lines.append(f"removed alarms: {', '.join(verdict.alarms[:NAMED])}{more}")
    return lines


def _export(arguments: argparse.Namespace) -> int:
    from gateway.journal.verify import Unreadable

    try:
        if arguments.out is None:
            return _export_to(arguments, sys.stdout.buffer)
        with arguments.out.open("xb") as out:
            return _export_to(arguments, out)
    except FileExistsError:
        sys.stderr.write(f"campus-gateway: {arguments.out} exists; evidence is not written over\n")
    except (_Refused, Unreadable, OSError) as error:
        if isinstance(error, BrokenPipeError):
            raise
        sys.stderr.write(f"campus-gateway: {error}\n")
        if arguments.out is not None:
            arguments.out.unlink(missing_ok=True)
    return 2


def _export_to(arguments: argparse.Namespace, out: BinaryIO) -> int:
    from gateway.core.points import EventClass
    from gateway.journal.export import Selection, utc_ms, write_csv, write_ndjson

    state_dir, zone, source = _state_dir(arguments)
    unknown = set(arguments.classes) - {str(name) for name in EventClass}
    if unknown:
        raise _Refused(f"there is no event class {', '.join(sorted(unknown))}; expected {', '.join(EventClass)}")
    wanted = Selection(classes=frozenset(arguments.classes), points=frozenset(arguments.points))
    try:
        from_ms = utc_ms(arguments.first, zone) if arguments.first else wanted.from_ms
        to_ms = utc_ms(arguments.last, zone, end=True) if arguments.last else wanted.to_ms
    except ValueError as error:
        raise _Refused(f"{error}; write 2026-11-21 or 2026-11-21T08:00") from None
    wanted = Selection(from_ms, to_ms, wanted.classes, wanted.points)
    if arguments.trends:
        from gateway.journal import trends

        try:
            count = trends.write_csv(state_dir, out, zone, wanted.points, from_ms, to_ms)
        except sqlite3.Error as error:
            raise _Refused(f"the trends in {state_dir} cannot be read: {error}") from error
        sys.stderr.write(f"{count} minutes written\n")
        return 0
    if arguments.format == "csv":
        done = write_csv(state_dir, wanted, out, zone)
    else:
        signer = _signer(state_dir)
        if signer is None:
            raise _Refused(f"{state_dir} holds no event key; an export that nobody signs proves nothing (--format csv needs none)")
        done = write_ndjson(state_dir, wanted, out, signer, source, time.time_ns() // 1_000_000)
    for text in done.unreadable:
        sys.stderr.write(f"warning: not everything could be relied on: {text}\n")
    sys.stderr.write(f"{done.count} events written\n")
    return 0
