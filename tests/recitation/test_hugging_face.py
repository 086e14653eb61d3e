"""Hugging Face's models as the ear: exact in time, causal, the same in any company, and clear about what is unusable.

The checkpoints are small and random, made by transformers' own ``save_pretrained``.
"""

import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import tiny_checkpoints
import torch
from tiny_checkpoints import LETTERS, SCRIPT

from recitation.acoustics import front_end, hugging_face
from recitation.acoustics.batching import Batcher
from recitation.acoustics.checkpoint import load_checkpoint, receptive_field
from recitation.acoustics.compare import LOOKAHEADS_MS, compare, difference, edit_distance, main
from recitation.acoustics.engine import ModelError
from recitation.acoustics.engines import open_engine
from recitation.acoustics.front_end import FrontEnd, Level, MelFrontEnd, RunningNorm, WaveFrontEnd
from recitation.acoustics.hugging_face import HuggingFaceEngine
from recitation.acoustics.intake import Hops, hear, intake_of
from recitation.acoustics.repeats import Floats, silence
from recitation.audio import levelled
from recitation.made_voice import MadeRecitation
from recitation.phones import UNITS
from recitation.pipeline import Session, passage, recognise
from recitation.vad import SileroVad

FAMILIES = ("wave", "group", "bert", "adapter")
Make = Callable[[str], str]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """The folder of a small checkpoint: wave or group (wav2vec2), bert, adapter or muaalem (w2v-bert); with ``-local``,
    one whose outputs rest on nothing but their own frame."""
    makers: dict[str, Callable[[Path], Path]] = {
        "wave": tiny_checkpoints.wav2vec2,
        "group": lambda folder: tiny_checkpoints.wav2vec2(folder, norm="group"),
        "bert": tiny_checkpoints.w2v_bert,
        "adapter": lambda folder: tiny_checkpoints.w2v_bert(folder, adapter=True),
        "muaalem": tiny_checkpoints.muaalem,
        "wave-local": lambda folder: tiny_checkpoints.wav2vec2(folder, LETTERS, layers=0, normalise=False),
        "bert-local": lambda folder: tiny_checkpoints.w2v_bert(folder, LETTERS, layers=0),
    }
    made: dict[str, str] = {}

    def make(kind: str) -> str:
        if kind not in made:
            made[kind] = str(makers[kind](tmp_path_factory.mktemp("checkpoint") / kind))
        return made[kind]

    return make


def noise(samples: int, seed: int = 0) -> Floats:
    """Sound at the level of speech."""
    return (0.07 * np.random.default_rng(seed).standard_normal(samples)).astype(np.float32)


def hops_of(engine: HuggingFaceEngine, pcm: Floats) -> list[Floats]:
    """The hops of a recording that are complete with their look-ahead."""
    hops = Hops(intake_of(engine))
    hops.push(pcm)
    return [hops.take() for _ in range(hops.ready)]


