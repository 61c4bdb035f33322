"""The report of a first visit as one HTML file to print: Chinese and English, nothing fetched from anywhere. Pure."""

from __future__ import annotations

from datetime import datetime, tzinfo
from html import escape
from typing import Any
from zoneinfo import ZoneInfo

_RESULTS = {
    "ok": ("合格", "ok"),
    "problem": ("问题", "problem"),
    "soon": ("注意", "soon"),
    "unknown": ("不明", "unknown"),
    "skipped": ("未做", "skipped"),
}
_STYLE = """body{font:14px/1.45 "Noto Sans CJK SC","Microsoft YaHei",sans-serif;margin:2em auto;max-width:60em;padding:0 1em;color:#111}
h1{font-size:1.5em}h2{font-size:1.15em;margin-top:1.6em}table{border-collapse:collapse;width:100%}
th,td{border:1px solid #777;padding:.3em .5em;text-align:left;vertical-align:top;overflow-wrap:anywhere}th{background:#eee}
.problem{background:#fde0dc;font-weight:bold}.soon{background:#fdf3d0}.unknown,.skipped{background:#eee}small{color:#444}tr{page-break-inside:avoid}
.hands{margin-top:3em;display:flex;gap:3em}.hands div{flex:1;border-top:1px solid #111;padding-top:.3em}code{overflow-wrap:anywhere}"""


def html(report: dict[str, Any], sha256: str) -> str:
    """The whole file. sha256: of the JSON file beside it; `kid` of the report: the key that signed it, absent for a report without one."""
    site, totals = report["site"], report["totals"]
    zone = ZoneInfo(site["timezone"])
    begun, issued = _when(report["begun_at"], zone), _when(report["issued_at"], zone)
    signed = f"签名密钥 signed by key <code>{escape(report['kid'])}</code>" if "kid" in report else "未签名 not signed"
    head = [
        f"<p>{_both(site)}<br><code>{escape(report['source'])}</code>, {escape(report['version'])}</p>",
        f"<p>开始 begun {begun}; 签发 issued {issued} ({escape(zone.key)}); 调试人 by {escape(report['by'])}</p>",
        "<p>" + ", ".join(f"{zh} {en}: <b>{totals[name]}</b>" for name, (zh, en) in _RESULTS.items()) + "</p>",
    ]
    parts = [_step(step, zone) for step in report["steps"] if step["checks"]]
    foot = f"<p><small>{signed}; JSON sha-256 <code>{escape(sha256)}</code></small></p>"
    hands = '<div class="hands"><div>调试人签字 Technician</div><div>校方签字 School</div><div>日期 Date</div></div>'
    return (
        '<!doctype html>\n<html lang="zh-CN"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>调试验收报告 Commissioning report</title><style>{_STYLE}</style></head>\n<body>"
        f"<h1>调试验收报告 Commissioning report</h1>\n{''.join(head)}\n{''.join(parts)}\n{hands}\n{foot}</body></html>\n"
    )


def _when(at: str, zone: tzinfo) -> str:
    """On the school's own clock."""
    return f"{datetime.fromisoformat(at).astimezone(zone):%Y-%m-%d %H:%M:%S}"


def _step(step: dict[str, Any], zone: tzinfo) -> str:
    rows = "".join(_row(check, zone) for check in step["checks"])
    heads = "<tr><th>项目 Check</th><th>地点 Place</th><th>结果 Result</th><th>说明 Note</th><th>时间、人 When, by</th></tr>"
    return f"<h2>{_both(step)}</h2>\n<table>{heads}{rows}</table>\n"


def _row(check: dict[str, Any], zone: tzinfo) -> str:
    zh, en = _RESULTS[check["result"]]
    place = _both({"zh": check["place_zh"], "en": check["place_en"]})
    note = escape(check["note"]) + (f"<br><small>隐患台账 ledger: {escape(check['ledger'])}</small>" if check.get("ledger") else "")
    return (
        f"<tr><td>{_both(check)}<br><small>{escape(check['check'])}</small></td><td>{place}</td>"
        f'<td class="{check["result"]}">{zh} {en}</td><td>{note}</td><td>{_when(check["at"], zone)}<br>{escape(check["by"])}</td></tr>'
    )


def _both(text: dict[str, Any]) -> str:
    zh, en = escape(str(text["zh"])), escape(str(text["en"]))
    return zh if zh == en else f"{zh} <small>{en}</small>"
