"""Evidence at rest: only its key opens it, every change is noticed, and it is whole or not there."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import resource
import signal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.runtime import evidence_file
from gateway.runtime.evidence_file import (
    CHUNK_BYTES,
    KEY_NAME,
    EvidenceRefused,
    file_key,
    key_id,
    load_key,
    opened,
    read_head,
    sealed,
    store,
)
from gateway.runtime.keys import KeyRefused

KEY = bytes(range(32))
ABOUT = {"id": "x", "camera": "校门"}


def opened_with(body: bytes, key: bytes, folder: Path) -> bytes:
    (folder / "file").write_bytes(body)
    return opened(body, file_key(folder / "file", key))


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 2 * CHUNK_BYTES + 5])
def test_what_goes_in_comes_out(tmp_path: Path, size: int) -> None:
    plain = os.urandom(size)
    body = b"".join(sealed(plain, ABOUT, KEY))
    assert opened_with(body, KEY, tmp_path) == plain
    assert size < 100 or plain[:100] not in body
    assert read_head(tmp_path / "file")["camera"] == "校门"


@settings(max_examples=200)
@given(st.integers(0, 10_000), st.integers(1, 255))
def test_every_changed_byte_is_noticed(place: int, change: int) -> None:
    body = bytearray(BODY)
    body[place % len(body)] ^= change
    with pytest.raises(EvidenceRefused):
        opened(bytes(body), FILE_KEY)


BODY = b"".join(sealed(b"a picture" * 20, ABOUT, KEY))
FILE_KEY = evidence_file._file_key(KEY, bytes.fromhex(json.loads(BODY[12 : 12 + int.from_bytes(BODY[8:12], "big")])["salt"]))


def test_what_is_cut_off_taken_out_or_moved_is_noticed() -> None:
    body = b"".join(sealed(os.urandom(3 * CHUNK_BYTES), ABOUT, KEY))
    start, step = 12 + int.from_bytes(body[8:12], "big"), CHUNK_BYTES + 16
    head, chunks = body[:start], [body[at : at + step] for at in range(start, len(body), step)]
    key = evidence_file._file_key(KEY, bytes.fromhex(json.loads(body[12:start])["salt"]))
    assert len(opened(body, key)) == 3 * CHUNK_BYTES
    for other in ([], chunks[:-1], chunks[:1], chunks[1:], [chunks[1], chunks[0], *chunks[2:]], [*chunks, chunks[-1]], [*chunks, b"x"]):
        with pytest.raises(EvidenceRefused):
            opened(head + b"".join(other), key)
    for broken in (b"", b"CGEV0001", body[:30], b"\xff\xd8\xff" + body):
        with pytest.raises(EvidenceRefused):
            opened(broken, key)


def test_two_files_of_the_same_picture_share_nothing() -> None:
    one, other = (b"".join(sealed(b"the same" * 100, ABOUT, KEY)) for _ in range(2))
    assert one[-800:] != other[-800:]


def test_another_key_is_named(tmp_path: Path) -> None:
    store(tmp_path / "file", b"a picture", ABOUT, KEY)
    with pytest.raises(EvidenceRefused, match=rf"sealed with the key {key_id(KEY)}, this gateway's is .*put the evidence-key of that time"):
        file_key(tmp_path / "file", bytes(32))


def test_the_file_and_what_is_told_of_it(tmp_path: Path) -> None:
    stored = store(tmp_path / "evidence" / "file", b"a picture", ABOUT, KEY)
    file = tmp_path / "evidence" / "file"
    body = file.read_bytes()
    assert (stored.sha256, stored.size_bytes) == (hashlib.sha256(b"a picture").hexdigest(), 9)
    assert (stored.file_sha256, stored.file_bytes) == (hashlib.sha256(body).hexdigest(), len(body))
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert [each.name for each in file.parent.iterdir()] == ["file"]


def test_nothing_half_written_is_left(tmp_path: Path) -> None:
    """The kernel refuses to write on, as it does where a disk is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_500_000, hard))
    try:
        with pytest.raises(OSError, match="too large"):
            store(tmp_path / "evidence" / "file", os.urandom(3_000_000), ABOUT, KEY)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    assert list((tmp_path / "evidence").iterdir()) == []


def test_room_is_left_for_the_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evidence_file, "KEEP_FREE_BYTES", 1 << 60)
    with pytest.raises(OSError, match=r"the disk is full: \d+ MB are left, and kept for the journal"):
        store(tmp_path / "evidence" / "file", b"a picture", ABOUT, KEY)
    assert list((tmp_path / "evidence").iterdir()) == []


def test_the_key_is_made_once_and_guarded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = load_key(tmp_path)
    file = tmp_path / KEY_NAME
    assert (len(key), load_key(tmp_path), file.stat().st_mode & 0o777) == (32, key, 0o600)
    file.chmod(0o644)
    with pytest.raises(KeyRefused, match="can be read by others"):
        load_key(tmp_path)
    file.chmod(0o600)
    file.write_bytes(b"short")
    with pytest.raises(KeyRefused, match="has 5 bytes, expected 32; restore it from a backup, or what it sealed is lost"):
        load_key(tmp_path)
    handed = tmp_path / "credentials"
    handed.mkdir()
    (handed / KEY_NAME).write_bytes(KEY)
    (handed / KEY_NAME).chmod(0o400)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(handed))
    assert load_key(tmp_path) == KEY


def test_two_processes_that_start_at_once_have_the_same_key(tmp_path: Path) -> None:
    with multiprocessing.get_context("fork").Pool(4) as pool:
        keys = pool.map(load_key, [tmp_path] * 16)
    assert len(set(keys)) == 1
    assert [each.name for each in tmp_path.iterdir()] == [KEY_NAME]
