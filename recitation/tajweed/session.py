"""Tajweed in one session: closed phones in, verdicts on rules out.

    tajweed = Tajweed(words, moshaf, audio)
    verdicts = tajweed.hear(phone, following, sure=True)   # each phone as the judge closes it

Each phone is given its boundaries in the sound (``lengths``), the rules that hold there (``places``) and to the
validators of every family; syllables tell the reciter's own tempo on the way.
"""

from collections.abc import Sequence

from recitation.events import PhoneVerdict
from recitation.lexicon import Word
from recitation.tajweed.lengths import Audio, Spans
from recitation.tajweed.moshaf import Moshaf
from recitation.tajweed.places import Places
from recitation.tajweed.rules import Rule
from recitation.tajweed.tempo import Syllables, Tempo
from recitation.tajweed.validators import Validator
from recitation.tajweed.validators.nasal import NasalValidator
from recitation.tajweed.validators.qalqalah import QalqalahValidator
from recitation.tajweed.validators.stop import StopValidator
from recitation.tajweed.validators.weight import WeightValidator
from recitation.tajweed.verdict import RuleVerdict, Severity

Place = tuple[str, Rule, tuple[int, int]]
"""Word, rule and letters: where a verdict belongs."""


class Tajweed:
    """See the module's docstring."""

    def __init__(self, words: Sequence[Word], moshaf: Moshaf, audio: Audio) -> None:
        """``audio`` reads the sound of the last seconds."""
        self.tempo = Tempo()
        self._spans, self._places, self._syllables = Spans(audio), Places(words, moshaf), Syllables()
        self._validators: tuple[Validator, ...] = (
            QalqalahValidator(audio), WeightValidator(audio), NasalValidator(), StopValidator(audio),
        )  # fmt: skip
        self._verdicts: dict[Place, RuleVerdict] = {}

    def read_by(self, moshaf: Moshaf) -> None:
        """Other settings of the reading, from the next word on."""
        self._places.moshaf = moshaf

    def hear(self, phone: PhoneVerdict, following: str | None, *, sure: bool) -> list[RuleVerdict]:
        """Verdicts that are ready with the next closed phone.

        ``following`` is the unit joined to it, None at a pause; nothing is held against a phone that is not ``sure``.
        """
        heard = self._spans.push(phone, following, sure=sure)
        found = self._places.push(heard)
        syllable = self._syllables.push(heard, long_madd=self._places.long_madd(heard)) if sure else None
        if syllable is not None:
            self.tempo.note(*syllable)
        verdicts = [verdict for validator in self._validators for verdict in validator.hear(heard, found)]
        for verdict in verdicts:
            self._keep(verdict)
        return verdicts

    def report(self) -> tuple[RuleVerdict, ...]:
        """The verdict on each rule as it was recited last, in the order of the text."""
        return tuple(self._verdicts[place] for place in sorted(self._verdicts, key=_in_text))

    def _keep(self, verdict: RuleVerdict) -> None:
        """Remember a verdict for the report; one that says nothing does not replace one that does."""
        place = (verdict.at, verdict.rule, verdict.letters)
        if verdict.severity is not Severity.UNCLEAR or place not in self._verdicts:
            self._verdicts[place] = verdict


def _in_text(place: Place) -> tuple[list[int], tuple[int, int], Rule]:
    at, rule, letters = place
    return [int(part) for part in at.split(":")], letters, rule
