"""What the daemon tells about chains: whistles and who is missing, and how long alarms waited to be acknowledged."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from gateway.core.points import Draft
from gateway.core.reading import Now
from gateway.rules.whistle import Whistle
from gateway.runtime.school import School

MOST_WAITING = 10_000  # alarms whose beginning is remembered; more than any site has
_BEGINS = ("activated", "repeated")


def whistles(school: School, now: Now) -> Iterator[dict[str, Any]]:
    """Each whistle: whom it calls, seconds since it was blown or None, and of each one who is called the seconds until he was there."""
    for rule in school.rules.values():
        if not isinstance(rule, Whistle):
            continue
        call = school.states[rule.id].call
        reported = {} if call is None else dict(call.reported)
        yield {
            "id": rule.id,
            "zh": rule.spec.name.zh,
            "en": rule.spec.name.en,
            "blown_s": None if call is None else round(call.after_s(now), 1),
            "addressees": [
                {"name": one.name, "recipient": one.recipient, "deadline_s": one.deadline_s, "reported_s": reported.get(one.name)}
                for one in rule.spec.addressees
            ],
        }


class Response:
    """Counts from what is decided. taken(class, seconds): a real alarm was acknowledged so long after it began.

    An alarm that began in an earlier run of the daemon is not counted: its seconds are not known exactly.
    """

    def __init__(self, taken: Callable[[str, float], None]) -> None:
        self._taken = taken
        self._since_s: dict[str, float] = {}
        self.escalations: dict[tuple[str, str], int] = {}  # (class, duty_leader or centre)

    def told(self, drafts: Iterable[Draft]) -> None:
        """These events were decided."""
        for draft in drafts:
            kind, _, word = draft.type.removeprefix("campus.").partition(".")
            if kind != str(draft.event_class) or "alarm" not in draft.data:
                continue
            if word == "escalated":
                key = (str(draft.data["alarm_class"]), str(draft.data["to_role"]))
                self.escalations[key] = self.escalations.get(key, 0) + 1
            else:
                self._alarm(draft, word)

    def _alarm(self, draft: Draft, word: str) -> None:
        key = f"{draft.subject}/{draft.data['alarm']}"
        if word in _BEGINS and draft.data.get("status") == "Actual":
            if len(self._since_s) < MOST_WAITING:
                self._since_s.setdefault(key, draft.now_s)
        elif word in ("acknowledged", "reset", "shelved", "out_of_service"):
            since_s = self._since_s.pop(key, None)
            if word == "acknowledged" and since_s is not None:
                self._taken(str(draft.data["alarm_class"]), draft.now_s - since_s)
