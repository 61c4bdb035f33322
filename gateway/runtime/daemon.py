"""The daemon: builds all parts of one gateway from its settings, starts and stops them."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import time
import uuid
from functools import partial
from typing import TYPE_CHECKING, Any

from gateway.config.apart import Loading
from gateway.config.settings import ConfigRefused, Settings
from gateway.contract.envelope import Origin, Sealed
from gateway.contract.jws import Signer, TrustedKey
from gateway.contract.receipt import Newest
from gateway.contract.topics import Topics
from gateway.core.cameras import OVERDUE
from gateway.core.commands import Command, Tick
from gateway.core.delivery import RECEIVED, Settlement
from gateway.core.errors import DoorRefused, GatewayError, JournalRefused
from gateway.core.ids import CERTIFICATE_POINT, CERTIFICATE_URGENT_POINT, EventIds
from gateway.core.points import Draft, EventClass
from gateway.core.reading import Quality, Reading
from gateway.core.school_days import CALENDAR_POINT
from gateway.journal.history import JournalHistory
from gateway.journal.reader import Reader
from gateway.journal.store import Batch, Store, open_store
from gateway.journal.trends import Trends
from gateway.journal.writer import Writer
from gateway.metrics.exporter import Exporter
from gateway.runtime import log_level, memory, page, telling, unit_failures, watching
from gateway.runtime.board import Board
from gateway.runtime.chains import Response, whistles
from gateway.runtime.clock import Clock
from gateway.runtime.conveyor import Conveyor
from gateway.runtime.credentials import Credentials, password_reader, wallets, worst
from gateway.runtime.decide_house import COMMANDS_MARK
from gateway.runtime.door import Door
from gateway.runtime.event_lines import EventLines
from gateway.runtime.evidence import Evidence
from gateway.runtime.field import Field
from gateway.runtime.hazards import hazards, mend
from gateway.runtime.houses import calendar_of, house_of
from gateway.runtime.inspections import inspections
from gateway.runtime.journal_care import OUTRUN, JournalWords, care_of, recall, trouble_at_start
from gateway.runtime.key_change import Announcer
from gateway.runtime.keys import card_hasher, client_id, load_signer, lock
from gateway.runtime.logs import Loudness
from gateway.runtime.remote import Remote, locks
from gateway.runtime.showing import Showing
from gateway.runtime.supervise import Supervisor
from gateway.runtime.watchdog import Watchdog, notify
from gateway.uplink.commands import CommandDesk
from gateway.uplink.link import Identity, Timing
from gateway.uplink.outbox import BROKER, Outbox
from gateway.uplink.session import Address, MqttDialler
from gateway.uplink.uplink import SUPERVISION, Outside, Uplink

if TYPE_CHECKING:
    from gateway.config.site import Path
    from gateway.runtime.reports import Reports

log = logging.getLogger(__name__)

POWER_OFF = ["systemctl", "poweroff"]
ANSWERED_S = 0.1  # whoever asks for a new start hears that there will be one
SETTLED_S = 2.0  # start-up is over, the first states are out
CERTIFICATE_LOOK_S = 10.0
TREND_LOOK_S = 10.0  # between two samples of the measured values
CALENDAR_LOOK_S = 600.0  # the day changes at midnight, and a clock may be set at any time
VISION_SILENT_S = 5.0
CONSOLE_WELL_S = 60.0  # a page's process that lasted so long had no trouble at its start
VISION_START_S = 20.0  # loading a model on a small board takes its time


class Daemon:
    """One gateway. `run` serves until a signal; parts are attributes so that status and metrics can look at them."""

    def __init__(self, settings: Settings, *, spawn_vision: bool = True, spawn_console: bool = True) -> None:
        self.settings = settings
        self.clock = Clock()
        self.boot_id = str(uuid.uuid4())
        self.pid = os.getpid()
        self.started_at_s = time.time()
        self.origin = Origin(settings.source, self.boot_id, self.clock.now().now_s)
        self.recipients = [recipient.id for recipient in settings.site.uplink.recipients]
        self.metrics_url = ""
        self._spawn_vision = spawn_vision and bool(settings.site.cameras)
        self._spawn_console = spawn_console and settings.site.console is not None
        self._vision: asyncio.subprocess.Process | None = None
        self._vision_silent = False
        self._stopping = asyncio.Event()
        self.power_off = False
        self.start_anew = False  # in the place of this process, once it has stopped
        self.signed: dict[str, int] = {}  # recipient -> row of the newest event that it has signed for in this run
        self._build()

    def _build(self) -> None:
        settings, uplink = self.settings, self.settings.site.uplink
        self._lock = lock(settings.state_dir)
        self.signer = load_signer(settings.state_dir)
        entitled: dict[str, frozenset[str]] = {r.id: frozenset(r.classes) for r in uplink.recipients} or {BROKER: frozenset(EventClass)}
        self.auditors = [name for name, classes in entitled.items() if EventClass.AUDIT in classes and uplink.paths]
        self.ids = EventIds()
        self.calendar = calendar_of(settings)
        self.house = house_of(settings, self.calendar)
        opened = JournalWords(self.clock).opened
        self.store, self._opened = open_store(
            settings.state_dir, self.origin, self.signer, entitled, opened, self.clock.now().at_ms, recall=recall
        )
        self.care = care_of(
            settings,
            self.signer,
            self.clock,
            lambda store, at_ms: open_store(settings.state_dir, self.origin, self.signer, entitled, opened, at_ms, store),
        )
        latches = self.store.latches()
        self.house.restore(latches)
        if mend(self.house, JournalHistory(settings.state_dir), set_aside=self.store.begun == "set aside"):
            log.error("what was kept of the hazard ledger cannot be read: it was made anew from its entries")
        self.board = Board(settings, self.house, self.signer, self.clock, self.boot_id)
        self.trends = Trends()
        self.board.newest = (self.store.epoch, self.store.sequence)
        paths = [path.id for path in uplink.paths]
        self.outbox = Outbox(uplink.window, uplink.receipt_timeout_s, paths=paths, dual=uplink.mode == "dual")
        self.outbox.shelves.ask_from(1)  # whatever the journal still owes is paged in
        self.conveyor = Conveyor(self.house, self.ids, self.clock, self.board, self.outbox, self.signer, self.origin, entitled)
        loop = asyncio.get_running_loop()
        self.writer = Writer(
            self.store,
            lambda done: loop.call_soon_threadsafe(self._committed, done),
            lambda reason: loop.call_soon_threadsafe(self._journal_refused, reason),
            self.care,
        )
        self.reader = Reader(settings.state_dir)
        self.reader.damaged = self.writer.damaged
        self.care.removed = lambda rows: loop.call_soon_threadsafe(self.outbox.forget, rows)
        self.care.brought = lambda rows: loop.call_soon_threadsafe(self._owed_from, min(rows))
        self.care.outran = lambda newest: loop.call_soon_threadsafe(self._outran, newest)
        self.care.carrier.left = lambda text: loop.call_soon_threadsafe(self._left_behind, text)
        self.care.replaced = lambda store, reason: loop.call_soon_threadsafe(self._journal_replaced, store, reason)
        self.exporter = Exporter(loop)
        heartbeat_s, keepalive_s = SUPERVISION[uplink.supervision]
        keys = {k.kid: TrustedKey(k.kid, k.x, r.id, frozenset(k.may), k.person) for r in uplink.recipients for k in r.keys}
        self.remote = Remote(
            self.conveyor, lambda recipient, epoch, sequence: self.uplink.replay(recipient, epoch, sequence), lambda: self.board.newest
        )
        self.commands = CommandDesk(
            settings.source,
            keys,
            self.clock.now,
            self.remote.act,
            lambda name: name in self.house.marks.get(COMMANDS_MARK, {}),
            locks(self.house),
        )
        self.response = Response(lambda alarm_class, seconds: self.exporter.acknowledge.labels(alarm_class).observe(seconds))
        self.event_lines = EventLines()
        self.conveyor.told = self._told
        self.wallets = wallets(settings, lambda: self.clock.now().clock != "unknown")
        puback_s = uplink.puback_timeout_s
        if len(paths) > 1:
            puback_s = min(puback_s, uplink.receipt_timeout_s)  # what is stuck on one path goes out on the other as soon as it is due
        self.uplink = Uplink(
            Identity(Topics(settings.root), settings.source, self.boot_id, self.signer),
            {path.id: _dialler(settings, path, keepalive_s, self.wallets, self.signer) for path in uplink.paths},
            self.outbox,
            keys,
            self.recipients or [BROKER],
            Timing(heartbeat_s, keepalive_s, uplink.receipt_timeout_s, uplink.centre_silence_s, puback_s, settings.site.telemetry.period_s),
            Outside(
                history=self.reader,
                board=self.board,
                settle=self._settle,
                fault=self.fault,
                delivered=lambda recipient, seconds: self.exporter.delivery.labels(recipient).observe(seconds),
            ),
            self.commands if keys else None,
        )
        learned = {device.id: self.house.marks.get(device.id, {}) for device in settings.site.devices}
        self.field = Field(settings, self.conveyor, card_hasher(settings.state_dir), learned)
        for warning in self.field.judged.warnings:
            log.warning("%s", warning)
        self.uplink.receipts.newest = self._centre_has
        self.conveyor.wake_uplink = self.uplink.wake
        self.conveyor.release_latch = self.field.release_latch
        self.conveyor.order = self.field.order
        self.conveyor.shut_down = self._shut_down
        self.supervisor = Supervisor(lambda name, active, reason: self.fault("gw-task", active, reason))
        cameras = frozenset(camera.id for camera in settings.site.cameras)
        eyes = frozenset(point for points in settings.zones.values() for point in points)
        self.door = Door(
            settings.door_path,
            cameras | eyes,
            self.conveyor.push,
            self._act,
            {
                "status": lambda: telling.status(self),
                "cards": lambda: telling.cards(self),
                "drills": lambda: telling.drills(self),
                "walk_tests": lambda: telling.tests(self),
                "whistles": self._whistles,
                "inspections": lambda: inspections(self.house, self.clock.now()),
                "hazards": lambda: hazards(self.house, self.clock.now()),
            },
            self.field.read,
        )
        self.door.explain = self._explain
        self.door.restart = self._restart
        self.loudness = Loudness(loop.call_later)
        self.door.log_level = lambda request, user: log_level.answer(self.loudness, self._act, request, user)
        self.door.loud = lambda: self.loudness.now
        self.showing = Showing(self)
        self.door.watch = self.showing.watch
        self.conveyor.shown, self.conveyor.heard = self.showing.changed, self._further
        self.outbox.carried, self.outbox.further = self.showing.carried, self.showing.further
        self._eyes = sorted(cameras | eyes)
        self.evidence = Evidence(settings, self.house, self.conveyor, self.clock.now)
        self.door.wanted, self.door.photographed = self.evidence.wanted, self.evidence.photographed
        if self._eyes:
            self.door.give_key = self.evidence.give_key
        self.evidence.send = self.uplink.send_picture
        self.reports: Reports | None = None
        if settings.site.reports is not None:
            from gateway.runtime.report_facts import reports_of

            self.reports = reports_of(self, latches)
            self.door.report = self._preview

    # --- life ----------------------------------------------------------------------------------

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        self._start()
        try:
            await self._stopped(self._stopping)
        finally:
            await self._stop()
        if self.power_off:
            await (await asyncio.create_subprocess_exec(*POWER_OFF)).wait()

    def _shut_down(self, reason: str) -> None:
        """The battery is low and what was decided is on the disk: stop in order, and switch off where the site says so."""
        log.error("stopping: %s", reason)
        power = self.settings.power
        self.power_off = power is not None and power.poweroff
        self._stopping.set()

    def _start(self) -> None:
        self.writer.start()
        self.conveyor.start(self.writer)
        if self._opened is not None:
            self.conveyor.offer(self._opened)
        self._journal_stays = trouble_at_start(self.store)
        if self._journal_stays:
            log.error("the journal: %s", self._journal_stays)
        self.fault("gw-journal", bool(self._journal_stays), self._journal_stays)
        self.fault("gw-task", False, "")
        for problem in self.field.judged.problems:  # `check` refuses such a file; a daemon that does not start would lose every alarm
            log.error("%s", problem)
        self.fault("gw-buses", bool(self.field.judged.problems), "; ".join(problem.text for problem in self.field.judged.problems)[:300])
        supervise = self.supervisor.start
        for path, link in self.uplink.links.items():
            supervise(f"path:{path}", link.run)
        supervise("uplink", self.uplink.watch)
        for name, line in self.field.lines.items():
            supervise(f"driver:{name}", line.run)
        if self.field.needs_ticks:
            supervise("ticks", self.field.tick_on)
        supervise("door", self.door.run)
        supervise("units", partial(unit_failures.watch, self.settings.state_dir, partial(self.fault, "gw-unit")))
        supervise("clock", self._watch_clock)
        supervise("trends", self._keep_trends)
        supervise("event-key", Announcer(self.settings.state_dir, JournalWords(self.clock), self._seal).run)
        if self.wallets:
            supervise("certificates", self._watch_certificates)
        if CALENDAR_POINT in self.settings.points:
            supervise("calendar", self._watch_calendar)
        if self._eyes:
            supervise("vision", self._watch_vision)
            supervise("evidence", self.evidence.run)
        if self._spawn_console:
            supervise("console", self._keep_console)
        if page.PAGE_POINT in self.settings.points:
            supervise("page", partial(page.watch, self.door.page, self.origin.boot_now_s, partial(self.fault, page.PAGE_POINT)))
        if self.reports is not None:
            supervise("reports", self.reports.run)
        watching.fill(self.exporter, self)
        self._start_metrics()
        supervise("watchdog", Watchdog(self.field.lines, self.writer).run)
        memory.settle()
        asyncio.get_running_loop().call_later(SETTLED_S, memory.give_back)
        asyncio.get_running_loop().call_later(SETTLED_S, self._look_at_outputs)
        notify(f"READY=1\nSTATUS=serving {self.settings.source}\nMAINPID={self.pid}")
        log.info("serving %s: %d points on %d lines, %d cameras", self.settings.source, len(self.settings.site.points),
                 len(self.field.lines), len(self.settings.site.cameras))  # fmt: skip

    def _look_at_outputs(self) -> None:
        """Each output takes its safe value when its device comes up; by now also where nothing is read from that device."""
        for output in self.settings.outputs:
            self.conveyor.stimulate(Tick(output))

    def _start_metrics(self) -> None:
        metrics = self.settings.site.metrics
        try:
            port = self.exporter.start(metrics.host, metrics.port)
        except OSError as error:
            log.error("the metrics page cannot use %s:%d: %s", metrics.host, metrics.port, error.strerror)
            return
        host = f"[{metrics.host}]" if ":" in metrics.host else metrics.host
        self.metrics_url = f"http://{host}:{port}/metrics"

    async def _stopped(self, stop: asyncio.Event) -> None:
        """Wait for a signal; the end of the journal's thread ends the process, for systemd to start it anew."""
        while not stop.is_set():
            try:
                await asyncio.wait_for(stop.wait(), 1.0)
            except TimeoutError:
                if not self.writer.alive():
                    raise JournalRefused(f"the journal's thread ended: {self.writer.error!r}") from None

    async def _restart(self, user: str) -> None:
        """The site file is read anew by a new start in the place of this process. Refused where that could not start."""
        try:
            await asyncio.to_thread(Loading(self.settings.file, str(self.settings.state_dir)).result)
        except ConfigRefused as refused:
            raise DoorRefused(f"this site file cannot be used:\n{refused}") from None
        log.info("starting anew, as %s asks", user)
        self.start_anew = True
        asyncio.get_running_loop().call_later(ANSWERED_S, self._stopping.set)

    async def _stop(self) -> None:
        notify("RELOADING=1\nWATCHDOG=1" if self.start_anew else "STOPPING=1")
        self.commands.summarise()
        await self.supervisor.stop()
        if self._vision is not None and self._vision.returncode is None:
            self._vision.terminate()
            await self._vision.wait()
        self.exporter.stop()
        self.writer.submit(Batch(minutes=self.trends.flush()))
        self.reader.close()  # so that the writer is the last at the file, and SQLite folds its log into it
        try:
            await asyncio.get_running_loop().run_in_executor(None, self.writer.stop)
        finally:
            os.close(self._lock)
        log.info("stopped")

    # --- parts speak ---------------------------------------------------------------------------

    def fault(self, point: str, active: bool, reason: str) -> None:
        """One of the gateway's own faults begins or ends."""
        self.conveyor.push([Reading(point, active, reason=reason, now_s=self.clock.now().now_s)])

    def _committed(self, done: list[tuple[Batch, list[Sealed]]]) -> None:
        self.conveyor.committed(done)
        sealed = [event for _, events in done for event in events]
        self.showing.committed(sealed)
        if self.reports is not None:
            self.reports.committed(sealed)
        if not self._journal_stays and self._journal_fault and not self.writer.trouble:
            self._journal_fault = False
            self.fault("gw-journal", False, "")

    _journal_fault = False
    _journal_stays = ""  # why the journal's fault stands until the next start

    def _journal_refused(self, reason: str) -> None:
        if not self._journal_fault:
            self._journal_fault = True
            log.error("the journal cannot be written: %s", reason)
            self.fault("gw-journal", True, reason)

    async def _explain(self, request: dict[str, Any]) -> dict[str, Any]:
        """What would happen now; played on twins, in a thread of its own."""
        from gateway.runtime import explain  # not needed for a start

        try:
            asking = explain.asked(request, self.house)
        except ValueError as error:
            raise DoorRefused(str(error)) from None
        return await asyncio.to_thread(explain.explain, explain.twin(self.house), explain.twin(self.house), asking, self.clock.now())

    async def _preview(self, request: dict[str, Any]) -> dict[str, Any]:
        """The report of a period that is not over."""
        assert self.reports is not None
        try:
            return await self.reports.preview(str(request.get("kind")))
        except GatewayError as error:
            raise DoorRefused(str(error)) from None

    def _told(self, drafts: list[Draft]) -> None:
        self.remote.told(drafts)
        self.response.told(drafts)
        self.event_lines.decided(drafts)

    def _further(self, event_id: str, step: str, by: str) -> None:
        self.showing.delivered(event_id, step, by)
        self.event_lines.further(event_id, step, by)

    def _whistles(self) -> list[dict[str, Any]]:
        return list(whistles(self.house.school, self.clock.now()))

    def _journal_replaced(self, store: Store, reason: str) -> None:
        """The file proved damaged while it was open; a new epoch has begun."""
        self.store = store
        self.reader.reopen()
        assert store.set_aside is not None
        log.error("the journal was damaged (%s); it is kept as %s and a new one began", reason, store.set_aside)
        self._journal_stays = f"damaged, set aside as {store.set_aside.name}"
        self.fault("gw-journal", True, self._journal_stays)

    def _left_behind(self, text: str) -> None:
        """A file set aside owes events that cannot be delivered from it."""
        self._journal_stays = f"{self._journal_stays}; {text}" if self._journal_stays else text
        log.error("the journal: %s", text)
        self.fault("gw-journal", True, self._journal_stays)

    def _outran(self, newest: Newest) -> None:
        """A centre has other events than the journal: somebody put an older copy in its place. A new epoch has begun."""
        self._journal_stays = OUTRUN.format(*newest)
        log.error("the journal: %s", self._journal_stays)
        self.fault("gw-journal", True, self._journal_stays)

    def _centre_has(self, newest: Newest) -> None:
        if newest > self._centre_newest:
            self._centre_newest = newest
            self.writer.heard(newest)

    _centre_newest = Newest(0, 0, "")

    def _owed_from(self, row: int) -> None:
        """The journal owes more than it did, from this row on."""
        self.outbox.shelves.ask_from(row)
        self.conveyor.wake_uplink()

    def _settle(self, settlements: list[Settlement]) -> None:
        for item in settlements:
            if item.state == RECEIVED:
                self.signed[item.recipient] = max(item.row, self.signed.get(item.recipient, 0))
        self.writer.settle(settlements)

    def _seal(self, draft: Draft) -> None:
        self.writer.submit(Batch([draft]))

    def _act(self, command: Command) -> tuple[bool, str]:
        decision = self.conveyor.stimulate(command)
        return decision.ok, decision.reply

    async def _watch_clock(self) -> None:
        """A clock that was never set is a fault until it is."""
        unknown: bool | None = None
        while True:
            before, unknown = unknown, self.clock.now().clock == "unknown"
            if unknown is not before:
                undated = "; the dates of certificates are not checked until it is" if self.wallets else ""
                self.fault("gw-clock", unknown, f"the clock was never set{undated}" if unknown else "")
            await asyncio.sleep(10.0)

    async def _watch_certificates(self) -> None:
        """A certificate that ends within 30 days is a fault, one that ends within 7 or cannot be used another."""
        told: tuple[str, bool] | None = None
        while True:
            found = worst(wallet.trouble(time.time()) for wallet in self.wallets.values())
            if found != told:
                told = words, urgent = found
                self.fault(CERTIFICATE_POINT, bool(words) and not urgent, words)
                self.fault(CERTIFICATE_URGENT_POINT, urgent, words)
            await asyncio.sleep(CERTIFICATE_LOOK_S)

    async def _keep_trends(self) -> None:
        """Ten minutes of the measured values are written together; a clock that was never set has no minutes."""
        while True:
            now = self.clock.now()
            rows = self.trends.take(self.board.measured(), now.at_ms) if now.clock != "unknown" else []
            if rows:
                self.writer.submit(Batch(minutes=rows))
            await asyncio.sleep(TREND_LOOK_S)

    async def _watch_calendar(self) -> None:
        """A calendar that runs out within 60 days is a fault; the alarm's own words name the day."""
        told: bool | None = None
        while True:
            now, days = self.clock.now(), self.settings.school_days
            soon = self.calendar.runs_out(self.calendar.local_date(now.at_ms))
            if now.clock != "unknown" and soon is not told:  # a clock that was never set knows no date
                told = soon
                self.fault(CALENDAR_POINT, soon, f"{days.beyond.en} after {days.ends}" if soon else "")
            await asyncio.sleep(CALENDAR_LOOK_S)

    # --- vision --------------------------------------------------------------------------------

    def vision_silence_s(self) -> float:
        """How long the vision process has said nothing; -1 where there are no cameras."""
        if not self._eyes:
            return -1.0
        return self.clock.now().now_s - max(self.door.vision.now_s, self.origin.boot_now_s)

    async def _keep_console(self) -> None:
        """Start the page's process where nobody else does, and start it again when it has ended."""
        restart_s = 1.0
        command = [sys.executable, "-m", "gateway", "console", "--config", str(self.settings.file), "--parent", str(self.pid)]
        command += ["--state-dir", str(self.settings.state_dir)]
        while True:
            began_s = self.clock.now().now_s
            child = await asyncio.create_subprocess_exec(*command)
            try:
                status = await child.wait()
            except asyncio.CancelledError:
                if child.returncode is None:
                    child.terminate()
                    await child.wait()
                raise
            log.warning("the page's process ended with %s; started again", status)
            restart_s = 1.0 if self.clock.now().now_s - began_s > CONSOLE_WELL_S else min(restart_s * 2, 60.0)
            await asyncio.sleep(restart_s)

    async def _watch_vision(self) -> None:
        """Start the vision process where nobody else does, and say when it is silent."""
        restart_s = 1.0
        while True:
            if self._spawn_vision and (self._vision is None or self._vision.returncode is not None):
                if self._vision is not None:
                    log.warning("the vision process ended with %s; started again", self._vision.returncode)
                    await asyncio.sleep(restart_s)
                    restart_s = min(restart_s * 2, 30.0)
                command = [sys.executable, "-m", "gateway", "vision", "--config", str(self.settings.file)]
                command += ["--door", str(self.settings.door_path), "--parent", str(self.pid)]
                self._vision = await asyncio.create_subprocess_exec(*command)
            await asyncio.sleep(0.5)
            limit_s = VISION_SILENT_S if self.door.vision.now_s else VISION_START_S
            silent = self.vision_silence_s() > limit_s
            if not silent:
                restart_s = 1.0
            if silent and not self._vision_silent:
                now_s = self.clock.now().now_s
                self.door.vision.again = True  # what it said before is overwritten here, and it believes that all was said
                cameras = {camera.id for camera in self.settings.site.cameras}
                self.conveyor.push(
                    [
                        Reading(name, OVERDUE, reason="vision silent", now_s=now_s)
                        if name in cameras
                        else Reading(name, None, Quality.BAD, "vision silent", now_s)
                        for name in self._eyes
                    ]
                )
            self._vision_silent = silent


