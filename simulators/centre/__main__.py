"""`campus-centre`: the linkage centre as a program of its own: keygen, keys, run, events, report, command, bridge."""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import re
import signal
import sqlite3
import sys
import time
import warnings
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import aiomqtt

from simulators.centre.bridge import notices, read_codes
from simulators.centre.commands import order, send, sign
from simulators.centre.keys import BadKeyFile, Trust, enrol, fingerprint, make_key, read_key, read_trust, remove
from simulators.centre.ledger import CLASSES, Ledger, Verdict
from simulators.centre.lines import as_answer, as_json, as_row, as_text
from simulators.centre.metrics import Metrics
from simulators.centre.session import BadLink, Link, link_from, say
from simulators.centre.station import Manners, Station
from simulators.centre.store import Store
from simulators.quiet import hush

EXIT_UNUSABLE = 2  # a file, an address or an argument that cannot be used
TRUST_LOOK_S = 2.0
FOLLOW_EACH_S = 0.5
ID_PATTERN = r"[a-z0-9-]{1,48}"


EPILOG = """a first centre, on the machine of a broker:
  campus-centre keygen --id police centre.jwk          prints what belongs into the site file
  campus-gateway key site.toml | campus-centre keys add --trust trust.json
  campus-centre run --broker mqtt://127.0.0.1:1883 --key centre.jwk --trust trust.json --db centre.db
  campus-centre events --db centre.db --follow
  campus-centre report --db centre.db
exit status: 0; 1 when the store fails or a command was not done; 2 for what cannot be used; 130 after Ctrl-C"""


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status: 0; 1 when the store fails or a command was not done; 2 with one line on stderr for what cannot be used."""
    warnings.filterwarnings("ignore", message="EdDSA is deprecated")  # the contract's algorithm name, RFC 8037
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")
    arguments = _parser().parse_args(argv)
    try:
        return int(arguments.work(arguments))
    except (BadKeyFile, BadLink) as problem:
        say(f"campus-centre: {problem}")
        return EXIT_UNUSABLE
    except sqlite3.Error as problem:
        say(f"campus-centre: {arguments.db or 'memory'}: {problem}")
        return 1
    except BrokenPipeError:  # whoever read what this prints is gone
        sys.stdout = None  # else the interpreter tries to flush it, and complains
        return 1
    except KeyboardInterrupt:
        return 130


def _keygen(arguments: argparse.Namespace) -> int:
    print(json.dumps(make_key(arguments.file, arguments.id)))
    return 0


def _keys(arguments: argparse.Namespace) -> int:
    """List keys, or change the trust file by one."""
    match arguments.what:
        case "list":
            return _list_keys(arguments)
        case "add":
            try:
                entry = json.loads(arguments.key or sys.stdin.read())
            except ValueError:
                entry = None
            if not isinstance(entry, dict):
                raise BadKeyFile("expected the line that `campus-gateway key SITE.toml` prints: {source, kid, x}")
        case "remove":
            remove(arguments.trust, arguments.gateway, arguments.kid)
            print(f"{arguments.gateway} {arguments.kid}: removed; nothing that it signs counts any more")
            return 0
        case _:
            pending = [one for one in _announced(arguments) if one[:2] == (arguments.gateway, arguments.kid)]
            if not pending:
                raise BadKeyFile(f"{arguments.gateway} has announced no key {arguments.kid} that waits; see campus-centre keys list")
            entry = dict(zip(("source", "kid", "x"), pending[0][:3], strict=True))
    if arguments.fingerprint and arguments.fingerprint != _fingerprint(entry):
        raise BadKeyFile(f"the fingerprint of this key is {_fingerprint(entry)}, not {arguments.fingerprint}; nothing was changed")
    new = enrol(arguments.trust, entry)
    print(f"{entry['source']} {entry['kid']}: {'enrolled' if new else 'was enrolled already'}; fingerprint {_fingerprint(entry)}")
    return 0


def _list_keys(arguments: argparse.Namespace) -> int:
    trust = read_trust(arguments.trust)
    rows = [
        {"source": source, "kid": kid, "state": "enrolled", "x": str(key.as_dict(private=False)["x"])}
        for source, keys in sorted(trust.keys.items())
        for kid, key in keys.items()
    ]
    rows += [
        {"source": source, "kid": kid, "state": "announced", "x": x, "arrived_at": at}
        for source, kid, x, at in (_announced(arguments) if arguments.db else [])
    ]
    for row in rows:
        row["fingerprint"] = fingerprint(row["x"])
        print(json.dumps(row) if arguments.json else "  ".join(row[name] for name in ("source", "state", "kid", "fingerprint")))
    return 0


def _fingerprint(entry: dict[str, Any]) -> str:
    try:
        return fingerprint(str(entry.get("x", "")))
    except ValueError:
        return "none"


def _announced(arguments: argparse.Namespace) -> list[tuple[str, str, str, str]]:
    """(source, kid, x, arrival) of each key that genuine events announced and that is not enrolled."""
    store = _stored(arguments.db)
    ledger = Ledger(read_trust(arguments.trust), "", "")
    at = {}
    for source, arrival, body in store.announced():
        data = json.loads(body)["data"]
        ledger.announce(source, data)
        at[source, str(data.get("kid"))] = arrival
    store.close()
    return [(source, kid, x, at[source, kid]) for source, kid, x in ledger.pending()]


def _stored(db: Path) -> Store:
    """The store of a centre, only to be read."""
    if not db.exists():
        raise BadKeyFile(f"{db}: no such file")
    return Store(db, read_only=True)


def _links(arguments: argparse.Namespace) -> list[Link]:
    """One for each --broker; certificates once for all of them, or once for each."""
    urls: list[str] = arguments.broker
    files: dict[str, list[str]] = {name: getattr(arguments, name) for name in ("ca", "cert", "key_file")}
    for name, given in files.items():
        if len(given) not in (0, 1, len(urls)):
            raise BadLink(f"--{name.replace('_', '-')}: give it once for all brokers, or once for each of the {len(urls)}")

    def of(name: str, number: int) -> str:
        given = files[name]
        return given[number if len(given) > 1 else 0] if given else ""

    links = [link_from(url, arguments.protocol, *(of(name, i) for name in files)) for i, url in enumerate(urls)]
    if len({link.name for link in links}) != len(links):
        raise BadLink("--broker: the same broker is named twice")
    return links


def _run(arguments: argparse.Namespace) -> int:
    key = read_key(arguments.key)
    links = _links(arguments)
    every_s, classes = arguments.report_every_h * 3600, frozenset(arguments.classes)
    ledger = Ledger(read_trust(arguments.trust), arguments.prefix, key.by, arguments.silent_after, every_s, classes)
    store = Store(arguments.db or ":memory:")
    _recall(store, ledger)
    manners = Manners(not arguments.no_receipts, arguments.receipt_delay_ms, arguments.result == "unusable")
    metrics, tell = Metrics(ledger, [link.name for link in links]), _tell_json if arguments.json else _tell_text

    def told(verdict: Verdict) -> None:
        metrics.told(verdict)
        tell(verdict)

    station = Station(ledger, store, key, links, arguments.prefix, manners, told, metrics.receipted)

    async def serve() -> None:
        stop = asyncio.Event()
        if arguments.metrics is not None:
            try:
                port = metrics.start("127.0.0.1", arguments.metrics)
            except OSError as problem:
                raise BadLink(f"--metrics {arguments.metrics}: {problem.strerror}") from None
            say(f"metrics http://127.0.0.1:{port}/metrics")
        loop = asyncio.get_running_loop()
        hush(loop)
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        enrolled = _Enrolled(arguments.trust, ledger)
        loop.add_signal_handler(signal.SIGHUP, enrolled.read)
        async with asyncio.TaskGroup() as tasks:
            watch = tasks.create_task(enrolled.watch())
            await station.run(stop)
            watch.cancel()

    try:
        asyncio.run(serve())
    except ExceptionGroup as group:  # a TaskGroup's way of telling one error
        raise _first(group) from group
    finally:
        store.close()
    return 0


class _Enrolled:
    """The trust file of a running centre: read again when it changes, and on SIGHUP."""

    def __init__(self, path: Path, ledger: Ledger) -> None:
        self._path = path
        self._ledger = ledger
        self._seen = self._stamp()

    def read(self) -> None:
        self._seen = self._stamp()
        try:
            self._ledger.trust = read_trust(self._path)
        except BadKeyFile as problem:
            say(f"campus-centre: {problem}; keeping the keys as they were")
        else:
            say(f"campus-centre: {self._path} read again: keys of {len(self._ledger.trust.keys)} gateways")

    async def watch(self) -> None:
        while True:
            await asyncio.sleep(TRUST_LOOK_S)
            if self._stamp() != self._seen:
                self.read()

    def _stamp(self) -> tuple[int, int, int]:
        try:
            found = self._path.stat()
        except OSError:
            return 0, 0, 0
        return found.st_ino, found.st_mtime_ns, found.st_size


def _report(arguments: argparse.Namespace) -> int:
    store = _stored(arguments.db)
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


def _events(arguments: argparse.Namespace) -> int:
    """What is kept, oldest first; with --follow also what comes, as another process keeps it."""
    store = _stored(arguments.db)
    after = store.newest() - arguments.last if arguments.last is not None else 0
    source, classes = arguments.gateway, frozenset(arguments.classes)
    try:
        while True:
            for number, line in store.lines(max(0, after)):
                after = number
                if source in (None, line["source"]) and (not classes or line["class"] in classes):
                    print(json.dumps(line, ensure_ascii=False) if arguments.json else as_row(line), flush=True)
            if not arguments.follow:
                return 0
            time.sleep(FOLLOW_EACH_S)
    finally:
        store.close()


def _command(arguments: argparse.Namespace) -> int:
    keys = [read_key(path) for path in arguments.key]
    links = _links(arguments)
    trust = read_trust(arguments.trust)
    further = {name: getattr(arguments, name) for name in ("person", "value", "why", "for_s", "points", "from_epoch", "from_sequence")}
    message = order(keys[0].by, arguments.gateway, arguments.kind, arguments.target, datetime.now(UTC), arguments.life_s, **further)

    async def sending() -> tuple[list[dict[str, Any]], list[str]]:
        hush(asyncio.get_running_loop())
        return await send(links, arguments.prefix, arguments.gateway, sign(message, keys), message["id"], trust, arguments.wait_s)

    try:
        answers, problems = asyncio.run(sending())
    except aiomqtt.MqttError as problem:
        raise BadLink(str(problem)) from problem
    for line in problems:
        say(f"campus-centre: {line}")
    for answer in answers:
        print(json.dumps(answer, ensure_ascii=False) if arguments.json else as_answer(answer))
    if not answers:
        print(f"campus-centre: {arguments.gateway} has not answered within {arguments.wait_s:g} s", file=sys.stderr)
    return 0 if answers and answers[-1]["result"] == "done" else 1


def _bridge(arguments: argparse.Namespace) -> int:
    codes = read_codes(arguments.codes) if arguments.codes else {}
    for line in notices(sys.stdin, arguments.zone, codes, say):
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


def _prefix(text: str) -> str:
    if not text or text[0] == "/" or text[-1] == "/" or set(text) & set("+#$"):
        raise argparse.ArgumentTypeError("expected a topic such as campus/v1, without +, # and $")
    return text


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError("expected a port, 0 to 65535")
    return int(text)


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
    for source, _, body in store.announced():
        ledger.announce(source, json.loads(body)["data"])


def _tell_json(verdict: Verdict) -> None:
    line = as_json(verdict)
    if line is not None:
        print(json.dumps(line, ensure_ascii=False), flush=True)


def _tell_text(verdict: Verdict) -> None:
    line = as_text(verdict)
    if line is not None:
        print(line, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="campus-centre",
        description="Linkage centre: verifies gateways' events, keeps them, and signs receipts.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_keygen(commands)
    _add_keys(commands)
    _add_run(commands)
    _add_events(commands)
    _add_report(commands)
    _add_command(commands)
    bridge = commands.add_parser("bridge", help="lines of `run --json` on standard input become GB/T 28181 alarm notices")
    bridge.add_argument("--zone", type=_zone, default=ZoneInfo("Asia/Shanghai"), help="time zone of the notices")
    bridge.add_argument("--codes", type=Path, metavar="FILE", help="JSON: device ids and codes of points whose site file names none")
    bridge.set_defaults(work=_bridge, db=None)
    return parser


Commands = Any  # argparse's own type for this is private


def _add_keygen(commands: Commands) -> None:
    keygen = commands.add_parser("keygen", help="make the centre's key; prints {kid, x} for the site file")
    keygen.add_argument("--id", required=True, type=_recipient, help="recipient id, as in [[uplink.recipients]] of the site file")
    keygen.add_argument("file", type=Path, metavar="FILE", help="where the private key goes (mode 0600, never overwritten)")
    keygen.set_defaults(work=_keygen, db=None)


def _add_keys(commands: Commands) -> None:
    keys = commands.add_parser(
        "keys",
        help="which gateways are believed: list, add, accept, remove",
        description="The trust file lists the keys of enrolled gateways; nothing else makes an event genuine. A running centre reads it\n"
        "again when it changes. A gateway announces a new key by an event that the old key signed; it counts once accepted here.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = keys.add_subparsers(required=True, metavar="ACTION", dest="what")
    what = {
        "list": "enrolled keys, and with --db those that were announced and wait",
        "add": "enrol a gateway: the line that `campus-gateway key SITE.toml` prints, as argument or on standard input",
        "accept": "enrol a key that its gateway has announced; compare the fingerprint with the school's first",
        "remove": "a gateway is lost, or its old key is no longer used: nothing that this key signs counts any more",
    }
    for name, text in what.items():
        action = actions.add_parser(name, help=text, description=text)
        action.add_argument("--trust", required=True, type=Path, metavar="FILE", help="enrolled gateway keys (JSON)")
        if name in ("list", "accept"):
            action.add_argument("--db", type=Path, metavar="FILE", required=name == "accept", help="file of `run --db`")
        if name == "list":
            action.add_argument("--json", action="store_true", help="one JSON object a line")
        if name == "add":
            action.add_argument("key", nargs="?", default="", metavar="LINE", help='{"source": ..., "kid": ..., "x": ...}')
        if name in ("accept", "remove"):
            action.add_argument("--gateway", required=True, type=_gateway, metavar="SOURCE", help="/sites/SITE/gateways/GATEWAY")
            action.add_argument("--kid", required=True, help="name of the key")
        if name in ("add", "accept"):
            action.add_argument("--fingerprint", default="", metavar="F", help="refuse another key than this one")
        action.set_defaults(work=_keys)
    keys.set_defaults(db=None)


def _add_run(commands: Commands) -> None:
    run = commands.add_parser("run", help="subscribe, verify, keep, receipt", formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    _add_link(run)
    run.add_argument("--key", required=True, type=Path, metavar="FILE", help="private key made by keygen")
    run.add_argument("--trust", required=True, type=Path, metavar="FILE", help="enrolled gateway keys (JSON), read again when it changes")
    run.add_argument("--db", type=Path, metavar="FILE", help="SQLite file that keeps everything; without it, memory")
    run.add_argument("--json", action="store_true", help="one JSON object a line")
    run.add_argument("--silent-after", type=float, default=0.0, metavar="S", help="0: as each gateway says")
    run.add_argument(
        "--report-every-h", type=float, default=0.0, metavar="H", help="a daily report must come so often; 0: none is expected"
    )
    run.add_argument("--metrics", type=_port, metavar="PORT", help="serve Prometheus metrics on 127.0.0.1; 0 takes a free port")
    run.add_argument("--classes", nargs="*", choices=sorted(CLASSES), default=[], help="the only classes that this centre is entitled to")
    manners = run.add_mutually_exclusive_group()
    manners.add_argument("--no-receipts", action="store_true", help="stay silent (to try a gateway)")
    manners.add_argument("--receipt-delay-ms", type=int, default=0, metavar="N", help="answer late (to try a gateway)")
    manners.add_argument("--result", choices=("received", "unusable"), default="received", help="what receipts say (to try a gateway)")
    run.set_defaults(work=_run)


def _add_events(commands: Commands) -> None:
    events = commands.add_parser("events", help="what `run --db` has kept, oldest first; --follow: and what comes")
    events.add_argument("--db", required=True, type=Path, metavar="FILE", help="file of `run --db`")
    events.add_argument("--last", type=int, metavar="N", help="only the newest N of them")
    events.add_argument("--follow", action="store_true", help="go on with what is kept from now on, until Ctrl-C")
    events.add_argument("--gateway", type=_gateway, metavar="SOURCE", help="of this gateway only")
    events.add_argument("--classes", nargs="*", choices=sorted(CLASSES), default=[], help="of these only")
    events.add_argument("--json", action="store_true", help="one JSON object a line, with all that the event says")
    events.set_defaults(work=_events)


def _add_report(commands: Commands) -> None:
    report = commands.add_parser("report", help="counts, gaps and chain state from the stored events")
    report.add_argument("--db", required=True, type=Path, metavar="FILE", help="file of `run --db`")
    report.add_argument("--recipient", default="police", type=_recipient, help="whose heartbeat figures count", metavar="ID")
    report.add_argument("--classes", nargs="*", choices=sorted(CLASSES), default=[], help="the only classes that it is entitled to")
    report.add_argument("--json", action="store_true", help="one JSON object")
    report.set_defaults(work=_report)


def _add_command(commands: Commands) -> None:
    command = commands.add_parser("command", help="sign one command, send it, and wait for what the gateway says")
    command.add_argument("kind", help="acknowledge, reset, silence, shelve, output, replay ...")
    command.add_argument("target", nargs="?", default="", help="point, point/alarm or output")
    command.add_argument("--gateway", required=True, type=_gateway, metavar="SOURCE", help="full name: /sites/SITE/gateways/GATEWAY")
    _add_link(command)
    command.add_argument("--key", required=True, type=Path, action="append", metavar="FILE", help="twice for two signatures")
    command.add_argument("--trust", required=True, type=Path, metavar="FILE", help="enrolled gateway keys; other answers are not believed")
    command.add_argument("--person", default="", help="who gives the command; goes on record")
    command.add_argument("--value", default="", help="on or off, of an output")
    command.add_argument("--why", default="", help="a reason; goes on record")
    command.add_argument("--for-s", type=float, default=0.0, metavar="S", help="how long, of shelve, out_of_service, drills and tests")
    command.add_argument("--points", nargs="*", default=[], metavar="POINT", help="further points, of tests and drills")
    command.add_argument("--from-epoch", default="", metavar="DIGITS", help="of replay")
    command.add_argument("--from-sequence", default="", metavar="DIGITS", help="of replay")
    command.add_argument("--life-s", type=float, default=60.0, metavar="S", help="until it expires; a gateway takes at most 300")
    command.add_argument("--wait-s", type=float, default=10.0, metavar="S", help="for the answers")
    command.add_argument("--json", action="store_true", help="one JSON object a line")
    command.set_defaults(work=_command, db=None)


def _add_link(parser: argparse.ArgumentParser) -> None:
    """How the brokers are reached."""
    parser.add_argument(
        "--broker", "--url", required=True, action="append", metavar="URL", default=argparse.SUPPRESS,
        help="mqtt://127.0.0.1:1883 on loopback, mqtts://host:8883 elsewhere; given again for a second broker",
    )  # fmt: skip
    parser.add_argument("--prefix", default="campus/v1", type=_prefix, help="first part of every topic")
    parser.add_argument("--protocol", choices=("5", "3.1.1"), default="5", help="MQTT version; nats-server speaks 3.1.1")
    texts = {"--ca": "certificates of the brokers' CA", "--cert": "the centre's own certificate", "--key-file": "private key of that"}
    for name, text in texts.items():
        parser.add_argument(
            name, action="append", default=[], metavar="FILE", help=f"{text}; once for all brokers, or once for each, in their order"
        )


if __name__ == "__main__":
    sys.exit(main())
