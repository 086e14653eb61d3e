"""Whether somebody speaks: the voice network and the level of the room, hop by hop.

The network is heard for one session alone, or for all of them at once (``hear_voices``), in another thread if need be.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recitation.prosody.energy import levels
from recitation.tracker import FRAME_SAMPLES
from recitation.vad import SileroVad, VadSession

Floats = NDArray[np.float32]
Flags = NDArray[np.bool_]

SPEECH_THRESHOLD = 0.4
QUIETEST_DB, ABOVE_ROOM_DB = -42.0, 14.0
"""Sound below this level, dBFS after levelling to -23, or not this far above the room, may be a pause."""
ROOM_RISE_DB = 0.06
"""How fast the room's level may rise, dB a frame of 20 ms: 3 dB a second, as in the level normaliser."""


@dataclass(slots=True, eq=False)
class HopVoice:
    """A hop's windows in the voice network, and what it said of each."""

    session: VadSession
    ends: list[int]
    """Sample at which the window before the first ended, then each window heard."""
    values: list[float]
    """Probability of speech in each of them."""


def hear_voices(vad: SileroVad, voices: Sequence[HopVoice]) -> None:
    """Run the voice network on every whole window of hops of different sessions, the first of each together, then the
    second.  Touches nothing of a session that ``push`` touches, so sessions may be pushed to meanwhile."""
    while ready := [voice for voice in voices if voice.session.ready]:
        vad.step([voice.session for voice in ready])
        for voice in ready:
            voice.ends.append(voice.session.position)
            voice.values.append(voice.session.probability)


class VoiceHops:
    """Levelled audio of one session on its way through the voice network, in hops of ``hop_samples``."""

    def __init__(self, hop_samples: int) -> None:
        self._network = VadSession()
        self._size = hop_samples
        self._waiting = np.zeros(0, np.float32)
        self._hop: HopVoice | None = None
        self._hop_audio = np.zeros(0, np.float32)

    def push(self, levelled: Floats) -> None:
        """Add levelled audio at 16 kHz."""
        self._waiting = np.concatenate([self._waiting, levelled])

    @property
    def missing(self) -> int:
        """Samples that are wanting to a whole number of hops."""
        return -len(self._waiting) % self._size

    def voice_ready(self) -> HopVoice:
        """What ``hear_voices`` is to hear of the oldest hop not yet taken; the same one until ``take``.

        Raises IndexError when the audio of no such hop is there.
        """
        if self._hop is None:
            if len(self._waiting) < self._size:
                raise IndexError("no hop waits for its voice to be heard")
            self._hop_audio, self._waiting = self._waiting[: self._size], self._waiting[self._size :]
            self._hop = HopVoice(self._network, [self._network.position], [self._network.probability])
            self._network.push(self._hop_audio)
        return self._hop

    def take(self) -> tuple[HopVoice, Floats]:
        """The oldest hop and its audio, float32[hop_samples].  Raises IndexError when none is there."""
        voice, self._hop = self.voice_ready(), None
        return voice, self._hop_audio


class Listener:
    """Tells voice from silence in one session, in hops of ``hop_samples`` of levelled audio."""

    def __init__(self, vad: SileroVad, hop_samples: int) -> None:
        self.hops = VoiceHops(hop_samples)
        self._vad = vad
        self._room_db = QUIETEST_DB
        self._frames = 0

    def take(self, frames: int) -> tuple[Flags, Flags]:
        """Flags of the oldest hop, bool[frames] of 20 ms each: voice or another sound well above the room, and voice by
        the network alone.  Raises IndexError when no hop is there."""
        voice, audio = self.hops.take()
        hear_voices(self._vad, [voice])
        middles = (FRAME_SAMPLES * (self._frames + n + 0.5) for n in range(frames))
        last = len(voice.values) - 1
        windows = (min(bisect_left(voice.ends, middle), last) for middle in middles)
        spoken = [voice.values[window] >= SPEECH_THRESHOLD for window in windows]
        self._frames += frames
        sounding = map(self._sounds, levels(audio, len(audio) // frames).tolist())
        voiced = [speaks or sounds for speaks, sounds in zip(spoken, sounding, strict=True)]
        return np.array(voiced), np.array(spoken)

    def _sounds(self, level: float) -> bool:
        """Whether the next frame is well above the room: a held nasal is no voice to the network, but no pause."""
        self._room_db = min(level, self._room_db + ROOM_RISE_DB)
        return level > max(self._room_db + ABOVE_ROOM_DB, QUIETEST_DB)
