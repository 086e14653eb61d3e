"""Sound cut into hops as engines want them, in any portions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recitation.acoustics.engine import OnnxEngine, run_through
from recitation.acoustics.intake import Hops, Intake, hear, intake_of
from recitation.features import features_of

SOUND = (0.1 * np.random.default_rng(0).standard_normal(16_000)).astype(np.float32)


def test_the_bundled_engine_takes_log_mels(engine: OnnxEngine) -> None:
    assert intake_of(engine) == Intake() == Intake(8, 0, "log-mel")
    assert intake_of(OnnxEngine(engine.path, 240)).shape == (32, 80)
    np.testing.assert_array_equal(hear(engine, SOUND), run_through(engine, features_of(SOUND)))


@pytest.mark.parametrize("intake", [Intake(), Intake(16, 0, "waveform"), Intake(8, 24, "waveform"), Intake(8, 8)])
@given(cuts=st.lists(st.integers(0, 16_000), max_size=20).map(sorted))
@settings(max_examples=20, deadline=None)
def test_portions_change_no_hop(intake: Intake, cuts: list[int]) -> None:
    at_once, cut_up = Hops(intake), Hops(intake)
    at_once.push(SOUND)
    taken = []
    for portion in np.split(SOUND, cuts):
        cut_up.push(portion)
        while cut_up.ready:
            taken.append(cut_up.take())
    assert len(taken) == at_once.ready == (100 - intake.ahead) // intake.frames
    for hop in taken:
        assert hop.shape == intake.shape
        np.testing.assert_allclose(hop, at_once.take(), atol=1e-5)


def test_the_look_ahead_comes_again_as_the_next_hop() -> None:
    hops = Hops(Intake(8, 16, "waveform"))
    hops.push(SOUND)
    for n in range(hops.ready):
        np.testing.assert_array_equal(hops.take().ravel(), SOUND[n * 1280 : n * 1280 + 3840])
    with pytest.raises(IndexError):
        hops.take()
