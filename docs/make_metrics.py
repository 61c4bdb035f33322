"""The tables of metrics and of alerts, read from the code and from the rules of Prometheus, for docs/make_reference.py."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gateway.metrics.table import GROUPS, HISTOGRAM

RULES = Path(__file__).parents[1] / "deploy/prometheus/rules/alerts.yml"
_KEY = re.compile(r"^ +(?:- )?(alert|expr|for|labels|summary|summary_en|runbook_url): (.+)$")


@dataclass(slots=True)
class Alert:
    """One alert of the rules, as it stands there. wait: `for`, '' for at once."""

    name: str
    expr: str = ""
    wait: str = ""
    labels: str = ""
    zh: str = ""
    en: str = ""
    runbook: str = ""


def alerts() -> Iterator[Alert]:
    """Every alert, in the order of the file."""
    found: Alert | None = None
    fields = {"expr": "expr", "for": "wait", "labels": "labels", "summary": "zh", "summary_en": "en", "runbook_url": "runbook"}
    for line in RULES.read_text(encoding="utf-8").splitlines():
        key = _KEY.match(line)
        if key is None:
            continue
        text = key[2][1:-1].replace("''", "'") if key[2].startswith("'") else key[2]
        if key[1] == "alert":
            if found is not None:
                yield found
            found = Alert(text)
        elif found is not None:
            setattr(found, fields[key[1]], text)
    if found is not None:
        yield found


def table() -> str:
    """Every metric, in groups."""
    rows: list[str] = []
    for group, metrics in GROUPS.items():
        rows += ["", f"### {group}", "", "| metric | type | labels | unit | meaning | when to worry |", "|---|---|---|---|---|---|"]
        for metric in metrics:
            labels = ", ".join(f"`{label}`" for label in metric.labels)
            needs = f" Needs: {metric.needs}." if metric.needs else ""
            bounds = f" Bounds: {', '.join(f'{bound:g}' for bound in metric.buckets)}." if metric.kind == HISTOGRAM else ""
            rows.append(
                f"| `{metric.exposed}` | {metric.kind} | {labels} | {metric.unit} | {metric.text}{needs}{bounds} | {metric.worry} |"
            )
    return "\n".join(rows[1:])


def alert_table() -> str:
    """Every alert, with what it says and what to do."""
    rows = ["| alert | severity | after | 说明 | it says | to do |", "|---|---|---|---|---|---|"]
    for each in alerts():
        severity = "page" if "page" in each.labels else "ticket"
        link = each.runbook.removeprefix("docs/")
        zh, en = (re.sub(r"\{\{ \$labels\.(\w+) \}\}", r"*\1*", text) for text in (each.zh, each.en))
        rows.append(f"| `{each.name}` | {severity} | {each.wait or 'at once'} | {zh} | {en} | [what to do]({link}) |")
    return "\n".join(rows)
