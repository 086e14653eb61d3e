"""What becomes of ن, tanwin and م without a vowel: the ear tells the sound of the rule from that of another one.

How long the nasal is held is not judged here.
"""

from collections.abc import Sequence

from recitation.judge import DOUBTFUL
from recitation.phones import IKHFA, IQLAB
from recitation.tajweed.lengths import Heard
from recitation.tajweed.places import Found
from recitation.tajweed.rules import Family, Rule
from recitation.tajweed.validators.answers import answer, is_sure, unclear
from recitation.tajweed.verdict import RuleVerdict, Severity, Slip

_NUN, _MIM = ("ن", "نن", "نننن"), ("م", "مم", "مممم")
_HIDDEN, _LIPS = IKHFA * 3, IQLAB * 3
_REPLACING: dict[str, frozenset[str]] = {
    _HIDDEN: frozenset((*_NUN, *_MIM, _LIPS)),
    # A م held with closed lips is how many teach the iqlab; only one that is not held is another rule.
    _LIPS: frozenset((*_NUN, _HIDDEN, "م", "مم")),
    "ن": frozenset((*_MIM, _HIDDEN, _LIPS)),
    "م": frozenset((*_NUN, _HIDDEN, _LIPS)),
    "نننن": frozenset((*_MIM, _HIDDEN, _LIPS)),
    "مممم": frozenset((*_NUN, _HIDDEN)),
    "ووو": frozenset((*_NUN, _HIDDEN)),
    "ييي": frozenset((*_NUN, _HIDDEN)),
    "لل": frozenset((*_NUN, _HIDDEN)),
    "رر": frozenset((*_NUN, _HIDDEN)),
}
"""Units that are the sound of another rule, by the unit of the right one.

The same letter shorter or longer is not, nor a glide without its ghunnah: these are for the validator of ghunnah.
"""
_UNASSIMILATED = {"ت": "دط", "د": "ت", "ط": "ت", "ظ": "ذ", "ذ": "ث", "م": "ب", "ر": "ل", "ك": "ق"}
"""Letters that Hafs assimilates in the one named first, other than ن."""
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
    if phone.p >= DOUBTFUL:
        return answer(place, Severity.FINE, None, phone.p)
    if phone.heard and replaces(place.instance.rule, phone.unit, phone.heard):
        return answer(place, Severity.ADVICE, Slip.REPLACED, 1 - phone.p, phone.heard)
    return unclear(place)


def replaces(rule: Rule, expected: str, heard: str) -> bool:
    """Whether the unit ``heard`` is what another rule, or none, would make of the place where ``expected`` belongs."""
    if rule in _OF_TWO_LETTERS:
        return heard[0] in _UNASSIMILATED.get(expected[0], "")
    return heard in _REPLACING.get(expected, ())
