"""Where phones begin and end in the sound: found where it changes, and not where the ear emits them."""

from collections.abc import Callable

import numpy as np
import pytest
from measured import listen
from ruled import reads
from voiced import vowel

from recitation.acoustics.engine import OnnxEngine
from recitation.audio import SAMPLE_HZ, Pcm
from recitation.events import PhoneVerdict
from recitation.made_voice import MadeRecitation
from recitation.tajweed.lengths import (
    CATCHING_UP_SAMPLES,
    FRAME_SAMPLES,
    LEAST_FRAMES,
    PLACE_SD_S,
    Spans,
    held_nasal_start,
    kind_of,
    place_boundary,
    spectral_contrast,
    usual_place,
)
from recitation.vad import SileroVad

CHANGE = 8_000
OPEN, CLOSE = (700.0, 1200.0, 2500.0, 3500.0, 4500.0), (300.0, 2200.0, 2900.0, 3600.0, 4500.0)


@pytest.fixture(scope="module")
def sound() -> Pcm:
    """Half a second of /a/, then half a second of /i/."""
    return np.concatenate([vowel(120, OPEN, 0.5), vowel(120, CLOSE, 0.5)])


def phone(unit: str, start: int, end: int) -> PhoneVerdict:
    return PhoneVerdict("1:1:1", 0, unit, start, end, 1.0, None)


@pytest.mark.parametrize(
    ("unit", "kind"),
    [("َ", "V"), ("ۥۥ", "V"), ("ن", "N"), ("مممم", "N"), ("ںںں", "N"), ("۾۾۾", "N"), ("لل", "G"), ("ييي", "G"),
     ("ء", "H"), ("ق", "S"), ("طط", "S"), ("ڇ", "Q"), ("س", "F"), ("ح", "F")],
)  # fmt: skip
def test_kinds(unit: str, kind: str) -> None:
    assert kind_of(unit) == kind


@pytest.mark.parametrize("early_ms", [-60, -30, 0, 30, 60])
def test_a_boundary_is_where_the_sound_changes(sound: Pcm, early_ms: int) -> None:
    emitted = CHANGE + (CHANGE - usual_place(CHANGE, "َ", "ل")) - early_ms * SAMPLE_HZ // 1000
    found = place_boundary(emitted, "َ", "ل", 0, reads(sound))
    assert abs(found - CHANGE) <= 0.020 * SAMPLE_HZ


def test_no_sound_decides_nothing() -> None:
    usual = usual_place(CHANGE, "ن", "َ")
    assert place_boundary(CHANGE, "ن", "َ", 0, reads(np.zeros(16_000, np.float32))) == usual
    assert place_boundary(CHANGE, "ن", "َ", CHANGE, reads(np.zeros(16_000, np.float32))) == CHANGE


def test_no_phone_ends_before_it_began(sound: Pcm) -> None:
    spans = Spans(reads(sound))
    heard = [
        spans.push(phone("م", CHANGE - 640, CHANGE), "َ"),
        spans.push(phone("َ", CHANGE, CHANGE + 160), "ل"),
        spans.push(phone("ل", CHANGE + 160, CHANGE + 320), "َ"),
        spans.push(phone("َ", CHANGE + 320, CHANGE + 480), "م"),
    ]
    ends = [one.end for one in heard if one.end is not None]
    assert len(ends) == 4
    assert min(np.diff(ends)) >= LEAST_FRAMES * FRAME_SAMPLES


def test_contrast_peaks_at_the_change() -> None:
    mels = np.zeros((21, 80), np.float32)
    mels[12:, :40] = 1.0
    contrast = spectral_contrast(mels)
    assert len(contrast) == 21 - 2 * 3 + 1
    assert contrast.argmax() == 12 - 3
    assert contrast[0] == pytest.approx(0, abs=1e-6)


