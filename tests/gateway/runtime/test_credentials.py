"""The TLS side of a path: which files are taken, when a session is stale, when a certificate is a fault."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gateway.config.settings import beside
from gateway.runtime import credentials
from gateway.runtime.credentials import DAY_S, BadCredentials, CertificateFiles, Credentials, password_reader, worst
from tests.proof.authority import Authority, run

DAYS = 100


@pytest.fixture(scope="module")
def issued(tmp_path_factory: pytest.TempPathFactory) -> tuple[Authority, list[tuple[bytes, bytes]]]:
    """An authority, and two pairs of the same gateway as bytes (certificate, key)."""
    authority = Authority(tmp_path_factory.mktemp("authority"))
    pairs = [authority.issue("school-1/gw1", days=DAYS, file=name) for name in ("one", "two")]
    return authority, [(certificate.read_bytes(), key.read_bytes()) for certificate, key in pairs]


class Here:
    """Files of one path, and a clock that is known or not."""

    def __init__(self, folder: Path, authority: Authority, pairs: list[tuple[bytes, bytes]]) -> None:
        self.files = CertificateFiles(authority.ca, folder / "uplink.pem", folder / "uplink.key")
        self.pairs = pairs
        self.known = True
        self.put(*pairs[0])
        self.wallet = Credentials("main", self.files, lambda: self.known)

    def put(self, certificate: bytes, key: bytes) -> None:
        assert self.files.cert is not None
        assert self.files.key is not None
        for file, content in ((self.files.key, key), (self.files.cert, certificate)):
            new = file.with_suffix(".put")
            new.touch(0o600)
            new.write_bytes(content)
            new.replace(file)


@pytest.fixture
def here(tmp_path: Path, issued: tuple[Authority, list[tuple[bytes, bytes]]], monkeypatch: pytest.MonkeyPatch) -> Here:
    monkeypatch.setattr(credentials, "LOOK_S", 0.0)
    return Here(tmp_path, *issued)


def test_new_files_make_a_session_stale_once_they_fit(here: Here) -> None:
    here.wallet.context()
    assert here.wallet.stale() == ""
    here.put(here.pairs[1][0], here.pairs[0][1])  # the new certificate, still with the old key
    assert here.wallet.stale() == ""
    here.put(*here.pairs[1])
    assert "certificate files have changed" in here.wallet.stale()
    here.wallet.context()
    assert here.wallet.stale() == ""


def test_a_session_without_dates_is_stale_when_the_clock_is_known(here: Here) -> None:
    here.known = False
    assert here.wallet.context().verify_flags & credentials.NO_CHECK_TIME
    assert here.wallet.stale() == ""
    here.known = True
    assert "clock" in here.wallet.stale()
    assert not here.wallet.context().verify_flags & credentials.NO_CHECK_TIME
    assert here.wallet.stale() == ""


def test_authority_and_host_are_checked_whatever_the_clock(here: Here) -> None:
    for here.known in (True, False):
        context = here.wallet.context()
        assert context.check_hostname
        assert context.verify_mode.name == "CERT_REQUIRED"
        assert context.minimum_version.name == "TLSv1_2"


@pytest.mark.parametrize(
    ("left_days", "begins", "urgent"), [(31, "", False), (29, "uplink", False), (6, "uplink", True), (-1, "uplink", True)]
)
def test_expiry(here: Here, left_days: float, begins: str, urgent: bool) -> None:
    ends_s = here.wallet.expires_s()
    assert ends_s is not None
    at_s = ends_s - left_days * DAY_S
    words, is_urgent = here.wallet.trouble(at_s)
    assert (words[:6], is_urgent) == (begins, urgent)
    assert ("expired" in words) == (left_days < 0)
    here.known = False
    assert here.wallet.trouble(at_s) == ("", False), "a clock that was never set knows no dates"


def test_the_authority_s_own_expiry_counts(here: Here, tmp_path: Path) -> None:
    ca = tmp_path / "short.pem"
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", str(tmp_path / "k"),
        "-subj", "/CN=Short", "-days", "5", "-out", str(ca))  # fmt: skip
    short, long = Credentials("main", CertificateFiles(ca), lambda: True).expires_s(), here.wallet.expires_s()
    assert short is not None
    assert long is not None
    assert short < long


def test_files_that_are_refused(here: Here, tmp_path: Path) -> None:
    cert, key = here.files.cert, here.files.key
    assert cert is not None
    assert key is not None
    key.chmod(0o640)
    with pytest.raises(BadCredentials, match=r"uplink.key can be read by others.*chmod 600"):
        here.wallet.context()
    assert here.wallet.trouble(0.0)[1], "that is urgent"
    here.put(here.pairs[0][0], here.pairs[1][1])
    with pytest.raises(BadCredentials, match="does not belong to the certificate"):
        here.wallet.context()
    locked = run("openssl", "pkcs8", "-topk8", "-in", str(key), "-passout", "pass:canary", "-v2", "aes256")
    here.put(here.pairs[0][0], locked.encode())
    with pytest.raises(BadCredentials, match="protected by a password"):
        here.wallet.context()
    cert.unlink()
    with pytest.raises(BadCredentials, match="No such file"):
        here.wallet.context()


def test_systemd_s_credentials(here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their ACL shows as group bits in the mode; the folder is closed to all but the service."""
    folder = tmp_path / "credentials"
    folder.mkdir(0o700)
    file = folder / "password"
    file.write_text("open sesame\n")
    file.chmod(0o440)
    site = tmp_path / "site.toml"
    assert beside(site, "$CREDENTIALS_DIRECTORY/password") == tmp_path / "$CREDENTIALS_DIRECTORY/password"
    with pytest.raises(BadCredentials, match="chmod 600"):
        password_reader("main", file)()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(folder))
    assert beside(site, "$CREDENTIALS_DIRECTORY/password") == file
    assert password_reader("main", file)() == "open sesame"
    file.chmod(0o444)
    with pytest.raises(BadCredentials, match="chmod 600"):
        password_reader("main", file)()


def test_a_password_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(BadCredentials, match="cannot be read: No such file"):
        password_reader("main", tmp_path / "nothing")()
    garbage = tmp_path / "garbage"
    garbage.write_bytes(b"\xff\xfecanary")
    os.chmod(garbage, 0o600)
    with pytest.raises(BadCredentials) as refused:
        password_reader("main", garbage)()
    assert "canary" not in str(refused.value)


def test_all_troubles_as_one() -> None:
    assert worst([]) == ("", False)
    assert worst([("", False), ("a", False), ("b", True)]) == ("a; b", True)
