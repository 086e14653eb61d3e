import asyncio
import fractions
import random
from collections.abc import Iterator

import av
import numpy as np
import pytest
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCRtpReceiver
from aiortc.jitterbuffer import JitterBuffer
from aiortc.mediastreams import MediaStreamError
from aiortc.rtp import RtpPacket
from hypothesis import given, settings
from hypothesis import strategies as st

from recitation.audio import Pcm
from server import rtp_tap
from server.rtp_tap import AudioPacket, AudioTap, Hole, OpusDecoder, ReorderBuffer, TapUnavailable, opus_duration

# Reordering


def packet(n: int, arrival: float, first: int = 0) -> AudioPacket:
    return AudioPacket((first + n) & 0xFFFF, n * 960, bytes([n & 0xFF]), arrival)


def places(released: list[AudioPacket | Hole]) -> Iterator[tuple[int, int, bool]]:
    for item in released:
        count = item.count if isinstance(item, Hole) else 1
        yield item.sequence, count, isinstance(item, AudioPacket)


def check_unbroken(released: list[AudioPacket | Hole], first: int) -> None:
    """Packets and holes follow each other without a gap or an overlap."""
    due = first
    for sequence, count, _ in places(released):
        assert sequence == due & 0xFFFF
        assert count > 0
        due += count


@settings(deadline=None, max_examples=300)
@given(
    first=st.sampled_from([0, 7, 65_400, 65_530, 65_535]),
    fates=st.lists(
        st.tuples(st.floats(0, 1), st.floats(0, 0.2), st.booleans()),  # lost below 0.2; delay; twice
        min_size=1,
        max_size=120,
    ),
)
def test_any_network_gives_an_ordered_unbroken_stream(first: int, fates: list[tuple[float, float, bool]]) -> None:
    arrivals = [(0.0, 0)]
    for n, (luck, delay, twice) in enumerate(fates, 1):
        if luck >= 0.2:
            arrivals += [(0.02 * n + delay, n)] + [(0.02 * n + delay * 1.5, n)] * twice
    arrivals.sort()
    reorder, released = ReorderBuffer(), []
    for arrival, n in arrivals:
        out = reorder.push(packet(n, arrival, first))
        released += out
        for item in out:
            if isinstance(item, AudioPacket):
                assert item.arrival <= arrival
    released += reorder.flush()
    check_unbroken(released, first)
    passed = [item for item in released if isinstance(item, AudioPacket)]
    assert reorder.received == len(passed)
    assert reorder.lost == sum(item.count for item in released if isinstance(item, Hole))
    assert reorder.received + reorder.late + reorder.duplicates == len(arrivals)
    assert len({item.sequence for item in passed}) == len(passed)


@given(st.permutations(range(3)), st.integers(0, 65_535))
def test_neighbours_out_of_order_lose_nothing(order: list[int], first: int) -> None:
    reorder = ReorderBuffer()
    released: list[AudioPacket | Hole] = []
    for n in [0, *(1 + base + n for base in (0, 3, 6) for n in order)]:
        released += reorder.push(packet(n, 0.001 * n, first))
    assert [n for n, _, received in places(released) if received] == [(first + n) & 0xFFFF for n in range(10)]
    assert reorder.lost == 0


def test_a_hole_is_given_up_when_three_later_packets_came() -> None:
    reorder = ReorderBuffer()
    reorder.push(packet(0, 0.00))
    assert reorder.push(packet(2, 0.02)) == []
    assert reorder.push(packet(3, 0.03)) == []
    assert reorder.push(packet(4, 0.04)) == [Hole(1, 1), packet(2, 0.02), packet(3, 0.03), packet(4, 0.04)]
    assert reorder.push(packet(1, 0.05)) == []
    assert reorder.push(packet(2, 0.06)) == []
    assert (reorder.lost, reorder.late, reorder.duplicates) == (1, 1, 1)


def test_a_hole_is_given_up_after_60_ms_by_a_packet_or_by_poll() -> None:
    for by_packet in (True, False):
        reorder = ReorderBuffer()
        reorder.push(packet(0, 0.0))
        reorder.push(packet(2, 0.1))
        assert reorder.poll(0.159) == []
        out = reorder.push(packet(4, 0.161)) if by_packet else reorder.poll(0.161)
        assert out == [Hole(1, 1), packet(2, 0.1)]


