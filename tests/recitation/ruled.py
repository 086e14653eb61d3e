"""Rules of tajweed for tests: places as the line finds them, and what validators say of a recitation."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest

from recitation.acoustics.engine import OnnxEngine
from recitation.audio import Pcm, levelled
from recitation.events import PhoneVerdict
from recitation.lexicon import Form
from recitation.lexicon import recited as recited_forms
from recitation.made_voice import EspeakError, MadeRecitation, make_recitation
from recitation.pipeline import Session, passage, recite
from recitation.tajweed.lengths import Audio, Heard, Spans
from recitation.tajweed.moshaf import Moshaf
from recitation.tajweed.places import Found, Places
from recitation.tajweed.rules import Instance, Rule
from recitation.tajweed.validators import Validator
from recitation.tajweed.verdict import RuleVerdict
from recitation.vad import SileroVad

AT = "1:1:1"


def phone(
    unit: str,
    start: int = 16_000,
    end: int = 17_600,
    *,
    p: float = 1.0,
    heard: str | None = None,
    following: str | None = "َ",
    index: int = 0,
    at: str = AT,
    sure: bool = True,
) -> Heard:
    """A closed phone as the ear places it."""
    return Heard(PhoneVerdict(at, index, unit, start, end, p, heard), None, None, None, following, sure)


def place(rule: Rule, *phones: Heard) -> Found:
    """A rule found at phones."""
    first, last = phones[0].phone.index, phones[-1].phone.index
    return Found(Instance(rule, first, last, (0, 0)), phones, phones[0].phone.at)


def reads(pcm: Pcm) -> Audio:
    """Sound as validators read it: silence where there is none."""

    def read(start: int, end: int) -> Pcm:
        sound = np.zeros(end - start, np.float32)
        first, last = max(start, 0), min(end, len(pcm))
        if first < last:
            sound[first - start : last - start] = pcm[first:last]
        return sound

    return read


@dataclass(frozen=True)
class Recited:
    """A recitation heard by the whole line."""

    audio: Audio
    phones: list[tuple[Heard, list[Found]]]
    """Every closed phone, with the rules certain with it."""

    def judged(self, validator: Validator) -> list[RuleVerdict]:
        """What a validator that has heard nothing else says of it."""
        return [verdict for heard, found in self.phones for verdict in validator.hear(heard, found)]


def listen(pcm: Pcm, verses: str, engine: OnnxEngine, vad: SileroVad) -> Recited:
    """Hear a recitation."""
    session = Session(passage(verses), vad)
    phones = [closed for update in recite(session, engine, pcm) for closed in update.phones]
    audio = reads(levelled(pcm))
    spans, places = Spans(audio), Places(session.passage.words, Moshaf())
    units = [after.unit if after.start == one.end else None for one, after in pairwise(phones)]
    heard = [
        spans.push(one, following, sure=one.end > one.start)
        for one, following in zip(phones, [*units, None], strict=True)
    ]
    return Recited(audio, [(one, places.push(one)) for one in heard])


def judged(
    pcm: Pcm, verses: str, validator: Callable[[Audio], Validator], engine: OnnxEngine, vad: SileroVad
) -> list[RuleVerdict]:
    """What a validator says of a recitation heard by the whole line."""
    recited = listen(pcm, verses, engine, vad)
    return recited.judged(validator(recited.audio))


def spoken(verses: str, say: Callable[[Form], Form], voice: str = "man1") -> MadeRecitation:
    """A made recitation in which each word is said in the form that ``say`` makes of its own."""
    words = [(word, say(form)) for word, form in recited_forms(passage(verses).words)]
    try:
        return make_recitation(words, voice)
    except EspeakError as missing:
        pytest.skip(f"the made voice needs espeak-ng: {missing}")
