"""What the tests of several stages share: the lexicon, the bundled model, made and real recitations."""

import os
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import torch

from recitation.acoustics.encoder import Encoder, EncoderConfig
from recitation.acoustics.engine import OnnxEngine
from recitation.acoustics.export import export
from recitation.audio import Pcm
from recitation.lexicon import Lexicon, default_lexicon
from recitation.made_voice import EspeakError, MadeRecitation
from recitation.made_voice.command import recite_reference
from recitation.sound_files import write_audio
from recitation.vad import SileroVad

# Servers that tests start leave nothing in the home of whoever runs them.
os.environ["TALAQQI_DATABASE"] = "none"

RECORDINGS = Path(__file__).parents[2] / "shared" / "recitations"
"""Real recordings, which are not part of the project: they may not be redistributed."""


@pytest.fixture(scope="session")
def lexicon() -> Lexicon:
    """The lexicon that ships."""
    return default_lexicon()


@pytest.fixture(scope="session")
def engine() -> OnnxEngine:
    """The model that ships, without look-ahead."""
    return OnnxEngine()


@pytest.fixture(scope="session")
def vad() -> SileroVad:
    """The voice activity network."""
    return SileroVad()


@lru_cache(maxsize=32)
def _made(verses: str, voice: str, harakah_s: float, errors: tuple[str, ...], stops: tuple[str, ...]) -> MadeRecitation:
    return recite_reference(verses, voice=voice, harakah_s=harakah_s, errors=errors, stops=stops)


@pytest.fixture(scope="session")
def make() -> Callable[..., MadeRecitation]:
    """``make("1:1-7", voice=…, harakah_s=…, errors=(…), stops=(…))``: a made recitation, spoken once and kept."""

    def speak(
        verses: str,
        voice: str = "man1",
        harakah_s: float = 0.15,
        errors: tuple[str, ...] = (),
        stops: tuple[str, ...] = (),
    ) -> MadeRecitation:
        try:
            return _made(verses, voice, harakah_s, errors, stops)
        except EspeakError as missing:
            pytest.skip(f"the made voice needs espeak-ng: {missing}")

    return speak


@pytest.fixture(scope="session")
def fatihah(make: Callable[..., MadeRecitation]) -> MadeRecitation:
    """1:1-7 by a made voice."""
    return make("1:1-7")


@pytest.fixture(scope="session")
def ikhlas_file(make: Callable[..., MadeRecitation], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Surah 112 by a made voice, as a WAV file."""
    path = tmp_path_factory.mktemp("audio") / "112.wav"
    write_audio(path, make("112").pcm)
    return path


@pytest.fixture(scope="session")
def recordings() -> Path:
    """The folder of real recordings."""
    if not (RECORDINGS / "index.jsonl").exists():
        pytest.skip(f"there are no real recordings at {RECORDINGS}")
    return RECORDINGS


@pytest.fixture(scope="session")
def chords() -> Pcm:
    """Eight seconds of synthetic music, float32: chords of plucked strings with overtones."""
    t = np.arange(16_000) / 16_000
    parts = []
    for root in (220.0, 174.6, 261.6, 196.0) * 2:
        chord = np.zeros_like(t)
        for ratio in (1.0, 1.26, 1.5):
            for overtone in range(1, 6):
                chord += np.sin(2 * np.pi * root * ratio * overtone * t) / overtone
        parts.append(chord * np.exp(-2 * t))
    music = np.concatenate(parts)
    return (0.3 * music / np.abs(music).max()).astype(np.float32)


@pytest.fixture(scope="session")
def small_config() -> EncoderConfig:
    """An encoder small enough to train and export in a test, of the same make as the one that ships."""
    torch.set_num_threads(1)
    return EncoderConfig(
        width=32, blocks=2, heads=2, left=4, kernel=3, local_width=24, local_kernel=3, local_blocks=2, head_width=24
    )


@pytest.fixture(scope="session")
def small_encoder(small_config: EncoderConfig) -> Encoder:
    """A small encoder with random weights, biases and norms included, as training leaves them."""
    torch.manual_seed(0)
    encoder = Encoder(small_config).eval()
    with torch.no_grad():
        for weight in encoder.parameters():
            weight += 0.05 * torch.randn_like(weight)
    return encoder


@pytest.fixture(scope="session")
def small_model(small_encoder: Encoder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small encoder, exported."""
    path = tmp_path_factory.mktemp("model") / "small.onnx"
    export(small_encoder, path, {"note": "random weights"})
    return path
