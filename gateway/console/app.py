"""The page as a Starlette application. It knows nothing of the daemon but a Feed: the newest picture, and a way to send commands.

Every answer forbids other origins' scripts, frames and forms. What changes something needs a session, its token in a header, and this
page's own origin.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Protocol
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Mount, Route, compile_path
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.console import refusals, replies, view
from gateway.console.accounts import AccountRefused, Accounts, plain_name
from gateway.console.book import DOWNLOADS, PAGES
from gateway.console.pages import Archive, BadQuery, Busy, Download, NoArchive, NotThere, Page, Visit
from gateway.console.passwords import Passwords, TooMany
from gateway.console.sessions import ACT_S, Lock, Session, Sessions
from gateway.console.streams import Stream, Streams
from gateway.console.turns import InTurn
from gateway.console.words import LANGUAGES, say
from gateway.core.errors import DoorUnanswered

COOKIE, LANGUAGE_COOKIE, CSRF_HEADER = "campus_session", "campus_language", "x-csrf"
BODY_MOST_BYTES = 10_000
ALIVE_S = 2.0  # a page that hears nothing for 5 s says that it has lost its connection
PAGES_MOST = 100
# What the page may ask for; who may is judged by the daemon (docs/alarm-states.md), which knows the role.
COMMANDS = frozenset(
    {"acknowledge", "reset", "shelve", "unshelve", "out_of_service", "return_to_service", "silence", "take_snapshot", "output"}
    | {"check_in", "patrol", "answer", "open_shift", "whistle", "report_in", "end_whistle"}
    | {"start_drill", "end_drill", "start_test", "end_test", "start_maintenance", "end_maintenance"}
    | {"open_hazard", "assign_hazard", "fix_hazard", "verify_hazard", "close_hazard", "inspect"}
)
POINTS_MOST = 200
TEXT_MOST = 200
LOCKINGS_TOLD = 100  # of one run
SHELVE_MOST_S = 8 * 3600.0
SET_RIGHT_MOST_S = 366 * 86_400.0  # what an inspection has found
AGAIN_S = 5  # after so long the browser may ask a busy archive again
NOTED_EACH_S = 3600.0  # looking at cameras

log = logging.getLogger(__name__)

_SECURITY = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}


class Feed(Protocol):
    """What the page knows of the daemon."""

    picture: Mapping[str, Any] | None
    away: bool

    async def changed(self, after: int) -> int:
        """Wait until there is something newer than the state of this number; gives the new number."""
        ...

    async def act(self, command: dict[str, Any]) -> tuple[bool, str]:
        """Send one command to the daemon: whether it was carried out, and the words. Raises DoorUnanswered where nobody knows."""
        ...


class Console:
    """All routes. zone: IANA name of the school's time. hosts: under which this page may be asked for. secure: it is served over TLS."""

    def __init__(
        self,
        feed: Feed,
        accounts: Accounts,
        zone: str,
        hosts: frozenset[str],
        *,
        secure: bool,
        archive: Archive | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._archive = archive or NoArchive()
        self._feed, self._accounts, self._zone, self._hosts, self._secure, self._now = feed, accounts, zone, hosts, secure, now
        self._sessions, self._lock = Sessions(), Lock()
        self._passwords = Passwords()
        self._drawn = view.Drawn(zone)
        self._streams = Streams(PAGES_MOST)
        self._lockings = 0

    def app(self) -> Starlette:
        """The application."""
        routes = [
            *(Route(page.path, self._page_of(page)) for page in PAGES),
            *(Route(download.path, self._download_of(download)) for download in DOWNLOADS),
            Route("/sign-in", self._sign_in_page),
            Route("/sign-in", self._sign_in, methods=["POST"]),
            Route("/standing", self._standing),
            Route("/again", self._again, methods=["POST"]),
            Route("/sign-out", self._sign_out, methods=["POST"]),
            Route("/act", self._act, methods=["POST"]),
            Route("/events", self._events),
            Route("/language", self._language_page),
            Mount("/static", StaticFiles(packages=[("gateway.console", "static")])),
        ]
        guard = Middleware(_Guard, hosts=self._hosts)
        handlers = {HTTPException: _refusal, AccountRefused: _broken, ClientDisconnect: _refusal}
        return Starlette(routes=routes, middleware=[guard], exception_handlers=handlers)

    # --- pages ---------------------------------------------------------------------------------

    def _page_of(self, page: Page) -> Callable[[Request], Awaitable[Response]]:
        async def shown(request: Request) -> Response:
            session = self._session(request)
            if session is None:
                return RedirectResponse("/sign-in", 303)
            visit = self._visit(request, session)
            try:
                known, status = await page.known(visit), 200
            except NotThere as missing:
                known, status = {"missing": refusals.say(str(missing), _language(request))}, _status(missing)
            except BadQuery as wrong:
                known, status = {"missing": str(wrong)}, 400
            if status == 200 and page.noted:
                await self._note_looking(page.noted, session, request)
            parts = self._drawn.parts(visit.picture, visit.away, visit.language, visit.role, ("banner", *page.live))
            template = page.template if status == 200 else "missing.html"
            html = view.render(template, visit.language, page=page, pages=PAGES, parts=parts, visit=visit, csrf=session.csrf, **known)
            return HTMLResponse(html, status, {"cache-control": "no-store"} | _later(status))

        return shown

    def _download_of(self, download: Download) -> Callable[[Request], Awaitable[Response]]:
        async def given(request: Request) -> Response:
            session = self._session(request)
            if session is None:
                raise HTTPException(401, "sign in first")
            try:
                answer = await download.give(self._visit(request, session))
            except NotThere as missing:
                raise HTTPException(_status(missing), str(missing)) from None
            except BadQuery as wrong:
                raise HTTPException(400, str(wrong)) from None
            if download.noted:
                await self._note_looking(download.noted, session, request)
            store = f"private, max-age={answer.store_s}" if answer.store_s else "no-store"
            headers = {"cache-control": store}
            if answer.name:
                headers["content-disposition"] = f"attachment; filename*=UTF-8''{quote(answer.name)}"
            return Response(answer.content, media_type=answer.media_type, headers=headers)

        return given

    def _visit(self, request: Request, session: Session) -> Visit:
        return Visit(
            self._feed.picture,
            self._feed.away,
            _language(request),
            session.name,
            self._accounts.role_of(session.name),
            self._zone,
            round(time.time() * 1000),
            dict(request.query_params),
            dict(request.path_params),
            InTurn(self._archive, session.turns),
            request.url.path + (f"?{request.url.query}" if request.url.query else ""),
        )

    async def _sign_in_page(self, request: Request) -> Response:
        language = _language(request)
        html = view.render("sign-in.html", language, empty=not self._accounts.all(), standing=self._what_stands())
        return HTMLResponse(html, headers={"cache-control": "no-store"})

    async def _standing(self, request: Request) -> Response:
        return JSONResponse(self._what_stands(), headers={"cache-control": "no-store"})

    def _what_stands(self) -> dict[str, Any]:
        """What the form for signing in says and sounds: how many alarms nobody has taken, and nothing else of them."""
        picture = self._feed.picture
        return {"untaken": 0 if picture is None else view.untaken(picture), "away": self._feed.away}

    async def _language_page(self, request: Request) -> Response:
        to = request.query_params.get("to", "")
        if to not in LANGUAGES:
            raise HTTPException(400, f"`to` is one of {', '.join(LANGUAGES)}")
        back = request.query_params.get("back", "/")
        if not _is_page(back):
            back = "/"
        answer = RedirectResponse(back, 303)
        answer.set_cookie(LANGUAGE_COOKIE, to, max_age=31_536_000, samesite="strict", secure=self._secure, httponly=True)
        return answer

    # --- people --------------------------------------------------------------------------------

    async def _sign_in(self, request: Request) -> Response:
        body = await _body(request)
        name, password = plain_name(_text(body, "name", 80)), _text(body, "password", 200)
        proof = self._accounts.proof_of(name)  # before the check: another password that comes meanwhile ends this session
        if not await self._checked(request, name, password, self._session(request)):
            return _error(403, say("wrong", _language(request)))
        await self._note("sign_in", name, self._accounts.role_of(name), request)
        cookie, _ = self._sessions.begin(name, self._now(), proof)
        answer = JSONResponse({"ok": True})
        answer.set_cookie(COOKIE, cookie, samesite="strict", secure=self._secure, httponly=True)
        return answer

    async def _again(self, request: Request) -> Response:
        session = self._changing(request)
        body = await _body(request)
        if not await self._checked(request, session.name, _text(body, "password", 200), session):
            return _error(403, say("wrong", _language(request)))
        session.act_until_s = self._now() + ACT_S
        return JSONResponse({"ok": True})

    async def _sign_out(self, request: Request) -> Response:
        session = self._changing(request)
        self._sessions.end(request.cookies[COOKIE])
        await self._note("sign_out", session.name, self._accounts.role_of(session.name), request)
        answer = JSONResponse({"ok": True})
        answer.delete_cookie(COOKIE)
        return answer

    async def _checked(self, request: Request, name: str, password: str, session: Session | None) -> bool:
        """Whether this is the person; after five wrong passwords from one address nobody is, for five minutes. session: an open one."""
        address = request.client.host if request.client else ""
        key = f"{name} {address}"
        self._may_try(key, request)
        try:
            async with self._passwords.turn(address, session.csrf if session is not None else ""):
                self._may_try(key, request)  # others of this name may have been wrong meanwhile
                if await request.is_disconnected():
                    raise ClientDisconnect
                right = bool(await asyncio.to_thread(self._accounts.check, name, password))
        except TooMany:
            raise HTTPException(503, "too many passwords are being checked: try again in a moment") from None
        if right:
            self._lock.right(key)
        elif self._lock.wrong(key, self._now()) and self._lockings < LOCKINGS_TOLD:
            self._lockings += 1  # who guesses names all night must not fill the journal
            await self._note("locked_out", name or "-", "viewer", request)
        return right

    def _may_try(self, key: str, request: Request) -> None:
        if self._lock.closed_s(key, self._now()):
            raise HTTPException(429, say("locked", _language(request)))

    async def _note_looking(self, what: str, session: Session, request: Request) -> None:
        """Once an hour of a session: a picture a second must not fill the journal."""
        if self._now() >= session.noted_s.get(what, float("-inf")) + NOTED_EACH_S:
            session.noted_s[what] = self._now()
            await self._note("looked", session.name, self._accounts.role_of(session.name), request, what)

    async def _note(self, kind: str, name: str, role: str, request: Request, target: str = "page") -> None:
        """An audit event. A daemon that is away hears nothing of it: looking must be possible then."""
        address = request.client.host if request.client else ""
        command = {"op": "command", "who": "console", "command": kind, "target": target, "by": name, "role": role, "value": address}
        try:
            done, text = await self._feed.act(command)
        except DoorUnanswered as silent:
            done, text = False, str(silent)
        if not done:
            log.warning("%s of %s is not on record: %s", kind, name, text)

    def _session(self, request: Request) -> Session | None:
        session = self._sessions.of(request.cookies.get(COOKIE, ""), self._now())
        if session is not None and session.proof != self._accounts.proof_of(session.name):  # removed, or another password
            self._sessions.end_all(session.name, session.proof)
            return None
        return session

    def _changing(self, request: Request) -> Session:
        """The session of a request that changes something: HTTPException unless it comes from our own page."""
        session = self._session(request)
        if session is None:
            raise HTTPException(401, "sign in first")
        if request.headers.get(CSRF_HEADER) != session.csrf:
            raise HTTPException(403, "the token of this page is missing or another session's; load the page again")
        return session

    # --- deeds ---------------------------------------------------------------------------------

    async def _act(self, request: Request) -> Response:
        session = self._changing(request)
        body = await _body(request)
        kind, target, why = _text(body, "command", 40), _text(body, "target", 120), _text(body, "why", TEXT_MOST)
        for_s, most_s = body.get("for_s", 0), SET_RIGHT_MOST_S if kind == "inspect" else SHELVE_MOST_S
        if kind not in COMMANDS:
            raise HTTPException(400, f"`command` is one of {', '.join(sorted(COMMANDS))}")
        if isinstance(for_s, bool) or not isinstance(for_s, int | float) or not 0 <= for_s <= most_s:
            raise HTTPException(400, f"`for_s` is a number of seconds, at most {most_s:.0f}")
        role = self._accounts.role_of(session.name)
        if role == "viewer":
            raise HTTPException(403, "a viewer looks and does not act")
        if session.act_until_s <= self._now():
            return JSONResponse({"error": say("again", _language(request)), "again": True}, 403)
        session.act_until_s = self._now() + ACT_S
        command: dict[str, Any] = {"op": "command", "who": "console", "command": kind, "target": target, "by": session.name, "role": role}
        further = {"value": _text(body, "value", TEXT_MOST), "second": _text(body, "second", 80), "points": _points(body)}
        command |= {"why": why, "for_s": for_s} | {name: value for name, value in further.items() if value}
        language = _language(request)
        try:
            done, text = await self._feed.act(command)
        except DoorUnanswered:
            return JSONResponse({"error": say("unknown", language), "unknown": True}, 504)
        if not done:
            return _error(409, refusals.say(text, language))
        points = self._feed.picture["points"] if self._feed.picture is not None else []
        return JSONResponse({"text": replies.say(text, language, {each["point"]: each[language] for each in points})})

    # --- what happens --------------------------------------------------------------------------

    async def _events(self, request: Request) -> Response:
        session = self._session(request)
        if session is None:
            raise HTTPException(401, "sign in first")
        stream = self._streams.begin(session.name)
        if stream is None:
            raise HTTPException(503, f"{PAGES_MOST} pages are open already")
        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        asked = request.query_params.get("parts", ",".join(view.PARTS)).split(",")
        wanted = tuple(name for name in view.PARTS if name in asked)
        content = self._stream(request, _language(request), wanted, stream)
        return _Streamed(content, lambda: self._streams.end(stream), headers)

    async def _stream(self, request: Request, language: str, wanted: tuple[str, ...], stream: Stream) -> AsyncIterator[str]:
        """Those of the wanted parts that differ from what this page has; a sign of life each ALIVE_S, until its place is another's."""
        shown: dict[str, str] = {}
        number = 0
        yield "retry: 1000\n\n"
        while not stream.over:
            session = self._session(request)
            if session is None:
                yield "event: out\ndata: {}\n\n"
                return
            picture = self._feed.picture
            parts = self._drawn.parts(picture, self._feed.away, language, self._accounts.role_of(session.name), wanted)
            fresh = {name: html for name, html in parts.items() if shown.get(name) != html}
            shown.update(fresh)
            told = {"parts": fresh, "site": "" if picture is None else picture["site"][language], "sounds": _sounds(picture)}
            yield f"event: parts\ndata: {json.dumps(told, ensure_ascii=False)}\n\n"
            try:
                async with asyncio.timeout(ALIVE_S):
                    number = await self._feed.changed(number)
            except TimeoutError:
                pass


class _Streamed(StreamingResponse):
    """An event stream. ended: called once it is over, also where it never began because the browser has left."""

    def __init__(self, content: AsyncIterator[str], ended: Callable[[], None], headers: Mapping[str, str]) -> None:
        super().__init__(content, media_type="text/event-stream", headers=headers)
        self._ended = ended

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._ended()


class _Guard:
    """Around every route: the host must be ours, what changes something comes from our origin; each answer gets security headers."""

    def __init__(self, app: ASGIApp, hosts: frozenset[str]) -> None:
        self._app, self._hosts = app, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *((name.encode(), value.encode()) for name, value in _SECURITY.items())]
            await send(message)

        request = Request(scope)
        refused = self._why_not(request)
        answer: Callable[[Scope, Receive, Send], Awaitable[None]] = _shown(request, *refused) if refused else self._app
        await answer(scope, receive, with_headers)

    def _why_not(self, request: Request) -> tuple[int, str] | None:
        host = request.headers.get("host", "")
        if host.lower() not in self._hosts:
            return 421, "this page is not known under that name"
        if request.method not in ("GET", "HEAD"):
            origin = request.headers.get("origin", "")
            if origin.partition("://")[2].lower() != host.lower():
                return 403, "only this page itself may send that"
        return None


