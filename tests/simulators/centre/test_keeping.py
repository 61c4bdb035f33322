"""What a centre has kept, told again; and what it does when nothing can be kept."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from simulators.centre.__main__ import main
from simulators.centre.ledger import Ledger
from simulators.centre.store import Store
from tests.real_parts import missing
from tests.simulators.centre.chains import PREFIX, ROOT, SOURCE, Gateway, at
from tests.simulators.centre.test_station import Bench, named
from tests.simulators.centre.test_tls_and_metrics import says

ROOM_KB = 600


def kept(db: Path) -> Gateway:
    """A store with an alarm, a fault and something that is not genuine."""
    gateway, store = Gateway(), Store(db)
    ledger = Ledger(gateway.trust(), PREFIX, "police")
    text = {"zh": "一键报警：校门", "en": "One-key alarm"}
    for body, event_class in (
        (gateway.event(event_id="e1", text=text), "alarm"),
        (gateway.event("fault", "e2"), "fault"),
        (Gateway().event(event_id="e3"), "alarm"),
    ):
        store.add(ledger.ingest(body, f"{ROOT}/event/{event_class}", at()))
    store.close()
    return gateway


def test_events_told_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    db = tmp_path / "centre db?.sqlite"  # a name that an URI would take for something else
    kept(db)
    assert main(["events", "--db", str(db), "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["id"], line["kind"], line["class"], line["sequence"]) for line in lines] == [
        ("e1", "event", "alarm", 1),
        ("e2", "event", "fault", 2),
        ("e3", "bad", "alarm", None),
    ]
    assert lines[0]["data"]["place"] == "校门"
    assert main(["events", "--db", str(db), "--last", "2", "--classes", "fault", "--gateway", SOURCE]) == 0
    told = capsys.readouterr().out
    assert (told.count("\n"), "fault 0000000001/2" in told) == (1, True)
    assert main(["events", "--db", str(db), "--last", "3"]) == 0
    assert "一键报警：校门" in capsys.readouterr().out


@pytest.mark.parametrize("action", [["events"], ["report"], ["keys", "list", "--trust", "{trust}"]])
@pytest.mark.parametrize("damage", ["none", "text", "cut", "other"])
def test_a_store_that_cannot_be_read_is_told_in_one_line(
    action: list[str], damage: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    db, trust = tmp_path / "centre.db", tmp_path / "trust.json"
    trust.write_text(Gateway().trust_file())
    if damage == "text":
        db.write_text("this is no database, but it is long enough to be looked at as one" * 20)
    elif damage == "cut":
        kept(db)
        whole = db.read_bytes()
        db.write_bytes(whole[:4096] + os.urandom(len(whole) - 4096))
    elif damage == "other":
        db.touch()
    status = main([*(word.format(trust=trust) for word in action), "--db", str(db)])
    said = capsys.readouterr().err
    assert (status, said.count("\n")) == (2 if damage == "none" else 1, 1)
    assert said.startswith(f"campus-centre: {db}: ")


@pytest.fixture
def little_room(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk of its own, which is small."""
    if os.geteuid() != 0:
        missing("a small disk can be mounted by root only")
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={ROOM_KB}k", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(file: Path) -> None:
    """Raises OSError when nothing more fits."""
    with file.open("wb", buffering=0) as filler:
        while True:
            filler.write(bytes(1024))


@pytest.mark.slow
async def test_a_full_disk_is_no_receipt_and_no_loss(little_room: Path, tmp_path: Path) -> None:
    bench = Bench("nats", tmp_path)
    filler = little_room / "filler"
    with bench.broker:
        async with bench.centre("--db", str(little_room / "centre.db")) as centre, bench.wire() as wire:
            await wire.online()
            await wire.send("event/alarm", bench.gateway.event(event_id="before"))
            assert (await wire.receipt())["items"][0]["id"] == "before"
            with pytest.raises(OSError, match="No space"):
                fill(filler)
            await wire.send("event/alarm", bench.gateway.event(event_id="e1", long="x" * 20_000))
            assert "nothing can be kept" in await says(centre, "campus-centre:")
            filler.unlink()
            assert "kept again" in await says(centre, "campus-centre:")
            await centre.line(named("e1"))
            assert (await wire.receipt())["items"][0]["id"] == "e1", "it has come only now, and nothing was answered in between"
