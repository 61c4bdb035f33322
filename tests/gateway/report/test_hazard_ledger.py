"""The ledger from its entries: one row for each hazard, and the first broken link."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.history import Minute, Told, Wanted
from gateway.report.hazard_ledger import ENTRIES, Checked, check, entries, rows
from tests.gateway.rules.ledger import DAY_S, GAS, Ledger


class Events:
    """Satisfies core.history.Past: what a ledger has said, newest first."""

    def __init__(self, said: list[dict[str, Any]]) -> None:
        self.said = said

    def events(self, wanted: Wanted) -> Iterator[Told]:
        assert wanted == ENTRIES
        for row, data in reversed(list(enumerate(self.said, 1))):
            kind = f"campus.hazard.{data.get('step')}"
            yield Told(row, 1, row, "duty", f"id-{row}", kind, str(data.get("hazard")), 1000 * row, data, {}, frozenset())

    def minutes(self, points: Collection[str], from_ms: int, to_ms: int) -> Iterator[Minute]:
        return iter(())


def a_year() -> list[dict[str, Any]]:
    """Entries of two hazards: one by a fault that came back, one by hand that was not right at first, and late."""
    here = Ledger()
    here.fault(GAS)
    here.wait(DAY_S)
    here.open()
    here.fault(GAS, "reset")
    here.to("closed")
    here.wait(10 * DAY_S)
    here.to("fixed", "hz-2")
    assert here.command("verify", "hz-2", value="no", why="仍漏气") == ""
    here.fault(GAS)
    here.wait(DAY_S)
    return here.entries


def test_a_row_for_each_hazard() -> None:
    first, second = rows(entries(Events(a_year())))
    assert (first.number, first.newest["state"], first.newest["recurrences"], set(first.done)) == (
        1,
        "assigned",
        1,
        {"opened", "assigned", "reopened"},
    )
    assert (second.number, second.newest["state"], second.rejected, second.late) == (2, "assigned", 1, True)
    assert first.opened_ms == 1000
    assert not first.is_overdue("2026-09-10")
    assert first.is_overdue("2026-10-10")


def test_who_did_what_last() -> None:
    here = Ledger()
    here.open()
    here.to("closed")
    (row,) = rows(entries(Events(here.entries)))
    assert row.done == {
        "opened": (1000, "李明"),
        "assigned": (2000, "李明"),
        "fixed": (3000, "王建国"),
        "verified": (4000, "李明"),
        "closed": (5000, "李明"),
    }
    assert not row.is_overdue("2030-01-01"), "it was set right in time"


def test_a_whole_ledger() -> None:
    said = a_year()
    found = check(entries(Events(said)))
    assert (found.first, found.last, found.wrong) == (1, len(said), "")
    assert check([]) == Checked(0, 0, "0" * 64)


def test_the_oldest_may_be_gone() -> None:
    said = a_year()
    found = check(entries(Events(said[3:])))
    assert (found.first, found.last, found.wrong) == (4, len(said), "")


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        (lambda said: said[1].update(by="somebody"), "entry 3, event id-3, does not hold the sha-256 of entry 2"),
        (lambda said: said.pop(2), "entry 2 is followed by entry 4, event id-3"),
        (lambda said: said.insert(2, dict(said[1])), "entry 2 is followed by entry 2, event id-3"),
        (lambda said: said[0].update(previous_entry="1" * 64), "entry 1, event id-1, does not hold the sha-256 of entry 0"),
        (lambda said: said.insert(3, {"text": "odd"}), "behind entry 3: event id-4 is no entry"),
        (lambda said: said.append({**said[0]}), "is followed by entry 1"),
        (lambda said: said[1].update(why=2.0**80), "does not hold the sha-256 of entry 2"),
    ],
)
def test_the_first_broken_link_is_named(change: Any, wrong: str) -> None:
    said = a_year()
    change(said)
    assert wrong in check(entries(Events(said))).wrong


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_no_change_of_any_member_but_of_the_last_entry_stays_unseen(data: st.DataObject) -> None:
    said = [dict(each) for each in a_year()]
    place = data.draw(st.integers(0, len(said) - 2))
    member = data.draw(st.sampled_from(sorted(said[place])))
    said[place][member] = data.draw(st.sampled_from(["changed", None, 17, True]).filter(lambda value: value != said[place][member]))
    assert check(entries(Events(said))).wrong


def test_what_is_no_entry_makes_no_row() -> None:
    assert rows(entries(Events([{"number": "x"}, {}]))) == []
