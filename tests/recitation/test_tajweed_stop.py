"""Stops: what a pause is after a word, in a word, and where a sakt belongs."""

from collections.abc import Callable

import numpy as np
import pytest
from ruled import judged, phone, place, reads
from voiced import vowel

from recitation.acoustics.engine import OnnxEngine
from recitation.audio import SAMPLE_HZ, Pcm
from recitation.made_voice import MadeRecitation
from recitation.prosody.release import LAG_SAMPLES
from recitation.tajweed.lengths import Heard
from recitation.tajweed.rules import Rule
from recitation.tajweed.validators.stop import StopValidator
from recitation.tajweed.verdict import RuleVerdict, Severity, Slip
from recitation.vad import SileroVad

A = (660.0, 1550.0, 2500.0, 3400.0, 4400.0)
SECOND = SAMPLE_HZ


def pause(seconds: float, breath_s: float = 0.0) -> Pcm:
    """A vowel of a second, a pause, and another vowel; a breath is drawn in the middle of the pause."""
    random = np.random.default_rng(0)
    silence = 1e-4 * random.standard_normal(round(seconds * SECOND))
    first = (len(silence) - round(breath_s * SECOND)) // 2
    silence[first : first + round(breath_s * SECOND)] *= 200
    return np.concatenate([vowel(120, A, 1.0), silence.astype(np.float32), vowel(120, A, 1.0, 1)])


def around(seconds: float, before: str, after: str, *, stops: bool) -> tuple[Heard, Heard]:
    """The last phone before such a pause and the first one after it, given as ``surah:ayah:word/index/unit``."""
    (at, index, unit), (next_at, next_index, next_unit) = before.split("/"), after.split("/")
    goes_on = SECOND + round(seconds * SECOND) + LAG_SAMPLES
    end = SECOND if stops else goes_on
    following = None if stops else next_unit
    return (
        phone(unit, SECOND - 1_600, end, at=at, index=int(index), following=following),
        phone(next_unit, goes_on, goes_on + 1_600, at=next_at, index=int(next_index)),
    )


def sakt(seconds: float, *, breath_s: float = 0.0, stops: bool = False, at: str = "75:27:2/2/ن") -> list[RuleVerdict]:
    """What is said of the pause between two words with a sakt."""
    after = {"75:27:2/2/ن": "75:27:3/0/ر", "18:1:11/6/اا": "18:2:1/0/ق"}[at]
    last, first = around(seconds, at, after, stops=stops)
    validator = StopValidator(reads(pause(seconds, breath_s)))
    # Where the tracker heard a stop, the form recited is one without the rule.
    found = [] if stops else [place(Rule.SAKT, last)]
    assert validator.hear(last, found) == []
    return validator.hear(first, [])


@pytest.mark.parametrize("stops", [False, True])
def test_a_short_silence_is_a_sakt(stops: bool) -> None:
    [said] = sakt(0.4, stops=stops)
    assert (said.at, said.rule, said.severity) == ("75:27:2", Rule.SAKT, Severity.FINE)


def test_words_joined_without_a_sakt() -> None:
    [said] = sakt(0.0)
    assert (said.slip, said.heard) == (Slip.NO_PAUSE, "")
    [less] = sakt(0.06)
    assert less.slip is Slip.NO_PAUSE and less.confidence < said.confidence


def test_a_breath_makes_it_a_stop() -> None:
    [said] = sakt(0.9, breath_s=0.4, stops=True)
    assert said.slip is Slip.BREATH
    [longer] = sakt(1.1, breath_s=0.6, stops=True)
    assert longer.slip is Slip.BREATH and longer.confidence >= said.confidence


def test_a_stop_that_is_as_good_as_the_sakt() -> None:
    """The end of 18:1: a breath there is a stop at the end of an ayah."""
    assert sakt(0.9, breath_s=0.4, stops=True, at="18:1:11/6/اا") == []
    [said] = sakt(0.4, stops=True, at="18:1:11/6/اا")
    assert (said.rule, said.severity) == (Rule.SAKT, Severity.FINE)


