"""What a look at a gateway finds: what is wrong, where, and what to do about it, in Chinese and English. Plain data and its order."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from gateway.core.points import Text

WRONG, SOON, UNKNOWN = GRADES = ("wrong", "soon", "unknown")  # the worst first; unknown: it could not be looked at
GRADE_WORDS = {WRONG: Text("故障", "WRONG"), SOON: Text("注意", "SOON"), UNKNOWN: Text("不明", "UNKNOWN")}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing. where: a point, file, path or part; what: the words for it; todo: what a technician does about it."""

    grade: str
    where: str
    what: Text
    todo: Text

    def as_json(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)


def wrong(where: str, zh: str, en: str, todo_zh: str, todo_en: str) -> Finding:
    """It does not work, or an alarm could be lost."""
    return Finding(WRONG, where, Text(zh, en), Text(todo_zh, todo_en))


def soon(where: str, zh: str, en: str, todo_zh: str, todo_en: str) -> Finding:
    """It works, and will not for long, or not in every case."""
    return Finding(SOON, where, Text(zh, en), Text(todo_zh, todo_en))


def unknown(where: str, zh: str, en: str, todo_zh: str, todo_en: str) -> Finding:
    """It could not be looked at from here."""
    return Finding(UNKNOWN, where, Text(zh, en), Text(todo_zh, todo_en))


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """The worst first, otherwise as found; one that was found twice counts once."""
    return sorted(dict.fromkeys(findings), key=lambda finding: GRADES.index(finding.grade))
