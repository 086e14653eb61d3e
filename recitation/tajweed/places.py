"""Which rules hold at the phones just heard, as soon as that is certain.

The same vowel is natural when the word is joined to the next and ʿāriḍ when it is stopped at.  Rules that hold in both
forms are told when their last phone is closed, the others when the phone after one tells the forms apart: the vowel
with which a word is joined shows before it is over.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from recitation.lexicon import Form, Word
from recitation.tajweed.lengths import Heard
from recitation.tajweed.moshaf import Moshaf
from recitation.tajweed.rules import Instance
from recitation.tajweed.tagger import instances


@dataclass(frozen=True, slots=True)
class Found:
    """A rule with the phones in which it is heard."""

    instance: Instance
    phones: tuple[Heard, ...]
    """From ``instance.first`` to ``instance.last``; a single one of the word after where the word before names it."""
    at: str
    """Address of the word whose letters the rule names."""


class Places:
    """The rules of a passage, phone by phone."""

    def __init__(self, words: Sequence[Word], moshaf: Moshaf) -> None:
        self.moshaf = moshaf
        """May be changed at any time; the next word is read by it."""
        self._words = words
        self._number = {word.at: n for n, word in enumerate(words)}
        self._heard: list[Heard] = []
        """Phones of the word being recited, from where it was begun."""
        self._forms: dict[bool, tuple[Form, tuple[Instance, ...]]] = {}
        """By whether the word is stopped at: its form and its rules, as long as the word can still be in it."""
        self._told: set[Instance] = set()
        self._carried: list[tuple[Instance, str]] = []
        """Rules that the word before names at its first phone."""

    def push(self, heard: Heard) -> list[Found]:
        """The next closed phone: the rules that are certain with it, each told once."""
        at, index = heard.phone.at, heard.phone.index
        joined = bool(self._heard) and self._heard[-1].phone.end == heard.phone.start
        if not self._heard or self._heard[-1].phone.at != at or index != self._heard[-1].phone.index + 1:
            self._begin(self._words[self._number[at]], joined and index == 0)
        self._heard.append(heard)
        found: list[Found] = []
        if index == 0:
            found += [Found(instance, (heard,), home) for instance, home in self._carried]
            self._carried = []
        self._forms = {stopped: form for stopped, form in self._forms.items() if self._fits(form[0])}
        going_on = {stopped: form for stopped, form in self._forms.items() if self._goes_on(form[0], stopped)}
        self._forms = going_on or self._forms  # none fits where a phone was left out
        stopped = heard.following is None
        if stopped in self._forms and index == len(self._forms[stopped][0]) - 1:
            return found + self._end(stopped)
        rules = [self._rules_over(rules) for _, rules in self._forms.values()]
        certain = [rule for rule in rules[0] if all(rule in other for other in rules)] if rules else []
        return found + self._tell(certain)

    def long_madd(self, heard: Heard) -> bool:
        """Whether a phone just pushed may last more than two harakat although its word goes on."""
        form = self._forms.get(False) or self._forms.get(True)
        index = heard.phone.index
        return form is not None and any(
            rule.counts is not None and rule.counts[1] > 2 and rule.first <= index <= rule.last for rule in form[1]
        )

    def _begin(self, word: Word, joined: bool) -> None:
        if not joined:
            self._carried = []
        self._heard, self._told, self._forms = [], set(), {}
        n = self._number[word.at]
        following = self._words[n + 1].joined[0] if n + 1 < len(self._words) else None
        for stopped in (False, True):
            if not stopped and following is None:
                continue
            form = word.form(started=not joined, stopped=stopped)
            after = None if stopped else following
            self._forms[stopped] = (form, instances(word, form, after=after, moshaf=self.moshaf))

    def _fits(self, form: Form) -> bool:
        """Whether the word can be in a form, by its newest phone."""
        newest = self._heard[-1].phone
        return newest.index < len(form) and form[newest.index].script == newest.unit

    def _goes_on(self, form: Form, stopped: bool) -> bool:
        """Whether the word, in a form, goes on with the phone joined to its newest one; before a pause any may."""
        newest = self._heard[-1]
        if newest.following is None:
            return True
        after = newest.phone.index + 1
        return form[after].script == newest.following if after < len(form) else not stopped

    def _rules_over(self, rules: tuple[Instance, ...]) -> list[Instance]:
        """Rules whose last phone has been heard."""
        newest = self._heard[-1].phone.index
        return [rule for rule in rules if rule.last <= newest]

    def _tell(self, rules: Sequence[Instance]) -> list[Found]:
        by_index = {heard.phone.index: heard for heard in self._heard}
        found = []
        for rule in rules:
            if rule in self._told or any(index not in by_index for index in range(rule.first, rule.last + 1)):
                continue
            self._told.add(rule)
            phones = tuple(by_index[index] for index in range(rule.first, rule.last + 1))
            found.append(Found(rule, phones, self._heard[-1].phone.at))
        return found

    def _end(self, stopped: bool) -> list[Found]:
        """The word is over: rules that waited for its form, and those that the next word will begin with."""
        form, rules = self._forms[stopped]
        self._carried = [(rule, self._heard[-1].phone.at) for rule in rules if rule.first == len(form)]
        return self._tell(self._rules_over(rules))