def _dialler(settings: Settings, path: Path, keepalive_s: int, known: dict[str, Credentials], signer: Signer) -> MqttDialler:
    """Opens the sessions of one path. Certificates and password are read for each session: what is put right counts without a restart."""
    scheme, _, host_port = path.url.partition("://")
    host, _, port = host_port.rpartition(":") if ":" in host_port and not host_port.endswith("]") else (host_port, "", "")
    address = Address(
        host=host.strip("[]"),
        port=int(port) if port else (8883 if scheme == "mqtts" else 1883),
        client_id=client_id(settings.site.site.id, settings.site.site.gateway, path.id, signer),
        v5=path.protocol == "5",
        keepalive_s=keepalive_s,
        username=path.username or None,
        source_address=path.source_address,
    )
    password = password_reader(path.id, settings.beside(path.password_file)) if path.password_file else None
    return MqttDialler(address, settings.site.uplink.window, known.get(path.id), password)


def serve(settings: Settings, *, spawn_vision: bool, spawn_console: bool = True) -> int:
    """Run the daemon; 0 after a signal, 1 when it could not start or its journal ended. Does not return where it is to start anew."""
    try:
        anew = asyncio.run(_serve(settings, spawn_vision, spawn_console))
    except GatewayError as error:
        sys.stderr.write(f"campus-gateway: {error}\n")
        return 1
    if anew:
        notify("WATCHDOG=1")
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # the same process for systemd, and for whoever started it
    return 0


async def _serve(settings: Settings, spawn_vision: bool, spawn_console: bool) -> bool:
    daemon = Daemon(settings, spawn_vision=spawn_vision, spawn_console=spawn_console)
    await daemon.run()
    return daemon.start_anew and not daemon.power_off


__all__: list[Any] = ["Daemon", "serve"]