@pytest.mark.parametrize("kind", FAMILIES)
@pytest.mark.parametrize("lookahead_ms", [0, 240])
def test_a_hop_in_and_distributions_out(checkpoint: Make, kind: str, lookahead_ms: int) -> None:
    engine = HuggingFaceEngine(checkpoint(kind), lookahead_ms=lookahead_ms, left_ms=400, chunk_ms=160)
    assert (engine.hop_frames, engine.ahead_frames) == (16, lookahead_ms // 10)
    state = engine.initial_state(3)
    copies = [part.copy() for part in state]
    assert intake_of(engine).shape == (16 + engine.ahead_frames, 160)
    hops = noise(3 * (16 + engine.ahead_frames) * 160).reshape(3, -1, 160)
    log_probs, after = engine.step(hops, state)
    assert log_probs.shape == (3, 8, len(UNITS)) and log_probs.dtype == np.float32
    np.testing.assert_allclose(np.exp(log_probs).sum(-1), 1, atol=1e-4)
    assert [(part.shape, part.dtype) for part in after] == [(part.shape, part.dtype) for part in state]
    for part, copy in zip(state, copies, strict=True):
        np.testing.assert_array_equal(part, copy)


@pytest.mark.parametrize("place", [0, 100, 319, 320, 4000, 6399])
def test_sound_moves_the_frames_of_wav2vec2_that_it_lies_in(checkpoint: Make, place: int) -> None:
    """Frame t rests on samples 320 t - 80 to 320 t + 320, and on nothing else."""
    expected = [t for t in range(20) if 320 * t - 80 <= place < 320 * t + 320]
    assert np.flatnonzero(moved_by_a_click(checkpoint("wave-local"), place)).tolist() == expected


@pytest.mark.parametrize(("place", "expected"), [(0, [0]), (100, [0, 1]), (330, [1]), (4000, [12, 13]), (6200, [19])])
def test_sound_moves_the_frames_of_w2v_bert_that_it_lies_in(checkpoint: Make, place: int, expected: list[int]) -> None:
    """Frame t rests on samples 320 t - 240 to 320 t + 320; running normalisation moves the others a little."""
    moved = moved_by_a_click(checkpoint("bert-local"), place)
    assert all(320 * t - 240 <= place < 320 * t + 320 for t in expected)
    assert np.flatnonzero(moved > 0.025).tolist() == expected


def moved_by_a_click(source: str, place: int) -> Floats:
    """How much each frame of 0.4 s of noise changes when a click is added."""
    engine = HuggingFaceEngine(source, lookahead_ms=80, left_ms=160)
    pcm = noise(6400)
    clicked = pcm.copy()
    clicked[place] += 0.5
    moved: Floats = np.abs(np.exp(hear(engine, clicked)) - np.exp(hear(engine, pcm))).sum(axis=1)
    return moved


def test_the_receptive_field_of_wav2vec2_is_25_ms() -> None:
    assert receptive_field([10, 3, 3, 3, 3, 2, 2], [5, 2, 2, 2, 2, 2, 2]) == 400


@pytest.mark.parametrize("kind", FAMILIES)
def test_with_everything_in_view_a_chunk_is_as_in_the_whole(
    checkpoint: Make, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(front_end, "PRIOR_S", 1e-9)
    engine = HuggingFaceEngine(checkpoint(kind), lookahead_ms=800)
    pcm = noise((engine.hop_frames + engine.ahead_frames) * 160)
    [hop] = hops_of(engine, pcm)
    log_probs, _ = engine.step(hop[None], engine.initial_state(1))
    np.testing.assert_allclose(np.exp(log_probs[0]), np.exp(engine.whole(pcm)[:4]), atol=2e-3)


@pytest.mark.parametrize(("kind", "lead"), [("wave", 80), ("bert", 240)])
def test_the_whole_is_what_transformers_makes_of_it(checkpoint: Make, kind: str, lead: int) -> None:
    loaded = load_checkpoint(checkpoint(kind), torch.device("cpu"), "float32")
    pcm = noise(320 * 50)
    inputs = loaded.extractor(np.pad(pcm, (lead, 0)), sampling_rate=16_000, return_tensors="pt")
    with torch.inference_mode():
        posteriors = loaded.model(**inputs).logits.softmax(dim=-1).numpy()
    assert posteriors.shape == (1, 50, len(SCRIPT))
    engine = HuggingFaceEngine(checkpoint(kind))
    expected, _ = engine.units.hear(posteriors, silence(1, len(engine.units.repeated)), 50)
    np.testing.assert_allclose(np.exp(engine.whole(pcm)), np.exp(expected[0]), atol=1e-4)


@pytest.mark.parametrize("kind", FAMILIES)
def test_a_frame_hears_its_look_ahead_and_nothing_after_it(checkpoint: Make, kind: str) -> None:
    engine = HuggingFaceEngine(checkpoint(kind), lookahead_ms=160, left_ms=800)
    pcm, hop = noise(12 * 1280), 1280
    heard = hear(engine, pcm)
    for changed_hop, first_moved in ((6, 4), (9, 7)):
        other = pcm.copy()
        other[changed_hop * hop :] = noise(len(pcm) - changed_hop * hop, seed=9)
        moved = np.abs(hear(engine, other) - heard).max(axis=1)
        np.testing.assert_array_equal(moved[: 4 * first_moved], 0)
        assert moved[4 * first_moved : 4 * first_moved + 4].max() > 1e-3


@pytest.mark.parametrize("kind", FAMILIES)
def test_sessions_of_any_age_share_a_batch(checkpoint: Make, kind: str) -> None:
    engine = HuggingFaceEngine(checkpoint(kind), lookahead_ms=80, left_ms=800)
    hops = [hops_of(engine, noise(24 * 1280, seed)) for seed in range(4)]
    ages = (0, 3, 3, 20)
    states, alone = [], []
    for session, age in enumerate(ages):
        state = engine.initial_state(1)
        for hop in hops[session][:age]:
            _, state = engine.step(hop[None], state)
        states.append(state)
        alone.append(engine.step(hops[session][age][None], state))
    together = tuple(np.concatenate(parts) for parts in zip(*states, strict=True))
    log_probs, after = engine.step(np.stack([hops[n][age] for n, age in enumerate(ages)]), together)
    for session, (expected, state) in enumerate(alone):
        np.testing.assert_allclose(np.exp(log_probs[session]), np.exp(expected[0]), atol=1e-4)
        for part, one in zip(after, state, strict=True):
            np.testing.assert_allclose(part[session], one[0], atol=1e-4)


@pytest.mark.parametrize("kind", ["wave", "group"])
def test_large_batches_are_split(checkpoint: Make, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = HuggingFaceEngine(checkpoint(kind), lookahead_ms=80, left_ms=400)
    hops = np.stack([hops_of(engine, noise(2560, seed))[0] for seed in range(5)])
    at_once, _ = engine.step(hops, engine.initial_state(5))
    sizes = []
    run = engine._run
    monkeypatch.setattr(hugging_face, "AUDIO_AT_ONCE_S", 1.2)
    monkeypatch.setattr(engine, "_run", lambda values, *rest: sizes.append(len(values)) or run(values, *rest))
    split, _ = engine.step(hops, engine.initial_state(5))
    assert sizes == [2, 2, 1]
    np.testing.assert_allclose(np.exp(split), np.exp(at_once), atol=1e-4)


def test_a_long_session_needs_no_more_memory(checkpoint: Make) -> None:
    engine = HuggingFaceEngine(checkpoint("bert"), lookahead_ms=0, left_ms=160)
    state = engine.initial_state(1)
    size = sum(part.nbytes for part in state)
    for hop in hops_of(engine, noise(40 * 1280)):
        log_probs, state = engine.step(hop[None], state)
    assert sum(part.nbytes for part in state) == size
    assert np.isfinite(log_probs).all()


def test_mels_are_the_extractors_own(checkpoint: Make, fatihah: MadeRecitation) -> None:
    extractor = load_checkpoint(checkpoint("bert"), torch.device("cpu"), "float32").extractor
    front = MelFrontEnd(extractor.mel_filters, extractor.window)
    for pcm in (fatihah.pcm[:16_000], np.zeros(3200, np.float32)):
        padded = np.pad(pcm, (front.lead, 0))
        expected = extractor(padded, sampling_rate=16_000, do_normalize_per_mel_bins=False, return_tensors="np")
        np.testing.assert_allclose(front.rows(padded[None]), expected["input_features"], atol=2e-3)


FRONTS: tuple[FrontEnd, ...] = (WaveFrontEnd(400, normalise=True), MelFrontEnd(np.eye(257, 80), np.ones(400)))


@pytest.mark.parametrize("front", FRONTS)
def test_running_statistics_become_those_of_the_whole(front: FrontEnd) -> None:
    rows = np.random.default_rng(0).normal(3, 2, (1, 1200, front.width)).astype(np.float32)
    norm = RunningNorm(front)
    level = norm.initial(1)
    for begin in range(0, 1200, 4):
        level = norm.heard(level, rows[:, begin : begin + 4], np.ones(1, np.float32))
    values = rows.reshape(-1, front.bins)
    # The prior still weighs one second in twenty-five.
    prior_mean, prior_variance = front.prior or (0.0, 1.0)
    mean = (24 * values.mean(axis=0) + prior_mean) / 25
    np.testing.assert_allclose(level.mean[0], mean, rtol=1e-3)
    spread = 24 / 25 * (values.var(axis=0) + np.square(values.mean(axis=0) - mean))
    spread += (prior_variance + np.square(prior_mean - mean)) / 25
    np.testing.assert_allclose(level.variance[0], spread, rtol=1e-3)


def test_old_sound_fades() -> None:
    norm = RunningNorm(FRONTS[0])
    level, counts = norm.initial(1), np.ones(1, np.float32)
    for scale in (1.0, 0.1):
        for seed in range(1500):
            rows = scale * np.random.default_rng(seed).standard_normal((1, 4, 320)).astype(np.float32)
            level = norm.heard(level, rows, counts)
    # Four times 30 s of the quieter sound: what came before has faded to e^-4 at most.
    assert float(level.variance[0, 0]) < 0.01 + np.exp(-3.9)


@pytest.mark.parametrize("kind", ["wave", "bert"])
def test_waiting_in_silence_changes_nothing_but_a_pause_counts(checkpoint: Make, kind: str) -> None:
    engine = HuggingFaceEngine(checkpoint(kind), lookahead_ms=0, left_ms=160)

    def level_after(pcm: Floats) -> Level:
        state = engine.initial_state(1)
        for hop in hops_of(engine, pcm):
            _, state = engine.step(hop[None], state)
        memory = hugging_face.Memory(*state)
        return Level(memory.mean, memory.variance, memory.weight)

    spoken, hush = noise(20 * 1280), 1e-4 * noise(50 * 1280)
    short = level_after(np.concatenate([spoken, hush[: 6 * 1280]]))
    long = level_after(np.concatenate([spoken, hush]))
    for one, other in zip(short, long, strict=True):
        np.testing.assert_array_equal(one, other)
    assert float(short.weight[0]) == float(level_after(spoken).weight[0]) + 24


def test_muaalems_phoneme_head_is_heard(checkpoint: Make) -> None:
    """The layout of its checkpoints; the weights are those of the plain one, so the answers must be too."""
    pcm = noise(8000)
    muaalem, plain = HuggingFaceEngine(checkpoint("muaalem")), HuggingFaceEngine(checkpoint("bert"))
    assert muaalem.units.unheard == []
    np.testing.assert_array_equal(muaalem.whole(pcm), plain.whole(pcm))


@pytest.mark.parametrize("kind", ["wave", "bert"])
def test_a_session_hears_it_through_the_batcher(checkpoint: Make, kind: str, vad: SileroVad) -> None:
    engine = open_engine(f"hf:{checkpoint(kind)}", lookahead_ms=240, device="cpu")
    batcher, intake = Batcher(engine, 2), intake_of(engine)
    lines = {batcher.join(): Session(passage(verses), vad, intake=intake) for verses in ("112", "1:1")}
    sounds = [noise(16_000 * 2 + 500, seed) for seed in (1, 2)]
    heard: dict[int, list[Floats]] = {slot: [] for slot in lines}

    def step(slot: int, hop: Floats) -> Floats:
        [log_probs] = batcher.step([(slot, hop)])
        heard[slot].append(log_probs)
        return log_probs

    for begin in range(0, len(sounds[0]), 320):
        for pcm, (slot, line) in zip(sounds, lines.items(), strict=True):
            line.push(pcm[begin : begin + 320])
            while line.hops_ready:
                update = line.hop_done(step(slot, line.take_hop()))
                # The look-ahead is all that an answer waits for.
                assert begin + 320 - 160 - 5120 <= update.sample <= begin + 320 - 3840
    for pcm, (slot, line) in zip(sounds, lines.items(), strict=True):
        last = line.finish(partial(step, slot))
        assert last.sample == -(-len(pcm) // 1280) * 1280
        expected = hear(engine, levelled(pcm))
        streamed = np.concatenate(heard[slot])[: len(expected)]
        np.testing.assert_allclose(np.exp(streamed), np.exp(expected), atol=1e-4)


def test_free_recognition_names_what_it_hears(checkpoint: Make) -> None:
    phones = recognise(open_engine(f"hf:{checkpoint('wave')}", device="cpu"), noise(16_000))
    assert phones and all(0 < unit < len(UNITS) and start < end <= 17_280 for unit, start, end, _ in phones)


def test_an_adapter_halves_the_rate_but_not_the_grid(checkpoint: Make) -> None:
    heard = HuggingFaceEngine(checkpoint("adapter")).whole(noise(320 * 21))
    assert len(heard) == 21
    assert np.abs(heard[0] - heard[2]).max() > 1e-3


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_hears_nearly_the_same(checkpoint: Make, dtype: str) -> None:
    pcm = noise(320 * 40)
    exact, rounded = (HuggingFaceEngine(checkpoint("bert"), dtype=d).whole(pcm) for d in ("float32", dtype))
    assert difference(rounded, exact, 0).distance < 0.1
    assert np.abs(rounded - exact).max() > 0


@pytest.mark.gpu
@pytest.mark.parametrize("kind", FAMILIES)
def test_a_gpu_hears_nearly_the_same(checkpoint: Make, kind: str) -> None:
    pcm = noise(320 * 40)
    exact, rounded = (HuggingFaceEngine(checkpoint(kind), device=device) for device in ("cpu", "cuda"))
    assert rounded.dtype == "bfloat16"
    assert difference(hear(rounded, pcm), hear(exact, pcm), 240).distance < 0.1


def test_eight_bits_hear_nearly_the_same(checkpoint: Make) -> None:
    pcm = noise(320 * 40)
    exact, rounded = (HuggingFaceEngine(checkpoint("bert"), int8=int8).whole(pcm) for int8 in (False, True))
    assert 0 < difference(rounded, exact, 0).distance < 0.15


def test_a_table_beside_the_checkpoint_is_used(checkpoint: Make, tmp_path: Path) -> None:
    letters = ("_", *"abcdefgh")
    folder = tiny_checkpoints.w2v_bert(tmp_path / "latin", letters)
    with pytest.raises(ModelError, match="a table must say"):
        HuggingFaceEngine(str(folder))
    (folder / "units.json").write_text(json.dumps({"units": {"a": ["َ"], "b": ["ب", "بب"]}}))
    assert len(HuggingFaceEngine(str(folder)).units.unheard) == len(UNITS) - 4


def broken(source: str, folder: Path, change: Callable[[Path], object]) -> str:
    """A copy of a checkpoint with something wrong."""
    shutil.copytree(source, folder)
    change(folder)
    return str(folder)


def set_config(**changes: object) -> Callable[[Path], object]:
    """Change ``config.json``."""

    def change(folder: Path) -> None:
        path = folder / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return change


def drop_tokenizer(folder: Path) -> None:
    for name in ("vocab.json", "tokenizer_config.json", "added_tokens.json"):
        (folder / name).unlink(missing_ok=True)


def drop_head(folder: Path) -> None:
    weights = tiny_checkpoints.load_file(folder / "model.safetensors")
    kept = {name: weight for name, weight in weights.items() if not name.startswith("lm_head")}
    tiny_checkpoints.save_file(kept, folder / "model.safetensors", {"format": "pt"})


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (drop_tokenizer, "no tokenizer"),
        (drop_head, r"no weights for lm_head\.bias, lm_head\.weight"),
        (set_config(architectures=["Wav2Vec2ForPreTraining"]), "no CTC model but Wav2Vec2ForPreTraining"),
        (set_config(model_type="whisper"), "'whisper' model"),
        (set_config(pad_token_id=500), "no blank"),
        (set_config(hidden_size=48), "cannot be loaded"),
        (set_config(conv_stride=[5, 2, 2, 2, 2, 2, 1]), "steps 160 samples a frame"),
        (set_config(add_adapter=True, num_adapter_layers=3, adapter_stride=2), "no weights for"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"\0" * 100), "cannot be loaded"),
        (lambda folder: (folder / "model.safetensors").unlink(), "cannot be loaded"),
        (lambda folder: (folder / "config.json").write_text("{"), "cannot be loaded"),
        (lambda folder: (folder / "processor_config.json").unlink(), "cannot be loaded"),
    ],
)
def test_a_checkpoint_that_cannot_be_used_is_refused(
    checkpoint: Make, tmp_path: Path, change: Callable[[Path], object], complaint: str
) -> None:
    with pytest.raises(ModelError, match=complaint):
        HuggingFaceEngine(broken(checkpoint("wave"), tmp_path / "broken", change))


def test_too_coarse_frames_are_refused(tmp_path: Path) -> None:
    folder = tiny_checkpoints.w2v_bert(tmp_path / "coarse", adapter=True, num_adapter_layers=3)
    with pytest.raises(ModelError, match="every 160 ms"):
        HuggingFaceEngine(str(folder))


def test_a_missing_checkpoint_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no checkpoint at .*/none"):
        HuggingFaceEngine(str(tmp_path / "none"))


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"lookahead_ms": 100}, "look-ahead is a multiple of 80 ms, not 100"),
        ({"left_ms": -80}, "left context is a multiple of 80 ms, not -80"),
        ({"chunk_ms": 0}, "a chunk is at least 80 ms"),
        ({"dtype": "int4"}, "dtype is one of float32, float16, bfloat16, not int4"),
    ],
)
def test_impossible_options_are_refused(checkpoint: Make, options: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        HuggingFaceEngine(checkpoint("wave"), **options)  # type: ignore[arg-type]


def test_a_device_that_is_not_there_is_named(checkpoint: Make) -> None:
    with pytest.raises(ModelError, match="no device abacus"):
        HuggingFaceEngine(checkpoint("wave"), device="abacus")


@pytest.mark.parametrize("samples", [0, 1, 319, 320, 1280, 1281, 5000])
@pytest.mark.parametrize("kind", ["wave", "adapter"])
def test_a_recording_of_any_length_has_a_distribution_each_20_ms(checkpoint: Make, kind: str, samples: int) -> None:
    engine = HuggingFaceEngine(checkpoint(kind), lookahead_ms=80, left_ms=160)
    assert hear(engine, noise(samples)).shape == engine.whole(noise(samples)).shape == (-(-samples // 320), len(UNITS))


def test_look_ahead_brings_chunks_nearer_to_the_whole(checkpoint: Make) -> None:
    pcm = noise(16_000 * 4)
    rows = list(compare(HuggingFaceEngine(checkpoint("wave"), left_ms=800), pcm))
    assert [row.lookahead_ms for row in rows] == list(LOOKAHEADS_MS)
    assert rows[0].distance > rows[2].distance
    assert all(0 < row.frames_changed < 1 and row.frames == 200 and row.real_time_factor > 0 for row in rows)


def test_the_comparison_as_a_command(checkpoint: Make, ikhlas_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--lookahead-ms", "0", "--left-ms", "160", "--chunk-ms", "320", "--device", "cpu"]
    assert main([checkpoint("wave"), str(ikhlas_file), *options]) == 0
    [row] = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert row["lookahead_ms"] == 0 and 0 < row["distance"] < 1
    assert main([str(ikhlas_file.parent / "none"), str(ikhlas_file)]) == 2
    assert "no checkpoint at" in capsys.readouterr().err


def test_the_edit_distance() -> None:
    assert edit_distance([1, 2, 3], [1, 2, 3]) == 0
    assert edit_distance([1, 3], [1, 2, 3]) == edit_distance([1, 2, 2, 3], [1, 2, 3]) == 1
    assert edit_distance([], [1, 2]) == edit_distance([4, 5], [1, 2]) == 2
