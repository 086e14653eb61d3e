"""Pitch-synchronous overlap-add: a monotone recording re-timed and re-pitched, phone by phone.

TD-PSOLA (Moulines and Charpentier, 1990): two-period grains are cut at the pitch marks of the source and laid down
one output period apart, each taken from the source place that a time map gives.  The caller's map decides where
every phone begins and ends, so boundaries are exact by construction, and because grains overlap there is no join
to click.  Voiceless grains are not snapped to marks; where noise is stretched they are drawn at random from the
steady part, which keeps it from buzzing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from recitation.audio import SAMPLE_HZ, Pcm

Ints = npt.NDArray[np.int64]
Doubles = npt.NDArray[np.float64]

LOOP_FROM = 1.3
"""A steady part is repeated back and forth, at its own speed, when it must last longer than this many times itself."""
SMALLEST_WINDOW = 0.25
"""The sum of grain windows is not divided by less: it would raise noise in a gap between short grains."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A phone: where it lies in the source and how long it shall be."""

    source_start: int
    source_end: int
    samples: int
    """Wanted length."""
    head: int
    """Source samples that keep their speed at the start; ``tail`` likewise at the end."""
    tail: int
    voiced: bool
    even: bool = False
    """Level the steady part when it is repeated, so that a long vowel does not throb with the repetition."""


def period_of(source: Pcm, low_hz: float = 55, high_hz: float = 420) -> float:
    """Pitch period of a steady monotone vowel, in samples: the first strong peak of its autocorrelation."""
    signal = source - source.mean()
    size = 1 << (2 * len(signal)).bit_length()
    lags = np.arange(int(SAMPLE_HZ / low_hz) + 2)
    correlation = np.fft.irfft(np.abs(np.fft.rfft(signal, size)) ** 2)[: len(lags)] / (len(signal) - lags)
    first = int(SAMPLE_HZ / high_hz)
    inner = correlation[first:-1]
    peaks = (inner >= correlation[first - 1 : -2]) & (inner >= correlation[first + 1 :])
    peaks &= inner >= 0.8 * inner.max()
    lag = first + int(np.flatnonzero(peaks)[0])
    before, here, after = correlation[lag - 1 : lag + 2]
    return float(lag + 0.5 * (before - after) / (before - 2 * here + after))


def pitch_marks(source: Pcm, period: float) -> Ints:
    """One mark a period over the whole source, each at the strongest sample near where the last one predicts it."""
    smooth = np.convolve(source, np.hanning(max(3, int(period / 8)) | 1), "same")
    # The polarity with the sharper peaks marks the glottal closures better.
    if abs(float(smooth.min())) > float(smooth.max()):
        smooth = -smooth
    reach, step = max(2, round(period * 0.2)), round(period)
    favour = 1 - 0.15 * np.abs(np.arange(-reach, reach + 1)) / reach
    marks, mark = [], round(period)
    while mark + reach + 1 < len(smooth):
        near = smooth[mark - reach : mark + reach + 1]
        if near.max() > 1e-3:
            mark += int((near * favour).argmax()) - reach
        marks.append(mark)
        mark += step
    return np.array(marks or [0], np.int64)


def time_map(segments: Sequence[Segment]) -> tuple[Doubles, Doubles, Ints]:
    """Knots (output sample, source sample) of the map, and the output boundary before each segment and at the end."""
    output: list[float] = []
    source: list[float] = []
    boundary = 0
    boundaries = [0]
    for segment in segments:
        for at, place in _knots(segment):
            output.append(boundary + at)
            source.append(segment.source_start + place)
        boundary += segment.samples
        boundaries.append(boundary)
    return np.array(output), np.array(source), np.array(boundaries, np.int64)


def _knots(segment: Segment) -> list[tuple[float, float]]:
    """(output, source) pairs within one segment, both from its start."""
    length, wanted = segment.source_end - segment.source_start, segment.samples
    head, tail = segment.head, segment.tail
    steady, room = length - head - tail, wanted - head - tail
    # The last knot lies just before the boundary: the next segment's first may be elsewhere in the source.
    end = wanted - 1e-3
    if room <= 0 or steady <= 0:
        return [(0, 0), (end, length)]
    knots: list[tuple[float, float]] = [(0, 0), (head, head)]
    if room > LOOP_FROM * steady:
        legs = round(room / steady) // 2 * 2 + 1
        for leg in range(1, legs):
            knots.append((head + room * leg / legs, head + (steady if leg % 2 else 0)))
    return [*knots, (end - tail, length - tail), (end, length)]


