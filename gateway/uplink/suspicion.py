"""Which topic or which message a broker ends its sessions at. One path's; pure, time is handed in.

MQTT 5 may say why it leaves; a 3.1.1 broker closes the socket, if need be after a PUBACK.
"""

from __future__ import annotations

from gateway.contract.topics import Topics
from gateway.uplink.lane import Lane
from gateway.uplink.outbox import SUSPECT_TIMES, SUSPECTED, Outbox

SUSPECT_S = 0.3  # a session that ends this soon after a publish casts suspicion on its topic
SMALL_BYTES = 4096  # every broker takes a message of this size, so a smaller one is not too large
TOO_MUCH_S = 3600.0  # what seems to be too large for a broker that announces no limit is tried again after this long
PACKET_BYTES = 64  # at most, what a packet has beside topic and body


class Suspicion:
    """classes: of events whose topics may be the reason, with the sessions that ended at them.

    While something of these waits, one message is sent at a time, which clears the innocent.
    """

    def __init__(self, topics: Topics, outbox: Outbox, lane: Lane) -> None:
        self._topics = topics
        self._outbox = outbox
        self._lane = lane
        self.classes: dict[str, int] = {}
        self._sent_s: dict[str, float] = {}  # class -> when it was last sent in this session
        self._taken: dict[str, int] = {}  # topic -> bytes of the largest message that the broker has acknowledged
        self._blamed = (0, 0)  # row of a large event at which sessions ended, how many
        self._too_much: int | None = None  # bytes of a packet that the broker does not take, as it seems
        self._too_much_until_s = 0.0

    def sent(self, event_class: str, now_s: float) -> None:
        """Something of this class goes out."""
        self._sent_s[event_class] = now_s

    def session_over(self) -> None:
        """What was sent in it is no matter any more."""
        self._sent_s.clear()

    def taken(self, sizes: dict[str, int]) -> None:
        """Topic -> bytes of the largest message that the broker has acknowledged in a session."""
        for topic, size in sizes.items():
            self._taken[topic] = max(size, self._taken.get(topic, 0))

    def over(self, now_s: float) -> bool:
        """A limit that was only believed has stood long enough."""
        return self._too_much is not None and now_s > self._too_much_until_s

    def limit(self, now_s: float) -> int | None:
        """Bytes that a packet may have as far as is believed, None without a limit."""
        if self.over(now_s):
            self._too_much = None
        return None if self._too_much is None else self._too_much - 1

    def ended(self, flying: list[tuple[str, int]], now_s: float, *, told: bool, too_large: bool) -> bool:
        """The session ended with these (topic, bytes) unacknowledged. told: the broker said why. True when a topic was set aside.

        Every topic of the last moment is suspected; where the broker said why it left, each that it has not acknowledged. A message that
        is larger than any that was taken of its topic is itself to blame; else a topic that ends the session three times is set aside.
        """
        topics = {self._topics.event(name): name for name in self._sent_s}
        events = [(topics[topic], size) for topic, size in flying if topic in topics]
        if len(events) == len(self._lane.in_flight) == 1:
            name, size = events[0]
            if too_large or size > max(SMALL_BYTES, self._taken.get(self._topics.event(name), 0)):
                self.classes.setdefault(name, 1)
                self._blame(name, size, now_s, told=too_large)
                return False
            self._outbox.suspect_row(self._lane, now_s)
        recent = {name for name, at_s in self._sent_s.items() if now_s - at_s < SUSPECT_S}
        aside = False
        for name in {name for name, _ in events} if told else recent:
            self.classes[name] = self.classes.get(name, 0) + 1
            if self.classes[name] >= SUSPECT_TIMES and not too_large:
                self._outbox.hold(self._lane, name, SUSPECTED, now_s)
                aside = True
        return aside

    def _blame(self, event_class: str, size: int, now_s: float, *, told: bool) -> None:
        """The session ended at one large event: if the broker says so, or the third time, nothing of its size is sent for an hour."""
        row = next(iter(self._lane.in_flight))
        self._blamed = (row, self._blamed[1] + 1 if row == self._blamed[0] else 1)
        if told or self._blamed[1] >= SUSPECT_TIMES:
            self._too_much = len(self._topics.event(event_class)) + size + PACKET_BYTES
            self._too_much_until_s = now_s + TOO_MUCH_S

    def acquit(self, event_class: str) -> bool:
        """Something of this class was sent alone, and the session has outlived it. True when its topic had been set aside."""
        if self.classes.pop(event_class, 0) < SUSPECT_TIMES:
            return False
        self._outbox.release(self._lane, event_class)
        return True
