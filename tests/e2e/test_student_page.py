"""The student page beyond following: one is seen and heard again, it looks as one likes, and nobody is shut out.

A made voice is the microphone. ``TALAQQI_SCREENSHOTS=FOLDER`` keeps pictures of the page.
"""

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pages import AXE, CHROMIUM, DESK, JUDGED, PHONE, SETTLED, SHIFTED, Microphone, Watched, browser, findings, play
from playwright.sync_api import Browser, Page, Playwright, expect

pytestmark = pytest.mark.e2e

REPLAYED = """new MutationObserver(() => {
    window.replayed ||= Boolean(document.querySelector('.w.replayed')
        && document.querySelector('#card .replay-cursor:not([hidden])'));
}).observe(document.body, { subtree: true, attributes: true });"""
"""Keeps whether a word of the text was marked while the cursor was on a picture."""


@pytest.fixture(scope="module")
def shared(playwright: Playwright) -> Iterator[Browser]:
    """One browser for tests in which nobody recites."""
    with quiet_browser(playwright, "--use-fake-ui-for-media-stream") as running:
        yield running


@contextmanager
def quiet_browser(playwright: Playwright, ui: str) -> Iterator[Browser]:
    """Chromium with a microphone that gives a tone, and `ui` as the answer to whether it may be used."""
    running = playwright.chromium.launch(
        executable_path=CHROMIUM, args=["--no-sandbox", "--use-fake-device-for-media-stream", ui]
    )
    try:
        yield running
    finally:
        running.close()


def test_axe_is_the_file_that_its_readme_names() -> None:
    digest = sha256(AXE.read_bytes()).hexdigest()
    assert digest in (AXE.parent / "README.md").read_text(encoding="utf-8")


def test_a_refused_microphone_is_explained(playwright: Playwright, server: str) -> None:
    with quiet_browser(playwright, "--use-fake-ui-for-media-stream=deny") as running:
        page = running.new_page(viewport=PHONE)
        for language, words in (("en", "microphone is blocked"), ("ar", "الميكروفون محجوب")):
            page.goto(f"{server}/?verses=112&lang={language}")
            page.wait_for_selector(".w[data-at]")
            page.click("#mic")
            expect(page.locator("#error-text")).to_contain_text(words)
            expect(page.locator("#error-retry")).to_be_visible()
            expect(page.locator("html")).to_have_attribute("data-live", "false")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nobody_is_shut_out(shared: Browser, server: str, scheme: Any) -> None:
    context = shared.new_context(viewport=DESK, color_scheme=scheme, reduced_motion="reduce")
    watched = Watched(context.new_page())
    page = watched.page
    page.goto(f"{server}/?verses=112&lang=en")
    page.wait_for_selector(".w[data-at]")
    assert findings(page) == []
    for opener, dialog in (("#passage", "#picker"), ("#look-open", "#look"), ("#read-by", "#reading")):
        page.click(opener)
        page.wait_for_selector(f"{dialog}[open]")
        assert findings(page) == [], dialog
        page.keyboard.press("Escape")
    page.goto(f"{server}/teacher")
    page.wait_for_selector("main")
    assert findings(page) == []
    assert not watched.problems
    context.close()


def test_it_looks_as_one_likes_and_stays_so(shared: Browser, server: str) -> None:
    context = shared.new_context(viewport=PHONE, color_scheme="light")
    page = context.new_page()
    page.add_init_script(SHIFTED)
    page.goto(f"{server}/?verses=112&lang=ar")
    page.wait_for_selector(".w[data-at]")
    page.wait_for_function("document.fonts.status === 'loaded'")
    assert page.evaluate("window.shifted") == {}, "the page moved while it loaded"
    size = "parseFloat(getComputedStyle(document.querySelector('.text')).fontSize)"
    ground = "getComputedStyle(document.documentElement).backgroundColor"
    usual, day = page.evaluate(size), page.evaluate(ground)
    page.click("#look-open")
    page.click("#look-larger")
    page.locator("[name=theme][value=dark]").check(force=True)
    page.click("#look-pictures")
    assert page.evaluate(size) == pytest.approx(1.2 * usual)
    night = page.evaluate(ground)
    assert night != day
    page.reload()
    page.wait_for_selector(".w[data-at]")
    assert page.evaluate(size) == pytest.approx(1.2 * usual) and page.evaluate(ground) == night
    assert page.evaluate("document.documentElement.dataset.pictures") == "false"
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= PHONE["width"], "nothing hangs over the edge"
    context.close()


