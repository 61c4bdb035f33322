"""The page over real HTTP: signing in, what each role may do, and what happens to requests that nobody should send."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.console.app import PAGES_MOST
from gateway.console.sessions import ACT_S, LOCKED_S, LOOK_S, WRONG_MOST
from gateway.core.errors import DoorUnanswered
from tests.gateway.console.pictures import PANIC, alarm, picture
from tests.gateway.console.served import PASSWORD, Hand, Served

ACKNOWLEDGE = {"command": "acknowledge", "target": "panic-gatehouse/alarm"}


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with Served(tmp_path_factory.mktemp("console"), Hand(picture(PANIC))).running() as served:
        yield served


@pytest.fixture(autouse=True)
def fresh(page: Served) -> None:
    page.hand.commands.clear()
    page.hand.answer = (True, "done")
    page.hand.show(picture(PANIC))
    page.now_s += 2 * LOCKED_S


def test_a_guard_signs_in_sees_the_alarm_and_takes_it(page: Served) -> None:
    guard = page.visitor()
    assert guard.ask("GET", "/")[0] == 303
    assert guard.sign_in() == 200
    status, html, headers = guard.ask("GET", "/")
    assert (status, "一键报警：门卫室" in html) == (200, True)
    assert "default-src 'none'" in headers["content-security-policy"]
    assert guard.ask("POST", "/act", ACKNOWLEDGE)[0] == 200
    signed = {"op": "command", "who": "console", "by": "张三", "role": "guard"}
    assert [each["command"] for each in page.hand.commands] == ["sign_in", "acknowledge"]
    assert page.hand.commands[1] == signed | ACKNOWLEDGE | {"why": "", "for_s": 0}
    assert guard.ask("POST", "/sign-out", {})[0] == 200
    assert guard.ask("POST", "/act", ACKNOWLEDGE)[0] == 401


def test_the_daemons_no_is_told_in_its_words(page: Served) -> None:
    guard = page.visitor()
    guard.sign_in()
    page.hand.answer = (False, "a fault alarm is left to a technician")
    assert guard.ask("POST", "/act", ACKNOWLEDGE)[:2] == (409, '{"error":"a fault alarm is left to a technician"}')


def test_a_deed_that_nobody_answered_is_told_as_unknown_and_not_as_refused(page: Served) -> None:
    guard = page.visitor()
    guard.sign_in()
    page.hand.answer = DoorUnanswered("the daemon does not answer within 5 s")
    status, said, _ = guard.ask("POST", "/act", ACKNOWLEDGE)
    assert (status, json.loads(said)["unknown"], "不知道是否已执行" in said) == (504, True, True)
    assert page.visitor().sign_in() == 200, "looking must be possible then"


def test_what_follows_of_a_deed_is_told_in_the_language_of_the_page_with_the_names_of_points(page: Served) -> None:
    leader = page.visitor()
    leader.sign_in("王主任")
    button = {"point": "panic-a", "zh": "东侧按钮", "en": "east button", "role": "panic_button", "place": "gatehouse", "system": False}
    page.hand.show(picture(points=[button | {"quality": "good", "camera": False, "states": []}]))
    page.hand.answer = (True, "fire drill announced; it begins in 60 s, once it is signed for; stands already and stays real: panic-a")
    said = leader.ask("POST", "/act", {"command": "start_drill", "target": "fire"})[1]
    assert json.loads(said)["text"] == "已预告：消防应急演练；签收后 60 秒开始；报警尚未复位，按下仍为真实报警，不计入演练：东侧按钮"
    page.hand.answer = (True, "acknowledge done: panic-gatehouse/alarm")
    assert leader.ask("POST", "/act", ACKNOWLEDGE)[:2] == (200, '{"text":""}')


def test_one_viewer_with_all_the_pages_keeps_nobody_out(page: Served) -> None:
    viewer, guard = page.visitor(), page.visitor()
    viewer.sign_in("校长")
    guard.sign_in()
    with ExitStack() as pages:
        for _ in range(PAGES_MOST):
            pages.enter_context(viewer.events())
        with pytest.raises(AssertionError, match="503"), viewer.events():
            pass
        with guard.events() as events:
            assert next(events)[1]["sounds"]


def test_another_password_ends_what_began_with_the_old_one(page: Served) -> None:
    page.accounts.add("换密码", "guard", PASSWORD)
    old, other = page.visitor(), page.visitor()
    assert (old.sign_in("换密码"), other.sign_in()) == (200, 200)
    page.accounts.set_password("换密码", "battery staple")
    new = page.visitor()
    assert new.sign_in("换密码", "battery staple") == 200
    assert old.ask("POST", "/act", ACKNOWLEDGE)[0] == 401
    assert [each.ask("POST", "/act", ACKNOWLEDGE)[0] for each in (new, other)] == [200, 200]


def test_a_name_is_the_same_however_its_letters_are_composed(page: Served) -> None:
    page.accounts.add("Ren\u00e9", "guard", PASSWORD)
    rene = page.visitor()
    assert rene.sign_in("Rene\u0301 ") == 200
    assert rene.ask("GET", "/")[0] == 200
    page.accounts.set_password("Rene\u0301", "battery staple")
    for spelling in ("Ren\u00e9", "Rene\u0301", " Ren\u00e9", "Rene\u0301 ", "Ren\u00e9  "):
        assert rene.sign_in(spelling, "wrong one") == 403
    assert rene.sign_in("Ren\u00e9", "battery staple") == 429, "another spelling is no further try"


def test_the_form_for_signing_in_says_that_alarms_stand_and_nothing_else_of_them(page: Served) -> None:
    stranger = page.visitor()
    page.hand.show(picture(PANIC, alarm("taken", state="acknowledged"), alarm("fault", fault=True)))
    assert stranger.ask("GET", "/standing")[:2] == (200, '{"untaken":1,"away":false}')
    html = stranger.ask("GET", "/sign-in")[1]
    assert 'role="alert">有未确认的报警 <span class="count">1</span>' in html
    assert "门卫室" not in html
    page.hand.show(picture(), away=True)
    assert stranger.ask("GET", "/standing")[:2] == (200, '{"untaken":0,"away":true}')
    page.hand.show(None, away=True)
    assert stranger.ask("GET", "/standing")[:2] == (200, '{"untaken":0,"away":true}')


@pytest.mark.parametrize(("shown", "there"), [({"loud": True}, True), ({"loud": False}, False)])
def test_silence_is_offered_where_something_sounds(page: Served, shown: dict[str, Any], there: bool) -> None:
    guard = page.visitor()
    guard.sign_in()
    page.hand.show(picture(PANIC, **shown))
    assert ('data-act="silence"' in guard.ask("GET", "/")[1]) is there


def test_a_viewer_looks_and_does_not_act(page: Served) -> None:
    viewer = page.visitor()
    assert viewer.sign_in("校长") == 200
    assert viewer.ask("POST", "/act", ACKNOWLEDGE)[0] == 403
    assert page.hand.deeds == []


def test_after_a_quarter_of_an_hour_the_password_is_asked_again_and_the_alarms_stay_to_be_seen(page: Served) -> None:
    guard = page.visitor()
    guard.sign_in()
    page.now_s += ACT_S
    status, said, _ = guard.ask("POST", "/act", ACKNOWLEDGE)
    assert (status, json.loads(said)["again"], page.hand.deeds) == (403, True, [])
    assert "一键报警" in guard.ask("GET", "/")[1]
    assert guard.ask("POST", "/again", {"password": "not it"})[0] == 403
    assert guard.ask("POST", "/act", ACKNOWLEDGE)[0] == 403
    assert guard.ask("POST", "/again", {"password": "correct horse"})[0] == 200
    assert guard.ask("POST", "/act", ACKNOWLEDGE)[0] == 200
    page.now_s += LOOK_S
    assert guard.ask("GET", "/")[0] == 303


def test_wrong_passwords_lock_the_door_and_an_unknown_name_is_told_the_same(page: Served) -> None:
    stranger = page.visitor()
    wrong = stranger.ask("POST", "/sign-in", {"name": "张三", "password": "wrong one"})
    assert wrong[:2] == stranger.ask("POST", "/sign-in", {"name": "nobody", "password": "wrong one"})[:2]
    for _ in range(WRONG_MOST - 1):
        assert stranger.sign_in(password="wrong one") == 403
    assert stranger.sign_in() == 429
    assert [each["command"] for each in page.hand.commands] == ["locked_out"]
    assert stranger.sign_in("王主任") == 200, "others are not locked out with him"
    page.now_s += LOCKED_S
    assert stranger.sign_in() == 200


def test_a_person_whose_account_is_removed_is_out_at_once(page: Served) -> None:
    page.accounts.add("临时", "guard", "correct horse")
    guest = page.visitor()
    assert guest.sign_in("临时") == 200
    with guest.events() as events:
        assert next(events)[0] == "parts"
        page.accounts.remove("临时")
        page.hand.show(picture())
        assert [kind for kind, _ in events][-1:] == ["out"], "a picture may have been on its way; nothing comes after it"
    assert guest.ask("POST", "/act", ACKNOWLEDGE)[0] == 401


def test_what_happens_comes_to_the_page_by_itself_and_only_what_changed(page: Served) -> None:
    guard = page.visitor()
    guard.sign_in()
    with guard.events() as events:
        first = next(events)[1]
        assert (set(first["parts"]) >= {"alarms", "banner"}, first["sounds"]) == (True, True)
        page.hand.show(picture(PANIC | {"state": "acknowledged"}))
        second = next(told for _, told in events if told["parts"])
        assert (set(second["parts"]), second["sounds"]) == ({"banner", "alarms"}, False), "the banner tells how many nobody has taken"
        page.hand.show(picture(PANIC | {"state": "acknowledged"}), away=True)
        third = next(told for _, told in events if told["parts"])
        assert (list(third["parts"]), "失去联系" in third["parts"]["banner"]) == (["banner"], True)


def test_english_at_a_click(page: Served) -> None:
    guard = page.visitor()
    assert guard.ask("GET", "/language?to=en")[0] == 303
    guard.sign_in()
    assert "One-key alarm: gatehouse" in guard.ask("GET", "/")[1]
    assert guard.ask("GET", "/language?to=fr")[0] == 400


@pytest.mark.parametrize("path", ["/", "/events", "/act", "/again", "/sign-out"])
def test_nothing_without_a_session(page: Served, path: str) -> None:
    stranger = page.visitor()
    method = "GET" if path in ("/", "/events") else "POST"
    assert stranger.ask(method, path, {} if method == "POST" else None)[0] in (303, 401)
    stranger.cookies["campus_session"] = "A" * 43
    assert stranger.ask(method, path, {} if method == "POST" else None)[0] in (303, 401)
    assert page.hand.deeds == []


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"X-CSRF": ""}, 403),
        ({"X-CSRF": "forged"}, 403),
        ({"Origin": "http://evil.test"}, 403),
        ({"Origin": ""}, 403),
        ({"Origin": "null"}, 403),
        ({"Host": "evil.test", "Origin": "http://evil.test"}, 421),
    ],
)
def test_what_another_page_would_send_is_refused(page: Served, headers: dict[str, str], status: int) -> None:
    guard = page.visitor()
    guard.sign_in()
    assert guard.ask("POST", "/act", ACKNOWLEDGE, headers=headers)[0] == status
    assert page.hand.deeds == []


def test_a_token_belongs_to_its_session(page: Served) -> None:
    one, other = page.visitor(), page.visitor()
    one.sign_in()
    other.sign_in("王主任")
    one.csrf = other.csrf
    assert one.ask("POST", "/act", ACKNOWLEDGE)[0] == 403


@pytest.mark.parametrize("path", ["/sign-in", "/act", "/again", "/sign-out"])
@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"1", b"\xff\xfe", b"{", b'{"a": NaN', b"[" * 5000, b'{"name": 1, "password": [], "command": {}}', b"{}" + b" " * 20_000],
)
def test_bodies_of_every_wrong_shape_get_a_clear_no(page: Served, path: str, body: bytes) -> None:
    guard = page.visitor()
    guard.sign_in("王主任")
    status, said, _ = guard.ask("POST", path, raw=body)
    if path != "/sign-out":  # which reads none
        assert 400 <= status < 500, (status, said)
        assert json.loads(said)["error"]
    assert page.hand.deeds == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.fixed_dictionaries({}, optional=dict.fromkeys(("command", "target", "why", "for_s"), JSON)))
def test_any_values_at_all_are_a_deed_or_a_clear_no(page: Served, body: dict[str, Any]) -> None:
    leader = page.visitor()
    leader.cookies, leader.csrf = _leader(page)
    page.hand.commands.clear()
    try:
        content = json.dumps(body).encode()
    except UnicodeEncodeError:
        return
    status, said, _ = leader.ask("POST", "/act", raw=content)
    assert status == 200 or (400 <= status < 500 and json.loads(said)["error"])
    assert len(page.hand.commands) == (status == 200)


def _leader(page: Served, known: dict[int, tuple[dict[str, str], str]] = {}) -> tuple[dict[str, str], str]:  # noqa: B006 - remembered
    if page.port not in known:
        leader = page.visitor()
        leader.sign_in("王主任")
        known[page.port] = leader.cookies, leader.csrf
    return known[page.port]


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_other_methods_are_no_way_in(page: Served, method: str) -> None:
    assert page.visitor().ask(method, "/act")[0] in (403, 405)


@pytest.mark.parametrize(
    "path", ["/static/../app.py", "/static/%2e%2e/app.py", "/static/..%2fapp.py", "/.git/config", "/static/nothing.js"]
)
def test_no_other_file_is_served(page: Served, path: str) -> None:
    status, said, _ = page.visitor().ask("GET", path)
    assert (status, "class Console" in said) == (404, False)


@pytest.mark.parametrize(
    ("host", "path", "status", "words"), [("page.test", "/nothing", 404, "没有这个页面"), ("other.test", "/", 421, "本页不以这个地址提供")]
)
def test_a_browser_is_refused_with_a_page_and_a_program_with_json(page: Served, host: str, path: str, status: int, words: str) -> None:
    wants = {"Host": host, "Accept": "text/html,application/xhtml+xml"}
    got, said, _ = page.visitor().ask("GET", path, headers=wants)
    assert (got, words in said, said.startswith("<!doctype html>")) == (status, True, True)
    got, said, _ = page.visitor().ask("GET", path, headers={"Host": host})
    assert (got, words in json.loads(said)["error"]) == (status, True)


def test_a_page_that_does_not_read_costs_the_others_nothing(page: Served) -> None:
    sleeper, guard = page.visitor(), page.visitor()
    sleeper.sign_in()
    guard.sign_in("王主任")
    with sleeper.events(), guard.events() as events:
        next(events)
        for number in range(200):
            page.hand.show(picture(*(alarm(f"{number}-{n}", zh="很长的名字" * 40) for n in range(20))))
        told = next(told for _, told in events if "199-0" in told["parts"].get("alarms", ""))
    assert told["sounds"]
