"""A window into the history is what was heard, whatever the portions it came in."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recitation.history import ForgottenError, History

UNITS = 3


def heard(frames: int) -> tuple[np.ndarray, np.ndarray]:
    """Frames that say their own number."""
    numbers = np.arange(frames)
    return np.repeat(numbers[:, None], UNITS, axis=1).astype(np.float32), numbers % 3 == 0


def filled(frames: int, portions: list[int]) -> History:
    history = History(frames, UNITS)
    log_probs, voiced = heard(sum(portions))
    for end, size in zip(np.cumsum(portions), portions, strict=True):
        portion = slice(end - size, end)
        history.append(log_probs[portion], voiced[portion], ~voiced[portion])
    return history


PORTIONS = st.lists(st.integers(0, 9), max_size=8)


@given(st.integers(1, 12), PORTIONS, st.integers(-3, 60), st.integers(-3, 60))
def test_a_window_is_what_was_heard(frames: int, portions: list[int], first: int, last: int) -> None:
    history, total = filled(frames, portions), sum(portions)
    assert (history.start, history.end, len(history)) == (max(0, total - frames), total, min(frames, total))
    if not history.holds(first, last):
        assert first < history.start or last > total or first > last
        with pytest.raises(ForgottenError, match=f"{first} to {last} asked"):
            history.window(first, last)
        return
    log_probs, voiced = heard(total)
    window = history.window(first, last)
    np.testing.assert_array_equal(window.log_probs, log_probs[first:last])
    np.testing.assert_array_equal(window.voiced, voiced[first:last])
    np.testing.assert_array_equal(window.spoken, ~voiced[first:last])
    assert len(window) == last - first


@given(st.integers(1, 12), PORTIONS, st.integers(-3, 60), st.integers(-3, 60))
def test_what_is_held_of_a_span(frames: int, portions: list[int], first: int, last: int) -> None:
    history = filled(frames, portions)
    window = history.within(first, last)
    held = [n for n in range(first, last) if history.start <= n < history.end]
    assert window.log_probs[:, 0].tolist() == held
    assert not held or (window.first, window.last) == (held[0], held[-1] + 1)


def test_a_window_stays_as_it_was() -> None:
    history = filled(4, [4])
    window = history.window(0, 4)
    history.append(np.full((4, UNITS), -1, np.float32), np.ones(4, np.bool_), np.ones(4, np.bool_))
    assert window.log_probs[:, 0].tolist() == [0, 1, 2, 3]
    assert history.window(4, 8).log_probs.max() == -1


def test_frames_without_their_flags_are_refused() -> None:
    with pytest.raises(ValueError, match="2 frames of log-probabilities, but 3 and 2 voice flags"):
        History(4, UNITS).append(np.zeros((2, UNITS), np.float32), np.zeros(3, np.bool_), np.zeros(2, np.bool_))
    with pytest.raises(ValueError, match="at least one frame"):
        History(0)
