"""The whole line follows what models with other tokens would say of a recitation: script, letters, bare letters.

What they say is made up from the times of a made recitation: a peak for each symbol, as CTC has it, and some confusion.
"""

from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
from tiny_checkpoints import LETTERS, SCRIPT

from recitation.accuracy.hearing import Replay
from recitation.acoustics.repeats import Floats, silence
from recitation.acoustics.unit_maps import UnitMap, letter_map, script_map
from recitation.events import Status, Summary
from recitation.made_voice import MadeRecitation
from recitation.made_voice.recite import MadePhone
from recitation.phones import SHORT_VOWELS, UNITS, is_madd
from recitation.pipeline import Session, passage, recite
from recitation.tracker import FRAME_SAMPLES
from recitation.vad import SileroVad

HOP, AHEAD = 4, 12
"""Frames of a hop of 80 ms and of 240 ms of look-ahead."""
SURE = 0.9
WRITTEN = {"ۥ": "و", "ۦ": "ي", "ـ": "ا", "ں": "ن", "۾": "ن", "ٲ": "أ"}
"""Letters for symbols of the script that are none."""

Say = Callable[[MadeRecitation, MadePhone], str]


def script(made: MadeRecitation, phone: MadePhone) -> str:
    """A phone in the script, a madd vowel once for each count."""
    spelling = UNITS[phone.unit]
    counts = round((phone.end - phone.start) / 16_000 / made.harakah_s)
    return spelling[0] * max(2, min(6, counts)) if is_madd(phone.unit) else spelling


def letter(made: MadeRecitation, phone: MadePhone) -> str:
    """A phone as it is written, once however long."""
    return WRITTEN.get(UNITS[phone.unit][0], UNITS[phone.unit][0])


def posteriors(made: MadeRecitation, vocabulary: tuple[str, ...], say: Say) -> Floats:
    """float32[T, V]: whole hops and the look-ahead after the last."""
    random = np.random.default_rng(0)
    frames = -(-len(made.pcm) // (HOP * FRAME_SAMPLES)) * HOP + AHEAD
    labels = np.zeros(frames, np.intp)
    for phone in made.phones:
        first, symbols = phone.start // FRAME_SAMPLES, say(made, phone)
        step = max(2, (phone.end - phone.start) // FRAME_SAMPLES // len(symbols))
        for n, symbol in enumerate(symbols):
            if symbol in vocabulary:
                labels[first + n * step] = vocabulary.index(symbol)
    said = random.dirichlet(np.full(len(vocabulary), 0.3), frames) * (1 - SURE)
    said[np.arange(frames), labels] += SURE
    return said.astype(np.float32)


def follow(made: MadeRecitation, verses: str, units: UnitMap, said: Floats, vad: SileroVad) -> Summary:
    """Hear hop by hop, with look-ahead, and recite to a session."""
    side, heard = silence(1, len(units.repeated)), []
    for begin in range(0, len(said) - AHEAD, HOP):
        log_probs, side = units.hear(said[None, begin : begin + HOP + AHEAD], side, HOP)
        heard.append(log_probs[0])
    session = Session(passage(verses), vad)
    for _ in recite(session, Replay(np.concatenate(heard)), made.pcm):
        pass
    return session.summary()


def mean_score(summary: Summary) -> float:
    return float(np.mean([word.score for word in summary.words if word.score is not None]))


def test_runs_spelled_by_repetition_are_accepted(fatihah: MadeRecitation, vad: SileroVad) -> None:
    units, said = script_map(SCRIPT, 0), posteriors(fatihah, SCRIPT, script)
    summary = follow(fatihah, "1:1-7", units, said, vad)
    assert {word.status for word in summary.words} == {Status.ACCEPTED}
    assert mean_score(summary) > 0.98
    # Taken symbol by symbol, the blanks inside runs cost.
    alike = units.weights.mean(axis=1, keepdims=True).repeat(3, axis=1)
    symbol_by_symbol = follow(fatihah, "1:1-7", UnitMap(0, alike, np.zeros(0, np.intp)), said, vad)
    assert 1 - mean_score(symbol_by_symbol) > 5 * (1 - mean_score(summary))


@pytest.mark.parametrize("vowels", [True, False])
def test_letters_are_followed_with_and_without_vowels(
    make: Callable[..., MadeRecitation], vad: SileroVad, vowels: bool
) -> None:
    made = make("112")
    vocabulary = tuple(token for token in LETTERS if vowels or token not in SHORT_VOWELS)
    summary = follow(made, "112", letter_map(vocabulary, 0), posteriors(made, vocabulary, letter), vad)
    begun: dict[str, int] = {}
    for phone in made.phones:
        begun.setdefault(phone.at, phone.start)
    for word in summary.words:
        assert word.start is not None and abs(word.start - begun[word.at]) < 0.15 * 16_000
    assert Counter(word.status for word in summary.words)[Status.ACCEPTED] >= 12
