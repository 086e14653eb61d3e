"""The engine that the settings name serves, and one that cannot is refused before anybody comes."""

import asyncio
from pathlib import Path

import aiohttp
import pytest
from toy_ear import StartServer

from recitation.audio import read_audio
from server.app import load_ear
from server.cli import main
from server.config import Config
from server.reciter import Heard, Reciter, encode_recording

SAMPLE = Path(__file__).parent.parent.parent / "static" / "samples" / "2.opus"
SECONDS = 4


async def test_engines_other_than_the_default_serve(start_server: StartServer, http: aiohttp.ClientSession) -> None:
    """Two servers, the same recitation: both say what they run, and follow it alike."""
    recording = encode_recording(read_audio(SAMPLE)[: SECONDS * 16_000])

    async def recite(**settings: str) -> tuple[Heard, float]:
        running = await start_server(ear=load_ear(Config(capacity=2, **settings)), capacity=2)  # type: ignore[arg-type]
        heard = await Reciter(http, running.url, "112", recording).recite()
        assert running.server.metrics.faults.value == 0
        return heard, running.server.live.busy()

    quantised, torch = await asyncio.gather(recite(engine="onnx-int8"), recite(engine="torch", device="cpu"))
    lit = []
    for (heard, busy), name in ((quantised, "onnx-int8"), (torch, "torch")):
        assert heard.welcome is not None and heard.welcome.engine == name
        lit.append(list(dict.fromkeys(m.cursor.at for _, m in heard.feedback if m.cursor is not None)))
        assert len(lit[-1]) >= 4
        assert 0 < busy < 1, "the measure that admission goes by"
    assert len(set(lit[0]) ^ set(lit[1])) <= 1


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--engine", "oracle"], "there is no engine 'oracle'; there are onnx"),
        (["--device", "cuda"], "the engine onnx takes no device"),
        (["--engine", "torch", "--device", "abacus"], "there is no device abacus"),
        (["--engine", "torch", "--device", "cpu", "--memory-limit-mb", "20"], "20 MB may be used: lower the capacity"),
        (["--engine", "onnx-int8", "--model", "/nonexistent.onnx"], "no acoustic model at /nonexistent.onnx"),
    ],
)
def test_an_engine_that_cannot_serve_is_one_line(
    options: list[str], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        status = main(["serve", "--port", "0", *options])
    except SystemExit as stop:
        status = stop.code  # type: ignore[assignment]
    output = capsys.readouterr()
    assert status == 2 and output.out == ""
    assert len(output.err.splitlines()) == 1 and why in output.err
