"""Progress on the pages of a student and a teacher, in a real browser on a real server with a real history."""

import asyncio
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from pages import PHONE, findings, picture, serving, watched_page
from playwright.sync_api import Browser, Page, expect

from recitation.events import Following, PhoneVerdict, Status, Update, WordVerdict
from recitation.tajweed.rules import Rule
from recitation.tajweed.verdict import RuleVerdict, Severity, Slip
from server.metrics import Metrics
from server.roles import Role, mint
from server.storage.record import Student
from server.storage.storage import Storage

pytestmark = pytest.mark.e2e

SECRET = "a secret of thirty-two characters"
DAY_S = 86_400


def token(role: Role, name: str) -> str:
    return mint(SECRET, role, sub=name, classes=["boys"], name=name, now=time.time(), life_s=300)


async def recited(url: str) -> None:
    """Bilal recited 112:1-2 two days ago, a word of it badly, and chose a reading."""
    storage = Storage(url, Metrics(), keep_days=None, words_in=lambda surah, ayah: 4 if ayah == 1 else 2)
    await storage.open()
    record = storage.record("session-of-bilal", Student("Bilal", "Bilal", frozenset({"boys"})), "112:1-2")
    record.began = time.time() - 2 * DAY_S
    for n, (at, status) in enumerate(
        [("112:1:1", Status.ACCEPTED), ("112:2:1", Status.QUESTIONED), ("112:2:2", Status.ACCEPTED)]
    ):
        end = (n + 1) * 480_000
        phone = PhoneVerdict(at, 0, "ل", end - 800, end, 0.1, "ن", (0, 0))
        rule = RuleVerdict(at, Rule.GHUNNAH, (0, 1), end - 800, end, Severity.ADVICE, Slip.SHORT, 0.8, (2, 2), 1.0)
        word = WordVerdict(at, end - 800, end, 0.9, status)
        record.heard(Update(end, None, (phone,), (word,), True, -20.0, Following.FOLLOWING, (rule,)))
    record.read_by("munfasil=5,muttasil=5")
    record.end("left")
    await storage.write()
    await storage.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("kept")
    (folder / "secret").write_text(SECRET)
    url = f"sqlite:///{folder / 'talaqqi.sqlite3'}"
    with ThreadPoolExecutor(1) as elsewhere:  # Playwright's own loop runs in this thread.
        elsewhere.submit(asyncio.run, recited(url)).result()
    options = ["--secret-file", str(folder / "secret"), "--database", url]
    with serving(*options) as address:
        yield address


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """A page, and nothing may go wrong on it."""
    with watched_page(chromium, viewport=PHONE) as page:
        yield page


def test_a_teacher_sees_how_it_goes_for_a_student(page: Page, server: str) -> None:
    page.goto(f"{server}/teacher?class=boys&lang=en#token={token(Role.TEACHER, 'Idris')}")
    page.locator("#records-open").click()
    page.locator(".records-row", has_text="Bilal").click()
    expect(page.locator("#records .chart-bar")).to_have_count(1)
    expect(page.locator("#records .chart-line")).to_have_count(1)
    expect(page.locator("#records")).to_contain_text("112:1-2: 1.5 min, 2 of 3 words accepted, slips: 4")
    page.locator("#records-open").click()
    expect(page.locator("#room")).to_be_visible()


@pytest.mark.parametrize(
    ("language", "name", "told", "asked"),
    [
        ("en", "Al-Ikhlas 1–2", "1.5 min, 2 of 3 words accepted, slips: 4", "Questioned"),
        ("ar", "الإخلاص ١–٢", "١٫٥ د، صحّ ٢ من ٣ كلمة، زلات: ٤", "تحتاج مراجعة"),
    ],
)
def test_a_past_session_is_opened_by_keyboard_and_shows_its_words(
    page: Page, server: str, language: str, name: str, told: str, asked: str
) -> None:
    page.goto(f"{server}/?verses=1&lang={language}&token={token(Role.STUDENT, 'Bilal')}")
    page.locator("#progress-open").click()
    session = page.locator(".past-session")
    expect(session).to_have_count(1)
    expect(session.locator(".past-name")).to_have_text(name)
    expect(session.locator(".past-told")).to_have_text(told)
    session.locator("summary").press("Enter")
    words = session.locator(".past-words .w")
    expect(words).to_have_count(6)
    expect(session.locator(".past-words .w[data-status=pending]")).to_have_count(3)
    expect(words.nth(4)).to_have_attribute("data-status", "questioned")
    expect(session.locator(".past-asked li")).to_have_count(1)
    expect(session.locator(".past-asked")).to_contain_text(asked)
    assert findings(page) == []
    session.scroll_into_view_if_needed()
    picture(page, f"past-{language}")


def test_a_student_sees_progress_recites_what_is_due_and_deletes_it(page: Page, server: str) -> None:
    page.goto(f"{server}/?verses=1&lang=en&token={token(Role.STUDENT, 'Bilal')}")
    page.locator("#progress-open").click()
    expect(page.locator(".progress-totals")).to_have_text("Days: 1, minutes: 2, words: 3")
    expect(page.locator(".weak-name").first).to_have_text(re.compile("Ghunnah", re.IGNORECASE))
    due = page.locator(".due button")
    expect(due).to_have_count(1)
    due.click()
    expect(page.locator("#progress")).to_be_hidden()
    expect(page).to_have_url(re.compile("verses=112:2"))
    expect(page.locator("#mushaf .w").first).to_be_visible()
    page.locator("#read-by").click()
    expect(page.locator('input[name="munfasil"][value="5"]')).to_be_checked()
    page.locator("#reading-close").click()
    page.locator("#progress-open").click()
    delete = page.locator(".progress-foot button")
    delete.click()
    expect(delete).to_have_text("For ever: delete")
    delete.click()
    expect(page.locator("#progress-body")).to_contain_text("Nothing recited in this time")
