"""SDP and trickle fragments of a WHIP or WHEP client, made fit for aiortc, and aiortc's answer made fit for the client.

aiortc 1.16 wants ICE credentials in every section, starts a decoder for a video section it accepts, waits a second for
each mDNS candidate, and stops the transport it needs when BUNDLE names another section before the audio. So an offer
is reduced to the one audio and the one data-channel section we serve, and the answer gets the others back, rejected.
"""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass

MOST_SECTIONS = 16
MOST_CANDIDATES = 32
"""Addresses a client may have us send connectivity checks to."""

_MEDIA = re.compile(r"m=(?P<kind>[a-z]+) (?P<port>\d{1,5}) (?P<proto>[A-Za-z/]+) (?P<formats>[\w.+ -]+)")
_CANDIDATE = re.compile(
    r"candidate:(?P<foundation>[\w+/]{1,32}) (?P<component>\d{1,5}) (?P<transport>\w{1,8}) (?P<priority>\d{1,10}) "
    r"(?P<address>[0-9A-Fa-f.:]{2,45}) (?P<port>\d{1,5}) typ (?P<type>host|srflx|prflx|relay)\b.*",
    re.ASCII,
)
_OPUS = re.compile(r"a=rtpmap:\d{1,3} opus/48000(/2)?", re.IGNORECASE)
_ICE_TOKEN = re.compile(r"[A-Za-z0-9+/]{4,256}")
_DIRECTIONS = {"a=sendrecv", "a=sendonly", "a=recvonly", "a=inactive"}
_KEPT = (
    "a=mid:", "a=extmap:", "a=sendrecv", "a=sendonly", "a=recvonly", "a=inactive", "a=rtcp-mux", "a=rtpmap:", "a=fmtp:",
    "a=ssrc:", "a=sctp-port:", "a=max-message-size:",
)  # fmt: skip
"""Lines of a section that aiortc has a use for; the rest can only do harm."""


class BadSdp(Exception):
    """The text is not SDP at all: 400."""


class Unacceptable(Exception):
    """The offer is SDP, but not one we can serve: 422."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """ICE username fragment and password."""

    ufrag: str
    pwd: str


@dataclass(frozen=True, slots=True)
class Section:
    """A media section: its m= line and the lines after it."""

    kind: str
    proto: str
    formats: str
    port: int
    lines: tuple[str, ...]

    def value(self, name: str) -> str | None:
        """Value of attribute `name`, None when it is not there."""
        return _value(self.lines, name)

    @property
    def direction(self) -> str:
        """sendrecv, sendonly, recvonly or inactive (RFC 8866 6.7)."""
        return next((line[2:] for line in self.lines if line in _DIRECTIONS), "sendrecv")


@dataclass(frozen=True, slots=True)
class Offer:
    """An offer that can be served."""

    text: str
    """For aiortc: the audio section and, if any, the data-channel section."""
    audio_mid: str
    channels: bool
    """The client offers data channels."""
    ice: Credentials
    sections: tuple[Section, ...]
    served: frozenset[int]
    """Indices of `sections` that `text` holds."""


@dataclass(frozen=True, slots=True)
class Fragment:
    """A trickle fragment (RFC 8840)."""

    ice: Credentials | None
    candidates: tuple[str, ...]
    """What follows `candidate:`, those we can use."""


def read_offer(text: str) -> Offer:
    """Reduce a reciter's offer to what we serve. Raises BadSdp or Unacceptable, saying why."""
    session, sections = _split(text)
    audio = _audio(sections, "a reciter must be heard")
    if sections[audio].direction in ("recvonly", "inactive"):
        raise Unacceptable("the offer sends no audio; its audio section must be sendonly or sendrecv")
    data = next((n for n, s in enumerate(sections) if _open(s) and s.proto == "UDP/DTLS/SCTP"), None)
    return _reduced(session, sections, audio, data)


def read_listening_offer(text: str) -> Offer:
    """Reduce the offer of one who listens to the audio they take. Raises BadSdp or Unacceptable, saying why."""
    session, sections = _split(text)
    audio = _audio(sections, "there is nothing else to be had")
    if sections[audio].direction in ("sendonly", "inactive"):
        raise Unacceptable("the offer takes no audio; its audio section must be recvonly or sendrecv")
    return _reduced(session, sections, audio, None)


