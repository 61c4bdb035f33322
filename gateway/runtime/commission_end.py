"""The end of a first visit: what is not right goes into the hazard ledger, and the report's seal into the journal."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from gateway.config.settings import Settings
from gateway.core.hazards import COMMISSION, HazardsSpec
from gateway.runtime.commission import PROBLEM, Book, cut
from gateway.runtime.commission_exercise import DoorSide

DUE_DAYS = 14
OPENED = "已记入 opened"
WHY_MOST = 190  # characters; the door takes 200


def fill_ledger(settings: Settings, book: Book, door: DoorSide, by: str, at_ms: int) -> list[str]:
    """Open a hazard for each problem that is not in the ledger yet; why one could not be opened, for each of these.

    A check that fails again, in this visit or in another, is the same hazard until that is closed.
    The person who answers for a point answers for its hazard, or else who leads the visit. Due in 14 days.
    """
    here = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(ZoneInfo(settings.site.site.timezone))
    due, own_place = f"{here + timedelta(days=DUE_DAYS):%Y-%m-%d}", _own_place(settings)
    refusals = []
    for key, row in list(book.results.items()):
        if row["result"] != PROBLEM or str(row.get("ledger", "")).startswith(OPENED):
            continue
        why = cut(f"调试验收 {key}：{row['zh']}：{row.get('note_zh') or row['note']}", WHY_MOST)
        responsible = row["responsible"] or by
        words = {"value": due, "second": responsible, "why": why, "points": [COMMISSION, key], "by": by}
        done, text = door.told("open_hazard", row["place"] or own_place, **words)
        book.ledger(key, f"{OPENED}: {text.partition(':')[0]}" if done else f"未记入 not opened: {text}")
        if not done:
            refusals.append(f"{key}: {text}")
    return refusals


def _own_place(settings: Settings) -> str:
    """Where the ledger itself is: for what is about the gateway as a whole, or about a device of which nobody knows where it is."""
    ledgers = (rule.place for rule in settings.rules if isinstance(rule, HazardsSpec))
    return next(ledgers, next(iter(settings.site.places)))


def seal(door: DoorSide, sha256: str, by: str) -> str:
    """Put the report's sha-256 into a sealed audit event; why that was refused, or ''."""
    return door.command("commission", value=f"sha256:{sha256}", why="commissioning report", by=by)
