"""The unit inventory: runs of the phonetic script become units with a length class."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recitation.lexicon import Lexicon
from recitation.mushaf import parse_reference
from recitation.phones import (
    BLANK,
    CONFUSABLE,
    CONSONANTS,
    INDEX,
    MADD_VOWELS,
    SAKT,
    SHORT_VOWELS,
    UNITS,
    ScriptError,
    is_held,
    is_madd,
    is_vowel,
    letter_of,
    parse_script,
    to_script,
)


def units(script: str) -> list[str]:
    return [UNITS[run.unit] for run in parse_script(script)]


def test_units_are_distinct_and_few() -> None:
    assert len(set(UNITS)) == len(UNITS) == 72
    assert UNITS[BLANK] == ""
    assert INDEX[""] == BLANK


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("بِسمِ", ["ب", "ِ", "س", "م", "ِ"]),
        ("ررَحِۦۦۦۦم", ["رر", "َ", "ح", "ِ", "ۦۦ", "م"]),
        ("ضضَااااااللِۦۦۦۦن", ["ضض", "َ", "اا", "لل", "ِ", "ۦۦ", "ن"]),
        ("ءِننننَ", ["ء", "ِ", "نننن", "َ"]),
        ("ممممِ", ["مممم", "ِ"]),
        ("مممِ", ["مممم", "ِ"]),
        ("تُوووَرَ", ["ت", "ُ", "ووو", "َ", "ر", "َ"]),
        ("يييَ", ["ييي", "َ"]),
        ("خَووووف", ["خ", "َ", "و", "ف"]),
        ("بَيييييت", ["ب", "َ", "ي", "ت"]),
        ("ءَحَدڇ", ["ء", "َ", "ح", "َ", "د", "ڇ"]),
        ("مِںںںقَ", ["م", "ِ", "ںںں", "ق", "َ"]),
        ("طُ۾۾۾بِ", ["ط", "ُ", "۾۾۾", "ب", "ِ"]),
        ("مَنۜرَ", ["م", "َ", "ن", "ر", "َ"]),
        ("", []),
    ],
)
def test_runs_become_units(script: str, expected: list[str]) -> None:
    assert units(script) == expected


def test_a_run_keeps_its_count_and_its_place() -> None:
    run = parse_script("ررَحِۦۦۦۦم")[4]
    assert (run.count, run.start, run.end) == (4, 5, 9)


def test_sakt_is_a_silence_but_counts_as_a_place() -> None:
    runs = parse_script(f"ن{SAKT}ر")
    assert [(run.start, run.end) for run in runs] == [(0, 1), (2, 3)]


@pytest.mark.parametrize("symbol", ["x", "ٱ", "ْ", " "])
def test_a_foreign_character_is_named(symbol: str) -> None:
    with pytest.raises(ScriptError, match=f"U\\+{ord(symbol):04X}"):
        parse_script(f"ب{symbol}")


@pytest.mark.parametrize("unit", range(1, len(UNITS)))
def test_every_unit_reads_back_before_a_vowel(unit: int) -> None:
    following = "ُ" if letter_of(unit) != "ُ" else "ِ"
    assert units(UNITS[unit] + following) == [UNITS[unit], following]


def test_every_word_reads_back_from_its_script(lexicon: Lexicon) -> None:
    for reference in ("1", "2:1-20", "112"):
        for word in lexicon.words(parse_reference(reference)):
            numbers = [phone.unit for phone in word.started]
            if all(letter_of(a) != letter_of(b) for a, b in pairwise(numbers)):
                assert [run.unit for run in parse_script(to_script(numbers))] == numbers


@given(st.text(alphabet=CONSONANTS + SHORT_VOWELS + MADD_VOWELS + SAKT, max_size=30))
def test_runs_tile_the_script(script: str) -> None:
    try:
        runs = parse_script(script)
    except ScriptError:
        # Only hamza and the short vowels have no double.
        assert any(letter * 2 in script for letter in "ء" + SHORT_VOWELS)
        return
    assert "".join(script[run.start : run.end] for run in runs) == script.replace(SAKT, "")
    assert all(run.end - run.start == run.count for run in runs)


def test_kinds_of_units() -> None:
    assert [u for u in UNITS[1:] if is_vowel(INDEX[u])] == ["َ", "ُ", "ِ", "اا", "ۥۥ", "ۦۦ", "ــ", "۪"]
    assert [u for u in UNITS[1:] if is_madd(INDEX[u])] == ["اا", "ۥۥ", "ۦۦ", "ــ"]
    assert [u for u in UNITS[1:] if is_held(INDEX[u])] == ["نننن", "مممم", "ووو", "ييي", "ںںں", "۾۾۾"]


def test_confusable_units_are_others() -> None:
    assert set(CONFUSABLE) == set(range(1, len(UNITS)))
    for unit, rivals in CONFUSABLE.items():
        assert BLANK not in rivals
        assert unit not in rivals
        assert len(set(rivals)) == len(rivals)


@pytest.mark.parametrize("unit", [*CONSONANTS, *(c * 2 for c in CONSONANTS if c != "ء"), *SHORT_VOWELS, "اا", "ۦۦ"])
def test_every_letter_and_vowel_has_rivals(unit: str) -> None:
    assert CONFUSABLE[INDEX[unit]]


@pytest.mark.parametrize(("unit", "rival"), [("س", "ص"), ("ت", "ط"), ("ذ", "ظ"), ("ح", "ه"), ("َ", "ِ"), ("ق", "ك")])
def test_letters_learners_mix_up_are_rivals_of_each_other(unit: str, rival: str) -> None:
    assert INDEX[rival] in CONFUSABLE[INDEX[unit]]
    assert INDEX[unit] in CONFUSABLE[INDEX[rival]]
