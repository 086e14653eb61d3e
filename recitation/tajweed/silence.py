"""How long it is hushed somewhere in a recitation, by the level of the vowels around."""

import numpy as np

from recitation.audio import SAMPLE_HZ
from recitation.prosody.energy import levels
from recitation.prosody.release import LAG_SAMPLES
from recitation.tajweed.lengths import Audio

STOP_DB = 20.0
"""The voice is silent in a stop where the level lies so far below the vowels around it.  The voice network alone does
not do: it takes a vowel or nasal that is sung long for no voice."""
BEFORE_SAMPLES, AFTER_SAMPLES = SAMPLE_HZ, LAG_SAMPLES
"""Sound before and after a pause in which the vowels around it are looked for."""
LISTENED_BACK_SAMPLES = 4 * SAMPLE_HZ
"""So much of a pause, its end, is listened to: no more may be kept of it, nor is more needed."""
_FRAME_SAMPLES = SAMPLE_HZ // 100


def hush_s(audio: Audio, start: int, end: int, below_db: float = STOP_DB) -> float:
    """Seconds of the longest stretch from ``start`` to ``end`` that is ``below_db`` below the vowels around it."""
    start, end = listened(start, end)
    before, after = audio(start - BEFORE_SAMPLES, start), audio(end, end + AFTER_SAMPLES)
    loud = max(np.quantile(levels(sound, _FRAME_SAMPLES), 0.9) for sound in (before, after))
    hushed = levels(audio(start, end), _FRAME_SAMPLES) < loud - below_db
    edges = np.flatnonzero(np.diff(np.concatenate([[False], hushed, [False]])))
    return int((edges[1::2] - edges[::2]).max(initial=0)) / 100


def listened(start: int, end: int) -> tuple[int, int]:
    """The part of a pause that is listened to; of none, its end."""
    return max(min(start, end), end - LISTENED_BACK_SAMPLES), end
