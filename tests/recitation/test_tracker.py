"""The tracker finds the phones where they were said, whatever happens around them.

The log-probabilities are made from a known alignment, with confusion noise, so that the truth is exact.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import Floats, Script, say_all

from recitation.graph import Graph, build_graph, preamble_forms
from recitation.lexicon import Form, Word, default_lexicon, recited
from recitation.mushaf import parse_reference
from recitation.phones import BLANK, CONFUSABLE, UNITS
from recitation.tracker import PAUSE_FRAMES, Segment, Tracker

HOP = 4


def words_of(reference: str) -> tuple[Word, ...]:
    return default_lexicon().words(parse_reference(reference))


def follow(
    graph: Graph, log_probs: Floats, speech: np.ndarray, sizes: Sequence[int] = (), lag: int | None = None
) -> list[Segment]:
    """Segments of a whole recording, pushed in ``sizes`` and then hop by hop."""
    tracker = Tracker(graph) if lag is None else Tracker(graph, lag)
    found: list[Segment] = []
    begin = 0
    pending = list(sizes)
    while begin < len(log_probs):
        end = begin + (pending.pop(0) if pending else HOP)
        found += tracker.push(log_probs[begin:end], speech[begin:end])
        begin = end
    return found + tracker.finish()


def track(graph: Graph, script: Script, confusion: float = 1.0) -> list[Segment]:
    return follow(graph, script.log_probs(confusion), script.speech())


def passage_segments(graph: Graph, segments: Sequence[Segment]) -> list[Segment]:
    return [s for s in segments if graph.nodes[s.node].word >= 0]


def units_of(graph: Graph, segments: Sequence[Segment]) -> list[int]:
    return [graph.nodes[s.node].phone.unit for s in segments if not s.skipped]


def spelled(units: Sequence[int]) -> str:
    return " ".join(UNITS[unit] for unit in units)


def located(segments: Sequence[Segment]) -> list[tuple[int, int, int, bool]]:
    """What a segment says but for ``following``: a push that holds a whole pause knows what comes after it."""
    return [(s.node, s.start, s.end, s.skipped) for s in segments]


def assert_followed(graph: Graph, segments: Sequence[Segment], script: Script) -> None:
    """Every phone of the script, in order, each begun within two frames of where it was said, none left out."""
    assert not [s for s in segments if s.skipped]
    assert spelled(units_of(graph, segments)) == spelled(script.units)
    misses = np.abs(np.array([s.start for s in segments]) - script.starts)
    assert misses.max() <= 2
    assert (misses == 0).mean() > 0.9


def assert_orderly(graph: Graph, segments: Sequence[Segment]) -> None:
    """In an attempt places go forward, each phone comes once, and time does not turn; attempts follow each other."""
    attempts = [s.attempt for s in segments]
    assert attempts == sorted(attempts)
    for attempt in set(attempts):
        within = [s for s in segments if s.attempt == attempt]
        places = [(graph.nodes[s.node].word, graph.nodes[s.node].index) for s in passage_segments(graph, within)]
        assert places == sorted(set(places))
        assert all(attempt <= s.start <= s.end for s in within)
        starts = [s.start for s in within]
        assert starts == sorted(starts)


def assert_straight(graph: Graph, segments: Sequence[Segment]) -> None:
    """One orderly attempt."""
    assert {s.attempt for s in segments} == {0}
    assert_orderly(graph, segments)


@pytest.mark.parametrize("reference", ["1:1-7", "112", "2:19", "2:1-5", "75:27", "2:255", "105"])
@pytest.mark.parametrize("seed", [0, 1])
def test_every_phone_is_found_in_its_place(reference: str, seed: int) -> None:
    words = words_of(reference)
    graph = build_graph(default_lexicon(), words)
    script = say_all(recited(words), seed)
    segments = track(graph, script)
    assert_followed(graph, segments, script)
    assert_straight(graph, segments)


def test_a_phone_lasts_until_the_next_or_until_the_voice_stops() -> None:
    words = words_of("112")
    graph = build_graph(default_lexicon(), words)
    script = say_all(recited(words))
    segments = track(graph, script, confusion=0.5)
    voice = script.speech()
    for segment, after in pairwise(segments):
        if voice[segment.start : after.start].all():
            assert segment.end == after.start
        else:
            silence = segment.start + int(np.argmin(voice[segment.start :]))
            assert abs(segment.end - silence) <= 1
    assert abs(segments[-1].end - (len(voice) - 40)) <= 1


@given(st.lists(st.integers(1, 60), max_size=40), st.integers(0, 3))
@settings(max_examples=10, deadline=None)
def test_any_chunking_gives_the_same_phones(sizes: list[int], seed: int) -> None:
    words = words_of("112")
    graph = build_graph(default_lexicon(), words)
    script = say_all(recited(words), seed)
    log_probs, speech = script.log_probs(0.7), script.speech()
    assert located(follow(graph, log_probs, speech, sizes)) == located(follow(graph, log_probs, speech))


def test_the_whole_recording_at_hand_gives_the_same_phones() -> None:
    words = words_of("1:1-7")
    graph = build_graph(default_lexicon(), words)
    script = say_all(recited(words))
    log_probs, speech = script.log_probs(), script.speech()
    live, offline = follow(graph, log_probs, speech), follow(graph, log_probs, speech, lag=len(speech) + 2)
    assert [(s.node, s.start) for s in live] == [(s.node, s.start) for s in offline]


@pytest.mark.parametrize("seed", range(6))
def test_one_wrong_phone_does_not_throw_it_off(seed: int) -> None:
    random = np.random.default_rng(seed)
    words = words_of("1:1-7")
    graph = build_graph(default_lexicon(), words)
    script = say_all(recited(words), seed)
    place = int(random.integers(3, len(script.units) - 3))
    rivals = CONFUSABLE[script.units[place]]
    wrong = rivals[0] if rivals else BLANK
    end = script.starts[place + 1]
    for frame in range(script.starts[place], end):
        script.labels[frame] = wrong if script.labels[frame] else BLANK
    segments = passage_segments(graph, track(graph, script))
    assert_straight(graph, segments)
    truth = list(zip(script.units, script.starts, strict=True))
    found = [(graph.nodes[s.node].phone.unit, s.start) for s in segments if not s.skipped]
    # All others are found; the wrong one may be located anywhere near, or be called left out.
    near = {(unit, frame + off) for unit, frame in found for off in (-2, -1, 0, 1, 2)}
    lost = [n for n, phone in enumerate(truth) if phone not in near]
    assert set(lost) <= {place - 1, place, place + 1}
    assert len(segments) == len(truth)


@pytest.mark.parametrize("place", [5, 17, 40, 64])
def test_one_phone_left_out_is_reported(place: int) -> None:
    words = words_of("1:1-7")
    graph = build_graph(default_lexicon(), words)
    said = [phone.unit for _, form in recited(words) for phone in form]
    script = Script(np.random.default_rng(place))
    script.pause(20)
    script.say(said[:place] + said[place + 1 :])
    script.pause(40)
    # One breath for all: the graph has a stop, but no pause, at each ayah.
    segments = passage_segments(graph, track(graph, script, confusion=0.5))
    assert_straight(graph, segments)
    skipped = [n for n, segment in enumerate(segments) if segment.skipped]
    assert spelled([graph.nodes[s.node].phone.unit for s in segments]) == spelled(said)
    assert skipped == [place]
    assert segments[place].start == segments[place].end


@pytest.mark.parametrize("stop", [(1,), (2, 5), (0,)])
def test_a_stop_inside_an_ayah_takes_the_stopped_and_the_started_form(stop: tuple[int, ...]) -> None:
    words = words_of("2:19")
    graph = build_graph(default_lexicon(), words)
    script = Script(np.random.default_rng(7))
    script.pause(20)
    for n, word in enumerate(words):
        last = n == len(words) - 1
        script.say_form(word.form(started=n == 0 or n - 1 in stop, stopped=last or n in stop))
        if n in stop:
            script.pause(30)
    script.pause(40)
    segments = track(graph, script)
    assert_followed(graph, segments, script)


@pytest.mark.parametrize("said", [(0,), (1,), (0, 1)])
def test_istiadha_and_basmala_before_the_passage(said: tuple[int, ...]) -> None:
    words = words_of("112")
    graph = build_graph(default_lexicon(), words)
    forms = preamble_forms(default_lexicon(), words)
    script = Script(np.random.default_rng(3))
    script.pause(20)
    for n in said:
        script.say_form(forms[n])
        script.pause(20)
    spoken = len(script.units)
    rest = say_all(recited(words), 4)
    offset = len(script.labels)
    script.starts += [offset + start for start in rest.starts]
    script.units += rest.units
    script.labels += rest.labels
    script.voice += rest.voice
    segments = track(graph, script)
    assert spelled(units_of(graph, segments)) == spelled(script.units)
    assert len(passage_segments(graph, segments)) == len(script.units) - spoken


def test_a_passage_longer_than_the_window() -> None:
    words = words_of("2:1-40")
    graph = build_graph(default_lexicon(), words)
    script = say_all(recited(words), 5)
    segments = track(graph, script)
    assert_straight(graph, segments)
    assert_followed(graph, segments, script)


def test_words_before_the_first_pause_need_no_silence_at_the_start() -> None:
    words = words_of("112")
    graph = build_graph(default_lexicon(), words)
    script = Script(np.random.default_rng(2))
    for word, form in recited(words):
        script.say_form(form)
        if word.number == default_lexicon().word_count(112, word.ayah):
            script.pause(20)
    assert_followed(graph, track(graph, script), script)


@given(st.integers(0, 10_000), st.floats(0.5, 6.0), st.booleans())
@settings(max_examples=25, deadline=None)
def test_what_is_confirmed_is_never_taken_back(seed: int, confusion: float, silent: bool) -> None:
    """Also when the sound is mostly noise."""
    words = words_of("113")
    graph = build_graph(default_lexicon(), words)
    script = say_all(recited(words), seed)
    speech = script.speech()
    segments = follow(graph, script.log_probs(confusion), np.zeros_like(speech) if silent else speech)
    assert_orderly(graph, segments)
    assert max((s.end for s in segments), default=0) <= len(speech)


def test_silence_closes_nothing() -> None:
    graph = build_graph(default_lexicon(), words_of("1:1-7"))
    script = Script(np.random.default_rng(0))
    script.pause(500)
    tracker = Tracker(graph)
    assert not tracker.push(script.log_probs(), script.speech())
    assert tracker.cursor is None
    assert not tracker.finish()


def test_nothing_heard_is_nothing_found() -> None:
    assert not Tracker(build_graph(default_lexicon(), words_of("112"))).finish()


def test_the_cursor_leads_and_confirmation_follows_within_the_lag() -> None:
    words = words_of("112")
    graph = build_graph(default_lexicon(), words)
    script = say_all(recited(words))
    log_probs, speech = script.log_probs(0.5), script.speech()
    tracker = Tracker(graph)
    pointed: dict[int, int] = {}
    confirmed: dict[int, int] = {}
    ends: dict[int, int] = {}
    for begin in range(0, len(log_probs), HOP):
        for segment in tracker.push(log_probs[begin : begin + HOP], speech[begin : begin + HOP]):
            confirmed[segment.node], ends[segment.node] = tracker.frames, segment.end
        if tracker.cursor is not None:
            pointed.setdefault(tracker.cursor, tracker.frames)
    late = [confirmed[node] - ends[node] for node in confirmed]
    # 160 ms of lag and a hop after the next phone, 260 ms and a hop after a pause.
    assert max(late) <= PAUSE_FRAMES + 2 * HOP
    assert np.median(late) <= 8 + HOP
    both = [node for node in confirmed if node in pointed]
    assert len(both) > 0.6 * len(confirmed)  # A hop may hold two phones.
    assert all(pointed[node] <= confirmed[node] for node in both)


def test_other_words_are_strange_and_the_right_ones_are_not() -> None:
    graph = build_graph(default_lexicon(), words_of("1:1-7"))
    right, wrong = Tracker(graph), Tracker(graph)
    for tracker, reference in ((right, "1:1-7"), (wrong, "101")):
        script = say_all(recited(words_of(reference)))
        tracker.push(script.log_probs(), script.speech())
    assert right.strangeness < 0.5
    assert wrong.strangeness > 2 * right.strangeness


def test_a_recitation_that_breaks_off_is_closed_where_it_ended() -> None:
    words = words_of("112")
    graph = build_graph(default_lexicon(), words)
    said: list[tuple[Word, Form]] = recited(words)[:6]
    script = say_all(said)
    assert_followed(graph, track(graph, script), script)
