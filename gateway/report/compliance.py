"""四个100%: one-key alarm, video, closed campus, guard posts. Each figure with the evidence behind it, in both languages. Pure.

What is not known counts as not met, and the evidence says so. A figure about nothing (no camera in the site file) has no rate.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from gateway.core.cameras import BLIND
from gateway.core.history import Past, Told, Wanted
from gateway.core.points import Text
from gateway.report.off import Span, duration, lasted_ms, merged, within

SEEN_LEAST_RATIO = 0.95  # of a period that a camera must have seen, and a gate's state must have been known
EARLY_MOST_MS = 7_200_000  # a check-in counts at most so long before its window (site file, early_s)
FIGURES = {
    "one_key_alarm": Text("一键报警达标率", "one-key alarm"),
    "video": Text("视频监控达标率", "video surveillance"),
    "closed_campus": Text("封闭化管理达标率", "closed campus"),
    "guard_posts": Text("护学岗达标率", "guard posts"),
}
WATCHED_TYPES = {  # 重点部位: the gate, the perimeter, where pupils gather; each has a camera that sees
    "gate": Text("校门", "gate"),
    "perimeter": Text("周界", "perimeter"),
    "assembly": Text("集中活动区域", "assembly area"),
}
PANIC = "panic_button"
_BEGINS, _ENDS = frozenset({"activated", "repeated"}), "cleared"
_TYPES = (
    *(f"campus.{name}.{word}" for name in ("alarm", "fault", "duty") for word in (*sorted(_BEGINS), _ENDS)),
    "campus.observation.recorded",  # of an alarm that is set aside
    "campus.duty.checked_in",
    "campus.duty.on_post",
)
_SIGNED = ("campus.duty.checked_in", "campus.duty.on_post")
_SIGHT = frozenset({"signal", "stale", "fault"})  # alarms that stand while a sensor, or its device, tells nothing
_HIDDEN = frozenset({"tamper", "fault"})  # alarms of a camera's own point
_UNREAL = frozenset({"Exercise", "Test"})


@dataclass(frozen=True, slots=True)
class Shown:
    """A point as it is now. quality: good, uncertain or bad; reason: why not good. value: what it shows.

    standing: names of its alarms that have their condition. out_of_service: one of its alarms is.
    """

    id: str
    role: str
    place: str
    name: Text
    quality: str = "bad"
    reason: str = "not read yet"
    value: object = None
    standing: frozenset[str] = frozenset()
    out_of_service: bool = False


@dataclass(frozen=True, slots=True)
class WalkTests:
    """Walk tests of one point. every_days: 0 where none is asked for. passed_ms, due_ms: UTC, 0 for never and for not known.

    result: of the last one, `passed`, `failed` or ''.
    """

    every_days: int = 0
    passed_ms: int = 0
    due_ms: int = 0
    result: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """A place of the site. type: as in the site file (gate, perimeter, assembly, ...)."""

    id: str
    name: Text
    type: str


@dataclass(frozen=True, slots=True)
class Gate:
    """A gate that must not stand open. point: of the rule that watches it. sensors: points and devices by which it sees."""

    point: str
    name: Text
    place: str
    sensors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PostWindow:
    """One time at which somebody must be on a guard post. UTC milliseconds. by_ms: there by then; from_ms: a check-in counts since."""

    post: str
    name: Text
    from_ms: int
    begin_ms: int
    by_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class Facts:
    """What the figures need besides the past. now_ms: when this was so, UTC.

    points: every point of the site by id, cameras' own included. tests: by point. cameras: ids. windows: those that begin in the period.
    off: when the gateway did not run (UTC milliseconds); then nothing was seen.
    """

    now_ms: int
    zone: ZoneInfo
    points: Mapping[str, Shown] = field(default_factory=dict)
    tests: Mapping[str, WalkTests] = field(default_factory=dict)
    places: Sequence[Place] = ()
    cameras: Sequence[str] = ()
    gates: Sequence[Gate] = ()
    windows: Sequence[PostWindow] = ()
    off: Sequence[Span] = ()


def build(facts: Facts, past: Past, from_ms: int, to_ms: int) -> list[dict[str, Any]]:
    """The four figures of a period (UTC milliseconds, the end not included). Raises JournalUnreadable.

    The past is read on to now: what stands now and has not moved since tells how it stood at the period's end.
    """
    told = list(
        past.events(Wanted(from_ms=from_ms - EARLY_MOST_MS, classes=frozenset({"alarm", "fault", "duty", "observation"}), types=_TYPES))
    )
    told.sort(key=lambda event: event.row)
    seen = _Seen(facts, told, from_ms, min(to_ms, max(facts.now_ms, from_ms)))
    evidence = {
        "one_key_alarm": [_one_key(facts, seen, point) for point in facts.points.values() if point.role == PANIC],
        "video": [*(_camera(facts, seen, camera) for camera in facts.cameras), *_places(facts, seen)],
        "closed_campus": [*(_gate(facts, seen, gate) for gate in facts.gates), *_unwatched(facts)],
        "guard_posts": [
            _post(facts, seen, window) for window in facts.windows if from_ms <= window.begin_ms and window.by_ms <= seen.to_ms
        ],
    }
    return [_figure(name, rows) for name, rows in evidence.items()]


def _figure(name: str, evidence: list[dict[str, Any]]) -> dict[str, Any]:
    good, text = sum(row["ok"] for row in evidence), FIGURES[name]
    rate = round(good / len(evidence), 4) if evidence else None
    return {"figure": name, "zh": text.zh, "en": text.en, "rate": rate, "ok": good, "of": len(evidence), "evidence": evidence}


def _evidence(what: str, name: Text, good: Text, lacks: Sequence[Text]) -> dict[str, Any]:
    """One line. good: why it is met, where nothing is lacking."""
    whys = lacks or [good]
    row: dict[str, Any] = {"what": what, "zh": name.zh, "en": name.en, "ok": not lacks}
    return row | {"why_zh": "；".join(why.zh for why in whys), "why_en": "; ".join(why.en for why in whys)}


# --- the past -----------------------------------------------------------------------------------


class _Seen:
    """What the events of a period tell of alarms: from when to when each had its condition."""

    def __init__(self, facts: Facts, told: list[Told], from_ms: int, to_ms: int) -> None:
        """told: oldest first, up to now."""
        self.from_ms, self.to_ms = from_ms, to_ms
        self._facts = facts
        self.off = within(facts.off, from_ms, to_ms)
        self._moves: dict[str, dict[str, list[Told]]] = {}
        self.signs: dict[str, list[Told]] = {}
        for event in told:
            if event.type in _SIGNED:
                self.signs.setdefault(event.subject, []).append(event)
            elif isinstance(name := event.data.get("alarm"), str) and event.at_ms >= from_ms:
                self._moves.setdefault(event.subject, {}).setdefault(name, []).append(event)

    def off_too_long(self) -> list[Text]:
        """Why nothing can be met in this period; nothing where the gateway ran long enough."""
        off_ms = lasted_ms(self.off)
        if off_ms <= (1 - SEEN_LEAST_RATIO) * (self.to_ms - self.from_ms):
            return []
        long = duration(off_ms)
        return [Text(f"本机停运至少 {long.zh}，期间无监测", f"the gateway was off for at least {long.en}, and nothing was watched")]

    def begins(self, point: str, name: str) -> list[Told]:
        """The times at which an alarm really began within the period; those of drills and tests left out."""
        moves = self._moves.get(point, {}).get(name, [])
        return [event for event in moves if _word(event) == "activated" and event.at_ms < self.to_ms and not _is_unreal(event)]

    def spans(self, point: str, names: frozenset[str]) -> list[Span]:
        """From when to when one of these alarms of a point had its condition, within the period; in order, none overlapping."""
        here = self._moves.get(point, {})
        shown = self._facts.points.get(point)
        standing = shown.standing if shown is not None else frozenset[str]()
        found = [span for name in names for span in self._of(here.get(name, []), name in standing)]
        return merged(found)

    def _of(self, moves: list[Told], stands: bool) -> list[Span]:
        """moves: of one alarm up to now. Without any it stood, or did not, all the time."""
        since_ms = self.from_ms if (_word(moves[0]) == _ENDS if moves else stands) else None
        found: list[Span] = []
        for event in moves:
            counts = _word(event) in _BEGINS and not _is_unreal(event) and event.data.get("value") != "slow"
            if counts and since_ms is None:
                since_ms = event.at_ms
            elif not counts and since_ms is not None:
                found.append((since_ms, event.at_ms))
                since_ms = None
        if since_ms is not None:
            found.append((since_ms, self.to_ms))
        return [(begin, min(end, self.to_ms)) for begin, end in found if begin < min(end, self.to_ms)]


def _word(event: Told) -> str:
    """activated, repeated or cleared; of an alarm that is set aside what happened underneath."""
    word = event.type.rpartition(".")[2]
    return str(event.data.get("recorded", "")) if word == "recorded" else word


def _is_unreal(event: Told) -> bool:
    return event.data.get("status") in _UNREAL


# --- one-key alarm 一键报警 ------------------------------------------------------------------------


def _one_key(facts: Facts, seen: _Seen, point: Shown) -> dict[str, Any]:
    tests, lacks = facts.tests.get(point.id, WalkTests()), seen.off_too_long()
    if point.quality != "good":
        lacks.append(Text(f"不在线：{point.reason}", f"not online: {point.reason}"))
    if point.out_of_service:
        lacks.append(Text("已停用", "out of service"))
    if tests.result == "failed":
        lacks.append(Text("上次测试未通过", "the last walk test failed"))
    passed = _day(facts, tests.passed_ms)
    if tests.every_days and not tests.passed_ms:
        lacks.append(Text("从未测试通过", "no walk test was ever passed"))
    elif tests.every_days and tests.due_ms <= facts.now_ms:
        due = _day(facts, tests.due_ms)
        lacks.append(Text(f"测试逾期（应于 {due}，上次 {passed}）", f"walk test overdue (was due {due}, last passed {passed})"))
    good = Text(f"在线，{passed} 测试通过", f"online, walk test passed {passed}")
    if not tests.passed_ms:
        good = Text("在线，未要求定期测试", "online, no walk tests are asked for")
    return _evidence(point.id, point.name, good, lacks)


# --- video 视频监控 ------------------------------------------------------------------------------


def _sees(facts: Facts, camera: str) -> bool:
    shown = facts.points.get(camera)
    return shown is not None and shown.quality == "good" and shown.value not in BLIND


def _camera(facts: Facts, seen: _Seen, camera: str) -> dict[str, Any]:
    shown = facts.points.get(camera) or Shown(camera, "camera_link", "", Text(camera, camera))
    whole_ms = seen.to_ms - seen.from_ms
    hidden = merged([*seen.spans(camera, _HIDDEN), *seen.off])
    ratio = 1 - lasted_ms(hidden) / whole_ms if whole_ms > 0 else 1.0
    share = f"{_floor(ratio):.1%}"
    lacks = []
    if not _sees(facts, camera):
        reason = shown.reason or str(shown.value)
        lacks.append(Text(f"现在看不见：{reason}", f"does not see now: {reason}"))
    if ratio < SEEN_LEAST_RATIO:
        least = f"{SEEN_LEAST_RATIO:.0%}"
        lacks.append(Text(f"本期在线率 {share}，低于 {least}", f"saw {share} of the period, less than {least}"))
    lacks += seen.off_too_long()
    return _evidence(camera, shown.name, Text(f"在线，本期在线率 {share}", f"sees, and saw {share} of the period"), lacks)


def _floor(ratio: float) -> float:
    """Down to a thousandth: 99.96 % is not told as 100 %."""
    return int(ratio * 1000) / 1000


def _places(facts: Facts, seen: _Seen) -> list[dict[str, Any]]:
    """Each gate, perimeter and assembly area has a camera that sees."""
    rows = []
    for place in facts.places:
        if place.type not in WATCHED_TYPES:
            continue
        there = [camera for camera in facts.cameras if camera in facts.points and facts.points[camera].place == place.id]
        lacks = seen.off_too_long() if there else []
        if not there:
            lacks.append(Text("没有摄像机", "no camera"))
        elif not any(_sees(facts, camera) for camera in there):
            lacks.append(Text("摄像机都看不见", "none of its cameras sees"))
        what = WATCHED_TYPES[place.type]
        name = Text(f"{what.zh}：{place.name.zh}", f"{what.en}: {place.name.en}")
        rows.append(_evidence(place.id, name, Text("有在线摄像机", "has a camera that sees"), lacks))
    return rows


# --- closed campus 封闭化管理 ----------------------------------------------------------------------


def _gate(facts: Facts, seen: _Seen, gate: Gate) -> dict[str, Any]:
    shown, lacks = facts.points.get(gate.point), list[Text]()
    often, open_ms = len(seen.begins(gate.point, "alarm")), lasted_ms(seen.spans(gate.point, frozenset({"alarm"})))
    if open_ms:
        minutes = _minutes(open_ms)
        lacks.append(Text(f"规定时段外敞开 {often} 次，共 {minutes} 分钟", f"left open {often} times, {minutes} min altogether"))
    blind = [span for name in (gate.point, *gate.sensors) for span in seen.spans(name, _SIGHT)]
    unknown_ms = lasted_ms(merged([*blind, *seen.off]))
    if shown is None or shown.quality != "good":
        reason = "not read yet" if shown is None else shown.reason
        lacks.append(Text(f"现在状态未知：{reason}", f"its state is not known now: {reason}"))
    if unknown_ms > (1 - SEEN_LEAST_RATIO) * (seen.to_ms - seen.from_ms):
        minutes = _minutes(unknown_ms)
        lacks.append(Text(f"本期状态未知 {minutes} 分钟", f"its state was not known for {minutes} min"))
    lacks += seen.off_too_long()
    return _evidence(gate.point, gate.name, Text("规定时段外未敞开", "never left open outside its times"), lacks)


def _unwatched(facts: Facts) -> list[dict[str, Any]]:
    """A gate whose state nothing tells."""
    watched = {gate.place for gate in facts.gates}
    lacks = [Text("没有校门状态监测", "nothing tells whether it is open")]
    return [_evidence(each.id, each.name, lacks[0], lacks) for each in facts.places if each.type == "gate" and each.id not in watched]


def _minutes(ms: int) -> int:
    """Whole minutes, a begun one too."""
    return -(-ms // 60_000)


# --- guard posts 护学岗 ---------------------------------------------------------------------------


def _post(facts: Facts, seen: _Seen, window: PostWindow) -> dict[str, Any]:
    begin, end = _moment(facts, window.begin_ms), _moment(facts, window.end_ms)[-5:]
    name = Text(f"{window.name.zh} {begin}–{end}", f"{window.name.en} {begin}–{end}")
    signs = [event for event in seen.signs.get(window.post, []) if window.from_ms <= event.at_ms < window.end_ms]
    begun = [event.at_ms for event in seen.begins(window.post, "alarm") if window.begin_ms <= event.at_ms < window.end_ms]
    by = next((str(event.data["by"]) for event in signs if event.data.get("by")), "")
    first_ms = min((event.at_ms for event in signs), default=0)
    lacks = []
    if not signs:
        why = Text("无人到岗", "nobody came") if begun else Text("没有到岗记录", "nothing is on record: not known")
        if within(seen.off, window.from_ms, window.end_ms):
            why = Text("本机停运，没有到岗记录", "the gateway was off, nothing is on record: not known")
        lacks.append(why)
    elif first_ms > window.by_ms:
        late = _minutes(first_ms - window.begin_ms)
        lacks.append(Text(f"迟到，时段开始后 {late} 分钟到岗", f"late, {late} min after the window began"))
    elif begun:
        lacks.append(Text(f"{_moment(facts, begun[0])[-5:]} 起离岗", f"the post was left, told at {_moment(facts, begun[0])[-5:]}"))
    at = _moment(facts, first_ms)[-5:]
    who_zh, who_en = (f"（{by}）", f" ({by})") if by else ("", "")
    return _evidence(window.post, name, Text(f"{at} 到岗{who_zh}", f"on post at {at}{who_en}"), lacks)


def _moment(facts: Facts, at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(facts.zone):%Y-%m-%d %H:%M}"


def _day(facts: Facts, at_ms: int) -> str:
    return _moment(facts, at_ms)[:10]
