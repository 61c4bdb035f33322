"""Roles: what a point is for, with the defaults that keep a small school's file short.

Figures: gas levels GB/T 50493-2019 (25 and 50 %LEL); residual current GB 50116-2013 9.2.3 (300 to 500 mA
window); cable temperature GB 14287.3 (45 to 140 Cel, commonly set at 70); CAP words as in the message
contract. A site file may override limits and delays of a point, never whether a panic button latches.
"""

from __future__ import annotations

from gateway.config.role import AlarmDefault, Role, words
from gateway.config.roles_vision import VISION_ROLES
from gateway.core.cameras import FAULTY, TAMPERED
from gateway.core.points import Above, Boot, Condition, Contact, EventClass, NotGood, OneOf
from gateway.core.wire import WireClass

SIGNAL_FAULT_DELAY_S = 2.0  # GB 16808: a loop fault is announced within 100 s; this only rides over one odd reading


_BUTTON = frozenset({"contact", "counter", "latched"})
_CONTACT = frozenset({"contact", "latched"})
_MEASURE = frozenset({"measurement"})
_ENUM = frozenset({"enum", "contact"})

_ROLES = (
    Role(
        "panic_button",
        words("一键报警按钮", "one-key alarm button"),
        _BUTTON,
        WireClass.PANIC,
        0.05,
        fixed=True,
        alarms=(AlarmDefault("alarm", Contact(), "panic", words("一键报警", "One-key alarm"), latching=True, severity="Extreme"),),
    ),
    Role(
        "bollard_impact",
        words("防冲撞设施撞击", "anti-ram impact sensor"),
        _BUTTON,
        WireClass.PANIC,
        0.05,
        fixed=True,
        alarms=(
            AlarmDefault(
                "alarm",
                Contact(),
                "ram_impact",
                words("防冲撞设施受到撞击", "Anti-ram bollard hit"),
                latching=True,
                severity="Extreme",
                certainty="Likely",
            ),
        ),
    ),
    Role("bollard_position", words("升降柱位置", "bollard position"), _ENUM, WireClass.STATE, 0.5, observe=EventClass.OBSERVATION),
    Role(
        "bollard_fault",
        words("防冲撞设施故障", "bollard fault"),
        _CONTACT,
        WireClass.STATE,
        0.5,
        alarms=(
            AlarmDefault(
                "fault",
                Contact(),
                "fault",
                words("防冲撞设施故障", "Anti-ram bollard fault"),
                latching=True,
                event_class=EventClass.FAULT,
                urgency="Expected",
                severity="Moderate",
                on_delay_s=0.5,
            ),
        ),
    ),
    Role("barrier_position", words("道闸状态", "vehicle barrier state"), _ENUM, WireClass.STATE, 0.5, observe=EventClass.OBSERVATION),
    Role(
        "gas_concentration",
        words("可燃气体浓度", "combustible gas concentration"),
        _MEASURE,
        WireClass.LIFE_SAFETY,
        1.0,
        unit="%LEL",
        alarms=(
            AlarmDefault(
                "level1",
                Above(25.0, 2.0),
                "gas_low",
                words("可燃气体低限报警", "Combustible gas, first level"),
                urgency="Expected",
                severity="Moderate",
            ),
            AlarmDefault("level2", Above(50.0, 2.0), "gas_high", words("可燃气体高限报警", "Combustible gas, second level"), latching=True),
        ),
    ),
    Role(
        "gas_alarm",
        words("燃气报警器", "gas alarm contact"),
        _CONTACT,
        WireClass.LIFE_SAFETY,
        0.5,
        alarms=(AlarmDefault("alarm", Contact(), "gas_high", words("燃气报警", "Gas alarm"), latching=True),),
    ),
    Role(
        "fire_alarm",
        words("火灾报警", "fire alarm"),
        _CONTACT,
        WireClass.LIFE_SAFETY,
        0.5,
        fixed=True,
        alarms=(AlarmDefault("alarm", Contact(), "fire", words("火灾报警", "Fire alarm"), latching=True, severity="Extreme"),),
    ),
    Role(
        "residual_current",
        words("剩余电流", "residual current"),
        _MEASURE,
        WireClass.LIFE_SAFETY,
        1.0,
        moves=True,
        leaks=True,
        unit="mA",
        alarms=(
            AlarmDefault(
                "level1",
                Above(300.0, 20.0),
                "electrical",
                words("剩余电流预警", "Residual current, warning"),
                on_delay_s=1.0,
                urgency="Expected",
                severity="Moderate",
            ),
            AlarmDefault(
                "level2", Above(500.0, 20.0), "fire", words("电气火灾报警：剩余电流", "Electrical fire: residual current"), latching=True
            ),
        ),
    ),
    Role(
        "cable_temperature",
        words("线缆温度", "cable temperature"),
        _MEASURE,
        WireClass.LIFE_SAFETY,
        2.0,
        moves=True,
        unit="Cel",
        alarms=(
            AlarmDefault(
                "level1",
                Above(70.0, 3.0),
                "electrical",
                words("线缆温度预警", "Cable temperature, warning"),
                on_delay_s=2.0,
                urgency="Expected",
                severity="Moderate",
            ),
            AlarmDefault(
                "level2", Above(90.0, 3.0), "fire", words("电气火灾报警：线缆温度", "Electrical fire: cable temperature"), latching=True
            ),
        ),
    ),
    Role(
        "arc_fault",
        words("故障电弧", "arc fault"),
        _CONTACT,
        WireClass.LIFE_SAFETY,
        0.5,
        alarms=(AlarmDefault("alarm", Contact(), "fire", words("电气火灾报警：故障电弧", "Electrical fire: arc"), latching=True),),
    ),
    Role("door_contact", words("门磁", "door contact"), _ENUM, WireClass.STATE, 0.25, observe=EventClass.ACCESS),
    Role(
        "door_forced",
        words("门禁强行开启", "door forced"),
        _BUTTON,
        WireClass.STATE,
        0.1,
        alarms=(AlarmDefault("alarm", Contact(), "door", words("门被强行打开", "Door forced open"), latching=True),),
    ),
    Role(
        "door_held",
        words("门未关", "door held open"),
        _CONTACT,
        WireClass.STATE,
        0.5,
        boot=Boot.STATE_IN_HOURS,
        alarms=(AlarmDefault("alarm", Contact(), "door", words("门长时间未关", "Door held open"), urgency="Expected", severity="Minor"),),
    ),
    Role(
        "door_denied",
        words("门禁多次拒绝", "door refused again and again"),
        _CONTACT,
        WireClass.STATE,
        0.5,
        alarms=(
            AlarmDefault(
                "alarm", Contact(), "door", words("连续刷卡被拒", "Cards refused again and again"), urgency="Expected", severity="Minor"
            ),
        ),
    ),
    Role("door_granted", words("门禁放行信号", "access granted by a controller"), _CONTACT, WireClass.STATE, 0.1),
    Role("request_to_exit", words("出门按钮", "request to exit"), _CONTACT, WireClass.STATE, 0.1),
    Role("card_reader", words("读卡器", "card reader"), frozenset({"card"}), WireClass.STATE, 0.1),
    Role(
        "loop_clear",
        words("地感线圈无车", "vehicle loop clear"),
        _CONTACT,
        WireClass.STATE,
        0.1,
        observe=EventClass.OBSERVATION,
    ),
    Role(
        "tamper",
        words("防拆", "tamper switch"),
        _CONTACT,
        WireClass.STATE,
        0.25,
        alarms=(AlarmDefault("alarm", Contact(), "tamper", words("设备被拆动", "Tamper"), latching=True, severity="Moderate"),),
    ),
    Role(
        "mains_fail",
        words("市电故障", "mains failure"),
        _CONTACT,
        WireClass.STATE,
        1.0,
        alarms=(
            AlarmDefault(
                "fault",
                Contact(),
                "fault",
                words("市电中断", "Mains power lost"),
                latching=True,
                event_class=EventClass.FAULT,
                urgency="Expected",
                severity="Moderate",
                on_delay_s=2.0,
            ),
        ),
    ),
    Role(
        "battery_low",
        words("电池电量低", "battery low"),
        _CONTACT,
        WireClass.STATE,
        1.0,
        alarms=(
            AlarmDefault(
                "fault",
                Contact(),
                "fault",
                words("备用电池电量低", "Battery low"),
                latching=True,
                event_class=EventClass.FAULT,
                urgency="Expected",
                severity="Moderate",
                on_delay_s=2.0,
            ),
        ),
    ),
    Role(
        "fault_contact",
        words("故障信号", "fault contact"),
        _CONTACT,
        WireClass.STATE,
        1.0,
        alarms=(
            AlarmDefault(
                "fault",
                Contact(),
                "fault",
                words("设备故障", "Device fault"),
                latching=True,
                event_class=EventClass.FAULT,
                urgency="Expected",
                severity="Moderate",
            ),
        ),
    ),
    Role("device_state", words("设备状态", "device state"), _ENUM, WireClass.STATE, 1.0, observe=EventClass.OBSERVATION),
    Role("contact", words("开关量", "plain contact"), _CONTACT, WireClass.STATE, 0.25, observe=EventClass.OBSERVATION),
    Role(
        "measurement",
        words("模拟量", "plain measurement"),
        frozenset({"measurement", "counter", "enum", "text"}),
        WireClass.MEASUREMENT,
        1.0,
        moves=True,
    ),
)

