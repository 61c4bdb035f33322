"""The centre at work: what comes from one broker or several is judged once, kept before it is answered, and answered at all of them."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import aiomqtt

from simulators.centre.keys import CentreKey
from simulators.centre.ledger import Arrival, Ledger, Verdict
from simulators.centre.receipts import MAX_ITEMS, Answer, receipts
from simulators.centre.session import Link, Session, now_at, say
from simulators.centre.store import Store, will_pass
from simulators.centre.verify import root

LINGER_S = 0.02  # how long a receipt may wait for company
WATCH_EVERY_S = 0.5
DISK_AGAIN_S = 2.0
INBOX_MOST = 20_000  # messages that wait to be kept


@dataclass(frozen=True, slots=True)
class Manners:
    """How receipts are given; anything but the defaults is for tests of a gateway."""

    send: bool = True
    delay_ms: int = 0
    unusable: bool = False


class Station:
    """Reads, judges, keeps, tells, answers. tell is called for each verdict once it is kept, receipted with (result, how many).

    links: one for each broker, in an order that stays: the name of the session at each follows from it.
    """

    def __init__(
        self,
        ledger: Ledger,
        store: Store,
        key: CentreKey,
        links: Sequence[Link],
        prefix: str,
        manners: Manners,
        tell: Callable[[Verdict], None],
        receipted: Callable[[str, int], None] = lambda result, count: None,
    ) -> None:
        self._ledger = ledger
        self._store = store
        self._key = key
        self._prefix = prefix
        self._manners = manners
        self._tell = tell
        self._receipted = receipted
        self._inbox: asyncio.Queue[Verdict] = asyncio.Queue()
        self.sessions = [self._session(link, number) for number, link in enumerate(links)]

    def _session(self, link: Link, number: int) -> Session:
        """Two addresses may belong to one bus: there no two sessions can have the same name."""
        identifier = f"campus-centre-{self._key.by}" + (f"-{number + 1}" if number else "")
        take, up, down = (partial(call, link.name) for call in (self._take, self._up, self._down))
        return Session(link, self._prefix, self._key.by, identifier, take, up, down)

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`; then what has arrived is still kept and told. sqlite3.Error ends it at once, but for a disk that is full."""
        async with asyncio.TaskGroup() as group:
            keep = group.create_task(self._keep(group), name="keep")
            listen = [group.create_task(session.run(), name=f"listen:{session.link.name}") for session in self.sessions]
            watch = group.create_task(self._watch(), name="watch")
            await stop.wait()
            for task in (watch, *listen):
                task.cancel()
            await asyncio.wait({watch, *listen})
            await self._inbox.join()
            keep.cancel()

    def _up(self, broker: str) -> None:
        now_ns = time.monotonic_ns()
        self._ledger.listening(broker, now_ns)
        self._inbox.put_nowait(Verdict("online", "", Arrival(now_at(), now_ns, broker)))

    def _down(self, broker: str) -> None:
        now_ns = time.monotonic_ns()
        self._ledger.deaf(broker, now_ns)
        self._inbox.put_nowait(Verdict("offline", "", Arrival(now_at(), now_ns, broker)))

    def _take(self, broker: str, message: aiomqtt.Message) -> None:
        if self._inbox.qsize() > INBOX_MOST:
            return  # the disk has been full for long; what is not judged is not answered, and comes again
        body = message.payload if isinstance(message.payload, bytes) else b""
        topic = str(message.topic)
        if message.retain and "/event/" in topic:
            say(f"retained message on {topic}: events are never retained")
        arrival = Arrival(now_at(), time.monotonic_ns(), broker)
        for verdict in self._ledger.ingest(body, topic, arrival, retained=bool(message.retain)):
            self._inbox.put_nowait(verdict)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(WATCH_EVERY_S)
            for verdict in self._ledger.overdue(time.monotonic_ns(), now_at()):
                self._inbox.put_nowait(verdict)

    async def _keep(self, group: asyncio.TaskGroup) -> None:
        """Batch by batch: commit, then tell, then answer."""
        while True:
            batch = await self._gather()
            await self._commit(batch)
            for verdict in batch:
                self._tell(verdict)
                self._inbox.task_done()
            answers = [answer for verdict in batch if (answer := verdict.answer) is not None]
            if answers and self._manners.send:
                group.create_task(self._answer(answers))

    async def _commit(self, batch: list[Verdict]) -> None:
        """While the disk is full nothing is answered, so gateways keep everything; told once, and again when it is over."""
        full_since: float | None = None
        while True:
            try:
                await asyncio.to_thread(self._store.add, batch)
            except sqlite3.Error as problem:
                if not will_pass(problem):
                    raise
                if full_since is None:
                    full_since = time.monotonic()
                    say(f"campus-centre: nothing can be kept ({problem}), so nothing is receipted and gateways keep it; trying again")
                await asyncio.sleep(DISK_AGAIN_S)
            else:
                if full_since is not None:
                    say(f"campus-centre: events are kept again after {time.monotonic() - full_since:.0f} s")
                return

    async def _gather(self) -> list[Verdict]:
        """What arrives within LINGER_S, at most one receipt full; an alarm goes at once."""
        batch = [await self._inbox.get()]
        with suppress(TimeoutError):
            async with asyncio.timeout(LINGER_S):
                while len(batch) < MAX_ITEMS and batch[-1].event_class != "alarm":
                    batch.append(await self._inbox.get())
        while len(batch) < MAX_ITEMS and not self._inbox.empty():
            batch.append(self._inbox.get_nowait())
        return batch

    async def _answer(self, answers: list[Answer]) -> None:
        """Send receipts, at each broker where there is a session: a gateway hears them on whichever path it still has.

        One that cannot be sent is not kept: the gateway asks again by sending its event again.
        """
        if self._manners.unusable:
            answers = [Answer(a.gateway, a.id, a.sha256, "unusable", "refused on request") for a in answers]
        if self._manners.delay_ms:
            await asyncio.sleep(self._manners.delay_ms / 1000)
        newest = {each.gateway: place for each in answers if (place := self._ledger.newest(each.gateway)) is not None}
        signed = receipts(answers, self._key, now_at(), newest)
        letters = [(f"{root(gateway, self._prefix)}/receipt", receipt) for gateway, receipt in signed]

        async def post(session: Session) -> None:
            for topic, receipt in letters:
                await session.publish(topic, receipt)

        await asyncio.gather(*(post(session) for session in self.sessions))  # a broker that hangs does not hold up the other
        for answer in answers:
            self._receipted(answer.result, 1)
