"""Guard post (护学岗): somebody is on post while pupils come and go.

A check-in (card, button, command) counts for the rest of the window, or for as long as the site file says. A camera zone counts while a
person is in it; who that is, nobody asks. Nobody there by T+5 min, or gone for away_s after that, is an alarm; it is over when somebody
is there or the window ends, and then an event says for how long the post was unattended.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from gateway.core.commands import Command
from gateway.core.duties import GuardPostSpec
from gateway.core.points import Text
from gateway.core.reading import Now, Quality, Reading, Value
from gateway.rules.duty import NO_CLOCK, Report, Sign, doubt, local_time, said, sign_by, sign_of, tell, wake
from gateway.rules.rule import OfSpec, Step, View, What, Why

CHECK_IN = "check_in"
AHEAD_MS = 60_000  # a window that has begun lies in the future only where the clock was wrong; less is one that is being set right
_DAY_MS = 24 * 3_600_000
_EDGES_MOST = 10  # windows that follow each other without a gap are one


@dataclass(frozen=True, slots=True)
class GuardPostState:
    """known: what the buttons show. begin_ms, until_ms: UTC of the window that runs, 0 for none. checked_s: monotonic seconds of the last
    check-in, None for none; checked_ms: the same in UTC, from an earlier run. sign: who that was. seen_s: when a camera last saw somebody.
    on_camera: it sees somebody now. manned: somebody was there in this window. missing: nobody is, and that is told; since_ms: since when.
    """

    known: dict[str, Value] = field(default_factory=dict)
    begin_ms: int = 0
    until_ms: int = 0
    checked_s: float | None = None
    checked_ms: int = 0
    sign: Sign | None = None
    seen_s: float | None = None
    on_camera: bool = False
    manned: bool = False
    missing: bool = False
    since_ms: int = 0
    told: str = ""


@dataclass(frozen=True, slots=True)
class GuardPost(OfSpec):
    """One post of a site. Satisfies rules.rule.Rule and rules.duty.Duty."""

    spec: GuardPostSpec

    @property
    def name(self) -> str:
        """Of the kind of rule."""
        return "guard-post"

    @property
    def points(self) -> frozenset[str]:
        """Buttons, readers and camera zones."""
        return frozenset((*self.spec.signers.points, *self.spec.cameras))

    @property
    def commands(self) -> frozenset[str]:
        """`check_in` by name."""
        return frozenset({CHECK_IN})

    def begin(self, row: dict[str, Any] | None) -> GuardPostState:
        """The window that ran, who had checked in, and whether somebody was missing."""
        if row is None:
            return GuardPostState()
        return GuardPostState(
            begin_ms=int(row["begin_ms"]),
            until_ms=int(row["until_ms"]),
            checked_ms=int(row["checked_ms"]),
            sign=Sign(str(row["means"]), str(row["by"]), str(row["card"])) if row["means"] else None,
            on_camera=bool(row["on_camera"]),
            manned=bool(row["manned"]),
            missing=bool(row["missing"]),
            since_ms=int(row["since_ms"]),
        )

    def row(self, state: GuardPostState, now: Now) -> dict[str, Any]:
        """For the journal."""
        checked_ms = state.checked_ms
        if state.checked_s is not None:
            checked_ms = 0 if now.clock == "unknown" else now.at_ms - round((now.now_s - state.checked_s) * 1000)
        sign = state.sign or Sign("")
        return {
            "begin_ms": state.begin_ms,
            "until_ms": state.until_ms,
            "checked_ms": checked_ms,
            "means": sign.means,
            "by": sign.by,
            "card": sign.card,
            "on_camera": state.on_camera,
            "manned": state.manned,
            "missing": state.missing,
            "since_ms": state.since_ms,
        }

    def step(self, state: GuardPostState, what: What, view: View) -> Step:
        """What follows from a check-in, a look of the camera, or time."""
        out = Step(state)
        self._heard(out, what, view)
        self._cameras(out, view)
        if not view.knows_the_time:
            value = True if out.state.missing else None
            out.state = replace(out.state, told=tell(out, self.id, out.state.told, value, view, NO_CLOCK))
            return out
        if out.state.checked_ms:
            out.state = replace(out.state, checked_s=view.seconds_until(out.state.checked_ms), checked_ms=0)
        self._window(out, view)
        if out.state.begin_ms:
            self._judge(out, view)
        self._tell(out, view)
        return out

    def explain(self, state: GuardPostState, point: str, view: View) -> Iterator[Why]:
        """What a sign from this point would mean now."""
        if point not in self.points | {self.id}:
            return
        found = self.report(state, view)
        if state.begin_ms:
            yield Why(True, found.text)
        elif view.knows_the_time:
            zh, en = f"{self.spec.name.zh}：现在不要求在岗", f"{self.spec.name.en}: nobody needs to be on post now"
            yield Why(False, Text(zh, en))
        else:
            yield Why(False, Text(f"{self.spec.name.zh}：时钟未同步，不判断在岗", f"{self.spec.name.en}: {NO_CLOCK}"))

    def report(self, state: GuardPostState, view: View) -> Report:
        """Where the post stands now."""
        name, who = self.spec.name, state.sign.who if state.sign else ""
        begin, due_ms = state.begin_ms, 0
        if not begin:
            word, zh, en = "not due", "现在不要求在岗", "nobody needs to be on post now"
        elif state.missing:
            word, zh, en = "missing", f"{local_time(view, state.since_ms)} 起无人在岗", f"nobody since {local_time(view, state.since_ms)}"
        elif state.since_ms:
            due_ms = begin + round(self.spec.grace_s * 1000)
            word, zh, en = "awaited", f"等待到岗，最迟 {local_time(view, due_ms)}", f"awaited until {local_time(view, due_ms)}"
        else:
            word, zh, en = "on post", "在岗", "on post"
        return Report(self.id, self.name, self.spec.place, name, word, Text(f"{name.zh}：{zh}", f"{name.en}: {en}"), who, due_ms)

    # --- signs ---------------------------------------------------------------------------------

    def _heard(self, out: Step, what: What, view: View) -> None:
        sign = None
        if isinstance(what, Reading):
            known, sign = sign_of(self.spec.signers, out.state.known, what)
            out.state = replace(out.state, known=known)
        elif isinstance(what, Command):
            sign = sign_by(what)
            out.reply = f"checked in: {self.spec.name.zh} {self.spec.name.en}, {sign.by}"
        if sign is None:
            return
        name, state = self.spec.name, out.state
        late: dict[str, object] = {"late_s": self._absent_s(state, view)} if state.missing else {}
        who_zh, who_en = (f"（{sign.who}）", f" ({sign.who})") if sign.who else ("", "")
        text = Text(f"护学岗签到：{name.zh}{who_zh}", f"Guard post, checked in: {name.en}{who_en}")
        out.said.append(said("checked_in", self.id, self.spec.place, text, **sign.data(), **late))
        out.state = replace(state, sign=sign, checked_s=view.now.now_s, checked_ms=0)
        out.keep = True

    def _cameras(self, out: Step, view: View) -> None:
        """on_camera of an earlier run counts as seen at the first look of this one: the camera needs time to come up."""
        sees = any(_sees(view.reading(point)) for point in self.spec.cameras)
        if sees or out.state.on_camera:
            out.state = replace(out.state, on_camera=sees, seen_s=view.now.now_s)

    def _is_checked_in(self, state: GuardPostState, view: View) -> bool:
        if state.checked_s is None or state.checked_s < view.seconds_until(state.begin_ms) - self.spec.early_s:
            return False
        return self.spec.valid_s is None or view.now.now_s < state.checked_s + self.spec.valid_s

    def _is_seen(self, state: GuardPostState, view: View) -> bool:
        return state.seen_s is not None and (state.on_camera or view.now.now_s < state.seen_s + self.spec.away_s)

    # --- the window ----------------------------------------------------------------------------

    def _window(self, out: Step, view: View) -> None:
        """Begin and end of what the post is for. The clock says which window it is, not what was looked at a minute ago."""
        state, at_ms = out.state, view.now.at_ms
        inside = view.calendar.window(at_ms) in self.spec.windows
        if state.begin_ms and (not inside or not state.begin_ms - AHEAD_MS <= at_ms < state.until_ms):
            self._end(out, view)
        if inside and not out.state.begin_ms:
            state = replace(out.state, begin_ms=at_ms, until_ms=self._until_ms(view), since_ms=at_ms, manned=False)
            out.state, out.keep = state, True

    def _until_ms(self, view: View) -> int:
        at_ms = view.now.at_ms
        for _ in range(_EDGES_MOST):
            change = view.calendar.next_change(at_ms)
            if change is None:
                return view.now.at_ms + _DAY_MS  # a school without hours: its one window is taken a day at a time
            at_ms = change[0]
            if change[1] not in self.spec.windows:
                return at_ms
        return at_ms

    def _end(self, out: Step, view: View) -> None:
        state, name = out.state, self.spec.name
        if state.missing:
            minutes = round(self._absent_s(state, view) / 60)
            zh = f"护学岗无人值守：{name.zh}，至时段结束共 {minutes} 分钟"
            text = Text(zh, f"Guard post unattended: {name.en}, {minutes} min until the window ended")
            out.said.append(said("unattended", self.id, self.spec.place, text, unattended_s=self._absent_s(state, view)))
        out.state = replace(state, begin_ms=0, until_ms=0, missing=False, manned=False, since_ms=0)
        out.keep = True

    def _absent_s(self, state: GuardPostState, view: View) -> int:
        end_ms = min(view.now.at_ms, state.until_ms) if state.until_ms else view.now.at_ms
        return max(0, round((end_ms - state.since_ms) / 1000))

    def _judge(self, out: Step, view: View) -> None:
        state, spec = out.state, self.spec
        checked_in = self._is_checked_in(state, view)
        if checked_in or self._is_seen(state, view):
            if not state.manned and not checked_in:
                text = Text(f"护学岗有人在岗（视频）：{spec.name.zh}", f"Guard post, somebody is there (camera): {spec.name.en}")
                out.said.append(said("on_post", self.id, spec.place, text, means="camera"))
            out.keep |= state.missing or not state.manned
            out.state = replace(state, manned=True, missing=False, since_ms=0)
            if checked_in:
                wake(out, view, (state.checked_s or 0.0) + (spec.valid_s or 0.0))
            elif not state.on_camera:
                wake(out, view, (state.seen_s or 0.0) + spec.away_s)
            return
        if not state.since_ms:
            unseen_s = 0.0 if state.seen_s is None else min(view.now.now_s - state.seen_s, spec.away_s)
            state = replace(state, since_ms=max(view.now.at_ms - round(unseen_s * 1000), state.begin_ms))
        due_s = view.seconds_until(state.begin_ms) + spec.grace_s
        missing = state.missing or view.now.now_s >= due_s
        out.keep |= missing and not state.missing
        out.state = replace(state, missing=missing)
        wake(out, view, due_s)

    def _tell(self, out: Step, view: View) -> None:
        missing = out.state.missing
        reason = ""
        if missing:
            reason = doubt(view, self.spec.cameras, must_be_read=True) or doubt(view, self.spec.signers.points, must_be_read=False)
            reason = reason or ("nobody is there any more" if out.state.manned else "nobody has come")
        detail = {"absent_s": self._absent_s(out.state, view)} if missing else None
        out.state = replace(out.state, told=tell(out, self.id, out.state.told, missing, view, reason, detail))


def _sees(reading: Reading | None) -> bool:
    """A person in the zone, or more than none."""
    return reading is not None and reading.quality is Quality.GOOD and bool(reading.value)
