"""One event of the journal as a person reads it: when, where, what, who, and who has it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from gateway.config.roles import ROLES, SYSTEM_ROLES
from gateway.config.roles_rules import RULE_ROLES
from gateway.console import reasons, refusals, words
from gateway.console.pages import Visit
from gateway.core.history import Told

UNITS = {"Cel": "°C"}

CLASSES: dict[str, tuple[str, str]] = {
    "alarm": ("报警", "alarm"),
    "fault": ("故障", "fault"),
    "duty": ("值守", "duty"),
    "access": ("出入", "access"),
    "observation": ("观测", "observation"),
    "mode": ("演练与测试", "drill or test"),
    "audit": ("操作与审计", "audit"),
}

# By the type of an event without `campus.`, or by the last word of it.
DEEDS: dict[str, tuple[str, str]] = {
    "activated": ("发生", "raised"),
    "repeated": ("再次发生", "raised again"),
    "cleared": ("恢复", "gone"),
    "acknowledged": ("确认", "acknowledged"),
    "reset": ("复位", "reset"),
    "escalated": ("升级上报", "escalated"),
    "shelved": ("搁置", "shelved"),
    "unshelved": ("取消搁置", "no longer shelved"),
    "suppressed": ("按设计抑制", "suppressed by design"),
    "unsuppressed": ("解除抑制", "no longer suppressed"),
    "out_of_service": ("停用", "out of service"),
    "returned_to_service": ("恢复使用", "back in service"),
    "recorded": ("仅记录", "recorded only"),
    "changed": ("变化", "changed"),
    "granted": ("放行", "let in"),
    "denied": ("拒绝", "refused"),
    "asked": ("查岗", "asked"),
    "answered": ("查岗应答", "answered"),
    "checked_in": ("签到", "checked in"),
    "on_post": ("在岗", "on post"),
    "unattended": ("无人在岗", "nobody on post"),
    "round_done": ("巡逻完成", "round done"),
    "round_missed": ("巡逻漏巡", "round missed"),
    "shift_opened": ("交接班", "shift handover"),
    "whistle": ("吹哨", "whistle"),
    "whistle_reported": ("报到", "reported in"),
    "whistle_answered": ("全部报到", "all reported in"),
    "whistle_overdue": ("逾期未报到", "not reported in"),
    "whistle_ended": ("吹哨结束", "whistle ended"),
    "drill_announced": ("演练预告", "drill announced"),
    "drill_started": ("演练开始", "drill begins"),
    "drill_called_off": ("演练取消", "drill called off"),
    "drill_ended": ("演练结束", "drill ended"),
    "test_started": ("报警测试开始", "walk test begins"),
    "test_ended": ("报警测试结束", "walk test ended"),
    "maintenance_started": ("检修开始", "maintenance begins"),
    "maintenance_ended": ("检修结束", "maintenance ended"),
    "incident.opened": ("事件发现", "incident detected"),
    "incident.reported": ("事件已报告", "incident reported"),
    "incident.controlled": ("事件已控制", "incident controlled"),
    "incident.resolved": ("事件已解决", "incident resolved"),
    "evidence.ready": ("图像已存", "picture kept"),
    "evidence.failed": ("无图像", "no picture"),
    "audit.command": ("操作", "command"),
    "audit.evidence_read": ("查阅图像", "picture read"),
    "audit.evidence_deleted": ("图像到期删除", "picture deleted"),
    "output.done": ("已执行", "done"),
    "output.refused": ("未执行", "refused"),
    "output.unconfirmed": ("未得到回读确认", "not read back"),
    "journal.opened": ("日志启用", "journal begun"),
    "journal.dropped": ("日志丢弃", "events dropped"),
    "journal.removed": ("到期清除", "removed by age"),
    "journal.checkpoint": ("日志检查点", "checkpoint"),
    "key.announced": ("新密钥", "new key"),
    "gateway.stopping": ("报警主机停机", "gateway stops"),
    "report.issued": ("报告已出", "report issued"),
    "hazard.opened": ("隐患登记", "hazard opened"),
    "hazard.assigned": ("隐患交办", "hazard assigned"),
    "hazard.fixed": ("隐患已整改", "hazard fixed"),
    "hazard.verified": ("隐患已复查", "hazard verified"),
    "hazard.closed": ("隐患销号", "hazard closed"),
    "hazard.reopened": ("隐患重新挂账", "hazard reopened"),
    "inspection.done": ("检查完成", "inspection done"),
    "inspection.overdue": ("检查逾期", "inspection overdue"),
}

_FURTHER_ROLES: dict[str, tuple[str, str]] = {
    "output": ("输出", "output"),
    "door": ("门禁", "door"),
    "school_window": ("作息时段", "school window"),
    "tests_due": ("报警测试到期", "walk tests due"),
}
_ROLES = (
    {role.name: (role.text.zh, role.text.en) for role in (*ROLES.values(), *SYSTEM_ROLES.values(), *RULE_ROLES.values())}
    | _FURTHER_ROLES
    | words.ROLES
)
_ALARMS = {
    (role.name, alarm.name): (alarm.text.zh, alarm.text.en)
    for role in (*ROLES.values(), *SYSTEM_ROLES.values(), *RULE_ROLES.values())
    for alarm in role.alarms
}
_STATES: dict[str, tuple[str, str]] = {
    **words.STATES,
    "normal": ("正常", "normal"),
    "open": ("已登记", "open"),
    "assigned": ("已交办", "assigned"),
    "fixed": ("已整改", "fixed"),
    "verified": ("已复查", "verified"),
    "closed": ("已销号", "closed"),
}
TARGETS: dict[str, tuple[str, str]] = {
    "page": ("值守页面", "the page"),
    "cameras": ("摄像机", "cameras"),
    "gateway": ("报警主机", "gateway"),
    **words.DRILLS,
}
# Who switched an output, where no person did: `linkage one-key`.
BY_ITSELF: dict[str, tuple[str, str]] = {
    "linkage": ("联动", "linkage"),
    "rule": ("规则", "rule"),
    "anti-ram": ("防冲撞", "anti-ram"),
    "door": ("门禁", "door"),
}
_OWN: dict[str, tuple[str, str]] = {
    "gateway": ("报警主机", "gateway"),
    "safe value": ("恢复安全状态", "safe value"),
    "end of the pulse": ("动作时间到", "end of the pulse"),
}


@dataclass(frozen=True, slots=True)
class Proof:
    """One recipient. at: when it had the event, '' while it is owed."""

    recipient: str
    at: str


@dataclass(frozen=True, slots=True)
class Row:
    """What a line of the history shows, in one language. at: local time. point: id of what it is about; subject: that as it is shown."""

    row: int
    at_ms: int
    at: str
    utc: str
    event_class: str
    class_word: str
    deed: str
    what: str
    place: str
    role: str
    state: str
    who: str
    value: str
    proof: tuple[Proof, ...]
    incident: str
    point: str
    subject: str
    type: str
    id: str


def rows(told: list[Told], visit: Visit) -> list[Row]:
    """The same, in their order."""
    names = _names(visit) | _targets(visit)
    zone = ZoneInfo(visit.zone)
    return [_row(each, visit.language, names, lambda at_ms: local(at_ms, zone)) for each in told]


def local(at_ms: int, zone: ZoneInfo, form: str = "%Y-%m-%d %H:%M:%S") -> str:
    """UTC milliseconds as time at the school; '?' for a time that no calendar knows."""
    try:
        return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(zone).strftime(form)
    except (ValueError, OverflowError, OSError):
        return "?"


def place_name(visit: Visit, place: str) -> str:
    """In the visitor's language; its id where the site no longer has it."""
    return _names(visit).get(place, place)


