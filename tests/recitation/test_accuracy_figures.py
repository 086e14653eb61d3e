"""The figures of accuracy mean what they are called."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recitation.accuracy.clips import Utterance
from recitation.accuracy.delay import Delays
from recitation.accuracy.figures import Edits, Measured, area_under_roc, by_unit, reliability, roc, summarise
from recitation.accuracy.following import Followed
from recitation.accuracy.intervals import clusters, f1, interval, rate
from recitation.accuracy.swaps import Swap, Swapped
from recitation.accuracy.truth import AgainstTruth
from recitation.evaluate import edit_distance
from recitation.phones import BLANK, UNITS

SEQUENCES = st.lists(st.integers(1, 4), max_size=12)
SCORES = st.lists(st.sampled_from([0.0, 0.01, 0.2, 0.5, 0.9, 1.0]), min_size=1, max_size=30)


@given(SEQUENCES, SEQUENCES)
def test_edits_are_substitutions_deletions_and_insertions(expected: list[int], heard: list[int]) -> None:
    edits = Edits.between(expected, heard)
    substitutions, deletions, insertions = edits.counts
    assert edits.errors == edit_distance(expected, heard) == substitutions + deletions + insertions
    assert len(heard) - len(expected) == insertions - deletions


def test_errors_of_each_unit() -> None:
    edits = [Edits.between([1, 2, 1], [1, 3, 1]), Edits.between([2, 2], [3]), Edits.between([5], [4, 5])]
    worst, *others = by_unit(edits)
    assert worst == {"unit": UNITS[2], "n": 3, "errors": 3, "heard": [[UNITS[3], 2], [UNITS[BLANK], 1]]}
    assert [(row["unit"], row["n"], row["errors"]) for row in others] == [(UNITS[1], 2, 0), (UNITS[5], 1, 0)]


@given(SCORES, SCORES)
def test_the_area_is_the_chance_that_a_swap_scores_lower(wrong: list[float], right: list[float]) -> None:
    pairs = [(w < r) + (w == r) / 2 for w in wrong for r in right]
    area = area_under_roc(np.array(wrong, np.float32), np.array(right, np.float32))
    assert area == pytest.approx(sum(pairs) / len(pairs), abs=1e-6)


@given(SCORES, SCORES)
def test_a_roc_rises(wrong: list[float], right: list[float]) -> None:
    points = roc(np.array(wrong, np.float32), np.array(right, np.float32))
    assert points == sorted(points)
    assert all(0 <= x <= 1 and 0 <= y <= 1 for x, y in points)
    assert points[-1][0] == 1


def test_probabilities_that_mean_what_they_say() -> None:
    random = np.random.default_rng(0)
    p = random.random(40_000).astype(np.float32)
    was_right = random.random(len(p)) < p
    rows = reliability(p[~was_right], p[was_right])
    assert len(rows) == 10
    assert sum(row[2] for row in rows) == len(p)
    assert all(abs(said - share) < 0.03 for said, share, _ in rows)


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 40)), min_size=1, max_size=20))
def test_an_interval_lies_around_its_rate(clips: list[tuple[int, int]]) -> None:
    low, high = interval(np.array(clips, np.float64), np.arange(len(clips)), rate, draws=200)
    rates = [errors / units for errors, units in clips]
    assert min(rates) - 1e-3 <= low <= high <= max(rates) + 1e-3


def test_intervals_cover_what_they_should() -> None:
    random = np.random.default_rng(1)
    covered = 0
    for _ in range(200):
        errors = random.binomial(50, 0.2, 40)
        low, high = interval(np.stack([errors, np.full(40, 50)], 1).astype(float), np.arange(40), rate, draws=300)
        covered += low <= 0.2 <= high
    assert 175 <= covered <= 200


def test_clips_of_a_voice_are_drawn_together() -> None:
    assert clusters(["a", "b", "c"])[0] == "clip"
    assert clusters(["a", "a", "a"])[0] == "clip"
    by, cluster = clusters(["b", "a", "b"])
    assert (by, cluster.tolist()) == ("voice", [1, 0, 1])
    alike = np.array([[1.0, 10], [5, 10], [1, 10], [5, 10]])
    assert interval(alike, np.array([0, 0, 1, 1]), rate) == [0.3, 0.3]
    assert interval(alike, np.arange(4), rate) == [0.1, 0.5]


def test_f1_of_as_many_right_phones_as_swapped() -> None:
    assert f1(np.array([[80.0, 100, 140, 700]]))[0] == pytest.approx(0.8)
    assert f1(np.array([[0.0, 10, 0, 10]]))[0] == 0


def clip(n: int, heard: list[int]) -> Measured:
    expected = [1, 2, 3, 4]
    return Measured(
        Utterance(Path(f"{n}.opus"), ("1:1",), "g", "v"), len(expected),
        {"0": Edits.between(expected, expected), "80": Edits.between(expected, heard)},
    )  # fmt: skip


def test_recognition_of_a_group() -> None:
    row = summarise([clip(0, [1, 2, 3, 4]), clip(1, [1, 5, 3, 4, 4]), clip(2, [1, 2])], "80")
    assert (row["clips"], row["voices"], row["units"], row["ci_by"]) == (3, 1, 12, "clip")
    assert (row["per"], row["substitutions"], row["insertions"], row["deletions"]) == (0.3333, 0.0833, 0.0833, 0.1667)
    assert row["per_by_lookahead"]["0"]["per"] == 0
    assert row["by_unit"][0]["errors"] == 1
    unmeasured = {"per_offline", "per_full_context", "words", "counterfactual", "emission_delay_ms", "onset_delay_ms"}
    assert not unmeasured & row.keys()


def test_what_was_measured_of_a_group_adds_up() -> None:
    swaps = (
        Swap(1, 2, 0.01, True, True, True, True),
        Swap(1, 3, 0.02, False, False, False, False),
        Swap(2, 3, 0.8, False, True, False, False),
        Swap(2, 1, None, False, False, False, False),
    )
    measured = [clip(0, [1, 2, 3, 4]), clip(1, [1, 2, 3])]
    for n, one in enumerate(measured):
        one.edits_offline = one.edits["80"]
        one.largest_difference = 1.23456e-5 * (n + 1)
        one.followed = Followed(4, 3, 1, n, 2, 10, 1, 1, n, 20, 19, (10.0, 30.0))
        one.delays = {"80": Delays((0.0, 20.0 * n), (80.0, 100.0))}
        one.inserted_before, one.located = n, n == 0
        one.swapped = Swapped(swaps, np.array([0.9, 0.95, 0.03, 0.99, 0.7], np.float32), 1 + n)
    measured[0].truth = AgainstTruth((60.0, 100.0), (5.0,))
    row = summarise(measured, "80")
    assert row["per_offline"] == row["per"] == 0.125
    assert row["largest_log_prob_difference"] == 2.47e-5
    assert row["insertions_before_text"] == 0.125
    assert (row["words"], row["words_in_place"], row["words_accused"], row["words_unclear"]) == (8, 0.75, 0.25, 0.125)
    assert (row["false_alarm_rate"], row["false_alarms_per_100_phones"]) == (0.1, 10.0)
    assert row["called_wrong"] == 0.05
    assert (row["cursor_within_one_word"], row["stream_offline_agreement"]) == (0.95, 0.5)
    assert row["boundary_ms"]["p50"] == 20
    assert row["locate_top1"] == 0.5
    delay = row["emission_delay_ms"]
    assert (delay["p50"], delay["n"], delay["available"]["p50"], sum(delay["histogram"]["counts"])) == (0, 4, 90, 4)
    assert (row["onset_delay_ms"]["p50"], row["alignment_ms"]["p50"]) == (80, 5)
    found = row["counterfactual"]
    assert (found["swaps"], found["judged"], found["recall"], found["false_alarm_rate"]) == (8, 0.75, 0.5, 0.2)
    assert (found["precision"], found["named_right"], found["alone"], found["shown"]) == (0.7143, 0.5, 0.5, 0.25)
    assert (found["called_wrong"], found["called_wrong_rightly"]) == (0.25, 0.6667)
    assert found["f1"] == pytest.approx(2 * 0.5 * 0.7143 / 1.2143, abs=1e-3)
    assert found["auc"] == pytest.approx(13 / 15, abs=1e-3)


def test_figures_of_some_clips_are_not_a_groups() -> None:
    first, second = clip(0, [1]), clip(1, [1])
    first.followed = Followed(words=4)
    assert "words" not in summarise([first, second], "80")
    second.followed = replace(first.followed, words=2)
    assert summarise([first, second], "80")["words"] == 6
