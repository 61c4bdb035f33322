"""Key and trust files."""

import stat
from pathlib import Path

import pytest

from simulators.centre.keys import BadKeyFile, make_key, read_key, read_trust
from tests.simulators.centre.chains import SOURCE, Gateway


def test_made_and_read(tmp_path: Path) -> None:
    path = tmp_path / "centre.jwk"
    public = make_key(path, "police")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    key = read_key(path)
    assert (key.by, key.kid) == ("police", public["kid"])
    assert key.kid.startswith("police-")
    assert key.key.as_dict(private=False)["x"] == public["x"]
    assert len(public["x"]) == 43


def test_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "centre.jwk"
    make_key(path, "police")
    before = path.read_text()
    with pytest.raises(BadKeyFile, match="exists already"):
        make_key(path, "police")
    assert path.read_text() == before


def test_readable_by_others(tmp_path: Path) -> None:
    path = tmp_path / "centre.jwk"
    make_key(path, "police")
    path.chmod(0o640)
    with pytest.raises(BadKeyFile, match="chmod 600"):
        read_key(path)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"kty":"OKP","crv":"Ed25519","x":"AA","d":"AA","kid":"k","by":"b"}'])
def test_not_a_key(tmp_path: Path, text: str) -> None:
    path = tmp_path / "centre.jwk"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(BadKeyFile, match="keygen"):
        read_key(path)


def test_trust(tmp_path: Path) -> None:
    path = tmp_path / "trust.json"
    path.write_text(Gateway().trust_file())
    trust = read_trust(path)
    assert trust.key(SOURCE, "gate-key") is not None
    assert trust.key(SOURCE, "other") is None
    assert trust.key("/sites/other/gateways/gate", "gate-key") is None


@pytest.mark.parametrize("text", ["", "{}", '{"keys":[{"source":"/s"}]}', '{"keys":[{"source":"/s","kid":"k","x":7}]}'])
def test_not_a_trust_file(tmp_path: Path, text: str) -> None:
    path = tmp_path / "trust.json"
    path.write_text(text)
    with pytest.raises(BadKeyFile, match=r"trust\.json: expected"):
        read_trust(path)
