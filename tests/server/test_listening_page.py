"""The teacher's page listens in a real browser: the student is asked, and the page plays the student's own sound."""

import asyncio
import shutil
import time

import aiohttp
import numpy as np
import pytest
from playwright.async_api import async_playwright, expect
from toy_ear import StartServer

from recitation.audio import Pcm
from server.messages import Consent, Listened
from server.reciter import Reciter, encode_recording
from server.roles import Role, mint

pytestmark = pytest.mark.e2e

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
SECRET = "s" * 32
PIECE = 4_000
"""A quarter of a second."""

KEEP_PEERS = """
window.peers = [];
window.RTCPeerConnection = class extends RTCPeerConnection {
  constructor(...given) { super(...given); window.peers.push(this); }
};
"""
"""So that the test finds the connection behind the page."""

RECORD = """
async () => {
  const peer = window.peers.findLast((one) => one.connectionState === "connected");
  const context = new AudioContext({ sampleRate: 16000 });
  const source = context.createMediaStreamSource(new MediaStream([peer.getReceivers()[0].track]));
  const recorder = context.createScriptProcessor(4096, 1, 1);
  const samples = [];
  recorder.onaudioprocess = ({ inputBuffer }) => samples.push(...inputBuffer.getChannelData(0));
  source.connect(recorder).connect(context.destination);
  await new Promise((resolve) => setTimeout(resolve, 3000));
  await context.close();
  return samples;
}
"""


def token(role: Role, name: str) -> str:
    return mint(SECRET, role, sub=name, classes=["boys"], name=name, now=time.time(), life_s=300)


def glide(seconds: int) -> Pcm:
    """A tone that glides up and down and never sounds the same twice for long."""
    t = np.arange(seconds * 16_000) / 16_000
    hz = 200 + 600 * np.abs(np.sin(0.7 * t)) + 3 * t
    return (0.3 * np.sin(2 * np.pi * np.cumsum(hz) / 16_000)).astype(np.float32)


def likeness(heard: Pcm, sent: Pcm) -> list[float]:
    """Highest normalised correlation, anywhere in what was sent, of each loud piece of what was heard."""
    found = []
    size = 2 ** int(np.ceil(np.log2(len(sent) + PIECE)))
    spectrum = np.fft.rfft(sent, size)
    power = np.cumsum(np.concatenate([[0.0], sent.astype(np.float64) ** 2]))
    norms = np.sqrt(np.maximum(power[PIECE:] - power[:-PIECE], 1e-6))
    for first in range(0, len(heard) - PIECE, PIECE):
        piece = heard[first : first + PIECE].astype(np.float64)
        if np.sqrt(np.mean(piece**2)) > 0.02:
            both = np.fft.irfft(spectrum * np.conj(np.fft.rfft(piece, size)))[: len(norms)]
            found.append(float(np.max(np.abs(both) / norms) / np.linalg.norm(piece)))
    return found


async def test_a_teacher_hears_the_very_sound_of_a_student_who_agreed(
    start_server: StartServer, http: aiohttp.ClientSession
) -> None:
    if CHROMIUM is None:
        pytest.skip("no chromium: apt-get install chromium")
    running = await start_server(secret=SECRET)
    sound = glide(60)
    student = Reciter(http, running.url, "112", encode_recording(sound), token=token(Role.STUDENT, "Bilal"))
    await student.connect()
    student.begin()

    def told() -> Listened:
        return [message for _, message in student.heard.control if isinstance(message, Listened)][-1]

    async with async_playwright() as playwright:
        arguments = ["--no-sandbox", "--autoplay-policy=no-user-gesture-required"]
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        page = await browser.new_page(viewport={"width": 800, "height": 600}, reduced_motion="reduce")
        page.set_default_timeout(30_000)
        problems: list[str] = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        await page.add_init_script(KEEP_PEERS)
        await page.goto(f"{running.url}teacher?class=boys&lang=en#token={token(Role.TEACHER, 'Idris')}")
        await page.locator(".pupil button").first.dispatch_event("click")
        await page.locator("#listen").dispatch_event("click")
        state = page.locator("#listen-state")
        await expect(state).to_have_text("The student has been asked; waiting for them to agree", timeout=15_000)
        assert told() == Listened(None, (), True)
        student.send(Consent(1, True))
        await expect(state).to_have_text("You hear the student", timeout=15_000)
        assert told() == Listened(True, ("Idris",), False)
        alike = likeness(np.array(await page.evaluate(RECORD), np.float32), sound)
        assert len(alike) >= 4 and np.median(alike) > 0.9, alike
        student.send(Consent(1, False))
        await expect(state).to_have_text("The student does not want to be listened to", timeout=15_000)
        assert problems == []
        await browser.close()
    async with asyncio.timeout(5):
        while running.server.metrics.listeners.value:
            await asyncio.sleep(0.02)
    await student.close()
