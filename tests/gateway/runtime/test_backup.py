"""Backups of real journals: whole beside a writer, nothing left of one that was killed, no keys, never over a journal."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tarfile
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from gateway.__main__ import main
from gateway.core.ids import EventIds
from gateway.journal.files import open_readonly
from gateway.journal.store import Batch
from gateway.runtime import backup as backups_module
from gateway.runtime.backup import JOURNAL, MANIFEST, SEALED_KEYS, Wish, backups, copy_journal, make, read_manifest, rotate
from gateway.runtime.backup_files import BackupRefused, Place, choose, place_of
from gateway.runtime.backup_keys import seal, unseal
from gateway.runtime.backup_restore import restore, verify
from tests.bench.journal import draft, fill, opened

AT_MS = 1_795_000_000_000
PASSWORD = "correct horse battery"
LITTLE = Wish(leave_mb=1)
SITE = """schema = 1
profile_dirs = ["profiles"]
[site]
id = "school-1"
name = "实验小学"
state_dir = "state"
[uplink]
[[uplink.paths]]
id = "main"
url = "mqtts://127.0.0.1:8883"
ca_file = "ca.pem"
key_file = "keys/uplink.key"
[plan]
file = "plan.svg"
[places]
gate = { name = "门", type = "gate" }
"""


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state folder with 301 events, to copy."""
    folder = tmp_path_factory.mktemp("journal")
    fill(folder, 300)
    return folder


@pytest.fixture
def site(tmp_path: Path, journal: Path) -> Path:
    """A gateway's files: 301 events, a report, accounts, settings, and what must not be copied."""
    etc = tmp_path / "etc"
    for folder in ("keys", "profiles", "state/reports", "state/evidence", "state/views", "state/failures"):
        (etc / folder).mkdir(parents=True)
    shutil.copytree(journal, etc / "state", dirs_exist_ok=True)
    for name, text in {
        "site.toml": SITE,
        "ca.pem": "-----BEGIN CERTIFICATE-----",
        "plan.svg": "<svg/>",
        "profiles/own.toml": "x = 1",
        "profiles/notes.txt": "not of the site",
        "unnamed.txt": "not of the site",
        "keys/uplink.key": "-----BEGIN PRIVATE KEY-----\nsecret-uplink",
        "state/reports/daily-000001.json": "{}",
        "state/reports/daily-000002.half": "{",
        "state/evidence/a.still.sealed": "picture",
        "state/views/gate.npz": "view",
        "state/failures/campus-backup": "1 exit-code exited 1",
        "state/console-accounts.json": "[]",
        "state/card-key": "secret-card",
        "state/evidence-key": "secret-evidence",
        "state/door.sock": "",
        "state/journal.reserve": "0" * 1000,
        "state/something-new.json": "{}",
    }.items():
        (etc / name).write_text(text, encoding="utf-8")
    return etc / "site.toml"


@pytest.fixture
def place(site: Path) -> Place:
    return place_of(site, None)


def members(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]