def _sounds(picture: Mapping[str, Any] | None) -> bool:
    return picture is not None and view.sounds(picture)


def _language(request: Request) -> str:
    chosen = request.cookies.get(LANGUAGE_COOKIE, "")
    return chosen if chosen in LANGUAGES else LANGUAGES[0]


def _is_page(address: str) -> bool:
    """An address of one of our pages, with what it asks for: nobody is sent elsewhere from here."""
    path, _, query = address.partition("?")
    known = any(compile_path(page.path)[0].fullmatch(path) for page in PAGES)
    return known and path.startswith("/") and "\\" not in path and not path.startswith("//") and query.isprintable()


async def _body(request: Request) -> dict[str, Any]:
    """The JSON object that was sent. HTTPException for anything else."""
    content = b""
    async for piece in request.stream():
        content += piece
        if len(content) > BODY_MOST_BYTES:
            raise HTTPException(413, f"a request has at most {BODY_MOST_BYTES} bytes")
    try:
        body = json.loads(content)
        content.decode()
    except (ValueError, RecursionError):
        raise HTTPException(400, "the body is not JSON in UTF-8") from None
    if not isinstance(body, dict):
        raise HTTPException(400, "the body is a JSON object")
    return body


def _text(body: dict[str, Any], key: str, most: int) -> str:
    value = body.get(key, "")
    if not isinstance(value, str) or len(value) > most or any(ord(letter) < 32 or 0xD800 <= ord(letter) < 0xE000 for letter in value):
        raise HTTPException(400, f"`{key}` is a text of at most {most} characters")
    return value


