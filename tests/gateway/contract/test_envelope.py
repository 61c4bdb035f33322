"""A sealed event: canonical bytes, a signature that an independent check believes, and nothing that breaks it."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.contract.canonical import canonical
from gateway.contract.envelope import GENESIS_HASH, Number, Origin, Sealed, rfc3339, seal
from gateway.contract.jws import TrustedKey, verify_detached
from gateway.core.errors import BadMessage, BadSignature
from gateway.core.points import Draft, EventClass, Priority
from tests.gateway.contract.keys import b64, key, raw_public, signer, unb64
from tests.gateway.contract.test_canonical import values

ORIGIN = Origin("/sites/school/gateways/gate", "boot-1", 100.0)
SIGNER = signer()
PUBLIC = key(1).public_key()


def draft(data: dict[str, object] | None = None, subject: str = "panic", now_s: float = 101.5) -> Draft:
    return Draft(
        "0198c0de-0000-7000-8000-000000000000",
        EventClass.ALARM,
        "campus.alarm.activated",
        subject,
        Priority.URGENT,
        1_795_248_000_123,
        now_s,
        "synchronised",
        data or {},
    )


def believed(body: bytes) -> dict[str, Any]:
    """Check as a stranger would: JSON, hashlib and Ed25519 only. Raises InvalidSignature."""
    event: dict[str, Any] = json.loads(body)
    header, nothing, signature = event.pop("signature").split(".")
    assert nothing == ""
    assert json.loads(unb64(header)) == {"alg": "EdDSA", "kid": SIGNER.kid}
    PUBLIC.verify(unb64(signature), f"{header}.{b64(canonical(event))}".encode())
    return event


def test_an_event_as_the_contract_draws_it() -> None:
    event = seal(draft({"point": "panic"}), ORIGIN, Number(3, 17, 5, "ab" * 32), SIGNER, row=40)
    assert believed(event.body) == {
        "specversion": "1.0",
        "id": "0198c0de-0000-7000-8000-000000000000",
        "source": "/sites/school/gateways/gate",
        "type": "campus.alarm.activated",
        "subject": "panic",
        "time": "2026-11-21T08:00:00.123Z",
        "datacontenttype": "application/json",
        "dataschema": "urn:campus-gateway:schema:event-data:1",
        "epoch": "0000000003",
        "sequence": "00000000000000000017",
        "classsequence": "00000000000000000005",
        "bootid": "boot-1",
        "monotonicms": "1500",
        "clockquality": "synchronised",
        "previoushash": "ab" * 32,
        "data": {"point": "panic"},
    }
    assert event.sha256 == hashlib.sha256(event.body).hexdigest()
    assert (event.row, event.priority, event.event_class) == (40, 0, "alarm")


def test_an_early_copy_is_marked_and_has_no_number() -> None:
    event = seal(draft(), ORIGIN, None, SIGNER)
    told = believed(event.body)
    assert told["journalled"] is False
    assert not {"epoch", "sequence", "classsequence", "previoushash"} & told.keys()


breakers = st.sampled_from(
    [
        ',"source":',
        '","source":"x","',
        '\\","source":',
        '"}',
        '{"source":1},"source":2',
        ',\\"source\\":',
        "\u2028",
        "\U0001f6a8",
        "\x00",
        "\\",
    ]
)
texts = st.lists(breakers | st.text(st.characters(codec="utf-8"), max_size=5), max_size=5).map("".join)


names = st.sampled_from(["source", "signature", "specversion", "time"]) | texts
inner = st.dictionaries(names, values | texts, max_size=3)


@given(st.dictionaries(names, values | texts | inner, max_size=5), texts)
def test_no_text_breaks_the_envelope(data: dict[str, object], subject: str) -> None:
    event = seal(draft(data, subject), ORIGIN, Number(1, 1, 1, GENESIS_HASH), SIGNER)
    told = json.loads(event.body)
    assert canonical(told) == event.body, "the bytes on the wire are the canonical form, signature included"
    assert list(told).index("signature") == list(told).index("source") - 1
    assert believed(event.body)["data"] == data
    verify_detached(told, TrustedKey(SIGNER.kid, b64(raw_public(key(1))), "self"))


def test_every_flipped_bit_is_noticed() -> None:
    body = seal(draft({"text": {"zh": "一键报警", "en": "x"}}), ORIGIN, Number(1, 1, 1, GENESIS_HASH), SIGNER).body
    mine = TrustedKey(SIGNER.kid, b64(raw_public(key(1))), "self")
    for at in range(len(body)):
        for bit in (0x01, 0x20, 0x80):
            broken = bytearray(body)
            broken[at] ^= bit
            try:
                message = json.loads(bytes(broken))
            except ValueError:
                continue  # not even JSON
            if canonical(message) == body:
                pytest.fail(f"byte {at} does not matter")
            with pytest.raises((BadSignature, BadMessage)):
                verify_detached(message, mine)


@settings(max_examples=50)
@given(st.sampled_from(["id", "time", "sequence", "previoushash", "data", "type", "extra"]))
def test_a_changed_member_is_noticed(name: str) -> None:
    event = json.loads(seal(draft(), ORIGIN, Number(1, 1, 1, GENESIS_HASH), SIGNER).body)
    event[name] = "other"
    with pytest.raises(InvalidSignature):
        believed(json.dumps(event).encode())


@pytest.mark.parametrize("signature", [None, 5, "", "a.b", "a.b.c", "..", "a..b.c", "W10..AA", "bnVsbA..AA", "eyJhbGciOiJub25lIn0.."])
def test_what_is_no_detached_signature(signature: object) -> None:
    with pytest.raises(BadSignature):
        verify_detached({"a": 1, "signature": signature}, TrustedKey("k", b64(raw_public(key(1))), "self"))


@pytest.mark.parametrize("name", ["alg", "crit"])
def test_a_header_of_another_kind(name: str) -> None:
    odd: list[object] = ["none", "HS256", "Ed25519", 5, [], ["b64"], [{}], None]
    for value in odd if name == "alg" else odd[3:4] + odd[5:]:
        header = b64(json.dumps({"alg": "EdDSA", "kid": "k", name: value}).encode())
        with pytest.raises(BadSignature):
            verify_detached({"a": 1, "signature": f"{header}..AAAA"}, TrustedKey("k", b64(raw_public(key(1))), "self"))


@pytest.mark.parametrize(
    ("at_ms", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
        (951_782_400_999, "2000-02-29T00:00:00.999Z"),
        (1_795_248_000_123, "2026-11-21T08:00:00.123Z"),
        (1_795_248_000_999, "2026-11-21T08:00:00.999Z"),
        (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
    ],
)
def test_rfc3339(at_ms: int, text: str) -> None:
    assert rfc3339(at_ms) == text


odd = st.recursive(
    st.floats() | st.integers() | st.text() | st.binary() | st.just(object()) | st.just(10**400) | st.just("\ud800"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.integers(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), odd, max_size=4), st.sampled_from(["panic", "\ud800"]))
def test_no_value_stops_an_alarm(data: dict[str, object], subject: str) -> None:
    event = seal(draft(data, subject), ORIGIN, None, SIGNER)
    told = believed(event.body)
    assert told["data"] == data or told["data"]["damaged"] is True
    event.subject.encode()


def test_what_an_odd_value_becomes() -> None:
    deep: object = 1
    for _ in range(5000):
        deep = [deep]
    data = {"value": float("nan"), "large": 1e17, "count": 2**60, "text": "\ud800!", "deep": deep, "good": [1, None, True, 2.5]}
    told = believed(seal(draft(data), ORIGIN, None, SIGNER).body)["data"]
    assert told["large"] == "1e+17", "written as 100000000000000000 it would be refused by a centre in another language"
    assert (told["value"], told["count"], told["text"], told["good"]) == ("nan", "a value of type int", "?!", [1, None, True, 2.5])
    assert told["damaged"] is True


def test_a_reading_from_before_the_boot_is_not_negative() -> None:
    assert json.loads(seal(draft(now_s=99.0), ORIGIN, None, SIGNER).body)["monotonicms"] == "0"


def test_a_message_of_our_own_is_sealed_the_same_way() -> None:
    body = SIGNER.seal({"online": True, "source": "x"})
    assert isinstance(body, bytes)
    assert believed(body) == {"online": True, "source": "x"}


def test_sealed_is_what_is_sent() -> None:
    event: Sealed = seal(draft(), ORIGIN, None, SIGNER)
    assert event.number is None
    assert event.row == 0
