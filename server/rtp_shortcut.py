"""RTP from the socket to the tap in one call.

aiortc takes a packet through a queue, a task, a coroutine four calls deep and objects for everything a header may hold;
that costs 60 µs of processor, more than decoding it. `shorten` stands where aioice hands a datagram over and takes
what it knows itself: a packet of a source that aiortc has seen before, of a payload type that was agreed on. All else,
the first packet of every source, RTCP and DTLS, goes the long way, which also tells aiortc what it keeps of a source.
"""

import logging
import struct
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import pylibsrtp
from aiortc import RTCRtpReceiver
from aiortc.rtcdtlstransport import RTCDtlsTransport, State

__all__ = ["Take", "shorten"]

logger = logging.getLogger(__name__)

Take = Callable[[int, int, int, bytes, float], None]
"""Called with (ssrc, sequence, timestamp, payload, arrival)."""

_HEADER = struct.Struct("!BBHLL")
_EXTENSION = struct.Struct("!HH")
_RTCP = range(192, 224)
"""Second bytes that tell RTCP from RTP (RFC 5761 4)."""


class _Statistics(Protocol):
    """aiortc's count of one source, from which its receiver reports are made."""

    def add(self, packet: "_Heading") -> None: ...


@dataclass(slots=True)
class _Heading:
    """What the count of a source reads of a packet."""

    sequence_number: int
    timestamp: int


def shorten(receiver: RTCRtpReceiver, take: Take, clock: Callable[[], float] = time.monotonic) -> bool:
    """Hand the audio of `receiver`, whose transport is settled, straight to `take`; whether that could be done.

    A fault of `take` ends the connection, as it would inside aiortc's receive loop.
    """
    dtls = receiver.transport
    streams = getattr(receiver, "_RTCRtpReceiver__remote_streams", None)
    codecs = getattr(receiver, "_RTCRtpReceiver__codecs", None)
    connection = getattr(dtls.transport, "_connection", None)
    known = all(hasattr(connection, name) for name in ("data_received", "_queue")) and hasattr(dtls, "_rx_srtp")
    if not known or not isinstance(streams, dict) or not isinstance(codecs, dict):
        logger.warning("no short way for audio: aiortc or aioice is another than the one known")
        return False
    assert connection is not None
    shortcut = _Shortcut(dtls, streams, codecs, connection.data_received, take, clock)
    broken = connection._queue.put_nowait

    def data_received(data: bytes, component: int) -> None:
        try:
            shortcut.receive(data, component)
        except Exception:
            # The bulkhead of one connection: None in its queue is how aioice says that it is lost.
            logger.exception("a packet could not be taken; the connection ends")
            broken(None)

    connection.data_received = data_received
    return True


class _Shortcut:
    """The way of one connection's datagrams."""

    def __init__(
        self,
        dtls: RTCDtlsTransport,
        streams: Mapping[int, _Statistics],
        codecs: Mapping[int, object],
        long_way: Callable[[bytes, int], None],
        take: Take,
        clock: Callable[[], float],
    ) -> None:
        self._dtls, self._streams, self._codecs = dtls, streams, codecs
        self._long_way, self._take, self._clock = long_way, take, clock

    def receive(self, data: bytes, component: int) -> None:
        """Take a datagram that is not STUN."""
        if len(data) < _HEADER.size or not 127 < data[0] < 192 or data[1] in _RTCP:
            return self._long_way(data, component)
        # The header is not encrypted (RFC 3711 3.1), so that it can be read before the packet is known to be genuine.
        first, second, sequence, timestamp, ssrc = _HEADER.unpack_from(data)
        source = self._streams.get(ssrc)
        if source is None or second & 0x7F not in self._codecs or self._dtls._state is not State.CONNECTED:
            return self._long_way(data, component)
        try:
            packet = self._dtls._rx_srtp.unprotect(data)
        except pylibsrtp.Error:
            return
        source.add(_Heading(sequence, timestamp))
        payload = _payload(packet, first)
        if payload is not None:
            self._take(ssrc, sequence, timestamp, payload, self._clock())


def _payload(packet: bytes, first: int) -> bytes | None:
    """What lies behind a header that begins with the byte `first` (RFC 3550 5.1); None where its lengths are wrong."""
    begin, end = _HEADER.size + 4 * (first & 0x0F), len(packet)
    if first & 0x10:
        if end < begin + _EXTENSION.size:
            return None
        begin += _EXTENSION.size + 4 * _EXTENSION.unpack_from(packet, begin)[1]
    if first & 0x20:
        end -= packet[-1] or len(packet)
    return packet[begin:end] if begin <= end else None
