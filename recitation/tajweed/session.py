"""Tajweed in one session: closed phones in, verdicts on rules out.

    tajweed = Tajweed(words, moshaf, audio)
    verdicts = tajweed.hear(phone, following, sure=True)   # each phone as the judge closes it

Each phone is given its boundaries in the sound (``lengths``), the rules that hold there (``places``) and to the
validators of every family; syllables tell the reciter's own tempo on the way.
"""

from collections.abc import Iterable, Sequence

import msgspec

from recitation.events import PhoneVerdict
from recitation.lexicon import Word
from recitation.retained import TempoState
from recitation.tajweed.lengths import Audio, Spans
from recitation.tajweed.moshaf import Moshaf
from recitation.tajweed.places import Places
from recitation.tajweed.rules import Rule
from recitation.tajweed.tempo import Syllables, Tempo
from recitation.tajweed.validators import Validator
from recitation.tajweed.validators.ghunnah import GhunnahValidator
from recitation.tajweed.validators.madd import MaddValidator
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
            MaddValidator(self.tempo, audio), GhunnahValidator(self.tempo, audio), NasalValidator(),
            QalqalahValidator(audio), WeightValidator(audio), StopValidator(audio),
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
        verdicts: dict[Place, RuleVerdict] = {}
        for validator in self._validators:
            for verdict in validator.hear(heard, found):
                place = (verdict.at, verdict.rule, verdict.letters)
                verdicts[place] = together(verdicts[place], verdict) if place in verdicts else verdict
        for verdict in verdicts.values():
            self._keep(verdict)
        return list(verdicts.values())

    def report(self) -> tuple[RuleVerdict, ...]:
        """The verdict on each rule as it was recited last, in the order of the text."""
        return tuple(self._verdicts[place] for place in sorted(self._verdicts, key=_in_text))

    def recall(self, rules: Iterable[RuleVerdict], tempo: TempoState | None) -> None:
        """Go on after verdicts that were given before, with the tempo that was known."""
        for verdict in rules:
            self._keep(verdict)
        if tempo is not None:
            self.tempo.recall(tempo)

    def _keep(self, verdict: RuleVerdict) -> None:
        """Remember a verdict for the report; one that says nothing does not replace one that does."""
        place = (verdict.at, verdict.rule, verdict.letters)
        before = self._verdicts.get(place)
        if before is not None and before.start == verdict.start:
            verdict = together(before, verdict)
        if verdict.severity is not Severity.UNCLEAR or place not in self._verdicts:
            self._verdicts[place] = verdict


_WEIGHT = {Severity.UNCLEAR: 0, Severity.FINE: 1, Severity.ADVICE: 2, Severity.ERROR: 3}


def together(one: RuleVerdict, other: RuleVerdict) -> RuleVerdict:
    """What two validators say of the same sound: the graver, and the length that either measured."""
    graver, milder = (one, other) if _WEIGHT[one.severity] >= _WEIGHT[other.severity] else (other, one)
    if graver.measured is not None or milder.measured is None:
        return graver
    return msgspec.structs.replace(
        graver, expected=milder.expected, measured=milder.measured, uncertainty=milder.uncertainty
    )


def _in_text(place: Place) -> tuple[list[int], tuple[int, int], Rule]:
    at, rule, letters = place
    return [int(part) for part in at.split(":")], letters, rule
