"""What is past its time goes: evidence while no daemon runs, backups but the newest."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest

from gateway.__main__ import main
from gateway.runtime.retention import daemon_runs, retain

AT_S = 1_795_000_000.0
HOUR_S = 3600.0
PICTURE = "01a2029e-30cb-7001-8343-cd97d21ffb9{}.still.sealed"


def aged(path: Path, age_s: float) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    os.utime(path, (AT_S - age_s, AT_S - age_s))
    return path


@pytest.fixture
def old(tmp_path: Path) -> list[Path]:
    """Two that are over, two that are not, and what is none of its business."""
    from gateway.runtime.evidence_file import SUFFIX

    names = [f"01a2029e-30cb-7001-8343-cd97d21ffb9{n}.{kind}{SUFFIX}" for n, kind in enumerate(("still", "clip", "still", "clip"))]
    aged(tmp_path / "evidence/undated.part", 90 * HOUR_S)
    return [
        aged(tmp_path / "evidence" / name, age_s) for name, age_s in zip(names, (80 * HOUR_S, 74 * HOUR_S, 72.5 * HOUR_S, 0), strict=True)
    ]


def backup(folder: Path, day: int, age_days: float) -> Path:
    return aged(folder / f"campus-gateway-s-g-202611{day:02}T023000Z.tar.gz", age_days * 86_400)


def test_evidence_is_removed_while_no_daemon_runs(tmp_path: Path, old: list[Path]) -> None:
    gone = retain(tmp_path, 72.0, tmp_path / "b", 35.0, AT_S, "holdover")
    assert sorted(gone.evidence) == sorted(path.name for path in old[:2])
    assert [path.exists() for path in old] == [False, False, True, True], "an hour of grace for the daemon's own look"
    assert (tmp_path / "evidence/undated.part").exists()


def test_a_running_daemon_does_it_itself(tmp_path: Path, old: list[Path]) -> None:
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(str(tmp_path / "door.sock"))
        assert not daemon_runs(tmp_path), "a socket that a killed daemon left"
        door.listen()
        gone = retain(tmp_path, 72.0, tmp_path / "b", 35.0, AT_S, "synchronised")
    assert (gone.daemon, gone.evidence) == (True, [])
    assert all(path.exists() for path in old)


def test_a_clock_that_was_never_set_makes_nothing_old(tmp_path: Path, old: list[Path]) -> None:
    backup(tmp_path / "b", 1, 99)
    backup(tmp_path / "b", 2, 98)
    gone = retain(tmp_path, 72.0, tmp_path / "b", 35.0, AT_S, "unknown")
    assert (gone.evidence, gone.backups) == ([], [])


def test_old_backups_go_but_the_newest(tmp_path: Path) -> None:
    made = [backup(tmp_path, day, age) for day, age in ((1, 60), (2, 50), (3, 40))]
    part = aged(tmp_path / ".campus-gateway-s-g-20261101T023000Z.tar.gz.part/journal.db", 3 * 86_400)
    young = aged(tmp_path / ".campus-gateway-s-g-20261102T023000Z.tar.gz.part/journal.db", 600)
    gone = retain(tmp_path / "state", 72.0, tmp_path, 35.0, AT_S, "synchronised")
    assert gone.backups == [made[1].name, made[0].name, "journal.db"]
    assert made[2].exists()
    assert not part.exists()
    assert young.exists()


def test_the_command(tmp_path: Path, capfd: pytest.CaptureFixture[str], old: list[Path]) -> None:
    site = tmp_path / "site.toml"
    site.write_text(
        'schema = 1\n[site]\nid = "s"\nname = "x"\nstate_dir = "."\n[uplink]\npaths = [{ url = "mqtt://127.0.0.1:1883" }]\n'
        '[places]\ngate = { name = "x", type = "gate" }\n'
    )
    command = ["retention", "--config", str(site), "--to", str(tmp_path / "b")]
    assert main([*command, "--json"]) == 0
    told = json.loads(capfd.readouterr().out)
    assert (told["daemon_runs"], told["failed"]) == (False, [])
    assert main(["retention", "--config", str(tmp_path / "nowhere.toml")]) == 1
