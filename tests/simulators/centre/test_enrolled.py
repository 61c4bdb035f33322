"""Keys of gateways: enrolled, announced, accepted, removed; and what a running centre makes of it."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from joserfc.jwk import OKPKey

from simulators.centre.__main__ import main
from simulators.centre.keys import BadKeyFile, enrol, fingerprint, read_trust, remove
from simulators.centre.ledger import Ledger, Standing
from simulators.centre.lines import as_json, as_text
from simulators.centre.store import Store
from tests.simulators.centre.chains import PREFIX, ROOT, SOURCE, Gateway, at
from tests.simulators.centre.test_station import Bench, bench, named, of  # noqa: F401 - a fixture

NEW = OKPKey.generate_key("Ed25519")
X = str(NEW.as_dict(private=False)["x"])
TEXT = {"zh": "新密钥", "en": "new key"}


def announce(gateway: Gateway, kid: str = "new", x: str = X) -> bytes:
    """The event by which a gateway announces its next key."""
    draft = {**gateway.draft(kid=kid, x=x, text=TEXT, status="System"), "type": "campus.key.announced", "subject": "gateway"}
    return gateway.seal(draft, "audit")


def successor(gateway: Gateway, kid: str = "new") -> Gateway:
    """The same gateway once it signs with the new key; its chain goes on."""
    after = Gateway(gateway.source, kid)
    after.key, after.epoch, after.previous = NEW, gateway.epoch, gateway.previous
    after.sequence, after.class_sequences = gateway.sequence, gateway.class_sequences
    return after


def test_an_announced_key_counts_once_enrolled_and_not_before() -> None:
    gateway = Gateway()
    ledger = Ledger(gateway.trust(), PREFIX, "police")
    event, key = ledger.ingest(announce(gateway), f"{ROOT}/event/audit", at())
    assert (event.standing, key.kind) == (Standing.NEW, "key")
    assert ledger.pending() == [(SOURCE, "new", X)]
    line = as_json(key)
    assert line is not None
    assert (line["kid"], line["x"], line["fingerprint"]) == ("new", X, fingerprint(X))
    assert "not trusted yet" in (as_text(key) or "")
    body = successor(gateway).event(event_id="e1")
    (early,) = ledger.ingest(body, f"{ROOT}/event/alarm", at(1))
    assert (early.standing, early.answer) == (Standing.BAD, None)
    assert "campus-centre keys accept" in str(early.problem)
    ledger.trust = type(ledger.trust)({SOURCE: {**ledger.trust.keys[SOURCE], "new": NEW}})
    (later,) = ledger.ingest(body, f"{ROOT}/event/alarm", at(2))
    assert (later.standing, later.problem, ledger.pending()) == (Standing.NEW, None, [])


def test_only_a_genuine_event_announces() -> None:
    gateway, stranger = Gateway(), Gateway()
    ledger = Ledger(gateway.trust(), PREFIX, "police")
    assert [one.kind for one in ledger.ingest(announce(stranger), f"{ROOT}/event/audit", at())] == ["bad"]
    assert [one.kind for one in ledger.ingest(announce(gateway, x="AAAA"), f"{ROOT}/event/audit", at())] == ["event"]
    assert [one.kind for one in ledger.ingest(announce(gateway, kid="gate-key"), f"{ROOT}/event/audit", at())] == ["event"]
    assert ledger.pending() == []


def test_enrolled_and_removed(tmp_path: Path) -> None:
    path = tmp_path / "trust.json"
    entry = {"source": SOURCE, "kid": "k", "x": X}
    assert enrol(path, entry) is True
    assert enrol(path, entry) is False
    other = str(OKPKey.generate_key("Ed25519").as_dict(private=False)["x"])
    with pytest.raises(BadKeyFile, match="another key named k"):
        enrol(path, {**entry, "x": other})
    assert read_trust(path).key(SOURCE, "k") is not None
    for wrong in ({"source": "school"}, {"kid": ""}, {"x": "AAAA"}, {"x": 7}, {"x": "é" * 43}):
        with pytest.raises(BadKeyFile):
            enrol(path, {**entry, "kid": "other", **wrong})
    with pytest.raises(BadKeyFile, match="has no key"):
        remove(path, SOURCE, "other")
    remove(path, SOURCE, "k")
    assert read_trust(path).key(SOURCE, "k") is None
    assert list(tmp_path.iterdir()) == [path]


def test_from_the_line_of_the_gateway_to_an_accepted_successor(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a person does it, with the store of a centre."""
    gateway, trust, db = Gateway(), str(tmp_path / "trust.json"), str(tmp_path / "centre.db")
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(json.loads(gateway.trust_file())["keys"][0])))
    assert main(["keys", "add", "--trust", trust]) == 0
    assert main(["keys", "add", "--trust", trust, "no line"]) == 2
    ledger, store = Ledger(read_trust(Path(trust)), PREFIX, "police"), Store(db)
    store.add(ledger.ingest(announce(gateway), f"{ROOT}/event/audit", at()))
    store.close()
    capsys.readouterr()
    assert main(["keys", "list", "--trust", trust, "--db", db]) == 0
    enrolled, announced = capsys.readouterr().out.splitlines()
    assert enrolled.split()[:3] == [SOURCE, "enrolled", "gate-key"]
    assert announced.split() == [SOURCE, "announced", "new", fingerprint(X)]
    accept = ["keys", "accept", "--trust", trust, "--db", db, "--gateway", SOURCE, "--kid"]
    assert main([*accept, "other"]) == 2
    assert main([*accept, "new", "--fingerprint", "0000-0000"]) == 2
    assert fingerprint(X) in capsys.readouterr().err
    assert read_trust(Path(trust)).key(SOURCE, "new") is None
    assert main([*accept, "new", "--fingerprint", fingerprint(X)]) == 0
    assert read_trust(Path(trust)).key(SOURCE, "new") is not None
    assert main([*accept, "new"]) == 2, "it waits no longer"
    assert main(["keys", "remove", "--trust", trust, "--gateway", SOURCE, "--kid", "gate-key"]) == 0
    assert list(read_trust(Path(trust)).keys[SOURCE]) == ["new"]


@pytest.mark.slow
async def test_a_running_centre_takes_an_accepted_key_by_itself(bench: Bench) -> None:  # noqa: F811
    trust, db = bench.folder / "trust", bench.folder / "db"
    async with bench.centre() as centre, bench.wire() as wire:
        await wire.online()
        await wire.send("event/audit", announce(bench.gateway))
        assert (await centre.line(of("key")))["kid"] == "new"
        body = successor(bench.gateway).event(event_id="e1")
        await wire.send("event/alarm", body)
        assert "keys accept" in (await centre.line(of("bad")))["problem"]
        assert main(["keys", "accept", "--trust", str(trust), "--db", str(db), "--gateway", SOURCE, "--kid", "new"]) == 0
        assert centre.process.stderr is not None
        while b"read again" not in (line := await centre.process.stderr.readline()):
            assert line
        await wire.send("event/alarm", body)
        assert (await centre.line(named("e1")))["problem"] is None
