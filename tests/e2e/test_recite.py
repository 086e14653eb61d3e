"""The whole line in a real browser: a fake microphone recites, the right words light up in order.

The recitation is made on the spot; where real recordings lie beside the checkout, one of them is recited too.
``TALAQQI_SCREENSHOTS=FOLDER`` keeps pictures of the page.
"""

import json
import re
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from urllib.request import urlopen

import numpy as np
import pytest
from pages import DESK, JUDGED, LIT, PHONE, SETTLED, Microphone, Watched, browser, metric, play, serving, words_of
from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import Page, Playwright, expect

from recitation.audio import Pcm, stream_audio
from recitation.lexicon import default_lexicon, recited
from recitation.made_voice import EspeakError, MadeRecitation, make_recitation
from recitation.mushaf import parse_reference
from recitation.phones import QALQALAH

pytestmark = pytest.mark.e2e

FAKE_BUFFER_MS = 10
"""A fake microphone stamps its buffers when it hands them over, when their sound is this old: measured latencies are
short by as much, and on a quick machine the true one is hardly more."""


@pytest.fixture(scope="module")
def made(make: Callable[..., MadeRecitation], tmp_path_factory: pytest.TempPathFactory) -> Microphone:
    return Microphone.of(tmp_path_factory.mktemp("made"), "112", make("112", voice="man4", harakah_s=0.14).pcm)


@pytest.fixture(scope="module")
def without_qalqalah(tmp_path_factory: pytest.TempPathFactory) -> Microphone:
    words = recited(default_lexicon().words(parse_reference("112:1-3")))
    flat = [(word, tuple(phone for phone in form if phone.script != QALQALAH)) for word, form in words]
    try:
        recitation = make_recitation(flat, "man3", 0.17)
    except EspeakError as missing:
        pytest.skip(f"the made voice needs espeak-ng: {missing}")
    return Microphone.of(tmp_path_factory.mktemp("flat"), "112", recitation.pcm)


@pytest.fixture(scope="module")
def real(recordings: Path, tmp_path_factory: pytest.TempPathFactory) -> Microphone:
    rows = map(json.loads, (recordings / "index.jsonl").read_text().splitlines())
    row = next(row for row in rows if row["voice"] == "alafasy" and 5 * 16_000 < row["samples"] < 10 * 16_000)
    end = row["start"] + row["samples"]
    parts: list[Pcm] = []
    for part in stream_audio(recordings / row["file"]):
        parts.append(part)
        if sum(map(len, parts)) >= end:
            break
    pcm = np.concatenate(parts)[row["start"] : end]
    return Microphone.of(tmp_path_factory.mktemp("real"), f"{row['surah']}:{row['ayah']}", pcm)


@pytest.fixture(scope="module")
def silent(tmp_path_factory: pytest.TempPathFactory) -> Microphone:
    return Microphone.of(tmp_path_factory.mktemp("silent"), "112", np.zeros(16_000, np.float32))


BOXES = """[...document.querySelectorAll('#mushaf .w, #mushaf .ayah-end')].map(
    w => [w.offsetLeft, w.offsetTop, w.offsetWidth, w.offsetHeight])"""
"""Where words and ends of ayat stand on the sheet."""


def words_read_out(page: Page) -> list[str]:
    """Words of the text that a screen reader finds."""
    told = page.locator("#mushaf .text").aria_snapshot()
    return [word.text for word in default_lexicon().words(parse_reference("112")) if word.text in told]


def wait_for_sessions(page: Page, server: str, count: int) -> None:
    end = time.monotonic() + 15
    while metric(server, "sessions") != count:
        assert time.monotonic() < end, f"{metric(server, 'sessions')} sessions, not {count}"
        page.wait_for_timeout(100)


def assert_followed(watched: Watched, verses: str, order: list[str]) -> None:
    """Words lit in order, nearly all of them, and were judged; some were accepted."""
    expected = words_of(verses)
    statuses = watched.statuses()
    judged = [at for at in expected if statuses.get(at) in JUDGED]
    accepted = [at for at in expected if statuses.get(at) == "accepted"]
    assert order == [at for at in expected if at in order], "words lit out of order"
    assert len(order) >= 0.8 * len(expected), f"only {order} of {expected} lit"
    assert len(judged) >= 0.8 * len(expected), statuses
    assert len(accepted) >= 0.25 * len(expected), statuses
    watched.assert_still()
    assert not watched.problems


