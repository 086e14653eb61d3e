"""The server: every part built, joined and started; the page, its files, and what operators ask."""

import asyncio
import gc
import logging
import ssl
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Protocol

import numpy as np
from aiohttp import web

from recitation.acoustics.batching import Batcher
from recitation.acoustics.engine import Engine
from recitation.acoustics.engines import open_engine
from recitation.acoustics.intake import Intake, intake_of
from recitation.finding import AUTO, Finding
from recitation.lexicon import Lexicon, default_lexicon
from recitation.listening import hear_voices
from recitation.locator import default_locator
from recitation.mushaf import parse_reference
from recitation.pipeline import Session, passage
from recitation.prosody.pitch import SwiftPitch
from recitation.retained import LineState
from recitation.tajweed.moshaf import Moshaf
from recitation.vad import SileroVad
from server import bad_requests
from server.api import Api, Passages
from server.auth import Tokens
from server.bad_requests import SERVER
from server.config import Config, ConfigError
from server.event_stream import Events
from server.finder import Finder
from server.history_api import HistoryApi
from server.keeping import Keeping
from server.key_set import KeySet
from server.live import Encoder, Hear, Line, Live
from server.metrics import CONTENT_TYPE, Metrics
from server.monitor import Monitor
from server.passages import MakeLine
from server.pitch import HearSpans, PitchLoop
from server.problems import problem, report
from server.reception import Reception
from server.register import Register
from server.roles import Expected
from server.snapshots import FileSnapshots, MemorySnapshots, SnapshotStore, SnapshotsUnavailable
from server.websocket import WebSockets
from server.whep import Whep
from server.whip import Whip

if TYPE_CHECKING:
    from server.fleet.node import Node

logger = logging.getLogger(__name__)

CONTENT_TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".json": "application/json",
    ".md": "text/plain",
    ".opus": "audio/ogg",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
    ".wav": "audio/wav",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}
"""Of the page's files. Others are not served: the machine's own tables differ from one to the next."""

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
        "media-src 'self' blob:; worker-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'; connect-src 'self'"
    ),
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "Server": SERVER,
    "X-Content-Type-Options": "nosniff",
}

CORS_HEADERS = {
    "Access-Control-Allow-Methods": "GET, POST, PATCH, DELETE, OPTIONS",
    "Access-Control-Allow-Headers": "Authorization, Content-Type, If-Match",
    "Access-Control-Expose-Headers": "Location, ETag, Link, Talaqqi-Resume, Retry-After, WWW-Authenticate, Accept-Post",
    "Access-Control-Max-Age": "86400",
}

WARM_UP_STEPS = 3


@dataclass(frozen=True, slots=True)
class Ear:
    """What hears: an encoder for all sessions and a maker of lines."""

    name: str
    intake: Intake
    """What the encoder takes in one step."""
    encoder: Encoder
    hear: Hear
    """The voice network."""
    make_line: MakeLine
    pitch: HearSpans


def load_ear(config: Config) -> Ear:
    """The engine that `config` names, with room for its sessions. Raises ModelError."""
    engine = open_engine(
        config.engine,
        model=config.model,
        lookahead_ms=config.lookahead_ms,
        device=config.device,
        memory_limit_mb=config.memory_limit_mb,
    )
    return ear_of(engine, config.capacity)


def ear_of(engine: Engine, capacity: int) -> Ear:
    """`engine` in batches of up to `capacity` sessions, and lines of the recitation pipeline."""
    vad, lock, intake = SileroVad(), Lock(), intake_of(engine)
    locator = default_locator()

    def make_session(address: str) -> Session:
        with lock:  # The cache of passages is not safe in threads.
            place = passage(address)
        return Session(place, vad, intake=intake, moshaf=Moshaf(), prosody=True)

    def make_line(verses: str, state: LineState | None = None) -> tuple[str, Line]:
        if verses == AUTO or (state is not None and state.sought):
            finding = Finding(make_session, locator, intake)
            if state is not None:
                finding.recall(state)
            return finding.verses, finding
        address = str(parse_reference(verses))
        session = make_session(address)
        if state is not None:
            session.recall(state)
        return address, session

    return Ear(engine.name, intake, Batcher(engine, capacity), partial(hear_voices, vad), make_line, SwiftPitch().hear)


class Loop(Protocol):
    """A part that has to run."""

    async def run(self) -> None:
        """Until cancelled."""


