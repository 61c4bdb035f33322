"""The reports' benchmark: one very short real run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench.report import Effort, reports

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


def test_reports_are_built_beside_presses(tmp_path: Path) -> None:
    result = reports(Effort(today=40, a_day=4, times=1, presses=2), tmp_path / "school", lambda line: None)
    assert [figure.name for figure in result.figures] == [
        "report.daily_s",
        "report.monthly_s",
        "report.trends_page_ms",
        "report.alarm_delay_ratio",
    ]
    assert [run["reports"] for run in result.runs if run["measure"] == "beside"] == [False, True, True, False]
