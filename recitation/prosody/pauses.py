"""What happens in a gap between phones: silence, or a breath drawn in.

Inhalation is noise: it stands above the room, and no period shows in it, which tells it from the echo of the last vowel
and from a nasal that goes on.
"""

import numpy as np
from numpy.typing import NDArray

from recitation.audio import SAMPLE_HZ, Pcm
from recitation.prosody.energy import FRAME_SAMPLES, levels

ECHO_SAMPLES, ATTACK_SAMPLES = 1_280, 640
"""Left out at the start of a gap, where the last phone dies away (80 ms), and at its end (40 ms)."""
ABOVE_ROOM_DB = 8.0
PERIODIC = 0.5
"""Normalised autocorrelation from which a frame is voiced: noise of 40 ms stays below it, vowels reach 0.8 and more."""
WINDOW_SAMPLES = 640
LOWEST_HZ, HIGHEST_HZ = 70, 400
LEAST_BREATH_S = 0.1
"""Shorter noise is a release, a click or a page."""


def periodicity(frames: NDArray[np.float64]) -> NDArray[np.float64]:
    """Highest normalised autocorrelation between 70 and 400 Hz of 16 kHz frames, float64[F, n] -> float64[F]."""
    length = frames.shape[1]
    spectrum = np.fft.rfft(frames - frames.mean(axis=1, keepdims=True), 2 * length)
    correlation = np.fft.irfft(np.square(np.abs(spectrum)))[:, :length]
    lags = np.arange(SAMPLE_HZ // HIGHEST_HZ, SAMPLE_HZ // LOWEST_HZ)
    # A frame holds fewer products at longer lags; undo that taper.
    scaled = correlation[:, lags] * (length / (length - lags)) / np.maximum(correlation[:, :1], 1e-12)
    return np.asarray(scaled.max(axis=1))


def breath_s(gap: Pcm, room_db: float) -> float:
    """Seconds of the longest inhalation in the sound of a gap, float32[n] at 16 kHz; 0 when nobody breathes in it."""
    inner = gap[ECHO_SAMPLES : len(gap) - ATTACK_SAMPLES]
    if len(inner) < WINDOW_SAMPLES:
        return 0.0
    loud = levels(inner)[: (len(inner) - WINDOW_SAMPLES) // FRAME_SAMPLES + 1] > room_db + ABOVE_ROOM_DB
    windows = np.lib.stride_tricks.sliding_window_view(inner, WINDOW_SAMPLES)[::FRAME_SAMPLES]
    noisy = loud & (periodicity(windows.astype(np.float64)) < PERIODIC)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], noisy, [False]])))
    longest = int((edges[1::2] - edges[::2]).max(initial=0)) * FRAME_SAMPLES / SAMPLE_HZ
    return longest if longest >= LEAST_BREATH_S else 0.0
