"""Slips of letters in words: right about the letters, and said in both languages for any pair of units."""

import pytest

from recitation.explain import SlipClass, explain
from recitation.letters import NAMES, PLACES, traits_of
from recitation.lexicon import Lexicon
from recitation.mushaf import parse_reference
from recitation.phones import CONSONANTS, INDEX, SIFA_FIELDS, UNITS

OF_LEXICON = {
    "hams_or_jahr": {"hams": "hams", "jahr": "jahr"},
    "shidda_or_rakhawa": {"shadeed": "shiddah", "between": "tawassut", "rikhw": "rakhawah"},
    "itbaq": {"motbaq": "itbaq", "monfateh": "infitah"},
    "safeer": {"safeer": "safeer"},
    "ghonna": {"maghnoon": "ghunnah"},
    "tikraar": {"mokarar": "takrar"},
    "tafashie": {"motafashie": "tafashshi"},
    "istitala": {"mostateel": "istitalah"},
}
"""Our keys for the values of the traits that the lexicon carries."""


def test_traits_are_those_of_the_lexicon(lexicon: Lexicon) -> None:
    seen = set()
    for word in (word for surah in (2, 20, 36, 50, 68) for word in lexicon.words(parse_reference(str(surah)))):
        for phone in word.joined:
            unit = UNITS[phone.unit]
            if unit not in CONSONANTS:
                continue
            keys = {trait.key for trait in traits_of(unit)}
            sifa = lexicon.sifa(phone)
            assert set(sifa) == set(SIFA_FIELDS)
            for field, named in OF_LEXICON.items():
                if sifa[field] in named:
                    assert named[sifa[field]] in keys, (unit, field, sifa[field])
                    seen.add((unit, field))
            seen.add(unit)
    assert set(CONSONANTS) <= seen
    assert {field for unit, field in filter(lambda s: isinstance(s, tuple), seen)} == set(OF_LEXICON)


def test_every_consonant_has_a_place_and_a_name() -> None:
    assert set(PLACES) == set(CONSONANTS)
    assert {unit[0] for unit in UNITS[1:]} <= set(NAMES)
    with pytest.raises(KeyError):
        traits_of("َ")


def test_any_slip_can_be_explained() -> None:
    for expected in UNITS[1:]:
        for heard in UNITS:
            if heard == expected:
                continue
            slip = explain(expected, heard)
            assert all((slip.what.ar, slip.what.en, slip.fix.ar, slip.fix.en))
            assert not any(word in slip.what.en for word in ("None", "{", "Said"))


@pytest.mark.parametrize(
    ("expected", "heard", "kind", "trait", "word"),
    [
        ("ص", "س", SlipClass.SUBSTITUTION, "itbaq", "iṭbāq"),
        ("ط", "ت", SlipClass.SUBSTITUTION, "itbaq", "jahr"),
        ("ز", "س", SlipClass.SUBSTITUTION, "jahr", "jahr"),
        ("س", "ز", SlipClass.SUBSTITUTION, "hams", "hams"),
        ("ق", "ك", SlipClass.SUBSTITUTION, "istila", "soft palate"),
        ("ح", "ه", SlipClass.SUBSTITUTION, None, "middle of the throat"),
        ("ع", "ء", SlipClass.SUBSTITUTION, "tawassut", "middle of the throat"),
        ("ض", "د", SlipClass.SUBSTITUTION, "istitalah", "molars"),
        ("ث", "س", SlipClass.SUBSTITUTION, None, "edges of the upper front teeth"),
        ("ذ", "ز", SlipClass.SUBSTITUTION, None, "edges of the upper front teeth"),
        ("نن", "ن", SlipClass.SHADDAH_LOST, None, "doubled nūn"),
        ("م", "مم", SlipClass.SHADDAH_ADDED, None, "doubled mīm"),
        ("نننن", "ن", SlipClass.GHUNNAH, None, "held with ghunnah"),
        ("ںںں", "ن", SlipClass.GHUNNAH, None, "hidden nūn"),
        ("اا", "َ", SlipClass.SHORTENED, None, "long ā"),
        ("ِ", "ۦۦ", SlipClass.LENGTHENED, None, "kasrah"),
        ("َ", "ُ", SlipClass.VOWEL, None, "fatḥah"),
        ("ڇ", "َ", SlipClass.QALQALAH, None, "qalqalah"),
        ("ه", "", SlipClass.OMISSION, None, "was not heard"),
    ],
)
def test_slips_are_named(expected: str, heard: str, kind: SlipClass, trait: str | None, word: str) -> None:
    slip = explain(expected, heard)
    assert slip.kind is kind
    assert trait is None or trait in slip.traits
    assert word in slip.what.en
    assert slip.what.ar != slip.what.en


@pytest.mark.parametrize(("expected", "heard"), [("ص", "ص"), ("", "س")])
def test_what_is_no_slip_is_refused(expected: str, heard: str) -> None:
    assert expected == "" or expected in INDEX
    with pytest.raises(ValueError, match="no slip"):
        explain(expected, heard)
