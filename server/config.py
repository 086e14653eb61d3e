"""What a server is told at its start. Times in seconds unless the name says otherwise."""

import ipaddress
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from server.ice import IceServer

_HERE = Path(__file__).resolve().parent
STATIC = _HERE / "static" if (_HERE / "static").is_dir() else _HERE.parent / "static"
"""The page: inside this package in a wheel, beside it in a checkout (pyproject.toml, `package-dir`)."""


class ConfigError(ValueError):
    """A setting makes no sense; the message is one line saying which and what would be right."""


_NODE_URL = re.compile(r"https?://[\w.\-\[\]:]+/?", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Settings of one server process. Raises ConfigError for ones that cannot work."""

    host: str = "127.0.0.1"
    port: int = 8080
    """0 takes any free port."""
    capacity: int = 16
    """Sessions at once; the next is refused with 503."""
    tokens: frozenset[str] = frozenset()
    """Bearer tokens, each good for any number of sessions. None and a loopback `host`: open to all."""
    secret: str | None = None
    """Tokens with a role are signed with it."""
    jwks: str | None = None
    """URL or file of the keys that tokens with a role are signed with."""
    token_issuer: str = ""
    token_audience: str = ""
    """What tokens with a role must say in `iss` and `aud`; empty: anything."""
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    """PEM files; https is spoken with them, no proxy needed."""
    open_to_all: bool = False
    """No token wanted, whatever `host` is."""
    public_ip: str | None = None
    """Address that the network maps one to one to this machine's; replaces private ones in answers."""
    origins: frozenset[str] = frozenset({"*"})
    """Origins of other sites' pages that may call the API (CORS)."""
    static: Path = STATIC

    engine: str = "onnx"
    lookahead_ms: int = 0
    model: Path | None = None
    """Acoustic model in place of the bundled one."""
    device: str | None = None
    """Where an engine on PyTorch runs."""
    memory_limit_mb: float | None = None
    """Most that the engine torch may take."""

    connect_deadline_s: float = 10.0
    """From the answer until the connection stands. aioice itself waits for ever (aioice 0.11)."""
    audio_notice_s: float = 5.0
    """Without audio: the client is told."""
    audio_close_s: float = 30.0
    """Without audio: the session ends."""
    ping_timeout_s: float = 5.0
    """A client that pings and sends audio, and then does neither for so long, is gone. ICE needs 30 s for that."""
    resume_s: float = 60.0
    """A session whose client is away is kept for so long after the last that came of it. 0: not at all."""
    snapshots: Path | None = None
    """Folder of the snapshots from which sessions go on when the process has died; None: none outlives it."""
    stuck_s: float = 5.0
    """A client for which so much waits that no more is sent, and that takes none of it for so long, is dropped."""
    close_deadline_s: float = 5.0
    """For a connection to shut down in order."""

    gather_s: float = 0.020
    """Longest wait of a ready session for others to share its encoder step, where there is a crowd."""
    backlog_hops: int = 50
    """Hops of 80 ms that may wait for the encoder; a session beyond that is ended (`overloaded`)."""
    busy_limit: float = 0.8
    """Share of time the encoder may be busy before new sessions are refused."""
    retry_after_s: int = 5
    teachers: int = 32
    """Who may watch at once."""

    proxied: bool = False
    """Requests come through a proxy that names the client last in X-Forwarded-For."""
    trusted_proxies: frozenset[str] = frozenset()
    """Networks of the proxies whose X-Forwarded-For is believed; none: that of whoever connects, where `proxied`."""
    posts_per_minute: int = 60
    """Sessions and tokens that one address may ask for; as many at once. 0 for no limit."""
    ice_servers: tuple["IceServer", ...] = ()
    """STUN and TURN servers that clients are told of."""
    relayed: bool = False
    """The server's own connections use them too: it has no address that clients could send to."""

    database: str | None = None
    """URL of the database; None: nothing is kept."""
    keep_days: int | None = None
    """Sessions are deleted after so many days; None: never."""
    redis: str | None = None
    """URL of the Redis through which nodes find each other; None: this process is all there is."""
    node_url: str = ""
    """Where clients reach this very node; empty: nowhere, it stands behind a front (`server.fleet.front`)."""
    worker_socket: Path | None = None
    """Unix socket on which this process serves, as a worker behind a front, in place of `host` and `port`."""
    drain_s: float = 30.0
    """Sessions have so long to go elsewhere when the server is emptied."""

    offer_bytes: int = 65_536
    message_bytes: int = 16_384
    bad_messages: int = 50
    """Refused control messages after which a session ends."""
    token_life_s: float = field(default=60.0)
    """Of a session token, from its making to its use."""

    def __post_init__(self) -> None:
        if self.posts_per_minute < 0:
            raise ConfigError(f"{self.posts_per_minute} requests a minute; 0 (no limit) or more can be allowed")
        if self.keep_days is not None and self.keep_days < 1:
            raise ConfigError(f"--keep-days {self.keep_days}: 1 day is the least; --database none keeps nothing")
        if self.resume_s < 0:
            raise ConfigError(f"a session cannot be kept for {self.resume_s} s; 0 (not at all) or more can be")
        if self.capacity < 1:
            raise ConfigError(f"capacity is {self.capacity}; at least 1 session is needed")
        if not 0 <= self.port <= 65_535:
            raise ConfigError(f"port {self.port} does not exist; 0 to 65535 do")
        if any(not token or token != token.strip() or not token.isascii() for token in self.tokens):
            raise ConfigError("a token is empty or has spaces around it or letters outside ASCII")
        if self.jwks is not None and not (self.token_issuer and self.token_audience):
            raise ConfigError(
                "--jwks needs --token-issuer and --token-audience: the same keys sign tokens for other services, too"
            )
        if (self.tls_certificate is None) is not (self.tls_key is None):
            raise ConfigError("--tls-certificate and --tls-key go together")
        for network in self.trusted_proxies:
            _check_network(network)
        if self.node_url and (self.redis is None or not _NODE_URL.fullmatch(self.node_url)):
            raise ConfigError(f"--node-url {self.node_url!r}: write https://HOST[:PORT], and --redis with it")
        if self.public_ip is not None:
            _check_ip(self.public_ip)
        if self.relayed and not any(server.url.startswith("turn") for server in self.ice_servers):
            raise ConfigError("--relayed needs a TURN server: name one with --ice-server")
        if not (self.static / "index.html").is_file():
            raise ConfigError(f"{self.static} holds no index.html; name the folder of the page with --static")

    @property
    def loopback(self) -> bool:
        """The server can be reached from this machine only."""
        return is_loopback(self.host)

    @property
    def own_ice_servers(self) -> tuple["IceServer", ...]:
        """Those that the server's own connections use."""
        return self.ice_servers if self.relayed else ()

    @property
    def has_tokens(self) -> bool:
        """There are tokens that would be taken."""
        return bool(self.tokens) or self.secret is not None or self.jwks is not None

    @property
    def needs_token(self) -> bool:
        """A bearer token is asked of every session."""
        return self.has_tokens or not (self.open_to_all or self.loopback)

    @property
    def watched_when_open(self) -> bool:
        """Where no token is asked for, whoever recites at this machine may be watched from it. Through a proxy others
        would watch too."""
        return self.loopback and not self.proxied


def read_tokens(path: Path) -> frozenset[str]:
    """Tokens of a file, one a line; empty lines and lines beginning with # are left out. Raises ConfigError."""
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except OSError as error:
        raise ConfigError(f"cannot read the token file {path}: {(error.strerror or str(error)).lower()}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"the token file {path} is not plain ASCII") from error
    tokens = frozenset(line.strip() for line in lines if line.strip() and not line.startswith("#"))
    if not tokens:
        raise ConfigError(f"the token file {path} holds no token")
    return tokens


def read_secret_file(path: Path, named: str, least_chars: int) -> str:
    """The secret of a file, without the spaces around it. Raises ConfigError."""
    try:
        secret = path.read_text(encoding="ascii").strip()
    except OSError as error:
        raise ConfigError(f"cannot read the {named} file {path}: {(error.strerror or str(error)).lower()}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"the {named} file {path} is not plain ASCII; make one: openssl rand -hex 32") from error
    if len(secret) < least_chars:
        raise ConfigError(
            f"the {named} in {path} has {len(secret)} characters; {least_chars} are needed: openssl rand -hex 32"
        )
    return secret


def is_loopback(host: str) -> bool:
    """A name or address that means the machine itself."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _check_network(text: str) -> None:
    try:
        ipaddress.ip_network(text)
    except ValueError as error:
        raise ConfigError(f"--trusted-proxy {text!r}: write an address or a network, 10.0.0.0/8") from error


def _check_ip(text: str) -> None:
    try:
        ipaddress.ip_address(text)
    except ValueError as error:
        raise ConfigError(f"the public address {text!r} is no IP address") from error
