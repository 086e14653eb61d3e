"""`talaqqi serve --workers 2`: real processes with the model that ships, one address."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from redis_process import RedisProcess

from server.cli import main
from server.fleet.front import labelled
from server.reciter import Client, Reciter, Recording
from server.socket_reciter import SocketReciter

ROOT = Path(__file__).parent.parent.parent


@asynccontextmanager
async def serving(redis: RedisProcess, *options: str) -> AsyncIterator[tuple[str, asyncio.subprocess.Process]]:
    """A front with two workers: its address, and its process."""
    front = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "server.cli", "serve", "--port", "0", "--workers", "2", "--database", "none", *options,
        stdout=asyncio.subprocess.PIPE, cwd=ROOT, env={**os.environ, "TALAQQI_REDIS": redis.url},
    )  # fmt: skip
    assert front.stdout is not None
    try:
        async with asyncio.timeout(60):
            line = (await front.stdout.readline()).decode()
        found = re.fullmatch(r"Talaqqi serves at (http://127\.0\.0\.1:\d+)/\n", line)
        assert found is not None, line
        yield found[1], front
    finally:
        if front.returncode is None:
            front.terminate()
        async with asyncio.timeout(30):
            await front.wait()


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


async def figure(http: aiohttp.ClientSession, url: str, name: str) -> dict[str, float]:
    """By worker."""
    async with http.get(f"{url}/metrics") as response:
        text = await response.text()
    found = re.findall(rf'^talaqqi_{name}\{{worker="(\d)"(?:,[^}}]*)?\}} (\S+)$', text, re.MULTILINE)
    totals: dict[str, float] = {}
    for worker, value in found:
        totals[worker] = totals.get(worker, 0) + float(value)
    return totals


async def until_nodes(http: aiohttp.ClientSession, url: str, count: int) -> None:
    async with asyncio.timeout(60):
        while (await figure(http, url, "nodes")) != {"0": count, "1": count}:
            await asyncio.sleep(0.1)


async def test_two_workers_behind_one_address(
    redis: RedisProcess, http: aiohttp.ClientSession, tone: Recording
) -> None:
    async with serving(redis) as (url, front):
        await until_nodes(http, url, 2)
        reciters: list[Client] = [make(http, url, "112", tone) for make in (Reciter, Reciter, SocketReciter)]
        for reciter in reciters:
            await reciter.connect()
        spread = await figure(http, url, "sessions")
        assert sorted(spread.values()) == [1, 2], "each goes to the worker that is less full"
        for reciter in reciters:
            reciter.begin()
        async with asyncio.timeout(20):
            while not all(reciter.heard.feedback for reciter in reciters):
                await asyncio.sleep(0.05)
        async with http.get(f"{url}/") as page, http.get(f"{url}/fleet/beat") as inside:
            assert page.status == 200 and "Content-Security-Policy" in page.headers and inside.status == 404
        for reciter in reciters:
            await reciter.close()
        async with asyncio.timeout(10):
            while any((await figure(http, url, "sessions")).values()):
                await asyncio.sleep(0.05)
        async with http.get(f"{url}/metrics") as response:
            assert 'reason="left"' in await response.text(), "DELETE found the worker of its session"

        victim, other = children(front.pid)
        os.kill(victim, signal.SIGKILL)
        heard = await Reciter(http, url, "112", tone).recite()
        assert heard.summary is not None and not heard.broken, "the other one is there"
        async with asyncio.timeout(60):
            while other not in (now := children(front.pid)) or len(now) < 2 or victim in now:
                await asyncio.sleep(0.05)
        await until_nodes(http, url, 2)
        workers = children(front.pid)
        front.kill()
        async with asyncio.timeout(30):
            while any(Path(f"/proc/{pid}").exists() for pid in workers):
                await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--workers", "0"], "at least one process"),
        (["--workers", "2"], "--workers needs --redis"),
        (["--redis", "redis://127.0.0.1"], "with a password or with TLS only"),
        (["--workers", "2", "--redis", "redis://:pw@127.0.0.1", "--host", "0.0.0.0"], "tokens that all workers know"),
        (["--node-url", "https://n1.example.org"], "--redis with it"),
    ],
)
def test_settings_that_cannot_work(options: list[str], why: str, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("redis", reason="the extra 'redis' is not installed")
    assert main(["serve", "--port", "0", "--database", "none", *options]) == 2
    assert why in capsys.readouterr().err


def test_metrics_of_workers_are_one_text() -> None:
    text = '# HELP a_total A.\n# TYPE a_total counter\na_total 1\n# HELP b B.\n# TYPE b histogram\nb_bucket{le="1"} 2\n'
    assert labelled({"0": text, "1": text}).splitlines() == [
        "# HELP a_total A.",
        "# TYPE a_total counter",
        'a_total{worker="0"} 1',
        'a_total{worker="1"} 1',
        "# HELP b B.",
        "# TYPE b histogram",
        'b_bucket{worker="0",le="1"} 2',
        'b_bucket{worker="1",le="1"} 2',
    ]
