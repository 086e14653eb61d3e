"""Audio frames of a WebSocket: how they are read, and how they lie on the session's clock."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from recitation.audio import Pcm
from server.frame_tap import FrameTap
from server.frames import PCM_SAMPLES, OpusFrame, PcmFrame, opus_frame, pcm_frame, read_frame
from server.messages import BadMessage
from server.reciter import Recording
from server.rtp_tap import opus_duration

SILENCE = b"\xf8\xff\xfe"
"""20 ms of nothing."""


class Heard:
    """What a session is handed."""

    def __init__(self) -> None:
        self.pcm = np.zeros(0, np.float32)
        self.concealed = np.zeros(0, bool)
        self.rtp = np.zeros(0, np.uint32)

    def __call__(self, pcm: Pcm, start: int, concealed: bool, rtp: int, arrival: float) -> None:
        assert start == len(self.pcm), "no hole"
        self.pcm = np.concatenate([self.pcm, pcm])
        self.concealed = np.concatenate([self.concealed, np.full(len(pcm), concealed)])
        self.rtp = np.concatenate([self.rtp, timestamps(rtp, len(pcm))])


def timestamps(first: int, count: int) -> NDArray[np.uint32]:
    """Of so many samples of 16 kHz."""
    return ((first + 3 * np.arange(count)) % 2**32).astype(np.uint32)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00",
        b"\x03" + bytes(100),
        b"{",
        b"\x01",
        b"\x01" + bytes(5),  # No whole header.
        opus_frame(0, 0, b""),
        opus_frame(0, 0, b"\xff"),  # Frames are to be counted, and no count is there.
        opus_frame(0, 0, b"\xff\x3f" + bytes(100)),  # 1.26 s, where 120 ms are allowed.
        opus_frame(0, 0, b"\xf8" + bytes(7650)),
        b"\x02",
        b"\x02" + bytes(4),
        b"\x02" + bytes(5),  # Half a sample.
        b"\x02" + bytes(4 + 2 * PCM_SAMPLES + 2),
    ],
)
def test_what_is_no_frame(data: bytes) -> None:
    with pytest.raises(BadMessage) as refused:
        read_frame(data)
    assert refused.value.code == "bad_frame"


@given(st.binary(max_size=200) | st.binary(max_size=200).map(lambda data: b"\x01" + data))
@example(b"\x02\0\0\0\0\0\x80")
def test_any_bytes_are_a_frame_or_refused(data: bytes) -> None:
    try:
        frame = read_frame(data)
    except BadMessage:
        return
    assert 0 < frame.seconds <= 0.2
    again = (
        opus_frame(frame.timestamp, frame.sequence, frame.payload)
        if isinstance(frame, OpusFrame)
        else pcm_frame(frame.sample, frame.pcm)
    )
    assert again == data, "what was read is all that was said"


def test_a_frame_survives_the_wire() -> None:
    opus = read_frame(opus_frame(2**32 + 7, 2**16 + 5, SILENCE))
    assert opus == OpusFrame(7, 5, SILENCE) and opus.seconds == 0.020
    pcm = read_frame(pcm_frame(-1, np.array([-2.0, -0.5, 0.0, 0.5, 2.0], np.float32)))
    assert isinstance(pcm, PcmFrame) and pcm.sample == 2**32 - 1
    assert pcm.pcm.tolist() == [-1.0, -0.5, 0.0, 0.5, 32767 / 32768]


@settings(max_examples=40, deadline=None)
@given(
    cuts=st.lists(st.integers(1, PCM_SAMPLES), min_size=1, max_size=12),
    first=st.sampled_from([0, 1000, 2**32 - 2000, 2**32 // 3 - 5]),
)
def test_however_pcm_is_cut_it_comes_through_as_it_was(cuts: list[int], first: int) -> None:
    sound = np.random.default_rng(1).integers(-(2**15), 2**15, sum(cuts)).astype(np.float32) / 32_768
    heard = Heard()
    tap, at = FrameTap(heard), 0
    for cut in cuts:
        tap.receive(read_frame(pcm_frame(first + at, sound[at : at + cut])), at / 16_000)
        at += cut
    assert np.array_equal(heard.pcm, sound)
    assert not heard.concealed.any()
    assert np.array_equal(heard.rtp, timestamps(3 * first, len(sound)))
    assert tap.counts.received == len(cuts) and tap.counts.lost == tap.counts.jumps == 0


@settings(max_examples=40, deadline=None)
@given(pauses=st.lists(st.integers(0, 40_000), min_size=1, max_size=6))
def test_time_left_out_of_pcm_is_marked_silence_and_shifts_nothing(pauses: list[int]) -> None:
    heard, at, spans = Heard(), 0, []
    tap = FrameTap(heard)
    for pause in [0, *pauses]:
        at += pause
        tap.receive(read_frame(pcm_frame(at, np.full(320, 0.25, np.float32))), at / 16_000)
        spans.append(at)
        at += 320
    expected = np.zeros(at, np.float32)
    for begun in spans:
        expected[begun : begun + 320] = 0.25
    assert np.array_equal(heard.pcm, expected)
    assert np.array_equal(heard.concealed, expected == 0)
    assert tap.counts.concealed_samples == sum(pauses)


@settings(max_examples=40, deadline=None)
@given(jumps=st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=8), at_once=st.booleans())
def test_no_numbering_of_pcm_makes_minutes_out_of_nothing(jumps: list[int], at_once: bool) -> None:
    heard = Heard()
    tap = FrameTap(heard)
    for n, sample in enumerate(jumps):
        tap.receive(read_frame(pcm_frame(sample, np.full(320, 0.25, np.float32))), 0.0 if at_once else n * 0.02)
    assert np.count_nonzero(heard.pcm) == 320 * len(jumps), "all that came is handed on"
    assert len(heard.pcm) <= (5.0 + 0.04 * len(jumps)) * 16_000


def test_a_packet_left_out_is_made_up_as_soon_as_the_next_one_comes(tone: Recording) -> None:
    whole, gapped = Heard(), Heard()
    taps = FrameTap(whole), FrameTap(gapped)
    for n, packet in enumerate(tone.packets[:50]):
        frame = read_frame(opus_frame(2**32 - 9600 + n * 960, 65_530 + n, packet))
        taps[0].receive(frame, n * 0.02)
        if n not in (20, 21):
            taps[1].receive(frame, n * 0.02)
        assert n in (20, 21) or len(gapped.pcm) == len(whole.pcm), "nothing waits"
    assert taps[1].counts.lost == 2 and taps[0].counts.lost == 0
    assert gapped.concealed.sum() == 640 and not whole.concealed.any()
    assert np.array_equal(gapped.rtp, whole.rtp)


def test_packets_that_only_look_like_opus_are_made_up_for(tone: Recording) -> None:
    heard = Heard()
    tap = FrameTap(heard)
    broken = b"\xfa\xff\xff"  # Two frames, the first of 1,275 bytes.
    assert opus_duration(broken) > 0
    for n, packet in enumerate([tone.packets[0], broken, tone.packets[2]]):
        tap.receive(read_frame(opus_frame(n * 960, n, packet)), n * 0.02)
    assert tap.counts.damaged == 1 and heard.concealed.sum() == 320


def test_a_session_has_one_kind_of_frames(tone: Recording) -> None:
    heard = Heard()
    tap = FrameTap(heard)
    tap.receive(OpusFrame(0, 0, tone.packets[0]), 0.0)
    before = len(heard.pcm)
    with pytest.raises(BadMessage, match="one kind of frames"):
        tap.receive(PcmFrame(0, np.zeros(320, np.float32)), 0.02)
    assert len(heard.pcm) == before
