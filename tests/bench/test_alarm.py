"""The alarm benchmark's site has every rule, and a very short run of it measures something."""

from __future__ import annotations

from pathlib import Path

from gateway.config.load import load_site
from gateway.core.rule_names import RULES
from gateway.runtime.school import rule_of
from tests.bench.alarm import Effort, rate
from tests.bench.alarm_site import site_text

# Without a rule of their own in the house, or (fire) without a lock that this school could hold open; cameras are not read here.
ELSEWHERE = {"fire-release", "crowd", "perimeter", "loitering", "water", "incident", "drill", "walk-test", "maintenance"}


def test_every_rule_is_on(tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text(site_text(), encoding="utf-8")
    names = {rule_of(spec).name for spec in load_site(tmp_path / "site.toml").rules}
    assert names == set(RULES) - ELSEWHERE


def test_a_short_run(tmp_path: Path) -> None:
    result = rate(Effort(1, 3000), tmp_path, lambda words: None)
    figures = {figure.name: figure.value for figure in result.figures}
    assert figures["alarm.readings_per_s"] > 0
    assert figures["alarm.decision_p999_ms"] > 0
    assert result.runs[0]["events"] > 0
    assert result.runs[0]["rules"] > 40
