"""What the daemon says in English is in Chinese on the Chinese page: reasons and refusals are collected from the code that gives them."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from drivers.modbus_framing import EXCEPTIONS
from gateway.alarm.machine import TABLE
from gateway.console import reasons, refusals, replies
from gateway.console.phrases import Phrase, Phrases
from gateway.core.cameras import TROUBLES, words
from gateway.core.commands import Command
from gateway.core.wire import Failure
from gateway.rules.authority import MAY, ROLES, may

ROOT = Path(__file__).parents[3]
LATIN = re.compile(r"[A-Za-z]{2,}")
OWN = {"BCD", "LEL", "ppm", "vol", "Kx"}  # units, formats, and what stands for a name or number
REFUSING = (
    "_refused",
    "_refused_drill",
    "_refused_point",
    "authorise",
    "_permit",
    "judge",
    "learn_anew",
    "_why_not_verified",
    "_due",
    "_silence",
    "_take_snapshot",
)


def parsed(*folders: str) -> Iterator[ast.AST]:
    for folder in folders:
        for file in sorted((ROOT / folder).glob("*.py")):
            yield from ast.walk(ast.parse(file.read_text(encoding="utf-8")))


def sentence(node: ast.AST) -> str:
    """A text with `Kx` for each part that varies; '' for what is no text, or says nothing by itself."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.IfExp):
        return sentence(node.body) or sentence(node.orelse)
    if not isinstance(node, ast.JoinedStr):
        return ""
    text = "".join(str(part.value) if isinstance(part, ast.Constant) else "Kx" for part in node.values)
    return text if LATIN.search(text.replace("Kx", "")) else ""


def given_as_reasons() -> Iterator[str]:
    for node in parsed("drivers", "gateway/bus", "gateway/rules", "gateway/runtime"):
        if isinstance(node, ast.Call):
            yield from (sentence(word.value) for word in node.keywords if word.arg == "reason")
        parts = node.args if isinstance(node, ast.Call) else node.elts if isinstance(node, ast.Tuple) else []
        for quality, why in pairwise(parts):
            if isinstance(quality, ast.Attribute) and quality.attr in ("BAD", "UNCERTAIN"):
                yield sentence(why)


def of_profiles() -> Iterator[str]:
    def walk(value: object) -> Iterator[str]:
        if isinstance(value, dict):
            bad = value.get("bad")
            yield from [str(value["reason"])] if "reason" in value else []
            yield from map(str, bad) if isinstance(bad, list) else []
        for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            yield from walk(each)

    for file in sorted((ROOT / "drivers/profiles").glob("*.toml")):
        yield from walk(tomllib.loads(file.read_text(encoding="utf-8")))


def given_as_refusals() -> Iterator[str]:
    for node in parsed("gateway/rules", "gateway/runtime"):
        if isinstance(node, ast.Assign) and any(isinstance(to, ast.Attribute) and to.attr == "refused" for to in node.targets):
            yield sentence(node.value)
        if isinstance(node, ast.FunctionDef) and node.name in REFUSING:
            for each in ast.walk(node):
                if isinstance(each, ast.Return) and each.value is not None:
                    value = each.value.elts[-1] if isinstance(each.value, ast.Tuple) else each.value
                    yield sentence(value)
    yield from (step.refused for step in TABLE.values())


def given_as_replies() -> Iterator[str]:
    for node in parsed("gateway/rules", "gateway/runtime"):
        to = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AugAssign) else []
        for target in to:
            if isinstance(target, ast.Tuple) and isinstance(node, ast.Assign) and isinstance(node.value, ast.Tuple):
                pairs = zip(target.elts, node.value.elts, strict=True)
            else:
                pairs = zip([target], [node.value] if isinstance(node, ast.Assign | ast.AugAssign) else [], strict=True)
            for each, value in pairs:
                if isinstance(each, ast.Attribute) and each.attr == "reply":
                    whole = value.values[-1] if isinstance(value, ast.BoolOp) else value
                    yield ("Kx: Kx, by Kx" if isinstance(node, ast.AugAssign) else "") + sentence(whole)


def left_in_english(text: str) -> set[str]:
    return set(LATIN.findall(text)) - OWN


REASONS = {*given_as_reasons(), *of_profiles(), *map(str, Failure), *(f"exception {code}: {EXCEPTIONS[code]}" for code in EXCEPTIONS)} - {
    ""
}
REFUSALS = {*given_as_refusals()} - {""}
REPLIES = {*given_as_replies()} - {""}


def test_the_collection_finds_what_is_known_to_be_said() -> None:
    assert {"not read yet", "no answer", "vision silent", "unknown code Kx", "sensor warms up", "not BCD"} <= REASONS
    assert {"the alarm is acknowledged already", "say what was done", "a drill is open already: end it first"} <= REFUSALS
    assert len(REASONS) > 40
    assert len(REFUSALS) > 50


