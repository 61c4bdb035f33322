"""What is wrong by the daemon's own word: its answers to `status`, `walk_tests` and `hazards`, and its metrics page. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, tzinfo
from typing import Any

from gateway.config.settings import Settings
from gateway.console import reasons
from gateway.core.points import Text
from gateway.rules.modes import MODE_NAMES
from gateway.runtime.findings import Finding, soon, unknown, wrong

OLD_S = 300.0  # an event that has waited so long for its receipt
VISION_SILENT_S = 10.0
OVER = frozenset({"latched_unacknowledged", "latched_acknowledged", "returned_unacknowledged"})  # states of a fault whose cause is gone
FEW = 6  # names in one line
LATE_TESTS = Text(
    "campus-gateway walk-test start 该点；按下，等中心收到，确认并复位",
    "campus-gateway walk-test start POINT; press it, wait until the centre has it, acknowledge and reset",
)

ADVICE: dict[str, Text] = {  # role of the gateway's own point -> what to do
    "path_link": Text(
        "看原因：网线、地址、防火墙、证书；campus-gateway check",
        "see the reason: cable, address, firewall, certificate; campus-gateway check",
    ),
    "client_id": Text(
        "另一台设备用同一标识登录：查重复的网关或旧卡", "another device signs in under this client id: look for a copy of this card"
    ),
    "centre_silent": Text("打电话给联动中心：它收到了却不回执，或没有收到", "call the linkage centre: it is silent, or does not hear us"),
    "publish_refused": Text("消息服务器拒收主题：请管理员检查权限表", "the broker refuses a topic: have its access list looked at"),
    "bad_receipt": Text(
        "中心的签名与场所文件中的公钥不符：核对登记", "the centre's signature does not fit the key in the site file: compare the enrolment"
    ),
    "backlog": Text("积压太多：先恢复线路", "too much waits: bring the path back first"),
    "journal": Text(
        "看原因；磁盘满则清理，损坏则 campus-gateway journal verify",
        "see the reason; a full disk: make room; damage: campus-gateway journal verify",
    ),
    "field_bus": Text("campus-gateway check 会指出哪条总线", "campus-gateway check names the line"),
    "clock": Text("检查 NTP：timedatectl timesync-status", "look at NTP: timedatectl timesync-status"),
    "task": Text("某部件反复崩溃：campus-gateway support-bundle 发给厂家", "a part keeps crashing: send a campus-gateway support-bundle"),
    "unit": Text("看日志：journalctl -u 该服务", "see its log: journalctl -u and the name of the unit"),
    "page": Text(
        "看原因：端口、证书；campus-gateway check；journalctl -u campus-console",
        "see the reason: port, certificate; campus-gateway check; journalctl -u campus-console",
    ),
    "alarm_flood": Text("报警过多：看 status 里最频繁的点", "too many alarms: see the most frequent points in status"),
    "certificate": Text("续证：campus-gateway enroll", "renew it: campus-gateway enroll"),
    "certificate_urgent": Text("立即续证：campus-gateway enroll", "renew it now: campus-gateway enroll"),
    "device_link": Text(
        "检查供电、A/B 线、站号；campus-gateway devices probe", "look at power, A and B, unit id; campus-gateway devices probe"
    ),
    "camera_link": Text("看原因：供电、网络、镜头；页面上看画面", "see the reason: power, network, lens; look at its picture on the page"),
}
_POINT_ADVICE = Text("到现场查看该点与接线", "go and look at the point and its wiring")


def judge_daemon(settings: Settings, status: dict[str, Any], metrics: Mapping[str, dict[str, float]]) -> Iterator[Finding]:
    """From `status` and the metrics page (name -> label text -> value; empty where it could not be read)."""
    told = set()
    for fault in status["faults"]:
        told.add(fault["alarm"].partition("/")[0])
        yield _fault(settings, fault)
    yield from _paths(settings, status, told)
    yield from _devices(settings, status, told)
    if status["journal"]["refusing"]:
        reason = status["journal"]["refusing"]
        todo = ADVICE["journal"]
        yield wrong("journal", f"事件日志不能写入：{reason}", f"the journal cannot be written: {reason}", todo.zh, todo.en)
    if held := status["outbox"]["held_topics"]:
        todo = ADVICE["publish_refused"]
        yield wrong("delivery", f"主题被拒：{'、'.join(held)}", f"topics are refused: {', '.join(held)}", todo.zh, todo.en)
    yield from _metrics(status, metrics)
    yield from judge_provider(status.get("vision", {}), settings.site.vision.provider)
    for item in status["set_aside"]:
        yield soon(
            item["alarm"],
            f"已搁置：{item['zh']}",
            f"set aside ({item['state']}): {item['en']}",
            "campus-gateway status 有期限与责任人",
            "campus-gateway status tells until when, and who answers for it",
        )
    for mode in status["modes"]:
        yield soon(
            ", ".join(mode["points"][:FEW]),
            f"处于{MODE_NAMES[mode['kind']].zh}状态",
            f"in mode {MODE_NAMES[mode['kind']].en}",
            "结束后再离开",
            "end it before you leave",
        )


def _fault(settings: Settings, fault: dict[str, Any]) -> Finding:
    point = settings.points.get(fault["alarm"].partition("/")[0])
    todo = ADVICE.get(point.role, _POINT_ADVICE) if point is not None else _POINT_ADVICE
    reason_zh = f"（{reasons.say(fault['reason'], 'zh')}）" if fault["reason"] else ""
    reason_en = f" ({fault['reason']})" if fault["reason"] else ""
    make = soon if fault["state"] in OVER else wrong  # it is over, and waits for a person
    return make(fault["alarm"], f"{fault['zh']}{reason_zh}", f"{fault['en']}{reason_en}", todo.zh, todo.en)


def _paths(settings: Settings, status: dict[str, Any], told: set[str]) -> Iterator[Finding]:
    for path in status["paths"]:
        if not path["up"] and f"gw-path-{path['id']}" not in told:
            todo = ADVICE["path_link"]
            yield wrong(
                f"path {path['id']}",
                f"未连接 {path['broker']}：{reasons.say(path['reason'], 'zh')}",
                f"not connected to {path['broker']}: {path['reason']}",
                todo.zh,
                todo.en,
            )


def _devices(settings: Settings, status: dict[str, Any], told: set[str]) -> Iterator[Finding]:
    """Silent devices, and points that are not good for another reason."""
    silent = {device for device, up in status["devices"].items() if not up}
    for device in sorted(silent - told):
        todo = ADVICE["device_link"]
        yield wrong(device, "设备无应答", "the device does not answer", todo.zh, todo.en)
    behind = {point.point for device in silent for point in settings.wire.get(device, [])}
    for item in status["not_good"]:
        if item["point"] not in behind | told:
            yield wrong(
                item["point"],
                f"读数不可信：{reasons.say(item['reason'], 'zh')}",
                f"its reading is not good: {item['reason']}",
                _POINT_ADVICE.zh,
                _POINT_ADVICE.en,
            )


def _metrics(status: dict[str, Any], metrics: Mapping[str, dict[str, float]]) -> Iterator[Finding]:
    def value(name: str) -> float | None:
        return metrics.get(name, {}).get("")

    oldest_s = value("gw_outbox_oldest_seconds")
    if oldest_s is not None and oldest_s > OLD_S:
        depth = status["outbox"]["depth"]
        todo = ADVICE["centre_silent"]
        yield wrong(
            "delivery",
            f"{depth} 条事件未获回执，最久 {oldest_s:.0f} 秒",
            f"{depth} events await receipts, the oldest for {oldest_s:.0f} s",
            todo.zh,
            todo.en,
        )
    if value("gw_journal_reserve_held") == 0.0:
        yield wrong(
            "journal",
            "为磁盘写满准备的预留空间已用掉",
            "the reserve for a full disk is gone",
            "清理磁盘；有空间后会自动恢复",
            "make room on the disk; it is then made anew by itself",
        )
    silence_s = value("gw_vision_last_word_seconds")
    if silence_s is not None and silence_s > VISION_SILENT_S:
        yield wrong(
            "vision",
            f"识别进程已 {silence_s:.0f} 秒没有消息",
            f"the vision process has been silent for {silence_s:.0f} s",
            "systemctl status campus-vision；看日志",
            "systemctl status campus-vision; see its log",
        )


def judge_provider(model: dict[str, Any], asked: str) -> Iterator[Finding]:
    """What runs the network. model: `vision` of the status, empty before the vision process has said it; asked: of the site file."""
    if refused := model.get("refused"):
        yield wrong(
            "vision",
            f"识别模型不能使用：{refused}",
            f"the model cannot be used: {refused}",
            "campus-gateway models list；[vision] model",
            "campus-gateway models list; [vision] model",
        )
    failed = [str(line) for line in model.get("passed_over", []) if ": slower, " not in str(line)]
    if failed:
        make = soon if asked == "auto" else wrong
        yield make(
            "vision",
            f"加速器未启用，由 {model.get('provider')} 运行：{'；'.join(failed)}",
            f"an accelerator is not used, {model.get('provider')} runs the model: {'; '.join(failed)}",
            'docs/boards.md 有安装步骤；或在 [vision] 写 provider = "cpu"',
            'docs/boards.md tells how to install it; or write provider = "cpu" in [vision]',
        )
    if "provider" in model and not model.get("tested"):
        yield unknown(
            "vision",
            f"{model['provider']} 未经厂家验证",
            f"{model['provider']} runs the model: it passed the self-test, but its makers have never run it",
            "campus-gateway models eval 用本校图片核对",
            "judge it with pictures of this site: campus-gateway models eval",
        )


def judge_tests(rows: list[dict[str, Any]], zone: tzinfo) -> Iterator[Finding]:
    """Points whose walk test is overdue, failed when it was last tried, or was never made. rows: the answer to `walk_tests`."""
    for row in rows:
        name = Text(row["zh"], row["en"])
        if row.get("due") == "overdue":
            yield soon(
                row["point"],
                f"报警测试超期 {-row['in_days']} 天：{name.zh}",
                f"its walk test is {-row['in_days']} days overdue: {name.en}",
                LATE_TESTS.zh,
                LATE_TESTS.en,
            )
        elif row["result"] == "failed":
            yield soon(
                row["point"], f"上次报警测试未通过：{name.zh}", f"its last walk test failed: {name.en}", LATE_TESTS.zh, LATE_TESTS.en
            )
        elif row["every_days"] and not row["passed_ms"]:
            due = f"{datetime.fromtimestamp(row['due_ms'] / 1000, zone):%Y-%m-%d}" if "due_ms" in row else ""
            zh = f"应于 {due} 前测试，尚未测试：{name.zh}" if due else f"尚未测试：{name.zh}"
            en = f"due by {due}, not yet tested: {name.en}" if due else f"not yet tested: {name.en}"
            yield soon(row["point"], zh, en, LATE_TESTS.zh, LATE_TESTS.en)


def judge_hazards(rows: list[dict[str, Any]]) -> Iterator[Finding]:
    """Hazards of the ledger that are overdue. rows: the answer to `hazards`."""
    for row in rows:
        if row.get("overdue") and row.get("state") != "closed":
            yield soon(
                str(row["hazard"]),
                f"隐患超期：{row['zh']}",
                f"hazard overdue: {row['en']}",
                f"责任人 {row.get('responsible', '')}：整改并销号",
                f"{row.get('responsible', '')}: put it right, and have it closed",
            )


def parse_metrics(text: str) -> dict[str, dict[str, float]]:
    """A metrics page in text form: name -> label text -> value."""
    found: dict[str, dict[str, float]] = {}
    for line in text.splitlines():
        name_labels, _, value = line.rpartition(" ")
        name, brace, labels = name_labels.partition("{")
        if line.startswith("#") or not name:
            continue
        try:
            found.setdefault(name, {})[f"{brace}{labels}"] = float(value)
        except ValueError:
            continue
    return found