def _audio(sections: list[Section], why: str) -> int:
    audio = next((n for n, s in enumerate(sections) if s.kind == "audio" and _open(s)), None)
    if audio is None:
        raise Unacceptable(f"the offer has no audio section; {why}")
    _check_audio(sections[audio])
    return audio


def _reduced(session: list[str], sections: list[Section], audio: int, data: int | None) -> Offer:
    served = [audio] if data is None else [audio, data]
    mids = [sections[n].value("mid") for n in served]
    if None in mids or len(set(mids)) < len(mids):
        raise Unacceptable("every section needs an a=mid of its own (RFC 9725 4.4.1: sections are bundled)")
    if data is not None and not set(mids) <= _bundled(session):
        raise Unacceptable("audio and data channel must share one BUNDLE group (RFC 9725 4.4.1)")
    ice = _credentials(session, sections, audio)
    lines = ["v=0", "o=- 1 1 IN IP4 0.0.0.0", "s=-", "t=0 0"]
    lines += [f"a=group:BUNDLE {' '.join(mid for mid in mids if mid)}", "a=msid-semantic:WMS *"]
    for n in served:
        lines += _rewritten(session, sections, n, ice)
    return Offer("\r\n".join(lines) + "\r\n", mids[0] or "", data is not None, ice, tuple(sections), frozenset(served))


def write_answer(offer: Offer, answer: str, *, public_ip: str | None, message_bytes: int) -> str:
    """The answer to `offer` from aiortc's: the offer's sections in order, those not served rejected (RFC 9429 5.3)."""
    session, ours = _lines_by_section(answer)
    audio_first = sorted(offer.served, key=lambda n: offer.sections[n].kind != "audio")
    by_index = dict(zip(audio_first, ours, strict=True))
    lines = list(session)
    for n, section in enumerate(offer.sections):
        lines += by_index[n] if n in by_index else _rejected(section)
    text = "\r\n".join(lines) + "\r\n"
    text = re.sub(r"(?m)^a=max-message-size:\d+", f"a=max-message-size:{message_bytes}", text)
    return text if public_ip is None else _publish(text, public_ip)


def read_fragment(text: str) -> Fragment:
    """Read a trickle fragment. Raises BadSdp."""
    lines = _lines(text)
    if not lines or any(not re.match(r"[a-z]=", line) for line in lines):
        raise BadSdp("not an SDP fragment: every line must be like a=candidate:... (RFC 8840)")
    ufrag, pwd = _value(lines, "ice-ufrag"), _value(lines, "ice-pwd")
    return Fragment(Credentials(ufrag, pwd) if ufrag and pwd else None, _candidates(lines))


def _split(text: str) -> tuple[list[str], list[Section]]:
    session, bodies = _lines_by_section(text)
    if not session or session[0] != "v=0":
        raise BadSdp("not SDP: the first line must be v=0 (RFC 8866 5.1)")
    if not bodies:
        raise Unacceptable("the offer has no media section")
    if len(bodies) > MOST_SECTIONS:
        raise Unacceptable(f"the offer has {len(bodies)} media sections; {MOST_SECTIONS} are read")
    if any(not re.match(r"[a-z]=", line) for body in (session, *bodies) for line in body):
        raise BadSdp("not SDP: every line must be like a=value (RFC 8866 5)")
    return session, [_section(body) for body in bodies]


def _section(body: list[str]) -> Section:
    match = _MEDIA.fullmatch(body[0])
    if match is None or int(match["port"]) > 65_535:
        raise BadSdp(f"not SDP: {body[0][:80]!r} is no media line (RFC 8866 5.14)")
    return Section(match["kind"], match["proto"], match["formats"], int(match["port"]), tuple(body[1:]))


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.replace("\r\n", "\n").split("\n") if line.strip()]


def _lines_by_section(text: str) -> tuple[list[str], list[list[str]]]:
    session: list[str] = []
    bodies: list[list[str]] = []
    for line in _lines(text):
        if line.startswith("m="):
            bodies.append([])
        (bodies[-1] if bodies else session).append(line)
    return session, bodies


def _open(section: Section) -> bool:
    return section.port != 0 or "a=bundle-only" in section.lines


def _check_audio(audio: Section) -> None:
    if not any(_OPUS.fullmatch(line) for line in audio.lines):
        raise Unacceptable("the offer has no Opus; a=rtpmap:... opus/48000/2 is the codec heard here")
    if not any(line.startswith("a=rtcp-mux") for line in audio.lines):
        raise Unacceptable("the offer has no a=rtcp-mux (RFC 9725 4.4.1)")