def role_name(role: str, language: str) -> str:
    """In the visitor's language; the role itself where it is not known."""
    return words.of(_ROLES, role, language)


def value_text(value: object, unit: object, language: str) -> str:
    """A number with its unit, what a camera says in words; '' for yes and no, which the event's text says."""
    if isinstance(value, bool) or value is None:
        return ""
    if isinstance(value, int | float):
        shown = f"{value:.6g}"
        return f"{shown} {UNITS.get(unit, unit)}" if isinstance(unit, str) and unit else shown
    return words.of(words.CAMERAS, str(value), language) if value in words.CAMERAS else reasons.value(str(value), language)


def who_name(by: str, language: str, names: Mapping[str, str]) -> str:
    """A person as written; what acts by itself in words, with its name. names: `at:` and an id -> name."""
    kind, space, name = by.partition(" ")
    if by in _OWN or not space or kind not in BY_ITSELF:
        return words.of(_OWN, by, language)
    return f"{words.of(BY_ITSELF, kind, language)} {names.get(f'at:{name}', name)}"


def _targets(visit: Visit) -> dict[str, str]:
    """`at:` and the id of what a command may be about -> its name."""
    picture = visit.picture or {}
    listed = (("point", "points"), ("duty", "duties"), ("inspection", "inspections"), ("id", "modes"), ("rule", "rules"))
    named = {f"at:{each[key]}": each[visit.language] for key, part in listed for each in picture.get(part) or ()}
    side = words.LANGUAGES.index(visit.language)
    for point in picture.get("points") or ():
        alarms = {alarm: text[side] for (role, alarm), text in _ALARMS.items() if role == point.get("role")}
        named |= {f"at:{point['point']}/{alarm}": f"{point[visit.language]} · {text}" for alarm, text in alarms.items()}
    return named


