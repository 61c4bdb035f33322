"""What a new site file changes, what a person must decide, and the files beside it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gateway.config.load import load_site
from gateway.config.plain import plain
from gateway.config.settings import Settings
from gateway.runtime.apply import changes, copies, keep_copy, may_write, objections, stage, staged_name

SITE = """schema = 1
[site]
id = "s"
name = "学校"
state_dir = "state"
[uplink]
paths = [{ url = "mqtt://127.0.0.1:1883" }]
[places]
gate = { name = "校门", name_en = "gate", type = "gate" }
[[buses]]
id = "io"
transport = "tcp"
host = "127.0.0.1"
port = 1502
[[devices]]
id = "module"
bus = "io"
profile = "advantech-adam-6060"
[[points]]
id = "panic"
role = "panic_button"
place = "gate"
device = "module"
signal = "di1"
[[points]]
id = "door"
role = "door_forced"
place = "gate"
device = "module"
signal = "di2"
"""
DOOR = SITE[SITE.index('[[points]]\nid = "door"') :]
QUIET = {"alarms": [], "set_aside": [], "modes": []}


def loaded(folder: Path, text: str) -> Settings:
    (folder / "site.toml").write_text(text)
    found = load_site(folder / "site.toml")
    return replace(found, site=plain(found.site), profiles={name: plain(profile) for name, profile in found.profiles.items()})


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return loaded(tmp_path_factory.mktemp("old"), SITE)


def test_what_changes(tmp_path: Path, old: Settings) -> None:
    text = (
        SITE.replace(DOOR, DOOR.replace('"door"', '"side-door"'))
        .replace("port = 1502", "port = 1503")
        .replace('name = "学校"', 'name = "小学"')
    )
    found = {change.part: str(change) for change in changes(old, loaded(tmp_path, text))}
    assert found == {"site": "site: ~ name", "buses": "buses: ~ io", "points": "points: + side-door  - door"}
    assert changes(old, loaded(tmp_path, f"# a comment\n{SITE}")) == []


def test_what_a_person_must_decide(tmp_path: Path, old: Settings) -> None:
    new = loaded(tmp_path, SITE.replace(DOOR, "").replace('id = "s"', 'id = "other"'))
    status = QUIET | {
        "alarms": [{"alarm": "door/alarm", "state": "unacknowledged"}, {"alarm": "panic/alarm", "state": "acknowledged"}],
        "modes": [{"kind": "drill", "points": ["door", "panic"]}],
    }
    found = list(objections(old, new, status))
    assert [words.split(" ")[0] for words in found] == ["state_dir", "the", "alarm", "door"]
    assert found[2] == "alarm door/alarm stands (unacknowledged) and would be gone: acknowledge and reset it first"
    assert found[3] == "door is in a drill that is not over: end it first"
    assert list(objections(old, old, status)) == []
    assert list(objections(old, old, None)) == []


def test_an_alarm_that_is_set_aside_stands_too(tmp_path: Path, old: Settings) -> None:
    new = loaded(tmp_path, SITE.replace(DOOR, ""))
    status = QUIET | {"set_aside": [{"alarm": "door/alarm", "state": "out of service"}]}
    assert any("door/alarm" in words for words in objections(old, new, status))


def test_files_beside_the_site_file(tmp_path: Path) -> None:
    site = tmp_path / "site.toml"
    site.write_text("old")
    site.chmod(0o640)
    assert may_write(site)
    assert stage(site, b"new") == staged_name(site)
    kept = keep_copy(site, "2026-11-22T08:00:00Z")
    assert (kept.name, kept.read_text(), copies(site)) == ("site.toml.before-20261122T080000Z", "old", [kept])
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o640}
