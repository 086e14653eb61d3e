"""Words cut out of aligned ayat and spliced anew: audio that follows no text a model could know by heart.

``python -m recitation.training.pieces FEATURES… [--model ear.onnx]`` aligns the ayat of prepared features (see
recitation.training.corpus) and writes ``pieces.jsonl`` beside them; ``talaqqi train`` splices what it finds there.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from recitation.acoustics.engine import DEFAULT_MODEL, OnnxEngine
from recitation.evaluate import whole
from recitation.pipeline import Passage, passage
from recitation.tracker import Segment
from recitation.training.corpus import Clip, Corpus
from recitation.training.recut import align

Floats = NDArray[np.float32]

EARLIER_FRAMES = 4
"""Log-mel frames by which a cut lies before the first emission of a word's first phone: CTC hears a phone late."""
TAIL_FRAMES = 20
"""Log-mel frames kept after the last emission where a pause follows."""
SLOWEST_FRAMES = 60
"""Log-mel frames a phone may take on average: longer ones hold a pause or are misplaced."""
FADE_FRAMES = 3
"""Log-mel frames over which one piece becomes the next."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One word in prepared features, with the units it is recited with there."""

    voice: str
    first_frame: int
    frames: int
    units: tuple[int, ...]


def words_in(place: Passage, segments: Sequence[Segment], log_probs: Floats, least: float) -> Iterator[list[Segment]]:
    """Segments of each word, of the words that were wholly heard with at least ``least`` mean peak probability."""
    graph = place.graph
    words: dict[int, list[Segment]] = {}
    for segment in segments:
        words.setdefault(graph.nodes[segment.node].word, []).append(segment)
    for word, found in words.items():
        if word < 0 or any(s.skipped for s in found):
            continue
        peaks = [log_probs[s.start : s.end, graph.nodes[s.node].phone.unit].max() for s in found]
        if np.exp(peaks).mean() >= least:
            yield found


def pieces_of(clip: Clip, log_probs: Floats, least: float) -> Iterator[Piece]:
    """The words of an ayah's clip, given its log-probabilities float32[frames / 2, units]."""
    place = passage(f"{clip.surah}:{clip.ayah}")
    segments = align(place.graph, log_probs)
    following = {segment.node: after for segment, after in pairwise(segments)}
    for found in words_in(place, segments, log_probs, least):
        units = tuple(place.graph.nodes[s.node].phone.unit for s in found)
        begin = max(0, 2 * found[0].start - EARLIER_FRAMES)
        end = min(clip.frames, 2 * found[-1].end + TAIL_FRAMES)
        after = following.get(found[-1].node)
        if after is not None:
            end = min(end, 2 * after.start - EARLIER_FRAMES)
        if 3 * len(units) <= end - begin <= SLOWEST_FRAMES * len(units):
            yield Piece(clip.voice, clip.first_frame + begin, end - begin, units)


def find_pieces(folder: Path, engine: OnnxEngine, least: float) -> int:
    """Write ``pieces.jsonl`` into a folder of prepared features; the number of pieces."""
    corpus = Corpus(folder)
    count = 0
    with (folder / "pieces.jsonl").open("w") as out:
        for clip in tqdm(list(corpus.select("train", "ayah")), unit="clip", disable=None):
            for piece in pieces_of(clip, whole(engine, corpus.features(clip)), least):
                out.write(json.dumps(asdict(piece)) + "\n")
                count += 1
    return count


class Splicer:
    """Recitation that nobody recited: words of one voice in any order."""

    def __init__(self, corpora: Sequence[Corpus]) -> None:
        self._voices: dict[str, list[tuple[Corpus, Piece]]] = {}
        for corpus in corpora:
            path = corpus.folder / "pieces.jsonl"
            for line in path.read_text().splitlines() if path.exists() else ():
                row = json.loads(line)
                piece = Piece(row["voice"], row["first_frame"], row["frames"], tuple(row["units"]))
                self._voices.setdefault(piece.voice, []).append((corpus, piece))

    def has(self, voice: str) -> bool:
        """There are pieces enough of a voice."""
        return len(self._voices.get(voice, ())) >= 2

    def splice(self, voice: str, frames: int, random: np.random.Generator) -> tuple[Floats, tuple[int, ...]]:
        """Words of a voice, at least ``frames`` log-mel frames in all: features float32[n, 80] and their units."""
        pieces = self._voices[voice]
        sound: Floats | None = None
        units: tuple[int, ...] = ()
        while sound is None or len(sound) < frames:
            corpus, piece = pieces[int(random.integers(len(pieces)))]
            # The same unit twice would be heard as one, held.
            if units and units[-1] == piece.units[0]:
                continue
            following = corpus.frames(piece.first_frame, piece.frames)
            sound = following if sound is None else joined(sound, following)
            units += piece.units
        return sound, units


def joined(a: Floats, b: Floats) -> Floats:
    """Two stretches of log-mels one after the other, one fading into the next over FADE_FRAMES."""
    fade = min(FADE_FRAMES, len(a), len(b))
    share = ((np.arange(fade, dtype=np.float32) + 1) / (fade + 1))[:, None]
    between = a[len(a) - fade :] * (1 - share) + b[:fade] * share
    return np.concatenate([a[: len(a) - fade], between, b[fade:]])


def main(arguments: Sequence[str]) -> None:
    """Write the pieces of the folders named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("features", type=Path, nargs="+", help="folders of prepared features")
    parser.add_argument("--model", type=Path, default=DEFAULT_MODEL)
    parser.add_argument("--least", type=float, default=0.6, help="lowest mean peak probability of a word (default 0.6)")
    options = parser.parse_args(arguments)
    engine = OnnxEngine(options.model)
    for folder in options.features:
        print(f"{folder}: {find_pieces(folder, engine, options.least)} pieces", file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1:])
