"""The passage as a graph of CTC states: what may be said, and after what.

Every word boundary offers two ways on: joined, or stopped and started again.  The parts that differ are short (one
unit on average), so they are small side branches::

    … body ─┬─ joined tail ── joined head ─┬─ body …
            └─ stopped tail ─ started head ┘

An optional preamble (isti'adha, basmala) may come before the first word.  States are laid out so that a
predecessor never lies far before its state, which lets the tracker work in a moving window.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recitation.lexicon import Form, Lexicon, Phone, Word
from recitation.phones import BLANK, parse_script

STOP_COST = np.float32(-1.5)
"""Log-cost of stopping inside an ayah; at its end stopping is free and joining costs as much."""
DELETION_COST = np.float32(-4.0)
"""Log-cost of a phone that is not said at all."""
PREAMBLE_COST = np.float32(-2.0)
PREDECESSORS = 12

ISTIADHA = "ءَعُۥۥذُبِللَااهِمِنَششَيطَاانِررَجِۦۦم"
"""Quran Phonetic Script of the seeking of refuge said before reciting."""


@dataclass(frozen=True, slots=True)
class Node:
    """One unit on a path through the passage."""

    word: int
    """Index into the passage's words, or -1 in the preamble."""
    index: int
    """Index of the phone in the joined form; negative in a longer started head (add the first one's negation)."""
    phone: Phone


@dataclass(frozen=True, slots=True)
class Graph:
    """CTC states: state 2n is the blank before node n, state 2n + 1 its unit; the last state is the final blank."""

    words: tuple[Word, ...]
    nodes: tuple[Node, ...]
    labels: NDArray[np.int32]
    """int32[S]: the unit each state emits."""
    predecessors: NDArray[np.int32]
    """int32[S, 12]: states a path may come from, itself first; unused places repeat the state."""
    costs: NDArray[np.float32]
    """float32[S, 12]: log-cost of each arc, -inf for unused places."""
    entries: NDArray[np.int32]
    """States a recitation may begin in, with ``entry_costs``."""
    entry_costs: NDArray[np.float32]
    before: tuple[tuple[int, ...], ...]
    """For each node the nodes it may follow directly."""
    ends: NDArray[np.bool_]
    """bool[nodes]: the node is the last of its word's form."""
    exits: tuple[int, ...]
    """Nodes that end the passage."""
    starts: NDArray[np.int32]
    """Nodes that begin a form of a word, in order; the preamble's are not among them."""
    state_words: NDArray[np.int32]
    """int32[S]: index of the word a state belongs to, a blank to the word of the node after it; -1 in the preamble."""
    mid_word: NDArray[np.bool_]
    """bool[S]: a word is begun and not finished."""
    between_ayat: NDArray[np.bool_]
    """bool[S]: the blanks before an ayah, and the final one."""

    def __len__(self) -> int:
        return len(self.labels)


class _Builder:
    """Grows the graph node by node; ``tails`` are the loose ends a new node may follow."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.before: list[list[tuple[int, float]]] = []

    def chain(
        self, word: int, phones: Sequence[Phone], first: int, tails: list[tuple[int, float]]
    ) -> list[tuple[int, float]]:
        """Append phones numbered from ``first``; returns the new loose ends."""
        for offset, phone in enumerate(phones):
            self.nodes.append(Node(word, first + offset, phone))
            self.before.append(tails)
            tails = [(len(self.nodes) - 1, 0.0)]
        return tails


def _common(a: Form, b: Form, *, at_end: bool) -> int:
    """Phones shared by two forms at their beginning (or end)."""
    count = 0
    for x, y in zip(reversed(a), reversed(b), strict=False) if at_end else zip(a, b, strict=False):
        if x.unit != y.unit:
            break
        count += 1
    return count


def preamble_forms(lexicon: Lexicon, words: tuple[Word, ...]) -> list[Form]:
    """What may be said before the passage: isti'adha, and basmala unless the passage begins with it."""
    said: list[Form] = [tuple(Phone(r.unit, r.count, (0, 0), 0, 0) for r in parse_script(ISTIADHA))]
    first = words[0]
    if first.ayah == 1 and first.number == 1 and first.surah not in (1, 9):
        basmala: list[Phone] = []
        for n in range(1, 5):
            basmala += lexicon.word(1, 1, n).form(started=n == 1, stopped=n == 4)
        said.append(tuple(basmala))
    return said


def build_graph(lexicon: Lexicon, words: tuple[Word, ...]) -> Graph:
    """The graph of a passage.  Raises ValueError for an empty passage."""
    if not words:
        raise ValueError("a passage needs at least one word")
    builder = _Builder()
    start: list[tuple[int, float]] = [(-1, 0.0)]
    said = start
    for form in preamble_forms(lexicon, words):
        entry = [(node, cost + float(PREAMBLE_COST) if node < 0 else cost) for node, cost in said]
        said = said + builder.chain(-1, form, 0, entry)
    joined_tails: list[tuple[int, float]] = []
    stopped_tails = said
    for n, word in enumerate(words):
        joined_tails, stopped_tails = _add_word(builder, n, word, joined_tails, stopped_tails)
        ayah_ends = n + 1 == len(words) or words[n + 1].ayah != word.ayah
        stop, join = (0.0, float(STOP_COST)) if ayah_ends else (float(STOP_COST), 0.0)
        joined_tails = [(node, join) for node, _ in joined_tails]
        stopped_tails = [(node, stop) for node, _ in stopped_tails]
    exits = tuple(node for node, _ in stopped_tails + joined_tails)
    return _compile(words, builder, exits)


