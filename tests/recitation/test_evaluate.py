"""Best paths, edit distance and alignment."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recitation.acoustics.engine import OnnxEngine, run_through
from recitation.evaluate import alignment, edit_distance, emissions, greedy, whole
from recitation.lexicon import Lexicon, recited
from recitation.mushaf import parse_reference
from recitation.phones import BLANK, UNITS

SEQUENCES = st.lists(st.integers(1, 4), max_size=12)


def reference_distance(a: Sequence[int], b: Sequence[int]) -> int:
    """Levenshtein distance by its definition."""

    @cache
    def distance(i: int, j: int) -> int:
        if i == 0 or j == 0:
            return i + j
        change = distance(i - 1, j - 1) + (a[i - 1] != b[j - 1])
        return min(change, distance(i - 1, j) + 1, distance(i, j - 1) + 1)

    return distance(len(a), len(b))


@given(SEQUENCES, SEQUENCES)
def test_the_edit_distance_is_levenshteins(a: list[int], b: list[int]) -> None:
    assert edit_distance(a, b) == reference_distance(a, b)


@given(SEQUENCES, SEQUENCES)
def test_the_edit_distance_is_a_metric(a: list[int], b: list[int]) -> None:
    assert edit_distance(a, b) == edit_distance(b, a)
    assert (edit_distance(a, b) == 0) == (a == b)


@given(SEQUENCES, SEQUENCES)
def test_an_alignment_has_every_place_once_and_no_edit_too_many(a: list[int], b: list[int]) -> None:
    pairs = alignment(a, b)
    assert [i for i, _ in pairs if i is not None] == list(range(len(a)))
    assert [j for _, j in pairs if j is not None] == list(range(len(b)))
    edits = sum(i is None or j is None or a[i] != b[j] for i, j in pairs)
    assert edits == edit_distance(a, b)


def test_what_precedes_the_text_is_inserted_before_it() -> None:
    assert alignment([1, 2], [1, 2, 1, 2]) == [(None, 0), (None, 1), (0, 2), (1, 3)]


def peaks(units: Sequence[int], random: np.random.Generator) -> np.ndarray:
    """Log-probabilities of a model that is never wrong: each unit for one to three frames, blanks where needed."""
    frames: list[int] = []
    for n, unit in enumerate(units):
        if n and units[n - 1] == unit:
            frames.append(BLANK)
        frames += [unit] * int(random.integers(1, 4)) + [BLANK] * int(random.integers(0, 3))
    log_probs = np.full((len(frames), len(UNITS)), -9.0, np.float32)
    log_probs[np.arange(len(frames)), frames] = -0.01
    return log_probs


@pytest.mark.parametrize("reference", ["1:1-7", "112", "2:19", "2:255"])
def test_a_perfect_decode_has_no_errors(lexicon: Lexicon, reference: str) -> None:
    expected = [p.unit for _, form in recited(lexicon.words(parse_reference(reference))) for p in form]
    heard = greedy(peaks(expected, np.random.default_rng(0)))
    assert heard == expected
    assert edit_distance(heard, expected) == 0


@given(st.lists(st.integers(1, len(UNITS) - 1), min_size=1, max_size=30), st.integers(0, 100))
def test_greedy_takes_out_repeats_and_blanks(units: list[int], seed: int) -> None:
    log_probs = peaks(units, np.random.default_rng(seed))
    found, frames = emissions(log_probs)
    assert found == units == greedy(log_probs)
    best = log_probs.argmax(axis=1)
    assert best[frames].tolist() == units
    assert all(frame == 0 or best[frame - 1] != best[frame] for frame in frames)


def test_nothing_heard_is_no_units() -> None:
    assert greedy(np.zeros((0, len(UNITS)), np.float32)) == []


def test_the_whole_as_one_chunk_gives_a_distribution_each_20_ms(small_model: Path) -> None:
    engine = OnnxEngine(small_model)
    features = np.random.default_rng(0).standard_normal((29, 80)).astype(np.float32)
    log_probs = whole(engine, features)
    assert log_probs.shape == run_through(engine, features).shape == (15, len(UNITS))
