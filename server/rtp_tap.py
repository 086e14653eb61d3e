"""Audio out of an aiortc receiver with 20 ms of delay, losses known and time intact.

aiortc's own jitter buffer holds every packet for 80 ms, and one lost packet leaves the stream 300 ms late
for the rest of the call (aiortc#543). `install` puts an `AudioTap` in its place: packets are put in order
(`ReorderBuffer`), decoded to mono (`OpusDecoder`) and laid on the 16 kHz clock of the session (`Timeline`).
The first three parts know no event loop and no clock. `install` alone touches a private attribute of aiortc, and has
packets brought to it the short way (`server.rtp_shortcut`); when it raises `TapUnavailable`, read the track with
`follow` instead.
"""

import importlib.metadata
import inspect
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import av
import av.error
import numpy as np
from aiortc import MediaStreamTrack, RTCRtpReceiver
from aiortc.jitterbuffer import JitterBuffer
from aiortc.mediastreams import MediaStreamError
from aiortc.rtp import RtpPacket

from recitation.audio import RTP_HZ, SAMPLE_HZ, Pcm, Resampler, SampleClock, frame_to_mono, signed32
from server.rtp_shortcut import shorten

__all__ = [
    "AudioPacket",
    "AudioTap",
    "Counts",
    "Hole",
    "OnAudio",
    "OnPacket",
    "OpusDecoder",
    "ReorderBuffer",
    "TapUnavailable",
    "Timeline",
    "follow",
    "install",
    "opus_duration",
]

logger = logging.getLogger(__name__)

OnAudio = Callable[[Pcm, int, bool, int, float], None]
"""Called with (pcm float32[n] 16 kHz, start_sample, concealed, rtp_timestamp, arrival).

Chunks follow each other without a hole: `start_sample` is always the end of the chunk before.
`rtp_timestamp` is that of the first sample, `arrival` the time the packet behind the chunk came in.
`concealed` means that nothing of the chunk was received: the network lost it, or the sender paused.
"""

RTP_PER_SAMPLE = RTP_HZ // SAMPLE_HZ

RESAMPLER_SAMPLES = 32
"""The resampler keeps at most 2 ms until later input completes them."""


@dataclass(frozen=True, slots=True)
class AudioPacket:
    """An RTP packet's audio."""

    sequence: int
    timestamp: int
    payload: bytes
    arrival: float
    """Seconds, by the clock whose `now` is passed to `poll`."""


OnPacket = Callable[[AudioPacket], None]
"""Called with every Opus packet in order, as it came, before it is decoded."""


@dataclass(frozen=True, slots=True)
class Hole:
    """Packets that were waited for in vain."""

    sequence: int
    """First missing."""
    count: int


@dataclass(frozen=True, slots=True)
class Counts:
    """What happened to a stream so far."""

    received: int = 0
    """Packets passed on in order."""
    lost: int = 0
    """Packets given up, those that came late included."""
    late: int = 0
    """Packets that came after they had been given up."""
    duplicates: int = 0
    damaged: int = 0
    """Packets that were not Opus."""
    jumps: int = 0
    """Times the sender's clock or sequence jumped and the sample clock was tied to it anew."""
    concealed_samples: int = 0
    """16 kHz samples made up."""


