"""Takes: recitations of which it is known where each phone and each rule lies.

Made voices know it by construction.  Real recordings are aligned offline, with the whole of them at hand and the
knowledge that they go straight through the passage, and their boundaries are moved to where the sound changes.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np

from recitation.acoustics.engine import Engine
from recitation.acoustics.intake import intake_of
from recitation.audio import SAMPLE_HZ, Pcm, levelled
from recitation.events import PhoneVerdict
from recitation.lexicon import recited
from recitation.made_voice import MadePhone, MadeRecitation, make_recitation
from recitation.phones import INDEX, SHORT_VOWELS, is_held
from recitation.pipeline import Passage, Session, passage, recite
from recitation.prosody.release import LAG_SAMPLES
from recitation.tajweed.lengths import Audio, Heard, Spans, held_nasal_start, kind_of
from recitation.tajweed.moshaf import Moshaf
from recitation.tajweed.places import Found, Places
from recitation.tajweed.rules import Rule
from recitation.tajweed.tempo import Syllables, Tempo
from recitation.tracker import FRAME_SAMPLES
from recitation.vad import SileroVad

Key = tuple[str, Rule, tuple[int, int]]
"""A rule at its place: word, rule, letters."""


@dataclass(frozen=True)
class Take:
    """A passage recited straight through."""

    source: str
    """Whose voice."""
    group: str
    """Kind of voice, as ``recitation.accuracy`` groups them."""
    passage: Passage
    pcm: Pcm
    """float32[n] at 16 kHz."""
    phones: tuple[Heard, ...]
    """Every phone recited, in order."""
    found: tuple[Found, ...]
    """Every rule, at its phones."""

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return len(self.pcm) / SAMPLE_HZ

    @cached_property
    def harakah_s(self) -> float | None:
        """Tempo over the whole take, seconds a harakah; None when it holds too few syllables."""
        return _harakah_s(self.phones)

    @cached_property
    def order(self) -> dict[tuple[str, int], int]:
        """Place of a phone, by its word and its index in the word's form, among ``phones``."""
        return {(heard.phone.at, heard.phone.index): n for n, heard in enumerate(self.phones)}

    def place(self, heard: Heard) -> int:
        """Place of a phone among ``phones``."""
        return self.order[heard.phone.at, heard.phone.index]


def key_of(found: Found) -> Key:
    """By which the verdict on a rule is known again."""
    return found.at, found.instance.rule, found.instance.letters


def recorded(engine: Engine, pcm: Pcm, place: Passage, source: str, group: str, moshaf: Moshaf) -> Take:
    """A recording located phone by phone, as far as the ear follows it.

    Where it does not, nothing is spoiled: see ``recitation.spoiling.kinds.sure``.
    """
    session = Session(place, SileroVad(), len(pcm) // FRAME_SAMPLES + 2, intake_of(engine), straight=True)
    verdicts = [phone for update in recite(session, engine, pcm, SAMPLE_HZ) for phone in update.phones]
    audio = reader(levelled(pcm))
    spans = Spans(audio)
    phones = []
    for n, phone in enumerate(verdicts):
        after = verdicts[n + 1] if n + 1 < len(verdicts) and verdicts[n + 1].start == phone.end else None
        phones.append(spans.push(phone, after.unit if after else None))
    phones = _with_held_nasals(phones, audio)
    return Take(source, group, place, pcm, tuple(phones), _rules(place, phones, moshaf))


def _with_held_nasals(phones: Sequence[Heard], audio: Audio) -> list[Heard]:
    """The same phones, what is held from where its sound begins: the ear emits it at its release."""
    harakah_s = _harakah_s(phones)
    mended = list(phones)
    if harakah_s is None:
        return mended
    for n, (vowel, nasal) in enumerate(pairwise(phones)):
        if not is_held(INDEX[nasal.phone.unit]) or vowel.phone.unit not in SHORT_VOWELS or vowel.following is None:
            continue
        if vowel.start is not None and nasal.end is not None:
            start = held_nasal_start(vowel.start, nasal.end, harakah_s, audio)
            mended[n : n + 2] = replace(mended[n], end=start), replace(nasal, start=start)
    return mended


def _harakah_s(phones: Iterable[Heard]) -> float | None:
    """Tempo over all of them, seconds a harakah; None for too few syllables."""
    tempo, syllables = Tempo(), Syllables()
    for heard in phones:
        if note := syllables.push(heard):
            tempo.note(*note)
    return tempo.harakah_s if tempo.known else None


def made(verses: str, voice: str, harakah_s: float, seed: int, moshaf: Moshaf) -> Take:
    """A made voice recites.  Raises EspeakError where espeak-ng is missing, AddressError for a bad address."""
    place = passage(verses)
    return of_made(make_recitation(recited(place.words), voice, harakah_s, random=seed), place, moshaf)


def of_made(recitation: MadeRecitation, place: Passage, moshaf: Moshaf) -> Take:
    """A made recitation of a passage, without slips, as a take."""
    phones = _exact(recitation.phones, place)
    return Take(recitation.voice, "made", place, recitation.pcm, phones, _rules(place, phones, moshaf))


def _exact(said: Sequence[MadePhone], place: Passage) -> tuple[Heard, ...]:
    """Phones whose boundaries are known; the ear would emit them a little after they begin."""
    letters = {(word.at, n): phone.letters for word, form in recited(place.words) for n, phone in enumerate(form)}
    phones: list[Heard] = []
    for n, phone in enumerate(said):
        joined = n + 1 < len(said) and said[n + 1].start == phone.end
        following = said[n + 1].script if joined else None
        verdict = PhoneVerdict(
            phone.at, phone.index, phone.script, phone.start + LAG_SAMPLES, phone.end + LAG_SAMPLES, 1.0, None,
            letters[phone.at, phone.index],
        )  # fmt: skip
        vowel_start = None
        if kind_of(phone.script) == "V":
            goes_on = bool(phones) and phones[-1].following is not None and kind_of(phones[-1].phone.unit) == "V"
            vowel_start = phones[-1].vowel_start if goes_on else phone.start
        phones.append(Heard(verdict, phone.start, phone.end, vowel_start, following))
    return tuple(phones)


def _rules(place: Passage, phones: Iterable[Heard], moshaf: Moshaf) -> tuple[Found, ...]:
    places = Places(place.words, moshaf)
    return tuple(found for heard in phones for found in places.push(heard))


def reader(pcm: Pcm) -> Audio:
    """Reads any span of a recording; silence where there is none."""

    def read(start: int, end: int) -> Pcm:
        inside = pcm[max(0, start) : max(0, end)]
        missing = max(0, -start), max(0, end - max(len(pcm), start, 0))
        return np.pad(inside, missing)

    return read
