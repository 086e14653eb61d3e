"""What the browser tests share: a server of its own, Chromium with a fake microphone, and a page watched.

``TALAQQI_SCREENSHOTS=FOLDER`` keeps pictures of the pages.
"""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import numpy as np
from playwright.sync_api import Browser, Locator, Page, Playwright

from recitation.audio import Pcm
from recitation.lexicon import default_lexicon
from recitation.mushaf import parse_reference
from recitation.sound_files import write_audio

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
LIT = ("current", "tentative", "accepted", "questioned", "wrong", "unclear")
JUDGED = ("accepted", "questioned", "wrong", "unclear")
PHONE = {"width": 390, "height": 844}
DESK = {"width": 1280, "height": 800}
AXE = Path(__file__).parents[1] / "vendor" / "axe.min.js"
GRAVE = ("serious", "critical")
SETTLED = "() => document.getElementById('summary').getAnimations({subtree: true}).length === 0"
"""The summary has glided in."""
SHIFTED = """window.shifted = {}; new PerformanceObserver(list => {
    const live = document.documentElement.dataset.live ?? 'loading';
    for (const { hadRecentInput, value, sources } of list.getEntries()) {
        if (!hadRecentInput) (window.shifted[live] ??= []).push([value, sources[0]?.node?.parentElement?.outerHTML]);
    }
}).observe({ type: 'layout-shift', buffered: true });"""
"""Keeps how far what is on the page has moved by itself, and what: by what ``live`` was then."""


@dataclass(frozen=True)
class Microphone:
    """What the fake microphone plays, once."""

    wav: Path
    verses: str
    seconds: float

    @classmethod
    def of(cls, folder: Path, verses: str, pcm: Pcm) -> "Microphone":
        """A second and a half to get ready, three seconds to hear the last verdicts."""
        path = folder / "voice.wav"
        write_audio(path, np.concatenate([np.zeros(24_000), pcm, np.zeros(48_000)]).astype(np.float32))
        return cls(path, verses, len(pcm) / 16_000)


@contextmanager
def serving(*options: str) -> Iterator[str]:
    """Address of a server of its own."""
    command = [sys.executable, "-m", "server.cli", "serve", "--port", "0", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    line = process.stdout.readline()
    try:
        found = re.search(r"http://\S+:\d+", line)
        assert found, line
        yield found[0]
    finally:
        process.terminate()
        ended = process.wait(timeout=20)
        process.stdout.close()
    assert ended == 0, ended


@contextmanager
def browser(playwright: Playwright, microphone: Microphone | None = None) -> Iterator[Browser]:
    """Chromium with a fake microphone, or with none."""
    device = [] if microphone is None else [f"--use-file-for-fake-audio-capture={microphone.wav}%noloop"]
    running = playwright.chromium.launch(
        executable_path=CHROMIUM,
        args=[
            "--no-sandbox",
            "--use-fake-ui-for-media-stream",
            "--autoplay-policy=no-user-gesture-required",
            "--disable-background-networking",
            "--disable-component-update",
            *(["--use-fake-device-for-media-stream", *device] if device else []),
        ],
    )
    try:
        yield running
    finally:
        running.close()


@contextmanager
def watched_page(
    chromium: Browser, address: str = "about:blank", answers: str = "", **settings: object
) -> Iterator[Page]:
    """A page, and nothing may go wrong on it but what `answers` finds: refusals that the page reckons with."""
    context = chromium.new_context(**settings)  # type: ignore[arg-type]
    page = context.new_page()
    page.set_default_timeout(20_000)
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda m: problems.append(f"{m.text} {m.location}") if m.type == "error" else None)
    page.goto(address)
    yield page
    context.close()
    unforeseen = [problem for problem in problems if not (answers and re.search(answers, problem))]
    assert unforeseen == [], unforeseen