ROLES: dict[str, Role] = {role.name: role for role in (*_ROLES, *VISION_ROLES)}

_FAULT = EventClass.FAULT
_ACTIVE = Contact()


def _fault(name: str, zh: str, en: str, alarm_zh: str, alarm_en: str, on_delay_s: float = 0.0, condition: Condition = _ACTIVE) -> Role:
    alarm = AlarmDefault(
        "fault",
        condition,
        "fault",
        words(alarm_zh, alarm_en),
        event_class=_FAULT,
        urgency="Expected",
        severity="Moderate",
        on_delay_s=on_delay_s,
    )
    return Role(name, words(zh, en), frozenset({"contact"}), WireClass.DIAGNOSTICS, 1.0, alarms=(alarm,))


_CAMERA = Role(
    "camera_link",
    words("摄像机", "camera"),
    frozenset({"enum"}),
    WireClass.DIAGNOSTICS,
    1.0,
    alarms=(
        AlarmDefault(
            "tamper", OneOf(TAMPERED), "tamper", words("摄像机被遮挡或移位", "Camera covered or moved"), True, severity="Moderate"
        ),
        AlarmDefault(
            "fault",
            OneOf(FAULTY),
            "fault",
            words("摄像机异常", "Camera cannot be relied on"),
            event_class=_FAULT,
            urgency="Expected",
            severity="Moderate",
        ),
    ),
)

