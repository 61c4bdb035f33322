"""A real journal in which a test says what happened, read back as reports read it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from gateway.core.points import Draft, EventClass
from gateway.journal.history import JournalHistory
from gateway.journal.store import Batch, Store
from tests.gateway.journal.journals import draft, open_at

ZONE = ZoneInfo("Asia/Shanghai")


def utc_ms(local: str) -> int:
    """UTC milliseconds of a local time such as 2026-09-01 07:20."""
    return round(datetime.fromisoformat(local).replace(tzinfo=ZONE).timestamp() * 1000)


class Kept:
    """One journal. `past` reads what was said so far."""

    def __init__(self, folder: Path) -> None:
        self.store: Store = open_at(folder)[0]
        self.past = JournalHistory(folder)

    def close(self) -> None:
        """The file is left."""
        self.store.close()

    def say(self, local: str, kind: str, subject: str, **data: object) -> None:
        """An event at a local time. kind: `alarm.activated`; its class is the first word, `mode` and `inspection` included."""
        event_class = {"inspection": "duty"}.get(kind.split(".")[0], kind.split(".")[0])
        made = draft(EventClass(event_class), **data)
        self.take([replace(made, type=f"campus.{kind}", subject=subject, at_ms=utc_ms(local))])

    def take(self, drafts: list[Draft]) -> None:
        """Events that somebody else made."""
        self.store.commit([Batch(drafts)], [])
