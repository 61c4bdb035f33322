"""Why the daemon does not carry out a command, in the page's language. The daemon answers in English; a test collects its answers."""

from __future__ import annotations

from gateway.console import reasons, words
from gateway.console.phrases import Phrase, Phrases

_WHO = (
    Phrase("a command names the person who gives it", "操作须写明操作人"),
    Phrase("a {role} may not {command}", "{role}无权执行：{command}"),
    Phrase("a {kind} alarm is left to a technician: {command} needs role technician", "此类报警由技术人员处理，{command}需要技术人员权限"),
    Phrase("an alarm of class {kind} is highly managed: it is never shelved", "此类报警受严格管理，不得搁置"),
    Phrase("a highly managed alarm (panic, impact, gas high, fire) is never shelved", "一键报警、撞击、燃气高限、火灾等报警不得搁置"),
    Phrase("two different persons sign for taking an alarm out of service", "停用报警须由两个不同的人签字"),
    Phrase("who takes over and who hands over are two different persons", "接班人与交班人须为不同的人"),
    Phrase("{by} is on duty and hands over: name the person (--taken-from)", "当前值班的是{by}：请填写交班人"),
    Phrase("a second person verifies: not the one who set it right", "须由另一人复查，整改人不得复查自己的整改"),
    Phrase("a second person verifies: not the one who is responsible", "须由另一人复查，整改责任人不得复查"),
    Phrase("{command} needs a reason", "{command}须填写原因"),
    Phrase("{command} needs a time of at most {n} h", "{command}须填写时长，最长 {n} 小时"),
)

_ALARMS = (
    Phrase("there is nothing to acknowledge: the alarm is normal", "没有可确认的：报警已恢复正常"),
    Phrase("there is nothing to reset: the alarm is normal", "没有可复位的：报警已恢复正常"),
    Phrase("the cause is still there: a reset is refused while the condition is active", "报警原因仍在，不能复位"),
    Phrase("the alarm is acknowledged already", "报警已经确认过"),
    Phrase("this alarm does not latch: acknowledge it", "此报警无需复位，确认即可"),
    Phrase("acknowledge the alarm before you reset it", "请先确认报警，再复位"),
    Phrase("the alarm is shelved: unshelve it first", "报警已搁置：请先取消搁置"),
    Phrase("the alarm is suppressed by design and was not announced", "报警按设计抑制，未曾发出"),
    Phrase("the alarm is out of service: return it to service first", "报警已停用：请先恢复使用"),
    Phrase("the alarm is out of service already", "报警已经停用"),
    Phrase("the alarm is not shelved", "报警没有搁置"),
    Phrase("the alarm is in service", "报警在用"),
    Phrase('"{point}" is not a point of this site', "本校没有点位 {point}"),
    Phrase('"{point}" is not an output of this site', "本校没有输出 {point}"),
    Phrase('"{kind}" is not a command; known: {list}', "没有 {kind} 这个操作"),
    Phrase('"{point}" learns nothing: it has no baseline = "learned" in the site file', "{point} 没有设置自然漏电学习"),
    Phrase("this site has nothing that takes {command}", "本校没有可执行此操作的对象：{command}"),
)

_MODES = (
    Phrase('"{kind}" is no kind of drill; known: {list}', "没有 {kind} 这种演练"),
    Phrase("a {mode} names its points, 1 to {n} of them", "{mode}须选点位，1 至 {n} 个"),
    Phrase("maintenance names its points, 1 to {n} of them", "检修须选点位，1 至 {n} 个"),
    Phrase("a {mode} needs a time of at most {n} min", "{mode}须填写时长，最长 {n} 分钟"),
    Phrase("a drill is open already: end it first", "已有演练：请先结束"),
    Phrase("a drill is announced 0 to {n} s before it begins, not {what}", "演练须在开始前 0 至 {n} 秒预告"),
    Phrase("no recipient of the site file signs for class mode: a drill cannot be announced", "没有接收单位签收演练预告，不能开始演练"),
    Phrase('"{point}" is in {mode} already, by {by}', "{point} 已在{mode}中（{by}）"),
    Phrase('"{point}" has no alarms that work on it could set off', "{point} 没有检修会触发的报警"),
    Phrase('"{point}" has no alarm that could be tried', "{point} 没有可演练或测试的报警"),
    Phrase('the alarm of "{point}" stands already: reset it first, then test it', "{point} 的报警尚未复位：请先复位，再测试"),
    Phrase("no such {mode} is open", "没有进行中的{mode}"),
    Phrase("no such {mode} is open; open: {list}", "没有这个{mode}；进行中：{list}"),
)

