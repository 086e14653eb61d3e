"""The reciter's own tempo: how long one harakah, a short vowel, is in seconds.

Short open syllables, a consonant with its vowel, are heard all the time, and their length is known better than that of
the vowel alone.  The logarithms of them and of their like are averaged robustly (Huber, 1964) with exponential
forgetting, so that hadr and tahqiq need no setting and a change of pace is followed.  Nothing forgets during pauses:
the memory is counted in seconds of syllables heard.
"""

import math
from collections import deque

import numpy as np

from recitation.audio import SAMPLE_HZ
from recitation.judge import FAINT
from recitation.phones import MADD_VOWELS, QALQALAH, SHORT_VOWELS
from recitation.retained import TempoState
from recitation.tajweed.held import Held, Length
from recitation.tajweed.lengths import PLACE_SD_S, Heard, kind_of

MEMORY_S = 6.0
"""Time constant of forgetting, seconds of syllables noted: about 10 s of recitation."""
LEAST_OBSERVATIONS = 6
"""With fewer the tempo is not known."""
USUAL_SPREAD = 0.25
"""Robust standard deviation of the logarithm of one observation: 0.21 to 0.26 for reciters heard."""
PRIOR_OBSERVATIONS = 6.0
"""Weight of the usual spread beside the one observed."""
SHORTEST_S, LONGEST_S = 0.08, 0.8
"""What a short open syllable can last."""
CONSONANT_ROOT_S = 0.18
"""A consonant lasts so many times the root of the harakah: 70 ms at 0.15 s, and follows the tempo less than vowels do.
With it natural madds of four training reciters last 2.06 to 2.12 harakat from hadr to slow murattal."""
HUBER = 1.345
"""Residuals beyond so many standard deviations count less (95 % efficient for a normal distribution)."""
KEPT = 160

NATURAL_COUNTS = CLOSED_COUNTS = 1.75
"""Short open syllables that the syllable of a natural madd lasts, its consonant included, and a syllable closed by a
consonant without a vowel: 1.6 to 2.0 by the reciter."""
BEFORE_DOUBLED_COUNTS = 1.5
"""From a consonant to the doubled one after its vowel, part of whose closure is heard as the vowel's end."""
_OPENING = {"F": 1.17, "S": 1.12}
_CLOSING = {"H": 0.94, "S": 0.90, "F": 0.88}
"""An open syllable lasts longer that begins with a stop or fricative, and less before one: least squares over 757 short
syllables of four training reciters, relative to ن and م on both sides."""


class Syllables:
    """Picks the syllables by which tempo is measured out of the phones of a session.

    Every one is told in short open syllables: a consonant with its vowel.

    They are open ones with a short vowel, open ones with a natural madd, and ones closed by a single consonant;
    none that begins a phrase or stands before a pause.
    """

    def __init__(self) -> None:
        self._recent: deque[Heard] = deque(maxlen=4)

    def push(self, heard: Heard, *, long_madd: bool = False) -> tuple[float, float] | None:
        """The next phone: the syllable complete with it, if one is, as (short open syllables, seconds).

        ``long_madd`` marks a madd that may last more than two counts.
        """
        if self._recent and self._recent[-1].phone.end != heard.phone.start:
            self._recent.clear()
        if long_madd:
            self._recent.clear()
            return None
        self._recent.append(heard)
        phones = list(self._recent)
        if heard.following is None or kind_of(heard.phone.unit) in "VQ" or len(phones) < 3:
            return None
        natural = phones[-2].phone.unit[0] in MADD_VOWELS
        syllable = phones[-4:] if natural else phones[-3:]
        return _measured(syllable) if len(syllable) == 3 + natural else None


def _measured(phones: list[Heard]) -> tuple[float, float] | None:
    """Short open syllables and seconds of a syllable given with the consonant after it."""
    first, short, last = phones[0], phones[1], phones[-1]
    if len(first.phone.unit) > 1 or len(last.phone.unit) > 2 or kind_of(first.phone.unit) in "VQ":
        return None
    if short.phone.unit not in SHORT_VOWELS or min(heard.phone.p for heard in phones) < FAINT:
        return None
    natural = len(phones) == 4
    if len(last.phone.unit) == 2:
        end, counts = last.start, 0.0 if natural else BEFORE_DOUBLED_COUNTS
    elif kind_of(last.following or "") == "V":
        usual = NATURAL_COUNTS if natural else 1.0
        end = last.start
        counts = usual * _OPENING.get(kind_of(first.phone.unit), 1.0) * _CLOSING.get(kind_of(last.phone.unit), 1.0)
    else:
        end, counts = last.end, 0.0 if natural or last.following == QALQALAH else CLOSED_COUNTS
    if not counts:
        return None
    if first.start is None or end is None:
        return None
    return counts, (end - first.start) / SAMPLE_HZ