class Server:
    """All parts of a running server."""

    def __init__(self, config: Config, lexicon: Lexicon, ear: Ear, store: SnapshotStore | None = None) -> None:
        """Inside a running event loop. `store`: for snapshots of sessions, in place of the one that `config` names.
        Raises ConfigError."""
        self.config = config
        self.metrics = Metrics()
        self.metrics.caches["passage"] = passage.cache_info
        self.ready = False
        self._ear = ear
        expected = Expected(config.token_issuer, config.token_audience)
        self._keys = None if config.jwks is None else KeySet(config.jwks, expected)
        self._tokens = Tokens(
            config.tokens,
            required=config.needs_token,
            life_s=config.token_life_s,
            clock=time.monotonic,
            secret=config.secret,
            keys=self._keys,
            expected=expected,
            watched=config.watched_when_open,
        )
        self.live = Live(
            ear.encoder,
            ear.hear,
            config.capacity,
            self.metrics,
            hop_samples=ear.intake.samples,
            gather_s=config.gather_s,
            backlog_hops=config.backlog_hops,
            busy_limit=config.busy_limit,
            retry_after_s=config.retry_after_s,
        )
        self.keeping = None if config.database is None else self._keep(config, config.database, lexicon)
        self._finder = Finder(lexicon, self.metrics)
        self._pitch = PitchLoop(ear.pitch, self.live.lines, self.metrics)
        self.register = Register()
        self.node = None if config.redis is None else self._join_fleet(config)
        self._reception = Reception(
            config,
            self.live,
            self._finder,
            self._pitch,
            self.metrics,
            ear.make_line,
            ear.name,
            self.register,
            store or (_store(config) if self.node is None else self.node.snapshots),
            self.keeping,
        )
        if self.node is not None:
            self.node.snapshots.give_up = self._reception.give_up
        self.leaving = asyncio.Event()
        """An operator has this process emptied and ended."""
        self._whip = Whip(config, self._tokens, self._reception)
        self._events = Events(self._whip.events, config.message_bytes)
        self._websockets = WebSockets(config, self._tokens, self._reception)
        self._whep = Whep(config, self._tokens, self._reception, self.metrics)
        sessions = self.register if self.node is None else self.node.watching
        self._monitor = Monitor(config, self._tokens, sessions, self.metrics)
        self._api = Api(Passages(lexicon), config.static)
        self._history = HistoryApi(config, self._tokens, self.keeping, self.metrics)

    def _keep(self, config: Config, url: str, lexicon: Lexicon) -> Keeping:
        # The only way to SQLAlchemy, which takes 0.4 s and 25 MB to import.
        from server.storage.storage import Storage

        storage = Storage(url, self.metrics, keep_days=config.keep_days, words_in=lexicon.word_count)
        return Keeping(config, self._tokens, storage)

    def _join_fleet(self, config: Config) -> "Node":
        try:
            from server.fleet.node import Node
        except ModuleNotFoundError as error:
            raise ConfigError("--redis needs the package redis: pip install 'talaqqi[redis]'") from error
        return Node(config, self.live, self.register, self.metrics, lambda: self.ready)

    def application(self) -> web.Application:
        """The web application; its start starts the encoder loop and the sessions, its end ends them."""
        bad_requests.install()
        app = web.Application(middlewares=[report], client_max_size=self.config.offer_bytes)
        if self.node is not None:
            from server.fleet.gate import Gate

            gate = Gate(self._tokens, self.node, self.metrics, self.leaving.set)
            app.middlewares.append(gate.place)
            app.add_routes(gate.routes())
        parts = self._whip, self._events, self._whep, self._websockets, self._monitor, self._api, self._history
        for part in parts:
            app.add_routes(part.routes())
        app.add_routes(
            [
                web.get("/", self._page),
                web.get("/teacher", self._teacher_page),
                web.get("/static/{path:.+}", self._static),
                web.get("/healthz", self._health),
                web.get("/readyz", self._readiness),
                web.get("/metrics", self._metrics_text),
                web.options("/api/{any:.*}", self._whip.options),
            ]
        )
        app.on_response_prepare.append(self._add_headers)
        app.on_shutdown.append(self._whip.close)
        app.on_shutdown.append(self._websockets.close)
        app.on_shutdown.append(self._monitor.close)
        app.cleanup_ctx.append(self._running)
        return app

    async def drain(self) -> None:
        """Have the sessions go on elsewhere, where there is an elsewhere."""
        if self.node is not None:
            from server.fleet.drain import Drain

            await Drain(self.node, self.live, self._reception, self.config.drain_s).run()

    async def _running(self, app: web.Application) -> AsyncIterator[None]:
        storage = None if self.keeping is None else self.keeping.storage
        if storage is not None:
            await storage.open()
        if self._keys is not None:
            await self._keys.refresh()
        await asyncio.to_thread(self._warm_up)
        # What was loaded stays: without this a full collection stops all sessions for 65 ms.
        gc.collect()
        gc.freeze()
        async with asyncio.TaskGroup() as tasks:
            # They end in reverse: what the last sessions leave is written after them.
            runs = [loop.run() for loop in self._loops()]
            if storage is not None:
                runs.insert(0, storage.run())
            if self._keys is not None:
                runs.insert(0, self._keys.run())
            if self.node is not None:
                runs.insert(0, self.node.run())
            loops = [tasks.create_task(run) for run in runs]
            self.ready = True
            yield
            self.ready = False
            for loop in reversed(loops):
                loop.cancel()
                await asyncio.wait([loop])
        self._finder.close()
        if storage is not None:
            await storage.close()

    def _loops(self) -> tuple[Loop, ...]:
        """What runs for as long as the server does; the last ends first."""
        return self._pitch, self.live, self._reception.keeper, self._reception, self._whep

    def _warm_up(self) -> None:
        """The first steps of an engine take ten times as long."""
        silence = np.zeros(self._ear.intake.shape, np.float32)
        slots = [self._ear.encoder.join() for _ in range(min(2, self.config.capacity))]
        for n in range(WARM_UP_STEPS):
            self._ear.encoder.step([(slot, silence) for slot in slots[: n % 2 + 1]])
        for slot in slots:
            self._ear.encoder.leave(slot)

    async def _page(self, request: web.Request) -> web.StreamResponse:
        response = _file(request, self.config.static / "index.html")
        if self.keeping is not None:
            self.keeping.name_browser(request, response)
        return response

    async def _teacher_page(self, request: web.Request) -> web.StreamResponse:
        page = self.config.static / "teacher.html"
        if not page.is_file():
            raise problem(web.HTTPNotFound, "this server's page has none for teachers")
        return _file(request, page)

    async def _static(self, request: web.Request) -> web.StreamResponse:
        root = self.config.static.resolve()
        path = (root / request.match_info["path"]).resolve()
        if not path.is_relative_to(root) or path.suffix not in CONTENT_TYPES or not path.is_file():
            raise problem(web.HTTPNotFound, "there is no such file")
        return _file(request, path)

    async def _health(self, request: web.Request) -> web.Response:
        """The process lives."""
        return web.json_response({"status": "ok"})

    async def _readiness(self, request: web.Request) -> web.Response:
        """The server takes sessions; not when it starts, ends or is full."""
        if not self.ready:
            raise problem(web.HTTPServiceUnavailable, "starting or ending", retry_after_s=1)
        if (why := self.live.refusal()) is not None:
            raise problem(web.HTTPServiceUnavailable, str(why), retry_after_s=why.retry_after_s)
        return web.json_response({"status": "ready"})

    async def _metrics_text(self, request: web.Request) -> web.Response:
        self.live.busy()
        self.live.count_waiting()
        return web.Response(body=self.metrics.text().encode(), headers={"Content-Type": CONTENT_TYPE})

    async def _add_headers(self, request: web.Request, response: web.StreamResponse) -> None:
        response.headers.update(HEADERS)
        if self.node is not None and self.node.url:
            # A session's address is that of its node, wherever its page came from.
            response.headers["Content-Security-Policy"] += "".join(f" {url}" for url in self.node.urls)
        origin = request.headers.get("Origin")
        if origin is None:
            return
        allowed = self.config.origins
        if "*" in allowed or origin in allowed:
            response.headers["Access-Control-Allow-Origin"] = "*" if "*" in allowed else origin
            response.headers.add("Vary", "Origin")
            response.headers.update(CORS_HEADERS)


