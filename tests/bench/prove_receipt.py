"""Ten presses at once on the slowest line, all cores busy and every sync 30 ms late: how long from the wire to the centre's receipt."""

from __future__ import annotations

import base64
import contextlib
import functools
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path

import paho.mqtt.client as mqtt

from simulators.broker import Broker
from tests.bench.parts import MissingPart, program
from tests.bench.prove_account import BEGINS, Account, Told, settle
from tests.bench.prove_effort import Effort
from tests.bench.rig import Say
from tests.proof.rig import Program, Rig, free_port, rig, wait_for

BAUD = 9600
BUTTONS = tuple(f"panic-{number}" for number in range(1, 11))
METERS = 2
METER_PERIOD_MS = 10_000
PANIC_PERIOD_MS = 150  # two modules: half of the line
SYNC_LATER_MS = 30
LATEST_S = 30.0
GAP_S = (2.0, 3.0)  # between rounds, so that they fall anywhere in the line's cycle
CAMERAS = 2
CAMERA_FPS = 25
VISIT_S = 0.8  # the motion gate stays open for 1 s
VISION_NICE = 10  # systemd/campus-vision.service
SOURCE = Path(__file__).with_name("slow_sync.c")


def receipt(effort: Effort, folder: Path, say: Say) -> Generator[Account, None, None]:
    """Rounds of ten presses at once."""
    busy, chance = os.cpu_count() or 1, effort.chance("receipt")
    account = Account("ten presses at once")
    folder.mkdir(parents=True)
    try:
        environment = {"LD_PRELOAD": str(slow_sync()), "SLOW_SYNC_MS": str(SYNC_LATER_MS)}
    except MissingPart as none:
        account.skipped = str(none)
        yield account
        return
    eyes = [free_port() for _ in range(CAMERAS)]
    text = line_text() + "".join(camera_text(number, port) for number, port in enumerate(eyes))
    with Broker("nats", dir=folder / "broker") as broker, rig(folder, broker.url, text, environment=environment) as here:
        wait_for(lambda: here.status().get("outbox", {}).get("depth") == 0, "the gateway is up and owes nothing", 60)
        with _listening(broker.port) as heard, _vision(here, eyes), _busy(busy):
            began_s, before = time.monotonic(), _inferences(here)
            for number in range(effort.presses):
                wait_for(lambda: _all_at_rest(here), "the gateway has cleared every latch: before that a press is none")
                time.sleep(chance.uniform(*GAP_S))
                account.receipts_s += _ten(here, heard, account.caused)
                say(f"{account.trouble}: {number + 1} of {effort.presses}, longest {max(account.receipts_s):.2f} s")
            rate = (_inferences(here) - before) / (time.monotonic() - began_s)
        account.note = (
            f"{BAUD} baud, each sync {SYNC_LATER_MS} ms later; vision looked at {rate:.0f} pictures/s of {CAMERAS} cameras,"
            f" {busy} busy processes of its rank beside it"
        )
        settle(here, account.caused, Told(here, BUTTONS), account, say, LATEST_S)
    yield account


class Heard:
    """Receipts as they cross the broker. receipted: point -> moments (monotonic s) at which one of its presses had its receipt."""

    def __init__(self) -> None:
        self._points: dict[str, str] = {}
        self._settled: set[str] = set()
        self._lock = threading.Lock()
        self.receipted: dict[str, list[float]] = {name: [] for name in BUTTONS}

    def take(self, topic: str, payload: bytes, now_s: float) -> None:
        """One message; events of other points and other kinds are passed over."""
        with self._lock:
            if topic.endswith("/event/alarm"):
                event = json.loads(payload)
                if event["type"] in BEGINS and event["subject"] in self.receipted:
                    self._points[event["id"]] = event["subject"]
            elif topic.endswith("/receipt"):
                part = payload.split(b".")[1]
                for item in json.loads(base64.urlsafe_b64decode(part + b"=" * (-len(part) % 4)))["items"]:
                    if item["id"] in self._points and item["id"] not in self._settled:
                        self._settled.add(item["id"])
                        self.receipted[self._points[item["id"]]].append(now_s)


@contextlib.contextmanager
def _listening(port: int) -> Iterator[Heard]:
    heard, granted = Heard(), threading.Event()
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, "stop-watch", protocol=mqtt.MQTTv311)
    client.on_message = lambda *told: heard.take(told[2].topic, told[2].payload, time.monotonic())
    client.on_subscribe = lambda *_: granted.set()
    client.connect("127.0.0.1", port)
    client.subscribe("campus/v1/#", 1)
    client.loop_start()
    try:
        if not granted.wait(10):
            raise AssertionError("the broker does not grant a subscription")
        yield heard
    finally:
        client.disconnect()
        client.loop_stop()


