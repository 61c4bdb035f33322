from __future__ import annotations

from pathlib import Path

import pytest

from simulators.device import Device
from simulators.errors import SimError
from simulators.profiles import OWN_FOLDER, Clear, load, numbers, parse, read
from tests.simulators.field import PROFILES, profile


def test_repeats_are_written_out() -> None:
    io = profile("bench-io")
    assert list(io.signals)[:5] == ["di1", "di2", "di3", "di4", "di1_count"]
    assert (io.signals["di4_count"].address, io.signals["di4_count"].low_first) == (6, True)
    assert io.signals["di2_latched"].clear == Clear("coil", 263, 1)
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


def test_every_shipped_profile_makes_a_healthy_device() -> None:
    found = sorted(OWN_FOLDER.glob("*.toml"))
    assert found
    for path in found:
        dut = Device(path.stem, 1, read(path))
        for name, signal in dut.profile.signals.items():
            value = dut.get(name)
            assert value not in {text for _, _, text in signal.faults}, f"{path.stem}: {name} begins as {value}"
