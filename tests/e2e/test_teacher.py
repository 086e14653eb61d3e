"""A teacher's page in a real browser: two students recite to a real server, the teacher watches, speaks and overrules.

``TALAQQI_SCREENSHOTS=FOLDER`` keeps pictures of the page.
"""

import asyncio
import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import aiohttp
import pytest
from pages import DESK, PHONE, Microphone, browser, picture, serving, watched_page
from playwright.sync_api import Browser, Playwright, expect

from recitation.audio import Pcm
from recitation.events import Status
from recitation.made_voice import MadeRecitation
from server.messages import Overruled, Remark
from server.reciter import Heard, Reciter, encode_recording
from server.roles import Role, mint

pytestmark = pytest.mark.e2e

SECRET = "a secret of thirty-two characters"
JUDGED = ", ".join(f".w[data-status={status}]" for status in ("accepted", "questioned", "wrong", "unclear"))


def token(role: Role, name: str, *classes: str, life_s: float = 300) -> str:
    return mint(SECRET, role, sub=name, classes=classes, name=name, now=time.time(), life_s=life_s)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    file = tmp_path_factory.mktemp("secret") / "secret"
    file.write_text(SECRET)
    with serving("--secret-file", str(file)) as address:
        yield address


class Student:
    """Recites in a thread of its own, and stays until told to leave."""

    def __init__(self, server: str, name: str, class_name: str, verses: str, pcm: Pcm) -> None:
        self.heard = Heard()
        self._server, self._verses, self._pcm = server, verses, pcm
        self._token = token(Role.STUDENT, name, class_name)
        self._leave = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._recite()))

    def __enter__(self) -> "Student":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()

    def leave(self) -> None:
        """Ask for the summary and go."""
        self._leave.set()
        self._thread.join(30)
        assert not self._thread.is_alive()

    async def _recite(self) -> None:
        async with aiohttp.ClientSession() as http:
            recording = encode_recording(self._pcm)
            reciter = Reciter(http, self._server, self._verses, recording, token=self._token)
            self.heard = reciter.heard
            try:
                await reciter.connect()
                reciter.begin()
                await asyncio.to_thread(self._leave.wait)
                await reciter.finish()
            finally:
                await reciter.close()


def test_a_teacher_watches_two_students_speaks_and_overrules(
    chromium: Browser, server: str, make: Callable[..., MadeRecitation]
) -> None:
    first, second = make("112:1-2", voice="man4", harakah_s=0.2), make("1:1-3", voice="man1", harakah_s=0.2)
    address = f"{server}/teacher?class=boys&lang=en#token={token(Role.TEACHER, 'Idris', 'boys', 'girls')}"
    with (
        watched_page(chromium, address, viewport=DESK) as page,
        Student(server, "Bilal", "boys", "112", first.pcm) as bilal,
        Student(server, "Yusuf", "boys", "1:1-7", second.pcm) as yusuf,
    ):
        expect(page.locator(".pupil")).to_have_count(2, timeout=20_000)
        expect(page).not_to_have_url(re.compile("token"))
        expect(page.get_by_role("button", name="Bilal")).to_be_visible()
        tile = page.locator(".pupil", has=page.get_by_role("button", name="Bilal"))
        expect(tile.locator(".pupil-place")).to_have_text(re.compile("Al-Ikhlas, ayah [12]"))
        expect(tile.locator("mark")).not_to_be_empty(timeout=20_000)
        expect(tile.locator(".piece[data-status=accepted]")).to_be_attached(timeout=20_000)
        picture(page, "teacher-class")

        page.get_by_role("button", name="Bilal").click()
        expect(page.locator("#opened-name")).to_be_focused()
        page.locator(JUDGED).nth(3).wait_for()
        expect(page.locator("#delay")).to_have_text(re.compile(r"^\d+(\.\d)? s$"))
        picture(page, "teacher-opened")

        page.locator("#mushaf").focus()
        page.keyboard.press("Home")
        page.keyboard.press("Enter")
        page.locator("#card .ruling[data-status=questioned]").click()
        expect(page.locator("#told")).to_have_text("Your verdict is kept, and the student told")
        expect(page.locator(".w.overruled[data-at='112:1:1'][data-status=questioned]")).to_be_visible()
        page.locator(".w[data-at='112:2:1']").click()
        picture(page, "teacher-card")
        page.locator("#card").get_by_role("button", name="Repeat from here").click()
        expect(page.locator("#told")).to_have_text(re.compile("Asked to repeat from"))
        page.get_by_role("textbox").fill("Lengthen the madd.")
        page.get_by_role("button", name="Send").click()
        expect(page.locator("#told")).to_have_text("The remark has arrived")

        bilal.leave()
        expect(page.locator("#opened")).to_be_hidden()
        expect(page.locator(".pupil")).to_have_count(1)
        yusuf.leave()
        expect(page.locator("#empty")).to_be_visible()
    said = [message for _, message in bilal.heard.control if isinstance(message, Remark | Overruled)]
    assert isinstance(said[0], Overruled) and (said[0].at, said[0].status) == ("112:1:1", Status.QUESTIONED)
    assert said[1:] == [Remark("", "112:2:1"), Remark("Lengthen the madd.")]
    assert not [message for _, message in yusuf.heard.control if isinstance(message, Remark | Overruled)]
    assert bilal.heard.summary is not None and yusuf.heard.summary is not None
    assert [row.at for row in bilal.heard.summary.overruled] == ["112:1:1"] and not yusuf.heard.summary.overruled


