"""What the browser tests do at the page: start the browser, sign in, find every page."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from typing import Any, cast

from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from gateway.console.book import PAGES
from tests.gateway.console.served import PASSWORD
from tests.real_parts import need

SIZES = {"panel": (1024, 600), "laptop": (1366, 768), "phone": (390, 844)}
LANGUAGES = ("zh", "en")
PATIENCE_MS = 15_000


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's browser, without a window."""
    path = need("chromium", package="chromium")
    flags = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=[*flags, "--disable-gpu", "--force-color-profile=srgb"])
        try:
            yield browser
        finally:
            browser.close()


@contextlib.contextmanager
def seat(
    browser: Browser, base: str, language: str = "zh", size: str = "panel", *, bypass_csp: bool = False, store: Any = None
) -> Iterator[Page]:
    """A tab of its own cookies. Whatever the page's scripts report as an error fails the test."""
    width, height = SIZES[size]
    context = browser.new_context(
        base_url=base, viewport={"width": width, "height": height}, bypass_csp=bypass_csp, has_touch=size != "laptop", storage_state=store
    )
    context.set_default_timeout(PATIENCE_MS)
    speak(context, base, language)
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda said: problems.append(said.text) if "Content Security Policy" in said.text else None)
    foreign: list[str] = []
    page.on("request", lambda asked: None if asked.url.startswith((base, "data:", "blob:")) else foreign.append(asked.url))
    try:
        yield page
    finally:
        context.close()
    assert problems == []
    assert foreign == [], "the page asks for something elsewhere"


def speak(context: BrowserContext, base: str, language: str) -> None:
    """As if the person had chosen this language."""
    context.add_cookies([{"name": "campus_language", "value": language, "url": base}])


def sign_in(page: Page, name: str) -> None:
    """As a person does, with the keyboard."""
    page.goto("/sign-in")
    expect(page.locator("#name")).to_be_focused(timeout=PATIENCE_MS)  # what is typed before that goes nowhere
    page.keyboard.type(name)
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_selector("body.desk")


def settled(page: Page) -> None:
    """The first word of the daemon has come."""
    expect(page.locator("body")).to_have_attribute("data-sounding", re.compile("yes|no"), timeout=PATIENCE_MS)


def hrefs(page: Page) -> list[str]:
    """Where the links of this page lead, as written."""
    return cast(list[str], page.eval_on_selector_all("a[href]", "links => links.map(one => one.getAttribute('href'))"))


def all_pages(page: Page) -> dict[str, str]:
    """Path of each page of the book -> an address that shows it; what stands in braces is found by following links."""
    found = {each.path: each.path for each in PAGES if "{" not in each.path}
    wanted = {each.path: re.compile(re.sub(r"\{\w+(:\w+)?\}", "[^/?#]+", each.path) + r"(\?.*)?$") for each in PAGES if "{" in each.path}
    for path in [*found]:
        page.goto(path)
        for href in hrefs(page):
            found |= {each: href for each, pattern in wanted.items() if pattern.match(href) and href not in found and each not in found}
    return found
