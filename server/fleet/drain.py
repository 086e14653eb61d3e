"""Emptying a node without losing a session: SIGTERM, or `POST /drain` by an operator.

The node takes nobody any more and says so, and asks each client over its control channel to take its session up
elsewhere (`move`). A client opens a connection to another node, which claims the session (`server.fleet.snapshots`): it
ends here after a last snapshot, and goes on there at the same word. Clients that do not know how are told `shutdown`
when the time is over, and find their snapshot like those of a node that died.
"""

import asyncio
import logging
import time

from server.fleet.node import Node
from server.live import Live
from server.messages import Move
from server.reception import Reception

logger = logging.getLogger(__name__)

LOOK_S = 0.05

AT_ONCE, EVERY_S = 8, 0.25
"""So many clients are asked to move in so long: each costs its new node a passage and a handshake."""


class Drain:
    """One emptying of a node."""

    def __init__(self, node: Node, live: Live, reception: Reception, within_s: float) -> None:
        self._node, self._live, self._reception = node, live, reception
        self._within_s = within_s

    async def run(self) -> None:
        """Until no session is left, or time is up, or nobody else could take them."""
        self._live.draining = True
        self._node.say()
        end = time.monotonic() + self._within_s
        asked: set[str] = set()
        while self._reception.sessions and time.monotonic() < end and self._node.others_accept:
            new = [session for name, session in self._reception.sessions.items() if name not in asked][:AT_ONCE]
            for session in new:
                asked.add(session.id)
                session.ask_to_move(Move(self._node.elsewhere() or ""))
            await asyncio.sleep(EVERY_S if new else LOOK_S)
        if self._reception.sessions:
            logger.warning("%d sessions had nowhere to go, or did not in time", len(self._reception.sessions))
