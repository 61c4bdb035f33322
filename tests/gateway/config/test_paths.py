"""[[uplink.paths]]: two at most, of different names, from addresses; modes and profiles that need two."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gateway.config.load import load_site
from gateway.config.settings import ConfigRefused, Settings

ONE = re.compile(r"^paths = .*$", re.MULTILINE)
EXAMPLE = Path(__file__).parent / "broken" / "linkage-output-near-miss.toml"


def load(folder: Path, uplink: str, *paths: str) -> Settings:
    """The small site with these keys and paths in [uplink]."""
    text = EXAMPLE.read_text(encoding="utf-8").partition("[[linkage]]")[0]
    assert ONE.search(text), "the example's paths stand in one line"
    file = folder / "site.toml"
    file.write_text(ONE.sub(f"{uplink}\npaths = [{', '.join(paths)}]", text), encoding="utf-8")
    return load_site(file)


def path(name: str, port: int = 1883, source: str = "") -> str:
    return f'{{ id = "{name}", url = "mqtt://127.0.0.1:{port}", source_address = "{source}" }}'


def test_two_paths(tmp_path: Path) -> None:
    settings = load(tmp_path, 'mode = "dual"\nsupervision = "dp4"', path("lan"), path("modem", 1884, "127.0.0.2"))
    assert [each.id for each in settings.site.uplink.paths] == ["lan", "modem"]
    for own in ("gw-path-lan", "gw-path-modem", "gw-client-lan", "gw-client-modem"):
        assert settings.points[own].system


def test_failover_is_what_one_gets(tmp_path: Path) -> None:
    assert load(tmp_path, "", path("lan")).site.uplink.mode == "failover"


@pytest.mark.parametrize(
    ("uplink", "paths", "words"),
    [
        ('mode = "dual"', [path("lan")], '"dual" needs two paths'),
        ('supervision = "dp4"', [path("lan")], '"dp4" needs two paths'),
        ("", [path("lan"), path("lan", 1884)], '"lan" is used already'),
        ("", [path("lan"), path("modem", 1884, "wwan0")], '"wwan0" is not an IP address'),
        ("", [path("a"), path("b", 1884), path("c", 1885)], "2"),
        ('mode = "both"', [path("lan")], "failover"),
    ],
)
def test_what_does_not_fit(tmp_path: Path, uplink: str, paths: list[str], words: str) -> None:
    with pytest.raises(ConfigRefused, match=re.escape(words)):
        load(tmp_path, uplink, *paths)


def test_two_that_are_one_are_warned_of(tmp_path: Path) -> None:
    settings = load(tmp_path, "", path("lan"), path("modem"))
    assert any("what takes one down takes both" in warning.text for warning in settings.warnings)
