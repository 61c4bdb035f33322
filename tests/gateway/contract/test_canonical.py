"""RFC 8785: published vectors, and properties of any message."""

from __future__ import annotations

import hashlib
import json
import struct
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from gateway.contract.canonical import canonical, digest
from gateway.core.errors import BadMessage

# RFC 8785 appendix B: IEEE 754 bits -> ECMAScript text
NUMBERS = [
    ("0000000000000000", "0"),
    ("8000000000000000", "0"),
    ("0000000000000001", "5e-324"),
    ("8000000000000001", "-5e-324"),
    ("7fefffffffffffff", "1.7976931348623157e+308"),
    ("ffefffffffffffff", "-1.7976931348623157e+308"),
    ("4340000000000000", "9007199254740992"),
    ("c340000000000000", "-9007199254740992"),
    ("4430000000000000", "295147905179352830000"),
    ("44b52d02c7e14af5", "9.999999999999997e+22"),
    ("44b52d02c7e14af6", "1e+23"),
    ("44b52d02c7e14af7", "1.0000000000000001e+23"),
    ("444b1ae4d6e2ef4e", "999999999999999700000"),
    ("444b1ae4d6e2ef4f", "999999999999999900000"),
    ("444b1ae4d6e2ef50", "1e+21"),
    ("3eb0c6f7a0b5ed8c", "9.999999999999997e-7"),
    ("3eb0c6f7a0b5ed8d", "0.000001"),
    ("41b3de4355555553", "333333333.3333332"),
    ("41b3de4355555554", "333333333.33333325"),
    ("41b3de4355555555", "333333333.3333333"),
    ("41b3de4355555556", "333333333.3333334"),
    ("41b3de4355555557", "333333333.33333343"),
    ("becbf647612f3696", "-0.0000033333333333333333"),
    ("43143ff3c1cb0959", "1424953923781206.2"),
]


@pytest.mark.parametrize(("bits", "text"), NUMBERS)
def test_numbers_of_appendix_b(bits: str, text: str) -> None:
    (number,) = struct.unpack(">d", bytes.fromhex(bits))
    assert canonical({"n": number}) == f'{{"n":{text}}}'.encode()


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf"), 2**53, -(2**53), 10**400])
def test_what_json_cannot_hold(number: float) -> None:
    with pytest.raises(BadMessage):
        canonical({"deep": [{"n": number}]})


@pytest.mark.parametrize("value", ["\ud800", {"\udfff": 1}, {1: 2}, b"bytes", {1, 2}, object()])
def test_what_is_not_json(value: object) -> None:
    with pytest.raises(BadMessage):
        canonical({"v": value})


def test_nesting_that_ends_in_words() -> None:
    nested: Any = 1
    for _ in range(100_000):
        nested = [nested]
    with pytest.raises(BadMessage):
        canonical({"v": nested})


def test_sample_of_section_3_2_2() -> None:
    """RFC 8785 3.2.2 and 3.2.4: the input and its bytes."""
    text = r"""{
      "numbers": [333333333.33333329, 1E30, 4.50, 2e-3, 0.000000000000000000000000001],
      "string": "\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/",
      "literals": [null, true, false]
    }"""
    assert canonical(json.loads(text)) == (
        b'{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
        b'"string":"\xe2\x82\xac$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
    )


def test_sorting_of_section_3_2_3() -> None:
    """By UTF-16 code units: the emoji's surrogate sorts before U+FB33, which UTF-8 order would not do."""
    names = {"\u20ac": "Euro Sign", "\r": "Carriage Return", "\ufb33": "Hebrew Letter Dalet With Dagesh", "1": "One",
             "\U0001f600": "Emoji: Grinning Face", "\u0080": "Control", "\u00f6": "Latin Small Letter O With Diaeresis"}  # fmt: skip
    assert list(json.loads(canonical(names)).values()) == [
        "Carriage Return",
        "One",
        "Control",
        "Latin Small Letter O With Diaeresis",
        "Euro Sign",
        "Emoji: Grinning Face",
        "Hebrew Letter Dalet With Dagesh",
    ]


texts = st.text(st.characters(codec="utf-8"), max_size=20)
# From 2^53 to 10^21 a float is written without a point, and reads back as an integer that is too large.
numbers = st.floats(-(2.0**53) + 1, 2.0**53 - 1) | st.floats(1e21, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | numbers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)
messages = st.dictionaries(texts, values, max_size=5)


@given(messages)
def test_round_trip_and_fixed_point(message: dict[str, Any]) -> None:
    body = canonical(message)
    assert json.loads(body) == message
    assert canonical(json.loads(body)) == body


simple = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.text(max_size=8)
    | st.sampled_from(["\x7f", "\x00\x1f", "\u2028", '"\\/']),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text('aAzZ_-.\x00\x1f"\\~', max_size=3), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text("abAB_", max_size=3), simple, max_size=5))
def test_the_short_way_is_the_same_way(message: dict[str, Any]) -> None:
    """Without floats and with ASCII keys another encoder does the work: byte for byte the same, and the same refusals."""
    try:
        expected = bytes(rfc8785.dumps(message))
    except ValueError:
        with pytest.raises(BadMessage):
            canonical(message)
    else:
        assert canonical(message) == expected


@given(messages, st.randoms(use_true_random=False))
def test_order_of_members_does_not_matter(message: dict[str, Any], chance: Any) -> None:
    items = list(message.items())
    chance.shuffle(items)
    assert canonical(dict(items)) == canonical(message)


def test_digest_is_lowercase_hex() -> None:
    assert digest(b"{}") == hashlib.sha256(b"{}").hexdigest() == digest(b"{}").lower()
