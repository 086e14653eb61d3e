"""Phonotactics: the trigram is one, and the search finds what a search without a beam finds."""

from collections.abc import Callable
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recitation.acoustics.engine import OnnxEngine
from recitation.evaluate import edit_distance, emissions, greedy
from recitation.lexicon import Lexicon, recited
from recitation.made_voice import MadeRecitation
from recitation.mushaf import parse_reference
from recitation.phones import BLANK, INDEX, UNITS
from recitation.phonotactics import BONUS, EDGE, STRANGEST, WEIGHT, Floats, decode, trigram
from recitation.pipeline import recognise


def noisy(random: np.random.Generator, units: list[int], rival: float) -> Floats:
    """What an unsure ear makes of units: each peaks in one frame of four, with a rival beside it."""
    log_probs = np.full((4 * len(units) + 2, len(UNITS)), np.log(1e-5), np.float32)
    log_probs[:, BLANK] = np.log(0.98)
    for n, unit in enumerate(units):
        frame = 4 * n + 2
        other = int(random.integers(1, len(UNITS)))
        log_probs[frame, [BLANK, other, unit]] = np.log([0.02, rival, 0.97 - rival])
    return log_probs


def test_the_trigram_is_a_probability_of_what_follows() -> None:
    chances = np.exp(trigram().astype(np.float64))
    assert chances.shape == (len(UNITS),) * 3
    np.testing.assert_allclose(chances.sum(-1), 1, atol=1e-3)
    assert chances.min() > 0


def test_it_knows_what_may_stand_after_what() -> None:
    chances = trigram()
    kept = chances[INDEX["ب"], INDEX["ِ"]]
    assert kept[INDEX["س"]] > kept[INDEX["ُ"]] + 4, "a vowel does not follow a vowel"
    assert chances[INDEX["د"], INDEX["ڇ"], INDEX["ڇ"]] < -4


@given(st.integers(0, 10_000))
@settings(deadline=None, max_examples=15)
def test_without_weight_it_is_the_best_path(seed: int) -> None:
    random = np.random.default_rng(seed)
    log_probs = np.log(random.dirichlet(np.full(len(UNITS), 0.02), 12) + 1e-6).astype(np.float32)
    units, frames = decode(log_probs, weight=0, bonus=0)
    assert (units, frames) == emissions(log_probs)


def exhaustive(log_probs: Floats) -> list[int]:
    """The best alignment of all there are, over the units that matter."""
    allowed = np.flatnonzero((log_probs > -6).any(0)).tolist()
    follows, best, found = np.maximum(trigram(), STRANGEST), -np.inf, []
    for path in product(allowed, repeat=len(log_probs)):
        units = [u for n, u in enumerate(path) if u != BLANK and (n == 0 or path[n - 1] != u)]
        line = [EDGE, EDGE, *units]
        score = sum(float(log_probs[n, u]) for n, u in enumerate(path))
        score += sum(WEIGHT * float(follows[line[n], line[n + 1], u]) + BONUS for n, u in enumerate(units))
        if score > best:
            best, found = score, units
    return found


@pytest.mark.parametrize("seed", range(6))
def test_the_search_misses_nothing(seed: int) -> None:
    random = np.random.default_rng(seed)
    log_probs = np.full((6, len(UNITS)), -30.0, np.float32)
    some = [BLANK, *random.choice(np.arange(1, len(UNITS)), 3, replace=False).tolist()]
    log_probs[:, some] = np.log(random.dirichlet(np.ones(4), 6)).astype(np.float32)
    assert decode(log_probs)[0] == exhaustive(log_probs)


def test_a_phone_that_cannot_stand_there_gives_way(lexicon: Lexicon) -> None:
    random, wrong, mended = np.random.default_rng(1), 0, 0
    for surah in range(93, 113):
        said = [p.unit for _, form in recited(lexicon.words(parse_reference(str(surah)))) for p in form][:150]
        log_probs = noisy(random, said, 0.52)
        wrong += edit_distance(greedy(log_probs), said)
        mended += edit_distance(decode(log_probs)[0], said)
    assert wrong > 1000
    assert mended < 0.35 * wrong


def test_a_phone_clearly_heard_is_believed(lexicon: Lexicon) -> None:
    said = [p.unit for _, form in recited(lexicon.words(parse_reference("112"))) for p in form]
    strange = list(said)
    strange[5::7] = [INDEX["ظظ"]] * len(strange[5::7])
    assert decode(noisy(np.random.default_rng(0), strange, 1e-4))[0] == strange


@pytest.mark.parametrize("frames", [0, 1])
def test_nothing_is_found_in_nothing(frames: int) -> None:
    log_probs = np.full((frames, len(UNITS)), -20.0, np.float32)
    log_probs[:, BLANK] = 0
    assert decode(log_probs) == ([], [])


def test_recognition_is_helped_where_the_sound_is_poor(engine: OnnxEngine, make: Callable[..., MadeRecitation]) -> None:
    made = make("113")
    noise = np.random.default_rng(0).normal(0, 0.04, len(made.pcm)).astype(np.float32)
    expected = [phone.unit for phone in made.phones]

    def errors(*, by_ear: bool) -> int:
        heard = recognise(engine, made.pcm + noise, by_ear=by_ear)
        return edit_distance([unit for unit, *_ in heard], expected)

    assert errors(by_ear=False) < errors(by_ear=True)