_DUTIES = (
    Phrase("no question is open: an answer counts when the duty room was asked", "现在没有查岗：查岗时应答才有效"),
    Phrase('"{point}" is not a checkpoint of {patrol}; known: {list}', "{patrol} 没有巡逻点 {point}；有：{list}"),
    Phrase("no round of {patrol} runs now", "{patrol} 现在没有进行中的巡逻"),
    Phrase("{point} was visited in this round already", "本轮已到过 {point}"),
    Phrase("{whistle} is blown already; waiting for {list}", "{whistle} 已吹哨；等待：{list}"),
    Phrase("a whistle needs words: what has happened, where to come", "吹哨须写明：发生何事，到何处集合"),
    Phrase("{whistle} is not blown", "{whistle} 没有吹哨"),
    Phrase("{by} is not called by {whistle}; called are: {list}", "{by} 不在 {whistle} 的召集名单中：{list}"),
    Phrase("{by} has reported in already", "{by}已经报到"),
)

_LEDGER = (
    Phrase('"{hazard}" is not a hazard of this ledger; not closed: {list}', "台账中没有 {hazard}；未销号：{list}"),
    Phrase("{hazard} is {state}; {command} is for one that is {states}", "{hazard} 现在是“{state}”，不适用：{command}"),
    Phrase("{alarm} is {state}: the fault itself must be over, and reset, first", "{alarm} 尚未消除（{state}）：故障本身须先恢复并复位"),
    Phrase("say why the day is put off", "延长整改期限须写明原因"),
    Phrase("say what was done", "请写明已做的整改"),
    Phrase("say what is not right yet", "请写明还有什么不合格"),
    Phrase("say what is wrong there", "请写明那里有什么隐患"),
    Phrase("a hazard has a responsible person (整改责任人): name one", "请填写整改责任人", "a hazard has a responsible person: name one"),
    Phrase("{n} hazards are not closed; close some first", "已有 {n} 项隐患未销号：请先销号"),
    Phrase('"{place}" is not a place of this site; known: {list}', "本校没有位置 {place}"),
    Phrase("{day} is not a day from today on, two years ahead at most", "整改期限 {day} 无效：应为今日起两年之内"),
    Phrase(
        '"{day}" is not the day by which it is set right (整改期限); expected one such as 2026-12-01',
        "整改期限应写成 2026-12-01 这样的日期",
        '"{day}" is not the day by which it is set right; expected one such as 2026-12-01',
    ),
    Phrase('"" is not the day by which it is set right (整改期限); expected one such as 2026-12-01', "请填写整改期限", "name the day"),
    Phrase('"{value}" is no result: expected {list}', "没有 {value} 这种检查结果"),
    Phrase('"" is no result: expected {list}', "请选择检查结果", "choose a result"),
    Phrase('"{item}" is not an item of {inspection}; known: {list}', "{inspection} 没有检查项 {item}"),
    Phrase("an item is not right: the result is a problem", "有检查项不合格：结果应选“发现问题”"),
    Phrase("a problem needs a note: what is wrong, and where", "发现问题时须写明：何处、何问题"),
    Phrase(
        "a problem needs a person who is responsible for putting it right (整改责任人)",
        "发现问题时须填写整改责任人",
        "a problem needs a person who is responsible for putting it right",
    ),
    Phrase(
        "a problem needs a date within {n} days by which it is put right (整改期限)",
        "发现问题时须填写整改期限，{n} 天之内",
        "a problem needs a date within {n} days by which it is put right",
    ),
)

