"""What holds of the rule tagger in every word of the Quran."""

import re
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from recitation.letters import ISTILA
from recitation.lexicon import Form, Lexicon, Word, recited
from recitation.mushaf import AYAT_PER_SURAH, Reference
from recitation.phones import CONSONANTS, QALQALAH, is_madd
from recitation.tajweed.moshaf import Moshaf
from recitation.tajweed.place import sounds_heavy
from recitation.tajweed.rules import Family, Instance, Rule
from recitation.tajweed.tagger import instances, recited_instances

DOCS = Path(__file__).parents[2] / "docs" / "tajweed-rules.md"
OF_NUN = {Rule.IZHAR, Rule.IKHFA, Rule.IQLAB, Rule.IDGHAM_GHUNNAH, Rule.IDGHAM_NO_GHUNNAH}
ACROSS = {rule for rule in Rule if rule.startswith("idgham")}
OPENINGS = {"الٓمٓ", "الٓمٓصٓ", "الٓر", "الٓمٓر", "كٓهيعٓصٓ", "طه", "طسٓمٓ", "طسٓ", "يسٓ", "صٓ", "حمٓ", "عٓسٓقٓ", "قٓ", "نٓ"}

Tagged = tuple[Word, Form, tuple[Instance, ...]]


@pytest.fixture(scope="module")
def surahs(lexicon: Lexicon) -> list[tuple[Word, ...]]:
    return [lexicon.words(Reference(surah, 1, ayat)) for surah, ayat in enumerate(AYAT_PER_SURAH, 1)]


@pytest.fixture(scope="module")
def by_ayah(surahs: list[tuple[Word, ...]]) -> list[Tagged]:
    """The Quran recited with a stop at each ayah."""
    return [tagged for words in surahs for tagged in recited_instances(words, Moshaf())]


@pytest.fixture(scope="module")
def everywhere(by_ayah: list[Tagged], surahs: list[tuple[Word, ...]]) -> list[Tagged]:
    """The same, and each word by itself."""
    alone = [
        (word, word.alone, instances(word, word.alone, after=None, moshaf=Moshaf()))
        for words in surahs
        for word in words
    ]
    return by_ayah + alone


def test_every_long_vowel_has_one_madd(everywhere: list[Tagged]) -> None:
    for word, form, found in everywhere:
        madds = [one for one in found if one.rule.family is Family.MADD]
        assert all(one.first == one.last and one.counts for one in madds), word.at
        vowels = [n for n, phone in enumerate(form) if is_madd(phone.unit)]
        glides = [one.first for one in madds if form[one.first].script in ("و", "ي")]
        assert sorted(one.first for one in madds) == sorted(vowels + glides), word.at
        assert all(one.rule in (Rule.MADD_LEEN, Rule.MADD_LAZIM) for one in madds if one.first in glides), word.at


def test_every_nun_without_a_vowel_has_one_rule(by_ayah: list[Tagged]) -> None:
    sakin = re.compile("ن[ْۢ]|ن(?=[ء-ي]|$)|ۨ")
    for (word, form, found), (following, _, _) in zip(by_ayah, by_ayah[1:] + by_ayah[:1], strict=True):
        if word.text in OPENINGS:
            continue
        stopped = following.ayah != word.ayah or following.surah != word.surah
        written = len([match for match in sakin.finditer(word.text) if not (stopped and match.end() == len(word.text))])
        if not stopped and not following.text.startswith("ٱ"):
            written += bool(re.search("[ًٌٍ]", word.text))
        rules = [one.rule for one in found if one.rule in OF_NUN]
        assert len(rules) == written, (word.at, word.text, rules, "".join(phone.script for phone in form))


def test_every_nasal_without_a_vowel_has_one_rule(by_ayah: list[Tagged]) -> None:
    """Clear or held, a ن or م before a consonant of its word has one rule, and so has what was hidden or turned."""
    for word, form, found in by_ayah:
        names = Counter(one.first for one in found if one.rule.family in (Family.NASAL, Family.GHUNNAH))
        for n, (phone, following) in enumerate(pairwise(form)):
            clear = phone.script in ("ن", "م") and following.script[0] in CONSONANTS
            if clear or phone.script[0] in "ں۾":
                assert names[n] == 1, (word.at, n)


