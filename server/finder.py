"""Where a student is who has not said it: one thread answers what the lines of all sessions ask.

A question takes 20 to 300 ms (`recitation.finding`), too long for the event loop and for an encoder step. Sessions take
turns, and a line is asked for its question when its turn has come: so a long queue makes places late, never stale. What
is recited meanwhile is caught up with in that thread too, until half a second of it is left for the event loop.
"""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor

from recitation.finding import AUTO, Answer, Candidates, CatchUp, Finding, Found, News, Question
from recitation.lexicon import Lexicon
from recitation.mushaf import parse_reference
from server import messages
from server.live import Seat
from server.metrics import Metrics

OPENING_WORDS = 6
"""So many words show which ayah is meant: one ayah in four is shorter, one in twelve begins like another."""


class Finder:
    """See the module's docstring. Made and used on the event loop."""

    def __init__(self, lexicon: Lexicon, metrics: Metrics) -> None:
        self._lexicon, self._metrics = lexicon, metrics
        self._turn = asyncio.Lock()
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="finder")

    async def serve(self, seat: Seat, *, last: bool = False) -> list[News]:
        """Answer what the seat's line asks, if it does, and return what there is to tell its student. `last`: no more
        is going to be heard."""
        async with self._turn:
            line = seeking(seat)
            if line is None or (question := line.last_question if last else line.question) is None:
                return []
            ask: Question | CatchUp | None = question
            while ask is not None:
                answer = await asyncio.get_running_loop().run_in_executor(self._worker, self._answer, ask)
                if seeking(seat) is not line:  # It left, began anew or was finished, which places it, meanwhile.
                    return []
                ask = line.behind(answer)
            line.take(answer)
            return line.news()

    def message(self, news: News) -> messages.Candidates | messages.Found:
        """News as they go over the wire."""
        match news:
            case Found(verses=verses, at=at, p=p):
                return messages.Found(verses, at, round(p, 3))
            case Candidates(places=places):
                return messages.Candidates(
                    tuple(messages.Candidate(place.at, round(place.p, 3), self.opening(place.at)) for place in places)
                )

    def opening(self, ayah: str) -> str:
        """The first words of an ayah, written `surah:ayah`."""
        place = parse_reference(ayah)
        words = self._lexicon.text(place.surah, place.first).split(" ")
        return " ".join(words[:OPENING_WORDS])

    def close(self) -> None:
        """Answer no more questions."""
        self._worker.shutdown(wait=False, cancel_futures=True)

    def _answer(self, question: Question | CatchUp) -> Answer:
        begun = time.monotonic()
        answer = question.answer()
        self._metrics.stages["find"].observe(time.monotonic() - begun)
        return answer


def seeking(seat: Seat) -> Finding | None:
    """The line of a seat that still seeks its place and takes audio; None for any other."""
    line = seat.line
    at_work = not (seat.left or seat.finished)
    return line if at_work and isinstance(line, Finding) and line.verses == AUTO else None
