"""Which place of the Quran is being recited: the first seconds against all 77,433 words.

Two passes.  *Search* (``recitation.phone_search``): the phones heard are aligned with the whole text at once, half a
million units, and every word gets the cost of a recitation that begins with it.  *Rescoring*: the best places are
compared by CTC alignment of the posteriors themselves with the text from there, and the scores become probabilities,
which places with the same wording share.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from recitation.graph import ISTIADHA
from recitation.lexicon import Lexicon, default_lexicon
from recitation.mushaf import AYAT_PER_SURAH, AYAT_TOTAL, ayah_address, ayah_index
from recitation.phone_search import NATS, fitting_costs, phones_heard
from recitation.phones import BLANK, parse_script

Floats = NDArray[np.float32]

RESCORED = 192
"""Places compared by alignment."""
ALIGN_FLOOR = np.float32(0.005)
SLACK_UNITS = 10
"""Units of text beyond the number of phones heard that the alignment may use."""
TEMPERATURE = 2.0
"""Divides scores before they become probabilities: frames do not err independently (fitted on `dev`)."""
AYAH_SHARE = 0.8
"""Recitations that begin with an ayah; the others may begin with any word."""
FEWEST_PHONES = 4
"""With fewer phones heard no place is named."""
LISTENED_S = 4.0
"""Seconds of recitation that name a place."""
ISTIADHA_S = 8.0
"""The seeking of refuge is over by then."""
ISTIADHA_UNITS = np.array([[run.unit for run in parse_script(ISTIADHA)]], np.uint8)
ISTIADHA_COST = 2.0
"""It is said when explaining the beginning by it costs less than this over free recognition, nats a phone; other words
cost 2.3 and more."""
TIE = 0.02
"""Places whose probabilities differ by less than this share have the same wording as far as it was heard."""
FRAMES_PER_S = 50
ONSET_FRAMES = 3


@dataclass(frozen=True, slots=True)
class Candidate:
    """A place that may be recited."""

    at: str
    """``surah:ayah:word``; of an ayah as a whole ``surah:ayah``."""
    p: float
    """Probability that the recitation began there."""


class Locator:
    """See the module's docstring.  Takes a quarter of a second to build and 2 MB; may be shared."""

    def __init__(self, lexicon: Lexicon) -> None:
        quran, starts = lexicon.recited_units()
        counts = [lexicon.word_count(*ayah_address(n)) for n in range(AYAT_TOTAL)]
        self._ayah_rows = np.concatenate([[0], np.cumsum(counts)])
        """Row of the first word of each ayah, then the number of words."""
        opens = np.zeros(len(lexicon), np.bool_)
        opens[self._ayah_rows[:-1]] = True
        prior = np.where(opens, AYAH_SHARE / AYAT_TOTAL, (1 - AYAH_SHARE) / (~opens).sum())
        basmala = quran[: starts[self._ayah_rows[1]]]
        texts, begins, rows, priors = [quran], [starts[:-1]], [np.arange(len(lexicon))], [prior]
        length = len(quran)
        openings = [ayah_index(surah, 1) for surah in range(2, len(AYAT_PER_SURAH) + 1) if surah != 9]
        for ayah in openings:  # The basmala is said before a surah without being a part of it.
            row = self._ayah_rows[ayah]
            texts += [basmala, quran[starts[row] : starts[row] + 2 * len(basmala)]]
            begins.append(np.array([length]))
            rows.append(np.array([row]))
            priors.append(prior[:1] / len(openings))
            length += len(texts[-1]) + len(basmala)
        self._units: NDArray[np.uint8] = np.concatenate(texts)
        self._begins = np.concatenate(begins)
        self._rows = np.concatenate(rows)
        self._prior = np.log(np.concatenate(priors)).astype(np.float32)

    def address(self, row: int) -> str:
        """``surah:ayah:word`` of a word by its place among all."""
        ayah = int(np.searchsorted(self._ayah_rows, row, side="right")) - 1
        surah, number = ayah_address(ayah)
        return f"{surah}:{number}:{row - int(self._ayah_rows[ayah]) + 1}"

    def locate(self, log_probs: Floats, count: int = 10) -> list[Candidate]:
        """The places where a recitation heard as float32[T, units] log-probabilities may begin, likeliest first: see
        ``beginning`` for which frames to give.

        Probabilities are of all the Quran, so those returned may add up to less than 1.  Empty when too little is
        heard.
        """
        heard = phones_heard(log_probs)
        if len(heard) < FEWEST_PHONES:
            return []
        costs = fitting_costs(self._units, heard)[self._begins] / np.float32(NATS) - self._prior
        best = np.argpartition(costs, RESCORED)[:RESCORED]
        best = best[np.argsort(costs[best], kind="stable")]
        texts = self._units[np.minimum(self._begins[best][:, None] + np.arange(len(heard) + SLACK_UNITS),
                                       len(self._units) - 1)]  # fmt: skip
        scores = alignment_scores(log_probs, texts) / TEMPERATURE + self._prior[best]
        weights = np.exp(scores - scores.max())
        chances: dict[int, float] = {}
        for row, weight in zip(self._rows[best].tolist(), weights / weights.sum(), strict=True):
            chances[row] = chances.get(row, 0.0) + float(weight)
        ranked = sorted(chances.items(), key=lambda item: (-item[1], item[0]))
        return [Candidate(self.address(row), p) for row, p in ranked[:count]]


