"""campus-gateway enroll with the shipped authority: what is made, what is shown, and every certificate that must not be installed."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from gateway.__main__ import main
from tests.proof.authority import PROGRAM, Authority, run

NAME = "school-1/gw1"


class Gateway:
    """A site file with an authority's ca_file, and its command line."""

    def __init__(self, folder: Path, authority: Authority, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.site = folder / "site.toml"
        self.key, self.certificate, self.request = folder / "uplink.key", folder / "uplink.pem", folder / "uplink.csr"
        self._capsys = capsys
        self.write(f'ca_file = "{authority.ca}", cert_file = "uplink.pem", key_file = "uplink.key"')

    def write(self, path: str, site: str = "school-1", gateway: str = "gw1") -> None:
        comma = ", " if path else ""
        self.site.write_text(
            f'schema = 1\n[site]\nid = "{site}"\ngateway = "{gateway}"\nname = "x"\nstate_dir = "state"\n[uplink]\n'
            f'paths = [{{ url = "mqtt{"s" if path else ""}://127.0.0.1:8883"{comma}{path} }}]\n'
            '[places]\ngate = { name = "门", name_en = "gate", type = "gate" }\n'
        )

    def enroll(self, *words: str) -> dict[str, Any]:
        assert main(["enroll", "--config", str(self.site), "--json", *words]) == 0, self._capsys.readouterr().err
        return json.loads(self._capsys.readouterr().out)

    def refused(self, *words: str) -> str:
        assert main(["enroll", "--config", str(self.site), *words]) == 1
        return self._capsys.readouterr().err


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def here(tmp_path: Path, authority: Authority, capsys: pytest.CaptureFixture[str]) -> Gateway:
    return Gateway(tmp_path, authority, capsys)


def test_key_request_and_certificate(here: Gateway, authority: Authority, tmp_path: Path) -> None:
    asked = here.enroll()
    assert here.key.stat().st_mode & 0o777 == 0o600
    assert asked["name"] == NAME
    assert asked["event_key"]["source"] == "/sites/school-1/gateways/gw1"
    assert run(str(PROGRAM), "fingerprint", str(here.request)).strip() == asked["fingerprint"], "both ends read the same"
    text = run("openssl", "req", "-in", str(here.request), "-noout", "-text", "-verify")
    assert "URI:campus:/sites/school-1/gateways/gw1" in text
    assert here.enroll() == asked, "asking again makes no other key"
    authority.sign(here.request, tmp_path / "back.pem", NAME)
    assert here.enroll("--install", str(tmp_path / "back.pem"))["name"] == NAME
    assert here.certificate.read_bytes() == (tmp_path / "back.pem").read_bytes()
    assert not here.enroll()["new"], "from now on it tells what there is"


def test_what_people_read(here: Gateway, capsys: pytest.CaptureFixture[str]) -> None:
    asked = here.enroll()
    assert main(["enroll", "--config", str(here.site)]) == 0
    text = capsys.readouterr().out
    for part in (asked["request"], asked["fingerprint"], asked["event_key_fingerprint"], asked["event_key"]["x"], "电话"):
        assert part in text
    assert "PRIVATE" not in text


def test_renewal_leaves_the_old_pair_until_the_new_one_is_there(here: Gateway, authority: Authority, tmp_path: Path) -> None:
    first = here.enroll()["fingerprint"]
    authority.sign(here.request, tmp_path / "1.pem", NAME)
    here.enroll("--install", str(tmp_path / "1.pem"))
    old = (here.key.read_bytes(), here.certificate.read_bytes())
    second = here.enroll("--renew")["fingerprint"]
    assert second != first
    assert (here.key.read_bytes(), here.certificate.read_bytes()) == old
    authority.sign(here.request, tmp_path / "2.pem", NAME)
    here.enroll("--install", str(tmp_path / "2.pem"))
    assert here.key.read_bytes() != old[0]
    assert here.key.stat().st_mode & 0o777 == 0o600
    assert run("openssl", "pkey", "-in", str(here.key), "-pubout") == run(
        "openssl", "x509", "-in", str(here.certificate), "-noout", "-pubkey"
    )


def test_a_foreign_authority(here: Gateway, tmp_path: Path) -> None:
    here.enroll()
    Authority(tmp_path / "other", "Other CA").sign(here.request, tmp_path / "foreign.pem", NAME)
    assert "would be refused by a broker" in here.refused("--install", str(tmp_path / "foreign.pem"))
    assert not here.certificate.exists()


@pytest.mark.parametrize(("at", "words"), [("-40d", "expired"), ("+10d", "not yet valid")])
def test_dates(here: Gateway, authority: Authority, tmp_path: Path, at: str, words: str) -> None:
    here.enroll()
    authority.sign(here.request, tmp_path / "dated.pem", NAME, at=at)
    assert words in here.refused("--install", str(tmp_path / "dated.pem"))
    assert not here.certificate.exists()


def test_another_key_another_name_another_purpose_no_certificate(here: Gateway, authority: Authority, tmp_path: Path) -> None:
    stranger, _ = authority.issue(NAME)
    assert "another key" in here.refused("--install", str(stranger)), "there is no key here at all"
    here.enroll()
    assert "another key" in here.refused("--install", str(stranger))
    for name, hosts, words in (("school-1/gw2", (), "this gateway is school-1/gw1"), ("broker", ("127.0.0.1",), "is for broker")):
        run("openssl", "req", "-new", "-key", str(here.key), "-subj", "/CN=" + name.replace("/", r"\/"), "-out", str(tmp_path / "r"))
        authority.sign(tmp_path / "r", tmp_path / "other.pem", name, *hosts)
        assert words in here.refused("--install", str(tmp_path / "other.pem"))
    assert "not a certificate" in here.refused("--install", str(here.key))
    assert "cannot be read" in here.refused("--install", str(tmp_path / "nothing"))
    assert not here.certificate.exists()


@pytest.mark.parametrize(
    ("names", "taken"),
    [
        ("URI:campus:/sites/school-2/gateways/gw1", False),
        ("URI:campus:/sites/school-1/gateways/gw1,URI:campus:/centres/police", False),
        ("URI:campus:/sites/school-1/gateways/gw1", True),
        ("DNS:gw1.example", True),
        ("", True),
    ],
)
def test_the_uri_names_this_gateway_too(here: Gateway, authority: Authority, tmp_path: Path, names: str, taken: bool) -> None:
    """NATS knows a client by it. Other authorities may leave it out."""
    here.enroll()
    extensions, out = tmp_path / "extensions", tmp_path / "named.pem"
    extensions.write_text(f"extendedKeyUsage=clientAuth\n{f'subjectAltName={names}' if names else ''}\n")
    run(
        "openssl", "x509", "-req", "-in", str(here.request), "-CA", str(authority.ca), "-CAkey", str(authority.home / "private" / "ca.key"),
        "-days", "9", "-extfile", str(extensions), "-out", str(out),
    )  # fmt: skip
    if taken:
        assert here.enroll("--install", str(out))["name"] == NAME
    else:
        assert "this gateway is campus:/sites/school-1/gateways/gw1" in here.refused("--install", str(out))
    assert here.certificate.exists() is taken


def test_a_key_that_others_can_read(here: Gateway) -> None:
    here.enroll()
    here.key.chmod(0o640)
    assert "chmod 600" in here.refused()


def test_site_files_that_cannot_be_enrolled(here: Gateway, authority: Authority, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert "no uplink path" in here.refused("--path", "other")
    here.write("")
    assert "cert_file" in here.refused()
    pair = f'ca_file = "{authority.ca}", cert_file = "uplink.pem"'
    here.write(f'{pair}, key_file = "$CREDENTIALS_DIRECTORY/uplink.key"')
    assert "systemd" in here.refused()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path / "credentials"))
    assert "systemd" in here.refused()
    here.write(f'{pair}, key_file = "uplink.key"', site="s" * 40, gateway="g" * 40)
    assert "64 characters" in here.refused()


