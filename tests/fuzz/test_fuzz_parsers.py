"""What comes from outside is read or refused with the error that its reader promises, never with another."""

import asyncio
import contextlib
import math

import numpy as np
import pytest
from aiortc.rtp import RtpPacket
from hypothesis import given
from hypothesis import strategies as st
from mutations import fuzz, lines, seeds, spoiled

from recitation.mushaf import AddressError, parse_reference
from recitation.tajweed.moshaf import Moshaf, MoshafError
from server.answerer import Answerer
from server.auth import Forbidden, Refused, Tokens
from server.config import Config, ConfigError
from server.frame_tap import FrameTap
from server.frames import opus_frame, pcm_frame, read_frame
from server.ice import IceServer
from server.messages import BadMessage, decode_client
from server.rtp_tap import AudioPacket, AudioTap
from server.sdp import BadSdp, Offer, Unacceptable, read_fragment, read_offer
from server.watch_messages import decode_teacher

OPUS = [bytes([toc]) + b"\x01" * 30 for toc in (0x08, 0x78, 0xD8, 0xFB, 0xFC, 0xFF)] + [b"\xd8\xff\xfe"]


def offer_of(data: bytes) -> Offer | None:
    try:
        return read_offer(data.decode(errors="replace"))
    except (BadSdp, Unacceptable):
        return None


@fuzz(80)
@given(spoiled(seeds("offers")))
def test_offers(data: bytes) -> None:
    offer = offer_of(data)
    if offer is not None:
        assert offer.text.count("m=") >= 1 and len(offer.served) <= 2


@fuzz(15)
@given(spoiled(seeds("offers"), most=3))
def test_offers_that_are_answered(data: bytes) -> None:
    """Past our own reading it is aiortc's turn, and what it dislikes is the client's fault as well."""
    if (offer := offer_of(data)) is None:
        return

    async def answer() -> str | None:
        answerer = Answerer(offer, Config())
        answerer.connection.addTransceiver("audio", direction="recvonly")
        try:
            return await asyncio.wait_for(answerer.answer(), 10)
        except (BadSdp, Unacceptable):
            return None
        finally:
            await asyncio.wait_for(answerer.connection.close(), 10)

    answered = asyncio.run(answer())
    assert answered is None or answered.count("\r\nm=") == len(offer.sections)


@fuzz(60)
@given(spoiled(seeds("fragments")))
def test_fragments(data: bytes) -> None:
    try:
        fragment = read_fragment(data.decode(errors="replace"))
    except BadSdp:
        return
    assert len(fragment.candidates) <= 32


@fuzz(80)
@given(spoiled(lines("messages"), separator=b","), st.sampled_from([decode_client, decode_teacher]))
def test_messages(data: bytes, decode) -> None:  # type: ignore[no-untyped-def]
    for text in (data, data.decode(errors="replace")):
        try:
            decode(text, 16_384) if decode is decode_client else decode(text)
        except BadMessage as error:
            assert len(str(error)) < 1000


@fuzz(60)
@given(
    st.text(max_size=200)
    | spoiled([b"1:1-7", b"2:255:3", b"112", b"auto"], separator=b":").map(lambda data: data.decode("latin-1"))
)
def test_references(text: str) -> None:
    with contextlib.suppress(AddressError):
        assert str(parse_reference(text))


@fuzz(40)
@given(st.text(max_size=100) | st.text("munfasil=2345,", max_size=40))
def test_settings(text: str) -> None:
    for parse, refused in ((Moshaf.parse, MoshafError), (IceServer.parse, ConfigError)):
        with contextlib.suppress(refused):
            parse(text)


@fuzz(60)
@given(spoiled(lines("tokens"), separator=b"."))
def test_tokens(data: bytes) -> None:
    tokens = Tokens(["long-lived"], required=True, life_s=60, clock=lambda: 0.0, secret="s" * 32)
    for check in (tokens.holder, tokens.grant, tokens.admin):
        with pytest.raises((Refused, Forbidden)):
            check(data.decode("utf-8", "surrogateescape"))  # As aiohttp reads headers.


FRAMES = [opus_frame(960, 1, payload) for payload in OPUS] + [pcm_frame(5, np.ones(320, np.float32))]


@fuzz(40)
@given(st.lists(spoiled(FRAMES, separator=b"\x01", most=3), max_size=8))
def test_frames_of_a_websocket(frames: list[bytes]) -> None:
    end = [0]

    def heard(pcm, start, concealed, rtp, arrival) -> None:  # type: ignore[no-untyped-def]
        assert start == end[0] and math.isfinite(float(np.sum(pcm)))
        end[0] += len(pcm)

    tap = FrameTap(heard)
    for n, frame in enumerate(frames):
        try:
            tap.receive(read_frame(frame), 0.02 * n)
        except BadMessage:
            continue
    tap.poll(10.0)
    assert end[0] <= 16_000 * (5 + 0.2 * len(frames)) + 1, "no more is made up than a gap may last"


RTP = [
    RtpPacket(payload_type=111, sequence_number=n, timestamp=960 * n, payload=p).serialize() for n, p in enumerate(OPUS)
]


@fuzz(40)
@given(st.lists(spoiled(RTP, separator=b"\x01", most=3), max_size=8))
def test_rtp_packets(packets: list[bytes]) -> None:
    end = [0]

    def heard(pcm, start, concealed, rtp, arrival) -> None:  # type: ignore[no-untyped-def]
        assert start == end[0] and math.isfinite(float(np.sum(pcm)))
        end[0] += len(pcm)

    tap = AudioTap(heard)
    for n, data in enumerate(packets):
        try:
            packet = RtpPacket.parse(data)
        except ValueError:
            continue
        tap.receive(AudioPacket(packet.sequence_number, packet.timestamp, packet.payload, 0.02 * n))
    tap.poll(10.0)
    assert end[0] <= 16_000 * (5 + 0.2 * len(packets)) + 1