class Watched:
    """A page with everything that goes wrong on it, and every candidate's fate, written down."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.problems: list[str] = []
        self.trickled: list[int] = []
        page.add_init_script(SHIFTED)
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("console", lambda m: self.problems.append(f"{m.text} {m.location}") if m.type == "error" else None)
        page.on("response", lambda r: self.trickled.append(r.status) if r.request.method == "PATCH" else None)

    def open(self, server: str, verses: str, start: str, language: str = "en") -> None:
        """Open the page; it begins by itself, by `mic` or `sample`."""
        self.page.goto(f"{server}/?verses={verses}&lang={language}&autostart={start}")
        self.page.wait_for_selector("html[data-live=true]", timeout=15_000)

    def looks(self) -> dict[str, tuple[str, str]]:
        """Each word's status, and how much of it is seen (open, letters or hidden), at one moment."""
        veil = (
            "(w => getComputedStyle(w).visibility === 'hidden' ? 'hidden' : "
            "w.classList.contains('hinted') ? 'letters' : 'open')"
        )
        words = "[...document.querySelectorAll('.w[data-at]')]"
        found = self.page.evaluate(f"{words}.map(w => [w.dataset.at, w.dataset.status, {veil}(w)])")
        return {at: (status, veil) for at, status, veil in found}

    def statuses(self) -> dict[str, str]:
        """How each word looks now."""
        return {at: status for at, (status, _) in self.looks().items()}

    def veils(self) -> dict[str, str]:
        """How much of each word is seen."""
        return {at: veil for at, (_, veil) in self.looks().items()}

    @property
    def state(self) -> str:
        """What the page says is going on."""
        found: str = self.page.evaluate("document.documentElement.dataset.state")
        return found

    def watch(self, seconds: float, picture_at: float = 1e9, name: str = "") -> list[str]:
        """Addresses in the order they were first lit, until the recitation ends or the time is up."""
        order: list[str] = []
        begun = time.monotonic()
        while (now := time.monotonic() - begun) < seconds and self.state not in ("done", "stopped"):
            order += [at for at, status in self.statuses().items() if status in LIT and at not in order]
            if now > picture_at:
                self.picture(f"{name}-live")
                picture_at = 1e9
            self.page.wait_for_timeout(100)
        return order

    def assert_still(self) -> None:
        """Nothing on the page moved by itself while somebody recited."""
        moved = self.page.evaluate("window.shifted.true ?? []")
        assert moved == [], moved

    def stop(self) -> None:
        """End the recitation, unless it has just ended by itself: the button would begin another one."""
        self.page.evaluate("document.documentElement.dataset.live === 'true' && document.getElementById('mic').click()")
        self.wait_for_summary()

    def wait_for_summary(self) -> None:
        """The panel that ends a recitation."""
        self.page.wait_for_selector("html[data-summary=open]", timeout=10_000)

    def picture(self, name: str) -> None:
        """See the function ``picture``."""
        picture(self.page, name, glides_ms=600)  # Panels and the light glide.


def play(button: Locator) -> None:
    """Press a button that plays, and wait until it has played."""
    button.evaluate(
        """button => new Promise((resolve, reject) => {
            let begun = false;
            new MutationObserver(() => {
                const playing = button.classList.contains('playing');
                if (begun && !playing) resolve();
                begun ||= playing;
            }).observe(button, { attributes: true });
            setTimeout(() => reject(new Error(begun ? 'it plays on' : 'nothing is played')), 15000);
            button.click();
        })"""
    )


def findings(page: Page) -> list[str]:
    """What axe-core finds seriously wrong with the page as it is, with the first element of each."""
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found: list[dict[str, Any]] = page.evaluate("axe.run({ resultTypes: ['violations'] }).then(r => r.violations)")
    return [f"{one['id']}: {one['nodes'][0]['html'][:120]}" for one in found if one["impact"] in GRAVE]


def picture(page: Page, name: str, glides_ms: float = 0) -> None:
    """Keep a picture where the environment says so, once nothing glides any more."""
    if folder := os.environ.get("TALAQQI_SCREENSHOTS"):
        page.wait_for_timeout(glides_ms)
        page.screenshot(path=str(Path(folder) / f"{name}.png"))


def words_of(verses: str) -> list[str]:
    return [word.at for word in default_lexicon().words(parse_reference(verses))]


def metric(server: str, name: str) -> float:
    """A figure of the server's metrics, summed over the labels that `name` leaves out; 0 while it is not there."""
    with urlopen(f"{server}/metrics", timeout=5) as answer:
        text = answer.read().decode()
    return sum(map(float, re.findall(rf"^talaqqi_{re.escape(name)}(?:{{.*}})? (\S+)$", text, re.MULTILINE)))
