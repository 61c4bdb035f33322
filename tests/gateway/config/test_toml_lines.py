"""Property test: the key-to-line map has the keys that tomllib has, and each on the line where it was written."""

from __future__ import annotations

import tomllib
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.config.toml_lines import KeyPath, key_lines, line_of

KEYS = ["a", "b", "id", "x-1", "_", "007", "", "with space", "a.b", "校门", '"', "'", "#", "[[x]]", "=", "\\", "tab\t", "\u2028"]
WORDS = [
    "",
    "plain",
    "# no comment",
    "[not.a.table]",
    "a = 1",
    'say "x"',
    "it's",
    "\\",
    "}{][,",
    "校门\U0001f6a8",
    "ends in \\",
    "line\nbreak",
]
NUMBERS = [
    "0",
    "-17",
    "0xdead_beef",
    "1_000",
    "3.25",
    "-1e-7",
    "inf",
    "-nan",
    "true",
    "false",
    "2026-09-01",
    "07:30:00",
    "1979-05-27T07:32:00Z",
]

scalars = st.sampled_from([*WORDS]) | st.sampled_from(NUMBERS).map(lambda text: ("raw", text))
trees = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=12,
)
tables = st.dictionaries(st.sampled_from(KEYS), trees, max_size=3)
arrays_of_tables = st.lists(
    tables | st.dictionaries(st.sampled_from(KEYS), st.lists(tables, min_size=1, max_size=2), max_size=2), min_size=1, max_size=3
)
groups = st.dictionaries(st.sampled_from(KEYS), arrays_of_tables | tables, min_size=1, max_size=2)
documents = st.dictionaries(st.sampled_from(KEYS), trees | arrays_of_tables | groups, max_size=5)


