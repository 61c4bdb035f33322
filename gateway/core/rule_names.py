"""The rules that this product knows: their names, the policy's own terms, what they do. Documentation and commands use these words."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.core.points import Text


@dataclass(frozen=True, slots=True)
class RuleName:
    """One kind of rule. term: of Chinese school-safety policy, or of the trade. table: of the site file, that switches it."""

    term: str
    text: Text
    table: str
    on: bool = False  # without that table too


def _rule(term: str, zh: str, en: str, table: str, *, on: bool = False) -> RuleName:
    return RuleName(term, Text(zh, en), table, on)


RULES: dict[str, RuleName] = {
    "one-key": _rule(
        "一键报警", "按下后声光报警、抓拍、逐步告知按压者", "a press sounds, takes pictures, tells the presser", "[rules.one_key]"
    ),
    "gas": _rule("燃气报警", "切断燃气阀并回读，必要时排风", "shuts the gas valve and reads it back, runs rated fans", "[rules.gas]"),
    "fire-release": _rule(
        "疏散通道、安全出口", "火灾时释放出口门锁并回读", "fire lets the exit doors go and reads them back", "[rules.fire]"
    ),
    "electrical": _rule(
        "电气火灾智慧监控", "预警只告知，报警按配置联动", "a warning is told, an alarm acts as configured", "[rules.electrical]"
    ),
    "linkage": _rule("联动", "站点文件写明的因果联动", "cause to effect as the site file spells it out", "[[linkage]]"),
    "anti-ram": _rule(
        "硬质防冲撞设施", "上下学时段须升起，异常降下即报警", "raised at arrival and dismissal, forced is an alarm", "[[anti_ram]]"
    ),
    "lane-interlock": _rule("人车分流", "车行道与学生门不得同时开启", "vehicle lane and pupil gate are not open together", "[[lanes]]"),
    "exit-clear": _rule("生命通道畅通", "在校时段出口不得锁闭或堵塞", "no exit is locked or blocked while the school is open", "[[exits]]"),
    "closed-campus": _rule(
        "封闭化管理", "非上下学时段校门不得敞开", "gates do not stand open outside their windows", "[rules.closed_campus]"
    ),
    "crowd": _rule("学生到校即进校", "校门口人员聚集", "pupils do not gather outside the gate", "[[points]] crowd_count", on=True),
    "after-hours": _rule(
        "非上课时段警戒", "非在校时段校门有人", "somebody at the gate after hours", "[[points]] person_after_hours", on=True
    ),
    "perimeter": _rule("周界防范", "周界有人", "somebody at the perimeter", "[[points]] person_at_perimeter", on=True),
    "loitering": _rule("徘徊警戒", "校门口长时间徘徊", "somebody stays at the gate", "[[points]] loitering", on=True),
    "water": _rule("防溺水", "危险水域附近有人", "somebody near the water", "[[points]] person_near_water", on=True),
    "guard-post": _rule("护学岗", "上下学时段须有人在岗", "somebody is on post at arrival and dismissal", "[[guard_posts]]"),
    "patrol": _rule("门卫巡逻", "每天不少于五次巡逻", "at least five rounds a day", "[[patrols]]"),
    "duty-room": _rule("24小时值班值守", "不定时查岗", "the duty room answers at random times", "[rules.duty_room]"),
    "shift": _rule("交接班", "按时交接，未了事项写入记录", "a shift takes over in time, with what stands open", "[rules.shifts]"),
    "inspection": _rule(
        "日排查、周巡查、月报告",
        "按日、周、月、学期检查，逾期提醒，发现问题记入台账",
        "looked at each day, week, month or term",
        "[[inspections]]",
    ),
    "escalation": _rule("领导带班值班", "无人确认则逐级上报", "an alarm that nobody takes goes up", "[rules.escalation]", on=True),
    "whistle": _rule("学校吹哨、部门报到", "召集各部门并逐一签到", "calls the departments, each of which reports in", "[[whistles]]"),
    "hazards": _rule(
        "隐患台账、销号", "故障超时自动登记，二人复查后销号", "opens what stands too long, closes what a second person saw", "[hazards]"
    ),
    "incident": _rule(
        "早发现、早报告、早控制、早解决", "相关报警归为一个事件", "related alarms are one incident", "[rules.incidents]", on=True
    ),
    "drill": _rule("应急演练", "演练期间的报警标为演练", "alarms of a drill are marked as an exercise", "", on=True),
    "walk-test": _rule("定期测试", "逐点测试并按期提醒", "each point is tested in time", "", on=True),
    "maintenance": _rule("检修", "检修期间的报警不联动", "alarms of a point under repair start nothing", "", on=True),
}
