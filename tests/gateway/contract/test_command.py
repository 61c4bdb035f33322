"""Signed commands: each reason to refuse one, and that nothing else than what was signed is ever read."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.config.site import MAY_BY_DEFAULT, CommandName
from gateway.contract.command import LONGEST_LIFE_MS, SKEW_MS, TWO_PERSONS, WITHOUT_A_CLOCK, CommandRefused, RemoteCommand, read_command
from gateway.contract.envelope import rfc3339
from gateway.contract.jws import COMMAND_TYPE, MAX_JWS_BYTES, RECEIPT_TYPE, TrustedKey
from gateway.contract.receipt import read_receipt
from gateway.core.errors import BadMessage, BadSignature
from tests.gateway.contract.keys import key, token, trusted

SOURCE = "/sites/school/gateways/gate"
NOW_MS = 1_795_248_000_000
CENTRE, WANG, LI, BUREAU, STRANGER = key(20), key(21), key(22), key(23), key(24)
MAY = frozenset({"acknowledge", "silence", "output", "replay", "out_of_service"})


def trust(private: Any, kid: str, owner: str = "police", person: str = "") -> TrustedKey:
    return replace(trusted(private, kid, owner), may=MAY, person=person)


KEYS = {
    each.kid: each
    for each in (trust(CENTRE, "centre"), trust(WANG, "wang", person="王"), trust(LI, "li", person="李"), trust(BUREAU, "bureau", "bureau"))
}
GOOD: dict[str, Any] = {
    "id": "0198c0de-0000-7000-8000-000000000000",
    "by": "police",
    "gateway": SOURCE,
    "command": "acknowledge",
    "target": "panic/alarm",
    "issued_at": rfc3339(NOW_MS - 1000),
    "expires_at": rfc3339(NOW_MS + 59_000),
}
LOCKS = frozenset({"lock-1"})
OPEN = GOOD | {"command": "output", "target": "lock-1", "value": "on"}
REPLAY = GOOD | {"command": "replay", "from_epoch": "1", "from_sequence": "1"}
OUT = GOOD | {"command": "out_of_service", "why": "repair", "for_s": 3600}


def head(kid: str = "centre") -> dict[str, str]:
    return {"alg": "EdDSA", "kid": kid, "typ": COMMAND_TYPE}


def signed(message: object | bytes, private: Any = CENTRE, kid: str = "centre") -> bytes:
    return token(private, head(kid), message)


def together(message: object, *signers: tuple[Any, str]) -> bytes:
    """General JSON over one payload."""
    parts = [token(private, head(kid), message).decode().split(".") for private, kid in signers]
    signatures = [{"protected": protected, "signature": signature} for protected, _, signature in parts]
    return json.dumps({"payload": parts[0][1], "signatures": signatures}).encode()


def read(payload: bytes, now_ms: int = NOW_MS, clock: str = "synchronised", keys: dict[str, TrustedKey] = KEYS) -> RemoteCommand:
    return read_command(payload, keys, SOURCE, now_ms, clock, LOCKS)


def reason_of(payload: bytes, **how: Any) -> str:
    """The word for which it is refused; '' when it is taken."""
    try:
        read(payload, **how)
    except CommandRefused as refused:
        return refused.reason if refused.command.id == GOOD["id"] and str(refused) else "without its command or text"
    return ""


def test_a_good_command() -> None:
    read_back = read(signed(GOOD | {"person": " 王警官 ", "why": "seen", "for_s": 5, "points": ["panic"], "value": "on"}))
    command = read_back.command()
    assert (command.kind, command.target, command.by, command.role, command.origin) == (
        "acknowledge", "panic/alarm", "police: 王警官", "centre", "mqtt"
    )  # fmt: skip
    assert (command.why, command.for_s, command.points, command.value, command.second) == ("seen", 5.0, ("panic",), "on", "")
    assert (command.command_id, command.expires_ms, command.refused) == (GOOD["id"], NOW_MS + 59_000, "")
    assert read(signed(GOOD)).command().by == "police", "a centre's program may name nobody"
    assert read(signed(GOOD | {"person": "\x1b[2J王\n", "why": "\r\ud800"})).command().by == "police: [2J王"


def test_two_persons_sign() -> None:
    command = read(together(OUT, (WANG, "wang"), (LI, "li"))).command()
    assert (command.by, command.second) == ("police: 王", "police: 李")
    laid_out = json.dumps(json.loads(together(OUT, (WANG, "wang"), (LI, "li"))), indent=2)
    assert read(f"\n{laid_out}\n".encode()).command() == command


def test_a_replay_names_its_place() -> None:
    asked = GOOD | {"command": "replay", "target": "ignored", "from_epoch": "0000000002", "from_sequence": "00000000000000000041"}
    command = read(signed(asked)).command()
    assert (command.target, command.value) == ("police", "0000000002/00000000000000000041")


REFUSED = {
    "gateway": signed(GOOD | {"gateway": "/sites/school/gateways/gate2"}),
    "gateway left out": signed({name: value for name, value in GOOD.items() if name != "gateway"}),
    "by": signed(GOOD | {"by": "bureau"}),
    "by somebody deep": signed(GOOD | {"by": [["police"]]}),
    "by another recipient's key": signed(GOOD, BUREAU, "bureau"),
    "person": signed(GOOD | {"person": "李"}, WANG, "wang"),
    "second": signed(OUT, WANG, "wang"),
    "second for a door": signed(OPEN, WANG, "wang"),
    "second for a door that is asked for oddly": signed(OPEN | {"value": "ON"}),
    "second is nobody": together(OUT, (WANG, "wang"), (CENTRE, "centre")),
    "permission": signed(GOOD | {"command": "reset"}),
    "permission for what is no command": signed(GOOD | {"command": "drop_tables"}),
    "lifetime": signed(GOOD | {"expires_at": rfc3339(NOW_MS - 1000 + LONGEST_LIFE_MS + 1)}),
    "lifetime backwards": signed(GOOD | {"expires_at": GOOD["issued_at"]}),
    "stale": signed(GOOD | {"issued_at": rfc3339(NOW_MS - 300_000), "expires_at": rfc3339(NOW_MS - SKEW_MS - 1)}),
    "future": signed(GOOD | {"issued_at": rfc3339(NOW_MS + SKEW_MS + 1)}),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    assert reason_of(REFUSED[name]) == name.split(" ")[0]


def test_clocks_may_differ_a_little() -> None:
    for issued_ms, expires_ms in ((NOW_MS + SKEW_MS, NOW_MS + 60_000), (NOW_MS - 60_000, NOW_MS - SKEW_MS)):
        assert reason_of(signed(GOOD | {"issued_at": rfc3339(issued_ms), "expires_at": rfc3339(expires_ms)})) == ""
    whole = GOOD | {"issued_at": rfc3339(NOW_MS), "expires_at": rfc3339(NOW_MS + LONGEST_LIFE_MS)}
    assert reason_of(signed(whole)) == ""
    east = GOOD | {"issued_at": "2026-11-21T16:00:00+08:00", "expires_at": "2026-11-21T16:01:00+08:00"}
    assert reason_of(signed(east)) == "", "the same moment, told in another zone"


def test_without_a_clock_only_what_can_do_no_harm() -> None:
    """A clock that was never set cannot say that a command is stale; the length of its life still counts."""
    for kind in sorted(MAY - TWO_PERSONS):
        expected = "" if kind in WITHOUT_A_CLOCK else "clock"
        assert reason_of(signed(REPLAY | {"command": kind}), now_ms=86_400_000, clock="unknown") == expected
    assert reason_of(REFUSED["lifetime"], clock="unknown") == "lifetime"
    assert reason_of(REFUSED["stale"], clock="holdover") == "stale"


def test_one_person_is_not_two() -> None:
    twice = KEYS | {"wang-2": trust(LI, "wang-2", person="王 ")}
    assert reason_of(together(OUT, (WANG, "wang"), (LI, "wang-2")), keys=twice) == "second"
    another = KEYS | {"bureau": trust(BUREAU, "bureau", "bureau", person="赵")}
    assert reason_of(together(OUT, (WANG, "wang"), (BUREAU, "bureau")), keys=another) == "by"
    weak = KEYS | {"li": replace(KEYS["li"], may=frozenset({"acknowledge"}))}
    assert reason_of(together(OUT, (WANG, "wang"), (LI, "li")), keys=weak) == "permission", "both keys must be good for it"


FORGED = {
    "a stranger's key": signed(GOOD, STRANGER, "centre"),
    "unknown kid": signed(GOOD, STRANGER, "stranger"),
    "a receipt's typ": token(CENTRE, head() | {"typ": RECEIPT_TYPE}, GOOD),
    "alg none": token(CENTRE, head() | {"alg": "none"}, GOOD),
    "one signature of two is a stranger's": together(OUT, (WANG, "wang"), (STRANGER, "li")),
    "one key under a second name that is another's": together(OUT, (WANG, "wang"), (WANG, "li")),
    "signatures over two payloads": together(OUT, (WANG, "wang"), (LI, "li")).replace(
        together(OUT, (LI, "li")).split(b'"')[-2], together(GOOD, (LI, "li")).split(b'"')[-2]
    ),
}


@pytest.mark.parametrize("forged", FORGED.values(), ids=FORGED.keys())
def test_forged(forged: bytes) -> None:
    with pytest.raises(BadSignature):
        read(forged)


def test_one_key_twice_is_one_signature() -> None:
    """Also under two names of the site file. It is refused, and answered, because whose key it is has been proved."""
    for second, keys in (("wang", KEYS), ("li", KEYS | {"li": replace(KEYS["wang"], kid="li", person="李")})):
        with pytest.raises(CommandRefused, match="twice") as refused:
            read(together(OUT, (WANG, "wang"), (WANG, second)), keys=keys)
        assert (refused.value.reason, refused.value.command.id, refused.value.command.person) == ("signature", GOOD["id"], "王")


def test_two_persons_open_a_door_and_one_locks_it() -> None:
    command = read(together(OPEN, (WANG, "wang"), (LI, "li"))).command()
    assert (command.by, command.second, command.value) == ("police: 王", "police: 李", "on")
    assert reason_of(signed(OPEN | {"value": "off"}, WANG, "wang")) == ""
    assert reason_of(signed(OPEN | {"target": "siren-1"})) == ""


GENERAL = json.loads(together(OUT, (WANG, "wang"), (LI, "li")))
NO_COMMAND = {
    "nothing": b"",
    "a brace": b"{",
    "plain JSON": json.dumps(GOOD).encode(),
    "too long": signed(GOOD | {"why": "x" * MAX_JWS_BYTES}),
    "too long in JSON": together(OUT | {"why": "x" * MAX_JWS_BYTES}, (WANG, "wang"), (LI, "li")),
    "three signatures": together(OUT, (WANG, "wang"), (LI, "li"), (CENTRE, "centre")),
    "no signature": json.dumps(GENERAL | {"signatures": []}).encode(),
    "signatures a text": json.dumps(GENERAL | {"signatures": "ab"}).encode(),
    "a signature is null": json.dumps(GENERAL | {"signatures": [None]}).encode(),
    "payload a number": json.dumps(GENERAL | {"payload": 5}).encode(),
    "payload not ASCII": json.dumps(GENERAL | {"payload": "消息"}).encode(),
    "an unprotected header": json.dumps(GENERAL | {"signatures": [GENERAL["signatures"][0] | {"header": {"kid": "li"}}]}).encode(),
    "flattened": json.dumps({"payload": GENERAL["payload"], **GENERAL["signatures"][0]}).encode(),
    "JSON deep": b'{"payload":' + b"[" * 20_000,
    "signed text": signed(b"reset"),
    "signed list": signed([GOOD]),
}
NO_GOOD = {
    "id left out": signed({name: value for name, value in GOOD.items() if name != "id"}),
    "id a list": signed(GOOD | {"id": []}),
    "id endless": signed(GOOD | {"id": "x" * 65}),
    "id with a slash": signed(GOOD | {"id": "a/b"}),
    "command a number": signed(GOOD | {"command": 5}),
    "command in capitals": signed(GOOD | {"command": "RESET"}),
    "target null": signed(GOOD | {"target": None}),
    "target with a wildcard": signed(GOOD | {"target": "panic#"}),
    "for_s true": signed(GOOD | {"for_s": True}),
    "for_s not a number": signed(json.dumps(GOOD | {"for_s": float("nan")}).encode()),
    "for_s below zero": signed(GOOD | {"for_s": -1}),
    "points an object": signed(GOOD | {"points": {}}),
    "points of numbers": signed(GOOD | {"points": [1]}),
    "too many points": signed(GOOD | {"points": ["p"] * 101}),
    "issued_at left out": signed({name: value for name, value in GOOD.items() if name != "issued_at"}),
    "issued_at a number": signed(GOOD | {"issued_at": 1.0}),
    "expires_at without a zone": signed(GOOD | {"expires_at": "2026-11-21T08:00:59"}),
    "expires_at never": signed(GOOD | {"expires_at": "9999-99-99T00:00:00Z"}),
    "replay from nowhere": signed(GOOD | {"command": "replay"}),
    "replay without its epoch": signed(GOOD | {"command": "replay", "from_sequence": "1"}),
    "replay without its sequence": signed(GOOD | {"command": "replay", "from_epoch": "1"}),
    "from_sequence a number": signed(GOOD | {"from_sequence": 5}),
    "from_sequence below zero": signed(GOOD | {"from_sequence": "-1"}),
    "from_sequence beyond the journal": signed(GOOD | {"from_sequence": "9" * 20}),
    "from_sequence in other digits": signed(GOOD | {"from_sequence": "٣"}),
}


@pytest.mark.parametrize("junk", NO_COMMAND.values(), ids=NO_COMMAND.keys())
def test_what_is_no_command(junk: bytes) -> None:
    with pytest.raises(BadMessage):
        read(junk)


@pytest.mark.parametrize("name", NO_GOOD)
def test_what_is_signed_and_no_good_command(name: str) -> None:
    """Whoever signed it can be told so; what could be read of it goes on record."""
    with pytest.raises(CommandRefused) as refused:
        read(NO_GOOD[name])
    command = refused.value.command
    assert (refused.value.reason, command.recipient) == ("message", "police")
    assert command.id == {"id left out": "", "id a list": "", "id endless": "x" * 65, "id with a slash": "a/b"}.get(name, GOOD["id"])
    assert command.command("message: it").command_id == ("" if name.startswith("id ") else GOOD["id"])


def test_a_bit_anywhere_matters() -> None:
    good = signed(GOOD)
    for at in range(len(good) - 1):  # the last character carries bits that base64url does not use
        broken = bytearray(good)
        broken[at] ^= 1
        with pytest.raises((BadMessage, BadSignature)):
            read(bytes(broken))


@settings(max_examples=200)
@given(st.data())
def test_what_two_have_signed_cannot_be_changed(data: st.DataObject) -> None:
    """White space of the outer JSON is nobody's word; whatever still reads is what was signed."""
    good = together(OUT, (WANG, "wang"), (LI, "li"))
    at = data.draw(st.integers(0, len(good) - 1))
    broken = good[:at] + bytes([data.draw(st.integers(0, 255))]) + good[at + 1 :]
    try:
        assert read(broken) == read(good)
    except (BadMessage, BadSignature):
        pass


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
names = st.sampled_from([*GOOD, "person", "value", "why", "for_s", "points", "from_epoch", "from_sequence"])


