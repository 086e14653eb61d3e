"""On which node a session is: asked of all nodes, and answered by the one that has it.

There is no list of sessions in Redis to keep true: who asks is a teacher who begins to listen, which is seldom.
"""

import asyncio
import itertools
from collections.abc import Callable

from server.fleet.messages import EVERYBODY, Here, NodeMessage, Where

ANSWER_DEADLINE_S = 0.5
"""A node that has not said by then that it has the session does not: they answer within some milliseconds."""


class Whereabouts:
    """Asks and answers."""

    def __init__(self, node: str, has: Callable[[str], bool], post: Callable[[str, NodeMessage], bool]) -> None:
        """`has`: whether a session is on this node."""
        self._node, self._has, self._post = node, has, post
        self._ids = itertools.count(1)
        self._asking: dict[int, asyncio.Future[str]] = {}

    async def of(self, session: str) -> str | None:
        """The name of the other node that a session is on; None when none says so in time."""
        number = next(self._ids)
        found: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._asking[number] = found
        try:
            if not self._post(EVERYBODY, Where(self._node, number, session)):
                return None
            async with asyncio.timeout(ANSWER_DEADLINE_S):
                return await found
        except TimeoutError:
            return None
        finally:
            del self._asking[number]

    def asked(self, where: Where) -> None:
        """Another node looks for a session."""
        if self._has(where.session):
            self._post(where.node, Here(self._node, where.id))

    def told(self, here: Here) -> None:
        """Another node has the session that was looked for."""
        found = self._asking.get(here.id)
        if found is not None and not found.done():
            found.set_result(here.node)