def beginning(log_probs: Floats, seconds: float = LISTENED_S) -> Floats:
    """The part of float32[T, units] in which a recitation begins: ``seconds`` from the first phone after silence and,
    where it is said, after the seeking of refuge."""
    sounding = np.flatnonzero(log_probs.argmax(axis=1) != BLANK)
    first = max(0, int(sounding[0]) - ONSET_FRAMES) if len(sounding) else len(log_probs)
    first += _istiadha_frames(log_probs[first : first + round(ISTIADHA_S * FRAMES_PER_S)])
    return log_probs[first : first + round(seconds * FRAMES_PER_S)]


def _istiadha_frames(log_probs: Floats) -> int:
    """Frames of the seeking of refuge at the beginning; 0 when it is not said."""
    costs, _ = _istiadha_costs(log_probs)
    if not len(costs) or costs.min() > ISTIADHA_COST * ISTIADHA_UNITS.size:
        return 0
    return int(costs.argmin()) + 1


def _istiadha_costs(log_probs: Floats) -> tuple[Floats, float]:
    """What it costs over free recognition, nats, that each frame ends the seeking of refuge, float32[T], and that the
    last one is within it."""
    paths = _Paths(ISTIADHA_UNITS)
    likeliest = 0.0
    costs = np.full(len(log_probs), np.inf, np.float32)
    for n, frame in enumerate(np.logaddexp(log_probs, np.log(ALIGN_FLOOR)).astype(np.float32)):
        paths.advance(frame)
        likeliest += float(frame.max())
        costs[n] = likeliest - float(paths.scores[0, -2:].max())
    return costs, likeliest - float(paths.scores.max())


def seeks_refuge(log_probs: Floats) -> bool:
    """Whether all of float32[T, units] may be the beginning of the seeking of refuge, which some ayat have in them."""
    phones = len(phones_heard(log_probs))
    return phones > 0 and _istiadha_costs(log_probs)[1] < ISTIADHA_COST * phones


def ayat_of(places: Sequence[Candidate]) -> list[Candidate]:
    """The ayat, ``surah:ayah``, that places lie in, likeliest first, each with the sum of their probabilities."""
    chances: dict[str, float] = {}
    for place in places:
        ayah = place.at.rpartition(":")[0]
        chances[ayah] = chances.get(ayah, 0.0) + place.p
    return [Candidate(ayah, p) for ayah, p in sorted(chances.items(), key=lambda item: -item[1])]


class _Paths:
    """The best CTC path into every state of many texts, uint8[N, K], side by side."""

    def __init__(self, texts: NDArray[np.uint8]) -> None:
        count, size = texts.shape
        self._labels = np.full((count, 2 * size + 1), BLANK, np.intp)
        self._labels[:, 1::2] = texts
        self._leap = np.where(texts[:, 1:] != texts[:, :-1], np.float32(0), np.float32(-np.inf))
        self.scores = np.full(self._labels.shape, -np.inf, np.float32)
        """float32[N, 2K + 1]: blank, unit, blank, …"""
        self.scores[:, 0] = 0

    def advance(self, frame: Floats) -> None:
        """Take the next frame's log-probabilities, float32[units]."""
        after = self.scores.copy()
        np.maximum(after[:, 1:], self.scores[:, :-1], out=after[:, 1:])
        np.maximum(after[:, 3::2], self.scores[:, 1:-2:2] + self._leap, out=after[:, 3::2])
        after += frame.take(self._labels)
        self.scores = after


def alignment_scores(log_probs: Floats, texts: NDArray[np.uint8]) -> Floats:
    """Log-score, float32[N], of the best CTC path of float32[T, units] through the beginning of each text, uint8[N, K];
    how much of a text is used is free."""
    paths = _Paths(texts)
    for frame in np.logaddexp(log_probs, np.log(ALIGN_FLOOR)).astype(np.float32):
        paths.advance(frame)
    best: Floats = paths.scores.max(axis=1)
    return best


def names_verse(log_probs: Floats, verse: str, seconds: float = LISTENED_S) -> bool:
    """Whether the likeliest place of a recording, float32[T, units] from its first frame on, is ``verse``, written
    ``2:255``, or cannot be told from it because the words heard are the same."""
    found = default_locator().locate(beginning(log_probs, seconds), RESCORED)
    return any(place.at == f"{verse}:1" and place.p >= (1 - TIE) * found[0].p for place in found)


@lru_cache(maxsize=1)
def default_locator() -> Locator:
    """The locator of the lexicon that ships, built when first asked for."""
    return Locator(default_lexicon())
