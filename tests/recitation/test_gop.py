"""The judge: the phone that was said beats the one that was not, by exact CTC likelihoods."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import Floats, Script

from recitation.gop import View, candidates, ctc_likelihoods, judge, script_of
from recitation.phones import BLANK, CONFUSABLE, INDEX, UNITS

NEIGHBOURS = (INDEX["ل"], INDEX["ۦۦ"])


def random_log_probs(frames: int, units: int, seed: int) -> Floats:
    logits = np.random.default_rng(seed).normal(0, 2, (frames, units))
    return (logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))).astype(np.float32)


@given(
    st.integers(1, 40),
    st.lists(st.lists(st.integers(1, 9), max_size=8), min_size=1, max_size=6),
    st.integers(0, 1000),
)
@settings(max_examples=150, deadline=None)
def test_likelihoods_are_those_of_torch(frames: int, sequences: list[list[int]], seed: int) -> None:
    log_probs = random_log_probs(frames, 10, seed)
    ours = ctc_likelihoods(log_probs, sequences)
    losses = torch.nn.functional.ctc_loss(
        torch.from_numpy(log_probs)[:, None].expand(-1, len(sequences), -1),
        torch.tensor([unit for sequence in sequences for unit in sequence], dtype=torch.long),
        torch.full((len(sequences),), frames),
        torch.tensor([len(sequence) for sequence in sequences]),
        blank=BLANK,
        reduction="none",
    ).numpy()
    possible = np.isfinite(losses)
    np.testing.assert_allclose(ours[possible], -losses[possible], rtol=1e-4, atol=1e-3)
    assert (ours[~possible] < -60).all()


def window(unit: int, seed: int = 0, confusion: float = 1.0) -> tuple[Floats, slice]:
    """A unit between a lam and a madd; where it is."""
    before, after = NEIGHBOURS
    script = Script(np.random.default_rng(seed))
    script.say([before, unit, after])
    return script.log_probs(confusion), slice(script.starts[1], script.starts[2])


@pytest.mark.parametrize("unit", [u for u in range(1, len(UNITS)) if u not in NEIGHBOURS])
def test_the_phone_that_was_said_beats_the_swapped_one(unit: int) -> None:
    log_probs, core = window(unit, seed=unit)
    right = judge(View(log_probs, *NEIGHBOURS, core), unit)
    assert right.p > 0.9
    assert right.heard is None
    assert right.ratio > 0
    for rival in CONFUSABLE[unit]:
        if rival in NEIGHBOURS:
            continue
        swapped = judge(View(log_probs, *NEIGHBOURS, core), rival)
        assert swapped.p < 0.5 < right.p, UNITS[rival]
        assert swapped.heard == unit, UNITS[rival]
        assert swapped.ratio < 0


def test_a_phone_that_was_not_said_is_named_nothing() -> None:
    script = Script(np.random.default_rng(0))
    script.say(NEIGHBOURS)
    log_probs = script.log_probs()
    judged = judge(View(log_probs, *NEIGHBOURS, slice(script.starts[1] - 1, script.starts[1] + 1)), INDEX["ب"])
    assert judged.p < 0.2
    assert judged.heard == BLANK
    assert script_of(judged.heard) == ""


@pytest.mark.parametrize(("before", "after"), [(None, NEIGHBOURS[1]), (NEIGHBOURS[0], None), (None, None)])
def test_a_neighbour_may_be_missing(before: int | None, after: int | None) -> None:
    script = Script(np.random.default_rng(0))
    unit = INDEX["ص"]
    script.say([u for u in (before, unit, after) if u is not None])
    start = script.starts[0 if before is None else 1]
    core = slice(start, start + 3)
    log_probs = script.log_probs()
    assert judge(View(log_probs, before, after, core), unit).p > 0.9
    assert judge(View(log_probs, before, after, core), INDEX["س"]).heard == unit


@given(st.integers(1, len(UNITS) - 1), st.integers(2, 30), st.integers(0, 100), st.floats(0.1, 8))
@settings(max_examples=60, deadline=None)
def test_any_sound_gives_a_probability(unit: int, frames: int, seed: int, spread: float) -> None:
    logits = np.random.default_rng(seed).normal(0, spread, (frames, len(UNITS)))
    log_probs = (logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))).astype(np.float32)
    judged = judge(View(log_probs, *NEIGHBOURS, slice(0, frames)), unit)
    assert 0 <= judged.p <= 1
    assert np.isfinite(judged.ratio)
    assert judged.heard != unit
    assert (judged.heard is None) == (judged.ratio >= 0)


def test_rivals_come_from_the_confusions_and_from_the_sound() -> None:
    log_probs, core = window(INDEX["غ"])
    rivals = candidates(INDEX["س"], View(log_probs, *NEIGHBOURS, core))
    assert set(CONFUSABLE[INDEX["س"]]) < set(rivals)
    assert INDEX["غ"] in rivals
    assert BLANK not in rivals
    assert INDEX["س"] not in rivals
    assert len(set(rivals)) == len(rivals)


def test_a_rival_is_written_in_the_script() -> None:
    assert script_of(None) is None
    assert script_of(INDEX["صص"]) == "صص"
