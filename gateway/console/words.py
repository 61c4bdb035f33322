"""What the page says, in both languages. A test holds that every key is used, and every used key is here."""

from __future__ import annotations

LANGUAGES = ("zh", "en")

WORDS: dict[str, tuple[str, str]] = {
    "title": ("校园报警值守", "School alarm desk"),
    "sign_in": ("登录", "Sign in"),
    "sign_out": ("退出", "Sign out"),
    "name": ("姓名", "Name"),
    "password": ("密码", "Password"),
    "other_language": ("English", "中文"),
    "wrong": ("姓名或密码不正确", "Name or password is not right"),
    "locked": ("尝试次数过多，请稍后再试", "Too many wrong tries, wait a while"),
    "no_accounts": (
        "还没有账户：请技术人员执行 campus-gateway account add",
        "There are no accounts yet: a technician runs campus-gateway account add",
    ),
    "again": ("请再次输入密码以继续操作", "Enter your password again to go on"),
    "confirm": ("确定", "OK"),
    "cancel": ("取消", "Cancel"),
    "away": ("与报警主机失去联系：画面可能已过时", "The alarm daemon does not answer: what you see may be out of date"),
    "lost": ("页面与本机的连接中断，正在重连……", "The page has lost its connection, trying again …"),
    "quiet": ("无报警", "No alarms"),
    "alarms": ("报警", "Alarms"),
    "faults": ("故障", "Faults"),
    "set_aside": ("搁置与停用", "Set aside"),
    "no_faults": ("无故障", "No faults"),
    "who": ("负责人", "Responsible"),
    "taken_by": ("确认人", "Taken by"),
    "way": ("送达", "Proof"),
    "acknowledge": ("确认", "Acknowledge"),
    "reset": ("复位", "Reset"),
    "shelve": ("搁置", "Shelve"),
    "unshelve": ("取消搁置", "Unshelve"),
    "silence": ("消音", "Silence"),
    "why": ("原因", "Reason"),
    "for_1h": ("搁置 1 小时", "Shelve for 1 h"),
    "sound_on": ("点此开启声音", "Touch to switch the sound on"),
    "duties": ("值守与巡逻", "Duties"),
    "no_duties": ("没有设置值守任务", "No duties are set"),
    "delivery": ("上联", "Delivery"),
    "owed": ("条待送达", "to be delivered"),
    "connected": ("已连接", "connected"),
    "not_connected": ("未连接", "not connected"),
    "refusing": ("日志无法写入", "The journal cannot be written"),
    "points": ("点位", "Points"),
    "not_good": ("未知或异常", "Not known or not good"),
    "version": ("版本", "version"),
    "clock": ("时钟", "clock"),
    "done": ("已执行", "Done"),
    "refused": ("未执行", "Not done"),
    "none": ("—", "—"),
    "skip": ("跳到正文", "Skip to the content"),
    "pages": ("页面", "Pages"),
    "now": ("当前报警", "Now"),
    "untaken": ("有未确认的报警", "Alarms that nobody has taken"),
}

STATES: dict[str, tuple[str, str]] = {
    "unacknowledged": ("未确认", "not acknowledged"),
    "acknowledged": ("已确认", "acknowledged"),
    "returned_unacknowledged": ("已恢复，未确认", "gone, not acknowledged"),
    "latched_unacknowledged": ("已恢复，未确认，待复位", "gone, not acknowledged, to be reset"),
    "latched_acknowledged": ("已恢复，待复位", "gone, to be reset"),
    "shelved": ("已搁置", "shelved"),
    "suppressed_by_design": ("按设计抑制", "suppressed by design"),
    "out_of_service": ("停用", "out of service"),
}

STEPS: dict[str, tuple[str, str]] = {
    "raised": ("触发", "raised"),
    "journalled": ("已存盘", "on record"),
    "broker_acked": ("消息服务器已收", "broker has it"),
    "received": ("中心已收", "centre received"),
    "unusable": ("中心无法识别", "centre cannot use it"),
}

MODES: dict[str, tuple[str, str]] = {
    "drill": ("演练中", "DRILL"),
    "test": ("报警测试中", "WALK TEST"),
    "maintenance": ("检修中", "MAINTENANCE"),
}

# What a guard does first, by class of alarm; the school's own plan goes before it. Terms: GB/T 29315, GA 1406 and the duties of standards.
FIRST_STEPS: dict[str, tuple[str, str]] = {
    "panic": (
        "看现场视频，立即核实；拨打 110，携防暴器械赶赴现场，护住学生",
        "Look at the camera, call 110, go there with your gear, shield the pupils",
    ),
    "ram_impact": ("关闭校门，疏散门前人员，查看防冲撞设施", "Close the gate, clear the forecourt, look at the bollards"),
    "gas_high": (
        "疏散人员，不得开关电器，关闭总阀，开窗通风，拨打 119",
        "Clear the room, touch no switch, close the valve, open windows, call 119",
    ),
    "gas_low": ("到场查漏，通风，禁止明火", "Go and look for the leak, let air in, no open flame"),
    "fire": ("确认火情，疏散，拨打 119", "Confirm the fire, evacuate, call 119"),
    "electrical": ("断开该回路，通知电工", "Switch that circuit off, call the electrician"),
    "intrusion": ("看现场视频，派人查看", "Look at the camera, send somebody"),
    "person": ("看现场视频，必要时派人查看", "Look at the camera, send somebody if needed"),
    "vehicle": ("拦停车辆，疏导学生", "Stop the vehicle, lead pupils away"),
    "blocked": ("清除堵塞物，恢复通行", "Clear the exit"),
    "door": ("到门口查看并关门", "Go to the door and close it"),
    "tamper": ("派人查看设备是否被破坏，通知技术人员", "See whether the device was damaged, call the technician"),
    "fault": ("通知技术人员", "Call the technician"),
}


def say(key: str, language: str) -> str:
    """A text of WORDS."""
    return WORDS[key][LANGUAGES.index(language)]


def of(table: dict[str, tuple[str, str]], key: str, language: str) -> str:
    """A text of one of the other tables; the key itself where it has none."""
    return table[key][LANGUAGES.index(language)] if key in table else key
