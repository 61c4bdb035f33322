"""The guard-room page in a site file: loopback, or TLS."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config.settings import ConfigRefused, Settings
from tests.gateway.config.test_load import site


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_loopback_needs_no_certificate(tmp_path: Path, host: str) -> None:
    console = site(tmp_path, f'[console]\nhost = "{host}"\n').site.console
    assert console is not None
    assert console.host == host


@pytest.mark.parametrize(
    ("keys", "key", "words"),
    [
        ('host = "0.0.0.0"', "console.host", "loopback only"),
        ('host = "192.0.2.7"', "console.host", "loopback only"),
        ('host = "192.0.2.7"\ncert_file = "page.pem"', "console.key_file", "belong together"),
        ('key_file = "page.key"', "console.cert_file", "belong together"),
    ],
)
def test_nothing_in_the_clear_off_loopback(tmp_path: Path, keys: str, key: str, words: str) -> None:
    with pytest.raises(ConfigRefused) as refused:
        site(tmp_path, f"[console]\n{keys}\n")
    assert [(problem.key, words in problem.text) for problem in refused.value.problems] == [(key, True)]


def warned(settings: Settings) -> list[tuple[str, str]]:
    return [(problem.key, problem.text) for problem in settings.warnings if problem.key.startswith("console")]


def test_files_of_the_page_that_are_not_there_are_told_and_the_alarms_run_all_the_same(tmp_path: Path) -> None:
    keys = '[console]\ncert_file = "page.pem"\nkey_file = "page.key"\n'
    missing = "cannot be used: No such file or directory; without it the page cannot be opened"
    assert warned(site(tmp_path, keys)) == [("console.cert_file", f'"page.pem" {missing}'), ("console.key_file", f'"page.key" {missing}')]
    (tmp_path / "page.pem").touch()
    (tmp_path / "page.key").touch()
    assert warned(site(tmp_path, keys)) == []


@pytest.mark.parametrize(
    ("keys", "nobody"),
    [
        ('host = "0.0.0.0"', True),
        ('host = "::"', True),
        ('host = "0.0.0.0"\nnames = ["localhost", "127.0.0.1"]', True),
        ('host = "0.0.0.0"\nnames = ["gate.school.example"]', False),
        ('host = "192.0.2.7"', False),
    ],
)
def test_a_page_for_the_network_that_answers_nobody_there_is_told(tmp_path: Path, keys: str, nobody: bool) -> None:
    for name in ("page.pem", "page.key"):
        (tmp_path / name).touch()
    found = warned(site(tmp_path, f'[console]\n{keys}\ncert_file = "page.pem"\nkey_file = "page.key"\n'))
    assert [key for key, _ in found] == ["console.host"] * nobody
    assert all("give the names and addresses that browsers use" in text for _, text in found)


def test_only_a_site_with_a_page_has_its_fault(tmp_path: Path) -> None:
    assert "gw-page" not in site(tmp_path).points
    assert site(tmp_path, "[console]\n").points["gw-page"].role == "page"