def _add_word(
    builder: _Builder, n: int, word: Word, joined_in: list[tuple[int, float]], stopped_in: list[tuple[int, float]]
) -> tuple[list[tuple[int, float]], list[tuple[int, float]]]:
    """Lay out the forms of a word, sharing what they share; returns (joined ends, stopped ends)."""
    keep_head = _common(word.joined, word.started, at_end=True) if joined_in else len(word.started)
    keep_tail = _common(word.joined, word.stopped, at_end=False)
    head_joined = word.joined[: len(word.joined) - keep_head]
    head_started = word.started[: len(word.started) - keep_head]
    if len(head_joined) > keep_tail or not joined_in:
        return _add_forms(builder, n, word, joined_in, stopped_in)
    body = word.joined[len(head_joined) : keep_tail]
    first = len(head_joined)
    after = builder.chain(n, head_joined, 0, joined_in)
    # Both heads meet in the body, numbered as in the joined form, so a longer head begins below zero.
    after_start = builder.chain(n, head_started, first - len(head_started), stopped_in)
    ends = builder.chain(n, body, first, after + after_start)
    first += len(body)
    joined_ends = builder.chain(n, word.joined[keep_tail:], first, ends)
    stopped_ends = builder.chain(n, word.stopped[keep_tail:], first, ends)
    return joined_ends, stopped_ends


def _add_forms(
    builder: _Builder, n: int, word: Word, joined_in: list[tuple[int, float]], stopped_in: list[tuple[int, float]]
) -> tuple[list[tuple[int, float]], list[tuple[int, float]]]:
    """Lay out the forms of a word side by side where their differences overlap, or where it begins the passage."""
    joined_ends: list[tuple[int, float]] = []
    stopped_ends: list[tuple[int, float]] = []
    for entry, joined, stopped in ((joined_in, word.joined, word.stopped), (stopped_in, word.started, word.alone)):
        if not entry:
            continue
        shared = _common(joined, stopped, at_end=False)
        ends = builder.chain(n, joined[:shared], 0, entry)
        joined_ends += builder.chain(n, joined[shared:], shared, ends)
        stopped_ends += builder.chain(n, stopped[shared:], shared, ends)
    return joined_ends, stopped_ends


def _begins(builder: _Builder, n: int) -> bool:
    """Whether a form of a word of the passage begins with a node."""
    word = builder.nodes[n].word
    return word >= 0 and any(source < 0 or builder.nodes[source].word != word for source, _ in builder.before[n])


def _compile(words: tuple[Word, ...], builder: _Builder, exits: tuple[int, ...]) -> Graph:
    nodes = builder.nodes
    size = 2 * len(nodes) + 1
    labels = np.full(size, BLANK, np.int32)
    labels[1::2] = [node.phone.unit for node in nodes]
    predecessors = np.repeat(np.arange(size, dtype=np.int32)[:, None], PREDECESSORS, axis=1)
    costs = np.full((size, PREDECESSORS), -np.inf, np.float32)
    costs[:, 0] = 0.0
    entries: list[tuple[int, float]] = []

    def connect(state: int, arcs: list[tuple[int, float]]) -> None:
        for place, (source, cost) in enumerate(sorted(arcs, key=lambda arc: -arc[1])[: PREDECESSORS - 1], 1):
            predecessors[state, place], costs[state, place] = source, cost

    for n, node in enumerate(nodes):
        blank, unit = 2 * n, 2 * n + 1
        into_blank: list[tuple[int, float]] = []
        into_unit: list[tuple[int, float]] = [(blank, 0.0)]
        for source, cost in builder.before[n]:
            if source < 0:
                entries += [(blank, cost), (unit, cost)]
                continue
            into_blank.append((2 * source + 1, cost))
            if nodes[source].phone.unit != node.phone.unit:
                into_unit.append((2 * source + 1, cost))
            # A deletion: the unit before this one is left out; its blank may have been waited in.
            into_unit.append((2 * source, cost + float(DELETION_COST)))
            for earlier, earlier_cost in builder.before[source]:
                if earlier >= 0 and nodes[earlier].phone.unit != node.phone.unit:
                    into_unit.append((2 * earlier + 1, cost + earlier_cost + float(DELETION_COST)))
        connect(blank, into_blank)
        connect(unit, into_unit)
    # The passage may end with its last phone left out; a longer way to leave it out is a shorter passage.
    finals = {2 * node + 1: 0.0 for node in exits}
    for last in exits:
        for earlier, _ in builder.before[last]:
            if earlier >= 0:
                finals.setdefault(2 * earlier + 1, float(DELETION_COST))
    connect(size - 1, list(finals.items()))
    ends = np.zeros(len(nodes), np.bool_)
    for n, node in enumerate(nodes):
        for source, _ in builder.before[n]:
            if source >= 0 and nodes[source].word != node.word:
                ends[source] = True
    ends[list(exits)] = True
    between_ayat = np.zeros(size, np.bool_)
    between_ayat[-1] = True
    starts = [n for n in range(len(nodes)) if _begins(builder, n)]
    for n in starts:
        word = nodes[n].word
        between_ayat[2 * n] = word == 0 or words[word - 1].ayah != words[word].ayah
    mid_word = np.ones(size, np.bool_)
    mid_word[-1] = False
    mid_word[2 * np.array(starts)] = False
    mid_word[2 * np.flatnonzero(ends) + 1] = False
    mid_word[: 2 * sum(node.word < 0 for node in nodes)] = False
    state_words = np.array([*(node.word for node in nodes for _ in range(2)), len(words) - 1], np.int32)
    return Graph(
        words, tuple(nodes), labels, predecessors, costs,
        np.array([e for e, _ in entries], np.int32), np.array([c for _, c in entries], np.float32),
        tuple(tuple(source for source, _ in arcs if source >= 0) for arcs in builder.before), ends, exits,
        np.array(starts, np.int32), state_words, mid_word, between_ayat,
    )  # fmt: skip
