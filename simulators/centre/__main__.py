"""`campus-centre`: the linkage centre as a program of its own: keygen, run, report, command, bridge."""

from __future__ import annotations

import argparse
import asyncio
import errno
import io
import json
import re
import signal
import sqlite3
import sys
import warnings
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import aiomqtt

from simulators.centre.bridge import notices
from simulators.centre.commands import order, send, sign
from simulators.centre.keys import BadKeyFile, Trust, make_key, read_key, read_trust
from simulators.centre.ledger import CLASSES, Ledger, Verdict
from simulators.centre.lines import as_answer, as_json, as_text
from simulators.centre.metrics import Metrics
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
    every_s, classes = arguments.report_every_h * 3600, frozenset(arguments.classes)
    ledger = Ledger(read_trust(arguments.trust), arguments.prefix, key.by, arguments.silent_after, every_s, classes)
    store = Store(arguments.db or ":memory:")
    _recall(store, ledger)
    manners = Manners(not arguments.no_receipts, arguments.receipt_delay_ms, arguments.result == "unusable")
    metrics, tell = Metrics(ledger), _tell_json if arguments.json else _tell_text

    def told(verdict: Verdict) -> None:
        metrics.told(verdict)
        tell(verdict)

    station = Station(ledger, store, key, link, arguments.prefix, manners, told, metrics.receipted)

    def enrol() -> None:
        try:
            ledger.trust = read_trust(arguments.trust)
        except BadKeyFile as problem:
            print(f"campus-centre: {problem}; keeping the keys as they were", file=sys.stderr)

    async def serve() -> None:
        stop = asyncio.Event()
        if arguments.metrics is not None:
            try:
                port = metrics.start("127.0.0.1", arguments.metrics)
            except OSError as problem:
                raise BadLink(f"--metrics {arguments.metrics}: {problem.strerror}") from None
            print(f"metrics http://127.0.0.1:{port}/metrics", file=sys.stderr, flush=True)
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(_quiet)
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
    ledger = Ledger(Trust({}), "", arguments.recipient, classes=frozenset(arguments.classes))
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


def _command(arguments: argparse.Namespace) -> int:
    keys = [read_key(path) for path in arguments.key]
    link = link_from(arguments.url, arguments.protocol, arguments.ca, arguments.cert, arguments.key_file)
    trust = read_trust(arguments.trust)
    further = {name: getattr(arguments, name) for name in ("person", "value", "why", "for_s", "points", "from_epoch", "from_sequence")}
    message = order(keys[0].by, arguments.gateway, arguments.kind, arguments.target, datetime.now(UTC), arguments.life_s, **further)
    sending = send(link, arguments.prefix, arguments.gateway, sign(message, keys), message["id"], trust, arguments.wait_s)
    try:
        answers = asyncio.run(sending)
    except aiomqtt.MqttError as problem:
        raise BadLink(f"{arguments.url}: {problem}") from problem
    for answer in answers:
        print(json.dumps(answer, ensure_ascii=False) if arguments.json else as_answer(answer))
    if not answers:
        print(f"campus-centre: {arguments.gateway} has not answered within {arguments.wait_s:g} s", file=sys.stderr)
    return 0 if answers and answers[-1]["result"] == "done" else 1


def _bridge(arguments: argparse.Namespace) -> int:
    for line in notices(sys.stdin, arguments.zone):
        print(line, flush=True)
    return 0


def _zone(text: str) -> ZoneInfo:
    try:
        return ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError):
        raise argparse.ArgumentTypeError("expected a time zone such as Asia/Shanghai") from None


def _gateway(text: str) -> str:
    if not re.fullmatch(rf"/sites/{ID_PATTERN}/gateways/{ID_PATTERN}", text):
        raise argparse.ArgumentTypeError("expected the gateway's full name, /sites/SITE/gateways/GATEWAY")
    return text


def _recipient(text: str) -> str:
    if not re.fullmatch(ID_PATTERN, text):
        raise argparse.ArgumentTypeError("expected a-z, 0-9 and -, at most 48 characters")
    return text


