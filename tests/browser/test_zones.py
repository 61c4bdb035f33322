"""A technician draws a zone in a real browser, and what stands below it is what the site's loader takes."""

from __future__ import annotations

import random
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from gateway.config.polygon import misdrawn
from gateway.config.settings import ConfigRefused
from simulators.broker import free_port
from tests.browser.desk import PATIENCE_MS, seat, sign_in
from tests.gateway.config.test_load import site
from tests.gateway.console.pictures import picture
from tests.gateway.console.served import PASSWORD, Hand, Served
from tests.gateway.console.test_zones import BLACK, OneCamera

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]
expect.set_options(timeout=PATIENCE_MS)

CAMERA = '[[cameras]]\nid = "eye"\nurl = "rtsp://192.0.2.2/1"\nplace = "gate"\n'
TRIANGLE = [[0.25, 0.25], [0.75, 0.25], [0.5, 0.75]]
BOW_TIE = [[0.2, 0.2], [0.8, 0.8], [0.8, 0.2], [0.2, 0.8]]


@pytest.fixture(scope="module")
def signed_in(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    served = Served(tmp_path_factory.mktemp("console"), Hand(picture()), OneCamera(), free_port())
    served.accounts.add("赵工", "technician", PASSWORD)
    with served.running(), seat(browser, f"http://127.0.0.1:{served.port}", size="laptop") as tab:
        sign_in(tab, "赵工")
        yield tab


@pytest.fixture
def page(signed_in: Page) -> Page:
    signed_in.goto("/cameras")
    signed_in.locator("a[href='/cameras/eye/zones']").click()
    expect(signed_in.locator("#pencil")).to_have_attribute("data-ready", "yes")
    return signed_in


def press(page: Page, corners: list[list[float]]) -> None:
    """Click the corners on the picture."""
    sheet = page.locator("#sheet")
    sheet.scroll_into_view_if_needed()
    box = sheet.bounding_box()
    assert box is not None
    for x, y in corners:
        sheet.click(position={"x": x * box["width"], "y": y * box["height"]})


def written(page: Page) -> str:
    return page.locator("#draw-text").input_value()


def near(found: list[list[float]], wanted: list[list[float]]) -> bool:
    """A click hits a whole pixel."""
    return len(found) == len(wanted) and all(
        abs(a - b) < 0.005 for one, other in zip(found, wanted, strict=True) for a, b in zip(one, other, strict=True)
    )


def test_a_triangle_becomes_a_zone_that_the_site_file_takes(page: Page, tmp_path: Path) -> None:
    press(page, TRIANGLE[:2])
    page.fill("#draw-id", "yard")
    assert written(page) == "", "two corners are no zone, and the id is taken"
    press(page, TRIANGLE[2:])
    expect(page.locator("#draw-finish")).to_be_disabled()
    page.fill("#draw-id", "apron")
    (zone,) = tomllib.loads(CAMERA + written(page))["cameras"][0]["zones"]
    assert zone["id"] == "apron"
    assert near(zone["polygon"], TRIANGLE)
    assert near([list(corner) for corner in site(tmp_path, CAMERA + written(page)).site.cameras[0].zones[0].polygon], TRIANGLE)


def test_the_text_is_copied(page: Page) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.fill("#draw-id", "apron")
    press(page, TRIANGLE)
    page.click("#draw-copy")
    expect(page.locator("#draw-said")).to_have_text("已复制")
    assert page.evaluate("() => navigator.clipboard.readText()") == written(page) != ""


def test_crossing_sides_are_said_and_not_written(page: Page) -> None:
    page.fill("#draw-id", "apron")
    press(page, BOW_TIE)
    expect(page.locator("#draw-said")).to_contain_text("各边相交")
    assert written(page) == ""
    page.click("#draw-undo")
    assert "[[cameras.zones]]" in written(page)


def test_all_of_it_by_keyboard(page: Page) -> None:
    page.fill("#draw-id", "apron")
    for _ in range(3):
        page.locator("#draw-add").press("Enter")
    before = tomllib.loads(CAMERA + written(page))["cameras"][0]["zones"][0]["polygon"]
    page.locator("#sheet circle").nth(1).focus()
    page.keyboard.press("Shift+Tab")
    expect(page.locator("#sheet circle").first).to_be_focused()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Shift+ArrowUp")
    after = tomllib.loads(CAMERA + written(page))["cameras"][0]["zones"][0]["polygon"]
    assert after[0] == [round(before[0][0] - 0.005, 3), round(before[0][1] - 0.05, 3)]
    assert after[1:] == before[1:]
    page.keyboard.press("Delete")
    expect(page.locator("#sheet circle")).to_have_count(2)


def test_a_corner_is_dragged(page: Page) -> None:
    page.fill("#draw-id", "apron")
    press(page, TRIANGLE)
    box = page.locator("#sheet").bounding_box()
    corner = page.locator("#sheet circle").nth(2).bounding_box()
    assert box is not None
    assert corner is not None
    page.mouse.move(corner["x"] + corner["width"] / 2, corner["y"] + corner["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.4 * box["width"], box["y"] + 0.6 * box["height"], steps=4)
    page.mouse.up()
    (zone,) = tomllib.loads(CAMERA + written(page))["cameras"][0]["zones"]
    assert near(zone["polygon"], [*TRIANGLE[:2], [0.4, 0.6]])


def test_a_line_and_a_mask_together_and_the_masks_that_stand_there_stay(page: Page, tmp_path: Path) -> None:
    page.select_option("#draw-kind", "line")
    page.fill("#draw-id", "crossing")
    press(page, TRIANGLE)
    page.click("#draw-finish")
    page.select_option("#draw-kind", "mask")
    press(page, TRIANGLE)
    page.click("#draw-finish")
    camera = site(tmp_path, CAMERA + written(page)).site.cameras[0]
    assert camera.lines[0].id == "crossing"
    assert near([list(camera.lines[0].start), list(camera.lines[0].end)], TRIANGLE[:2])
    assert tuple(camera.masks[0]) == BLACK.corners
    assert near([list(corner) for corner in camera.masks[1]], TRIANGLE)


def test_the_script_judges_as_the_loader_does(page: Page, tmp_path: Path) -> None:
    chance = random.Random(7)
    drawn = [[[round(chance.random(), 3) for _ in "xy"] for _ in range(chance.randint(3, 7))] for _ in range(300)]
    drawn += [[[0.1, 0.1], [0.9, 0.9], [0.5, 0.5]], [[0, 0], [0.1, 0], [0.1, 0.01], [0, 0.01]], TRIANGLE, BOW_TIE]
    here = page.evaluate("all => all.map(misdrawn)", drawn)
    words = {"cross": "its sides cross", "small": "it covers", "": ""}
    loader = [misdrawn([(x, y) for x, y in corners]) for corners in drawn]
    assert set(here) == set(words)
    for corners, mine, told in zip(drawn, here, loader, strict=True):
        assert told.startswith(words[mine]), corners
        assert bool(told) == bool(mine), corners
    with pytest.raises(ConfigRefused, match="its sides cross"):
        site(tmp_path, f'{CAMERA}[[cameras.zones]]\nid = "apron"\npolygon = {BOW_TIE}\n')
