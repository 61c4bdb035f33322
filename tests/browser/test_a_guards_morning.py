"""A guard's morning in a real browser: from signing in to the report of the drill, over a daemon that is killed."""

from __future__ import annotations

import re
import signal

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.desk import PATIENCE_MS, seat, settled, sign_in
from tests.browser.school import GUARD, LEADER, School
from tests.gateway.console.served import PASSWORD
from tests.proof.rig import wait_for
from tests.proof.school_rig import data_of, on_site, press, state, status

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]
expect.set_options(timeout=PATIENCE_MS)
CLOCK = re.compile(r"\d\d:\d\d:\d\d")


def sounding(page: Page, on: bool) -> None:
    expect(page.locator("body")).to_have_attribute("data-sounding", "yes" if on else "no")


def test_a_guards_morning(browser: Browser, campus: School) -> None:
    with seat(browser, campus.base) as page:
        nobody_is_signed_in(page)
        sign_in(page, GUARD)
        a_quiet_page(page)
        a_press_and_its_way(page, campus)
        taken_and_reset(page, campus)
        the_other_language(page)
        the_daemon_is_killed(page, campus)
        page.click("#sign-out")
        page.wait_for_url("**/sign-in")
        page.goto("/")
        assert page.url.endswith("/sign-in"), "the session has ended"


def nobody_is_signed_in(page: Page) -> None:
    """No page without a name; a wrong password is told, and the field is empty again."""
    page.goto("/")
    assert page.url.endswith("/sign-in")
    page.fill("#name", GUARD)
    page.fill("#password", "not the password")
    page.click("button[type=submit]")
    expect(page.locator("#said")).to_have_text("姓名或密码不正确")
    expect(page.locator("#password")).to_have_value("")


def a_quiet_page(page: Page) -> None:
    settled(page)
    expect(page.locator("#alarms")).to_contain_text("无报警")
    expect(page.locator("#site")).to_have_text("验证学校")
    expect(page.locator("#lost")).to_be_hidden()
    sounding(page, False)


def a_press_and_its_way(page: Page, campus: School) -> None:
    """It appears by itself: what, where, since when, what to do; sound; each step to the centre with its time."""
    press(campus.here, "panic-gate")
    row = page.locator("#alarms article[data-key='panic-gate/alarm']")
    expect(row.locator("h3")).to_contain_text("一键报警")
    expect(row.locator(".facts b")).to_have_text("校门")
    expect(row.locator(".facts time")).to_have_text(CLOCK)
    expect(row.locator(".todo")).to_contain_text("110")
    sounding(page, True)
    for step in ("触发", "已存盘", "消息服务器已收", "中心已收"):
        expect(row.locator(".way li", has_text=step).first.locator("time")).to_have_text(CLOCK)


def taken_and_reset(page: Page, campus: School) -> None:
    """The sound ends with the acknowledgement; the centre hears who it was."""
    wait_for(lambda: state(campus.here, "panic-gate/alarm") == "latched_unacknowledged", "the button is let go")
    row = page.locator("#alarms article[data-key='panic-gate/alarm']")
    row.get_by_role("button", name="确认").click()
    sounding(page, False)
    expect(row).to_contain_text(f"确认人 {GUARD}")
    expect(page.locator("#said")).to_contain_text("已执行")
    row.get_by_role("button", name="复位").click()
    expect(page.locator("#alarms")).to_contain_text("无报警")
    wait_for(lambda: [data["by"] for data in data_of(campus.here, "alarm.reset", subject="panic-gate")] == [GUARD], "the centre hears it")


def the_other_language(page: Page) -> None:
    page.get_by_role("link", name="English").click()
    expect(page.locator("#alarms")).to_contain_text("No alarms")
    expect(page.locator("html")).to_have_attribute("lang", "en")
    page.get_by_role("link", name="中文").click()
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")


def the_daemon_is_killed(page: Page, campus: School) -> None:
    """The page says so, nothing can be done meanwhile, and it comes back by itself."""
    press(campus.here, "panic-store")
    expect(page.locator("#alarms article")).to_contain_text("已存盘")
    campus.here.gateway.kill()
    expect(page.locator("#banner")).to_contain_text("失去联系")
    page.locator("#alarms").get_by_role("button", name="确认").click()
    expect(page.locator("#said")).to_contain_text("未执行")
    campus.here.gateway.start()
    expect(page.locator("#banner")).not_to_contain_text("失去联系")
    page.locator("#alarms").get_by_role("button", name="确认").click()
    sounding(page, False)
    wait_for(lambda: state(campus.here, "panic-store/alarm") == "latched_acknowledged", "the button is let go")
    page.locator("#alarms").get_by_role("button", name="复位").click()
    expect(page.locator("#alarms")).to_contain_text("无报警")


