"""The daemon: builds all parts of one gateway from its settings, starts and stops them."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import ssl
import sys
import time
import uuid
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from gateway.config.hours import week_spans
from gateway.config.settings import Settings
from gateway.contract.envelope import Origin, Sealed
from gateway.contract.jws import TrustedKey
from gateway.contract.topics import Topics
from gateway.core.commands import Command, Tick
from gateway.core.errors import GatewayError, JournalRefused, Permanent
from gateway.core.ids import EventIds
from gateway.core.points import Draft, EventClass, Priority
from gateway.core.reading import Quality, Reading
from gateway.core.school_days import CALENDAR_POINT
from gateway.journal.reader import Reader
from gateway.journal.store import Batch, open_store
from gateway.journal.writer import Writer
from gateway.metrics.exporter import Exporter
from gateway.rules.calendar import SchoolCalendar
from gateway.runtime import memory, telling
from gateway.runtime.board import Board
from gateway.runtime.clock import Clock
from gateway.runtime.conveyor import Conveyor
from gateway.runtime.decide import House
from gateway.runtime.door import Door
from gateway.runtime.field import Field
from gateway.runtime.fittings import Fittings
from gateway.runtime.keys import card_hasher, load_signer, lock
from gateway.runtime.supervise import Supervisor
from gateway.runtime.watchdog import Watchdog, notify
from gateway.uplink.link import SUPERVISION, Link, Timing
from gateway.uplink.outbox import BROKER, Outbox
from gateway.uplink.session import Address, MqttDialler

if TYPE_CHECKING:
    from gateway.config.site import Path

log = logging.getLogger(__name__)

POWER_OFF = ["systemctl", "poweroff"]
SETTLED_S = 2.0  # start-up is over, the first states are out
CALENDAR_LOOK_S = 600.0  # the day changes at midnight, and a clock may be set at any time
VISION_SILENT_S = 5.0
VISION_START_S = 20.0  # loading a model on a small board takes its time


class Daemon:
    """One gateway. `run` serves until a signal; parts are attributes so that status and metrics can look at them."""

    def __init__(self, settings: Settings, *, spawn_vision: bool = True) -> None:
        self.settings = settings
        self.clock = Clock()
        self.boot_id = str(uuid.uuid4())
        self.pid = os.getpid()
        self.started_at_s = time.time()
        self.origin = Origin(settings.source, self.boot_id, self.clock.now().now_s)
        self.recipients = [recipient.id for recipient in settings.site.uplink.recipients]
        self.metrics_url = ""
        self._spawn_vision = spawn_vision and bool(settings.site.cameras)
        self._vision: asyncio.subprocess.Process | None = None
        self._vision_silent = False
        self._stopping = asyncio.Event()
        self.power_off = False
        path = settings.site.uplink.paths[0]
        self.path_id = path.id
        self.broker = path.url
        self._build(path)

    def _build(self, path: Path) -> None:
        settings, uplink = self.settings, self.settings.site.uplink
        self._lock = lock(settings.state_dir)
        self.signer = load_signer(settings.state_dir)
        entitled: dict[str, frozenset[str]] = {r.id: frozenset(r.classes) for r in uplink.recipients} or {BROKER: frozenset(EventClass)}
        self.ids = EventIds()
        self.calendar = SchoolCalendar(ZoneInfo(settings.site.site.timezone), week_spans(settings.site.hours), settings.school_days)
        self.house = House(
            settings.points,
            self.calendar,
            fittings=Fittings(settings.outputs, settings.doors, settings.power),
        )
        self.store, self._opened = open_store(
            settings.state_dir, self.origin, self.signer, entitled, self._journal_opened, self.clock.now().at_ms
        )
        self.house.restore(self.store.latches())
        self.board = Board(settings, self.house, self.signer, self.clock, self.boot_id)
        self.board.newest = (self.store.epoch, self.store.sequence)
        self.outbox = Outbox(uplink.window, uplink.receipt_timeout_s)
        self.outbox.overflow_row = 1  # whatever the journal still owes is paged in
        self.conveyor = Conveyor(self.house, self.ids, self.clock, self.board, self.outbox, self.signer, self.origin, entitled)
        loop = asyncio.get_running_loop()
        self.writer = Writer(
            self.store,
            lambda done: loop.call_soon_threadsafe(self._committed, done),
            lambda reason: loop.call_soon_threadsafe(self._journal_refused, reason),
        )
        self.reader = Reader(settings.state_dir)
        self.exporter = Exporter()
        heartbeat_s, keepalive_s = SUPERVISION[uplink.supervision]
        self.link = Link(
            path=path.id,
            dialler=MqttDialler(_address(settings, path, keepalive_s), uplink.window),
            topics=Topics(settings.root),
            source=settings.source,
            boot_id=self.boot_id,
            signer=self.signer,
            outbox=self.outbox,
            keys={key.kid: TrustedKey(key.kid, key.x, r.id) for r in uplink.recipients for key in r.keys},
            recipients=self.recipients or [BROKER],
            timing=Timing(
                heartbeat_s,
                keepalive_s,
                uplink.receipt_timeout_s,
                uplink.centre_silence_s,
                uplink.puback_timeout_s,
                settings.site.telemetry.period_s,
            ),
            history=self.reader,
            board=self.board,
            settle=self.writer.settle,
            fault=self.fault,
            delivered=lambda recipient, seconds: self.exporter.delivery.labels(recipient).observe(seconds),
        )
        learned = {device.id: self.house.marks.get(device.id, {}) for device in settings.site.devices}
        self.field = Field(settings, self.conveyor, card_hasher(settings.state_dir), learned)
        for warning in self.field.judged.warnings:
            log.warning("%s", warning)
        self.conveyor.wake_uplink = self.link.wake
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
            {"status": lambda: telling.status(self), "cards": lambda: telling.cards(self)},
            self.field.read,
        )
        self._eyes = sorted(cameras | eyes)

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
        aside = self.store.set_aside
        if aside is not None:
            log.error("the journal was damaged; it is kept as %s and a new one began", aside)
        self.fault("gw-journal", aside is not None, f"damaged, set aside as {aside.name}" if aside else "")
        self.fault("gw-task", False, "")
        for problem in self.field.judged.problems:  # `check` refuses such a file; a daemon that does not start would lose every alarm
            log.error("%s", problem)
        self.fault("gw-buses", bool(self.field.judged.problems), "; ".join(problem.text for problem in self.field.judged.problems)[:300])
        supervise = self.supervisor.start
        supervise(f"path:{self.path_id}", self.link.run)
        for name, line in self.field.lines.items():
            supervise(f"driver:{name}", line.run)
        if self.field.needs_ticks:
            supervise("ticks", self.field.tick_on)
        supervise("door", self.door.run)
        supervise("clock", self._watch_clock)
        if CALENDAR_POINT in self.settings.points:
            supervise("calendar", self._watch_calendar)
        if self._eyes:
            supervise("vision", self._watch_vision)
        telling.fill(self.exporter, self)
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

    async def _stop(self) -> None:
        notify("STOPPING=1")
        await self.supervisor.stop()
        if self._vision is not None and self._vision.returncode is None:
            self._vision.terminate()
            await self._vision.wait()
        self.exporter.stop()
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
        if self.store.set_aside is None and self._journal_fault:
            self._journal_fault = False
            self.fault("gw-journal", False, "")

    _journal_fault = False

    def _journal_refused(self, reason: str) -> None:
        if not self._journal_fault:
            self._journal_fault = True
            log.error("the journal cannot be written: %s", reason)
            self.fault("gw-journal", True, reason)

    def _act(self, command: Command) -> tuple[bool, str]:
        decision = self.conveyor.stimulate(command)
        return decision.ok, decision.reply

    def _journal_opened(self, reason: str, data: dict[str, object]) -> Draft:
        now = self.clock.now()
        return Draft(
            id=self.ids(now.at_ms),
            event_class=EventClass.AUDIT,
            type="campus.journal.opened",
            subject="gw-journal",
            priority=Priority.ROUTINE,
            at_ms=now.at_ms,
            now_s=now.now_s,
            clock=now.clock,
            data={
                **data,
                "status": "System",
                "text": {"zh": f"事件日志启用：{_REASONS_ZH.get(reason, reason)}", "en": f"Journal opened: {reason}"},
            },
        )

    async def _watch_clock(self) -> None:
        """A clock that was never set is a fault until it is."""
        unknown: bool | None = None
        while True:
            before, unknown = unknown, self.clock.now().clock == "unknown"
            if unknown is not before:
                self.fault("gw-clock", unknown, "the clock was never set" if unknown else "")
            await asyncio.sleep(10.0)

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
                cameras = {camera.id for camera in self.settings.site.cameras}
                self.conveyor.push(
                    [
                        Reading(name, True, reason="vision silent", now_s=now_s)
                        if name in cameras
                        else Reading(name, None, Quality.BAD, "vision silent", now_s)
                        for name in self._eyes
                    ]
                )
            self._vision_silent = silent


_REASONS_ZH = {"created": "新建", "set aside": "旧日志损坏已封存", "restored": "从备份恢复"}


def _address(settings: Settings, path: Path, keepalive_s: int) -> Address:
    scheme, _, host_port = path.url.partition("://")
    host, _, port = host_port.rpartition(":") if ":" in host_port and not host_port.endswith("]") else (host_port, "", "")
    tls = None
    if scheme == "mqtts":
        try:
            tls = ssl.create_default_context(cafile=str(settings.beside(path.ca_file)))
            tls.minimum_version = ssl.TLSVersion.TLSv1_2
            if path.cert_file:
                tls.load_cert_chain(settings.beside(path.cert_file), settings.beside(path.key_file))
        except (OSError, ssl.SSLError) as error:
            raise BadCredentials(f"uplink path {path.id}: ca_file, cert_file or key_file cannot be used: {error}") from error
    password = None
    if path.password_file:
        try:
            password = settings.beside(path.password_file).read_text().strip()
        except OSError as error:
            raise BadCredentials(f"uplink path {path.id}: password_file cannot be read: {error}") from error
    return Address(
        host=host.strip("[]"),
        port=int(port) if port else (8883 if tls else 1883),
        client_id=f"{settings.site.site.id}-{settings.site.site.gateway}-{path.id}",
        v5=path.protocol == "5",
        keepalive_s=keepalive_s,
        tls=tls,
        username=path.username or None,
        password=password,
        source_address=path.source_address,
    )


class BadCredentials(Permanent):
    """Certificates, keys or passwords of an uplink path cannot be read."""


def serve(settings: Settings, *, spawn_vision: bool) -> int:
    """Run the daemon; 0 after a signal, 1 when it could not start or its journal ended."""
    try:
        asyncio.run(_serve(settings, spawn_vision))
    except GatewayError as error:
        sys.stderr.write(f"campus-gateway: {error}\n")
        return 1
    return 0


async def _serve(settings: Settings, spawn_vision: bool) -> None:
    await Daemon(settings, spawn_vision=spawn_vision).run()


__all__: list[Any] = ["Daemon", "serve"]
