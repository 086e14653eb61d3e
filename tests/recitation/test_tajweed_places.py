"""Places: each rule of what was recited is told once, as soon as it is certain, and no other."""

from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recitation.events import PhoneVerdict
from recitation.lexicon import Lexicon, Word, default_lexicon
from recitation.mushaf import AYAT_PER_SURAH, parse_reference
from recitation.tajweed.lengths import Heard
from recitation.tajweed.moshaf import Moshaf
from recitation.tajweed.places import Found, Places
from recitation.tajweed.rules import Instance, Rule
from recitation.tajweed.tagger import instances

LASTS, PAUSE = 1600, 8000


def said(words: Sequence[Word], stops: set[int]) -> Iterator[Heard]:
    """The phones of words in order, with a pause after each word whose number is in ``stops``, and after the last."""
    sample, started = 0, True
    last = len(words) - 1
    for n, word in enumerate(words):
        stopped = n in stops or n == last
        form = word.form(started=started, stopped=stopped)
        for index, phone in enumerate(form):
            ends = index == len(form) - 1
            following = None if ends and stopped else words[n + 1].joined[0].script if ends else form[index + 1].script
            verdict = PhoneVerdict(word.at, index, phone.script, sample, sample + LASTS, 0.9, None, phone.letters)
            yield Heard(verdict, sample, sample + LASTS, None, following)
            sample += LASTS
        sample += PAUSE if stopped else 0
        started = stopped


def due(words: Sequence[Word], stops: set[int]) -> Iterator[tuple[str, Instance]]:
    """What the tagger says of the same."""
    started, last = True, len(words) - 1
    for n, word in enumerate(words):
        stopped = n in stops or n == last
        after = None if stopped else words[n + 1].joined[0]
        for one in instances(word, word.form(started=started, stopped=stopped), after=after, moshaf=Moshaf()):
            yield word.at, one
        started = stopped


def told(words: Sequence[Word], stops: set[int]) -> list[Found]:
    places = Places(words, Moshaf())
    return [found for heard in said(words, stops) for found in places.push(heard)]


@st.composite
def passages(draw: st.DrawFn) -> tuple[tuple[Word, ...], set[int]]:
    """An ayah or two of any surah, stopped at anywhere."""
    surah = draw(st.integers(1, 114))
    first = draw(st.integers(1, AYAT_PER_SURAH[surah - 1]))
    last = min(AYAT_PER_SURAH[surah - 1], first + draw(st.integers(0, 1)))
    words = default_lexicon().words(parse_reference(f"{surah}:{first}-{last}" if last > first else f"{surah}:{first}"))
    return words, draw(st.sets(st.integers(0, len(words) - 1), max_size=6))


@given(passages())
@settings(deadline=None, max_examples=150)
def test_each_rule_is_told_once_and_no_other(passage: tuple[tuple[Word, ...], set[int]]) -> None:
    words, stops = passage
    found = told(words, stops)
    assert sorted((f.at, repr(f.instance)) for f in found) == sorted((at, repr(one)) for at, one in due(words, stops))


@given(passages())
@settings(deadline=None, max_examples=50)
def test_the_phones_are_those_of_the_rule(passage: tuple[tuple[Word, ...], set[int]]) -> None:
    words, stops = passage
    heard = {(h.phone.at, h.phone.index): h for h in said(words, stops)}
    numbers = [word.at for word in words]
    for found in told(words, stops):
        first, last = found.instance.first, found.instance.last
        if (found.at, first) in heard:
            assert found.phones == tuple(heard[found.at, n] for n in range(first, last + 1))
        else:
            after = numbers[numbers.index(found.at) + 1]
            assert found.phones == (heard[after, 0],)


def test_what_holds_in_either_form_is_told_at_its_phone(lexicon: Lexicon) -> None:
    words = lexicon.words(parse_reference("1:2-3"))
    places = Places(words, Moshaf())
    when: dict[tuple[str, Rule, int], tuple[str, int]] = {}
    for heard in said(words, {3}):
        for found in places.push(heard):
            when[found.at, found.instance.rule, found.instance.first] = (heard.phone.at, heard.phone.index)
    # ٱلْعَـٰلَمِينَ: its first madd is natural in any case, its second ʿāriḍ only when the word is stopped at.
    madd = next(key for key in when if key[0] == "1:2:4" and key[1] is Rule.MADD_TABII)
    assert when[madd] == ("1:2:4", madd[2])
    arid = next(key for key in when if key[0] == "1:2:4" and key[1] is Rule.MADD_ARID)
    last = len(words[3].form(started=False, stopped=True)) - 1
    assert when[arid] == ("1:2:4", last) and arid[2] < last


def test_forms_are_told_apart_by_the_phone_that_comes_next(lexicon: Lexicon) -> None:
    # ٱلرَّحِيمِ: joined, its madd is natural as soon as a vowel is known to come after its last letter.
    words = lexicon.words(parse_reference("1:3-4"))
    places = Places(words, Moshaf())
    told_at = [
        heard.phone
        for heard in said(words, set())
        for found in places.push(heard)
        if (found.at, found.instance.rule) == ("1:3:2", Rule.MADD_TABII)
    ]
    assert [(phone.unit, phone.at) for phone in told_at] == [("م", "1:3:2")]


def test_a_word_said_again_has_its_rules_again(lexicon: Lexicon) -> None:
    words = lexicon.words(parse_reference("112:1"))
    places = Places(words, Moshaf())
    once = [found.instance for heard in said(words, set()) for found in places.push(heard)]
    again = [found.instance for heard in said(words, set()) for found in places.push(heard)]
    assert once == again


def test_a_word_broken_off_and_begun_again(lexicon: Lexicon) -> None:
    (word,) = lexicon.words(parse_reference("1:3:2"))
    places = Places((word,), Moshaf())
    phones = list(said((word,), set()))
    half = [found for heard in phones[:3] for found in places.push(heard)]
    whole = [found for heard in phones for found in places.push(heard)]
    assert [found.instance for found in whole] == [one for _, one in due((word,), set())]
    assert len(half) < len(whole)


@pytest.mark.parametrize("settings_", ["munfasil=2", "munfasil=5,muttasil=5"])
def test_other_settings_hold_from_the_next_word_on(lexicon: Lexicon, settings_: str) -> None:
    words = lexicon.words(parse_reference("2:4"))
    places, moshaf = Places(words, Moshaf()), Moshaf.parse(settings_)
    counts = []
    for heard in said(words, set()):
        if heard.phone.at == "2:4:6" and heard.phone.index == 0:
            places.moshaf = moshaf
        counts += [
            (found.at, found.instance.counts) for found in places.push(heard)
            if found.instance.rule is Rule.MADD_MUNFASIL
        ]  # fmt: skip
    assert len(counts) == 2
    assert counts[0][1] == (4, 4)
    assert counts[1][1] == moshaf.counts(Rule.MADD_MUNFASIL)
