"""A running server with a toy ear: real HTTP, real WebRTC, verdicts that need no model."""

import secrets
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import aiohttp
import numpy as np
import pytest
from aiohttp.test_utils import TestServer
from databases import postgresql
from redis_process import RedisProcess, running_redis
from toy_ear import Running, StartServer, toy_ear

from recitation.lexicon import default_lexicon
from server.app import Ear, Server
from server.config import Config
from server.reciter import Recording, encode_recording


@pytest.fixture
async def start_server() -> AsyncIterator[StartServer]:
    """Start servers with settings; they are stopped after the test."""
    started: list[TestServer] = []

    async def start(ear: Ear | None = None, **settings: object) -> Running:
        config = replace(Config(), **settings)  # type: ignore[arg-type]
        ear = ear or toy_ear(config.capacity)
        server = Server(config, default_lexicon(), ear)
        test_server = TestServer(server.application(), port=settings.get("port"), access_log=None)  # type: ignore[arg-type]
        await test_server.start_server()
        started.append(test_server)
        return Running(str(test_server.make_url("/")), server, ear.encoder, test_server.close)  # type: ignore[arg-type]

    yield start
    for test_server in started:
        await test_server.close()


@pytest.fixture
async def redis(tmp_path: Path) -> AsyncIterator[RedisProcess]:
    """A Redis of this test's own."""
    async with running_redis(tmp_path) as server:
        yield server


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture(scope="session")
def tone() -> Recording:
    """Two seconds of a tone, then 0.4 s of silence."""
    t = np.arange(2 * 16_000) / 16_000
    return encode_recording((0.3 * np.sin(2 * np.pi * 440 * t)).astype(np.float32), 0.4)


@pytest.fixture(scope="session")
def postgres_socket() -> Iterator[Path]:
    """The folder of a PostgreSQL server's socket."""
    with postgresql() as folder:
        yield folder


@pytest.fixture
async def postgres_url(postgres_socket: Path) -> str:
    """A new, empty database."""
    asyncpg = pytest.importorskip("asyncpg", reason="needs the extra postgres")
    name = f"t{secrets.token_hex(6)}"
    connection = await asyncpg.connect(host=str(postgres_socket), user="talaqqi", database="postgres")
    try:
        await connection.execute(f"CREATE DATABASE {name}")
    finally:
        await connection.close()
    return f"postgresql://talaqqi@/{name}?host={postgres_socket}"


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """A file that is not there yet."""
    return f"sqlite:///{tmp_path / 'kept' / 'talaqqi.sqlite3'}"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """A new database of either kind."""
    url: str = request.getfixturevalue(f"{'sqlite' if request.param == 'sqlite' else 'postgres'}_url")
    return url
