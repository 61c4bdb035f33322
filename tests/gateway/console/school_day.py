"""A school on an ordinary day with something of everything, as the daemon shows it, and an archive of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gateway.console.pages import NoArchive, NotThere
from gateway.core.history import Told, Wanted
from tests.gateway.console.pictures import PANIC, alarm, picture

PLAN = Path(__file__).parents[3] / "deploy" / "examples" / "demo-plan.svg"
AT = "2026-11-22T00:30:00.000Z"
HAZARD: dict[str, Any] = {
    "hazard": "hz-12",
    "number": 12,
    "state": "assigned",
    "source": "fault",
    "alarm": "residual-main/fault",
    "place": "power-room",
    "zh": "漏电监测断线超过 24 小时",
    "en": "residual current sensor lost for more than 24 h",
    "responsible": "王师傅",
    "due": "2026-11-20",
    "overdue": True,
    "opened_at": AT,
    "recurrences": 1,
}
DRILL: dict[str, Any] = {
    "kind": "drill",
    "id": "d1",
    "state": "running",
    "drill": "fire",
    "points": ["panic-duty"],
    "until": "2026-11-22T01:00:00.000Z",
    "zh": "消防应急演练",
    "en": "fire drill",
    "by": "王主任",
    "why": "第二次演练",
}
INSPECTION: dict[str, Any] = {
    "inspection": "daily-round",
    "zh": "每日安全排查",
    "en": "daily safety round",
    "place": "",
    "every": "day",
    "state": "due",
    "due": "2026-11-22T09:00:00.000Z",
    "done_at": "2026-11-21T08:12:00.000Z",
    "by": "李明",
    "result": "problem",
    "responsible": "李明",
    "items": [
        {"item": "extinguishers", "zh": "灭火器压力", "en": "pressure of the extinguishers"},
        {"item": "exits", "zh": "疏散通道畅通", "en": "exits are clear"},
    ],
}
DUTY = {"duty": "post", "rule": "guard-post", "place": "gate", "state": "missing", "zh": "校门护学岗：07:20 起无人在岗",
        "en": "gate post: nobody since 07:20", "who": "张卫国", "done": 0, "of": 0}  # fmt: skip


def point(name: str, place: str, zh: str, en: str, **changes: Any) -> dict[str, Any]:
    """A point in the picture, normal unless told otherwise."""
    common = {"role": "panic_button", "system": False, "camera": False, "tried": True, "worked_on": True}
    return {
        "point": name,
        "place": place,
        "zh": zh,
        "en": en,
        "value": False,
        "unit": "",
        "quality": "good",
        "reason": "",
        "states": [],
    } | (common | changes)


POINTS = [
    point("panic-gatehouse", "gatehouse", "一键报警按钮（门卫室）", "panic button, gatehouse", value=True),
    point("panic-duty", "gatehouse", "一键报警按钮（值班室）", "panic button, duty room"),
    point("gate-camera", "gate", "校门摄像机", "gate camera", value="sees", camera=True, tried=False, system=True, worked_on=False),
    point("person-gate", "gate", "校门区域有人", "person at the gate"),
    point("door-back", "back-door", "后门", "back door", tried=False),
    point("gas-kitchen", "kitchen", "厨房燃气", "kitchen gas", value=12.5, unit="%LEL"),
    point("residual-main", "power-room", "配电室漏电", "residual current", value=None, quality="bad", reason="no answer for 3 s"),
    point("stray", "kitchen", "未标点位", "a point without a place on the plan", tried=False),
]


def whole() -> dict[str, Any]:
    """The picture."""
    names = {"gatehouse": "门卫室", "gate": "校门", "back-door": "后门", "kitchen": "食堂厨房", "power-room": "配电室"}
    at = {"panic-gatehouse": [0.24, 0.78], "panic-duty": [0.3, 0.78], "gate-camera": [0.5, 0.8], "person-gate": [0.45, 0.68]}
    at |= {"door-back": [1.0, 0.1], "gas-kitchen": [0.645, 0.26], "residual-main": [0.865, 0.26]}
    taken = alarm(
        "gas-kitchen", place="kitchen", state="acknowledged", by="张三", severity="Severe", value=12.5, unit="%LEL", incident="i1"
    )
    fault = alarm("residual-main", place="power-room", fault=True, state="acknowledged", reason="no answer for 3 s")
    aside = {
        "alarm": "door-back/alarm",
        "zh": "后门强开",
        "en": "back door forced",
        "state": "shelved",
        "why": "修门",
        "by": "王主任",
        "until": AT,
    }
    patrol = DUTY | {"duty": "night-round", "rule": "patrol", "state": "due", "zh": "夜间巡逻：第 2 轮", "en": "night patrol: round 2"}
    patrol |= {"done": 1, "of": 5, "due": "2026-11-22T14:00:00.000Z"}
    patrol["checkpoints"] = [{"id": "boiler", "zh": "锅炉房", "en": "boiler room"}, {"id": "gym", "zh": "体育馆", "en": "gym"}]
    room = DUTY | {
        "duty": "duty-room",
        "rule": "duty-room",
        "state": "asked",
        "zh": "值班室：08:30 查岗",
        "en": "duty room: asked at 08:30",
    }
    shift = DUTY | {"duty": "shifts", "rule": "shift", "state": "on duty", "zh": "值班：李建军", "en": "on duty: 李建军", "who": "李建军"}
    test = {"point": "panic-duty", "zh": "一键报警按钮（值班室）", "en": "panic button, duty room", "every_days": 92,
            "at_ms": 1_780_000_000_000,
            "result": "passed", "by": "赵工", "passed_ms": 1_780_000_000_000, "due_ms": 1_795_000_000_000,
            "in_days": -2, "due": "overdue"}  # fmt: skip
    return picture(
        PANIC | {"incident": "i2"},
        taken,
        fault,
        places={name: {"zh": zh, "en": name.replace("-", " ")} for name, zh in names.items()},
        points=POINTS,
        plan={"ratio": 0.47, "at": at},
        set_aside=[aside],
        modes=[DRILL, DRILL | {"kind": "maintenance", "id": "m1", "zh": "检修", "en": "maintenance", "points": ["person-gate"]}],
        duties=[DUTY, patrol, room, shift],
        walk_tests=[test],
        hazards=[
            HAZARD,
            HAZARD | {"hazard": "hz-13", "number": 13, "state": "fixed", "source": "person", "overdue": False, "due": "2026-12-01"},
        ],
        inspections=[
            INSPECTION,
            INSPECTION | {"inspection": "weekly", "every": "week", "state": "overdue", "result": "", "done_at": "", "items": []},
        ],
    )


DRILL_ENDED: dict[str, Any] = {
    "id": "d0",
    "drill": "fire",
    "name": {"zh": "消防应急演练", "en": "fire drill"},
    "opened_by": "王主任",
    "ended": "by 王主任",
    "announced_at": AT,
    "started_at": AT,
    "ended_at": "2026-11-22T01:00:00.000Z",
    "lasted_s": 1800.0,
    "window": "lesson",
    "night": False,
    "alarms": [
        {"alarm": "panic-duty/alarm", "name": {"zh": "一键报警按钮", "en": "panic button"}, "pressed_at": AT, "after_s": 60.0,
         "broker_s": 0.2, "received_s": {"police": 0.4},
         "acknowledged_s": 14.0, "acknowledged_by": "张三", "reset_s": None, "reset_by": ""}
    ],
    "not_pressed": ["panic-gatehouse"],
    "persons": ["张三", "王主任"],
    "totals": {"listed": 2, "pressed": 1, "received": 1, "acknowledged": 1, "real": 0,
               "slowest_received_s": 0.4, "slowest_acknowledged_s": 14.0},
}  # fmt: skip

DAILY: dict[str, Any] = {
    "report": "daily",
    "number": 7,
    "from": "2026-11-20T16:00:00.000Z",
    "to": "2026-11-21T16:00:00.000Z",
    "issued_at": "2026-11-21T23:00:00.000Z",
    "site": {"zh": "实验小学", "en": "Experimental school", "by": "Li Qiang"},
    "nothing_happened": True,
    "summary": {"zh": "零报告，无报警、无故障。", "en": "zero report; no alarm, no fault."},
    "order": ["compliance", "alarms"],
    "sections": {
        "alarms": {
            "zh": "报警",
            "en": "Alarms",
            "figures": [
                {"figure": "real", "zh": "实际报警", "en": "real alarms", "kind": "count", "value": 0},
                {"figure": "worst", "zh": "确认最长用时", "en": "longest until acknowledged", "kind": "s", "value": 754.2},
                {"figure": "none", "zh": "恢复最长用时", "en": "longest until over", "kind": "s", "value": None},
            ],
            "tables": [],
        },
        "compliance": {
            "zh": "四个100%",
            "en": "The four 100%",
            "figures": [{"figure": "rate", "zh": "达标率", "en": "rate", "kind": "share", "value": 0.955}],
            "tables": [
                {"table": "lacking", "zh": "未达标的依据", "en": "what is lacking", "more": 3,
                 "columns": [{"column": "what", "zh": "内容", "en": "what", "kind": "text"},
                             {"column": "at", "zh": "时间", "en": "time", "kind": "time"}],
                 "rows": [{"what": {"zh": "校门无防冲撞", "en": "no bollards at the gate"}, "at": AT}]},
            ],
        },
        "strange": [1, 2],
    },
}  # fmt: skip


def told(row: int, kind: str, subject: str, data: dict[str, Any]) -> Told:
    """An event of the archive."""
    event_class = "mode" if ".mode." in kind else "duty"
    return Told(row, 1, row, event_class, f"e{row}", kind, subject, 1_795_300_000_000, data, {}, frozenset())


def entry(row: int, step: str, by: str, hazard: dict[str, Any] = HAZARD) -> Told:
    """An entry of the ledger."""
    data = hazard | {"step": step, "at": AT, "by": by, "why": "换了传感器" if step == "fixed" else ""}
    return told(row, f"campus.hazard.{step}", hazard["hazard"], data)


class SchoolArchive(NoArchive):
    """What is kept of that school."""

    events_ = (
        told(40, "campus.mode.drill_ended", "d0", DRILL_ENDED),
        entry(31, "closed", "王主任", HAZARD | {"hazard": "hz-3", "number": 3, "state": "closed", "overdue": False}),
        entry(21, "assigned", "王主任"),
        entry(20, "opened", "gateway"),
    )

    async def events(self, wanted: Wanted, most: int) -> list[Told]:
        """Newest first."""
        found = (each for each in self.events_ if not wanted.before_row or each.row < wanted.before_row)
        found = (each for each in found if not wanted.types or each.type.startswith(wanted.types))
        return [each for each in found if wanted.subject in ("", each.subject)][:most]

    async def reports(self, kind: str) -> list[dict[str, Any]]:
        """One daily report."""
        return [DAILY] if kind == "daily" else []

    async def report(self, kind: str, number: int) -> dict[str, Any]:
        """That one."""
        if (kind, number) == ("drill", 3):
            return {"report": "drill", "number": 3, "drill": DRILL_ENDED, "issued_at": AT, "signature": "kid..sig"}
        if (kind, number) != ("daily", 7):
            raise NotThere("there is no such report")
        return DAILY

    async def ledger(self, form: str) -> bytes:
        """Not really a table."""
        return f"ledger as {form}".encode()

    async def file(self, name: str) -> Path:
        """The demo's plan."""
        return PLAN
