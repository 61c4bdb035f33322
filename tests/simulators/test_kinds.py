from __future__ import annotations

from typing import Any

import pytest

from simulators.camera_trouble import NAMES
from simulators.device import Device
from simulators.faults import KINDS
from simulators.frame_device import FrameDevice
from simulators.kinds import order
from simulators.reader_device import ReaderDevice
from simulators.vocabulary import ALL, PICTURES


def test_an_order_with_what_is_left_out() -> None:
    asked = order(KINDS, {"kind": "late", "for_s": 2})
    assert (asked.kind, asked.options, asked.for_s) == ("late", {"ms": 500}, 2)
    assert order(KINDS, {"kind": "chattering", "signal": "di1", "per_s": 5}).options == {"signal": "di1", "per_s": 5.0}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "there are silent"),
        ({"kind": "silnt"}, "did you mean 'silent'"),
        ({"kind": "late", "ms": -1}, "0 to 600000"),
        ({"kind": "late", "ms": 1.5}, "whole number"),
        ({"kind": "late", "ms": True}, "whole number"),
        ({"kind": "late", "code": 4}, "it takes ms, for_s"),
        ({"kind": "late", "for_s": 0}, "for_s is more than 0"),
        ({"kind": "counter-reset", "for_s": 1}, "over at once"),
        ({"kind": "chattering"}, "needs signal"),
        ({"kind": "bits-swapped", "order": "any"}, "msb-first or bytes-swapped"),
    ],
)
def test_orders_that_are_none(body: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        order(KINDS, body)


def test_every_kind_has_words_in_both_languages_and_takes_its_own_defaults() -> None:
    for sort, kinds in ALL.items():
        for name, kind in kinds.items():
            assert kind.en, (sort, name)
            assert any("一" <= letter <= "鿿" for letter in kind.zh), (sort, name)
            needed = {key: option for key, option in kind.options.items() if option.default is None}
            given = {key: "di1" if option.is_word else 1 for key, option in needed.items()}
            assert order(kinds, {"kind": name, **given}).kind == name


def test_what_each_sort_of_device_can_have_is_known() -> None:
    assert set(PICTURES) | {"none"} == set(NAMES)
    for device in (Device, FrameDevice, ReaderDevice):
        assert set(device.can) <= set(KINDS)
