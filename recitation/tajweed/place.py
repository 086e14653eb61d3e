"""A word in its context, as the taggers of the families of rules look at it."""

from dataclasses import dataclass
from functools import cached_property

from recitation.lexicon import Form, Phone, default_lexicon
from recitation.phones import CONSONANTS, QALQALAH, SHORT_VOWELS, VOWEL_MARKS

FATHATAN, TANWIN = "ً", "ًٌٍ"
SHADDAH, MADDAH, SILENT = "ّ", "ٓ", "۟"
SMALL_MIM = "ۭۢ"
"""What Tanzil writes beside a tanwin or a ن that is not clear."""
_SPELLED_WITH_IT = SHADDAH + MADDAH + SMALL_MIM + "ْ"
"""Marks that belong to the letter before them; vowels are letters of their own here."""


@dataclass(frozen=True)
class Place:
    """The text of a word, the form it is recited in, and what it is joined to."""

    text: str
    form: Form
    after: str
    """First phone of the word after, in the script; empty when stopped."""
    stopped: bool

    @cached_property
    def scripts(self) -> tuple[str, ...]:
        """Every phone of the form in the script, then ``after``."""
        return (*(phone.script for phone in self.form), self.after)

    def is_last(self, index: int) -> bool:
        """Whether a phone is stopped at."""
        return self.stopped and index == len(self.form) - 1

    def is_sakin(self, index: int) -> bool:
        """Whether a consonant has no vowel after it although the recitation goes on."""
        script, following = self.scripts[index], self.scripts[index + 1]
        return script[0] in CONSONANTS and not self.is_last(index) and following[:1] not in ("", *VOWEL_MARKS, QALQALAH)

    def letters(self, first: int, last: int | None = None) -> tuple[int, int]:
        """Characters from ``first`` to ``last`` with the marks that belong to them."""
        end = first if last is None else last
        while end + 1 < len(self.text) and self.text[end + 1] in _SPELLED_WITH_IT:
            end += 1
        return first, end

    def letters_of(self, index: int) -> tuple[int, int]:
        """Characters that spell a phone."""
        phone = self.form[index]
        first, last = phone.letters
        if self.text[first] in SMALL_MIM:  # the tanwin or ن it stands beside
            first -= 1
        elif self.text[first] in SHORT_VOWELS and phone.script[0] in CONSONANTS:
            # A last letter that idgham takes when joined: the lexicon has it at the vowel before.
            first = last = first + 1
        return self.letters(first, last)


def lexicon_rule(phone: Phone) -> str:
    """The name quran-transcript gives to the madd or qalqalah of a phone; empty for none."""
    return default_lexicon().rules[phone.rule]


def sounds_heavy(phone: Phone) -> bool:
    """Whether quran-transcript says a phone heavy, between its true neighbours in the text."""
    return default_lexicon().sifa(phone)["tafkheem_or_taqeeq"] != "moraqaq"
