"""Who is signed in. In memory only: after a restart of the page everybody signs in again. Time is handed in, monotonic seconds."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field

from gateway.console.turns import Turns

LOOK_S = 12 * 3600.0  # a shift: the list of alarms must not be hidden behind a form in the middle of the night
ACT_S = 15 * 60.0  # without a deed for so long, the password is asked again before the next one
WRONG_MOST = 5
LOCKED_S = 300.0
SESSIONS_MOST = 200
TRACKED_MOST = 1000


@dataclass(slots=True)
class Session:
    """One browser.

    csrf: what each request that changes something must carry. until_s: of looking; act_until_s: of acting. proof: of the password with
    which it began. noted_s: what was put on record of its looking, and when last. turns: of its questions to the archive.
    """

    name: str
    csrf: str
    until_s: float
    act_until_s: float
    proof: str = ""
    noted_s: dict[str, float] = field(default_factory=dict)
    turns: Turns = field(default_factory=Turns)


@dataclass(slots=True)
class Sessions:
    """All of them, by the SHA-256 of the cookie: who reads this memory has no cookie yet."""

    _open: dict[str, Session] = field(default_factory=dict)

    def begin(self, name: str, now_s: float, proof: str = "") -> tuple[str, Session]:
        """(cookie, session) of a person who has just shown the password."""
        self._open = {key: each for key, each in self._open.items() if each.until_s > now_s}
        while len(self._open) >= SESSIONS_MOST:
            del self._open[next(iter(self._open))]
        cookie = secrets.token_urlsafe(32)
        session = Session(name, secrets.token_urlsafe(32), now_s + LOOK_S, now_s + ACT_S, proof)
        self._open[_digest(cookie)] = session
        return cookie, session

    def of(self, cookie: str, now_s: float) -> Session | None:
        """The session of this cookie while it lasts."""
        session = self._open.get(_digest(cookie))
        return session if session is not None and session.until_s > now_s else None

    def end(self, cookie: str) -> None:
        """The person has signed out."""
        self._open.pop(_digest(cookie), None)

    def end_all(self, name: str, proof: str = "") -> None:
        """The person's account is gone, or has another password than that of this proof."""
        self._open = {key: each for key, each in self._open.items() if (each.name, each.proof) != (name, proof)}


@dataclass(slots=True)
class Lock:
    """Counts wrong passwords of a name and of an address; after five, nobody gets in under it for five minutes."""

    _wrong: dict[str, tuple[int, float]] = field(default_factory=dict)

    def closed_s(self, key: str, now_s: float) -> float:
        """For how long it is still closed, 0 when it is open."""
        count, until_s = self._wrong.get(key, (0, 0.0))
        return max(0.0, until_s - now_s) if count >= WRONG_MOST else 0.0

    def wrong(self, key: str, now_s: float) -> bool:
        """One more wrong password; True for the one that closes the door."""
        count, until_s = self._wrong.pop(key, (0, 0.0))
        if until_s <= now_s:
            count = 0
        self._wrong[key] = (count + 1, now_s + LOCKED_S)
        while len(self._wrong) > TRACKED_MOST:
            del self._wrong[next(iter(self._wrong))]
        return count + 1 == WRONG_MOST

    def right(self, key: str) -> None:
        """The right one."""
        self._wrong.pop(key, None)


def _digest(cookie: str) -> str:
    return hashlib.sha256(cookie.encode()).hexdigest()
