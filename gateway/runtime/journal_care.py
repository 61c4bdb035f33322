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
from gateway.runtime.clock import Clock

if TYPE_CHECKING:
    from gateway.config.settings import Settings

MB = 1_000_000
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
    public = signer.public()
    return Care(
        settings.state_dir,
        Keeper(limits_of(settings), clock.now, say),
        Reserve(settings.state_dir, settings.site.storage.reserve_mb * MB),
        Carrier(settings.state_dir, TrustedKey(public["kid"], public["x"], "gateway")),
        again,
        say,
    )
