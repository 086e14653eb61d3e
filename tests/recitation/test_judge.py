"""When a word is called wrong: for one letter that is surely another one, and never after a milder verdict."""

from collections.abc import Callable

import numpy as np
import pytest
from synthetic import Script, say_all

from recitation.accuracy.hearing import Replay
from recitation.accuracy.swaps import Place, altered
from recitation.acoustics.intake import Intake
from recitation.audio import Pcm
from recitation.events import Status, WordReport, WordVerdict
from recitation.features import FRAMES_PER_HOP, SAMPLE_RATE
from recitation.lexicon import recited
from recitation.phones import INDEX
from recitation.pipeline import Passage, Session, passage, recite
from recitation.retained import LineState
from recitation.tracker import FRAME_SAMPLES, LAG_FRAMES
from recitation.vad import SileroVad

AT, WORD = "112:2:2", 5
"""ٱلصَّمَدُ, between other words."""
Recitation = Callable[..., WordReport]


@pytest.fixture(scope="module")
def text() -> Passage:
    return passage("112:1-2")


@pytest.fixture(scope="module")
def script(text: Passage) -> Script:
    script = say_all(recited(text.words), seed=1)
    script.pause(-len(script.labels) % (FRAMES_PER_HOP // 2))
    return script


@pytest.fixture(scope="module")
def judged(text: Passage, script: Script, vad: SileroVad) -> Recitation:
    """``judged(("م", "ن"), before=Status.UNCLEAR)``: the word where it should have these letters for those said."""
    loud = np.repeat(np.where(script.speech(), 0.1, 1e-5), FRAME_SAMPLES)
    pcm: Pcm = (loud * np.random.default_rng(0).standard_normal(len(loud))).astype(np.float32)

    def run(*swaps: tuple[str, str], before: Status | None = None) -> WordReport:
        form = next(form for word, form in recited(text.words) if word.at == AT)
        said = [next(phone for phone in form if phone.unit == INDEX[unit]) for unit, _ in swaps]
        rivals = {
            Place(WORD, phone.unit, phone.letters): INDEX[other] for phone, (_, other) in zip(said, swaps, strict=True)
        }
        session = Session(altered(text, rivals), vad, LAG_FRAMES, Intake(FRAMES_PER_HOP))
        if before is not None:
            session.recall(LineState("112:1-2", False, 0, 0, (WordVerdict(AT, 0, 800, 0.1, before),), ()))
        list(recite(session, Replay(script.log_probs(0.5)), pcm, SAMPLE_RATE))
        return next(word for word in session.summary().words if word.at == AT)

    return run


def test_a_letter_that_is_surely_another_makes_its_word_wrong(judged: Recitation) -> None:
    word = judged(("م", "ن"))
    assert word.status is Status.WRONG
    assert [(phone.unit, phone.heard) for phone in word.phones if phone.p < 0.02] == [("ن", "م")]
    assert judged().status is Status.ACCEPTED


def test_where_two_letters_are_doubted_the_ear_may_be_what_is_wrong(judged: Recitation) -> None:
    assert judged(("م", "ن"), ("د", "ت")).status is Status.QUESTIONED


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (Status.ACCEPTED, Status.ACCEPTED),
        (Status.QUESTIONED, Status.QUESTIONED),
        (Status.WRONG, Status.WRONG),
        (Status.UNCLEAR, Status.WRONG),
        (Status.OMITTED, Status.WRONG),
    ],
)
def test_a_word_recited_again_is_not_spoilt(judged: Recitation, before: Status, after: Status) -> None:
    assert judged(("م", "ن"), before=before).status is after
    assert judged(before=before).status is Status.ACCEPTED
