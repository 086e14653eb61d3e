"""Cutting whole surahs, and the made part of the training mix."""

import json
from pathlib import Path

import numpy as np
import pytest

from recitation.acoustics.engine import OnnxEngine
from recitation.evaluate import whole
from recitation.features import features_of
from recitation.lexicon import default_lexicon, recited
from recitation.made_voice import EspeakError, MadeRecitation, make_recitation
from recitation.mushaf import parse_reference
from recitation.phones import UNITS
from recitation.pipeline import passage
from recitation.sound_files import write_audio
from recitation.training import recut
from recitation.training.corpus import Corpus, levelled
from recitation.training.data import examples_of
from recitation.training.made import make_corpus


@pytest.fixture(scope="module")
def surah() -> MadeRecitation:
    words = recited(default_lexicon().words(parse_reference("112")))
    try:
        return make_recitation(words, "man4", 0.16, random=5)
    except EspeakError as error:
        pytest.skip(str(error))


def test_a_surah_is_cut_where_its_ayat_are(surah: MadeRecitation) -> None:
    log_probs = whole(OnnxEngine(), features_of(levelled(surah.pcm)))
    cuts = {found.ayah: found for found in recut.cut(passage("112"), log_probs)}
    assert set(cuts) == {1, 2, 3, 4}
    for ayah, found in cuts.items():
        phones = [p for p in surah.phones if p.at.startswith(f"112:{ayah}:")]
        assert abs(found.start - phones[0].start) < 0.3 * 16_000
        # A cut keeps up to 0.4 s after the phone is first heard, which is when it is nearly over.
        assert -0.1 * 16_000 < found.end - phones[-1].end < 0.5 * 16_000
        assert 0 < found.fit <= 1


def test_the_index_of_cuts_is_ready_for_training(surah: MadeRecitation, tmp_path: Path) -> None:
    folder = tmp_path / "recordings"
    folder.mkdir()
    write_audio(folder / "man.flac", surah.pcm)
    row = {"file": "man.flac", "start": 0, "samples": len(surah.pcm), "voice": "man", "kind": "surah"}
    lines = [row | {"split": split, "surah": 112, "ayah": 0} for split in ("train", "dev")]
    (folder / "index.jsonl").write_text("\n".join(map(json.dumps, lines)))
    recut.main([str(folder), str(tmp_path / "cut"), "--least", "0.0"])
    rows = [json.loads(line) for line in (tmp_path / "cut" / "index.jsonl").read_text().splitlines()]
    assert [r["ayah"] for r in rows] == [1, 2, 3, 4]
    assert {(r["kind"], r["split"], r["voice"]) for r in rows} == {("ayah", "train", "man")}
    assert all(0 <= r["start"] < r["start"] + r["samples"] <= len(surah.pcm) for r in rows)


def test_noise_is_not_taken_for_a_surah() -> None:
    noise = np.random.default_rng(0).normal(0, 0.05, 16_000 * 10).astype(np.float32)
    log_probs = whole(OnnxEngine(), features_of(noise))
    assert all(found.fit < 0.5 for found in recut.cut(passage("112"), log_probs))


def test_the_made_corpus_says_what_was_said(surah: MadeRecitation, tmp_path: Path) -> None:
    make_corpus(tmp_path / "one", 0.01, seed=3)
    make_corpus(tmp_path / "two", 0.01, seed=3)
    corpus = Corpus(tmp_path / "one")
    assert (tmp_path / "one" / "features.f16").read_bytes() == (tmp_path / "two" / "features.f16").read_bytes()
    examples = examples_of(corpus, default_lexicon(), "train")
    assert len(examples) >= 3
    assert sum(e.seconds for e in examples) > 30
    for example in examples:
        assert len(example.targets) == 1
        assert all(0 < unit < len(UNITS) for unit in example.targets[0])
        assert corpus.features(example.clip).shape == (example.clip.frames, 80)
