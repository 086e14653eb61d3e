"""The figures of accuracy mean what they are called."""

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recitation.acoustics.engine import OnnxEngine, run_through
from recitation.audio import AudioError, read_audio
from recitation.evaluate import (
    Tally,
    Utterance,
    bootstrap,
    edit_distance,
    evaluate,
    greedy,
    load_clips,
    read_manifest,
    summarise,
    whole,
)
from recitation.lexicon import Lexicon, recited
from recitation.mushaf import AddressError, parse_reference
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
    assert greedy(peaks(units, np.random.default_rng(seed))) == units


def test_nothing_heard_is_no_units() -> None:
    assert greedy(np.zeros((0, len(UNITS)), np.float32)) == []


def test_a_manifest_names_files_beside_it(tmp_path: Path) -> None:
    rows = [
        {"file": "a.opus", "verses": ["1:1", "1:2"], "group": "crowd", "voice": "x"},
        {"file": "sub/b.opus", "verses": ["112"], "start": 1600, "samples": 32_000},
    ]
    manifest = tmp_path / "manifest.jsonl"
    manifest.write_text("\n".join(map(json.dumps, rows)) + "\n\n")
    first, second = read_manifest(manifest)
    assert first == Utterance(tmp_path / "a.opus", ("1:1", "1:2"), "crowd", "x")
    assert (second.file, second.group, second.start, second.samples) == (tmp_path / "sub/b.opus", "all", 1600, 32_000)
    assert [word.at for word in first.passage().words][3:6] == ["1:1:4", "1:2:1", "1:2:2"]


def test_a_bad_address_in_a_manifest() -> None:
    with pytest.raises(AddressError, match="no surah 115"):
        Utterance(Path("a.opus"), ("115",), "all", "").passage()


def test_a_missing_file_in_a_manifest(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=r"gone\.opus"):
        list(load_clips([Utterance(tmp_path / "gone.opus", ("112",), "all", "")]))


def test_clips_are_cut_from_their_stream(ikhlas_file: Path) -> None:
    pcm = read_audio(ikhlas_file)
    later = Utterance(ikhlas_file, ("112:2",), "all", "", start=16_000, samples=8_000)
    first = Utterance(ikhlas_file, ("112:1",), "all", "", start=0, samples=8_000)
    clips = list(load_clips([later, first]))
    assert [utterance for utterance, _ in clips] == [first, later]
    np.testing.assert_array_equal(clips[0][1], pcm[:8_800])
    np.testing.assert_array_equal(clips[1][1], pcm[15_200:24_800])


def test_the_whole_as_one_chunk_gives_a_distribution_each_20_ms(small_model: Path) -> None:
    engine = OnnxEngine(small_model)
    features = np.random.default_rng(0).standard_normal((29, 80)).astype(np.float32)
    log_probs = whole(engine, features)
    assert log_probs.shape == run_through(engine, features).shape == (15, len(UNITS))


def test_figures_of_a_made_recitation(engine: OnnxEngine, ikhlas_file: Path) -> None:
    done: list[int] = []
    utterance = Utterance(ikhlas_file, ("112",), "made", "man1")
    figures = evaluate([utterance], engine, following=True, progress=done.append)
    assert done == [1]
    row = figures["made"]
    assert list(figures) == ["made"]
    assert (row["clips"], row["words"]) == (1, 15)
    assert row["units"] == 79
    assert 0 <= row["per"] < 0.9
    assert 0 <= row["per_offline"] < 0.9
    low, high = row["per_ci"]
    assert low <= row["per"] <= high
    for share in ("words_in_place", "words_accused", "words_unclear", "false_alarm_rate"):
        assert 0 <= row[share] <= 1
    json.dumps(figures)


def test_groups_are_kept_apart(engine: OnnxEngine, ikhlas_file: Path) -> None:
    cut = [Utterance(ikhlas_file, ("112:1",), group, "", 0, 32_000) for group in "ab"]
    figures = evaluate(cut, engine, following=False, progress=lambda _: None)
    assert sorted(figures) == ["a", "b"]
    assert figures["a"] == figures["b"]
    assert "words" not in figures["a"]


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 40)), min_size=1, max_size=20))
def test_an_interval_lies_around_its_rate(clips: list[tuple[int, int]]) -> None:
    errors, units = [e for e, _ in clips], [u for _, u in clips]
    low, high = bootstrap(errors, units, draws=200)
    rates = [e / u for e, u in clips]
    assert min(rates) - 1e-3 <= low <= high <= max(rates) + 1e-3


def test_a_summary_adds_up() -> None:
    tallies = [
        Tally(units=10, errors=2, errors_offline=1, words=4, in_place=4, accused=1, phones=10, alarms=1),
        Tally(
            units=30, errors=4, errors_offline=1, words=6, in_place=3, unclear=2, phones=10, boundary_ms=[10.0, 30.0]
        ),
    ]
    row = summarise(tallies)
    assert (row["clips"], row["units"], row["per"], row["per_offline"]) == (2, 40, 0.15, 0.05)
    assert (row["words"], row["words_in_place"], row["words_accused"], row["words_unclear"]) == (10, 0.7, 0.1, 0.2)
    assert row["false_alarm_rate"] == 0.05
    assert row["boundary_ms"]["p50"] == 20
