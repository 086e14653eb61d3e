"""What is counted of a live session, against recitation of which everything is known."""

from itertools import pairwise

import numpy as np
import pytest
from synthetic import Script, say_all

from recitation.accuracy.delay import FAR_MS, delays, insertions_before
from recitation.accuracy.following import Told, compare, cursor_distances, follow
from recitation.accuracy.swaps import NEIGHBOURS, ROUNDS, altered, rounds, swap_all
from recitation.accuracy.truth import Spoken, Times, against_truth
from recitation.events import Cursor, Following, PhoneVerdict, Status, Summary, Update, WordReport
from recitation.features import FRAME_SAMPLES as MEL_SAMPLES
from recitation.lexicon import recited
from recitation.phones import BLANK, CONFUSABLE, INDEX, UNITS
from recitation.pipeline import Passage, passage
from recitation.tracker import FRAME_SAMPLES

VERSES = "112"


@pytest.fixture(scope="module")
def place() -> Passage:
    return passage(VERSES)


@pytest.fixture(scope="module")
def script(place: Passage) -> Script:
    script = say_all(recited(place.words), seed=1)
    script.pause(-len(script.labels) % 4)
    return script


@pytest.fixture(scope="module")
def pcm(script: Script) -> np.ndarray:
    """Noise where there is voice: to the session it only says where pauses are."""
    loud = np.repeat(np.where(script.speech(), 0.1, 1e-5), FRAME_SAMPLES)
    return (loud * np.random.default_rng(0).standard_normal(len(loud))).astype(np.float32)


@pytest.fixture(scope="module")
def live(place: Passage, script: Script, pcm: np.ndarray) -> Told:
    return follow(place, pcm, script.log_probs(0.5), 8)


def test_a_clear_recitation_is_followed(place: Passage, script: Script, pcm: np.ndarray, live: Told) -> None:
    offline = follow(place, pcm, script.log_probs(0.5), 8, offline=True)
    counted = compare(live, offline, offline)
    assert counted.words == len(place.words) == counted.in_place == counted.agreed
    assert (counted.accused, counted.unclear, counted.shown) == (0, 0, 0)
    assert counted.phones == len(script.units)
    assert counted.near == counted.moments > 50
    assert np.median(counted.boundary_ms) <= 20


def word(at: str, start: int | None, end: int | None, status: Status = Status.ACCEPTED) -> WordReport:
    return WordReport(at, "", start, end, None, status, ())


def update(sample: int, at: str | None) -> Update:
    cursor = None if at is None else Cursor(at, 0, sample)
    return Update(sample, cursor, (), (), True, -20.0, Following.FOLLOWING)


TRUTH = Told((), Summary((word("1:1:1", 100, 200), word("1:1:2", 200, 300), word("1:1:3", 400, 500)), 600))


def test_how_far_the_cursor_is() -> None:
    moments = [(90, "1:1:1"), (150, "1:1:1"), (200, "1:1:2"), (350, None), (450, "1:1:1"), (500, "1:1:3"), (550, None)]
    assert cursor_distances([update(*moment) for moment in moments], TRUTH) == [0, 1, None, -2, 0]


def test_a_passage_nobody_recited_has_no_moments() -> None:
    nothing = Told((), Summary((word("1:1:1", None, None, Status.NOT_REACHED),), 600))
    assert cursor_distances([update(150, "1:1:1")], nothing) == []


def test_what_a_right_word_is_told() -> None:
    def phone(at: str, p: float) -> PhoneVerdict:
        return PhoneVerdict(at, 0, "ب", 0, 1, p, None)

    statuses = (Status.QUESTIONED, Status.UNCLEAR, Status.ACCEPTED, Status.OMITTED)
    words = tuple(
        WordReport(f"1:1:{n}", "", 16_000 * n, 16_000 * n + 8_000, 1.0, status, (phone("", 0.01), phone("", 0.9)))
        for n, status in enumerate(statuses)
    )
    live = Told((), Summary(words, 0))
    moved = tuple(
        WordReport(w.at, "", w.start + 1_600 * n, w.end, 1.0, Status.ACCEPTED, ()) for n, w in enumerate(words)
    )
    counted = compare(live, Told((), Summary(moved, 0)), Told((), Summary(moved, 0)))
    assert (counted.words, counted.accused, counted.unclear, counted.agreed) == (4, 2, 1, 1)
    assert (counted.phones, counted.alarms, counted.shown) == (6, 3, 2)
    assert counted.boundary_ms == (0, 0, 100, 0, 200, 0, 300, 0)
    assert counted.in_place == 2


