"""The demo: a whole school, its gateway and the linkage centre on this machine, and a story of ten causes.

Everything is real but the school: an MQTT broker, Modbus on TCP and on a serial line, a camera stream, the
gateway as a process of its own, and a centre that checks every signature and answers with signed receipts.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from simulators.centre.keys import BadKeyFile, make_key
from simulators.demo_lines import event_line, summary_lines, table_lines
from simulators.demo_parts import LOOK_EVERY_S, Part, Parts, post, run
from simulators.demo_site import PLAN, Names, Ports, drawing, example, free_ports, site_text
from simulators.demo_story import CAUSES, Cause, Tally, objections, plan
from simulators.errors import SimError

EXIT_NOT_AS_EXPECTED = 1
EXIT_NOT_STARTED = 2
EXIT_INTERRUPTED = 130  # 128 + SIGINT
RECIPIENT = "police"
START_WITHIN_S = 60.0  # the first start on a small computer compiles and loads a lot
LAST_EVENT_WITHIN_S = 30.0  # a person must be seen, a silent sensor missed three times
STRAY_EVENT_S = 1.0  # time for a second event that should not come
REPORT_WITHIN_S = 15.0


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status: 0 when every cause led to its expected event once, 1 when not, 2 when it could not run, 130 after Ctrl-C."""
    options = _parser().parse_args(argv)
    folder = Path(options.dir or tempfile.mkdtemp(prefix="campus-demo-")).resolve()
    keep = bool(options.keep or options.dir)
    code = EXIT_NOT_STARTED
    try:
        folder.mkdir(parents=True, exist_ok=True)
        code = asyncio.run(Demo(folder, options.seconds, as_json=options.json).play(stay=options.keep))
    except (KeyboardInterrupt, asyncio.CancelledError):
        code = EXIT_INTERRUPTED
    except (SimError, BadKeyFile, OSError) as problem:
        print(f"\ndemo: {problem}", file=sys.stderr)
    if keep or code in (EXIT_NOT_AS_EXPECTED, EXIT_NOT_STARTED):
        print(f"logs, site file and databases are in {folder}", file=sys.stderr)
    else:
        shutil.rmtree(folder, ignore_errors=True)
    return code


