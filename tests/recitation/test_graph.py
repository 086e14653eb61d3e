"""The graph of a passage holds every way of reciting it, and no other."""

from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recitation.graph import DELETION_COST, Graph, build_graph, preamble_forms
from recitation.lexicon import Lexicon, Word, default_lexicon, recited
from recitation.mushaf import AYAT_TOTAL, Reference, ayah_address, parse_reference
from recitation.paths import WINDOW_STATES
from recitation.phones import BLANK, UNITS


def graph_of(reference: str) -> Graph:
    lexicon = default_lexicon()
    return build_graph(lexicon, lexicon.words(parse_reference(reference)))


def accepts(graph: Graph, units: Iterable[int]) -> bool:
    """Whether the units, each with a blank before it, lead from an entry to the final blank without a deletion."""
    labels = [BLANK]
    for unit in units:
        labels += [unit, BLANK]
    arcs = graph.costs > DELETION_COST
    alive = np.zeros(len(graph), np.bool_)
    alive[graph.entries] = True
    alive &= graph.labels == BLANK
    for label in labels[1:]:
        alive = (alive[graph.predecessors] & arcs).any(axis=1) & (graph.labels == label)
    return bool(alive[-1])


def said_with_stops(words: tuple[Word, ...], stops: set[int]) -> list[int]:
    """Units of a recitation that stops after the words numbered in ``stops`` and after the last."""
    stops = stops | {len(words) - 1}
    return [
        phone.unit
        for n, word in enumerate(words)
        for phone in word.form(started=n == 0 or n - 1 in stops, stopped=n in stops)
    ]


@st.composite
def recitations(draw: st.DrawFn) -> tuple[tuple[Word, ...], set[int]]:
    lexicon = default_lexicon()
    surah, ayah = ayah_address(draw(st.integers(0, AYAT_TOTAL - 2)))
    last = draw(st.sampled_from([ayah, ayah + 1])) if ayah_address(_next(surah, ayah))[0] == surah else ayah
    words = lexicon.words(Reference(surah, ayah, last))[:40]
    return words, draw(st.sets(st.integers(0, len(words) - 1), max_size=6))


def _next(surah: int, ayah: int) -> int:
    from recitation.mushaf import ayah_index

    return ayah_index(surah, ayah) + 1


@given(recitations())
@settings(max_examples=60, deadline=None)
def test_any_stops_make_a_path(recitation: tuple[tuple[Word, ...], set[int]]) -> None:
    words, stops = recitation
    graph = build_graph(default_lexicon(), words)
    assert accepts(graph, said_with_stops(words, stops))


@given(recitations(), st.data())
@settings(max_examples=60, deadline=None)
def test_a_changed_unit_is_no_path(recitation: tuple[tuple[Word, ...], set[int]], data: st.DataObject) -> None:
    words, stops = recitation
    units = said_with_stops(words, stops)
    place = data.draw(st.integers(0, len(units) - 1))
    # Tashil and imala occur in one word each of the Quran.
    units[place] = UNITS.index("ٲ") if units[place] != UNITS.index("ٲ") else UNITS.index("ب")
    assert not accepts(build_graph(default_lexicon(), words), units)


def test_only_a_stop_gives_the_stopped_form(lexicon: Lexicon) -> None:
    words = lexicon.words(parse_reference("112:1"))
    joined = [phone.unit for word in words for phone in word.form(started=False, stopped=False)]
    stopped = said_with_stops(words, set())
    graph = build_graph(lexicon, words)
    assert accepts(graph, stopped)
    assert accepts(graph, joined)  # He may go on after the passage: joining costs but is not forbidden.
    assert not accepts(graph, stopped[:-1])


@pytest.mark.parametrize("reference", ["1:1-7", "112", "2:19", "2:255", "75:27", "9:1-3", "2:1-40"])
def test_the_recitation_ayah_by_ayah_is_a_path(lexicon: Lexicon, reference: str) -> None:
    words = lexicon.words(parse_reference(reference))
    assert accepts(build_graph(lexicon, words), (p.unit for _, form in recited(words) for p in form))


