"""Ablation: mixes that differ in one part, runs that are not made twice, and a table whose sums are right."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from recitation.acoustics.encoder import EncoderConfig
from recitation.training.ablate import MIXES, WHOLE, Cost, Run, main, read_runs, table
from recitation.training.trainer import Trainer


@pytest.mark.parametrize("name", [name for name in MIXES if name.startswith("no-")])
def test_a_mix_leaves_out_one_part(name: str) -> None:
    def parts(mix: str) -> dict[str, object]:
        return asdict(MIXES[mix].strength) | {"splices": MIXES[mix].splices, "made": MIXES[mix].made}

    whole, left = parts(WHOLE), parts(name)
    assert len([part for part in whole if whole[part] != left[part]]) == 1


def run(mix: str, errors: tuple[int, ...], seed: int = 1) -> Run:
    costs = tuple(Cost("phones", f"crowd{30 + n}", e, 10, 2.0 * e) for n, e in enumerate(errors))
    return Run(mix, seed, 5.0, 9e-4, "checkpoint.pt", costs)


def test_the_table_compares_clip_by_clip() -> None:
    # One error more in every clip: the rates differ from clip to clip, the difference does not.
    head, whole, less = table([run(WHOLE, (1, 5, 3)), run("no-dry", (2, 6, 4))])
    assert head == ["mix", "runs", "phones", "phones, against all", "phones, nats"]
    assert whole[:2] == [WHOLE, "1"]
    assert whole[2].startswith("30.0 % (") and whole[3:] == ["", "0.600"]
    assert less[2].startswith("40.0 % (")
    assert less[3:] == ["+10.0 (+10.0 to +10.0)", "+0.200 (+0.200 to +0.200)"]


def test_runs_of_other_seeds_are_averaged() -> None:
    _, whole = table([run(WHOLE, (1, 5, 3)), run(WHOLE, (3, 7, 5), seed=2)])
    assert whole[1] == "2"
    assert whole[2].startswith("40.0 % (")


@pytest.fixture
def features(tmp_path: Path) -> Path:
    """A prepared folder of noise, with clips of every kind."""
    folder = tmp_path / "noise"
    folder.mkdir()
    kinds = [("man", "ayah", "train", 0), ("words", "word", "train", 1), ("it", "made", "train", 0)]
    kinds += [("alafasy", "ayah", "dev", 0), ("crowd00", "ayah", "dev", 0), ("crowd01", "ayah", "dev", 0)]
    rows = [
        {"voice": voice, "kind": kind, "split": split, "surah": 112, "ayah": 2, "word": word,
         "first_frame": 120 * n, "frames": 120, "units": [1, 2, 3] if kind == "made" else None}
        for n, (voice, kind, split, word) in enumerate(kinds)
    ]  # fmt: skip
    np.random.default_rng(0).normal(0, 1, (120 * len(rows), 80)).astype(np.float16).tofile(folder / "features.f16")
    (folder / "clips.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return folder


def test_mixes_are_trained_once(
    features: Path, tmp_path: Path, small_config: EncoderConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    Trainer(tmp_path, 1.0, 1e-3, 0, "cpu", small_config).save()
    line = [str(features), "--out", str(tmp_path / "out"), "--start", str(tmp_path / "checkpoint.pt")]
    line += ["--hours", "0.01", "--batch-seconds", "6", "--dev-clips", "1", "--peak", "1e-2", "--mixes"]
    main([*line, WHOLE, "no-made"])
    first = read_runs(tmp_path / "out" / "ablate.jsonl")
    assert [r.mix for r in first] == [WHOLE, "no-made"]
    assert [(c.group, c.voice, c.units) for c in first[0].costs] == [
        ("alafasy", "alafasy", 13), ("learners", "crowd00", 13),
    ]  # fmt: skip
    assert first[0].costs != first[1].costs
    main([*line, WHOLE, "no-made", "no-dry"])
    assert read_runs(tmp_path / "out" / "ablate.jsonl")[:2] == first
    shown = capsys.readouterr()
    assert shown.err.splitlines() == ["all, seed 1", "no-made, seed 1", "no-dry, seed 1"]
    assert [text.split(" | ")[0] for text in shown.out.splitlines()[-4:]] == ["| mix", "| all", "| no-made", "| no-dry"]
