"""Audio in binary frames of a WebSocket: one kind for Opus, one for PCM (docs/protocol.md, "WebSocket").

Numbers are big-endian like those of RTP, samples of PCM little-endian like those of a page's `Int16Array`.
"""

import struct
from dataclasses import dataclass

import numpy as np

from recitation.audio import RTP_HZ, SAMPLE_HZ, Pcm
from server.messages import BadMessage
from server.rtp_tap import opus_duration

OPUS, PCM = 1, 2
"""First byte of a frame."""

OPUS_BYTES = 6 * 1275
"""Six frames of the longest kind, which is 120 ms (RFC 6716 3.4)."""
PCM_SAMPLES = 3200
"""200 ms."""

_OPUS_HEADER = struct.Struct(">BIH")
_PCM_HEADER = struct.Struct(">BI")


@dataclass(frozen=True, slots=True)
class OpusFrame:
    """One Opus packet, as RTP would carry it."""

    timestamp: int
    """Of its first sample, 48 kHz, wrapping at 2**32."""
    sequence: int
    """Wraps at 2**16."""
    payload: bytes

    @property
    def seconds(self) -> float:
        """How long it sounds."""
        return opus_duration(self.payload) / RTP_HZ


@dataclass(frozen=True, slots=True, eq=False)
class PcmFrame:
    """Samples as they are."""

    sample: int
    """Index of the first, 16 kHz, wrapping at 2**32."""
    pcm: Pcm
    """float32[n], n from 1 to PCM_SAMPLES."""

    @property
    def seconds(self) -> float:
        """How long it sounds."""
        return len(self.pcm) / SAMPLE_HZ


Frame = OpusFrame | PcmFrame


def read_frame(data: bytes) -> Frame:
    """What a client sent. Raises BadMessage (`bad_frame`)."""
    match data[:1]:
        case b"\x01":
            return _read_opus(data)
        case b"\x02":
            return _read_pcm(data)
        case b"":
            raise _bad("an empty frame")
        case kind:
            raise _bad(f"a frame of kind {kind[0]}; {OPUS} is Opus, {PCM} is PCM")


def opus_frame(timestamp: int, sequence: int, payload: bytes) -> bytes:
    """A packet as it goes over the wire."""
    return _OPUS_HEADER.pack(OPUS, timestamp & 0xFFFFFFFF, sequence & 0xFFFF) + payload


def pcm_frame(sample: int, pcm: Pcm) -> bytes:
    """float32[n], n from 1 to PCM_SAMPLES, as it goes over the wire."""
    samples = np.clip(np.round(pcm * 32_768), -32_768, 32_767).astype("<i2")
    return _PCM_HEADER.pack(PCM, sample & 0xFFFFFFFF) + samples.tobytes()


def _read_opus(data: bytes) -> OpusFrame:
    if len(data) < _OPUS_HEADER.size:
        raise _bad(f"an Opus frame of {len(data)} bytes; its header alone has {_OPUS_HEADER.size}")
    _, timestamp, sequence = _OPUS_HEADER.unpack_from(data)
    payload = data[_OPUS_HEADER.size :]
    if not 0 < len(payload) <= OPUS_BYTES or opus_duration(payload) == 0:
        raise _bad(f"{len(payload)} bytes that are no Opus packet (RFC 6716 3)")
    return OpusFrame(timestamp, sequence, payload)


def _read_pcm(data: bytes) -> PcmFrame:
    size = len(data) - _PCM_HEADER.size
    if size < 2 or size % 2 or size > 2 * PCM_SAMPLES:
        raise _bad(
            f"a PCM frame of {len(data)} bytes; {_PCM_HEADER.size} of header and 1 to {PCM_SAMPLES} samples of 2 "
            "bytes are taken"
        )
    _, sample = _PCM_HEADER.unpack_from(data)
    samples = np.frombuffer(data, "<i2", offset=_PCM_HEADER.size)
    return PcmFrame(sample, samples.astype(np.float32) / np.float32(32_768))


def _bad(text: str) -> BadMessage:
    return BadMessage("bad_frame", text)
