"""``talaqqi locate``: which place of the Quran a recording begins with."""

import argparse
import json
import math
from pathlib import Path
from typing import Any

from recitation.acoustics.engine import Engine, OnnxEngine
from recitation.acoustics.intake import hear
from recitation.audio import Pcm, levelled, read_audio
from recitation.features import SAMPLE_RATE
from recitation.locator import ISTIADHA_S, LISTENED_S, Candidate, beginning, default_locator
from recitation.mushaf import SURAH_NAMES

SILENCE_S = 20.0
"""Recitation that does not begin within this is not waited for."""
SHOWN = 10


def listened(text: str) -> float:
    """Seconds to listen to, from an argument.  Raises ArgumentTypeError."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0.5 <= seconds <= 30:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds from 0.5 to 30")
    return seconds


def locate(engine: Engine, pcm: Pcm, seconds: float = LISTENED_S, count: int = SHOWN) -> list[Candidate]:
    """Where the recitation in float32[n] at 16 kHz may begin, likeliest first; empty when nobody recites."""
    needed = round((SILENCE_S + ISTIADHA_S + seconds) * SAMPLE_RATE)
    heard = hear(engine, levelled(pcm[:needed]))
    return default_locator().locate(beginning(heard, seconds), count)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``talaqqi locate``."""
    parser.add_argument("file", type=Path, help="a recording in any format FFmpeg reads")
    parser.add_argument("--json", action="store_true", help="print one JSON object on standard output")
    parser.add_argument(
        "--seconds", type=listened, default=LISTENED_S, metavar="S", help="how much recitation to listen to (4)"
    )


def as_json(file: str, candidates: list[Candidate]) -> dict[str, Any]:
    """The object ``talaqqi locate --json`` prints."""
    return {"file": file, "candidates": [{"at": place.at, "p": round(place.p, 4)} for place in candidates]}


def run(arguments: argparse.Namespace) -> int:
    """Print the places.  Raises AudioError, ModelError."""
    candidates = locate(OnnxEngine(), read_audio(arguments.file), arguments.seconds)
    if arguments.json:
        print(json.dumps(as_json(str(arguments.file), candidates)))
        return 0
    for place in candidates:
        surah = SURAH_NAMES[int(place.at.partition(":")[0]) - 1][1]
        print(f"{place.p:6.1%}  {place.at:9}  {surah}")
    if not candidates:
        print("no recitation heard")
    return 0
