"""What a listener gets is what the student sent: the same bytes, the same spacing, whatever the network did."""

import asyncio
import fractions
import inspect
import random

import av
import numpy as np
import pytest
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCRtpReceiver, RTCRtpSender
from aiortc.codecs.opus import OpusEncoder
from aiortc.mediastreams import MediaStreamError
from aiortc.rtp import RtpPacket
from hypothesis import given, settings
from hypothesis import strategies as st

from recitation.audio import Pcm
from server.frame_tap import FrameTap
from server.frames import pcm_frame, read_frame
from server.reciter import PACKET_RTP, Recording
from server.relay import MOST_WAITING, Passed, PcmEncoder, Relay, Spacing
from server.rtp_tap import AudioPacket, AudioTap, OpusDecoder

SILENCE = b"\xf8\xff\xfe"
"""20 ms of Opus."""


def ignore(pcm: Pcm, start: int, concealed: bool, rtp: int, arrival: float) -> None:
    """Nobody judges here."""


def packet(n: int, first: int = 0, arrival: float | None = None) -> AudioPacket:
    timestamp = (first + n * PACKET_RTP) & 0xFFFFFFFF
    return AudioPacket(n & 0xFFFF, timestamp, SILENCE, 0.02 * n if arrival is None else arrival)


def joined(relay: Relay) -> Passed:
    """A track that is listened to."""
    track = Passed()
    relay.join(track)
    return track


# Time


@given(
    first=st.sampled_from([0, 1_000, 2**32 - 5_000, 2**31 - 960]),
    kept=st.sets(st.integers(0, 400), min_size=2, max_size=80),
    jitter=st.integers(0, 2**16),
)
def test_steps_are_the_senders_own_whatever_was_lost(first: int, kept: set[int], jitter: int) -> None:
    late = random.Random(jitter)
    spacing, order = Spacing(), sorted(kept)
    arrival, times = 0.0, []
    for n in order:
        arrival = max(arrival, 0.02 * n + late.uniform(0.0, 0.06))
        times.append(spacing.at(packet(n, first, arrival)))
    assert times == [(n - order[0]) * PACKET_RTP for n in order]


@given(before=st.integers(0, 2**32 - 1), after=st.integers(0, 2**32 - 1), pause_s=st.floats(0.0, 60.0, allow_nan=False))
def test_time_never_runs_back_when_a_sender_begins_anew(before: int, after: int, pause_s: float) -> None:
    spacing = Spacing()
    times = [spacing.at(packet(n, before)) for n in range(3)]
    again = [spacing.at(packet(n, after, 0.04 + pause_s + 0.02 * n)) for n in range(3)]
    assert again[1] - again[0] == again[2] - again[1] == PACKET_RTP
    waited = again[0] - times[-1]
    assert 0 < waited <= pause_s * 48_000 + 48_001 + PACKET_RTP


# The relay


async def test_nobody_waits_for_a_listener_that_takes_nothing() -> None:
    relay = Relay()
    stuck, quick = joined(relay), joined(relay)
    for n in range(3 * MOST_WAITING):
        relay.packet(packet(n))
        assert (await quick.recv()).pts == n * PACKET_RTP
    waiting = [await stuck.recv() for _ in range(MOST_WAITING)]
    assert waiting[0].pts == 2 * MOST_WAITING * PACKET_RTP, "the oldest went first"
    waits = asyncio.create_task(stuck.recv())
    await asyncio.sleep(0)
    relay.leave(stuck)
    with pytest.raises(MediaStreamError):
        await waits
    relay.packet(packet(3 * MOST_WAITING))
    assert (await quick.recv()).pts == 3 * MOST_WAITING * PACKET_RTP


async def test_packets_come_in_order_and_without_padding() -> None:
    relay = Relay()
    track = joined(relay)
    tap = AudioTap(ignore, on_packet=relay.packet)
    for n in (0, 2, 1, 4):  # The third is lost.
        tap.receive(AudioPacket(n, n * PACKET_RTP, SILENCE, 0.02 * n))
    tap.receive(AudioPacket(5, 5 * PACKET_RTP, b"", 0.1))
    tap.poll(1.0)
    assert [(await track.recv()).pts for _ in range(4)] == [n * PACKET_RTP for n in (0, 1, 2, 4)]
    relay.leave(track)


