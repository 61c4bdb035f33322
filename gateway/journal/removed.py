"""What the journal signs of its own removals, so that nobody else can take an alarm away and call it removed.

An alarm goes only together with a signed event that names it and tells how many went so far. A checkpoint tells how many of each class
went under it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from gateway.contract.envelope import Sealed
from gateway.core.points import Draft, EventClass
from gateway.journal.store import Store

REMOVED = "campus.journal.removed"
ALARM = str(EventClass.ALARM)

Say = Callable[[str, str, str, dict[str, Any]], Draft]  # type, Chinese, English, data


def tell_alarms(store: Store, say: Say, rows: Sequence[int]) -> Sealed | None:
    """Seal what is told of alarms that are about to go, inside the transaction that removes them.

    None when none of them is of this file's own epochs: of an event that was carried over, the old file still has it.
    """
    db = store.db
    marks = ",".join("?" * len(rows))
    query = f"SELECT id FROM event WHERE row IN ({marks}) AND epoch IN (SELECT epoch FROM epoch) ORDER BY row"
    ids = [event_id for (event_id,) in db.execute(query, list(rows))]
    if not ids:
        return None
    before = db.execute("SELECT body FROM event WHERE row = (SELECT event FROM removal)").fetchone()
    total = len(ids) + (json.loads(before[0])["data"]["total"] if before else 0)
    zh = f"{len(ids)} 条已送达的报警事件因超过保存期限被清理，累计 {total} 条"
    en = f"{len(ids)} alarms that were received have been removed because of their age, {total} so far"
    event = store.seal(say(REMOVED, zh, en, {"class": ALARM, "count": len(ids), "total": total, "ids": ids, "reason": "age"}))
    db.execute("INSERT OR REPLACE INTO removal VALUES (1, ?)", (event.row,))
    return event


def removed_below(store: Store, row: int) -> dict[str, int]:
    """Class -> events removed up to that row: stubs, and what the present checkpoint tells. For the next checkpoint."""
    body = store.db.execute("SELECT body FROM event WHERE row = (SELECT event FROM checkpoint)").fetchone()
    told: dict[str, int] = json.loads(body[0])["data"].get("removed", {}) if body else {}
    for name, count in store.db.execute("SELECT class, count(*) FROM stub WHERE row <= ? GROUP BY class", (row,)):
        told[name] = told.get(name, 0) + count
    return told
