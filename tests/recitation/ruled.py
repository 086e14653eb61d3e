"""Rules of tajweed for tests: places as the line finds them, and what validators say of a recitation."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest

from recitation.acoustics.engine import OnnxEngine
from recitation.audio import LevelNormaliser, Pcm
from recitation.events import PhoneVerdict
from recitation.lexicon import Form, recited
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


def judged(
    pcm: Pcm, verses: str, validator: Callable[[Audio], Validator], engine: OnnxEngine, vad: SileroVad
) -> list[RuleVerdict]:
    """What a validator says of a recitation heard by the whole line."""
    session = Session(passage(verses), vad)
    phones = [closed for update in recite(session, engine, pcm) for closed in update.phones]
    level = LevelNormaliser()
    audio = reads(np.concatenate([level.push(pcm), level.flush()]))
    judge, spans, places = validator(audio), Spans(audio), Places(session.passage.words, Moshaf())
    units = [after.unit if after.start == one.end else None for one, after in pairwise(phones)]
    verdicts: list[RuleVerdict] = []
    for one, following in zip(phones, [*units, None], strict=True):
        heard = spans.push(one, following, sure=one.end > one.start)
        verdicts += judge.hear(heard, places.push(heard))
    return verdicts


def spoken(verses: str, say: Callable[[Form], Form], voice: str = "man1") -> MadeRecitation:
    """A made recitation in which each word is said in the form that ``say`` makes of its own."""
    words = [(word, say(form)) for word, form in recited(passage(verses).words)]
    try:
        return make_recitation(words, voice)
    except EspeakError as missing:
        pytest.skip(f"the made voice needs espeak-ng: {missing}")
