"""A first visit (调试验收): its checks in order, what became of each, kept at once; and the report that it ends in.

A visit can be left at any time and taken up again: what is in the book is not asked twice.
"""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway import __version__
from gateway.config.settings import Settings
from gateway.contract.envelope import rfc3339
from gateway.contract.jws import Signer
from gateway.core.errors import Permanent
from gateway.core.points import Text
from gateway.runtime.keys import KeyRefused, event_key_file, keep_secret, read_secret

BOOK_NAME = "commission.json"
_LATIN, _LAST_LATIN = re.compile(r"[!-~]"), re.compile(r"[!-~]+$")
SCHEMA = 1
NOTE_MOST = 1200  # characters of a note
OK, PROBLEM, SOON, UNKNOWN, SKIPPED = RESULTS = ("ok", "problem", "soon", "unknown", "skipped")
STEPS: dict[str, Text] = {
    "site": Text("场所文件", "site file"),
    "ports": Text("端口与单元", "ports and units"),
    "devices": Text("设备", "devices"),
    "points": Text("点位", "points"),
    "cameras": Text("摄像机", "cameras"),
    "link": Text("上报链路", "link to broker and centre"),
    "board": Text("主机", "computer"),
    "outputs": Text("声光与输出", "sounder and outputs"),
}


class VisitRefused(Permanent):
    """The visit cannot go on; the message says why and what to do."""


