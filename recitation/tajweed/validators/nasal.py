"""What becomes of ن, tanwin and م without a vowel: the ear tells the sound of the rule from that of another one.

How long the nasal is held is not judged here.
"""

from collections.abc import Sequence

from recitation.judge import FAINT
from recitation.phones import IKHFA, IQLAB
from recitation.tajweed.lengths import Heard
from recitation.tajweed.places import Found
from recitation.tajweed.rules import Family, Rule
from recitation.tajweed.validators.answers import answer, is_sure, unclear
from recitation.tajweed.verdict import RuleVerdict, Severity, Slip

_HIDDEN, _LIPS = IKHFA * 3, IQLAB * 3
_CLEAR = frozenset(("ن", "نن", "م", "مم"))
_NUN = frozenset(("ن", "نن", _HIDDEN))
_REPLACING: dict[str, frozenset[str]] = {
    _HIDDEN: _CLEAR,
    _LIPS: _CLEAR,
    "ن": frozenset((_HIDDEN, _LIPS)),
    "م": frozenset((_LIPS,)),
    "مممم": frozenset(("ن", "نن")),
    "ووو": _NUN,
    "ييي": _NUN,
    "لل": _NUN,
    "رر": _NUN,
}
"""Units that are the sound of another rule, by the unit of the right one.

Nasals that are held with ghunnah are too alike: all five that four training reciters were accused of were a hidden ن
or م taken for another held one.  The same letter shorter or longer, and a glide without its ghunnah, are for the
validator of ghunnah.
"""
_UNASSIMILATED = {"ت": "دط", "د": "ت", "ط": "ت", "ظ": "ذ", "ذ": "ث", "م": "ب", "ر": "ل", "ك": "ق"}
"""Letters that Hafs assimilates in the one named first, other than ن."""
MEASURED = (Rule.IKHFA, Rule.IZHAR)
"""Rules whose slips are errors: an unseen reciter was accused of none of 59 and 29, four training reciters of none of
152 and 87.  Of 63 that were recited right and expected to be the other one, all were doubted and 45 named.  The rest is
advice: too few were there to be counted."""
_OF_TWO_LETTERS = (Rule.IDGHAM_MUTAJANISAYN, Rule.IDGHAM_MUTAQARIBAYN)


class NasalValidator:
    """Judges every ikhfa, iqlab, izhar and idgham of a session."""

    def hear(self, heard: Heard, found: Sequence[Found]) -> list[RuleVerdict]:
        """See ``recitation.tajweed.validators.Validator``."""
        return [_judge(place) for place in found if place.instance.rule.family is Family.NASAL]


def _judge(place: Found) -> RuleVerdict:
    phone = place.phones[0].phone
    if not is_sure(place):
        return unclear(place)
    if phone.p >= FAINT:
        return answer(place, Severity.FINE, None, phone.p)
    if phone.heard and replaces(place.instance.rule, phone.unit, phone.heard):
        severity = Severity.ERROR if place.instance.rule in MEASURED else Severity.ADVICE
        return answer(place, severity, Slip.REPLACED, 1 - phone.p, phone.heard)
    return unclear(place)


def replaces(rule: Rule, expected: str, heard: str) -> bool:
    """Whether the unit ``heard`` is what another rule, or none, would make of the place where ``expected`` belongs."""
    if rule in _OF_TWO_LETTERS:
        return heard[0] in _UNASSIMILATED.get(expected[0], "")
    return heard in _REPLACING.get(expected, ())
