"""Public keys of an operator's own system, by which tokens that it signs are checked (RFC 7517): of a file or a URL.

The keys are fetched when the server starts and every five minutes, and sooner when a token names a key that is not
known: systems change their keys without a word. What is fetched replaces all keys at once; when fetching fails the old
ones stay. A token never waits for it.
"""

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from server.config import ConfigError, is_loopback
from server.roles import BadToken, Expected, Holder, read_with

logger = logging.getLogger(__name__)

ALGORITHMS = frozenset({"RS256", "ES256", "EdDSA"})
"""What is taken; which one a token must use follows from its key, not from the token (RFC 8725 3.1)."""

RSA_BITS = 2048
MOST_KEYS = 32
MOST_BYTES = 262_144

REFRESH_S = 300.0
SOONEST_S = 10.0
"""Tokens with unknown keys have them fetched no oftener: anybody can make up a name."""
FETCH_DEADLINE_S = 10.0


class BadKeys(Exception):
    """What was fetched holds no key that could be used."""


def read_keys(text: bytes) -> Mapping[str, jwt.PyJWK]:
    """The keys of a JSON Web Key Set by their ids, those that cannot be used left out. Raises BadKeys."""
    try:
        listed = msgspec.json.decode(text, type=dict[str, object]).get("keys")
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadKeys(f"no JSON Web Key Set: {error}") from error
    if not isinstance(listed, list):
        raise BadKeys("no JSON Web Key Set: it has no list of keys")
    keys = {}
    for entry in listed[:MOST_KEYS]:
        if not isinstance(entry, dict) or not isinstance(entry.get("kid", ""), str) or entry.get("use", "sig") != "sig":
            continue
        try:
            key = jwt.PyJWK(entry)
        except (jwt.PyJWTError, ValueError, TypeError, AttributeError):
            continue
        short = isinstance(key.key, RSAPublicKey) and key.key.key_size < RSA_BITS
        if key.algorithm_name in ALGORITHMS and not short:
            keys[entry.get("kid", "")] = key
    if not keys:
        raise BadKeys(
            f"no key to check signatures with: {', '.join(sorted(ALGORITHMS))} are taken, {RSA_BITS} bits of RSA"
        )
    return keys


class KeySet:
    """The keys of one source. `run` keeps them fresh."""

    def __init__(self, source: str, expected: Expected) -> None:
        """`source`: an https URL, http on this machine, or a file, which is read at once. Raises ConfigError."""
        self._source = source
        self._expected = expected
        self._keys: Mapping[str, jwt.PyJWK] = {}
        self._wanted = asyncio.Event()
        if not _is_url(source):
            try:
                self._keys = read_keys(Path(source).read_bytes())
            except (OSError, BadKeys) as error:
                raise ConfigError(f"cannot take the keys of {source}: {error}") from error

    def read(self, token: str) -> Holder:
        """Who holds a token. Raises BadToken."""
        try:
            kid = jwt.get_unverified_header(token).get("kid", "")
        except jwt.InvalidTokenError as error:
            raise BadToken("this token is not known here") from error
        key = self._keys.get(kid)
        if key is None and not kid and len(self._keys) == 1:
            key = next(iter(self._keys.values()))
        if key is None:
            self._wanted.set()
            raise BadToken("the key of this token is not known here (yet)")
        return read_with(token, key.key, key.algorithm_name, self._expected)

    async def run(self) -> None:
        """Keep the keys fresh until cancelled. They were fetched just now."""
        while True:
            await asyncio.sleep(SOONEST_S)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(REFRESH_S - SOONEST_S):
                    await self._wanted.wait()
            self._wanted.clear()
            await self.refresh()

    async def refresh(self) -> bool:
        """Fetch the keys; False, and the old ones stay, when that fails."""
        try:
            async with asyncio.timeout(FETCH_DEADLINE_S):
                self._keys = read_keys(await self._fetch())
        except (OSError, TimeoutError, aiohttp.ClientError, BadKeys) as error:
            logger.warning("the keys of the token issuer could not be fetched: %s", type(error).__name__)
            return False
        return True

    async def _fetch(self) -> bytes:
        """Raises OSError, aiohttp.ClientError."""
        if not _is_url(self._source):
            return await asyncio.to_thread(Path(self._source).read_bytes)
        # No redirects: the operator said where the keys are.
        async with (
            aiohttp.ClientSession() as http,
            http.get(self._source, allow_redirects=False, raise_for_status=True) as response,
        ):
            return await response.content.read(MOST_BYTES)


def check_source(source: str) -> None:
    """Raises ConfigError for a URL that anybody on the way could change the keys of."""
    url = urlsplit(source)
    if not _is_url(source):
        return
    if url.scheme == "https" or (url.scheme == "http" and is_loopback(url.hostname or "")):
        return
    raise ConfigError(f"keys are fetched over https, or http on this machine, not from {source}")


def _is_url(source: str) -> bool:
    return "://" in source
