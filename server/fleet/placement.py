"""Where a new session goes: which nodes there are, by their beats, and whether another one should have it. No socket,
and the clock is an argument.

A session stays where it was asked for unless another node is clearly emptier: beyond `SEND_AWAY` of difference the node
begins to send sessions away, and goes on until the difference is below `KEEP`, so that two nodes about as full do not
throw students to and fro. What was sent to a node counts there until its next beats tell.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field

from server.fleet.messages import Beat

BEAT_S = 0.5
LIFE_S = 3.0
"""A node that was not heard of for so long is gone."""

SEND_AWAY, KEEP = 0.25, 0.10
"""Differences of level at which sending away begins and ends."""

ALIKE = 0.05
"""Nodes so close to the emptiest are as good: one of them is drawn, or all nodes would send to the same one at once."""

SENT_S = 2.0
"""A session sent to a node counts for so long. Then the node's beats have it: it connects within a second, and the
encoder's time is measured over two."""


@dataclass(slots=True)
class Member:
    """Another node."""

    beat: Beat
    heard: float
    sent: list[float] = field(default_factory=list)
    """When sessions were sent there that its beats may not count yet."""

    def level(self, now: float) -> float:
        """How full it is with what is on its way to it."""
        self.sent = [at for at in self.sent if at > now - SENT_S]
        return self.beat.level + len(self.sent) / self.beat.capacity


class Members:
    """The other nodes, and the choice among them."""

    def __init__(self, url: str, chance: random.Random) -> None:
        """`url`: our own; who has the same is behind the same front, which has chosen between us already."""
        self._url = url
        self._chance = chance
        self._members: dict[str, Member] = {}
        self._sending = False

    def heard(self, beat: Beat, now: float) -> None:
        """A node lives."""
        member = self._members.get(beat.node)
        if member is None:
            self._members[beat.node] = Member(beat, now)
        else:
            member.beat, member.heard = beat, now

    def left(self, node: str) -> None:
        """A node is gone."""
        self._members.pop(node, None)

    def expire(self, now: float) -> list[str]:
        """Forget nodes that were not heard of; their names."""
        gone = [node for node, member in self._members.items() if member.heard < now - LIFE_S]
        for node in gone:
            del self._members[node]
        return gone

    def __len__(self) -> int:
        return len(self._members)

    def __contains__(self, node: object) -> bool:
        return node in self._members

    @property
    def urls(self) -> frozenset[str]:
        """Where the other nodes are reached."""
        return frozenset(member.beat.url for member in self._members.values()) - {self._url, ""}

    def url_of(self, node: str) -> str | None:
        """Where a node is reached that is not behind our own front."""
        member = self._members.get(node)
        return None if member is None or member.beat.url in ("", self._url) else member.beat.url

    def anybody(self, now: float) -> bool:
        """Some other node takes sessions, be it behind the same front."""
        return any(member.beat.accepts and member.heard >= now - LIFE_S for member in self._members.values())

    def elsewhere(self, own: Beat, now: float) -> str | None:
        """The URL of the node that should have a session which was asked for here; None: this one. The session counts
        as sent there."""
        best = self._emptiest(now)
        if best is None:
            self._sending = False
            return None
        if own.accepts:
            difference = own.level - best.level(now)
            self._sending = difference > (KEEP if self._sending else SEND_AWAY)
            if not self._sending:
                return None
        best.sent.append(now)
        return best.beat.url

    def _emptiest(self, now: float) -> Member | None:
        candidates = [(member.level(now), member) for member in self._open(now)]
        if not candidates:
            return None
        least = min(level for level, _ in candidates)
        return self._chance.choice([member for level, member in candidates if level <= least + ALIKE])

    def _open(self, now: float) -> Iterator[Member]:
        for member in self._members.values():
            reachable = member.beat.url not in ("", self._url) and member.heard >= now - LIFE_S
            if reachable and member.beat.accepts and member.level(now) < 1:
                yield member
