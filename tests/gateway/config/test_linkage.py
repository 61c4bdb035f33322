"""[[linkage]] and the rules that become linkages: what a good file makes of them, and what is doubtful."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.config.load import load_site
from gateway.config.settings import Settings
from gateway.core.linkage import Beep, LinkageSpec, OnAlarm, OnState, Switch, TakeSnapshot
from gateway.core.school_days import Window

BROKEN = Path(__file__).parent / "broken" / "linkage-output-near-miss.toml"
RECIPIENT = '[[uplink.recipients]]\nid = "police"\nkeys = [{ kid = "p", x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" }]\n'


@pytest.fixture
def base() -> str:
    """The site of the broken files, without its linkage."""
    return BROKEN.read_text(encoding="utf-8").partition("[[linkage]]")[0]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "site.toml"


def load(file: Path, text: str) -> Settings:
    file.write_text(text, encoding="utf-8")
    return load_site(file)


def linkages(settings: Settings) -> dict[str, LinkageSpec]:
    return {spec.id: spec for spec in settings.rules if isinstance(spec, LinkageSpec)}


def test_a_linkage_as_the_file_spells_it_out(base: str, file: Path) -> None:
    text = """
[[linkage]]
id = "open-gate"
name = "校门未关"
when = { point = "key", for_s = 30 }
then = [{ output = "lamp" }, { output = "siren", do = "beep", times = 3 }, { snapshot = "eye" }]
windows = ["lesson", "none"]
modes = ["normal", "drill"]
until = "over"

