"""Where the reciter is: incremental CTC Viterbi over the graph of the passage.

Each 20 ms frame advances every state of a moving window.  The best state is the *cursor*, shown at once.  Phones
are *closed* with a fixed lag, when the path that explains the newest frames has left them for long enough, and never
reopened (fixed-lag smoothing; Narasimhan et al. 2006 discuss when such a commit is safe).

An emission floor bounds what one wrong phone can cost, so a mistake does not throw the path off.

From the best state a path may *jump* to the first phone of another word (``recitation.jumps`` says when, where to and
at what cost).  What lies between two jumps is an *attempt*: its phones come in the order of the text.  The cursor
goes with a jump once it has been the best explanation for a moment; phones after it are closed when it has lasted
longer, and then it is final: paths that did not take it are dropped.
"""

from collections import deque
from dataclasses import dataclass
from itertools import islice, zip_longest

import numpy as np
from numpy.typing import NDArray

from recitation.graph import Graph
from recitation.jumps import COSTS, REACH_WORDS, Gate, PauseGate
from recitation.phones import BLANK
from recitation.scout import LISTENED_FRAMES, Scout

FRAME_SAMPLES = 320
EMISSION_FLOOR = np.float32(0.01)
LAG_FRAMES = 8
"""A phone is closed once the next one was entered this long ago: 160 ms."""
PAUSE_FRAMES = 13
"""Without a next phone, a phone is closed this long after the voice stopped: 260 ms."""
WINDOW_STATES = 1024
EDGE_STATES = 384
"""The window moves when the best state comes this near an edge: some 20 words may be gone back to or passed over."""
HISTORY = 192
"""Frames of back-pointers kept beyond the lag; a path is committed long before."""
REST_FRAMES = 50
"""After a second of silence one phone before the end of the passage, that phone is not waited for."""
REVISED_FRAMES = 25
"""How far before the open phone a path may still change its mind about phones not yet closed."""
FILLER_COST = np.float32(-3.0)
"""Log-cost a frame of sound that is not the passage, against the likeliest unit."""
SHOWN_FRAMES = 5
SHOWN_COST = np.float32(1.5)
"""A jump moves the cursor 100 ms after it, when its path is so many nats better than the one shown."""
STRANGENESS_MEMORY = 0.04
"""Weight of the newest frame in the running strangeness: it remembers some 25 frames with a phone."""
FINAL_FRAMES = 25
"""Phones after a jump are closed no sooner than this after it: 500 ms."""
DOUBT_COST = np.float32(5.0)
"""No phone is closed while a path with other jumps is within so many nats; less than any jump costs."""
LOST_COST = 1.4
"""Strangeness, nats a spoken frame, beyond which jumps are open to any word."""
SCOUT_FRAMES = 25
"""How often a lost reciter is looked for in a passage longer than the window."""
FOUND_STRANGENESS = 1.1
"""What is assumed of the place the scout found: better than lost, and still to be proved."""
OUTSIDE, JUMPED = -1, -2
"""Back-pointers that are no arc of the graph."""

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


@dataclass(slots=True)
class _Visit:
    """A node on the best path: the first and the last frame that emit it."""

    node: int
    first: int
    last: int
    attempt: int
    """Frame of the jump before it; 0 before any."""