@settings(deadline=None)
@given(st.lists(st.booleans(), min_size=1, max_size=100))
def test_polling_keeps_nothing_longer_than_60_ms(lost: list[bool]) -> None:
    reorder, waiting = ReorderBuffer(), {}
    for n in range(len(lost) * 4):
        now = 0.005 * n
        out = []
        if n % 4 == 0 and not lost[n // 4]:
            waiting[n // 4] = now
            out += reorder.push(packet(n // 4, now))
        for item in out + reorder.poll(now):
            if isinstance(item, AudioPacket):
                assert now - waiting.pop(item.sequence) <= 0.06 + 1e-9
    assert all(0.005 * len(lost) * 4 - since <= 0.065 for since in waiting.values())


def test_a_restarted_sender_is_followed_and_a_stray_packet_is_not() -> None:
    reorder = ReorderBuffer()
    for n in range(1000, 1010):
        reorder.push(packet(n, 0.0))
    assert reorder.push(packet(200, 0.0)) == []
    assert reorder.push(packet(1010, 0.0)) == [packet(1010, 0.0)]
    assert reorder.push(packet(500, 0.0)) == []
    assert reorder.push(packet(501, 0.0)) == [packet(501, 0.0)]
    assert reorder.push(packet(502, 0.0)) == [packet(502, 0.0)]
    assert (reorder.restarts, reorder.late) == (1, 2)


# Opus


def chirp(seconds: float) -> Pcm:
    """A tone that never sounds the same twice, 48 kHz."""
    t = np.arange(round(seconds * 48_000)) / 48_000
    return (0.3 * np.sin(2 * np.pi * (300 * t + 100 * t * t))).astype(np.float32)


def encode(pcm: Pcm, frame_ms: int = 20) -> list[bytes]:
    codec = av.CodecContext.create("libopus", "w")
    codec.sample_rate, codec.layout, codec.format, codec.bit_rate = 48_000, "mono", "flt", 48_000
    codec.options = {"application": "audio", "frame_duration": str(frame_ms)}
    size, packets = 48 * frame_ms, []
    for start in range(0, len(pcm) - size + 1, size):
        frame = av.AudioFrame.from_ndarray(pcm[np.newaxis, start : start + size], format="flt", layout="mono")
        frame.sample_rate, frame.pts = 48_000, start
        packets += [bytes(encoded) for encoded in codec.encode(frame)]
    return packets


PACKETS = encode(chirp(4.0))


@pytest.mark.parametrize("frame_ms", [10, 20, 40, 60])
def test_the_duration_is_read_from_the_packet(frame_ms: int) -> None:
    decoder = OpusDecoder()
    for payload in encode(chirp(0.5), frame_ms):
        assert opus_duration(payload) == 48 * frame_ms
        pcm = decoder.decode(payload)
        assert pcm is not None
        assert len(pcm) == 48 * frame_ms


@given(st.binary(max_size=80))
@settings(deadline=None)
def test_no_payload_breaks_the_decoder(payload: bytes) -> None:
    decoder = OpusDecoder()
    pcm = decoder.decode(payload)
    assert pcm is None or len(pcm) == opus_duration(payload)
    good = decoder.decode(PACKETS[0])
    assert good is not None
    assert len(good) == 960


@given(st.integers(0, 9000))
@settings(deadline=None, max_examples=30)
def test_concealment_dies_away(samples: int) -> None:
    decoder = OpusDecoder()
    for payload in PACKETS[:20]:
        decoder.decode(payload)
    made = decoder.conceal(samples)
    assert len(made) == samples
    if samples >= 960:
        assert np.abs(made[:960]).max() > 0.1
    assert not made[2880:].any()
    if samples > 2880:
        assert np.abs(made[2860:2880]).max() < 0.05


def test_nothing_is_made_up_before_the_first_packet() -> None:
    assert not OpusDecoder().conceal(960).any()


# The tap


class Listener:
    """Collects what a tap hands on, and checks that no sample is skipped or repeated."""

    def __init__(self, start: int = 0) -> None:
        self.start = self.end = start
        self.chunks: list[Pcm] = []
        self.concealed: list[tuple[int, int]] = []
        self.stamps: list[tuple[int, int]] = []
        self.arrivals: list[float] = []

    def __call__(self, pcm: Pcm, start: int, concealed: bool, rtp: int, arrival: float) -> None:
        assert start == self.end
        assert len(pcm) > 0
        assert pcm.dtype == np.float32
        self.end += len(pcm)
        self.chunks.append(pcm)
        self.stamps.append((start, rtp))
        self.arrivals.append(arrival)
        if concealed and self.concealed and self.concealed[-1][1] == start:
            self.concealed[-1] = (self.concealed[-1][0], self.end)
        elif concealed:
            self.concealed.append((start, self.end))

    @property
    def pcm(self) -> Pcm:
        return np.concatenate(self.chunks)


class Wire:
    """Sends packets to a tap at times it is told."""

    def __init__(self, first_sequence: int = 0, first_timestamp: int = 0, start_sample: int = 0) -> None:
        self.now = 0.0
        self.heard = Listener(start_sample)
        self.tap = AudioTap(self.heard, clock=lambda: self.now, start_sample=start_sample)
        self.first_sequence, self.first_timestamp = first_sequence, first_timestamp

    def send(self, n: int, payload: bytes, *, pause: int = 0, ssrc: int = 1, now: float | None = None) -> None:
        """Packet `n`, after the sender fell silent for `pause` 48 kHz samples in all."""
        self.now = max(self.now, 0.02 * n + pause / 48_000) if now is None else now
        rtp = RtpPacket(
            payload_type=111,
            sequence_number=(self.first_sequence + n) & 0xFFFF,
            timestamp=(self.first_timestamp + 960 * n + pause) & 0xFFFFFFFF,
            ssrc=ssrc,
            payload=payload,
        )
        assert self.tap.add(rtp) == (False, None)


def undisturbed() -> Pcm:
    wire = Wire()
    for n, payload in enumerate(PACKETS):
        wire.send(n, payload)
    wire.tap.close()
    return wire.heard.pcm


CLEAN = undisturbed()


def test_audio_comes_through_at_once_and_in_place() -> None:
    wire = Wire()
    for n, payload in enumerate(PACKETS):
        wire.send(n, payload)
        assert wire.heard.end == 320 * (n + 1) - 16
        assert wire.heard.arrivals[-1] == wire.now
    wire.tap.close()
    assert wire.heard.end == 320 * len(PACKETS)
    # libopus looks 6.5 ms ahead when encoding: 312 samples of 48 kHz.
    want = chirp(4.0)[::3][1000:60_000]
    np.testing.assert_allclose(wire.heard.pcm[1104:60_104], want, atol=0.05)


@settings(deadline=None, max_examples=30)
@given(
    lost=st.sets(st.integers(1, 120), max_size=12),
    swapped=st.sets(st.integers(1, 120), max_size=12),
    sequence=st.sampled_from([0, 65_500]),
    timestamp=st.sampled_from([0, 2**32 - 50_000, 12_345]),
    start=st.sampled_from([0, 777]),
    polls=st.booleans(),
)
def test_loss_is_marked_and_shifts_nothing(
    lost: set[int], swapped: set[int], sequence: int, timestamp: int, start: int, polls: bool
) -> None:
    order = list(range(130))
    for n in swapped:
        order[n], order[n + 1] = order[n + 1], order[n]
    wire = Wire(sequence, timestamp, start)
    for n in order:
        if n not in lost:
            wire.send(n, PACKETS[n])
        if polls:
            wire.tap.poll(wire.now)
    wire.tap.close()
    heard, counts = wire.heard, wire.tap.counts
    assert heard.end - start == 130 * 320
    assert counts.concealed_samples == sum(b - a for a, b in heard.concealed)
    made = np.zeros(130 * 320, bool)
    for a, b in heard.concealed:
        made[a - start : b - start] = True
    gone = set(np.flatnonzero(made.reshape(130, 320).all(axis=1)).tolist())
    assert made.sum() == 320 * len(gone)
    assert lost <= gone
    assert (counts.lost, counts.lost - counts.late) == (len(gone), len(lost))
    for sample, rtp in heard.stamps:
        assert rtp == (timestamp + 3 * (sample - start)) % 2**32
    # Soon after a loss the same sound is at the same place again, if for a while at another loudness.
    settled = [n for n in range(130) if not gone & set(range(n - 3, n + 2))]
    for n in settled:
        place = slice(320 * n, 320 * (n + 1))
        assert np.corrcoef(heard.pcm[place], CLEAN[place])[0, 1] > 0.98


def test_audio_is_gathered_into_hops() -> None:
    wire = Wire()
    for n, payload in enumerate(PACKETS):
        wire.send(n, payload)
        if n == 0:
            wire.tap.gather(1280, -48 - 640)
        # Two packets and 48 samples of silence came before: the hops are whole with packets 1, 5, 9.
        assert wire.heard.end == 320 * (n + 1 if n < 2 else n - (n - 1) % 4 + 1) - 16
        assert n == 0 or wire.heard.arrivals[-1] == pytest.approx(0.02 * (n - (n - 1) % 4))
    stopped = wire.heard.end
    wire.tap.poll(wire.now)
    assert wire.heard.end == stopped
    wire.tap.poll(wire.now + 0.1)
    assert wire.heard.end == 320 * len(PACKETS) - 16, "nothing waits for a sender that has stopped"
    wire.tap.close()
    np.testing.assert_array_equal(wire.heard.pcm, CLEAN)


EVENTS = st.dictionaries(
    st.integers(1, 120), st.sampled_from(["lost", "late", "damaged", "empty", "pause", "long pause", "back", "source"])
)


@settings(deadline=None, max_examples=40)
@given(EVENTS, st.integers(-2000, 0), st.sampled_from([320, 1280, 2560]))
def test_gathering_changes_no_sample(events: dict[int, str], origin: int, period: int) -> None:
    def hear(gather: bool) -> Wire:
        wire = Wire(first_timestamp=2**32 - 40_000)
        pause, ssrc = 0, 1
        order = sorted(range(130), key=lambda n: n + 1.5 * (events.get(n) == "late"))
        for n in order:
            event = events.get(n, "")
            pause += {"pause": 4_000, "long pause": 400_000, "back": -2_000}.get(event, 0)
            ssrc += event == "source"
            if event != "lost":
                wire.send(n, {"damaged": b"\xff" * 40, "empty": b""}.get(event, PACKETS[n]), pause=pause, ssrc=ssrc)
            if n == 0 and gather:
                wire.tap.gather(period, origin)
        wire.tap.close()
        return wire

    alone, gathered = hear(False), hear(True)
    np.testing.assert_array_equal(gathered.heard.pcm, alone.heard.pcm)
    assert (gathered.heard.concealed, gathered.tap.counts) == (alone.heard.concealed, alone.tap.counts)
    clocks = [wire.tap.timeline.clock for wire in (alone, gathered)]
    assert clocks[0] is not None and clocks[1] is not None
    for sample in range(0, alone.heard.end, 4_000):
        assert clocks[0].rtp_at(sample) == clocks[1].rtp_at(sample)


def test_order_of_arrival_does_not_change_the_sound() -> None:
    wire = Wire()
    for base in range(0, 198, 3):
        for n in (base, base + 2, base + 1):
            wire.send(n, PACKETS[n])
    wire.tap.close()
    assert wire.tap.counts.lost == 0
    end = wire.heard.end - 16
    np.testing.assert_array_equal(wire.heard.pcm[:end], CLEAN[:end])


def test_a_pause_of_the_sender_is_marked_silence_of_its_length() -> None:
    wire = Wire()
    for n in range(100):
        wire.send(n, PACKETS[n], pause=0 if n < 50 else 2 * 48_000)
    wire.tap.close()
    assert wire.heard.concealed == [(16_000, 48_000)]
    assert not wire.heard.pcm[17_100:47_900].any()
    assert wire.heard.end == 100 * 320 + 32_000
    assert (wire.tap.counts.lost, wire.tap.counts.jumps) == (0, 0)


def test_a_pause_too_long_to_fill_moves_the_clock() -> None:
    wire = Wire()
    for n in range(20):
        wire.send(n, PACKETS[n], pause=0 if n < 10 else 60 * 48_000)
    wire.tap.close()
    assert wire.heard.concealed == [(3_200, 3_200 + 5 * 16_000)]
    assert wire.tap.counts.jumps == 1
    clock = wire.tap.timeline.clock
    assert clock is not None
    assert clock.rtp_at(0) == 0
    assert clock.rtp_at(3_200 + 80_000) == 10 * 960 + 60 * 48_000


def test_a_peer_cannot_have_minutes_made_out_of_nothing() -> None:
    wire = Wire()
    for n in range(100):
        wire.send(n, PACKETS[n], pause=n * 4 * 48_000, now=0.02 * n)
    assert wire.heard.end < 16_000 * (2 + 5 + 1)


def test_time_running_backwards_does_not_repeat_samples() -> None:
    wire = Wire()
    for n in range(20):
        wire.send(n, PACKETS[n], pause=0 if n < 10 else -4_000)
    wire.tap.close()
    assert wire.heard.end == 20 * 320
    assert (wire.tap.counts.jumps, wire.heard.concealed) == (1, [])


def test_a_new_source_goes_on_where_the_old_one_ended() -> None:
    wire = Wire(first_timestamp=5_000)
    for n in range(10):
        wire.send(n, PACKETS[n])
    wire.first_sequence, wire.first_timestamp = 40_000, 3_000_000_000
    for n in range(10, 20):
        wire.send(n, PACKETS[n], ssrc=2)
    wire.tap.close()
    assert (wire.heard.end, wire.heard.concealed) == (20 * 320, [])
    assert wire.tap.counts.received == 20
    assert wire.tap.counts.lost == 0
    clock = wire.tap.timeline.clock
    assert clock is not None
    assert clock.rtp_at(3_200) == 3_000_000_000 + 10 * 960


def test_damaged_packets_are_made_up_for() -> None:
    wire = Wire()
    for n in range(50):
        wire.send(n, b"\xff" * 40 if n in (20, 21) else b"" if n == 30 else PACKETS[n])
    wire.tap.close()
    assert wire.heard.end == 50 * 320
    assert wire.heard.concealed == [(20 * 320, 22 * 320), (30 * 320, 31 * 320)]
    assert wire.tap.counts.damaged == 2


def test_a_hole_is_passed_by_poll_when_the_sender_stops() -> None:
    wire = Wire()
    wire.send(0, PACKETS[0])
    wire.send(2, PACKETS[2])
    assert wire.heard.end == 304
    wire.tap.poll(wire.now + 0.061)
    assert wire.heard.end == 960 - 16


# aiortc


class Replay(MediaStreamTrack):
    """Sends Opus packets four times as fast as they would be spoken."""

    kind = "audio"

    def __init__(self, packets: list[bytes]) -> None:
        super().__init__()
        self.sent = 0
        self._packets = packets

    async def recv(self) -> av.Packet:  # type: ignore[override]
        await asyncio.sleep(0.005 if self.sent < len(self._packets) else 3600)
        out = av.Packet(self._packets[self.sent])
        out.pts, out.time_base = 960 * self.sent, fractions.Fraction(1, 48_000)
        self.sent += 1
        return out


async def connect(sender: RTCPeerConnection, receiver: RTCPeerConnection) -> None:
    await sender.setLocalDescription(await sender.createOffer())
    await receiver.setRemoteDescription(sender.localDescription)
    await receiver.setLocalDescription(await receiver.createAnswer())
    await sender.setRemoteDescription(receiver.localDescription)


def test_aiortc_still_has_the_part_that_the_tap_replaces() -> None:
    import inspect

    assert list(inspect.signature(JitterBuffer.add).parameters) == ["self", "packet"]
    assert "self.__jitter_buffer.add(packet)" in inspect.getsource(RTCRtpReceiver._handle_rtp_packet)


def _count_calls(receiver: RTCRtpReceiver) -> list[int]:
    """Sequence numbers that go the long way from now on."""
    calls: list[int] = []
    handle = receiver._handle_rtp_packet

    async def counted(packet: RtpPacket, arrival_time_ms: int) -> None:
        calls.append(packet.sequence_number)
        await handle(packet, arrival_time_ms=arrival_time_ms)

    receiver._handle_rtp_packet = counted
    return calls


@pytest.mark.parametrize("loss", [0.0, 0.02])
async def test_audio_arrives_through_real_peers(loss: float) -> None:
    offerer, answerer = (RTCPeerConnection(RTCConfiguration(iceServers=[])) for _ in range(2))
    heard, taps, dropped, long_ways = Listener(), [], [], []
    rng = random.Random(4)

    @answerer.on("track")
    def on_track(track: MediaStreamTrack) -> None:
        receiver = answerer.getTransceivers()[0].receiver
        taps.append(rtp_tap.install(receiver, heard))
        # Between socket and connection: as near to the network as a process gets.
        connection = receiver.transport.transport._connection
        deliver = connection.data_received
        base: list[int] = []

        def lossy(data: bytes, component: int) -> None:
            if 127 < data[0] < 192 and not 192 <= data[1] < 224:
                base.append(int.from_bytes(data[2:4], "big"))
                n = (base[-1] - base[0]) & 0xFFFF
                if 0 < n < 190 and rng.random() < loss:
                    dropped.append(n)
                    return
            deliver(data, component)

        connection.data_received = lossy
        long_ways.append(_count_calls(receiver))

    track = Replay(PACKETS)
    offerer.addTrack(track)
    try:
        await connect(offerer, answerer)
        async with asyncio.timeout(10):
            while heard.end < 320 * len(PACKETS) - 16:
                await asyncio.sleep(0.02)
    finally:
        await offerer.close()
        await answerer.close()
    [tap] = taps
    assert tap.counts.lost == len(dropped)
    assert (len(dropped) > 0) == (loss > 0)
    assert 1 <= len(long_ways[0]) < 20, "the first packets introduce the source, the others take the short way"
    assert [b - a for a, b in heard.concealed] == [320] * len(dropped)
    assert [a // 320 for a, b in heard.concealed] == sorted(dropped)
    first = heard.stamps[0][1]
    assert all(rtp == (first + 3 * sample) % 2**32 for sample, rtp in heard.stamps)
    np.testing.assert_allclose(heard.pcm[-1000:], CLEAN[: heard.end][-1000:], atol=0.05)


@pytest.fixture
async def receiver() -> RTCRtpReceiver:
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    return pc.addTransceiver("audio").receiver


async def test_another_aiortc_is_refused(
    receiver: RTCRtpReceiver, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("importlib.metadata.version", lambda name: "1.17.0")
    with pytest.raises(TapUnavailable, match=r"1\.17\.0"):
        rtp_tap.install(receiver, Listener())
    assert "audio tap not installed" in caplog.text


async def test_a_receiver_without_the_buffer_is_refused(receiver: RTCRtpReceiver) -> None:
    del receiver._RTCRtpReceiver__jitter_buffer
    with pytest.raises(TapUnavailable, match="no jitter buffer"):
        rtp_tap.install(receiver, Listener())


class Decoded(MediaStreamTrack):
    """Stereo frames as aiortc decodes them, the third lost, then the end."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        sound = (chirp(0.1) * 32_767).astype(np.int16).repeat(2)
        self._frames = []
        for n in (0, 1, 3, 4):
            frame = av.AudioFrame.from_ndarray(sound[np.newaxis, n * 1920 : (n + 1) * 1920], format="s16")
            frame.sample_rate, frame.pts = 48_000, n * 960
            self._frames.append(frame)

    async def recv(self) -> av.AudioFrame:
        if not self._frames:
            raise MediaStreamError
        return self._frames.pop(0)


async def test_a_track_can_be_followed_instead() -> None:
    heard = Listener(start=100)
    await rtp_tap.follow(Decoded(), heard, start_sample=100)
    assert heard.end == 100 + 5 * 320
    assert heard.concealed == [(100 + 640, 100 + 960)]
    want = chirp(0.1)[::3]
    np.testing.assert_allclose(heard.pcm[100:600], want[100:600], atol=1e-3)
    np.testing.assert_allclose(heard.pcm[1000:1500], want[1000:1500], atol=1e-3)
