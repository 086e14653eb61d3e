"""How much of a nasal goes through the nose: the murmur, whose pole lies about 250 Hz (Fant 1960, Fujimura 1962).

A held ن or م, and what is hidden before a letter, is as loud in its murmur as the vowel before it: 1 to 4 dB below
its whole level in three reciters, 6 to 11 in made voices.  Against the vowel, microphone and
distance do not matter.
"""

import numpy as np
from numpy.typing import NDArray

from recitation.audio import SAMPLE_HZ, Pcm
from recitation.features import WINDOW_SAMPLES, windows_of

SPECTRUM = 1024
MURMUR_HZ, ABOVE_HZ, VOICE_HZ = (200.0, 450.0), (650.0, 3000.0), (60.0, 4000.0)
LEAST_SAMPLES = 640
"""Shorter sounds have no level to speak of."""
ABOVE_WEIGHT = 0.5
"""What a decibel of murmur over the sound above it counts for beside one over the vowel: the two err in different
voices."""


def murmur_db(nasal: Pcm, vowel: Pcm) -> float | None:
    """Murmur of a nasal against the vowel before it and against its own higher sound, float32[n] at 16 kHz each.

    Medians of six voices lie at 1 to 7 dB, and with the murmur filtered out at -28 to -19.
    None when either is too short.
    """
    if len(nasal) < LEAST_SAMPLES or len(vowel) < LEAST_SAMPLES:
        return None
    power = _power(nasal)
    murmur, above = _level(power, MURMUR_HZ), _level(power, ABOVE_HZ)
    return murmur - _level(_power(vowel), VOICE_HZ) + ABOVE_WEIGHT * (murmur - above)


def _power(pcm: Pcm) -> NDArray[np.float64]:
    """Power spectra every 10 ms over 25 ms, float64[windows, bins]."""
    windows = windows_of(pcm) * np.hanning(WINDOW_SAMPLES)
    power: NDArray[np.float64] = np.square(np.abs(np.fft.rfft(windows, SPECTRUM)))
    return power


def _level(power: NDArray[np.float64], band_hz: tuple[float, float]) -> float:
    """Level of a band, dB: the median over the windows."""
    first, last = (round(hz * SPECTRUM / SAMPLE_HZ) for hz in band_hz)
    return float(np.median(10 * np.log10(power[:, first:last].sum(axis=1) + 1e-9)))