PATH_FAULT_DELAY_S = 5.0  # a start, or a session that is opened again at once, is no fault; EN 50136-1 SP6 allows 20 s

SYSTEM_ROLES: dict[str, Role] = {
    role.name: role
    for role in (
        _fault("device_link", "设备通信", "device link", "设备通信中断", "Device does not answer"),
        _CAMERA,
        _fault("path_link", "上联通道", "uplink path", "上联通道故障", "Uplink path fault", PATH_FAULT_DELAY_S),
        _fault("client_id", "客户端标识", "client id", "客户端标识疑被其他设备冒用", "Client id is used by another device"),
        _fault("centre_silent", "联动中心", "linkage centre", "联动中心未确认", "Linkage centre silent"),
        _fault("publish_refused", "消息发布", "publish", "消息服务器拒绝发布", "Broker refuses a topic"),
        _fault("bad_receipt", "回执", "receipt", "收到无效回执", "Invalid receipt"),
        _fault("backlog", "待发事件", "events owed", "待发事件无法从日志读取", "Events that are owed cannot be read from the journal"),
        _fault("journal", "事件日志", "journal", "事件日志故障", "Journal fault"),
        _fault("field_bus", "现场总线", "field buses", "现场总线不能保证报警时限", "A field bus cannot keep its promised delays"),
        _fault("clock", "时钟", "clock", "时钟未同步", "Clock not synchronised"),
        _fault("certificate", "数字证书", "certificate", "数字证书即将到期", "A certificate expires soon"),
        _fault("certificate_urgent", "数字证书", "certificate", "数字证书不可用或即将失效", "A certificate cannot be used for long"),
        _fault("calendar", "校历", "calendar", "校历即将用完", "Calendar runs out"),
        _fault("alarm_flood", "报警数量", "number of alarms", "十分钟内报警过多", "More than ten alarms in ten minutes"),
        _fault("task", "内部任务", "internal task", "内部任务停止", "Internal task parked"),
        _fault("unit", "系统服务", "system service", "系统服务失败", "A system service has failed"),
        _fault("page", "值守页面", "guard-room page", "值守页面打不开", "Guard-room page cannot be opened"),
        _fault("output", "输出", "output", "输出未执行", "Output did not obey", SIGNAL_FAULT_DELAY_S, condition=NotGood()),
    )
}
