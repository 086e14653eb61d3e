"""The rule tagger against ayat checked by hand, and what must hold for every word of the Quran."""

from collections import Counter
from itertools import pairwise

import pytest

from recitation.lexicon import Form, Lexicon, Word
from recitation.mushaf import AYAT_PER_SURAH, Reference, parse_reference
from recitation.phones import CONSONANTS, QALQALAH, is_madd
from recitation.tajweed.moshaf import Moshaf
from recitation.tajweed.place import sounds_heavy
from recitation.tajweed.rules import Family, Instance, Rule
from recitation.tajweed.tagger import instances, recited_instances

USUAL = Moshaf()


def named(lexicon: Lexicon, verses: str, moshaf: Moshaf = USUAL, *, leaving: tuple[Rule, ...] = ()) -> list[str]:
    """``rule letters`` of every instance of a passage, some rules left out."""
    return [
        f"{one.rule.value} {word.text[one.letters[0] : one.letters[1] + 1]}"
        for word, _, found in recited_instances(lexicon.words(parse_reference(verses)), moshaf)
        for one in found
        if one.rule not in leaving
    ]


def rules_of(lexicon: Lexicon, at: str, *, joined: bool = True, moshaf: Moshaf = USUAL) -> dict[Rule, Instance]:
    """Rules of one word, the last place of each."""
    return {one.rule: one for one in found_at(lexicon, at, joined=joined, moshaf=moshaf)}


def found_at(lexicon: Lexicon, at: str, *, joined: bool, moshaf: Moshaf = USUAL) -> tuple[Instance, ...]:
    """Rules of one word, joined to the word after it or stopped at."""
    surah, ayah, number = map(int, at.split(":"))
    word = lexicon.word(surah, ayah, number)
    last = number == lexicon.word_count(surah, ayah)
    following = lexicon.word(surah, ayah + 1, 1) if last else lexicon.word(surah, ayah, number + 1)
    form, after = (word.joined, following.joined[0]) if joined else (word.stopped, None)
    return instances(word, form, after=after, moshaf=moshaf)


def test_al_ikhlas(lexicon: Lexicon) -> None:
    assert named(lexicon, "112", leaving=(Rule.HAMZAT_WASL, Rule.WAQF)) == [
        "tafkhim ق", "tafkhim لّ", "madd_tabii َ", "qalqalah_kubra د",
        "tafkhim لّ", "madd_tabii َ", "tafkhim صّ", "qalqalah_kubra د",
        "izhar_shafawi مْ", "qalqalah_sughra دْ", "izhar_shafawi مْ", "madd_tabii و", "qalqalah_kubra دْ",
        "izhar_shafawi مْ", "idgham_no_ghunnah ن", "madd_silah_sughra ۥ", "izhar ً", "qalqalah_kubra د",
    ]  # fmt: skip


def test_the_last_ayah_of_al_fatihah(lexicon: Lexicon) -> None:
    assert named(lexicon, "1:7", leaving=(Rule.HAMZAT_WASL, Rule.WAQF)) == [
        "tafkhim ص", "tafkhim ر", "madd_tabii ٰ", "tafkhim ط", "madd_tabii ي", "izhar نْ", "izhar_shafawi مْ",
        "izhar_shafawi مْ", "tafkhim غ", "tarqiq ر", "tafkhim غْ", "tafkhim ض", "madd_tabii و", "izhar_shafawi مْ",
        "tafkhim ضّ", "madd_lazim \u0627\u0653", "madd_arid ي",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("at", "rule"),
    [
        ("2:19:4", Rule.MADD_MUTTASIL),  # ٱلسَّمَآءِ
        ("2:19:11", Rule.MADD_MUNFASIL),  # فِىٓ ءَاذَانِهِم
        ("2:19:12", Rule.MADD_BADAL),
        ("2:19:2", Rule.IDGHAM_GHUNNAH),  # كَصَيِّبٍۢ مِّنَ
        ("2:19:18", Rule.IQLAB),  # مُحِيطٌۢ بِٱلْكَـٰفِرِينَ
        ("2:2:6", Rule.IDGHAM_NO_GHUNNAH),  # هُدًۭى لِّلْمُتَّقِينَ
        ("11:42:5", Rule.IKHFA),  # مَوْجٍۢ كَٱلْجِبَالِ
        ("11:42:14", Rule.IDGHAM_MUTAJANISAYN),  # ٱرْكَب مَّعَنَا
        ("105:4:1", Rule.IKHFA_SHAFAWI),  # تَرْمِيهِم بِحِجَارَةٍۢ
        ("77:20:2", Rule.IDGHAM_MUTAQARIBAYN),  # نَخْلُقكُّم
        ("75:27:2", Rule.SAKT),  # مَنْ رَاقٍۢ
        ("83:14:2", Rule.SAKT),  # بَلْ رَانَ
        ("104:3:3", Rule.MADD_SILAH_KUBRA),  # مَالَهُۥٓ أَخْلَدَهُۥ
    ],
)
def test_famous_places(lexicon: Lexicon, at: str, rule: Rule) -> None:
    assert rule in rules_of(lexicon, at)


