"""What Hugging Face's speech models look at, computed as the sound comes in.

Both families have a frame each 20 ms and look a little beyond it: wav2vec2 at 400 samples of the waveform, w2v-bert at
two 25 ms windows 10 ms apart, 560 samples.  Frame ``t`` here is what ends with sample ``320 (t + 1)``, like every frame
of ours (`recitation.features`), so it is complete with its last sample; the excess, `lead`, lies before it.  The middle
of what a model looks at is then 2.5 ms (wav2vec2) or 7.5 ms (w2v-bert) before the middle of our frame.

Transformers normalises a whole recording at once, to zero mean and unit variance.  `RunningNorm` does it with what has
been heard so far.
"""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from recitation.acoustics.repeats import Floats
from recitation.audio import SAMPLE_HZ, LevelNormaliser
from recitation.tracker import FRAME_SAMPLES

MEL_FRAME, MEL_WINDOW, MEL_FFT = 160, 400, 512
MELS_IN_FRAME = 2
KALDI_SCALE, KALDI_PREEMPHASIS, KALDI_FLOOR = 2.0**15, 0.97, 1.192092955078125e-07
"""As in transformers' SeamlessM4TFeatureExtractor, which follows Kaldi's compute-fbank-feats."""

FRAMES_PER_S = SAMPLE_HZ // FRAME_SAMPLES
EPSILON = 1e-7
"""Added to the variance, as transformers does."""
PRIOR_S = 1.0
"""What is believed before anything is heard weighs as much as a second of sound."""
MEMORY_S = 30.0
"""Older sound fades with this time constant: about the longest recording such models are trained on."""
PAUSE_FRAMES = 25
"""Models are trained on recordings with pauses, not minutes of waiting: after 0.5 s, silence no longer counts."""
SILENCE_DB = -48.0
"""Levelled sound below this, 25 dB under speech, is silence."""
SPEECH_MEL_MEAN, SPEECH_MEL_STD = 14.5, 4.5
"""Mean and deviation of w2v-bert's log-mels over levelled speech; made voices: 14.8 and 3.8."""


class FrontEnd(Protocol):
    """Turns samples into rows, one for each frame of 20 ms, and rows into what the model takes."""

    lead: int
    """Samples before its frame that a row rests on."""
    bins: int
    """Values that are normalised each for itself."""
    width: int
    """Numbers in a row, a multiple of ``bins``."""
    prior: tuple[float, float] | None
    """Mean and variance of ``bins`` over speech; None for a model that wants its input as it is."""

    def rows(self, samples: Floats) -> Floats:
        """float32[B, lead + 320 n], in [-1, 1] -> float32[B, n, width]."""
        ...

    def inputs(self, rows: Floats) -> Floats:
        """Normalised rows, the first of which only leads in, float32[B, 1 + n, width] -> the model's input."""
        ...

    def mask(self, frames: NDArray[np.intp], longest: int) -> NDArray[np.bool_]:
        """Which places of the input belong to the first frames[b] of ``longest`` frames: bool[B, places]."""
        ...


class WaveFrontEnd:
    """The waveform itself, for models with a convolutional encoder of stride 320."""

    bins, width = 1, FRAME_SAMPLES

    def __init__(self, receptive_field: int, normalise: bool) -> None:
        self.lead = receptive_field - FRAME_SAMPLES
        self.prior: tuple[float, float] | None = (0.0, 10 ** (LevelNormaliser.TARGET_DB / 10)) if normalise else None

    def rows(self, samples: Floats) -> Floats:
        return samples[:, self.lead :].reshape(len(samples), -1, FRAME_SAMPLES)

    def inputs(self, rows: Floats) -> Floats:
        return rows.reshape(len(rows), -1)[:, FRAME_SAMPLES - self.lead :]

    def mask(self, frames: NDArray[np.intp], longest: int) -> NDArray[np.bool_]:
        ends = self.lead + FRAME_SAMPLES * frames[:, None]
        return np.asarray(np.arange(self.lead + FRAME_SAMPLES * longest) < ends)


