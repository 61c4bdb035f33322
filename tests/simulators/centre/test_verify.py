"""Forged, foreign, misplaced and mangled messages."""

import json

import pytest
import rfc8785
from joserfc.jwk import OctKey

from simulators.centre.keys import Trust
from simulators.centre.verify import Address, Refused, address, canonical, check_canonical, check_signature, parse, root, sha256
from tests.simulators.centre.chains import PREFIX, SOURCE, Gateway, signature


@pytest.fixture(scope="module")
def gateway() -> Gateway:
    return Gateway()


def refusal(body: bytes, gateway: Gateway, source: str = SOURCE, trust: Trust | None = None) -> str:
    with pytest.raises(Refused) as refused:
        check_signature(parse(body), source, trust or gateway.trust())
    return str(refused.value)


def test_genuine(gateway: Gateway) -> None:
    body = gateway.event()
    check_signature(parse(body), SOURCE, gateway.trust())
    check_canonical(body, parse(body))


def test_one_changed_word(gateway: Gateway) -> None:
    assert refusal(gateway.event().replace("校门".encode(), "后门".encode()), gateway) == "signature does not hold"


def test_one_more_member(gateway: Gateway) -> None:
    message = parse(gateway.event())
    assert refusal(rfc8785.dumps({**message, "tenant": "x"}), gateway) == "signature does not hold"


def test_foreign_key_under_the_right_name(gateway: Gateway) -> None:
    assert refusal(Gateway().event(), gateway) == "signature does not hold"


def test_unknown_kid(gateway: Gateway) -> None:
    assert "no enrolled key 'other'" in refusal(Gateway(kid="other").event(), gateway)


def test_key_of_another_gateway(gateway: Gateway) -> None:
    neighbour = Gateway("/sites/school-2/gateways/gate")
    trust = Trust({**gateway.trust().keys, **neighbour.trust().keys})
    assert "does not fit the topic" in refusal(neighbour.event(), gateway, SOURCE, trust)
    assert "does not fit the topic" in refusal(gateway.event(), gateway, neighbour.source, trust)


@pytest.mark.parametrize("typ", ["campus-receipt", "campus-command"])
def test_signature_made_for_something_else(gateway: Gateway, typ: str) -> None:
    assert "not as an event" in refusal(gateway.sign(gateway.draft(), typ=typ), gateway)


def test_another_algorithm(gateway: Gateway) -> None:
    """A public key must never serve as the secret of an HMAC, and `none` is no signature."""
    draft = gateway.draft()
    x = str(gateway.key.as_dict(private=False)["x"])
    hmac = {**draft, "signature": signature_with(draft, x)}
    assert "signature algorithm 'HS256'" in refusal(rfc8785.dumps(hmac), gateway)
    none = {**draft, "signature": "eyJhbGciOiJub25lIn0..AA"}
    assert "signature algorithm 'none'" in refusal(rfc8785.dumps(none), gateway)


def signature_with(draft: dict[str, object], secret: str) -> str:
    from joserfc import jws

    header = {"alg": "HS256", "kid": "gate-key"}
    return str(jws.detach_content(jws.serialize_compact(header, rfc8785.dumps(draft), OctKey.import_key(secret), algorithms=["HS256"])))


@pytest.mark.parametrize(
    "bad", [None, 7, "", "abc", "a.b.c", "..", "a..", "..b", "a..b.c", "a...b", "!!..??", "e30..AA", "eyJ..AA", "W10..AA"]
)
def test_no_readable_signature(gateway: Gateway, bad: object) -> None:
    assert refusal(rfc8785.dumps({**gateway.draft(), "signature": bad}), gateway)  # type: ignore[dict-item]


def test_kid_that_is_no_text(gateway: Gateway) -> None:
    draft = gateway.draft()
    signed = {**draft, "signature": signature(draft, gateway.key, {"alg": "EdDSA"})}
    assert "no enrolled key None" in refusal(rfc8785.dumps(signed), gateway)


@pytest.mark.parametrize(
    "mangle",
    [
        lambda body: json.dumps(json.loads(body)).encode(),
        lambda body: body + b"\n",
        lambda body: b'{"data":{},' + body[1:],
        lambda body: body.replace("校".encode(), b"\\u6821"),
    ],
    ids=["spaces", "newline", "member twice", "escapes"],
)
def test_same_content_in_another_form(gateway: Gateway, mangle: object) -> None:
    body = mangle(gateway.event())  # type: ignore[operator]
    check_signature(parse(body), SOURCE, gateway.trust())
    with pytest.raises(Refused, match="not its canonical form"):
        check_canonical(body, parse(body))


@pytest.mark.parametrize(
    "body",
    [b"", b"nonsense", b"[]", b"7", b"\xff{}", b"[" * 100_000, b'{"a":' + b"9" * 5000 + b"}", b" " * 300_000],
    ids=["empty", "text", "list", "number", "not utf-8", "deep", "long number", "large"],
)
def test_not_a_message(body: bytes) -> None:
    with pytest.raises(Refused):
        parse(body)


@pytest.mark.parametrize("text", ['{"a":NaN}', '{"a":Infinity}', '{"a":9007199254740993}', '{"a":"\\ud800"}', '{"\\ud800":1}'])
def test_no_canonical_form(text: str) -> None:
    with pytest.raises(Refused, match="no canonical form"):
        canonical(parse(text.encode()))


@pytest.mark.parametrize(
    ("topic", "expected"),
    [
        ("campus/v1/s-1/gate/event/alarm", Address("/sites/s-1/gateways/gate", "event", "alarm")),
        ("campus/v1/s-1/gate/birth", Address("/sites/s-1/gateways/gate", "birth")),
        ("campus/v1/s-1/gate/state/panic-1", Address("/sites/s-1/gateways/gate", "state", "panic-1")),
        ("campus/v1/s-1/gate/command/result", Address("/sites/s-1/gateways/gate", "command/result")),
        ("campus/v1/centre/police/state", None),
        ("campus/v1/S/gate/birth", None),
        ("campus/v1/s-1/birth", None),
        ("campus/v2/s-1/gate/birth", None),
        ("campus/v1/" + "s" * 49 + "/gate/birth", None),
    ],
)
def test_topics(topic: str, expected: Address | None) -> None:
    assert address(topic, PREFIX) == expected


def test_root_and_digest() -> None:
    assert root("/sites/s-1/gateways/gate", "a/b") == "a/b/s-1/gate"
    assert sha256(b"") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