def test_delays_are_those_of_the_frames(script: Script) -> None:
    log_probs = script.log_probs(0.5)
    truth = [
        PhoneVerdict("", 0, UNITS[unit], (start - 2) * FRAME_SAMPLES, 0, 1.0, None)
        for unit, start in zip(script.units, script.starts, strict=True)
    ]
    found = delays(log_probs, 16, truth)
    assert set(found.emission) == {40.0}
    hop_ms = 16 * MEL_SAMPLES / 16
    assert len(found.availability) == len(found.emission) > 0.95 * len(script.units)
    assert all(40 < ms <= 40 + hop_ms for ms in found.availability)


def test_a_unit_far_from_its_phone_is_another() -> None:
    log_probs = np.full((100, len(UNITS)), -9.0, np.float32)
    log_probs[:, BLANK] = -0.1
    log_probs[90, 1] = 0
    near = PhoneVerdict("", 0, UNITS[1], 88 * FRAME_SAMPLES, 0, 1.0, None)
    far = PhoneVerdict("", 0, UNITS[1], int(90 * FRAME_SAMPLES - 16 * FAR_MS - 1), 0, 1.0, None)
    assert delays(log_probs, 8, [near]).emission == (40.0,)
    assert delays(log_probs, 8, [far]).emission == ()


def test_what_is_said_before_the_text(script: Script) -> None:
    basmala = [phone.unit for _, form in recited(passage("1:1").words) for phone in form]
    before = Script(np.random.default_rng(0))
    before.say(basmala)
    log_probs = np.concatenate([before.log_probs(0.1), script.log_probs(0.1)])
    begins = PhoneVerdict("", 0, "", (len(before.labels) + script.starts[0]) * FRAME_SAMPLES, 0, 1.0, None)
    assert insertions_before(log_probs, script.units, [begins]) == len(basmala)
    assert insertions_before(script.log_probs(0.1), script.units, [begins]) == 0
    assert insertions_before(log_probs, script.units, []) == 0


def test_every_phone_is_swapped_once(place: Passage) -> None:
    text = [phone for _, form in recited(place.words) for phone in form]
    chosen = [(where, rival) for rivals in rounds(place) for where, rival in rivals.items()]
    assert len({where for where, _ in chosen}) == len(chosen)
    assert 0.9 * len(text) < len(chosen) <= sum(bool(CONFUSABLE[phone.unit]) for phone in text)
    assert all(rival in CONFUSABLE[where.unit] for where, rival in chosen)
    assert len(list(rounds(place, 2))) == 2
    assert list(rounds(place)) == list(rounds(place))


def test_an_altered_text_differs_where_it_was_altered(place: Passage) -> None:
    rivals = next(rounds(place))
    before = [phone for _, form in recited(place.words) for phone in form]
    after = [phone for _, form in recited(altered(place, rivals).words) for phone in form]
    changed = [n for n, (a, b) in enumerate(zip(before, after, strict=True)) if a != b]
    assert len(changed) == len(rivals)
    assert all(b - a >= ROUNDS > 2 * NEIGHBOURS for a, b in pairwise(changed))
    assert [after[n].unit for n in changed] == list(rivals.values())


def test_swaps_in_a_clear_recitation_are_found(place: Passage, script: Script, pcm: np.ndarray, live: Told) -> None:
    found = swap_all(place, pcm, script.log_probs(0.5), 8, live, 3)
    judged = [swap for swap in found.swaps if swap.p is not None]
    assert len(judged) > 0.9 * len(found.swaps) > 20
    assert sum(swap.found for swap in judged) > 0.95 * len(judged)
    assert sum(swap.named for swap in judged) > 0.9 * len(judged)
    assert sum(swap.alone for swap in judged) > 0.9 * len(judged)
    assert any(swap.shown for swap in judged)
    called_wrong = sum(swap.called_wrong for swap in judged)
    assert 0.2 * len(judged) < called_wrong <= found.called_wrong < 1.05 * called_wrong
    assert np.mean(found.right < 0.04) < 0.03


def test_made_recitation_is_held_against_its_own_times(script: Script) -> None:
    phones = tuple(
        Spoken("1:1:1", 0.02 * start - 0.05, 0.02 * start, UNITS[unit])
        for unit, start in zip(script.units, script.starts, strict=True)
    )
    assert INDEX[phones[0].unit] == script.units[0]
    times = Times((Spoken("1:1:1", 0.1, 0.5), Spoken("1:1:2", 0.5, 0.9)), phones)
    aligned = [word("1:1:1", 1600, 8_800), word("1:1:2", None, None)]
    found = against_truth(times, script.log_probs(0.5), aligned)
    assert np.allclose(found.onset, 50)
    assert found.boundary == pytest.approx((0, 50))
