"""Fixtures of the browser tests; a module whose server differs has a ``server`` of its own."""

from collections.abc import Callable, Iterator

import pytest
from pages import CHROMIUM, Microphone, serving
from playwright.sync_api import Browser, Playwright, sync_playwright

from recitation.made_voice import MadeRecitation


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with serving() as address:
        yield address


@pytest.fixture(scope="module")
def playwright() -> Iterator[Playwright]:
    if CHROMIUM is None:
        pytest.skip("no chromium: apt-get install chromium")
    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="module")
def chromium(playwright: Playwright) -> Iterator[Browser]:
    """Without a microphone."""
    running = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
    yield running
    running.close()


@pytest.fixture(scope="module")
def two_ayat(make: Callable[..., MadeRecitation], tmp_path_factory: pytest.TempPathFactory) -> Microphone:
    recitation = make("112:1-2", voice="man4", harakah_s=0.14)
    return Microphone.of(tmp_path_factory.mktemp("two"), "112", recitation.pcm)
