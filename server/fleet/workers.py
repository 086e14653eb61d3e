"""`talaqqi serve --workers N`: N worker processes behind one front, started again when they die.

A worker is a whole server on a Unix socket that only this user can reach. It stops when its standard input ends, so
none outlives the front. SIGTERM ends all; SIGHUP empties one after the other and starts it anew, for a new version: its
sessions go on with its siblings meanwhile.
"""

import asyncio
import logging
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from aiohttp import web

from server.config import Config, ConfigError
from server.fleet.front import Front, Worker
from server.fleet.link import check_url

logger = logging.getLogger(__name__)

FIRST_RETRY_S, LAST_RETRY_S = 0.2, 10.0
STEADY_S = 10.0
"""A worker that lived so long is started again at once when it dies."""
START_DEADLINE_S = 120.0
STOP_MARGIN_S = 15.0
"""Beyond `drain_s`: then a worker is killed."""


class Workers:
    """The processes. `run` keeps them alive."""

    def __init__(self, config: Config, count: int, arguments: Sequence[str], folder: Path) -> None:
        """`arguments`: those of `talaqqi serve`, for each worker."""
        self._config = config
        self._arguments = arguments
        self.sockets = [folder / f"worker-{n}.sock" for n in range(count)]
        self._processes: dict[Path, asyncio.subprocess.Process] = {}
        self._stopping = False

    async def run(self) -> None:
        """Start them, and start again those that die, until `stop`."""
        async with asyncio.TaskGroup() as tasks:
            for socket in self.sockets:
                tasks.create_task(self._keep(socket))

    async def _keep(self, socket: Path) -> None:
        wait = FIRST_RETRY_S
        while not self._stopping:
            socket.unlink(missing_ok=True)
            begun = time.monotonic()
            process = self._processes[socket] = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "server.cli", "serve", *self._arguments, "--worker-socket", str(socket),
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL,
            )  # fmt: skip
            status = await process.wait()
            if self._stopping:
                return
            if status == 2 and time.monotonic() - begun < STEADY_S:
                raise ConfigError("a worker does not take its settings; what it said stands above")
            logger.warning("a worker ended with status %d; another one is started", status)
            if time.monotonic() - begun > STEADY_S or status == 0:
                wait = FIRST_RETRY_S
            else:
                await asyncio.sleep(wait)
                wait = min(2 * wait, LAST_RETRY_S)

    def pid(self, socket: Path) -> int:
        """Of the worker at a socket."""
        return self._processes[socket].pid

    async def stop(self) -> None:
        """End all; they end their sessions in order."""
        self._stopping = True
        await asyncio.gather(*(self._end(process) for process in self._processes.values()))

    async def renew(self, workers: Sequence[Worker]) -> None:
        """Empty each, one after the other, and start it anew."""
        for worker in workers:
            await self._end(self._processes[worker.socket])
            worker.beat = None
            try:
                async with asyncio.timeout(START_DEADLINE_S):
                    while worker.beat is None or not worker.beat.accepts:
                        await asyncio.sleep(0.1)
            except TimeoutError:
                logger.warning("a worker that was started anew is not ready; the others stay as they are")
                return

    async def _end(self, process: asyncio.subprocess.Process) -> None:
        if process.returncode is not None:
            return
        process.terminate()
        try:
            async with asyncio.timeout(self._config.drain_s + STOP_MARGIN_S):
                await process.wait()
        except TimeoutError:
            logger.warning("a worker did not end in time; it is killed")
            process.kill()


def check(config: Config) -> None:
    """Raises ConfigError for settings with which several workers cannot serve."""
    if config.redis is None:
        raise ConfigError("--workers needs --redis: through it teachers see the students of all workers")
    check_url(config.redis)
    if config.needs_token and not config.has_tokens:
        raise ConfigError("--workers needs tokens that all workers know: --token-file, --secret-file or --jwks")
    if config.tls_certificate is not None:
        raise ConfigError("--workers has a front that speaks plain HTTP: leave TLS to a proxy before it")


async def serve_with_workers(
    config: Config, count: int, arguments: Sequence[str], started: Callable[[str], None], stop: asyncio.Event
) -> None:
    """Serve until `stop` is set. Raises OSError when the address is taken, ConfigError."""
    with tempfile.TemporaryDirectory(prefix="talaqqi-") as folder:  # Mode 0700.
        workers = Workers(config, count, arguments, Path(folder))
        front = Front(workers.sockets, proxied=config.proxied, trusted=config.trusted_proxies)
        runner = web.AppRunner(front.application(), access_log=None, handle_signals=False)
        await runner.setup()
        try:
            await web.TCPSite(runner, config.host, config.port, backlog=128).start()
            host, port = runner.addresses[0][:2]
            async with asyncio.TaskGroup() as tasks:
                running = [tasks.create_task(workers.run()), tasks.create_task(front.run())]
                renewing = asyncio.Event()
                asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, renewing.set)
                running.append(tasks.create_task(_renew(workers, front, renewing)))
                while not front.ready and not stop.is_set():
                    await asyncio.sleep(0.05)
                if not stop.is_set():
                    started(f"http://{f'[{host}]' if ':' in host else host}:{port}/")
                await stop.wait()
                await workers.stop()
                for task in running:
                    task.cancel()
        finally:
            await runner.cleanup()


async def _renew(workers: Workers, front: Front, renewing: asyncio.Event) -> None:
    while True:
        await renewing.wait()
        renewing.clear()
        await workers.renew(front.workers)
