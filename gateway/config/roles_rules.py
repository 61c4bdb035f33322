"""Roles of the points by which school rules say what they find: a guard who is missing, a layer that is down.

Such a point is never read from a device; its rule tells it true or false, and its alarms go through the same table as every other.
"""

from __future__ import annotations

from gateway.config.role import AlarmDefault, Role
from gateway.core.points import AlarmSpec, Boot, Contact, EventClass, Point, Text
from gateway.core.wire import WireClass

_NONE: frozenset[str] = frozenset()


def rule_role(
    name: str,
    text: Text,
    alarm_text: Text,
    *,
    alarm_class: str,
    event_class: EventClass = EventClass.ALARM,
    latching: bool = False,
    severity: str = "Moderate",
    urgency: str = "Expected",
    boot: Boot = Boot.ALARM,
) -> Role:
    """A role with one alarm, `alarm`, that stands while the rule says so. alarm_class: `door`, `duty`, `intrusion`, ..."""
    alarm = AlarmDefault("alarm", Contact(), alarm_class, alarm_text, latching, event_class, urgency=urgency, severity=severity)
    return Role(name, text, _NONE, WireClass.STATE, 0.0, alarms=(alarm,), boot=boot)


GATE_ROLES = {
    role.name: role
    for role in (
        rule_role(
            "anti_ram_layer",
            Text("防冲撞设施", "anti-ram layer"),
            Text("防冲撞设施未到位", "Anti-ram layer is not in place"),
            alarm_class="intrusion",
            urgency="Immediate",
            severity="Severe",
        ),
        rule_role(
            "anti_ram_open",
            Text("防冲撞设施全部降下", "all anti-ram layers"),
            Text("各层防冲撞设施同时降下", "All anti-ram layers are down"),
            alarm_class="intrusion",
            urgency="Immediate",
            severity="Severe",
        ),
        rule_role(
            "anti_ram_forced",
            Text("升降柱异常下降", "anti-ram posts lowered"),
            Text("升降柱未经允许降下", "Anti-ram post lowered without leave"),
            alarm_class="intrusion",
            latching=True,
            urgency="Immediate",
            severity="Severe",
        ),
        rule_role(
            "lane_interlock",
            Text("人车分流", "vehicles and pupils apart"),
            Text("车道与学生通道同时打开", "Vehicle lane and pupils' gate open together"),
            alarm_class="door",
            urgency="Immediate",
        ),
        rule_role(
            "exit_blocked",
            Text("安全出口", "exit"),
            Text("安全出口锁闭或堵塞", "Exit locked or blocked"),
            alarm_class="door",
            urgency="Immediate",
            severity="Severe",
        ),
        rule_role(
            "closed_campus",
            Text("封闭化管理", "closed campus"),
            Text("校门未关（封闭化管理）", "Gate left open (closed campus)"),
            alarm_class="door",
        ),
    )
}
WHISTLE_ROLE = rule_role(
    "whistle",
    Text("吹哨报到", "whistle"),
    Text("吹哨后逾期未报到", "Called by the whistle and overdue"),
    alarm_class="duty",
    event_class=EventClass.DUTY,
    severity="Severe",
    urgency="Immediate",
)
DUTY_ROLES = tuple(
    rule_role(name, text, alarm_text, alarm_class="duty", event_class=EventClass.DUTY)
    for name, text, alarm_text in (
        ("guard_post", Text("护学岗", "guard post"), Text("护学岗无人值守", "Guard post unattended")),
        ("patrol", Text("门卫巡逻", "patrol"), Text("漏巡", "Round missed")),
        ("duty_room", Text("值班室", "duty room"), Text("值班查岗未应答", "Duty room does not answer")),
        ("shift", Text("交接班", "change of shift"), Text("交接班超时", "Handover overdue")),
        ("inspection", Text("安全检查", "inspection"), Text("安全检查逾期", "Inspection overdue")),
    )
)
HAZARDS_ROLE = rule_role(
    "hazards",
    Text("隐患台账", "hazard ledger"),
    Text("隐患整改逾期", "Hazards are overdue"),
    alarm_class="fault",
    event_class=EventClass.FAULT,
)
RULE_ROLES: dict[str, Role] = {
    **{role.name: role for role in DUTY_ROLES},
    **GATE_ROLES,
    WHISTLE_ROLE.name: WHISTLE_ROLE,
    HAZARDS_ROLE.name: HAZARDS_ROLE,
}


def rule_point(point_id: str, role: Role, place: str, name: Text, responsible: str = "") -> Point:
    """One of a rule's points. name: what it is about; stands behind the words of its role."""
    alarms = tuple(
        AlarmSpec(
            point=point_id,
            name=default.name,
            condition=default.condition,
            alarm_class=default.alarm_class,
            event_class=default.event_class,
            latching=default.latching,
            text=Text(f"{default.text.zh}：{name.zh}", f"{default.text.en}: {name.en}"),
            on_delay_s=default.on_delay_s,
            urgency=default.urgency,
            severity=default.severity,
            certainty=default.certainty,
            boot=role.boot,
        )
        for default in role.alarms
    )
    return Point(
        id=point_id, role=role.name, place=place, name=Text(f"{role.text.zh}：{name.zh}", f"{role.text.en}: {name.en}"),
        responsible=responsible, kind="rule", alarms=alarms,
    )  # fmt: skip
