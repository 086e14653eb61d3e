"""Training from a folder of recordings to a model that runs, resumed on the way; and the parts it is made of."""

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from recitation.acoustics.encoder import EncoderConfig
from recitation.acoustics.engine import OnnxEngine
from recitation.audio import read_audio
from recitation.features import features_of
from recitation.lexicon import Lexicon
from recitation.made_voice import MadeRecitation
from recitation.phones import BLANK, UNITS
from recitation.pipeline import recognise
from recitation.sound_files import write_audio
from recitation.training import run as training
from recitation.training.augment import LIGHT, SILENCE
from recitation.training.corpus import LEVEL, Clip, Corpus, levelled, prepare, read_index
from recitation.training.data import Batch, Example, Sampler, collate, examples_of, targets_of
from recitation.training.trainer import Trainer, ctc_loss, disagreement

Make = Callable[..., MadeRecitation]


@pytest.fixture(scope="module")
def folder(make: Make, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Recordings as they are given to training: two streams, ayat and isolated words, one ayah for development."""
    path = tmp_path_factory.mktemp("recordings")
    rows: list[dict[str, object]] = []
    gap = np.zeros(1600, np.float32)
    spoken = [("112:1", "train"), ("112:2", "train"), ("112:3", "train"), ("108:2", "train"), ("114:2", "dev")]
    parts, start = [], 0
    for verses, split in spoken:
        pcm = make(verses, harakah_s=0.1).pcm
        surah, ayah = map(int, verses.split(":"))
        rows.append(
            {"file": "man.flac", "start": start, "samples": len(pcm), "voice": "man", "kind": "ayah", "split": split,
             "surah": surah, "ayah": ayah}
        )  # fmt: skip
        parts += [pcm, gap]
        start += len(pcm) + len(gap)
    write_audio(path / "man.flac", np.concatenate(parts))
    parts, start = [], 0
    for word in ("112:1:1", "112:1:4", "108:1:2", "1:2:1"):
        pcm = make(word, harakah_s=0.1).pcm
        surah, ayah, number = map(int, word.split(":"))
        rows.append(
            {"file": "words.flac", "start": start, "samples": len(pcm), "voice": "words", "kind": "word",
             "split": "train", "surah": surah, "ayah": ayah, "word": number}
        )  # fmt: skip
        parts += [pcm, gap]
        start += len(pcm) + len(gap)
    write_audio(path / "words.flac", np.concatenate(parts))
    whole = {"file": "man.flac", "start": 0, "samples": start, "voice": "man", "kind": "surah", "split": "train",
             "surah": 112, "ayah": 0}  # fmt: skip
    (path / "index.jsonl").write_text("\n".join(json.dumps(row) for row in [*rows[1:], whole]))
    (path / "cut-verses.jsonl").write_text(json.dumps(rows[0]) + "\n")
    return path


@pytest.fixture(scope="module")
def corpus(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    out = tmp_path_factory.mktemp("prepared")
    prepare(folder, out)
    return Corpus(out)


@pytest.fixture(scope="module")
def examples(corpus: Corpus, lexicon: Lexicon) -> list[Example]:
    return examples_of(corpus, lexicon, "train")


def test_every_index_is_read_and_whole_surahs_are_left_out(folder: Path) -> None:
    rows = read_index(folder)
    assert len(rows) == 9
    assert {row["kind"] for row in rows} == {"ayah", "word"}


def test_prepared_features_are_those_of_the_levelled_clip(folder: Path, corpus: Corpus) -> None:
    row = next(row for row in read_index(folder) if (row["surah"], row["ayah"], row["kind"]) == (112, 2, "ayah"))
    start, samples = int(row["start"]), int(row["samples"])
    clip = next(c for c in corpus.clips if (c.surah, c.ayah, c.kind) == (112, 2, "ayah"))
    expected = features_of(levelled(read_audio(folder / "man.flac")[start - 800 : start + samples + 800]))
    np.testing.assert_allclose(corpus.features(clip), expected, atol=5e-3)
    assert corpus.features(clip).dtype == np.float32


def test_splits_and_kinds_are_told_apart(corpus: Corpus) -> None:
    assert [(c.surah, c.ayah) for c in corpus.select("dev")] == [(114, 2)]
    assert len(list(corpus.select("train"))) == 8
    assert len(list(corpus.select("train", "word"))) == 4


@pytest.mark.parametrize("gain", [0.01, 1.0, 3.0])
def test_levelling_brings_the_louder_half_to_one_level(gain: float) -> None:
    random = np.random.default_rng(0)
    pcm = np.concatenate([random.standard_normal(16_000) * 0.1, random.standard_normal(16_000) * 1e-4])
    out = levelled((gain * pcm).astype(np.float32))
    assert np.sqrt(np.mean(np.square(out[:16_000]))) == pytest.approx(LEVEL, rel=0.02)


@pytest.mark.parametrize("samples", [0, 100, 1600])
def test_levelling_silence_is_silence(samples: int) -> None:
    assert not levelled(np.zeros(samples, np.float32)).any()


def test_a_word_may_end_two_ways(lexicon: Lexicon) -> None:
    clip = Clip("words", "word", "train", 112, 1, 4, 0, 100)
    readings = {"".join(UNITS[u] for u in units) for units in targets_of(lexicon, clip)}
    assert readings == {"ءَحَدڇ", "ءَحَدُنِ"}
    ayah = Clip("man", "ayah", "train", 112, 2, 0, 0, 100)
    assert ["".join(UNITS[u] for u in units) for units in targets_of(lexicon, ayah)] == ["ءَللَااهُصصَمَدڇ"]


def test_a_clip_too_fast_for_its_text_is_left_out(tmp_path: Path, lexicon: Lexicon) -> None:
    np.zeros((200, 80), np.float16).tofile(tmp_path / "features.f16")
    clips = [Clip("a", "ayah", "train", 112, 2, 0, 0, frames) for frames in (40, 200)]
    fields = ("voice", "kind", "split", "surah", "ayah", "word", "first_frame", "frames")
    (tmp_path / "clips.jsonl").write_text(
        "\n".join(json.dumps({name: getattr(clip, name) for name in fields}) for clip in clips)
    )
    assert [e.clip.frames for e in examples_of(Corpus(tmp_path), lexicon, "train")] == [200]


def test_a_batch_is_padded_to_whole_steps_with_silence() -> None:
    arrays = [np.ones((n, 80), np.float32) for n in (8, 17)]
    batch = collate(arrays, [((1, 2),), ((3,), (4, 5, 6))])
    assert batch.features.shape == (2, 24, 80)
    assert batch.steps.tolist() == [1, 3]
    assert (batch.features[0, 8:] == float(SILENCE)).all()
    assert (batch.rows.tolist(), batch.lengths.tolist()) == ([0, 1, 1], [2, 1, 3])
    assert batch.targets.tolist() == [1, 2, 3, 4, 5, 6]


def one_loss(log_probs: torch.Tensor, units: list[int]) -> float:
    losses = F.ctc_loss(
        log_probs[:, None], torch.tensor([units]), torch.tensor([len(log_probs)]), torch.tensor([len(units)]),
        blank=BLANK, reduction="sum",
    )  # fmt: skip
    return float(losses)


def test_the_loss_takes_the_likelier_reading() -> None:
    log_probs = torch.randn(2, 12, 10, generator=torch.Generator().manual_seed(0)).log_softmax(-1)
    batch = collate([np.zeros((24, 80), np.float32)] * 2, [((1, 2), (3, 4, 5)), ((6,),)])
    first, second = one_loss(log_probs[0], [1, 2]), one_loss(log_probs[0], [3, 4, 5])
    expected = (min(first, second) + one_loss(log_probs[1], [6])) / (3 + 1)
    assert float(ctc_loss(log_probs, batch)) == pytest.approx(expected, rel=1e-4)


def test_twins_heard_alike_do_not_disagree() -> None:
    heard = torch.randn(2, 12, 10, generator=torch.Generator().manual_seed(0))
    alike = heard[[0, 0, 1, 1]].requires_grad_()
    batch = collate([np.zeros((24, 80), np.float32)] * 4, [((1, 2),), ((1, 2),), ((6,),), ((6,),)])
    loss = disagreement(alike.log_softmax(-1), batch)
    loss.backward()
    assert float(loss) == pytest.approx(0, abs=1e-6)
    assert alike.grad is not None and float(alike.grad.abs().max()) < 1e-6


def test_twins_are_drawn_to_what_the_other_heard_in_frames_that_are_there() -> None:
    heard = torch.randn(2, 12, 10, generator=torch.Generator().manual_seed(0)).log_softmax(-1).requires_grad_()
    batch = collate([np.zeros((8, 80), np.float32)] * 2, [((1, 2),), ((1, 2),)])
    loss = disagreement(heard, batch)
    first, second = heard.detach()
    apart = (first.exp() * (first - second) + second.exp() * (second - first))[:4].sum()
    assert float(loss) == pytest.approx(float(apart) / 4, rel=1e-4)
    loss.backward()
    assert heard.grad is not None
    assert float(heard.grad[:, 4:].abs().max()) == 0
    step = heard.detach() - 0.1 * heard.grad
    assert float(disagreement(step.log_softmax(-1), batch)) < float(loss)


def sampler(examples: list[Example], seconds: float, seed: int, *, twins: bool = False) -> Sampler:
    weights = np.full(len(examples), 1 / len(examples))
    return Sampler(examples, weights, seconds, LIGHT, np.random.default_rng(seed), twins=twins, pool=40)


def test_twins_say_the_same_at_the_same_time(examples: list[Example]) -> None:
    batches = iter(sampler(examples, 12.0, 0, twins=True))
    for batch, _ in zip(batches, range(6), strict=False):
        assert batch.twins
        assert len(batch.steps) % 2 == 0
        assert torch.equal(batch.steps[0::2], batch.steps[1::2])
        by_clip: dict[int, list[list[int]]] = {}
        ends = batch.lengths.cumsum(0).tolist()
        for row, end, length in zip(batch.rows.tolist(), ends, batch.lengths.tolist(), strict=True):
            by_clip.setdefault(row, []).append(batch.targets[end - length : end].tolist())
        assert all(by_clip[row] == by_clip[row + 1] for row in range(0, len(batch.steps), 2))
        assert not torch.equal(batch.features[0::2], batch.features[1::2])


def test_batches_hold_about_the_seconds_asked_for(examples: list[Example]) -> None:
    batches = iter(sampler(examples, 12.0, 0))
    some = [batch for batch, _ in zip(batches, range(12), strict=False)]
    seconds = [float(batch.steps.max() * len(batch.steps)) * 0.08 for batch in some]
    # A clip may be given up to 2.3 s of silence around it.
    assert all(s < 12 * 1.1 * 1.1 + 1 + 2.3 * len(b.steps) for s, b in zip(seconds, some, strict=True))
    assert np.mean(seconds) > 4


def test_batches_repeat_from_their_seed(examples: list[Example]) -> None:
    def some(seed: int) -> list[Batch]:
        return [batch for batch, _ in zip(iter(sampler(examples, 10.0, seed)), range(3), strict=False)]

    for a, b in zip(some(5), some(5), strict=True):
        assert torch.equal(a.features, b.features)
        assert torch.equal(a.targets, b.targets)
    assert not all(
        a.features.shape == b.features.shape and torch.equal(a.features, b.features)
        for a, b in zip(some(5), some(6), strict=True)
    )


@pytest.mark.parametrize("words", [1.0, 0.35, 0.17])
def test_isolated_words_have_their_share_of_the_audio(examples: list[Example], words: float) -> None:
    weights = training.voice_weights(examples, words)
    seconds = np.array([e.seconds for e in examples])
    share = sum(w * s for w, s, e in zip(weights, seconds, examples, strict=True) if e.clip.voice == "words")
    assert weights.sum() == pytest.approx(1)
    assert (weights >= 0).all()
    assert share / (weights * seconds).sum() == pytest.approx(words, abs=0.02)


def test_the_curriculum_begins_with_words_and_ends_with_everything() -> None:
    stages = training.curriculum(260)
    assert [stage.until for stage in stages] == sorted(stage.until for stage in stages)
    assert stages[0].words == 1
    assert stages[-1].until == float("inf")
    assert stages[-1].words < 0.5


def test_development_voices_by_kind() -> None:
    assert [training.group_of(v) for v in ("alafasy", "crowd03", "crowd27", "crowd28")] == [
        "alafasy", "learners", "learners", "phones",
    ]  # fmt: skip


def arguments(folder: Path, out: Path, hours: float) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    training.add_arguments(parser)
    line = [str(folder), "--out", str(out), "--hours", str(hours), "--batch-seconds", "8", "--peak", "4e-2"]
    return parser.parse_args([*line, "--check-minutes", "100"])


def log_of(out: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]


def test_a_tiny_run_learns_resumes_and_ships(
    folder: Path, tmp_path: Path, small_config: EncoderConfig, monkeypatch: pytest.MonkeyPatch, make: Make
) -> None:
    """The whole way, with a small encoder: features, training, a break, more training, export, recognition."""
    monkeypatch.setattr(training, "EncoderConfig", lambda **_: small_config)
    assert training.run(arguments(folder, tmp_path, 0.05)) == 0
    first = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    prepared = (tmp_path / "features" / folder.name / "features.f16").stat().st_mtime_ns
    rows = log_of(tmp_path)
    assert first["hours"] >= 0.05

    assert training.run(arguments(folder, tmp_path, 0.12)) == 0
    second = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    resumed = log_of(tmp_path)
    assert resumed[: len(rows)] == rows
    assert resumed[len(rows)]["step"] > rows[-1]["step"]
    assert second["step"] > first["step"]
    assert 0.12 <= second["hours"] < 0.13
    assert (tmp_path / "features" / folder.name / "features.f16").stat().st_mtime_ns == prepared
    # Continued, not begun again: the loss goes on falling from where it was.
    assert resumed[-1]["loss"] < rows[-1]["loss"] < 0.8 * rows[0]["loss"]
    assert set(resumed[-1]["per"]) == {"man"}

    engine = OnnxEngine(tmp_path / "ear.onnx")
    for unit, start, end, p in recognise(engine, make("112:1", harakah_s=0.1).pcm):
        assert unit != BLANK
        assert start < end
        assert 0 < p <= 1


def test_a_finished_run_has_nothing_left_to_do(
    folder: Path, tmp_path: Path, small_config: EncoderConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "EncoderConfig", lambda **_: small_config)
    for _ in range(2):
        training.run(arguments(folder, tmp_path, 0.005))
    rows = log_of(tmp_path)
    state = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    training.run(arguments(folder, tmp_path, 0.005))
    assert log_of(tmp_path) == rows
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["step"] == state["step"]


def test_a_checkpoint_holds_everything(
    examples: list[Example], tmp_path: Path, small_config: EncoderConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "EncoderConfig", lambda **_: small_config)
    batch = collate([e.corpus.features(e.clip) for e in examples[:3]], [e.targets for e in examples[:3]])
    one = Trainer(tmp_path, 1.0, 1e-3, 0, "cpu", small_config)
    for _ in range(3):
        one.learn(batch)
    one.save()
    other = Trainer(tmp_path, 1.0, 1e-3, 99, "cpu", small_config)
    other.resume(tmp_path / "checkpoint.pt")
    assert (other.step, other.hours, other.learning_rate()) == (one.step, one.hours, one.learning_rate())
    for ours, theirs in ((one.model, other.model), (one.average, other.average)):
        assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True))
    # The optimiser too: both take the same next step.
    losses = []
    for trainer in (one, other):
        torch.manual_seed(7)
        trainer.random = np.random.default_rng(7)
        losses.append([trainer.learn(batch) for _ in range(2)])
    assert losses[0] == losses[1]


def test_new_training_may_start_from_old_weights(
    tmp_path: Path, small_config: EncoderConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "EncoderConfig", lambda **_: small_config)
    one = Trainer(tmp_path, 1.0, 1e-3, 0, "cpu", small_config)
    one.step = 50
    one.save()
    other = Trainer(tmp_path, 1.0, 1e-3, 1, "cpu", small_config)
    other.start_from(tmp_path / "checkpoint.pt")
    assert (other.step, other.hours) == (0, 0.0)
    assert all(torch.equal(a, b) for a, b in zip(one.average.parameters(), other.model.parameters(), strict=True))


def test_the_learning_rate_warms_up_and_cools_down(
    tmp_path: Path, small_config: EncoderConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "EncoderConfig", lambda **_: small_config)
    trainer = Trainer(tmp_path, 10.0, 1e-3, 0, "cpu", small_config)
    rates = []
    for trainer.step, trainer.hours in ((0, 0.0), (199, 0.0), (5000, 5.0), (9000, 10.0), (9999, 20.0)):
        rates.append(trainer.learning_rate())
    assert rates == pytest.approx([5e-6, 1e-3, 0.51e-3, 2e-5, 2e-5], rel=1e-3)
