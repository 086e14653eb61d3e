"""Tokens that an operator's own system signs: keys from a file or a URL, and what is not believed."""

import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import jwt
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from toy_ear import StartServer

from server.auth import Refused, Tokens
from server.config import Config, ConfigError
from server.key_set import BadKeys, KeySet, check_source, read_keys
from server.roles import BadToken, Expected, Role, mint

EXPECTED = Expected("https://id.example.org", "talaqqi")
RSA = rsa.generate_private_key(65537, 2048)
EC = ec.generate_private_key(ec.SECP256R1())
ED = ed25519.Ed25519PrivateKey.generate()
SECRET = "s" * 32


def jwk(private: Any, kid: str, **more: str) -> dict[str, Any]:
    kinds = {rsa.RSAPrivateKey: RSAAlgorithm, ec.EllipticCurvePrivateKey: ECAlgorithm}
    algorithm = next((a for kind, a in kinds.items() if isinstance(private, kind)), OKPAlgorithm)
    return {**json.loads(algorithm.to_jwk(private.public_key())), "kid": kid, **more}  # type: ignore[attr-defined]


def key_set(*keys: dict[str, Any]) -> bytes:
    return json.dumps({"keys": keys}).encode()


def token(private: Any, algorithm: str, kid: str | None, **changed: Any) -> str:
    claims = {
        "sub": "u1",
        "role": "teacher",
        "class": ["boys"],
        "iss": EXPECTED.issuer,
        "aud": ["talaqqi", "other"],
        "exp": time.time() + 60,
        **changed,
    }
    kept = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(kept, private, algorithm, headers={} if kid is None else {"kid": kid})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "jwks.json"
    path.write_bytes(key_set(jwk(RSA, "r"), jwk(EC, "e"), jwk(ED, "d")))
    return path


@pytest.mark.parametrize(("private", "algorithm", "kid"), [(RSA, "RS256", "r"), (EC, "ES256", "e"), (ED, "EdDSA", "d")])
async def test_the_three_algorithms(file: Path, private: Any, algorithm: str, kid: str) -> None:
    holder = KeySet(str(file), EXPECTED).read(token(private, algorithm, kid))
    assert (holder.sub, holder.role, holder.classes) == ("u1", Role.TEACHER, {"boys"})
    assert holder.may_watch("boys") and not holder.may_watch("girls")


@pytest.mark.parametrize(
    "bad",
    [
        token(RSA, "RS256", "r", iss="https://evil.example.org"),
        token(RSA, "RS256", "r", iss=None),
        token(RSA, "RS256", "r", aud="other"),
        token(RSA, "RS256", "r", aud=None),
        token(RSA, "RS256", "r", exp=time.time() - 3600),
        token(RSA, "RS256", "r", exp=None),
        token(RSA, "RS256", "r", role="king"),
        token(RSA, "RS512", "r"),
        token(RSA, "PS256", "r"),
        token(EC, "ES256", "r"),
        token(EC, "ES256", "unknown"),
        token(EC, "ES256", None),
        token(ec.generate_private_key(ec.SECP256R1()), "ES256", "e"),
        token(jwk(RSA, "r")["n"], "HS256", "r"),
        token("", "none", "r"),
        "a.b.c",
        "",
    ],
)
async def test_what_is_not_believed(file: Path, bad: str) -> None:
    with pytest.raises(BadToken):
        KeySet(str(file), EXPECTED).read(bad)


async def test_a_single_key_needs_no_name(tmp_path: Path) -> None:
    file = tmp_path / "jwks.json"
    file.write_bytes(key_set(jwk(EC, "only")))
    assert KeySet(str(file), EXPECTED).read(token(EC, "ES256", None)).sub == "u1"


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"{}",
        b'{"keys": 1}',
        b'{"keys": [1, {}, {"kty": "RSA"}]}',
        key_set({"kty": "oct", "k": "c2VjcmV0"}),
        key_set(jwk(RSA, "r", use="enc")),
        key_set(jwk(rsa.generate_private_key(65537, 1024), "short")),
    ],
)
def test_what_is_no_key_set(text: bytes) -> None:
    with pytest.raises(BadKeys):
        read_keys(text)


