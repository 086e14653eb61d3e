"""Where the reciter is: which phones of the passage were recited when, and what comes now.

The best of all paths (``recitation.paths``) gives the *cursor*, shown at once.  Phones are *closed* with a fixed lag,
when the path that explains the newest frames has left them for long enough, and never reopened (fixed-lag smoothing;
Narasimhan et al. 2006 discuss when such a commit is safe).

The cursor goes with a jump once it has been the best explanation for a moment.  Phones after it are closed when it has
lasted longer, and then it is final: paths that did not take it are dropped, so that what is confirmed and what is
followed cannot part.
"""

from collections import deque
from dataclasses import dataclass
from itertools import islice, zip_longest

import numpy as np
from numpy.typing import NDArray

from recitation.graph import Graph
from recitation.likeness import softened
from recitation.paths import WINDOW_STATES, Paths
from recitation.scout import LISTENED_FRAMES, Scout

FRAME_SAMPLES = 320
LAG_FRAMES = 7
"""A phone is closed once this many frames followed the one in which the next was entered: 160 ms of it are heard then.

The ear enters most phones in the first frame of a hop: one frame more, and their verdicts would wait for another hop.
"""
PAUSE_FRAMES = 13
"""Without a next phone, a phone is closed this long after the voice stopped: 260 ms."""
HISTORY = 192
"""Frames of back-pointers kept beyond the lag; a path is committed long before."""
REST_FRAMES = 50
"""After a second of silence one phone before the end of the passage, that phone is not waited for."""
REVISED_FRAMES = 25
"""How far before the open phone a path may still change its mind about phones not yet closed."""
SHOWN_FRAMES = 3
SHOWN_COST = 0.5
"""A jump moves the cursor 60 ms after it, when its path is so many nats better than the one shown."""
STRANGENESS_MEMORY = 0.04
"""Weight of the newest frame in the running strangeness: it remembers some 25 frames with a phone."""
FINAL_FRAMES = 25
"""Phones after a jump are closed no sooner than this after it: 500 ms."""
DOUBT_COST = 3.5
"""No phone is closed while a path with other jumps is within so many nats.  At 5, as much as the cheapest jump costs,
one verdict in twenty on straight recitation came 60 ms later; at 1.5 ordinary voices lost 5 % of their words."""
LOST_COST = 1.4
"""Strangeness, nats a spoken frame, beyond which jumps are open to any word."""
SCOUT_FRAMES = 25
"""How often a lost reciter is looked for in a passage longer than the window."""
FOUND_STRANGENESS = 1.1
"""What is assumed of the place the scout found: better than lost, and still to be proved."""

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Segment:
    """A phone of the passage located in the audio; frames of 20 ms, ``end`` exclusive."""

    node: int
    start: int
    end: int
    following: int | None
    """The node recited next, None at a pause."""
    skipped: bool = False
    """True when the path left the phone out: ``start`` and ``end`` then coincide."""
    attempt: int = 0
    """Frame of the jump after which it was recited; 0 before any."""
    breaks_off: bool = False
    """True when the path jumped from here to ``following``."""
    rests: bool = False
    """True when there is a pause between it and ``following``, which was known all the same."""


@dataclass(slots=True)
class _Visit:
    """A node on the best path: the first and the last frame that emit it."""

    node: int
    first: int
    last: int
    attempt: int
    """Frame of the jump before it; 0 before any."""


