"""STUN and TURN servers: how an operator names them, and how clients and the server's own connections are told.

A TURN server's password is either its own, known to whoever can open a session, or made for each who asks from a secret
shared with the TURN server, and good for a while only (draft-uberti-behave-turn-rest; coturn's `use-auth-secret`).
"""

import base64
import hmac
import re
from dataclasses import dataclass, field
from pathlib import Path

from aiortc import RTCIceServer

from server.config import ConfigError, read_secret_file

LIFE_S = 12 * 3600
"""Of a password made from the secret. A page asks once and may recite hours later; coturn asks for it again when an
allocation is refreshed."""

SECRET_CHARS = 16
"""A TURN secret shorter than this can be guessed from one password made of it."""

_URL = re.compile(r"(stuns?|turns?):[\w.\-\[\]:]+(\?transport=(udp|tcp))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class IceServer:
    """A STUN or TURN server (RFC 7064, RFC 7065)."""

    url: str
    username: str = ""
    credential: str = field(default="", repr=False)
    secret: str = field(default="", repr=False)
    """Shared with the TURN server; username and credential are made of it."""

    @classmethod
    def parse(cls, text: str, secret: str | None = None) -> "IceServer":
        """From `stun:HOST`, `turn:HOST USERNAME PASSWORD`, or `turn:HOST` where there is a secret. Raises
        ConfigError."""
        url, *login = text.split() or [""]
        if not _URL.fullmatch(url):
            raise ConfigError(f"{url!r} is no ICE server; write stun:HOST or 'turn:HOST:PORT USER PASSWORD'")
        if not text.isascii() or not text.isprintable():
            raise ConfigError(f"{url}: only printable ASCII can be told to clients")
        if not url.startswith("turn"):
            if login:
                raise ConfigError(f"{url}: a STUN server needs neither username nor password")
            return cls(url)
        if not login and secret is not None:
            return cls(url, secret=secret)
        if len(login) != 2:
            raise ConfigError(
                f"{url}: a TURN server needs a username and a password after it, or the secret that it shares: "
                "--turn-secret-file"
            )
        return cls(url, *login)

    def login(self, now: float) -> tuple[str, str]:
        """Username and password for who asks at Unix time `now`; empty for a STUN server."""
        if not self.secret:
            return self.username, self.credential
        username = f"{int(now) + LIFE_S}:talaqqi"
        digest = hmac.digest(self.secret.encode(), username.encode(), "sha1")
        return username, base64.b64encode(digest).decode()

    def link(self, now: float) -> str:
        """As the value of a Link header (RFC 9725 4.6)."""
        username, credential = self.login(now)
        if not username:
            return f'<{self.url}>; rel="ice-server"'
        login = f"username={_quoted(username)}; credential={_quoted(credential)}"
        return f'<{self.url}>; rel="ice-server"; {login}; credential-type="password"'

    def of_ours(self, now: float) -> RTCIceServer:
        """For a connection of the server's own."""
        username, credential = self.login(now)
        return RTCIceServer(self.url, username or None, credential or None)


def read_turn_secret(path: Path) -> str:
    """The secret of a file, without the spaces around it. Raises ConfigError."""
    return read_secret_file(path, "TURN secret", SECRET_CHARS)


def _quoted(text: str) -> str:
    """A quoted string (RFC 9110 5.6.4)."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