def _quiet(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """A broker that hangs up at once closes the socket before aiomqtt has registered it; the lost session itself is told elsewhere."""
    error = context.get("exception")
    if not (isinstance(error, OSError) and error.errno == errno.EBADF) and not isinstance(error, ValueError):
        loop.default_exception_handler(context)


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
    run.add_argument("--silent-after", type=float, default=0.0, metavar="S", help="0: as each gateway says")
    run.add_argument(
        "--report-every-h", type=float, default=0.0, metavar="H", help="a daily report must come so often; 0: none is expected"
    )
    run.add_argument("--metrics", type=int, metavar="PORT", help="serve Prometheus metrics on 127.0.0.1; 0 takes a free port")
    run.add_argument("--classes", nargs="*", choices=sorted(CLASSES), default=[], help="the only classes that this centre is entitled to")
    manners = run.add_mutually_exclusive_group()
    manners.add_argument("--no-receipts", action="store_true", help="stay silent (to try a gateway)")
    manners.add_argument("--receipt-delay-ms", type=int, default=0, metavar="N", help="answer late (to try a gateway)")
    manners.add_argument("--result", choices=("received", "unusable"), default="received", help="what receipts say (to try a gateway)")
    run.set_defaults(work=_run)

    report = commands.add_parser("report", help="counts, gaps and chain state from the stored events")
    report.add_argument("--db", required=True, type=Path, metavar="FILE")
    report.add_argument("--recipient", default="police", type=_recipient, help="whose heartbeat figures count", metavar="ID")
    report.add_argument("--classes", nargs="*", choices=sorted(CLASSES), default=[], help="the only classes that it is entitled to")
    report.add_argument("--json", action="store_true")
    report.set_defaults(work=_report)

    bridge = commands.add_parser("bridge", help="lines of `run --json` on standard input become GB/T 28181 alarm notices")
    bridge.add_argument("--zone", type=_zone, default=ZoneInfo("Asia/Shanghai"), help="time zone of the notices")
    bridge.set_defaults(work=_bridge, db=None)

    command = commands.add_parser("command", help="sign one command, send it, and wait for what the gateway says")
    command.add_argument("kind", help="acknowledge, reset, shelve, output, replay ...")
    command.add_argument("target", nargs="?", default="", help="point, point/alarm or output")
    command.add_argument("--gateway", required=True, type=_gateway, metavar="SOURCE", help="full name: /sites/SITE/gateways/GATEWAY")
    command.add_argument("--url", required=True, help="as for run")
    command.add_argument("--key", required=True, type=Path, action="append", metavar="FILE", help="twice for two signatures")
    command.add_argument("--trust", required=True, type=Path, metavar="FILE", help="enrolled gateway keys; other answers are not believed")
    command.add_argument("--prefix", default="campus/v1", help="first part of every topic")
    command.add_argument("--protocol", choices=("5", "3.1.1"), default="5", help="MQTT version")
    for name in ("--ca", "--cert", "--key-file"):
        command.add_argument(name, default="", metavar="FILE", help="as for run")
    command.add_argument("--person", default="", help="who gives the command; goes on record")
    command.add_argument("--value", default="", help="on or off, of an output")
    command.add_argument("--why", default="")
    command.add_argument("--for-s", type=float, default=0.0, metavar="S")
    command.add_argument("--points", nargs="*", default=[], metavar="POINT")
    command.add_argument("--from-epoch", default="", metavar="DIGITS", help="of replay")
    command.add_argument("--from-sequence", default="", metavar="DIGITS", help="of replay")
    command.add_argument("--life-s", type=float, default=60.0, metavar="S", help="until it expires; a gateway takes at most 300")
    command.add_argument("--wait-s", type=float, default=10.0, metavar="S", help="for the answers")
    command.add_argument("--json", action="store_true", help="one JSON object a line")
    command.set_defaults(work=_command, db=None)
    return parser


if __name__ == "__main__":
    sys.exit(main())
