"""Other models' tokens as our units: script, letters, tables, and what cannot be mapped."""

import json
from pathlib import Path

import numpy as np
import pytest

from recitation.acoustics.engine import ModelError
from recitation.acoustics.repeats import Floats, silence
from recitation.acoustics.unit_maps import VOWEL_SHARE, UnitMap, letter_map, map_for, script_map
from recitation.lexicon import Lexicon
from recitation.mushaf import parse_reference
from recitation.phones import (
    BLANK,
    CONSONANTS,
    INDEX,
    MADD_VOWELS,
    SHORT_VOWELS,
    UNITS,
    parse_script,
    to_script,
)

SCRIPT = ("[PAD]", *CONSONANTS, *MADD_VOWELS, *SHORT_VOWELS, *"۪ٲڇں۾ؙۜ", "[UNK]")
LETTERS = ("<pad>", "<s>", "</s>", "<unk>", "|", *CONSONANTS, *"اىةأإآؤئ")
MARKED = (*LETTERS, *SHORT_VOWELS, *"ًٌٍّْ")


def hear(units: UnitMap, posteriors: Floats) -> Floats:
    """Probabilities of our units for float32[T, V]."""
    log_probs, _ = units.hear(posteriors[None], silence(1, len(units.repeated)), len(posteriors))
    return np.exp(log_probs[0])


def spelled(script: str) -> Floats:
    """What a model that is sure of itself says: every symbol for two frames, a blank between and at the ends."""
    labels = [0]
    for symbol in script:
        labels += [SCRIPT.index(symbol)] * 2 + [0]
    return np.eye(len(SCRIPT), dtype=np.float32)[labels]


@pytest.mark.parametrize("verses", ["1:1-7", "2:1-3", "78:1-5", "112:1-4"])
def test_a_spelled_passage_is_heard_as_its_units(lexicon: Lexicon, verses: str) -> None:
    units = script_map(SCRIPT, 0)
    for word in lexicon.words(parse_reference(verses)):
        script = to_script([phone.unit for phone in word.stopped])
        heard = hear(units, spelled(script))
        begin = 1
        for run in parse_script(script):
            length = 3 * run.count - 1
            # A glide held with ghunnah and a leen are spelled alike: each gets half.
            np.testing.assert_array_less(0.49, heard[begin : begin + length, run.unit])
            begin += length + 1
        np.testing.assert_allclose(heard[[0, -1], BLANK], 1, atol=1e-5)


@pytest.mark.parametrize(
    ("script", "unit"),
    [
        ("ل", "ل"),
        ("لل", "لل"),
        ("نننن", "نننن"),
        ("ممم", "مممم"),
        ("اااااا", "اا"),
        ("اا", "اا"),
        ("ںںں", "ںںں"),
        ("ڇ", "ڇ"),
    ],
)
def test_the_count_of_a_run_chooses_the_length_class(script: str, unit: str) -> None:
    heard = hear(script_map(SCRIPT, 0), spelled(script))
    np.testing.assert_allclose(heard[1:-1, INDEX[unit]], 1, atol=1e-5)


def test_a_long_glide_is_held_or_leen() -> None:
    heard = hear(script_map(SCRIPT, 0), spelled("ووو"))
    np.testing.assert_allclose(heard[1:-1, [INDEX["و"], INDEX["ووو"]]], 0.5, atol=1e-5)


def test_the_sakt_is_silence_and_ishmam_a_dammah() -> None:
    heard = hear(script_map(SCRIPT, 0), spelled("ؙۜ"))
    np.testing.assert_allclose(heard[1:3, BLANK], 1, atol=1e-5)
    np.testing.assert_allclose(heard[4:6, INDEX["ُ"]], 1, atol=1e-5)


def test_the_script_covers_every_unit() -> None:
    assert script_map(SCRIPT, 0).unheard == []


@pytest.mark.parametrize(("vocabulary", "kind"), [(SCRIPT, "ڇ"), (LETTERS, "ة"), (MARKED, "ة")])
def test_every_frame_is_a_distribution(vocabulary: tuple[str, ...], kind: str) -> None:
    logits = np.random.default_rng(0).standard_normal((50, len(vocabulary))) * 3
    posteriors = (np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)).astype(np.float32)
    units = map_for(vocabulary, 0)
    assert units.weights[vocabulary.index(kind)].any()
    np.testing.assert_allclose(hear(units, posteriors).sum(axis=1), 1, atol=1e-4)


