"""Resonances of the vocal tract (formants F1 to F3) in vowels, by Burg's linear prediction.

All frames of a call are worked on together: resampling to twice the highest formant, pre-emphasis, a Gaussian-like
window, Burg's recursion (Burg 1975; Childers, *Modern Spectrum Analysis*, 1978, pp. 252-255), roots of the predictor
(Markel and Gray, *Linear Prediction of Speech*, 1976, ch. 7).  A root is a formant when it is sharp enough.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import median

import numpy as np
from numpy.typing import NDArray

from recitation.audio import SAMPLE_HZ, Pcm

Doubles = NDArray[np.float64]

FORMANTS = 3
PRE_EMPHASIS_HZ = 50.0
"""Above this frequency the spectrum is raised by 6 dB an octave, as glottis and lips lower it."""
LOWEST_HZ, EDGE_HZ = 120.0, 50.0
"""Roots below the first, or this near half the sample rate, are spectral tilt."""
WIDEST_HZ = (500.0, 600.0, 700.0)
"""Bandwidth up to which a root may be F1, F2 and F3: vowels have 40 to 200 Hz (Fant 1972), a blur of two has more."""


@dataclass(frozen=True, slots=True)
class Tract:
    """How to look at a voice: a short vocal tract resonates higher."""

    ceiling_hz: float
    """Half the rate at which it is analysed: about five formants lie below, one a kilohertz in a tract of 17.5 cm."""
    order: int
    """Poles of the predictor: two a formant."""
    window_s: float
    """Length of the window; more than three pitch periods."""


MAN = Tract(5000.0, 10, 0.040)
WOMAN = Tract(5500.0, 10, 0.035)
CHILD = Tract(7000.0, 10, 0.030)


def tract_of(median_hz: float | None) -> Tract:
    """The tract to assume of a voice by its median pitch; a man's when that is not known."""
    if median_hz is None or median_hz < 175.0:
        return MAN
    return WOMAN if median_hz < 290.0 else CHILD


@dataclass(frozen=True, slots=True)
class Formants:
    """F1 to F3 of a vowel."""

    hz: tuple[float, float, float]
    """Medians over the frames; NaN where no frame had it."""
    bandwidth_hz: tuple[float, float, float]
    support: float
    """Share of the frames in which all three were found, 0 to 1."""


def burg(frames: Doubles, order: int) -> Doubles:
    """Predictor polynomials by Burg's method, float64[F, n] -> float64[F, order + 1], the first coefficient 1.

    Silent frames give 1, 0, 0, ….  ValueError when frames are not longer than ``order``.
    """
    count, length = frames.shape
    if length <= order:
        raise ValueError(f"frames of {length} samples cannot carry a predictor of order {order}")
    forward, backward = frames[:, 1:], frames[:, :-1]
    polynomial = np.zeros((count, order + 1))
    polynomial[:, 0] = 1.0
    for n in range(1, order + 1):
        energy = np.einsum("fn,fn->f", forward, forward) + np.einsum("fn,fn->f", backward, backward)
        reflection = -2.0 * np.einsum("fn,fn->f", forward, backward) / np.maximum(energy, 1e-30)
        k = reflection[:, None]
        polynomial[:, 1 : n + 1] += k * polynomial[:, n - 1 :: -1][:, :n]
        forward, backward = (forward + k * backward)[:, 1:], (backward + k * forward)[:, :-1]
    return polynomial