class Tempo:
    """One session's tempo.  ``note`` what was heard; nothing is estimated ahead of the audio."""

    def __init__(self) -> None:
        self.held = Held()
        """How long a count is when a sound is held."""
        self._seen = np.empty((0, 2))
        """A row for each of the newest: seconds noted before it, logarithm of the syllable it speaks for."""
        self._noted_s = 0.0
        self._harakah_s = math.nan
        self._uncertainty = math.inf

    def retained(self) -> TempoState:
        """What another tempo needs to go on."""
        return TempoState(
            self._noted_s, tuple((noted, log) for noted, log in self._seen.tolist()), *self.held.retained()
        )

    def recall(self, state: TempoState) -> None:
        """Go on from what was retained."""
        self._noted_s = state.noted_s
        self.held.recall(state.madds, state.free_madds)
        for noted_s, log in state.syllables:
            self._remember(noted_s, log)
        if self.observations:
            self._estimate()

    @property
    def observations(self) -> int:
        """Observations remembered."""
        return len(self._seen)

    @property
    def known(self) -> bool:
        """False while calibrating."""
        return len(self._seen) >= LEAST_OBSERVATIONS

    @property
    def harakah_s(self) -> float:
        """Seconds of one harakah; not a number before anything was heard."""
        return self._harakah_s

    @property
    def uncertainty(self) -> float:
        """Standard error of ``harakah_s`` as a share of it; infinite before anything was heard."""
        return self._uncertainty

    def length(self, seconds: float) -> Length:
        """A sound between two boundaries that were looked for (``Spans``), in harakat.  ``seconds`` is positive."""
        place = math.sqrt(2) * PLACE_SD_S / seconds
        return Length(seconds / self._harakah_s, math.hypot(self._uncertainty, place))

    def note(self, syllables: float, seconds: float) -> None:
        """So many short open syllables lasted ``seconds``; impossible tempi are ignored.

        Raises ValueError unless both are positive.
        """
        if not (syllables > 0 and seconds > 0):
            raise ValueError(f"{syllables} syllables cannot last {seconds} s: both must be positive")
        if not SHORTEST_S <= seconds / syllables <= LONGEST_S:
            return
        self._remember(self._noted_s, math.log(seconds / syllables))
        self._noted_s += seconds
        self._estimate()

    def _remember(self, noted_s: float, log: float) -> None:
        self._seen = np.concatenate([self._seen, [[noted_s, log]]])[-KEPT:]

    def _estimate(self) -> None:
        heard, logs = self._seen.T
        weights = np.exp((heard - self._noted_s) / MEMORY_S)
        order = np.argsort(logs)
        middle = np.searchsorted(np.cumsum(weights[order]), weights.sum() / 2)
        centre = float(logs[order][middle])
        spread = USUAL_SPREAD
        for _ in range(3):
            away = np.abs(logs - centre)
            trusted = weights * np.minimum(1.0, HUBER * spread / np.maximum(away, 1e-9))
            centre = float(trusted @ logs / trusted.sum())
            within = np.minimum(np.abs(logs - centre), HUBER * USUAL_SPREAD)
            variance = weights @ np.square(within) + PRIOR_OBSERVATIONS * USUAL_SPREAD**2
            spread = math.sqrt(float(variance) / (float(weights.sum()) + PRIOR_OBSERVATIONS))
        syllable_s = math.exp(centre)
        root = 0.5 * (math.sqrt(CONSONANT_ROOT_S**2 + 4 * syllable_s) - CONSONANT_ROOT_S)
        self._harakah_s = root * root
        # d ln(harakah) / d ln(syllable), where syllable = harakah + CONSONANT_ROOT_S * root.
        follows = syllable_s / (self._harakah_s + 0.5 * CONSONANT_ROOT_S * root)
        self._uncertainty = follows * spread * math.sqrt(float(np.square(weights).sum())) / float(weights.sum())
