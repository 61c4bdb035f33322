"""The hazard ledger as its entries tell it: one row for each hazard, and the proof that no entry was changed or left out. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.contract.canonical import canonical, digest
from gateway.core.errors import DAMAGED, BadMessage
from gateway.core.hazards import NO_ENTRY
from gateway.core.history import Past, Told, Wanted

ENTRIES = Wanted(classes=frozenset({"duty"}), types=("campus.hazard.",))


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the ledger. event: id of its event; data: as in the contract; sha256: of its canonical form."""

    event: str
    at_ms: int
    data: Mapping[str, Any]
    sha256: str

    @property
    def number(self) -> int:
        """Which one it is, from 1 on."""
        return int(self.data["entry"])


@dataclass(slots=True)
class Row:
    """One hazard with everything that was done about it. newest: data of its last entry.

    done: step -> (UTC milliseconds, by) of the last of that name. late: it was set right after its day. rejected: how often it was not.
    """

    number: int
    newest: Mapping[str, Any]
    opened_ms: int
    done: dict[str, tuple[int, str]] = field(default_factory=dict)
    late: bool = False
    rejected: int = 0

    def is_overdue(self, today: str) -> bool:
        """It was set right after its day, or nobody has verified it although its day is over. today: date on the school's own wall."""
        open_still = self.newest["state"] in ("open", "assigned", "fixed")
        return self.late or (open_still and str(self.newest["due"]) < today)


@dataclass(frozen=True, slots=True)
class Checked:
    """What the entries prove. first, last: numbers of those that were read, 0 for none. wrong: the first broken link, '' when whole."""

    first: int
    last: int
    sha256: str
    wrong: str = ""


def entries(past: Past) -> list[Entry]:
    """All that the journal still holds, oldest first. Raises JournalUnreadable."""
    return [_entry(told) for told in sorted(past.events(ENTRIES), key=lambda told: told.row)]


def _entry(told: Told) -> Entry:
    try:
        sha256 = digest(canonical(dict(told.data)))
    except BadMessage:  # not written by this product
        sha256 = ""
    return Entry(told.id, told.at_ms, told.data, sha256)


def rows(found: Iterable[Entry]) -> list[Row]:
    """One row for each hazard, by number. Entries that are none are left out: `check` names them."""
    known: dict[int, Row] = {}
    for entry in found:
        try:
            _add(known, entry)
        except DAMAGED:
            continue
    return [known[number] for number in sorted(known)]


def _add(known: dict[int, Row], entry: Entry) -> None:
    data = entry.data
    number, step, by = int(data["number"]), str(data["step"]), str(data["by"])
    row = known.setdefault(number, Row(number, data, entry.at_ms))
    row.newest = data
    if step in ("reopened", "assigned"):  # what was done before it does not count any more
        for undone in ("fixed", "verified", "closed"):
            row.done.pop(undone, None)
    if step == "fixed":
        row.late = bool(data["overdue"])
    elif step == "reopened":
        row.late = False
    row.rejected += bool(data.get("rejected"))
    row.done[step] = (entry.at_ms, by)


def end_problem(found: Iterable[Entry], kept: Mapping[str, Any]) -> str:
    """What is missing at the end, by what the daemon keeps of its newest entry; '' where nothing is. kept: read before the entries."""
    try:
        number, sha256 = int(kept["entry"]), str(kept["sha256"])
    except DAMAGED:
        return "what the daemon keeps of the newest entry cannot be read: whether entries are missing at the end is not known"
    if not number:
        return ""
    entry = next((each for each in found if each.data.get("entry") == number), None)
    if entry is None:
        return f"entry {number} is missing: the daemon has written it"
    return "" if entry.sha256 == sha256 else f"entry {number}, event {entry.event}, is not the one that the daemon has written"


def check(found: Iterable[Entry]) -> Checked:
    """Whether each entry follows the one before it, and holds its sha-256. What is older than the first is not judged."""
    first = last = 0
    before = NO_ENTRY
    for entry in found:
        try:
            number, previous = entry.number, str(entry.data["previous_entry"])
        except DAMAGED:
            return Checked(first, last, before, f"behind entry {last}: event {entry.event} is no entry")
        if not first:
            first = number
            before = before if number == 1 else previous
        elif number != last + 1:
            return Checked(first, last, before, f"entry {last} is followed by entry {number}, event {entry.event}")
        if previous != before:
            return Checked(first, last, before, f"entry {number}, event {entry.event}, does not hold the sha-256 of entry {number - 1}")
        last, before = number, entry.sha256
    return Checked(first, last, before if last else NO_ENTRY)