class ReorderBuffer:
    """Puts packets in order, waiting for a missing one at most `hold_s` seconds or until `hold_packets`
    later ones came.

    Never holds more than `hold_packets`. Sequence numbers wrap (RFC 3550 5.1). A packet up to 100 places
    behind is late or a duplicate and dropped; further behind, it is taken for a restarted sender once its
    successor comes too (RFC 3550 A.1).
    """

    MAX_MISORDER = 100

    def __init__(self, hold_s: float = 0.060, hold_packets: int = 3) -> None:
        self.received = self.lost = self.late = self.duplicates = self.restarts = 0
        self._hold_s = hold_s
        self._hold_packets = hold_packets
        self._next: int | None = None
        self._held: dict[int, AudioPacket] = {}
        self._released = 0
        """Bit i: the packet i + 1 places before `_next` was passed on."""
        self._stray: int | None = None

    def push(self, packet: AudioPacket) -> list[AudioPacket | Hole]:
        """Take a packet; return what can now be passed on, in order."""
        if self._next is None:
            self._next = packet.sequence
        ahead = ((packet.sequence - self._next + 0x8000) & 0xFFFF) - 0x8000
        if ahead < -self.MAX_MISORDER:
            return self._restart(packet)
        if ahead < 0:
            self._count_past(-ahead)
        elif packet.sequence in self._held:
            self.duplicates += 1
        else:
            self._held[packet.sequence] = packet
        return self.poll(packet.arrival)

    def poll(self, now: float) -> list[AudioPacket | Hole]:
        """Pass on what has waited long enough at time `now`."""
        out: list[AudioPacket | Hole] = []
        while self._held:
            assert self._next is not None
            if packet := self._held.pop(self._next, None):
                self._pass(1, 1)
                self.received += 1
                out.append(packet)
            elif len(self._held) >= self._hold_packets or now - self._waiting_since() >= self._hold_s:
                out.append(self._give_up())
            else:
                break
        return out

    def flush(self) -> list[AudioPacket | Hole]:
        """End the stream: pass on everything held."""
        return self.poll(float("inf"))

    def _waiting_since(self) -> float:
        return min(packet.arrival for packet in self._held.values())

    def _give_up(self) -> Hole:
        assert self._next is not None
        missing = min((sequence - self._next) & 0xFFFF for sequence in self._held)
        hole = Hole(self._next, missing)
        self.lost += missing
        self._pass(missing, 0)
        return hole

    def _pass(self, places: int, released: int) -> None:
        assert self._next is not None
        self._next = (self._next + places) & 0xFFFF
        self._released = (self._released << min(places, self.MAX_MISORDER) | released) & (1 << self.MAX_MISORDER) - 1

    def _count_past(self, behind: int) -> None:
        if self._released >> (behind - 1) & 1:
            self.duplicates += 1
        else:
            self.late += 1

    def _restart(self, packet: AudioPacket) -> list[AudioPacket | Hole]:
        if self._stray is None or packet.sequence != (self._stray + 1) & 0xFFFF:
            self._stray = packet.sequence
            self.late += 1
            return self.poll(packet.arrival)
        out = self.flush()
        self._next, self._released, self._stray = packet.sequence, 0, None
        self.restarts += 1
        return out + self.push(packet)


def opus_duration(payload: bytes) -> int:
    """48 kHz samples in an Opus packet, 0 if its table-of-contents byte is not valid (RFC 6716 3.1, 3.2)."""
    if not payload:
        return 0
    config, code = payload[0] >> 3, payload[0] & 3
    if config < 12:
        frame = (480, 960, 1920, 2880)[config & 3]
    elif config < 16:
        frame = (480, 960)[config & 1]
    else:
        frame = (120, 240, 480, 960)[config & 3]
    if code == 3 and len(payload) < 2:
        return 0
    frames = payload[1] & 0x3F if code == 3 else (1, 2, 2)[code]
    return frame * frames if frame * frames <= 5760 else 0


class OpusDecoder:
    """Opus packets to 48 kHz mono, by libopus, which also makes up for lost ones."""

    CONCEAL_SAMPLES = 2880  # 60 ms: beyond that libopus drones on a held vowel.

    def __init__(self) -> None:
        self._codec = av.CodecContext.create("libopus", "r")
        self._codec.layout = "mono"
        self._codec.sample_rate = RTP_HZ
        self._repeat: bytes | None = None

    def decode(self, payload: bytes) -> Pcm | None:
        """float32[opus_duration(payload)], or None for a packet that is not valid Opus."""
        duration = opus_duration(payload)
        pcm = self._decode(payload) if duration else None
        if pcm is None or len(pcm) != duration:
            return None
        self._repeat = bytes([payload[0] & 0xFC])
        return pcm

    def conceal(self, samples: int) -> Pcm:
        """float32[samples] in place of what is missing: the sound dies away within 60 ms, then silence."""
        out = np.zeros(samples, np.float32)
        made = 0
        while self._repeat is not None and made < min(samples, self.CONCEAL_SAMPLES):
            # A packet of nothing but its first byte is one frame lost or not sent, and libopus extrapolates
            # it (RFC 6716 3.2.1 and 4.4). FFmpeg offers no other way to ask for that.
            pcm = self._decode(self._repeat)
            if pcm is None:
                break
            take = min(len(pcm), samples - made)
            out[made : made + take] = pcm[:take]
            made += take
        if made < samples and made > 0:
            fade = min(made, 480)
            out[made - fade : made] *= np.linspace(1, 0, fade, dtype=np.float32)
        return out

    def _decode(self, payload: bytes) -> Pcm | None:
        try:
            frames = self._codec.decode(av.Packet(payload))
        except av.error.FFmpegError:
            return None
        if len(frames) == 1:
            return _samples_of(frames[0])
        return np.concatenate([_samples_of(frame) for frame in frames]) if frames else None


