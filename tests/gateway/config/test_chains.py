"""[rules.escalation], [[whistles]] and the storage of pictures: what a good file makes of them, and what is doubtful."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from gateway.config.load import load_site
from gateway.config.settings import Settings
from gateway.core.chains import Addressee, Chain, EscalationSpec, WhistleSpec
from gateway.core.points import EventClass, Text

BROKEN = Path(__file__).parent / "broken" / "chains-whistle-place.toml"
WHISTLE = """
[[whistles]]
id = "all"
name = "联合处置"
name_en = "joint action"
deadline_s = 400
alarm_classes = ["panic"]
addressees = [{ recipient = "police" }, { name = " 李所长 ", phone = "13900000000", deadline_s = 60 }]
"""


@pytest.fixture
def base() -> str:
    """The site of the broken files, without its whistle."""
    return BROKEN.read_text(encoding="utf-8").partition("[[whistles]]")[0]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "site.toml"


def load(file: Path, text: str) -> Settings:
    file.write_text(text, encoding="utf-8")
    return load_site(file)


def escalation(settings: Settings) -> EscalationSpec | None:
    return next((spec for spec in settings.rules if isinstance(spec, EscalationSpec)), None)


def test_escalation_is_on_where_nothing_is_said(base: str, file: Path) -> None:
    spec = escalation(load(file, base))
    assert spec is not None
    assert spec.chains["button/alarm"] == Chain(
        "alarm", "panic", "Extreme", "gate", Text("一键报警：校门", "One-key alarm: 校门"), 120.0, 300.0
    )
    assert spec.centres == {"alarm": ("police", "street"), "duty": ("police",)}
    assert spec.leaders == ()


def test_times_by_severity_and_what_is_left_out_does_not_escalate(base: str, file: Path) -> None:
    text = '[rules.escalation]\nleaders = [{ name = "王建国", phone = "13800000000" }]\ntimes = { Extreme = { leader_after_s = 30 } }\n'
    spec = escalation(load(file, base + text + WHISTLE))
    assert spec is not None
    assert {key: (chain.leader_after_s, chain.centre_after_s) for key, chain in spec.chains.items()} == {"button/alarm": (30.0, 300.0)}
    assert spec.leaders == ("王建国",)
    assert escalation(load(file, base + "[rules.escalation]\ntimes = {}\n")) is None
    assert escalation(load(file, base + "[rules.escalation]\nenabled = false\n")) is None


def test_duties_escalate_later(base: str, file: Path) -> None:
    spec = escalation(load(file, base + WHISTLE))
    assert spec is not None
    chain = spec.chains["all/alarm"]
    assert (chain.event_class, chain.leader_after_s, chain.centre_after_s) == ("duty", 300.0, 600.0)


def test_a_whistle_and_its_point(base: str, file: Path) -> None:
    settings = load(file, base + WHISTLE)
    spec = next(spec for spec in settings.rules if isinstance(spec, WhistleSpec))
    assert spec.addressees == (Addressee("police", True, 400.0), Addressee("李所长", False, 60.0))
    assert (spec.causes, spec.place) == ({"button/alarm"}, "gate")
    point = settings.points["all"]
    assert (point.role, point.alarms[0].event_class, point.alarms[0].text.zh) == ("whistle", EventClass.DUTY, "吹哨后逾期未报到：联合处置")


def test_numbers_of_telephones_stay_in_the_site_file(base: str, file: Path) -> None:
    """The descriptions are all that rules know, and rules write the events."""
    text = '[rules.escalation]\nleaders = [{ name = "王建国", phone = "13800000000" }]\n'
    assert b"13800000000" not in (rules := pickle.dumps(load(file, base + text + WHISTLE).rules))
    assert b"13900000000" not in rules


def test_a_recipient_whose_keys_cannot_report_in_is_doubtful(base: str, file: Path) -> None:
    settings = load(file, base.replace('may = ["report_in"]', 'may = ["acknowledge"]') + WHISTLE)
    assert any("may report_in" in warning.text for warning in settings.warnings)


def test_room_for_pictures_has_its_defaults(base: str, file: Path) -> None:
    vision = load(file, base).site.vision
    assert (vision.evidence_hours, vision.evidence_mb) == (72.0, 200.0)
