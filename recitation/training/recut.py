"""Cut whole surahs into ayat with the model's own forced alignment, and keep what aligns well.

``python -m recitation.training.recut RECORDINGS OUT [--model ear.onnx]`` reads the ``surah`` clips of a recordings
folder and writes ``OUT/index.jsonl`` with one ``ayah`` clip a line, ready for ``talaqqi train RECORDINGS OUT``.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from recitation.acoustics.engine import DEFAULT_MODEL, OnnxEngine
from recitation.audio import read_audio
from recitation.evaluate import whole
from recitation.features import features_of
from recitation.graph import Graph
from recitation.phones import is_held, is_madd
from recitation.pipeline import Passage, passage
from recitation.tracker import FRAME_SAMPLES, Segment, Tracker
from recitation.training.corpus import levelled

Floats = NDArray[np.float32]

MARGIN_SAMPLES = 1600
SHORTEST_SAMPLES = 8_000
SHORT_FRAMES, LONG_FRAMES = 20, 60
"""How long the last phone of an ayah may last: 0.4 s, and 1.2 s for what can be held."""


@dataclass(frozen=True, slots=True)
class Cut:
    """An ayah found in a surah."""

    ayah: int
    start: int
    """Samples from the start of the clip."""
    end: int
    fit: float
    """Mean over the phones of the highest posterior in the phone's span, 0 to 1."""


def align(graph: Graph, log_probs: Floats) -> list[Segment]:
    """Phones of a passage located with the whole recording at hand, float32[T, units]."""
    tracker = Tracker(graph, lag_frames=len(log_probs) + 1, straight=True)
    tracker.push(log_probs, np.ones(len(log_probs), np.bool_))
    return tracker.finish()


def cut(place: Passage, log_probs: Floats) -> Iterator[Cut]:
    """The ayat of a surah in its recording; one with a phone left out is not found."""
    segments: dict[int, list[Segment]] = {}
    for segment in align(place.graph, log_probs):
        word = place.graph.nodes[segment.node].word
        if word >= 0:
            segments.setdefault(place.words[word].ayah, []).append(segment)
    for ayah, found in segments.items():
        units = [place.graph.nodes[s.node].phone.unit for s in found]
        peaks = [
            0.0 if s.skipped else float(np.exp(log_probs[s.start : max(s.end, s.start + 1), unit].max()))
            for s, unit in zip(found, units, strict=True)
        ]
        # The last phone of an ayah lasts until the next ayah here: keep what it may need and leave the pause.
        last = found[-1]
        longest = LONG_FRAMES if is_madd(units[-1]) or is_held(units[-1]) else SHORT_FRAMES
        end = min(last.end, last.start + longest) * FRAME_SAMPLES
        yield Cut(ayah, found[0].start * FRAME_SAMPLES, end, float(np.mean(peaks)))


def _cut_stream(folder: Path, model: Path, rows: list[dict[str, int | str]], least: float) -> list[dict[str, object]]:
    engine = OnnxEngine(model)
    pcm = read_audio(folder / str(rows[0]["file"]))
    kept: list[dict[str, object]] = []
    for row in rows:
        start, samples = int(row["start"]), int(row["samples"])
        clip = levelled(pcm[start : start + samples])
        log_probs = whole(engine, features_of(clip))
        for found in cut(passage(str(row["surah"])), log_probs):
            begin = max(0, found.start - MARGIN_SAMPLES)
            length = min(samples, found.end + MARGIN_SAMPLES) - begin
            if found.fit < least or length < SHORTEST_SAMPLES:
                continue
            kept.append(
                {
                    "file": str((folder / str(row["file"])).resolve()),
                    "start": start + begin,
                    "samples": length,
                    "voice": row["voice"],
                    "kind": "ayah",
                    "split": row["split"],
                    "surah": row["surah"],
                    "ayah": found.ayah,
                    "fit": round(found.fit, 3),
                }
            )
    return kept


def main(arguments: list[str]) -> None:
    """Write the index of cut ayat."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recordings", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--model", type=Path, default=DEFAULT_MODEL)
    parser.add_argument("--least", type=float, default=0.5, help="lowest mean posterior of an ayah (default 0.5)")
    parser.add_argument("--processes", type=int, default=1)
    options = parser.parse_args(arguments)
    streams: dict[str, list[dict[str, int | str]]] = {}
    for line in (options.recordings / "index.jsonl").read_text().splitlines():
        row = json.loads(line)
        if row["kind"] == "surah" and row["split"] == "train":
            streams.setdefault(row["file"], []).append(row)
    options.out.mkdir(parents=True, exist_ok=True)
    seconds = found = 0.0
    with ProcessPoolExecutor(options.processes) as pool, (options.out / "index.jsonl").open("w") as index:
        jobs = [
            pool.submit(_cut_stream, options.recordings, options.model, rows, options.least)
            for rows in streams.values()
        ]
        for rows, job in zip(streams.values(), tqdm(jobs, unit="stream"), strict=True):
            for row in job.result():
                index.write(json.dumps(row) + "\n")
                found += int(str(row["samples"])) / 16_000
            seconds += sum(int(row["samples"]) for row in rows) / 16_000
    print(f"kept {found / 3600:.2f} h of {seconds / 3600:.2f} h", file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1:])
