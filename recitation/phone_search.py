"""Where in a long text the phones heard fit: all places at once.

Each phone heard comes with the probabilities of all units it may be.  Dynamic programming aligns them with the text
from the last phone back to the first, so that every unit of the text gets the cost of a recitation that begins with
it.  There is nothing to index: a phone costs one pass over the text, a third of a millisecond for all the Quran.
"""

import numpy as np
from numpy.typing import NDArray

from recitation.phones import BLANK

Floats = NDArray[np.float32]
Costs = NDArray[np.uint16]

NATS = 24
"""Steps of the search's integer costs to a nat."""
FLOOR = np.float32(0.02)
"""Least probability of a unit in the search: a wrong phone costs up to 3.9 nats."""
EXTRA_COST, MISSING_COST = 3.0, 2.5
"""Nats for a phone heard that is not in the text, at most, and for one of the text that is not heard."""
NEVER = np.uint16(40_000)
ACTIVE_BLANK = 0.6
"""A frame is of a phone where the blank is less likely than this."""


def phones_heard(log_probs: Floats) -> Floats:
    """What each phone may be, float32[M, units] from float32[T, units]: for a run of frames with one likeliest unit
    its greatest probabilities, and under the blank that the run is no phone at all."""
    probabilities = np.exp(log_probs)
    likeliest = np.where(probabilities[:, BLANK] < ACTIVE_BLANK, log_probs[:, 1:].argmax(axis=1) + 1, BLANK)
    starts = np.flatnonzero(np.diff(likeliest, prepend=BLANK))
    if not len(starts):
        return np.zeros((0, log_probs.shape[1]), np.float32)
    heard = np.maximum.reduceat(probabilities, starts, axis=0)
    heard[:, BLANK] = np.minimum.reduceat(probabilities[:, BLANK], starts)
    phones: Floats = heard[likeliest[starts] != BLANK]
    return phones


def fitting_costs(units: NDArray[np.uint8], heard: Floats) -> Costs:
    """Cost of the best alignment of all phones heard, float32[M, units], with the text, uint8[P], from each of its
    units on: uint16[P] in steps of which NATS make a nat.

    What the text ends with may be left unsaid.  For the cost of a recitation that *ends* with each unit, turn both
    around.
    """
    missing = np.uint16(round(MISSING_COST * NATS))
    tables = np.minimum(-np.log(heard + FLOOR) * NATS, 1000).astype(np.uint16)
    extras = np.minimum(tables[:, BLANK], np.uint16(EXTRA_COST * NATS))
    # costs[i]: of what is heard from the next phone on, said from unit i of the text on.
    costs = np.zeros(len(units) + 2, np.uint16)
    costs[-2:] = NEVER
    here, after, second = costs[:-2], costs[1:-1], costs[2:]
    places = units.astype(np.intp)  # else each take converts them
    said, sounds = np.empty_like(here), np.empty_like(here)
    for table, extra in zip(tables[::-1], extras[::-1], strict=True):
        np.minimum(after, np.add(second, missing, out=said), out=said)
        said += table.take(places, mode="clip", out=sounds)  # nothing to clip: the quickest of take's modes
        np.minimum(said, np.add(here, extra, out=here), out=here)
    found: Costs = np.minimum(here, after + missing)
    return found