@dataclass(frozen=True, slots=True)
class _Step:
    """How the paths went on in one frame."""

    low: int
    """First state of the window."""
    choice: NDArray[np.int8]
    """int8[window]: which predecessor each state came from, or OUTSIDE, or JUMPED."""
    best: int
    """State that jumps came from, -1 before the passage."""
    attempt: int
    """The attempt it belonged to."""
    gate: Gate
    """What jumps cost."""
    behind: float
    """Nats by which the best path has fallen behind free recognition since the beginning, this frame left out."""
    sounding: int
    """Frames with a voice and a phone since the beginning, this frame left out."""


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
        self._attempts = np.zeros(len(graph), np.int32)
        self._behind, self._sounding = 0.0, 0
        self._gate = PauseGate()
        self._low = 0
        self._best, self._inside = 0, False
        self._back: deque[_Step] = deque(maxlen=self._history)
        self._open: _Visit | None = None
        self._closed: int | None = None
        self._attempt = 0
        self._shown_attempt = 0
        self._until = 0
        self._speech: deque[bool] = deque(maxlen=self._history)
        self._heard: deque[Floats] = deque(maxlen=LISTENED_FRAMES)
        self._scout: Scout | None = None
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
        self._rows = np.arange(0, self._sources.size, used)
        """Where the arcs of each state begin among all."""
        inside = (graph.entries >= low) & (graph.entries < high)
        self._entries = graph.entries[inside] - low
        self._entry_costs = graph.entry_costs[inside]
        landings = 2 * graph.starts + 1
        landings = landings[(landings >= low) & (landings < high)]
        self._landings = landings - low
        self._landing_words = graph.state_words[landings] + REACH_WORDS

    def _move_window(self, best: int) -> None:
        """Keep the best state away from the edges of the window, with room to go back and on."""
        last_low = max(0, len(self.graph) - WINDOW_STATES)
        if EDGE_STATES <= best - self._low <= WINDOW_STATES - EDGE_STATES:
            return
        low = min(max(0, best - WINDOW_STATES // 2), last_low)
        if low == self._low:
            return
        size = min(len(self.graph), low + WINDOW_STATES) - low
        scores, attempts = np.full(size, -np.inf, np.float32), np.zeros(size, np.int32)
        begin, end = max(low, self._low), min(low + size, self._low + len(self._scores))
        if begin < end:
            kept, place = slice(begin - self._low, end - self._low), slice(begin - low, end - low)
            scores[place], attempts[place] = self._scores[kept], self._attempts[kept]
        self._scores, self._attempts, self._low = scores, attempts, low
        self._cut()

    def push(self, log_probs: Floats, speech: NDArray[np.bool_]) -> list[Segment]:
        """Advance by float32[n, units] log-probabilities, bool[n] voice flags; returns phones closed by them."""
        if self.frames == 0:
            self._scores, self._attempts = self._scores[: len(self._rows)], self._attempts[: len(self._rows)]
        floor = np.logaddexp(log_probs, np.log(EMISSION_FLOOR)).astype(np.float32)
        for row, voiced in zip(floor, speech, strict=True):
            self._advance(row, bool(voiced))
        closed = self._commit()
        if len(self.graph) > WINDOW_STATES:
            self._look_around(log_probs)
        return closed

    def _advance(self, emission: Floats, voiced: bool) -> None:
        if self.frames == 0:  # the model has heard 20 ms and cannot know silence yet
            emission = np.full_like(emission, emission.min())
            emission[BLANK] = 0.0
        candidates = self._scores.take(self._sources)
        candidates += self._costs
        choice = candidates.argmax(axis=1)
        arc = self._rows + choice
        scores = candidates.take(arc)
        attempts = self._attempts.take(self._sources.take(arc))
        choice = choice.astype(np.int8)
        entering = self._outside + self._entry_costs
        better = entering > scores[self._entries]
        np.maximum.at(scores, self._entries, entering)
        choice[self._entries[better]] = OUTSIDE
        attempts[self._entries[better]] = 0
        gate = self._jump(scores, choice, attempts, voiced)
        scores += emission.take(self._labels)
        free = emission.max()
        self._outside += max(emission[BLANK], free + FILLER_COST)
        came_from = (self._best, self._attempt_of_best()) if self._inside else (-1, 0)
        self._back.append(_Step(self._low, choice, *came_from, gate, self._behind, self._sounding))
        best = int(scores.argmax())
        top = scores[best]
        if self._labels[best] != BLANK or int(emission.argmax()) != BLANK:
            self._note_cost(float(free - (emission[self._labels[best]])), voiced)
        self._speech.append(voiced)
        peak = max(float(top), float(self._outside))
        self._behind += float(free) - peak
        self._scores, self._attempts = scores - np.float32(peak), attempts
        self._inside = float(self._outside) < float(top)
        self._outside = np.float32(self._outside - peak)
        self._best = best + self._low
        self._point()
        self.frames += 1
        self._move_window(self._best)

    def _jump(self, scores: Floats, choice: NDArray[np.int8], attempts: NDArray[np.int32], voiced: bool) -> Gate:
        """Let the best path go on with the first phone of another word; what jumps cost."""
        gate = self._gate.push(voiced, bool(self.graph.between_ayat[self._best]))
        if not self._inside or self.strangeness > LOST_COST:  # A recitation may begin with any word.
            gate = Gate.LOST
        arriving = COSTS[gate].take(self._landing_words - self.graph.state_words[self._best])
        arriving += self._score_of_best() if self._inside else self._outside
        better = np.flatnonzero(arriving > scores.take(self._landings))
        landing = self._landings[better]
        scores[landing] = arriving[better]
        choice[landing] = JUMPED
        attempts[landing] = self.frames
        return gate

    def _look_around(self, log_probs: Floats) -> None:
        """Let the scout look for a reciter who is lost in a passage that the window does not hold."""
        before, now = self.frames - len(log_probs), self.frames
        self._heard.extend(log_probs)
        if self.strangeness <= LOST_COST or before // SCOUT_FRAMES == now // SCOUT_FRAMES:
            return
        self._scout = self._scout or Scout(self.graph.words)
        word = self._scout.find(np.stack(self._heard))
        if word is not None:
            self._land(word)

    def _land(self, word: int) -> None:
        """Go on from anywhere in a word or beside it, and nowhere else."""
        graph = self.graph
        near = np.flatnonzero(np.abs(graph.state_words - word) <= 1)
        self._best, self._inside = int(near[len(near) // 2]), True
        self._move_window(self._best)
        near = near[(near >= self._low) & (near < self._low + len(self._scores))] - self._low
        self._scores[:], self._scores[near] = -np.inf, 0.0
        self._outside = np.float32(-np.inf)
        self._attempt = self._shown_attempt = self.frames
        self._attempts[:] = self._attempt
        self._closed, self._open, self._until = None, None, self._attempt
        self.strangeness = FOUND_STRANGENESS

    def _point(self) -> None:
        """Move the cursor to the best state; after a jump, when the path has proved itself."""
        if self._low == 0 and not self._inside:
            self._set_cursor(None)
            return
        attempt = self._attempt_of_best()
        if attempt != self._shown_attempt:
            shown = np.where(self._attempts == self._shown_attempt, self._scores, np.float32(-np.inf)).max()
            if self.frames - attempt < SHOWN_FRAMES or shown > -SHOWN_COST:
                return
            self._shown_attempt = attempt
        self._set_cursor(self._node_at(self._best))

    def _note_cost(self, cost: float, voiced: bool) -> None:
        if voiced and self.cursor is not None:
            self._sounding += 1
            self.strangeness += STRANGENESS_MEMORY * (cost - self.strangeness)

    def _score_of_best(self) -> np.float32:
        score: np.float32 = self._scores[self._best - self._low]
        return score

    def _attempt_of_best(self) -> int:
        """Frame of the last jump on the best path."""
        return int(self._attempts[self._best - self._low])

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

    def _trace(self) -> tuple[int, list[int], list[int]]:
        """The best path back to a second before the open phone: its first frame, its states, -1 before the passage,
        and the frames at which it jumped."""
        state = self._best if self._inside else -1
        oldest = self.frames - len(self._back)
        wanted = max(oldest, self._attempt)
        if self._open is not None:
            wanted = max(wanted, self._open.first - REVISED_FRAMES)
        attempt = self._attempt_of_best()
        path: list[int] = []
        jumps: list[int] = []
        for step in reversed(self._back):
            path.append(state)
            frame = self.frames - len(path)
            if frame <= wanted and attempt <= self._attempt:
                break
            if state >= 0:
                place = state - step.low
                choice = step.choice[place] if 0 <= place < len(step.choice) else OUTSIDE
                if choice == JUMPED:
                    jumps.append(frame)
                    state, attempt = step.best, step.attempt
                else:
                    state = int(self.graph.predecessors[state, choice]) if choice >= 0 else -1
        return self.frames - len(path), path[::-1], jumps[::-1]

    def _visits(self) -> list[_Visit]:
        """Nodes of the best path, oldest first; the oldest may have begun before what is kept."""
        first, path, jumps = self._trace()
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
        attempt = self._attempt_of_best()
        others = np.where(self._attempts == attempt, np.float32(-np.inf), self._scores)
        rival = int(others.argmax())
        if others[rival] < self._score_of_best() - DOUBT_COST:
            return self.frames
        return max(attempt, int(self._attempts[rival]))

    def _make_final(self, attempt: int) -> None:
        """Only paths that took the jumps of the best path are left; what was closed since the first of them was not
        what it seemed."""
        self.strangeness = min(self.strangeness, self._strangeness_since(attempt))
        self._attempt, self._closed, self._until = attempt, None, attempt
        self._scores[self._attempts != self._attempt_of_best()] = -np.inf
        self._outside = np.float32(-np.inf)

    def _strangeness_since(self, attempt: int) -> float:
        """Mean cost of the best path over free recognition since the jump of an attempt, the jump's own left out."""
        if not 0 < self.frames - attempt <= len(self._back):
            return self.strangeness
        step = self._back[attempt - self.frames]
        jump = float(COSTS[step.gate].max())
        return max(0.0, self._behind - step.behind + jump) / max(1, self._sounding - step.sounding)

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
            last = self._last_voiced(visit.last, following.first - 1)
            paused = following.first - 1 - last > PAUSE_FRAMES // 2
            end = last + 1 if paused else following.first
            breaks_off = following.attempt != visit.attempt
            return Segment(
                visit.node, visit.first, max(visit.first + 1, end), following.node,
                attempt=self._attempt, breaks_off=breaks_off,
            )  # fmt: skip
        last = self._last_voiced(visit.last, self.frames - 1)
        if not ending and self.frames - 1 - last < PAUSE_FRAMES:
            return None
        return Segment(visit.node, visit.first, last + 1, None, attempt=self._attempt)

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
        return self._commit(ending=True)
