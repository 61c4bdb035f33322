"""The page under attack: every route, whoever asks, however; hostile names and texts in the picture and the journal. Over real HTTP.

What is scanned is what the application serves: a page that is added is scanned with the rest.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.routing import Mount, Route

from gateway.console.accounts import Accounts
from gateway.console.app import COMMANDS, COOKIE, Console
from gateway.console.book import DOWNLOADS, PAGES
from tests.gateway.console.hostile import MARK, TEXTS, HostileArchive, Judge, hostile_pictures, rich_picture
from tests.gateway.console.served import Hand, Served, Visitor

PUBLIC = {"/sign-in", "/language", "/standing"}
METHODS = ("HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND", "get", "X" * 200)
WITHIN = ("1", "0", "-1", "99999999999999999999", "nobody", "..%2f..%2fetc%2fpasswd", "%00", quote(TEXTS[0], safe=""), "%ff%fe")
FUZZ = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> HostileArchive:
    return HostileArchive(tmp_path_factory.mktemp("journals"))


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory, archive: HostileArchive) -> Iterator[Served]:
    with Served(tmp_path_factory.mktemp("console"), Hand(rich_picture()), archive).running() as served:
        yield served


@pytest.fixture(scope="module")
def people(page: Served) -> dict[str, Visitor]:
    """Signed in once: passwords are dear to check."""
    found = {"guard": page.visitor(), "leader": page.visitor(), "viewer": page.visitor()}
    for (_, visitor), name in zip(found.items(), ("张三", "王主任", "校长"), strict=True):
        assert visitor.sign_in(name) == 200
    return found


@pytest.fixture(autouse=True)
def quiet(page: Served, archive: HostileArchive) -> None:
    archive.number = 0
    page.hand.commands.clear()
    page.hand.answer = (True, "done")


def routes(tmp: Path) -> list[Route]:
    """All routes of the application, found by asking it."""
    app = Console(Hand(None), Accounts(tmp), "Asia/Shanghai", frozenset(), secure=False).app()
    assert {type(route) for route in app.routes} == {Route, Mount}
    return [route for route in app.routes if isinstance(route, Route)]


def addresses(path: str) -> list[str]:
    """A path as it may be asked for; what stands in braces in every wrong way, also after a kind of report that there is."""
    if "{" not in path:
        return [path]
    wrong = [re.sub(r"\{\w+\}", word, path) for word in WITHIN]
    return wrong + (addresses(path.replace("{kind}", "daily")) if "{kind}" in path else [])


@pytest.fixture(scope="module")
def gets(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    found = routes(tmp_path_factory.mktemp("none") / "accounts.json")
    return [address for route in found if "GET" in (route.methods or ()) for address in addresses(route.path)]


@pytest.fixture(scope="module")
def posts(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    found = routes(tmp_path_factory.mktemp("none") / "accounts.json")
    return [address for route in found if "POST" in (route.methods or ()) for address in addresses(route.path)]


def clear_no(answer: tuple[int, str, Any]) -> bool:
    """A refusal that says why."""
    status, said, _ = answer
    return 400 <= status < 500 and bool(json.loads(said)["error"])


# --- who asks ----------------------------------------------------------------------------------


@pytest.mark.parametrize("cookie", ["", "A" * 43, "undefined", "../../x", '"; drop', "é" * 20, "x" * 4000])
def test_a_stranger_is_shown_nothing(page: Served, gets: list[str], posts: list[str], cookie: str) -> None:
    stranger = page.visitor()
    stranger.cookies = {COOKIE: quote(cookie)} if cookie else {}
    page.hand.show(hostile_pictures()[0])
    for path in gets:
        if path.partition("?")[0] in PUBLIC:
            continue
        status, said, headers = stranger.ask("GET", path)
        assert (status, headers.get("location")) == (303, "/sign-in") or status in (401, 404), path
        assert MARK not in said, path
    for path in posts:
        if path != "/sign-in":
            assert stranger.ask("POST", path, {"command": "acknowledge", "target": "x"})[0] == 401, path
    assert page.hand.commands == []


def test_every_answer_forbids_scripts_from_elsewhere(page: Served, people: dict[str, Visitor], gets: list[str], posts: list[str]) -> None:
    page.hand.show(rich_picture())
    asked = [("GET", path) for path in gets if path != "/events"] + [("POST", path) for path in posts if path != "/sign-out"]
    for method, path in [*asked, ("GET", "/static/page.js"), ("GET", "/nowhere"), ("BREW", "/")]:
        status, _, headers = people["guard"].ask(method, path, [] if method == "POST" else None)
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy, path
        assert "unsafe" not in policy, path
        assert headers["x-content-type-options"] == "nosniff", path
        assert status < 500, (path, status)


def test_a_viewer_does_nothing_and_a_guard_what_the_daemon_says(page: Served, people: dict[str, Visitor]) -> None:
    for command in sorted(COMMANDS):
        assert people["viewer"].ask("POST", "/act", {"command": command, "target": "x"})[0] == 403, command
    assert page.hand.commands == []
    page.hand.answer = (False, "no")
    for command in sorted(COMMANDS):
        assert people["guard"].ask("POST", "/act", {"command": command, "target": "x"})[0] == 409, command
    assert {sent["role"] for sent in page.hand.commands} == {"guard"}


def test_a_role_or_a_name_in_the_body_is_nobodys(page: Served, people: dict[str, Visitor]) -> None:
    forged = {"command": "reset", "target": "x", "role": "technician", "by": "王主任", "op": "readings", "who": "vision"}
    assert people["guard"].ask("POST", "/act", forged)[0] == 200
    sent = page.hand.commands[-1]
    assert (sent["by"], sent["role"], sent["op"], sent["who"]) == ("张三", "guard", "command", "console")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"X-CSRF": ""}, 403),
        ({"X-CSRF": "0" * 43}, 403),
        ({"X-CSRF": "é"}, 403),
        ({"Origin": "http://evil.test"}, 403),
        ({"Origin": "http://page.test.evil.test"}, 403),
        ({"Origin": "http://page.test:81"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": ""}, 403),
        ({"Host": "evil.test"}, 421),
        ({"Host": "page.test.evil.test", "Origin": "http://page.test.evil.test"}, 421),
    ],
)
def test_a_forged_request_changes_nothing(
    page: Served, people: dict[str, Visitor], posts: list[str], headers: dict[str, str], status: int
) -> None:
    for path in posts:
        if path == "/sign-in" and "X-CSRF" in headers:
            continue  # there is no token before there is a session
        body = {"command": "acknowledge", "target": "x", "name": "王主任", "password": "correct horse"}
        assert people["leader"].ask("POST", path, body, headers={k: v.encode("latin-1") for k, v in headers.items()})[0] == status, path  # type: ignore[misc]
    assert page.hand.commands == []


def test_another_host_is_told_nothing(page: Served, people: dict[str, Visitor], gets: list[str]) -> None:
    for path in gets:
        status, said, _ = people["leader"].ask("GET", path, headers={"Host": "rebound.test"})
        assert (status, MARK in said) == (421, False), path


@pytest.mark.parametrize("method", METHODS)
def test_a_method_that_a_route_has_not_changes_nothing(
    page: Served, people: dict[str, Visitor], gets: list[str], posts: list[str], method: str
) -> None:
    origin = {"Origin": "http://page.test", "X-CSRF": people["leader"].csrf}
    for path in [*gets, *posts, "/static/page.js"]:
        if path == "/events" and method == "HEAD":
            continue  # the answer to it has no end
        status, said, _ = people["leader"].ask(method, path, headers=origin)
        assert status in (200, 303, 400, 401, 404, 405) if method == "HEAD" else status in (400, 403, 404, 405), (
            method,
            path,
            status,
            said,
        )
    assert [sent for sent in page.hand.commands if sent["command"] != "looked"] == []


# --- what is asked -----------------------------------------------------------------------------

SAID = st.one_of(
    st.text(max_size=60),
    st.sampled_from(
        ("", "0", "-1", "NaN", "1e400", "9" * 30, "0001-01-01", "9999-12-31", "2026-02-30", "2026-11-22T25:00", "%00", *TEXTS[:5])
    ),
    st.integers().map(str),
    st.dates().map(str),
    st.datetimes().map(str),
)


def fields_of(page: Served, visitor: Visitor) -> list[str]:
    """Every field of a form on any page, and some that pages take in their addresses."""
    found = {"page", "from", "to", "day", "before", "language", "back", "parts", "format"}
    for each in PAGES:
        if "{" not in each.path:
            judged = Judge(visitor.ask("GET", each.path)[1])
            found |= judged.fields | {name.partition("=")[0] for link in judged.links for name in link.partition("?")[2].split("&")}
    return sorted(found - {""})


@pytest.fixture(scope="module")
def fields(page: Served, people: dict[str, Visitor]) -> list[str]:
    return fields_of(page, people["guard"])


@pytest.mark.parametrize("path", [each.path for each in (*PAGES, *DOWNLOADS)] + ["/language", "/sign-in"])
@FUZZ
@given(data=st.data())
def test_any_query_gets_a_page_or_a_clear_no(
    page: Served, archive: HostileArchive, people: dict[str, Visitor], fields: list[str], path: str, data: Any
) -> None:
    archive.number = data.draw(st.integers(0, len(TEXTS) - 1))
    query = data.draw(st.dictionaries(st.sampled_from(fields) | st.text(max_size=10), SAID, max_size=5))
    within = data.draw(st.sampled_from(addresses(path)) | st.text(max_size=40).map(lambda word: quote(word.replace("/", ""), safe="")))
    asked = (within if "{" in path and within.startswith("/") else addresses(path)[0]) + "?" + urlencode(query)
    status, said, headers = people["guard"].ask("GET", asked)
    assert status in (200, 303, 400, 404), (asked, status, said[:300])
    if "html" in headers.get("content-type", ""):
        assert Judge(said).problems == [], asked


@pytest.mark.parametrize("query", ["a=%ff%fe", "%", "&&&=", "a[]=1&a[]=2", "x=" + "y" * 30_000, ";", "from=%00"])
def test_a_query_that_no_form_would_send(page: Served, people: dict[str, Visitor], gets: list[str], query: str) -> None:
    for path in gets:
        if path != "/events" and not {*path.split("/")} & {*WITHIN[1:]}:  # one address of each route
            assert people["guard"].ask("GET", f"{path}?{query}")[0] in (200, 303, 400, 404, 414), (path, query)


# --- what is sent ------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(TEXTS),
    lambda x: st.lists(x, max_size=4) | st.dictionaries(st.text(), x, max_size=4),
    max_leaves=12,
)
ACT = ("command", "target", "why", "for_s", "value", "second", "points")


@FUZZ
@given(body=st.fixed_dictionaries({"command": st.sampled_from(sorted(COMMANDS))}, optional=dict.fromkeys(ACT[1:], JSON)))
def test_a_deed_of_any_shape_is_sent_as_texts_and_numbers_or_not_at_all(
    page: Served, people: dict[str, Visitor], body: dict[str, Any]
) -> None:
    page.hand.commands.clear()
    answer = people["leader"].ask("POST", "/act", raw=json.dumps(body).encode())
    assert answer[0] == 200 or clear_no(answer)
    assert len(page.hand.commands) == (answer[0] == 200)
    for sent in page.hand.commands:
        texts = [value for name, value in sent.items() if name not in ("for_s", "points")]
        assert all(isinstance(text, str) and len(text) <= 200 for text in texts)
        assert math.isfinite(sent["for_s"])
        assert all(isinstance(point, str) for point in sent.get("points", []))


@FUZZ
@given(body=JSON)
def test_a_body_of_any_shape_to_any_route(page: Served, people: dict[str, Visitor], posts: list[str], body: Any) -> None:
    for path in posts:
        if path in ("/sign-in", "/again", "/sign-out"):
            continue  # these three are held by test_app: each try costs a password
        assert clear_no(people["leader"].ask("POST", path, raw=json.dumps(body).encode())), (path, body)


@pytest.mark.parametrize(
    "headers",
    [{"Content-Length": "5"}, {"Content-Type": "text/plain"}, {"Content-Type": "multipart/form-data"}, {"Content-Encoding": "gzip"}],
)
def test_a_body_by_another_name_is_judged_by_what_it_is(page: Served, people: dict[str, Visitor], headers: dict[str, str]) -> None:
    assert clear_no(people["guard"].ask("POST", "/act", raw=b"<xml/>"[:5], headers=headers))
    assert page.hand.commands == []


# --- hostile names and texts -------------------------------------------------------------------


@pytest.mark.parametrize("number", range(len(TEXTS)))
@pytest.mark.parametrize("language", ["zh", "en"])
def test_hostile_texts_are_shown_as_text(
    page: Served, archive: HostileArchive, people: dict[str, Visitor], number: int, language: str
) -> None:
    page.hand.show(hostile_pictures()[number])
    archive.number = number
    visitor = people["leader"]
    visitor.cookies["campus_language"] = language
    seen = 0
    for each in PAGES:
        for path in addresses(each.path):
            status, html, headers = visitor.ask("GET", path)
            assert status in (200, 400, 404), (path, status, html[:300])
            if "html" in headers["content-type"]:
                judged = Judge(html)
                assert judged.problems == [], path
                seen += any(MARK in text for text in judged.texts)
    assert seen, "no page shows any of it"
    for download in DOWNLOADS:
        for path in addresses(download.path):
            status, _, headers = visitor.ask("GET", path)
            assert status in (200, 400, 404), (path, status)
            assert "\n" not in headers.get("content-disposition", "")


@pytest.mark.parametrize("number", range(len(TEXTS)))
def test_hostile_texts_in_what_comes_by_itself(page: Served, people: dict[str, Visitor], number: int) -> None:
    page.hand.show(hostile_pictures()[number])
    with people["guard"].events() as events:
        _, told = next(events)
    assert told["parts"]["alarms"]
    for name, html in told["parts"].items():
        assert Judge(html).problems == [], name


@pytest.mark.parametrize("text", TEXTS)
def test_a_hostile_no_of_the_daemon_and_a_hostile_name(page: Served, people: dict[str, Visitor], text: str) -> None:
    page.hand.answer = (False, text)
    status, said, headers = people["guard"].ask("POST", "/act", {"command": "acknowledge", "target": text[:100].replace("\0", "")})
    assert (status in (400, 409), headers["content-type"]) == (True, "application/json")
    assert json.loads(said)["error"]
    stranger = page.visitor()
    tried = stranger.ask("POST", "/sign-in", {"name": text[:40], "password": text[:200]})
    assert clear_no(tried)
    assert MARK not in tried[1]