async def test_secret_and_keys_side_by_side(file: Path) -> None:
    tokens = Tokens([], required=True, life_s=60, clock=time.monotonic, secret=SECRET, keys=KeySet(str(file), EXPECTED))
    minted = mint(SECRET, Role.PROBE, sub="p", now=time.time(), life_s=60)
    assert tokens.holder(f"Bearer {minted}").role is Role.PROBE
    assert tokens.holder(f"Bearer {token(EC, 'ES256', 'e')}").role is Role.TEACHER
    with pytest.raises(Refused):
        tokens.holder(f"Bearer {token('z' * 32, 'HS256', 'e')}")
    with pytest.raises(Refused):
        tokens.holder("Bearer garbage")


async def test_the_secret_too_expects_issuer_and_audience() -> None:
    tokens = Tokens([], required=True, life_s=60, clock=time.monotonic, secret=SECRET, expected=EXPECTED)
    assert tokens.holder(f"Bearer {token(SECRET, 'HS256', None)}").sub == "u1"
    with pytest.raises(Refused, match="another system"):
        tokens.holder(f"Bearer {token(SECRET, 'HS256', None, aud='other')}")


class Provider:
    """An identity provider's key endpoint."""

    def __init__(self) -> None:
        self.body = key_set(jwk(EC, "old"))
        self.status = 200
        self.asked = 0

    async def keys(self, request: web.Request) -> web.Response:
        self.asked += 1
        return web.Response(body=self.body, status=self.status, headers={"Location": "/elsewhere"})


@pytest.fixture
async def provider() -> AsyncIterator[tuple[Provider, str]]:
    made = Provider()
    app = web.Application()
    app.router.add_get("/jwks", made.keys)
    server = TestServer(app)
    await server.start_server()
    yield made, str(server.make_url("/jwks"))
    await server.close()


async def test_keys_are_replaced_and_kept_when_the_provider_fails(provider: tuple[Provider, str]) -> None:
    made, url = provider
    keys = KeySet(url, EXPECTED)
    with pytest.raises(BadToken, match="not known here"):
        keys.read(token(EC, "ES256", "old"))
    assert await keys.refresh() and keys.read(token(EC, "ES256", "old")).sub == "u1"
    for made.status, made.body in ((500, b""), (302, b""), (200, b"<html>"), (200, key_set())):
        assert not await keys.refresh()
        assert keys.read(token(EC, "ES256", "old")).sub == "u1"
    made.status, made.body = 200, key_set(jwk(ED, "new"))
    assert await keys.refresh() and keys.read(token(ED, "EdDSA", "new")).sub == "u1"
    with pytest.raises(BadToken):
        keys.read(token(EC, "ES256", "old"))


async def test_a_server_takes_tokens_of_the_provider(
    start_server: StartServer, provider: tuple[Provider, str], http: aiohttp.ClientSession
) -> None:
    made, url = provider
    running = await start_server(jwks=url, token_issuer=EXPECTED.issuer, token_audience=EXPECTED.audience)
    async with http.get(f"{running.url}api/me") as response:
        assert response.status == 401
    headers = {"Authorization": f"Bearer {token(EC, 'ES256', 'old', role='student', name='Bilal')}"}
    async with http.get(f"{running.url}api/me", headers=headers) as response:
        told = await response.json()
        assert (told["role"], told["name"], told["classes"]) == ("student", "Bilal", ["boys"])
    assert made.asked == 1


def test_settings_that_would_let_others_in() -> None:
    with pytest.raises(ConfigError, match="--token-issuer"):
        Config(jwks="https://id.example.org/jwks", token_audience="talaqqi")
    for source in ("http://id.example.org/jwks", "ftp://localhost/x"):
        with pytest.raises(ConfigError, match="https"):
            check_source(source)
    for source in ("https://id.example.org/jwks", "http://127.0.0.1:9/jwks", "keys.json"):
        check_source(source)


async def test_a_file_without_keys_ends_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot take the keys"):
        KeySet(str(tmp_path / "none.json"), EXPECTED)
