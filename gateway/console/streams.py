"""The open pages that hear what happens. When as many are open as there may be, whoever has most of them gives one up."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True, eq=False)
class Stream:
    """One open page of a person. over: it gives its place to somebody else."""

    name: str
    over: bool = False


@dataclass(slots=True)
class Streams:
    """All of them, the oldest first. most: how many there may be."""

    most: int
    _open: list[Stream] = field(default_factory=list)

    def begin(self, name: str) -> Stream | None:
        """One more page of this person; None where there is no room and nobody has more open than this person would have."""
        if len(self._open) >= self.most:
            count = Counter(each.name for each in self._open)
            greedy, has = count.most_common(1)[0]
            if has <= count[name] + 1:
                return None
            oldest = next(each for each in self._open if each.name == greedy)
            oldest.over = True
            self._open.remove(oldest)
        stream = Stream(name)
        self._open.append(stream)
        return stream

    def end(self, stream: Stream) -> None:
        """The page is closed."""
        if stream in self._open:
            self._open.remove(stream)
