"""Figures of accuracy over labelled recordings: phone error rate, following, false alarms."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recitation.acoustics.engine import Engine, OnnxEngine, run_through
from recitation.audio import LevelNormaliser, read_audio
from recitation.events import Status
from recitation.features import SAMPLE_RATE, features_of
from recitation.gop import View, judge
from recitation.lexicon import default_lexicon, recited
from recitation.mushaf import parse_reference
from recitation.phones import BLANK, CONFUSABLE
from recitation.pipeline import DOUBTFUL, Passage, Session, align_offline, recite
from recitation.tracker import Segment
from recitation.vad import SileroVad

Floats = NDArray[np.float32]
IN_PLACE_S = 0.15
"""A word is in place when both its ends are this near the offline alignment."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """A recording of whole ayat, one after another."""

    file: Path
    verses: tuple[str, ...]
    group: str
    voice: str
    start: int = 0
    samples: int | None = None
    """A stretch of the decoded file, for folders that keep many clips in one stream."""

    def passage(self) -> Passage:
        """The text, by address.  Raises AddressError."""
        places = [parse_reference(verse) for verse in self.verses]
        words = tuple(word for place in places for word in default_lexicon().words(place))
        return Passage(places[0], words)


def read_manifest(path: Path) -> list[Utterance]:
    """Lines ``{"file", "verses", "group", "voice"}``, paths relative to the manifest."""
    rows = [json.loads(line) for line in path.read_text().splitlines() if line.strip()]
    return [
        Utterance(
            path.parent / row["file"], tuple(row["verses"]), row.get("group", "all"), row.get("voice", ""),
            int(row.get("start", 0)), row.get("samples"),
        )
        for row in rows
    ]  # fmt: skip


def greedy(log_probs: Floats) -> list[int]:
    """Best-path decoding of float32[T, units]: repeats and blanks removed."""
    best = log_probs.argmax(axis=1)
    kept = best[np.flatnonzero(np.diff(best, prepend=-1))]
    return [int(u) for u in kept if u != BLANK]


def edit_distance(a: Sequence[int], b: Sequence[int]) -> int:
    """Levenshtein distance."""
    row = np.arange(len(b) + 1)
    other = np.array(b)
    for n, unit in enumerate(a, 1):
        best = np.minimum(row[:-1] + (other != unit), row[1:] + 1)
        # Insertions chain along the row: best[j] = min over k <= j of best[k] + (j - k).
        chained = np.concatenate([[n], best]) - np.arange(len(b) + 1)
        row = np.minimum.accumulate(chained) + np.arange(len(b) + 1)
    return int(row[-1])


def whole(engine: OnnxEngine, features: Floats) -> Floats:
    """Log-probabilities with the whole recording as one chunk: full context."""
    frames = len(features)
    missing = -frames % 8
    padded = np.concatenate([features, np.repeat(features[-1:], missing, axis=0)])
    log_probs, _ = engine.step(padded[None], engine.initial_state(1))
    first: Floats = log_probs[0]
    return first[: -(-frames // 2)]


@dataclass(frozen=True, slots=True)
class Swap:
    """A phone judged as it is and as if the text expected a confusable one in its place."""

    unit: int
    p: float
    p_swapped: float
    named: bool
    """The phone really said was named as the rival of the swapped one."""


@dataclass(slots=True)
class Tally:
    """Counts of one clip."""

    units: int = 0
    errors: int = 0
    errors_offline: int = 0
    words: int = 0
    in_place: int = 0
    accused: int = 0
    """Words questioned or wrong although recited correctly."""
    unclear: int = 0
    phones: int = 0
    alarms: int = 0
    """Phones doubted in words that were judged."""
    boundary_ms: list[float] = field(default_factory=list)
    swaps: list[Swap] = field(default_factory=list)


class SwapSession(Session):
    """A session that also asks of every phone: would a wrong text have been noticed?"""

    def __init__(self, passage: Passage, vad: SileroVad, seed: int = 0) -> None:
        super().__init__(passage, vad)
        self.swaps: list[Swap] = []
        self._random = np.random.default_rng(seed)

    def _view(self, segment: Segment, previous: Segment | None) -> View | None:
        view = super()._view(segment, previous)
        unit = self.passage.graph.nodes[segment.node].phone.unit
        if view is not None and CONFUSABLE[unit]:
            rival = int(self._random.choice(CONFUSABLE[unit]))
            swapped = judge(view, rival)
            self.swaps.append(Swap(unit, judge(view, unit).p, swapped.p, swapped.heard == unit))
        return view


def counterfactual(swaps: Sequence[Swap], threshold: float = DOUBTFUL) -> dict[str, float]:
    """How well swapped phones are found: a phone is doubted when its probability is below ``threshold``."""
    right = np.array([s.p for s in swaps])
    wrong = np.array([s.p_swapped for s in swaps])
    found, alarms = int((wrong < threshold).sum()), int((right < threshold).sum())
    recall, precision = found / len(swaps), found / max(1, found + alarms)
    # The area under the ROC curve is the chance that a swapped phone scores below a right one.
    ranks = np.searchsorted(np.sort(right), wrong, side="left") + np.searchsorted(np.sort(right), wrong, side="right")
    return {
        "recall": round(recall, 4),
        "precision": round(precision, 4),
        "f1": round(2 * recall * precision / max(1e-9, recall + precision), 4),
        "auc": round(float(1 - ranks.mean() / 2 / len(right)), 4),
        "named_right": round(sum(s.named for s in swaps if s.p_swapped < threshold) / max(1, found), 4),
    }


def levelled(pcm: Floats) -> Floats:
    """The audio as the line hears it."""
    normaliser = LevelNormaliser()
    return np.concatenate([normaliser.push(pcm), normaliser.flush()])


def measure(utterance: Utterance, pcm: Floats, engine: OnnxEngine, judge_engine: Engine | None) -> Tally:
    """All counts of one clip; the following is measured when ``judge_engine`` (look-ahead 0) is given."""
    passage = utterance.passage()
    expected = [phone.unit for _, form in recited(passage.words) for phone in form]
    features = features_of(levelled(pcm))
    tally = Tally(units=len(expected))
    tally.errors = edit_distance(greedy(run_through(engine, features)), expected)
    tally.errors_offline = edit_distance(greedy(whole(engine, features)), expected)
    if judge_engine is not None:
        _measure_following(tally, passage, pcm, judge_engine)
    return tally


def _measure_following(tally: Tally, passage: Passage, pcm: Floats, engine: Engine) -> None:
    session = SwapSession(passage, SileroVad())
    for _ in recite(session, engine, pcm):
        pass
    tally.swaps = session.swaps
    offline: dict[str, tuple[int, int]] = {}
    for at, _, start, end in align_offline(engine, pcm, passage):
        offline[at] = (offline[at][0] if at in offline else start, end)
    for word in session.summary().words:
        tally.words += 1
        tally.unclear += word.status is Status.UNCLEAR
        tally.accused += word.status in (Status.QUESTIONED, Status.WRONG)
        if word.status is not Status.UNCLEAR:
            tally.phones += len(word.phones)
            tally.alarms += sum(phone.p < DOUBTFUL for phone in word.phones)
        if word.start is None or word.end is None or word.at not in offline:
            continue
        misses = [abs(a - b) / SAMPLE_RATE for a, b in zip((word.start, word.end), offline[word.at], strict=True)]
        tally.in_place += max(misses) <= IN_PLACE_S
        tally.boundary_ms += [1000 * miss for miss in misses]


def bootstrap(errors: Sequence[int], units: Sequence[int], draws: int = 1000) -> tuple[float, float]:
    """95 % interval of a rate, resampling clips."""
    random = np.random.default_rng(0)
    picks = random.integers(0, len(errors), (draws, len(errors)))
    rates = np.array(errors)[picks].sum(axis=1) / np.maximum(1, np.array(units)[picks].sum(axis=1))
    low, high = np.percentile(rates, [2.5, 97.5])
    return round(float(low), 4), round(float(high), 4)


def summarise(tallies: Sequence[Tally]) -> dict[str, object]:
    """Figures of a group, as interfaces name them."""
    units = sum(t.units for t in tallies)
    row: dict[str, object] = {
        "clips": len(tallies),
        "units": units,
        "per": round(sum(t.errors for t in tallies) / max(1, units), 4),
        "per_ci": list(bootstrap([t.errors for t in tallies], [t.units for t in tallies])),
        "per_offline": round(sum(t.errors_offline for t in tallies) / max(1, units), 4),
    }
    words = sum(t.words for t in tallies)
    if words:
        boundaries = [ms for t in tallies for ms in t.boundary_ms] or [float("nan")]
        row |= {
            "words": words,
            "words_in_place": round(sum(t.in_place for t in tallies) / words, 4),
            "words_accused": round(sum(t.accused for t in tallies) / words, 4),
            "words_unclear": round(sum(t.unclear for t in tallies) / words, 4),
            "false_alarm_rate": round(sum(t.alarms for t in tallies) / max(1, sum(t.phones for t in tallies)), 4),
            "boundary_ms": {"p50": float(np.median(boundaries)), "p95": float(np.percentile(boundaries, 95))},
        }
    swaps = [swap for t in tallies for swap in t.swaps]
    if swaps:
        row["counterfactual"] = counterfactual(swaps)
    return row


def load_clips(utterances: Sequence[Utterance]) -> Iterator[tuple[Utterance, Floats]]:
    """Each utterance with its audio; a stream that holds many is decoded once."""
    current: tuple[Path, Floats] | None = None
    for utterance in sorted(utterances, key=lambda u: (str(u.file), u.start)):
        if current is None or current[0] != utterance.file:
            current = (utterance.file, read_audio(utterance.file))
        end = None if utterance.samples is None else utterance.start + utterance.samples + 800
        yield utterance, current[1][max(0, utterance.start - 800) : end]


def evaluate(
    utterances: Sequence[Utterance], engine: OnnxEngine, *, following: bool, progress: Callable[[int], None]
) -> dict[str, dict[str, object]]:
    """Figures by group."""
    judge_engine = OnnxEngine(engine.path, 0) if following else None
    groups: dict[str, list[Tally]] = {}
    for utterance, pcm in load_clips(utterances):
        groups.setdefault(utterance.group, []).append(measure(utterance, pcm, engine, judge_engine))
        progress(1)
    return {group: summarise(tallies) for group, tallies in sorted(groups.items())}
