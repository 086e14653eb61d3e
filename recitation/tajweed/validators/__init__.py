"""Validators: one small module for each family of rules.

Each hears every closed phone of a session in order, with the rules that became certain with it, and answers with
verdicts once it knows enough; it keeps what it needs of the voice and of phones before.
"""

from collections.abc import Iterable, Sequence
from typing import Protocol

from recitation.tajweed.lengths import Heard
from recitation.tajweed.places import Found
from recitation.tajweed.verdict import RuleVerdict


class Validator(Protocol):
    """Judges the rules of one family in one session."""

    def hear(self, heard: Heard, found: Sequence[Found]) -> Iterable[RuleVerdict]:
        """The next closed phone and the rules certain with it (of every family): verdicts that are ready.

        A rule is answered once, by the phone after its last one at the latest, or when the pause after it is known.
        Where ``Heard.sure`` is false for a phone of it, or the validator cannot tell, the answer is ``unclear``.
        """
        ...