def resonances(polynomials: Doubles, rate_hz: float) -> tuple[Doubles, Doubles]:
    """Frequencies and bandwidths (Hz) of the sharp roots, in order of frequency: twice float64[F, 3], NaN for none."""
    count, order = polynomials.shape[0], polynomials.shape[1] - 1
    companion = np.zeros((count, order, order))
    companion[:, 0, :] = -polynomials[:, 1:]
    companion[:, np.arange(1, order), np.arange(order - 1)] = 1.0
    roots = np.linalg.eigvals(companion)
    hz = np.angle(roots) * (rate_hz / (2 * np.pi))
    width = -np.log(np.maximum(np.abs(roots), 1e-12)) * (rate_hz / np.pi)
    usable = (hz > LOWEST_HZ) & (hz < rate_hz / 2 - EDGE_HZ) & (width < max(WIDEST_HZ))
    found = np.full((2, count, FORMANTS), np.nan)
    for frame, use in enumerate(usable):
        lowest = sorted(zip(hz[frame, use].tolist(), width[frame, use].tolist(), strict=True))[:FORMANTS]
        for n, (frequency, bandwidth) in enumerate(lowest):
            found[:, frame, n] = math.nan if bandwidth > WIDEST_HZ[n] else frequency, bandwidth
    return found[0], found[1]


def resampled(pcm: Pcm, rate_hz: float) -> Doubles:
    """A stretch of 16 kHz sound at another rate by way of its spectrum, float32[n] -> float64[about n rate / 16000].

    Exact for what lies below half of both rates, but periodic: the first and last few milliseconds ring.
    """
    wanted = round(len(pcm) * rate_hz / SAMPLE_HZ)
    spectrum = np.fft.rfft(np.asarray(pcm, np.float64))
    return np.asarray(np.fft.irfft(spectrum[: wanted // 2 + 1], wanted) * (wanted / len(pcm)))


def frames_of(pcm: Pcm, centres: Sequence[int], tract: Tract) -> Doubles:
    """Windowed, pre-emphasised frames about samples of 16 kHz sound: float64[F, n] at twice the tract's ceiling.

    Frames that reach over an edge are moved inside.  ValueError when the sound is shorter than a window.
    """
    rate = 2 * tract.ceiling_hz
    sound = resampled(pcm, rate)
    sound[1:] -= np.exp(-2 * np.pi * PRE_EMPHASIS_HZ / rate) * sound[:-1].copy()
    length = round(tract.window_s * rate)
    if len(sound) < length:
        raise ValueError(f"{len(pcm)} samples are less than a window of {tract.window_s * 1000:.0f} ms")
    starts = np.round(np.asarray(centres) * (rate / SAMPLE_HZ) - length / 2).astype(np.int64)
    starts = np.clip(starts, 0, len(sound) - length)
    return np.asarray(sound[starts[:, None] + np.arange(length)] * _bell(length))


@lru_cache(maxsize=8)
def _bell(length: int) -> Doubles:
    """The window, float64[length]."""
    return np.exp(-12.0 * ((np.arange(length) - (length - 1) / 2) / length) ** 2)


def formants_at(pcm: Pcm, centres: Sequence[int], tract: Tract = MAN) -> tuple[Doubles, Doubles]:
    """F1 to F3 about given samples of 16 kHz sound: frequencies and bandwidths in Hz, twice float64[F, 3]."""
    return resonances(burg(frames_of(pcm, centres, tract), tract.order), 2 * tract.ceiling_hz)


def vowel_formants(pcm: Pcm, tract: Tract = MAN, *, frames: int = 5) -> Formants | None:
    """F1 to F3 of the middle of a vowel, whose sound is float32[n] at 16 kHz; None when it is shorter than a window."""
    window = round(tract.window_s * SAMPLE_HZ)
    if len(pcm) < window + 2:
        return None
    room = (len(pcm) - window) / 2
    centres = (len(pcm) / 2 + room * np.linspace(-0.6, 0.6, frames)).astype(int).tolist()
    return summarise(*formants_at(pcm, centres, tract))


def summarise(hz: Doubles, widths: Doubles) -> Formants:
    """Medians over frames, float64[F, 3] each."""
    whole = ~np.isnan(hz).any(axis=1)
    chosen = whole if whole.any() else np.ones(len(hz), np.bool_)
    middle, width = _medians(hz[chosen]), _medians(widths[chosen])
    return Formants(middle, width, float(whole.mean()))


def _medians(values: Doubles) -> tuple[float, float, float]:
    columns = ([value for value in column if not math.isnan(value)] for column in values.T.tolist())
    first, second, third = (median(known) if known else math.nan for known in columns)
    return first, second, third
