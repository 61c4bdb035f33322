"""The journal's care as this site wants it, and what it says about itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gateway.contract.jws import Signer, TrustedKey
from gateway.core.ids import EventIds
from gateway.core.points import Draft, EventClass, Priority
from gateway.journal.care import Again, Care
from gateway.journal.carry import Carrier
from gateway.journal.keeping import Keeper, Limit
from gateway.journal.reserve import Reserve
from gateway.journal.store import Store
from gateway.runtime.clock import Clock
from gateway.runtime.keys import public_keys

if TYPE_CHECKING:
    from gateway.config.settings import Settings

MB = 1_000_000
OUTRUN = "an older copy of the journal was put in its place: the centre has epoch {}, sequence {}; a new epoch has begun"
PRESSES = ("campus.alarm.activated", "campus.alarm.repeated")
_REASONS_ZH = {"created": "新建", "set aside": "旧日志损坏已封存", "restored": "从备份恢复"}


class JournalWords:
    """Drafts of what the journal says about itself. With ids of its own, because it speaks from the journal's thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ids = EventIds()

    def say(self, name: str, zh: str, en: str, data: dict[str, Any]) -> Draft:
        """One event of class audit."""
        now = self._clock.now()
        return Draft(
            id=self._ids(now.at_ms),
            event_class=EventClass.AUDIT,
            type=name,
            subject="gw-journal",
            priority=Priority.ROUTINE,
            at_ms=now.at_ms,
            now_s=now.now_s,
            clock=now.clock,
            data={**data, "status": "System", "text": {"zh": zh, "en": en}},
        )

    def opened(self, reason: str, data: dict[str, object]) -> Draft:
        """The first event of an epoch."""
        zh = f"事件日志启用：{_REASONS_ZH.get(reason, reason)}"
        return self.say("campus.journal.opened", zh, f"Journal opened: {reason}", data)


def trouble_at_start(store: Store) -> str:
    """What a person must know of the journal as it was found; empty when all is well."""
    if store.set_aside is not None:
        return f"damaged, set aside as {store.set_aside.name}; {store.salvage}"
    if store.begun == "restored":
        return (
            f"this journal is a copy or an older one: epoch {store.epoch} has begun, what was sealed after the copy was made is not in it"
        )
    return ""


def recall(event: dict[str, Any]) -> tuple[str, dict[str, Any]] | None:
    """The count of a press counter as the event of a press tells it, for a journal whose states cannot be read."""
    data = event.get("data")
    count = data.get("count") if isinstance(data, dict) else None
    subject, kind = event.get("subject"), str(event.get("type"))
    if not isinstance(count, int) or not isinstance(subject, str) or kind not in PRESSES:
        return None
    return subject, {"counter": count}


def limits_of(settings: Settings) -> dict[str, Limit]:
    """Class -> its limit, from [storage]."""
    storage = settings.site.storage
    return {
        str(name): Limit(getattr(storage, f"{name}_mb", 0) * MB, getattr(storage, f"{name}_days", 0.0))  # alarms have no limit in bytes
        for name in EventClass
    }


def care_of(settings: Settings, signer: Signer, clock: Clock, again: Again) -> Care:
    """Budget, reserve and the rest. again: begins a new file in the place of a damaged one."""
    say = JournalWords(clock).say
    keys = [*public_keys(settings.state_dir)[0], signer.public()]
    return Care(
        settings.state_dir,
        Keeper(limits_of(settings), clock.now, say),
        Reserve(settings.state_dir, settings.site.storage.reserve_mb * MB),
        Carrier(settings.state_dir, *(TrustedKey(key["kid"], key["x"], "gateway") for key in keys)),
        again,
        say,
    )
