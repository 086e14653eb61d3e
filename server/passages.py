"""Which passage a session follows and by which settings it is judged: all that a client may ask of its line."""

import asyncio
import time
from collections.abc import Iterable
from typing import Protocol

from recitation.finding import Finding, Found, News
from recitation.mushaf import AddressError
from recitation.retained import LineState
from recitation.tajweed.moshaf import Moshaf, MoshafError
from server.finder import Finder, seeking
from server.intake import Intake
from server.live import Heard, Line, Live
from server.messages import summary_message
from server.pitch import PitchLoop
from server.telling import Telling
from server.watched import Watched


class MakeLine(Protocol):
    """Makes lines. May take a while for a long surah, so it runs in a thread."""

    def __call__(self, verses: str, state: LineState | None = None) -> tuple[str, Line]:
        """From an address as the client wrote it, or `auto`: the address as we write it, and a line for it, which goes
        on from `state`. Raises AddressError."""


class Passages:
    """See the module's docstring. The client is told of what it asked wrongly."""

    def __init__(
        self,
        verses: str,
        intake: Intake,
        telling: Telling,
        watched: Watched,
        *,
        make_line: MakeLine,
        live: Live,
        finder: Finder,
        pitch: PitchLoop,
        heard: Heard,
    ) -> None:
        """`verses`: what the line of the intake's seat follows. `heard` is called with what its end brings."""
        self.verses = verses
        """The passage, `auto` while it is sought."""
        self.reading = ""
        """Settings of the reading, as the client wrote them."""
        self._moshaf = Moshaf()
        self._intake, self._telling, self._watched = intake, telling, watched
        self._make_line = make_line
        self._live, self._finder, self._pitch = live, finder, pitch
        self._heard = heard
        self._news = asyncio.Event()
        """There is news for a line that seeks its place: a hop, or what the student says."""

    async def follow(self, verses: str) -> bool:
        """Follow another passage; False when there is no such one."""
        try:
            ref, line = await asyncio.to_thread(self._make_line, verses)
        except AddressError as error:
            self._telling.refuse("bad_passage", str(error))
            return False
        self.verses = ref
        line.read_by(self._moshaf)
        self._intake.restart(line)
        self._telling.turned(ref)
        return True

    async def seek(self) -> None:
        """Have the questions of a line answered that does not know its place, until cancelled."""
        while True:
            await self._news.wait()
            self._news.clear()
            self._tell(await self._finder.serve(self._intake.seat))

    def heard_more(self) -> None:
        """The line has heard another hop."""
        if seeking(self._intake.seat) is not None:
            self._news.set()

    def choose(self, verses: str) -> None:
        """The student says which of the places it is."""
        line = seeking(self._intake.seat)
        if line is None:
            self._telling.refuse("not_seeking", f"{self.verses} is followed already; `passage` begins another")
            return
        try:
            line.choose(verses)
        except AddressError as error:
            self._telling.refuse("bad_passage", str(error))
            return
        self._news.set()

    async def finish(self) -> None:
        """The student stops: close every phone, and tell the summary."""
        seat = self._intake.seat
        if seeking(seat) is not None:
            self._tell(await self._finder.serve(seat, last=True))
        last = await self._live.finish(seat)
        if isinstance(seat.line, Finding):
            self._tell(seat.line.news())
        if last is not None and seat.heard_anything:
            now = time.monotonic()
            rtp, received = seat.origin(last.sample)
            self._heard(last, rtp, received, now)
        await self._pitch.hear([seat.line])
        told = self._intake.clock.told
        self._telling.phrases(told(phrase) for phrase in seat.line.phrases_told())
        summary = told(seat.line.summary())
        self._telling.send(summary_message(self.verses, summary, self._watched.overruled))

    def read_as(self, settings: str) -> None:
        """Judge by the client's settings, from the next word on."""
        try:
            moshaf = Moshaf.parse(settings)
        except MoshafError as error:
            self._telling.refuse("bad_reading", str(error))
            return
        self.reading = settings
        self.read_by(moshaf)
        self._telling.read_by(str(moshaf))

    def read_by(self, moshaf: Moshaf) -> None:
        """Judge by settings from before; the client may send others."""
        self._moshaf = moshaf
        self._intake.seat.line.read_by(moshaf)

    def state(self) -> LineState | None:
        """What another line needs to go on, by the session's clock; None while the place is sought."""
        state = self._intake.seat.line.retained()
        return None if state is None else self._intake.clock.told(state)

    def _tell(self, told: Iterable[News]) -> None:
        for news in told:
            if isinstance(news, Found):
                self.verses = news.verses
                self._telling.found(news)
            self._telling.send(self._finder.message(news))
