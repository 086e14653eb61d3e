"""Manifests say what is recited where."""

import json
from pathlib import Path

import numpy as np
import pytest

from recitation.accuracy.clips import (
    ManifestError,
    Utterance,
    at_most,
    development,
    load_clips,
    read_manifest,
    shipped_samples,
)
from recitation.accuracy.truth import read_times
from recitation.audio import AudioError, read_audio
from recitation.mushaf import AddressError

SAMPLES = Path(__file__).parents[2] / "static" / "samples"


def test_a_manifest_names_files_beside_it(tmp_path: Path) -> None:
    rows = [
        {"file": "a.opus", "verses": ["1:1", "1:2"], "group": "crowd", "voice": "x"},
        {"file": "sub/b.opus", "verses": ["112"], "start": 1600, "samples": 32_000, "times": "b.json"},
    ]
    manifest = tmp_path / "manifest.jsonl"
    manifest.write_text("\n".join(map(json.dumps, rows)) + "\n\n")
    first, second = read_manifest(manifest)
    assert first == Utterance(tmp_path / "a.opus", ("1:1", "1:2"), "crowd", "x")
    assert (second.file, second.group, second.start, second.samples) == (tmp_path / "sub/b.opus", "all", 1600, 32_000)
    assert second.times == tmp_path / "b.json"
    assert [word.at for word in first.passage().words][3:6] == ["1:1:4", "1:2:1", "1:2:2"]


@pytest.mark.parametrize("line", ["{", '{"file": "a.opus"}', '{"file": "a.opus", "verses": "1:1"}', "[1]", '"a"'])
def test_a_bad_line_in_a_manifest_is_named(tmp_path: Path, line: str) -> None:
    manifest = tmp_path / "manifest.jsonl"
    manifest.write_text('{"file": "a.opus", "verses": ["1:1"]}\n' + line)
    with pytest.raises(ManifestError, match=r"line 2: .* is wanted"):
        read_manifest(manifest)


def test_an_empty_manifest(tmp_path: Path) -> None:
    (tmp_path / "m.jsonl").write_text("\n")
    with pytest.raises(ManifestError, match="names no recording"):
        read_manifest(tmp_path / "m.jsonl")


def test_a_bad_address_in_a_manifest() -> None:
    with pytest.raises(AddressError, match="no surah 115"):
        Utterance(Path("a.opus"), ("115",), "all", "").passage()


def test_a_missing_file_in_a_manifest(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=r"gone\.opus"):
        list(load_clips([Utterance(tmp_path / "gone.opus", ("112",), "all", "")]))


def test_clips_are_cut_from_their_stream(ikhlas_file: Path) -> None:
    pcm = read_audio(ikhlas_file)
    later = Utterance(ikhlas_file, ("112:2",), "all", "", start=16_000, samples=8_000)
    first = Utterance(ikhlas_file, ("112:1",), "all", "", start=0, samples=8_000)
    clips = list(load_clips([later, first]))
    assert [utterance for utterance, _ in clips] == [first, later]
    np.testing.assert_array_equal(clips[0][1], pcm[:8_800])
    np.testing.assert_array_equal(clips[1][1], pcm[15_200:24_800])


def test_the_development_split_of_a_folder(tmp_path: Path) -> None:
    rows = [
        {"file": "a.opus", "start": 0, "samples": 10, "voice": voice, "split": split, "surah": 2, "ayah": 5}
        for voice, split in (("v", "dev"), ("crowd27", "dev"), ("crowd28", "dev"), ("v", "train"))
    ]
    (tmp_path / "index.jsonl").write_text("\n".join(map(json.dumps, rows)))
    found = development(tmp_path)
    assert [(u.voice, u.group) for u in found] == [("v", "reciter"), ("crowd27", "learners"), ("crowd28", "phones")]
    assert found[0].verses == ("2:5",)
    assert at_most(found + found, 1) == found


def test_the_shipped_samples_know_their_times() -> None:
    samples = shipped_samples(SAMPLES)
    assert samples
    for sample in samples:
        assert sample.file.exists() and sample.times is not None
        times = read_times(sample.times)
        assert [word.at for word in times.words] == [word.at for word in sample.passage().words]
        assert all(phone.unit and phone.start < phone.end for phone in times.phones)


def test_times_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "t.json").write_text('{"words": []}')
    with pytest.raises(ManifestError, match="no times of a made recitation"):
        read_times(tmp_path / "t.json")
