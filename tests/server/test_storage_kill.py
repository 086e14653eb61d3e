"""A server that is killed, and commands on what it left: real processes, a real file, the model that ships."""

import asyncio
import json
import re
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

WORDS = 2
LOST_S = 1.0
"""What was said longer ago than this is kept, however the process ends."""
PROMPT_S = 0.05
"""A server that answers later than this is not given a core when it wants one, and no second can be promised."""


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
            waited, slowest = await _until_kept(http, url, reciter)
            server.send_signal(signal.SIGKILL)
            await server.wait()
            await reciter.close()
    finally:
        if server.returncode is None:
            server.kill()
            await server.wait()
    if slowest < PROMPT_S:
        assert waited < LOST_S
    database = data / "talaqqi.sqlite3"
    with closing(sqlite3.connect(database)) as connection:
        rows = connection.execute("SELECT n, surah, ayah, word, status FROM words").fetchall()
        tables = ("words", "letter_slips", "rule_slips")
        counted = sum(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables)
        assert connection.execute("SELECT ended FROM sessions").fetchall() == [(None,)]
    told = {row.id: (row.at, row.status) for _, feedback in reciter.heard.feedback for row in feedback.words}
    assert counted >= WORDS, "what was counted as kept is there"
    for n, surah, ayah, word, status in rows:
        assert told.get(n, (f"{surah}:{ayah}:{word}", status)) == (f"{surah}:{ayah}:{word}", status)

    await asyncio.to_thread(_ask_and_forget, data, capsys)
    assert b"bilal" not in database.read_bytes()


async def _until_kept(http: aiohttp.ClientSession, url: str, reciter: Reciter) -> tuple[float, float]:
    """Wait until the server counts WORDS words as kept; how long after they were told, and the slowest answer."""
    told_at, slowest = 0.0, 0.0
    async with asyncio.timeout(60):
        while True:
            asked = time.monotonic()
            async with http.get(f"{url}metrics") as response:
                kept = re.search(r"^talaqqi_storage_rows_total (\d+)$", await response.text(), re.MULTILINE)
            now = time.monotonic()
            slowest = max(slowest, now - asked)
            told = {row.id: when for when, feedback in reversed(reciter.heard.feedback) for row in feedback.words}
            told_at = sorted(told.values())[WORDS - 1] if len(told) >= WORDS else now
            if kept is not None and int(kept[1]) >= WORDS:
                return now - told_at, slowest
            await asyncio.sleep(0.05)


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
