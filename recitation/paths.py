"""Every way a recitation may have gone so far: incremental CTC Viterbi over the graph of the passage.

Each 20 ms frame advances every state of a moving window.  From the best state a path may *jump* to the first phone of
another word (``recitation.jumps`` says when, where to and at what cost).  What lies between two jumps is an *attempt*,
named by the frame in which it begins; 0 is the one before any jump.  One source a frame makes jumps cheap, and little
is lost by it: what is recited before a jump is settled long before the jump is.

An emission floor bounds what one wrong phone can cost, so a mistake does not throw the path off.
"""

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recitation.graph import Graph
from recitation.jumps import COSTS, REACH_WORDS, Gate, PauseGate
from recitation.phones import BLANK

WINDOW_STATES = 1024
EDGE_STATES = 384
"""The window moves when the best state comes this near an edge: some 20 words may be gone back to or passed over."""
FILLER_COST = np.float32(-3.0)
"""Log-cost a frame of sound that is not the passage, against the likeliest unit."""
REST_FRAMES = 15
"""So many frames without a voice are a rest: 300 ms."""
REST_COST = np.float32(-3.0)
"""Log-cost of a rest inside a word: who rests has nearly always finished one."""
NEAR_COSTS = (0.0, -2.0)
"""Log-cost of beginning with the word at which a recitation goes on, and with one beside it."""
INSIDE_COST = -3.0
"""Log-cost of beginning inside that word or the next one: it was being recited when the connection came back."""
OUTSIDE, JUMPED = -1, -2
"""Back-pointers that are no arc of the graph."""
NEVER = np.float32(-np.inf)

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Step:
    """How the paths went on in one frame."""

    low: int
    """First state of the window."""
    choice: memoryview
    """int8[window]: which predecessor each state came from, or OUTSIDE, or JUMPED; read one by one, which
    numpy is slow at."""
    source: int
    """State that jumps came from, -1 before the passage."""
    attempt: int
    """The attempt it belonged to."""
    gate: Gate
    behind: float
    """``Paths.behind`` before this frame."""


