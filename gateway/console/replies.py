"""What the daemon says of a command that it has carried out, in the language of the page: what follows, and what was left out.

A test collects the replies that the code gives and finds one without words here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from gateway.console import refusals, words
from gateway.console.phrases import Phrase, Phrases

_PLAIN = re.compile(r"noted|\w+ done(: \S*)?")  # what the page says anyway: done, and the name of the button
_STANDS = "stands already and stays real: "

_REPLIES = (
    Phrase("{drill} announced", "已预告：{drill}"),
    Phrase("it begins in {s} s, once it is signed for", "签收后 {s} 秒开始"),
    Phrase("{mode} of {points} for {n} min", "{mode}：{points}，{n} 分钟"),
    Phrase("silenced: {outputs}", "已消音：{outputs}"),
    Phrase("asked {camera} for a picture", "已请 {camera} 拍照"),
    Phrase("the event evidence.ready or evidence.failed tells how it went", "结果见历史"),
    Phrase("{output} on: sent", "{output} 接通命令已发出"),
    Phrase("{output} off: sent", "{output} 断开命令已发出"),
    Phrase("{output} {value}: sent", "{output} 命令已发出（{value}）"),
    Phrase("an event tells how it ends", "结果见历史"),
    Phrase("{hazard} is {state}: {what}, {who}, {day}", "{hazard} {state}：{what}，{who}，{day}"),
    Phrase("{hazard} stands for it already: {who}, {day}", "已有未销号的 {hazard}：{who}，{day}"),
    Phrase("not in the ledger: {n} hazards are not closed", "未登入台账：已有 {n} 项隐患未销号"),
    Phrase("not {alarm}: {refusal}", "未含 {alarm}：{refusal}"),
    Phrase("answered after {s} s", "{s} 秒后应答"),
    Phrase("checked in: {post}, {who}", "已签到：{post}，{who}"),
    Phrase("round {n}: {done} of {all} checkpoints, {point} by {who}", "第 {n} 轮：{all} 个巡逻点已到 {done} 个，{who}到 {point}"),
    Phrase("shift opened: {who}, from {other}", "接班：{who}，交班：{other}"),
    Phrase("shift opened: {who}", "接班：{who}"),
    Phrase("{whistle} blown: {names}", "{whistle} 已吹哨：{names}"),
    Phrase("{who} reported in", "{who}已报到"),
    Phrase("still missing: nobody", "已全部报到"),
    Phrase("still missing: {names}", "尚未报到：{names}"),
    Phrase("{whistle} ended", "{whistle} 吹哨结束"),
    Phrase("did not report in: {names}", "未报到：{names}"),
    Phrase("{inspection}: {result}, by {who}, to be put right by {other}", "{inspection}：{result}，检查人 {who}，整改责任人 {other}"),
    Phrase("{inspection}: {result}, by {who}", "{inspection}：{result}，检查人 {who}"),
    Phrase("replay done: events for {centre} from {row} on are sent again", "{centre} 自 {row} 起的事件重新发送"),
)


def say(reply: str, language: str, names: Mapping[str, str]) -> str:
    """In this language; '' where it says nothing but that it is done. names: point -> how the page calls it."""
    told = [_part(part, language, names) for part in reply.split("; ") if not _PLAIN.fullmatch(part)]
    return ("；" if language == "zh" else "; ").join(told)


def _part(part: str, language: str, names: Mapping[str, str]) -> str:
    if not part.startswith(_STANDS):
        return _TABLE.say(part, language)
    points = [names.get(point, point) for point in part.removeprefix(_STANDS).split(", ")]
    return words.say("stays_real", language) + ("、" if language == "zh" else ", ").join(points)


def _result(said: str, language: str) -> str:
    return words.say("problem_found" if said == "problem" else "all_right", language) if said in ("problem", "ok") else said


def _drill(said: str, language: str) -> str:
    return next(
        (pair[words.LANGUAGES.index(language)] for pair in (*words.DRILLS.values(), *words.MODE_NAMES.values()) if pair[1] == said), said
    )


def _state(said: str, language: str) -> str:
    return words.of(words.HAZARD_STATES, said, language)


_FIELDS = {"drill": _drill, "mode": _drill, "result": _result, "state": _state, "refusal": refusals.say}
_TABLE = Phrases(_REPLIES, _FIELDS)