@pytest.mark.parametrize("reason", sorted(REASONS))
def test_every_reason_has_its_words(reason: str) -> None:
    assert not left_in_english(reasons.say(reason, "zh"))
    assert reasons.say(reason, "en").isascii()


@pytest.mark.parametrize("refusal", sorted(REFUSALS))
def test_every_refusal_has_its_words(refusal: str) -> None:
    assert not left_in_english(refusals.say(refusal, "zh"))
    assert refusals.say(refusal, "en").isascii()


def test_the_collection_finds_replies() -> None:
    assert {"Kx announced; it begins in Kx s, once it is signed forKx", "silenced: Kx", "answered after Kx s"} <= REPLIES
    assert len(REPLIES) > 15


WHOLE = {  # of replies that end in what may be left out
    "Kx announced; it begins in Kx s, once it is signed forKx": "Kx announced; it begins in Kx s, once it is signed for",
    "Kx done: KxKx": "reset done: panic/alarm",
    "Kx doneKxKx": "end_drill done",
    "shift opened: KxKx": "shift opened: Kx, from Kx",
}


@pytest.mark.parametrize("reply", sorted(REPLIES))
def test_every_reply_has_its_words(reply: str) -> None:
    said = replies.say(WHOLE.get(reply, reply), "zh", {})
    assert not left_in_english(said)
    assert bool(said) is (reply not in ("noted", "Kx done: KxKx", "Kx doneKxKx"))


@pytest.mark.parametrize(
    ("reply", "zh", "en"),
    [
        ("reset done: panic; not tamper: a fault alarm is left to a technician", "未含 tamper：", "not tamper: a fault alarm"),
        ("walk test of panic-a, panic-b for 10 min", "报警测试：panic-a, panic-b，10 分钟", "walk test of panic-a"),
        ("daily: problem, by 李明, to be put right by 王强", "daily：发现问题，检查人 李明，整改责任人 王强", "daily: A problem"),
        ("what nobody knows: 7", "what nobody knows: 7", "what nobody knows: 7"),
    ],
)
def test_a_reply_says_what_was_left_out_and_what_follows(reply: str, zh: str, en: str) -> None:
    assert replies.say(reply, "zh", {}).startswith(zh)
    assert replies.say(reply, "en", {}).startswith(en)


@pytest.mark.parametrize("kind", sorted(MAY))
def test_who_may_not_do_something_is_told_in_words(kind: str) -> None:
    for role in ROLES:
        said = may(Command(kind, "a", "b", role, "page"))
        assert not left_in_english(refusals.say(said, "zh"))


@pytest.mark.parametrize(
    ("said", "zh", "en"),
    [
        ("bad: not read yet", "异常：尚未读取", "bad: not read yet"),
        ("port lost: the port is gone: end of file", "端口断开：端口已消失：读到末尾", "port lost: the port is gone: end of file"),
        ("unknown: cam-gate: no answer, button: stale", "无法判断：cam-gate：无应答、button：数据超时未更新", None),
        ("2 项逾期 overdue: hz-1 李强 2026-12-01", "2 项逾期：hz-1 李强 2026-12-01", "2 overdue: hz-1 李强 2026-12-01"),
        ("what nobody knows: 7", "what nobody knows: 7", "what nobody knows: 7"),
        ("x" * 5000, "x" * 5000, "x" * 5000),
        ("", "", ""),
    ],
)
def test_numbers_and_names_stay_and_what_is_not_known_is_shown_as_it_is(said: str, zh: str, en: str | None) -> None:
    assert reasons.say(said, "zh") == zh
    assert reasons.say(said, "en") == (said if en is None else en)


@pytest.mark.parametrize("trouble", sorted(TROUBLES))
def test_of_what_is_said_in_both_languages_one_is_shown(trouble: str) -> None:
    whole = words(trouble, "no picture for 5 s: the camera sends nothing")
    assert reasons.say(whole, "zh") == f"{TROUBLES[trouble][0]}：5 秒内无画面：摄像机未发送画面"
    assert reasons.say(whole, "en") == f"{TROUBLES[trouble][1]}: no picture for 5 s: the camera sends nothing"
    assert reasons.say(words(trouble), "zh") == TROUBLES[trouble][0]


def test_a_refusal_names_the_alarm_it_is_about() -> None:
    assert refusals.say("door-store/held: shelve needs a reason", "zh") == "door-store/held：搁置须填写原因"
    assert refusals.say("the loop is not known to be clear: loop-1 is bad (no answer)", "zh") == "不能确认地感上无车：loop-1 异常（无应答）"


def test_a_phrase_takes_the_text_as_it_is() -> None:
    table = Phrases([Phrase("at {a}: {said}", "在{a}：{said}"), Phrase("gone (now)", "没了")], {})
    assert table.say("at {x}\\1: gone (now)", "zh") == "在{x}\\1：没了"
    assert table.say("gone now", "zh") == "gone now"
