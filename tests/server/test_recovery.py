"""A server process that is killed while somebody recites, and started again: the recitation goes on."""

import asyncio
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import aiohttp
from redis_process import free_port

from recitation.made_voice import MadeRecitation
from server.messages import Welcome
from server.reciter import Client, Network, Reciter, encode_recording
from server.returning import Returning

ROOT = Path(__file__).parent.parent.parent
STARTED_S = 60.0


async def serve(port: int, snapshots: Path) -> asyncio.subprocess.Process:
    """A server that accepts sessions."""
    options = ["--port", str(port), "--snapshots", str(snapshots), "--database", "none"]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "server.cli", "serve", *options, stdout=asyncio.subprocess.PIPE, cwd=ROOT
    )
    assert process.stdout is not None
    async with asyncio.timeout(STARTED_S):
        assert await process.stdout.readline()
    return process


async def test_a_server_killed_and_started_again_goes_on_where_it_was(
    make: Callable[..., MadeRecitation], http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    sound = encode_recording(make("1:1-4").pcm)
    port = free_port()
    servers = [await serve(port, tmp_path)]

    def client(before: Client | None, network: Network) -> Client:
        return Reciter(http, f"http://127.0.0.1:{port}", "1:1-4", sound, network=network, before=before)

    async def kill() -> None:
        while len({row.at for _, message in returning.heard.feedback for row in message.words}) < 4:
            await asyncio.sleep(0.05)
        await asyncio.sleep(1.0)
        servers[0].send_signal(signal.SIGKILL)
        await servers[0].wait()
        servers.append(await serve(port, tmp_path))

    returning = Returning(client)
    try:
        heard = await returning.recite(lambda _: asyncio.create_task(kill()))
    finally:
        for server in servers:
            if server.returncode is None:
                server.send_signal(signal.SIGTERM)
            await server.wait()
    # On a busy machine a silence may have been taken for a loss before; the server's was the longest.
    recovery = max(returning.recoveries, key=lambda one: one.opened - one.noticed)
    one, *others = [message for _, message in heard.control if isinstance(message, Welcome)]
    assert others and all(other.session == one.session and other.resumed for other in others)
    before = {row.at for at, m in heard.feedback if at < recovery.noticed for row in m.words}
    restored = [row.at for m in recovery.restored for row in m.words]
    # A snapshot is up to half a second old, the time of one word or two.
    assert len(before) >= 4 and len(before - set(restored)) <= 2
    assert set(restored) <= before
    after = [m.cursor.at for at, m in heard.feedback if at > recovery.opened and m.cursor is not None]
    assert after and after[-1] >= max(restored), "the cursor goes on from there"
    assert heard.summary is not None
    kept = {word.at for word in heard.summary.words if word.start is not None}
    assert set(restored) <= kept
    assert [word for word in heard.summary.words if word.status == "omitted"] == []
