"""Runs of repeated symbols: exactly what independent frames imply, in any pieces."""

from itertools import groupby, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recitation.acoustics.repeats import COUNTS, Floats, runs, silence

BLANK, OTHER = 2, 3
"""Beside the symbols 0 and 1: CTC's blank, and a symbol whose runs nobody asks for."""


def frames(count: int, seed: int, sharpness: float = 1.0) -> Floats:
    logits = sharpness * np.random.default_rng(seed).standard_normal((count, 4))
    return (np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)).astype(np.float32)


def by_every_path(posteriors: Floats) -> tuple[Floats, Floats]:
    """The same figures from every path there is, by the definition of a run."""
    inside = np.zeros((len(posteriors), 2, COUNTS))
    outside = np.zeros(len(posteriors))
    for path in product(range(4), repeat=len(posteriors)):
        p = float(np.prod(posteriors[np.arange(len(path)), path]))
        said = [(symbol, len(list(group))) for symbol, group in groupby(path)]
        starts = np.cumsum([0, *(length for _, length in said)])
        spoken = [n for n, (symbol, _) in enumerate(said) if symbol != BLANK]
        for symbol, together in groupby(spoken, key=lambda n: said[n][0]):
            sayings = list(together)
            if symbol != OTHER:
                span = slice(int(starts[sayings[0]]), int(starts[sayings[-1] + 1]))
                inside[span, symbol, min(len(sayings), COUNTS) - 1] += p
        outside += p * np.array([symbol == BLANK for symbol in path])
    bridged = inside.sum(axis=2) - posteriors[:, :2]
    return inside, outside - bridged.sum(axis=1)


@pytest.mark.parametrize("seed", range(4))
def test_runs_are_what_every_path_together_says(seed: int) -> None:
    posteriors = frames(6, seed, sharpness=2.0)
    inside, outside, _ = runs(posteriors[None, :, :2], posteriors[None, :, BLANK], silence(1, 2), 6)
    expected_inside, expected_outside = by_every_path(posteriors)
    np.testing.assert_allclose(inside[0], expected_inside, atol=1e-6)
    np.testing.assert_allclose(outside[0], expected_outside, atol=1e-6)


@given(st.integers(0, 1000), st.lists(st.integers(1, 5), min_size=1, max_size=6))
@settings(max_examples=20, deadline=None)
def test_pieces_that_see_to_the_end_say_the_same(seed: int, pieces: list[int]) -> None:
    total = sum(pieces)
    posteriors = frames(total, seed)[None]
    inside, outside, _ = runs(posteriors[..., :2], posteriors[..., BLANK], silence(1, 2), total)
    begin, side = 0, silence(1, 2)
    for piece in pieces:
        rest = posteriors[:, begin:]
        part, blank, side = runs(rest[..., :2], rest[..., BLANK], side, piece)
        np.testing.assert_allclose(part, inside[:, begin : begin + piece], atol=1e-5)
        np.testing.assert_allclose(blank, outside[:, begin : begin + piece], atol=1e-5)
        begin += piece


def test_a_blank_belongs_to_a_run_only_when_the_look_ahead_shows_its_other_side() -> None:
    posteriors = np.eye(4, dtype=np.float32)[[0, BLANK, BLANK, 0]][None]
    symbols, blank = posteriors[..., :2], posteriors[..., BLANK]
    _, blind, _ = runs(symbols[:, :3], blank[:, :3], silence(1, 2), 3)
    inside, seen, _ = runs(symbols, blank, silence(1, 2), 3)
    np.testing.assert_allclose(blind[0], [0, 1, 1])
    np.testing.assert_allclose(seen[0], [0, 0, 0])
    np.testing.assert_allclose(inside[0, :, 0], [[0, 1, 0]] * 3)


def test_sessions_do_not_hear_each_other() -> None:
    both = np.stack([frames(8, 1), frames(8, 2)])
    together, _, _ = runs(both[..., :2], both[..., BLANK], silence(2, 2), 5)
    for n in range(2):
        alone, _, _ = runs(both[n : n + 1, :, :2], both[n : n + 1, :, BLANK], silence(1, 2), 5)
        np.testing.assert_allclose(together[n], alone[0], atol=1e-7)
