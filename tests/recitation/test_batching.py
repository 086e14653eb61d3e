"""One encoder call for all sessions: nobody hears another, whoever joins and leaves."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recitation.acoustics.batching import Batcher, Full
from recitation.acoustics.engine import OnnxEngine
from recitation.acoustics.slots import LARGEST_BATCH
from recitation.features import MELS


@pytest.fixture(scope="module")
def small(small_model: Path) -> OnnxEngine:
    return OnnxEngine(small_model)


def hop(session: int, number: int) -> np.ndarray:
    """The hop that a session sends as its ``number``-th."""
    return np.random.default_rng([session, number]).standard_normal((8, MELS)).astype(np.float32)


def alone(engine: OnnxEngine, session: int, hops: int) -> list[np.ndarray]:
    """What a session hears without company."""
    state = engine.initial_state(1)
    heard = []
    for number in range(hops):
        log_probs, state = engine.step(hop(session, number)[None], state)
        heard.append(log_probs[0])
    return heard


def test_sessions_of_different_ages_share_a_batch(engine: OnnxEngine) -> None:
    """With the model that ships."""
    batcher = Batcher(engine, 4)
    ages = {batcher.join(): -4 * n for n in range(4)}
    heard: dict[int, list[np.ndarray]] = {slot: [] for slot in ages}
    for _ in range(20):
        present = [slot for slot, age in ages.items() if age >= 0]
        for slot, log_probs in zip(present, batcher.step([(s, hop(s, ages[s])) for s in present]), strict=True):
            heard[slot].append(log_probs)
        ages = {slot: age + 1 for slot, age in ages.items()}
    for slot, answers in heard.items():
        for ours, own in zip(answers, alone(engine, slot, len(answers)), strict=True):
            np.testing.assert_allclose(ours, own, atol=1e-4)


def test_company_of_the_same_number_changes_no_bit(engine: OnnxEngine) -> None:
    """One reciter beside one companion, and beside a succession of others."""

    def hear(companions: list[int]) -> list[np.ndarray]:
        batcher = Batcher(engine, 2)
        slot = batcher.join()
        heard = []
        other: int | None = None
        for number, companion in enumerate(companions):
            if other is None or companion != companions[number - 1]:
                if other is not None:
                    batcher.leave(other)
                other = batcher.join()
            heard.append(batcher.step([(slot, hop(0, number)), (other, hop(companion, number))])[0])
        return heard

    for quiet, busy in zip(hear([1] * 12), hear([1, 1, 2, 3, 3, 3, 4, 5, 6, 6, 6, 7]), strict=True):
        np.testing.assert_array_equal(quiet, busy)


@given(st.lists(st.tuples(st.sampled_from(["join", "leave", "step"]), st.integers(0, 100)), max_size=40))
@settings(max_examples=25, deadline=None)
def test_joining_and_leaving_disturbs_nobody(small: OnnxEngine, deeds: list[tuple[str, int]]) -> None:
    batcher = Batcher(small, 4)
    present: dict[int, int] = {}  # slot -> session
    states: dict[int, tuple[int, tuple[np.ndarray, ...]]] = {}  # session -> (hops so far, its state alone)
    born = 0
    for deed, choice in deeds:
        if deed == "join":
            if len(present) == 4:
                with pytest.raises(Full):
                    batcher.join()
                continue
            slot = batcher.join()
            assert slot not in present
            present[slot], states[born] = born, (0, small.initial_state(1))
            born += 1
        elif deed == "leave" and present:
            slot = sorted(present)[choice % len(present)]
            batcher.leave(slot)
            del present[slot]
        elif deed == "step":
            stepping = [slot for n, slot in enumerate(sorted(present)) if choice >> n & 1]
            answers = batcher.step([(slot, hop(present[slot], states[present[slot]][0])) for slot in stepping])
            for slot, answer in zip(stepping, answers, strict=True):
                number, state = states[present[slot]]
                own, after = small.step(hop(present[slot], number)[None], state)
                np.testing.assert_allclose(answer, own[0], atol=1e-5)
                states[present[slot]] = (number + 1, after)
        assert batcher.sessions == len(present)


def test_a_slot_is_fresh_for_the_next_session(small: OnnxEngine) -> None:
    batcher = Batcher(small, 1)
    first = batcher.join()
    for number in range(10):
        batcher.step([(first, hop(1, number))])
    batcher.leave(first)
    second = batcher.join()
    np.testing.assert_array_equal(batcher.step([(second, hop(2, 0))])[0], alone(small, 2, 1)[0])


def test_more_than_the_largest_batch(small: OnnxEngine) -> None:
    count = LARGEST_BATCH + 3
    batcher = Batcher(small, count)
    slots = [batcher.join() for _ in range(count)]
    for number in range(2):
        answers = batcher.step([(slot, hop(slot, number)) for slot in slots])
    assert len(answers) == count
    for slot in (0, LARGEST_BATCH - 1, LARGEST_BATCH, count - 1):
        np.testing.assert_allclose(answers[slots.index(slot)], alone(small, slot, 2)[1], atol=1e-5)


def test_when_full_the_next_is_refused_and_a_leaver_makes_room(small: OnnxEngine) -> None:
    batcher = Batcher(small, 2)
    slots = [batcher.join(), batcher.join()]
    with pytest.raises(Full, match="all 2 sessions"):
        batcher.join()
    assert batcher.sessions == 2
    batcher.leave(slots[0])
    assert batcher.join() == slots[0]


def test_nobody_steps_is_no_answer(small: OnnxEngine) -> None:
    assert Batcher(small, 2).step([]) == []


def test_a_slot_that_is_not_taken_or_named_twice_is_refused(small: OnnxEngine) -> None:
    batcher = Batcher(small, 3)
    slot = batcher.join()
    with pytest.raises(ValueError, match="distinct and taken"):
        batcher.step([(slot, hop(0, 0)), (slot, hop(0, 1))])
    with pytest.raises(ValueError, match="distinct and taken"):
        batcher.step([(slot + 1, hop(0, 0))])
    batcher.leave(slot)
    with pytest.raises(KeyError):
        batcher.leave(slot)
    with pytest.raises(ValueError, match="distinct and taken"):
        batcher.step([(slot, hop(0, 0))])


def test_a_refused_step_moves_nobody(small: OnnxEngine) -> None:
    batcher = Batcher(small, 2)
    slot = batcher.join()
    with pytest.raises(ValueError, match="distinct and taken"):
        batcher.step([(slot, hop(0, 0)), (slot, hop(0, 0))])
    np.testing.assert_array_equal(batcher.step([(slot, hop(0, 0))])[0], alone(small, 0, 1)[0])


@pytest.mark.parametrize("capacity", [0, -1])
def test_capacity_is_at_least_one(small: OnnxEngine, capacity: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Batcher(small, capacity)
