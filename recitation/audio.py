"""Sound before the stages that listen to it: 16 kHz mono float32, counted in samples.

The clock of a session is the index of a 16 kHz sample since the session began. Everything here keeps it
exact: the resampler adds no delay, the level is computed on a fixed 10 ms grid, and any chunking of the same
input gives the same output, bit for bit.
"""

import math
import os
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import av
import av.error
import numpy as np
import numpy.typing as npt

__all__ = [
    "BLOCK_SAMPLES",
    "RTP_HZ",
    "SAMPLE_HZ",
    "AudioError",
    "LevelNormaliser",
    "Pcm",
    "Resampler",
    "RingBuffer",
    "SampleClock",
    "frame_to_mono",
    "read_audio",
    "stream_audio",
]

SAMPLE_HZ = 16_000
RTP_HZ = 48_000  # Opus counts RTP time at 48 kHz whatever it carries (RFC 7587 4.1).
RTP_PER_SAMPLE = RTP_HZ // SAMPLE_HZ
BLOCK_SAMPLES = 160

Pcm = npt.NDArray[np.float32]
"""Mono samples, full scale 1.0."""

EMPTY: Pcm = np.zeros(0, np.float32)
EMPTY.flags.writeable = False


class AudioError(Exception):
    """An audio file cannot be used; the message is one line saying what is wrong with it."""


