"""The checks of a first visit, step by step: what is done, what the person is asked, and what counts as right."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.bus.serial_line import SerialSettings
from gateway.config.settings import Settings
from gateway.console import reasons, refusals
from gateway.core.cameras import SEES
from gateway.core.errors import GatewayError, JournalUnreadable
from gateway.core.history import Wanted
from gateway.core.points import Point, Text
from gateway.journal.history import JournalHistory
from gateway.runtime import findings as grades
from gateway.runtime.board_facts import look
from gateway.runtime.commission import OK, PROBLEM, SKIPPED, SOON, UNKNOWN, Check, Outcome
from gateway.runtime.commission_exercise import DoorSide, exercise
from gateway.runtime.commission_talk import Talk
from gateway.runtime.doctor_board import judge_board, judge_clock, judge_disk
from gateway.runtime.doctor_files import judge_files, serial_ports
from gateway.runtime.equipment import POLLED, unit_of
from gateway.runtime.findings import Finding, in_order

if TYPE_CHECKING:
    from gateway.config.site import Bus, Camera, Device, Output
    from gateway.runtime.probing import Target

RECEIPT_WITHIN_S = 60.0
MOST_SHOWN = 12  # values of a device
_GRADED = {grades.WRONG: PROBLEM, grades.SOON: SOON, grades.UNKNOWN: UNKNOWN}
_CARE = frozenset({"gas_valve", "bollard"})  # outputs whose switching may trap or cut off somebody


@dataclass(slots=True)
class Visit:
    """All that the steps need. now_ms: UTC; wait_s: for a press or an opening; units: of each line to look for; clock: its quality.

    findings: of the computer, looked at once.
    """

    settings: Settings
    door: DoorSide
    talk: Talk
    by: str
    now_ms: Callable[[], int]
    wait_s: float
    units: range
    clock: str
    findings: dict[str, list[Finding]] = field(default_factory=dict)


def checks(visit: Visit, only: str = "") -> Iterator[Check]:
    """Every check in order. only: one step."""
    for step, make in _STEPS.items():
        if only in ("", step):
            yield from make(visit)


# --- 1 site file, 2 ports, 3 devices ------------------------------------------------------------


def _site(visit: Visit) -> Iterator[Check]:
    def warnings() -> Outcome:
        from gateway.runtime.check_models import judge_model
        from gateway.runtime.promises import judge_site

        problems, doubts = judge_model(visit.settings)
        judged = judge_site(visit.settings)
        wrong = [str(problem) for problem in (*problems, *judged.problems)]
        noticed = [str(problem) for problem in (*visit.settings.warnings, *doubts, *judged.warnings)]
        return Outcome(PROBLEM if wrong else OK, "; ".join(wrong or noticed), {"warnings": noticed})

    yield Check("site/check", Text("检查场所文件", "check the site file"), warnings)


def _ports(visit: Visit) -> Iterator[Check]:
    for bus in visit.settings.site.buses:
        places = (visit.settings.points[device.id].place for device in visit.settings.site.devices if device.bus == bus.id)
        name = Text(f"总线 {bus.id}（{_where(bus)}）", f"line {bus.id} ({_where(bus)})")
        yield Check(f"ports/{bus.id}", name, _port(visit, bus), next(filter(None, places), ""))


def _where(bus: Bus) -> str:
    if bus.transport == "tcp" or bus.transport == "rtu-tcp" or bus.transport == "raw-tcp":
        return f"{bus.host}:{bus.port}"
    return bus.chip if bus.transport == "gpio" else bus.device


def _port(visit: Visit, bus: Bus) -> Callable[[], Outcome]:
    def look_at() -> Outcome:
        counts = visit.door.status()["lines"].get(bus.id, {})
        told: dict[str, Any] = {"results": counts}
        if bus.transport in ("rtu", "ascii") and visit.units:
            try:
                told["units"] = found = asyncio.run(_scanned(visit, bus))
            except GatewayError as error:
                return Outcome(PROBLEM, Text(refusals.say(str(error), "zh"), str(error)), told)
            known = {unit_of(visit.settings, device) for device in visit.settings.site.devices if device.bus == bus.id}
            if strangers := sorted(set(found) - known):
                words = ", ".join(map(str, strangers))
                return Outcome(PROBLEM, Text(f"场所文件之外的单元 {words}", f"units that the site file does not know: {words}"), told)
        if counts and not counts.get("ok") and sum(counts.values()):
            return Outcome(PROBLEM, Text(f"没有一次应答：{_counts(counts)}", f"no answer at all: {_counts(counts)}"), told)
        return Outcome(OK, "", told)

    return look_at


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {number}" for name, number in counts.items() if number)


async def _scanned(visit: Visit, bus: Bus) -> list[int]:
    from gateway.runtime.probing import SCAN_TIMEOUT_S, asker, scan

    async with asker(target_of(visit.settings, bus), visit.settings) as line:
        return [found.unit async for found in scan(line, visit.units, SCAN_TIMEOUT_S, lambda unit: None)]


def target_of(settings: Settings, bus: Bus) -> Target:
    """Where a bus of the site file is asked."""
    from gateway.runtime.probing import Target

    if bus.transport == "tcp" or bus.transport == "rtu-tcp" or bus.transport == "raw-tcp":
        return Target(bus.transport, host=bus.host, port=bus.port)
    assert bus.transport != "gpio"
    first = next((settings.profiles[device.profile].serial for device in settings.site.devices if device.bus == bus.id), None)
    serial = SerialSettings(
        bus.baud or (first.baud if first else 9600), bus.parity or (first.parity if first else "N"),
        bus.stop_bits or (first.stop_bits if first else 1), bus.data_bits or (first.data_bits if first else 8),
    )  # fmt: skip
    return Target(bus.transport, path=str(settings.beside(bus.device)), serial=serial)


def _devices(visit: Visit) -> Iterator[Check]:
    for device in visit.settings.site.devices:
        profile = visit.settings.profiles[device.profile]
        name = f"{device.name or device.id}: {profile.vendor} {profile.model}"
        yield Check(f"devices/{device.id}", Text(name, name), _device(visit, device), visit.settings.points[device.id].place)


def _device(visit: Visit, device: Device) -> Callable[[], Outcome]:
    def identify() -> Outcome:
        answers = visit.door.status()["devices"].get(device.id)  # None: nothing is read from it regularly, as from a module of outputs
        if answers is False:
            return Outcome(PROBLEM, Text("无应答：查供电、A/B 线、站号", "no answer: power, A and B, unit id"))
        bus = next(bus for bus in visit.settings.site.buses if bus.id == device.bus)
        profile = visit.settings.profiles[device.profile]
        if bus.transport not in POLLED or profile.protocol != "modbus":
            return Outcome(OK) if answers else Outcome(PROBLEM, Text("还没有消息", "nothing was heard of it yet"))
        try:
            return asyncio.run(_probed(visit, device, bus))
        except GatewayError as error:
            return Outcome(PROBLEM, str(error))

    return identify


async def _probed(visit: Visit, device: Device, bus: Bus) -> Outcome:
    from gateway.runtime.devices_text import readable
    from gateway.runtime.probing import asker, probe

    profile: Any = visit.settings.profiles[device.profile]
    timeout_s = device.timeout_ms / 1000 if device.timeout_ms else None
    async with asker(target_of(visit.settings, bus), visit.settings) as line:
        found = await probe(line, profile, unit_of(visit.settings, device), readable(profile), timeout_s, device.address_offset)
    shown = list(found.readings.items())[:MOST_SHOWN]
    seen = {"signals": {name: reading.value for name, reading in shown}}
    faults = [fault for _, fault, _ in found.blocks if fault]
    if not found.answered:
        return Outcome(PROBLEM, faults[0] if faults else Text("无应答", "no answer"), seen)
    return Outcome(PROBLEM, "; ".join(faults), seen) if faults else Outcome(OK, "", seen)


# --- 4 points, 5 cameras ------------------------------------------------------------------------


def _points(visit: Visit) -> Iterator[Check]:
    for each in visit.settings.site.points:
        point = visit.settings.points[each.id]
        if each.device is not None:
            yield Check(f"points/{point.id}", point.name, _point(visit, point), point.place, point.responsible)


def _point(visit: Visit, point: Point) -> Callable[[], Outcome]:
    def try_it() -> Outcome:
        if point.kind in ("measurement", "text", "card"):
            return _plausible(visit, point)
        return exercise(visit.door, visit.talk, point, visit.by, visit.wait_s)

    return try_it


def _plausible(visit: Visit, point: Point) -> Outcome:
    row = visit.door.point(point.id)
    if row is None:
        return Outcome(PROBLEM, Text("没有读数", "no reading"))
    seen = {"value": row["value"], "unit": row["unit"], "quality": row["quality"]}
    if row["quality"] == "bad":
        return Outcome(PROBLEM, Text(f"读数不可信：{reasons.say(row['reason'], 'zh')}", f"its reading is bad: {row['reason']}"), seen)
    value = f"{row['value']} {row['unit']}".strip()
    question = Text(f"{point.name.zh} 现在是 {value}，合理吗？", f"{point.name.en} shows {value} now: is that plausible?")
    return _asked(visit, f"points/{point.id}", question, seen)


def _asked(visit: Visit, key: str, question: Text, seen: dict[str, Any]) -> Outcome:
    answer = visit.talk.ask(key, question)
    if answer.yes is None:
        return Outcome(SKIPPED, answer.note, seen)
    return (
        Outcome(OK, answer.note, seen)
        if answer.yes
        else Outcome(PROBLEM, answer.note or Text("调试人答否", "the technician says no"), seen)
    )


def _cameras(visit: Visit) -> Iterator[Check]:
    for camera in visit.settings.site.cameras:
        name = Text(f"摄像机 {camera.id}", f"camera {camera.id}")
        yield Check(f"cameras/{camera.id}", name, _camera(visit, camera), camera.place)


def _camera(visit: Visit, camera: Camera) -> Callable[[], Outcome]:
    def see() -> Outcome:
        row = visit.door.point(camera.id) or {"value": None, "reason": "no word from vision"}
        seen = {"says": row["value"], "zones": [zone.id for zone in camera.zones], "lines": [line.id for line in camera.lines]}
        if row["value"] != SEES:
            return Outcome(PROBLEM, row["reason"] or Text(f"看不到：{row['value']}", f"it does not see: {row['value']}"), seen)
        console = visit.settings.site.console
        page = "" if console is None else f" http{'s' if console.cert_file else ''}://{console.host}:{console.port}/cameras"
        question = Text(
            f"打开{page or '值守页面'}：{camera.id} 画面正确，区域画在该在的地方？",
            f"open{page or ' the guard-room page'}: is the picture of {camera.id} right, and are its zones where they belong?",
        )
        return _asked(visit, f"cameras/{camera.id}", question, seen)

    return see


# --- 6 link, 7 computer, 8 outputs --------------------------------------------------------------


def _link(visit: Visit) -> Iterator[Check]:
    for path in visit.settings.site.uplink.paths:
        yield Check(f"link/{path.id}", Text(f"链路 {path.id}（{path.url}）", f"path {path.id} ({path.url})"), _path(visit, path.id))
    receipt = Text("测试事件与中心签名回执", "a test event and the centre's signed receipt")
    yield Check("link/receipt", receipt, lambda: _receipt(visit))


def _path(visit: Visit, path_id: str) -> Callable[[], Outcome]:
    def connected() -> Outcome:
        row = next(row for row in visit.door.status()["paths"] if row["id"] == path_id)
        return Outcome(OK) if row["up"] else Outcome(PROBLEM, Text(f"未连接：{row['reason']}", f"not connected: {row['reason']}"))

    return connected


def _receipt(visit: Visit) -> Outcome:
    """An audit event goes the way of all events; everyone who gets such events must sign for it."""
    since_ms, mark = visit.now_ms(), f"link test {visit.now_ms()}"
    if refused := visit.door.command("commission", why=mark, by=visit.by):
        return Outcome(PROBLEM, refused)
    wanted = Wanted(from_ms=since_ms - 1000, classes=frozenset({"audit"}), types=("campus.audit.command",))
    history = JournalHistory(visit.settings.state_dir)

    def signed(_: dict[str, Any]) -> dict[str, Any] | None:
        try:
            told = next((told for told in history.events(wanted) if told.data.get("why") == mark), None)
        except JournalUnreadable:
            return None
        if told is None or told.owed:
            return None
        return {"event": told.id, "received_s": {who: round((at_ms - told.at_ms) / 1000, 3) for who, at_ms in told.received.items()}}

    visit.talk.say("link/receipt", Text("已发测试事件，等中心回执", "a test event is out; waiting for the centre's receipt"))
    seen = visit.door.until(signed, RECEIPT_WITHIN_S, visit.talk.no_more)
    if seen is None:
        return Outcome(PROBLEM, Text(f"{RECEIPT_WITHIN_S:.0f} 秒内没有回执", f"no receipt within {RECEIPT_WITHIN_S:.0f} s"))
    entitled = {each.id for each in visit.settings.site.uplink.recipients if "audit" in each.classes}
    if not entitled:
        words = Text("没有接收方订阅审计事件，只有服务器确认", "nobody gets events of class audit: only the broker has confirmed")
        return Outcome(OK, words, seen)
    missing = entitled - set(seen["received_s"])
    names = ", ".join(sorted(missing))
    return Outcome(PROBLEM, Text(f"没有签收：{names}", f"not signed for by {names}"), seen) if missing else Outcome(OK, "", seen)


def _board(visit: Visit) -> Iterator[Check]:
    names = {
        "clock": Text("时钟", "clock"),
        "disk": Text("磁盘与挂载选项", "disk and mount options"),
        "power": Text("供电、温度、看门狗", "power, heat, watchdog"),
        "files": Text("密钥、证书、端口、日志", "keys, certificates, ports, journal"),
    }
    for area, name in names.items():
        yield Check(f"board/{area}", name, _area(visit, area))


def _area(visit: Visit, area: str) -> Callable[[], Outcome]:
    def judge() -> Outcome:
        if not visit.findings:
            visit.findings = _looked(visit)
        found = visit.findings[area]
        zh, en = "；".join(finding.what.zh for finding in found), "; ".join(finding.what.en for finding in found)
        result = _GRADED[found[0].grade] if found else OK  # the worst is first
        return Outcome(result, Text(zh, en) if found else "", {"findings": [finding.as_json() for finding in found]})

    return judge


def _looked(visit: Visit) -> dict[str, list[Finding]]:
    facts = look(Path(visit.settings.state_dir).resolve())
    clock, disk = list(judge_clock(facts, visit.clock)), list(judge_disk(facts.disk))
    rest = [finding for finding in judge_board(facts, visit.clock, serial_ports(visit.settings)) if finding not in (*clock, *disk)]
    pid = int(visit.door.status()["pid"])
    files = judge_files(visit.settings, visit.now_ms() / 1000, visit.clock, pid)
    return {name: in_order(found) for name, found in (("clock", clock), ("disk", disk), ("power", rest), ("files", files))}


def _outputs(visit: Visit) -> Iterator[Check]:
    for output in visit.settings.site.outputs:
        name = Text(output.name or output.id, output.name_en or output.name or output.id)
        yield Check(f"outputs/{output.id}", name, _output(visit, output, name), output.place)


def _output(visit: Visit, output: Output, name: Text) -> Callable[[], Outcome]:
    key = f"outputs/{output.id}"

    def switch() -> Outcome:
        if not visit.settings.outputs[output.id].enabled:
            return Outcome(SKIPPED, Text("场所文件中未启用", "not enabled in the site file"))
        care = ("，确认周围无人" if output.kind in _CARE else ""), (", nobody is near it" if output.kind in _CARE else "")
        consent = visit.talk.ask(f"{key}/consent", Text(f"现在接通 {name.zh}{care[0]}？", f"switch {name.en} on now{care[1]}?"))
        if not consent.yes:
            return Outcome(SKIPPED, consent.note or Text("未同意", "no consent"))
        if refused := visit.door.command("output", output.id, value="on", by=visit.by):
            return Outcome(PROBLEM, refused)
        try:
            return _asked(visit, key, Text(f"{name.zh} 动作了吗？", f"did {name.en} work?"), {})
        finally:
            visit.door.command("output", output.id, value="off", by=visit.by)

    return switch


_STEPS: dict[str, Callable[[Visit], Iterator[Check]]] = {
    "site": _site,
    "ports": _ports,
    "devices": _devices,
    "points": _points,
    "cameras": _cameras,
    "link": _link,
    "board": _board,
    "outputs": _outputs,
}
