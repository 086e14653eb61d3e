"""A folder of labelled recordings as one memory-mapped array of log-mel features.

The folder holds ``index.jsonl``: one clip a line with ``file``, ``start`` and ``samples`` (16 kHz samples of the
decoded stream), ``voice``, ``kind`` (``ayah``, ``word`` or ``surah``), ``split`` (``train`` or ``dev``), ``surah``,
``ayah`` and, for words, ``word``.  Other ``*-verses.jsonl`` files beside it are read too.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from recitation.audio import read_audio
from recitation.features import MELS, features_of

LEVEL = 10 ** (-23 / 20)
"""RMS to which each clip is brought, as the live level normaliser does."""

PADDING_FRAMES = 10
"""Silence kept on both sides of a clip: the recordings leave 100 ms between clips."""


@dataclass(frozen=True, slots=True)
class Clip:
    """One labelled recording and where its features lie."""

    voice: str
    kind: str
    split: str
    surah: int
    ayah: int
    word: int
    """One-based word of an isolated word clip, otherwise 0."""
    first_frame: int
    frames: int
    units: list[int] | None = None
    """What was said, where that is known better than from the text (made voices)."""


Row = dict[str, int | str]


def read_index(folder: Path) -> list[Row]:
    """Lines of ``index.jsonl`` and of every ``*-verses.jsonl``, surah clips left out (they are cut elsewhere)."""
    rows: list[Row] = []
    for path in (folder / "index.jsonl", *sorted(folder.glob("*-verses.jsonl"))):
        rows += [json.loads(line) for line in path.read_text().splitlines()]
    return [row for row in rows if row["kind"] != "surah"]


def levelled(pcm: NDArray[np.float32]) -> NDArray[np.float32]:
    """The clip scaled so that its louder half has the RMS of LEVEL."""
    blocks = pcm[: len(pcm) // 160 * 160].reshape(-1, 160)
    energies = np.sort(np.square(blocks).mean(axis=1))
    rms = float(np.sqrt(energies[len(energies) // 2 :].mean())) if len(energies) else 0.0
    return pcm * np.float32(LEVEL / max(rms, 1e-4))


def _stream_features(path: Path, rows: list[Row]) -> list[NDArray[np.float16]]:
    pcm = read_audio(path)
    out = []
    for row in rows:
        start, samples = int(row["start"]), int(row["samples"])
        pad = PADDING_FRAMES * 160 // 2
        clip = pcm[max(0, start - pad) : start + samples + pad]
        out.append(features_of(levelled(clip)).astype(np.float16))
    return out


def prepare(folder: Path, out: Path, keep: Callable[[Row], bool] = lambda row: True) -> None:
    """Compute the features of every clip of ``folder`` that ``keep`` accepts into ``out``."""
    out.mkdir(parents=True, exist_ok=True)
    by_file: dict[str, list[Row]] = defaultdict(list)
    for row in read_index(folder):
        if keep(row):
            by_file[str(row["file"])].append(row)
    first = 0
    with (
        ProcessPoolExecutor() as pool,
        (out / "features.f16").open("wb") as features,
        (out / "clips.jsonl").open("w") as clips,
    ):
        jobs = pool.map(_stream_features, [folder / name for name in by_file], by_file.values())
        for rows, arrays in tqdm(zip(by_file.values(), jobs, strict=True), total=len(by_file), unit="stream"):
            for row, array in zip(rows, arrays, strict=True):
                features.write(array.tobytes())
                clip = Clip(
                    str(row["voice"]), str(row["kind"]), str(row["split"]),
                    int(row["surah"]), int(row["ayah"]), int(row.get("word", 0)), first, len(array),
                )  # fmt: skip
                clips.write(json.dumps(asdict(clip)) + "\n")
                first += len(array)


class Corpus:
    """Prepared features, memory-mapped."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clips = [Clip(**json.loads(line)) for line in (folder / "clips.jsonl").read_text().splitlines()]
        self._features = np.memmap(folder / "features.f16", np.float16, "r").reshape(-1, MELS)

    def features(self, clip: Clip) -> NDArray[np.float32]:
        """Log-mel of a clip, float32[frames, 80]."""
        return self.frames(clip.first_frame, clip.frames)

    def frames(self, first: int, count: int) -> NDArray[np.float32]:
        """Log-mel frames by their place in the folder, float32[count, 80]."""
        return self._features[first : first + count].astype(np.float32)

    def select(self, split: str, kind: str | None = None) -> Iterator[Clip]:
        """Clips of a split, optionally of one kind."""
        return (c for c in self.clips if c.split == split and kind in (None, c.kind))