class MelFrontEnd:
    """Two log-mel frames of 10 ms side by side, as SeamlessM4TFeatureExtractor makes them, for all sessions at once."""

    lead = MEL_WINDOW + MEL_FRAME - FRAME_SAMPLES

    def __init__(self, filters: Floats, window: Floats) -> None:
        """``filters``, float[257, mels], and ``window``, float[400], are the extractor's own."""
        self._filters, self._window = np.asarray(filters, np.float32), np.asarray(window, np.float32)
        self.bins = self._filters.shape[1]
        self.width = MELS_IN_FRAME * self.bins
        self.prior: tuple[float, float] | None = (SPEECH_MEL_MEAN, SPEECH_MEL_STD**2)

    def rows(self, samples: Floats) -> Floats:
        windows = np.lib.stride_tricks.sliding_window_view(samples * np.float32(KALDI_SCALE), MEL_WINDOW, axis=1)
        windows = windows[:, ::MEL_FRAME]
        centred = windows - windows.mean(axis=-1, keepdims=True)
        sharpened = centred.copy()
        sharpened[..., 1:] -= np.float32(KALDI_PREEMPHASIS) * centred[..., :-1]
        sharpened[..., 0] *= np.float32(1 - KALDI_PREEMPHASIS)
        spectrum = np.fft.rfft(sharpened * self._window, MEL_FFT)
        power = (np.square(spectrum.real) + np.square(spectrum.imag)).astype(np.float32)
        mels: Floats = np.log(np.maximum(power @ self._filters, np.float32(KALDI_FLOOR)))
        return mels.reshape(len(samples), -1, self.width)

    def inputs(self, rows: Floats) -> Floats:
        return rows[:, 1:]

    def mask(self, frames: NDArray[np.intp], longest: int) -> NDArray[np.bool_]:
        return np.asarray(np.arange(longest) < frames[:, None])


class Level(NamedTuple):
    """What normalises each session's sound."""

    mean: Floats
    """float32[B, bins]."""
    variance: Floats
    """float32[B, bins]."""
    weight: Floats
    """float32[B]: frames that they rest on, the prior's included."""


@dataclass(frozen=True, slots=True)
class RunningNorm:
    """Zero mean and unit variance by what has been heard so far: causal, and the same for a whole window of context."""

    front: FrontEnd

    def initial(self, sessions: int) -> Level:
        """What is believed before anything is heard."""
        mean, variance = self.front.prior or (0.0, 1.0)
        shape = (sessions, self.front.bins)
        weight = np.full(sessions, PRIOR_S * FRAMES_PER_S, np.float32)
        return Level(np.full(shape, mean, np.float32), np.full(shape, variance, np.float32), weight)

    def heard(self, level: Level, rows: Floats, counts: Floats) -> Level:
        """Take in float32[B, n, width]; where ``counts``, float32[B], is 0 nothing changes."""
        if self.front.prior is None or not rows.shape[1]:
            return level
        frames = rows.shape[1] * counts
        values = rows.reshape(len(rows), -1, self.front.bins)
        total = level.weight + frames
        share = (frames / total)[:, None]
        apart = values.mean(axis=1) - level.mean
        variance = level.variance + share * (values.var(axis=1) - level.variance + (1 - share) * np.square(apart))
        weight = np.minimum(total, np.float32(MEMORY_S * FRAMES_PER_S))
        return Level(level.mean + share * apart, variance, weight)

    def __call__(self, level: Level, rows: Floats) -> Floats:
        """Rows as the model wants them, float32[B, n, width]."""
        if self.front.prior is None:
            return rows
        copies = self.front.width // self.front.bins
        mean = np.tile(level.mean, copies)[:, None]
        scale = np.tile(1 / np.sqrt(level.variance + EPSILON), copies)[:, None]
        return np.asarray((rows - mean) * scale, np.float32)


def is_sounding(samples: Floats) -> Floats:
    """1 for sessions whose float32[B, n] is louder than silence, else 0."""
    return np.asarray(10 * np.log10(np.square(samples).mean(axis=1) + 1e-12) > SILENCE_DB, np.float32)
