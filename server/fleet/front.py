"""The one address of several workers on a machine: HTTP and WebSockets passed on to the right worker.

Audio over WebRTC does not come this way, only what opens and ends a session, pages, and WebSockets. A new session goes
to the worker that is least full by its own account, half a second old at most, with what was sent there since. What
belongs to a session goes where the session is, which the front learns from the answers; after a restart it asks around.
"""

import asyncio
import contextlib
import itertools
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import msgspec
from aiohttp import WSMsgType, web
from cachetools import LRUCache
from multidict import CIMultiDict

from server import bad_requests
from server.fleet.messages import Beat
from server.fleet.placement import SENT_S
from server.handshake import session_token, subprotocols
from server.limits import client_address
from server.metrics import CONTENT_TYPE
from server.problems import problem
from server.websocket import keep_little_unsent

logger = logging.getLogger(__name__)

LOOK_S = 0.5
LOOK_DEADLINE_S = 2.0
"""A worker whose event loop stands still for so long gets nobody."""
CONNECT_DEADLINE_S = 2.0
ANSWER_DEADLINE_S = 30.0
BODY_BYTES = 1_048_576
FRAME_BYTES = 131_072
"""Of a WebSocket's message; a worker takes 64 KiB."""
HOMES = 100_000
"""Sessions and tokens whose worker is known; overflow forgets the one that was not asked for for the longest."""

INSIDE = "/fleet/"
"""Paths between front and worker, which nobody outside may ask for."""