def _names(visit: Visit) -> dict[str, str]:
    picture = visit.picture or {}
    places = {name: each[visit.language] for name, each in picture.get("places", {}).items()}
    return places | {f"to:{each['id']}": each[visit.language] for each in picture.get("recipients", [])}


def _row(told: Told, language: str, names: Mapping[str, str], shown: Callable[[int], str]) -> Row:
    data = told.data
    kind = told.type.removeprefix("campus.")
    deed = words.of(DEEDS, kind if kind in DEEDS else kind.rpartition(".")[2], language)
    received = [Proof(names.get(f"to:{who}", who), shown(at_ms)) for who, at_ms in sorted(told.received.items(), key=lambda each: each[1])]
    owed = [Proof(names.get(f"to:{who}", who), "") for who in sorted(told.owed)]
    place, state = _text(data, "place"), _text(data, "state")
    return Row(
        row=told.row,
        at_ms=told.at_ms,
        at=shown(told.at_ms),
        utc=datetime.fromtimestamp(told.at_ms / 1000, UTC).isoformat(timespec="milliseconds"),
        event_class=told.event_class,
        class_word=words.of(CLASSES, told.event_class, language),
        deed=deed,
        what=_what(told, language, names),
        place=names.get(place, place),
        role=role_name(_text(data, "role"), language) if told.event_class != "audit" else "",
        state=words.of(_STATES, state, language),
        who=who_name(_text(data, "by"), language, names) or _text(data, "responsible"),
        value=value_text(data.get("value"), data.get("unit"), language) if told.event_class != "audit" else "",
        proof=(*received, *owed),
        incident=_text(data, "incident"),
        point=told.subject,
        subject=subject_name(told, language),
        type=told.type,
        id=told.id,
    )


def subject_name(told: Told, language: str) -> str:
    """What an event is about: a drill and the gateway in words, of all else its id."""
    kind = told.subject.removeprefix("drill-")
    if kind in words.DRILLS and (kind != told.subject or _text(told.data, "command") in ("start_drill", "end_drill")):
        return words.of(words.DRILLS, kind, language)
    return words.of(_OWN, told.subject, language)


def _what(told: Told, language: str, names: Mapping[str, str]) -> str:
    data = told.data
    text = data.get("text")
    if isinstance(text, dict) and isinstance(text.get(language), str):
        return str(text[language])
    if told.type == "campus.audit.command":
        command, target = _text(data, "command"), _text(data, "target")
        named = names.get(target, target) if command == "open_hazard" else _target(target, language, names)
        asked = words.of(words.COMMANDS, command, language), named
        return " · ".join(each for each in (*asked, refusals.say(_text(data, "reason"), language), _text(data, "why")) if each)
    return subject_name(told, language)


def _target(target: str, language: str, names: Mapping[str, str]) -> str:
    """A point, an alarm of it, a duty, a drill: by name where it has one."""
    return names.get(f"at:{target}") or words.of(TARGETS, target, language)


def _text(data: Mapping[str, Any], name: str) -> str:
    value = data.get(name)
    return value if isinstance(value, str) else ""
