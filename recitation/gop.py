"""How well a phone was said: segmentation-free goodness of pronunciation over a local window.

For phone ``k`` between its neighbours the CTC likelihood of what was expected is compared with the same string
where ``k`` is another phone or missing (GOP-SF-SD with restricted candidates: Cao et al. 2024, Parikh et al. 2025).
No boundary inside the window is assumed.  The scores of all candidates make a distribution; the share of the
expected phone is its probability, and the likeliest rival is named.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recitation.phones import BLANK, CONFUSABLE, UNITS

Floats = NDArray[np.float32]

TEMPERATURE = 1.0
EXPECTED_PRIOR = 2.0
"""Log-odds in favour of the expected phone: most letters are said right (and see ``recitation.clarity``)."""
ACOUSTIC_RIVALS = 2
"""Units added to the candidates because the window sounds like them."""
SCALED_FRAMES, TINY = 8, 1e-300
"""A double holds eight frames of probabilities down to exp(-85) each before it has to be scaled."""


@dataclass(frozen=True, slots=True)
class Pronunciation:
    """The judgement of one phone."""

    p: float
    """Probability of the expected phone among the candidates."""
    heard: int | None
    """The likeliest candidate when it is not the expected phone; BLANK when it is "nothing"."""
    ratio: float
    """Log-likelihood of the expected phone over its best rival."""


def ctc_likelihoods(log_probs: Floats, sequences: Sequence[Sequence[int]]) -> Floats:
    """Log-likelihood of each unit sequence given float32[T, units], by one batched forward pass.

    Sequences may differ in length.  Works in scaled linear probabilities.
    """
    count, longest = len(sequences), max(map(len, sequences))
    labels = np.zeros((count, 2 * longest + 1), np.int64)
    lengths = np.array([len(s) for s in sequences])
    for row, sequence in enumerate(sequences):
        labels[row, 1 : 2 * len(sequence) : 2] = sequence
    skip = (labels[:, 2:] != labels[:, :-2]) & (labels[:, 2:] != BLANK)
    emissions = np.exp(log_probs.astype(np.float64)).take(labels, axis=1)
    alpha = np.zeros(labels.shape)
    alpha[:, :2] = emissions[0, :, :2]
    total = np.zeros(count)
    for frame, emission in enumerate(emissions[1:], 1):
        skipped = alpha[:, :-2] * skip
        alpha[:, 1:] += alpha[:, :-1]
        alpha[:, 2:] += skipped
        alpha *= emission
        if frame % SCALED_FRAMES == 0:
            scale = np.maximum(alpha.max(axis=1), TINY)
            total += np.log(scale)
            alpha /= scale[:, None]
    rows = np.arange(count)
    final = alpha[rows, 2 * lengths] + np.where(lengths > 0, alpha[rows, np.maximum(2 * lengths - 1, 0)], 0)
    return np.asarray(total + np.log(np.maximum(final, TINY)), np.float32)


@dataclass(frozen=True, slots=True)
class View:
    """A phone with its surroundings."""

    log_probs: Floats
    """float32[T, units]: the phone and its neighbours."""
    before: int | None
    """The unit before; None at a pause or at the edge."""
    after: int | None
    core: slice
    """Frames of the window in which the phone itself lies."""


def candidates(expected: int, view: View) -> list[int]:
    """Units weighed against the expected one: its confusables and what the phone's own frames sound like."""
    rivals = list(CONFUSABLE[expected])
    sounding = view.log_probs[view.core].max(axis=0)
    sounding[[BLANK, expected, *rivals]] = -np.inf
    rivals += [int(u) for u in np.argsort(sounding)[-ACOUSTIC_RIVALS:]]
    return rivals


def judge(view: View, expected: int, allowance: float = 0.0) -> Pronunciation:
    """Weigh the expected phone against its rivals and against nothing; ``allowance`` is added to its log-odds."""
    head = [] if view.before is None else [view.before]
    tail = [] if view.after is None else [view.after]
    rivals = candidates(expected, view)
    sequences = [[*head, expected, *tail], [*head, *tail], *([*head, rival, *tail] for rival in rivals)]
    scores = ctc_likelihoods(view.log_probs, sequences) / np.float32(TEMPERATURE)
    scores[0] += np.float32(EXPECTED_PRIOR + allowance)
    weights = np.exp(scores - scores.max())
    p = float(weights[0] / weights.sum())
    best = int(scores[1:].argmax())
    named = BLANK if best == 0 else rivals[best - 1]
    return Pronunciation(p, None if scores[0] >= scores[1 + best] else named, float(scores[0] - scores[1 + best]))


def script_of(heard: int | None) -> str | None:
    """A rival as events carry it: its script, an empty string for nothing, None for no rival."""
    return None if heard is None else UNITS[heard]
