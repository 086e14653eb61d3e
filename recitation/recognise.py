"""``talaqqi recognise``: the phones heard in recordings, without knowing the text."""

import argparse
import json
import sys
from pathlib import Path

from tqdm import tqdm

from recitation.acoustics.engine import LOOKAHEADS_MS
from recitation.acoustics.engines import add_engine_arguments, engine_of
from recitation.audio import AudioError, read_audio
from recitation.features import SAMPLE_RATE
from recitation.phones import UNITS, to_script
from recitation.pipeline import recognise


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``talaqqi recognise``."""
    parser.add_argument("files", type=Path, nargs="+", help="recordings in any format FFmpeg reads")
    parser.add_argument("--json", action="store_true", help="print one JSON object a file on standard output")
    parser.add_argument("--lookahead-ms", type=int, default=80, choices=LOOKAHEADS_MS, help="default 80")
    parser.add_argument(
        "--by-ear", action="store_true", help="each moment by itself, without regard to which phones follow which"
    )
    add_engine_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print what was heard, a line a file; a file that cannot be read is named on standard error and exits 2.

    Raises ModelError.
    """
    engine = engine_of(arguments, arguments.lookahead_ms)
    status = 0
    for path in tqdm(arguments.files, unit="file", disable=True if len(arguments.files) == 1 else None):
        try:
            pcm = read_audio(path)
        except AudioError as error:
            print(error, file=sys.stderr)
            status = 2
            continue
        phones = recognise(engine, pcm, by_ear=arguments.by_ear)
        script = to_script([unit for unit, *_ in phones])
        if not arguments.json:
            print(f"{path}\t{script}")
            continue
        row = {
            "file": str(path),
            "seconds": round(len(pcm) / SAMPLE_RATE, 3),
            "engine": engine.name,
            "lookahead_ms": engine.lookahead_ms,
            "script": script,
            "phones": [
                {
                    "unit": UNITS[unit],
                    "start": round(start / SAMPLE_RATE, 3),
                    "end": round(end / SAMPLE_RATE, 3),
                    "p": round(p, 4),
                }
                for unit, start, end, p in phones
            ],
        }
        print(json.dumps(row, ensure_ascii=False), flush=True)
    return status
