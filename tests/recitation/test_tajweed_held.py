"""The held count: learned from long madds of any style, and a scale that goes both ways."""

import numpy as np
import pytest

from recitation.tajweed.held import (
    FREE_COUNTS,
    LEAST,
    MOST,
    NATURAL_HARAKAT,
    USUAL,
    USUAL_SPREAD,
    Held,
    Length,
)

STYLES = (1.1, 1.9, 2.8)


def after(style: float, times: int = 8) -> Held:
    held = Held()
    for n in range(times):
        counts = 6 if n % 4 == 3 else 4
        held.note(counts, counts * style * (1 + 0.08 * (-1) ** n))
    return held


def test_nothing_heard_is_a_wide_guess() -> None:
    held = Held()
    assert (held.per_count, held.spread) == (pytest.approx(USUAL), USUAL_SPREAD)
    assert held.length(2) == Length(NATURAL_HARAKAT, 0.0), "natural madds are alike in every voice"


@pytest.mark.parametrize("style", STYLES)
def test_the_count_of_a_style_is_learned(style: float) -> None:
    held = after(style)
    assert held.per_count == pytest.approx(style, rel=0.1)
    assert held.spread < after(style, 2).spread < USUAL_SPREAD


@pytest.mark.parametrize("style", STYLES)
def test_odd_madds_hardly_count(style: float) -> None:
    held = after(style, 12)
    held.note(4, NATURAL_HARAKAT)
    held.note(4, 9 * style)
    assert held.per_count == pytest.approx(style, rel=0.12)


@pytest.mark.parametrize("style", STYLES)
def test_counts_and_harakat_are_one_scale(style: float) -> None:
    held = after(style)
    scale = [held.length(counts).harakat for counts in np.arange(0.5, 9, 0.25)]
    assert np.all(np.diff(scale) > 0)
    for counts in (0.5, 1, 2, 2.5, 3.9, 4, 4.1, 6, 8):
        there = held.length(counts)
        assert held.counts(Length(there.harakat, 0.0))[0] == pytest.approx(counts)


def test_an_error_grows_with_what_is_not_known() -> None:
    held = after(1.9)
    for harakat in (1.5, 4.0, 12.0):
        precise, vague = (held.counts(Length(harakat, spread))[1] for spread in (0.02, 0.2))
        assert precise < vague
    assert Held().counts(Length(8.0, 0.05))[1] > held.counts(Length(8.0, 0.05))[1], "the held count is not known yet"
    near = [held.counts(Length(1.5 * factor, 0.0))[0] for factor in (0.9, 1.1)]
    assert held.counts(Length(1.5, 0.1))[1] == pytest.approx((near[1] - near[0]) / 2)


@pytest.mark.parametrize("style", STYLES)
def test_madds_before_a_stop_are_one_witness(style: float) -> None:
    held = Held()
    held.note_free(4 * style)
    first, spread = held.per_count, held.spread
    assert abs(np.log(first / style)) < abs(np.log(USUAL / style)) or first == pytest.approx(style, rel=0.15)
    assert spread < USUAL_SPREAD
    for _ in range(9):
        held.note_free(4 * style)
    assert (held.per_count, held.spread) == (pytest.approx(first), pytest.approx(spread))
    for _ in range(8):
        held.note(4, 4 * USUAL)
    assert held.per_count == pytest.approx(USUAL, rel=0.12), "those of a length that is known say more"


def test_no_count_is_shorter_than_a_short_vowel() -> None:
    held = Held()
    for _ in range(20):
        held.note(4, 1.0)
        held.note_free(1.0 * FREE_COUNTS / 4)
    assert held.per_count == LEAST
    for _ in range(24):
        held.note(4, 40.0)
    assert held.per_count == MOST


@pytest.mark.parametrize(("counts", "harakat"), [(0, 4.0), (4, 0.0), (-4, -8.0)])
def test_impossible_notes_are_a_mistake_of_the_caller(counts: float, harakat: float) -> None:
    with pytest.raises(ValueError, match="positive"):
        Held().note(counts, harakat)