class Writer:
    """Writes a tree in one of the many forms that TOML allows, and notes the line of each key as it goes."""

    def __init__(self, chance: Random) -> None:
        self.chance = chance
        self.text = ""
        self.lines: dict[KeyPath, int] = {}

    def maybe(self) -> bool:
        return self.chance.random() < 0.5

    def note(self, path: KeyPath) -> None:
        line = self.text.count("\n") + 1
        for end in range(1, len(path) + 1):
            self.lines.setdefault(path[:end], line)

    def blank(self) -> str:
        return self.chance.choice(["", "", " ", "\t"])

    def end_line(self) -> None:
        self.text += self.chance.choice(["\n", "\n", " # a = [1\n", "\n\n", '\n# [x] "\n', "\t\n"])

    def key(self, key: str) -> str:
        if key and all(c.isascii() and (c.isalnum() or c in "_-") for c in key) and self.maybe():
            return key
        if "'" not in key and "\n" not in key and self.maybe():
            return f"'{key}'"
        return '"' + self.escaped(key) + '"'

    def escaped(self, text: str) -> str:
        out = ""
        for char in text:
            if char in '"\\':
                out += "\\" + char
            elif char == "\n":
                out += "\\n"
            elif char == "\t":
                out += "\\t"
            elif not char.isascii() and self.maybe():
                out += f"\\U{ord(char):08x}"
            else:
                out += char
        return out

    def string(self, text: str) -> str:
        forms = ['"' + self.escaped(text) + '"', '"""' + self.escaped(text).replace("\\n", "\n") + '"""']
        forms.append('"""\n' + self.escaped(text) + '\\\n   """')
        if "'" not in text:
            forms.append("'''" + text + "'''")
            forms.append("'''\n" + text + "''''")  # the text ends in a quote: another text, but it has no keys
            if "\n" not in text:
                forms.append(f"'{text}'")
        return self.chance.choice(forms)

    def value(self, path: KeyPath, value: Any) -> None:
        if isinstance(value, str):
            self.text += self.string(value)
        elif isinstance(value, tuple):
            self.text += value[1]
        elif isinstance(value, list):
            self.array(path, value)
        else:
            self.inline(path, value)

    def array(self, path: KeyPath, items: list[Any]) -> None:
        self.text += "["
        for i, item in enumerate(items):
            if self.maybe():
                self.end_line()
            self.text += self.blank()
            self.note((*path, i))
            self.value((*path, i), item)
            if i < len(items) - 1 or self.maybe():
                self.text += self.blank() + ","
        if self.maybe():
            self.end_line()
        self.text += "]"

    def inline(self, path: KeyPath, table: dict[str, Any]) -> None:
        self.text += "{"
        for i, (key, value) in enumerate(table.items()):
            self.text += (", " if i else "") + self.blank()
            self.pair(path, [], key, value)
        self.text += self.blank() + "}"

    def pair(self, path: KeyPath, dotted: list[str], key: str, value: Any) -> None:
        """`a.b.key = value`; dotted: the names before the key."""
        keys = [*dotted, key]
        self.note((*path, *keys))
        self.text += (self.blank() + "." + self.blank()).join(map(self.key, keys)) + self.blank() + "=" + self.blank()
        self.value((*path, *keys), value)

    def body(self, path: KeyPath, dotted: list[str], table: dict[str, Any]) -> list[tuple[str, Any]]:
        """Writes what stands in the table itself; returns what gets headers of its own."""
        later = []
        for key, value in table.items():
            if isinstance(value, dict) and value and self.maybe():
                self.dotted(path, [*dotted, key], value)
            elif not dotted and self.has_header_form(value) and self.maybe():
                later.append((key, value))
            else:
                self.text += self.blank()
                self.pair(path, dotted, key, value)
                self.end_line()
        return later

    def dotted(self, path: KeyPath, dotted: list[str], table: dict[str, Any]) -> None:
        left = self.body(path, dotted, table)
        assert not left

    @staticmethod
    def has_header_form(value: Any) -> bool:
        return isinstance(value, dict) or (isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value))

    def table(self, path: KeyPath, table: dict[str, Any]) -> None:
        for key, value in self.body(path, [], table):
            below = (*path, key)
            if isinstance(value, dict):
                if value and all(self.has_header_form(inner) for inner in value.values()) and self.maybe():
                    self.only_headers(below, value)  # the table itself is never written
                else:
                    self.header(below, "[", "]")
                    self.table(below, value)
            else:
                for i, item in enumerate(value):
                    self.header((*below, i), "[[", "]]")
                    self.table((*below, i), item)

    def only_headers(self, path: KeyPath, table: dict[str, Any]) -> None:
        for key, value in table.items():
            below = (*path, key)
            if isinstance(value, dict):
                self.header(below, "[", "]")
                self.table(below, value)
            else:
                for i, item in enumerate(value):
                    self.header((*below, i), "[[", "]]")
                    self.table((*below, i), item)

    def header(self, path: KeyPath, left: str, right: str) -> None:
        self.text += self.blank()
        self.note(path)
        names = [self.key(part) for part in path if isinstance(part, str)]
        self.text += left + self.blank() + (self.blank() + "." + self.blank()).join(names) + self.blank() + right
        self.end_line()


def paths_in(value: Any, path: KeyPath = ()) -> set[KeyPath]:
    """All key paths of what tomllib has read."""
    found = {path} if path else set()
    items: Any = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        found |= paths_in(inner, (*path, key))
    return found


@settings(max_examples=400, deadline=None)
@given(documents, st.randoms(use_true_random=False))
def test_same_keys_as_tomllib_each_on_its_line(document: dict[str, Any], chance: Random) -> None:
    writer = Writer(chance)
    writer.table((), document)
    read = tomllib.loads(writer.text)
    assert set(writer.lines) == paths_in(read), "the writer of this test is wrong"
    assert key_lines(writer.text) == writer.lines


def test_line_of_falls_back_to_what_encloses() -> None:
    lines = key_lines('a = 1\n\n[[b]]\nc = { d = 2 }\n[[b]]\n"e.f" = [\n  1,\n  2,\n]\n')
    assert line_of(lines, ("b", 0, "c", "d")) == 4
    assert line_of(lines, ("b", 0, "c", "missing")) == 4
    assert line_of(lines, ("b", 1, "missing")) == 5
    assert line_of(lines, ("b", 1, "e.f", 1)) == 8
    assert line_of(lines, ("nothing",)) == 1


def test_no_newline_at_the_end() -> None:
    assert key_lines("a.b = 1 # x") == {("a",): 1, ("a", "b"): 1}
    assert key_lines("") == {}