def test_a_word_broken_in_the_middle() -> None:
    def broken(seconds: float, before: str, after: str) -> list[RuleVerdict]:
        last, first = around(seconds, before, after, stops=True)
        validator = StopValidator(reads(pause(seconds)))
        return [*validator.hear(last, []), *validator.hear(first, [])]

    [gone_on] = broken(0.6, "1:2:4/5/ل", "1:2:4/6/َ")
    assert (gone_on.at, gone_on.rule, gone_on.severity) == ("1:2:4", Rule.WAQF, Severity.ERROR)
    assert gone_on.slip is Slip.BROKEN
    [again] = broken(1.0, "1:2:4/5/ل", "1:2:4/0/ل")
    assert again.slip is Slip.BROKEN and again.confidence > gone_on.confidence
    [long_after] = broken(12.0, "1:2:4/5/ل", "1:2:4/0/ل")
    assert long_after.slip is Slip.BROKEN
    assert broken(0.6, "1:2:3/3/ِ", "1:2:4/0/ل")[0].slip is Slip.REPLACED
    assert broken(0.3, "1:2:4/5/ل", "1:2:4/6/َ") == []


@pytest.mark.parametrize(("last", "vowel_after"), [("2:2:2/6/ب", "2:2:2/7/ُ"), ("1:2:4/9/ن", "1:2:4/10/َ")])
def test_the_ear_may_hear_the_last_vowel_after_the_stop(last: str, vowel_after: str) -> None:
    left, late = around(0.6, last, vowel_after, stops=True)
    validator = StopValidator(reads(pause(0.6)))
    assert validator.hear(left, []) == []
    [said] = validator.hear(late, [])
    assert (said.slip, said.heard, said.start) == (Slip.REPLACED, late.phone.unit, late.phone.start)


def test_a_recording_cut_off_after_a_joined_word_is_no_stop() -> None:
    last = phone("ُ", SECOND - 1_600, SECOND, at="2:2:2", index=7, following=None)
    [stopped] = StopValidator(reads(pause(0.5))).hear(last, [])
    assert (stopped.slip, stopped.heard) == (Slip.REPLACED, "ُ")
    assert StopValidator(reads(pause(0.5)[:SECOND])).hear(last, []) == []


def test_a_sakt_that_is_not_gone_on_from() -> None:
    last, first = around(0.4, "75:27:2/2/ن", "75:27:1/0/و", stops=False)
    validator = StopValidator(reads(pause(0.4)))
    assert validator.hear(last, [place(Rule.SAKT, last)]) == []
    assert [one.severity for one in validator.hear(first, [])] == [Severity.UNCLEAR]


def test_a_long_vowel_that_the_voice_network_takes_for_a_pause_is_no_stop() -> None:
    last, first = around(0.8, "1:2:4/8/ۦۦ", "1:2:4/9/ن", stops=True)
    validator = StopValidator(reads(vowel(120, A, 3.0)))
    assert [*validator.hear(last, []), *validator.hear(first, [])] == []


def test_the_form_of_a_stop() -> None:
    last = phone("ن", p=0.9, following=None, at="1:2:4", index=9)
    [kept] = StopValidator(reads(pause(0.5))).hear(last, [place(Rule.WAQF, last)])
    assert (kept.severity, kept.confidence) == (Severity.FINE, 0.9)
    unheard = phone("ن", p=0.02, heard="", following=None, at="1:2:4", index=9)
    assert StopValidator(reads(pause(0.5))).hear(unheard, [place(Rule.WAQF, unheard)])[0].severity is Severity.UNCLEAR
    round_ta = phone("ه", p=0.1, heard="ت", following=None, at="101:1:1", index=10)
    [said] = StopValidator(reads(pause(0.5))).hear(round_ta, [place(Rule.WAQF, round_ta)])
    assert (said.severity, said.slip, said.heard) == (Severity.ADVICE, Slip.REPLACED, "ت")


@pytest.mark.parametrize(
    ("at", "index", "slip"), [("1:2:4", 5, Slip.BROKEN), ("1:2:1", 7, Slip.REPLACED)], ids=["within", "joined"]
)
def test_a_made_recitation_torn_apart(
    make: Callable[..., MadeRecitation], engine: OnnxEngine, vad: SileroVad, at: str, index: int, slip: Slip
) -> None:
    made = make("1:2-3")
    cut = next(one.end for one in made.phones if (one.at, one.index) == (at, index))
    hush = 1e-4 * np.random.default_rng(0).standard_normal(12_800).astype(np.float32)
    torn = np.concatenate([made.pcm[:cut], hush, made.pcm[cut:]])
    right = judged(made.pcm, "1:2-3", StopValidator, engine, vad)
    assert [(one.at, one.rule, one.severity) for one in right] == [
        ("1:2:4", Rule.WAQF, Severity.FINE),
        ("1:3:2", Rule.WAQF, Severity.FINE),
    ]
    wrong = judged(torn, "1:2-3", StopValidator, engine, vad)
    assert [(one.at, one.slip) for one in wrong if one.slip] == [(at, slip)]
