"""Words cut out of aligned ayat, and spliced: what is heard is what the units say."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from recitation.acoustics.engine import OnnxEngine
from recitation.evaluate import edit_distance, greedy, whole
from recitation.features import features_of
from recitation.lexicon import default_lexicon
from recitation.made_voice import MadeRecitation
from recitation.training.augment import LIGHT
from recitation.training.corpus import Clip, Corpus, levelled
from recitation.training.data import Sampler, examples_of
from recitation.training.pieces import FADE_FRAMES, Splicer, find_pieces, joined, pieces_of

Make = Callable[..., MadeRecitation]
AYAT = ((112, 1), (112, 2), (112, 3), (114, 2))


@pytest.fixture(scope="module")
def recited_ayat(make: Make) -> list[MadeRecitation]:
    return [make(f"{surah}:{ayah}", voice="man4", harakah_s=0.14) for surah, ayah in AYAT]


@pytest.fixture(scope="module")
def folder(recited_ayat: list[MadeRecitation], tmp_path_factory: pytest.TempPathFactory, engine: OnnxEngine) -> Path:
    """Prepared features of some ayat by a made voice, with their pieces."""
    path = tmp_path_factory.mktemp("prepared")
    arrays = [features_of(levelled(made.pcm)).astype(np.float16) for made in recited_ayat]
    np.concatenate(arrays).tofile(path / "features.f16")
    first, lines = 0, []
    for (surah, ayah), array in zip(AYAT, arrays, strict=True):
        row = {"voice": "man", "kind": "ayah", "split": "train", "surah": surah, "ayah": ayah, "word": 0}
        lines.append(str(row | {"first_frame": first, "frames": len(array)}).replace("'", '"'))
        first += len(array)
    (path / "clips.jsonl").write_text("\n".join(lines))
    assert find_pieces(path, engine, 0.3) >= 6
    return path


def test_pieces_lie_where_the_words_are(recited_ayat: list[MadeRecitation], engine: OnnxEngine) -> None:
    found = 0
    for (surah, ayah), made in zip(AYAT, recited_ayat, strict=True):
        array = features_of(levelled(made.pcm))
        clip = Clip("man", "ayah", "train", surah, ayah, 0, 0, len(array))
        spans: dict[str, list[int]] = {}
        for phone in made.phones:
            spans.setdefault(phone.at, [phone.start, phone.end])[1] = phone.end
        units = {at: tuple(p.unit for p in made.phones if p.at == at) for at in spans}
        for piece in pieces_of(clip, whole(engine, array), 0.3):
            at = min(spans, key=lambda at: abs(spans[at][0] - 160 * piece.first_frame))
            assert edit_distance(piece.units, units[at]) <= 1
            assert abs(160 * piece.first_frame - spans[at][0]) < 0.3 * 16_000
            assert abs(160 * (piece.first_frame + piece.frames) - spans[at][1]) < 0.3 * 16_000
            found += 1
    assert found >= 6


def test_noise_has_no_pieces(engine: OnnxEngine) -> None:
    noise = features_of(np.random.default_rng(0).normal(0, 0.05, 16_000 * 5).astype(np.float32))
    clip = Clip("man", "ayah", "train", 112, 1, 0, 0, len(noise))
    assert list(pieces_of(clip, whole(engine, noise), 0.6)) == []


def test_a_splice_says_its_units(folder: Path, engine: OnnxEngine) -> None:
    splicer = Splicer([Corpus(folder)])
    assert splicer.has("man") and not splicer.has("nobody")
    errors = total = 0
    for seed in range(6):
        sound, units = splicer.splice("man", 300, np.random.default_rng(seed))
        again, same = splicer.splice("man", 300, np.random.default_rng(seed))
        assert units == same and np.array_equal(sound, again)
        assert len(sound) >= 300 and sound.dtype == np.float32
        assert all(a != b for a, b in pairwise(units))
        errors += edit_distance(greedy(whole(engine, sound)), units)
        total += len(units)
    assert errors < 0.6 * total


def test_one_piece_fades_into_the_next() -> None:
    a, b = np.zeros((10, 80), np.float32), np.ones((8, 80), np.float32)
    both = joined(a, b)
    assert len(both) == 18 - FADE_FRAMES
    assert (np.diff(both[:, 0]) >= 0).all() and both[0, 0] == 0 and both[-1, 0] == 1
    assert joined(a, b[:1]).shape == (10, 80)


def test_batches_hold_splices(folder: Path) -> None:
    corpus = Corpus(folder)
    examples = examples_of(corpus, default_lexicon(), "train")
    texts = {e.targets[0] for e in examples}
    weights = np.full(len(examples), 1 / len(examples))
    spliced = 0
    sampler = Sampler(examples, weights, 30.0, LIGHT, np.random.default_rng(2), splicer=Splicer([corpus]), pool=12)
    for _, batch in zip(range(8), sampler, strict=False):
        for row, units in zip(batch.rows, batch.targets.split(batch.lengths.tolist()), strict=True):
            assert row < len(batch.steps)
            spliced += len(units) > 0 and tuple(units.tolist()) not in texts
    assert spliced > 0
