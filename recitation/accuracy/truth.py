"""Recitation whose times are known because it was made: what alignment and model say against what was said when."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from recitation.accuracy.clips import ManifestError
from recitation.evaluate import alignment, emissions
from recitation.events import WordReport
from recitation.features import SAMPLE_RATE
from recitation.phones import INDEX
from recitation.tracker import FRAME_SAMPLES

Floats = NDArray[np.float32]


class Spoken(msgspec.Struct, frozen=True):
    """A phone or a word as it was spoken; seconds of the audio file."""

    at: str
    start: float
    end: float
    unit: str = ""


class Times(msgspec.Struct, frozen=True):
    """What ``talaqqi make-recitation --times`` writes, as far as it is used here."""

    words: tuple[Spoken, ...]
    phones: tuple[Spoken, ...]


@dataclass(frozen=True, slots=True)
class AgainstTruth:
    """Milliseconds of one clip."""

    onset: tuple[float, ...]
    """Best path's first emission of a unit, less the acoustic begin of its phone."""
    boundary: tuple[float, ...]
    """Word boundaries of the offline alignment, how far off."""


def read_times(path: Path) -> Times:
    """Times of a made recitation.  Raises OSError, ManifestError."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Times)
    except msgspec.DecodeError as error:
        raise ManifestError(f"{path} holds no times of a made recitation: {error}") from error


def against_truth(times: Times, log_probs: Floats, aligned: Sequence[WordReport]) -> AgainstTruth:
    """Hold float32[T, units] log-probabilities and an alignment against when things were spoken."""
    units, frames = emissions(log_probs)
    spoken = [INDEX[phone.unit] for phone in times.phones]
    onset = []
    for place, found in alignment(spoken, units):
        if place is not None and found is not None and spoken[place] == units[found]:
            onset.append(1000 * (frames[found] * FRAME_SAMPLES / SAMPLE_RATE - times.phones[place].start))
    return AgainstTruth(tuple(onset), tuple(_misses(times, aligned)))


def _misses(times: Times, aligned: Sequence[WordReport]) -> Iterator[float]:
    spans = {word.at: (word.start, word.end) for word in times.words}
    for word in aligned:
        if word.start is None or word.end is None or word.at not in spans:
            continue
        for found, spoken in zip((word.start, word.end), spans[word.at], strict=True):
            yield 1000 * abs(found / SAMPLE_RATE - spoken)
