"""The headless reciter: its packets lie on the file exactly."""

from pathlib import Path

import av
import numpy as np
import pytest

from recitation.audio import read_audio
from server.reciter import encode_recording

SAMPLE = Path(__file__).parent.parent.parent / "static" / "samples" / "2.opus"


@pytest.mark.parametrize("samples", [32_000, 32_001, 31_937])
def test_packets_lie_on_the_file(samples: int) -> None:
    pcm = read_audio(SAMPLE)[16_000 : 16_000 + samples]
    recording = encode_recording(pcm, tail_s=0.1)
    decoder = av.CodecContext.create("libopus", "r")
    decoder.layout, decoder.sample_rate = "mono", 48_000
    heard = np.concatenate([decoder.decode(av.Packet(packet))[0].to_ndarray()[0] for packet in recording.packets])
    assert recording.sample_of(recording.delay_rtp) == 0 and recording.sample_of(0) == -104
    at_16k = heard[recording.delay_rtp :: 3].astype(np.float64)
    match = {n: float(at_16k[400 + n :][:20_000] @ pcm[400:][:20_000]) for n in range(-40, 41)}
    # At low rates Opus itself is 3 samples of 48 kHz early.
    assert abs(max(match, key=lambda n: match[n])) <= 1
    assert recording.seconds == samples / 16_000
    assert len(recording.packets) * 0.02 >= recording.seconds + 0.1
