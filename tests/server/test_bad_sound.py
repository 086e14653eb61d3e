"""What is no recitation of the passage, or a poor one, live: a clear outcome for each, and no harm to the others."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import aiohttp
import numpy as np
import pytest
from toy_ear import StartServer

from recitation.acoustics.engine import OnnxEngine
from recitation.audio import Pcm, read_audio
from recitation.events import Status
from recitation.lexicon import default_lexicon
from recitation.mushaf import parse_reference
from server.app import ear_of
from server.cli import main
from server.messages import Error
from server.reciter import Heard, Reciter, encode_recording

SAMPLES = Path(__file__).parent.parent.parent / "static" / "samples"
ORDER = [word.at for word in default_lexicon().words(parse_reference("112"))]
SECONDS = 6


def clipped(pcm: Pcm) -> Pcm:
    return np.clip(30 * pcm, -1, 1)


def telephone(pcm: Pcm) -> Pcm:
    """300 to 3,400 Hz, as sampled at 8 kHz."""
    spectrum, hertz = np.fft.rfft(pcm), np.fft.rfftfreq(len(pcm), 1 / 16_000)
    spectrum[(hertz < 300) | (hertz > 3400)] = 0
    return np.fft.irfft(spectrum, len(pcm)).astype(np.float32)


def lit(heard: Heard) -> list[str]:
    """Words in the order in which the cursor first came to them."""
    return list(dict.fromkeys(message.cursor.at for _, message in heard.feedback if message.cursor is not None))


def count(heard: Heard, status: Status) -> int:
    assert heard.summary is not None
    return sum(word.status is status for word in heard.summary.words)


async def test_poor_sound_and_no_recitation_beside_a_good_one(
    start_server: StartServer, http: aiohttp.ClientSession, chords: Pcm
) -> None:
    running = await start_server(ear=ear_of(OnnxEngine(), 8), capacity=8)
    length = SECONDS * 16_000
    good, other = (read_audio(SAMPLES / name)[:length] for name in ("2.opus", "3.opus"))
    sounds = {
        "good": good,
        "clipped": clipped(good),
        "telephone": telephone(good),
        "another surah": other,
        "silence": np.zeros(length, np.float32),
        "noise": np.random.default_rng(1).normal(0, 0.1, length).astype(np.float32),
        "music": chords[:length],
    }
    async with asyncio.TaskGroup() as tasks:
        recitals = {
            name: tasks.create_task(Reciter(http, running.url, "112", encode_recording(pcm, 1.0)).recite())
            for name, pcm in sounds.items()
        }
    heard = {name: recital.result() for name, recital in recitals.items()}
    for name, session in heard.items():
        assert session.summary is not None and len(session.summary.words) == len(ORDER), name
        assert not [m for _, m in session.control if isinstance(m, Error)], name
        assert len(session.feedback) > 0.9 * SECONDS * 12.5, name
    for name in ("good", "clipped", "telephone"):
        words = lit(heard[name])
        assert words == [at for at in ORDER if at in words] and len(words) >= 5, name
    for name in ("silence", "noise", "music"):
        assert count(heard[name], Status.ACCEPTED) == 0, name
    assert lit(heard["silence"]) == []
    assert count(heard["another surah"], Status.ACCEPTED) <= 3
    assert count(heard["good"], Status.NOT_REACHED) < len(ORDER) - 4
    await running.sessions(0)
    assert running.server.metrics.faults.value == 0


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda whole: whole[: len(whole) // 2], "truncated after"),
        (lambda whole: b"", "the file is empty"),
        (lambda whole: b"not sound " * 1000, "audio"),
    ],
    ids=["truncated", "empty", "not audio"],
)
@pytest.mark.parametrize("command", ["score", "probe"])
def test_a_file_that_cannot_be_recited_is_one_line(
    command: str, spoil: Callable[[bytes], bytes], why: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "voice.opus"
    path.write_bytes(spoil((SAMPLES / "2.opus").read_bytes()))
    where = [str(path)] if command == "score" else ["http://127.0.0.1:9", "--audio", str(path)]
    assert main([command, *where, "--verses", "112"]) == 2
    output = capsys.readouterr()
    assert output.out == "" and len(output.err.splitlines()) == 1
    assert why in output.err and "voice.opus" in output.err