def test_a_surah_is_found_by_name_by_number_and_by_reciting(shared: Browser, server: str) -> None:
    context = shared.new_context(viewport=DESK)
    page = context.new_page()
    page.goto(f"{server}/?verses=1&lang=en")
    for asked, verses in (("ikhlas", "112"), ("113", "113"), ("2:255", "2:255")):
        page.wait_for_selector(".w[data-at]")
        page.click("#passage")
        page.fill("#picker-search", asked)
        page.keyboard.press("Enter")
        page.wait_for_function("verses => location.search.includes(`verses=${verses}`)", arg=verses)
    page.click("#passage")
    page.click("#picker-recite")
    page.wait_for_selector("#finding:not([hidden])")
    context.close()


def test_troubles_of_the_voice_are_named(
    playwright: Playwright, server: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    dead = Microphone.of(tmp_path_factory.mktemp("dead"), "112", np.zeros(16_000, np.float32))
    with browser(playwright, dead) as running:
        watched = Watched(running.new_page(viewport=PHONE))
        page = watched.page
        watched.open(server, "112", "mic")
        page.wait_for_selector("#notice[data-trouble=dead]:not([hidden])", timeout=15_000)
        expect(page.locator("#notice-text")).to_contain_text("Nothing at all comes from the microphone")
        watched.picture("trouble-dead")
        page.click("#notice-choose")
        page.wait_for_selector("#look[open]")
        second = page.locator("#look-microphone option").nth(1)
        expect(second, "microphones have names once one was allowed").to_be_attached()
        page.keyboard.press("Escape")
        page.context.set_offline(True)
        page.wait_for_selector("#notice[data-trouble=offline]")
        page.context.set_offline(False)
        page.wait_for_selector("#notice[data-trouble=dead]")


def test_ones_own_recitation_is_seen_and_heard_again(
    playwright: Playwright, server: str, two_ayat: Microphone, tmp_path: Path
) -> None:
    with browser(playwright, two_ayat) as running:
        watched = Watched(running.new_page(viewport=PHONE, color_scheme="dark"))
        page = watched.page
        watched.open(server, "112", "mic", "ar")
        page.locator(", ".join(f".w[data-status={status}]" for status in JUDGED)).nth(3).wait_for(timeout=30_000)
        wait_for_ink(page, "#pictures")
        watched.picture("own-live")
        watched.stop()
        page.wait_for_function(SETTLED)  # What is still half faded in has too little contrast.
        assert findings(page) == []
        watched.picture("own-end")
        with page.expect_download() as saved:
            page.click("#summary-save")
        kept = tmp_path / saved.value.suggested_filename
        saved.value.save_as(kept)
        rows = list(csv.DictReader(kept.read_text(encoding="utf-8-sig").splitlines()))
        assert "112:1:1" in {row["at"] for row in rows} and {row["verdict"] for row in rows} & set(JUDGED)
        page.click("#summary-close")
        page.locator(".w[data-at='112:1:2']").click()
        wait_for_ink(page, "#card .replay canvas")
        watched.picture("own-card")
        page.evaluate(REPLAYED)
        play(page.locator("#card .deed-hear"))
        assert page.evaluate("window.replayed"), "the cursor goes over the picture and the text at once"
        expect(page.locator(".w.replayed")).to_have_count(0)
        expect(page.locator("#card .replay-cursor")).to_be_hidden()
        heard = [event["at"] for event in page.evaluate("talaqqi.events.filter(({ type }) => type === 'replay')")]
        assert "112:1:2" in heard and heard == sorted(heard), "the cursor went on word by word"
        assert not watched.problems


def wait_for_ink(page: Page, canvas: str) -> None:
    """Until something is drawn: a canvas with more than 500 pixels that are not clear."""
    page.wait_for_function(
        """canvas => {
            const c = document.querySelector(canvas);
            if (!c?.width) return false;
            const { data } = c.getContext('2d').getImageData(0, 0, c.width, c.height);
            return data.filter((v, i) => i % 4 === 3 && v).length > 500;
        }""",
        arg=canvas,
    )
