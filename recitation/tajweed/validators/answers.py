"""How a validator words its answer about a place."""

import math

from recitation.tajweed.places import Found
from recitation.tajweed.verdict import RuleVerdict, Severity, Slip

CERTAIN = 1e-4
"""The judge rounds probabilities to this."""


def answer(
    found: Found, severity: Severity, slip: Slip | None = None, confidence: float = 0.0, heard: str | None = None
) -> RuleVerdict:
    """The verdict on a place whose evidence is no length."""
    first, last = found.phones[0], found.phones[-1]
    start = first.phone.start if first.start is None else first.start
    end = last.phone.end if last.end is None else last.end
    instance = found.instance
    return RuleVerdict(
        found.at, instance.rule, instance.letters, start, max(start, end), severity, slip, round(confidence, 3),
        heard=heard,
    )  # fmt: skip


def unclear(found: Found) -> RuleVerdict:
    """Nothing can be said."""
    return answer(found, Severity.UNCLEAR)


def is_sure(found: Found) -> bool:
    """Whether anything may be held against the phones of a place."""
    return all(heard.sure for heard in found.phones)


def log_odds_of(p: float) -> float:
    """Log-odds, nats, of a probability that comes rounded (``PhoneVerdict.p``)."""
    p = min(max(p, CERTAIN), 1 - CERTAIN)
    return math.log(p / (1 - p))


def probability(nats: float) -> float:
    """Probability of what has log-odds ``nats`` for it."""
    return 1 / (1 + math.exp(-nats))
