"""A new event key: what is refused, and that being cut off at any point leaves a gateway that knows its keys."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from gateway.contract.envelope import Origin
from gateway.contract.jws import TrustedKey
from gateway.core.points import Draft, EventClass
from gateway.journal.carry import Carrier
from gateway.journal.store import Batch, Store, open_store
from gateway.runtime import key_change
from gateway.runtime.clock import Clock
from gateway.runtime.journal_care import JournalWords
from gateway.runtime.key_change import NEXT_NAME, Announcer, ChangeRefused, announcement, make_next, next_public, use_next
from gateway.runtime.keys import KEY_NAME, KeyRefused, load_signer, public_keys


class Here:
    """A state folder with key and journal, and the daemon's announcer beside it."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.words = JournalWords(Clock())
        self.signer = load_signer(state)
        audit = {"police": frozenset({EventClass.AUDIT})}
        now_ms = time.time_ns() // 1_000_000
        self.store: Store = open_store(state, Origin("/sites/s/gateways/g", "b", 0.0), self.signer, audit, self.words.opened, now_ms)[0]
        self.announcer = Announcer(state, self.words, self.seal)

    def seal(self, draft: Draft) -> None:
        self.store.commit([Batch([draft])], [])

    def receipts(self) -> None:
        self.store.db.execute("UPDATE outbox SET state = 1")

    def announced(self) -> list[str]:
        rows = self.store.db.execute("SELECT body FROM event WHERE type = 'campus.key.announced' ORDER BY row").fetchall()
        return [json.loads(body)["data"]["kid"] for (body,) in rows]


@pytest.fixture
def here(tmp_path: Path) -> Here:
    return Here(tmp_path / "state")


async def test_in_its_order_only(here: Here) -> None:
    with pytest.raises(ChangeRefused, match="there is no new key"):
        use_next(here.state)
    await here.announcer.look()
    assert here.announced() == []
    new, made = make_next(here.state)
    assert made
    assert (here.state / NEXT_NAME).stat().st_mode & 0o777 == 0o600
    assert make_next(here.state) == (new, False), "asking again makes no other"
    with pytest.raises(ChangeRefused, match="not announced yet"):
        use_next(here.state)
    await here.announcer.look()
    await here.announcer.look()
    assert here.announced() == [new["kid"]]
    with pytest.raises(ChangeRefused, match="not received yet by police"):
        use_next(here.state)
    assert load_signer(here.state).public() == here.signer.public()
    here.receipts()
    assert use_next(here.state) == new
    assert load_signer(here.state).public() == new
    assert public_keys(here.state)[0] == [here.signer.public(), new]
    assert next_public(here.state) is None
    await here.announcer.look()
    assert here.announced() == [new["kid"]]


async def test_once_for_each_journal(here: Here) -> None:
    """A daemon that starts anew does not say it again, unless the journal in which it said so is gone."""
    new, _ = make_next(here.state)
    for _ in range(2):
        await Announcer(here.state, here.words, here.seal).look()
    assert here.announced() == [new["kid"]]
    here.store.close()
    (here.state / "journal.db").unlink()
    again = Here(here.state)
    await again.announcer.look()
    assert again.announced() == [new["kid"]]
    again.store.close()


async def test_another_new_key_is_announced_too(here: Here) -> None:
    first, _ = make_next(here.state)
    await here.announcer.look()
    (here.state / NEXT_NAME).unlink()
    await here.announcer.look()
    second, _ = make_next(here.state)
    await here.announcer.look()
    assert here.announced() == [first["kid"], second["kid"]]
    assert announcement(here.state, "x") is None


async def test_a_new_key_that_cannot_be_used(here: Here, caplog: pytest.LogCaptureFixture) -> None:
    make_next(here.state)
    (here.state / NEXT_NAME).chmod(0o644)
    for _ in range(2):
        await here.announcer.look()
    assert here.announced() == []
    assert caplog.text.count("chmod 600") == 1, "told once"
    with pytest.raises(KeyRefused, match="chmod 600"):
        use_next(here.state)
    (here.state / NEXT_NAME).chmod(0o600)
    await here.announcer.look()
    assert len(here.announced()) == 1


async def test_cut_off_between_the_two_files(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    """The public half is stored first. Whatever comes then, the key that signs is the last of the list."""
    new, _ = make_next(here.state)
    await here.announcer.look()
    here.receipts()

    def cut(source: Path, target: Path) -> None:
        raise OSError(5, "cut off", str(source))

    monkeypatch.setattr(key_change, "rename", cut)
    with pytest.raises(ChangeRefused, match="cannot be written"):
        use_next(here.state)
    monkeypatch.undo()
    assert public_keys(here.state)[0] == [here.signer.public(), new]
    assert load_signer(here.state).public() == here.signer.public()
    assert public_keys(here.state)[0] == [new, here.signer.public()]
    assert use_next(here.state) == new
    assert load_signer(here.state).public() == new
    assert public_keys(here.state)[0] == [here.signer.public(), new]


def test_no_key_no_journal(tmp_path: Path) -> None:
    with pytest.raises(ChangeRefused, match="no event key"):
        make_next(tmp_path)
    load_signer(tmp_path)
    make_next(tmp_path)
    with pytest.raises(ChangeRefused, match="journal cannot be read"):
        use_next(tmp_path)


async def test_a_key_that_systemd_holds_is_changed_over_by_hand(here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    handed = tmp_path / "credentials"
    handed.mkdir(0o700)
    (here.state / KEY_NAME).rename(handed / KEY_NAME)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(handed))
    load_signer(here.state)
    new, _ = make_next(here.state)
    await here.announcer.look()
    here.receipts()
    with pytest.raises(ChangeRefused, match="is a systemd credential"):
        use_next(here.state)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY")
    with pytest.raises(ChangeRefused, match="is a systemd credential"):
        use_next(here.state)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(handed))
    (here.state / NEXT_NAME).rename(handed / KEY_NAME)
    assert load_signer(here.state).public() == new
    assert public_keys(here.state) == ([here.signer.public(), new], True)


async def test_what_the_old_key_signed_is_carried_over(here: Here) -> None:
    """The journal proves damaged after the change: what it still owes is delivered, whichever key signed it."""
    make_next(here.state)
    await here.announcer.look()
    here.receipts()
    use_next(here.state)
    here.seal(here.words.say("campus.audit.command", "旧", "old", {}))
    owed = here.store.row
    here.store.close()
    (here.state / "journal.db").rename(here.state / "journal.db.set-aside-1")
    after = Here(here.state)
    assert after.signer.kid != here.signer.kid
    keys = {key["kid"]: TrustedKey(key["kid"], key["x"], "gateway") for key in public_keys(here.state)[0]}
    assert Carrier(here.state, keys[after.signer.kid]).step(after.store) == [], "the new key alone does not know it"
    after.store.db.execute("DELETE FROM carried")
    assert Carrier(here.state, *keys.values()).step(after.store) == [owed]
    after.store.close()
