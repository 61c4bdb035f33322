"""A set of whole numbers kept as runs, so that ten thousand contiguous sequence numbers cost one entry."""

from __future__ import annotations

from bisect import bisect_right


class Spans:
    """Numbers from 1 upwards; `firsts[i]..lasts[i]` are the runs, ascending and never touching."""

    def __init__(self) -> None:
        self.firsts: list[int] = []
        self.lasts: list[int] = []

    def __contains__(self, number: int) -> bool:
        run = bisect_right(self.firsts, number) - 1
        return run >= 0 and number <= self.lasts[run]

    @property
    def lowest(self) -> int:
        """Smallest number, 0 when empty."""
        return self.firsts[0] if self.firsts else 0

    @property
    def highest(self) -> int:
        """Largest number, 0 when empty."""
        return self.lasts[-1] if self.lasts else 0

    def add(self, number: int) -> bool:
        """Put a number in; False when it was there."""
        if number in self:
            return False
        after = bisect_right(self.firsts, number)
        joins_before = after > 0 and self.lasts[after - 1] == number - 1
        joins_after = after < len(self.firsts) and self.firsts[after] == number + 1
        if joins_before and joins_after:
            self.lasts[after - 1] = self.lasts[after]
            del self.firsts[after], self.lasts[after]
        elif joins_before:
            self.lasts[after - 1] = number
        elif joins_after:
            self.firsts[after] = number
        else:
            self.firsts.insert(after, number)
            self.lasts.insert(after, number)
        return True

    def holes(self, below: int) -> list[tuple[int, int]]:
        """Runs of missing numbers, first and last, from 1 up to but without `below`."""
        found = []
        expected = 1
        for first, last in zip(self.firsts, self.lasts, strict=True):
            if expected >= below:
                break
            if first > expected:
                found.append((expected, min(first, below) - 1))
            expected = last + 1
        if expected < below:
            found.append((expected, below - 1))
        return found
