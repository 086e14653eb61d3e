"""What one teacher is told of a class and may do in it: no socket, and the clock is an argument.

`news` makes what has changed since it was last asked; between two calls any number of changes become one. A feed holds
no queue, only the marks up to which its teacher has been told.
"""

from collections import deque
from collections.abc import Iterator
from typing import Protocol, runtime_checkable

from recitation.events import Status
from server.messages import BadMessage, Error, Ping, Pong, Remark
from server.register import Seen, Sessions
from server.watch_messages import (
    Close,
    Open,
    Opened,
    Overrule,
    Snapshot,
    TeacherMessage,
    TeacherRemark,
    Tiles,
    Told,
    WatchMessage,
)
from server.watched import NoVerdict, Watched

MOST_OPEN = 4
"""Sessions followed word by word at once; one more closes the one opened first."""

DEEDS, DEEDS_S = 60, 60.0
"""Remarks and overrulings a minute, so that no teacher's page fills a student's channel; more are refused (`busy`)."""


@runtime_checkable
class Far(Protocol):
    """A session of another node."""

    async def ask(self, message: TeacherMessage, by: str) -> Told | Error:
        """Have its node do what a teacher asks; `by`: subject of the teacher's token."""


class Feed:
    """One teacher's view of a class. Sessions of other classes cannot be reached."""

    def __init__(
        self, class_name: str, sessions: Sessions, by: str = "", *, most_open: int = MOST_OPEN, deeds: int = DEEDS
    ) -> None:
        """`by`: subject of the teacher's token."""
        self._class, self._by = class_name, by
        self._most_open = most_open
        self._sessions = sessions
        self._told: dict[str, int] = {}
        """Mark of the tile that the teacher has, by session."""
        self._open: dict[str, tuple[int, int]] = {}
        """Passage and mark up to which an opened session has been told."""
        self._deeds: deque[float] = deque(maxlen=deeds)

    def snapshot(self) -> Snapshot:
        """The whole class, as the first message."""
        live = self._sessions.of_class(self._class)
        self._told = {watched.id: watched.tile_mark for watched in live}
        return Snapshot(self._class, tuple(watched.tile() for watched in live))

    def news(self, now: float) -> Iterator[WatchMessage]:
        """What has changed; `now` is monotonic."""
        live = {watched.id: watched for watched in self._sessions.of_class(self._class)}
        changed = [watched for watched in live.values() if self._told.get(watched.id) != watched.tile_mark]
        gone = tuple(self._told.keys() - live.keys())
        if changed or gone:
            self._told = {watched.id: watched.tile_mark for watched in live.values()}
            yield Tiles(tuple(watched.tile() for watched in changed), gone)
        self._open = {session: told for session, told in self._open.items() if session in live}
        for session in list(self._open):
            yield from self._rows(live[session], now)

    def _rows(self, watched: Seen, now: float) -> Iterator[WatchMessage]:
        watched.follow(now)
        passage, mark = self._open[watched.id]
        if passage != watched.passage:
            yield Opened(watched.id, watched.verses)
            mark = 0
        if mark != watched.mark:
            yield watched.rows(mark, now)
        self._open[watched.id] = watched.passage, watched.mark

    async def answer(self, message: TeacherMessage, now: float) -> WatchMessage | None:
        """As `take`, for sessions of other nodes too, which are asked and wait for their answer."""
        if isinstance(message, TeacherRemark | Overrule) and isinstance(far := self._find(message.session), Far):
            self._count(now)
            return await far.ask(message, self._by)
        return self.take(message, now)

    def take(self, message: TeacherMessage, now: float, by: str | None = None) -> WatchMessage | None:
        """Do what the teacher asks; the answer, if there is one. `by`: on behalf of another teacher. Raises
        BadMessage."""
        by = self._by if by is None else by
        match message:
            case Ping(t=t):
                return Pong(t, 0)
            case Close(session=session):
                self._open.pop(session, None)
                return None
            case Open(session=session):
                self._begin(self._find(session))
                return None
            case TeacherRemark():
                return self._remark(message, now, by)
            case Overrule():
                return self._overrule(message, now, by)

    def _begin(self, watched: Seen) -> None:
        """`opened` and all rows come with the next news."""
        self._open.pop(watched.id, None)
        if len(self._open) == self._most_open:
            del self._open[next(iter(self._open))]
        self._open[watched.id] = 0, 0

    def _remark(self, message: TeacherRemark, now: float, by: str) -> WatchMessage:
        watched = self._here(message.session)
        text = message.text.strip()
        if not text and message.at is None:
            raise BadMessage("bad_message", "a remark needs a text, or a word to repeat from")
        if message.at is not None and not watched.holds(message.at):
            raise BadMessage("bad_place", f"{message.at} is no word of {watched.verses}")
        self._count(now)
        return Told(watched.id, "remark", watched.remark(Remark(text, message.at), by))

    def _overrule(self, message: Overrule, now: float, by: str) -> WatchMessage:
        watched = self._here(message.session)
        self._count(now)
        try:
            reached = watched.overrule(message.at, Status(message.status), by)
        except NoVerdict as error:
            raise BadMessage("no_verdict", str(error)) from error
        return Told(watched.id, "overrule", reached)

    def _count(self, now: float) -> None:
        if len(self._deeds) == self._deeds.maxlen and self._deeds[0] > now - DEEDS_S:
            raise BadMessage("busy", f"{self._deeds.maxlen} remarks and verdicts a minute are taken")
        self._deeds.append(now)

    def _here(self, session: str) -> Watched:
        """A session of this node. Raises BadMessage."""
        watched = self._find(session)
        if not isinstance(watched, Watched):
            raise BadMessage("no_session", "this session is another server's")
        return watched

    def _find(self, session: str) -> Seen:
        for watched in self._sessions.of_class(self._class):
            if watched.id == session:
                return watched
        raise BadMessage("no_session", "this class has no such session now")
