"""What the centre signs when it commands, opened again with a public library."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from joserfc import jws

from simulators.centre.__main__ import main
from simulators.centre.commands import order, sign
from simulators.centre.keys import CentreKey, make_key, read_key

GATEWAY = "/sites/s/gateways/g"
AT = datetime(2026, 11, 21, 8, 0, tzinfo=UTC)


def key(folder: Path, name: str = "a") -> CentreKey:
    make_key(folder / name, "police")
    return read_key(folder / name)


def test_an_order_says_no_more_than_was_asked() -> None:
    message = order("police", GATEWAY, "shelve", "kitchen-gas", AT, 90.0, why="noise", for_s=600.0, person="", points=[])
    assert len(message.pop("id")) == 36
    assert message == {
        "by": "police",
        "gateway": GATEWAY,
        "command": "shelve",
        "target": "kitchen-gas",
        "issued_at": "2026-11-21T08:00:00.000Z",
        "expires_at": "2026-11-21T08:01:30.000Z",
        "why": "noise",
        "for_s": 600.0,
    }
    first, second = (order("police", GATEWAY, "reset", "p", AT, 60.0)["id"] for _ in range(2))
    assert first != second


def test_one_signature(tmp_path: Path) -> None:
    one = key(tmp_path)
    message = order("police", GATEWAY, "reset", "p", AT, 60.0)
    signed = jws.deserialize_compact(sign(message, [one]), one.key, algorithms=["EdDSA"])
    assert signed.headers() == {"alg": "EdDSA", "kid": one.kid, "typ": "campus-command"}
    assert json.loads(signed.payload) == message


def test_two_signatures_over_one_payload(tmp_path: Path) -> None:
    keys = [key(tmp_path, "a"), key(tmp_path, "b")]
    message = order("police", GATEWAY, "out_of_service", "p", AT, 60.0)
    general = json.loads(sign(message, keys))
    assert set(general) == {"payload", "signatures"}
    for each, signature in zip(keys, general["signatures"], strict=True):
        alone = {"payload": general["payload"], "signatures": [signature]}
        signed = jws.deserialize_json(alone, each.key, algorithms=["EdDSA"])
        assert json.loads(signed.payload) == message
        assert signed.members[0].headers() == {"alg": "EdDSA", "kid": each.kid, "typ": "campus-command"}


@pytest.mark.parametrize("gateway", ["gate", "/sites/s/gateways/", "/sites/S/gateways/g", "/sites/s/gateways/g/x"])
def test_a_gateway_has_a_full_name(gateway: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["command", "reset", "p", "--gateway", gateway, "--url", "mqtt://127.0.0.1:9", "--key", "k", "--trust", "t"])
    assert "full name" in capsys.readouterr().err


def test_no_broker_is_told_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key(tmp_path)
    (tmp_path / "t").write_text('{"keys": []}')
    words = ["--gateway", GATEWAY, "--url", "mqtt://127.0.0.1:9", "--key", str(tmp_path / "a"), "--trust", str(tmp_path / "t")]
    assert main(["command", "reset", "p", *words]) == 2
    told = capsys.readouterr().err.splitlines()
    assert [line for line in told if line.startswith("campus-centre: no broker at 127.0.0.1:9 (")] == told
