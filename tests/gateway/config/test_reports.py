"""[reports] of the site file."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config.load import load_site
from gateway.config.settings import ConfigRefused

EXAMPLE = Path(__file__).parents[3] / "deploy" / "examples" / "demo-school.toml"


def loaded(folder: Path, table: str) -> object:
    for file in EXAMPLE.parent.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    site = folder / EXAMPLE.name
    site.write_text(EXAMPLE.read_text(encoding="utf-8") + "\n" + table, encoding="utf-8")
    return load_site(site, state_dir=str(folder)).site.reports


def test_without_the_table_there_are_none_and_an_empty_one_has_its_times(tmp_path: Path) -> None:
    assert loaded(tmp_path, "") is None
    found = loaded(tmp_path, "[reports]\n")
    assert [getattr(found, name) for name in ("daily_at", "weekly_on", "monthly_day", "by")] == ["17:30", "fri", 1, ""]


@pytest.mark.parametrize("line", ['daily_at = "24:00"', 'daily_at = "7:30"', 'weekly_on = "friday"', "monthly_day = 29", "monthly_day = 0"])
def test_times_that_do_not_exist_are_refused(tmp_path: Path, line: str) -> None:
    with pytest.raises(ConfigRefused, match=f"reports.{line.split()[0]}"):
        loaded(tmp_path, f"[reports]\n{line}\n")
