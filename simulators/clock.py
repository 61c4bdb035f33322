"""A wall clock that jumps, for a program that is started with libfaketime: the monotonic clock is left alone, as a real jump leaves it."""

from __future__ import annotations

from pathlib import Path

from simulators.errors import SimError

PLACES = ("/usr/lib", "/usr/lib64", "/usr/local/lib")


class FakeClock:
    """How far the wall clock of the programs with `environment()` is off. file: read by them at each look at the clock.

    SimError when libfaketime is not installed.
    """

    def __init__(self, file: Path) -> None:
        self.file = file.resolve()
        self._library = library()
        self.offset_s = 0.0
        self._write()

    def jump(self, jump_s: float) -> None:
        """From where it is now; negative goes back."""
        self.offset_s += jump_s
        self._write()

    def environment(self) -> dict[str, str]:
        """Variables with which the program is to be started."""
        return {
            "LD_PRELOAD": str(self._library),
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def _write(self) -> None:
        new = self.file.with_name(self.file.name + ".new")
        try:
            new.write_text(f"{self.offset_s:+.3f}\n", encoding="ascii")
            new.replace(self.file)  # a reader never sees half of it
        except OSError as error:
            raise SimError(f"cannot write {self.file}: {error.strerror}") from error


def library() -> Path:
    """libfaketime for LD_PRELOAD. SimError says how to install it."""
    found = [path for place in PLACES for path in sorted(Path(place).glob("**/faketime/libfaketime.so.1"))]
    if not found:
        raise SimError("libfaketime is not installed: apt-get install faketime")
    return found[0]
