"""The table that an office fills in, one row for each school: its columns, in Chinese for people and by id for programs.

`fleet table` writes it empty, `fleet generate` reads it, docs/fleet.md explains it.
"""

from __future__ import annotations

from dataclasses import dataclass

SCHOOLS = "学校"
DEVICES = "设备"
SHEET_NAMES = {SCHOOLS: (SCHOOLS, "schools"), DEVICES: (DEVICES, "devices")}

KINDS = {
    "kindergarten": "幼儿园",
    "primary": "小学",
    "middle": "初中",
    "nine-year": "九年一贯制",
    "high": "高中",
    "complete": "完全中学",
    "vocational": "中等职业学校",
    "special": "特殊教育学校",
}
YES = ("是", "有", "yes", "y", "true", "1", "√", "✓")
NO = ("否", "无", "没有", "no", "n", "false", "0", "×")
KITCHENS = {"gas": "燃气", "electric": "用电", "none": "无"}
PLACE_TYPES = {
    "gate": "校门",
    "gatehouse": "门卫室",
    "perimeter": "周界",
    "duty-room": "值班室",
    "monitoring-room": "监控室",
    "kitchen": "厨房",
    "boiler-room": "锅炉房",
    "power-room": "配电室",
    "dormitory": "宿舍",
    "laboratory": "实验室",
    "exit": "疏散出口",
    "assembly": "集中活动区域",
    "classroom": "教室",
    "office": "办公室",
    "other": "其他",
}


@dataclass(frozen=True, slots=True)
class Column:
    """One column. zh: its heading. note_zh, note: what belongs in it. choices: what the drop-down offers."""

    id: str
    zh: str
    note_zh: str
    note: str
    needed: bool = False
    choices: tuple[str, ...] = ()
    example: str = ""


@dataclass(frozen=True, slots=True)
class Room:
    """A place that a school has or not. column: the one that says so. id, type: as in the site file."""

    column: str
    id: str
    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class Kit:
    """Equipment that the table only counts; what the first, the second ... is, says the template. addresses: its second column."""

    column: str
    addresses: str
    zh: str


ROOMS = (
    Room("kitchen", "kitchen", "食堂厨房", "kitchen"),
    Room("power_room", "power-room", "配电室", "power room"),
    Room("boiler_room", "boiler-room", "锅炉房", "boiler room"),
    Room("laboratory", "laboratory", "实验室", "laboratory"),
    Room("dormitory", "dormitory", "学生宿舍", "dormitory"),
)
KITS = (
    Kit("panic_buttons", "panic_addresses", "一键报警按钮"),
    Kit("bollards", "bollard_addresses", "升降柱"),
    Kit("gas_detectors", "gas_addresses", "燃气探测器"),
    Kit("electrical_monitors", "electrical_addresses", "电气火灾监控"),
    Kit("doors", "door_addresses", "门禁"),
    Kit("cameras", "camera_addresses", "摄像机"),
)

_BOOLEAN = ("有", "无")


def _kit_columns() -> list[Column]:
    out = []
    for kit in KITS:
        hosts = kit.column == "cameras"
        out.append(
            Column(
                kit.column,
                f"{kit.zh}数量",
                "接入网关的数量",
                "how many are wired to the gateway; the template says what each is",
                example="1",
            )
        )
        out.append(
            Column(
                kit.addresses,
                f"{kit.zh}地址",
                "按顺序填写，用逗号分开；不填则按模板",
                "in order, with commas: " + ("IP addresses or rtsp:// addresses" if hosts else "addresses on the bus (1-247)"),
                example="192.168.1.64" if hosts else "",
            )
        )
    return out


