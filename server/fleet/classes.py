"""The sessions of a class on all nodes, for the feeds of this one's teachers.

Between nodes runs the same feed as between a node and a teacher's page (`server.feed`). A node whose teachers watch a
class says so once a second (`want`); every other node then keeps a feed of that class for it, asks that feed for news
two hundred times a second, and posts them. So no session waits for another node either, several changes within 5 ms are
one message, and nodes on which nobody watches cost nothing. What arrives is kept in a `FarSession` for each session,
which local feeds read like a session of this node. A message that was lost shows as a gap in the numbers: all is asked
for again.
"""

import asyncio
import contextlib
import itertools
import time
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field

import msgspec

from server.feed import Feed
from server.fleet.messages import EVERYBODY, Answer, Ask, News, NodeMessage, Want
from server.messages import BadMessage, Error, PhoneRow, RuleRow, SummaryOverruled, WordRow
from server.register import Seen, Sessions
from server.watch_messages import (
    Close,
    Open,
    Opened,
    Rows,
    Snapshot,
    TeacherMessage,
    Tile,
    Tiles,
    Told,
    WatchMessage,
)
from server.watched import MOST_PHONES, MOST_RULES, MOST_WORDS, Latest

TELL_S = 0.005
"""Between two looks for news: a quarter of what nodes may add to the delay of a teacher's feed."""

WANT_S = 1.0
WANTED_S = 3.5
"""A want holds for so long: three may be lost."""

WATCHED_S = 2.0
"""A class or session is watched while a feed asks for it; feeds ask five times a second."""

ASK_DEADLINE_S = 1.0
MOST_CLASSES = 64
"""Classes told to one node; more are not."""

DEEDS = 6000
"""Remarks and verdicts a minute for one class from one node: each of its teachers has a limit of their own there."""

Post = Callable[[str, NodeMessage], bool]
"""Send a message to a channel; False when it cannot be."""


Far = Callable[["FarSession", TeacherMessage, str], Awaitable[Told | Error]]


class FarSession:
    """A session of another node, as far as that node has told of it."""

    def __init__(self, node: str, tile: Tile, ask: Far, begun: Callable[[], None]) -> None:
        """`begun` is called when a feed begins to follow it word by word."""
        self.id = tile.session
        self.node = node
        self.verses = tile.verses
        """The passage that its rows are about."""
        self.passage = 0
        """Counts passages that were opened here; 0 until the first rows are on their way."""
        self.mark = 0
        self.tile_mark = 1
        self.followed = float("-inf")
        """When a feed last followed it word by word, monotonic."""
        self._tile, self._ask, self._begun = tile, ask, begun
        self._newest = Rows(tile.session, 0, 0, None, False, tile.state, (), (), (), (), None, None)
        self._arrived, self._heard_mark = 0.0, 0
        self._phones: Latest[PhoneRow] = Latest(MOST_PHONES)
        self._words: Latest[WordRow] = Latest(MOST_WORDS)
        self._rules: Latest[RuleRow] = Latest(MOST_RULES)
        self._overruled: Latest[SummaryOverruled] = Latest(MOST_WORDS)

    def tile(self) -> Tile:
        """See Seen."""
        return self._tile

    def follow(self, now: float) -> None:
        """See Seen."""
        begins = self.followed < now - WATCHED_S
        self.followed = now
        if begins:
            self._begun()

    async def ask(self, message: TeacherMessage, by: str) -> Told | Error:
        """Have its node do what a teacher asks."""
        return await self._ask(self, message, by)

    def looks(self, tile: Tile) -> None:
        """Its node tells its tile."""
        self._tile = tile
        self.tile_mark += 1

    def opened(self, verses: str) -> None:
        """All rows come anew, of this passage."""
        self.verses = verses
        for kept in (self._phones, self._words, self._rules, self._overruled):
            kept.clear()
        self.passage += 1
        self.mark += 1

    def tells(self, rows: Rows, now: float) -> None:
        """Its node tells what is new in it."""
        self.mark += 1
        self._newest = rows
        if rows.late_ms is not None:
            self._arrived, self._heard_mark = now - rows.late_ms / 1000, self.mark
        for phone in rows.phones:
            self._phones.put((phone.at, phone.index), self.mark, phone)
        for word in rows.words:
            self._words.put(word.at, self.mark, word)
        for rule in rows.rules:
            self._rules.put((rule.at, rule.rule, rule.first), self.mark, rule)
        for overruled in rows.overruled:
            self._overruled.put(overruled.at, self.mark, overruled)

    def rows(self, since: int, now: float) -> Rows:
        """See Seen. `late_ms` leaves out the way between the nodes, whose clocks are not compared."""
        return msgspec.structs.replace(
            self._newest,
            seq=self.mark,
            phones=self._phones.since(since),
            words=self._words.since(since),
            rules=self._rules.since(since),
            overruled=self._overruled.since(since),
            late_ms=round(1000 * (now - self._arrived), 1) if self._heard_mark > since else None,
        )


