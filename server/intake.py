"""The way of a session's sound to its line: where the hops begin, what is heard of holes, and the session's clock."""

import numpy as np

from recitation.audio import SAMPLE_HZ, Pcm
from recitation.session_clock import SessionClock
from server.live import RTP_PER_SAMPLE, Line, Live, Seat
from server.transport import Transport

HOP_PHASE = 48
"""Silent samples (3 ms) put before a session's first. A hop of four packets would otherwise end with a packet, its last
2 ms, still in the resampler, come with the next, and every feedback would be 20 ms later than it need be. Whole packets
of silence are put before that, for `Live.lead_in`."""

FILL_SAMPLES = SAMPLE_HZ
"""Silence heard in place of audio that is missing for longer: a second is a pause to every part of the line. What is
missing beyond that passes on the session's clock alone."""

SEAM_SAMPLES = 640
"""The least of it between one connection and the next, whose sound does not join to the sample: 40 ms."""


class Intake:
    """Takes what the serving connection brings, on the event loop, into the seat of its session."""

    def __init__(self, live: Live, seat: Seat, now: float, clock: SessionClock) -> None:
        """`now`: monotonic seconds. `clock`: of the session, by that of the seat's line."""
        self.seat = seat
        self.clock = clock
        self._live = live
        self._bridging = False
        """The next audio is the first of a connection that took the place of another."""
        self._last_arrival = now

    def restart(self, line: Line) -> None:
        """Go on with another line, whose clock and the session's begin anew."""
        self.seat.restart(line)
        self.clock = SessionClock()

    def join(self) -> None:
        """What comes next comes by another connection."""
        self._bridging = True

    def take(self, pcm: Pcm, start: int, concealed: bool, rtp: int, arrival: float, transport: Transport) -> bool:
        """Take float32[n] at 16 kHz, sample `start` of its connection with timestamp `rtp`, by `transport`; whether a
        hop is whole now. Raises Overloaded."""
        if not self.seat.heard_anything:
            self._lead_in(len(pcm), start, rtp, arrival, transport)
        elif self._bridging:
            self._bridge(len(pcm), start, rtp, arrival, transport)
        self._bridging = False
        self._last_arrival = arrival
        gap = concealed and len(pcm) > FILL_SAMPLES
        if gap:
            pcm = self._shorten(pcm)
        return self.seat.push(pcm, concealed, rtp, arrival, gap=gap)

    def _lead_in(self, samples: int, start: int, rtp: int, arrival: float, transport: Transport) -> None:
        """Put silence before the first samples of a line, so that its hops end where they should."""
        lead = HOP_PHASE + self._live.lead_in(samples, arrival)
        self.seat.push(np.zeros(lead, np.float32), True, rtp - lead * RTP_PER_SAMPLE, arrival)
        transport.gather(self._live.hop_samples, start - lead)

    def _bridge(self, samples: int, start: int, rtp: int, arrival: float, transport: Transport) -> None:
        """Between the last sound of one connection and the first `samples` of the next: silence, in which no word that
        was open is judged."""
        gone = round((arrival - self._last_arrival) * SAMPLE_HZ) - samples
        fill = min(max(gone, SEAM_SAMPLES), FILL_SAMPLES)
        lead = HOP_PHASE + self._live.lead_in(samples, arrival)
        fill += (lead - self.seat.pushed - fill) % self._live.hop_samples
        self.seat.push(np.zeros(fill, np.float32), True, rtp - fill * RTP_PER_SAMPLE, arrival, gap=True)
        if gone > fill:
            self.clock.skip(self.seat.pushed, gone - fill)
        transport.gather(self._live.hop_samples, start - self.seat.pushed)

    def _shorten(self, pcm: Pcm) -> Pcm:
        """What is heard of a hole in one connection; hops end where they did."""
        hop = self._live.hop_samples
        skipped = (len(pcm) - FILL_SAMPLES) // hop * hop
        self.clock.skip(self.seat.pushed + len(pcm) - skipped, skipped)
        return pcm[: len(pcm) - skipped]
