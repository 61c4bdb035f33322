"""A new event key: made beside the one in use, announced by an event that the old one signs, used from a start of the daemon on.

The centre trusts a key from its enrolment only, so a person says when to change over. Until then, and until the daemon is started
anew after that, the old key signs. The announcement stands in the journal before anything that the new key signs.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from gateway.contract.jws import Signer
from gateway.core.errors import Permanent
from gateway.core.points import Draft
from gateway.runtime.journal_care import JournalWords
from gateway.runtime.keys import KEY_NAME, KeyRefused, event_key_file, make_key, public_keys, read_secret, remember, rename

log = logging.getLogger(__name__)

NEXT_NAME = "event-key.next.pem"
LOOK_S = 5.0  # how often the daemon looks whether there is one
ANNOUNCED = "campus.key.announced"


class ChangeRefused(Permanent):
    """The new event key cannot be made or used now; the text says why."""


@dataclass(frozen=True, slots=True)
class Announcement:
    """The event that announces a key. owed: recipients that have not signed for it."""

    sequence: int
    owed: tuple[str, ...]


def next_public(state_dir: Path) -> dict[str, str] | None:
    """kid and x of the key that is to follow, None while there is none. Raises KeyRefused."""
    path = state_dir / NEXT_NAME
    try:
        return Signer(read_secret(path)).public()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise KeyRefused(f"{path} cannot be used: {error.strerror}") from error
    except ValueError as error:
        raise KeyRefused(f"{path} is not an Ed25519 private key in PEM: {error}") from error


def make_next(state_dir: Path) -> tuple[dict[str, str], bool]:
    """(kid and x of the key that is to follow, was it made now). Raises KeyRefused, ChangeRefused."""
    if not (public_keys(state_dir)[0] or event_key_file(state_dir).exists()):
        raise ChangeRefused(f"{state_dir} holds no event key that could announce a new one; the first is made by campus-gateway enroll")
    found = next_public(state_dir)
    if found is not None:
        return found, False
    try:
        make_key(state_dir / NEXT_NAME)
    except OSError as error:
        raise ChangeRefused(f"{state_dir / NEXT_NAME} cannot be written: {error.strerror}") from error
    found = next_public(state_dir)
    assert found is not None
    return found, True


def use_next(state_dir: Path) -> dict[str, str]:
    """Put the new key in the place of the old one, for the next start of the daemon; kid and x. Raises KeyRefused, ChangeRefused."""
    public = next_public(state_dir)
    if public is None:
        raise ChangeRefused(f"there is no new key in {state_dir}: campus-gateway enroll --new-event-key makes one")
    told = announcement(state_dir, public["kid"])
    if told is None:
        raise ChangeRefused(f"the new key is not announced yet; the running daemon does that within {LOOK_S:.0f} s")
    if told.owed:
        raise ChangeRefused(f"its announcement (sequence {told.sequence}) was not received yet by {', '.join(told.owed)}")
    path = state_dir / KEY_NAME
    if public_keys(state_dir)[1]:
        raise ChangeRefused(
            f"the event key is a systemd credential: put {state_dir / NEXT_NAME} in the place of the file that LoadCredential= names"
        )
    try:
        remember(state_dir, public)  # first, so that no moment knows a key without its public half
        rename(state_dir / NEXT_NAME, path)
    except OSError as error:
        raise ChangeRefused(f"{error.filename or path} cannot be written: {error.strerror}") from error
    return public


def announcement(state_dir: Path, kid: str) -> Announcement | None:
    """The newest event of the present journal that announces this key. Raises ChangeRefused when there is no journal to read."""
    from gateway.journal.files import Unreadable, open_readonly  # not needed for a start

    try:
        with closing(open_readonly(state_dir / "journal.db")) as db:
            found = db.execute("SELECT row, sequence, body FROM event WHERE type = ? ORDER BY row DESC", (ANNOUNCED,)).fetchall()
            for row, sequence, body in found:
                if json.loads(body)["data"]["kid"] == kid:
                    owed = db.execute("SELECT recipient FROM outbox WHERE row = ? AND state = 0 ORDER BY recipient", (row,)).fetchall()
                    return Announcement(sequence, tuple(name for (name,) in owed))
    except (Unreadable, sqlite3.Error) as error:
        raise ChangeRefused(f"the journal cannot be read: {error}") from error
    return None


class Announcer:
    """The daemon's part. say: makes events of class audit; submit(draft): seals one with the key in use."""

    def __init__(self, state_dir: Path, say: JournalWords, submit: Callable[[Draft], object]) -> None:
        self._state_dir = state_dir
        self._say = say
        self._submit = submit
        self._seen = ""

    async def run(self) -> None:
        """Look for a new key until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_S)

    async def look(self) -> None:
        """Announce a new key that no event has announced. A key that cannot be used is told in the log once."""
        try:
            public = next_public(self._state_dir)
            kid = "" if public is None else public["kid"]
            if public is None or kid == self._seen:
                self._seen = kid
                return
            if await asyncio.to_thread(announcement, self._state_dir, kid) is None:
                self._announce(public)
            self._seen = kid
        except (KeyRefused, ChangeRefused) as refused:
            if self._seen != str(refused):
                self._seen = str(refused)
                log.error("the new event key is not announced: %s", refused)

    def _announce(self, public: dict[str, str]) -> None:
        en = f"A new event key: {public['kid']}; it signs once it is enrolled and the gateway has been started anew"
        zh = f"新的事件签名密钥：{public['kid']}；在联动中心登记并重启网关后启用"
        self._submit(self._say.say(ANNOUNCED, zh, en, public))
        log.info("the new event key %s is announced", public["kid"])
