"""On made time (`perf/clockwork.py`): company changes no verdict, and delays are those of hops and evidence."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recitation.acoustics.engine import OnnxEngine
from recitation.audio import RTP_HZ, Resampler, read_audio
from recitation.made_voice import EspeakError
from recitation.made_voice.command import recite_reference
from recitation.pipeline import HopStep, Session, passage
from recitation.sound_files import write_audio
from recitation.tajweed.moshaf import Moshaf
from recitation.vad import SileroVad
from server.reciter import encode_recording
from server.rtp_tap import OpusDecoder

WORK = Path(__file__).resolve().parents[2] / "perf" / "work"


def recite(audio: Path, sessions: int) -> dict[str, Any]:
    """`sessions` at once recite surah 112, 137 ms after each other."""
    command = [sys.executable, str(WORK), "--one", str(sessions), "--seconds", "2", "--verdicts"]
    command += ["--files", str(audio), "--verses", "112"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


@pytest.fixture(scope="module")
def slips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Surah 112 with four slips in it."""
    path = tmp_path_factory.mktemp("slips") / "112.wav"
    try:
        write_audio(path, recite_reference("112", harakah_s=0.1, errors=("random:4",)).pcm)
    except EspeakError as missing:
        pytest.skip(f"the made voice needs espeak-ng: {missing}")
    return path


def told_alone(slips: Path, lead: int) -> list[list[Any]]:
    """Phones that the line finds with nobody else about, in what the server decodes after `lead` silent samples."""
    line = Session(passage("112"), SileroVad(), moshaf=Moshaf(), prosody=True)
    step = HopStep(OnnxEngine())
    decoder, resampler = OpusDecoder(), Resampler(RTP_HZ)
    line.push(np.zeros(lead, np.float32), concealed=True)
    phones = []
    for packet in encode_recording(read_audio(slips)).packets:
        pcm = decoder.decode(packet)
        assert pcm is not None
        line.push(resampler.push(pcm))
        while line.hops_ready:
            phones += line.hop_done(step(line.take_hop())).phones
    phones += line.finish(step).phones
    return [[phone.at, phone.index, round(phone.p, 3)] for phone in phones]


def check_same(crowd: dict[str, Any], slips: Path, sessions: int) -> None:
    """Every session was told what one alone is whose hops begin at the same samples, to the last digit."""
    assert crowd["broken"] == 0 and len(crowd["told"]) >= sessions
    alone = {told["lead"]: told_alone(slips, told["lead"]) for told in crowd["told"]}
    assert len(alone) > 1, "hops begin at other samples"
    for told in crowd["told"]:
        assert told["phones"] == alone[told["lead"]]
        assert set(told["words"].values()) > {"accepted"}, "some words are right and some are not"
    for lead in alone:
        words = [told["words"] for told in crowd["told"] if told["lead"] == lead]
        assert all(word == words[0] for word in words)


@pytest.fixture(scope="module")
def six(slips: Path) -> dict[str, Any]:
    return recite(slips, 6)


def test_six_at_once_are_told_what_one_alone_is(six: dict[str, Any], slips: Path) -> None:
    check_same(six, slips, 6)


@pytest.mark.perf
def test_fifty_at_once_are_told_what_one_alone_is(slips: Path) -> None:
    check_same(recite(slips, 50), slips, 50)


def test_without_computation_a_verdict_waits_for_evidence_alone(six: dict[str, Any]) -> None:
    budget = six["budget"]
    parts = sum(ms for name, ms in budget.items() if name != "confirmed")
    assert parts == pytest.approx(budget["confirmed"], abs=0.3)
    assert budget["carried"] < 25 and 0 < budget["evidence"] < 320
