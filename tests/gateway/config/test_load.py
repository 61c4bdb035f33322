"""Sample files, profiles and the JSON Schema; what a loaded site says."""

from __future__ import annotations

import json
import os
import shutil
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from gateway.__main__ import main
from gateway.config.load import MAX_FILE_BYTES, load_profile, load_site, profile_files
from gateway.config.settings import ConfigRefused, Settings
from gateway.core.points import Above, Chattering, Contact, EventClass, NotGood, Press
from gateway.core.wire import WireClass

ROOT = Path(__file__).parents[3]
EXAMPLES = sorted((ROOT / "deploy" / "examples").glob("*.toml"))
PROFILES = sorted((ROOT / "drivers" / "profiles").glob("*.toml"))

SITE = """
schema = 1
profile_dirs = ["profiles"]
[site]
id = "school"
name = "学校"
state_dir = "state"
[uplink]
paths = [{ url = "mqtt://[::1]:1883" }]
[places]
gate = { name = "校门", name_en = "gate", type = "gate" }
[[buses]]
id = "net"
transport = "tcp"
host = "192.0.2.1"
[[devices]]
id = "module"
bus = "net"
profile = "advantech-adam-6060"
"""


def site(tmp_path: Path, more: str = "", text: str = SITE) -> Settings:
    (tmp_path / "profiles").mkdir(exist_ok=True)
    file = tmp_path / "site.toml"
    file.write_text(text + more)
    return load_site(file)