def resynthesise(
    source: Pcm,
    segments: Sequence[Segment],
    period: float,
    pitch_hz: npt.NDArray[np.float32],
    random: np.random.Generator,
) -> tuple[Pcm, Ints]:
    """The source with every segment at its wanted length and the pitch following ``pitch_hz`` (one value a sample).

    Returns float32[sum of lengths] and int64[len(segments) + 1], the boundaries.
    """
    knots_out, knots_in, boundaries = time_map(segments)
    total = int(boundaries[-1])
    phase = np.cumsum(pitch_hz[:total].astype(np.float64) / SAMPLE_HZ)
    places = np.searchsorted(phase, np.arange(1, int(phase[-1]) + 1)).astype(np.int64)
    wanted = np.interp(places, knots_out, knots_in)

    which = np.clip(np.searchsorted(boundaries, places, side="right") - 1, 0, len(segments) - 1)
    voiced = np.array([segment.voiced for segment in segments])[which]
    marks = pitch_marks(source, period)
    right = np.clip(np.searchsorted(marks, wanted), 1, len(marks) - 1) if len(marks) > 1 else np.zeros(len(wanted), int)
    left = np.maximum(right - 1, 0)
    nearest = np.where(wanted - marks[left] < marks[right] - wanted, marks[left], marks[right])
    centres = np.where(voiced, nearest, _scatter(places, wanted, which, segments, boundaries, random))
    even = np.array([segment.even for segment in segments])[which]
    return _overlap_add(
        source, centres.astype(np.int64), places, round(period), np.where(even, which, -1), total
    ), boundaries


def _scatter(
    places: Ints,
    wanted: Doubles,
    which: Ints,
    segments: Sequence[Segment],
    boundaries: Ints,
    random: np.random.Generator,
) -> Doubles:
    """Source places of voiceless grains: as mapped, but anywhere in the steady part where that is stretched."""
    low = np.array([s.source_start + s.head for s in segments])[which]
    high = np.array([s.source_end - s.tail for s in segments])[which]
    begin = (boundaries[:-1] + [s.head for s in segments])[which]
    end = (boundaries[1:] - [s.tail for s in segments])[which]
    stretched = (end - begin > LOOP_FROM * (high - low)) & (high > low) & (places >= begin) & (places < end)
    return np.where(stretched, low + random.random(len(places)) * (high - low), wanted)


def _overlap_add(source: Pcm, centres: Ints, places: Ints, period: int, even: Ints, total: int) -> Pcm:
    """Lay Hann grains of two periods from ``centres`` of the source at ``places`` of the output.

    Grains of one segment number in ``even`` are brought near their common level; -1 leaves a grain as it is.
    """
    window = np.hanning(2 * period + 1)
    reach = np.arange(-period, period + 1)
    padded = np.concatenate([np.zeros(period, np.float32), source, np.zeros(period + 1, np.float32)])
    centres = np.clip(centres, 0, len(source))
    grains = padded[(centres + period)[:, None] + reach] * window
    _level(grains, even)
    slots = (places[:, None] + (reach + period)).ravel()
    size = total + 2 * period + 1
    sound = np.bincount(slots, grains.ravel(), size)[:size]
    weight = np.bincount(slots, np.broadcast_to(window, grains.shape).ravel(), size)[:size]
    return (sound / np.maximum(weight, SMALLEST_WINDOW))[period : period + total].astype(np.float32)


def _level(grains: Doubles, even: Ints) -> None:
    """Bring the grains of every segment numbered in ``even`` near the segment's median level, in place."""
    rms = np.sqrt(np.mean(np.square(grains), axis=1)) + 1e-6
    for segment in np.unique(even[even >= 0]):
        own = even == segment
        # Quiet grains are transitions; only the body of the phone is levelled.
        gains = np.clip(np.median(rms[own]) / rms[own], 0.6, 1.5)
        ends = np.minimum(np.arange(len(gains)), np.arange(len(gains))[::-1])
        grains[own] *= (gains ** np.clip(ends / 4, 0, 1))[:, None]