def test_a_short_vowel_and_its_madd_are_one_sound(sound: Pcm) -> None:
    spans = Spans(reads(sound))
    before = spans.push(phone("م", 6_000, 7_000), "َ")
    short = spans.push(phone("َ", 7_000, 8_000), "اا")
    madd = spans.push(phone("اا", 8_000, 12_000), "ل")
    assert (short.end, short.seconds, madd.start) == (None, None, None)
    assert short.vowel_start == madd.vowel_start == before.end
    assert before.end is not None and madd.end is not None
    assert madd.seconds == pytest.approx((madd.end - before.end) / SAMPLE_HZ)


def test_beside_a_pause_nothing_is_known(sound: Pcm) -> None:
    spans = Spans(reads(sound))
    last = spans.push(phone("ن", 6_000, 7_000), None)
    assert (last.start, last.end, last.seconds) == (None, None, None)
    after = spans.push(phone("ل", 9_000, 10_000), "َ")
    assert after.start is None and after.end is not None


def test_a_phone_left_out_has_no_length(sound: Pcm) -> None:
    spans = Spans(reads(sound))
    spans.push(phone("م", 6_000, 7_000), "َ")
    short = spans.push(phone("َ", 7_000, 9_000), "ل")
    missing = spans.push(phone("اا", 9_000, 9_000), "ل")
    assert missing.start == missing.end == short.end
    assert missing.seconds == short.seconds, "the vowel that ends with it is as long as without"
    spans.push(phone("م", 6_000, 7_000), "َ")
    spans.push(phone("َ", 7_000, 9_000), "اا")
    again = spans.push(phone("اا", 9_000, 9_000), "ل")
    assert (again.seconds, again.end) == (short.seconds, short.end), "whatever was said of what follows the vowel"


def test_a_session_that_begins_with_speech_measures_later(sound: Pcm) -> None:
    spans = Spans(reads(sound))
    first = spans.push(phone("م", CATCHING_UP_SAMPLES - 320, CATCHING_UP_SAMPLES + 640), "َ")
    assert first.end is None
    second = spans.push(phone("َ", CATCHING_UP_SAMPLES + 640, 9_000), "ل")
    assert (second.start, second.seconds) == (None, None)
    assert second.end is not None


@pytest.mark.parametrize("vowel_s", [0.08, 0.15, 0.25])
def test_a_held_nasal_begins_where_the_vowel_ends(vowel_s: float) -> None:
    """No matter how long it is held, and where some of the closure after it is taken for it."""
    closure = 0.002 * np.random.default_rng(0).standard_normal(3_200).astype(np.float32)
    for held_s in (0.3, 0.9):
        sound = np.concatenate([vowel(120, OPEN, vowel_s), vowel(120, CLOSE, held_s), closure])
        found = held_nasal_start(0, len(sound) - 2_700, 0.15, reads(sound))
        assert abs(found / SAMPLE_HZ - vowel_s) <= 0.02


def test_a_held_nasal_too_short_to_be_looked_for_begins_after_a_harakah_or_not_at_all() -> None:
    assert held_nasal_start(1_000, 1_480, 0.15, reads(np.zeros(16_000, np.float32))) == 1_480
    assert held_nasal_start(1_000, 1_000, 0.15, reads(np.zeros(16_000, np.float32))) == 1_000


def test_boundaries_of_a_made_voice(make: Callable[..., MadeRecitation], engine: OnnxEngine, vad: SileroVad) -> None:
    made = make("1:1-4")
    truth = {(one.at, one.index): one.end for one in made.phones}
    off, emitted = [], []
    for step in listen(made.pcm, "1:1-4", engine, vad):
        one = step.heard
        if one.end is not None:
            off.append((one.end - truth[one.phone.at, one.phone.index]) / SAMPLE_HZ)
            emitted.append((one.phone.end - truth[one.phone.at, one.phone.index]) / SAMPLE_HZ)
    assert len(off) > 50
    assert abs(np.median(off)) < 0.008
    spread = np.median(np.abs(off - np.median(off))) * 1.4826
    assert spread < 1.2 * PLACE_SD_S
    assert spread < 0.65 * 1.4826 * np.median(np.abs(emitted - np.median(emitted))), "better than by the ear"
