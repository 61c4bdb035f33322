"""A delivered release is what was signed, or it is named what is not; versions compare as PEP 440 says."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version

from gateway.runtime.release import LIST, SIGNATURE, ReleaseRefused, order, read, read_keys, verify

KEY = Ed25519PrivateKey.from_private_bytes(b"r" * 32)
OTHER = Ed25519PrivateKey.from_private_bytes(b"o" * 32)


def made(folder: Path, version: str = "1.2.0", *, floor: str = "1.0.0", schema: int = 5, key: Ed25519PrivateKey = KEY) -> Path:
    """A small release, signed."""
    files = {
        "bin/campus-gateway": b"#!/bin/sh\n",
        "lib/python3.11/site-packages/gateway/__init__.py": b"",
        "pyvenv.cfg": b"home = /usr/bin\n",
    }
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    (folder / "bin/campus-gateway").chmod(0o755)
    (folder / "bin/python").symlink_to("/usr/bin/python3.11")
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    told = {
        "name": "campus-gateway", "version": version, "security_floor": floor, "python": "3.11", "architecture": "amd64",
        "schema": schema, "files": digests,
    }  # fmt: skip
    sign(folder, rfc8785.dumps(told), key)
    return folder


def sign(folder: Path, content: bytes, key: Ed25519PrivateKey = KEY) -> None:
    (folder / LIST).write_bytes(content)
    (folder / SIGNATURE).write_bytes(base64.b64encode(key.sign(content)) + b"\n")


def test_what_was_signed(tmp_path: Path) -> None:
    made(tmp_path)
    cache = tmp_path / "lib/python3.11/site-packages/gateway/__pycache__"
    cache.mkdir()
    (cache / "x.pyc").write_bytes(b"made on the box")
    assert verify(tmp_path, [OTHER.public_key(), KEY.public_key()]) == []
    assert (read(tmp_path).version, read(tmp_path).schema, len(read(tmp_path).files)) == ("1.2.0", 5, 3)


def changed(folder: Path) -> None:
    (folder / "bin/campus-gateway").write_text("#!/bin/sh\nother\n")


def added(folder: Path) -> None:
    (folder / "lib/python3.11/site-packages/sitecustomize.py").write_text("")


def removed(folder: Path) -> None:
    (folder / "pyvenv.cfg").unlink()


def linked(folder: Path) -> None:
    (folder / "pyvenv.cfg").unlink()
    (folder / "pyvenv.cfg").symlink_to("/etc/hostname")


def listed_otherwise(folder: Path) -> None:
    told = json.loads((folder / LIST).read_bytes())
    told["version"] = "9.9"
    (folder / LIST).write_bytes(rfc8785.dumps(told))


def unsigned(folder: Path) -> None:
    (folder / SIGNATURE).unlink()


def signed_by_another(folder: Path) -> None:
    sign(folder, (folder / LIST).read_bytes(), OTHER)


def no_base64(folder: Path) -> None:
    (folder / SIGNATURE).write_text("?")


@pytest.mark.parametrize(
    ("tamper", "words"),
    [
        (changed, "bin/campus-gateway is not as it was signed"),
        (added, "sitecustomize.py does not belong to the release"),
        (removed, "pyvenv.cfg is missing"),
        (linked, "pyvenv.cfg is a link"),
        (listed_otherwise, "is not signed by any of the 1 release keys"),
        (unsigned, "cannot be read"),
        (signed_by_another, "is not signed by any"),
        (no_base64, "cannot be read"),
    ],
)
def test_what_was_tampered_with(tmp_path: Path, tamper: Callable[[Path], None], words: str) -> None:
    tamper(made(tmp_path))
    assert any(words in each for each in verify(tmp_path, [KEY.public_key()]))


def test_many_wrong_files_are_counted(tmp_path: Path) -> None:
    made(tmp_path)
    for n in range(9):
        (tmp_path / f"{n}.py").write_text("")
    found = verify(tmp_path, [KEY.public_key()])
    assert (len(found), "and 4 more" in found[-1]) == (6, True)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("name", "other"),
        ("schema", "5"),
        ("version", 1),
        ("version", "new"),
        ("files", {"../x": "0" * 64}),
        ("files", {"x": "0"}),
        ("files", 3),
    ],
)
def test_a_list_that_is_none(tmp_path: Path, name: str, value: object) -> None:
    told = json.loads((made(tmp_path) / LIST).read_bytes())
    sign(tmp_path, json.dumps(told | {name: value}).encode())
    with pytest.raises(ReleaseRefused):
        read(tmp_path)
    assert verify(tmp_path, [KEY.public_key()]) != []


def test_keys_of_a_box(tmp_path: Path) -> None:
    with pytest.raises(ReleaseRefused, match="no release key"):
        read_keys(tmp_path)
    (tmp_path / "a.pem").write_bytes(KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    assert [key.public_bytes_raw() for key in read_keys(tmp_path)] == [KEY.public_key().public_bytes_raw()]
    (tmp_path / "b.pem").write_bytes(X25519PrivateKey.generate().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    with pytest.raises(ReleaseRefused, match="no Ed25519 key"):
        read_keys(tmp_path)
    (tmp_path / "b.pem").write_text("none")
    with pytest.raises(ReleaseRefused, match=r"b\.pem cannot be read"):
        read_keys(tmp_path)


NUMBER = st.integers(0, 3).map(str)
VERSIONS = st.builds(
    "".join,
    st.tuples(
        st.sampled_from(["", "1!"]),
        st.lists(NUMBER, min_size=1, max_size=3).map(".".join),
        st.sampled_from(["", "a1", "a2", "b1", "rc1"]),
        st.sampled_from(["", ".post0", ".post1"]),
        st.sampled_from(["", ".dev0", ".dev2"]),
    ),
)


@given(VERSIONS, VERSIONS)
def test_versions_compare_as_the_standard_says(one: str, other: str) -> None:
    assert (order(one) < order(other)) == (Version(one) < Version(other))
    assert (order(one) == order(other)) == (Version(one) == Version(other))


def test_no_version() -> None:
    with pytest.raises(ReleaseRefused, match="not a version"):
        order("latest")