def _file(request: web.Request, path: Path) -> web.FileResponse:
    kind = CONTENT_TYPES[path.suffix]
    if kind.startswith("text/"):
        kind += "; charset=utf-8"
    # Changed files are seen at once, unchanged ones cost a 304.
    headers = {"Content-Type": kind, "Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
    response = web.FileResponse(path, headers=headers)
    # aiohttp 3.14 ends a compressed 304 with the empty body compressed, which spoils the next answer on the connection.
    if kind.startswith("text/") and not {"If-None-Match", "If-Modified-Since"} & request.headers.keys():
        response.enable_compression()  # To a third, in under a millisecond each.
    return response


def tls_of(config: Config) -> ssl.SSLContext | None:
    """TLS 1.2 or later with the files of `config`; None where it names none. Raises ConfigError."""
    if config.tls_certificate is None or config.tls_key is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(config.tls_certificate, config.tls_key)
    except (OSError, ssl.SSLError) as error:
        why = f"{config.tls_certificate} and {config.tls_key}: {error}"
        raise ConfigError(f"no TLS certificate and key in PEM are in {why}") from error
    return context


def _store(config: Config) -> SnapshotStore:
    """Raises ConfigError."""
    if config.snapshots is None:
        return MemorySnapshots()
    try:
        return FileSnapshots(config.snapshots)
    except SnapshotsUnavailable as error:
        raise ConfigError(f"--snapshots: {error}; name a folder that can be written to, or none") from error


async def serve(config: Config, started: Callable[[str], None], stop: asyncio.Event) -> None:
    """Serve until `stop` is set; `started` is told the address once sessions are accepted. Raises OSError when the
    address is taken, ModelError, LexiconError, ConfigError."""
    tls = tls_of(config)
    server = Server(config, default_lexicon(), load_ear(config))
    runner = web.AppRunner(server.application(), access_log=None, handle_signals=False)
    await runner.setup()
    try:
        if config.worker_socket is not None:
            await web.UnixSite(runner, config.worker_socket, backlog=128).start()
        else:
            await web.TCPSite(runner, config.host, config.port, backlog=128, ssl_context=tls).start()
            host, port = runner.addresses[0][:2]
            started(f"http{'s' if tls else ''}://{f'[{host}]' if ':' in host else host}:{port}/")
        waits = [asyncio.ensure_future(event.wait()) for event in (stop, server.leaving)]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        await server.drain()
    finally:
        await runner.cleanup()