_DOOR = (
    Phrase("the daemon behind {path} does not answer within {s} s", "报警主机在 {s} 秒内无应答"),
    Phrase("no daemon listens at {path}: {said}; start it with {command}", "报警主机没有运行"),
    Phrase("`command`, `target` and `value` have at most {n} characters", "文字过长，最多 {n} 个字符"),
    Phrase('"{camera}" is not a camera; known: {list}', "没有摄像机 {camera}"),
    Phrase("no siren, strobe or buzzer: nothing to silence", "本校没有警号、警灯或蜂鸣器，无可消音"),
    Phrase('no siren, strobe or buzzer at "{place}": nothing to silence', "{place} 没有警号、警灯或蜂鸣器，无可消音"),
    Phrase("too many passwords are being checked: try again in a moment", "正在核对的密码过多，请稍后再试"),
    Phrase("sign in first", "请先登录"),
    Phrase("a viewer looks and does not act", "只读人员不能操作"),
    Phrase("the token of this page is missing or another session's; load the page again", "页面已失效，请重新载入"),
    Phrase("{n} pages are open already", "已打开 {n} 个页面，不能再多"),
)

_MISSING = (
    Phrase("{hazard} is not in the ledger", "台账中没有 {hazard}"),
    Phrase("there is no such report; kinds: {list}", "没有这份报告"),
    Phrase("there is no {report} report number {n}", "没有编号为 {n} 的{report}"),
    Phrase("there is no drill report {n}", "没有编号为 {n} 的演练报告"),
    Phrase("too many questions at once: try again in a moment", "查询过多，请稍后再试"),
    Phrase("Not Found", "没有这个页面", "there is no such page"),
    Phrase("Method Not Allowed", "此处不接受这种请求"),
    Phrase("this page is not known under that name", "本页不以这个地址提供：请用本机登记的地址打开"),
    Phrase("only this page itself may send that", "只接受本页面自己发送的请求"),
    Phrase("the ledger is given as xlsx or csv", "台账只提供 xlsx 或 csv"),
    Phrase("no reports are kept here", "本机不保存报告"),
    Phrase("no ledger is kept here", "本机没有隐患台账"),
    Phrase("there are no cameras here", "没有摄像机"),
    Phrase("no such camera", "没有这个摄像机"),
    Phrase("there is no plan here", "没有设置平面图"),
    Phrase('"{file}" cannot be read: {said}', "无法读取 {file}：{said}"),
    Phrase('"{file}" is larger than {n} MB', "{file} 大于 {n} MB"),
    Phrase('"{file}" is neither SVG nor PNG', "{file} 不是 SVG 或 PNG 图"),
)


def say(refusal: str, language: str) -> str:
    """The refusal in this language; as it was said where it is not known."""
    alarm, colon, why = refusal.partition(": ")
    if colon and "/" in alarm and " " not in alarm:
        return f"{alarm}{'：' if language == 'zh' else colon}{say(why, language)}"
    said = _TABLE.say(refusal, language)
    return reasons.say(refusal, language) if said == refusal else said


def _role(said: str, language: str) -> str:
    return words.of(words.ROLES, said.replace(" ", "_"), language)


def _command(said: str, language: str) -> str:
    kind = said.replace(" ", "_")
    return words.of(words.COMMANDS if kind in words.COMMANDS else words.MODE_NAMES, kind, language)


def _state(said: str, language: str) -> str:
    state = said.replace(" ", "_")
    return words.of(words.STATES if state in words.STATES else words.HAZARD_STATES, state, language)


def _mode(said: str, language: str) -> str:
    return next((_half(pair, language) for pair in words.MODE_NAMES.values() if pair[1] == said), said)


def _half(pair: tuple[str, str], language: str) -> str:
    return pair[words.LANGUAGES.index(language)]


def _report(said: str, language: str) -> str:
    return words.of(words.REPORTS, said, language) if language == "zh" else said


_FIELDS = {"said": reasons.say, "report": _report, "role": _role, "command": _command, "state": _state, "mode": _mode}
_TABLE = Phrases((*_WHO, *_ALARMS, *_MODES, *_DUTIES, *_LEDGER, *_DOOR, *_MISSING), _FIELDS)
