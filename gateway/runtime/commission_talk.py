"""How a first visit speaks with the person: at a terminal, or through a file of answers and lines of JSON for a machine."""

from __future__ import annotations

import json
import os
import select
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from gateway.core.points import Text
from gateway.runtime.commission import STEPS, VisitRefused

_YES, _NO, _SKIP = "yns"
_MARKS = {"ok": "合格 ok", "problem": "问题 PROBLEM", "soon": "注意 SOON", "unknown": "不明 UNKNOWN", "skipped": "未做 skipped"}


@dataclass(frozen=True, slots=True)
class Answer:
    """yes: None where the person leaves it out. note: what was said of it."""

    yes: bool | None
    note: str = ""


class Talk(Protocol):
    """Whoever is there."""

    def say(self, key: str, text: Text) -> None:
        """Something to know, or to do now."""
        ...

    def ask(self, key: str, question: Text) -> Answer:
        """Yes, no, or left out."""
        ...

    def result(self, key: str, row: dict[str, Any], fresh: bool) -> None:
        """What became of a check."""
        ...

    def no_more(self) -> bool:
        """True when the person will not wait any longer for what was to be done."""
        ...


class Terminal:
    """A person at a terminal. lines: what is read."""

    def __init__(self, read: Callable[[str], str] = input) -> None:
        self._read = read
        self._step = ""

    def say(self, key: str, text: Text) -> None:
        print(f">>> {text.zh}\n    {text.en}", flush=True)

    def ask(self, key: str, question: Text) -> Answer:
        """Raises VisitRefused at the end of the input: the visit is left, and can be taken up again."""
        print(f"??? {question.zh}\n    {question.en}")
        try:
            while (word := self._read("    y 是 yes / n 否 no / s 跳过 skip: ").strip().lower()[:1]) not in (_YES, _NO, _SKIP):
                print("    y, n, s")
            note = self._read("    说明 what is wrong: ").strip() if word == _NO else ""
        except EOFError:
            raise VisitRefused("the input has ended; --resume goes on with the visit") from None
        return Answer({_YES: True, _NO: False, _SKIP: None}[word], note)

    def result(self, key: str, row: dict[str, Any], fresh: bool) -> None:
        step = key.partition("/")[0]
        if step != self._step:
            self._step = step
            print(f"\n=== {STEPS[step].zh} {STEPS[step].en}")
        mark = _MARKS[row["result"]]
        told = "" if fresh else "（已做 done before）"
        note = f"  {row['note']}" if row["note"] else ""
        print(f"[{mark}] {row['zh']}  {row['en']}  {key}{told}{note}", flush=True)

    def no_more(self) -> bool:
        """Enter on an s, or on nothing."""
        if not sys.stdin.isatty() or not select.select([sys.stdin], [], [], 0)[0]:
            return False
        return os.read(sys.stdin.fileno(), 200).strip().lower() in (b"s", b"")


class Answers:
    """A file of answers: {"default": "y", "answers": {"points/gas": "n", "outputs/siren": {"answer": "n", "note": "silent"}}}.

    What is in neither is left out. Each thing that is said goes out as one line of JSON where `as_json`.
    """

    def __init__(self, content: dict[str, Any], *, as_json: bool) -> None:
        self._default = content.get("default", _SKIP)
        self._answers = content.get("answers", {})
        self._as_json = as_json

    @classmethod
    def read(cls, path: Path | None, *, as_json: bool) -> Answers:
        """None: nothing is answered. Raises VisitRefused."""
        if path is None:
            return cls({}, as_json=as_json)
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise VisitRefused(f"{path} cannot be used: {error}") from error
        if not isinstance(content, dict) or not isinstance(content.get("answers", {}), dict):
            raise VisitRefused(f'{path}: expected {{"default": "y", "answers": {{"points/ID": "n"}}}}')
        found = cls(content, as_json=as_json)
        for key in ("", *found._answers):
            if found._answer(key)[0] not in (_YES, _NO, _SKIP):
                raise VisitRefused(f'{path}: the answer to "{key or "default"}" is "y", "n" or "s"')
        return found

    def _answer(self, key: str) -> tuple[str, str]:
        said = self._answers.get(key, self._default)
        return (str(said.get("answer")), str(said.get("note", ""))) if isinstance(said, dict) else (str(said), "")

    def say(self, key: str, text: Text) -> None:
        self._tell({"kind": "say", "key": key, "zh": text.zh, "en": text.en}, f">>> {text.zh} {text.en}")

    def ask(self, key: str, question: Text) -> Answer:
        word, note = self._answer(key)
        told = {"kind": "asked", "key": key, "zh": question.zh, "en": question.en, "answer": word}
        self._tell(told, f"??? {question.zh} {question.en} {word}")
        return Answer({_YES: True, _NO: False, _SKIP: None}[word], note)

    def result(self, key: str, row: dict[str, Any], fresh: bool) -> None:
        self._tell({"kind": "result", "key": key, "fresh": fresh, **row}, f"[{row['result']}] {key}  {row['note']}".rstrip())

    def no_more(self) -> bool:
        return False

    def _tell(self, told: dict[str, Any], words: str) -> None:
        print(json.dumps(told, ensure_ascii=False) if self._as_json else words, flush=True)
