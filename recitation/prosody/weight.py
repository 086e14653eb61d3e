"""How heavy (tafkhim) or light (tarqiq) a letter is said, by the second formant of the /a/ after it.

A heavy letter pulls F2 of the vowel down, by a quarter to a third of its frequency in ten reciters (see also Al-Tamimi
2017 on pharyngealised consonants).  The voice's own light /a/ is the reference, so the size of the vocal tract cancels:
in the logarithm, as vocal tracts differ by a factor.  ``Lobanov`` gives z-scores where vowels are to be compared by
their spread.  F1 and F3 gained nothing for an unseen reciter: the order of formants is lost where a band ends early.
"""

from collections import deque

import numpy as np

from recitation.audio import SAMPLE_HZ, Pcm
from recitation.prosody.formants import Formants, Tract, vowel_formants
from recitation.prosody.release import LAG_SAMPLES

REMEMBERED = 60
LEAST_KNOWN = 8
"""Vowels of a voice needed before anything is said of its next one."""
NARROWEST = 0.03
"""Spread below which a voice's vowels are not believed to lie, natural logarithm of the frequency."""
ONSET_SAMPLES = round(0.16 * SAMPLE_HZ)
"""Only so much of the vowel is looked at: the pull of the letter before it fades."""
IMPLAUSIBLE = (-0.8, 0.28)
"""No /a/ has its F2 so far from a light one: F1 and F2 were taken for one, and F3 for F2."""
MIDDLE, NATS_PER_LOG = -0.165, 17.0
"""Midway between light (0.00, deviation 0.10) and heavy (-0.33, 0.17), and how fast the odds change about it."""
TOO_LIGHT = {"ر": -0.10, "ل": -0.10}
"""Offset of F2 above which ra and the lam of Allah are no longer heavy: of the right ones 4.0 % of nine training voices
and 2.2 % of an unseen reciter lie above it, and 97 % of light lams of either.  AUC 0.98 and 0.99."""
TOO_LIGHT_ISTILA = -0.04
"""The same for خ ص ض غ ط ق ظ against ح س د ع ت ك ذ: 3.1 and 1.4 %, and 70 and 64 % of the light ones.  AUC 0.96 and
0.98.  So little is found that it can only advise, or add to what the ear says."""
TOO_HEAVY = -0.22
"""Offset below which a light letter is not light: 3.1 and 2.1 % of the right ones, 80 and 84 % of heavy ones."""


class Lobanov:
    """Running z-scores of log formants per vowel and voice (Lobanov 1971), by median and scaled MAD, which a few wrong
    formants do not move."""

    def __init__(self) -> None:
        self._heard: dict[str, deque[tuple[float, float, float]]] = {}

    def note(self, vowel: str, formants: Formants) -> None:
        """Remember a vowel; one with a formant missing is passed over."""
        if np.isfinite(formants.hz).all():
            first, second, third = np.log(formants.hz).tolist()
            self._heard.setdefault(vowel, deque(maxlen=REMEMBERED)).append((first, second, third))

    def knows(self, vowel: str) -> bool:
        """Whether enough of a vowel was heard to compare with."""
        return len(self._heard.get(vowel, ())) >= LEAST_KNOWN

    def offset(self, vowel: str, formants: Formants) -> tuple[float, float, float] | None:
        """Logarithm of F1 to F3 over the voice's median for the vowel; None before ``LEAST_KNOWN`` of it."""
        if not self.knows(vowel):
            return None
        first, second, third = (np.log(formants.hz) - np.median(np.array(self._heard[vowel]), axis=0)).tolist()
        return first, second, third

    def z(self, vowel: str, formants: Formants) -> tuple[float, float, float] | None:
        """The same in deviations of the voice."""
        offset = self.offset(vowel, formants)
        if offset is None:
            return None
        heard = np.array(self._heard[vowel])
        spread = 1.4826 * np.median(np.abs(heard - np.median(heard, axis=0)), axis=0)
        first, second, third = (np.array(offset) / np.maximum(spread, NARROWEST)).tolist()
        return first, second, third


def onset_formants(pcm: Pcm, start: int, end: int, tract: Tract) -> Formants | None:
    """Formants of the begin of a vowel that the ear emitted in samples ``start`` to ``end`` of float32[n] at 16 kHz;
    None when it is too short."""
    begin = max(0, start - LAG_SAMPLES)
    return vowel_formants(pcm[begin : min(begin + ONSET_SAMPLES, max(begin, end - LAG_SAMPLES))], tract)


def lightness(offset: tuple[float, float, float]) -> float | None:
    """Nats in favour of light over heavy for an /a/ by its offset from the voice's light /a/; None when that cannot be
    F2.

    Only where no heavy letter and no و follows or carries the vowel: both pull F2 down by themselves.
    """
    if not IMPLAUSIBLE[0] < offset[1] < IMPLAUSIBLE[1]:
        return None
    return NATS_PER_LOG * (offset[1] - MIDDLE)


def too_light(offset: tuple[float, float, float], letter: str) -> bool:
    """Whether a letter that should be heavy was said light."""
    return lightness(offset) is not None and offset[1] > TOO_LIGHT.get(letter, TOO_LIGHT_ISTILA)


def too_heavy(offset: tuple[float, float, float]) -> bool:
    """Whether a letter that should be light was said heavy."""
    return lightness(offset) is not None and offset[1] < TOO_HEAVY
