"""Writes a site file from data, in the style of the samples. Pure; what it writes is read again and compared before anybody gets it."""

from __future__ import annotations

import datetime
import hashlib
import json
import re
import tomllib
import unicodedata
from collections.abc import Mapping
from typing import Any

MARK = "# Made from a table by `campus-gateway fleet generate`: change the table and make it anew. 由学校汇总表生成，请改表，勿改本文件。"
DIGEST = "# sha256 of what follows: "
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_WIDE = 120  # characters of a line; longer lists are broken
TITLES = {
    "site": "this school 本校",
    "uplink": "to the linkage centre 上联公安联动中心",
    "places": "places 位置",
    "buses": "wires 线路",
    "devices": "devices on them 设备",
    "points": "what each signal means here 点位",
    "cameras": "cameras 摄像机",
    "outputs": "what the gateway switches 输出",
    "doors": "doors 门禁",
    "anti_ram": "anti-ram posts 防冲撞设施",
    "guard_posts": "guard posts 护学岗",
    "hazards": "hazard ledger 隐患台账",
    "rules": "rules 规则",
    "hours": "hours with lessons 上课时间",
    "calendar": "the school's days 校历",
}


def site_text(data: dict[str, Any], remarks: list[str]) -> str:
    """The whole file. remarks: lines for its head, of any text. Raises ValueError for data that TOML cannot hold."""
    body = "\n".join([*(f"# {_one_line(remark)}" for remark in remarks), *_document(data)]) + "\n"
    if tomllib.loads(body) != data:
        raise ValueError("what was written does not read back as it was meant")
    return f"{MARK}\n{DIGEST}{hashlib.sha256(body.encode()).hexdigest()}\n{body}"


def made_here(text: str) -> bool | None:
    """Whether a file is ours as it was written (True), ours but changed by hand since (None), or somebody else's (False)."""
    mark, _, rest = text.partition("\n")
    if mark != MARK:
        return False
    line, _, body = rest.partition("\n")
    return True if line == DIGEST + hashlib.sha256(body.encode()).hexdigest() else None


def _one_line(text: str) -> str:
    return "".join(" " if unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") else char for char in text)


def _document(data: dict[str, Any]) -> list[str]:
    lines = [f"{_key(name)} = {_value(value)}" for name, value in data.items() if not _is_table(value) and not _is_tables(value)]
    order = list(TITLES)
    for name, value in sorted(data.items(), key=lambda item: order.index(item[0]) if item[0] in TITLES else len(order)):
        if _is_table(value) or _is_tables(value):
            lines += ["", f"# --- {TITLES[name]}"] if name in TITLES else [""]
            lines += _tables((name,), value) if _is_tables(value) else _table((name,), value, inline=name == "places")
    return lines


def _table(path: tuple[str, ...], table: Mapping[str, Any], *, inline: bool = False) -> list[str]:
    """One [table] with what is in it; inline: its own tables stand on one line each."""
    below = {} if inline else {name: value for name, value in table.items() if _is_table(value) or _is_tables(value)}
    lines = [f"[{'.'.join(map(_key, path))}]"] if len(below) < len(table) or not table else []
    lines += [f"{_key(name)} = {_value(value)}" for name, value in table.items() if name not in below]
    for name, value in below.items():
        lines += _tables((*path, name), value) if _is_tables(value) else _table((*path, name), value)
    return lines


def _tables(path: tuple[str, ...], tables: list[Mapping[str, Any]]) -> list[str]:
    lines = []
    for table in tables:
        lines.append(f"[[{'.'.join(map(_key, path))}]]")
        lines += [f"{_key(name)} = {_value(value)}" for name, value in table.items()]
    return lines


def _is_table(value: object) -> bool:
    return isinstance(value, Mapping)


def _is_tables(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(each, Mapping) for each in value)


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _string(name)


def _value(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case str():
            return _string(value)
        case datetime.datetime() | datetime.date() | datetime.time():
            return value.isoformat()
        case Mapping():
            inner = ", ".join(f"{_key(name)} = {_value(each)}" for name, each in value.items())
            return f"{{ {inner} }}" if inner else "{}"
        case list():
            parts = [_value(each) for each in value]
            whole = f"[{', '.join(parts)}]"
            return whole if len(whole) <= _WIDE else "[\n" + "".join(f"  {part},\n" for part in parts) + "]"
    raise ValueError(f"a {type(value).__name__} has no place in a site file")


def _string(text: str) -> str:
    """A basic string. JSON escapes the same characters in the same way, but for DEL."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