def cut(text: str, most: int) -> str:
    """No longer than `most` characters; a Latin word or number is never cut in its middle, and what is cut ends in an ellipsis."""
    if len(text) <= most:
        return text
    kept = text[: most - 1]
    if _LATIN.match(text[most - 1]):
        kept = _LAST_LATIN.sub("", kept) or kept
    return kept.rstrip(" ,;:，；：、") + "…"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a check. note: what is wrong, or was noticed; seen: what was measured, JSON-able.

    result: one of RESULTS. soon: it works, and will not for long, or not in every case; unknown: it could not be looked at.
    """

    result: str
    note: str | Text = ""
    seen: dict[str, Any] = field(default_factory=dict)

    def words(self) -> dict[str, str]:
        """note: in all languages that it has; note_zh: in Chinese, or as it was written."""
        if isinstance(self.note, Text):
            return {"note": cut(f"{self.note.zh} {self.note.en}", NOTE_MOST), "note_zh": cut(self.note.zh, NOTE_MOST)}
        return {"note": cut(self.note, NOTE_MOST), "note_zh": cut(self.note, NOTE_MOST)}


@dataclass(frozen=True, slots=True)
class Check:
    """One thing to look at. key: step/id. place: id, '' for the whole gateway. do: carries it out."""

    key: str
    name: Text
    do: Callable[[], Outcome]
    place: str = ""
    responsible: str = ""

    @property
    def step(self) -> str:
        """To which step it belongs."""
        return self.key.partition("/")[0]


class Book:
    """What a visit has found so far, in a file of the state folder. Written anew, whole or not at all, after each check."""

    def __init__(self, path: Path, content: dict[str, Any]) -> None:
        self._path = path
        self._content = content

    @classmethod
    def open(cls, settings: Settings, by: str, at_ms: int, *, resume: bool, anew: bool) -> Book:
        """The book of the visit that goes on, or a new one. at_ms: UTC. Raises VisitRefused."""
        path = settings.state_dir / BOOK_NAME
        before = _read(path)
        begun = bool(before) and not before.get("finished_at")
        if before and before.get("source") != settings.source:
            raise VisitRefused(f"{path} is of {before.get('source')}, not of {settings.source}: move it away")
        if begun and not (resume or anew):
            words = f"a visit by {before.get('by')} began at {before.get('begun_at')} and is not finished"
            raise VisitRefused(f"{words}: --resume goes on with it, --anew begins again")
        if resume and before:
            return cls(path, before)
        content = {"schema": SCHEMA, "visit": str(uuid.uuid4()), "source": settings.source, "by": by, "begun_at": rfc3339(at_ms)}
        book = cls(path, {**content, "finished_at": "", "results": {}})
        book._keep()
        return book

    @property
    def visit(self) -> str:
        """Id of the visit."""
        return str(self._content["visit"])

    @property
    def begun_at(self) -> str:
        """RFC 3339."""
        return str(self._content["begun_at"])

    @property
    def results(self) -> dict[str, dict[str, Any]]:
        """Key of a check -> result, note, note_zh, seen, zh, en, place, responsible, at, by; `ledger` once it was put there."""
        found: dict[str, dict[str, Any]] = self._content["results"]
        return found

    def put(self, check: Check, outcome: Outcome, by: str, at_ms: int) -> dict[str, Any]:
        """Keep what became of a check; its row."""
        row = {"result": outcome.result, **outcome.words(), "seen": outcome.seen}
        row |= {
            "zh": check.name.zh,
            "en": check.name.en,
            "place": check.place,
            "responsible": check.responsible,
            "at": rfc3339(at_ms),
            "by": by,
        }
        self.results[check.key] = row
        self._keep()
        return row

    def ledger(self, key: str, words: str) -> None:
        """This problem was put into the hazard ledger, or why not."""
        self.results[key]["ledger"] = words
        self._keep()

    def finish(self, at_ms: int) -> None:
        """The visit is over; the next one begins a new book."""
        self._content["finished_at"] = rfc3339(at_ms)
        self._keep()

    def _keep(self) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            keep_secret(self._path, json.dumps(self._content, ensure_ascii=False, indent=1).encode())
        except OSError as error:
            raise VisitRefused(f"{self._path} cannot be written: {error.strerror}; run it as the daemon's user, or with sudo") from error


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise VisitRefused(f"{path} cannot be read: {error}; move it away to begin anew") from error
    if not isinstance(found, dict) or found.get("schema") != SCHEMA or not isinstance(found.get("results"), dict):
        raise VisitRefused(f"{path} is no book of a visit: move it away to begin anew")
    return found


def walk(
    checks: Iterable[Check],
    book: Book,
    by: str,
    now_ms: Callable[[], int],
    told: Callable[[str, dict[str, Any], bool], None],
    redo: str = "",
) -> None:
    """Carry out the checks that the book does not know yet. redo: a step or a check that is done again.

    told(key, row, fresh) hears of each; not fresh: it was in the book.
    """
    for check in checks:
        known = book.results.get(check.key)
        if known is not None and redo not in (check.key, check.step):
            told(check.key, known, False)
            continue
        told(check.key, book.put(check, check.do(), by, now_ms()), True)


# --- the report ---------------------------------------------------------------------------------


def report(settings: Settings, book: Book, by: str, at_ms: int) -> dict[str, Any]:
    """The report of a visit as plain data, before it is signed."""
    site, rows = settings.site, book.results
    steps = [
        {
            "step": step,
            "zh": name.zh,
            "en": name.en,
            "checks": [_check(key, row, settings) for key, row in rows.items() if _of(key) == step],
        }
        for step, name in STEPS.items()
    ]
    return {
        "schema": SCHEMA,
        "report": "commission",
        "visit": book.visit,
        "source": settings.source,
        "version": __version__,
        "site": {"zh": site.site.name, "en": site.site.name_en or site.site.name, "timezone": site.site.timezone},
        "begun_at": book.begun_at,
        "issued_at": rfc3339(at_ms),
        "by": by,
        "totals": {result: sum(row["result"] == result for row in rows.values()) for result in RESULTS},
        "steps": steps,
    }


def _of(key: str) -> str:
    return key.partition("/")[0]


def _check(key: str, row: dict[str, Any], settings: Settings) -> dict[str, Any]:
    place = settings.site.places.get(row["place"])
    named = {"place_zh": "" if place is None else place.name, "place_en": "" if place is None else place.name_en or place.name}
    return {"check": key, **row, **named}


def signer_of(settings: Settings) -> Signer:
    """The gateway's own signer. Never makes a key. Raises KeyRefused with what to do."""
    path = event_key_file(settings.state_dir)
    try:
        return Signer(read_secret(path))
    except FileNotFoundError as error:
        raise KeyRefused(f"the event key is not at {path} (systemd may hold it): the report is not signed") from error
    except (OSError, ValueError) as error:
        raise KeyRefused(f"{path} cannot be used: {error}") from error


def write_report(folder: Path, told: dict[str, Any], signer: Signer | None, page: Callable[[dict[str, Any], str], str]) -> tuple[Path, str]:
    """Store report as JSON, with `signature` (detached JWS over its canonical form) where there is a key, and as HTML.

    Its JSON file and the sha-256 of that. page(report, sha256): the HTML. Raises VisitRefused.
    """
    text = signer.seal(told) if signer is not None else json.dumps(told, ensure_ascii=False, sort_keys=True).encode()
    sha256 = hashlib.sha256(text).hexdigest()
    file = folder / f"commission-{str(told['issued_at'])[:19].replace(':', '')}.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text)
        file.with_suffix(".html").write_text(
            page({**told, **({"kid": signer.kid} if signer is not None else {})}, sha256), encoding="utf-8"
        )
    except OSError as error:
        raise VisitRefused(f"{folder} cannot be written: {error.strerror}; give another folder with --report DIR") from error
    return file, sha256