def test_the_arabic_page_on_a_phone_in_the_dark(
    chromium: Browser, server: str, make: Callable[..., MadeRecitation]
) -> None:
    address = f"{server}/teacher?lang=ar#token={token(Role.TEACHER, 'Idris', 'girls')}"
    pcm = make("112:1-2", voice="man4", harakah_s=0.2).pcm
    with (
        watched_page(chromium, address, viewport=PHONE, color_scheme="dark") as page,
        Student(server, "مريم", "girls", "112", pcm),
        Student(server, "Bilal", "boys", "112", pcm),
    ):
        expect(page.locator(".pupil")).to_have_count(1, timeout=20_000)
        assert page.evaluate("document.documentElement.dir") == "rtl"
        expect(page.locator(".pupil-place")).to_have_text(re.compile("الإخلاص، آية [١٢]"))
        page.locator(".piece[data-status=accepted]").wait_for(state="attached")
        picture(page, "teacher-phone-class")
        page.get_by_role("button", name="مريم").click()
        expect(page.locator("#class")).to_be_hidden()
        page.locator(JUDGED).nth(2).wait_for()
        picture(page, "teacher-phone-opened")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing is wider than the phone"
        page.reload()
        expect(page.locator(".pupil")).to_have_count(1, timeout=20_000)
        page.get_by_role("button", name="مريم").click()
        page.locator(JUDGED).nth(2).wait_for()  # All of it comes again.
        page.get_by_role("button", name="الحلقة").click()
        expect(page.get_by_role("button", name="مريم")).to_be_focused()


def test_a_student_sees_what_the_teacher_says_and_lets_them_listen(
    playwright: Playwright, chromium: Browser, server: str, make: Callable[..., MadeRecitation], tmp_path: Path
) -> None:
    microphone = Microphone.of(tmp_path, "112", make("112:1-2", voice="man4", harakah_s=0.14).pcm)
    teaching = f"{server}/teacher?class=boys&lang=en#token={token(Role.TEACHER, 'إدريس', 'boys')}"
    reciting = f"{server}/?verses=112&lang=ar&autostart=mic&token={token(Role.STUDENT, 'Bilal', 'boys')}"
    with (
        browser(playwright, microphone) as with_microphone,
        watched_page(chromium, teaching, answers=r"status of 403 .*/whep/", viewport=DESK) as teacher,
        watched_page(with_microphone, reciting, viewport=PHONE) as student,
    ):
        consent, notes = student.locator("#consent"), student.locator("#notes")
        teacher.get_by_role("button", name="Bilal").click()
        student.locator(JUDGED).nth(2).wait_for()
        expect(consent).to_be_hidden()
        teacher.locator("#listen").click()
        expect(teacher.locator("#listen-state")).to_contain_text("waiting for them to agree")
        expect(consent).to_contain_text("يودّ معلّمك أن يستمع إليك")

        teacher.get_by_role("textbox").fill("أطِل المدّ")
        teacher.get_by_role("button", name="Send").click()
        teacher.locator(".w[data-at='112:1:1']").click()
        teacher.locator("#card .ruling[data-status=questioned]").click()
        expect(notes.locator(".note-row")).to_have_count(2)
        expect(notes.locator("[data-note=remark] .note-quote")).to_have_text("أطِل المدّ")
        expect(notes.locator("[data-note=overruled]")).to_contain_text("حكم معلّمك على الكلمة: تحتاج مراجعة")
        expect(notes.locator("[data-note=overruled] .note-word")).to_have_text("قُلْ")
        overruled = student.locator(".w.overruled[data-at='112:1:1'][data-status=questioned]")
        expect(overruled).to_be_visible()
        picture(student, "student-asked")

        consent.locator("#consent-yes").click()
        expect(consent).to_contain_text("يستمع إليك الآن: إدريس")
        expect(teacher.locator("#listen-state")).to_have_text("You hear the student")
        picture(student, "student-listened")
        picture(teacher, "teacher-listens")

        student.reload()
        expect(consent).to_contain_text("يستمع إليك الآن: إدريس")
        expect(overruled).to_be_visible()
        consent.locator("#consent-no").click()
        expect(consent).to_contain_text("ليس لمعلّمك أن يستمع")
        expect(teacher.locator("#listen-state")).to_have_text("The student does not want to be listened to")


@pytest.mark.parametrize(
    ("fragment", "told"),
    [
        ("", "This page needs a link from your operator."),
        (f"#token={token(Role.TEACHER, 'x', 'boys', life_s=-60)}", "This link is over. Ask for a new one."),
        (f"#token={token(Role.STUDENT, 'x', 'boys')}", "This link does not let you watch this class."),
    ],
)
def test_who_may_not_watch_is_told_why(chromium: Browser, server: str, fragment: str, told: str) -> None:
    page = chromium.new_page()
    page.goto(f"{server}/teacher?lang=en{fragment}")
    expect(page.locator("#notice")).to_have_text(told)
    expect(page.locator(".pupil")).to_have_count(0)
    page.close()
