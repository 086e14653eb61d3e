"""A server whose ear is a Hugging Face checkpoint: small and random, but heard through its whole window."""

import asyncio
from pathlib import Path

import aiohttp
import numpy as np
import pytest
import tiny_checkpoints
from toy_ear import StartServer

from server.app import load_ear
from server.cli import main
from server.config import Config
from server.reciter import Heard, Reciter, encode_recording

LOOKAHEAD_MS = 240


async def test_students_of_different_ages_are_heard(
    start_server: StartServer, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    engine = f"hf:{tiny_checkpoints.muaalem(tmp_path / 'muaalem')}"
    settings = Config(engine=engine, lookahead_ms=LOOKAHEAD_MS, device="cpu", capacity=2)
    running = await start_server(ear=load_ear(settings), capacity=2)
    sound = (0.05 * np.random.default_rng(0).standard_normal(2 * 16_000)).astype(np.float32)

    async def recite(after_s: float) -> Heard:
        await asyncio.sleep(after_s)
        return await Reciter(http, running.url, "112", encode_recording(sound)).recite()

    for heard in await asyncio.gather(recite(0), recite(0.7)):
        assert heard.welcome is not None and heard.welcome.engine == "hf"
        # Two seconds are twenty-five hops; look-ahead keeps the last three until the end.
        assert len(heard.feedback) >= 15
    assert running.server.metrics.faults.value == 0


def test_a_server_without_its_checkpoint_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--port", "0", "--engine", "hf:/nonexistent/model"]) == 2
    output = capsys.readouterr()
    assert output.out == "" and output.err == "talaqqi: there is no checkpoint at /nonexistent/model\n"