@pytest.mark.parametrize("how", ["mouse", "touch"])
def test_the_first_tap_on_a_phone_takes_the_alarm(browser: Browser, campus: School, how: str) -> None:
    """A page that has just been opened may not sound yet. The tap wakes the sound, and nothing moves under the finger."""
    press(campus.here, "panic-gate")
    with seat(browser, campus.base, size="phone") as page:
        sign_in(page, GUARD)
        page.reload()
        sounding(page, True)
        button = page.locator("#alarms article[data-key='panic-gate/alarm']").get_by_role("button", name="确认")
        button.scroll_into_view_if_needed()
        moved = """() => {
            const button = document.querySelector("#alarms button"), sound = document.getElementById("sound");
            sound.hidden = true;
            const y = button.getBoundingClientRect().y;
            sound.hidden = false; // as on a phone that makes no sound before it is touched
            return button.getBoundingClientRect().y - y;
        }"""
        assert page.evaluate(moved) == 0
        before = button.bounding_box()
        assert before is not None
        x, y = before["x"] + before["width"] / 2, before["y"] + before["height"] / 2
        if how == "touch":
            page.touchscreen.tap(x, y)
        else:
            page.mouse.move(x, y)
            page.mouse.down()
            expect(page.locator("#sound")).to_be_hidden()
            assert button.bounding_box() == before
            page.mouse.up()
        expect(page.locator("#said")).to_contain_text("已执行")
        sounding(page, False)
        wait_for(lambda: state(campus.here, "panic-gate/alarm") == "latched_acknowledged", "the button is let go")
        page.locator("#alarms").get_by_role("button", name="复位").click()
        expect(page.locator("#alarms")).to_contain_text("无报警")


def test_nothing_moves_under_a_finger(browser: Browser, campus: School) -> None:
    """What comes while a button is held down is shown once it is let go."""
    with seat(browser, campus.base, size="phone") as page:
        sign_in(page, GUARD)
        settled(page)
        page.evaluate(
            """() => addEventListener("pointerdown", () => {
                still(() => { document.body.dataset.moved = "yes"; });
                document.body.dataset.atOnce = document.body.dataset.moved || "no";
            })"""
        )
        page.locator("#site").click()
        expect(page.locator("body")).to_have_attribute("data-at-once", "no")
        expect(page.locator("body")).to_have_attribute("data-moved", "yes")


def test_the_pages_own_process_dies_and_the_open_page_comes_back(browser: Browser, campus: School) -> None:
    """Its sessions die with it: the page says that it has lost its connection, and asks for the password anew.

    The form tells that an alarm stands, and sounds; what is pressed meanwhile is answered in words.
    """
    with seat(browser, campus.base) as page:
        sign_in(page, GUARD)
        settled(page)
        press(campus.here, "panic-gate")
        sounding(page, True)
        campus.page.kill()
        expect(page.locator("#lost")).to_be_visible()
        page.locator("#alarms").get_by_role("button", name="确认").click()
        expect(page.locator("#said")).to_contain_text("不知道是否已执行")
        campus.page.start()
        page.wait_for_url("**/sign-in")
        expect(page.locator("#standing")).to_have_text("有未确认的报警 1")
        expect(page.locator("main")).not_to_contain_text("校门")
        sounding(page, True)
        campus.page.kill()
        expect(page.locator("#lost")).to_contain_text("连接中断")
        page.fill("#name", GUARD)
        page.fill("#password", PASSWORD)
        page.keyboard.press("Enter")
        expect(page.locator("#said")).to_contain_text("连接中断")
        sounding(page, True)
        campus.page.start()
        expect(page.locator("#lost")).to_be_hidden()
        page.fill("#password", PASSWORD)
        page.keyboard.press("Enter")
        page.locator("#alarms").get_by_role("button", name="确认").click()
        sounding(page, False)
        wait_for(lambda: state(campus.here, "panic-gate/alarm") == "latched_acknowledged", "the button is let go")
        page.locator("#alarms").get_by_role("button", name="复位").click()
        expect(page.locator("#alarms")).to_contain_text("无报警")


