"""Who asks the archive much waits for himself: others come in between, and too many at once are told to come again."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest

from gateway.console.pages import Busy, NoArchive
from gateway.console.turns import ASKED_MOST, InTurn, Turns
from gateway.core.history import Told, Wanted
from tests.gateway.console.served import Hand, Served


class SlowArchive(NoArchive):
    """Questions with words wait until the test lets them go."""

    def __init__(self) -> None:
        self.under_way, self.at_most, self.asked = 0, 0, 0
        self.began, self.go = Event(), Event()

    async def events(self, wanted: Wanted, most: int) -> list[Told]:
        if wanted.text:
            self.asked += 1
            self.under_way += 1
            self.at_most = max(self.at_most, self.under_way)
            self.began.set()
            await asyncio.to_thread(self.go.wait, 10)
            self.under_way -= 1
        return []


@pytest.fixture
def archive() -> Iterator[SlowArchive]:
    made = SlowArchive()
    yield made
    made.go.set()


async def test_one_after_the_other_and_only_so_many_wait(archive: SlowArchive) -> None:
    mine = InTurn(archive, Turns())
    asked = asyncio.gather(*(mine.events(Wanted(text="x"), 1) for _ in range(ASKED_MOST + 3)), return_exceptions=True)
    await asyncio.to_thread(archive.began.wait, 10)
    assert await InTurn(archive, Turns()).events(Wanted(), 1) == [], "another session does not wait"
    assert mine.cameras() == (), "what needs no turn does not wait"
    archive.go.set()
    answers = await asked
    assert [isinstance(answer, Busy) for answer in answers] == [False] * ASKED_MOST + [True] * 3
    assert archive.at_most == 1
    assert await mine.events(Wanted(), 1) == [], "later there is room again"


async def test_who_leaves_makes_room(archive: SlowArchive) -> None:
    mine = InTurn(archive, Turns())
    async with asyncio.TaskGroup() as tasks:
        asked = [tasks.create_task(mine.events(Wanted(text="x"), 1)) for _ in range(ASKED_MOST)]
        await asyncio.to_thread(archive.began.wait, 10)
        for task in asked[1:]:
            task.cancel()
        await asyncio.wait(asked[1:])
        last = tasks.create_task(mine.events(Wanted(text="x"), 1))
        archive.go.set()
    assert last.result() == []
    assert archive.asked == 2


def test_a_busy_archive_is_told_as_such_and_the_guard_gets_in(tmp_path: Path, archive: SlowArchive) -> None:
    with Served(tmp_path, Hand(None), archive).running() as page, ThreadPoolExecutor(20) as threads:
        viewer, guard = page.visitor(), page.visitor()
        assert (viewer.sign_in("校长"), guard.sign_in()) == (200, 200)
        asked = [threads.submit(viewer.ask, "GET", path) for path in ("/history?text=x", "/history.csv?text=x") * ASKED_MOST]
        while sum(each.done() for each in asked) < ASKED_MOST:  # those that are refused come back at once
            assert not archive.go.is_set()
        assert archive.began.wait(10)
        assert guard.ask("GET", "/history")[0] == 200
        archive.go.set()
        answers = [each.result() for each in asked]
    refused = [answer for answer in answers if answer[0] == 503]
    assert sorted(answer[0] for answer in answers) == [200] * ASKED_MOST + [503] * ASKED_MOST
    assert all("查询过多，请稍后再试" in text and headers["retry-after"] for _, text, headers in refused)
    assert archive.at_most == 1
