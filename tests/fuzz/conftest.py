"""A server with a toy ear in a thread of its own, spoken to over bare sockets."""

import asyncio
import logging
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiohttp import web
from target import TOKEN, Target

from recitation.lexicon import default_lexicon

sys.path.insert(0, str(Path(__file__).parent.parent / "server"))

from toy_ear import toy_ear

from server.app import Server
from server.config import Config


class _Faults(logging.Handler):
    def __init__(self, target: Target) -> None:
        super().__init__(logging.ERROR)
        self._target = target

    def emit(self, record: logging.LogRecord) -> None:
        # aiohttp logs requests that are no HTTP as errors of its own level; those are answered with 400.
        if not record.getMessage().startswith("Error handling request from"):
            self._target.faults.append(self.format(record))


@pytest.fixture(scope="session")
def target() -> Iterator[Target]:
    """The server, with a token, lest the noise open sessions only because nobody asks for one."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def start() -> tuple[web.AppRunner, Target]:
        config = Config(capacity=4, tokens=frozenset({TOKEN}), connect_deadline_s=0.2)
        server = Server(config, default_lexicon(), toy_ear(4))
        runner = web.AppRunner(server.application(), access_log=None, shutdown_timeout=2)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        return runner, Target(runner.addresses[0][1], server)

    runner, target = asyncio.run_coroutine_threadsafe(start(), loop).result(300)
    handler = _Faults(target)
    logging.getLogger().addHandler(handler)
    yield target
    logging.getLogger().removeHandler(handler)
    asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(30)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()
