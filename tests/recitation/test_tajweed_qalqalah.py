"""Qalqalah: kept, left out, or turned into a vowel; within the recitation and at a stop."""

from collections import Counter

import numpy as np
import pytest
from ruled import judged, phone, place, reads, spoken
from voiced import vowel

from recitation.acoustics.engine import OnnxEngine
from recitation.audio import Pcm
from recitation.lexicon import Form
from recitation.phones import QALQALAH
from recitation.prosody.release import LAG_SAMPLES
from recitation.tajweed.rules import Rule
from recitation.tajweed.validators.qalqalah import QalqalahValidator
from recitation.tajweed.verdict import RuleVerdict, Severity, Slip
from recitation.vad import SileroVad

A = (730.0, 1090.0, 2440.0, 3400.0, 4400.0)
SCHWA = (500.0, 1500.0, 2500.0, 3400.0, 4400.0)
BEGIN = 16_000


def closure(echo_s: float) -> tuple[Pcm, int]:
    """A vowel that ends at ``BEGIN``, a closure of 80 ms, a burst with an echo and a vowel after it.

    The sound, and the sample at which the ear emits that last vowel.
    """
    hiss = 0.002 * np.random.default_rng(0).standard_normal(1_280).astype(np.float32)
    echo = 0.5 * vowel(120, SCHWA, echo_s) if echo_s else np.zeros(0, np.float32)
    closing = 0.003 * np.random.default_rng(1).standard_normal(800 if echo_s else 0).astype(np.float32)
    parts = [vowel(120, A, 1.0), hiss, echo, closing, vowel(120, A, 0.6, 2)]
    return np.concatenate(parts), sum(map(len, parts[:3])) + LAG_SAMPLES


def said(
    echo_s: float = 0.12,
    p: float = 0.99,
    heard: str | None = None,
    *,
    rule: Rule = Rule.QALQALAH_SUGHRA,
    left_out: bool = False,
    sure: bool = True,
    letter_p: float = 1.0,
    letter_heard: str | None = None,
) -> RuleVerdict:
    """What is said of a د with its release, of which the ear thinks ``p``."""
    pcm, following = closure(echo_s)
    letter = BEGIN + LAG_SAMPLES
    emitted = following if left_out else letter + 960
    stops = rule is Rule.QALQALAH_KUBRA
    phones = (
        phone("د", letter, emitted, p=letter_p, heard=letter_heard, following=QALQALAH, sure=sure),
        phone(
            QALQALAH, emitted, following, p=p, heard=heard, index=1, following=None if stops else "ر",
            sure=sure and not left_out,
        ),
    )  # fmt: skip
    validator = QalqalahValidator(reads(pcm))
    assert list(validator.hear(phones[0], [])) == []
    [verdict] = validator.hear(phones[1], [place(rule, *phones)])
    assert verdict.rule is rule and (verdict.start, verdict.end) == (letter, following)
    return verdict


def test_a_release_that_is_there() -> None:
    verdict = said()
    assert (verdict.severity, verdict.slip) == (Severity.FINE, None)
    assert said(0.18).confidence > verdict.confidence > 0.7


def test_a_closure_that_opens_into_the_next_letter() -> None:
    """The ear may have left the release out of its path, or thought little of it."""
    for verdict in (said(0.0, 0.02, "", left_out=True), said(0.0, 0.1, "")):
        assert (verdict.severity, verdict.slip, verdict.heard) == (Severity.ERROR, Slip.MISSING, "")
    assert said(0.0, 0.01, "").confidence > said(0.0, 0.3, "").confidence > 0.5


def test_an_echo_outweighs_an_ear_in_doubt() -> None:
    assert said(0.18, 0.15, "").severity is Severity.FINE


@pytest.mark.parametrize("rule", [Rule.QALQALAH_SUGHRA, Rule.QALQALAH_KUBRA])
def test_a_release_with_a_vowel(rule: Rule) -> None:
    verdict = said(0.18, 0.04, "َ", rule=rule)
    assert (verdict.severity, verdict.slip, verdict.heard) == (Severity.ADVICE, Slip.VOWELLED, "َ")
    assert verdict.confidence == 0.96


def test_at_a_stop_the_ear_is_alone_and_advises() -> None:
    kept = said(0.0, 0.9, rule=Rule.QALQALAH_KUBRA)
    assert (kept.severity, kept.confidence) == (Severity.FINE, 0.9)
    missing = said(0.12, 0.03, "", rule=Rule.QALQALAH_KUBRA)
    assert (missing.severity, missing.slip, missing.confidence) == (Severity.ADVICE, Slip.MISSING, 0.97)


def test_nothing_is_said_of_a_place_that_is_not_sure_or_of_another_letter() -> None:
    assert said(0.0, 0.02, "", sure=False).severity is Severity.UNCLEAR
    assert said(0.0, 0.02, "", left_out=True, sure=False).severity is Severity.UNCLEAR
    assert said(0.18, 0.02, "", letter_p=0.1, letter_heard="ت").severity is Severity.UNCLEAR
    assert said(0.0, 0.02, "", letter_p=0.1, letter_heard="").slip is Slip.MISSING


def test_a_closure_without_an_echo_whose_letter_is_doubted_is_advice() -> None:
    """The release is what tells one stop from another."""
    verdict = said(0.0, 0.02, "", letter_p=0.1, letter_heard="ت")
    assert (verdict.severity, verdict.slip) == (Severity.ADVICE, Slip.MISSING)
    assert said(0.0, 0.04, "َ").slip is Slip.MISSING, "the vowel that the ear hears is the next one"


def without_releases(form: Form) -> Form:
    """A word whose qalqalah is left out."""
    return tuple(one for one in form if one.script != QALQALAH)


def test_a_recitation_without_its_qalqalah(engine: OnnxEngine, vad: SileroVad) -> None:
    """Of the seven in 85:12-16 three at least are missed when they are left out, and none when they are said."""
    right, wrong = (
        judged(spoken("85:12-16", say).pcm, "85:12-16", QalqalahValidator, engine, vad)
        for say in (lambda form: form, without_releases)
    )
    assert not [one for one in right if one.slip]
    assert len(right) == 7
    assert Counter(one.slip for one in wrong)[Slip.MISSING] >= 3
