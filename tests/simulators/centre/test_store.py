"""What survives a restart of the centre."""

import sqlite3
from pathlib import Path

import pytest

from simulators.centre import store as store_module
from simulators.centre.ledger import Ledger
from simulators.centre.store import Store
from tests.simulators.centre.chains import PREFIX, ROOT, SOURCE, Gateway, at


def kept(folder: Path, bodies: list[tuple[str, bytes]], gateway: Gateway) -> tuple[Ledger, Ledger]:
    """A ledger that lived through these messages, and one recalled from what it stored."""
    ledger = Ledger(gateway.trust(), PREFIX, "police")
    store = Store(folder / "centre.db")
    for tail, body in bodies:
        store.add(ledger.ingest(body, f"{ROOT}/{tail}", at()))
    store.close()
    store = Store(folder / "centre.db")
    again = Ledger(gateway.trust(), PREFIX, "police")
    for record in store.records():
        again.recall(record)
    for source, body in store.heartbeats():
        again.recall_heartbeat(source, body)
    store.close()
    return ledger, again


def test_recalled_ledger_reports_the_same(tmp_path: Path) -> None:
    gateway = Gateway()
    first, second = gateway.event(event_id="e1"), gateway.event()
    gateway.event()
    gateway.new_epoch(2)
    messages = [
        ("event/alarm", gateway.early("e9")),
        ("event/alarm", second),
        ("event/alarm", first),
        ("event/alarm", first),
        ("event/alarm", gateway.event(event_id="e1")),
        ("event/alarm", gateway.event(event_id="e9")),
        ("event/alarm", Gateway().event()),
        ("event/alarm", b"noise"),
        ("event/alarm", gateway.sign({**gateway.draft(), "journalled": "?"})),
        ("heartbeat", gateway.heartbeat(owed=None)),
    ]
    ledger, again = kept(tmp_path, messages, gateway)
    found = again.report()
    assert found == ledger.report()
    figures = found["gateways"][SOURCE]
    assert {name: figures[name] for name in ("received", "early", "resent", "conflicts", "unusable", "unverified")} == {
        "received": 3,
        "early": 0,
        "resent": 1,
        "conflicts": 1,
        "unusable": 1,
        "unverified": 2,
    }


def test_bodies_are_kept_as_they_came(tmp_path: Path) -> None:
    gateway = Gateway()
    body = gateway.event(event_id="e1")
    kept(tmp_path, [("event/alarm", body)], gateway)
    db = sqlite3.connect(tmp_path / "centre.db")
    row = db.execute("SELECT id, source, epoch, sequence, class, type, subject, verified, body FROM events").fetchone()
    journal_mode = db.execute("PRAGMA journal_mode").fetchone()
    db.close()
    assert row == ("e1", SOURCE, "0000000001", 1, "alarm", "campus.alarm.activated", "panic-1", 1, body)
    assert journal_mode == ("wal",)


def test_noise_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "BAD_ROWS", 5)
    gateway = Gateway()
    kept(tmp_path, [("event/alarm", b"noise %d" % n) for n in range(20)] + [("event/alarm", gateway.event())], gateway)
    db = sqlite3.connect(tmp_path / "centre.db")
    assert db.execute("SELECT verified, count(*) FROM events GROUP BY verified").fetchall() == [(0, 5), (1, 1)]
    assert db.execute("SELECT body FROM events WHERE verified = 0").fetchone() == (b"noise 15",)
    db.close()
