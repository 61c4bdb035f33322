"""The dashboards are as the code makes them, whole, and ask only for what there is."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from gateway.metrics.table import METRICS

ROOT = Path(__file__).parents[3]
HERE = ROOT / "deploy" / "grafana"
EACH = pytest.mark.parametrize("name", ["fleet", "site"])


def dashboard(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((HERE / f"{name}.json").read_text(encoding="utf-8"))
    return found


def queries(name: str) -> list[tuple[str, str]]:
    """(title of the panel, PromQL) of each."""
    return [(panel["title"], target["expr"]) for panel in dashboard(name)["panels"] for target in panel.get("targets", ())]


def test_they_are_up_to_date() -> None:
    done = subprocess.run([sys.executable, HERE / "make_dashboards.py", "--check"], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


@EACH
def test_shape(name: str) -> None:
    whole = dashboard(name)
    panels = whole["panels"]
    assert whole["schemaVersion"] >= 39
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        place = panel["gridPos"]
        assert place["x"] >= 0
        assert place["x"] + place["w"] <= 24
        assert re.search(r"[\u4e00-\u9fff].* / [A-Z]", panel["title"]), "Chinese, then English"
    for one, other in combinations((panel["gridPos"] for panel in panels), 2):
        apart = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        assert apart or one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]


@EACH
def test_queries_ask_for_what_there_is(name: str) -> None:
    known = {metric.exposed for metric in METRICS.values()} | {f"{m.name}_bucket" for m in METRICS.values() if m.buckets}
    recorded = set(re.findall(r"record: (\S+)", (ROOT / "deploy/prometheus/rules/recording.yml").read_text(encoding="utf-8")))
    variables = {variable["name"] for variable in dashboard(name)["templating"]["list"]}
    for title, query in queries(name):
        assert set(re.findall(r"\bgw_[a-z0-9_]+", query)) <= known, title
        assert set(re.findall(r"\b(?:gateway|fleet):[a-z0-9_:]+", query)) <= recorded, title
        assert set(re.findall(r"\$([a-z]\w*)", query)) <= variables, title
