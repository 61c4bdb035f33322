"""What can go wrong with everything that is no device: buses, cameras, the way to the broker, the broker, the clock, the disk. Pure."""

from __future__ import annotations

from simulators import faults
from simulators.kinds import Kind, Option

MAX_JUMP_S = 10 * 366 * 86_400

BUS = {
    "unplugged": Kind("the cable is out", "线缆拔出"),
    "noise": Kind(
        "bursts of noise on the line",
        "线路干扰",
        {
            "ms": Option("milliseconds between bursts", "间隔毫秒", 200, 10, 60_000),
            "bytes": Option("length of a burst", "字节数", 16, 1, 256),
        },
    ),
}

PICTURES = ("frozen", "black", "washed", "blurred", "covered", "sprayed", "moved", "night")  # as simulators.camera_trouble names them
CAMERA = {
    "frozen": Kind("the picture stands still", "画面冻结"),
    "black": Kind("the sensor gives nothing", "黑屏"),
    "washed": Kind("burnt out by light", "过曝"),
    "blurred": Kind("out of focus", "失焦模糊"),
    "covered": Kind("a bag over the camera", "遮挡"),
    "sprayed": Kind("paint on the lens", "喷涂"),
    "moved": Kind("turned aside", "被移位"),
    "night": Kind("infrared light, grey picture (no fault by itself)", "夜视黑白画面"),
    "stalled": Kind("connected, but nothing is sent", "无码流"),
    "restart": Kind("off and on again", "重启", {"off_s": Option("seconds without it", "断开秒数", 3.0, 0.0, 3600, whole=False)}),
    "gone": Kind("its port is closed", "离线"),
    "garbage": Kind("what it sends cannot be decoded", "码流损坏"),
    "wrong-size": Kind(
        "pictures of another size, in mid-stream",
        "分辨率改变",
        {"width": Option("pixels, even", "宽", 320, 64, 4096), "height": Option("pixels, even", "高", 240, 64, 4096)},
    ),
}

NETWORK = {
    "delay": Kind("everything takes longer, each way", "延迟", {"ms": Option("milliseconds each way", "单程毫秒", 200, 0, 60_000)}),
    "throttle": Kind("slow, each way", "限速", {"bytes_per_s": Option("bytes each second", "每秒字节数", 1000, 1, 1_000_000_000)}),
    "stall": Kind("nothing passes, nothing is lost, nothing is closed", "停滞不通"),
    "half-open": Kind("connections are taken, and what is sent into them is lost without a word", "半开连接，数据丢失"),
    "refuse": Kind("the port is closed", "拒绝连接"),
    "cut": Kind("every connection is reset; new ones are taken", "连接被复位", once=True),
    "never-acknowledge": Kind("the broker's PUBACK and PUBREC are swallowed (plain MQTT)", "吞掉确认报文"),
}

BROKER = {
    "kill": Kind("ends as in a crash (SIGKILL)", "崩溃"),
    "stop": Kind("ends in good order", "停止服务"),
    "hang": Kind("stands still, its port open (SIGSTOP)", "挂起无响应"),
    "restart": Kind("in good order down and up again", "重启", once=True),
    "refuse-publish": Kind(
        "publishing is refused (mosquitto: PUBACK 0x87 under MQTT 5, and it hangs up)",
        "拒绝发布",
        {"topic": Option("for these topics", "主题", "#")},
    ),
    "start": Kind("back to normal", "恢复", once=True),
}

CLOCK = {
    "jump": Kind("the wall clock jumps, from where it is", "时钟跳变", {"jump_s": Option("seconds", "秒", None, -MAX_JUMP_S, MAX_JUMP_S)})
}

DISK = {
    "full": Kind(
        "no room left",
        "磁盘已满",
        {"free_bytes": Option("room that is left", "剩余字节", 0, 0, 1_000_000_000)},
    ),
    "slow": Kind("each write waits", "写入迟缓", {"ms": Option("milliseconds, about", "毫秒", 500, 10, 60_000)}),
    "hang": Kind("writes wait until it is healed", "写入挂起"),
}

ALL: dict[str, dict[str, Kind]] = {
    "device": faults.KINDS,
    "bus": BUS,
    "camera": CAMERA,
    "network": NETWORK,
    "broker": BROKER,
    "clock": CLOCK,
    "disk": DISK,
}