def test_istiadha_and_basmala_may_come_first(lexicon: Lexicon) -> None:
    graph = graph_of("112")
    words = lexicon.words(parse_reference("112"))
    passage = [p.unit for _, form in recited(words) for p in form]
    istiadha, basmala = ([p.unit for p in form] for form in preamble_forms(lexicon, words))
    for before in ([], istiadha, basmala, istiadha + basmala):
        assert accepts(graph, [*before, *passage])
    assert not accepts(graph, [*basmala, *istiadha, *passage])
    assert not accepts(graph, istiadha)


@pytest.mark.parametrize(("reference", "forms"), [("1", 1), ("9", 1), ("112", 2), ("112:2", 1), ("2:1", 2)])
def test_the_basmala_is_said_where_a_surah_begins(lexicon: Lexicon, reference: str, forms: int) -> None:
    assert len(preamble_forms(lexicon, lexicon.words(parse_reference(reference)))) == forms


@pytest.mark.parametrize("reference", ["1:1-7", "2:255", "2:1-40", "55"])
def test_the_layout_is_what_the_tracker_needs(reference: str) -> None:
    graph = graph_of(reference)
    size = len(graph)
    assert size == 2 * len(graph.nodes) + 1
    assert (graph.labels[::2] == BLANK).all()
    assert (graph.labels[1::2] != BLANK).all()
    rows = np.arange(size)
    assert (graph.predecessors[:, 0] == rows).all()
    assert (graph.costs[:, 0] == 0).all()
    used = graph.costs > -np.inf
    assert (graph.predecessors[used] >= 0).all()
    assert (graph.predecessors <= rows[:, None])[:-1][used[:-1]].all()
    reach = (rows[:, None] - graph.predecessors)[used].max()
    assert reach < WINDOW_STATES // 3


@pytest.mark.parametrize("reference", ["1:1-7", "2:1-40"])
def test_every_node_can_be_reached_and_left(reference: str) -> None:
    graph = graph_of(reference)
    reached = np.zeros(len(graph), np.bool_)
    reached[graph.entries] = True
    for state in range(len(graph)):
        used = graph.costs[state] > DELETION_COST
        reached[state] |= reached[graph.predecessors[state][used]].any()
    assert reached.all()
    leads_on = {source for before in graph.before for source in before} | set(graph.exits)
    assert leads_on == set(range(len(graph.nodes)))


def test_every_arc_of_a_node_is_kept() -> None:
    graph = graph_of("2:1-40")
    for node, before in enumerate(graph.before):
        into_blank = set(graph.predecessors[2 * node][graph.costs[2 * node] > -np.inf].tolist())
        assert {2 * source + 1 for source in before} <= into_blank


def test_nodes_name_their_words(lexicon: Lexicon) -> None:
    graph = graph_of("1:1-7")
    assert {node.word for node in graph.nodes} == {-1, *range(29)}
    for node in graph.nodes:
        if node.word >= 0:
            word = graph.words[node.word]
            scripts = {p.unit for form in (word.joined, word.stopped, word.started, word.alone) for p in form}
            assert node.phone.unit in scripts


def test_word_ends_are_marked() -> None:
    graph = graph_of("1:1-7")
    for word in range(29):
        ends = [n for n, node in enumerate(graph.nodes) if node.word == word and graph.ends[n]]
        assert ends, word
        finals = {p.unit for form in _forms(graph.words[word]) for p in form[-1:]}
        assert {graph.nodes[n].phone.unit for n in ends} <= finals


def _forms(word: Word) -> tuple[tuple[object, ...], ...]:
    return word.joined, word.stopped, word.started, word.alone


def test_a_passage_needs_a_word(lexicon: Lexicon) -> None:
    with pytest.raises(ValueError, match="at least one word"):
        build_graph(lexicon, ())


def test_one_word_is_a_passage(lexicon: Lexicon) -> None:
    words = lexicon.words(parse_reference("2:255:3"))
    graph = build_graph(lexicon, words)
    assert accepts(graph, [p.unit for p in words[0].alone])
