"""Clips are heard as the live line hears them, whoever else is heard beside them."""

from pathlib import Path

import numpy as np
import pytest

from recitation.accuracy.hearing import (
    Ears,
    Replay,
    live_hops,
    masked_encoder,
    run_together,
    whole_features,
)
from recitation.acoustics.engine import OnnxEngine, run_through
from recitation.acoustics.intake import Intake, intake_of
from recitation.audio import Pcm
from recitation.features import FRAME_SAMPLES
from recitation.made_voice import MadeRecitation
from recitation.phones import UNITS
from recitation.pipeline import Session, passage, recite
from recitation.vad import SileroVad


def noise(samples: int, seed: int = 0) -> Pcm:
    return (0.1 * np.random.default_rng(seed).standard_normal(samples)).astype(np.float32)


@pytest.mark.parametrize("samples", [1, 319, 16_000, 12_345])
def test_portions_change_nothing(samples: int) -> None:
    pcm = noise(samples)
    live = live_hops(Intake(8), pcm, 16)
    assert len(live) == -(-samples // (16 * FRAME_SAMPLES)) * 2
    np.testing.assert_allclose(live.reshape(-1, 80), whole_features(pcm, 16), atol=1e-5)


def test_a_waveform_is_heard_with_what_comes_after() -> None:
    hops = live_hops(Intake(8, 4, "waveform"), noise(10_000), 16)
    assert hops.shape == (8, 12, FRAME_SAMPLES)
    np.testing.assert_array_equal(hops[:-1, 8:], hops[1:, :4])
    assert not hops[-1, 8:].any()


def test_company_changes_nothing(small_model: Path) -> None:
    engine = OnnxEngine(small_model, 80)
    recordings = [live_hops(intake_of(engine), noise(n, n), engine.hop_frames) for n in (9_000, 31_000, 2_000)]
    for alone, together in zip(recordings, run_together(engine, recordings), strict=True):
        np.testing.assert_allclose(together, run_through(engine, alone.reshape(-1, 80)), atol=1e-5)
    assert run_together(engine, []) == []


@pytest.mark.parametrize("lookahead_ms", [0, 80, 240])
def test_streaming_is_offline_under_the_same_mask(small_model: Path, lookahead_ms: int) -> None:
    ears = Ears([OnnxEngine(small_model, lookahead_ms)], masked_encoder(small_model))
    for hearing in ears.hear([noise(40_000), noise(25_000, 1)]):
        assert hearing.offline[lookahead_ms].shape == hearing.streamed[lookahead_ms].shape
        assert hearing.largest_difference is not None
        assert hearing.largest_difference < 1e-3
        assert hearing.full is not None
        assert hearing.full.shape == hearing.streamed[lookahead_ms].shape


def test_without_an_encoder_there_is_nothing_to_compare(small_model: Path) -> None:
    (hearing,) = Ears([OnnxEngine(small_model)]).hear([noise(4_000)])
    assert hearing.largest_difference is None


def test_a_replay_says_what_was_heard(engine: OnnxEngine, fatihah: MadeRecitation, vad: SileroVad) -> None:
    pcm = fatihah.pcm[: 16_000 * 6 + 37]
    (hearing,) = Ears([engine]).hear([pcm])
    first = list(recite(Session(passage("1:1"), vad), engine, pcm))
    again = list(recite(Session(passage("1:1"), vad), Replay(hearing.streamed[0]), pcm))
    assert [update.cursor for update in again] == [update.cursor for update in first]
    verdicts = [(phone.at, phone.index, phone.start, phone.end) for update in first for phone in update.phones]
    assert verdicts
    assert verdicts == [(p.at, p.index, p.start, p.end) for update in again for p in update.phones]


def test_a_replay_is_for_one_session_and_ends() -> None:
    replay = Replay(np.zeros((4, len(UNITS)), np.float32))
    with pytest.raises(ValueError, match="one session"):
        replay.initial_state(2)
    _, state = replay.step(np.zeros((1, 8, 80), np.float32), replay.initial_state(1))
    with pytest.raises(IndexError):
        replay.step(np.zeros((1, 8, 80), np.float32), state)
