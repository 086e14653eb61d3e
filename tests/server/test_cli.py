"""The command line: help that teaches, bad input in one line, nothing heavy loaded."""

import asyncio
import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import aiohttp
import numpy as np
import pytest

from server.cli import COMMANDS, main
from server.probe import UNREACHED

ROOT = Path(__file__).parent.parent.parent
SAMPLE = ROOT / "static" / "samples" / "2.opus"


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    assert all(re.search(rf"^    {name}\b", text, re.MULTILINE) for name in COMMANDS)
    assert "talaqqi score fatihah.wav --verses 1:1-7" in text


@pytest.mark.parametrize("command", sorted(set(COMMANDS) - {"train"}))
def test_help_of_a_command_shows_examples(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([command, "--help"])
    assert caught.value.code == 0
    assert f"talaqqi {command} " in capsys.readouterr().out.partition("examples:")[2]


def test_no_command_is_bad_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "usage: talaqqi" in capsys.readouterr().out


TOKENS = "/nonexistent/tokens"


@pytest.mark.parametrize(
    ("argv", "why"),
    [
        (["sing"], "invalid choice: 'sing'"),
        (["serve", "--port", "many"], "invalid int value: 'many'"),
        (["serve", "--port", "99999"], "port 99999 does not exist"),
        (["serve", "--capacity", "0"], "at least 1 session"),
        (["serve", "--public-ip", "here"], "no IP address"),
        (["serve", "--token-file", TOKENS], "cannot read the token file"),
        (["serve", "--token", " "], "a token is empty"),
        (["serve", "--ice-server", "https://turn.example"], "is no ICE server"),
        (["serve", "--ice-server", "turn:turn.example"], "needs a username and a password after it"),
        (["serve", "--posts-per-minute", "-1"], "requests a minute"),
        (["serve", "--static", "/nonexistent"], "holds no index.html"),
        (["serve", "--model", "/nonexistent.onnx"], "no acoustic model at /nonexistent.onnx"),
        (["serve", "--host", "203.0.113.99", "--open"], "cannot assign"),
        (["score", "/nonexistent.wav", "--verses", "1"], "/nonexistent.wav"),
        (["score", str(SAMPLE), "--verses", "1:9"], "there is no ayah 1:9"),
        (["score", str(ROOT / "pyproject.toml"), "--verses", "1"], "no audio in this file"),
        (["probe", "http://127.0.0.1:9", "--audio", str(SAMPLE), "--verses", "115"], "there is no surah 115"),
        (["probe", "http://127.0.0.1:9", "--audio", str(SAMPLE), "--verses", "112", "--seconds", "0"], "nothing of"),
        (["probe", "http://x", "--audio", str(SAMPLE), "--verses", "112", "--limit", "p95"], "write a figure"),
        (["probe", "http://x", "--audio", str(SAMPLE), "--verses", "112", "--loss", "2"], "--loss from 0"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line_and_status_2(argv: list[str], why: str, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        status = main(argv)
    except SystemExit as stop:
        status = stop.code  # type: ignore[assignment]
    output = capsys.readouterr()
    assert status == 2
    assert output.out == ""
    assert len(output.err.splitlines()) == 1 and why.lower() in output.err.lower()


def test_the_server_does_not_load_torch() -> None:
    heavy = ["torch", "scipy", "quran_transcript"]
    code = f"import sys, server.serve, server.cli; print([m for m in {heavy} if m in sys.modules])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert found.stdout.strip() == "[]"


async def test_serve_says_where_and_stops_when_told() -> None:
    server = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "server.cli", "serve", "--port", "0", "--host", "0.0.0.0",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, cwd=ROOT,
    )  # fmt: skip
    try:
        assert server.stdout is not None and server.stderr is not None
        async with asyncio.timeout(60):
            line = (await server.stdout.readline()).decode()
        found = re.fullmatch(r"Talaqqi serves at http://0\.0\.0\.0:(\d+)/\?token=([\w-]+)\n", line)
        assert found is not None, line
        async with aiohttp.ClientSession() as http:
            url = f"http://127.0.0.1:{found[1]}"
            assert (await http.get(f"{url}/readyz")).status == 200
            assert (await http.post(f"{url}/whip", data=b"")).status == 401, "not open to others without being told so"
            headers = {"Authorization": f"Bearer {found[2]}"}
            assert (await http.post(f"{url}/api/tokens", headers=headers)).status == 201
        status = Path(f"/proc/{server.pid}/status")
        if status.exists():
            resident = re.search(r"VmRSS:\s+(\d+) kB", status.read_text())
            assert resident is not None and int(resident[1]) < 500_000
    finally:
        server.send_signal(signal.SIGTERM)
        async with asyncio.timeout(15):
            assert await server.wait() == 0
    assert len((await server.stderr.read()).decode().splitlines()) == 1, "the token is explained, nothing else is said"


def test_a_server_that_is_not_reached_is_no_bad_input(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["probe", "http://127.0.0.1:9", "--audio", str(SAMPLE), "--verses", "112"]) == UNREACHED
    output = capsys.readouterr()
    assert output.out == "" and "http://127.0.0.1:9/whip" in output.err


async def test_probe_reports_and_judges_by_limits(tmp_path: Path) -> None:
    server = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "server.cli", "serve", "--port", "0", stdout=asyncio.subprocess.PIPE, cwd=ROOT
    )
    try:
        assert server.stdout is not None
        url = (await server.stdout.readline()).decode().split()[-1]
        probe = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "server.cli", "probe", url, "--audio", str(SAMPLE), "--verses", "112", "--json",
            "--seconds", "4", "--sessions", "2", "--loss", "0.02", "--jitter-ms", "10",
            "--limit", "tentative.p50=-1000", "--limit", "connect.p50=5000",
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, cwd=ROOT,
        )  # fmt: skip
        async with asyncio.timeout(60):
            out, err = await probe.communicate()
    finally:
        server.terminate()
        await server.wait()
    report = json.loads(out)
    assert probe.returncode == 1 and "tentative.p50" in err.decode() and "connect" not in err.decode()
    assert {
        "url",
        "sessions",
        "seconds",
        "loss",
        "tentative",
        "confirmed",
        "transport",
        "connect",
        "sender_lag",
    } <= set(report)
    assert report["sessions"] == 2 and report["seconds"] == 4.0 and report["packets"]["dropped"] > 0
    assert report["tentative"]["n"] >= 20 and report["tentative"]["missing"] < report["tentative"]["n"] / 2
    assert set(report["tentative"]) == {"n", "missing", "p50", "p95", "p99"}
    assert report["errors"] == []
    assert np.isfinite(report["transport"]["p95"]) and report["connect"]["n"] == 2
