"""A report as lines for a terminal, Chinese and English beside each other. Shows any section that is made of figures and tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from gateway.report.words import KINDS

NOTHING = "–"


def lines(report: Mapping[str, Any], zone: ZoneInfo) -> Iterator[str]:
    """Without trailing newlines. Figures that are 0 or not known, and sections that hold nothing else, take one line."""
    kind = KINDS[report["report"]]
    number = f" 第 {report['number']} 号 no. {report['number']}" if report.get("number") else "（试算 preview）"
    yield f"{kind.zh} {kind.en}{number}"
    yield f"{report['site']['zh']}  {report['site']['en']}"
    if report.get("issued_at"):
        late = "，逾时签发 late" if report.get("late") else ""
        by = f"  责任人 responsible: {report['site']['by']}" if report["site"].get("by") else ""
        yield f"签发 issued {local(report['issued_at'], zone)}{late}{by}"
    yield from (report["summary"]["zh"], report["summary"]["en"])
    if "drill" in report:
        yield from _drill(report["drill"], zone)
    for name in report.get("order", ()):
        yield ""
        yield from _section(report["sections"][name], zone)


def _drill(drill: Mapping[str, Any], zone: ZoneInfo) -> Iterator[str]:
    """Of a drill report: who pressed what, and how fast the news got on. Seconds from the press."""
    totals = drill["totals"]
    yield f"{drill['name']['zh']} {drill['name']['en']}  {local(drill['started_at'], zone)}  {drill['lasted_s']:g} s"
    yield f"  参演点位 listed: {totals['listed']}  已触发 pressed: {totals['pressed']}  真实报警 real: {totals['real']}"
    slowest = (("送达 received", "slowest_received_s"), ("确认 acknowledged", "slowest_acknowledged_s"))
    yield "  最长用时 slowest: " + "  ".join(f"{words} {shown(totals[name], 's', zone)}" for words, name in slowest)
    for each in drill["alarms"]:
        name = each["name"] or {"zh": each["alarm"], "en": each["alarm"]}
        taken = f"{shown(each['acknowledged_s'], 's', zone)} {each['acknowledged_by']}"
        yield f"  {local(each['pressed_at'], zone)}  {shown(name, 'text', zone)}  确认 acknowledged: {taken}"
    if drill["not_pressed"]:
        yield f"  未触发 not pressed: {', '.join(drill['not_pressed'])}"


def local(at: str, zone: ZoneInfo) -> str:
    """RFC 3339 on the school's own wall."""
    return f"{datetime.fromisoformat(at).astimezone(zone):%Y-%m-%d %H:%M:%S}"


def shown(value: Any, kind: str, zone: ZoneInfo) -> str:
    """One value of a figure or a table."""
    if value is None or value == "":
        return NOTHING
    if isinstance(value, Mapping):
        zh, en = str(value["zh"]), str(value["en"])
        return (zh if zh == en else f"{zh} {en}") or NOTHING
    if kind == "time":
        return local(value, zone)
    if kind == "share":
        return f"{value:.1%}"
    return f"{value:g} s" if kind == "s" else f"{value:g}" if isinstance(value, float) else str(value)


def _section(section: Mapping[str, Any], zone: ZoneInfo) -> Iterator[str]:
    yield f"== {section['zh']} {section['en']} =="
    told = [each for each in section["figures"] if each["value"] not in (0, None)]
    silent = [each for each in section["figures"] if each["value"] in (0, None)]
    for each in told:
        yield f"  {each['zh']} {each['en']}: {shown(each['value'], each['kind'], zone)}"
    if silent:
        zero = [each["zh"] for each in silent if each["value"] == 0]
        unknown = [each["zh"] for each in silent if each["value"] is None]
        yield "  " + "；".join(f"{'、'.join(names)}: {word}" for names, word in ((zero, "0"), (unknown, NOTHING)) if names)
    for table in section["tables"]:
        yield from _table(table, zone)


def _table(table: Mapping[str, Any], zone: ZoneInfo) -> Iterator[str]:
    yield f"  -- {table['zh']} {table['en']}"
    yield "     " + " | ".join(f"{column['zh']} {column['en']}" for column in table["columns"])
    for row in table["rows"]:
        yield "     " + " | ".join(shown(row.get(column["column"]), column["kind"], zone) for column in table["columns"])
    if table["more"]:
        yield f"     … 另有 {table['more']} 行 and {table['more']} more"
