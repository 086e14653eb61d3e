"""Where the reciter is: incremental CTC Viterbi over the graph of the passage.

Each 20 ms frame advances every state of a moving window.  The best state is the *cursor*, shown at once.  Phones
are *closed* with a fixed lag, when the path that explains the newest frames has left them for long enough, and never
reopened (fixed-lag smoothing; Narasimhan et al. 2006 discuss when such a commit is safe).

An emission floor bounds what one wrong phone can cost, so a mistake does not throw the path off.
"""

from collections import deque
from dataclasses import dataclass
from itertools import islice, zip_longest

import numpy as np
from numpy.typing import NDArray

from recitation.graph import Graph
from recitation.phones import BLANK

FRAME_SAMPLES = 320
EMISSION_FLOOR = np.float32(0.01)
LAG_FRAMES = 8
"""A phone is closed once the next one was entered this long ago: 160 ms."""
PAUSE_FRAMES = 13
"""Without a next phone, a phone is closed this long after the voice stopped: 260 ms."""
WINDOW_STATES = 1024
HISTORY = 192
"""Frames of back-pointers kept beyond the lag; a path is committed long before."""
REST_FRAMES = 50
"""After a second of silence one phone before the end of the passage, that phone is not waited for."""
REVISED_FRAMES = 25
"""How far before the open phone a path may still change its mind about phones not yet closed."""
FILLER_COST = np.float32(-3.0)
"""Log-cost a frame of sound that is not the passage, against the likeliest unit."""

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


@dataclass(slots=True)
class _Visit:
    """A node on the best path: the first and the last frame that emit it."""

    node: int
    first: int
    last: int