def recite(playwright: Playwright, server: str, microphone: Microphone, name: str, language: str) -> None:
    with browser(playwright, microphone) as running:
        watched = Watched(running.new_page(viewport=PHONE))
        watched.open(server, microphone.verses, "mic", language)
        order = watched.watch(microphone.seconds + 8, 1.5 + microphone.seconds * 0.6, name)
        watched.stop()
        watched.picture(f"{name}-end")
        assert watched.page.evaluate("document.documentElement.dir") == ("rtl" if language == "ar" else "ltr")
        assert_followed(watched, microphone.verses, order)
        assert watched.trickled and set(watched.trickled) == {204}, "candidates were not taken"
        latencies: list[float] = watched.page.evaluate("window.talaqqi.latencies")
        assert -FAKE_BUFFER_MS < np.median(latencies) < 1000, "from capture to feedback"
        lit: list[float] = watched.page.evaluate("window.talaqqi.litLatencies")
        judged: list[float] = watched.page.evaluate("window.talaqqi.wordLatencies")
        assert np.median(lit) < np.median(judged) < 2000, "from the end of a word to its light and to its verdict"


def test_a_made_recitation_lights_its_words_in_order(playwright: Playwright, server: str, made: Microphone) -> None:
    recite(playwright, server, made, "made", "en")


def test_a_real_recitation_on_the_arabic_page(playwright: Playwright, server: str, real: Microphone) -> None:
    recite(playwright, server, real, "real", "ar")


def test_the_sample_is_followed_without_a_microphone(playwright: Playwright, server: str) -> None:
    with browser(playwright) as running:
        watched = Watched(running.new_page(viewport=DESK))
        watched.open(server, "112", "sample")
        judged = ", ".join(f".w[data-status={status}]" for status in JUDGED)
        watched.page.locator(judged).nth(3).wait_for(timeout=30_000)
        watched.picture("sample")
        watched.stop()
        watched.picture("sample-end")
        watched.assert_still()
        assert not watched.problems


def test_from_memory_words_appear_when_they_are_said(playwright: Playwright, server: str, two_ayat: Microphone) -> None:
    with browser(playwright, two_ayat) as running:
        watched = Watched(running.new_page(viewport=PHONE))
        page = watched.page
        page.goto(f"{server}/?verses=112&lang=en&hifz=1")
        page.wait_for_selector(".w.veiled", state="attached")
        assert set(watched.veils().values()) == {"hidden"} and words_read_out(page) == []
        boxes = page.evaluate(BOXES)
        page.click("#mic")
        last = page.locator(", ".join(f'[data-at="112:2:2"][data-status={status}]' for status in JUDGED))
        last.wait_for(timeout=20_000)
        looks = watched.looks()
        said = {at for at, (status, _) in looks.items() if status in JUDGED}
        assert {at for at, (_, veil) in looks.items() if veil == "open"} == said
        page.keyboard.press("h")
        page.wait_for_selector('.w.hinted[data-at="112:3:1"]')
        page.click("#hint")
        page.wait_for_selector(".w.hinted", state="detached")
        page.keyboard.press("h")
        page.wait_for_selector('.w.hinted[data-at="112:3:2"]')
        watched.picture("hifz-live")
        watched.stop()
        watched.picture("hifz-end")
        veils = watched.veils()
        assert (veils["112:3:1"], veils["112:3:2"], veils["112:4:5"]) == ("open", "letters", "hidden")
        assert page.evaluate(BOXES) == boxes, "the text moved"
        expect(page.locator(".hints .tally-count")).to_have_text("3")
        expect(page.locator(".helped-word")).to_have_text(["لَمْ", "يَلِدْ"])
        page.click("#summary-close")
        page.wait_for_function(SETTLED)
        page.click("#hifz")
        page.wait_for_selector(".w.veiled", state="detached", timeout=5_000)
        assert set(watched.veils().values()) == {"open"} and len(words_read_out(page)) == 15
        assert not watched.problems


