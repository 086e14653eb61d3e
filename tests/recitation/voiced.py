"""Made vowels: a pulse train through known resonances."""

import numpy as np

from recitation.audio import SAMPLE_HZ, Pcm

BANDWIDTHS_HZ = (70.0, 90.0, 130.0, 180.0, 250.0)


def vowel(pitch_hz: float, resonances_hz: tuple[float, ...], seconds: float = 0.2, seed: int = 0) -> Pcm:
    """float32[n] at 16 kHz: pulses with a little vibrato, -6 dB an octave, then one two-pole filter a resonance."""
    samples = round(seconds * SAMPLE_HZ)
    vibrato = 1 + 0.01 * np.sin(2 * np.pi * 5 * np.arange(samples) / SAMPLE_HZ)
    pulses = np.diff(np.floor(np.cumsum(pitch_hz / SAMPLE_HZ * vibrato)), prepend=0.0)
    # The cascade is applied in the frequency domain, where it is one product; padding lets it ring out.
    size = 2 * samples
    z = np.exp(-2j * np.pi * np.arange(size // 2 + 1) / size)
    response = 1 / (1 - 0.97 * z)
    for hz, width in zip(resonances_hz, BANDWIDTHS_HZ, strict=True):
        radius = np.exp(-np.pi * width / SAMPLE_HZ)
        response /= 1 - 2 * radius * np.cos(2 * np.pi * hz / SAMPLE_HZ) * z + radius**2 * z**2
    sound = np.fft.irfft(np.fft.rfft(pulses, size) * response, size)[:samples]
    hiss = np.random.default_rng(seed).standard_normal(samples)
    return (0.3 * sound / np.abs(sound).max() + 1e-4 * hiss).astype(np.float32)
