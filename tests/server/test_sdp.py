"""Offers made fit for aiortc, answers for the client, and what is refused."""

import pytest
from aiortc.sdp import SessionDescription
from hypothesis import given
from hypothesis import strategies as st

from server.sdp import BadSdp, Offer, Unacceptable, read_fragment, read_listening_offer, read_offer, write_answer

PRINT = "a=fingerprint:sha-256 " + ":".join(["AB"] * 32)
SESSION = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0"]
TRANSPORT = ["a=ice-ufrag:abcd", "a=ice-pwd:0123456789012345678901", PRINT, "a=setup:actpass"]
AUDIO = ["m=audio 9 UDP/TLS/RTP/SAVPF 111 0", "c=IN IP4 0.0.0.0", "a=mid:0", "a=sendonly", "a=rtcp-mux"]
OPUS = ["a=rtpmap:111 opus/48000/2", "a=fmtp:111 minptime=10;useinbandfec=1", "a=rtpmap:0 PCMU/8000"]
VIDEO = ["m=video 9 UDP/TLS/RTP/SAVPF 96", "a=mid:1", "a=sendonly", "a=rtcp-mux", "a=rtpmap:96 AV1/90000"]
DATA = ["m=application 9 UDP/DTLS/SCTP webrtc-datachannel", "a=mid:2", "a=sctp-port:5000", "a=max-message-size:262144"]


def sdp(*parts: list[str]) -> str:
    return "\r\n".join(line for part in parts for line in part) + "\r\n"


def bundle(*mids: str) -> list[str]:
    return [f"a=group:BUNDLE {' '.join(mids)}"]


def parsed(offer: Offer) -> SessionDescription:
    return SessionDescription.parse(offer.text)


def test_audio_alone_is_served() -> None:
    offer = read_offer(sdp(SESSION, bundle("0"), AUDIO, OPUS, TRANSPORT))
    assert (offer.audio_mid, offer.channels, offer.ice.ufrag) == ("0", False, "abcd")
    assert [media.kind for media in parsed(offer).media] == ["audio"]


def test_bundle_only_sections_get_the_credentials_of_the_first() -> None:
    """The offer of RFC 9725 4.2, figure 2, has them in its first section only."""
    data = ["m=application 0 UDP/DTLS/SCTP webrtc-datachannel", "a=bundle-only", *DATA[1:]]
    offer = read_offer(sdp(SESSION, bundle("0", "2"), AUDIO, OPUS, TRANSPORT, data))
    for media in parsed(offer).media:
        assert media.ice.usernameFragment == "abcd" and media.dtls is not None and media.dtls.fingerprints


def test_credentials_may_stand_in_a_section_that_is_not_served() -> None:
    offer = read_offer(sdp(SESSION, bundle("1", "0"), VIDEO, TRANSPORT, AUDIO, OPUS))
    assert parsed(offer).media[0].ice.usernameFragment == "abcd"


def test_data_channel_before_audio_does_not_become_the_transport() -> None:
    offer = read_offer(sdp(SESSION, bundle("2", "0"), DATA, TRANSPORT, AUDIO, OPUS, TRANSPORT))
    assert parsed(offer).group[0].items == ["0", "2"]
    ours = sdp(SESSION, ["m=audio 5 UDP/TLS/RTP/SAVPF 111", "a=mid:0"], ["m=application 5 X y", "a=mid:2"])
    kinds = [line.split()[0] for line in answered(offer, ours).splitlines() if line.startswith("m=")]
    assert kinds == ["m=application", "m=audio"]


def test_one_who_listens_is_served_audio_only() -> None:
    audio = [*AUDIO[:3], "a=recvonly", "a=rtcp-mux"]
    offer = read_listening_offer(sdp(SESSION, bundle("0", "2"), audio, OPUS, TRANSPORT, DATA, TRANSPORT))
    assert not offer.channels and [media.kind for media in parsed(offer).media] == ["audio"]
    assert read_listening_offer(sdp(SESSION, [*audio[:3], *audio[4:]], OPUS, TRANSPORT)), "sendrecv when none is said"
    with pytest.raises(Unacceptable, match="takes no audio"):
        read_listening_offer(sdp(SESSION, AUDIO, OPUS, TRANSPORT))
    with pytest.raises(Unacceptable, match="no audio section; there is nothing else"):
        read_listening_offer(sdp(SESSION, VIDEO, TRANSPORT))


def answered(offer: Offer, ours: str, public_ip: str | None = None) -> str:
    return write_answer(offer, ours, public_ip=public_ip, message_bytes=4096)


def test_video_and_a_second_audio_are_rejected_in_their_places() -> None:
    second = [AUDIO[0], "a=mid:3", *AUDIO[3:]]
    offer = read_offer(sdp(SESSION, bundle("1", "0", "3"), VIDEO, TRANSPORT, AUDIO, OPUS, TRANSPORT, second, OPUS))
    answer = answered(offer, sdp(SESSION, bundle("0"), ["m=audio 5 UDP/TLS/RTP/SAVPF 111", "a=mid:0", "a=recvonly"]))
    media = [line for line in answer.splitlines() if line.startswith(("m=", "a=mid", "a=inactive", "a=recvonly"))]
    assert media == [
        "m=video 0 UDP/TLS/RTP/SAVPF 96", "a=inactive", "a=mid:1",
        "m=audio 5 UDP/TLS/RTP/SAVPF 111", "a=mid:0", "a=recvonly",
        "m=audio 0 UDP/TLS/RTP/SAVPF 111 0", "a=inactive", "a=mid:3",
    ]  # fmt: skip
    assert "a=group:BUNDLE 0" in answer.splitlines()