HOP_BY_HOP = frozenset({"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "content-length"})
"""Headers about one connection only (RFC 9110 7.6.1), and the length, which is written anew."""

HANDSHAKE_HEADERS = frozenset({"Retry-After", "Location", "WWW-Authenticate"})
"""Of a WebSocket that was not opened, what its client may act on."""

RESUME_HEADER = "Talaqqi-Resume"


@dataclass(slots=True)
class Worker:
    """A worker as the front sees it."""

    socket: Path
    http: aiohttp.ClientSession
    beat: Beat | None = None
    """None: it does not answer."""
    sent: list[float] = field(default_factory=list)

    @classmethod
    def at(cls, socket: Path) -> "Worker":
        """Inside a running event loop."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_DEADLINE_S)
        connector = aiohttp.UnixConnector(str(socket), limit=0)
        # What a worker compressed stays so.
        return cls(socket, aiohttp.ClientSession(connector=connector, timeout=timeout, auto_decompress=False))

    def level(self, now: float) -> float:
        """How full it is; infinite when it takes nobody."""
        self.sent = [at for at in self.sent if at > now - SENT_S]
        if self.beat is None or not self.beat.accepts:
            return float("inf")
        return self.beat.level + len(self.sent) / self.beat.capacity

    async def look(self) -> None:
        """Ask how it is."""
        try:
            async with asyncio.timeout(LOOK_DEADLINE_S), self.http.get(f"http://worker{INSIDE}beat") as response:
                self.beat = msgspec.json.decode(await response.read(), type=Beat) if response.status == 200 else None
        except (aiohttp.ClientError, OSError, TimeoutError, msgspec.DecodeError):
            self.beat = None


class Front:
    """Passes requests on. `run` must be running."""

    def __init__(
        self,
        workers: Iterable[Path],
        *,
        proxied: bool,
        trusted: Collection[str] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Inside a running event loop. `workers`: their Unix sockets. `proxied`: a proxy before us names clients, one
        of the `trusted` networks where there are some."""
        self.workers = [Worker.at(socket) for socket in workers]
        self._proxied, self._trusted, self._clock = proxied, trusted, clock
        self._homes: LRUCache[str, Worker] = LRUCache(HOMES)
        self._turn = itertools.count()

    def application(self) -> web.Application:
        """The web application."""
        bad_requests.install()
        app = web.Application(client_max_size=BODY_BYTES)
        app.add_routes(
            [
                web.get("/healthz", self._health),
                web.get("/readyz", self._readiness),
                web.get("/metrics", self._metrics),
                web.route("*", INSIDE + "{path:.*}", self._nothing),
                web.route("*", "/{path:.*}", self.pass_on),
            ]
        )
        return app

    async def _health(self, request: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def _readiness(self, request: web.Request) -> web.Response:
        if not self.ready:
            raise problem(web.HTTPServiceUnavailable, "no worker takes sessions", retry_after_s=1)
        return web.json_response({"status": "ready"})

    async def _nothing(self, request: web.Request) -> web.Response:
        raise problem(web.HTTPNotFound, "there is nothing here")

    async def _metrics(self, request: web.Request) -> web.Response:
        """Those of all workers, with a label that tells them apart."""
        texts = {}
        for number, worker in enumerate(self.workers):
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                async with asyncio.timeout(LOOK_DEADLINE_S), worker.http.get("http://worker/metrics") as response:
                    texts[str(number)] = await response.text()
        return web.Response(body=labelled(texts).encode(), headers={"Content-Type": CONTENT_TYPE})

    async def run(self) -> None:
        """Look after the workers until cancelled."""
        try:
            while True:
                await asyncio.gather(*(worker.look() for worker in self.workers))
                await asyncio.sleep(LOOK_S)
        finally:
            for worker in self.workers:
                await worker.http.close()

    @property
    def ready(self) -> bool:
        """Some worker takes sessions."""
        return any(worker.beat is not None and worker.beat.accepts for worker in self.workers)

    async def pass_on(self, request: web.Request) -> web.StreamResponse:
        """Any request."""
        body = await request.read()
        worker, candidates = None, self._candidates(request)
        for number, worker in enumerate(candidates):
            last = number + 1 == len(candidates)
            try:
                if request.headers.get("Upgrade", "").lower() == "websocket":
                    response = await self._socket(request, worker)
                else:
                    response = await self._answer(request, body, worker)
            except (aiohttp.ClientConnectorError, aiohttp.ServerDisconnectedError) as error:
                logger.warning("a worker does not answer: %s", error)
                worker.beat = None
                continue
            except (aiohttp.ClientError, TimeoutError) as error:
                raise problem(web.HTTPBadGateway, "a worker broke off its answer") from error
            # A session whose worker is not known is asked for everywhere, and so is room for one.
            in_vain = response.status == 503 if _opens(request) else response.status == 404 and _of_a_session(request)
            if last or not in_vain:
                self._learn(request, response, worker)
                return response
        raise problem(web.HTTPServiceUnavailable, "no worker is there just now", retry_after_s=1)

    def _candidates(self, request: web.Request) -> list[Worker]:
        """Workers to try, in order."""
        now = self._clock()
        alive = [worker for worker in self.workers if worker.beat is not None]
        home = self._home(request)
        if home in alive and not (_opens(request) and home.beat is not None and home.beat.draining):
            alive.remove(home)
            return [home, *alive]
        if _opens(request):
            alive.sort(key=lambda worker: worker.level(now))
            if alive:
                alive[0].sent.append(now)
            return alive
        first = next(self._turn) % len(alive) if alive else 0
        return alive[first:] + alive[:first]

    def _home(self, request: web.Request) -> Worker | None:
        names = (_of_a_session(request), request.query.get("resume"), session_token(request))
        return next((self._homes[name] for name in names if name is not None and name in self._homes), None)

    def _learn(self, request: web.Request, response: web.StreamResponse, worker: Worker) -> None:
        """Where a session is, by the answer that says that there is one."""
        if not _opens(request) or response.status >= 300:
            return
        location = response.headers.get("Location", "")
        for name in (location.rpartition("/")[2].partition(".")[0], response.headers.get(RESUME_HEADER)):
            if name:
                self._homes[name] = worker
        if (token := session_token(request)) is not None:
            self._homes[token] = worker

    def _headers(self, request: web.Request) -> CIMultiDict[str]:
        headers = CIMultiDict((k, v) for k, v in request.headers.items() if k.lower() not in HOP_BY_HOP)
        # Workers believe the last name in it, which is the one that we make out.
        forwarded = ",".join(request.headers.getall("X-Forwarded-For", ())) if self._proxied else None
        headers["X-Forwarded-For"] = client_address(request.remote, forwarded, self._trusted) or ""
        return headers

    async def _answer(self, request: web.Request, body: bytes, worker: Worker) -> web.Response:
        async with (
            asyncio.timeout(ANSWER_DEADLINE_S),
            worker.http.request(
                request.method, _url(request), headers=self._headers(request), data=body, allow_redirects=False
            ) as response,
        ):
            headers = CIMultiDict((k, v) for k, v in response.headers.items() if k.lower() not in HOP_BY_HOP)
            return web.Response(status=response.status, headers=headers, body=await response.read())

    async def _socket(self, request: web.Request, worker: Worker) -> web.StreamResponse:
        headers = self._headers(request)
        for name in [name for name in headers if name.lower().startswith("sec-websocket-")]:
            del headers[name]
        try:
            inside = await worker.http.ws_connect(
                _url(request), headers=headers, protocols=subprotocols(request), max_msg_size=0, autoping=False
            )
        except aiohttp.WSServerHandshakeError as error:
            told = {name: value for name, value in (error.headers or {}).items() if name in HANDSHAKE_HEADERS}
            return web.Response(status=error.status, headers=told)
        chosen = (inside.protocol,) if inside.protocol else ()
        outside = web.WebSocketResponse(
            protocols=chosen, max_msg_size=FRAME_BYTES, autoping=False, autoclose=False, compress=False
        )
        try:
            await outside.prepare(request)
            keep_little_unsent(request.transport)
            await _join(outside, inside)
        finally:
            await inside.close()
        return outside


def labelled(texts: Mapping[str, str]) -> str:
    """Metrics of several workers as one text: each family once (text format 0.0.4), each series labelled `worker`."""
    families: dict[str, list[str]] = {}
    for worker, text in texts.items():
        family: list[str] = []
        for line in text.splitlines():
            if line.startswith("# HELP "):
                family = families.setdefault(line.split()[2], [])
            if not line.startswith("#"):
                series, _, value = line.rpartition(" ")
                name, _, labels = series.partition("{")
                family.append(f'{name}{{worker="{worker}"{"," + labels if labels else "}"} {value}')
            elif line not in family:
                family.append(line)
    return "".join(f"{line}\n" for family in families.values() for line in family)


Socket = web.WebSocketResponse | aiohttp.ClientWebSocketResponse


async def _join(outside: web.WebSocketResponse, inside: aiohttp.ClientWebSocketResponse) -> None:
    """Until either side closes; then the other is closed with the same code. Whoever reads slowly is sent slowly."""
    ways = [asyncio.create_task(_pump(outside, inside)), asyncio.create_task(_pump(inside, outside))]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
            with contextlib.suppress(asyncio.CancelledError, ConnectionError):
                await way


async def _pump(source: Socket, sink: Socket) -> None:
    send: dict[WSMsgType, Callable[[bytes], Awaitable[None]]] = {
        WSMsgType.BINARY: sink.send_bytes,
        WSMsgType.PING: sink.ping,
        WSMsgType.PONG: sink.pong,
    }
    while True:
        message = await source.receive()
        if message.type is WSMsgType.TEXT:
            await sink.send_str(message.data)
        elif message.type in send:
            await send[message.type](message.data)
        elif message.type is WSMsgType.CLOSE:
            await sink.close(code=message.data, message=(message.extra or "").encode())
            return
        else:
            # Broken off: the other side is to see that too.
            return


def _url(request: web.Request) -> str:
    return f"http://worker{request.raw_path}"


def _opens(request: web.Request) -> bool:
    """The request asks for a new session."""
    return request.path in ("/whip", "/ws") and request.method in ("POST", "GET")


def _of_a_session(request: web.Request) -> str | None:
    """The session that a request is about, by its path: `/whip/ID`, `/whip/ID.2`, `/whep/ID`."""
    parts = request.path.split("/")
    return parts[2].partition(".")[0] if len(parts) >= 3 and parts[1] in ("whip", "whep") and parts[2] else None
