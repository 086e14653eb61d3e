"""Who may ask for what: bearer tokens (RFC 6750) of three kinds.

* Long-lived tokens, which the server is started with. Their holder is an operator.
* Session tokens, good for one session. A page that is handed a long-lived token hands it to everyone who reads it, so
  the holder of one asks for session tokens (`POST /api/tokens`) and gives each student one; it opens one session,
  within its life, and then belongs to it.
* Tokens with a role (`server.roles`), signed with the server's secret or with a key of the operator's own system
  (`server.key_set`).
"""

import hmac
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from server.key_set import KeySet
from server.roles import ANY, RECITES, BadToken, Expected, Holder, Role, is_of_secret, read

PREFIX = "once."

MOST_TOKENS = 10_000
"""Session tokens remembered at once; more are refused, so that nobody fills the memory."""

OPEN_CLASS = "open"
"""The one class of a server that asks for no token on a machine of its own."""


class Refused(Exception):
    """The request carries no token that would do. `challenge` is the value of WWW-Authenticate (RFC 6750 3)."""

    def __init__(self, text: str, *, missing: bool = False) -> None:
        super().__init__(text)
        self.challenge = 'Bearer realm="talaqqi"'
        if not missing:
            self.challenge += f', error="invalid_token", error_description="{text}"'


class Forbidden(Exception):
    """The token is good, and not for this (RFC 6750 3.1, insufficient_scope)."""


class TooManyTokens(Exception):
    """MOST_TOKENS session tokens are alive."""


@dataclass(slots=True)
class _SessionToken:
    expires: float
    used: bool = False


@dataclass(frozen=True, slots=True)
class Grant:
    """Leave to open one session. `release` it when the session was not opened after all."""

    holder: Holder
    release: Callable[[], None] = field(default=lambda: None, repr=False, compare=False)


class Tokens:
    """The tokens of a server. With none configured and not `required`, every request is granted."""

    def __init__(
        self,
        tokens: Iterable[str],
        *,
        required: bool,
        life_s: float,
        clock: Callable[[], float],
        secret: str | None = None,
        keys: KeySet | None = None,
        expected: Expected = ANY,
        watched: bool = False,
    ) -> None:
        """`secret` and `keys`: tokens with a role are signed with one of them, and those signed with the secret say
        what is `expected`. `watched`: where no token is asked for, those who recite are
        of the class OPEN_CLASS; otherwise nobody can watch them."""
        self.required = required
        self._tokens = tuple(token.encode() for token in tokens)
        self._secret, self._keys, self._expected = secret, keys, expected
        self._life_s = life_s
        self._clock = clock
        self._issued: dict[str, _SessionToken] = {}
        self._everybody = Holder("", Role.OPERATOR, frozenset({OPEN_CLASS} if watched else ()))

    def issue(self) -> str:
        """A new session token. Raises TooManyTokens."""
        self._forget_expired()
        if len(self._issued) >= MOST_TOKENS:
            raise TooManyTokens
        token = PREFIX + secrets.token_urlsafe(24)
        self._issued[token] = _SessionToken(self._clock() + self._life_s)
        return token

    def adopt(self, token: str, life_s: float) -> None:
        """Take over a session token that another node made."""
        self._issued[token] = _SessionToken(self._clock() + life_s)

    def hand_over(self, token: str) -> float | None:
        """Forget a session token, for another node to take over; the seconds it is still good for. None when it is not
        known here, or has been used."""
        issued = self._issued.get(token)
        if issued is None or issued.used:
            return None
        del self._issued[token]
        return issued.expires - self._clock()

    def holder(self, authorization: str | None) -> Holder:
        """Who asks, by the Authorization header; a session token may have been used or be too old to be. Raises
        Refused."""
        token = self._bearer(authorization)
        if token is None:
            return self._everybody
        if self._is_long_lived(token):
            return Holder("", Role.OPERATOR)
        if token.startswith(PREFIX) or (self._secret is None and self._keys is None):
            self._session_token(token)
            return Holder(token, Role.STUDENT)
        try:
            return self._read(token)
        except BadToken as error:
            raise Refused(str(error)) from error

    def grant(self, authorization: str | None) -> Grant:
        """Leave to open a session. A session token is used up. Raises Refused, Forbidden."""
        holder = self.holder(authorization)
        if holder.role not in RECITES:
            raise Forbidden(f"the token of a {holder.role} opens no session")
        if not holder.sub.startswith(PREFIX):
            return Grant(holder)
        issued = self._session_token(holder.sub)
        if issued.used:
            raise Refused("this session token has already been used; ask for a new one")
        if issued.expires < self._clock():
            raise Refused("this session token has expired; ask for a new one")
        issued.used = True

        def release() -> None:
            issued.used = False

        return Grant(holder, release)

    def check(self, authorization: str | None) -> None:
        """Check that a session could be opened with the request's token, which is not used up. Raises Refused,
        Forbidden."""
        grant = self.grant(authorization)
        grant.release()

    def admin(self, authorization: str | None) -> None:
        """Check that the request comes from an operator. Raises Refused, Forbidden."""
        holder = self.holder(authorization)
        if holder.sub.startswith(PREFIX):
            raise Refused("session tokens are made with a long-lived token only")
        if holder.role is not Role.OPERATOR:
            raise Forbidden(f"a {holder.role} makes no session tokens")

    def owns(self, authorization: str | None, holder: Holder) -> None:
        """Check that the request may act on the session that `holder` opened. Raises Refused."""
        token = self._bearer(authorization)
        if (
            token is not None
            and holder.sub.startswith(PREFIX)
            and hmac.compare_digest(token.encode(), holder.sub.encode())
        ):
            # Known by the session, however long ago the token itself was forgotten or the process that issued it ended.
            return
        if not self.holder(authorization).owns(holder):
            raise Refused("this session was opened with another token")

    def _bearer(self, authorization: str | None) -> str | None:
        """The token; None where none is asked for."""
        if not self.required:
            return None
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise Refused("a bearer token is needed: Authorization: Bearer TOKEN", missing=True)
        if not token.isascii():  # RFC 6750 2.1; bytes that are no UTF-8 come as surrogates, which nothing encodes.
            raise Refused("this token is not known here")
        return token.strip()

    def _read(self, token: str) -> Holder:
        """Who holds a token with a role. Raises BadToken."""
        if self._keys is None or (self._secret is not None and is_of_secret(token)):
            return read(token, self._secret or "", self._expected)
        return self._keys.read(token)

    def _is_long_lived(self, token: str) -> bool:
        given = token.encode()
        return any([hmac.compare_digest(given, known) for known in self._tokens])

    def _session_token(self, token: str) -> _SessionToken:
        issued = self._issued.get(token)
        if issued is None:
            raise Refused("this token is not known here")
        return issued

    def _forget_expired(self) -> None:
        """Used tokens are kept until they expire, so that a second use is told apart from a stranger."""
        now = self._clock()
        for token in [token for token, issued in self._issued.items() if issued.expires < now - self._life_s]:
            del self._issued[token]