def _samples_of(frame: av.AudioFrame) -> Pcm:
    """`frame_to_mono`, five times as fast for what libopus makes: 16-bit mono."""
    if frame.format.name == "s16" and frame.layout.name == "mono":
        samples = np.frombuffer(bytes(frame.planes[0]), np.int16, frame.samples)
        return samples.astype(np.float32) / np.float32(32_768)
    return frame_to_mono(frame)


class Timeline:
    """Lays audio on the 16 kHz sample clock by its RTP time, which is 48 kHz whatever the rate, and hands it on.

    Time missing between one packet and the next, lost or not sent, is made up and marked, up to `max_gap_s`
    seconds; beyond that, and where time runs backwards, the sample clock is tied to the sender's anew and
    nothing is filled. Nor may filling run more than `max_gap_s` ahead of the arrival times, lest a peer have
    minutes made out of nothing.
    """

    def __init__(
        self,
        on_audio: OnAudio,
        conceal: Callable[[int], Pcm],
        *,
        start_sample: int,
        max_gap_s: float,
        rate_hz: int = RTP_HZ,
    ) -> None:
        """`rate_hz`, a divisor of 48 kHz, is the rate of what is taken and of what `conceal` makes."""
        self.clock: SampleClock | None = None
        """Set by the first packet."""
        self.jumps = 0
        self.concealed_samples = 0
        self._on_audio = on_audio
        self._conceal = conceal
        self._start = self._emitted = start_sample
        self._max_gap = round(max_gap_s * RTP_HZ)
        self._resampler = Resampler(rate_hz)
        self._step = RTP_HZ // rate_hz  # 48 kHz samples in one of the input
        self._written = 0  # 48 kHz samples since the session's start
        self._expected = 0  # timestamp of the next sample
        self._concealed: list[tuple[int, int]] = []  # sample spans not yet wholly handed on
        self._began = 0.0  # arrival of the first packet
        self._arrival = 0.0

    def write(self, timestamp: int, pcm: Pcm, arrival: float) -> None:
        """Take float32[n] whose first sample has `timestamp`; fill the gap before it."""
        self.reach(timestamp, arrival)
        self.append(pcm, arrival)

    def reach(self, timestamp: int, arrival: float) -> None:
        """Fill or jump to `timestamp`, before the audio there is decoded."""
        self._arrival = arrival
        if self.clock is None:
            self.clock = SampleClock(timestamp, self._start)
            self._expected, self._began = timestamp, arrival
        gap = signed32(timestamp - self._expected)
        if gap > 0:
            ahead = self._written - round((arrival - self._began) * RTP_HZ)
            fill = max(0, min(gap, self._max_gap, self._max_gap - ahead))
            fill -= fill % self._step
            self._fill(fill)
            gap -= fill
        if gap != 0:
            self._rebase(timestamp)

    @property
    def end(self) -> int:
        """Sample up to which audio was handed on."""
        return self._emitted

    @property
    def expected(self) -> int:
        """Timestamp of the next sample."""
        return self._expected

    def end_at(self, timestamp: int) -> int:
        """Sample up to which audio will at least have been handed on once it is in up to `timestamp`."""
        written = self._written + signed32(timestamp - self._expected)
        return self._start + written // RTP_PER_SAMPLE - RESAMPLER_SAMPLES

    def append(self, pcm: Pcm, arrival: float) -> None:
        """Take float32[n] that follows what came before; the last of it came in at `arrival`."""
        assert self.clock is not None
        self._arrival = arrival
        self._written += len(pcm) * self._step
        self._expected = (self._expected + len(pcm) * self._step) & 0xFFFFFFFF
        self.clock.advance(self._expected)
        self._hand_on(self._resampler.push(pcm))

    def restart(self, timestamp: int) -> None:
        """A new source, whose time has nothing to do with the old one's, goes on where that ended."""
        if self.clock is not None:
            self._rebase(timestamp)

    def flush(self) -> None:
        """End the stream: hand on the last millisecond."""
        self._hand_on(self._resampler.flush())

    def _rebase(self, timestamp: int) -> None:
        assert self.clock is not None
        into = self._written % RTP_PER_SAMPLE
        self.clock.rebase(timestamp - into, self._start + self._written // RTP_PER_SAMPLE)
        self._expected = timestamp
        self.jumps += 1

    def _fill(self, count: int) -> None:
        if count == 0:
            return
        begin = self._start - (-self._written // RTP_PER_SAMPLE)
        end = self._start - (-(self._written + count) // RTP_PER_SAMPLE)
        self._concealed.append((begin, end))
        self.concealed_samples += end - begin
        self.append(self._conceal(count // self._step), self._arrival)

    def _hand_on(self, pcm: Pcm) -> None:
        done, end = self._emitted, self._emitted + len(pcm)
        while done < end:
            while self._concealed and self._concealed[0][1] <= done:
                self._concealed.pop(0)
            first, last = self._concealed[0] if self._concealed else (end, end)
            stop = min(end, last if first <= done else first)
            self._emit(pcm[done - self._emitted : stop - self._emitted], done, first <= done)
            done = stop
        self._emitted = end

    def _emit(self, pcm: Pcm, start: int, concealed: bool) -> None:
        assert self.clock is not None
        self._on_audio(pcm, start, concealed, self.clock.rtp_at(start), self._arrival)


class AudioTap:
    """Stands in for the jitter buffer of an aiortc audio receiver, and hands its audio to `on_audio`.

    What `on_audio` raises ends the connection, as any failure inside aiortc's receive loop does. Decoding is
    inline: it takes 0.1 ms a packet, less than handing it to a thread. Where nothing is done with audio before a
    hop of it is whole, `gather` lets packets wait for each other: decoding four at once costs half.
    """

    GATHER_S = 0.1
    """Packets wait for the rest of their hop no longer: the sender has stopped."""

    def __init__(
        self,
        on_audio: OnAudio,
        *,
        clock: Callable[[], float] = time.monotonic,
        start_sample: int = 0,
        max_gap_s: float = 5.0,
        hold_s: float = 0.060,
        hold_packets: int = 3,
        on_packet: OnPacket | None = None,
    ) -> None:
        """`hold_s` and `hold_packets`: how long a missing packet is waited for, see ReorderBuffer."""
        self._clock = clock
        self._on_packet = on_packet
        self._decoder = OpusDecoder()
        self._hold = hold_s, hold_packets
        self._reorder = ReorderBuffer(*self._hold)
        self._past = Counts()
        self._damaged = 0
        self._ssrc: int | None = None
        self._restarted = False
        self._waiting: list[AudioPacket] = []
        self._period = self._origin = 0
        self.timeline = Timeline(on_audio, self._decoder.conceal, start_sample=start_sample, max_gap_s=max_gap_s)

    def add(self, packet: RtpPacket) -> tuple[bool, None]:
        """Take a packet as `JitterBuffer.add` does; no key frame to ask for, no frame for aiortc to
        decode."""
        self.take(packet.ssrc, packet.sequence_number, packet.timestamp, packet.payload, self._clock())
        return False, None

    def take(self, ssrc: int, sequence: int, timestamp: int, payload: bytes, arrival: float) -> None:
        """Take a packet of any source."""
        if ssrc != self._ssrc:
            self._change_source(ssrc)
        self.receive(AudioPacket(sequence, timestamp, payload, arrival))

    def receive(self, packet: AudioPacket) -> None:
        """Take a packet of the same source as before."""
        restarts = self._reorder.restarts
        released = self._reorder.push(packet)
        if self._reorder.restarts > restarts:
            self._play()
            self._restarted = True
        self._take(released)

    def gather(self, period: int, origin: int) -> None:
        """From now on hand on audio in pieces that end at or soon after sample `origin` + n * `period`."""
        self._period, self._origin = period, origin

    def poll(self, now: float) -> None:
        """Give up packets waited for in vain, when none come that would do it. Call it every 50 ms or so."""
        self._take(self._reorder.poll(now))
        if self._waiting and now - self._waiting[0].arrival > self.GATHER_S:
            self._play()

    def close(self) -> None:
        """Hand on what is still held. No packet may follow."""
        self._take(self._reorder.flush())
        self._play()
        self.timeline.flush()

    @property
    def counts(self) -> Counts:
        """What happened so far."""
        past, now = self._past, self._reorder
        return Counts(
            received=past.received + now.received,
            lost=past.lost + now.lost,
            late=past.late + now.late,
            duplicates=past.duplicates + now.duplicates,
            damaged=self._damaged,
            jumps=self.timeline.jumps,
            concealed_samples=self.timeline.concealed_samples,
        )

    def _change_source(self, ssrc: int) -> None:
        self._take(self._reorder.flush())
        self._play()
        self._past = replace(self.counts, damaged=0, jumps=0, concealed_samples=0)
        self._restarted = self._ssrc is not None
        self._reorder, self._ssrc = ReorderBuffer(*self._hold), ssrc

    def _take(self, released: list[AudioPacket | Hole]) -> None:
        # A hole needs nothing here: the timestamp of the packet after it says how long it is.
        for item in released:
            if not isinstance(item, AudioPacket):
                continue
            if opus_duration(item.payload) == 0:
                self._damaged += bool(item.payload)  # An empty one is padding.
                continue
            if self._on_packet is not None:
                self._on_packet(item)
            self._waiting.append(item)
            if self._piece_is_whole(item):
                self._play()

    def _piece_is_whole(self, newest: AudioPacket) -> bool:
        if self._period == 0 or self._restarted or self.timeline.clock is None:
            return True
        end = self.timeline.end_at((newest.timestamp + opus_duration(newest.payload)) & 0xFFFFFFFF)
        begun = self.timeline.end
        if not begun <= end + RESAMPLER_SAMPLES < begun + self._period + RESAMPLER_SAMPLES:
            return True  # Time jumped.
        return (end - self._origin) // self._period > (begun - self._origin) // self._period

    def _play(self) -> None:
        """Decode and hand on what waits, as much at a time as follows without a gap."""
        waiting, self._waiting = self._waiting, []
        parts: list[Pcm] = []
        expected, arrival = self.timeline.expected, 0.0
        for packet in waiting:
            if self._restarted or packet.timestamp != expected or not parts:
                self._hand_on(parts, arrival)
                if self._restarted:
                    self.timeline.restart(packet.timestamp)
                    self._restarted = False
                self.timeline.reach(packet.timestamp, packet.arrival)
                expected = packet.timestamp
            pcm = self._decoder.decode(packet.payload)
            if pcm is None:
                # Left out here, its time is made up when the next packet comes.
                self._damaged += 1
                continue
            parts.append(pcm)
            expected, arrival = (expected + len(pcm)) & 0xFFFFFFFF, packet.arrival
        self._hand_on(parts, arrival)

    def _hand_on(self, parts: list[Pcm], arrival: float) -> None:
        if parts:
            self.timeline.append(parts[0] if len(parts) == 1 else np.concatenate(parts), arrival)
            parts.clear()


class TapUnavailable(RuntimeError):
    """This aiortc is not the one whose private parts the tap knows."""


_ATTRIBUTE = "_RTCRtpReceiver__jitter_buffer"
_KNOWN_VERSION = (1, 16)


def install(
    receiver: RTCRtpReceiver,
    on_audio: OnAudio,
    *,
    clock: Callable[[], float] = time.monotonic,
    start_sample: int = 0,
    on_packet: OnPacket | None = None,
) -> AudioTap:
    """Replace the jitter buffer of an audio receiver; call it in the `track` handler, before any packet.

    `on_audio` is called on the event loop. `start_sample` continues the clock of a session that had another
    connection before. Raises `TapUnavailable`, and logs a warning, if aiortc has changed; `ValueError` for a
    video receiver.
    """
    if receiver.track is not None and receiver.track.kind != "audio":
        raise ValueError(f"the tap takes audio, not {receiver.track.kind}")
    if why := _unknown(receiver):
        logger.warning("audio tap not installed, %s; reading the track instead, later by 100 to 300 ms", why)
        raise TapUnavailable(why)
    tap = AudioTap(on_audio, clock=clock, start_sample=start_sample, on_packet=on_packet)
    setattr(receiver, _ATTRIBUTE, tap)
    shorten(receiver, tap.take, clock)
    return tap


def _unknown(receiver: RTCRtpReceiver) -> str | None:
    version = importlib.metadata.version("aiortc")
    if tuple(version.split(".")[:2]) != tuple(map(str, _KNOWN_VERSION)):
        return f"aiortc is {version}, the tap knows 1.16"
    if not isinstance(getattr(receiver, _ATTRIBUTE, None), JitterBuffer):
        return "the receiver has no jitter buffer where it was"
    if list(inspect.signature(JitterBuffer.add).parameters) != ["self", "packet"]:
        return "the jitter buffer is filled in another way"
    return None


async def follow(
    track: MediaStreamTrack,
    on_audio: OnAudio,
    *,
    clock: Callable[[], float] = time.monotonic,
    start_sample: int = 0,
) -> None:
    """Hand on a track's decoded audio until it ends, where the tap is unavailable.

    Time is counted from the track's first frame, so `rtp_timestamp` lacks the sender's random offset (RFC
    3550 5.1).
    """
    timeline = Timeline(on_audio, lambda n: np.zeros(n, np.float32), start_sample=start_sample, max_gap_s=5.0)
    while True:
        try:
            frame = await track.recv()
        except MediaStreamError:
            break
        if isinstance(frame, av.AudioFrame) and frame.pts is not None and frame.sample_rate == RTP_HZ:
            timeline.write(frame.pts & 0xFFFFFFFF, frame_to_mono(frame), clock())
    timeline.flush()