def test_a_deed_of_which_no_word_comes_back_is_not_told_as_refused(browser: Browser, campus: School) -> None:
    """The daemon stands still over a command and carries it out later."""
    press(campus.here, "panic-gate")
    with seat(browser, campus.base) as page:
        sign_in(page, GUARD)
        sounding(page, True)
        daemon = campus.here.gateway.process
        assert daemon is not None
        daemon.send_signal(signal.SIGSTOP)
        try:
            page.locator("#alarms").get_by_role("button", name="确认").click()
            expect(page.locator("#said")).to_contain_text("不知道是否已执行")
            expect(page.locator("#said")).not_to_contain_text("未执行")
        finally:
            daemon.send_signal(signal.SIGCONT)
        sounding(page, False)
        wait_for(lambda: state(campus.here, "panic-gate/alarm") == "latched_acknowledged", "it was done all the same")
        page.locator("#alarms").get_by_role("button", name="复位").click()
        expect(page.locator("#alarms")).to_contain_text("无报警")


def test_a_leader_shelves_and_is_asked_why(browser: Browser, campus: School) -> None:
    with seat(browser, campus.base) as page:
        sign_in(page, LEADER)
        campus.here.post("/points/door-store", {"value": True})
        row = page.locator("#alarms article[data-key='door-store/alarm']")
        row.get_by_role("button", name="搁置").click()
        dialog = page.locator("#reason")
        expect(dialog).to_be_visible()
        page.keyboard.press("Escape")
        expect(dialog).to_be_hidden()
        expect(row).to_be_visible()
        row.get_by_role("button", name="搁置").click()
        page.fill("#reason-text", "门锁待修")
        dialog.get_by_role("button", name="确定").click()
        expect(page.locator("#aside")).to_contain_text("门锁待修")
        expect(page.locator("#aside")).to_contain_text(LEADER)
        expect(row).to_be_hidden()
        page.locator("#aside").get_by_role("button", name="取消搁置").click()
        expect(row).to_be_visible()
        campus.here.post("/points/door-store", {"value": False})
        row.get_by_role("button", name="确认").click()
        row.get_by_role("button", name="复位").click()
        expect(page.locator("#alarms")).to_contain_text("无报警")


def test_a_drill_from_its_banner_to_its_report(browser: Browser, campus: School) -> None:
    """The banner is on every page; a press in it looks like one; the report says what was pressed."""
    with seat(browser, campus.base) as page:
        sign_in(page, LEADER)
        on_site(campus.here, "drill", "start", "fire", "panic-office", "--for", "10min", "--announce", "1s", "--by", LEADER)
        wait_for(lambda: [row["state"] for row in status(campus.here)["modes"]] == ["running"], "the centre has signed, and it begins")
        expect(page.locator("#banner .mode.drill")).to_contain_text("演练中")
        press(campus.here, "panic-office")
        row = page.locator("#alarms article.rehearsed[data-key='panic-office/alarm']")
        row.get_by_role("button", name="确认").click()
        wait_for(lambda: state(campus.here, "panic-office/alarm") == "latched_acknowledged", "the button is let go")
        row.get_by_role("button", name="复位").click()
        on_site(campus.here, "drill", "end", "--by", LEADER)
        expect(page.locator("#banner .mode")).to_have_count(0)
        ended = wait_for(lambda: data_of(campus.here, "mode.drill_ended"), "the report is at the centre")
        assert ended[0]["totals"]["pressed"] == 1
        wait_for(lambda: [each for each in data_of(campus.here, "report.issued") if each["report"] == "drill"], "its report is issued")
        page.goto("/reports")
        page.get_by_role("link", name="演练报告").first.click()
        expect(page.locator("main")).to_contain_text("消防应急演练")


def test_a_guard_checks_in_at_his_post(browser: Browser, campus: School) -> None:
    with seat(browser, campus.base) as page:
        sign_in(page, GUARD)
        page.goto("/duty")
        page.get_by_role("button", name="到岗签到").first.click()
        expect(page.locator("#said")).to_contain_text("已执行")
        expect(page.locator("#duty")).to_contain_text(GUARD)


def test_who_has_not_acted_for_long_is_asked_again_and_goes_on(browser: Browser, campus: School) -> None:
    """The dialogue is the page's own; here the server's word for it is played by a session of a guard whose token is old."""
    with seat(browser, campus.base) as page:
        sign_in(page, GUARD)
        settled(page)
        page.route("**/act", lambda route: route.fulfill(status=403, json={"error": "x", "again": True}), times=1)
        page.get_by_role("button", name="消音").click()
        dialog = page.locator("#again")
        expect(dialog).to_be_visible()
        page.fill("#again-password", PASSWORD)
        dialog.get_by_role("button", name="确定").click()
        expect(page.locator("#said")).to_contain_text("已执行")