[[linkage]]
id = "posted"
when = { alarm = "gas" }
then = [{ output = "siren", for_s = 20 }, { output = "lamp", do = "off" }]
"""
    made = linkages(load(file, base + text))
    spec = made["open-gate"]
    assert spec.cause == OnState("key", True, 30.0)
    assert spec.effects == (Switch("lamp"), Beep("siren", (("activated", 3), ("repeated", 3))), TakeSnapshot("eye"))
    assert (set(spec.windows), set(spec.modes), spec.until) == ({Window.LESSON, Window.NONE}, {"normal", "drill"}, "over")
    assert made["posted"].cause == OnAlarm(frozenset({"gas/alarm"}))
    assert made["posted"].effects == (Switch("siren", for_s=20.0), Switch("lamp", False))
    assert load_site(file).points["key"].watched


def test_a_cause_named_by_what_alarms_have_in_common_leaves_out_its_own_outputs(base: str, file: Path) -> None:
    text = '[[linkage]]\nid = "any-fault"\nwhen = { alarm_class = "fault" }\nthen = [{ output = "lamp" }]\nuntil = "acknowledged"\n'
    cause = linkages(load(file, base + text))["any-fault"].cause
    assert isinstance(cause, OnAlarm)
    assert {"siren/fault", "module/fault", "lamp/fault"} - cause.alarms == {"lamp/fault"}


def test_a_linkage_that_is_switched_off_is_checked_and_does_nothing(base: str, file: Path) -> None:
    text = '[[linkage]]\nid = "loud"\nenabled = false\nwhen = { alarm = "button" }\nthen = [{ output = "siren" }]\n'
    assert "loud" not in linkages(load(file, base + text))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('when = { alarm = "gas" }\nthen = [{ output = "lamp" }]\nwindows = ["lesson", "arrival"]', "arrival never comes at this school"),
        ('when = { alarm = "gas" }\nthen = [{ snapshot = "eye" }]\nuntil = "reset"', 'until = "reset" takes nothing back'),
    ],
)
def test_what_is_doubtful_is_a_warning(base: str, file: Path, text: str, said: str) -> None:
    settings = load(file, f'{base}[[linkage]]\nid = "odd"\n{text}\n')
    assert any(said in warning.text and warning.key == "linkage[0]" for warning in settings.warnings)


def test_a_siren_and_a_valve_that_nothing_switches_are_told(base: str, file: Path) -> None:
    said = " ".join(warning.text for warning in load(file, base).warnings)
    assert "add [rules.one_key]" in said
    assert "add [rules.gas]" in said
    answered = load(file, base + "[rules.one_key]\nenabled = false\n[rules.gas]\nenabled = false\n")
    assert linkages(answered) == {}
    assert not any("add [rules." in warning.text for warning in answered.warnings)
    by_hand = '[[linkage]]\nid = "loud"\nwhen = { role = "panic_button" }\nthen = [{ output = "siren" }]\n'
    assert "add [rules.one_key]" not in " ".join(warning.text for warning in load(file, base + by_hand).warnings)


def test_one_key(base: str, file: Path) -> None:
    second = base[base.index('[[points]]\nid = "button"') : base.index('[[points]]\nid = "key"')]
    second = second.replace('"button"', '"desk"').replace('"di1"', '"di6"')
    table = '[rules.one_key]\nsilent = ["desk"]\nbuzzer = "siren"\nlamp = { pressed = "lamp", received = "lamp" }\nuntil = "acknowledged"\n'
    made = linkages(load(file, base + RECIPIENT + second + table))
    loud, every, silence = frozenset({"button/alarm"}), frozenset({"button/alarm", "desk/alarm"}), frozenset({"gw-centre-police/fault"})
    assert {spec.rule for spec in made.values()} == {"one-key"}
    assert made["one-key"].cause == OnAlarm(loud)
    assert made["one-key"].effects == (Switch("siren", for_s=180.0),)
    assert made["one-key"].until == "acknowledged"
    assert made["one-key-pictures"].cause == OnAlarm(every), "also of a silent one: nobody sees it"
    assert made["one-key-lamp-pressed"].cause == OnAlarm(every)
    assert made["one-key-lamp-received"].cause == OnAlarm(every, frozenset({"received"}))
    assert made["one-key-lamp-received"].until == "reset"
    (beeps,) = made["one-key-buzzer"].effects
    assert isinstance(beeps, Beep)
    assert [beeps.count(word) for word in ("activated", "broker_acked", "received", "reset")] == [1, 2, 3, 0]
    assert made["one-key-buzzer"].unless == {"desk/alarm"}
    assert made["one-key-centre-silent"].cause == OnAlarm(silence, frozenset({"activated"}))
    assert made["one-key-centre-silent"].alongside == loud
    assert made["one-key-centre-silent"].unless == {"desk/alarm"}
    assert "one-key-bollards" not in made


def test_gas_shuts_the_valve_of_its_place_and_leaves_it_shut(base: str, file: Path) -> None:
    (spec,) = linkages(load(file, base + "[rules.gas]\n")).values()
    assert (spec.cause, spec.effects) == (OnAlarm(frozenset({"gas/alarm"})), (Switch("valve", True),))
    assert (spec.until, spec.give_back) == ("reset", False)
    opened = linkages(load(file, base.replace('safe = "on"', 'safe = "off"') + "[rules.gas]\n"))
    assert opened["gas-shut-valve"].effects == (Switch("valve", False),), "safe says which value closes it"
    fan = '[[outputs]]\nid = "fan"\nkind = "relay"\nplace = "kitchen"\ndevice = "module"\nsignal = "do6"\n'
    made = linkages(load(file, base + fan + '[rules.gas]\nfans = ["fan"]\nexplosion_proof = true\nsirens = ["siren"]\ndrill = true\n'))
    assert (made["gas-run-fan"].effects, made["gas-run-fan"].until) == ((Switch("fan"),), "cleared")
    assert made["gas-siren"].effects == (Switch("siren", for_s=60.0),)
    assert made["gas-run-fan"].modes == {"normal", "drill"}


def test_fire_and_electrical_fire(base: str, file: Path) -> None:
    fire = base.replace('role = "gas_alarm"', 'role = "fire_alarm"').replace('kind = "gas_valve"', 'kind = "relay"')
    arc = '[[points]]\nid = "arc"\nrole = "arc_fault"\nplace = "kitchen"\ndevice = "module"\nsignal = "di6"\n'
    tables = '[rules.fire]\nrelease = ["lock"]\nelectrical = true\n[rules.electrical]\nsirens = ["siren"]\ncut = ["valve"]\n'
    settings = load(file, fire + arc + tables)
    made = linkages(settings)
    assert made["fire-release"].cause == OnAlarm(frozenset({"gas/alarm", "arc/alarm"}))
    assert (made["fire-release"].effects, made["fire-release"].until) == ((Switch("lock"),), "reset")
    assert made["electrical-siren"].cause == OnAlarm(frozenset({"arc/alarm"}))
    assert not made["electrical-cut"].give_back
    assert "electrical-lamp" not in made, "a warning is a message only"
    assert any("lock has no confirm" in warning.text for warning in settings.warnings)
    without = linkages(load(file, fire + arc + tables.replace('cut = ["valve"]', "")))
    assert "electrical-cut" not in without, "the supply is never cut by default"
