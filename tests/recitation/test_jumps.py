"""The tracker follows a reciter who goes back, leaves words out, begins again or strays, and nobody else."""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import groupby

import numpy as np
import pytest
from synthetic import Script

from recitation.graph import Graph, build_graph
from recitation.jumps import COSTS, HELD_FRAMES, PAUSE_FRAMES, REACH_WORDS, Gate, PauseGate
from recitation.lexicon import Word, default_lexicon
from recitation.mushaf import parse_reference
from recitation.tracker import FINAL_FRAMES, LAG_FRAMES, LOST_COST, Segment, Tracker

HOP = 4


def words_of(reference: str) -> tuple[Word, ...]:
    return default_lexicon().words(parse_reference(reference))


class Recital:
    """Words said in stretches of one breath, with pauses between, and what the tracker makes of them."""

    def __init__(self, reference: str, seed: int = 0) -> None:
        self.words = words_of(reference)
        self.graph: Graph = build_graph(default_lexicon(), self.words)
        self.script = Script(np.random.default_rng(seed))
        self.script.pause(20)
        self.begun: list[tuple[int, int]] = []
        """(word, first frame) of every word said."""
        self.cursors: list[int | None] = []
        """Word under the cursor after each hop."""
        self.strangeness: list[float] = []

    def say(self, first: int, last: int, pause: int = 25) -> None:
        """Words ``first`` to ``last`` in one breath, and a pause; no pause means that the next stretch joins."""
        joined = self.begun and self.script.voice[-1]
        for n in range(first, last + 1):
            self.begun.append((n, len(self.script.labels)))
            started, stopped = n == first and not joined, n == last and pause > 0
            self.script.say_form(self.words[n].form(started=started, stopped=stopped))
        self.script.pause(pause)

    def follow(self, confusion: float = 1.0, lag: int = LAG_FRAMES, straight: bool = False) -> list[Segment]:
        """Segments of it all."""
        self.script.pause(40)
        log_probs, speech = self.script.log_probs(confusion), self.script.speech()
        tracker = Tracker(self.graph, lag, straight=straight)
        segments: list[Segment] = []
        for begin in range(0, len(log_probs), HOP):
            segments += tracker.push(log_probs[begin : begin + HOP], speech[begin : begin + HOP])
            self.cursors.append(None if tracker.cursor is None else self.graph.nodes[tracker.cursor].word)
            self.strangeness.append(tracker.strangeness)
        return segments + tracker.finish()

    def delay_of(self, turn: int) -> int:
        """Frames from the start of the ``turn``-th word said to a cursor beside the word said just then."""
        starts = [start for _, start in self.begun]
        for n in range(-(-starts[turn] // HOP), len(self.cursors)):
            word, cursor = self.begun[bisect_right(starts, n * HOP) - 1][0], self.cursors[n]
            if cursor is not None and abs(cursor - word) <= 1:
                return n * HOP - starts[turn]
        raise AssertionError("the cursor never came")

    def heard(self, segments: Sequence[Segment]) -> list[int]:
        """Words in the order in which they were closed, each stretch of its phones once."""
        places = [(s.attempt, self.graph.nodes[s.node].word) for s in segments]
        return [word for (_, word), _ in groupby(places) if word >= 0]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("reference", "stop", "again"), [("1:1-7", 9, 6), ("2:255", 12, 5), ("78:1-16", 20, 4)])
def test_going_back_after_a_pause_is_followed(reference: str, stop: int, again: int, seed: int) -> None:
    recital = Recital(reference, seed)
    recital.say(0, stop)
    recital.say(again, stop + 5)
    segments = recital.follow()
    assert recital.heard(segments) == [*range(stop + 1), *range(again, stop + 6)]
    assert recital.delay_of(stop + 1) <= 40
    first = next(s for s in segments if s.attempt)
    assert abs(first.start - recital.begun[stop + 1][1]) <= 2


def test_going_back_to_the_beginning() -> None:
    recital = Recital("1:1-7")
    recital.say(0, 11)
    recital.say(0, 6)
    assert recital.heard(recital.follow()) == [*range(12), *range(7)]


def test_the_last_word_may_be_followed_by_the_first() -> None:
    recital = Recital("112")
    for _ in range(2):
        recital.say(0, len(recital.words) - 1)
    count = len(recital.words)
    assert recital.heard(recital.follow()) == [*range(count), *range(count)]


@pytest.mark.parametrize("pause", [25, 0])
@pytest.mark.parametrize(("stop", "on"), [(5, 8), (9, 11), (8, 16)])
def test_words_left_out_are_passed_over(stop: int, on: int, pause: int) -> None:
    recital = Recital("78:1-16")
    recital.say(0, stop, pause)
    recital.say(on, on + 8)
    heard = recital.heard(recital.follow(0.7))
    assert heard[: stop + 1] == [*range(stop + 1)]
    assert heard[-9:] == [*range(on, on + 9)]
    # In one breath the next word may have been begun before it was plain that another one was.
    assert len(heard) - stop - 10 <= (0 if pause else 1)


def test_a_word_broken_off_is_begun_again() -> None:
    recital = Recital("1:1-7")
    recital.say(0, 5, pause=0)
    recital.script.say([phone.unit for phone in recital.words[6].joined[:3]])
    recital.script.pause(20)
    recital.say(6, 10)
    assert recital.heard(recital.follow()) == [*range(7), *range(6, 11)]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("confusion", [1.0, 2.0])
def test_pauses_alone_make_no_jump(confusion: float, seed: int) -> None:
    recital = Recital("2:1-7", seed)
    random = np.random.default_rng(seed)
    first = 0
    while first < len(recital.words):
        last = min(len(recital.words) - 1, first + int(random.integers(0, 5)))
        recital.say(first, last, int(random.integers(8, 80)))
        first = last + 1
    segments = recital.follow(confusion)
    assert {s.attempt for s in segments} == {0}
    assert recital.heard(segments) == [*range(len(recital.words))]


def test_a_jump_is_closed_no_sooner_than_it_is_certain_and_soon_after() -> None:
    recital = Recital("1:1-7")
    recital.say(0, 9)
    recital.say(4, 14)
    recital.script.pause(40)
    log_probs, speech = recital.script.log_probs(), recital.script.speech()
    tracker = Tracker(recital.graph)
    closed_at: dict[tuple[int, int], int] = {}
    for begin in range(0, len(log_probs), HOP):
        for segment in tracker.push(log_probs[begin : begin + HOP], speech[begin : begin + HOP]):
            closed_at[segment.attempt, segment.node] = tracker.frames
    turn = recital.begun[10][1]
    late = [frame for (attempt, _), frame in closed_at.items() if attempt]
    assert turn + FINAL_FRAMES <= min(late) <= turn + FINAL_FRAMES + LAG_FRAMES + 2 * HOP


def test_a_long_passage_is_followed_back() -> None:
    """Again and again, so that the window has to move back."""
    recital = Recital("2:1-40")
    recital.say(0, 120)
    recital.say(105, 140)
    recital.say(124, 130)
    recital.say(113, 120)
    recital.say(100, 110)
    said = [*range(121), *range(105, 141), *range(124, 131), *range(113, 121), *range(100, 111)]
    assert recital.heard(recital.follow()) == said


def test_another_text_is_strange_and_the_way_back_is_found() -> None:
    recital = Recital("1:1-7")
    recital.say(0, 9)
    for word in words_of("105"):
        recital.script.say_form(word.joined)
    recital.script.pause(30)
    strayed = len(recital.script.labels)
    recital.say(10, 20)
    segments = recital.follow()
    assert max(recital.strangeness) > LOST_COST
    delay = next(n for n in range(strayed // HOP, len(recital.cursors)) if recital.strangeness[n] < 0.9) * HOP - strayed
    assert delay < 100
    tail = [s for s in segments if s.start >= strayed + 50]
    assert set(recital.heard(tail)) <= set(range(10, 21))
    assert 20 in recital.heard(tail)


def test_a_gate_opens_with_a_pause_and_closes_after_it() -> None:
    gate = PauseGate()
    opened = [gate.push(True, False) for _ in range(HELD_FRAMES + 5)]
    assert opened[-1] is Gate.JOINED
    assert [gate.push(False, False) for _ in range(PAUSE_FRAMES - 1)][-1] is Gate.JOINED
    assert gate.push(False, False) is Gate.STOPPED
    assert gate.push(False, True) is Gate.ENDED
    after = [gate.push(True, False) for _ in range(HELD_FRAMES + 5)]
    assert after[: HELD_FRAMES - 1] == [Gate.ENDED] * (HELD_FRAMES - 1)
    assert after[HELD_FRAMES:] == [Gate.JOINED] * 5


def test_near_jumps_are_cheaper_and_back_is_cheaper_than_on() -> None:
    for gate in (Gate.STOPPED, Gate.ENDED):
        costs = COSTS[gate]
        back, forward = costs[REACH_WORDS::-1], costs[REACH_WORDS + 1 :]
        assert (np.diff(back) < 0).all()
        assert (np.diff(forward) < 0).all()
        assert (back[1:21] > forward[:20]).all()
    assert not np.isfinite(COSTS[Gate.JOINED][: REACH_WORDS + 1]).any()
    assert len(set(COSTS[Gate.LOST].tolist())) == 1


@pytest.mark.parametrize("first", [4, 9, 18])
def test_a_recitation_may_begin_with_any_word(first: int) -> None:
    recital = Recital("1:1-7")
    recital.say(first, first + 8)
    segments = recital.follow()
    assert recital.heard(segments)[-9:] == [*range(first, first + 9)]
    assert recital.delay_of(0) <= 40


@pytest.mark.parametrize(("before", "after"), [(9, 500), (300, 20)])
def test_who_turns_many_pages_is_found_again(before: int, after: int) -> None:
    recital = Recital("36")
    recital.say(max(0, before - 9), before)
    recital.say(after, after + 30)
    segments = recital.follow()
    assert recital.delay_of(before - max(0, before - 9) + 1) < 450
    heard = recital.heard(segments)
    assert heard[-8:] == [*range(after + 23, after + 31)]
    assert_ordered(segments)


def assert_ordered(segments: Sequence[Segment]) -> None:
    attempts = [s.attempt for s in segments]
    assert attempts == sorted(attempts)
    assert all(s.start >= s.attempt for s in segments)


@pytest.mark.parametrize(("reference", "stop", "on"), [("1:1-7", 9, 4), ("36", 9, 400)])
def test_an_alignment_that_is_to_go_straight_does(reference: str, stop: int, on: int) -> None:
    recital = Recital(reference)
    recital.say(0, stop)
    recital.say(on, on + 20)
    segments = recital.follow(lag=4000, straight=True)
    assert {s.attempt for s in segments} == {0}
    words = recital.heard(segments)
    assert words == sorted(set(words))


def test_what_went_before_is_kept_when_pages_are_turned_with_the_whole_recording_at_hand() -> None:
    recital = Recital("36")
    recital.say(0, 9)
    recital.say(500, 530)
    heard = recital.heard(recital.follow(lag=4000))
    assert heard[:10] == [*range(10)]
    assert heard[-8:] == [*range(523, 531)]
