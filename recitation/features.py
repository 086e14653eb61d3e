"""Log-mel features: 80 bands, 25 ms windows every 10 ms, causal, the same for training and for live audio.

Frame ``i`` covers samples ``160 i - 240`` to ``160 i + 160`` (zeros before the session), so a frame is complete
as soon as its last sample arrives and no chunking of the input can change it.
"""

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 16_000
FRAME_SAMPLES = 160
WINDOW_SAMPLES = 400
FFT_SIZE = 512
MELS = 80
FRAMES_PER_HOP = 8
"""Feature frames in one encoder hop (80 ms)."""

FLOOR = 1e-8
"""Power floor of a mel band; about -80 dB under a full-scale sine, below any microphone's noise."""

MEAN, SCALE = -6.0, 0.25
"""Fixed affine map to about zero mean and unit variance for speech levelled to -23 dBFS."""

Floats = NDArray[np.float32]


def mel_filters() -> Floats:
    """Triangular HTK-scale filters from 20 Hz to 8 kHz, float32[257, 80], each summing to one."""
    low, high = (2595 * np.log10(1 + hz / 700) for hz in (20.0, SAMPLE_RATE / 2))
    edges = 700 * (10 ** (np.linspace(low, high, MELS + 2) / 2595) - 1)
    bins = np.fft.rfftfreq(FFT_SIZE, 1 / SAMPLE_RATE)[:, None]
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    weights = np.maximum(0.0, np.minimum(rising, falling))
    # The lowest filters are narrower than an FFT bin: give an empty one the bin nearest its centre.
    empty = weights.sum(axis=0) == 0
    weights[np.abs(bins - edges[1:-1]).argmin(axis=0)[empty], np.flatnonzero(empty)] = 1.0
    return np.asarray(weights / weights.sum(axis=0), np.float32)


_FILTERS = mel_filters()
_WINDOW = np.hanning(WINDOW_SAMPLES + 1)[:-1].astype(np.float32)


def windows_of(samples: Floats) -> Floats:
    """Every whole window of contiguous samples, 10 ms apart: float32[n] -> float32[m, 400], a view.

    ``sliding_window_view`` is the same and takes 30 µs, a third of what the features of a hop take.
    """
    count = max(0, (len(samples) - WINDOW_SAMPLES) // FRAME_SAMPLES + 1)
    return np.ndarray(
        (count, WINDOW_SAMPLES), samples.dtype, samples, strides=(FRAME_SAMPLES * samples.itemsize, samples.itemsize)
    )


def log_mel(windows: Floats) -> Floats:
    """Scaled log-mel of sample windows, float32[n, 400] in [-1, 1] -> float32[n, 80]."""
    spectrum = np.fft.rfft(windows * _WINDOW, FFT_SIZE, axis=1)
    power = np.square(spectrum.real) + np.square(spectrum.imag)
    bands = power.astype(np.float32) @ _FILTERS
    return np.asarray((np.log(np.maximum(bands, FLOOR)) - MEAN) * np.float32(SCALE), np.float32)


class StreamingLogMel:
    """Log-mel of a stream pushed in chunks of any size."""

    def __init__(self) -> None:
        self._pending: Floats = np.zeros(WINDOW_SAMPLES - FRAME_SAMPLES, np.float32)

    def push(self, pcm: Floats) -> Floats:
        """Frames completed by ``pcm`` (float32[n], 16 kHz): float32[m, 80], m possibly 0."""
        samples = np.concatenate([self._pending, pcm])
        count = max(0, (len(samples) - (WINDOW_SAMPLES - FRAME_SAMPLES)) // FRAME_SAMPLES)
        if count == 0:
            self._pending = samples
            return np.empty((0, MELS), np.float32)
        self._pending = samples[count * FRAME_SAMPLES :].copy()
        return log_mel(windows_of(samples))


def features_of(pcm: Floats) -> Floats:
    """Log-mel of a whole recording, float32[n] -> float32[n // 160, 80]."""
    return StreamingLogMel().push(pcm)
