"""How batches are cut while the disk is full: alarms first, in pieces so small that some fit where all of them do not."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gateway.core.points import Draft, EventClass, Latch
from gateway.journal.store import Batch

PIECE = 100  # events in a commit: about 0.4 MB of SQLite's log


def alarms_first(batches: Sequence[Batch], most: int = PIECE) -> tuple[list[Batch], list[Batch]]:
    """(pieces with the alarms, pieces with the rest), none of more than `most` events, each in the order of its kind.

    All latches go with the last alarms: the newest count of a button is stored with the presses that it stands for, never before
    them, and never an older one after a newer. A batch counts as stored when its alarms are, or without alarms when all of it is.
    """
    alarms: list[Draft] = []
    stored: list[Callable[[], object]] = []
    rest: list[Batch] = []
    latches: dict[str, Latch] = {}
    for batch in batches:
        urgent = [draft for draft in batch.drafts if draft.event_class is EventClass.ALARM]
        other = [draft for draft in batch.drafts if draft.event_class is not EventClass.ALARM]
        latches |= {latch.key: latch for latch in batch.latches}
        alarms += urgent
        if urgent:
            stored += batch.after
        if other or not urgent:
            rest += _pieces(other, batch.latches, () if urgent else batch.after, most)
    if not alarms:
        return [], rest
    without = [Batch(piece.drafts, (), piece.after) for piece in rest if piece.drafts or piece.after]
    return _pieces(alarms, tuple(latches.values()), tuple(stored), most), without


def _pieces(drafts: Sequence[Draft], latches: Sequence[Latch], after: Sequence[Callable[[], object]], most: int) -> list[Batch]:
    """Latches and calls go with the last one."""
    parts = [drafts[at : at + most] for at in range(0, len(drafts), most)] or [()]
    return [Batch(part) for part in parts[:-1]] + [Batch(parts[-1], latches, after)]


def together(pieces: Sequence[Batch], most: int = PIECE) -> int:
    """How many of the first pieces make one commit of at most `most` events, at least one."""
    count = size = 0
    for piece in pieces:
        size += len(piece.drafts)
        if count and size > most:
            break
        count += 1
    return count
