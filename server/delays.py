"""How late feedback is: what a reciter heard, against when each phone and word of the recording ended.

The clock is that of a microphone: sample s of the file sounds at `start + s / 16000`, and the packet that holds it can
leave when its last sample has sounded. What never comes counts as infinite.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from recitation.audio import SAMPLE_HZ, Pcm
from recitation.mushaf import parse_reference
from server.messages import Error
from server.reciter import PACKET_RTP, PACKET_S, Heard, Recording

RESAMPLER_RTP = 96
"""Audio after a sample that must have come before the server's resampler lets the sample go: 2 ms."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A phone or word of the file, by the offline alignment."""

    at: str
    index: int
    end: int
    """16 kHz sample."""


def expected_units(pcm: Pcm, verses: str) -> list[Unit]:
    """Phones of the passage in the order recited, with their acoustic ends. Raises AddressError, ModelError."""
    from recitation.acoustics.engines import open_engine
    from recitation.pipeline import align_offline, passage

    place = passage(str(parse_reference(verses)))
    return [Unit(at, index, end) for at, index, _, end in align_offline(open_engine(), pcm, place)]


def figures(sessions: Sequence[Heard], recording: Recording, units: Sequence[Unit]) -> dict[str, Any]:
    """Delays over all sessions, milliseconds."""
    words = [unit for unit, following in zip(units, [*units[1:], None], strict=True) if _ends_word(unit, following)]
    arrivals = [Arrivals.of(heard, units) for heard in sessions]
    pairs = list(zip(sessions, arrivals, strict=True))
    errors = [m.text for heard in sessions for _, m in heard.control if isinstance(m, Error)]
    return {
        "tentative": spread(delay(h, u.end, a.tentative.get((u.at, u.index))) for h, a in pairs for u in units),
        "confirmed": spread(delay(h, u.end, a.phones.get((u.at, u.index))) for h, a in pairs for u in units),
        "words": {
            "tentative": spread(delay(h, u.end, a.tentative.get((u.at, u.index))) for h, a in pairs for u in words),
            "confirmed": spread(delay(h, u.end, a.words.get(u.at)) for h, a in pairs for u in words),
        },
        "transport": spread(delay for heard in sessions for delay in transport_delays(heard)),
        "server": spread(m.stamps.sent_ms - m.stamps.rx_ms for heard in sessions for _, m in heard.feedback),
        "connect": spread(heard.connect_s * 1000 for heard in sessions),
        "sender_lag": spread(lag * 1000 for heard in sessions for lag in heard.lags),
        "packets": {
            "sent": sum(len(heard.network.sent) for heard in sessions),
            "dropped": sum(heard.network.dropped for heard in sessions),
        },
        "feedback": {
            "received": sum(len(heard.feedback) for heard in sessions),
            "sent": sum(max((m.seq for _, m in heard.feedback), default=0) for heard in sessions),
        },
        "broken": sum(heard.broken for heard in sessions),
        "accepted": sum(heard.summary.accepted for heard in sessions if heard.summary is not None),
        "errors": errors,
    }


def _ends_word(unit: Unit, following: Unit | None) -> bool:
    return following is None or following.at != unit.at


@dataclass(frozen=True, slots=True)
class Arrivals:
    """When feedback on each unit of a session first arrived, monotonic seconds."""

    tentative: dict[tuple[str, int], float]
    phones: dict[tuple[str, int], float]
    words: dict[str, float]

    @classmethod
    def of(cls, heard: Heard, units: Sequence[Unit]) -> "Arrivals":
        """Read a session's feedback."""
        place = {(unit.at, unit.index): n for n, unit in enumerate(units)}
        last_of = {unit.at: n for n, unit in enumerate(units)}
        arrivals = cls({}, {}, {})
        reached = 0
        for arrived, message in heard.feedback:
            for phone in message.phones:
                arrivals.phones.setdefault((phone.at, phone.index), arrived)
            for word in message.words:
                arrivals.words.setdefault(word.at, arrived)
            if message.cursor is None or message.cursor.at not in last_of:
                continue
            # Live and offline may differ in a word's form, whose last phones then have other numbers.
            now = place.get((message.cursor.at, message.cursor.phone), last_of[message.cursor.at])
            for unit in units[reached : now + 1]:
                arrivals.tentative[unit.at, unit.index] = arrived
            reached = max(reached, now + 1)
        return arrivals


def delay(heard: Heard, end: int, arrived: float | None) -> float:
    """Milliseconds from the sounding of sample `end` of the file to `arrived`; infinite when None."""
    if arrived is None:
        return math.inf
    # Packet 0 leaves when it is full: the microphone was opened 20 ms before.
    return (arrived - (heard.started - PACKET_S + end / SAMPLE_HZ)) * 1000


def transport_delays(heard: Heard) -> Iterable[float]:
    """Milliseconds a feedback and the audio it rests on spent outside the server's session: both ways on the network,
    and in the tap waiting for order."""
    first = heard.network.first_rtp
    for arrived, message in heard.feedback:
        if first is None:
            continue
        packet = (((message.rtp - first) & 0xFFFFFFFF) + RESAMPLER_RTP - 1) // PACKET_RTP
        left = heard.network.sent.get(packet)
        if left is not None:
            yield (arrived - left) * 1000 - (message.stamps.sent_ms - message.stamps.rx_ms)


def spread(delays: Iterable[float]) -> dict[str, float | int | None]:
    """Count, infinite ones, and percentiles, None where infinite."""
    ordered = sorted(delays)
    found: dict[str, float | int | None] = {
        "n": len(ordered),
        "missing": sum(math.isinf(delay) for delay in ordered),
    }
    for name, share in (("p50", 0.50), ("p95", 0.95), ("p99", 0.99)):
        # Nearest rank: the smallest value that at least the share lies at or below.
        value = ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else math.inf
        found[name] = None if math.isinf(value) else round(value, 1)
    return found
