"""Does the probe measure what it says? A click at a known place, sent by the probe's own microphone on this machine.

Between the click's place in the file and the moment its packet is handed over lie the codec's look-ahead, the packet's
20 ms and the sender's timer, and every delay that the probe reports rests on their arithmetic. Here no network and no
server take part, so both ends are known.
"""

import time
from dataclasses import dataclass

import numpy as np

from recitation.audio import SAMPLE_HZ, Pcm
from server.delays import delay
from server.reciter import Heard, Microphone, encode_recording
from server.rtp_tap import RTP_PER_SAMPLE, AudioPacket, AudioTap

CLICK_SAMPLE = 8_000
CLICK_HZ, CLICK_SAMPLES = 1_500.0, 96
"""A burst of 6 ms: Opus takes a single sample for noise."""
SECONDS, REACH_SAMPLES = 1.0, 800
PLACE_MS = 1.0
"""Opus and the resampler may move a click so far."""
PACKET_MS, LOOKAHEAD_MS, TIMER_MS = 20.0, 6.5, 15.0


@dataclass(frozen=True, slots=True)
class Check:
    """What became of the click."""

    place_ms: float
    """How far from its place it was found, later is positive."""
    handed_over_ms: float
    """From its sounding to its packet's leaving: within the packet, at most 20 ms, and Opus' look-ahead, 6.5 ms."""

    @property
    def good(self) -> bool:
        """The probe's clock is right, and the machine has time for it."""
        latest = PACKET_MS + LOOKAHEAD_MS + TIMER_MS
        return abs(self.place_ms) <= PLACE_MS and -PLACE_MS <= self.handed_over_ms <= latest


def click() -> Pcm:
    """A second of faint noise with a burst at `CLICK_SAMPLE`."""
    pcm = np.random.default_rng(1).normal(0.0, 1e-4, round(SECONDS * SAMPLE_HZ)).astype(np.float32)
    pcm[CLICK_SAMPLE : CLICK_SAMPLE + CLICK_SAMPLES] += _burst()
    return pcm


def _burst() -> Pcm:
    times = np.arange(CLICK_SAMPLES) / SAMPLE_HZ
    return (0.5 * np.hanning(CLICK_SAMPLES) * np.sin(2 * np.pi * CLICK_HZ * times)).astype(np.float32)


async def check_timing() -> Check:
    """Send a click by the microphone of `server.reciter`, and see where and when it is."""
    recording = encode_recording(click(), tail_s=0.1)
    heard: list[Pcm] = []
    arrivals: list[tuple[int, float]] = []
    now = 0.0

    def on_audio(pcm: Pcm, start: int, concealed: bool, rtp: int, arrival: float) -> None:
        heard.append(pcm)
        arrivals.append((start + len(pcm), arrival))

    tap = AudioTap(on_audio)
    microphone = Microphone(recording.packets)
    started = time.monotonic() + 0.05
    microphone.begin(started)
    for number in range(len(recording.packets)):
        packet = await microphone.recv()
        now = time.monotonic()
        tap.receive(AudioPacket(number, packet.pts or 0, bytes(packet), now))
    tap.close()
    microphone.stop()
    found = _find(np.concatenate(heard), recording.delay_rtp // RTP_PER_SAMPLE + CLICK_SAMPLE)
    arrived = next(arrival for end, arrival in arrivals if end > found)
    sample = recording.sample_of(found * RTP_PER_SAMPLE)
    handed_over = delay(Heard(started=started), CLICK_SAMPLE, arrived)
    return Check(round((sample - CLICK_SAMPLE) / SAMPLE_HZ * 1000, 2), round(handed_over, 1))


def _find(pcm: Pcm, about: int) -> int:
    """Where the burst begins in the sound received, looked for within 50 ms of `about`."""
    first = about - REACH_SAMPLES
    likeness = np.correlate(pcm[first : about + REACH_SAMPLES + CLICK_SAMPLES], _burst(), "valid")
    return first + int(likeness.argmax())