def test_every_mim_without_a_vowel_has_one_rule(by_ayah: list[Tagged]) -> None:
    sakin = re.compile("مْ|م(?=[ء-ي]|$)")
    of_mim = {Rule.IZHAR_SHAFAWI, Rule.IKHFA_SHAFAWI, Rule.IDGHAM_SHAFAWI}
    for (word, _, found), (following, _, _) in zip(by_ayah, by_ayah[1:] + by_ayah[:1], strict=True):
        if word.text in OPENINGS:
            continue
        stopped = following.ayah != word.ayah or following.surah != word.surah
        written = [match for match in sakin.finditer(word.text) if not (stopped and match.end() == len(word.text))]
        assert len([one for one in found if one.rule in of_mim]) == len(written), (word.at, word.text)


def test_every_qalqalah_letter_with_sukun_has_one_qalqalah(everywhere: list[Tagged]) -> None:
    for word, form, found in everywhere:
        releases = [n for n, phone in enumerate(form) if phone.script == QALQALAH]
        qalqalahs = [one for one in found if one.rule.family is Family.QALQALAH]
        assert [one.last for one in qalqalahs] == releases, word.at
        letters = [word.text[one.letters[0]] for one in qalqalahs]
        if word.text not in OPENINGS:
            assert set(letters) <= set("قطبجد"), word.at
            assert len(letters) >= len(re.findall("[قطبجد]ْ", word.text)), word.at


def test_every_heavy_letter_and_every_ra_has_one_weight(everywhere: list[Tagged]) -> None:
    either = Counter[str]()
    for word, form, found in everywhere:
        weighed = Counter(one.first for one in found if one.rule.family is Family.WEIGHT)
        assert not weighed or max(weighed.values()) == 1, word.at
        for n, phone in enumerate(form):
            if phone.script[0] in ISTILA:
                assert weighed[n], word.at
            elif phone.script[0] == "ر" and not weighed[n]:
                either[word.text] += 1
    # Recited ayah by ayah firq is joined, nudhur and yasr are ends of ayat; alone all but firq have two ways.
    assert either == {
        "فِرْقٍۢ": 1, "ٱلْقِطْرِ": 1, "مِصْرَ": 2, "م\u0651\u0650صْرَ": 1, "بِمِصْرَ": 1, "وَنُذُرِ": 12, "يَسْرِ": 2, "أَسْرِ": 2, "فَأَسْرِ": 3,
    }  # fmt: skip


def test_the_weight_of_ra_is_quran_transcripts(by_ayah: list[Tagged]) -> None:
    """Reached on its own way by quran-transcript, whose weights are in the lexicon; few places differ."""
    weighed, differing = 0, []
    for word, form, found in by_ayah:
        for one in found:
            if one.rule.family is Family.WEIGHT and form[one.first].script[0] == "ر":
                weighed += 1
                if (one.rule is Rule.TAFKHIM) != sounds_heavy(form[one.first]):
                    differing.append(word.at)
    assert weighed > 12_000
    assert len(differing) <= 30, differing


def test_every_hamzat_wasl_is_named(everywhere: list[Tagged]) -> None:
    for word, _, found in everywhere:
        named = [one.letters[0] for one in found if one.rule is Rule.HAMZAT_WASL]
        assert named == [n for n, letter in enumerate(word.text) if letter == "ٱ"], word.at


def test_phones_and_letters_lie_in_the_word(everywhere: list[Tagged]) -> None:
    for word, form, found in everywhere:
        assert [one.first for one in found] == sorted(one.first for one in found), word.at
        assert len(set(found)) == len(found), word.at
        for one in found:
            assert 0 <= one.letters[0] <= one.letters[1] < len(word.text), (word.at, one)
            assert 0 <= one.first <= one.last, (word.at, one)
            assert one.counts is None or one.counts[0] <= one.counts[1], (word.at, one)
            if one.last >= len(form):
                assert one.rule in ACROSS, (word.at, one)
                assert one.first == one.last == len(form), (word.at, one)


def test_the_document_counts_what_is_found(by_ayah: list[Tagged]) -> None:
    counts = Counter(one.rule for _, _, found in by_ayah for one in found)
    rows = dict(re.findall(r"^\| `(\w+)` \|(?:[^|]*\|){3} ([\d,]+) \|$", DOCS.read_text(), re.MULTILINE))
    assert {rule: int(number.replace(",", "")) for rule, number in rows.items()} == {
        rule.value: counts[rule] for rule in Rule
    }


def test_a_word_tagged_before_costs_microseconds(lexicon: Lexicon) -> None:
    spoken = recited(lexicon.words(Reference(55, 1, 78)))
    moshaf = Moshaf()

    def tag_all() -> float:
        began = time.process_time()
        for (word, form), (_, following) in pairwise(spoken):
            instances(word, form, after=following[0], moshaf=moshaf)
        return (time.process_time() - began) / (len(spoken) - 1)

    tag_all()
    assert tag_all() < 50e-6
