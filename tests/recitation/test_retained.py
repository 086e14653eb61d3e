"""A line that goes on where another one ended: same words, same voice, one account of both."""

from collections.abc import Callable, Sequence

import msgspec
import numpy as np
import pytest

from recitation.acoustics.engine import OnnxEngine
from recitation.audio import Pcm
from recitation.events import Status, Update
from recitation.finding import AUTO, Finding
from recitation.locator import default_locator
from recitation.made_voice import MadeRecitation
from recitation.pipeline import HopStep, Session, passage, recite
from recitation.retained import LineState
from recitation.session_clock import SessionClock, later
from recitation.tajweed.moshaf import Moshaf
from recitation.vad import SileroVad


def open_session(vad: SileroVad, verses: str = "1:1-7") -> Session:
    return Session(passage(verses), vad, moshaf=Moshaf(), prosody=True)


def after_ayah(made: MadeRecitation, ayah: int) -> int:
    """The sample in the middle of the silence after an ayah of a surah recited from its beginning."""
    return sum(made.pauses[ayah]) // 2


def cursor_words(updates: Sequence[Update]) -> list[str]:
    words = [update.cursor.at for update in updates if update.cursor is not None]
    return [at for at, before in zip(words, [None, *words], strict=False) if at != before]


def handed_over(session: Session) -> LineState:
    """As it comes out of a store."""
    return msgspec.msgpack.decode(msgspec.msgpack.encode(session.retained()), type=LineState)


def test_the_next_line_goes_on_at_the_next_word_and_keeps_every_verdict(
    make: Callable[..., MadeRecitation], engine: OnnxEngine, vad: SileroVad
) -> None:
    made = make("1:1-7")
    cut = after_ayah(made, 3)
    whole = open_session(vad)
    whole_updates = list(recite(whole, engine, made.pcm))
    first = open_session(vad)
    list(recite(first, engine, made.pcm[:cut]))
    state = handed_over(first)
    assert state.word == [word.at for word in passage("1:1-7").words].index("1:4:1")
    away = 5 * 16_000
    clock = SessionClock(cut + away)
    second = open_session(vad)
    second.recall(later(state, -(cut + away)))
    updates = [clock.told(update) for update in recite(second, engine, made.pcm[cut:])]
    assert cursor_words(updates) == [at for at in cursor_words(whole_updates) if at >= "1:4:1"]
    summary, expected = clock.told(second.summary()), whole.summary()
    # The ear begins anew after the seam: a letter at the edge of doubt may fall on its other side.
    assert sum(a.status is not b.status for a, b in zip(summary.words, expected.words, strict=True)) <= 1
    ends = {word.at: word.end for word in state.words}
    for told, word in zip(summary.words, expected.words, strict=True):
        assert told.end is not None and word.end is not None
        if told.at in ends:
            assert told.end == ends[told.at], "a verdict given before is as it was"
        else:
            assert abs(told.end - away - word.end) <= 960
    assert summary.samples == pytest.approx(len(made.pcm) + away, abs=1280)
    assert {rule.at for rule in summary.rules} == {rule.at for rule in expected.rules}
    assert summary.tempo is not None and expected.tempo is not None
    assert summary.tempo.harakah == pytest.approx(expected.tempo.harakah, rel=0.03)
    assert summary.prosody is not None and expected.prosody is not None
    assert summary.prosody.phrases >= expected.prosody.phrases - 1


def test_a_voice_is_known_again(make: Callable[..., MadeRecitation], engine: OnnxEngine, vad: SileroVad) -> None:
    made = make("112")
    first = open_session(vad, "112")
    list(recite(first, engine, made.pcm))
    second = open_session(vad, "112")
    second.recall(handed_over(first))
    again = handed_over(second)
    kept = msgspec.structs.replace(handed_over(first), samples=0)
    assert again == kept
    assert len(msgspec.msgpack.encode(kept)) < 300 * len(kept.words), "kilobytes, not the phones of every word"


def test_words_recited_while_nobody_heard_are_unclear_not_omitted(
    make: Callable[..., MadeRecitation], engine: OnnxEngine, vad: SileroVad
) -> None:
    made = make("1:1-7")
    cut, back = after_ayah(made, 2), after_ayah(made, 4)
    first = open_session(vad)
    list(recite(first, engine, made.pcm[:cut]))
    second = open_session(vad)
    second.recall(handed_over(first))
    updates = list(recite(second, engine, made.pcm[back:]))
    assert "1:5:2" in cursor_words(updates)[:3]
    status = {word.at: word.status for word in second.summary().words}
    missed = [status[at] for at in status if "1:3:1" <= at <= "1:4:3"]
    assert missed == [Status.UNCLEAR] * len(missed) and len(missed) == 5
    assert status["1:2:4"] is Status.ACCEPTED and status["1:6:1"] is Status.ACCEPTED