async def test_pcm_is_encoded_only_while_somebody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []
    begin = PcmEncoder.__init__

    def counted(self: PcmEncoder, start: int) -> None:
        made.append(start)
        begin(self, start)

    monkeypatch.setattr(PcmEncoder, "__init__", counted)
    t = np.arange(3 * 16_000) / 16_000
    sound = (0.3 * np.sin(2 * np.pi * 300 * t)).astype(np.float32)
    relay = Relay()
    tap = FrameTap(ignore, relay)
    tracks = []
    for at in range(0, len(sound), 500):
        if at == 16_000:
            tracks = [joined(relay), joined(relay)]
        tap.receive(read_frame(pcm_frame(at, sound[at : at + 500])), at / 16_000)
    assert made == [16_000], "one encoder for both, from when they came"
    decoder, heard = OpusDecoder(), []
    for n in range(MOST_WAITING):
        one, other = [await track.recv() for track in tracks]
        assert bytes(one) == bytes(other) and one.pts == other.pts
        assert one.pts == (n + MOST_WAITING) * PACKET_RTP, "the newest of a hundred"
        pcm = decoder.decode(bytes(one))
        assert pcm is not None
        heard.append(pcm)
    whole = np.concatenate(heard)[-24_000:]
    spectrum = np.abs(np.fft.rfft(whole * np.hanning(len(whole))))
    assert abs(np.argmax(spectrum) * 48_000 / len(whole) - 300) < 4 and 0.2 < np.abs(whole).max() < 0.4
    for track in tracks:
        relay.leave(track)


# The contract with aiortc


def test_aiortc_passes_ready_packets_on() -> None:
    source = inspect.getsource(RTCRtpSender._next_encoded_frame)
    assert "self.__encoder.pack(data)" in source and "isinstance(data, Frame)" in source
    packed = OpusEncoder().pack
    ready = av.Packet(SILENCE)
    ready.pts, ready.time_base = 123_456, fractions.Fraction(1, 48_000)
    assert packed(ready) == ([SILENCE], 123_456)


@pytest.mark.parametrize("loss", [0.0, 0.1])
async def test_a_listener_gets_the_very_bytes(tone: Recording, monkeypatch: pytest.MonkeyPatch, loss: float) -> None:
    def never(*_: object) -> None:
        raise AssertionError("something was encoded")

    monkeypatch.setattr(OpusEncoder, "encode", never)
    relay, got = Relay(), []
    offerer, answerer = (RTCPeerConnection(RTCConfiguration(iceServers=[])) for _ in range(2))
    track = joined(relay)
    offerer.addTransceiver(track, direction="sendonly")

    @answerer.on("track")
    def on_track(track: MediaStreamTrack) -> None:
        receiver: RTCRtpReceiver = answerer.getTransceivers()[0].receiver

        async def keep(packet: RtpPacket, arrival_time_ms: int) -> None:
            got.append((packet.timestamp, packet.payload))

        receiver._handle_rtp_packet = keep

    await offerer.setLocalDescription(await offerer.createOffer())
    await answerer.setRemoteDescription(offerer.localDescription)
    await answerer.setLocalDescription(await answerer.createAnswer())
    await offerer.setRemoteDescription(answerer.localDescription)
    async with asyncio.timeout(10):
        while {offerer.connectionState, answerer.connectionState} != {"connected"}:
            await asyncio.sleep(0.02)
    chance = random.Random(3)
    sent = [n for n in range(60) if n == 0 or chance.random() >= loss]
    for n in sent:
        relay.packet(AudioPacket(7, (2**32 - 9_000 + n * PACKET_RTP) & 0xFFFFFFFF, tone.packets[n], 0.02 * n))
        await asyncio.sleep(0.002)
    async with asyncio.timeout(5):
        while len(got) < len(sent):
            await asyncio.sleep(0.02)
    first = got[0][0]
    assert [payload for _, payload in got] == [tone.packets[n] for n in sent]
    assert [(timestamp - first) & 0xFFFFFFFF for timestamp, _ in got] == [n * PACKET_RTP for n in sent]
    assert (len(sent) < 60) == (loss > 0)
    relay.leave(track)
    await offerer.close()
    await answerer.close()


@settings(max_examples=30, deadline=None)
@given(cuts=st.lists(st.integers(1, 2_000), min_size=1, max_size=20))
def test_however_pcm_is_cut_the_packets_are_the_same(cuts: list[int]) -> None:
    sound = (0.2 * np.random.default_rng(1).standard_normal(sum(cuts))).astype(np.float32)
    cut, whole, at = PcmEncoder(0), PcmEncoder(0), 0
    packets = []
    for size in cuts:
        packets += cut.push(sound[at : at + size], 0.0)
        at += size
    assert packets == whole.push(sound, 0.0)
