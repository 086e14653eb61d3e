"""Heavy and light: the seven letters of istiʿla, ra by its neighbours, and the lam of Allah.

The weight of ra follows the chapter of ra in Ibn al-Jazari's *Muqaddimah*; a test compares it with quran-transcript's.
"""

from collections.abc import Iterator

from recitation.letters import ISTILA
from recitation.phones import IMALA, QALQALAH, SHORT_VOWELS, VOWEL_MARKS
from recitation.tajweed.moshaf import EITHER, Moshaf
from recitation.tajweed.place import Place, sounds_heavy
from recitation.tajweed.rules import Instance, Rule

KASRAH = "ِ"
_YASR = ("يَسْرِ", "أَسْرِ", "فَأَسْرِ")
_NUDHUR = "وَنُذُرِ"
"""Words whose last letter, a ya, is not written: stopped at, ra may keep the weight it had before it."""


def weights(place: Place, moshaf: Moshaf) -> Iterator[Instance]:
    """The weight of every letter of a word that has a rule for it."""
    for index, script in enumerate(place.scripts[:-1]):
        letter = script[0]
        rule: Rule | None = None
        if letter in ISTILA:
            rule = Rule.TAFKHIM
        elif letter == "ر":
            rule = ra_weight(place, index, moshaf)
        elif script == "لل" and _is_allah(place, index):
            rule = _lam_weight(place, index)
        if rule is not None:
            yield Instance(rule, index, index, place.letters_of(index))


def ra_weight(place: Place, index: int, moshaf: Moshaf) -> Rule | None:
    """Tafkhim or tarqiq of a ra; None where both are read and the moshaf does not choose."""
    following = place.form[index + 1].script if index + 1 < len(place.form) else ""
    if following in (*SHORT_VOWELS, IMALA):
        return Rule.TARQIQ if following in (KASRAH, IMALA) else Rule.TAFKHIM
    if place.is_last(index):
        return _stopped_ra(place, index, moshaf)
    if index == 0 or place.scripts[index - 1] != KASRAH or _begins_with_wasl(place, index):
        return Rule.TAFKHIM  # the kasrah of hamzat wasl, or of the word before, does not count
    if following[:1] and following[0] in ISTILA:
        return _chosen(moshaf.ra_firq) if place.scripts[index + 2] == KASRAH else Rule.TAFKHIM
    return Rule.TARQIQ


def _stopped_ra(place: Place, index: int, moshaf: Moshaf) -> Rule | None:
    if place.text in _YASR:
        return _chosen(moshaf.ra_yasr)
    if place.text == _NUDHUR:
        return _chosen(moshaf.ra_nudhur)
    before = index - 1
    while place.scripts[before] == QALQALAH:
        before -= 1
    script = place.scripts[before]
    if script in ("ي", "ۦۦ", KASRAH):
        return Rule.TARQIQ
    if script[0] in VOWEL_MARKS or script[0] in "اۥو" or place.scripts[before - 1] != KASRAH:
        return Rule.TAFKHIM
    if script[0] in ISTILA:
        return _chosen(moshaf.ra_misr if script == "ص" else moshaf.ra_qitr)
    return Rule.TARQIQ


def _begins_with_wasl(place: Place, index: int) -> bool:
    """Whether the vowel before a ra is that of hamzat wasl."""
    return index == 2 and place.text[place.form[1].letters[0]] == "ٱ"


def _chosen(setting: str) -> Rule | None:
    return None if setting == EITHER else Rule(setting)


def _is_allah(place: Place, index: int) -> bool:
    """The name Allah is the word whose long alif after a doubled lam is not written."""
    if place.scripts[index + 1 : index + 3] != ("َ", "اا") or place.scripts[index + 3 : index + 4] != ("ه",):
        return False
    fathah, alif = place.form[index + 1 : index + 3]
    return fathah.letters == alif.letters


def _lam_weight(place: Place, index: int) -> Rule:
    if index == 0:  # by the vowel of the word before, which the lexicon knows
        return Rule.TAFKHIM if sounds_heavy(place.form[0]) else Rule.TARQIQ
    return Rule.TARQIQ if place.scripts[index - 1] == KASRAH else Rule.TAFKHIM