@settings(max_examples=300)
@given(st.dictionaries(names, json_values, max_size=3), st.sampled_from(["synchronised", "holdover", "unknown"]))
def test_any_signed_message(changes: dict[str, Any], clock: str) -> None:
    """Taken, or refused in these words; what is taken is what the key may do."""
    words, kind = "taken", "acknowledge"
    try:
        command = read(signed(GOOD | changes), clock=clock)
        kind = command.kind
        json.dumps(command.command().why, ensure_ascii=False).encode()
    except (BadMessage, BadSignature, CommandRefused) as refused:
        words = str(refused)
    assert kind in MAY
    assert 0 < len(words) < 600


@settings(max_examples=200)
@given(st.binary(max_size=300) | st.text('.abcdefgeyJ_-={}[]":', max_size=60).map(str.encode))
def test_any_bytes(payload: bytes) -> None:
    with pytest.raises((BadMessage, BadSignature)):
        read(payload)


def test_a_command_is_no_receipt() -> None:
    with pytest.raises(BadSignature):
        read_receipt(signed(GOOD), KEYS, SOURCE)


def test_the_words_of_this_room_are_those_of_the_site_file() -> None:
    known = set(get_args(CommandName))
    assert known >= {*TWO_PERSONS, *WITHOUT_A_CLOCK, *MAY}
    assert frozenset(MAY_BY_DEFAULT) == WITHOUT_A_CLOCK


def test_the_command_that_the_contract_shows() -> None:
    page = (Path(__file__).parents[3] / "docs" / "contract.md").read_text(encoding="utf-8")
    shown = json.loads(page.split("```json command\n")[1].split("```")[0])
    now_ms = round(datetime.fromisoformat(shown["issued_at"]).timestamp() * 1000) + 500
    command = read_command(signed(shown), KEYS, shown["gateway"], now_ms, "holdover", LOCKS).command()
    assert (command.kind, command.target, command.by) == ("acknowledge", "panic-gatehouse", "police: 王警官")


def test_the_contract_names_every_reason() -> None:
    page = (Path(__file__).parents[3] / "docs" / "contract.md").read_text(encoding="utf-8")
    assert [name for name in {name.split(" ")[0] for name in REFUSED} if f"`{name}`" not in page] == []