def test_a_gap_in_one_line_accuses_nobody_of_leaving_words_out(
    make: Callable[..., MadeRecitation], engine: OnnxEngine, vad: SileroVad
) -> None:
    made = make("1:1-7")
    session, step = open_session(vad), HopStep(engine)
    cut, back = after_ayah(made, 2), after_ayah(made, 3)

    def push(pcm: Pcm, concealed: bool) -> list[Update]:
        session.push(pcm, concealed)
        updates = []
        while session.hops_ready:
            updates.append(session.hop_done(step(session.take_hop())))
        return updates

    updates = push(made.pcm[:cut], False)
    updates += push(np.zeros(8_000, np.float32), True)
    updates += push(made.pcm[back:], False)
    updates.append(session.finish(step))
    said = [word.status for update in updates for word in update.words]
    assert Status.OMITTED not in said and said.count(Status.ACCEPTED) > 15
    assert {word.status for word in session.summary().words if word.at.startswith("1:3:")} == {Status.UNCLEAR}


def test_a_long_surah_goes_on_in_its_middle(
    make: Callable[..., MadeRecitation], engine: OnnxEngine, vad: SileroVad
) -> None:
    words = passage("78").words
    start = [word.at for word in words].index("78:31:1")
    made = make("78:31-34")
    session = open_session(vad, "78")
    session.recall(msgspec.structs.replace(session.retained(), word=start))
    told = cursor_words(list(recite(session, engine, made.pcm)))
    assert told[0] == "78:31:1" and told[-1] == "78:34:2"
    assert session.retained().word == start + 9


def test_a_place_that_was_found_is_gone_on_from(
    make: Callable[..., MadeRecitation], engine: OnnxEngine, vad: SileroVad
) -> None:
    made = make("112")

    def finding() -> Finding:
        return Finding(lambda verses: open_session(vad, verses), default_locator())

    first = finding()
    assert first.retained() is None
    first.choose("112:1")
    question = first.question
    assert question is not None
    first.take(question.answer())
    step = HopStep(engine)
    first.push(made.pcm)
    while first.hops_ready:
        first.hop_done(step(first.take_hop()))
    state = first.retained()
    assert state is not None and state.sought and state.verses == "112"
    second = finding()
    second.recall(state)
    assert second.verses == "112" != AUTO
    assert [word.status for word in second.summary().words] == [word.status for word in first.summary().words]


def test_the_session_clock_counts_what_the_line_did_not_hear() -> None:
    clock = SessionClock(100)
    assert clock.time(0) == 100 and clock.time(50) == 150
    clock.skip(1000, 500)
    clock.skip(2000, 7)
    assert [clock.time(sample) for sample in (999, 1000, 1001, 2000, 2001)] == [1099, 1100, 1601, 2600, 2608]


def statuses(session: Session) -> dict[str, Status]:
    return {word.at: word.status for word in session.summary().words}


def cuts(made: MadeRecitation, *places: tuple[str, int]) -> list[tuple[str, int]]:
    """Words, and the sample in the middle of one of the phones of each."""
    phones = [([phone for phone in made.phones if phone.at == at][n], at) for at, n in places]
    return [(at, (phone.start + phone.end) // 2) for phone, at in phones]


def test_a_word_that_was_open_in_a_gap_is_not_judged_and_those_around_it_are(
    make: Callable[..., MadeRecitation], engine: OnnxEngine, vad: SileroVad
) -> None:
    made = make("1:1-4")
    judged: dict[bool, list[Status]] = {True: [], False: []}
    for at, middle in cuts(made, ("1:2:2", 0), ("1:3:1", 0)):
        for told in judged:
            session, step = open_session(vad, "1:1-4"), HopStep(engine)
            session.push(made.pcm[:middle])
            session.push(np.zeros(1_280, np.float32), True, gap=told)
            session.push(made.pcm[middle + 1_600 :])
            session.finish(step)
            after = statuses(session)
            judged[told].append(after[at])
            assert list(after.values()).count(Status.ACCEPTED) >= len(after) - 2, "the others keep their verdicts"
    assert judged[True] == [Status.UNCLEAR] * 2
    assert judged[False] == [Status.ACCEPTED] * 2, "by what is left of them, where the gap is not told"


def test_the_word_that_a_line_ended_in_is_not_judged_by_the_next_nor_mistaken_for_another(
    make: Callable[..., MadeRecitation], engine: OnnxEngine, vad: SileroVad
) -> None:
    made = make("1:1-4")
    for at, middle in cuts(made, ("1:1:3", -4), ("1:2:4", -6), ("1:3:1", 1)):
        first, second = open_session(vad, "1:1-4"), open_session(vad, "1:1-4")
        list(recite(first, engine, made.pcm[:middle]))
        second.recall(handed_over(first))
        list(recite(second, engine, made.pcm[middle:]))
        after = statuses(second)
        assert after.pop(at) is Status.UNCLEAR
        assert list(after.values()).count(Status.ACCEPTED) >= len(after) - 1, "the others keep their verdicts"
