"""The desk at which signed commands of the centres arrive: verified, counted, bounded in number, answered.

Whoever may write to the topic can send anything and as much as he likes, so three things are bounded: how many messages are
read at all, how many new commands a key gives, and how many refusals are put on record.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from typing import Any

from gateway.contract.command import CommandRefused, RemoteCommand, read_command
from gateway.contract.envelope import rfc3339
from gateway.contract.jws import TrustedKey
from gateway.core.commands import Command
from gateway.core.errors import BadMessage, BadSignature, LinkLost
from gateway.core.reading import Now

log = logging.getLogger(__name__)

READ_PER_MIN, READ_BURST = 600.0, 50.0  # a verification takes about a millisecond on a small board
KEY_PER_MIN, KEY_BURST = 30.0, 30.0
RECORD_PER_MIN, RECORD_BURST = 10.0, 10.0
SUMMARY_S = 60.0
MOST_RESULTS = 100  # results that wait for a session; the audit events are what lasts
MOST_COPIES = 1000  # commands whose bytes are remembered, to know them again on the other path
TOLD_CHARACTERS = 200

Finished = Callable[[bool, str], None]
Act = Callable[[Command, Finished], tuple[bool, str]]


class Bucket:
    """A token bucket. per_min: what flows in; burst: what it holds."""

    def __init__(self, per_min: float, burst: float) -> None:
        self._per_s = per_min / 60
        self._burst = burst
        self._tokens = burst
        self._at_s: float | None = None

    def take(self, now_s: float) -> bool:
        """One token, if there is one."""
        if self._at_s is not None:
            self._tokens = min(self._burst, self._tokens + (now_s - self._at_s) * self._per_s)
        self._at_s = now_s
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class CommandDesk:
    """Takes messages of the topic `command`, whatever path they came on.

    now(): the gateway's clock. act(command, finished): carries a command out or puts its refusal on record; gives (taken, text) and
    later calls finished(done, text) once. known(id): this id was here before. locks: outputs that let a door be opened.
    """

    def __init__(
        self,
        source: str,
        keys: dict[str, TrustedKey],
        now: Callable[[], Now],
        act: Act,
        known: Callable[[str], bool],
        locks: frozenset[str],
    ) -> None:
        self._source = source
        self._keys = keys
        self._now = now
        self._act = act
        self._known = known
        self._locks = locks
        self._reads = Bucket(READ_PER_MIN, READ_BURST)
        self._records = Bucket(RECORD_PER_MIN, RECORD_BURST)
        self._per_key = {kid: Bucket(KEY_PER_MIN, KEY_BURST) for kid in keys}
        self._unrecorded: Counter[str] = Counter()
        self._results: deque[dict[str, Any]] = deque(maxlen=MOST_RESULTS)
        self._publish: dict[str, Callable[[dict[str, Any]], None]] = {}
        self._arrived: OrderedDict[bytes, set[str]] = OrderedDict()
        self.counts: Counter[str] = Counter()

    def open(self, path: str, publish: Callable[[dict[str, Any]], None]) -> None:
        """There is a session: results go out by publish(message), which raises LinkLost once it has ended; on every path that has one."""
        self._publish[path] = publish
        self._send_results()

    def take(self, payload: bytes, *, retained: bool, path: str = "") -> None:
        """One message. Nothing is raised; what is not taken leaves a count, and mostly an audit event.

        A centre that has two paths says everything twice: the same bytes, new on this path, are the same command.
        """
        now = self._now()
        if not payload:
            return  # how a retained message is removed from a broker
        if not self._reads.take(now.now_s):
            self.counts["dropped"] += 1
            self._record_later("dropped")
            return
        if retained:
            self._refuse("retained", "a command is never retained", self._signed_by_somebody(payload, now), now)
            return
        if self._is_copy(payload, path):
            self.counts["copy"] += 1
            return
        try:
            command = self._read(payload, now)
        except CommandRefused as refused:
            self._refuse(refused.reason, str(refused), refused.command, now)
        except BadSignature as error:
            self._refuse("signature", str(error), None, now)
        except BadMessage as error:
            self._refuse("message", str(error), None, now)
        else:
            self._take_new(command, now)

    def _read(self, payload: bytes, now: Now) -> RemoteCommand:
        return read_command(payload, self._keys, self._source, now.at_ms, now.clock, self._locks)

    def _signed_by_somebody(self, payload: bytes, now: Now) -> RemoteCommand | None:
        """What it asks, good or not; None where nobody of the site file has signed it."""
        try:
            return self._read(payload, now)
        except CommandRefused as refused:
            return refused.command
        except (BadMessage, BadSignature):
            return None

    def _is_copy(self, payload: bytes, path: str) -> bool:
        """True the first time that these bytes come on a further path."""
        digest = hashlib.sha256(payload).digest()
        paths = self._arrived.setdefault(digest, set())
        copy = bool(paths) and path not in paths
        paths.add(path)
        while len(self._arrived) > MOST_COPIES:
            self._arrived.popitem(last=False)
        return copy

    def _take_new(self, command: RemoteCommand, now: Now) -> None:
        if self._known(command.id):
            self._refuse("repeated", "a command with this id was here before", command, now)
        elif not all(self._per_key[kid].take(now.now_s) for kid in command.kids):
            self._refuse("rate", f"more than {KEY_PER_MIN:.0f} commands in a minute by one key", command, now)
        else:
            self._carry_out(command)

    def _carry_out(self, command: RemoteCommand) -> None:
        def finished(done: bool, text: str) -> None:
            self._tell(command, "done" if done else "failed", "", text)

        taken, text = self._act(command.command(), finished)
        self._tell(command, "accepted" if taken else "refused", "" if taken else "rules", text)

    def _refuse(self, reason: str, text: str, command: RemoteCommand | None, now: Now) -> None:
        """Refusals beyond what is put on record are counted, and not answered either."""
        if not self._records.take(now.now_s):
            self.counts[reason] += 1
            self._record_later(reason)
            return
        text = text[:TOLD_CHARACTERS]
        self._record(f"{reason}: {text}", command)
        if command is None or not command.id:
            self.counts[reason] += 1  # nobody to answer: who sent it is not known, or what the answer is about cannot be said
        else:
            self._tell(command, "refused", reason, text)

    def _record(self, refused: str, command: RemoteCommand | None) -> None:
        log.warning("a command over MQTT was refused: %s", refused)
        unknown = Command("", "", "", "centre", "mqtt", refused=refused)
        self._act(command.command(refused) if command is not None else unknown, lambda done, text: None)

    def _record_later(self, reason: str) -> None:
        """One audit event with the count, a minute after the first that got none of its own. reason: `dropped` where nobody looked."""
        if not self._unrecorded:
            asyncio.get_running_loop().call_later(SUMMARY_S, self.summarise)
        self._unrecorded[reason] += 1

    def summarise(self) -> None:
        """Put on record how many refusals have no audit event of their own; once a minute, and when the gateway stops."""
        if self._unrecorded:
            each = ", ".join(f"{reason} {count}" for reason, count in sorted(self._unrecorded.items()))
            self._record(f"flood: {self._unrecorded.total()} more messages were refused ({each})", None)
            self._unrecorded.clear()

    def _tell(self, command: RemoteCommand, result: str, reason: str, text: str) -> None:
        self.counts[reason or result] += 1
        self._results.append(
            {
                "source": self._source,
                "id": command.id,
                "command": command.kind,
                "target": command.target,
                "result": result,
                "reason": reason,
                "text": text,
                "at": rfc3339(self._now().at_ms),
            }
        )
        self._send_results()

    def _send_results(self) -> None:
        while self._results and self._publish:
            for path, publish in list(self._publish.items()):
                try:
                    publish(self._results[0])
                except LinkLost:
                    del self._publish[path]
            if self._publish:
                self._results.popleft()
