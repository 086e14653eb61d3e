"""The report: one file that needs nothing else, with a picture and the sound of every slip."""

import io
import re
from base64 import b64decode
from html.parser import HTMLParser

import av
import msgspec
import numpy as np
import pytest

from recitation.audio import SAMPLE_HZ, Pcm
from recitation.events import HarakahReport, PhoneVerdict, Status, Summary, WordReport
from recitation.pictures import HEIGHT, HOP, WIDTH, Moment, picture, pitch_of, png, spectrogram
from recitation.prosody.phrase import PitchRange, ProsodyReport
from recitation.prosody.pitch import SwiftPitch
from recitation.report_page import report_page
from recitation.sound_files import encode_opus
from recitation.tajweed.rules import Rule
from recitation.tajweed.verdict import RuleVerdict, Severity, Slip

VOID = {"meta", "mark", "br", "img"} - {"mark"}
OPTIONAL_END = {"p", "td", "th", "tr", "thead", "tbody"}


def hum(hz: float, seconds: float = 2.0) -> Pcm:
    """A voice-like tone: ten harmonics."""
    t = np.arange(round(seconds * SAMPLE_HZ)) / SAMPLE_HZ
    return np.sum([0.2 / n * np.sin(2 * np.pi * hz * n * t) for n in range(1, 11)], axis=0).astype(np.float32)


def a_phone(unit: str, start: int, heard: str | None = None) -> PhoneVerdict:
    return PhoneVerdict("112:1:1", 0, unit, start, start + 4000, 0.02 if heard else 0.9, heard, (0, 0))


@pytest.fixture
def summary() -> Summary:
    spoken = (a_phone("ق", 4000, "ك"), a_phone("ُ", 8000), a_phone("ل", 12000))
    words = (
        WordReport("112:1:1", "قُلْ", 4000, 16000, 0.1, Status.QUESTIONED, spoken),
        WordReport("112:1:2", "هُوَ", None, None, None, Status.NOT_REACHED, ()),
    )
    madd = RuleVerdict(
        "112:1:1", Rule.MADD_LAZIM, (2, 2), 12000, 30000, Severity.ERROR, Slip.SHORT, 0.9, (6.0, 6.0), 3.25, 0.4
    )
    kept = RuleVerdict("112:1:1", Rule.MADD_TABII, (1, 1), 8000, 12000, Severity.FINE, None, 0.9, (2.0, 2.0), 2.1, 0.2)
    prosody = ProsodyReport(PitchRange(180.0, 170.0, 190.0), 2, 1, 8.5, 31.0)
    return Summary(words, 32_000, (kept, madd), HarakahReport(0.21, 0.01), prosody)


def test_a_picture_is_dark_where_the_sound_is() -> None:
    image = spectrogram(hum(200.0) + spoken_noise())
    rows, frames = image.shape
    assert frames == (2 * SAMPLE_HZ - 320) // HOP + 1
    assert image[-rows // 8 :].mean() < image[: rows // 2].mean() - 40


def spoken_noise() -> Pcm:
    return np.random.default_rng(0).normal(0, 1e-4, 2 * SAMPLE_HZ).astype(np.float32)


@pytest.mark.parametrize("samples", [0, 1, 100, 400])
def test_any_length_of_sound_has_a_picture(samples: int) -> None:
    assert spectrogram(np.zeros(samples, np.float32)).size > 0


def test_png_holds_the_picture() -> None:
    image = np.random.default_rng(0).integers(0, 255, (40, 90), np.uint8)
    with av.open(io.BytesIO(png(image)), format="png_pipe") as container:
        frame = next(container.decode(video=0))
        np.testing.assert_array_equal(frame.to_ndarray(format="gray"), image)


def test_pitch_is_drawn_at_its_height() -> None:
    pcm = hum(187.0)  # the middle between 70 and 500 Hz in octaves
    moment = Moment(8000, 24000, (12000, 16000))
    drawn = picture(moment, pcm, [a_phone("ن", 12000)], pitch_of(pcm, moment, SwiftPitch()), "a hum")
    (points,) = re.findall(r'class="pitch" points="([^"]+)"', drawn)
    places = [tuple(map(float, point.split(","))) for point in points.split()]
    assert np.median([y for _, y in places]) == pytest.approx(HEIGHT / 2, abs=4)
    assert max(x for x, _ in places) > 0.8 * WIDTH
    assert f'class="slip" x="{WIDTH / 4:.1f}"' in drawn
    assert ">ن</text>" in drawn


class Balanced(HTMLParser):
    """Notes the elements that are opened, and that each is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.ids: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = {name: value or "" for name, value in attrs}
        self.links += [named[name] for name in ("href", "src") if name in named]
        self.ids.add(named.get("id", ""))
        if tag not in VOID | OPTIONAL_END:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID | OPTIONAL_END:
            assert self.open.pop() == tag


def test_the_page_stands_alone(summary: Summary) -> None:
    text = report_page("112, a.wav", hum(180.0), summary, b"font")
    parser = Balanced()
    parser.feed(text)
    assert parser.open == []
    inner = {link.removeprefix("#") for link in parser.links if link.startswith("#")}
    assert inner == {"slip0"}
    assert inner <= parser.ids
    assert all(link.startswith(("data:", "#")) for link in parser.links)
    assert "http" not in text
    assert "<script" not in text


def test_a_slip_is_shown_with_its_figures_and_its_sound(summary: Summary) -> None:
    text = report_page("112", hum(180.0), summary)
    assert "6 counts expected, 3.2 ± 0.4 heard" in text
    assert "one count 210 ± 10 ms · pitch 180 Hz (170–190) · 8.5 sounds a second · phrases: 2, breaths: 1" in text
    assert Rule.MADD_LAZIM.label.ar in text
    sounds = re.findall(r'src="data:audio/ogg;base64,([^"]+)"', text)
    assert len(sounds) == 2
    with av.open(io.BytesIO(b64decode(sounds[1]))) as container:
        seconds = sum(frame.samples / frame.sample_rate for frame in container.decode(audio=0))
    assert seconds == pytest.approx((30000 - 12000) / SAMPLE_HZ + 0.4 + 0.125, abs=0.05)


def test_names_are_text_and_no_markup(summary: Summary) -> None:
    text = report_page("<b>&", hum(180.0), summary)
    assert "<b>&" not in text
    assert "&lt;b&gt;&amp;" in text


def test_a_recitation_without_slips_has_a_page(summary: Summary) -> None:
    bare = msgspec.structs.replace(summary, rules=(), tempo=None, words=summary.words[1:])
    text = report_page("112", hum(180.0), bare)
    assert "0 of 0 words" in text
    assert "<audio" not in text


def test_opus_in_memory_is_ogg() -> None:
    assert encode_opus(hum(180.0, 0.3))[:4] == b"OggS"
