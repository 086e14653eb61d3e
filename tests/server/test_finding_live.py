"""A student who has not said where: found over real WebRTC by the ear that ships, or by what the student chooses."""

import asyncio
from collections.abc import Awaitable, Callable

import aiohttp
import numpy as np
import pytest
from toy_ear import Running, StartServer

from recitation.acoustics.engine import OnnxEngine
from recitation.events import Status
from recitation.made_voice import MadeRecitation
from server.app import ear_of
from server.messages import Candidates, Choose, Error, Feedback, Found, Passage, ServerMessage, Stop, Welcome
from server.reciter import Reciter, Recording, encode_recording

Start = Callable[[], Awaitable[Running]]


@pytest.fixture
def start(start_server: StartServer, engine: OnnxEngine) -> Start:
    """Start a server that hears with the model that ships."""

    async def run() -> Running:
        return await start_server(ear=ear_of(engine, 4), capacity=4)

    return run


@pytest.fixture(scope="module")
def silence() -> Recording:
    """Half a second of it."""
    return encode_recording(np.zeros(8000, np.float32), 0.0)


async def told(reciter: Reciter, kind: type[ServerMessage], count: int = 1) -> ServerMessage:
    """Wait for so many messages of a kind; the newest."""
    async with asyncio.timeout(5):
        while len(found := [m for _, m in reciter.heard.control if isinstance(m, kind)]) < count:
            await asyncio.sleep(0.01)
    return found[-1]


async def refusal(reciter: Reciter, count: int) -> str:
    """Code of the error message with this number."""
    error = await told(reciter, Error, count)
    assert isinstance(error, Error) and not error.fatal
    return error.code


async def test_the_place_is_found_and_every_word_judged_from_the_first_on(
    start: Start, http: aiohttp.ClientSession, make: Callable[..., MadeRecitation]
) -> None:
    running = await start()
    recording = encode_recording(make("112:1-2", voice="man4", harakah_s=0.14).pcm, 0.6)
    heard = await Reciter(http, running.url, "", recording).recite()
    control = [message for _, message in heard.control]
    assert heard.welcome is not None and heard.welcome.verses == "auto"
    (found,) = [message for message in control if isinstance(message, Found)]
    assert (found.verses, found.at) == ("112", "112:1") and found.p >= 0.97
    before = control[: control.index(found)]
    unsure = [message for message in before if isinstance(message, Candidates) and message.places]
    for place in (place for message in unsure for place in message.places):
        assert place.p < 0.97 and place.text and place.at.count(":") == 1
    rows = {row.id: row for _, message in heard.feedback for row in message.words}
    assert sorted(rows) == list(range(1, len(rows) + 1))
    assert rows[1].at == "112:1:1" and rows[1].start < 16_000
    assert heard.summary is not None and heard.summary.verses == "112"
    assert [word.at for word in heard.summary.words][-1] == "112:2:2", "no further than the last ayah that was reached"
    accepted = [word for word in heard.summary.words if word.status is Status.ACCEPTED]
    assert len(accepted) >= 4
    assert running.server.metrics.stages["find"].count >= 1


async def test_a_place_is_chosen_once(start: Start, http: aiohttp.ClientSession, silence: Recording) -> None:
    running = await start()
    reciter = Reciter(http, running.url, "auto", silence)
    await reciter.connect()
    for count, text in enumerate(("115:1", "2:300", "auto", ""), 1):
        reciter.send(Choose(1, text))
        assert await refusal(reciter, count) == "bad_passage"
    reciter.control.send('{"v":1,"type":"choose"}')
    assert await refusal(reciter, 5) == "bad_message"
    reciter.control.send('{"v":1,"type":"choose","verses":"' + "1" * 33 + '"}')
    assert await refusal(reciter, 6) == "bad_message"
    reciter.send(Choose(1, "2:255:3"))
    assert await told(reciter, Found) == Found("2:255-286", "2:255", 1.0)
    reciter.send(Choose(1, "112:1"))
    assert await refusal(reciter, 7) == "not_seeking"
    reciter.send(Passage(1, "auto"))
    welcome = await told(reciter, Welcome, 2)
    assert isinstance(welcome, Welcome) and welcome.verses == "auto"
    reciter.send(Choose(1, "112"))
    assert await told(reciter, Found, 2) == Found("112", "112:1", 1.0)
    await reciter.close()


async def test_who_was_not_found_gets_an_empty_summary(
    start: Start, http: aiohttp.ClientSession, silence: Recording
) -> None:
    running = await start()
    heard = await Reciter(http, running.url, "auto", silence).recite()
    assert heard.summary is not None
    assert (heard.summary.verses, heard.summary.words) == ("auto", ())
    assert not [message for _, message in heard.control if isinstance(message, Found | Error)]
    assert all(isinstance(m, Feedback) and m.cursor is None and not m.words for _, m in heard.feedback)


async def test_a_choice_just_before_the_end_counts(
    start: Start, http: aiohttp.ClientSession, silence: Recording
) -> None:
    running = await start()
    reciter = Reciter(http, running.url, "auto", silence)
    await reciter.connect()
    reciter.begin()
    await reciter.microphone.done.wait()
    reciter.send(Choose(1, "114:4"))
    reciter.send(Stop(1))
    async with asyncio.timeout(5):
        while reciter.heard.summary is None:
            await asyncio.sleep(0.01)
    assert reciter.heard.summary.verses == "114:4-6"
    assert {word.at.rpartition(":")[0] for word in reciter.heard.summary.words} == {"114:4"}
    await reciter.close()