class Demo:
    """One run in one folder."""

    def __init__(self, folder: Path, story_s: float, *, as_json: bool) -> None:
        self._folder = folder
        self._story_s = story_s
        self._as_json = as_json
        self._tally = Tally(CAUSES)
        self._kinds_seen: set[str] = set()
        self._names = Names({})

    async def play(self, *, stay: bool) -> int:
        """Start everything, play, count. stay: leave it running until Ctrl-C. SimError when a part fails."""
        task = asyncio.current_task()
        assert task is not None
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        with Parts(self._folder) as parts:
            try:
                async with asyncio.TaskGroup() as group:
                    guard = group.create_task(parts.guard(), name="guard")
                    ports, source = await self._start_school(parts)
                    with _progress("linkage centre"):
                        listen = group.create_task(self._listen(self._start_centre(parts, ports)), name="listen")
                        await self._until("the linkage centre", lambda: "online" in self._kinds_seen)
                    with _progress("gateway"):
                        parts.start("gateway", "gateway", "run", "--config", str(self._folder / "site.toml"))
                        await self._until("the gateway's birth and heartbeat", lambda: self._kinds_seen >= {"birth", "heartbeat"})
                    await self._story(parts, ports.http)
                    code = await self._count(source)
                    if stay:
                        await self._stay()
                    guard.cancel()
                    listen.cancel()
            except ExceptionGroup as trouble:  # a TaskGroup's way of telling one error
                raise trouble.exceptions[0] from None
        return code

    async def _start_school(self, parts: Parts) -> tuple[Ports, str]:
        """Keys, site file, broker and school; gives the ports and the gateway's full name."""
        ports = free_ports()
        site = self._folder / "site.toml"
        public = make_key(self._folder / "centre.jwk", RECIPIENT)
        (self._folder / PLAN).write_text(drawing(), encoding="utf-8")
        site.write_text(site_text(example(), ports, self._folder / "field-line.pty", public["kid"], public["x"]), encoding="utf-8")
        self._names = Names.of(site.read_text(encoding="utf-8"))
        with _progress("broker"):
            parts.start_broker(ports.mqtt)
        with _progress("school: Modbus TCP, serial line, camera"):
            school = parts.start("school", "simulators", "school", str(site), "--http", str(ports.http))
            enrolment = json.loads(await run("gateway", "key", str(site)))
            (self._folder / "trust.json").write_text(json.dumps({"keys": [enrolment]}), encoding="utf-8")
            await self._until("the school", lambda: any(line.startswith("ready ") for line in school.lines()))
        return ports, str(enrolment["source"])

    def _start_centre(self, parts: Parts, ports: Ports) -> Part:
        files = {"--key": "centre.jwk", "--trust": "trust.json", "--db": "centre.db"}
        options = [word for option, name in files.items() for word in (option, str(self._folder / name))]
        url = f"mqtt://127.0.0.1:{ports.mqtt}"
        return parts.start("centre", "simulators.centre", "run", "--json", "--protocol", "3.1.1", "--url", url, *options)

    async def _listen(self, centre: Part) -> None:
        """Tell each event as the centre received it."""
        while True:
            for text in centre.lines():
                if text.startswith("{"):
                    self._hear(json.loads(text))
            await asyncio.sleep(LOOK_EVERY_S)

    def _hear(self, line: dict[str, Any]) -> None:
        self._kinds_seen.add(line["kind"])
        if line["kind"] == "event":
            told = self._tally.event(line)
            if self._as_json:
                _out(json.dumps({**line, "cause": told.cause.id if told.cause else None, "delay_ms": told.delay_ms}, ensure_ascii=False))
            else:
                _out(event_line(line, told, self._names))
        elif line["kind"] in ("bad", "gap", "silent"):
            if self._as_json:
                _out(json.dumps(line, ensure_ascii=False))
            else:
                _out(f"          centre: {line['kind']} {line.get('problem') or line}")

    async def _story(self, parts: Parts, port: int) -> None:
        assert parts.broker is not None
        start_s = time.monotonic()
        for step in plan(CAUSES, self._story_s):
            await asyncio.sleep(max(0.0, start_s + step.at_s - time.monotonic()))
            if step.action == "kill broker":
                self._remark("broker killed (kill -9)")
                parts.broker.kill()
            elif step.action == "restart broker":
                parts.broker.start()
                self._remark("broker restarted")
            elif step.cause is not None:
                await self._cause(step.cause, port)
        await self._quietly(LAST_EVENT_WITHIN_S, lambda: not self._tally.waiting())
        await asyncio.sleep(STRAY_EVENT_S)

    async def _cause(self, cause: Cause, port: int) -> None:
        at_ns = await post(port, cause.path, cause.body)
        self._tally.caused(cause, at_ns)
        if self._as_json:
            _out(json.dumps({"kind": "cause", "cause": cause.id, "what": cause.what, "at_monotonic_ns": at_ns}))
        else:
            self._remark(cause.what)

    def _remark(self, text: str) -> None:
        if not self._as_json:
            _out(f"          > {text}")

    async def _count(self, source: str) -> int:
        """Table, summary and verdict."""
        summary = self._tally.summary()
        end_s = time.monotonic() + REPORT_WITHIN_S
        while True:  # the newest events may still be on their way
            report = json.loads(await run("simulators.centre", "report", "--json", "--db", str(self._folder / "centre.db")))
            against = objections(summary, report, source)
            if not against or summary["lost"] or summary["duplicated"] or time.monotonic() > end_s:
                break
            await asyncio.sleep(1.0)
        if not self._as_json:
            chain = "chain whole, no gap, every signature verified" if not against else "; ".join(against)
            for line in ("", *table_lines(self._tally.table()), "", *summary_lines(summary), f"{source}: {chain}"):
                _out(line)
        else:
            for objection in against:
                print(f"demo: {objection}", file=sys.stderr)
            _out(json.dumps({"summary": summary}))
        return EXIT_NOT_AS_EXPECTED if against else 0

    async def _stay(self) -> None:
        """Until Ctrl-C."""
        status = json.loads(await run("gateway", "status", "--config", str(self._folder / "site.toml"), "--json"))
        print(f"still running: metrics {status['metrics']}; Ctrl-C ends it", file=sys.stderr if self._as_json else sys.stdout, flush=True)
        await asyncio.Event().wait()

    async def _until(self, what: str, done: Callable[[], bool]) -> None:
        if not await self._quietly(START_WITHIN_S, done):
            raise SimError(f"waited {START_WITHIN_S:.0f} s in vain for {what}")

    async def _quietly(self, within_s: float, done: Callable[[], bool]) -> bool:
        end_s = time.monotonic() + within_s
        while not done():
            if time.monotonic() > end_s:
                return False
            await asyncio.sleep(LOOK_EVERY_S)
        return True


@contextmanager
def _progress(what: str) -> Iterator[None]:
    start_s = time.monotonic()
    print(f"starting {what} ... ", end="", file=sys.stderr, flush=True)
    yield
    print(f"ok ({time.monotonic() - start_s:.1f} s)", file=sys.stderr, flush=True)


def _out(line: str) -> None:
    print(line, flush=True)


def _seconds(text: str) -> float:
    value = float(text)
    if not 1 <= value <= 3600:
        raise argparse.ArgumentTypeError("expected 1 to 3600")
    return value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="campus-gateway demo", description="A school, its gateway and the linkage centre on this machine."
    )
    parser.add_argument("--seconds", type=_seconds, default=60.0, metavar="N", help="length of the story (default 60)")
    parser.add_argument("--json", action="store_true", help="one JSON object a line; the last one is the summary")
    parser.add_argument("--keep", action="store_true", help="leave everything running at the end, until Ctrl-C, and keep the folder")
    parser.add_argument("--dir", default="", help="folder for this run, new or empty (default: a temporary one)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
