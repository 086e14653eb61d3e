"""Evidence that a sound is too short or too long: its length in the reciter's tempo, against a limit and a habit."""

import math
from collections import deque
from collections.abc import Collection
from itertools import pairwise

import msgspec
import numpy as np

from recitation.events import PhoneVerdict
from recitation.gop import EXPECTED_PRIOR
from recitation.judge import FAINT
from recitation.tajweed.held import Length
from recitation.tajweed.lengths import Heard
from recitation.tajweed.places import Found
from recitation.tajweed.validators.answers import answer, probability
from recitation.tajweed.verdict import RuleVerdict, Severity, Slip

SURE, LIKELY = 0.95, 0.8
"""Probability of a slip from which it is told as an error, and as advice."""
RECENT = 12
"""Phones remembered: a rule is told at the end of its word at the latest."""
USUAL_SPREAD = 0.15
"""Standard deviation of the logarithm of a length about the usual one of its kind: 0.11 to 0.26 for long madds of
four training reciters, 0.15 to 0.48 for natural ones, the most in hadr, where boundaries weigh more."""
MOST_SPREAD = 0.45
"""More is a mixture of right lengths and wrong ones."""
PRIOR_WEIGHT = 4.0
"""Lengths that the usual spread counts for beside those heard."""
KEPT = 24
LEAST_HEARD = 3
"""With fewer there is no habit to depart from."""
NORMAL_MAD = 1.4826
"""Standard deviation of a normal distribution over its median absolute deviation."""

Counts = tuple[float, float]
"""A length in counts and its standard error."""


class Habit:
    """How long a reciter makes sounds of one kind, by the newest of them."""

    def __init__(self) -> None:
        self._logs: deque[float] = deque(maxlen=KEPT)

    def note(self, harakat: float) -> None:
        """One more, positive."""
        self._logs.append(math.log(harakat))

    @property
    def heard(self) -> int:
        """How many are remembered."""
        return len(self._logs)

    @property
    def known(self) -> bool:
        """Whether there is a habit yet."""
        return len(self._logs) >= LEAST_HEARD

    @property
    def usual(self) -> float:
        """Median in harakat; not a number before anything was heard."""
        return math.exp(float(np.median(self._logs))) if self._logs else math.nan

    @property
    def spread(self) -> float:
        """Standard deviation of the logarithm, drawn to the usual one while little was heard."""
        count, heard = len(self._logs), 0.0
        if count:
            heard = NORMAL_MAD * float(np.median(np.abs(np.array(self._logs) - np.median(self._logs))))
        spread = math.sqrt((count * heard**2 + PRIOR_WEIGHT * USUAL_SPREAD**2) / (count + PRIOR_WEIGHT))
        return min(spread, MOST_SPREAD)

    @property
    def usual_spread(self) -> float:
        """Standard error of the logarithm of ``usual``; infinite before anything was heard."""
        return self.spread / math.sqrt(len(self._logs)) if self._logs else math.inf

    def chance_uneven(self, length: Length, by: float) -> float:
        """Probability that a length differs from the usual one by more than a factor ``by``, in either direction.

        Two standard deviations of what this reciter's lengths vary by anyway are no unevenness.
        """
        away = abs(math.log(length.harakat / self.usual)) - max(math.log(by), 2 * self.spread)
        return normal(away / math.hypot(length.spread, self.usual_spread))


class Recent:
    """The newest phones, to find the one before another."""

    def __init__(self) -> None:
        self._phones: deque[Heard] = deque(maxlen=RECENT)

    def push(self, heard: Heard) -> None:
        """The next closed phone."""
        self._phones.append(heard)

    def before(self, heard: Heard) -> Heard | None:
        """The phone that ``heard`` is joined to, None where it follows a pause or was too long ago."""
        for before, phone in pairwise(self._phones):
            if phone is heard:
                return before if before.phone.end == phone.phone.start else None
        return None

    def sure(self, place: Found) -> bool:
        """Whether anything may be held against a place: of a phone that was left out, against the one before it.

        Where the phone before is doubted the ear has lost the word, and the place with it.
        """
        before = self.before(place.phones[0])
        if before is not None and before.phone.p < FAINT:
            return False
        return all(heard.sure or self._left_out_surely(heard) for heard in place.phones)

    def _left_out_surely(self, heard: Heard) -> bool:
        before = self.before(heard)
        return heard.phone.start == heard.phone.end and before is not None and before.sure


def chance_below(length: Length, limit: Length, spread: float) -> float:
    """Probability that a sound is shorter than a limit.

    It grows with the violation and shrinks with all that is not known: tempo and boundaries (``length.spread``), the
    reciter's held count (``limit.spread``), and how much such sounds vary in this voice anyway (``spread``).
    """
    return normal(math.log(limit.harakat / length.harakat) / math.hypot(length.spread, limit.spread, spread))


def normal(z: float) -> float:
    """The standard normal distribution function."""
    return 0.5 * math.erfc(-z / math.sqrt(2))


def with_ear(chance: float, phone: PhoneVerdict, plain: Collection[str], missed: float, present: float) -> float:
    """Probability that a sound is not held when measuring it says ``chance``, now that the judge has heard it.

    The judge adds to what was measured when it hears a unit of ``plain``, which are not held, ``missed`` nats at most,
    and takes from it when it hears the right one, ``present`` at most.  When it hears something else that says nothing
    of the length.
    """
    ear = _log_odds(phone.p) - EXPECTED_PRIOR
    return probability(_log_odds(chance) - min(max(ear, -missed if phone.heard in plain else 0.0), present))


def _log_odds(chance: float) -> float:
    chance = min(max(chance, 1e-6), 1 - 1e-6)
    return math.log(chance / (1 - chance))


def severity_of(chance: float, sure: float = SURE) -> Severity:
    """What a slip of this probability is told as: an error from ``sure`` on."""
    return Severity.ERROR if chance >= sure else Severity.ADVICE if chance >= min(LIKELY, sure) else Severity.FINE


def told(
    place: Found, severity: Severity, slip: Slip | None, confidence: float, measured: Counts | None
) -> RuleVerdict:
    """The verdict on a place whose evidence is a length."""
    last = place.phones[-1]
    heard = last.phone.heard if slip is not None and last.phone.p < FAINT else None
    verdict = answer(place, severity, slip, confidence, heard)
    counts, error = (None, None) if measured is None else (round(measured[0], 2), round(measured[1], 2))
    start = verdict.start if last.vowel_start is None else last.vowel_start
    return msgspec.structs.replace(
        verdict, start=start, expected=place.instance.counts, measured=counts, uncertainty=error
    )
