"""The finder's thread: one question after the other, and answers only for lines that still ask."""

import asyncio
import threading
from collections.abc import Callable, Iterator

import pytest
from toy_ear import ToyEncoder, toy_hear

from recitation import finding
from recitation.acoustics.engine import OnnxEngine
from recitation.events import Update
from recitation.finding import Finding, Found, Question
from recitation.lexicon import default_lexicon
from recitation.locator import Candidate as Place
from recitation.locator import default_locator
from recitation.made_voice import MadeRecitation
from recitation.pipeline import HopStep, Session, passage
from recitation.vad import SileroVad
from server.finder import Finder, seeking
from server.live import Live, Seat
from server.messages import Candidate, Candidates
from server.metrics import Metrics

TakeSeat = Callable[[], Seat]


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def finder(metrics: Metrics) -> Iterator[Finder]:
    finder = Finder(default_lexicon(), metrics)
    yield finder
    finder.close()


@pytest.fixture
def take_seat(engine: OnnxEngine, vad: SileroVad, metrics: Metrics, make: Callable[..., MadeRecitation]) -> TakeSeat:
    """Seats whose line has heard the beginning of surah 112 without being asked anything."""
    live = Live(ToyEncoder(4), toy_hear, 4, metrics)
    pcm = make("112:1-2", voice="man4", harakah_s=0.14).pcm[:48_000]

    def heard(update: Update, rtp: int, received: float, encoded: float) -> None:
        pass

    def failed(fault: Exception) -> None:
        raise fault

    def take() -> Seat:
        line, step = Finding(lambda verses: Session(passage(verses), vad), default_locator()), HopStep(engine)
        line.push(pcm)
        while line.hops_ready:
            line.hop_done(step(line.take_hop()))
        return live.join(line, heard, failed)

    return take


async def test_a_place_is_found_once(finder: Finder, take_seat: TakeSeat, metrics: Metrics) -> None:
    seat = take_seat()
    (found,) = await finder.serve(seat)
    assert isinstance(found, Found) and found.verses == "112"
    assert seeking(seat) is None
    assert await finder.serve(seat) == [] and await finder.serve(seat, last=True) == []
    assert metrics.stages["find"].count == 1


@pytest.mark.parametrize("change", ["finish", "restart", "leave"])
async def test_an_answer_that_comes_too_late_is_dropped(
    finder: Finder, take_seat: TakeSeat, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    seat = take_seat()
    asked, go = threading.Event(), threading.Event()
    answer = Question.answer

    def held(question: Question) -> object:
        asked.set()
        assert go.wait(5)
        return answer(question)

    monkeypatch.setattr(Question, "answer", held)
    serving = asyncio.create_task(finder.serve(seat))
    await asyncio.to_thread(asked.wait, 5)
    line = seat.line
    assert isinstance(line, Finding)
    if change == "finish":
        seat.finish()
    elif change == "restart":
        seat.restart(take_seat().line)
    else:
        seat.left = True
    go.set()
    assert await serving == []
    assert line.verses == "auto"


async def test_sessions_take_turns(finder: Finder, take_seat: TakeSeat, monkeypatch: pytest.MonkeyPatch) -> None:
    seats = [take_seat() for _ in range(3)]
    at_work: set[int] = set()
    answer = Question.answer

    def alone(question: Question) -> object:
        assert not at_work, "two questions at once"
        at_work.add(threading.get_ident())
        told = answer(question)
        at_work.clear()
        return told

    monkeypatch.setattr(Question, "answer", alone)
    told = await asyncio.gather(*(finder.serve(seat) for seat in seats))
    assert [[type(news) for news in each] for each in told] == [[Found]] * 3


async def test_places_are_told_with_their_first_words(finder: Finder) -> None:
    opening = " ".join(default_lexicon().text(2, 255).split(" ")[:6])
    told = finder.message(finding.Candidates((Place("2:255", 0.61234), Place("112:1", 0.2))))
    assert isinstance(told, Candidates)
    assert told.places == (Candidate("2:255", 0.612, opening), Candidate("112:1", 0.2, default_lexicon().text(112, 1)))
