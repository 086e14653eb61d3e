"""How long a phone really lasted: boundaries of the ear moved to where the sound changes.

The ear emits a phone some 50 to 130 ms after it begins, and nearly always in the first frame of a hop, so that spans
come in steps of 80 ms: too coarse for a vowel of 150 ms.  A boundary is therefore looked for in the sound, within 80 ms
of where the ear usually has it for such a pair of phones: the place where the spectra of the 30 ms before and after
differ most (the two-segment case of Svendsen and Soong, 1987), weighed against its distance from the usual place.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recitation.audio import SAMPLE_HZ, Pcm
from recitation.events import PhoneVerdict
from recitation.features import FRAME_SAMPLES, MELS, WINDOW_SAMPLES, log_mel, windows_of
from recitation.phones import IKHFA, IQLAB, MADD_VOWELS, QALQALAH, SHORT_VOWELS

Audio = Callable[[int, int], Pcm]
"""Reads 16 kHz samples of the session from ``start`` to ``end``, float32[end - start]; silence where there are none."""

REACH = 8
"""Frames of 10 ms to either side in which a boundary is looked for."""
CONTRAST_FRAMES = 3
"""Frames whose mean spectrum is compared on either side."""
USUAL_SPREAD = 4.0
"""Standard deviation of the place of a boundary about its usual place, frames."""
LEAST_FRAMES = 3
"""No phone is shorter: 30 ms."""
CONTRAST_FLOOR = 0.1
"""Added to a contrast before its logarithm: steady sound has no best place."""
CEPSTRA = 13
CATCHING_UP_SAMPLES = SAMPLE_HZ * 3 // 10
"""A session that begins with speech: the ear hears the phones of the first 0.3 s late, and all at once."""
PLACE_SD_S = 0.018
"""Standard deviation of a boundary found, seconds: 15 ms in a robust way over 4,000 boundaries of eleven made voices,
whose boundaries are known, 5 to 9 ms beside most vowels and 20 to 40 ms between glides, so that it has tails."""

LEAST_VOWEL, MOST_VOWEL = 0.4, 2.0
"""Harakat of a short vowel before a held nasal."""
VOWEL_SPREAD = 0.5
"""Standard deviation of the logarithm of its length about one harakah."""
NASAL_WINDOW = 3.0
"""Harakat from the vowel's begin in which the nasal is looked for: a stop's closure after it is a greater change."""
VARIANCE_FLOOR = 1e-3
"""Added to the variance of cepstra about their means before its logarithm: steady sound has no best place."""

_SOFT, _STOPS, _NASALS = "ويلرع", "بدجضطقتك", "من" + IKHFA + IQLAB
_USUAL_LAG_MS = {
    "FV": 90, "GV": 75, "NV": 80, "SV": 95, "HV": 105, "VF": 125, "VG": 85, "VN": 100, "VS": 125, "VH": 98,
    "NF": 110, "NG": 97, "SQ": 95,
}  # fmt: skip
"""How long after a boundary the ear emits the phone that begins there, by the kinds of the two phones (medians of
made voices)."""
_OTHER_LAG_MS = 100

_COSINES = (np.cos(np.pi / MELS * (np.arange(MELS)[:, None] + 0.5) * np.arange(CEPSTRA)) * np.sqrt(2 / MELS)).astype(
    np.float32
)


_ODDITY = 0.5 * np.square(np.arange(-REACH, REACH + 1) / USUAL_SPREAD)
"""What a place costs by its distance from the usual one, float64[2 REACH + 1]."""

_KINDS = {
    letter: kind
    for kind, letters in (
        ("V", SHORT_VOWELS + MADD_VOWELS), ("N", _NASALS), ("G", _SOFT), ("H", "ء"), ("S", _STOPS), ("Q", QALQALAH),
    )
    for letter in letters
}  # fmt: skip


def kind_of(unit: str) -> str:
    """What a phone is to a boundary.

    V(owel), N(asal), G(lide or liquid), H(amzah), S(top), Q(alqalah release) or F(ricative).
    """
    return _KINDS.get(unit[0], "F")


def usual_place(emitted: int, before: str, after: str) -> int:
    """Where the boundary between two phones usually lies, in samples, when the ear emits the second at ``emitted``."""
    lag = _USUAL_LAG_MS.get(kind_of(before) + kind_of(after), _OTHER_LAG_MS)
    return emitted - lag * SAMPLE_HZ // 1000


def place_boundary(emitted: int, before: str, after: str, earliest: int, audio: Audio) -> int:
    """The sample at which ``after`` begins, given where the ear emitted it; not before ``earliest``.

    Reads 160 ms around it and 50 ms to either side, none of it later than 110 ms after ``emitted``.
    """
    usual = usual_place(emitted, before, after)
    margin = CONTRAST_FRAMES * FRAME_SAMPLES
    first = usual - REACH * FRAME_SAMPLES
    mels = _mels_between(first - margin, usual + REACH * FRAME_SAMPLES + margin, audio)
    score = np.log(spectral_contrast(mels) + CONTRAST_FLOOR) - _ODDITY
    allowed = max(0, -((first - earliest) // FRAME_SAMPLES))
    if allowed >= len(score):
        return earliest
    best = allowed + int(score[allowed:].argmax())
    return max(earliest, round(first + best * FRAME_SAMPLES + FRAME_SAMPLES * _peak(score, best)))


def spectral_contrast(mels: NDArray[np.float32]) -> NDArray[np.float64]:
    """Distance of the mean cepstra of the frames before and after, float32[n + 2 c - 1, 80] -> float64[n].

    Value ``i`` is of the boundary between frames ``i + c - 1`` and ``i + c``, c being ``CONTRAST_FRAMES``.
    """
    sums = np.zeros((len(mels) + 1, CEPSTRA), np.float32)
    np.cumsum(mels @ _COSINES, axis=0, out=sums[1:])
    c = CONTRAST_FRAMES
    means = (sums[c:] - sums[:-c]) / c
    distance: NDArray[np.float64] = np.sqrt(np.square(means[c:] - means[:-c]).sum(axis=1)).astype(np.float64)
    return distance


def _peak(score: NDArray[np.float64], best: int) -> float:
    """Offset of the top of a parabola through a maximum and its neighbours, -0.5 to 0.5 frames."""
    if not 0 < best < len(score) - 1:
        return 0.0
    before, here, after = score[best - 1 : best + 2].tolist()
    bend: float = before - 2 * here + after
    return min(max(0.5 * (before - after) / bend, -0.5), 0.5) if bend < 0 else 0.0


def held_nasal_start(vowel_start: int, end: int, harakah_s: float, audio: Audio) -> int:
    """The sample at which a nasal that is held begins, which lasts until ``end`` with the short vowel before it.

    The ear emits what is held late, often at its release only, so that the begin is looked for from the vowel on: where
    two segments of even sound fit best (Svendsen and Soong, 1987).  Off by 6 ms (standard deviation) over 26 nasals of
    made voices, whose begin is known, and at the median by 2 ms.
    """
    frame_s = FRAME_SAMPLES / SAMPLE_HZ
    within = min(end - vowel_start, round(NASAL_WINDOW * harakah_s * SAMPLE_HZ))
    mels = _mels_between(vowel_start, vowel_start + within, audio)
    least, most = (round(counts * harakah_s / frame_s) for counts in (LEAST_VOWEL, MOST_VOWEL))
    places = np.arange(max(LEAST_FRAMES, least), min(len(mels) - LEAST_FRAMES, most) + 1)
    if not len(places):
        return min(end, vowel_start + round(harakah_s * SAMPLE_HZ))
    cepstra = (mels @ _COSINES).astype(np.float64)
    variance = _two_segments(cepstra, places) / len(cepstra)
    odd = np.log(places * frame_s / harakah_s) / VOWEL_SPREAD
    score = -0.5 * len(cepstra) * np.log(variance + VARIANCE_FLOOR) - 0.5 * np.square(odd)
    return vowel_start + int(places[score.argmax()]) * FRAME_SAMPLES


def _mels_between(start: int, end: int, audio: Audio) -> NDArray[np.float32]:
    """Log-mels of whole frames, each window centred on its frame: float32[n, 80]."""
    half = (WINDOW_SAMPLES - FRAME_SAMPLES) // 2
    return log_mel(windows_of(audio(start - half, end + half)))


def _two_segments(cepstra: NDArray[np.float64], places: NDArray[np.int64]) -> NDArray[np.float64]:
    """Squared distance of frames, float64[T, 13], from the mean of their segment, cut at each of ``places``."""
    sums = np.cumsum(np.vstack([np.zeros(CEPSTRA), cepstra]), axis=0)
    before, after = sums[places], sums[-1] - sums[places]
    kept = np.square(before).sum(axis=1) / places + np.square(after).sum(axis=1) / (len(cepstra) - places)
    distance: NDArray[np.float64] = np.square(cepstra).sum() - kept
    return distance


@dataclass(frozen=True, slots=True)
class Heard:
    """A closed phone with its boundaries in the sound, 16 kHz samples."""

    phone: PhoneVerdict
    start: int | None
    """None after a pause, where nothing tells how much of the silence belongs to the phone, and within a vowel."""
    end: int | None
    """None before a pause and within a vowel: a short vowel and the madd that goes on with it are one sound."""
    vowel_start: int | None
    """Begin of the vowel that the phone ends, its short part included; None for other phones or when not known."""
    following: str | None
    """The unit joined to it, None at a pause."""
    sure: bool = True
    """False where the place was not sure or too much of the sound was made up: nothing may be held against it."""

    @property
    def seconds(self) -> float | None:
        """How long the phone, or the whole vowel that it ends, lasted."""
        start = self.vowel_start if self.vowel_start is not None else self.start
        return None if start is None or self.end is None else (self.end - start) / SAMPLE_HZ


class Spans:
    """Moves the boundaries of phones to where the sound changes, phone by phone as they are closed.

    A boundary is placed once, when the phone before it is closed, and never revised.
    """

    def __init__(self, audio: Audio) -> None:
        self._audio = audio
        self._last: Heard | None = None

    def push(self, phone: PhoneVerdict, following: str | None, *, sure: bool = True) -> Heard:
        """The next closed phone, the unit joined to it, and whether anything may be held against it."""
        last = self._last if self._last is not None and self._last.phone.end == phone.start else None
        start = last.end if last else None
        vowel_start = None
        if kind_of(phone.unit) == "V":
            goes_on = last is not None and kind_of(last.phone.unit) == "V"
            vowel_start = last.vowel_start if last and goes_on else start
        end = None
        if phone.start == phone.end and start is not None:  # left out: nothing of the sound is its
            end = start
        elif start is None and phone.start < CATCHING_UP_SAMPLES:
            pass
        elif following is not None and not (kind_of(phone.unit) == kind_of(following) == "V"):
            begun = start if start is not None else vowel_start if vowel_start is not None else phone.start
            earliest = begun + LEAST_FRAMES * FRAME_SAMPLES
            end = place_boundary(phone.end, phone.unit, following, earliest, self._audio)
        self._last = Heard(phone, start, end, vowel_start, following, sure)
        return self._last
