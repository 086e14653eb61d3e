"""A student's Opus packets, passed on unchanged to the teachers who listen.

Nothing is decoded or encoded on the way: aiortc's sender takes a track that yields `av.Packet` for one of ready packets
and packs each as it is, which a contract test holds it to. It numbers them itself, so what the student's network lost
is a step in the timestamps, which a browser's jitter buffer conceals as it does any missing packet.

The student never waits: to pass a packet on is to append it to the queue of each listener, and a queue whose sender
takes nothing forgets its oldest.
"""

import asyncio
import fractions
from collections import deque
from typing import TypeAlias

import av
import numpy as np
from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError

from recitation.audio import RTP_HZ, SAMPLE_HZ, Pcm, signed32
from server.rtp_tap import RTP_PER_SAMPLE, AudioPacket, opus_duration

PACKET_SAMPLES = SAMPLE_HZ // 50
"""20 ms."""

MOST_WAITING = 50
"""Packets kept for a listener, one second; overflow drops the oldest."""

EARLY_S = 1.0
"""A timestamp that runs so far ahead of the clock, or runs back, is of another source."""

PCM_BIT_RATE = 32_000
"""As the student page's own Opus."""

OpusPacket: TypeAlias = "av.Packet[av.stream.Stream]"


class Spacing:
    """RTP time of one packet after another that only grows: steps are the sender's own, and a sender that begins anew
    (another connection, another microphone) goes on where the one before ended."""

    def __init__(self) -> None:
        self._time = 0
        self._last: AudioPacket | None = None

    def at(self, packet: AudioPacket) -> int:
        """48 kHz samples since the first packet; `packet` came after all others."""
        last, self._last = self._last, packet
        if last is None:
            return 0
        step = signed32(packet.timestamp - last.timestamp)
        passed = max(0, round((packet.arrival - last.arrival) * RTP_HZ))
        if not 0 < step <= passed + EARLY_S * RTP_HZ:
            step = max(opus_duration(last.payload), passed)
        self._time += step
        return self._time


class Passed(MediaStreamTrack):
    """The packets of one student as the track of one listener."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._queue: deque[OpusPacket] = deque(maxlen=MOST_WAITING)
        self._news = asyncio.Event()

    def put(self, packet: OpusPacket) -> None:
        """Take the next packet, which other listeners may have too."""
        self._queue.append(packet)
        self._news.set()

    async def recv(self) -> OpusPacket:
        """The next packet. Raises MediaStreamError once stopped."""
        while not self._queue:
            if self.readyState != "live":
                raise MediaStreamError
            self._news.clear()
            await self._news.wait()
        return self._queue.popleft()

    def stop(self) -> None:
        """End it; whoever waits for a packet is told."""
        super().stop()
        self._queue.clear()
        self._news.set()


class Relay:
    """What a session's student sends, to any number of tracks."""

    def __init__(self) -> None:
        self._tracks: set[Passed] = set()
        self._spacing = Spacing()
        self._encoder: PcmEncoder | None = None

    def join(self, track: Passed) -> None:
        """Put what comes from now on on a track."""
        self._tracks.add(track)

    def leave(self, track: Passed) -> None:
        """Nothing more for this track."""
        self._tracks.discard(track)
        track.stop()
        if not self._tracks:
            self._encoder = None

    def packet(self, packet: AudioPacket) -> None:
        """The student's next Opus packet, in order."""
        if not self._tracks:
            return
        passed = av.Packet(packet.payload)
        passed.pts, passed.time_base = self._spacing.at(packet), fractions.Fraction(1, RTP_HZ)
        for track in self._tracks:
            track.put(passed)

    def samples(self, pcm: Pcm, start: int, arrival: float) -> None:
        """The student's next float32[n] at 16 kHz from sample `start` on, where they come without Opus; encoded while
        somebody listens."""
        if not self._tracks:
            return
        if self._encoder is None:
            self._encoder = PcmEncoder(start)
        for packet in self._encoder.push(pcm, arrival):
            self.packet(packet)


class PcmEncoder:
    """Opus packets of 20 ms from 16 kHz samples."""

    def __init__(self, start: int) -> None:
        """`start`: index of the first sample."""
        self._codec = av.CodecContext.create("libopus", "w")
        self._codec.sample_rate, self._codec.layout, self._codec.format = SAMPLE_HZ, "mono", "flt"
        self._codec.bit_rate = PCM_BIT_RATE
        self._codec.options = {"application": "voip", "frame_duration": "20"}
        self._timestamp = start * RTP_PER_SAMPLE
        self._sequence = 0
        self._held: Pcm = np.zeros(0, np.float32)

    def push(self, pcm: Pcm, arrival: float) -> list[AudioPacket]:
        """Take float32[n] that follows what came before; the packets that are whole."""
        held = np.concatenate([self._held, pcm])
        whole = len(held) // PACKET_SAMPLES * PACKET_SAMPLES
        self._held = held[whole:]
        return [
            packet
            for first in range(0, whole, PACKET_SAMPLES)
            for packet in self._encode(held[first : first + PACKET_SAMPLES], arrival)
        ]

    def _encode(self, pcm: Pcm, arrival: float) -> list[AudioPacket]:
        frame = av.AudioFrame.from_ndarray(pcm[np.newaxis], format="flt", layout="mono")
        frame.sample_rate = SAMPLE_HZ
        packets = []
        for encoded in self._codec.encode(frame):
            payload = bytes(encoded)
            packets.append(AudioPacket(self._sequence, self._timestamp & 0xFFFFFFFF, payload, arrival))
            self._sequence = (self._sequence + 1) & 0xFFFF
            self._timestamp += opus_duration(payload)
        return packets
