"""The short way reads a header as aiortc does, and what it does not know goes the long way."""

import asyncio
import logging

import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, RTCRtpReceiver
from aiortc.rtcdtlstransport import State
from aiortc.rtp import RtpPacket
from hypothesis import given
from hypothesis import strategies as st

from server import rtp_shortcut
from server.rtp_shortcut import shorten


@given(
    st.binary(max_size=60),
    st.lists(st.integers(0, 2**32 - 1), max_size=15),
    st.none() | st.binary(max_size=24).map(lambda b: b[: len(b) // 4 * 4]),
    st.integers(0, 40),
)
def test_a_payload_is_what_aiortc_takes_for_it(
    payload: bytes, sources: list[int], extension: bytes | None, padding: int
) -> None:
    first = 0x80 | len(sources) | (0x10 if extension is not None else 0) | (0x20 if padding else 0)
    packet = bytes([first, 96]) + bytes(10) + b"".join(source.to_bytes(4, "big") for source in sources)
    if extension is not None:
        packet += (0x0001).to_bytes(2, "big") + (len(extension) // 4).to_bytes(2, "big") + extension
    packet += payload + (bytes(padding - 1) + bytes([padding]) if padding else b"")
    assert rtp_shortcut._payload(packet, first) == RtpPacket.parse(packet).payload == payload


@given(st.binary(min_size=12, max_size=80), st.integers(0x80, 0xBF))
def test_lengths_that_cannot_be_are_refused_as_aiortc_refuses_them(rest: bytes, first: int) -> None:
    packet = bytes([first]) + rest[1:]
    try:
        expected: bytes | None = RtpPacket.parse(packet).payload
    except ValueError:
        expected = None
    assert rtp_shortcut._payload(packet, first) == expected


class Srtp:
    """Takes every packet for genuine."""

    def unprotect(self, data: bytes) -> bytes:
        return data


@pytest.fixture
async def receiver() -> RTCRtpReceiver:
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    yield pc.addTransceiver("audio", direction="recvonly").receiver
    await pc.close()


def known(receiver: RTCRtpReceiver) -> None:
    """The state of a receiver that has heard source 7, of payload type 96."""

    class Count:
        def add(self, packet: rtp_shortcut._Heading) -> None:
            seen.append(packet.sequence_number)

    seen: list[int] = []
    receiver._RTCRtpReceiver__remote_streams[7] = Count()
    receiver._RTCRtpReceiver__codecs[96] = object()
    receiver.transport._rx_srtp, receiver.transport._state = Srtp(), State.CONNECTED


def rtp(ssrc: int = 7, kind: int = 96, sequence: int = 5) -> bytes:
    return bytes([0x80, kind]) + sequence.to_bytes(2, "big") + bytes(4) + ssrc.to_bytes(4, "big") + b"sound"


async def test_only_a_known_source_of_an_agreed_kind_takes_the_short_way(receiver: RTCRtpReceiver) -> None:
    known(receiver)
    taken: list[tuple[int, int, bytes]] = []
    assert shorten(receiver, lambda ssrc, sequence, _, payload, at: taken.append((ssrc, sequence, payload)))
    connection = receiver.transport.transport._connection
    others = [rtp(ssrc=8), rtp(kind=97), rtp(kind=200), b"\x16" + bytes(30), b"\x80"]
    for datagram in [rtp(), *others]:
        connection.data_received(datagram, 1)
    assert taken == [(7, 5, b"sound")]
    assert [connection._queue.get_nowait()[0] for _ in others] == others


async def test_a_fault_ends_the_connection(receiver: RTCRtpReceiver, caplog: pytest.LogCaptureFixture) -> None:
    known(receiver)

    def break_down(*_: object) -> None:
        raise RuntimeError("broken")

    assert shorten(receiver, break_down)
    connection = receiver.transport.transport._connection
    with caplog.at_level(logging.ERROR):
        connection.data_received(rtp(), 1)
    assert connection._queue.get_nowait() is None
    with pytest.raises(asyncio.QueueEmpty):
        connection._queue.get_nowait()


async def test_another_aiortc_keeps_the_long_way(receiver: RTCRtpReceiver, caplog: pytest.LogCaptureFixture) -> None:
    del receiver._RTCRtpReceiver__remote_streams
    assert not shorten(receiver, lambda *_: None)
    assert "no short way" in caplog.text
