"""`campus-centre`: the linkage centre as a program of its own: keygen, run, report."""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import re
import signal
import sqlite3
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

from simulators.centre.keys import BadKeyFile, Trust, make_key, read_key, read_trust
from simulators.centre.ledger import Ledger, Verdict
from simulators.centre.lines import as_json, as_text
from simulators.centre.station import BadLink, Manners, Station, link_from
from simulators.centre.store import Store

EXIT_UNUSABLE = 2  # a file, an address or an argument that cannot be used
ID_PATTERN = r"[a-z0-9-]{1,48}"


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status: 0; 1 when the store fails; 2 with one line on stderr for what cannot be used."""
    warnings.filterwarnings("ignore", message="EdDSA is deprecated")  # the contract's algorithm name, RFC 8037
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")
    arguments = _parser().parse_args(argv)
    try:
        return int(arguments.work(arguments))
    except (BadKeyFile, BadLink) as problem:
        print(f"campus-centre: {problem}", file=sys.stderr)
        return EXIT_UNUSABLE
    except sqlite3.Error as problem:
        print(f"campus-centre: {arguments.db or 'memory'}: {problem}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        return 1


def _keygen(arguments: argparse.Namespace) -> int:
    print(json.dumps(make_key(arguments.file, arguments.id)))
    return 0


def _run(arguments: argparse.Namespace) -> int:
    key = read_key(arguments.key)
    link = link_from(arguments.url, arguments.protocol, arguments.ca, arguments.cert, arguments.key_file)
    ledger = Ledger(read_trust(arguments.trust), arguments.prefix, key.by, arguments.silent_after)
    store = Store(arguments.db or ":memory:")
    _recall(store, ledger)
    manners = Manners(not arguments.no_receipts, arguments.receipt_delay_ms, arguments.result == "unusable")
    station = Station(ledger, store, key, link, arguments.prefix, manners, _tell_json if arguments.json else _tell_text)

    def enrol() -> None:
        try:
            ledger.trust = read_trust(arguments.trust)
        except BadKeyFile as problem:
            print(f"campus-centre: {problem}; keeping the keys as they were", file=sys.stderr)

    async def serve() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        loop.add_signal_handler(signal.SIGHUP, enrol)
        await station.run(stop)

    try:
        asyncio.run(serve())
    except ExceptionGroup as group:  # a TaskGroup's way of telling one error
        raise _first(group) from group
    finally:
        store.close()
    return 0


def _report(arguments: argparse.Namespace) -> int:
    if not arguments.db.exists():
        raise BadKeyFile(f"{arguments.db}: no such file")
    store = Store(arguments.db)
    ledger = Ledger(Trust({}), "", arguments.recipient)
    _recall(store, ledger)
    store.close()
    report = ledger.report()
    if arguments.json:
        print(json.dumps(report))
        return 0
    for source, gateway in report["gateways"].items():
        print(source)
        for name, value in gateway.items():
            print(f"  {name:13} {value}")
    return 0


def _recipient(text: str) -> str:
    if not re.fullmatch(ID_PATTERN, text):
        raise argparse.ArgumentTypeError("expected a-z, 0-9 and -, at most 48 characters")
    return text


def _first(group: ExceptionGroup[Exception]) -> Exception:
    first = group.exceptions[0]
    return _first(first) if isinstance(first, ExceptionGroup) else first


def _recall(store: Store, ledger: Ledger) -> None:
    for record in store.records():
        ledger.recall(record)
    for source, body in store.heartbeats():
        ledger.recall_heartbeat(source, body)


def _tell_json(verdict: Verdict) -> None:
    line = as_json(verdict)
    if line is not None:
        print(json.dumps(line, ensure_ascii=False), flush=True)


def _tell_text(verdict: Verdict) -> None:
    line = as_text(verdict)
    if line is not None:
        print(line, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="campus-centre", description="Linkage centre: verifies gateways' events and signs receipts.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    keygen = commands.add_parser("keygen", help="make the centre's key; prints {kid, x} for the site file")
    keygen.add_argument("--id", required=True, type=_recipient, help="recipient id, as in [[uplink.recipients]] of the site file")
    keygen.add_argument("file", type=Path, metavar="FILE", help="where the private key goes (mode 0600, never overwritten)")
    keygen.set_defaults(work=_keygen, db=None)

    run = commands.add_parser("run", help="subscribe, verify, keep, receipt", formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    run.add_argument("--url", required=True, help="mqtt://127.0.0.1:1883 on loopback, mqtts://host:8883 elsewhere")
    run.add_argument("--key", required=True, type=Path, metavar="FILE", help="private key made by keygen")
    run.add_argument("--trust", required=True, type=Path, metavar="FILE", help="enrolled gateway keys (JSON), read again on SIGHUP")
    run.add_argument("--prefix", default="campus/v1", help="first part of every topic")
    run.add_argument("--protocol", choices=("5", "3.1.1"), default="5", help="MQTT version")
    run.add_argument("--ca", default="", metavar="FILE", help="certificates of the broker's CA")
    run.add_argument("--cert", default="", metavar="FILE", help="the centre's own certificate")
    run.add_argument("--key-file", default="", metavar="FILE", help="private key of that certificate")
    run.add_argument("--db", type=Path, metavar="FILE", help="SQLite file that keeps everything; without it, memory")
    run.add_argument("--json", action="store_true", help="one JSON object a line")
    run.add_argument("--silent-after", type=float, default=0.0, metavar="S", help="0: as each gateway's heartbeat says")
    manners = run.add_mutually_exclusive_group()
    manners.add_argument("--no-receipts", action="store_true", help="stay silent (to try a gateway)")
    manners.add_argument("--receipt-delay-ms", type=int, default=0, metavar="N", help="answer late (to try a gateway)")
    manners.add_argument("--result", choices=("received", "unusable"), default="received", help="what receipts say (to try a gateway)")
    run.set_defaults(work=_run)

    report = commands.add_parser("report", help="counts, gaps and chain state from the stored events")
    report.add_argument("--db", required=True, type=Path, metavar="FILE")
    report.add_argument("--recipient", default="police", type=_recipient, help="whose heartbeat figures count", metavar="ID")
    report.add_argument("--json", action="store_true")
    report.set_defaults(work=_report)
    return parser


if __name__ == "__main__":
    sys.exit(main())
