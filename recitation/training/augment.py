"""Augmentation in the log-mel domain: any voice, any room, any microphone, at the price of a gather.

Everything works on scaled log-mel features float32[T, 80] (see recitation.features) and takes its random
generator, so a batch is reproducible from its seed.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recitation.features import FLOOR, MEAN, MELS, SAMPLE_RATE, SCALE

Floats = NDArray[np.float32]
SILENCE = np.float32((np.log(FLOOR) - MEAN) * SCALE)


@dataclass(frozen=True, slots=True)
class Strength:
    """How much of each distortion; all at full strength by default."""

    tempo: tuple[float, float] = (0.8, 1.25)
    semitones: tuple[float, float] = (-5.0, 7.0)
    """Pitch and formants together: women and children speak above the men of the training set."""
    warp_share: float = 0.7
    band_share: float = 0.5
    noise_share: float = 0.6
    room_share: float = 0.4
    hole_share: float = 0.15
    mask_share: float = 0.8
    gain_db: float = 8.0
    dry_share: float = 0.6
    """The reciters of the training set are wet and compressed, people's own recordings dry and full of contrast."""


MEDIUM = Strength((0.8, 1.25), (-4.0, 5.0), 0.5, 0.35, 0.4, 0.25, 0.08, 0.8, 8.0, 0.55)
LIGHT = Strength((0.9, 1.1), (-3.0, 4.0), 0.5, 0.3, 0.3, 0.2, 0.0, 0.3, 6.0, 0.3)

_EDGES = 2595 * np.log10(1 + np.array([20.0, SAMPLE_RATE / 2]) / 700)
_CENTRES_MEL = np.linspace(_EDGES[0], _EDGES[1], MELS + 2)[1:-1]
_CENTRES_HZ = 700 * (10 ** (_CENTRES_MEL / 2595) - 1)


def stretch(x: Floats, factor: float) -> Floats:
    """Time stretched to ``factor`` times the length by linear interpolation."""
    length = max(2, round(len(x) * factor))
    position = np.linspace(0, len(x) - 1, length, dtype=np.float32)
    base = np.minimum(position.astype(np.int32), len(x) - 2)
    fraction = (position - base)[:, None]
    return np.asarray(x[base] * (1 - fraction) + x[base + 1] * fraction, np.float32)


def warp(x: Floats, ratio: float) -> Floats:
    """Spectrum scaled so that what was at f is at ``ratio * f``: pitch and formants of another body."""
    source_mel = 2595 * np.log10(1 + _CENTRES_HZ / ratio / 700)
    position = (source_mel - _CENTRES_MEL[0]) / (_CENTRES_MEL[1] - _CENTRES_MEL[0])
    base = np.clip(position.astype(np.int32), 0, MELS - 2)
    fraction = np.clip(position - base, 0, 1).astype(np.float32)
    warped: Floats = np.asarray(x[:, base] * (1 - fraction) + x[:, base + 1] * fraction, np.float32)
    warped[:, position > MELS - 1] = np.minimum(warped[:, position > MELS - 1], np.percentile(x, 10))
    return warped


def _add_power(x: Floats, y: Floats) -> Floats:
    total: Floats = (np.logaddexp(x / SCALE, y / SCALE) * SCALE).astype(np.float32)
    return total


def band_limit(x: Floats, low_hz: float, high_hz: float, slope: float) -> Floats:
    """Attenuation outside a band by ``slope`` nepers (log power) per band step."""
    below = np.maximum(0, np.searchsorted(_CENTRES_HZ, low_hz) - np.arange(MELS))
    above = np.maximum(0, np.arange(MELS) - np.searchsorted(_CENTRES_HZ, high_hz))
    loss = SCALE * slope * (below + above)
    return np.asarray(np.maximum(x - loss, SILENCE), np.float32)


def dry(x: Floats, random: np.random.Generator) -> Floats:
    """What a voice near a small microphone sounds like: valleys deeper by up to 2.4 times, duller by up to 20 dB.

    Each band is spread about its own loud parts.  Over its louder half a band of the training reciters varies by
    0.43 (standard deviation), one of the learners' recordings by 0.9.
    """
    loud = np.percentile(x, 90, axis=0)
    spread = random.uniform(1.0, 2.4) + np.interp(
        np.arange(MELS), np.linspace(0, MELS - 1, 5), random.normal(0, 0.1, 5)
    )
    tilt = SCALE * np.linspace(0, random.uniform(-5.0, 1.0), MELS)
    return np.asarray(loud + tilt + spread * (x - loud), np.float32)


def colour(x: Floats, random: np.random.Generator) -> Floats:
    """A microphone's frequency response: a smooth curve of a few decibels."""
    knots = random.normal(0, 1.0, 6)
    curve = np.interp(np.arange(MELS), np.linspace(0, MELS - 1, 6), knots)
    return x + np.asarray(SCALE * curve, np.float32)