def schema_of(what: str, capsys: pytest.CaptureFixture[str]) -> Any:
    assert main(["schema", what]) == 0
    schema = json.loads(capsys.readouterr().out)
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_every_example_loads(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = load_site(file)
    assert settings.points
    assert not settings.warnings
    schema_of("site", capsys).validate(tomllib.loads(file.read_text()))


def test_the_small_school_is_small() -> None:
    text = (ROOT / "deploy" / "examples" / "small-school.toml").read_text()
    assert text.count("\n") < 60
    settings = load_site(ROOT / "deploy" / "examples" / "small-school.toml")
    assert settings.site.uplink.paths[0].url.startswith("mqtts://")


@pytest.mark.parametrize("file", PROFILES, ids=lambda file: file.stem)
def test_every_profile_loads(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert load_profile(file).id == file.stem
    schema_of("profile", capsys).validate(tomllib.loads(file.read_text()))


def test_the_schema_refuses_what_the_loader_refuses(capsys: pytest.CaptureFixture[str]) -> None:
    schema = schema_of("site", capsys)
    folder = Path(__file__).parent / "broken"
    for name in (
        "unknown-key-in-point",
        "unknown-key-in-zone",
        "type-number-in-quotes",
        "port-out-of-range",
        "id-capitals",
        "places-empty",
    ):
        with pytest.raises(jsonschema.ValidationError):
            schema.validate(tomllib.loads((folder / f"{name}.toml").read_text()))


def test_defaults_names_and_paths(tmp_path: Path) -> None:
    settings = site(tmp_path, '[[points]]\nid = "panic"\nrole = "panic_button"\nplace = "gate"\ndevice = "module"\nsignal = "di1"\n')
    assert settings.source == "/sites/school/gateways/gate"
    assert settings.root == "campus/v1/school/gate"
    assert settings.door_path == tmp_path / "state" / "door.sock"
    assert settings.beside("/etc/x.pem") == Path("/etc/x.pem")
    assert settings.device("module").profile == "advantech-adam-6060"
    point = settings.points["panic"]
    alarm, fault, chattering = point.alarms
    assert (alarm.key, alarm.latching, alarm.condition, alarm.severity) == ("panic/alarm", True, Contact(), "Extreme")
    assert alarm.event_class is EventClass.ALARM
    assert (fault.key, fault.condition, fault.event_class) == ("panic/signal", NotGood(), EventClass.FAULT)
    assert (chattering.key, chattering.condition, chattering.latching) == ("panic/chattering", Chattering(), True)
    assert point.name.zh == "校门一键报警按钮"
    wire = settings.wire["module"][0]
    assert (wire.wire_class, wire.period_s, wire.inverted) == (WireClass.PANIC, 0.05, False)
    (warning,) = [warning for warning in settings.warnings if warning.key == "uplink"]
    assert (warning.line, warning.text) == (8, "no recipients: delivery ends with the broker's word, nobody signs for an alarm")
    for own in ("module", "gw-path-main", "gw-journal", "gw-task", "gw-clock", "gw-receipt", "gw-publish"):
        assert settings.points[own].system


def test_a_state_dir_given_on_the_command_line_wins(tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text(SITE.replace('profile_dirs = ["profiles"]', ""))
    assert load_site(tmp_path / "site.toml", state_dir="/run/other").state_dir == Path("/run/other")


def test_overrides_reach_the_alarms(tmp_path: Path) -> None:
    text = SITE + (
        '[[buses]]\nid = "line"\ntransport = "rtu"\ndevice = "line.pty"\n'
        '[[devices]]\nid = "gas"\nbus = "line"\nprofile = "honeywell-xnx"\n'
        '[[points]]\nid = "lel"\nrole = "gas_concentration"\nplace = "gate"\ndevice = "gas"\nsignal = "gas"\nname = "厨房探头"\n'
        "level1 = 10\nlevel2 = 20.5\ndeadband = 1.5\non_delay_s = 2\noff_delay_s = 3\nlatching = true\nperiod_ms = 250\n"
        'external = { gb28181 = "34020000001340000001" }\n'
        '[[points]]\nid = "count"\nrole = "panic_button"\nplace = "gate"\ndevice = "module"\nsignal = "di2_count"\n'
        '[[points]]\nid = "shut"\nrole = "door_contact"\nplace = "gate"\ndevice = "module"\nsignal = "di3"\nnormally = "closed"\n'
        '[[points]]\nid = "off"\nrole = "door_forced"\nplace = "gate"\ndevice = "module"\nsignal = "di4"\nalarm = false\n'
    )
    settings = site(tmp_path, text=text)
    level1, level2, fault, _ = settings.points["lel"].alarms
    assert (level1.condition, level2.condition) == (Above(10, 1.5), Above(20.5, 1.5))
    assert all((a.on_delay_s, a.off_delay_s, a.latching) == (2, 3, True) for a in (level1, level2))
    assert fault.latching, "a fault stands until a technician has seen it"
    assert level1.text.zh.endswith("：厨房探头")
    assert settings.points["lel"].external == {"gb28181": "34020000001340000001"}
    assert settings.wire["gas"][0].period_s == 0.25
    assert settings.points["count"].alarms[0].condition == Press()
    assert settings.points["count"].modulus == 1 << 32
    assert {w.point: w.inverted for w in settings.wire["module"]}["shut"]
    off = settings.points["off"]
    assert (off.alarms, off.observe, off.observe_class) == ((), True, EventClass.OBSERVATION)
    assert settings.points["shut"].observe_class is EventClass.ACCESS


def test_publish_all_makes_points_of_what_is_left(tmp_path: Path) -> None:
    text = (
        SITE
        + 'publish = "all"\nperiod_ms = 2000\n[[points]]\nid = "p"\nrole = "contact"\nplace = "gate"\ndevice = "module"\nsignal = "di1"\n'
    )
    settings = site(tmp_path, text=text)
    assert "module-di1" not in settings.points, "it is used already"
    assert settings.points["module-di2"].role == "contact"
    assert settings.points["module-di2-count"].role == "measurement"
    assert not any(name.startswith("module-do") for name in settings.points), "outputs are not read"
    assert {w.point: w.period_s for w in settings.wire["module"]}["module-di2"] == 2.0


def test_a_sites_own_profile_wins_and_its_errors_name_its_own_file(tmp_path: Path) -> None:
    folder = tmp_path / "profiles"
    folder.mkdir()
    good = (ROOT / "drivers" / "profiles" / "advantech-adam-6060.toml").read_text()
    (folder / "advantech-adam-6060.toml").write_text(good.replace('kind = "contact"', 'kind = "contcat"', 1))
    with pytest.raises(ConfigRefused) as refused:
        site(tmp_path)
    (problem,) = refused.value.problems
    assert problem.file == str(folder / "advantech-adam-6060.toml")
    assert problem.line == good.split('kind = "contact"')[0].count("\n") + 1
    assert problem.key == "signals[0].kind"
    assert 'did you mean "contact"?' in problem.text
    assert profile_files([folder])["advantech-adam-6060"].parent == folder


PROFILE = """
schema = 1
id = "x"
vendor = "x"
model = "x"
summary = "x"
summary_zh = "x"
transports = ["rtu"]
source = "x"
confidence = "manual"
"""
ONE = '[[signals]]\nname = "a"\nkind = "contact"\narea = "coil"\naddress = 0\n'


@pytest.mark.parametrize(
    ("more", "line", "key", "words"),
    [
        (
            ONE + 'enum = { one = "x" }',
            16,
            "signals[0].enum.one",
            "raw number",
        ),
        (
            ONE + 'sense_from = "b"',
            16,
            "signals[0].sense_from",
            "not a signal",
        ),
        (
            ONE + 'valid_when = [{ signal = "b", in = [1], reason = "r" }]',
            16,
            "signals[0].valid_when[0].signal",
            "not a signal",
        ),
        (
            ONE + '[heartbeat]\nsignal = "b"\nwithin_s = 5',
            17,
            "heartbeat.signal",
            "not a",
        ),
        ('[[signals]]\nname = "a"\nkind = "latched"\narea = "coil"\naddress = 0', 11, "signals[0]", "needs `clear`"),
        ('[[signals]]\nname = "a{n}"\nkind = "contact"\narea = "coil"\naddress = 0', 11, "signals[0]", "{n}"),
        ('[[signals]]\nname = "A"\nkind = "contact"\narea = "coil"\naddress = 0', 12, "signals[0].name", "beginning with a letter"),
        ('[[signals]]\nname = "a"\nkind = "contact"\narea = "holding"\naddress = 0', 11, "signals[0]", "needs `bit`"),
        ('[[signals]]\nname = "a"\nkind = "enum"\narea = "holding"\ntype = "u16"\naddress = 0', 11, "signals[0]", "names"),
        ("signals = []", 11, "signals", "at least 1"),
        (
            ONE + 'valid_when = [{ signal = "a", reason = "r" }]',
            16,
            "signals[0].valid_when[0]",
            "either `in` or `not_in`",
        ),
    ],
)
def test_a_broken_profile(tmp_path: Path, more: str, line: int, key: str, words: str) -> None:
    file = tmp_path / "x.toml"
    file.write_text(PROFILE + more + "\n")
    with pytest.raises(ConfigRefused) as refused:
        load_profile(file)
    (problem,) = refused.value.problems
    assert (problem.line, problem.key) == (line, key)
    assert words in problem.text


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigRefused, match=r"site\.toml:1: cannot be read: No such file"):
        load_site(tmp_path / "site.toml")
    with pytest.raises(ConfigRefused, match="Is a directory"):
        load_site(tmp_path)
    big = tmp_path / "big.toml"
    with big.open("wb") as file:
        os.truncate(file.fileno(), MAX_FILE_BYTES + 1)
    with pytest.raises(ConfigRefused, match=f"is {MAX_FILE_BYTES + 1} bytes long"):
        load_site(big)


def test_check_says_it_on_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    broken = Path(__file__).parent / "broken" / "many-at-once.toml"
    assert main(["check", str(broken)]) == 1
    out = capsys.readouterr().out.splitlines()
    assert out[-1] == f"{broken}: 4 errors; this file cannot be used"
    assert out[0].startswith(f"{broken}:8: site.id: ")
    assert main(["check", "--json", str(broken)]) == 1
    answer = json.loads(capsys.readouterr().out)
    assert [error["line"] for error in answer["errors"]] == [8, 31, 33, 35]
    assert main(["check", "--json", str(EXAMPLES[-1])]) == 0
    assert json.loads(capsys.readouterr().out)["ok"]


def test_a_state_folder_too_long_for_its_socket_is_refused(tmp_path: Path) -> None:
    """A Unix socket's path holds 107 bytes; the daemon would find out only when it listens."""
    site = tmp_path / "site.toml"
    shutil.copy(ROOT / "deploy" / "examples" / "demo-plan.svg", tmp_path)
    site.write_text(
        (ROOT / "deploy" / "examples" / "demo-school.toml").read_text().replace('state_dir = "state"', f'state_dir = "{"s" * 110}"')
    )
    with pytest.raises(ConfigRefused, match=r"site\.toml:\d+: site\.state_dir: is too long"):
        load_site(site)


PLACES = """
yard = { name = "操场" }
kitchen = { name = "厨房" }
"""


@pytest.mark.parametrize(
    ("more", "place"),
    [
        ("", ""),
        ('[[points]]\nid = "p"\nrole = "contact"\nplace = "kitchen"\ndevice = "module"\nsignal = "di1"\n', "kitchen"),
        ("".join(f'[[points]]\nid = "p{n}"\nrole = "contact"\nplace = "{place}"\ndevice = "module"\nsignal = "di{n}"\n'
                 for n, place in enumerate(("yard", "kitchen", "kitchen"), 1)), "kitchen"),
        ('[[outputs]]\nid = "o"\nkind = "relay"\nplace = "yard"\ndevice = "module"\nsignal = "do1"\n', "yard"),
        ('[[devices]]\nid = "next"\nbus = "net"\nunit = 7\nprofile = "advantech-adam-6060"\nplace = "kitchen"\n', "kitchen"),
        ('[[buses]]\nid = "far"\ntransport = "tcp"\nhost = "192.0.2.2"\n'
         '[[devices]]\nid = "next"\nbus = "far"\nprofile = "advantech-adam-6060"\nplace = "kitchen"\n', ""),
    ],
)  # fmt: skip
def test_where_a_device_stands_that_does_not_say_it(tmp_path: Path, more: str, place: str) -> None:
    """Never at the first place of the file for want of another: its fault would send somebody there."""
    text = SITE.replace('type = "gate" }\n', f'type = "gate" }}{PLACES}')
    assert site(tmp_path, more, text).points["module"].place == place
    own = text.replace('profile = "advantech-adam-6060"', 'profile = "advantech-adam-6060"\nplace = "gate"\npublish = "all"')
    found = site(tmp_path, more, own)
    assert {found.points[name].place for name in ("module", "module-di4")} == {"gate"}
