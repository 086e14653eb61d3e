"""Stress cases say truly what is recited when, and their figures count what they say they count."""

from itertools import pairwise

import numpy as np
import pytest

from recitation.acoustics.engine import OnnxEngine
from recitation.events import Cursor, Following, Status, Summary, Update, WordReport, WordVerdict
from recitation.made_voice import EspeakError
from recitation.stress import RECIPES, Case, Spoken, Take, at_tempo, cases, made_take
from recitation.stress_figures import listen, measure, summarise
from recitation.vad import SileroVad

HOP = 1280


@pytest.fixture(scope="module")
def takes() -> list[Take]:
    try:
        return [made_take("93", "woman2", 0.12), made_take("112", "man1", 0.15)]
    except EspeakError as missing:
        pytest.skip(f"the made voice needs espeak-ng: {missing}")


def case_of(takes: list[Take], kind: str, seed: int = 0) -> Case:
    return next(case for case in cases(takes, [kind], seed) if case.take is takes[0])


def energy(case: Case, start: int, end: int) -> float:
    return float(np.sqrt(np.mean(np.square(case.pcm[start:end]))))


@pytest.mark.parametrize("kind", RECIPES)
def test_every_word_is_where_it_is_said_to_be(takes: list[Take], kind: str) -> None:
    case = case_of(takes, kind)
    assert all(a.end <= b.start for a, b in pairwise(case.spoken))
    assert case.spoken[-1].end <= len(case.pcm)
    for spoken in case.spoken:
        assert energy(case, spoken.start, spoken.end) > 10 * energy(case, 0, HOP) or kind in ("noise", "loss")
        if kind in ("noise", "loss", "tempo", "pauses", "restart") or spoken.word is None or not spoken.whole:
            continue
        start, end = takes[0].spans[spoken.word]
        middle = slice(start + 200, end - 200)
        np.testing.assert_array_equal(case.pcm[spoken.start + 200 : spoken.end - 200], takes[0].pcm[middle])


@pytest.mark.parametrize(
    ("kind", "turns"),
    [("clean", 0), ("back", 1), ("again", 1), ("skip", 1), ("skip joined", 1), ("pauses", 0), ("tempo", 0)],
)
def test_turns_are_where_the_words_do_not_follow(takes: list[Take], kind: str, turns: int) -> None:
    words = [spoken.word or 0 for spoken in case_of(takes, kind).spoken]
    assert sum(after != before + 1 for before, after in pairwise(words)) == turns


def test_the_same_seed_gives_the_same_cases(takes: list[Take]) -> None:
    for first, second in zip(cases(takes, ["back", "noise"], 3), cases(takes, ["back", "noise"], 3), strict=True):
        assert first.spoken == second.spoken
        np.testing.assert_array_equal(first.pcm, second.pcm)
    starts = {case_of(takes, "back", seed).spoken for seed in range(6)}
    assert len(starts) > 1


def test_a_set_needs_another_text(takes: list[Take]) -> None:
    with pytest.raises(ValueError, match="at least two"):
        list(cases(takes[:1]))


def test_tempo_changes_the_length_and_not_the_pitch() -> None:
    tone = np.sin(2 * np.pi * 200 * np.arange(32_000) / 16_000).astype(np.float32)
    fast = at_tempo(tone, 1.25)
    assert abs(len(fast) - 25_600) < 1_000
    spectrum = np.abs(np.fft.rfft(fast[4_000:20_000]))
    assert abs(int(spectrum.argmax()) - 200) <= 2


def reports(case: Case, status: Status) -> Summary:
    words = tuple(WordReport(word.at, word.text, 0, 1, 1.0, status, ()) for word in case.take.words)
    return Summary(words, len(case.pcm))


def updates_of(case: Case, delay: int, words: tuple[WordVerdict, ...] = ()) -> list[Update]:
    """What a line would say that shows each word ``delay`` samples after it began."""
    updates = []
    for sample in range(HOP, len(case.pcm), HOP):
        begun = [spoken for spoken in case.spoken if spoken.start + delay <= sample and spoken.word is not None]
        cursor = Cursor(case.take.words[begun[-1].word or 0].at, 0, 0) if begun else None
        updates.append(Update(sample, cursor, (), words, True, -23.0, Following.FOLLOWING))
    return [*updates, updates[-1]]


def test_the_truth_itself_scores_full_marks(takes: list[Take]) -> None:
    case = case_of(takes, "back")
    tally = measure(case, updates_of(case, 0), reports(case, Status.ACCEPTED))
    assert tally.in_place == tally.hops > 50
    assert tally.words == len(case.take.words)
    assert (tally.accused, tally.unheard, tally.retracted, tally.skipped) == (0, 0, 0, 0)
    assert [turn.kind for turn in tally.turns] == ["back"]
    assert tally.turns[0].delay_s < 0.08


def test_a_late_cursor_is_late_at_the_turn(takes: list[Take]) -> None:
    case = case_of(takes, "skip")
    (turn,) = measure(case, updates_of(case, 16_000), reports(case, Status.OMITTED)).turns
    assert turn.kind == "skip"
    assert 0.9 < turn.delay_s < 1.2


def test_accusations_omissions_and_retractions_are_counted(takes: list[Take]) -> None:
    case = case_of(takes, "skip verse")
    first = case.take.words[case.spoken[0].word or 0]
    accepted = WordVerdict(first.at, 0, 1, 1.0, Status.ACCEPTED)
    tally = measure(case, updates_of(case, 0, (accepted,)), reports(case, Status.OMITTED))
    assert tally.accused == tally.words
    assert tally.retracted == 1
    row = summarise([tally])
    assert row["words_accused"] == 1.0
    assert row.get("omitted_found", 1.0) == 1.0


def test_a_cursor_that_strays_is_a_false_jump(takes: list[Take]) -> None:
    case = case_of(takes, "clean")
    updates = updates_of(case, 0)
    far = Cursor(case.take.words[-1].at, 0, 0)
    strayed = [u if n not in (30, 31, 50) else Update(u.sample, far, (), (), True, -23.0, u.state)
               for n, u in enumerate(updates)]  # fmt: skip
    tally = measure(case, strayed, reports(case, Status.ACCEPTED))
    assert tally.jumps == 2
    assert summarise([tally])["false_jumps_per_10_min"] == pytest.approx(1200 / tally.seconds, rel=0.01)


def test_nothing_to_count_is_no_figure() -> None:
    assert "back_s" not in summarise([])
    assert summarise([])["cursor_within_one_word"] is None


def test_the_line_is_heard_on_a_case(takes: list[Take], engine: OnnxEngine, vad: SileroVad) -> None:
    case = case_of(list(reversed(takes)), "clean")
    tally = measure(case, *listen(case, engine, vad))
    assert tally.in_place > 0.7 * tally.hops
    assert tally.retracted == 0
    assert isinstance(case.spoken[0], Spoken)
