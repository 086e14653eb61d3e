"""What a big model loses by hearing chunk by chunk, against hearing a whole recording at once.

``python -m recitation.acoustics.compare CHECKPOINT FILE`` hears a file both ways and prints a line for each look-ahead.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from recitation.acoustics.checkpoint import DTYPES
from recitation.acoustics.engine import ModelError
from recitation.acoustics.hugging_face import HOP_MS, HuggingFaceEngine
from recitation.acoustics.intake import hear
from recitation.acoustics.repeats import Floats
from recitation.audio import SAMPLE_HZ, AudioError, LevelNormaliser, read_audio
from recitation.evaluate import edit_distance, greedy

LOOKAHEADS_MS = (0, 80, 240, 480)


@dataclass(frozen=True, slots=True)
class Difference:
    """What hearing chunk by chunk changes."""

    lookahead_ms: int
    frames: int
    distance: float
    """Mean total variation distance between the two distributions of a frame, 0 to 1."""
    frames_changed: float
    """Share of frames whose likeliest unit is another one."""
    units: int
    """Units on the likeliest path of the whole recording."""
    unit_errors: float
    """Edit distance between the likeliest paths, over ``units``."""
    real_time_factor: float = 0.0
    """Time that hearing chunk by chunk took, over the length of the recording; below 1 it keeps up with one reciter."""


def compare(
    engine: HuggingFaceEngine, pcm: Floats, lookaheads_ms: Sequence[int] = LOOKAHEADS_MS
) -> Iterator[Difference]:
    """Hear float32[n] at 16 kHz whole and, for each look-ahead, chunk by chunk."""
    levelled = LevelNormaliser()
    audio = np.concatenate([levelled.push(pcm), levelled.flush()])
    whole = engine.whole(audio)
    for lookahead_ms in lookaheads_ms:
        begun = time.perf_counter()
        streamed = hear(engine.with_lookahead(lookahead_ms), audio)
        spent_s = time.perf_counter() - begun
        factor = round(spent_s * SAMPLE_HZ / len(audio), 3)
        yield replace(difference(streamed, whole, lookahead_ms), real_time_factor=factor)


def difference(streamed: Floats, whole: Floats, lookahead_ms: int) -> Difference:
    """Between log-probabilities of the same frames, float32[T, units] each, T at least 1."""
    distance = np.abs(np.exp(streamed) - np.exp(whole)).sum(axis=1).mean() / 2
    changed = (streamed.argmax(axis=1) != whole.argmax(axis=1)).mean()
    units = greedy(whole)
    errors = edit_distance(greedy(streamed), units) / max(len(units), 1)
    return Difference(
        lookahead_ms, len(whole), round(float(distance), 4), round(float(changed), 4), len(units), round(errors, 4)
    )


def main(arguments: list[str] | None = None) -> int:
    """The command; 2 for a checkpoint or a file that cannot be used."""
    parser = argparse.ArgumentParser(prog="python -m recitation.acoustics.compare", description=__doc__)
    parser.add_argument("checkpoint", help="a folder, or a name on Hugging Face's hub")
    parser.add_argument("file", type=Path, help="a recording in any format FFmpeg reads")
    parser.add_argument("--lookahead-ms", type=int, nargs="+", default=LOOKAHEADS_MS)
    parser.add_argument("--left-ms", type=int, default=4000)
    parser.add_argument("--chunk-ms", type=int, default=HOP_MS)
    parser.add_argument("--device", help="default: the GPU where there is one")
    parser.add_argument("--dtype", choices=DTYPES, help="default: float32 on the CPU, bfloat16 on a GPU")
    parser.add_argument("--int8", action="store_true", help="quantise the linear layers (needs torchao)")
    parser.add_argument("--table", type=Path, help="what the tokens stand for, as JSON")
    given = parser.parse_args(arguments)
    try:
        engine = HuggingFaceEngine(
            given.checkpoint, left_ms=given.left_ms, chunk_ms=given.chunk_ms, device=given.device, dtype=given.dtype,
            int8=given.int8, table=given.table,
        )  # fmt: skip
        pcm = read_audio(given.file)
        for row in compare(engine, pcm, given.lookahead_ms):
            print(json.dumps(asdict(row)), flush=True)
    except (ModelError, AudioError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
