"""Sound files written: a made recitation, the moments of a report."""

from collections.abc import Iterator
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import av
import numpy as np

from recitation.audio import SAMPLE_HZ, Pcm

_CODECS = {".wav": "pcm_s16le", ".flac": "flac", ".opus": "libopus", ".ogg": "libopus"}
OPUS_BITS = 32_000
_FRAME = 960


def write_audio(path: Path, pcm: Pcm, rate_hz: int = SAMPLE_HZ) -> None:
    """Write mono samples, float32[n] in [-1, 1], as wav, flac, opus or ogg (Opus at 32 kbit/s) by the suffix.

    Raises ValueError for another suffix, OSError when the file cannot be written.
    """
    codec = _CODECS.get(path.suffix.lower())
    if codec is None:
        raise ValueError(f"{path}: cannot write {path.suffix or 'a file without a suffix'}, only {', '.join(_CODECS)}")
    with path.open("wb") as file:
        _write(file, path.suffix.lower().lstrip("."), codec, pcm, rate_hz)


def encode_opus(pcm: Pcm, rate_hz: int = SAMPLE_HZ) -> bytes:
    """Mono samples, float32[n] in [-1, 1], as an Ogg Opus file of 32 kbit/s."""
    file = BytesIO()
    _write(file, "ogg", "libopus", pcm, rate_hz)
    return file.getvalue()


def _write(file: BinaryIO, kind: str, codec: str, pcm: Pcm, rate_hz: int) -> None:
    # bitexact: without it an Ogg stream gets a random serial number, and the same samples another file.
    options = {"fflags": "+bitexact"}
    with av.open(file, "w", format="ogg" if codec == "libopus" else kind, options=options) as container:
        # Opus runs at 48 kHz whatever it carries; a higher input rate costs no bits and keeps its clock plain.
        stream = container.add_stream(codec, rate=48_000 if codec == "libopus" else rate_hz)
        assert isinstance(stream, av.AudioStream)
        stream.layout = "mono"
        if codec == "libopus":
            stream.bit_rate = OPUS_BITS
        context = stream.codec_context
        resampler = av.AudioResampler(format=context.format, layout="mono", rate=context.sample_rate)
        frames = (f for source in _frames(pcm, rate_hz) for f in resampler.resample(source))
        for frame in frames:
            container.mux(stream.encode(frame))
        for frame in resampler.resample(None):
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _frames(pcm: Pcm, rate_hz: int) -> Iterator[av.AudioFrame]:
    whole = np.clip(np.rint(pcm * 32767), -32768, 32767).astype(np.int16)
    for start in range(0, len(whole), _FRAME):
        frame = av.AudioFrame.from_ndarray(whole[np.newaxis, start : start + _FRAME], format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = rate_hz, start, Fraction(1, rate_hz)
        yield frame