class Tracker:
    """Follows one recitation.  ``push`` log-probabilities, take segments; ``cursor`` is the tentative node."""

    def __init__(self, graph: Graph, lag_frames: int = LAG_FRAMES, *, straight: bool = False) -> None:
        """``straight`` is for aligning a recording that is known to go straight through the passage."""
        self.graph = graph
        self.cursor: int | None = None
        self.cursor_frame = 0
        """Frame at which the cursor's node was first the best explanation."""
        self.strangeness = 0.0
        """Recent mean cost of the passage over free recognition, nats per spoken frame."""
        self._paths = Paths(graph, lag_frames + HISTORY, straight=straight)
        self._lag = lag_frames
        self._open: _Visit | None = None
        self._closed: int | None = None
        self._attempt = 0
        """The attempt that is final."""
        self._shown_attempt = 0
        self._until = 0
        self._speech: deque[bool] = deque(maxlen=lag_frames + HISTORY)
        self._sounding: deque[int] = deque([0], maxlen=lag_frames + HISTORY)
        """Frames with a voice and a phone up to each frame."""
        self._scouted = len(graph) > WINDOW_STATES and not straight
        self._heard: deque[Floats] = deque(maxlen=LISTENED_FRAMES)
        self._scout: Scout | None = None

    @property
    def frames(self) -> int:
        """Frames heard."""
        return self._paths.frames

    def begin_near(self, word: int) -> None:
        """Expect the recitation to begin with a word of the passage, before anything was heard."""
        self._paths.begin_near(word)

    def push(self, log_probs: Floats, speech: NDArray[np.bool_]) -> list[Segment]:
        """Advance by float32[n, units] log-probabilities, bool[n] voice flags; returns phones closed by them."""
        for row, voiced in zip(softened(log_probs), speech.tolist(), strict=True):
            self._advance(row, voiced)
        closed = self._commit()
        return closed + self._look_around(log_probs) if self._scouted else closed

    def _advance(self, emission: Floats, voiced: bool) -> None:
        cost = self._paths.advance(emission, voiced, self.strangeness > LOST_COST)
        self._speech.append(voiced)
        sounding = cost is not None and voiced and self.cursor is not None
        if cost is not None and sounding:
            self.strangeness += STRANGENESS_MEMORY * (cost - self.strangeness)
        self._sounding.append(self._sounding[-1] + sounding)
        self._point()

    def _point(self) -> None:
        """Move the cursor to the best state; after a jump, when the path has proved itself."""
        paths = self._paths
        node = None
        if paths.begun:
            attempt = paths.attempt
            if attempt != self._shown_attempt:
                if paths.frames - 1 - attempt < SHOWN_FRAMES or paths.lead_over(self._shown_attempt) < SHOWN_COST:
                    return
                self._shown_attempt = attempt
            node = self._node_at(paths.best)
        if node != self.cursor:
            self.cursor, self.cursor_frame = node, paths.frames - 1

    def _look_around(self, log_probs: Floats) -> list[Segment]:
        """Let the scout look for a reciter who is lost in a passage that the window does not hold; what is closed
        because the place that it found is gone on from."""
        before, now = self.frames - len(log_probs), self.frames
        self._heard.extend(log_probs)
        if self.strangeness <= LOST_COST or before // SCOUT_FRAMES == now // SCOUT_FRAMES:
            return []
        self._scout = self._scout or Scout(self.graph.words)
        word = self._scout.find(np.stack(self._heard))
        if word is None:
            return []
        closed = self._commit(ending=True)
        self._paths.land(word)
        self._attempt = self._shown_attempt = self._until = now
        self._closed = self._open = None
        self.strangeness = FOUND_STRANGENESS
        return closed

    def _node_at(self, state: int) -> int | None:
        """The newest node begun when the path is in ``state``."""
        if state % 2:
            return state // 2
        if self.cursor is not None and self.cursor in self._nodes_before(state):
            return self.cursor
        before = self._nodes_before(state)
        return before[0] if before else None

    def _nodes_before(self, state: int) -> tuple[int, ...]:
        if state == len(self.graph) - 1:
            return self.graph.exits
        return self.graph.before[state // 2]

    def _visits(self) -> list[_Visit]:
        """Nodes of the best path, oldest first; the oldest may have begun before what is kept."""
        oldest = 0 if self._open is None else self._open.first - REVISED_FRAMES
        first, path, jumps = self._paths.trace(oldest, self._attempt)
        attempt = self._attempt
        visits: list[_Visit] = []
        for frame, state in enumerate(path, first):
            if jumps and frame == jumps[0]:
                attempt = jumps.pop(0)
            if state < 0 or not state % 2:
                continue
            if visits and (visits[-1].node, visits[-1].attempt) == (state // 2, attempt):
                visits[-1].last = frame
            else:
                visits.append(_Visit(state // 2, frame, frame, attempt))
        if visits and self._open is not None and visits[0].node == self._open.node:
            visits[0].first = min(visits[0].first, self._open.first)
        return visits

    def _still_open(self, visit: _Visit) -> bool:
        """Whether a phone of the best path is later than the last one closed."""
        if visit.attempt != self._attempt:
            return visit.attempt > self._attempt
        return self._closed is None or self._key(visit.node) > self._key(self._closed)

    def _key(self, node: int) -> tuple[int, int]:
        """Place of a node in the recitation: the branches of a word share the numbering of its phones."""
        place = self.graph.nodes[node]
        return (place.word, node if place.word < 0 else place.index)

    def _commit(self, ending: bool = False) -> list[Segment]:
        """Close what the best path left long enough ago; ``ending`` closes everything."""
        if self.frames == 0 or (not ending and self.frames <= self._lag):
            return []
        closed: list[Segment] = []
        visits = [v for v in self._visits() if self._still_open(v)]
        settled = self.frames if ending else self.frames - self._lag
        doubted = self.frames if ending else self._doubted_from()
        for visit, following in zip_longest(visits, visits[1:]):
            if visit.first >= doubted:
                break
            if visit.attempt > self._attempt:
                if self.frames - visit.attempt < FINAL_FRAMES and not ending:
                    break
                self._make_final(visit.attempt)
            visit.first = max(visit.first, self._until)
            visit.last = max(visit.last, visit.first)
            segment = self._close(visit, following, settled, ending)
            if segment is None:
                break
            self._until = max(self._until, visit.first + 1)
            closed += self._skipped(visit)
            closed.append(segment)
            self._closed = visit.node
        closed += self._unsaid_end(visits, ending)
        remaining = [v for v in visits if self._still_open(v)]
        self._open = remaining[0] if remaining else None
        return closed

    def _doubted_from(self) -> int:
        """The frame from which another way is nearly as good as the best path: the later of their jumps."""
        lead, rival = self._paths.rival()
        return self.frames if lead > DOUBT_COST else max(self._paths.attempt, rival)

    def _make_final(self, attempt: int) -> None:
        """Only paths that took the jumps of the best path are left; what was closed since the first of them was not
        what it seemed."""
        ago = self.frames - attempt
        if ago < len(self._sounding):
            sounding = self._sounding[-1] - self._sounding[-1 - ago]
            self.strangeness = min(self.strangeness, self._paths.behind_since(attempt) / max(1, sounding))
        self._attempt, self._closed, self._until = attempt, None, attempt
        self._paths.keep_attempt()

    def _unsaid_end(self, visits: list[_Visit], ending: bool) -> list[Segment]:
        """The last phone of the passage, when the recitation rests before it and does not go on."""
        if self._closed is None or self._closed in self.graph.exits:
            return []
        if not ending and any(islice(reversed(self._speech), REST_FRAMES)):
            return []
        if visits and (visits[-1].node, visits[-1].attempt) != (self._closed, self._attempt):
            return []
        last = next((n for n in self.graph.exits if self._closed in self.graph.before[n]), None)
        if last is None:
            return []
        self._closed = last
        return [Segment(last, self.frames, self.frames, None, skipped=True, attempt=self._attempt)]

    def _close(self, visit: _Visit, following: _Visit | None, settled: int, ending: bool) -> Segment | None:
        """The visit as a segment, or None while it is not over."""
        if following is not None:
            if following.first >= settled:
                return None
            end = self._rest_after(visit.last, following.first)
            breaks_off = following.attempt != visit.attempt
            return Segment(
                visit.node, visit.first, max(visit.first + 1, end), following.node,
                attempt=self._attempt, breaks_off=breaks_off, rests=following.first - end >= PAUSE_FRAMES,
            )  # fmt: skip
        last = self._last_voiced(visit.last, self.frames - 1)
        if not ending and self.frames - 1 - last < PAUSE_FRAMES:
            return None
        return Segment(visit.node, visit.first, last + 1, None, attempt=self._attempt)

    def _rest_after(self, emitted: int, until: int) -> int:
        """Where the voice first rests after ``emitted``, or ``until`` when it goes on.

        The voice is back some frames before the next phone is emitted, so the rest is looked for from its own side.
        """
        silent = 0
        for frame in range(emitted + 1, until):
            silent = 0 if self._speech[frame - self.frames] else silent + 1
            if silent > PAUSE_FRAMES // 2:
                return frame - silent + 1
        return until

    def _last_voiced(self, emitted: int, frame: int) -> int:
        """The last frame up to ``frame`` with voice, at least ``emitted``."""
        for earlier in range(frame, emitted, -1):
            if self._speech[earlier - self.frames]:
                return earlier
        return emitted

    def _skipped(self, visit: _Visit) -> list[Segment]:
        """The phone a deletion arc jumped over on the way to ``visit``, if one was."""
        before = self.graph.before[visit.node]
        if self._closed is None or self._closed in before:
            return []
        between = [n for n in before if self._closed in self.graph.before[n]]
        return [
            Segment(n, visit.first, visit.first, visit.node, skipped=True, attempt=self._attempt) for n in between[:1]
        ]

    def finish(self) -> list[Segment]:
        """Close everything: the recording is over."""
        self._paths.end()
        return self._commit(ending=True)