def test_the_place_is_found_and_followed_from_the_first_word(
    playwright: Playwright, server: str, two_ayat: Microphone
) -> None:
    with browser(playwright, two_ayat) as running:
        watched = Watched(running.new_page(viewport=PHONE))
        page = watched.page
        watched.open(server, "1:1-7", "find")
        page.wait_for_selector("#finding:not([hidden])")
        watched.picture("find-asked")
        page.wait_for_selector("#finding[hidden]", state="attached", timeout=15_000)
        page.locator(".w[data-status=accepted]").nth(3).wait_for(timeout=15_000)
        watched.picture("find-live")
        expect(page).to_have_url(re.compile("verses=112"))
        expect(page.locator("#passage-name")).to_have_text("Al-Ikhlas")
        assert watched.statuses()["112:1:1"] in JUDGED, "what was said before the place was known"
        watched.stop()
        watched.picture("find-end")
        assert not watched.problems


TOLD = """window.told = [];
new MutationObserver(() => window.told.push(document.querySelector('#live').textContent))
    .observe(document.querySelector('#live'), { childList: true });"""
"""Keeps what a screen reader is told."""

SENT = """window.sent = []; const send = RTCDataChannel.prototype.send;
RTCDataChannel.prototype.send = function (text) { window.sent.push(JSON.parse(text)); send.call(this, text); };"""
"""Keeps what the page says to the server."""


def test_a_rule_broken_is_marked_named_and_explained(
    playwright: Playwright, server: str, without_qalqalah: Microphone
) -> None:
    with browser(playwright, without_qalqalah) as running:
        watched = Watched(running.new_page(viewport=PHONE))
        page = watched.page
        page.add_init_script(SENT)
        page.goto(f"{server}/?verses=112&lang=en")
        page.evaluate(TOLD)
        page.click("#read-by")
        page.locator("[name=munfasil][value='5']").check(force=True)
        longer = page.locator("[name=muttasil][value='5']")
        expect(longer, "munfasil is never longer than muttasil").to_be_checked()
        watched.picture("rule-reading")
        page.click("#reading-close")
        page.click("#mic")
        # Read as soon as it is there: a note stays for three seconds.
        name = page.locator(".chip").first.text_content(timeout=20_000)
        assert name in ("greater qalqalah", "lesser qalqalah")
        word = page.locator(".w[data-rule]").first
        word.wait_for()
        marks = "['advice', 'error'].flatMap(name => [...CSS.highlights.get(`tq-${name}`)].map(String))"
        assert any("د" in letters for letters in page.evaluate(marks))
        watched.picture("rule-live")
        word.press("Enter")
        rule = page.locator("#card .rule")
        rule.locator(".advice-fix").wait_for(timeout=5_000)
        expect(rule.locator(".rule-name")).to_have_text(name, ignore_case=True)
        expect(rule).to_contain_text("the qalqalah was not heard", ignore_case=True)
        watched.picture("rule-card")
        page.keyboard.press("Escape")
        watched.stop()
        watched.picture("rule-end")
        broken = page.locator("[data-severity=advice], [data-severity=error]")
        expect(page.locator(".rules tr", has_text=name).filter(has=broken)).to_have_count(1)
        play(page.locator("#summary-body .rule-hear").first)
        told: list[str] = page.evaluate("window.told")
        assert any(f"{name}, not heard" in text for text in told), told
        readings = page.evaluate("window.sent.filter(message => message.type === 'reading').map(m => m.moshaf)")
        assert readings == ["munfasil=5,muttasil=5,arid=any,leen=any"]
        expect(page.locator("#error"), "the server took the settings of the reading").to_be_hidden()
        assert not watched.problems


def test_silence_lights_nothing(playwright: Playwright, server: str, silent: Microphone) -> None:
    with browser(playwright, silent) as running:
        watched = Watched(running.new_page(viewport=PHONE))
        watched.open(server, "112", "mic")
        assert watched.watch(3) == []
        assert set(watched.statuses().values()) == {"pending"}
        assert watched.state == "listening"


