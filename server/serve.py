"""`talaqqi serve`: settings from the command line, and the server's start and end."""

import argparse
import asyncio
import os
import secrets
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import get_args

from recitation.acoustics.engines import add_engine_arguments
from server.app import serve
from server.config import STATIC, Config, ConfigError, read_tokens
from server.ice import IceServer, read_turn_secret
from server.key_set import check_source
from server.logs import Format, set_up
from server.roles import read_secret
from server.snapshots import FileSnapshots, SnapshotsUnavailable
from server.storage.place import add_place_arguments, data_directory, database_url

KEEP_DAYS = 365

NO_SNAPSHOTS = "none"


def _snapshots(named: str | None) -> Path | None:
    """The folder of the snapshots; where none was named and the usual one cannot be used, none outlive the process."""
    if named is not None:
        return None if named == NO_SNAPSHOTS else Path(named)
    folder = data_directory() / "snapshots"
    try:
        FileSnapshots(folder)
    except SnapshotsUnavailable as error:
        print(f"talaqqi: no session will outlive this process: {error}", file=sys.stderr)
        return None
    return folder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `talaqqi serve`."""
    default = Config.__dataclass_fields__
    where = parser.add_argument_group("where")
    where.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
    where.add_argument("--port", type=int, default=8080, help="port to listen on, 0 for any (8080)")
    where.add_argument("--public-ip", metavar="IP", help="address that 1:1 NAT maps to this machine")
    where.add_argument(
        "--ice-server",
        action="append",
        default=[],
        metavar="SERVER",
        help="STUN or TURN server for clients, stun:HOST or 'turn:HOST:PORT USER PASSWORD'; repeat for more",
    )
    where.add_argument(
        "--turn-secret-file",
        type=Path,
        metavar="FILE",
        help="secret shared with the TURN servers that are named without user and password",
    )
    where.add_argument("--relayed", action="store_true", help="clients cannot reach this server: it uses a relay too")
    where.add_argument("--proxied", action="store_true", help="a proxy in front names clients in X-Forwarded-For")
    where.add_argument("--tls-certificate", type=Path, metavar="FILE", help="speak https with this chain (PEM)")
    where.add_argument("--tls-key", type=Path, metavar="FILE", help="and this key (PEM)")
    where.add_argument(
        "--trusted-proxy",
        action="append",
        metavar="NET",
        help="the proxy's address or network: X-Forwarded-For of others is not believed; repeat for more",
    )
    where.add_argument(
        "--origin", action="append", metavar="URL", help="site whose pages may call the API; repeat for more (any)"
    )
    who = parser.add_argument_group("who may recite (all, when listening on this machine only)")
    who.add_argument("--token", action="append", metavar="TOKEN", help="a bearer token; repeat for more")
    who.add_argument("--token-file", type=Path, metavar="FILE", help="bearer tokens, one a line")
    who.add_argument(
        "--secret-file",
        type=Path,
        metavar="FILE",
        help="secret that tokens with a role are signed with (talaqqi token)",
    )
    who.add_argument(
        "--jwks", metavar="URL", help="keys of your own system that signs tokens with a role: an https URL or a file"
    )
    who.add_argument("--token-issuer", default="", metavar="ISS", help="who tokens with a role must be made by (iss)")
    who.add_argument("--token-audience", default="", metavar="AUD", help="what they must be made for (aud)")
    who.add_argument("--open", action="store_true", help="ask for no token, whoever can reach the server")
    who.add_argument(
        "--posts-per-minute",
        type=int,
        default=default["posts_per_minute"].default,
        metavar="N",
        help="sessions and tokens one address may ask for, 0 for no limit (60)",
    )
    kept = parser.add_argument_group("what is kept (verdicts, never sound; docs/privacy.md)")
    add_place_arguments(kept)
    kept.add_argument(
        "--keep-days",
        type=int,
        default=KEEP_DAYS,
        metavar="N",
        help=f"delete sessions when they are so old, 0 for never ({KEEP_DAYS})",
    )
    how = parser.add_argument_group("how")
    how.add_argument("--capacity", type=int, default=default["capacity"].default, help="sessions at once (16)")
    how.add_argument("--lookahead-ms", type=int, default=0, choices=(0, 80, 240), help="look-ahead of the model (0)")
    how.add_argument("--static", type=Path, default=STATIC, metavar="DIR", help="files of the page")
    how.add_argument("--log-format", choices=get_args(Format), default="text", help="of the log: text or json (text)")
    how.add_argument(
        "--resume-seconds",
        type=float,
        default=default["resume_s"].default,
        metavar="S",
        help="keep a session whose client is away, 0: not at all (60)",
    )
    how.add_argument(
        "--snapshots",
        metavar="DIR",
        help="folder of what sessions go on from when the process has died, or none (~/.local/share/talaqqi/snapshots)",
    )
    how.add_argument("--verbose", action="store_true", help="log sessions to standard error")
    fleet = parser.add_argument_group("more than one process (needs the extra 'redis')")
    fleet.add_argument("--workers", type=int, default=1, metavar="N", help="processes behind this address (1)")
    fleet.add_argument(
        "--redis",
        default=os.environ.get("TALAQQI_REDIS"),
        metavar="URL",
        help="where server processes find each other, redis://:PASSWORD@HOST (TALAQQI_REDIS)",
    )
    fleet.add_argument(
        "--node-url", default="", metavar="URL", help="where clients reach this very machine, https://n1.example.org"
    )
    fleet.add_argument("--worker-socket", type=Path, help=argparse.SUPPRESS)
    add_engine_arguments(parser)


def config_of(arguments: argparse.Namespace) -> Config:
    """The settings the options make. Raises ConfigError."""
    tokens = frozenset(arguments.token or ())
    if arguments.token_file is not None:
        tokens |= read_tokens(arguments.token_file)
    turn_secret = None if arguments.turn_secret_file is None else read_turn_secret(arguments.turn_secret_file)
    return Config(
        host=arguments.host,
        port=arguments.port,
        capacity=arguments.capacity,
        tokens=tokens,
        secret=None if arguments.secret_file is None else read_secret(arguments.secret_file),
        tls_certificate=arguments.tls_certificate,
        tls_key=arguments.tls_key,
        jwks=arguments.jwks,
        token_issuer=arguments.token_issuer,
        token_audience=arguments.token_audience,
        open_to_all=arguments.open,
        public_ip=arguments.public_ip,
        ice_servers=tuple(IceServer.parse(text, turn_secret) for text in arguments.ice_server),
        relayed=arguments.relayed,
        proxied=arguments.proxied or bool(arguments.trusted_proxy) or arguments.worker_socket is not None,
        # A worker's front has made out who asks.
        trusted_proxies=frozenset(arguments.trusted_proxy or () if arguments.worker_socket is None else ()),
        worker_socket=arguments.worker_socket,
        posts_per_minute=arguments.posts_per_minute,
        origins=frozenset(arguments.origin or ("*",)),
        static=arguments.static,
        resume_s=arguments.resume_seconds,
        snapshots=_snapshots(arguments.snapshots),
        engine=arguments.engine,
        lookahead_ms=arguments.lookahead_ms,
        model=arguments.model,
        device=arguments.device,
        memory_limit_mb=arguments.memory_limit_mb,
        database=database_url(arguments.database, arguments.data),
        keep_days=arguments.keep_days or None,
        redis=arguments.redis,
        node_url=arguments.node_url,
    )


def run(arguments: argparse.Namespace) -> int:
    """Serve until interrupted or terminated."""
    set_up(arguments.log_format, verbose=arguments.verbose)
    config = config_of(arguments)
    if config.jwks is not None:
        check_source(config.jwks)
    query = ""
    if arguments.workers < 1:
        raise ConfigError(f"--workers {arguments.workers}: at least one process is needed")
    if arguments.workers > 1 and config.worker_socket is None:
        return _run_workers(config, arguments.workers)
    if config.needs_token and not config.has_tokens:
        token = secrets.token_urlsafe(18)
        config = replace(config, tokens=frozenset({token}))
        query = f"?token={token}"
        print(
            f"talaqqi: {config.host} can be reached from elsewhere, so a token is needed; this one is for this run",
            file=sys.stderr,
        )
    asyncio.run(_serve(config, query))
    return 0


def _run_workers(config: Config, count: int) -> int:
    try:
        from server.fleet.workers import check, serve_with_workers
    except ModuleNotFoundError as error:
        raise ConfigError("--workers needs the package redis: pip install 'talaqqi[redis]'") from error

    check(config)
    arguments = sys.argv[sys.argv.index("serve") + 1 :]

    async def serve_all() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await serve_with_workers(config, count, arguments, _say_where, stop)

    try:
        asyncio.run(serve_all())
    except* ConfigError as errors:
        raise errors.exceptions[0] from None
    return 0


def _say_where(url: str) -> None:
    print(f"Talaqqi serves at {url}", flush=True)


async def _serve(config: Config, query: str) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    if config.worker_socket is not None:
        loop.add_signal_handler(signal.SIGINT, lambda: None)  # The terminal's goes to all; the front ends its workers.
        loop.add_reader(sys.stdin, stop.set)  # The front is gone.
    await serve(config, lambda url: _say_where(url + query), stop)