SCHOOL_COLUMNS: tuple[Column, ...] = (
    Column(
        "id",
        "学校编号",
        "小写字母、数字和 -，如学校标识码",
        "a-z, 0-9 and -; such as the ten-digit school code",
        True,
        example="6101000001",
    ),
    Column("name", "学校名称", "全称", "the school's name", True, example="新华路小学"),
    Column("name_en", "英文名称", "可不填", "may be left out", example="Xinhua Road Primary School"),
    Column("kind", "学校类型", "从下拉表选择", "one of the drop-down", True, tuple(KINDS.values()), "小学"),
    Column("boarding", "寄宿", "是否有住校生", "do pupils live in", choices=("是", "否"), example="否"),
    Column("region", "行政区划代码", "6、9 或 12 位数字", "6, 9 or 12 digits (GB/T 2260)", example="610102"),
    Column("address", "地址", "详细地址", "where it is", example="新华路 12 号"),
    Column("longitude", "经度", "十进制度数", "degrees", example="108.9398"),
    Column("latitude", "纬度", "十进制度数", "degrees", example="34.3416"),
    Column("gateway_host", "网关地址", "网关的 IP 地址或主机名，用于远程部署", "IP address or host name of the box", example="10.20.1.11"),
    Column("broker", "上联地址", "不填则按模板", "of the linkage centre: host, host:port or mqtts://...", example="linkage.example.org"),
    Column("line", "采集总线", "串口路径或采集模块 IP；不填则按模板", "serial path, or host:port, of the template's line"),
    Column("responsible", "安全责任人", "姓名", "who answers for every point that names nobody else", example="张卫国"),
    Column("leaders", "带班领导", "姓名，可多人，用逗号分开", "duty leaders, with commas", example="李校长"),
    Column("leader_phones", "带班领导电话", "与带班领导一一对应", "their telephone numbers, in the same order", example="029-0000001"),
    Column("hours", "上课时间", "如 08:00-11:50,13:50-16:30（周一至周五）", "of Monday to Friday", example="08:00-11:50,13:50-16:30"),
    Column("arrival", "上学时间", "如 07:20-08:00", "when pupils arrive", example="07:20-08:00"),
    Column("dismissal", "放学时间", "如 16:30-17:10", "when they leave", example="16:30-17:10"),
    *_kit_columns(),
    Column("fixed_layers", "固定防撞设施道数", "固定防撞柱、三脚架等（不接网关）", "layers of fixed posts, without sensors", example="1"),
    Column("kitchen", "食堂", "燃气、用电、无", "gas, electric or none", choices=tuple(KITCHENS.values()), example="燃气"),
    Column("power_room", "配电室", "有、无", "yes or no", choices=_BOOLEAN, example="有"),
    Column("boiler_room", "锅炉房", "有、无", "yes or no", choices=_BOOLEAN, example="无"),
    Column("laboratory", "实验室", "有、无（使用燃气的实验室）", "yes or no (one that uses gas)", choices=_BOOLEAN, example="无"),
    Column("dormitory", "宿舍", "有、无", "yes or no", choices=_BOOLEAN, example="无"),
    Column("note", "备注", "不读取", "not read"),
)

DEVICE_COLUMNS: tuple[Column, ...] = (
    Column("school", "学校编号", "与学校表一致", "as on the other sheet", True, example="6101000001"),
    Column("role", "用途", "从下拉表选择", "one of the drop-down", True, example="一键报警按钮"),
    Column("place", "位置", "如 门卫室、校门、东门", "a place by name; a new one needs its type", True, example="门卫室"),
    Column("place_type", "位置类型", "新位置必填", "of a place that the template does not have", choices=tuple(PLACE_TYPES.values())),
    Column(
        "line", "线路", "模板中的线路、串口路径或 IP:端口；摄像机填地址", "id of the template, serial path, host:port; a camera's address"
    ),
    Column(
        "profile", "型号", "见 campus-gateway devices", "a name that `campus-gateway devices` lists", example="waveshare-modbus-rtu-io-8ch"
    ),
    Column("address", "设备地址", "总线地址 0-255；不填为出厂值", "on the bus; the factory value if left out", example="1"),
    Column("signal", "通道", "如 di1；只有一个可选时可不填", "such as di1; may be left out where only one fits", example="di3"),
    Column("normally", "常态", "常开、常闭", "of a contact", choices=("常开", "常闭"), example="常闭"),
    Column("responsible", "责任人", "不填为学校的安全责任人", "the school's if left out"),
    Column("name", "点位名称", "可不填", "may be left out"),
    Column("device", "设备编号", "模板中的设备，或自定编号", "a device of the template, or an id of its own"),
    Column("point", "点位编号", "可不填", "id of the point; made of device and signal if left out"),
    Column("note", "备注", "不读取", "not read"),
)
COLUMNS = {SCHOOLS: SCHOOL_COLUMNS, DEVICES: DEVICE_COLUMNS}

CAMERA = "camera"
ROLE_WORDS = {  # what offices write, besides the names that the roles have
    "摄像机": CAMERA,
    "摄像头": CAMERA,
    "监控": CAMERA,
    "一键报警": "panic_button",
    "紧急按钮": "panic_button",
    "升降柱": "bollard_position",
    "防撞柱撞击": "bollard_impact",
    "道闸": "barrier_position",
    "燃气探测器": "gas_concentration",
    "燃气报警": "gas_alarm",
    "电气火灾": "residual_current",
    "火灾报警器": "fire_alarm",
}