def events(journal: Path) -> int:
    with closing(open_readonly(journal)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        count: int = db.execute("SELECT count(*) FROM event").fetchone()[0]
        return count


# --- what is in it ------------------------------------------------------------------------------


def test_what_is_in_it_and_what_is_not(place: Place, tmp_path: Path) -> None:
    made = make(place, tmp_path / "backups", LITTLE, AT_MS, "synchronised")
    assert made.path.name == "campus-gateway-school-1-gate-20261118T110640Z.tar.gz"
    assert made.path.stat().st_mode & 0o777 == 0o600
    found = members(made.path)
    assert set(found) == {
        MANIFEST,
        JOURNAL,
        "site/site.toml",
        "site/ca.pem",
        "site/plan.svg",
        "site/profiles/own.toml",
        "state/console-accounts.json",
        "state/epoch",
        "state/event-keys.json",
        "state/reports/daily-000001.json",
        "state/something-new.json",
    }
    assert next(iter(found)) == MANIFEST
    told = json.loads(found[MANIFEST])
    assert told == made.manifest == read_manifest(made.path)
    assert (told["source"], told["keys"]) == ("/sites/school-1/gateways/gate", "none")
    assert told["journal"]["events"] == 301
    assert {Path(name).name for name in told["left_out"]} >= {
        "evidence",
        "views",
        "card-key",
        "evidence-key",
        "event-key.pem",
        "uplink.key",
    }
    assert verify(made.path) == (told, [])
    assert os.listdir(tmp_path / "backups") == [".lock", made.path.name] or os.listdir(tmp_path / "backups") == [made.path.name, ".lock"]


def test_no_key_is_in_it_in_the_clear(place: Place, tmp_path: Path) -> None:
    for wish in (LITTLE, Wish(leave_mb=1, password=PASSWORD)):
        plain = gzip.decompress(make(place, tmp_path / "backups", wish, AT_MS, "synchronised").path.read_bytes())
        assert b"PRIVATE KEY" not in plain
        assert b"secret-" not in plain


def test_keys_closed_with_a_password(place: Place, tmp_path: Path) -> None:
    made = make(place, tmp_path / "backups", Wish(leave_mb=1, password=PASSWORD), AT_MS, "synchronised")
    assert made.manifest["keys"] == "sealed"
    opened_keys = unseal(members(made.path)[SEALED_KEYS], PASSWORD, place.source)
    assert set(opened_keys) == {"state/event-key.pem", "state/card-key", "state/evidence-key", "site/keys/uplink.key"}
    assert opened_keys["state/card-key"] == b"secret-card"
    for password, source in (("another password", place.source), (PASSWORD, "/sites/another/gateways/gate")):
        with pytest.raises(BackupRefused, match="do not open"):
            unseal(members(made.path)[SEALED_KEYS], password, source)


def test_a_short_password_is_refused() -> None:
    with pytest.raises(BackupRefused, match="12 characters"):
        seal({}, "short", "x")


def test_a_site_file_that_is_not_right_in_everything_is_backed_up_too(site: Path, tmp_path: Path) -> None:
    site.write_text(SITE + '[nonsense]\nfile = "nowhere"\n')
    assert "site/site.toml" in make(place_of(site, None), tmp_path / "backups", LITTLE, AT_MS, "unknown").manifest["files"]
    site.write_text("schema = ")
    with pytest.raises(BackupRefused, match=r"site\.toml does not name its site"):
        place_of(site, None)


# --- beside a writer, killed, on a full disk ----------------------------------------------------


def test_beside_a_writer_it_is_one_moment_and_ends(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the read transaction each commit would begin the copy anew, and it would not end."""
    monkeypatch.setattr(backups_module, "STEP_PAGES", 8)
    monkeypatch.setattr(backups_module, "PAUSE_S", 0.002)
    writing, ids, stop, failed = opened(place.state_dir), EventIds(), threading.Event(), []

    def write() -> None:
        while not stop.is_set():
            try:
                writing.commit([Batch([draft(ids, "alarm")])], [])
            except sqlite3.Error as error:
                failed.append(error)

    writing._db.execute("PRAGMA synchronous = OFF")  # a commit for each of the copy's steps
    writer = threading.Thread(target=write)
    writer.start()
    try:
        told = copy_journal(place.state_dir / "journal.db", tmp_path / "copy.db")
    finally:
        stop.set()
        writer.join()
        writing.close()
    assert not failed
    assert 301 <= told["events"] == events(tmp_path / "copy.db") < events(place.state_dir / "journal.db")
    with closing(open_readonly(tmp_path / "copy.db")) as db:
        rows = db.execute("SELECT epoch, sequence FROM event ORDER BY row").fetchall()
    first = [(1, sequence) for sequence in range(1, 302)]  # the epoch of the fixture, whose copy this is
    assert rows == first + [(2, sequence) for sequence in range(1, told["sequence"] + 1)], "no hole, and nothing of later"


def test_a_kill_leaves_the_backups_that_there_were(site: Path, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    good = make(place_of(site, None), folder, LITTLE, AT_MS, "synchronised").path
    code = "import time; from gateway.runtime import backup; backup.PAUSE_S = 60.0; from gateway.__main__ import main; "
    code += f"main(['backup', '--config', {str(site)!r}, '--to', {str(folder)!r}, '--leave-mb', '1'])"
    child = subprocess.Popen([sys.executable, "-c", code])
    try:
        while not list(folder.glob(".*.part/journal.db")):
            assert child.poll() is None
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
    assert backups(folder) == [good]
    assert verify(good)[1] == []
    made = make(place_of(site, None), folder, LITTLE, AT_MS + 60_000, "synchronised")
    assert {path.name for path in folder.iterdir()} == {".lock", good.name, made.path.name}, "what the killed one left is gone"


def test_two_at_once_are_refused(place: Place, tmp_path: Path) -> None:
    with backups_module._alone(tmp_path), pytest.raises(BackupRefused, match="another backup"):
        make(place, tmp_path, LITTLE, AT_MS, "synchronised")


def test_a_disk_that_would_be_full_is_refused(place: Place, tmp_path: Path) -> None:
    with pytest.raises(BackupRefused, match="are needed"):
        make(place, tmp_path / "backups", Wish(leave_mb=1e9), AT_MS, "synchronised")
    assert os.listdir(tmp_path / "backups") == [".lock"]


def test_old_ones_make_room_but_never_the_newest(place: Place, tmp_path: Path) -> None:
    made = [make(place, tmp_path / "b", LITTLE, AT_MS + day * 86_400_000, "synchronised").path for day in range(3)]
    with pytest.raises(BackupRefused):
        make(place, tmp_path / "b", Wish(leave_mb=1e9), AT_MS + 3 * 86_400_000, "synchronised")
    assert backups(tmp_path / "b") == [made[2]]


def test_a_damaged_journal_is_no_backup(place: Place, tmp_path: Path) -> None:
    journal = place.state_dir / "journal.db"
    with journal.open("r+b") as file:
        file.seek(4096 * 20)
        file.write(os.urandom(4096 * 8))
    with pytest.raises(BackupRefused, match=r"damaged|malformed"):
        make(place, tmp_path / "backups", LITTLE, AT_MS, "synchronised")
    assert backups(tmp_path / "backups") == []


def test_a_file_that_changes_meanwhile_begins_it_again(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    accounts, real, changes = place.state_dir / "console-accounts.json", backups_module._pack, iter(["[1]", "[1, 2]"])

    def late(*arguments: object) -> None:
        if text := next(changes, ""):
            accounts.write_text(text)
        real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(backups_module, "_pack", late)
    made = make(place, tmp_path / "backups", LITTLE, AT_MS, "synchronised")
    assert members(made.path)["state/console-accounts.json"] == b"[1, 2]"
    assert verify(made.path)[1] == []


def test_the_reader_of_a_state_folder_without_rights_is_told(tmp_path: Path) -> None:
    with pytest.raises(BackupRefused, match="cannot be read"):
        choose(Place("/sites/x/gateways/y", tmp_path / "nowhere", None))


# --- rotation -----------------------------------------------------------------------------------


def named(folder: Path, day: int, size: int = 1000, gateway: str = "gate") -> Path:
    path = folder / f"campus-gateway-school-1-{gateway}-202611{day:02}T023000Z.tar.gz"
    path.write_bytes(b"x" * size)
    return path


@pytest.mark.parametrize(("keep", "most_mb", "stay"), [(7, 1, 5), (2, 1, 2), (1, 1, 1), (7, 0.003, 3), (7, 0.0, 1)])
def test_the_oldest_go(tmp_path: Path, keep: int, most_mb: float, stay: int) -> None:
    made = [named(tmp_path, day) for day in range(1, 6)]
    (tmp_path / "campus-gateway-notes.txt").touch()
    gone = rotate(tmp_path, keep, most_mb)
    assert sorted(gone) == [path.name for path in made[: 5 - stay]]
    assert len(backups(tmp_path)) == stay
    assert (tmp_path / "campus-gateway-notes.txt").exists()


def test_while_nobody_knows_the_time_none_goes(place: Place, tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    for day in range(1, 10):
        named(tmp_path / "b", day)
    make(place, tmp_path / "b", Wish(keep=2, leave_mb=1, may_remove=False), AT_MS, "unknown")
    assert len(backups(tmp_path / "b")) == 10


# --- broken backups -----------------------------------------------------------------------------


@pytest.fixture
def good(place: Place, tmp_path: Path) -> Path:
    return make(place, tmp_path / "backups", LITTLE, AT_MS, "synchronised").path


def packed(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name, body in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(body)
            tar.addfile(member, __import__("io").BytesIO(body))
    return path


def broken() -> Iterator[tuple[str, object]]:
    yield "cut short", lambda good, path: path.write_bytes(good.read_bytes()[:-5000])
    yield "changed", lambda good, path: packed(path, {**members(good), "state/epoch": b"9\n"})
    yield "missing", lambda good, path: packed(path, {name: body for name, body in members(good).items() if name != "state/epoch"})
    yield "further", lambda good, path: packed(path, {**members(good), "state/more": b"x"})
    yield "climbing", lambda good, path: packed(path, {**members(good), "state/../../more": b"x"})


@pytest.mark.parametrize(("spoil"), [pytest.param(spoil, id=name) for name, spoil in broken()])
def test_a_broken_one_is_told_and_not_restored(good: Path, tmp_path: Path, spoil: object) -> None:
    path = tmp_path / "broken.tar.gz"
    spoil(good, path)  # type: ignore[operator]
    assert verify(path)[1] != []
    with pytest.raises(BackupRefused, match="damaged"):
        restore(path, tmp_path / "new", None, "")
    assert not (tmp_path / "new/journal.db").exists()
    assert not list((tmp_path / "new").glob(".restoring"))
    assert not (tmp_path / "more").exists()


@pytest.mark.parametrize("content", [b"", b"nothing", gzip.compress(b"nothing", mtime=0)], ids=["empty", "text", "packed text"])
def test_what_is_no_backup_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.tar.gz"
    path.write_bytes(content)
    with pytest.raises(BackupRefused):
        verify(path)
    with pytest.raises(BackupRefused):
        read_manifest(path)


# --- restore ------------------------------------------------------------------------------------


def test_restored_into_an_empty_place(good: Path, place: Place, tmp_path: Path) -> None:
    done = restore(good, tmp_path / "new", tmp_path / "settings", "")
    assert events(tmp_path / "new/journal.db") == 301
    assert (tmp_path / "settings/profiles/own.toml").read_text() == "x = 1"
    assert (tmp_path / "new/reports/daily-000001.json").exists()
    assert not done.has_key
    assert {path.stat().st_mode & 0o777 for path in done.files} == {0o600}
    store = opened(tmp_path / "new")  # with a key of its own: what signs from here on is another gateway to the centre
    assert (store.begun, store.epoch) == ("restored", 2), "no number is given twice"
    store.close()


def test_restored_with_its_keys(place: Place, tmp_path: Path) -> None:
    path = make(place, tmp_path / "backups", Wish(leave_mb=1, password=PASSWORD), AT_MS, "synchronised").path
    done = restore(path, tmp_path / "new", None, PASSWORD)
    assert done.has_key
    assert (tmp_path / "new/event-key.pem").read_bytes() == (place.state_dir / "event-key.pem").read_bytes()
    assert "site/site.toml" in done.apart
    with pytest.raises(BackupRefused, match="do not open"):
        restore(path, tmp_path / "newer", None, "another password")
    assert not (tmp_path / "newer/journal.db").exists()


def test_never_over_a_journal(good: Path, place: Place) -> None:
    store = opened(place.state_dir)
    store.commit([Batch([draft(EventIds(), "alarm")])], [])
    store.close()
    before = (place.state_dir / "journal.db").read_bytes()
    with pytest.raises(BackupRefused, match=r"holds a journal, one up to .* Nothing was changed") as refused:
        restore(good, place.state_dir, None, "")
    assert "mv " in str(refused.value), "what to do"
    assert (place.state_dir / "journal.db").read_bytes() == before


def test_not_under_a_daemon(good: Path, tmp_path: Path) -> None:
    from gateway.runtime.keys import lock

    held = lock(tmp_path / "new")
    try:
        with pytest.raises(BackupRefused, match="daemon runs"):
            restore(good, tmp_path / "new", None, "")
    finally:
        os.close(held)


def test_not_over_other_files_that_say_something_else(good: Path, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    (tmp_path / "new/console-accounts.json").write_text("[other]")
    with pytest.raises(BackupRefused, match="says something else"):
        restore(good, tmp_path / "new", None, "")
    assert not (tmp_path / "new/journal.db").exists()
    (tmp_path / "new/console-accounts.json").write_text("[]")
    restore(good, tmp_path / "new", None, "")


def test_restored_again_after_a_kill(good: Path, tmp_path: Path) -> None:
    """The journal comes last: until it is there, the same command goes on."""
    restore(good, tmp_path / "new", None, "")
    (tmp_path / "new/journal.db").unlink()
    (tmp_path / "new/.restoring").mkdir()
    (tmp_path / "new/.restoring/x").touch()
    restore(good, tmp_path / "new", None, "")
    assert events(tmp_path / "new/journal.db") == 301


# --- the command line ---------------------------------------------------------------------------


def test_the_commands(site: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder = str(tmp_path / "b")
    common = ["--config", str(site), "--to", folder]
    assert main(["backup", "list", "--to", folder]) == 0
    assert "there is no backup" in capfd.readouterr().out
    assert main(["backup", *common, "--json", "--leave-mb", "1"]) == 0
    made = json.loads(capfd.readouterr().out)
    assert made["journal"]["events"] == 301
    assert main(["backup", "verify", made["file"]]) == 0
    assert "whole: 10 files" in capfd.readouterr().out
    assert main(["backup", "list", "--to", folder, "--json"]) == 0
    assert [item["file"] for item in json.loads(capfd.readouterr().out)["backups"]] == [made["file"]]
    assert main(["backup", *common, "--with-keys"]) == 1
    assert "--password-file" in capfd.readouterr().err
    assert main(["restore", made["file"], "--state-dir", str(tmp_path / "new")]) == 0
    assert "have the centre enroll" in capfd.readouterr().out.lower()
    assert main(["restore", made["file"], "--state-dir", str(tmp_path / "new")]) == 1
    shutil.copy(made["file"], Path(made["file"]).with_name("campus-gateway-x-y-20000101T000000Z.tar.gz"))
    Path(made["file"]).write_bytes(b"x")
    assert main(["backup", "list", "--to", folder]) == 1, "one that cannot be read"
    assert main(["backup", "verify", made["file"]]) == 1
