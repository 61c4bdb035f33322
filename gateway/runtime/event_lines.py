"""The lines of the log that tell the story of an alarm: what was decided, and who has it. Each names its event and its incident.

`journalctl -u campus-gateway | grep incident=ID` then reads as the incident did. What was measured, cards and names of people stay in
the journal of events: the event's id leads there.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

from gateway.core.points import Draft, EventClass
from gateway.core.said import NOTICE, about

log = logging.getLogger(__name__)

LEVEL = {
    EventClass.ALARM: NOTICE,
    EventClass.FAULT: NOTICE,
    EventClass.MODE: NOTICE,
    EventClass.DUTY: logging.INFO,
    EventClass.AUDIT: logging.INFO,
}
KNOWN_MOST = 1_000  # events whose further way is told
STEPS = {"broker_acked": "the broker has", "received": "received by", "unusable": "cannot be used by"}


class EventLines:
    """Writes them."""

    def __init__(self) -> None:
        self._incident_of: OrderedDict[str, str] = OrderedDict()

    def decided(self, drafts: Iterable[Draft]) -> None:
        """These were decided just now; the journal seals them next."""
        for draft in drafts:
            level = LEVEL.get(draft.event_class)
            if level is None:
                continue
            incident = str(draft.data.get("incident") or "")
            if draft.event_class is EventClass.ALARM:
                self._incident_of[draft.id] = incident
                while len(self._incident_of) > KNOWN_MOST:
                    self._incident_of.popitem(last=False)
            if log.isEnabledFor(level):
                log.log(
                    level, "%s %s%s", draft.type.removeprefix("campus."), draft.subject, _words(draft.data), extra=_about(draft, incident)
                )

    def further(self, event_id: str, step: str, by: str) -> None:
        """The news of an event has got further. by: the recipient, '' for the broker."""
        if event_id in self._incident_of:
            log.info("%s %s", STEPS.get(step, step), by or "it", extra=about(event=event_id, incident=self._incident_of[event_id]))


def _words(data: dict[str, Any]) -> str:
    text = data.get("text")
    words = str(text.get("en", "")) if isinstance(text, dict) else ""
    return f": {words}" if words else ""


def _about(draft: Draft, incident: str) -> dict[str, Any]:
    data, status = draft.data, str(draft.data.get("status") or "")
    real = status in ("", "Actual", "System")
    return about(
        event=draft.id,
        incident=incident,
        alarm=data.get("alarm"),
        place=data.get("place"),
        command=data.get("command"),
        result=data.get("result"),
        status="" if real else status,
        **{"class": str(draft.event_class)},
    )
