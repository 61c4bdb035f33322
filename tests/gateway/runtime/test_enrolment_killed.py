"""An installation that is killed at each of its steps: whoever reads the pair afterwards has one that fits, old or new."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from itertools import count
from pathlib import Path

import pytest

from gateway.__main__ import main
from gateway.runtime.credentials import CertificateFiles, Credentials, fits
from tests.proof.authority import Authority
from tests.real_parts import need

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

NAME = "school-1/gw1"
STEPS = ("rename", "fsync", "fchown", "chmod")  # system calls between which a step of the installation ends


def site(folder: Path, authority: Authority) -> Path:
    file = folder / "site.toml"
    file.write_text(
        'schema = 1\n[site]\nid = "school-1"\ngateway = "gw1"\nname = "x"\nstate_dir = "state"\n[uplink]\npaths = [{ url = '
        f'"mqtts://127.0.0.1:8883", ca_file = "{authority.ca}", cert_file = "uplink.pem", key_file = "uplink.key" }}]\n'
        '[places]\ngate = { name = "门", name_en = "gate", type = "gate" }\n'
    )
    return file


def enroll(folder: Path, *words: str) -> int:
    return main(["enroll", "--config", str(folder / "site.toml"), "--json", *words])


def killed(folder: Path, step: str, turn: int) -> int:
    """`enroll --install` of 2.pem in a process that is killed before the given system call; its status, 0 when it came to its end."""
    killer = [need("strace", package="strace"), "-f", "-qq", "-o", os.devnull, "-e", f"trace={step}"]
    killer += ["-e", f"inject={step}:signal=KILL:when={turn}"]
    command = [*killer, sys.executable, "-m", "gateway", "enroll", "--config", str(folder / "site.toml")]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [*command, "--install", str(folder / "2.pem")], capture_output=True, check=False, env=environment, timeout=60
    ).returncode


def test_killed_at_each_step(tmp_path: Path) -> None:
    authority, ready = Authority(tmp_path / "authority"), tmp_path / "ready"
    ready.mkdir()
    site(ready, authority)
    assert enroll(ready) == 0
    authority.sign(ready / "uplink.csr", ready / "1.pem", NAME)
    assert enroll(ready, "--install", str(ready / "1.pem")) == 0
    assert enroll(ready, "--renew") == 0
    authority.sign(ready / "uplink.csr", ready / "2.pem", NAME)
    old, new = ((ready / name).read_bytes() for name in ("1.pem", "2.pem"))
    seen: set[tuple[bool, bytes]] = set()
    for step in STEPS:
        for turn in count(1):
            here = tmp_path / f"{step}-{turn}"
            shutil.copytree(ready, here)
            status = killed(here, step, turn)
            shown = whole(here, authority)
            assert shown in (old, new)
            seen.add((fits(here / "uplink.pem", here / "uplink.key"), shown))
            finished(here, authority, new)
            shutil.rmtree(here)
            if status == 0:
                assert shown == new
                break
            assert status in (-signal.SIGKILL, 128 + signal.SIGKILL), (step, turn, status)
    assert seen == {(True, old), (False, new), (True, new)}, "the moment between key and certificate was hit too"


def whole(here: Path, authority: Authority) -> bytes:
    """What the daemon would show: a pair that fits, with its own date of expiry."""
    files = CertificateFiles(authority.ca, here / "uplink.pem", here / "uplink.key")
    wallet = Credentials("main", files, lambda: True)
    assert wallet.context()
    assert wallet.trouble(0.0) == ("", False)
    shown = files.shown()
    assert shown is not None
    return shown.read_bytes()


def finished(here: Path, authority: Authority, new: bytes) -> None:
    """Asked again, it ends well, whatever stands there."""
    assert enroll(here, "--install", str(here / "2.pem")) == 0
    assert whole(here, authority) == new == (here / "uplink.pem").read_bytes()
    assert fits(here / "uplink.pem", here / "uplink.key")


def test_a_renewal_after_one_that_was_cut_off(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The pair in use is put in its place before another certificate may wait there."""
    authority = Authority(tmp_path / "authority")
    site(tmp_path, authority)
    for number in range(3):
        assert enroll(tmp_path, *(["--renew"] if number else [])) == 0
        authority.sign(tmp_path / "uplink.csr", tmp_path / f"{number}.pem", NAME)
        if number == 1:  # as a power cut between the two leaves it
            (tmp_path / "uplink.pem.new").write_bytes((tmp_path / "1.pem").read_bytes())
            (tmp_path / "uplink.key.next").rename(tmp_path / "uplink.key")
            assert whole(tmp_path, authority) == (tmp_path / "1.pem").read_bytes()
        else:
            assert enroll(tmp_path, "--install", str(tmp_path / f"{number}.pem")) == 0
        if number == 1:
            capsys.readouterr()
            assert enroll(tmp_path) == 0
            assert not json.loads(capsys.readouterr().out)["new"]
            assert (tmp_path / "uplink.pem").read_bytes() == (tmp_path / "1.pem").read_bytes()
    assert whole(tmp_path, authority) == (tmp_path / "2.pem").read_bytes()