@pytest.mark.parametrize(
    ("at", "stopped", "weight"),
    [
        ("26:63:12", False, None),  # فِرْقٍۢ: both ways
        ("78:21:4", True, Rule.TAFKHIM),  # مِرْصَادًۭا: before a heavy letter without a kasrah
        ("2:49:5", False, Rule.TARQIQ),  # فِرْعَوْنَ
        ("89:4:3", True, None),  # يَسْرِ
        ("54:16:4", True, None),  # وَنُذُرِ
        ("97:1:5", True, Rule.TAFKHIM),  # ٱلْقَدْرِ
    ],
)
def test_the_weight_of_ra(lexicon: Lexicon, at: str, stopped: bool, weight: Rule | None) -> None:
    surah, ayah, number = map(int, at.split(":"))
    word = lexicon.word(surah, ayah, number)
    found = found_at(lexicon, at, joined=not stopped)
    weights = [one.rule for one in found if one.rule.family is Family.WEIGHT and "ر" in spelled(word, one)]
    assert weights == ([] if weight is None else [weight])


def spelled(word: Word, one: Instance) -> str:
    return word.text[one.letters[0] : one.letters[1] + 1]


def test_a_stop_gives_the_tanwin_of_fath_an_alif(lexicon: Lexicon) -> None:
    assert Rule.MADD_IWAD in rules_of(lexicon, "78:6:4", joined=False)  # مِهَـٰدًۭا
    assert Rule.MADD_IWAD not in rules_of(lexicon, "78:6:4")


def test_the_moshaf_decides_the_counts(lexicon: Lexicon) -> None:
    long = Moshaf(munfasil=5, muttasil=5, arid=6)
    assert rules_of(lexicon, "2:19:11")[Rule.MADD_MUNFASIL].counts == (4, 4)
    assert rules_of(lexicon, "2:19:11", moshaf=long)[Rule.MADD_MUNFASIL].counts == (5, 5)
    assert rules_of(lexicon, "1:2:4", joined=False)[Rule.MADD_ARID].counts == (2, 6)
    assert rules_of(lexicon, "1:2:4", joined=False, moshaf=long)[Rule.MADD_ARID].counts == (6, 6)
    assert Rule.SAKT not in rules_of(lexicon, "36:52:6", moshaf=Moshaf(sakt_marqadina="idraj"))


@pytest.fixture(scope="module")
def quran(lexicon: Lexicon) -> list[tuple[Word, Form, tuple[Instance, ...]]]:
    """All the words of the Quran, recited ayah by ayah."""
    return [
        row
        for surah, ayat in enumerate(AYAT_PER_SURAH, 1)
        for row in recited_instances(lexicon.words(Reference(surah, 1, ayat)), USUAL)
    ]


def test_every_instance_lies_in_its_word(quran: list[tuple[Word, Form, tuple[Instance, ...]]]) -> None:
    for word, form, found in quran:
        for one in found:
            assert 0 <= one.first <= one.last <= len(form), (word.at, one)
            assert 0 <= one.letters[0] <= one.letters[1] < len(word.text), (word.at, one)
            assert one.counts is None or one.counts[0] <= one.counts[1]
        assert len(set(found)) == len(found), word.at


def test_every_long_vowel_has_one_name(quran: list[tuple[Word, Form, tuple[Instance, ...]]]) -> None:
    for word, form, found in quran:
        names = Counter(one.first for one in found if one.rule.family is Family.MADD)
        assert max(names.values(), default=1) == 1, word.at
        assert [n for n, phone in enumerate(form) if is_madd(phone.unit) and n not in names] == [], word.at


def test_every_release_is_a_qalqalah(quran: list[tuple[Word, Form, tuple[Instance, ...]]]) -> None:
    for word, form, found in quran:
        named = [one.last for one in found if one.rule.family is Family.QALQALAH]
        assert named == [n for n, phone in enumerate(form) if phone.script == QALQALAH], word.at


def test_every_nasal_without_a_vowel_has_one_rule(quran: list[tuple[Word, Form, tuple[Instance, ...]]]) -> None:
    """Clear or held, a ن or م before a consonant of its word has one rule, and so has what was hidden or turned."""
    for word, form, found in quran:
        names = Counter(one.first for one in found if one.rule.family in (Family.NASAL, Family.GHUNNAH))
        for n, (phone, following) in enumerate(pairwise(form)):
            clear = phone.script in ("ن", "م") and following.script[0] in CONSONANTS
            if clear or phone.script[0] in "ں۾":
                assert names[n] == 1, (word.at, n)


def test_the_weight_of_ra_is_quran_transcripts(quran: list[tuple[Word, Form, tuple[Instance, ...]]]) -> None:
    """Reached on its own way by quran-transcript, whose weights are in the lexicon; few places differ."""
    weighed, differing = 0, []
    for word, form, found in quran:
        for one in found:
            if one.rule.family is Family.WEIGHT and form[one.first].script[0] == "ر":
                weighed += 1
                if (one.rule is Rule.TAFKHIM) != sounds_heavy(form[one.first]):
                    differing.append(word.at)
    assert weighed > 12_000
    assert len(differing) <= 30, differing
