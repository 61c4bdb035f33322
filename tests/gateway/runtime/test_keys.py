"""The event key: made once, for nobody else's eyes, and refused where it is not what it should be."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa, x25519
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat, PublicFormat

from gateway.__main__ import main
from gateway.runtime.keys import KEY_NAME, PUBLIC_NAME, KeyRefused, client_id, load_signer, public_keys

PLAIN = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def test_made_once_and_kept(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        first = load_signer(tmp_path / "state")
    finally:
        os.umask(old)
    path = tmp_path / "state" / KEY_NAME
    assert path.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o700
    assert {file.name: file.stat().st_mode & 0o777 for file in (tmp_path / "state").iterdir()} == {KEY_NAME: 0o600, PUBLIC_NAME: 0o600}
    assert load_signer(tmp_path / "state").public() == first.public()
    assert load_signer(tmp_path / "other").kid != first.kid


def test_nobody_guesses_the_client_id_and_it_stays(tmp_path: Path) -> None:
    ours, other = load_signer(tmp_path / "ours"), load_signer(tmp_path / "other")
    assert client_id("school", "gate", "lan", ours) == client_id("school", "gate", "lan", load_signer(tmp_path / "ours"))
    ids = {client_id("school", "gate", path, key) for path in ("lan", "modem") for key in (ours, other)}
    assert len({name.rpartition("-")[2] for name in ids}) == 4
    assert {name.rpartition("-")[0] for name in ids} == {"school-gate-lan", "school-gate-modem"}


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666, 0o620, 0o601])
def test_refused_when_open_to_others(tmp_path: Path, mode: int) -> None:
    load_signer(tmp_path)
    (tmp_path / KEY_NAME).chmod(mode)
    with pytest.raises(KeyRefused, match="chmod 600"):
        load_signer(tmp_path)
    (tmp_path / KEY_NAME).chmod(0o400)
    load_signer(tmp_path)


private = ed25519.Ed25519PrivateKey.generate()
OTHER_KEYS = {
    "empty": b"",
    "junk": b"\xff\xfe not a key",
    "cut": private.private_bytes(*PLAIN)[:60],
    "public": private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
    "encrypted": private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"x")),
    "raw": private.private_bytes_raw(),
    "x25519": x25519.X25519PrivateKey.generate().private_bytes(*PLAIN),
    "ed448": ed448.Ed448PrivateKey.generate().private_bytes(*PLAIN),
    "p-256": ec.generate_private_key(ec.SECP256R1()).private_bytes(*PLAIN),
    "rsa": rsa.generate_private_key(65537, 2048).private_bytes(*PLAIN),
}


@pytest.mark.parametrize("content", OTHER_KEYS.values(), ids=OTHER_KEYS.keys())
def test_what_is_no_ed25519_key(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / KEY_NAME
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(KeyRefused, match="is not an Ed25519 private key"):
        load_signer(tmp_path)
    assert path.read_bytes() == content, "never overwritten"


def test_a_folder_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(KeyRefused, match="cannot be used"):
        load_signer(tmp_path / "file" / "state")
    (tmp_path / "state" / KEY_NAME).mkdir(parents=True, mode=0o700)
    with pytest.raises(KeyRefused, match="cannot be used"):
        load_signer(tmp_path / "state")


def test_the_command_prints_the_public_half_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    example = Path(__file__).parents[3] / "deploy" / "examples" / "demo-school.toml"
    assert main(["key", str(example), "--state-dir", str(tmp_path)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == {"source": "/sites/demo-school/gateways/gate", **load_signer(tmp_path).public()}
    assert set(told) == {"source", "kid", "x"}
    (tmp_path / KEY_NAME).chmod(0o644)
    assert main(["key", str(example), "--state-dir", str(tmp_path)]) == 1
    assert "chmod 600" in capsys.readouterr().err


def test_the_public_halves_of_all_keys_are_kept(tmp_path: Path) -> None:
    first = load_signer(tmp_path).public()
    (tmp_path / KEY_NAME).unlink()
    second = load_signer(tmp_path).public()
    assert public_keys(tmp_path) == ([first, second], False)
    for damaged in (b"", b"\xff", b"[]", b'{"keys": 1}', b'{"keys": [1]}', b'{"keys": [{"kid": "x"}]}'):
        (tmp_path / PUBLIC_NAME).write_bytes(damaged)
        assert public_keys(tmp_path) == ([], False)
        assert load_signer(tmp_path).public() == second, "a list that cannot be read keeps no gateway from its work"
        assert public_keys(tmp_path) == ([second], False)


def test_a_list_that_cannot_be_written_keeps_no_gateway_from_its_work(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    first = load_signer(tmp_path).public()
    (tmp_path / PUBLIC_NAME).unlink()
    (tmp_path / PUBLIC_NAME).mkdir()
    assert load_signer(tmp_path).public() == first
    assert "cannot be written" in caplog.text


def test_a_key_that_systemd_hands_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """It goes before the state folder's; outside the service its public half is known, and no other key is made in its place."""
    state, handed = tmp_path / "state", tmp_path / "credentials"
    first = load_signer(state).public()
    handed.mkdir(0o500)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(handed))
    assert load_signer(state).public() == first, "the folder holds other credentials"
    handed.chmod(0o700)
    (state / KEY_NAME).rename(handed / KEY_NAME)
    (handed / KEY_NAME).chmod(0o440)
    handed.chmod(0o500)
    assert load_signer(state).public() == first
    assert public_keys(state) == ([first], True)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY")
    with pytest.raises(KeyRefused, match="was handed to systemd"):
        load_signer(state)
    assert not (state / KEY_NAME).exists()
    example = Path(__file__).parents[3] / "deploy" / "examples" / "demo-school.toml"
    assert main(["key", str(example), "--state-dir", str(state)]) == 0
    assert json.loads(capsys.readouterr().out)["x"] == first["x"]
    (handed / KEY_NAME).chmod(0o600)
    (state / KEY_NAME).write_bytes((handed / KEY_NAME).read_bytes())
    (state / KEY_NAME).chmod(0o600)
    assert load_signer(state).public() == first
    assert public_keys(state) == ([first], False), "taken back"