class Tracker:
    """Follows one recitation.  ``push`` log-probabilities, take segments; ``cursor`` is the tentative node."""

    def __init__(self, graph: Graph, lag_frames: int = LAG_FRAMES) -> None:
        self.graph = graph
        self.frames = 0
        """Frames heard."""
        self.cursor: int | None = None
        self.cursor_frame = 0
        """Frame at which the cursor's node was first the best explanation."""
        self.strangeness = 0.0
        """Recent mean cost of the passage over free recognition, nats per spoken frame."""
        self._lag = lag_frames
        self._history = lag_frames + HISTORY
        self._scores = np.full(len(graph), -np.inf, np.float32)
        self._outside = np.float32(0.0)
        self._low = 0
        self._back: deque[tuple[int, NDArray[np.int8]]] = deque(maxlen=self._history)
        self._open: _Visit | None = None
        self._closed: int | None = None
        self._until = 0
        self._speech: deque[bool] = deque(maxlen=self._history)
        self._cut()

    def _cut(self) -> None:
        """Take the window of states that starts at ``_low``."""
        graph = self.graph
        low, high = self._low, min(len(graph), self._low + WINDOW_STATES)
        sources = graph.predecessors[low:high]
        self._costs = np.where(sources >= low, graph.costs[low:high], np.float32(-np.inf))
        used = int((self._costs > -np.inf).sum(axis=1).max())
        self._costs = np.ascontiguousarray(self._costs[:, :used])
        self._sources = np.ascontiguousarray(np.clip(sources[:, :used] - low, 0, None))
        self._labels = graph.labels[low:high]
        self._rows = np.arange(high - low)
        inside = (graph.entries >= low) & (graph.entries < high)
        self._entries = graph.entries[inside] - low
        self._entry_costs = graph.entry_costs[inside]

    def _move_window(self, best: int) -> None:
        """Keep the best state in the first two thirds of the window."""
        if best - self._low < 2 * WINDOW_STATES // 3 or self._low + WINDOW_STATES >= len(self.graph):
            return
        low = best - WINDOW_STATES // 3
        scores = np.full(min(len(self.graph), low + WINDOW_STATES) - low, -np.inf, np.float32)
        kept = self._scores[low - self._low :]
        scores[: len(kept)] = kept
        self._scores, self._low = scores, low
        self._cut()

    def push(self, log_probs: Floats, speech: NDArray[np.bool_]) -> list[Segment]:
        """Advance by float32[n, units] log-probabilities, bool[n] voice flags; returns phones closed by them."""
        if self.frames == 0:
            self._scores = self._scores[: len(self._rows)]
        floor = np.logaddexp(log_probs, np.log(EMISSION_FLOOR)).astype(np.float32)
        for row, voiced in zip(floor, speech, strict=True):
            self._advance(row, bool(voiced))
        return self._commit()

    def _advance(self, emission: Floats, voiced: bool) -> None:
        if self.frames == 0:  # the model has heard 20 ms and cannot know silence yet
            emission = np.full_like(emission, emission.min())
            emission[BLANK] = 0.0
        candidates = self._scores[self._sources] + self._costs
        choice = candidates.argmax(axis=1).astype(np.int8)
        scores = candidates[self._rows, choice]
        entering = self._outside + self._entry_costs
        better = entering > scores[self._entries]
        np.maximum.at(scores, self._entries, entering)
        choice[self._entries[better]] = -1
        scores += emission[self._labels]
        free = emission.max()
        self._outside += max(emission[BLANK], free + FILLER_COST)
        best = int(scores.argmax())
        top = scores[best]
        if self._labels[best] != BLANK or int(emission.argmax()) != BLANK:
            self._note_cost(float(free - (emission[self._labels[best]])), voiced)
        self._back.append((self._low, choice))
        self._speech.append(voiced)
        peak = max(float(top), float(self._outside))
        self._scores = scores - np.float32(peak)
        inside = float(self._outside) < float(top)
        self._outside = np.float32(self._outside - peak)
        if self._low == 0 and not inside:
            self._set_cursor(None)
        else:
            self._set_cursor(self._node_at(best + self._low))
        self.frames += 1
        self._best = best + self._low
        self._inside = inside
        self._move_window(self._best)

    def _note_cost(self, cost: float, voiced: bool) -> None:
        if voiced and self.cursor is not None:
            self.strangeness += 0.03 * (cost - self.strangeness)

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

    def _set_cursor(self, node: int | None) -> None:
        if node != self.cursor:
            self.cursor, self.cursor_frame = node, self.frames

    def _trace(self) -> tuple[int, list[int]]:
        """First frame and states of the best path back to a second before the open phone, -1 before the passage."""
        state = self._best if self._inside else -1
        oldest = self.frames - len(self._back)
        if self._open is not None:
            oldest = max(oldest, self._open.first - REVISED_FRAMES)
        predecessors = self.graph.predecessors
        path: list[int] = []
        for low, choice in reversed(self._back):
            path.append(state)
            if self.frames - len(path) <= oldest:
                break
            if state >= 0:
                step = choice[state - low] if 0 <= state - low < len(choice) else -1
                state = int(predecessors[state, step]) if step >= 0 else -1
        return self.frames - len(path), path[::-1]

    def _visits(self) -> list[_Visit]:
        """Nodes of the best path, oldest first; the oldest may have begun before what is kept."""
        first, path = self._trace()
        visits: list[_Visit] = []
        for frame, state in enumerate(path, first):
            if state < 0 or not state % 2:
                continue
            if visits and visits[-1].node == state // 2:
                visits[-1].last = frame
            else:
                visits.append(_Visit(state // 2, frame, frame))
        if visits and self._open is not None and visits[0].node == self._open.node:
            visits[0].first = min(visits[0].first, self._open.first)
        return visits

    def _key(self, node: int) -> tuple[int, int]:
        """Place of a node in the recitation: the branches of a word share the numbering of its phones."""
        place = self.graph.nodes[node]
        return (place.word, node if place.word < 0 else place.index)

    def _commit(self, ending: bool = False) -> list[Segment]:
        """Close what the best path left long enough ago; ``ending`` closes everything."""
        if self.frames == 0 or (not ending and self.frames <= self._lag):
            return []
        closed: list[Segment] = []
        visits = [v for v in self._visits() if self._closed is None or self._key(v.node) > self._key(self._closed)]
        settled = self.frames if ending else self.frames - self._lag
        for visit, following in zip_longest(visits, visits[1:]):
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
        remaining = [v for v in visits if self._closed is None or self._key(v.node) > self._key(self._closed)]
        self._open = remaining[0] if remaining else None
        return closed

    def _unsaid_end(self, visits: list[_Visit], ending: bool) -> list[Segment]:
        """The last phone of the passage, when the recitation rests before it and does not go on."""
        if self._closed is None or self._closed in self.graph.exits:
            return []
        if not ending and any(islice(reversed(self._speech), REST_FRAMES)):
            return []
        if visits and visits[-1].node != self._closed:
            return []
        last = next((n for n in self.graph.exits if self._closed in self.graph.before[n]), None)
        if last is None:
            return []
        self._closed = last
        return [Segment(last, self.frames, self.frames, None, skipped=True)]

    def _close(self, visit: _Visit, following: _Visit | None, settled: int, ending: bool) -> Segment | None:
        """The visit as a segment, or None while it is not over."""
        if following is not None:
            if following.first >= settled:
                return None
            last = self._last_voiced(visit.last, following.first - 1)
            paused = following.first - 1 - last > PAUSE_FRAMES // 2
            end = last + 1 if paused else following.first
            return Segment(visit.node, visit.first, max(visit.first + 1, end), following.node)
        last = self._last_voiced(visit.last, self.frames - 1)
        if not ending and self.frames - 1 - last < PAUSE_FRAMES:
            return None
        return Segment(visit.node, visit.first, last + 1, None)

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
        return [Segment(n, visit.first, visit.first, visit.node, skipped=True) for n in between[:1]]

    def finish(self) -> list[Segment]:
        """Close everything: the recording is over."""
        return self._commit(ending=True)
