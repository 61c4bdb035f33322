"""Receipts: who may say "received", and everything that is not that."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.contract.jws import COMMAND_TYPE, MAX_JWS_BYTES, RECEIPT_TYPE, verify_compact
from gateway.contract.receipt import MAX_ITEMS, read_receipt
from gateway.core.errors import BadMessage, BadSignature
from tests.gateway.contract.keys import b64, key, raw_public, token, trusted

SOURCE = "/sites/school/gateways/gate"
POLICE, BUREAU, STRANGER = key(10), key(11), key(12)
KEYS = {"police-1": trusted(POLICE, "police-1", "police"), "bureau-1": trusted(BUREAU, "bureau-1", "bureau")}
HEADER = {"alg": "EdDSA", "kid": "police-1", "typ": RECEIPT_TYPE}
ITEM = {"id": "0198c0de-0000-7000-8000-000000000000", "sha256": "ab" * 32}
GOOD: dict[str, Any] = {"by": "police", "at": "2026-11-21T08:00:00Z", "gateway": SOURCE, "items": [ITEM], "result": "received"}


def test_a_good_receipt() -> None:
    receipt = read_receipt(token(POLICE, HEADER, GOOD), KEYS, SOURCE)
    assert (receipt.recipient, receipt.items, receipt.unusable) == ("police", ((ITEM["id"], ITEM["sha256"]),), False)
    bad = read_receipt(token(POLICE, HEADER, GOOD | {"result": "unusable", "reason": "no such school"}), KEYS, SOURCE)
    assert (bad.unusable, bad.reason) == (True, "no such school")


def test_what_the_centre_has_last() -> None:
    newest = {"epoch": "0000000002", "sequence": f"{17:020d}", "sha256": "cd" * 32}
    assert read_receipt(token(POLICE, HEADER, GOOD | {"newest": newest}), KEYS, SOURCE).newest == (2, 17, "cd" * 32)
    assert read_receipt(token(POLICE, HEADER, GOOD), KEYS, SOURCE).newest is None


@pytest.mark.parametrize(
    "newest",
    [None, [], {}, {"epoch": 2, "sequence": 17}, {"epoch": "2", "sequence": "x", "sha256": "a"}, {"epoch": "2", "sequence": "9" * 21}],
)
def test_what_is_no_place_does_not_spoil_a_receipt(newest: object) -> None:
    receipt = read_receipt(token(POLICE, HEADER, GOOD | {"newest": newest}), KEYS, SOURCE)
    assert (receipt.newest, len(receipt.items)) == (None, 1)


def nest(depth: int) -> bytes:
    return b"[" * depth + b"]" * depth


FORGED = {
    "another key under this kid": token(STRANGER, HEADER, GOOD),
    "another recipient's key under this kid": token(BUREAU, HEADER, GOOD),
    "unknown kid": token(STRANGER, HEADER | {"kid": "stranger-1"}, GOOD),
    "a command's typ": token(POLICE, HEADER | {"typ": COMMAND_TYPE}, GOOD),
    "typ in capitals": token(POLICE, HEADER | {"typ": "Campus-Receipt"}, GOOD),
    "another gateway": token(POLICE, HEADER, GOOD | {"gateway": "/sites/school/gateways/gate2"}),
    "gateway left out": token(POLICE, HEADER, {name: value for name, value in GOOD.items() if name != "gateway"}),
    "gateway is deep": token(POLICE, HEADER, json.dumps(GOOD).replace(f'"{SOURCE}"', nest(490).decode()).encode()),
    "by somebody else": token(POLICE, HEADER, GOOD | {"by": "bureau"}),
    "by nobody": token(POLICE, HEADER, GOOD | {"by": None}),
    "bureau speaks as police": token(BUREAU, HEADER | {"kid": "bureau-1"}, GOOD),
    "alg none": token(POLICE, HEADER | {"alg": "none"}, GOOD),
    "alg EdDSA without a signature": token(POLICE, HEADER, GOOD).rsplit(b".", 1)[0] + b".",
    "crit a number": token(POLICE, HEADER | {"crit": 5}, GOOD),
    "crit of objects": token(POLICE, HEADER | {"crit": [{}]}, GOOD),
    "payload exchanged": b".".join(
        part if i != 1 else b64(json.dumps(GOOD | {"result": "unusable"}).encode()).encode()
        for i, part in enumerate(token(POLICE, HEADER, GOOD).split(b"."))
    ),
}


@pytest.mark.parametrize("forged", FORGED.values(), ids=FORGED.keys())
def test_a_forged_receipt(forged: bytes) -> None:
    with pytest.raises(BadSignature):
        read_receipt(forged, KEYS, SOURCE)


def test_the_public_key_is_no_shared_secret() -> None:
    """HS256 over the public key, in each form that an attacker might try."""
    for secret in (raw_public(POLICE), KEYS["police-1"].x.encode(), b""):
        for algorithm in ("HS256", "EdDSA"):
            head = b64(json.dumps(HEADER | {"alg": algorithm}).encode())
            signing = f"{head}.{b64(json.dumps(GOOD).encode())}".encode()
            made = signing + b"." + b64(hmac.new(secret, signing, hashlib.sha256).digest()).encode()
            with pytest.raises(BadSignature):
                read_receipt(made, KEYS, SOURCE)


NO_RECEIPT = {
    "nothing": b"",
    "one dot": b".",
    "plain JSON": json.dumps(GOOD).encode(),
    "not ASCII": b"\xff\xfe",
    "too long": token(POLICE, HEADER, GOOD | {"reason": "x" * MAX_JWS_BYTES}),
    "header is no JSON": token(POLICE, b"{", GOOD),
    "header is a list": token(POLICE, b"[]", GOOD),
    "header is null": token(POLICE, b"null", GOOD),
    "header without kid": token(POLICE, {"alg": "EdDSA", "typ": RECEIPT_TYPE}, GOOD),
    "header deep": token(POLICE, nest(20_000), GOOD),
    "kid deep": token(POLICE, json.dumps(HEADER).replace('"police-1"', nest(490).decode()).encode(), GOOD),
    "kid a list": token(POLICE, HEADER | {"kid": []}, GOOD),
    "alg a number": token(POLICE, HEADER | {"alg": 5}, GOOD),
    "typ an object": token(POLICE, HEADER | {"typ": {}}, GOOD),
    "critical extension": token(POLICE, HEADER | {"crit": ["b64"], "b64": False}, GOOD),
    "payload is no JSON": token(POLICE, HEADER, b"\x00"),
    "payload is not UTF-8": token(POLICE, HEADER, b'"\xff"'),
    "payload is a list": token(POLICE, HEADER, []),
    "payload deep": token(POLICE, HEADER, nest(20_000)),
    "payload with a number of 5000 digits": token(POLICE, HEADER, b'{"a":' + b"1" * 5000 + b"}"),
    "result left out": token(POLICE, HEADER, {name: value for name, value in GOOD.items() if name != "result"}),
    "result unknown": token(POLICE, HEADER, GOOD | {"result": "seen"}),
    "result a list": token(POLICE, HEADER, GOOD | {"result": []}),
    "no items": token(POLICE, HEADER, GOOD | {"items": []}),
    "items an object": token(POLICE, HEADER, GOOD | {"items": ITEM}),
    "an item is text": token(POLICE, HEADER, GOOD | {"items": ["x"]}),
    "item without id": token(POLICE, HEADER, GOOD | {"items": [{"sha256": "x"}]}),
    "item id a number": token(POLICE, HEADER, GOOD | {"items": [ITEM, ITEM | {"id": 5}]}),
    "item id that UTF-8 cannot hold": token(POLICE, HEADER, GOOD | {"items": [ITEM | {"id": "\ud800"}]}),
    "item id endless": token(POLICE, HEADER, GOOD | {"items": [ITEM | {"id": "x" * 1000}]}),
    "item digest null": token(POLICE, HEADER, GOOD | {"items": [ITEM | {"sha256": None}]}),
    "too many items": token(POLICE, HEADER, GOOD | {"items": [{"id": "x", "sha256": "y"}] * (MAX_ITEMS + 1)}),
}


@pytest.mark.parametrize("junk", NO_RECEIPT.values(), ids=NO_RECEIPT.keys())
def test_what_is_no_receipt(junk: bytes) -> None:
    with pytest.raises(BadMessage):
        read_receipt(junk, KEYS, SOURCE)


def test_a_reason_is_cut_and_can_be_written_down() -> None:
    receipt = read_receipt(token(POLICE, HEADER, GOOD | {"reason": "\ud800" + "坏" * 1000}), KEYS, SOURCE)
    assert len(receipt.reason) == 500
    receipt.reason.encode()
    assert read_receipt(token(POLICE, HEADER, GOOD | {"reason": {"a": 1}}), KEYS, SOURCE).reason == ""


def test_a_full_receipt_fits() -> None:
    items = [{"id": f"0198c0de-0000-7000-8000-{n:012d}", "sha256": f"{n:064x}"} for n in range(300)]
    assert len(read_receipt(token(POLICE, HEADER, GOOD | {"items": items}), KEYS, SOURCE).items) == 300


def test_a_bit_anywhere_matters() -> None:
    good = token(POLICE, HEADER, GOOD)
    for at in range(len(good) - 1):  # the last character carries bits that base64url does not use
        broken = bytearray(good)
        broken[at] ^= 1
        with pytest.raises((BadMessage, BadSignature)):
            read_receipt(bytes(broken), KEYS, SOURCE)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
header_names = st.sampled_from(["alg", "kid", "typ", "crit", "b64", "jwk", "jku", "x5c", "x5t", "cty", "exp", "zip", ""])
message_names = st.sampled_from(["by", "at", "gateway", "items", "result", "reason", "id"])


def attempt(payload: bytes) -> None:
    """Whatever arrives is believed or refused in these words; any other exception fails the test."""
    words = "believed"
    try:
        read_receipt(payload, KEYS, SOURCE)
    except (BadMessage, BadSignature) as refused:
        words = str(refused)
    assert 0 < len(words) < 600


@settings(max_examples=300)
@given(st.binary(max_size=300) | st.text(".abcdefgeyJ_-=", max_size=60).map(str.encode))
def test_any_bytes(payload: bytes) -> None:
    attempt(payload)


@settings(max_examples=300)
@given(st.dictionaries(header_names, json_values, max_size=3), st.dictionaries(message_names, json_values, max_size=3))
def test_any_header_and_any_signed_message(header: dict[str, Any], message: dict[str, Any]) -> None:
    attempt(token(POLICE, HEADER | header, GOOD | message))
    attempt(token(STRANGER, HEADER | header, GOOD | message))


@settings(max_examples=200)
@given(st.integers(0, 200), st.binary(max_size=4), st.integers(0, 20))
def test_any_damage_on_the_way(at: int, inserted: bytes, removed: int) -> None:
    good = token(POLICE, HEADER, GOOD)
    attempt(good[:at] + inserted + good[at + removed :])


def test_a_command_is_no_receipt_and_a_receipt_is_no_command() -> None:
    with pytest.raises(BadSignature):
        verify_compact(token(POLICE, HEADER, GOOD), KEYS, COMMAND_TYPE)
