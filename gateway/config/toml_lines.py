"""Where each key of a TOML file stands: a key-to-line map, made only when there is an error to report.

`tomllib` keeps no positions. This scanner walks text that tomllib has already accepted, so it need not
judge anything; a property test holds its set of keys against tomllib's.
"""

from __future__ import annotations

from bisect import bisect_right

KeyPath = tuple[str | int, ...]

_BARE_END = frozenset(",]}#\r\n")
_ESCAPES = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", "e": "\x1b", '"': '"', "\\": "\\"}


def key_text(path: KeyPath) -> str:
    """`("points", 2, "role")` as `points[2].role`."""
    out = ""
    for part in path:
        out += f"[{part}]" if isinstance(part, int) else f".{part}" if out else str(part)
    return out


def key_lines(text: str) -> dict[KeyPath, int]:
    """Line number (from 1) of each key path, such as ("points", 3, "role"); tables by their header."""
    return _Scanner(text).scan()


def line_of(lines: dict[KeyPath, int], path: KeyPath) -> int:
    """Line of `path`, or of the nearest enclosing key that is written in the file; 1 for the file itself."""
    while path:
        if path in lines:
            return lines[path]
        path = path[:-1]
    return 1


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.pos = 0
        self.lines: dict[KeyPath, int] = {}
        self._starts = [0] + [i + 1 for i, char in enumerate(text) if char == "\n"]
        self._tables: dict[KeyPath, int] = {}  # array of tables -> index of its newest table

    def scan(self) -> dict[KeyPath, int]:
        here: KeyPath = ()
        while True:
            self._skip_blank(newlines=True)
            if self.pos >= len(self.text):
                return self.lines
            line = self._line()
            if self.text.startswith("[[", self.pos):
                self.pos += 2
                parts = self._key()
                parent = self._resolve(parts[:-1])
                array = (*parent, parts[-1])
                index = self._tables.get(array, -1) + 1
                self._tables[array] = index
                self._note(array, line)
                here = (*array, index)
                self.lines[here] = line
                self.pos += 2
            elif self.text[self.pos] == "[":
                self.pos += 1
                here = self._resolve(self._key())
                self._note(here, line)
                self.pos += 1
            else:
                self._key_value(here)

    def _resolve(self, parts: list[str]) -> KeyPath:
        path: KeyPath = ()
        for part in parts:
            path = (*path, part)
            if path in self._tables:
                path = (*path, self._tables[path])
        return path

    def _note(self, path: KeyPath, line: int) -> None:
        for end in range(1, len(path) + 1):
            self.lines.setdefault(path[:end], line)

    def _key_value(self, here: KeyPath) -> None:
        line = self._line()
        path = (*here, *self._key())
        self._note(path, line)
        self.pos += 1  # the equals sign
        self._skip_blank()
        self._value(path)

    def _key(self) -> list[str]:
        parts = []
        while True:
            self._skip_blank()
            if self.text[self.pos] in "\"'":
                parts.append(self._string())
            else:
                start = self.pos
                while self.text[self.pos].isalnum() or self.text[self.pos] in "_-":
                    self.pos += 1
                parts.append(self.text[start : self.pos])
            self._skip_blank()
            if self.text[self.pos] != ".":
                return parts
            self.pos += 1

    def _value(self, path: KeyPath) -> None:
        char = self.text[self.pos]
        if char in "\"'":
            self._string()
        elif char == "[":
            self._array(path)
        elif char == "{":
            self._inline_table(path)
        else:
            while self.pos < len(self.text) and self.text[self.pos] not in _BARE_END:
                self.pos += 1

    def _array(self, path: KeyPath) -> None:
        self.pos += 1
        index = 0
        while True:
            self._skip_blank(newlines=True)
            if self.text[self.pos] == "]":
                self.pos += 1
                return
            if self.text[self.pos] == ",":
                self.pos += 1
                continue
            self.lines.setdefault((*path, index), self._line())
            self._value((*path, index))
            index += 1

    def _inline_table(self, path: KeyPath) -> None:
        self.pos += 1
        while True:
            self._skip_blank(newlines=True)
            if self.text[self.pos] == "}":
                self.pos += 1
                return
            if self.text[self.pos] == ",":
                self.pos += 1
                continue
            self._key_value(path)

    def _string(self) -> str:
        quote = self.text[self.pos]
        if self.text.startswith(quote * 3, self.pos):
            return self._long_string(quote * 3)
        self.pos += 1
        out = []
        while self.text[self.pos] != quote:
            if self.text[self.pos] == "\\" and quote == '"':
                out.append(self._escape())
            else:
                out.append(self.text[self.pos])
                self.pos += 1
        self.pos += 1
        return "".join(out)

    def _escape(self) -> str:
        kind = self.text[self.pos + 1]
        width = {"x": 2, "u": 4, "U": 8}.get(kind, 0)
        digits = self.text[self.pos + 2 : self.pos + 2 + width]
        self.pos += 2 + width
        return chr(int(digits, 16)) if width else _ESCAPES.get(kind, kind)

    def _long_string(self, quotes: str) -> str:
        self.pos += 3
        while not self.text.startswith(quotes, self.pos):
            self.pos += 2 if self.text[self.pos] == "\\" and quotes[0] == '"' else 1
        self.pos += 3
        while self.pos < len(self.text) and self.text[self.pos] == quotes[0]:
            self.pos += 1  # one or two quotes may belong to the string's end
        return ""

    def _skip_blank(self, *, newlines: bool = False) -> None:
        blank = " \t\r\n" if newlines else " \t"
        while self.pos < len(self.text):
            if self.text[self.pos] in blank:
                self.pos += 1
            elif self.text[self.pos] == "#" and newlines:
                end = self.text.find("\n", self.pos)
                self.pos = len(self.text) if end < 0 else end
            else:
                return

    def _line(self) -> int:
        return bisect_right(self._starts, self.pos)
