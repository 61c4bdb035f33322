"""Every page for everybody: axe-core, both languages whole, nothing beyond the edge, large enough to touch, all of it by keyboard."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from gateway.console.book import PAGES
from tests.browser.desk import LANGUAGES, PATIENCE_MS, SIZES, all_pages, seat, settled, sign_in, speak
from tests.browser.school import LEADER, PEOPLE, TECHNICIAN, School
from tests.browser.stories import WORDS, busy_day

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
expect.set_options(timeout=PATIENCE_MS)

AXE = Path(__file__).with_name("axe.min.js").read_text(encoding="utf-8")
AXE_SIZES = {"zh": ("panel", "phone"), "en": ("panel",)}  # what axe judges differs between these two, and little between languages
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
TOUCH_PX, IN_TEXT_PX = 40, 24  # WCAG 2.2, 2.5.8: 24; a touch panel at a gate wants more
# Latin words that a Chinese page may hold beside ids: products, units, formats, and the other language's name.
LATIN = {"English", "PM", "LEL", "mA", "ppm", "CSV", "XLSX", "HTML", "JSON", "UTC", "Excel", "PNG", "SVG", "TLS", "MQTT", "SHA"}
HAN = re.compile(r"[\u3400-\u9fff]+")
LATIN_WORD = re.compile(r"[A-Za-z]{2,}")

OVERFLOW = "() => document.scrollingElement.scrollWidth - innerWidth"
SMALL = """([touch, inText]) => {
  const small = [];
  for (const one of document.querySelectorAll("a[href], button, input, select, textarea, summary")) {
    const style = getComputedStyle(one), held = one.matches("input[type=checkbox], input[type=radio]") && one.closest("label") || one;
    const box = held.getBoundingClientRect();
    if (!box.width || !box.height || style.visibility === "hidden" || box.right < 0) continue;
    if (one.type === "hidden" || one.closest("svg")) continue;
    const least = one.tagName === "A" && style.display.startsWith("inline") && one.closest("p, li, td, th, dd") ? inText : touch;
    if (Math.round(box.height) < least || Math.round(box.width) < Math.min(least, 24)) {
      small.push(`${one.outerHTML.slice(0, 90)}: ${Math.round(box.width)} x ${Math.round(box.height)}`);
    }
  }
  return small;
}"""
# Everything that a person reads or hears, scripts and what is hidden for good left out.
READ = """() => {
  const said = [document.title];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const holder = walk.currentNode.parentElement;
    if (!holder.closest("script, style, template")) said.push(walk.currentNode.data);
  }
  for (const one of document.querySelectorAll("*")) {
    for (const name of ["aria-label", "title", "placeholder", "alt", "data-lost", "data-done", "data-refused"]) {
      if (one.hasAttribute(name)) said.push(one.getAttribute(name));
    }
  }
  return said.map(each => each.trim()).filter(each => each);
}"""
FOCUSABLE = """() => {
  const group = one => [...(one.form || document).querySelectorAll("input[type=radio]")].filter(other => other.name === one.name);
  return [...document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex='0']")]
  .filter(one => one.checkVisibility({ visibilityProperty: true }) && !one.disabled && one.type !== "hidden")
  .filter(one => one.id !== "sound") // it is gone at the first key: that is the touch which a browser wants
  .filter(one => one.type !== "radio" || one === (group(one).find(other => other.checked) || group(one)[0]))
  .map((one, number) => { one.dataset.reach = number; return one.outerHTML.slice(0, 90); });
}"""
FOCUSED = """() => {
  const one = document.activeElement, style = getComputedStyle(one), box = one.getBoundingClientRect();
  const marked = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
  const seen = box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth;
  return [one.dataset.reach ?? "", marked, seen];
}"""


@pytest.fixture(scope="module")
def busy(campus: School) -> School:
    busy_day(campus)
    return campus


@dataclass
class Findings:
    """Of one walk through all pages, a line for each: what axe finds, what is too wide or small, strings of the other language, keys."""

    axe: list[str] = field(default_factory=list)
    wide: list[str] = field(default_factory=list)
    small: set[str] = field(default_factory=set)
    strange: set[str] = field(default_factory=set)
    keys: list[str] = field(default_factory=list)
    pages: set[str] = field(default_factory=set)


@pytest.fixture(scope="module")
def walk(browser: Browser, busy: School) -> dict[str, Findings]:
    """Language -> what one walk through all pages has found; by keyboard only in Chinese."""
    findings = {language: Findings() for language in LANGUAGES}
    known = {language: names_known(language, busy.here.site) for language in LANGUAGES}
    with seat(browser, busy.base) as page:
        sign_in(page, TECHNICIAN)
        addresses = all_pages(page)
        for language in LANGUAGES:
            speak(page.context, busy.base, language)
            for path, address in addresses.items():
                look_at(page, path, address, language, known[language], findings[language])
    return findings


def look_at(page: Page, path: str, address: str, language: str, known: re.Pattern[str], findings: Findings) -> None:
    """One page of the walk."""
    answer = page.goto(address)
    assert answer is not None
    assert answer.status == 200, (path, answer.status)
    settled(page)
    findings.pages.add(path)
    findings.strange |= {f"{path}: {text}" for text in in_the_other_language(page, language, known)}
    if language == "zh":
        findings.keys += [f"{path}: {text}" for text in not_by_keyboard(page)]
    page.evaluate(AXE)
    for size, (width, height) in SIZES.items():
        page.set_viewport_size({"width": width, "height": height})
        findings.axe += [f"{path} {size}: {text}" for text in axe(page)] if size in AXE_SIZES[language] else []
        over = page.evaluate(OVERFLOW)
        findings.wide += [f"{path} {size}: {over} px"] if over > 0 else []
        findings.small |= {f"{path} {size}: {text}" for text in page.evaluate(SMALL, [TOUCH_PX, IN_TEXT_PX])}
    page.set_viewport_size(dict(zip(("width", "height"), SIZES["panel"], strict=True)))  # type: ignore[arg-type]


@pytest.fixture(params=LANGUAGES)
def found(request: pytest.FixtureRequest, walk: dict[str, Findings]) -> Findings:
    """What was found in one language."""
    return walk[str(request.param)]


def axe(page: Page, where: str = "body") -> list[str]:
    """What axe-core, already on the page, finds wrong."""
    judged = page.evaluate("([where, rules]) => axe.run(where, { runOnly: rules, resultTypes: ['violations'] })", [where, RULES])
    return [
        f"{wrong['id']}: {node['target'][0]} {node['any'][0]['message'] if node['any'] else ''}"
        for wrong in judged["violations"]
        for node in wrong["nodes"][:4]
    ]


def test_every_page_of_the_book_can_be_reached_by_links(found: Findings) -> None:
    assert found.pages == {each.path for each in PAGES}


def test_axe_finds_nothing(found: Findings) -> None:
    assert not found.axe, "\n".join(found.axe)


def test_nothing_leaves_the_edge(found: Findings) -> None:
    assert not found.wide, "\n".join(found.wide)


def test_everything_can_be_touched(found: Findings) -> None:
    assert not found.small, "\n".join(sorted(found.small))


def test_no_string_is_left_in_the_other_language(found: Findings) -> None:
    assert not found.strange, "\n".join(sorted(found.strange))


def test_every_deed_is_reached_by_tab_and_the_focus_is_seen(found: Findings) -> None:
    assert not found.keys, "\n".join(found.keys)


@pytest.mark.parametrize("path", ["/history", "/incidents", "/plan/list"])
def test_a_table_that_is_shown_as_blocks_on_a_phone_stays_a_table_for_who_hears_it(browser: Browser, busy: School, path: str) -> None:
    with seat(browser, busy.base, size="phone") as page:
        sign_in(page, TECHNICIAN)
        page.goto(path)
        settled(page)
        nodes = page.context.new_cdp_session(page).send("Accessibility.getFullAXTree")["nodes"]
        heard = Counter(node["role"]["value"] for node in nodes if not node["ignored"] and "role" in node)
    assert heard["table"] == 1
    assert heard["columnheader"] >= 4
    assert heard["row"] > 1
    assert heard["cell"] == (heard["row"] - 1) * heard["columnheader"]


def test_the_door_is_accessible_too(browser: Browser, campus: School) -> None:
    for size in SIZES:
        with seat(browser, campus.base, size=size) as page:
            page.goto("/sign-in")
            page.evaluate(AXE)
            assert axe(page) == []
            assert page.evaluate(OVERFLOW) <= 0
            assert page.evaluate(SMALL, [TOUCH_PX, IN_TEXT_PX]) == []


# --- languages ---------------------------------------------------------------------------------


def names_known(language: str, site: Path) -> re.Pattern[str]:
    """What may stand in either language: people and their words; in Chinese also every id and word of the site file."""
    found: set[str] = {*PEOPLE, *WORDS}

    def gather(value: object) -> None:
        if isinstance(value, dict):
            found.update(map(str, value))
        for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            gather(each)
        if isinstance(value, str) and value:
            found.add(value)

    if language == "zh":
        gather(tomllib.loads(site.read_text(encoding="utf-8")))
        found |= {"main"}  # the id of a path that is given none
    words = sorted(map(re.escape, found), key=len, reverse=True)
    own = (
        ["gw-[a-z0-9-]+", r"drill-[a-z]+", r"hz-\d+", "[0-9a-f]{64}", r"eyJ[\w-]+\.\.[\w-]+"] if language == "zh" else ["中文"]
    )  # ids that the gateway makes
    return re.compile("|".join([*own, *(rf"(?<![A-Za-z]){word}(?![A-Za-z])" for word in words)]))


def in_the_other_language(page: Page, language: str, known: re.Pattern[str]) -> set[str]:
    """Texts of this page with words that belong to the other language."""
    strange = set()
    for text in page.evaluate(READ):
        left = known.sub("", text)
        wrong = set(LATIN_WORD.findall(left) if language == "zh" else HAN.findall(left)) - LATIN
        if wrong:
            strange.add(f"{text[:120]!r} ({', '.join(sorted(wrong))})")
    return strange


# --- keyboard ----------------------------------------------------------------------------------


def not_by_keyboard(page: Page) -> list[str]:
    """What Tab does not reach on this page, and where the focus is not seen."""
    wanted = page.evaluate(FOCUSABLE)
    reached: set[str] = set()
    wrong: list[str] = []
    for _ in range(3 * len(wanted) + 20):  # a date has three stops, a list that scrolls has one of its own
        page.keyboard.press("Tab")
        number, marked, seen = page.evaluate(FOCUSED)
        if number and number not in reached:
            reached.add(number)
            wrong += [] if marked else [f"no focus mark on {wanted[int(number)]}"]
            wrong += [] if seen else [f"focus out of sight on {wanted[int(number)]}"]
        if len(reached) == len(wanted):
            break
    return wrong + [f"Tab does not reach {text}" for number, text in enumerate(wanted) if str(number) not in reached]


def test_a_dialogue_holds_the_focus_and_gives_it_back(browser: Browser, busy: School) -> None:
    with seat(browser, busy.base, size="laptop") as page:
        sign_in(page, LEADER)
        busy.here.post("/points/door-hall", {"value": True})
        button = page.locator("#alarms article[data-key^='door-hall/'] button[data-act=shelve]")
        button.focus()
        page.keyboard.press("Enter")
        expect(page.locator("#reason")).to_be_visible()
        expect(page.locator("#reason-text")).to_be_focused()
        page.evaluate(AXE)
        assert axe(page, "#reason") == []
        for _ in range(8):
            page.keyboard.press("Tab")
            assert page.evaluate("() => document.activeElement === document.body || !!document.activeElement.closest('#reason')")
        page.keyboard.press("Escape")
        expect(page.locator("#reason")).to_be_hidden()
        expect(button).to_be_focused()
