"""A reciter who has not said where: found, followed from the first word, and never guessed."""

from collections.abc import Callable

import numpy as np
import pytest

from recitation.acoustics.engine import OnnxEngine
from recitation.audio import Pcm
from recitation.events import Following, Status, Update
from recitation.finding import AUTO, MOST_HOPS_BEHIND, Answer, Candidates, Finding, Found, News, rest_of_surah
from recitation.listening import hear_voices
from recitation.locator import default_locator
from recitation.made_voice import MadeRecitation
from recitation.mushaf import AddressError
from recitation.pipeline import HopStep, Session, passage
from recitation.pipeline import recite as follow
from recitation.vad import SileroVad

Recite = Callable[..., tuple[Finding, list[Update], list[News]]]


@pytest.fixture(scope="module")
def ikhlas(make: Callable[..., MadeRecitation]) -> MadeRecitation:
    return make("112")


@pytest.fixture
def recite(engine: OnnxEngine, vad: SileroVad) -> Recite:
    """Recite to a new ``Finding`` as the live line does; ``choose`` is said after 0.8 s."""

    def run(pcm: Pcm, choose: str | None = None) -> tuple[Finding, list[Update], list[News]]:
        finding = Finding(lambda verses: Session(passage(verses), vad), default_locator())
        step, updates, told = HopStep(engine), [], []
        for begin in range(0, len(pcm), 1280):
            finding.push(pcm[begin : begin + 1280])
            while finding.hops_ready:
                log_probs = step(finding.take_hop())
                hear_voices(vad, [finding.voice_ready()])
                updates.append(finding.hop_done(log_probs))
            if choose and begin == 10 * 1280:
                finding.choose(choose)
            if finding.question is not None:
                finding.take(finding.question.answer())
            told += finding.news()
        updates.append(finding.finish(step))
        return finding, updates, told + finding.news()

    return run


def test_the_surah_is_found_and_no_word_is_lost(recite: Recite, ikhlas: MadeRecitation) -> None:
    finding, updates, told = recite(ikhlas.pcm)
    found = [one for one in told if isinstance(one, Found)]
    assert [(one.at, one.verses) for one in found] == [("112:1", "112")]
    assert found[0].p >= 0.97
    assert finding.verses == "112"
    words = {verdict.at: verdict for update in updates for verdict in update.words}
    assert len(words) >= 14
    assert words["112:1:1"].start < 16_000
    report = finding.summary().words
    assert sum(word.status is Status.ACCEPTED for word in report) >= 10


def test_what_is_said_late_is_what_a_session_says(
    recite: Recite, ikhlas: MadeRecitation, engine: OnnxEngine, vad: SileroVad
) -> None:
    """Verdicts are those of a session that knew the place from the start."""
    finding, _, _ = recite(ikhlas.pcm)
    session = Session(passage("112:1-4"), vad)
    for _ in follow(session, engine, ikhlas.pcm, 1280):
        pass
    assert finding.summary() == session.summary()


@pytest.mark.parametrize("hops", [0, 6, 40])
def test_what_was_said_while_a_question_was_answered_is_caught_up_with(
    ikhlas: MadeRecitation, engine: OnnxEngine, vad: SileroVad, hops: int
) -> None:
    """However long an answer takes, the words are those of a session that knew the place from the start."""
    finding, step = Finding(lambda verses: Session(passage(verses), vad), default_locator()), HopStep(engine)
    updates: list[Update] = []
    late: Answer | None = None
    wait = hops
    for begin in range(0, len(ikhlas.pcm), 1280):
        finding.push(ikhlas.pcm[begin : begin + 1280])
        while finding.hops_ready:
            updates.append(finding.hop_done(step(finding.take_hop())))
        if late is None and finding.question is not None:
            answer = finding.question.answer()
            if answer.found is None:
                finding.take(answer)
            else:
                late = answer
        if late is not None and finding.verses == AUTO:
            wait -= 1
            if wait < 0:
                rest = finding.behind(late)
                assert (rest is not None) == (hops > MOST_HOPS_BEHIND)
                finding.take(late if rest is None else rest.answer())
    updates.append(finding.finish(step))
    session = Session(passage("112:1-4"), vad)
    wanted = [word for update in follow(session, engine, ikhlas.pcm, 1280) for word in update.words]
    assert [word for update in updates for word in update.words] == wanted


def test_a_choice_is_followed_at_once(recite: Recite, ikhlas: MadeRecitation) -> None:
    finding, _, told = recite(ikhlas.pcm, choose="113:2")
    assert [one for one in told if isinstance(one, Found)] == [Found("113:2-5", "113:2", 1.0)]
    assert finding.verses == "113:2-5"


@pytest.mark.parametrize("level", [0.0, 0.05])
def test_nothing_is_found_in_silence_or_noise(recite: Recite, level: float) -> None:
    noise = (level * np.random.default_rng(7).standard_normal(16_000 * 8)).astype(np.float32)
    finding, updates, told = recite(noise)
    assert not [one for one in told if isinstance(one, Found)]
    assert all(isinstance(one, Candidates) for one in told)
    assert finding.verses == AUTO
    assert finding.summary().words == ()
    assert updates[-1].state is Following.WAITING


def test_the_rest_of_a_surah() -> None:
    assert rest_of_surah("2:255") == "2:255-286"
    with pytest.raises(AddressError):
        rest_of_surah("2:287")
