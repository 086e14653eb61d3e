"""Surgery on sound: lengths, formants and pieces changed where a rule is heard, and nothing anywhere else.

Everything is an ``Edit``: a stretch of the recording and what stands in its place.  With nothing to change each gives
the recording back.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from recitation.audio import SAMPLE_HZ, Pcm
from recitation.prosody.formants import MAN, Tract, formants_at

Doubles = NDArray[np.float64]

GRAIN_HOP = 240
"""Grains of 30 ms every 15 ms: two periods of a deep voice."""
REACH = 160
"""A grain is looked for within 10 ms of its place: half a period of 50 Hz to either side."""
FADE = 80
"""Cross-fade where pieces meet: 5 ms."""
FORMANT_HOP = 160
"""Formants are found and moved every 10 ms, in windows of 20 ms."""
CONTEXT = 1600
"""Sound to either side that the search for formants is given."""
NARROWEST_HZ, BROADEST_HZ = 60.0, 250.0
"""Bandwidths of a second formant that are believed."""
ROOM_SAMPLES = 1024
"""The room is heard in the quietest 64 ms of a recording."""


@dataclass(frozen=True, slots=True)
class Edit:
    """A stretch of a recording and what is to stand in its place."""

    start: int
    end: int
    piece: Pcm


def apply(pcm: Pcm, edits: Sequence[Edit]) -> Pcm:
    """The recording with every edit made.  Raises ValueError when two overlap or one is out of order."""
    parts: list[Pcm] = []
    last = 0
    for edit in edits:
        if not last <= edit.start <= edit.end <= len(pcm):
            raise ValueError(f"an edit of samples {edit.start} to {edit.end} does not fit after sample {last}")
        parts += [pcm[last : edit.start], edit.piece]
        last = edit.end
    return np.concatenate([*parts, pcm[last:]])


def moved(sample: int, edits: Sequence[Edit]) -> int:
    """Where a sample of the recording lies once every edit is made; within an edit, in proportion."""
    shift = 0
    for edit in edits:
        if sample < edit.end:
            inside = max(0, sample - edit.start)
            share = inside / max(1, edit.end - edit.start)
            return sample + shift + round(share * len(edit.piece)) - inside
        shift += len(edit.piece) - (edit.end - edit.start)
    return sample + shift


def retimed(pcm: Pcm, start: int, end: int, factor: float) -> Edit:
    """``pcm[start:end]`` of float32[n] to last ``factor`` times as long at the same pitch.

    WSOLA (Verhelst and Roelands, 1993): each grain is the one near its place that best goes on from the grain before,
    and the last goes on into the sound after it, whose place therefore gives or takes up to 10 ms.
    """
    wanted = round((end - start) * factor)
    grains = wanted // GRAIN_HOP
    if grains < 1:
        raise ValueError(f"{wanted} samples are too short to be made of grains of {GRAIN_HOP}")
    margin = 2 * GRAIN_HOP + REACH
    padded = np.pad(pcm[max(0, start - margin) : end + margin].astype(np.float64), (margin, margin))
    origin = max(0, start - margin) - margin
    last = end - (wanted - grains * GRAIN_HOP)
    centres = [start]
    for centre in np.linspace(start, last, grains + 1)[1:]:
        goes_on = centres[-1] + GRAIN_HOP - origin
        centres.append(_best(padded, goes_on, round(centre) - origin) + origin)
    fall = np.square(np.cos(np.pi / 2 * np.arange(GRAIN_HOP) / GRAIN_HOP))
    pieces = []
    for before, after in pairwise(centre - origin for centre in centres):
        pieces.append(padded[before : before + GRAIN_HOP] * fall + padded[after - GRAIN_HOP : after] * (1 - fall))
    return Edit(start, centres[-1], np.concatenate(pieces).astype(np.float32))


def _best(sound: Doubles, goes_on: int, centre: int) -> int:
    """Centre of the grain near ``centre`` that is most like the one about ``goes_on``."""
    template = sound[goes_on - GRAIN_HOP : goes_on + GRAIN_HOP]
    near = sound[centre - REACH - GRAIN_HOP : centre + REACH + GRAIN_HOP]
    grains = np.lib.stride_tricks.sliding_window_view(near, 2 * GRAIN_HOP)
    likeness = grains @ template / (np.sqrt(np.square(grains).sum(axis=1) * np.square(template).sum()) + 1e-9)
    away = np.abs(np.arange(-REACH, len(grains) - REACH))
    # A steady vowel is as like itself a period later: the nearest of equals is meant.
    return centre - REACH + int((likeness - 1e-6 * away).argmax())


def second_formant_moved(pcm: Pcm, start: int, end: int, factor: float, tract: Tract = MAN) -> Edit:
    """A vowel in ``pcm[start:end]`` with its second formant ``factor`` times as high.

    Linear prediction with one pair of poles replaced: in each window the resonance found by Burg's method is cancelled
    by zeros and put up again at the new place, unchanged at 0 Hz (Fant 1960: what lies above a formant that rises rises
    with it).  Source, other formants and pitch stay.  The change grows over the first 20 ms and fades over the last.
    """
    centres = np.arange(start, end + FORMANT_HOP, FORMANT_HOP)
    about = max(0, start - CONTEXT)
    heard, widths = formants_at(pcm[about : end + CONTEXT], (centres - about).tolist(), tract)
    hz, width = _track(heard[:, 1]), np.clip(_track(widths[:, 1]), NARROWEST_HZ, BROADEST_HZ)
    share = np.clip(np.minimum(np.arange(len(centres)), np.arange(len(centres))[::-1]) / 2, 0, 1)
    new = np.maximum(hz * factor**share, np.nan_to_num(heard[:, 0]) + 2 * NARROWEST_HZ if factor < 1 else 0)
    new = np.where(share > 0, new, hz)
    window = np.square(np.sin(np.pi / (2 * FORMANT_HOP) * np.arange(2 * FORMANT_HOP)))
    total = np.zeros((len(centres) + 1) * FORMANT_HOP)
    padded = np.pad(pcm, (FORMANT_HOP, 3 * FORMANT_HOP))
    for n, centre in enumerate(centres):
        grain = padded[centre : centre + 2 * FORMANT_HOP] * window
        spectrum = np.fft.rfft(grain, 4 * len(grain))
        w = np.exp(-1j * np.linspace(0, np.pi, len(spectrum)))
        response = _resonance(new[n], width[n], w) / _resonance(hz[n], width[n], w)
        total[n * FORMANT_HOP : (n + 2) * FORMANT_HOP] += np.fft.irfft(spectrum * response)[: 2 * FORMANT_HOP]
    return replaced(pcm, start, end, total[FORMANT_HOP : FORMANT_HOP + end - start])


def _track(values: Doubles) -> Doubles:
    """A formant over the windows of a vowel, float64[F]: medians of three, gaps closed from either side.

    Raises ValueError when no window has it.
    """
    known = np.flatnonzero(np.isfinite(values))
    if not len(known):
        raise ValueError("the vowel has no second formant")
    whole = np.interp(np.arange(len(values)), known, values[known])
    padded = np.pad(whole, 1, "edge")
    return np.asarray(np.median(np.stack([padded[:-2], whole, padded[2:]]), axis=0))


def _resonance(hz: float, width_hz: float, w: NDArray[np.complex128]) -> NDArray[np.complex128]:
    """Response of a pair of poles that is 1 at 0 Hz; ``w`` is e^-jω."""
    radius, angle = np.exp(-np.pi * width_hz / SAMPLE_HZ), 2 * np.pi * hz / SAMPLE_HZ
    a, b = -2 * radius * np.cos(angle), radius**2
    response: NDArray[np.complex128] = (1 + a + b) / (1 + a * w + b * w * w)
    return response


def replaced(pcm: Pcm, start: int, end: int, piece: NDArray[np.floating]) -> Edit:
    """``piece`` in place of ``pcm[start:end]``, each border cross-faded over 5 ms."""
    faded = piece.astype(np.float32)
    fade = min(FADE, len(piece) // 2, (end - start) // 2)
    if fade:
        rise = np.linspace(0, 1, fade, dtype=np.float32)
        faded[:fade] = pcm[start : start + fade] * (1 - rise) + faded[:fade] * rise
        faded[-fade:] = faded[-fade:] * (1 - rise) + pcm[end - fade : end] * rise
    return Edit(start, end, faded)


def removed(pcm: Pcm, start: int, end: int) -> Edit:
    """``pcm[start:end]`` cut out; what was before it fades into what comes after over 5 ms."""
    fade = min(FADE, end - start, len(pcm) - end)
    rise = np.linspace(0, 1, fade, dtype=np.float32)
    return Edit(start, end + fade, pcm[start : start + fade] * (1 - rise) + pcm[end : end + fade] * rise)


def paused(pcm: Pcm, at: int, room: Pcm) -> Edit:
    """A pause put in at a sample: the voice fades out and in again over 5 ms, the room goes on."""
    before, after = pcm[max(0, at - FADE) : at], pcm[at : at + FADE]
    rise = np.linspace(0, 1, FADE, dtype=np.float32)
    out, into = before * rise[::-1][-len(before) :], after * rise[: len(after)]
    return Edit(at - len(before), at + len(after), np.concatenate([out, room, into]))


def room_of(pcm: Pcm, samples: int, random: np.random.Generator) -> Pcm:
    """So many samples of the recording's own room: noise with the spectrum of its quietest 64 ms, float32[samples]."""
    blocks = pcm[: len(pcm) - len(pcm) % ROOM_SAMPLES].reshape(-1, ROOM_SAMPLES)
    power = np.square(blocks).mean(axis=1)
    # Digital silence, as between ayat put together, is no room.
    power[power == 0] = np.inf
    quiet = blocks[int(power.argmin())] * np.hanning(ROOM_SAMPLES) * np.sqrt(8 / 3)
    spectrum = np.abs(np.fft.rfft(quiet)) / np.sqrt(ROOM_SAMPLES)
    white = np.fft.rfft(random.standard_normal(samples))
    shape = np.interp(np.linspace(0, 1, len(white)), np.linspace(0, 1, len(spectrum)), spectrum)
    return np.fft.irfft(white * shape, samples).astype(np.float32)
