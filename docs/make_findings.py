"""The table of what `campus-gateway doctor` can find, read from the code that finds it, for docs/make_reference.py."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

RUNTIME = Path(__file__).parents[1] / "gateway/runtime"
GRADES = {"wrong": "wrong", "soon": "soon", "unknown": "unknown", "make": "wrong or soon"}  # make: the code chooses by how bad it is


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that can be found. zh, en: its words, … for what varies; todo: what to do, '' where the finding takes it from elsewhere."""

    grade: str
    zh: str
    en: str
    todo: str


def rows() -> list[Row]:
    """All, file by file, in the order of the code."""
    texts = [file.read_text(encoding="utf-8") for file in sorted(RUNTIME.glob("*.py"))]
    return [row for text in texts if "from gateway.runtime.findings import" in text for row in _rows(ast.parse(text))]


def table() -> str:
    """As Markdown. What is only passed on (a fault of the daemon, a certificate's trouble) has a row elsewhere on the page."""
    told = [row for row in rows() if row.en.strip("… ()")]
    cells = [f"| {row.grade} | {row.zh} {row.en} | {row.todo or 'doctor says it, case by case'} |" for row in told]
    return "\n".join(["| grade | what it says | what to do |", "|---|---|---|", *dict.fromkeys(cells)])


def _rows(tree: ast.Module) -> Iterator[Row]:
    for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)):
        yield from _of_block(function.body, {})


def _of_block(block: list[ast.stmt], pairs: dict[str, str]) -> Iterator[Row]:
    """pairs: names that stand for (what to do in Chinese, in English) here -> the English; a block inside has its own."""
    pairs = dict(pairs)
    for statement in block:
        if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Tuple) and isinstance(statement.targets[0], ast.Name):
            pairs[statement.targets[0].id] = _words(statement.value.elts[-1])
        inner = [part for part in ast.iter_child_nodes(statement) if isinstance(part, ast.stmt)]
        if not inner:
            yield from (_row(call, pairs) for call in ast.walk(statement) if isinstance(call, ast.Call) and _finds(call))
        handlers = [handler.body for handler in getattr(statement, "handlers", [])]
        for body in [*(getattr(statement, name, []) for name in ("body", "orelse", "finalbody")), *handlers]:
            yield from _of_block(body, pairs)


def _finds(call: ast.Call) -> bool:
    return isinstance(call.func, ast.Name) and call.func.id in GRADES and len(call.args) >= 4


def _row(call: ast.Call, pairs: dict[str, str]) -> Row:
    assert isinstance(call.func, ast.Name)
    last = call.args[-1]
    todo = pairs.get(ast.unparse(last.value), "") if isinstance(last, ast.Starred) else _words(last)
    return Row(GRADES[call.func.id], _words(call.args[1]), _words(call.args[2]), todo if todo.strip("…") else "")


def _words(node: ast.expr) -> str:
    """The text of a string or f-string; … for what is put into it."""
    if isinstance(node, ast.Constant):
        return str(node.value).replace("|", "\\|")
    if isinstance(node, ast.JoinedStr):
        return "".join(_words(part) if isinstance(part, ast.Constant) else "…" for part in node.values)
    return "…"
