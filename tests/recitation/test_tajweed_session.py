"""Tajweed in the live line: what it is told, what it tells, and that it is the same however the sound arrives."""

from collections.abc import Callable

import numpy as np
import pytest

from recitation.acoustics.engine import OnnxEngine
from recitation.audio import Pcm
from recitation.events import PhoneVerdict, Summary
from recitation.made_voice import MadeRecitation
from recitation.pipeline import HopStep, Session, passage, recite
from recitation.report import score
from recitation.tajweed.moshaf import Moshaf
from recitation.tajweed.rules import Rule
from recitation.tajweed.session import Tajweed, together
from recitation.tajweed.tagger import recited_instances
from recitation.tajweed.verdict import RuleVerdict, Severity, Slip
from recitation.vad import SileroVad

Make = Callable[..., MadeRecitation]


def heard(
    pcm: Pcm, verses: str, engine: OnnxEngine, vad: SileroVad, chunk: int = 320
) -> tuple[list[RuleVerdict], Summary]:
    session = Session(passage(verses), vad, moshaf=Moshaf())
    rules = [verdict for update in recite(session, engine, pcm, chunk) for verdict in update.rules]
    return rules, session.summary()


@pytest.fixture(scope="module")
def fatiha(make: Make, engine: OnnxEngine, vad: SileroVad) -> tuple[Pcm, list[RuleVerdict], Summary]:
    pcm = make("1:1-7", voice="man4", harakah_s=0.17).pcm
    return pcm, *heard(pcm, "1:1-7", engine, vad)


def test_every_verdict_is_of_a_rule_that_holds(fatiha: tuple[Pcm, list[RuleVerdict], Summary]) -> None:
    _, rules, summary = fatiha
    known = {
        (word.at, one.rule, one.letters)
        for word, _, found in recited_instances(passage("1:1-7").words, Moshaf())
        for one in found
    }
    places = [(verdict.at, verdict.rule, verdict.letters) for verdict in rules]
    assert len(set(places)) == len(places), "each is said once"
    assert len(known & set(places)) > 0.7 * len(known)
    assert len(set(places) - known) <= 0.05 * len(places), "pauses heard within an ayah may change some"
    assert set(summary.rules) == set(rules)
    order = [([int(part) for part in verdict.at.split(":")], verdict.letters) for verdict in summary.rules]
    assert order == sorted(order)


def test_verdicts_do_not_depend_on_how_the_sound_arrives(
    fatiha: tuple[Pcm, list[RuleVerdict], Summary], engine: OnnxEngine, vad: SileroVad
) -> None:
    pcm, rules, _ = fatiha
    other, _ = heard(pcm, "1:1-7", engine, vad, 16_000)
    assert [(v.at, v.rule, v.letters, v.severity, v.slip) for v in other] == [
        (v.at, v.rule, v.letters, v.severity, v.slip) for v in rules
    ]
    np.testing.assert_allclose([v.confidence for v in other], [v.confidence for v in rules], atol=0.02)


def test_spans_lie_in_the_recording_and_verdicts_come_soon_after(
    make: Make, engine: OnnxEngine, vad: SileroVad
) -> None:
    pcm = make("112", voice="man4", harakah_s=0.17).pcm
    session = Session(passage("112"), vad, moshaf=Moshaf())
    delays = []
    for update in recite(session, engine, pcm):
        for verdict in update.rules:
            assert 0 <= verdict.start < verdict.end <= len(pcm) + 8000
            delays.append((update.sample - verdict.end) / 16_000)
    assert len(delays) > 10
    assert np.median(delays) < 0.5


def test_without_settings_of_the_reading_no_rule_is_judged(make: Make, engine: OnnxEngine, vad: SileroVad) -> None:
    session = Session(passage("112"), vad)
    session.read_by(Moshaf())
    assert all(not update.rules for update in recite(session, engine, make("112").pcm))
    assert session.summary().rules == () and session.summary().tempo is None


def test_nothing_is_held_against_sound_that_was_made_up(make: Make, engine: OnnxEngine, vad: SileroVad) -> None:
    session, step = Session(passage("112"), vad, moshaf=Moshaf()), HopStep(engine)
    pcm, rules = make("112", voice="man4", harakah_s=0.17).pcm, []
    for begin in range(0, len(pcm), 320):
        session.push(pcm[begin : begin + 320], concealed=True)
        while session.hops_ready:
            rules += session.hop_done(step(session.take_hop())).rules
    assert rules
    assert {verdict.severity for verdict in rules} == {Severity.UNCLEAR}
    assert session.summary().tempo is None


def test_a_verdict_that_says_nothing_does_not_replace_one_that_does() -> None:
    words = passage("112:1").words
    tajweed = Tajweed(words, Moshaf(), lambda start, end: np.zeros(end - start, np.float32))
    word, form = words[3], words[3].alone

    def say(*, sure: bool, begin: int) -> list[RuleVerdict]:
        rules = []
        for index, phone in enumerate(form):
            start = begin + 1600 * index
            following = form[index + 1].script if index + 1 < len(form) else None
            verdict = PhoneVerdict(word.at, index, phone.script, start, start + 1600, 0.95, None, phone.letters)
            rules += tajweed.hear(verdict, following, sure=sure)
        return rules

    first = say(sure=True, begin=0)
    kept = {verdict.rule: verdict for verdict in tajweed.report()}
    assert kept[Rule.QALQALAH_KUBRA] in first
    again = say(sure=False, begin=80_000)
    assert again and all(verdict.severity is Severity.UNCLEAR for verdict in again)
    assert {verdict.rule: verdict for verdict in tajweed.report()} == kept


def test_two_who_judge_one_place_are_told_together() -> None:
    replaced = RuleVerdict("2:2:5", Rule.IKHFA, (3, 3), 100, 900, Severity.ADVICE, Slip.REPLACED, 0.8, heard="ن")
    measured = RuleVerdict("2:2:5", Rule.IKHFA, (3, 3), 100, 900, Severity.FINE, None, 0.7, (2, 2), 2.1, 0.3)
    unclear = RuleVerdict("2:2:5", Rule.IKHFA, (3, 3), 100, 900, Severity.UNCLEAR)
    both = together(measured, replaced)
    assert both == together(replaced, measured)
    assert (both.slip, both.heard, both.measured, both.expected) == (Slip.REPLACED, "ن", 2.1, (2, 2))
    assert together(unclear, measured) == measured
    assert together(measured, unclear) == measured


def test_madds_are_measured_in_the_reciters_own_counts(fatiha: tuple[Pcm, list[RuleVerdict], Summary]) -> None:
    _, rules, summary = fatiha
    assert summary.tempo is not None
    natural = [v.measured for v in rules if v.rule is Rule.MADD_TABII and v.measured is not None]
    assert len(natural) >= 4
    assert np.median(natural) == pytest.approx(2, abs=0.8)


def test_stops_are_stops_offline_too(fatiha: tuple[Pcm, list[RuleVerdict], Summary], engine: OnnxEngine) -> None:
    """Offline the phone after a pause is known when the one before it is closed."""
    pcm, _, live = fatiha
    offline = score(engine, pcm, "1:1-7", offline=True)

    def told(summary: Summary) -> dict[tuple[str, Rule, tuple[int, int]], Severity]:
        return {(v.at, v.rule, v.letters): v.severity for v in summary.rules}

    same = told(live).items() & told(offline).items()
    assert len(same) >= 0.95 * len(told(live).keys() | told(offline).keys())
    assert sum(rule is Rule.MADD_ARID for _, rule, _ in told(offline)) >= 5
