"""The second pair of eyes: was the daily report that was due last issued? Read from the journal; the daemon need not run."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from gateway.core.errors import DAMAGED
from gateway.journal.files import JOURNAL_NAME, Unreadable, open_readonly
from gateway.report.schedule import DAILY, Schedule
from gateway.runtime.report_files import path_of
from gateway.runtime.reports import KEY, LATE_S


def overdue(state_dir: Path, schedule: Schedule, at_ms: int) -> tuple[bool, str]:
    """(is it missing, a line for people). at_ms: UTC; a report may be 15 min late."""
    due_ms = schedule.due(DAILY, round(at_ms - LATE_S * 1000))
    due = datetime.fromtimestamp(due_ms / 1000, UTC).astimezone(schedule.zone).strftime("%Y-%m-%d %H:%M")
    try:
        with closing(open_readonly(state_dir / JOURNAL_NAME)) as db:
            row = db.execute("SELECT state FROM latch WHERE key = ?", (KEY,)).fetchone()
    except (Unreadable, sqlite3.Error) as error:
        return True, f"whether the daily report of {due} was issued is not known: {error}"
    try:
        told = json.loads(row[0])["kinds"][DAILY]
        number, to_ms = int(told["number"]), int(told["to_ms"])
    except DAMAGED:
        return True, f"the daily report of {due} is missing: the daemon has not begun to issue reports; see journalctl -u campus-gateway"
    if to_ms < due_ms:
        return (
            True,
            f"the daily report of {due} is missing; see journalctl -u campus-gateway. A day on which nothing happened is reported too",
        )
    if number and not path_of(state_dir, DAILY, number).exists():
        return True, f"{path_of(state_dir, DAILY, number)} is not there, and the journal says that it was issued"
    return False, f"the daily report of {due} was issued, no. {number}" if number else "none was due since the gateway began"
