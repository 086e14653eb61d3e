"""Lengths for tests: closed phones with their boundaries, and recitations heard with the tempo they are judged by."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from ruled import AT, reads

from recitation.acoustics.engine import OnnxEngine
from recitation.audio import SAMPLE_HZ, Pcm, levelled
from recitation.events import PhoneVerdict
from recitation.phones import MADD_VOWELS
from recitation.pipeline import Session, passage, recite
from recitation.tajweed.lengths import Audio, Heard, Spans
from recitation.tajweed.moshaf import Moshaf
from recitation.tajweed.places import Found, Places
from recitation.tajweed.rules import Instance, Rule
from recitation.tajweed.tempo import Syllables, Tempo
from recitation.vad import SileroVad

HARAKAH_S = 0.15
"""Of ``steady``."""
SILENCE = reads(np.zeros(0, np.float32))
"""For lengths that are given and not to be found in any sound."""


@dataclass(frozen=True, slots=True)
class Step:
    """A phone with the rules found at it and the tempo so far."""

    heard: Heard
    found: list[Found]
    tempo: Tempo
    audio: Audio


def listen(pcm: Pcm, verses: str, engine: OnnxEngine, vad: SileroVad) -> Iterator[Step]:
    """Every phone of a recitation as the live line closes it."""
    session = Session(passage(verses), vad)
    phones = [closed for update in recite(session, engine, pcm) for closed in update.phones]
    audio = reads(levelled(pcm))
    spans, places, syllables = Spans(audio), Places(session.passage.words, Moshaf()), Syllables()
    tempo = Tempo()
    for n, one in enumerate(phones):
        after = next((after for after in phones[n + 1 :] if after.end > after.start), None)  # none that is left out
        following = after.unit if after is not None and after.start == one.end else None
        heard = spans.push(one, following, sure=one.end > one.start)
        found = places.push(heard)
        syllable = syllables.push(heard, long_madd=places.long_madd(heard))
        if syllable:
            tempo.note(*syllable)
        yield Step(heard, found, tempo, audio)


def steady(observations: int = 40) -> Tempo:
    """The tempo of a reciter whose harakah is 0.15 s, well known."""
    tempo = Tempo()
    for _ in range(observations):
        tempo.note(1.0, HARAKAH_S + 0.18 * HARAKAH_S**0.5)
    return tempo


def lasting(
    unit: str, harakat: float, *, p: float = 1.0, heard: str | None = None, begin: int = SAMPLE_HZ, at: str = AT,
    index: int = 2, sure: bool = True, left_out: bool = False,
) -> Heard:  # fmt: skip
    """A phone of so many harakat in the tempo of ``steady``."""
    end = begin + round(harakat * HARAKAH_S * SAMPLE_HZ)
    verdict = PhoneVerdict(at, index, unit, end if left_out else begin, end, p, heard)
    vowel = unit[0] in MADD_VOWELS
    return Heard(verdict, None if vowel else begin, end, begin if vowel else None, "م", sure)


def held_to(rule: Rule, heard: Heard, counts: tuple[float, float]) -> Found:
    """A rule of length at a phone."""
    index = heard.phone.index
    return Found(Instance(rule, index, index, (0, 0), counts), (heard,), heard.phone.at)
