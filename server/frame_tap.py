"""Frames of a WebSocket to the session's 16 kHz clock: the parts of `server.rtp_tap`, without its waiting.

What TCP delivers is in order, so a number left out was never sent: its time is made up at once.
"""

import numpy as np

from recitation.audio import SAMPLE_HZ, Pcm
from server.frames import Frame, OpusFrame, PcmFrame
from server.messages import BadMessage
from server.relay import Relay
from server.rtp_tap import RTP_PER_SAMPLE, AudioPacket, AudioTap, Counts, OnAudio, Timeline

MAX_GAP_S = 5.0
"""Of a longer gap so much is filled, as with RTP."""

LOST_SAMPLES = 320
"""Missing PCM is counted in packets of 20 ms."""


class PcmTap:
    """Samples of 16 kHz, which need no decoder. Their RTP timestamp is three times their index."""

    def __init__(self, on_audio: OnAudio) -> None:
        self._timeline = Timeline(on_audio, _silence, start_sample=0, max_gap_s=MAX_GAP_S, rate_hz=SAMPLE_HZ)
        self._received = 0

    def receive(self, frame: PcmFrame, arrival: float) -> None:
        """Take a frame and hand its samples on."""
        self._received += 1
        self._timeline.write(frame.sample * RTP_PER_SAMPLE & 0xFFFFFFFF, frame.pcm, arrival)

    @property
    def counts(self) -> Counts:
        """What happened so far."""
        made_up = self._timeline.concealed_samples
        return Counts(
            self._received, -(-made_up // LOST_SAMPLES), jumps=self._timeline.jumps, concealed_samples=made_up
        )


class FrameTap:
    """Audio of one session, all of the kind that its first frame is of. `relay` passes it on to those who listen."""

    def __init__(self, on_audio: OnAudio, relay: Relay | None = None) -> None:
        self._on_audio, self._relay = on_audio, relay or Relay()
        self._tap: AudioTap | PcmTap | None = None

    def receive(self, frame: Frame, arrival: float) -> None:
        """Take a frame. Raises BadMessage for one of another kind than those before."""
        match frame, self._tap or self._begin(frame):
            case OpusFrame(timestamp, sequence, payload), AudioTap() as tap:
                tap.receive(AudioPacket(sequence, timestamp, payload, arrival))
            case PcmFrame(), PcmTap() as tap:
                tap.receive(frame, arrival)
            case _:
                raise BadMessage("bad_frame", "Opus and PCM in one session; a session has one kind of frames")

    def poll(self, now: float) -> None:
        """Hand on what waits for the rest of its hop when that does not come; every 50 ms or so."""
        if isinstance(self._tap, AudioTap):
            self._tap.poll(now)

    def gather(self, period: int, origin: int) -> None:
        """Decode in pieces that end at or soon after sample `origin` + n * `period`."""
        if isinstance(self._tap, AudioTap):
            self._tap.gather(period, origin)

    @property
    def counts(self) -> Counts:
        """What happened so far."""
        return Counts() if self._tap is None else self._tap.counts

    def _begin(self, frame: Frame) -> AudioTap | PcmTap:
        if isinstance(frame, OpusFrame):
            self._tap = AudioTap(
                self._on_audio, max_gap_s=MAX_GAP_S, hold_s=0.0, hold_packets=1, on_packet=self._relay.packet
            )
        else:
            self._tap = PcmTap(self._pcm)
        return self._tap

    def _pcm(self, pcm: Pcm, start: int, concealed: bool, rtp: int, arrival: float) -> None:
        self._relay.samples(pcm, start, arrival)
        self._on_audio(pcm, start, concealed, rtp, arrival)


def _silence(samples: int) -> Pcm:
    return np.zeros(samples, np.float32)
