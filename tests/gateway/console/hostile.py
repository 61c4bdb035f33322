"""Texts that attack a page, pictures and journals full of them, and a judge of the HTML that comes out."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from html.parser import HTMLParser
from itertools import islice
from pathlib import Path
from typing import Any

from gateway.console.pages import Measured, NoArchive
from gateway.core.history import Minute, Told, Wanted
from gateway.core.ids import EventIds
from gateway.core.points import Draft, EventClass, Priority
from gateway.journal.history import JournalHistory
from gateway.journal.store import Batch
from tests.gateway.console.pictures import PANIC, alarm, picture
from tests.gateway.contract.published import document
from tests.gateway.journal.journals import open_at

MARK = "zz-hostile"  # in every text, so that one sees that it was shown at all
TEXTS = (
    f'{MARK}"><script>alert(1)</script>',
    f"{MARK}' onmouseover='alert(1)' x='",
    f"{MARK}</textarea></option></title></svg><img src=x onerror=alert(1)>",
    f"{MARK}{{{{ 7 * 7 }}}}{{% raw %}}{{# #}}",
    f"{MARK}\u202e\u2066\u0000\u0085\u2028تنبيه",
    f"javascript:alert('{MARK}')",
    MARK + "长" * 3_000,
)
# Words of ours, times and digests: not texts that a site, a device or a person could choose.
_OURS = {"state", "severity", "urgency", "step", "class", "kind", "quality", "source", "figure", "report", "every", "result", "status"}
_SHAPED = re.compile(r"^(\d{4}-\d\d-\d\d(T[\d:.]+Z)?|[0-9a-f-]{32,64}|)$")
_TEXT_AT_MOST = 12  # of one kind of shape in a schema


def poisoned(value: Any, text: str, key: str = "") -> Any:
    """The same structure with this text in the place of everything that a site, a device or a person could have named."""
    if isinstance(value, Mapping):
        return {name: poisoned(each, text, str(name)) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [poisoned(each, text, key) for each in value]
    return text if isinstance(value, str) and key not in _OURS and not _SHAPED.match(value) else value


def rich_picture() -> dict[str, Any]:
    """A picture in which every list holds something."""
    since = "2026-11-22T00:30:00.000Z"
    gas = alarm("gas-kitchen", place="gatehouse", value=12.5, unit="%LEL", reason="rising", state="latched_unacknowledged")
    fault = alarm("gw-disk", fault=True, **{"class": "fault"}, severity="Minor", state="acknowledged", by="王主任")
    changes: dict[str, Any] = {
        "set_aside": [
            {"alarm": "door/forced", "zh": "后门", "en": "door", "state": "shelved", "why": "修门", "by": "王主任", "until": since},
        ],
        "modes": [{"kind": "drill", "drill": "fire", "by": "王主任", "why": "term", "state": "running", "id": "m1", "until": since,
                   "zh": "消防演练", "en": "fire drill", "points": ["gas-kitchen"]}],
        "duties": [{"duty": "post", "zh": "护学岗", "en": "post", "state": "missed", "who": "李明", "done": 1, "of": 3, "rule": "patrol",
                    "place": "gatehouse", "checkpoints": [{"id": "boiler", "zh": "锅炉房", "en": "boiler room"}]}],
        "paths": [{"id": "main", "up": False, "reason": "refused"}],
        "refusing": "disk full",
        "not_good": [{"point": "gas-kitchen", "reason": "no answer"}],
        "points": [
            {"point": "gas-kitchen", "role": "gas_concentration", "place": "gatehouse", "zh": "燃气", "en": "gas", "system": False,
             "value": 12.5, "unit": "%LEL", "quality": "good", "reason": "", "states": ["unacknowledged"],
             "camera": False, "tried": True, "worked_on": True},
        ],
        "recipients": [{"id": "police", "zh": "公安", "en": "police"}],
    }  # fmt: skip
    return picture(PANIC, gas, fault, **changes)


def hostile_pictures() -> list[dict[str, Any]]:
    """One for each text; the names of places and keys are hostile too."""
    found = []
    for text in TEXTS:
        made = poisoned(rich_picture(), text)
        made["places"] |= {text: {"zh": text, "en": text}}
        found.append(made)
    return found


# --- a journal ---------------------------------------------------------------------------------


def event_kinds() -> dict[str, dict[str, Any]]:
    """Event type -> schema of its data, as published."""
    found = {}
    for message in document()["components"]["messages"].values():
        for part in message["payload"].get("allOf", []):
            properties = part.get("properties", {})
            if "data" in properties and "type" in properties:
                found |= dict.fromkeys(properties["type"]["enum"], properties["data"])
    return found


def made(schema: Mapping[str, Any], text: str) -> Any:
    """Something of this schema, all optional members given, each free text hostile."""
    schema = _resolved(schema)
    kinds = schema.get("type", "object")
    kind = next(each for each in kinds if each != "null") if isinstance(kinds, list) else kinds
    if kind == "object":
        members = {name: made(part, text) for name, part in schema.get("properties", {}).items()}
        values = schema.get("additionalProperties")
        return members | ({text[:40]: made(values, text)} if isinstance(values, dict) else {})
    if kind == "array":
        return [made(schema["items"], text)] * max(1, schema.get("minItems", 1))
    if kind == "string":
        return _word(schema, text)
    return bool(schema) if kind == "boolean" else schema.get("minimum", 1)


def _resolved(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    while "$ref" in schema:
        schema = document()["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


def _word(schema: Mapping[str, Any], text: str) -> str:
    for choices in ("enum", "x-known"):
        if choices in schema:
            return str(schema[choices][0])
    pattern = schema.get("pattern", "")
    examples = ("2026-11-22T00:30:00.000Z", "019500c0-0000-7000-8000-000000000000", "0" * 64, "0" * 20, "0" * 10)
    return next((each for each in examples if pattern.startswith(("^[0-9", "^[0-9a-f")) and re.match(pattern, each)), text)


def hostile_journal(folder: Path, text: str) -> JournalHistory:
    """A real journal with an event of every type, full of this text."""
    store, _ = open_at(folder)
    ids, at_ms = EventIds(), round(time.time() * 1000)
    drafts = []
    for kind, schema in event_kinds().items():
        name = kind.split(".")[1]
        of = EventClass(name) if name in set(map(str, EventClass)) else EventClass.AUDIT
        data = made(schema, text)
        drafts.append(Draft(ids(at_ms), of, kind, text[:120].replace("\0", ""), Priority.ROUTINE, at_ms, 1.0, "synchronised", data))
    store.commit([Batch(drafts)], [])
    store.close()
    return JournalHistory(folder)


class HostileArchive(NoArchive):
    """The archive of a school that was named by an attacker. number: of the text that it is full of; moved by the test."""

    def __init__(self, folder: Path) -> None:
        self._journals = [hostile_journal(folder / str(number), text) for number, text in enumerate(TEXTS)]
        self.number = 0

    async def events(self, wanted: Wanted, most: int) -> list[Told]:
        return list(islice(self._journals[self.number].events(wanted), most))

    async def minutes(self, points: frozenset[str], from_ms: int, to_ms: int) -> list[Minute]:
        now_ms = round(time.time() * 1000)
        return [Minute(now_ms - 60_000 * n, point, 1.0, 2.0, 3.0) for point in points for n in range(30, 0, -1)]

    def measured(self) -> tuple[Measured, ...]:
        text = TEXTS[self.number]
        return (Measured("gas-kitchen", text, text, text, text),)

    def cameras(self) -> tuple[str, ...]:
        return ("gate-camera",)


# --- the judge ---------------------------------------------------------------------------------


class Judge(HTMLParser):
    """Collects in `problems` what a script, a handler, a style or a foreign address in this HTML would be; `texts` are what is read."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.problems: list[str] = []
        self.texts: list[str] = []
        self.fields: set[str] = set()
        self.links: set[str] = set()
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if tag in ("script", "link") and not given.get("src", given.get("href", "")).startswith("/static/"):
            self.problems.append(f"<{tag}> from elsewhere: {given}")
        if tag in ("iframe", "object", "embed", "base", "style"):
            self.problems.append(f"<{tag}>")
        for name, value in given.items():
            if name.startswith("on") or name in ("style", "srcdoc"):
                self.problems.append(f"{tag} {name}={value[:60]}")
            if name in ("href", "src", "action", "formaction", "xlink:href") and not re.match(r"^(/(?!/)|#|\?)", value):
                self.problems.append(f"{tag} {name}={value[:60]}")
        if tag in ("input", "select", "textarea") and "name" in given:
            self.fields.add(given["name"])
        if tag == "a" and "href" in given:
            self.links.add(given["href"])

    def handle_data(self, data: str) -> None:
        self.texts.append(data)
