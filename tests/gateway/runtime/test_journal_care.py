"""[storage] becomes limits; alarms have none in bytes whatever the file says."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from gateway.config.plain import plain
from gateway.config.site import Storage
from gateway.journal.keeping import ORDER, Limit
from gateway.runtime.clock import Clock
from gateway.runtime.journal_care import JournalWords, limits_of, recall


def test_limits_of_a_site_file() -> None:
    storage = plain(Storage(observation_mb=3, alarm_days=400.0))
    limits = limits_of(cast(Any, SimpleNamespace(site=SimpleNamespace(storage=storage), state_dir=Path("/"))))
    assert limits["observation"] == Limit(3_000_000, 180.0)
    assert limits["alarm"] == Limit(0, 400.0)
    assert all(limits[name].most_bytes > 0 for name in ORDER)
    assert sum(limit.most_bytes for limit in limits.values()) < 5_000_000_000, "the defaults fit a card of 16 GB, twice over"


def test_what_the_journal_says_of_itself() -> None:
    words = JournalWords(Clock())
    first, second = words.opened("set aside", {"reason": "set aside"}), words.say("campus.journal.dropped", "清理", "dropped", {"count": 1})
    assert first.id < second.id
    assert (first.type, first.data["text"]["zh"]) == ("campus.journal.opened", "事件日志启用：旧日志损坏已封存")
    assert (second.subject, str(second.event_class), second.data["count"]) == ("gw-journal", "audit", 1)


def test_what_an_event_tells_of_a_counter() -> None:
    event = {"subject": "button", "type": "campus.alarm.repeated", "data": {"count": 7}}
    assert recall(event) == ("button", {"counter": 7})
    assert recall({**event, "data": {"count": "7"}}) is None
    assert recall({**event, "type": "campus.alarm.reset"}) is None
    assert recall({"type": "campus.alarm.activated", "subject": "button", "data": None}) is None