@dataclass(slots=True)
class _Told:
    """What another node told of a class."""

    seq: int = 0
    sessions: dict[str, FarSession] = field(default_factory=dict)


class Watching:
    """Sessions of all nodes, for this one's teachers. A register (`server.register.Sessions`); `run` must be running
    for those of other nodes."""

    def __init__(self, here: Sessions, node: str, post: Post, clock: Callable[[], float] = time.monotonic) -> None:
        self._here, self._node, self._post, self._clock = here, node, post, clock
        self._asked: dict[str, float] = {}
        """When a feed last asked for a class."""
        self._told: dict[tuple[str, str], _Told] = {}
        """By node and class."""
        self._again: set[str] = set()
        """Classes of which all must be told anew."""
        self._wake = asyncio.Event()
        self._ids = itertools.count(1)
        self._answers: dict[int, asyncio.Future[Told | Error]] = {}

    def of_class(self, name: str) -> Collection[Seen]:
        """See Sessions. The first call has the other nodes asked; what they have comes within some milliseconds."""
        if name not in self._asked:
            self._again.add(name)
            self._wake.set()
        self._asked[name] = self._clock()
        far = [session for (_, of), told in self._told.items() if of == name for session in told.sessions.values()]
        return (*self._here.of_class(name), *far)

    async def run(self) -> None:
        """Say what is wanted, once a second and whenever something more is, until cancelled."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(WANT_S):
                    await self._wake.wait()
            self._wake.clear()
            self._say()

    def _say(self) -> None:
        now = self._clock()
        for name in [name for name, asked in self._asked.items() if asked < now - WATCHED_S]:
            del self._asked[name]
            self._told = {place: told for place, told in self._told.items() if place[1] != name}
        live = [session for told in self._told.values() for session in told.sessions.values()]
        followed = tuple(sorted({session.id for session in live if session.followed > now - WATCHED_S}))
        for name in self._asked:
            self._post(EVERYBODY, Want(self._node, name, followed, name in self._again))
        self._again.clear()

    def reconnected(self) -> None:
        """Messages may have been lost."""
        self._again.update(self._asked)
        self._wake.set()

    def left(self, node: str) -> None:
        """A node is gone, and its sessions with it."""
        self._told = {place: told for place, told in self._told.items() if place[0] != node}

    def heard(self, news: News) -> None:
        """Another node tells of a class."""
        if news.class_name not in self._asked:
            return
        told = self._told.setdefault((news.node, news.class_name), _Told())
        if news.seq not in (1, told.seq + 1):
            self._again.add(news.class_name)
            self._wake.set()
            return
        told.seq = news.seq
        now = self._clock()
        for message in news.messages:
            self._take(news.node, told.sessions, message, now)

    def _take(self, node: str, sessions: dict[str, FarSession], message: WatchMessage, now: float) -> None:
        match message:
            case Snapshot(sessions=tiles):
                live = {tile.session for tile in tiles}
                for gone in sessions.keys() - live:
                    del sessions[gone]
                self._look(node, sessions, tiles)
            case Tiles(sessions=tiles, gone=gone_now):
                for session in gone_now:
                    sessions.pop(session, None)
                self._look(node, sessions, tiles)
            case Opened(session=session, verses=verses) if session in sessions:
                sessions[session].opened(verses)
            case Rows(session=session) if session in sessions:
                sessions[session].tells(message, now)
            case _:
                pass

    def _look(self, node: str, sessions: dict[str, FarSession], tiles: Collection[Tile]) -> None:
        for tile in tiles:
            if tile.session in sessions:
                sessions[tile.session].looks(tile)
            else:
                sessions[tile.session] = FarSession(node, tile, self._ask, self._wake.set)

    async def _ask(self, session: FarSession, message: TeacherMessage, by: str) -> Told | Error:
        class_name = next(
            (of for (_, of), told in self._told.items() if told.sessions.get(session.id) is session), None
        )
        if class_name is None:
            return Error("no_session", "this class has no such session now")
        number = next(self._ids)
        answer: asyncio.Future[Told | Error] = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        try:
            if not self._post(session.node, Ask(self._node, number, class_name, message, by)):
                return Error("unreachable", "the server that this session is on cannot be reached now")
            async with asyncio.timeout(ASK_DEADLINE_S):
                return await answer
        except TimeoutError:
            return Error("unreachable", "the server that this session is on did not answer")
        finally:
            del self._answers[number]

    def answered(self, answer: Answer) -> None:
        """Another node has done what was asked, or not."""
        waiting = self._answers.get(answer.id)
        if waiting is not None and not waiting.done():
            waiting.set_result(answer.message)


class _Telling:
    """One class, told to one node."""

    def __init__(self, sessions: Sessions, want: Want, now: float) -> None:
        self.feed = Feed(want.class_name, sessions, most_open=10_000, deeds=DEEDS)
        self.until = now + WANTED_S
        self.seq = 0
        self._open: frozenset[str] = frozenset()

    def open(self, sessions: frozenset[str], now: float) -> None:
        """Tell these word by word."""
        for session in self._open - sessions:
            self.feed.take(Close(1, session), now)
        for session in sessions - self._open:
            with contextlib.suppress(BadMessage):  # It is another node's, or over.
                self.feed.take(Open(1, session), now)
        self._open = sessions


class Telling:
    """What this node tells others of its sessions. `run` must be running."""

    def __init__(self, here: Sessions, node: str, post: Post, clock: Callable[[], float] = time.monotonic) -> None:
        self._here, self._node, self._post, self._clock = here, node, post, clock
        self._telling: dict[tuple[str, str], _Telling] = {}
        """By node and class."""
        self._wanted = asyncio.Event()

    def want(self, want: Want) -> None:
        """Teachers of another node watch a class."""
        place, now = (want.node, want.class_name), self._clock()
        telling = self._telling.get(place)
        if telling is None or want.again:
            if telling is None and len(self._telling) >= MOST_CLASSES:
                return
            telling = self._telling[place] = _Telling(self._here, want, now)
            self._tell(place, telling, [telling.feed.snapshot()])
        telling.until = now + WANTED_S
        telling.open(frozenset(want.open), now)
        self._wanted.set()

    def left(self, node: str) -> None:
        """A node is gone."""
        self._telling = {place: telling for place, telling in self._telling.items() if place[0] != node}

    def ask(self, ask: Ask) -> None:
        """A teacher of another node does something to a session of this one."""
        telling = self._telling.get((ask.node, ask.class_name))
        try:
            if telling is None:
                raise BadMessage("no_session", "this class has no such session now")
            done = telling.feed.take(ask.message, self._clock(), ask.by)
        except BadMessage as error:
            done = Error(error.code, str(error))
        if isinstance(done, Told | Error):
            self._post(ask.node, Answer(self._node, ask.id, done))

    async def run(self) -> None:
        """Tell what changes, until cancelled."""
        while True:
            await self._wanted.wait()
            now = self._clock()
            for place, telling in list(self._telling.items()):
                if telling.until < now:
                    del self._telling[place]
                elif news := list(telling.feed.news(now)):
                    self._tell(place, telling, news)
            if not self._telling:
                self._wanted.clear()
            await asyncio.sleep(TELL_S)

    def _tell(self, place: tuple[str, str], telling: _Telling, news: Collection[WatchMessage]) -> None:
        node, class_name = place
        telling.seq += 1
        self._post(node, News(self._node, class_name, telling.seq, tuple(news)))
