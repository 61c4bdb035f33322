"""Outputs, doors, cards and power of a site file: what they become."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config.cards import read_cards
from gateway.config.settings import ConfigRefused, Settings
from gateway.config.site import Hours
from gateway.core.doors import Card, PowerSpec
from gateway.core.outputs import Confirm, Need
from gateway.core.points import Contact, EventClass, NotGood
from tests.gateway.config.test_load import site

READER = """
schema = 1
id = "plain-reader"
vendor = "x"
model = "reader"
summary = "a reader"
summary_zh = "读卡器"
source = "made up for this test"
confidence = "recalled"
protocol = "osdp"
transports = ["osdp"]
signals = [
  { name = "card", kind = "card", what = "card" },
  { name = "tamper", kind = "contact", what = "tamper" },
  { name = "led", kind = "output", what = "led" },
]
"""
BUTTONS = """
schema = 1
id = "own-pulses"
vendor = "x"
model = "board"
summary = "a board"
summary_zh = "模块"
source = "made up for this test"
confidence = "recalled"
transports = ["tcp"]
signals = [
  { name = "flash", kind = "output", area = "coil", address = 0, pulse = { address = 512, unit_ms = 100, most = 20 } },
  { name = "open", kind = "output", area = "coil", address = 1, write = { on = 0xFF00 } },
]
"""
WIRES = """
[[devices]]
id = "board"
bus = "net"
profile = "own-pulses"
unit = 9
[[buses]]
id = "door-line"
transport = "osdp"
device = "/dev/ttyS1"
[[devices]]
id = "reader"
bus = "door-line"
profile = "plain-reader"
"""


def load(tmp_path: Path, more: str) -> Settings:
    folder = tmp_path / "profiles"
    folder.mkdir(exist_ok=True)
    (folder / "plain-reader.toml").write_text(READER)
    (folder / "own-pulses.toml").write_text(BUTTONS)
    return site(tmp_path, WIRES + more)


def point(name: str, role: str, signal: str) -> str:
    return f'[[points]]\nid = "{name}"\nrole = "{role}"\nplace = "gate"\ndevice = "module"\nsignal = "{signal}"\n'


def output(name: str, kind: str, signal: str, more: str = "", device: str = "module") -> str:
    return f'[[outputs]]\nid = "{name}"\nkind = "{kind}"\nplace = "gate"\ndevice = "{device}"\nsignal = "{signal}"\n{more}\n'


def test_an_output_and_its_point(tmp_path: Path) -> None:
    settings = load(tmp_path, output("siren", "siren", "do1"))
    spec = settings.outputs["siren"]
    assert (spec.safe, spec.at_start, spec.pulse_s, spec.enabled, spec.name.zh, spec.name.en) == (
        False, False, 0.0, True, "校门警号", "gate siren"
    )  # fmt: skip
    state = settings.points["siren"]
    (fault,) = state.alarms
    assert (state.role, state.kind, state.quiet) == ("output", "output", False)
    assert (fault.key, fault.condition, fault.event_class) == ("siren/fault", NotGood(), EventClass.FAULT)
    assert fault.text.en == "Output did not obey: gate siren"


def test_conditions_mark_their_points_as_looked_at(tmp_path: Path) -> None:
    more = point("limit", "contact", "di1") + point("key", "contact", "di2") + point("loop", "loop_clear", "di3")
    more += output("valve", "gas_valve", "do1", 'safe = "on"\nconfirm = { point = "limit" }\nremote_when = { point = "key" }')
    more += output("up", "bollard", "do2", 'enabled = true\npulse_ms = 500\nloop_clear = "loop"\ninterlock = ["down"]')
    more += output("down", "bollard", "do3", "pulse_ms = 500")
    settings = load(tmp_path, more)
    valve, up, down = (settings.outputs[name] for name in ("valve", "up", "down"))
    assert (valve.safe, valve.confirm, valve.remote_when) == (True, Confirm("limit", True, False, 5.0), Need("key", True))
    assert (up.safe, up.at_start, up.enabled, up.loop_clear) == (None, False, True, "loop")
    assert (down.enabled, down.interlock, up.interlock) == (False, ("up",), ("down",)), "an interlock holds both ways"
    assert all(settings.points[name].watched for name in ("limit", "key", "loop"))
    assert not [warning for warning in settings.warnings if "gas valve" in warning.text]


def test_a_gas_valve_that_nobody_looks_at_is_warned_of(tmp_path: Path) -> None:
    settings = load(tmp_path, output("valve", "gas_valve", "do1", 'safe = "off"'))
    assert "no confirm: whether the gas valve has closed is not seen" in [warning.text for warning in settings.warnings]


def test_what_the_device_does_by_itself(tmp_path: Path) -> None:
    more = output("lamp", "strobe", "flash", "pulse_ms = 1500", "board") + output("gate-open", "relay", "open", "", "board")
    settings = load(tmp_path, more)
    lamp, opener = settings.outputs["lamp"], settings.outputs["gate-open"]
    assert (lamp.pulse_s, lamp.device_pulse_s, lamp.momentary) == (1.5, 2.0, False)
    assert (opener.momentary, opener.safe, opener.at_start) == (True, None, None)
    with pytest.raises(ConfigRefused, match="it takes no pulse_ms"):
        load(tmp_path, output("gate-open", "relay", "open", "pulse_ms = 500", "board"))


def test_a_schedule_that_keeps_to_the_calendar(tmp_path: Path) -> None:
    (tmp_path / "cards.csv").write_text("card,name,schedule\nee11ff2200334455,李梅,cleaning\n", encoding="utf-8")
    more = '[[doors]]\nid = "east"\nplace = "gate"\nreader = "reader"\ncards_file = "cards.csv"\n'
    more += '[schedules.cleaning]\nmon = ["06:00-08:00"]\nholidays = "closed"\n'
    with pytest.raises(ConfigRefused, match=r"schedules\.cleaning\.holidays: needs \[calendar\]"):
        load(tmp_path, more)
    door = load(tmp_path, more + "[calendar]\n").doors["east"]
    assert door.cards == {"ee11ff2200334455": Card("李梅", (((360, 480),), (), (), (), (), (), ()), school_days=True)}


def test_a_door_with_a_reader_device(tmp_path: Path) -> None:
    (tmp_path / "cards.csv").write_text("card,name,schedule\n11AA22BB33CC44DD,王芳,\nee11ff2200334455,李梅,cleaning\n", encoding="utf-8")
    more = point("contact", "door_contact", "di1") + point("exit", "request_to_exit", "di2") + point("face", "door_granted", "di3")
    more += output("lock", "lock", "do1") + '[schedules.cleaning]\nmon = ["06:00-08:00"]\n'
    more += '[[doors]]\nid = "east"\nplace = "gate"\nname = "东门"\nreader = "reader"\ncontact = "contact"\nlock = "lock"\n'
    more += 'request_to_exit = "exit"\ngranted = "face"\ncards_file = "cards.csv"\n'
    settings = load(tmp_path, more)
    door = settings.doors["east"]
    assert (door.contact, door.card, door.request_to_exit, door.granted, door.lock) == ("contact", "east-card", "exit", "face", "lock")
    assert door.cards == {
        "11aa22bb33cc44dd": Card("王芳"),
        "ee11ff2200334455": Card("李梅", (((360, 480),), (), (), (), (), (), ())),
    }
    assert {wire.point: wire.signal for wire in settings.wire["reader"]} == {"east-card": "card", "east-tamper": "tamper"}
    assert settings.points["east-tamper"].role == "tamper"
    assert all(settings.points[name].watched for name in door.inputs)
    forced, held, denied = (settings.points[name] for name in (door.forced_point, door.held_point, door.denied_point))
    assert [(alarm.key, alarm.condition, alarm.latching) for alarm in forced.alarms] == [
        ("east-forced/alarm", Contact(), True), ("east-forced/signal", NotGood(), True)
    ]  # fmt: skip
    assert [alarm.key for alarm in (*held.alarms, *denied.alarms)] == ["east-held/alarm", "east-denied/alarm"]
    assert forced.alarms[0].text.zh == "门被强行打开：东门"


def test_a_door_of_a_controller_has_only_what_it_is_given(tmp_path: Path) -> None:
    more = point("face", "door_granted", "di1") + '[[doors]]\nid = "east"\nplace = "gate"\ngranted = "face"\n'
    settings = load(tmp_path, more)
    assert settings.doors["east"].inputs == ("face",)
    assert not [name for name in settings.points if name.startswith("east")]


def test_a_reader_whose_card_is_a_point_of_the_file(tmp_path: Path) -> None:
    more = '[[points]]\nid = "badge"\nrole = "card_reader"\nplace = "gate"\ndevice = "reader"\nsignal = "card"\n'
    for reader in ("badge", "reader"):
        settings = load(tmp_path, f'{more}[[doors]]\nid = "east"\nplace = "gate"\nreader = "{reader}"\n')
        assert settings.doors["east"].card == "badge"


def test_power(tmp_path: Path) -> None:
    more = point("low", "battery_low", "di1") + point("gone", "mains_fail", "di2")
    settings = load(tmp_path, f'{more}[power]\nbattery_low = "low"\nmains = "gone"\nshutdown_after_s = 30\npoweroff = true\n')
    assert settings.power == PowerSpec("low", "gone", 30.0, True)
    assert load(tmp_path, "").power is None


# --- cards --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("", 1, "the first line must be card,name,schedule"),
        ("card,name\n", 1, "the first line must be card,name,schedule"),
        ("card,name,schedule\n\n# staff\n11aa22bb33cc44dd,王芳\n", 4, "has 2 columns; expected card, name, schedule"),
        ("card,name,schedule\n12345678,王芳,\n", 2, '"12345678" is not the hash of a card; expected 16 to 128 hex digits'),
        ("card,name,schedule\n11aa22bb33cc44dd,王芳,staf\n", 2, '"staf" is not a schedule of the site file; did you mean "staff"?'),
        (
            "card,name,schedule\n11aa22bb33cc44dd,王芳,\n11AA22BB33CC44DD,李梅,staff\n",
            3,
            "this card stands in line 2 already",
        ),
    ],
)
def test_a_wrong_card_is_told_with_its_line(text: str, line: int, words: str) -> None:
    _, problems = read_cards("cards.csv", text.encode(), {"staff": Hours()})
    assert [(problem.file, problem.line, problem.text) for problem in problems] == [("cards.csv", line, words)]


def test_cards_as_a_spreadsheet_saves_them() -> None:
    cards, problems = read_cards("cards.csv", b'\xef\xbb\xbfcard,name,schedule\r\n"11aa22bb33cc44dd","A, B",""\r\n', {})
    assert (cards, problems) == ({"11aa22bb33cc44dd": Card("A, B")}, [])
    _, problems = read_cards("cards.csv", "card,name,schedule\n11aa22bb33cc44dd,王芳,\n".encode("gbk"), {})
    assert (problems[0].line, problems[0].text) == (2, "is not UTF-8 text; save the file as UTF-8")


def test_problems_of_cards_refuse_the_site_file(tmp_path: Path) -> None:
    (tmp_path / "cards.csv").write_text("card,name,schedule\nnonsense,x,\n")
    door = '[[doors]]\nid = "east"\nplace = "gate"\nreader = "reader"\ncards_file = "cards.csv"\n'
    with pytest.raises(ConfigRefused) as refused:
        load(tmp_path, door)
    assert [(Path(problem.file).name, problem.line) for problem in refused.value.problems] == [("cards.csv", 2)]
    with pytest.raises(ConfigRefused, match="cannot be read: No such file"):
        load(tmp_path, door.replace("cards.csv", "none.csv"))
