"""From what was counted in each clip to the figures of a group, as ``perf/accuracy --json`` prints them."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from recitation.accuracy.clips import Utterance
from recitation.accuracy.delay import Delays
from recitation.accuracy.following import Followed
from recitation.accuracy.intervals import clusters, f1, interval, rate
from recitation.accuracy.swaps import Swapped
from recitation.accuracy.truth import AgainstTruth
from recitation.evaluate import alignment
from recitation.judge import DOUBTFUL
from recitation.phones import BLANK, UNITS

Floats = NDArray[np.float32]
Row = dict[str, object]

FULL = "full"
ROC_POINTS = 60
RELIABILITY_BINS = 10
DELAY_STEP_MS = 20
DELAY_RANGE_MS = (-200, 500)
CONFUSIONS_NAMED = 3


@dataclass(frozen=True, slots=True)
class Edits:
    """Pairs (expected, heard) of a clip; BLANK heard is a deletion, BLANK expected an insertion."""

    pairs: tuple[tuple[int, int], ...]

    @classmethod
    def between(cls, expected: Sequence[int], heard: Sequence[int]) -> "Edits":
        """Of the least number of edits."""
        pairs = alignment(expected, heard)
        return cls(
            tuple((BLANK if i is None else expected[i], BLANK if j is None else heard[j]) for i, j in pairs)
        )  # fmt: skip

    @property
    def counts(self) -> tuple[int, int, int]:
        """Substitutions, deletions, insertions."""
        deletions = sum(heard == BLANK for _, heard in self.pairs)
        insertions = sum(expected == BLANK for expected, _ in self.pairs)
        return sum(a != b for a, b in self.pairs) - deletions - insertions, deletions, insertions

    @property
    def errors(self) -> int:
        """Levenshtein distance."""
        return sum(self.counts)


@dataclass(slots=True)
class Measured:
    """Everything counted in one clip; what was not measured is None or missing."""

    utterance: Utterance
    units: int
    """Phones of the text."""
    edits: dict[str, Edits]
    """Free recognition against the text, by look-ahead in ms; ``"full"`` with full context."""
    edits_by_ear: Edits | None = None
    """The same at the primary look-ahead, each moment by itself: best path, no phonotactics."""
    edits_offline: Edits | None = None
    """Offline under the mask of the primary look-ahead."""
    largest_difference: float | None = None
    """Of a log-probability, streamed against offline."""
    delays: dict[str, Delays] = field(default_factory=dict)
    inserted_before: int | None = None
    followed: Followed | None = None
    located: bool | None = None
    """The place was found without the text; None for passages that do not begin with an ayah."""
    swapped: Swapped | None = None
    truth: AgainstTruth | None = None


def summarise(clips: Sequence[Measured], primary: str) -> Row:
    """The figures of a group; ``primary`` is the look-ahead of its phone error rate, in ms."""
    by, cluster = clusters([clip.utterance.voice for clip in clips])
    voices = len({clip.utterance.voice for clip in clips})
    row: Row = {"clips": len(clips), "voices": voices, "ci_by": by}
    row |= _recognition(clips, primary, cluster)
    row |= _delays(clips, primary) | _against_truth(clips)
    row |= _following(clips, cluster)
    located = [clip.located for clip in clips if clip.located is not None]
    if located:
        row["locate_top1"] = _rounded(sum(located) / len(located))
    row |= _counterfactual(clips, cluster)
    return row


def _rounded(value: float, digits: int = 4) -> float:
    return round(float(value), digits)


def _error_rate(edits: Sequence[Edits], clips: Sequence[Measured], cluster: NDArray[np.int64]) -> Row:
    counts = np.array([(e.errors, c.units, *e.counts) for e, c in zip(edits, clips, strict=True)], np.float64)
    total = counts.sum(axis=0)
    errors, _, substitutions, deletions, insertions = total / max(1, total[1])
    return {
        "per": _rounded(errors),
        "per_ci": interval(counts[:, :2], cluster, rate),
        "substitutions": _rounded(substitutions),
        "deletions": _rounded(deletions),
        "insertions": _rounded(insertions),
    }


def _recognition(clips: Sequence[Measured], primary: str, cluster: NDArray[np.int64]) -> Row:
    units = sum(clip.units for clip in clips)
    rates = {key: _error_rate([clip.edits[key] for clip in clips], clips, cluster) for key in clips[0].edits}
    row: Row = {"units": units, **rates[primary], "per_by_lookahead": rates}
    if FULL in rates:
        row["per_full_context"] = rates[FULL]["per"]
    by_ear = [clip.edits_by_ear for clip in clips if clip.edits_by_ear is not None]
    if len(by_ear) == len(clips):
        row["per_by_ear"] = _rounded(sum(edits.errors for edits in by_ear) / max(1, units))
    offline = [clip.edits_offline for clip in clips if clip.edits_offline is not None]
    if len(offline) == len(clips):
        row["per_offline"] = _rounded(sum(edits.errors for edits in offline) / max(1, units))
    differences = [clip.largest_difference for clip in clips if clip.largest_difference is not None]
    if differences:
        row["largest_log_prob_difference"] = float(f"{max(differences):.2e}")
    before = [clip.inserted_before for clip in clips if clip.inserted_before is not None]
    if before:
        row["insertions_before_text"] = _rounded(sum(before) / max(1, units))
    return row | {"by_unit": by_unit([clip.edits[primary] for clip in clips])}


def by_unit(edits: Iterable[Edits]) -> list[Row]:
    """Errors of each unit of the text, most errors first, with what was heard in its place most often."""
    heard: dict[int, Counter[int]] = {}
    for clip in edits:
        for expected, said in clip.pairs:
            if expected != BLANK:
                heard.setdefault(expected, Counter())[said] += 1
    rows = []
    for unit, counter in heard.items():
        count, right = counter.total(), counter.pop(unit, 0)
        common = [[UNITS[said], times] for said, times in counter.most_common(CONFUSIONS_NAMED)]
        rows.append((count - right, unit, {"unit": UNITS[unit], "n": count, "errors": count - right, "heard": common}))
    return [row for *_, row in sorted(rows, key=lambda entry: (-entry[0], entry[1]))]


def _spread(values: Sequence[float]) -> Row:
    p50, p95 = np.percentile(values, [50, 95])
    return {"p50": _rounded(p50, 1), "p95": _rounded(p95, 1), "n": len(values)}


def _delays(clips: Sequence[Measured], primary: str) -> Row:
    if primary not in clips[0].delays:
        return {}
    by_lookahead: dict[str, Row] = {}
    for key in clips[0].delays:
        emission = [ms for clip in clips for ms in clip.delays[key].emission]
        available = [ms for clip in clips for ms in clip.delays[key].availability]
        if emission:
            by_lookahead[key] = _spread(emission) | {"available": _spread(available), "histogram": _histogram(emission)}
    if primary not in by_lookahead:
        return {}
    return {"emission_delay_ms": by_lookahead[primary], "emission_delay_ms_by_lookahead": by_lookahead}


def _histogram(delays_ms: Sequence[float]) -> Row:
    low, high = DELAY_RANGE_MS
    counts, _ = np.histogram(delays_ms, np.arange(low, high + DELAY_STEP_MS, DELAY_STEP_MS))
    return {"from": low, "step": DELAY_STEP_MS, "counts": counts.tolist()}


def _against_truth(clips: Sequence[Measured]) -> Row:
    """Figures of groups whose times are known."""
    known = [clip.truth for clip in clips if clip.truth is not None]
    onset, boundary = [ms for t in known for ms in t.onset], [ms for t in known for ms in t.boundary]
    row: Row = {}
    if onset:
        row["onset_delay_ms"] = _spread(onset) | {"histogram": _histogram(onset)}
    if boundary:
        row["alignment_ms"] = _spread(boundary)
    return row


def _following(clips: Sequence[Measured], cluster: NDArray[np.int64]) -> Row:
    counted = [clip.followed for clip in clips if clip.followed is not None]
    if len(counted) < len(clips):
        return {}

    def share(part: str, whole: str) -> tuple[float, list[float]]:
        counts = np.array([(getattr(f, part), getattr(f, whole)) for f in counted], np.float64)
        return _rounded(rate(counts.sum(axis=0, keepdims=True))[0]), interval(counts, cluster, rate)

    row: Row = {"words": sum(f.words for f in counted)}
    for name, part, whole in (
        ("words_in_place", "in_place", "words"),
        ("words_accused", "accused", "words"),
        ("words_unclear", "unclear", "words"),
        ("false_alarm_rate", "alarms", "phones"),
        ("called_wrong", "called_wrong", "phones"),
        ("cursor_within_one_word", "near", "moments"),
        ("stream_offline_agreement", "agreed", "words"),
    ):
        row[name], row[f"{name}_ci"] = share(part, whole)
    # Of what the student sees: doubts in a voice the ear does not understand are not shown.
    row["false_alarms_per_100_phones"] = _rounded(
        100 * sum(f.shown for f in counted) / max(1, sum(f.phones for f in counted)), 2
    )
    boundaries = [ms for f in counted for ms in f.boundary_ms]
    if boundaries:
        row["boundary_ms"] = _spread(boundaries)
    return row


def _counterfactual(clips: Sequence[Measured], cluster: NDArray[np.int64]) -> Row:
    tested = [clip.swapped for clip in clips if clip.swapped is not None]
    swaps = [swap for t in tested for swap in t.swaps]
    if len(tested) < len(clips) or not any(swap.p is not None for swap in swaps):
        return {}
    found = [swap for swap in swaps if swap.found]
    counts = np.array(
        [(sum(s.found for s in t.swaps), len(t.swaps), (t.right < DOUBTFUL).sum(), len(t.right)) for t in tested],
        np.float64,
    )
    recall = len(found) / len(swaps)
    false_alarms = float(counts[:, 2].sum() / max(1, counts[:, 3].sum()))
    wrong = np.array([swap.p for swap in swaps if swap.p is not None], np.float32)
    right = np.concatenate([t.right for t in tested])
    return {
        "counterfactual": {
            "swaps": len(swaps),
            "judged": _rounded(len(wrong) / len(swaps)),
            "recall": _rounded(recall),
            "recall_ci": interval(counts[:, :2], cluster, rate),
            "false_alarm_rate": _rounded(false_alarms),
            "precision": _rounded(recall / max(1e-9, recall + false_alarms)),
            "f1": _rounded(f1(counts.sum(axis=0, keepdims=True))[0]),
            "f1_ci": interval(counts, cluster, f1),
            "auc": _rounded(area_under_roc(wrong, right)),
            "named_right": _rounded(sum(swap.named for swap in found) / max(1, len(found))),
            "alone": _rounded(sum(swap.alone for swap in found) / max(1, len(found))),
            "shown": _rounded(sum(swap.shown for swap in found) / len(swaps)),
            "called_wrong": _rounded(sum(swap.called_wrong for swap in swaps) / len(swaps)),
            "called_wrong_rightly": _rounded(
                sum(swap.called_wrong for swap in swaps) / max(1, sum(t.called_wrong for t in tested))
            ),
            "roc": roc(wrong, right),
            "reliability": reliability(wrong, right),
        }
    }


def area_under_roc(wrong: Floats, right: Floats) -> float:
    """The chance that a swapped phone scores below a right one, ties counted half."""
    ordered = np.sort(right)
    ranks = np.searchsorted(ordered, wrong, side="left") + np.searchsorted(ordered, wrong, side="right")
    return float(1 - ranks.mean() / 2 / len(right))


def roc(wrong: Floats, right: Floats) -> list[list[float]]:
    """Points (false-alarm rate, recall) over thresholds, rising, denser where false alarms are few."""
    rates = np.unique(np.concatenate([[0.0], np.geomspace(1e-3, 1, ROC_POINTS)]))
    thresholds = np.quantile(right, rates, method="inverted_cdf")
    found = [[float((right <= t).mean()), float((wrong <= t).mean())] for t in thresholds]
    return [[_rounded(x), _rounded(y)] for x, y in found]


def reliability(wrong: Floats, right: Floats) -> list[list[float]]:
    """Bins of probability: (mean probability, share that was right, phones), of altered texts as they are."""
    p = np.concatenate([right, wrong])
    was_right = np.concatenate([np.ones(len(right)), np.zeros(len(wrong))])
    bins = np.minimum((p * RELIABILITY_BINS).astype(int), RELIABILITY_BINS - 1)
    rows = []
    for number in range(RELIABILITY_BINS):
        inside = bins == number
        if inside.any():
            rows.append([_rounded(p[inside].mean()), _rounded(was_right[inside].mean()), int(inside.sum())])
    return rows