def _bundled(session: list[str]) -> set[str | None]:
    return {mid for line in session if line.startswith("a=group:BUNDLE ") for mid in line.split()[1:]}


def _credentials(session: list[str], sections: list[Section], audio: int) -> Credentials:
    """Of the audio section; of the session; else of the first section that has some (bundle-only, RFC 8843 7.1.3)."""
    for lines in (sections[audio].lines, session, *(s.lines for s in sections)):
        ufrag, pwd = _value(lines, "ice-ufrag"), _value(lines, "ice-pwd")
        if ufrag and pwd and _ICE_TOKEN.fullmatch(ufrag) and _ICE_TOKEN.fullmatch(pwd):
            return Credentials(ufrag, pwd)
    raise Unacceptable("the offer has no usable ICE credentials (a=ice-ufrag, a=ice-pwd)")


def _rewritten(session: list[str], sections: list[Section], n: int, ice: Credentials) -> list[str]:
    section = sections[n]
    kept = [line for line in section.lines if line.startswith(_KEPT) and not line.startswith("a=ssrc-")]
    sources = (section.lines, session, *(s.lines for s in sections))
    prints = next((p for p in (_all(lines, "fingerprint") for lines in sources) if p), [])
    setup = next((s for s in (_value(lines, "setup") for lines in sources) if s), None)
    if not prints or setup not in ("actpass", "active", "passive"):
        raise Unacceptable("the offer has no DTLS fingerprint or role (a=fingerprint, a=setup)")
    if section.kind != "audio" and section.value("sctp-port") is None:
        kept.append("a=sctp-port:5000")
    if section.kind == "audio" and not _DIRECTIONS & set(kept):
        kept.append("a=sendrecv")
    return [
        f"m={section.kind} 9 {section.proto} {section.formats}",
        *kept,
        *(f"a=candidate:{candidate}" for candidate in _candidates(section.lines)),
        f"a=ice-ufrag:{ice.ufrag}",
        f"a=ice-pwd:{ice.pwd}",
        *(f"a=fingerprint:{value}" for value in prints),
        f"a=setup:{setup}",
    ]


def _candidates(lines: Sequence[str]) -> tuple[str, ...]:
    """UDP candidates with literal addresses. `.local` names are left out: each that does not resolve costs a second,
    and our answer's candidates let the client reach us without them. So is the end of candidates, after which aioice
    gives up before the client's own checks arrive; the connect deadline takes its place."""
    found = []
    for line in lines:
        match = _CANDIDATE.fullmatch(line.removeprefix("a="))
        if match is None or match["transport"].lower() != "udp" or int(match["port"]) > 65_535:
            continue
        try:
            address = ipaddress.ip_address(match["address"])
        except ValueError:
            continue
        if not (address.is_multicast or address.is_unspecified):
            found.append("{} {} {} {} {} {} typ {}".format(*match.groups()))
    return tuple(found[:MOST_CANDIDATES])


def _rejected(section: Section) -> list[str]:
    mid = section.value("mid")
    lines = [f"m={section.kind} 0 {section.proto} {section.formats}", "c=IN IP4 0.0.0.0", "a=inactive"]
    return lines if mid is None else [*lines, f"a=mid:{mid}"]


def _publish(answer: str, public_ip: str) -> str:
    """Private addresses replaced by the public one; 1:1 NAT keeps the ports."""

    def replace(match: re.Match[str]) -> str:
        same_family = ":" in match["address"] if ":" in public_ip else ":" not in match["address"]
        private = same_family and ipaddress.ip_address(match["address"]).is_private
        return match["before"] + (public_ip if private else match["address"])

    answer = re.sub(
        r"(?m)^(?P<before>a=candidate:\S+ \d+ \w+ \d+ )(?P<address>[0-9A-Fa-f.:]+)(?= \d+ typ host)", replace, answer
    )
    return re.sub(r"(?m)^(?P<before>c=IN IP[46] )(?P<address>(?!0\.0\.0\.0)[0-9A-Fa-f.:]+)", replace, answer)


def _value(lines: Sequence[str], name: str) -> str | None:
    return next(iter(_all(lines, name)), None)


def _all(lines: Sequence[str], name: str) -> list[str]:
    prefix = f"a={name}:"
    return [line[len(prefix) :] for line in lines if line.startswith(prefix)]
