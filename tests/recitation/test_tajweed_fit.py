"""Constants are refitted from recitation whose slips are known, and valued in voices that were left out."""

import numpy as np
import pytest

from recitation.tajweed.fit import Chance, Echo, Evidence, class_of, logistic, qalqalah, thresholds, told
from recitation.tajweed.rules import Rule

VOICES = ("one", "two", "three")


def chances(right: float, wrong: float, voice: str, random: np.random.Generator) -> list[Chance]:
    """A hundred places kept and thirty slips of a voice, thought wrong with about these probabilities."""
    drawn = [(right, False)] * 100 + [(wrong, True)] * 30
    return [
        Chance(voice, "natural madd, less", float(np.clip(p + 0.05 * random.standard_normal(), 0, 1)), slipped)
        for p, slipped in drawn
    ]


def test_a_threshold_lies_between_right_places_and_slips() -> None:
    random = np.random.default_rng(0)
    [fitted] = thresholds([one for voice in VOICES for one in chances(0.6, 0.95, voice, random)])
    assert 0.65 < fitted.p < 0.8
    assert (fitted.right, fitted.slips) == (300, 90)
    assert fitted.false <= 0.05 * fitted.right and fitted.found >= 0.95 * fitted.slips


def test_a_voice_unlike_the_others_is_not_flattered() -> None:
    """Its right places are as odd as the slips of the others: left out, all of them are accused."""
    random = np.random.default_rng(0)
    others = [one for voice in VOICES for one in chances(0.6, 0.95, voice, random)]
    [fitted] = thresholds([*others, *chances(0.95, 0.99, "odd", random)])
    assert fitted.false >= 80


def test_a_kind_without_slips_has_no_threshold() -> None:
    assert thresholds([Chance("one", "tarqiq, more", 0.2, slipped=False)]) == []


def test_logistic_regression_finds_what_drew_the_classes() -> None:
    random = np.random.default_rng(1)
    rows = np.column_stack([np.ones(4_000), random.standard_normal(4_000)])
    there = random.random(4_000) < 1 / (1 + np.exp(-2.0 * rows[:, 1]))
    constant, slope = logistic(rows, there)
    assert constant == pytest.approx(0, abs=0.15)
    assert slope == pytest.approx(2.0, abs=0.2)


def echoes(voice: str, random: np.random.Generator) -> list[Echo]:
    def drawn(seconds: float, nats: float, *, slipped: bool) -> list[Echo]:
        return [
            Echo(voice, seconds + 0.03 * random.standard_normal(), nats + random.standard_normal(), slipped)
            for _ in range(40)
        ]

    return drawn(0.17, 3.0, slipped=False) + drawn(0.02, -2.0, slipped=True)


def test_releases_with_an_echo_are_told_from_those_without() -> None:
    random = np.random.default_rng(2)
    fitted = qalqalah([one for voice in VOICES for one in echoes(voice, random)])
    assert fitted is not None
    assert fitted.echo_second > 0 and fitted.ear_nat > 0
    assert fitted.false <= 6 and fitted.found >= 110
    assert qalqalah(echoes("alone", random)) is None, "no voice is left to fit to"


def test_what_is_told_names_every_constant() -> None:
    random = np.random.default_rng(3)
    evidence = Evidence()
    evidence.chances += chances(0.6, 0.95, "one", random) + chances(0.6, 0.95, "two", random)
    evidence.echoes += echoes("one", random) + echoes("two", random)
    evidence.lags_ms["NV"] += [80.0] * 20
    evidence.lags_ms["SQ"] += [95.0]
    text = told(evidence)
    for part in ("natural madd, less", "CONSTANT", "ECHO_SECOND", "EAR_NAT", "MISSING", "NV 80"):
        assert part in text
    assert "SQ" not in text, "once is no median"


def test_rules_are_put_together_by_what_is_measured_of_them() -> None:
    assert class_of(Rule.MADD_TABII) == class_of(Rule.MADD_BADAL) == "natural madd"
    assert class_of(Rule.MADD_LAZIM) == "long madd"
    assert class_of(Rule.IKHFA) == class_of(Rule.GHUNNAH) == "ghunnah"
