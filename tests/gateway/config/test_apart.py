"""The site file is checked in a process of its own; the daemon gets plain records and carries no validator."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gateway.config.apart import Loading
from gateway.config.load import load_site
from gateway.config.plain import Record, plain
from gateway.config.settings import ConfigRefused

EXAMPLES = sorted((Path(__file__).parents[3] / "deploy" / "examples").glob("*.toml"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_same_settings_come_back(path: Path) -> None:
    apart, here = Loading(path).result(), load_site(path)
    assert isinstance(apart.site, Record)
    assert apart.site == plain(here.site)
    assert (apart.points, apart.wire, apart.zones, apart.warnings) == (here.points, here.wire, here.zones, here.warnings)
    assert (apart.source, apart.root, apart.door_path) == (here.source, here.root, here.door_path)
    assert {name: plain(profile) for name, profile in here.profiles.items()} == apart.profiles


def test_a_state_folder_of_the_command_line_wins(tmp_path: Path) -> None:
    assert Loading(EXAMPLES[0], str(tmp_path)).result().state_dir == tmp_path


def test_problems_come_back_with_their_lines(tmp_path: Path) -> None:
    site = tmp_path / "site.toml"
    site.write_text(EXAMPLES[0].read_text().replace('role = "panic_button"', 'role = "panik_button"'))
    with pytest.raises(ConfigRefused) as refused:
        Loading(site).result()
    with pytest.raises(ConfigRefused) as expected:
        load_site(site)
    assert refused.value.problems == expected.value.problems
    assert refused.value.problems


def test_a_checker_that_dies_is_one_clear_problem(tmp_path: Path) -> None:
    loading = Loading(EXAMPLES[0])
    loading._child.kill()
    with pytest.raises(ConfigRefused, match="could not be checked"):
        loading.result()


def test_the_daemon_carries_no_validator() -> None:
    code = "import sys, gateway.config.apart, gateway.runtime.daemon; sys.exit('pydantic' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