def _points(body: dict[str, Any]) -> list[str]:
    points = body.get("points", [])
    if not isinstance(points, list) or len(points) > POINTS_MOST or not all(isinstance(each, str) and len(each) <= 48 for each in points):
        raise HTTPException(400, f"`points` is a list of at most {POINTS_MOST} ids")
    return points


def _status(missing: NotThere) -> int:
    return 503 if isinstance(missing, Busy) else 404


def _later(status: int) -> dict[str, str]:
    return {"retry-after": str(AGAIN_S)} if status == 503 else {}


def _error(status: int, text: str) -> JSONResponse:
    return JSONResponse({"error": text}, status, _later(status))


async def _refusal(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        return _error(400, "the request was cut off")
    return _shown(request, error.status_code, error.detail)


def _shown(request: Request, status: int, detail: str) -> Response:
    """A refusal: as a page for who looks with a browser, else as JSON."""
    language = _language(request)
    text = refusals.say(detail, language)
    if request.method not in ("GET", "HEAD") or "text/html" not in request.headers.get("accept", ""):
        return _error(status, text)
    html = view.render("refused.html", language, refused=text)
    return HTMLResponse(html, status, {"cache-control": "no-store"} | _later(status))


async def _broken(request: Request, error: Exception) -> Response:
    return _error(503, str(error))