# --- the authority's own checks -----------------------------------------------------------------


def _sign(authority: Authority, request: Path, name: str, fingerprint: str) -> str:
    out = authority.folder / "refused.pem"
    said = run(str(PROGRAM), "sign", str(authority.home), str(request), str(out), "--as", name, "--fingerprint", fingerprint, status=1)
    assert not out.exists()
    return said


def test_the_authority_signs_nothing_else(here: Gateway, authority: Authority, tmp_path: Path) -> None:
    asked = here.enroll()
    told = asked["fingerprint"]
    assert 'expected "CN=school-1/gw2"' in _sign(authority, here.request, "school-1/gw2", told)
    assert "the fingerprint of" in _sign(authority, here.request, NAME, "0000-" * 7 + "0000")
    assert "the fingerprint of" in _sign(authority, here.request, NAME, "")
    for name in ("school-1", "School/gw", "a/b/c", "a/+", "+/#", "centre/"):
        assert "--as needs" in _sign(authority, here.request, name, told), name
    weak, request = tmp_path / "weak.key", tmp_path / "weak.csr"
    run("openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", str(weak), "-quiet")
    run("openssl", "req", "-new", "-key", str(weak), "-subj", r"/CN=school-1\/gw1", "-out", str(request))
    assert "expected a key" in _sign(authority, request, NAME, told)
    spoiled = here.request.read_text().splitlines()
    spoiled[2] = spoiled[2][::-1]
    request.write_text("\n".join(spoiled))
    assert "does not hold" in _sign(authority, request, NAME, told)


def test_a_request_cannot_bring_its_own_powers(here: Gateway, authority: Authority, tmp_path: Path) -> None:
    here.enroll()
    more = tmp_path / "more.cnf"
    more.write_text("[req]\ndistinguished_name=d\n[d]\n[v]\nbasicConstraints=CA:TRUE\nsubjectAltName=URI:campus:/centres/police\n")
    asking = ["openssl", "req", "-new", "-key", str(here.key), "-subj", r"/CN=school-1\/gw1"]
    run(*asking, "-config", str(more), "-reqexts", "v", "-out", str(tmp_path / "r"))
    authority.sign(tmp_path / "r", tmp_path / "signed.pem", NAME)
    text = run("openssl", "x509", "-in", str(tmp_path / "signed.pem"), "-noout", "-text")
    assert "CA:FALSE" in text
    assert "centres/police" not in text


def test_the_authority_s_key_has_a_password(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("correct horse\n")
    words = ["init", str(tmp_path / "ca"), "Pilot"]
    environment = {"PATH": "/usr/bin:/bin", "CAMPUS_CA_PASSWORD_FILE": str(secret)}
    subprocess.run([str(PROGRAM), *words], env=environment, check=True, capture_output=True)
    assert "ENCRYPTED" in (tmp_path / "ca" / "private" / "ca.key").read_text()