class Resampler:
    """Streaming conversion of mono samples at `rate_hz` to 16 kHz.

    Output sample `k` is the input at time `k / 16000` s: libswresample centres its filter, so that up to 2
    ms stay inside until later input (or `flush`) completes them, and nothing is ever shifted. `n` input
    samples give `ceil(n * 16000 / rate_hz)` output samples in all.
    """

    def __init__(self, rate_hz: int) -> None:
        if rate_hz <= 0:
            raise ValueError(f"rate must be positive, not {rate_hz}")
        self.rate_hz = rate_hz
        self.pushed = 0
        """Input samples so far."""
        self.emitted = 0
        """Output samples so far."""
        self._flushed = False
        self._swr: av.AudioResampler | None = None
        if rate_hz != SAMPLE_HZ:
            self._swr = av.AudioResampler(format="flt", layout="mono", rate=SAMPLE_HZ)

    def push(self, pcm: Pcm) -> Pcm:
        """Take float32[n] at the input rate; return the 16 kHz samples that are complete, float32[m]."""
        if self._flushed:
            raise ValueError("the resampler was flushed; start another for another stream")
        if len(pcm) == 0:
            return EMPTY
        self.pushed += len(pcm)
        if self._swr is None:
            self.emitted += len(pcm)
            return np.array(pcm, np.float32)
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(pcm, np.float32)[np.newaxis], format="flt", layout="mono"
        )
        frame.sample_rate = self.rate_hz
        return self._take(frame)

    def flush(self) -> Pcm:
        """End the stream: return what was still inside the filter."""
        if self._flushed:
            return EMPTY
        self._flushed = True
        total = -(-self.pushed * SAMPLE_HZ // self.rate_hz)
        rest = total - self.emitted
        if self._swr is None or rest == 0:
            return EMPTY
        tail = self._take(None)[:rest] if self.emitted else EMPTY
        self.emitted = total
        return np.concatenate([tail, np.zeros(rest - len(tail), np.float32)])

    def _take(self, frame: av.AudioFrame | None) -> Pcm:
        assert self._swr is not None
        parts: list[Pcm] = [out.to_ndarray()[0] for out in self._swr.resample(frame)]
        self.emitted += sum(len(part) for part in parts)
        if len(parts) == 1:
            return parts[0]
        return np.concatenate(parts) if parts else EMPTY


class SampleClock:
    """Maps RTP timestamps (48 kHz, 32 bit, wrapping) to the 16 kHz sample index and back.

    `rebase` starts a new stretch where the sender's clock jumped (a new source, a gap too long to fill):
    indices go on without a hole, and only the timestamps they stand for change. The last 16 stretches are
    remembered.
    """

    def __init__(self, rtp: int, sample: int = 0) -> None:
        self._stretches: deque[tuple[int, int]] = deque(maxlen=16)
        self._newest = 0
        self.rebase(rtp, sample)

    def rebase(self, rtp: int, sample: int) -> None:
        """From `sample` on, time counts from the timestamp `rtp`."""
        self._stretches.append((sample, rtp & 0xFFFFFFFF))
        self._newest = rtp & 0xFFFFFFFF

    def advance(self, rtp: int) -> int:
        """Note a newer timestamp, so that the wrap after 24.8 hours is followed; return its sample index."""
        ahead = signed32(rtp - self._newest)
        if ahead > 0:
            self._newest += ahead
        return self.sample_at(rtp)

    def sample_at(self, rtp: int) -> int:
        """Sample index of `rtp`, rounded down, taken as lying within 12 hours of the newest timestamp
        noted."""
        sample, origin = self._stretches[-1]
        unwrapped = self._newest + signed32(rtp - self._newest)
        return sample + (unwrapped - origin) // RTP_PER_SAMPLE

    def rtp_at(self, sample: int) -> int:
        """RTP timestamp of a sample index, 0 to 2**32 - 1."""
        known = [stretch for stretch in self._stretches if stretch[0] <= sample] or [self._stretches[0]]
        start, origin = known[-1]
        return (origin + (sample - start) * RTP_PER_SAMPLE) & 0xFFFFFFFF


def signed32(difference: int) -> int:
    """Difference of two 32-bit counters as -2**31 to 2**31 - 1 (serial number arithmetic, RFC 1982)."""
    return ((difference + 0x80000000) & 0xFFFFFFFF) - 0x80000000


class LevelNormaliser:
    """Brings speech to about -23 dBFS RMS, slowly, without lifting silence.

    Works on 10 ms blocks of the absolute sample grid, so any chunking gives the same result, and holds back
    less than one block. The speech level follows rises within 60 ms and falls within 3 s (faster during the
    first seconds of speech). It moves only on blocks that stand 10 dB above the noise floor and no more than
    25 dB below the speech level, so pauses and weak consonants keep their gain. Gain runs linearly inside a
    block. There is no limiter: peaks may pass 1.0, which float features bear better than distortion.
    """

    TARGET_DB = -23.0
    GAIN_DB = (-20.0, 30.0)

    # The tracker rides the loud blocks, about this much above the RMS of the speech. With it, 30 recordings of 2 to
    # 100 minutes, -30 to -8 dBFS in their speech, came out at -21 to -25.5.
    _PEAK_BIAS_DB = 2.5
    _ATTACK = 1 - math.exp(-10 / 60)
    _RELEASE_S = (0.3, 3.0)
    _FLOOR_RISE_DB = 0.03  # 3 dB a second: a madd held for 6 s stays above its own floor.
    _QUIETEST_SPEECH_DB = -65.0
    _CLIPPED = 0.999
    _SLAB = 1000 * BLOCK_SAMPLES  # An hour pushed at once need not be in memory five times over.

    def __init__(self) -> None:
        self.level_db = -120.0
        """Input RMS of the newest block, dBFS."""
        self.speech_db: float | None = None
        """Tracked RMS of the input's speech, dBFS; None before any."""
        self.gain_db = 0.0
        """Gain at the end of the newest block."""
        self.clipped_samples = 0
        """Input samples at full scale so far."""
        self._floor_db = -50.0
        self._speech_blocks = 0
        self._tracked_db = self.TARGET_DB + self._PEAK_BIAS_DB
        self._gain = 1.0
        self._held = EMPTY
        self._ramp = (np.arange(1, BLOCK_SAMPLES + 1) / BLOCK_SAMPLES).astype(np.float32)

    def push(self, pcm: Pcm) -> Pcm:
        """Take float32[n]; return the whole blocks now complete, float32[160 k]."""
        joined = np.concatenate([self._held, pcm]) if len(self._held) else pcm
        whole = len(joined) - len(joined) % BLOCK_SAMPLES
        self._held = np.array(joined[whole:], np.float32)
        if whole == 0:
            return EMPTY
        slabs = range(0, whole, self._SLAB)
        return np.concatenate([self._level(joined[i : min(i + self._SLAB, whole)]) for i in slabs])

    def flush(self) -> Pcm:
        """End the stream: return the last incomplete block, float32[0..159], at the gain reached."""
        rest, self._held = self._held, EMPTY
        return rest * np.float32(self._gain)

    def _level(self, pcm: Pcm) -> Pcm:
        blocks = pcm.reshape(-1, BLOCK_SAMPLES)
        self.clipped_samples += int(np.count_nonzero(np.abs(blocks) >= self._CLIPPED))
        exact = blocks.astype(np.float64)
        powers = (exact * exact).sum(axis=1) / BLOCK_SAMPLES
        gains = np.empty(len(blocks) + 1, np.float32)
        gains[0] = self._gain
        for i, power in enumerate(powers.tolist()):
            self._follow(10 * math.log10(power + 1e-12))
            gains[i + 1] = self._gain
        step = (gains[1:] - gains[:-1])[:, np.newaxis]
        return (blocks * (gains[:-1, np.newaxis] + step * self._ramp)).ravel()

    def _follow(self, level_db: float) -> None:
        self.level_db = level_db
        self._floor_db = max(min(self._floor_db + self._FLOOR_RISE_DB, level_db), -90.0)
        if level_db < max(self._floor_db + 10.0, self._QUIETEST_SPEECH_DB):
            return
        if level_db < self._tracked_db - 25.0 and self._speech_blocks >= 100:
            return
        self._speech_blocks += 1
        if level_db > self._tracked_db:
            self._tracked_db += (level_db - self._tracked_db) * self._ATTACK
        else:
            shortest, longest = self._RELEASE_S
            release_s = min(max(self._speech_blocks * 0.005, shortest), longest)
            self._tracked_db += (level_db - self._tracked_db) * (0.01 / release_s)
        self.speech_db = self._tracked_db - self._PEAK_BIAS_DB
        low, high = self.GAIN_DB
        self.gain_db = min(max(self.TARGET_DB - self.speech_db, low), high)
        self._gain = 10 ** (self.gain_db / 20)


def levelled(pcm: Pcm) -> Pcm:
    """A whole recording, float32[n], at the level at which a session hears it."""
    level = LevelNormaliser()
    return np.concatenate([level.push(pcm), level.flush()])


class RingBuffer:
    """The last `seconds` of 16 kHz audio, addressed by absolute sample index. Overflow drops the oldest.

    Concealed spans are remembered for a minute, longer than the audio, because a verdict on a long word may
    ask for them after the audio has gone.
    """

    _CONCEALED_MEMORY = 60 * SAMPLE_HZ

    def __init__(self, seconds: float = 5.0, start: int = 0) -> None:
        self._ring = np.zeros(round(seconds * SAMPLE_HZ), np.float32)
        self._concealed: deque[tuple[int, int]] = deque()
        self._begin = start
        self.end = start
        """Index one past the newest sample."""

    @property
    def start(self) -> int:
        """Index of the oldest sample still held."""
        return max(self._begin, self.end - len(self._ring))

    def append(self, pcm: Pcm, concealed: bool = False) -> None:
        """Add float32[n] after the newest sample; `concealed` says that none of it was really received."""
        if len(pcm) == 0:
            return
        kept = pcm[-len(self._ring) :]
        first = (self.end + len(pcm) - len(kept)) % len(self._ring)
        head = min(len(kept), len(self._ring) - first)
        self._ring[first : first + head] = kept[:head]
        self._ring[: len(kept) - head] = kept[head:]
        if concealed:
            self._mark(self.end, self.end + len(pcm))
        self.end += len(pcm)
        while self._concealed and self._concealed[0][1] <= self.end - self._CONCEALED_MEMORY:
            self._concealed.popleft()

    def read(self, start: int, end: int) -> Pcm:
        """Copy of samples `start` to `end`, float32[end - start]. ValueError if some are not held."""
        if not self.start <= start <= end <= self.end:
            raise ValueError(f"samples {start} to {end} asked, {self.start} to {self.end} held")
        size = len(self._ring)
        first, length = start % size, end - start
        if first + length <= size:
            return self._ring[first : first + length].copy()
        return np.concatenate([self._ring[first:], self._ring[: first + length - size]])

    def concealed_fraction(self, start: int, end: int) -> float:
        """Share of samples `start` to `end` that were concealed, 0 to 1. ValueError for an empty span."""
        if end <= start:
            raise ValueError(f"span {start} to {end} is empty")
        overlaps = (min(end, b) - max(start, a) for a, b in self._concealed)
        return sum(overlap for overlap in overlaps if overlap > 0) / (end - start)

    def _mark(self, start: int, end: int) -> None:
        if self._concealed and self._concealed[-1][1] == start:
            start = self._concealed.pop()[0]
        self._concealed.append((start, end))


_PCM_SCALE = {"u8": (128, 128), "s16": (0, 32768), "s32": (0, 2147483648), "flt": (0, 1), "dbl": (0, 1)}
"""Zero and full scale of FFmpeg's sample formats."""


def frame_to_mono(frame: av.AudioFrame) -> Pcm:
    """Samples of a decoded frame, any PCM format and layout, as float32[n]: the mean of its channels."""
    zero, scale = _PCM_SCALE[frame.format.name.removesuffix("p")]
    raw = frame.to_ndarray()
    channels = raw if frame.format.is_planar else raw.reshape(frame.samples, -1).T
    mono: Pcm = (channels.astype(np.float32) - np.float32(zero)).mean(axis=0, dtype=np.float32)
    return mono / np.float32(scale)


def read_audio(path: str | os.PathLike[str]) -> Pcm:
    """The first audio stream of a file of any format FFmpeg reads, float32[n] mono 16 kHz. Raises
    `AudioError`."""
    return np.concatenate(list(stream_audio(path)))


def stream_audio(path: str | os.PathLike[str]) -> Iterator[Pcm]:
    """Like `read_audio`, a chunk at a time. A damaged or truncated file raises `AudioError` where the fault
    is found."""
    file = Path(path)
    try:
        if file.stat().st_size == 0:
            raise AudioError(f"{file}: the file is empty")
        with file.open("rb") as source, av.open(source, "r") as container:
            yield from _decode(file, container)
    except av.error.FFmpegError as fault:
        raise AudioError(f"{file}: not a readable audio file ({_reason(fault)})") from fault
    except OSError as fault:
        raise AudioError(f"{file}: {_reason(fault)}") from fault


def _reason(fault: OSError | av.error.FFmpegError) -> str:
    return str(fault.strerror or fault).lower()


def _decode(file: Path, container: "av.container.InputContainer") -> Iterator[Pcm]:
    if not container.streams.audio:
        raise AudioError(f"{file}: no audio in this file")
    stream = container.streams.audio[0]
    resampler: Resampler | None = None
    seconds = 0.0
    for frame in _frames(file, container, stream):
        if resampler is None or resampler.rate_hz != frame.sample_rate:
            if resampler is not None:
                yield resampler.flush()
            resampler = Resampler(frame.sample_rate)
        seconds += frame.samples / frame.sample_rate
        yield resampler.push(frame_to_mono(frame))
    if resampler is None:
        raise AudioError(f"{file}: no audio could be decoded")
    yield resampler.flush()
    _refuse_truncated(file, container, stream, seconds)


def _frames(file: Path, container: "av.container.InputContainer", stream: "av.AudioStream") -> Iterator[av.AudioFrame]:
    """Decoded frames. A packet that fails is forgiven only at the very end, where some writers leave a tag:
    before good audio it would shift everything after it."""
    decoder: av.AudioCodecContext = stream.codec_context
    if decoder.name == "opus":
        # FFmpeg's own Opus decoder now and then bursts to thousands of times full scale on sound files.
        decoder = av.CodecContext.create("libopus", "r")
        decoder.extradata = stream.codec_context.extradata
    failed = False
    for packet in container.demux(stream):
        try:
            frames = decoder.decode(packet if packet.size else None)
        except av.error.InvalidDataError:
            failed = True
            continue
        if frames and failed:
            raise AudioError(f"{file}: damaged audio in the middle of the file")
        yield from frames


# Their header states the length; others leave FFmpeg to guess it from the size, which proves nothing.
_STATES_LENGTH = {"w64", "aiff", "au", "caf", "flac", "mov", "mp4", "m4a", "matroska", "webm"}


def _refuse_truncated(
    file: Path, container: "av.container.InputContainer", stream: "av.AudioStream", seconds: float
) -> None:
    formats = set(container.format.name.split(","))
    if "ogg" in formats and _cut_page(file):
        raise AudioError(f"{file}: truncated after {seconds:.1f} s (its last Ogg page is cut)")
    if "wav" in formats and _cut_riff(file):
        raise AudioError(f"{file}: truncated after {seconds:.1f} s (its data chunk promises more)")
    if not formats & _STATES_LENGTH or stream.duration is None or stream.time_base is None:
        return
    stated = float(stream.duration * stream.time_base)
    if seconds < stated - max(0.25, 0.01 * stated):
        raise AudioError(f"{file}: truncated, {seconds:.1f} s of {stated:.1f} s are there")


def _cut_page(file: Path) -> bool:
    """Whether the last Ogg page ends before its lacing values say (RFC 3533 6)."""
    with file.open("rb") as source:
        size = source.seek(0, os.SEEK_END)
        source.seek(max(0, size - 65_536))  # A page has at most 65,307 bytes.
        tail = source.read()
    page = tail.rfind(b"OggS")
    if page < 0 or len(tail) < page + 27 or len(tail) < page + 27 + tail[page + 26]:
        return True
    lacing = tail[page + 27 : page + 27 + tail[page + 26]]
    return len(tail) < page + 27 + len(lacing) + sum(lacing)


def _cut_riff(file: Path) -> bool:
    """Whether a WAV file ends before its data chunk does. A writer into a pipe states 0 or 2**32 - 1: not known."""
    with file.open("rb") as source:
        size = source.seek(0, os.SEEK_END)
        source.seek(12)
        while len(header := source.read(8)) == 8:
            length = int.from_bytes(header[4:], "little")
            if header[:4] == b"data":
                return length != 0xFFFFFFFF and source.tell() + length > size
            source.seek(length + length % 2, os.SEEK_CUR)
    return False