def _ten(here: Rig, heard: Heard, caused: Counter[str]) -> list[float]:
    """Press all buttons; seconds from each press until its receipt. One that has none in LATEST_S counts as LATEST_S."""
    before = {name: len(heard.receipted[name]) for name in BUTTONS}
    pressed_s = {}
    for name in BUTTONS:
        pressed_s[name] = time.monotonic()
        here.post(f"/points/{name}", {"press_ms": 20})
        caused[name] += 1
    with contextlib.suppress(AssertionError):
        wait_for(lambda: all(len(heard.receipted[name]) > before[name] for name in BUTTONS), "ten receipts", LATEST_S)
    out = []
    for name in BUTTONS:
        later = heard.receipted[name][before[name] :]
        out.append(later[0] - pressed_s[name] if later else LATEST_S)
    return out


def _all_at_rest(here: Rig) -> bool:
    points = here.get("/points")
    return not any(points[name]["value"] for name in BUTTONS)


@contextlib.contextmanager
def _vision(here: Rig, ports: Sequence[int]) -> Iterator[None]:
    """The vision process, and cameras with a person who comes and goes, so that every picture is worth looking at."""
    remotes = [free_port() for _ in ports]
    programs = []
    for port, remote in zip(ports, remotes, strict=True):
        options = ("--port", str(port), "--path", "/gate", "--fps", str(CAMERA_FPS), "--http", str(remote))
        programs.append(Program(here.folder / f"camera-{port}.log", "simulators", "camera", *options))
    programs.append(Program(here.folder / "vision.log", "gateway", "vision", "--config", str(here.site)))
    stop = threading.Event()
    coming = threading.Thread(target=_come_and_go, args=(remotes, stop), name="visitors")
    try:
        for each in programs:
            each.start()
        coming.start()
        wait_for(lambda: _inferences(here) > 0, "vision looks at pictures", 60)
        yield
    finally:
        stop.set()
        if coming.ident is not None:
            coming.join()
        for each in programs:
            if each.process is not None and each.process.poll() is None:
                each.kill()


def _come_and_go(remotes: Sequence[int], stop: threading.Event) -> None:
    there = False
    while not stop.wait(VISIT_S):
        there = not there
        for remote in remotes:
            with contextlib.suppress(OSError):  # the camera is not up yet
                order = urllib.request.Request(f"http://127.0.0.1:{remote}/", json.dumps({"person": there}).encode(), method="POST")
                urllib.request.urlopen(order, timeout=5).close()


def _inferences(here: Rig) -> float:
    return sum(here.metric("gw_inferences_total").values())


@contextlib.contextmanager
def _busy(count: int) -> Iterator[None]:
    """As many processes as there are cores that do nothing but compute, as low in rank as vision."""
    command = ["nice", "-n", str(VISION_NICE), sys.executable, "-c", "while True: pass"]
    processes = [subprocess.Popen(command, start_new_session=True) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def camera_text(number: int, port: int) -> str:
    """A camera of which every picture is judged, as far as vision gets."""
    return f"""
[[cameras]]
id = "camera-{number}"
url = "rtsp://127.0.0.1:{port}/gate"
place = "gate"
analysed_fps = {CAMERA_FPS}
[[cameras.zones]]
id = "all"
polygon = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]
"""


def line_text() -> str:
    """One line at 9600 baud: two modules with five latched panic buttons each, and meters that are read beside them."""
    bus = f'[[buses]]\nid = "slow"\ntransport = "rtu"\ndevice = "slow.tty"\nbaud = {BAUD}'
    modules = [f'[[devices]]\nid = "module-{n}"\nbus = "slow"\nprofile = "latch-module"\nunit = {n}' for n in (1, 2)]
    meter = '[[devices]]\nid = "meter-{0}"\nbus = "slow"\nprofile = "eastron-sdm120"\nunit = {0}\npublish = "all"\nperiod_ms = {1}'
    meters = [meter.format(10 + n, METER_PERIOD_MS) for n in range(METERS)]
    point = '[[points]]\nid = "{}"\nrole = "panic_button"\nplace = "gate"\ndevice = "module-{}"\nsignal = "di{}_latched"\nperiod_ms = {}'
    points = [point.format(name, 1 + n // 5, 1 + n % 5, PANIC_PERIOD_MS) for n, name in enumerate(BUTTONS)]
    return "\n".join([bus, *modules, *meters, *points])


@functools.cache
def slow_sync() -> Path:
    """The compiled library, once in a run."""
    compiler = program("gcc", package="gcc")
    target = Path(_folder().name) / "slow_sync.so"
    subprocess.run([compiler, "-O2", "-Wall", "-shared", "-fPIC", "-o", str(target), str(SOURCE)], check=True)
    return target


@functools.cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="bench-sync-")
