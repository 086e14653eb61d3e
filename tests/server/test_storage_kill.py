"""A server that is killed, and commands on what it left: real processes, a real file, the model that ships."""

import asyncio
import json
import signal
import sqlite3
import sys
import time
from contextlib import closing
from pathlib import Path

import aiohttp
import pytest

from recitation.audio import read_audio
from server.cli import main
from server.reciter import Reciter, encode_recording
from server.roles import Role, mint

SECRET = "s" * 32
SAMPLE = Path(__file__).parents[2] / "static" / "samples"

LOST_S = 1.0
"""What was said longer ago than this is kept, however the process ends."""


async def test_a_killed_server_loses_the_last_second_at_most(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    secret, data = tmp_path / "secret", tmp_path / "data"
    secret.write_text(SECRET)
    server = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "server.cli", "serve", "--port", "0", "--secret-file", str(secret), "--data", str(data),
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    sample = json.loads((SAMPLE / "index.json").read_text())[0]
    recording = encode_recording(read_audio(SAMPLE / Path(sample["url"]).name))
    try:
        assert server.stdout is not None
        async with asyncio.timeout(60):
            url = (await server.stdout.readline()).decode().split()[-1]
        token = mint(SECRET, Role.STUDENT, sub="bilal", classes=["boys"], now=time.time(), life_s=60)
        async with aiohttp.ClientSession() as http:
            reciter = Reciter(http, url, sample["verses"], recording, token=token)
            await reciter.connect()
            reciter.begin()
            await asyncio.sleep(5.0)
            killed = time.monotonic()
            server.send_signal(signal.SIGKILL)
            await server.wait()
            await reciter.close()
    finally:
        if server.returncode is None:
            server.kill()
            await server.wait()
    told: dict[int, tuple[str, str]] = {}
    for when, feedback in reciter.heard.feedback:
        if when < killed - LOST_S:
            told |= {row.id: (row.at, str(row.status)) for row in feedback.words}
    assert len(told) >= 2, "enough was recited to be lost"
    database = data / "talaqqi.sqlite3"
    with closing(sqlite3.connect(database)) as connection:
        rows = connection.execute("SELECT n, surah, ayah, word, status FROM words").fetchall()
        assert connection.execute("SELECT ended FROM sessions").fetchall() == [(None,)]
    kept = {n: (f"{surah}:{ayah}:{word}", status) for n, surah, ayah, word, status in rows}
    assert told.items() <= kept.items()

    await asyncio.to_thread(_ask_and_forget, data, capsys)
    assert b"bilal" not in database.read_bytes()


def _ask_and_forget(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["labels", "--data", str(data), "--json"]) == 0 and capsys.readouterr().out == ""
    assert main(["forget", "bilal", "--data", str(data), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"deleted": True}
    assert main(["forget", "bilal", "--data", str(data)]) == 1, "there is nothing left"


@pytest.mark.parametrize("command", [["forget", "bilal"], ["labels"]])
def test_commands_want_a_database_that_is_there(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for options, why in (
        (["--database", "none"], "nothing is kept"),
        (["--data", str(tmp_path)], "there is no database"),
    ):
        assert main([*command, *options]) == 2
        assert why in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [], "none is made"