def test_only_candidates_that_can_be_used_are_kept() -> None:
    candidates = [
        "a=candidate:1 1 udp 2113937151 192.0.2.7 50000 typ host generation 0 rport garbage",
        "a=candidate:2 1 udp 2113937151 5b0d1f8e-8b1c-4d2a-9df1-0fd9e8a1b2c3.local 50001 typ host",
        "a=candidate:3 1 tcp 1518280447 192.0.2.7 9 typ host tcptype active",
        "a=candidate:4 1 udp 2113937151 fd00::7 50002 typ host",
        "a=candidate:5 1 udp 2113937151 example.org 50002 typ host",
        "a=candidate:6 1 udp 2113937151 224.0.0.1 50002 typ host",
        "a=candidate:7 1 udp 2113937151 192.0.2.7 99999 typ host",
        "a=end-of-candidates",
    ]
    media = parsed(read_offer(sdp(SESSION, bundle("0"), AUDIO, OPUS, TRANSPORT, candidates))).media[0]
    assert [candidate.ip for candidate in media.ice_candidates] == ["192.0.2.7", "fd00::7"]
    assert not media.ice_candidates_complete, "aioice would give up before the client's own checks"


def test_the_public_address_takes_the_place_of_private_ones() -> None:
    offer = read_offer(sdp(SESSION, bundle("0", "2"), AUDIO, OPUS, TRANSPORT, DATA, TRANSPORT))
    candidates = [
        "c=IN IP4 10.0.0.5",
        "a=candidate:1 1 udp 2130706431 10.0.0.5 40000 typ host",
        "a=candidate:2 1 udp 2130706431 fd00::2 40001 typ host",
        "a=candidate:3 1 udp 2130706431 1.1.1.1 40002 typ host",
    ]
    ours = sdp(SESSION, ["m=audio 40000 UDP/TLS/RTP/SAVPF 111", *candidates], DATA)
    answer = answered(offer, ours, public_ip="8.8.8.8")
    addresses = [line.split()[4] for line in answer.splitlines() if line.startswith("a=candidate")]
    assert addresses == ["8.8.8.8", "fd00::2", "1.1.1.1"]
    assert "c=IN IP4 8.8.8.8" in answer and "a=max-message-size:4096" in answer


@pytest.mark.parametrize(
    ("offer", "why"),
    [
        (sdp(SESSION), "no media section"),
        (sdp(SESSION, VIDEO, TRANSPORT), "no audio section"),
        (sdp(SESSION, AUDIO, ["a=rtpmap:111 G722/8000"], TRANSPORT), "no Opus"),
        (sdp(SESSION, [*AUDIO[:3], "a=recvonly", "a=rtcp-mux"], OPUS, TRANSPORT), "sends no audio"),
        (sdp(SESSION, [*AUDIO[:4]], OPUS, TRANSPORT), "no a=rtcp-mux"),
        (sdp(SESSION, AUDIO, OPUS), "no usable ICE credentials"),
        (sdp(SESSION, AUDIO, OPUS, TRANSPORT[:2]), "no DTLS fingerprint"),
        (sdp(SESSION, [AUDIO[0], *AUDIO[3:]], OPUS, TRANSPORT), "needs an a=mid"),
        (sdp(SESSION, AUDIO, OPUS, TRANSPORT, DATA, TRANSPORT), "one BUNDLE group"),
        (sdp(SESSION, *[[*VIDEO]] * 17), "17 media sections"),
    ],
)
def test_offers_that_cannot_be_served(offer: str, why: str) -> None:
    with pytest.raises(Unacceptable, match=why):
        read_offer(offer)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        "\0\0\0",
        "<html>",
        "v=1\r\n",
        "v=0\r\nm=audio\r\n",
        "v=0\r\nm=audio 99999 A 1\r\n",
        "v=0\r\nnonsense",
    ],
)
def test_what_is_no_sdp(text: str) -> None:
    with pytest.raises((BadSdp, Unacceptable)):
        read_offer(text)


LINES = st.sampled_from(
    [*SESSION, *bundle("0", "2"), *AUDIO, *OPUS, *TRANSPORT, *VIDEO, *DATA, "a=ssrc:x", "a=extmap:", "m="]
)


@given(st.lists(st.one_of(LINES, st.text(max_size=12)), max_size=40))
def test_nothing_else_than_a_refusal_comes_of_garbage(lines: list[str]) -> None:
    try:
        read_offer("\r\n".join(lines))
    except (BadSdp, Unacceptable):
        return


@given(st.text())
def test_nothing_else_than_a_refusal_comes_of_a_garbled_fragment(text: str) -> None:
    try:
        fragment = read_fragment(text)
    except BadSdp:
        return
    assert all(candidate.count(" ") == 7 for candidate in fragment.candidates)


def test_a_fragment_gives_credentials_and_candidates() -> None:
    fragment = read_fragment(
        sdp(
            TRANSPORT[:2],
            AUDIO[:3],
            ["a=candidate:1 1 udp 2 192.0.2.7 50000 typ srflx raddr 10.0.0.1 rport 9", "a=end-of-candidates"],
        )
    )
    assert fragment.ice is not None and fragment.ice.ufrag == "abcd"
    assert fragment.candidates == ("1 1 udp 2 192.0.2.7 50000 typ srflx",)