def noise(x: Floats, random: np.random.Generator) -> Floats:
    """Stationary or slowly modulated noise of random colour, 0 to 35 dB under the speech."""
    level = np.percentile(x, 85) / SCALE - random.uniform(0.0, 35.0) * np.log(10) / 10
    tilt = np.linspace(random.uniform(0, 4), random.uniform(-4, 1), MELS)
    spectrum = level + tilt + np.interp(np.arange(MELS), np.linspace(0, MELS - 1, 8), random.normal(0, 0.7, 8))
    drift = np.interp(np.arange(len(x)), np.linspace(0, len(x), 6), random.normal(0, random.uniform(0, 1.2), 6))
    # A mel band of noise averages few spectral bins, so its power fluctuates like a chi-square.
    grain = np.log(random.gamma(2.5, 1 / 2.5, x.shape))
    return _add_power(x, ((spectrum + drift[:, None] + grain) * SCALE).astype(np.float32))


def room(x: Floats, random: np.random.Generator) -> Floats:
    """Reverberation as an exponential decay of band power."""
    decay_s = random.uniform(0.15, 0.8)
    keep = np.exp(-13.8 * 0.01 / decay_s)
    share = random.uniform(0.05, 0.35)
    power = np.exp(x / SCALE)
    tail = np.zeros(MELS, np.float64)
    out = np.empty_like(power)
    for t in range(len(power)):
        tail = tail * keep + power[t] * (1 - keep)
        out[t] = tail
    return np.asarray(np.log((1 - share) * power + share * out + FLOOR * 1e-3) * SCALE, np.float32)


def holes(x: Floats, random: np.random.Generator) -> Floats:
    """Packets lost on the way: 20 to 60 ms of concealment (silence)."""
    x = x.copy()
    for _ in range(random.poisson(len(x) / 2 * random.uniform(0.005, 0.05) / 1.5) + 1):
        start = int(random.integers(0, len(x)))
        x[start : start + 2 * int(random.integers(1, 4))] = SILENCE
    return x


def mask(x: Floats, random: np.random.Generator) -> Floats:
    """SpecAugment (Park et al. 2019), scaled to the clip's length."""
    x = x.copy()
    fill = np.float32(x.mean())
    for _ in range(2):
        width = int(random.integers(0, 16))
        start = int(random.integers(0, MELS - width))
        x[:, start : start + width] = fill
    for _ in range(random.poisson(len(x) / 120)):
        width = int(random.integers(2, 24))
        start = int(random.integers(0, max(1, len(x) - width)))
        x[start : start + width] = fill
    return x


def nothing(frames: int, random: np.random.Generator) -> Floats:
    """Sound in which nobody recites, float32[frames, 80]: a quiet room, noise, or notes with harmonics."""
    x = np.full((frames, MELS), SILENCE, np.float32) + np.asarray(random.gamma(2, 0.05, (frames, MELS)), np.float32)
    kind = random.random()
    if kind < 0.3:
        return x
    loud = np.float32(random.uniform(-0.5, 2.5))
    if kind < 0.6:
        hiss = noise(np.full((frames, MELS), loud, np.float32), random) - np.float32(1.0)
        return np.asarray(np.maximum(x, hiss), np.float32)
    begin = 0
    while begin < frames:
        length = int(random.integers(8, 80))
        pitch_hz, fade = 2 ** random.uniform(6.5, 9.5), random.uniform(0.0, 0.05)
        for harmonic in range(1, int(random.integers(2, 12))):
            band = int(np.searchsorted(_CENTRES_HZ, pitch_hz * harmonic))
            if band < MELS:
                decay = np.arange(min(length, frames - begin)) * fade
                x[begin : begin + length, band] = np.maximum(
                    x[begin : begin + length, band], loud - 0.15 * harmonic - decay
                )
        begin += length
    return x


def disguise(x: Floats, random: np.random.Generator, strength: Strength) -> Floats:
    """The same said at the same time by another voice, in another room, into another microphone."""

    def chance(share: float) -> bool:
        return bool(random.random() < share)

    if chance(strength.warp_share):
        x = warp(x, 2 ** (random.uniform(*strength.semitones) / 12))
    if chance(strength.dry_share):
        x = dry(x, random)
    if chance(strength.room_share):
        x = room(x, random)
    x = colour(x, random)
    if chance(strength.noise_share):
        x = noise(x, random)
    if chance(strength.band_share):
        x = band_limit(x, random.uniform(0, 300), random.uniform(3000, 7800), random.uniform(0.5, 2.5))
    if chance(strength.hole_share):
        x = holes(x, random)
    x = x + np.float32(random.uniform(-1, 1) * strength.gain_db * np.log(10) / 10 * SCALE)
    if chance(strength.mask_share):
        x = mask(x, random)
    return np.maximum(x, SILENCE)