def test_a_tab_killed_mid_word_frees_its_place_and_another_goes_on(
    playwright: Playwright, server: str, two_ayat: Microphone
) -> None:
    with browser(playwright, two_ayat) as killed, browser(playwright, two_ayat) as other:
        victim, survivor = Watched(killed.new_page()), Watched(other.new_page(viewport=PHONE))
        wait_for_sessions(survivor.page, server, 0)
        away = metric(server, "sessions_adrift")
        # Of which only half is recited: it does not end by itself, however late it is killed.
        victim.open(server, "112", "mic")
        survivor.open(server, "112:1-2", "mic")
        wait_for_sessions(survivor.page, server, 2)
        victim.page.locator(", ".join(f".w[data-status={status}]" for status in LIT)).first.wait_for(timeout=30_000)
        # The address at which Chromium lets the page's process crash: nothing of the page runs any more.
        with victim.page.expect_event("crash"), suppress(PlaywrightError):
            victim.page.goto("chrome://crash", timeout=2_000)
        order = survivor.watch(two_ayat.seconds + 8)
        assert_followed(survivor, "112:1-2", order)
        wait_for_sessions(survivor.page, server, 0)
        assert metric(server, "sessions_adrift") > away, "it is kept for whoever loads the page again"


NO_UDP = "RTCPeerConnection.prototype.setRemoteDescription = async () => {};"
"""The answer is never taken, so no connection ever stands: as where a network lets no UDP through."""
NO_ENCODER = "delete globalThis.AudioEncoder;"


def test_a_recitation_over_a_websocket(playwright: Playwright, server: str, two_ayat: Microphone) -> None:
    with browser(playwright, two_ayat) as running:
        watched = Watched(running.new_page(viewport=PHONE))
        page = watched.page
        page.goto(f"{server}/?verses=112:1-2&lang=en&autostart=mic&transport=websocket")
        page.wait_for_selector("html[data-live=true]", timeout=15_000)
        order = watched.watch(two_ayat.seconds + 8, 1.5 + two_ayat.seconds * 0.6, "websocket")
        expect(page.locator("#transport")).to_have_text("over WebSocket")
        watched.stop()
        assert_followed(watched, "112:1-2", order)
        assert page.evaluate("window.talaqqi.latencySource") == "measured"
        latencies: list[float] = page.evaluate("window.talaqqi.latencies")
        judged: list[float] = page.evaluate("window.talaqqi.wordLatencies")
        assert 0 < np.median(latencies) < 1000 and np.median(judged) < 2000
        page.click("#summary-close")
        page.click(".w[data-at='112:1:4']")
        play(page.locator("#card .deed-hear"))


def test_where_no_connection_stands_the_page_takes_a_websocket(playwright: Playwright, server: str) -> None:
    with browser(playwright) as running:
        watched = Watched(running.new_page(viewport=DESK))
        page = watched.page
        page.add_init_script(NO_UDP + NO_ENCODER)
        offers: list[str] = []
        page.on("request", lambda asked: offers.append(asked.url) if asked.method == "POST" else None)
        watched.open(server, "112", "sample")
        page.locator(".w[data-status=accepted]").nth(1).wait_for(timeout=30_000)
        wait_for_sessions(page, server, 1)
        watched.stop()
        assert len(offers) == 1 and page.evaluate("window.talaqqi.transport") == "websocket"
        watched.open(server, "112", "sample")
        page.locator(".w[data-status=accepted]").first.wait_for(timeout=20_000)
        assert len(offers) == 1, "WebRTC was tried again in the same visit"
        assert not watched.problems


def test_a_websocket_takes_the_token_and_says_when_it_is_refused(playwright: Playwright) -> None:
    with serving("--token", "good", "--capacity", "1") as server, browser(playwright) as running:
        address = f"{server}/?verses=112&lang=en&autostart=sample&transport=websocket&token="
        told = running.new_page()
        told.goto(f"{address}bad")
        told.locator("#error-text", has_text="does not grant access").wait_for(timeout=15_000)
        taken, full = running.new_page(), running.new_page()
        taken.goto(f"{address}good")
        wait_for_sessions(taken, server, 1)
        full.goto(f"{address}good")
        full.locator("#error-text", has_text="The server is full").wait_for(timeout=15_000)


def test_the_server_says_it_is_ready(server: str) -> None:
    with urlopen(f"{server}/readyz", timeout=5) as answer:
        assert json.load(answer)["status"] == "ready"
