"""Writes the two Grafana dashboards: fleet.json (all schools of a bureau) and site.json (one school). For Grafana 10 and newer.

python deploy/grafana/make_dashboards.py            write them anew
python deploy/grafana/make_dashboards.py --check    exit status 1 when a file is out of date
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SCHEMA = 39  # Grafana 10.4
WIDTH = 24  # columns of Grafana's grid
SOURCE = {"type": "prometheus", "uid": "${source}"}
STATES = (
    "正常 normal",
    "未确认 unacknowledged",
    "已确认 acknowledged",
    "已恢复未确认 returned, unacknowledged",
    "锁存未确认 latched, unacknowledged",
    "锁存已确认 latched, acknowledged",
    "搁置 shelved",
    "抑制 suppressed by design",
    "停用 out of service",
)
STATE_COLOURS = ("green", "red", "orange", "yellow", "red", "orange", "blue", "blue", "purple")
HERE_ONLY = 'site=~"$site",instance=~"$instance"'
DISTRICT = 'district=~"$district"'


@dataclass(frozen=True)
class Panel:
    """One panel. queries: (PromQL, legend). steps: (from this value on, colour), ascending, the first from None. custom: of the kind."""

    kind: str
    zh: str
    en: str
    queries: Sequence[tuple[str, str]]
    unit: str = "short"
    steps: Sequence[tuple[float | None, str]] = ((None, "green"),)
    width: int = 8
    height: int = 7
    help: str = ""
    most: float | None = None
    mappings: Sequence[dict[str, Any]] = ()
    custom: dict[str, Any] = field(default_factory=dict)


def stat(
    zh: str, en: str, query: str, unit: str = "short", steps: Sequence[tuple[float | None, str]] = ((None, "green"),), **more: Any
) -> Panel:
    """One number."""
    return Panel("stat", zh, en, [(query, "")], unit, steps, **{"width": 4, "height": 4, **more})


def lines(zh: str, en: str, queries: Sequence[tuple[str, str]], unit: str = "short", **more: Any) -> Panel:
    """Values over time."""
    return Panel("timeseries", zh, en, queries, unit, **more)


def table(zh: str, en: str, query: str, unit: str = "short", **more: Any) -> Panel:
    """The present values, one row each."""
    return Panel("table", zh, en, [(query, "")], unit, **more)


def bad_from(*limits: float) -> Sequence[tuple[float | None, str]]:
    """Green, then yellow (only where there are two limits), then red."""
    colours = ("yellow", "red")[-len(limits) :]
    return (None, "green"), *zip(limits, colours, strict=True)


def good_from(limit: float) -> Sequence[tuple[float | None, str]]:
    """Red below it."""
    return (None, "red"), (limit, "green")


def words(zero: str, one: str) -> Sequence[dict[str, Any]]:
    """What 0 and 1 mean."""
    return [{"type": "value", "options": {"0": {"text": zero, "color": "red"}, "1": {"text": one, "color": "green"}}}]


def states() -> Panel:
    """What each alarm did."""
    options = {
        str(number): {"text": text, "color": colour, "index": number}
        for number, (text, colour) in enumerate(zip(STATES, STATE_COLOURS, strict=True))
    }
    query = f'gw_point_state{{{HERE_ONLY},class!="fault"}}'
    return Panel(
        "state-timeline",
        "报警状态",
        "States of alarms",
        [(query, "{{point}}/{{alarm}}")],
        width=WIDTH,
        height=10,
        mappings=[{"type": "value", "options": options}],
        custom={"fillOpacity": 80},
    )


def fleet() -> Iterator[str | Panel]:
    """Rows (their titles) and panels for hundreds of schools."""
    yield "全局 / All schools"
    yield stat("网关总数", "Gateways", f"count(gateway:down{{{DISTRICT}}})")
    yield stat("失联网关", "Do not answer", f"sum(gateway:down{{{DISTRICT}}})", steps=bad_from(1, 10))
    yield stat("通信中断学校", "Without a path", f"sum(gateway:paths_up:count{{{DISTRICT}}} == bool 0)", steps=bad_from(1, 10))
    yield stat("未确认报警", "Unacknowledged", f"sum(gw_alarm_unacked{{{DISTRICT}}})", steps=bad_from(1, 20))
    yield stat(
        "送达时间 p99（1 h）", "Delivery p99 (1 h)", "fleet:alarm_delivery_seconds:p99_1h", "s", bad_from(2), help="DB15/T 3968: 2 s"
    )
    yield stat(
        "立即处理的告警",
        "Alerts to act on now",
        f'count(ALERTS{{alertstate="firing",severity="page",{DISTRICT}}}) or vector(0)',
        steps=bad_from(1),
    )
    yield "告警 / Alerts"
    yield table("当前告警", "Firing alerts", f'ALERTS{{alertstate="firing",{DISTRICT}}}', width=16, height=10)
    yield lines(
        "告警数量",
        "Alerts over time",
        [(f'count by (alertname) (ALERTS{{alertstate="firing",{DISTRICT}}})', "{{alertname}}")],
        height=10,
        custom={"stacking": {"mode": "normal"}, "fillOpacity": 40},
    )
    yield "通信 / Delivery"
    yield lines(
        "失联与中断",
        "Gateways and paths down",
        [
            (f"sum(gateway:down{{{DISTRICT}}})", "失联 do not answer"),
            (f"count(gw_link_up{{{DISTRICT}}} == 0) or vector(0)", "路径中断 paths down"),
        ],
    )
    yield lines(
        "最久未签收",
        "Longest wait for a receipt",
        [(f"topk(10, gw_outbox_oldest_seconds{{{DISTRICT}}})", "{{site}}")],
        "s",
        steps=bad_from(120),
    )
    yield lines("待发事件最多", "Largest outboxes", [(f"topk(10, gw_outbox_depth{{{DISTRICT}}})", "{{site}}")])
    yield lines(
        "送达时间",
        "Delivery of alarms",
        [
            (
                f"histogram_quantile({q}, sum by (le) (rate(gw_alarm_delivery_seconds_bucket{{{DISTRICT}}}[$__rate_interval])))",
                f"p{q * 100:g}",
            )
            for q in (0.5, 0.9, 0.99)
        ],
        "s",
        steps=bad_from(2),
    )
    yield lines(
        "事件速率", "Events sealed", [(f"sum(rate(gw_journal_events_total{{{DISTRICT}}}[$__rate_interval]))", "事件 events")], "eps"
    )
    yield table(
        "即将到期证书",
        "Certificates that expire first",
        f"bottomk(10, gw_certificate_expires_timestamp_seconds{{{DISTRICT}}} - time())",
        "s",
        steps=((None, "red"), (7 * 86400, "yellow"), (30 * 86400, "green")),
    )
    yield "设备 / Equipment"
    yield table("无应答设备最多", "Most silent devices", f"topk(10, gateway:devices_down:count{{{DISTRICT}}} > 0)", steps=bad_from(1))
    yield table("失明摄像机", "Blind cameras", f"topk(10, gateway:cameras_blind:count{{{DISTRICT}}} > 0)", steps=bad_from(1))
    yield table(
        "磁盘剩余最少",
        "Least room on the disk",
        f"bottomk(10, gateway:storage_free:ratio{{{DISTRICT}}})",
        "percentunit",
        steps=((None, "red"), (0.1, "yellow"), (0.3, "green")),
    )
    yield lines(
        "总线应答率最低",
        "Worst lines",
        [(f"bottomk(10, gateway:bus_ok:ratio_rate5m{{{DISTRICT}}})", "{{site}} {{line}}")],
        "percentunit",
        most=1,
    )
    yield lines(
        "写盘最慢",
        "Slowest journals",
        [(f"topk(10, gateway:journal_commit_seconds:mean5m{{{DISTRICT}}})", "{{site}}")],
        "s",
        steps=bad_from(0.1),
    )
    yield lines("24 小时内重启", "Restarts within a day", [(f"topk(10, changes(gw_start_time_seconds{{{DISTRICT}}}[1d]))", "{{site}}")])
    yield "管理 / Duties"
    yield stat("逾期隐患", "Hazards overdue", f"sum(gw_hazards_overdue{{{DISTRICT}}})", steps=bad_from(1))
    yield stat("测试逾期", "Walk tests overdue", f"sum(gw_walk_tests_due{{{DISTRICT}}})", steps=bad_from(1))
    yield stat(
        "日报缺失",
        "Daily reports missing",
        f'count(time() - gw_report_last_timestamp_seconds{{kind="daily",{DISTRICT}}} > 93600) or vector(0)',
        steps=bad_from(1),
    )
    yield stat(
        "时钟异常", "Clocks not set right", f'count(gw_clock_quality{{quality!="synchronised",{DISTRICT}}}) or vector(0)', steps=bad_from(1)
    )
    yield stat("搁置的报警", "Set aside", f"sum(gw_alarm_set_aside{{{DISTRICT}}})", steps=bad_from(1))
    yield stat("试运行", "On trial", f"sum(gw_upgrade_trial{{{DISTRICT}}})", steps=bad_from(1))
    yield table("软件版本", "Versions", f"count by (version) (gw_build_info{{{DISTRICT}}})")


def site() -> Iterator[str | Panel]:
    """Rows and panels for one school."""
    where = HERE_ONLY
    yield "概况 / At a glance"
    yield stat("网关", "Gateway", f"1 - gateway:down{{{where}}}", steps=good_from(1), mappings=words("失联 no answer", "在线 up"))
    yield stat("已运行", "Running for", f"time() - gw_start_time_seconds{{{where}}}", "s", ((None, "blue"),))
    yield stat("未确认报警", "Unacknowledged", f"gw_alarm_unacked{{{where}}}", steps=bad_from(1))
    yield stat("最久未确认", "Oldest of them", f"gw_alarm_oldest_unacked_seconds{{{where}}}", "s", bad_from(120, 600))
    yield stat("未签收事件", "Await receipts", f"gw_outbox_depth{{{where}}}", steps=bad_from(100, 1000))
    yield stat(
        "时钟",
        "Clock is right",
        f'gw_clock_quality{{quality="synchronised",{where}}} or vector(0)',
        steps=good_from(1),
        mappings=words("异常 no", "已校准 yes"),
    )
    yield "报警 / Alarms"
    yield states()
    yield lines(
        "报警数量",
        "Alarms",
        [
            (f"gw_alarm_standing{{{where}}}", "待处理 standing"),
            (f"gw_alarm_unacked{{{where}}}", "未确认 unacknowledged"),
            (f"gw_alarm_stale{{{where}}}", "超过一天 stale"),
            (f"gw_alarm_chattering{{{where}}}", "抖动 chattering"),
            (f"gw_alarm_recently_announced{{{where}}}", "10 分钟内 in ten minutes"),
        ],
    )
    yield lines(
        "事件",
        "Events by class and kind",
        [(f"sum by (class, to) (rate(gw_alarm_transitions_total{{{where}}}[$__rate_interval]))", "{{class}} {{to}}")],
        "eps",
    )
    yield table("报警最多的点", "Points announced most often", f"gw_alarm_top{{{where}}}")
    yield lines(
        "确认时间",
        "Time to acknowledge",
        [
            (f"histogram_quantile({q}, sum by (le) (rate(gw_alarm_acknowledge_seconds_bucket{{{where}}}[$__range])))", f"p{q * 100:g}")
            for q in (0.5, 0.9)
        ],
        "s",
        steps=bad_from(120),
    )
    yield lines(
        "搁置与模式",
        "Set aside, and modes",
        [
            (f"gw_alarm_set_aside{{{where}}}", "{{state}}"),
            (f"gw_mode{{{where}}}", "{{mode}}"),
        ],
    )
    yield table("不可信的测点", "Points without a good reading", f"gw_point_good{{{where}}} == 0", steps=bad_from(0))
    yield "与联动中心的通信 / Delivery to the centre"
    yield Panel(
        "state-timeline",
        "路径",
        "Paths",
        [(f"gw_link_up{{{where}}}", "{{path}}")],
        steps=good_from(1),
        height=6,
        mappings=words("中断 down", "通 up"),
    )
    yield lines(
        "等待签收",
        "Waiting for receipts",
        [
            (f"gw_outbox_depth{{{where}}}", "事件 events"),
            (f"gw_outbox_in_flight{{{where}}}", "在途 in flight"),
        ],
        height=6,
    )
    yield lines("最久等待", "Longest wait", [(f"gw_outbox_oldest_seconds{{{where}}}", "最久 oldest")], "s", steps=bad_from(120), height=6)
    yield lines(
        "送达时间",
        "Delivery of alarms",
        [
            (
                f"histogram_quantile({q}, sum by (le, recipient) (rate(gw_alarm_delivery_seconds_bucket{{{where}}}[$__range])))",
                f"{{{{recipient}}}} p{q * 100:g}",
            )
            for q in (0.5, 0.99)
        ],
        "s",
        steps=bad_from(2),
    )
    yield lines(
        "发送与签收",
        "Sent, sent again, received",
        [
            (f"rate(gw_published_total{{{where}}}[$__rate_interval])", "发送 sent"),
            (f"rate(gw_resent_total{{{where}}}[$__rate_interval])", "重发 again"),
            (f"rate(gw_receipts_total{{{where}}}[$__rate_interval])", "签收 {{result}}"),
        ],
        "eps",
    )
    yield lines(
        "连接结束原因",
        "Why sessions ended",
        [(f"sum by (path, trouble) (increase(gw_link_ends_total{{{where}}}[$__rate_interval])) > 0", "{{path}} {{trouble}}")],
    )
    yield "总线与设备 / Lines and devices"
    yield Panel(
        "state-timeline",
        "设备应答",
        "Devices that answer",
        [(f"gw_device_up{{{where}}}", "{{line}} {{device}}")],
        steps=good_from(1),
        width=12,
        height=8,
        mappings=words("无应答 silent", "应答 answers"),
    )
    yield lines(
        "应答率",
        "Share of good answers",
        [(f"gateway:bus_ok:ratio_rate5m{{{where}}}", "{{line}}")],
        "percentunit",
        most=1,
        width=12,
        height=8,
    )
    yield lines(
        "总线占用",
        "How full the lines are",
        [(f"gateway:bus_busy:ratio_rate5m{{{where}}}", "{{line}}")],
        "percentunit",
        most=1,
        steps=bad_from(0.9),
    )
    yield lines(
        "检测延迟",
        "Detection: promised and worst",
        [
            (f"max by (line) (gw_detection_promised_seconds{{{where}}})", "{{line}} 承诺 promised"),
            (f"max by (line) (gw_detection_worst_seconds{{{where}}})", "{{line}} 实测 worst"),
        ],
        "s",
    )
    yield lines(
        "错误应答",
        "Bad answers",
        [(f'sum by (line, result) (rate(gw_bus_transactions_total{{result!="ok",{where}}}[$__rate_interval])) > 0', "{{line}} {{result}}")],
    )
    yield lines(
        "可燃气体（爆炸下限比）",
        "Gas, of the lower explosive limit",
        [(f"gw_gas_concentration_lel_ratio{{{where}}}", "{{point}}")],
        "percentunit",
        steps=bad_from(0.1, 0.25),
    )
    yield lines("剩余电流", "Residual current", [(f"gw_residual_current_amperes{{{where}}}", "{{point}}")], "amp", steps=bad_from(0.3))
    yield lines("电缆温度", "Cable temperature", [(f"gw_cable_temperature_celsius{{{where}}}", "{{point}}")], "celsius", steps=bad_from(70))
    yield "摄像机 / Cameras"
    yield lines(
        "画面年龄", "Age of the newest picture", [(f"gw_camera_frame_age_seconds{{{where}}}", "{{camera}}")], "s", steps=bad_from(5)
    )
    yield lines("识别帧率", "Pictures judged a second", [(f"gw_camera_analysed_fps{{{where}}}", "{{camera}}")])
    yield lines("每帧用时", "Time for a picture", [(f"gateway:inference_seconds:mean5m{{{where}}}", "{{camera}}")], "s")
    yield table("摄像机故障", "What is wrong with cameras", f"gw_camera_trouble{{{where}}} == 1", steps=bad_from(1))
    yield lines(
        "看图与识别",
        "Pictures and inferences",
        [
            (f"rate(gw_camera_pictures_judged_total{{{where}}}[$__rate_interval])", "{{camera}} 画面 pictures"),
            (f"rate(gw_inferences_total{{{where}}}[$__rate_interval])", "{{camera}} 识别 inferences"),
        ],
    )
    yield stat("识别程序静默", "Vision silent for", f"gw_vision_last_word_seconds{{{where}}}", "s", bad_from(5), width=8, height=7)
    yield "事件日志与磁盘 / Journal and disk"
    yield lines(
        "写盘时间",
        "Time of a commit",
        [
            (f"gateway:journal_commit_seconds:mean5m{{{where}}}", "平均 mean"),
            (f"gw_journal_slowest_commit_seconds{{{where}}}", "最慢 slowest"),
        ],
        "s",
        steps=bad_from(0.1),
    )
    yield lines(
        "日志占用",
        "Journal by class",
        [(f"gw_journal_bytes{{{where}}}", "{{class}}")],
        "bytes",
        custom={"stacking": {"mode": "normal"}, "fillOpacity": 40},
    )
    yield lines(
        "写入速率",
        "Written to the card",
        [(f"rate(gw_storage_written_bytes_total{{{where}}}[$__rate_interval])", "写入 written")],
        "Bps",
        steps=bad_from(100_000),
    )
    yield stat(
        "磁盘剩余",
        "Room on the disk",
        f"gateway:storage_free:ratio{{{where}}}",
        "percentunit",
        ((None, "red"), (0.1, "yellow"), (0.3, "green")),
    )
    yield stat("应急预留", "Reserve is there", f"gw_journal_reserve_held{{{where}}}", steps=good_from(1))
    yield stat("未签收即删除", "Dropped unreceived", f"gw_journal_dropped_total{{{where}}}", steps=bad_from(1))
    yield stat("写盘失败", "Commits refused", f"gw_journal_refusals_total{{{where}}}", steps=bad_from(1))
    yield "程序 / The program"
    yield lines("内存", "Memory", [(f"gw_resident_memory_bytes{{{where}}}", "常驻 resident")], "bytes")
    yield lines("处理器", "Processor", [(f"rate(gw_cpu_seconds_total{{{where}}}[$__rate_interval])", "占用 use")], "percentunit")
    yield lines("日志行数", "Log lines", [(f"sum by (level) (increase(gw_log_lines_total{{{where}}}[$__rate_interval]))", "{{level}}")])
    yield table("部件崩溃", "Crashes of parts", f"gw_task_crashes_total{{{where}}} > 0", steps=bad_from(1))
    yield table("软件版本", "Version", f"gw_build_info{{{where}}}")
    yield "管理 / Duties"
    yield stat("逾期隐患", "Hazards overdue", f"gw_hazards_overdue{{{where}}}", steps=bad_from(1))
    yield stat("测试逾期", "Walk tests overdue", f"gw_walk_tests_due{{{where}}}", steps=bad_from(1))
    yield stat(
        "距上次日报", "Since the daily report", f'time() - gw_report_last_timestamp_seconds{{kind="daily",{where}}}', "s", bad_from(93_600)
    )
    yield stat(
        "证书剩余",
        "Certificate is good for",
        f"min(gw_certificate_expires_timestamp_seconds{{{where}}} - time())",
        "s",
        ((None, "red"), (7 * 86400, "yellow"), (30 * 86400, "green")),
    )
    yield table("隐患", "Hazards", f"gw_hazards{{{where}}}")


DASHBOARDS: dict[str, tuple[str, Callable[[], Iterator[str | Panel]], tuple[str, ...]]] = {
    "fleet": ("校园安全网关 总览 / Campus gateways: all schools", fleet, ("district",)),
    "site": ("校园安全网关 单校 / Campus gateway: one school", site, ("site", "instance")),
}


def dashboard(name: str) -> dict[str, Any]:
    """One of DASHBOARDS as Grafana takes it."""
    title, parts, variables = DASHBOARDS[name]
    links = {"fleet": "site", "site": "fleet"}[name]
    return {
        "uid": f"campus-{name}",
        "title": title,
        "tags": ["campus-gateway"],
        "schemaVersion": SCHEMA,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "timezone": "browser",
        "time": {"from": "now-6h", "to": "now"},
        "refresh": "30s",
        "annotations": {"list": []},
        "links": [{"type": "link", "title": DASHBOARDS[links][0], "url": f"/d/campus-{links}", "keepTime": True}],
        "templating": {"list": [_source(), *(_variable(label, name) for label in variables)]},
        "panels": list(_placed(parts())),
    }


def _source() -> dict[str, Any]:
    return {"type": "datasource", "name": "source", "label": "数据源 data source", "query": "prometheus", "current": {}, "hide": 0}


def _variable(label: str, name: str) -> dict[str, Any]:
    every = name == "fleet"
    chosen = 'gw_start_time_seconds{site=~"$site"}' if label == "instance" else "gw_start_time_seconds"
    words = {"district": "区 district", "site": "学校 school", "instance": "网关 gateway"}[label]
    query = f"label_values({chosen}, {label})"
    return {
        "type": "query",
        "name": label,
        "label": words,
        "datasource": SOURCE,
        "query": {"query": query, "refId": label},
        "definition": query,
        "refresh": 2,
        "sort": 1,
        "multi": every,
        "includeAll": every or label == "instance",
        "allValue": ".*",
        "hide": 0,
        "current": {"text": "All", "value": "$__all"} if every or label == "instance" else {},
    }


def _placed(parts: Iterator[str | Panel]) -> Iterator[dict[str, Any]]:
    """Each panel beside the one before while there is room in its row."""
    x = y = tallest = 0
    for number, part in enumerate(parts, 1):
        width, height = (WIDTH, 1) if isinstance(part, str) else (part.width, part.height)
        if x + width > WIDTH:
            x, y, tallest = 0, y + tallest, 0
        place = {"id": number, "gridPos": {"x": x, "y": y, "w": width, "h": height}}
        x, tallest = x + width, max(tallest, height)
        yield place | ({"type": "row", "title": part, "collapsed": False, "panels": []} if isinstance(part, str) else _panel(part))


def _panel(panel: Panel) -> dict[str, Any]:
    is_now = panel.kind in ("table", "stat")
    targets = [
        {
            "refId": chr(ord("A") + number),
            "expr": query,
            "legendFormat": legend or "__auto",
            "datasource": SOURCE,
            "instant": is_now,
            "range": not is_now,
            "format": "table" if panel.kind == "table" else "time_series",
        }
        for number, (query, legend) in enumerate(panel.queries)
    ]
    defaults: dict[str, Any] = {
        "unit": panel.unit,
        "thresholds": {"mode": "absolute", "steps": [{"value": value, "color": colour} for value, colour in panel.steps]},
        "color": {"mode": "palette-classic" if panel.kind == "timeseries" else "thresholds"},
        "mappings": list(panel.mappings),
        "custom": _custom(panel),
    }
    if panel.most is not None:
        defaults |= {"min": 0, "max": panel.most}
    shown = {
        "type": panel.kind,
        "title": f"{panel.zh} / {panel.en}",
        "datasource": SOURCE,
        "targets": targets,
        "options": _options(panel.kind),
    }
    shown |= {"fieldConfig": {"defaults": defaults, "overrides": []}}
    if panel.help:
        shown["description"] = panel.help
    if panel.kind == "table":
        shown["transformations"] = [{"id": "organize", "options": {"excludeByName": {"Time": True, "__name__": True, "job": True}}}]
    return shown


def _custom(panel: Panel) -> dict[str, Any]:
    if panel.kind == "timeseries":
        limits = {"thresholdsStyle": {"mode": "dashed"}} if len(panel.steps) > 1 else {}
        return {"lineWidth": 1, "fillOpacity": 10, "showPoints": "never", "spanNulls": False, **limits, **panel.custom}
    return {"align": "auto", "cellOptions": {"type": "color-text"}, **panel.custom} if panel.kind == "table" else dict(panel.custom)


def _options(kind: str) -> dict[str, Any]:
    if kind == "stat":
        return {"reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}, "colorMode": "background", "graphMode": "none"}
    if kind == "table":
        return {"showHeader": True}
    legend = {"displayMode": "list", "placement": "bottom", "showLegend": True}
    return {"legend": legend} | (
        {"tooltip": {"mode": "multi", "sort": "desc"}} if kind == "timeseries" else {"mergeValues": True, "rowHeight": 0.8}
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Write both, or look whether they are up to date."""
    parser = argparse.ArgumentParser(description="Write the Grafana dashboards.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit status 1 when a file is out of date")
    check = parser.parse_args(argv).check
    late = []
    for name in DASHBOARDS:
        path, text = HERE / f"{name}.json", json.dumps(dashboard(name), ensure_ascii=False, indent=1) + "\n"
        if check and (not path.exists() or path.read_text(encoding="utf-8") != text):
            late.append(str(path))
        if not check:
            path.write_text(text, encoding="utf-8")
    if late:
        sys.stderr.write(f"out of date: {', '.join(late)}; run python deploy/grafana/make_dashboards.py\n")
    return 1 if late else 0


if __name__ == "__main__":
    sys.exit(main())
