"""The page's benchmark: very short real runs of each measure."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench.console import Effort, alarm_delay, journal_to_page
from tests.real_parts import need

TINY = Effort(presses=3, rounds=1, round_presses=3)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


def test_each_press_is_seen_in_the_browser(tmp_path: Path) -> None:
    need("chromium", package="chromium")
    result = journal_to_page(TINY, tmp_path / "page", lambda line: None)
    assert [(figure.name, figure.unit) for figure in result.figures] == [("console.journal_to_page_p99_ms", "ms")]
    assert len(result.runs[0]["delay_ms"]) == TINY.presses


def test_each_press_is_told_with_pages_and_without(tmp_path: Path) -> None:
    result = alarm_delay(TINY, tmp_path / "alarm", lambda line: None)
    assert result.figures[0].name == "console.alarm_delay_ratio_50_pages"
    assert [(run["pages"], len(run["delay_ms"])) for run in result.runs] == [(0, 3), (50, 3)]