class Paths:
    """The best path into every state.  ``advance`` it frame by frame."""

    def __init__(self, graph: Graph, history: int, *, straight: bool = False) -> None:
        """``history`` frames of back-pointers are kept; ``straight`` forbids jumps."""
        self.graph = graph
        self._predecessors = graph.predecessors.data
        self.frames = 0
        """Frames heard."""
        self.best = 0
        """State in which the best path is."""
        self.inside = False
        """False while the passage has not begun on the best path."""
        self.behind = 0.0
        """Nats by which the best path has fallen behind free recognition since the beginning."""
        self._straight = straight
        self._gate = PauseGate()
        self._silent = REST_FRAMES
        """Frames without a voice, REST_FRAMES at most."""
        self._back: deque[_Step] = deque(maxlen=history)
        self._outside = np.float32(0.0)
        self._low = self._first_low = 0
        self._near = np.zeros(0, np.int32), np.zeros(0, np.float32)
        """Further states in which the recitation may begin, and what that costs."""
        self._cut()
        self._scores = np.full(len(self._labels), NEVER)
        self._attempts = np.zeros(len(self._labels), np.int32)

    def begin_near(self, word: int) -> None:
        """Expect the recitation to begin with a word of the passage, the one before or after it, or inside it or the
        one after; the words from the first on as a jump may.  Before any frame."""
        graph = self.graph
        states = 2 * graph.starts + 1
        away = np.abs(graph.state_words[states] - word)
        near = states[away <= 1]
        costs = np.where(away[away <= 1] == 0, NEAR_COSTS[0], NEAR_COSTS[1])
        phones = np.arange(1, len(graph), 2)
        words = graph.state_words[phones]
        inside = np.setdiff1d(phones[(words == word) | (words == word + 1)], states)
        self._near = (
            np.concatenate([near, inside]),
            np.concatenate([costs, np.full(len(inside), INSIDE_COST)]).astype(np.float32),
        )
        self.best = int(near[len(near) // 2])
        self._move_window()
        self._first_low = self._low
        self._cut()

    def _cut(self) -> None:
        """Take the window of states that starts at ``_low``."""
        graph = self.graph
        low, high = self._low, min(len(self.graph), self._low + WINDOW_STATES)
        sources = graph.predecessors[low:high]
        costs = np.where(sources >= low, graph.costs[low:high], NEVER)
        used = int((costs > NEVER).sum(axis=1).max())
        self._costs = np.ascontiguousarray(costs[:, :used])
        self._sources = np.ascontiguousarray(np.clip(sources[:, :used] - low, 0, None))
        self._rows = np.arange(0, self._sources.size, used)
        """Where the arcs of each state begin among all."""
        self._labels = graph.labels[low:high]
        self._mid_word = graph.mid_word[low:high]
        entries = np.concatenate([graph.entries, self._near[0]])
        entry_costs = np.concatenate([graph.entry_costs, self._near[1]])
        inside = (entries >= low) & (entries < high)
        self._entries = entries[inside] - low
        self._entry_costs = entry_costs[inside]
        landings = 2 * graph.starts + 1
        landings = landings[(landings >= low) & (landings < high)]
        self._landings = landings - low
        self._landing_words = graph.state_words[landings] + REACH_WORDS

    def _move_window(self) -> None:
        """Keep the best state away from the edges of the window, with room to go back and on."""
        if EDGE_STATES <= self.best - self._low <= WINDOW_STATES - EDGE_STATES:
            return
        low = min(max(0, self.best - WINDOW_STATES // 2), max(0, len(self.graph) - WINDOW_STATES))
        if low == self._low:
            return
        size = min(len(self.graph), low + WINDOW_STATES) - low
        scores, attempts = np.full(size, NEVER), np.zeros(size, np.int32)
        begin, end = max(low, self._low), min(low + size, self._low + len(self._scores))
        if begin < end:
            kept, place = slice(begin - self._low, end - self._low), slice(begin - low, end - low)
            scores[place], attempts[place] = self._scores[kept], self._attempts[kept]
        self._scores, self._attempts, self._low = scores, attempts, low
        self._cut()

    def advance(self, emission: Floats, voiced: bool, lost: bool) -> float | None:
        """Take the next frame: float32[units] log-probabilities with the floor under them, whether there is a voice,
        and whether the passage has ceased to explain what is heard.

        Returns what the best path's unit costs over the likeliest one, nats; None where both are blank.
        """
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
        better = entering > scores.take(self._entries)
        if better.any():
            np.maximum.at(scores, self._entries, entering)
            choice[self._entries[better]] = OUTSIDE
            attempts[self._entries[better]] = 0
        if self._rests(voiced):
            scores[self._mid_word] += REST_COST
        gate = self._jump(scores, choice, attempts, voiced, lost)
        scores += emission.take(self._labels)
        came_from = (self.best, self.attempt) if self.inside else (-1, 0)
        self._back.append(_Step(self._low, choice.data, *came_from, gate, self.behind))
        return self._settle(scores, attempts, emission)

    def _rests(self, voiced: bool) -> bool:
        """Whether a rest begins with this frame."""
        silent = 0 if voiced else min(REST_FRAMES, self._silent + 1)
        begins = silent == REST_FRAMES > self._silent
        self._silent = silent
        return begins

    def _jump(
        self, scores: Floats, choice: NDArray[np.int8], attempts: NDArray[np.int32], voiced: bool, lost: bool
    ) -> Gate:
        """Let the best path go on with the first phone of another word; what jumps cost."""
        gate = self._gate.push(voiced, bool(self.graph.between_ayat[self.best]))
        if lost or not self.inside:  # A recitation may begin with any word.
            gate = Gate.LOST
        if self._straight:
            return gate
        arriving = COSTS[gate].take(self._landing_words - self.graph.state_words[self.best])
        arriving += self._score_of_best() if self.inside else self._outside
        better = (arriving > scores.take(self._landings)).nonzero()[0]
        if len(better):
            landing = self._landings[better]
            scores[landing] = arriving[better]
            choice[landing] = JUMPED
            attempts[landing] = self.frames
        return gate

    def _settle(self, scores: Floats, attempts: NDArray[np.int32], emission: Floats) -> float | None:
        """Find the best path and count from it."""
        free = emission.max()
        self._outside += max(emission[BLANK], free + FILLER_COST)
        best = int(scores.argmax())
        top = float(scores[best])
        label = self._labels[best]
        peak = max(top, float(self._outside))
        self.behind += float(free) - peak
        self.inside = float(self._outside) < top
        self._scores, self._attempts = scores - np.float32(peak), attempts
        self._outside = np.float32(self._outside - peak)
        self.best = best + self._low
        self.frames += 1
        self._move_window()
        return None if label == BLANK and int(emission.argmax()) == BLANK else float(free - emission[label])

    def end(self) -> None:
        """The sound is over: a rest, if there was none."""
        if self._silent < REST_FRAMES and self.inside:
            scores = self._scores + np.where(self._mid_word, REST_COST, np.float32(0.0))
            self.best = int(scores.argmax()) + self._low

    @property
    def begun(self) -> bool:
        """Whether the passage has begun on the best path."""
        return self.inside or self._low != self._first_low

    @property
    def attempt(self) -> int:
        """The attempt that the best path is in."""
        return int(self._attempts[self.best - self._low])

    def _score_of_best(self) -> np.float32:
        score: np.float32 = self._scores[self.best - self._low]
        return score

    def lead_over(self, attempt: int) -> float:
        """Nats by which the best path is better than any in an attempt; infinite when there is none."""
        others = np.where(self._attempts == attempt, self._scores, NEVER)
        return float(self._score_of_best() - others.max())

    def rival(self) -> tuple[float, int]:
        """Nats by which the best path is better than any in another attempt, and that attempt."""
        others = np.where(self._attempts == self.attempt, NEVER, self._scores)
        place = int(others.argmax())
        return float(self._score_of_best() - others[place]), int(self._attempts[place])

    def behind_since(self, attempt: int) -> float:
        """Nats by which the best path has fallen behind free recognition since the jump of an attempt, the least that
        the jump cost left out.  Raises IndexError when that is longer ago than what is kept."""
        step = self._back[attempt - self.frames]
        return max(0.0, self.behind - step.behind + float(COSTS[step.gate].max()))

    def keep_attempt(self) -> None:
        """Drop the paths in other attempts than the best one's, and those on which the passage has not begun."""
        self._scores[self._attempts != self.attempt] = NEVER
        self._outside = NEVER

    def land(self, word: int) -> None:
        """Begin an attempt from anywhere in a word or beside it, and drop all other paths."""
        near = np.flatnonzero(np.abs(self.graph.state_words - word) <= 1)
        self.best, self.inside = int(near[len(near) // 2]), True
        self._move_window()
        near = near[(near >= self._low) & (near < self._low + len(self._scores))] - self._low
        self._scores[:], self._scores[near] = NEVER, 0.0
        self._attempts[:] = self.frames
        self._outside = NEVER

    def trace(self, oldest: int, final: int) -> tuple[int, list[int], list[int]]:
        """The best path back to frame ``oldest``, and on to its first jump after attempt ``final``.

        Returns its first frame, the state in each, -1 before the passage, and the frames at which it jumped.
        """
        state = self.best if self.inside else -1
        oldest = max(oldest, final, self.frames - len(self._back))
        attempt = self.attempt
        path: list[int] = []
        jumps: list[int] = []
        predecessors = self._predecessors
        frame = self.frames
        for step in reversed(self._back):
            path.append(state)
            frame -= 1
            if frame <= oldest and attempt <= final:
                break
            if state >= 0:
                place = state - step.low
                choice = step.choice[place] if 0 <= place < len(step.choice) else OUTSIDE
                if choice == JUMPED:
                    jumps.append(frame)
                    state, attempt = step.source, step.attempt
                else:
                    state = predecessors[state, choice] if choice >= 0 else -1
        return self.frames - len(path), path[::-1], jumps[::-1]
