from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from simulators.errors import SimError
from simulators.profiles import load, parse, read
from simulators.signals import Write, numbers
from tests.simulators.field import PROFILES, profile


def test_repeats_are_written_out() -> None:
    io = profile("bench-io")
    assert list(io.signals)[:5] == ["di1", "di2", "di3", "di4", "di1_count"]
    assert (io.signals["di4_count"].address, io.signals["di4_count"].low_first) == (6, True)
    assert io.signals["di2_latched"].clear == Write("coil", 263, (1,))
    assert (io.unit, io.baud, io.max_registers) == (7, 19200, 20)


def test_repeated_bits_and_references_move_along() -> None:
    loops = parse(
        {
            "id": "aim",
            "signals": [
                {"name": "loop{n}", "kind": "enum", "area": "holding", "address": 11, "type": "u16", "bit": 6, "bits": 2,
                 "enum": {"0": "normal"}, "repeat": {"count": 4, "stride": 0, "bit_stride": -2, "first": 1}},
                {"name": "mA{n}", "kind": "measurement", "area": "holding", "address": 74, "type": "u16",
                 "valid_when": [{"signal": "loop{n}", "in": ["normal"]}], "repeat": {"count": 4}},
            ],
        }
    ).signals  # fmt: skip
    assert [loops[f"loop{n}"].bit for n in (1, 2, 3, 4)] == [6, 4, 2, 0]
    assert loops["mA3"].valid_when[0].signal == "loop3"


@pytest.mark.parametrize(
    ("text", "low", "high"), [("7", 7, 7), ("0xE5E5", 0xE5E5, 0xE5E5), ("-400", -400, -400), ("1000-1999", 1000, 1999), ("-5--1", -5, -1)]
)
def test_numbers(text: str, low: int, high: int) -> None:
    assert numbers(text) == (low, high)


def test_what_is_no_number() -> None:
    with pytest.raises(ValueError, match="neither a number nor a range"):
        numbers("many")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("schema = \n", "line 1"),
        ('id = "x"', "signals is missing"),
        ('id = "x"\n[[signals]]\nname = "a"\nkind = "kontact"\narea = "coil"\naddress = 1', "kontact"),
        ('id = "x"\n[[signals]]\nname = "a"\nkind = "contact"\narea = "coil"', "address is missing"),
        (
            'id = "x"\n[heartbeat]\nsignal = "b"\nwithin_s = 1\n[[signals]]\nname = "a"\nkind = "contact"\narea = "coil"\naddress = 1',
            "unknown",
        ),
    ],
)
def test_a_file_that_is_no_profile_is_named(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "x.toml"
    file.write_text(text)
    with pytest.raises(SimError, match=said) as error:
        read(file)
    assert str(file) in str(error.value)


def test_an_unknown_profile_names_the_folders() -> None:
    with pytest.raises(SimError, match="no device profile 'nix'"):
        load("nix", [PROFILES])


SIGNAL = {"name": "a", "kind": "contact", "area": "coil", "address": 1}


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"signals": [SIGNAL], "speed": 3}, "profile: speed is not known"),
        ({"signals": [SIGNAL], "limits": {"max_registrs": 3}}, "limits: max_registrs"),
        ({"signals": [SIGNAL | {"biit": 3}]}, "signal a: biit"),
        ({"signals": [SIGNAL | {"clear": {"area": "coil", "address": 1, "valeu": 1}}]}, "a write: valeu"),
        ({"signals": [SIGNAL | {"or_with": ["b"]}]}, "refers to an unknown signal b"),
        ({"signals": [SIGNAL], "address_base": 2}, "wire address -1 is outside"),
        ({"signals": [SIGNAL], "protocol": "frames"}, "'frames' is not modbus"),
    ],
)
def test_what_would_change_the_wire_unseen_is_refused(data: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse({"id": "x", **data})


def test_what_only_people_need_is_passed_over() -> None:
    talk = {"note": "n", "source": "s", "confidence": "manual"}
    profile = parse({"id": "x", "signals": [SIGNAL | talk], "limits": {"late_ms": 5}, "map_only": True, "warm_up_s": 3, **talk})
    assert list(profile.signals) == ["a"]