def test_a_letter_shares_its_probability_among_what_it_is_written_for() -> None:
    units = letter_map(MARKED, 0)
    posteriors = np.zeros((1, len(MARKED)), np.float32)
    posteriors[0, [MARKED.index("ة"), 0]] = 0.8, 0.2
    heard = hear(units, posteriors)[0]
    np.testing.assert_allclose(heard[[INDEX["ت"], INDEX["ه"], BLANK]], [0.4, 0.4, 0.2], atol=1e-6)


def test_letters_that_say_nothing_of_length_stand_for_every_length() -> None:
    nun = letter_map(MARKED, 0).weights[MARKED.index("ن"), 0]
    assert {UNITS[unit] for unit in np.flatnonzero(nun)} == {"ن", "نن", "نننن", "ںںں", "۾۾۾"}


def test_where_vowels_are_not_written_a_blank_may_be_one() -> None:
    blank = np.eye(len(LETTERS), dtype=np.float32)[:1]
    heard = hear(letter_map(LETTERS, 0), blank)[0]
    np.testing.assert_allclose(heard[[INDEX[vowel] for vowel in SHORT_VOWELS]], VOWEL_SHARE, atol=1e-6)
    assert hear(letter_map(MARKED, 0), np.eye(len(MARKED), dtype=np.float32)[:1])[0, BLANK] == 1


def test_tokens_without_a_meaning_are_taken_out() -> None:
    posteriors = np.zeros((2, len(MARKED)), np.float32)
    posteriors[0, [MARKED.index("<unk>"), MARKED.index("َ"), 0]] = 0.5, 0.4, 0.1
    posteriors[1, [MARKED.index("<unk>"), MARKED.index("َ"), 0]] = 0.99, 0.01, 0.0
    heard = hear(letter_map(MARKED, 0), posteriors)
    np.testing.assert_allclose(heard[0, [INDEX["َ"], BLANK]], [0.8, 0.2], atol=1e-6)
    np.testing.assert_allclose(heard[1, [INDEX["َ"], BLANK]], [0.2, 0.8], atol=1e-6)


def test_a_token_of_several_letters_stands_for_all_of_them() -> None:
    vocabulary = (*MARKED, "بَ")
    units = letter_map(vocabulary, 0).weights[-1, 0]
    assert {UNITS[unit] for unit in np.flatnonzero(units)} == {"ب", "بب", "ڇ", "َ"}


def test_word_boundaries_are_silent() -> None:
    heard = hear(letter_map(LETTERS, 0), np.eye(len(LETTERS), dtype=np.float32)[[LETTERS.index("|")]])
    assert heard[0, BLANK] == 1


def test_a_table_says_what_tokens_stand_for(tmp_path: Path) -> None:
    vocabulary = ("_", "B", "BB", "a", "n", "?")
    table = tmp_path / "units.json"
    table.write_text(json.dumps({"units": {"B": ["ب"], "BB": ["بب"], "a": ["َ", "اا"]}, "repeated": {"n": "ن"}}))
    units = map_for(vocabulary, 0, table)
    labels = np.eye(len(vocabulary), dtype=np.float32)[[1, 0, 2, 0, 3, 0, 4, 0, 4]]
    heard = hear(units, labels)
    expected = [[INDEX["ب"]], [BLANK], [INDEX["بب"]], [BLANK], [INDEX["َ"], INDEX["اا"]], [BLANK], *[[INDEX["نن"]]] * 3]
    for frame, stands in zip(heard, expected, strict=True):
        np.testing.assert_allclose(frame[stands], 1 / len(stands), atol=1e-5)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("{", "cannot be read"),
        ("[]", "not a table"),
        ('{"letters": {}}', "not a table"),
        ('{"units": {"B": "ب"}}', "a list of units"),
        ('{"units": {"C": ["ب"]}}', "does not have: C"),
        ('{"units": {"B": ["ببب"]}}', "do not exist: ببب"),
        ('{"repeated": {"B": "x"}}', "do not exist: x"),
    ],
)
def test_a_bad_table_is_refused(tmp_path: Path, content: str, complaint: str) -> None:
    table = tmp_path / "units.json"
    table.write_text(content)
    with pytest.raises(ModelError, match=complaint):
        map_for(("_", "B"), 0, table)


def test_a_missing_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"none\.json"):
        map_for(("_", "B"), 0, tmp_path / "none.json")


def test_an_unknown_vocabulary_needs_a_table() -> None:
    with pytest.raises(ModelError, match="a table must say"):
        map_for(("<pad>", *"abcdefghijklmnopqrstuvwxyz"), 0)


def test_units_without_a_token_are_named() -> None:
    assert letter_map(LETTERS, 0).unheard == ["۪"]
    assert set(letter_map(tuple(t for t in LETTERS if t != "ق"), 0).unheard) == {"ق", "قق", "۪"}
