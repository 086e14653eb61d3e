"""What becomes of ن, tanwin and م without a vowel, ghunnah, and every idgham of one letter in another."""

from collections.abc import Iterator

from recitation.phones import CONSONANTS, IKHFA, IQLAB, SHORT_VOWELS
from recitation.tajweed.moshaf import Moshaf
from recitation.tajweed.place import FATHATAN, SHADDAH, SILENT, SMALL_MIM, TANWIN, Place
from recitation.tajweed.rules import Instance, Rule

_THROAT = "ءهعحغخ"
_ONE_PLACE = {
    ("ت", "د"), ("د", "ت"), ("ت", "ط"), ("ط", "ت"), ("ذ", "ظ"), ("ث", "ذ"), ("ب", "م"),
}  # fmt: skip
"""Pairs made in one place and told apart by a trait (mutajanisayn) that Hafs assimilates."""
_NEAR = {("ل", "ر"), ("ق", "ك")}
"""Pairs near in place and traits (mutaqaribayn) that Hafs assimilates; the lam of the article is not counted here."""


def nasals(place: Place, moshaf: Moshaf) -> Iterator[Instance]:
    """Every rule of ن, م, tanwin and idgham in a word, those between it and the word after included."""
    for index in range(len(place.form)):
        rule = _sounding(place, index)
        if rule is not None:
            yield Instance(rule, index, index, place.letters_of(index), moshaf.counts(rule))
        yield from _within(place, index)
    if not place.stopped:
        yield from _between(place, moshaf)


def _sounding(place: Place, index: int) -> Rule | None:
    """The rule of a nasal that is heard in the word itself."""
    script = place.scripts[index]
    first = place.letters_of(index)[0]
    match script[0]:
        case letter if letter == IKHFA:
            return Rule.IKHFA
        case letter if letter == IQLAB:
            return Rule.IKHFA_SHAFAWI if place.text[first] == "م" else Rule.IQLAB
        case "ن" | "م" if len(script) > 2:
            return _held(place, index, first)
        case "ن" if place.is_sakin(index):
            # The kasrah between tanwin and hamzat wasl is missing in the lexicon before ikhfa: ثَلَـٰثَةٌ ٱنتَهُوا۟
            clear = place.text[first] not in TANWIN or place.scripts[index + 1][0] in _THROAT
            return Rule.IZHAR if clear else None
        case "م" if place.is_sakin(index):
            return Rule.IZHAR_SHAFAWI
    return None


def _held(place: Place, index: int, first: int) -> Rule | None:
    if place.text[first + 1 : first + 2] != SHADDAH:  # letters that open a surah: الٓمٓ, طسٓمٓ
        return Rule.IDGHAM_GHUNNAH if "س" in place.text[:first] else Rule.IDGHAM_SHAFAWI
    # A shaddah on the first letter is the idgham of the word before, which names it.
    return None if index == first == 0 else Rule.GHUNNAH


def _between(place: Place, moshaf: Moshaf) -> Iterator[Instance]:
    """Idgham of the last letter in the first phone of the word after."""
    last = _last_letter(place.text)
    letter, into = place.text[last], place.after[:1]
    heard = place.form[-1]
    if letter in TANWIN:  # before hamzat wasl its ن has a kasrah, spelled by the tanwin too
        absorbed = heard.script in SHORT_VOWELS and heard.letters[0] == last != place.form[-2].letters[0]
    else:
        absorbed = letter in CONSONANTS and heard.letters[1] < last
    if not absorbed or len(place.after) < 2:
        return
    rule: Rule | None
    if letter in TANWIN + "ن":
        rule = Rule.IDGHAM_GHUNNAH if into in "ينمو" else Rule.IDGHAM_NO_GHUNNAH if into in "لر" else None
    elif letter == into:
        rule = Rule.IDGHAM_SHAFAWI if letter == "م" else Rule.IDGHAM_MITHLAYN
    else:
        rule = _pair(letter, into)
    if rule is not None:
        place_after = len(place.form)
        counts = moshaf.counts(Rule.IDGHAM_SHAFAWI if into == "م" else rule)  # ٱرْكَب مَّعَنَا has the ghunnah of م
        yield Instance(rule, place_after, place_after, place.letters(last), counts)


def _within(place: Place, index: int) -> Iterator[Instance]:
    """Idgham of one letter in another inside the word: the first is written without any mark."""
    first = place.form[index].letters[0]
    script = place.scripts[index]
    if script == "ط" and place.text[first : first + 2] == "طت":  # its heaviness stays: idgham naqis
        yield Instance(Rule.IDGHAM_MUTAJANISAYN, index, index + 1, place.letters(first, first + 1))
    if len(script) != 2 or first == 0 or place.text[first] != script[0]:
        return
    before = place.text[first - 1]
    if before not in CONSONANTS or before in "لي":  # the article; 68:6 writes one ي twice
        return
    rule = Rule.IDGHAM_MITHLAYN if before == script[0] else _pair(before, script[0])
    if rule is not None:
        yield Instance(rule, index, index, place.letters(first - 1, first))


def _pair(letter: str, into: str) -> Rule | None:
    if (letter, into) in _ONE_PLACE:
        return Rule.IDGHAM_MUTAJANISAYN
    return Rule.IDGHAM_MUTAQARIBAYN if (letter, into) in _NEAR else None


def _last_letter(text: str) -> int:
    """The letter or tanwin with which a word ends when joined."""
    bare = text.removesuffix("ا" + SILENT).rstrip(SMALL_MIM)
    if bare[-1] in "اى" and bare[:-1].rstrip(SMALL_MIM).endswith(FATHATAN):
        bare = bare[:-1].rstrip(SMALL_MIM)
    return len(bare) - 1
