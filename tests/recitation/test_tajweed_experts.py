"""A reciter to whom nothing was fitted is hardly ever accused."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
from ruled import listen

from recitation.acoustics.engine import OnnxEngine
from recitation.audio import Pcm, stream_audio
from recitation.tajweed.rules import Family
from recitation.tajweed.validators.nasal import NasalValidator
from recitation.tajweed.validators.qalqalah import QalqalahValidator
from recitation.tajweed.validators.stop import StopValidator
from recitation.tajweed.validators.weight import WeightValidator
from recitation.tajweed.verdict import Severity
from recitation.vad import SileroVad

CLIPS = 10


def first_clips(recordings: Path) -> list[tuple[str, Pcm]]:
    """Address and sound of some ayat of the development reciter."""
    rows = map(json.loads, (recordings / "index.jsonl").read_text().splitlines())
    rows = [row for row in rows if row["voice"] == "alafasy"][:CLIPS]
    needed = max(row["start"] + row["samples"] for row in rows)
    parts: list[Pcm] = []
    for part in stream_audio(recordings / rows[0]["file"]):
        parts.append(part)
        if sum(map(len, parts)) >= needed:
            break
    pcm = np.concatenate(parts)
    return [(f"{row['surah']}:{row['ayah']}", pcm[row["start"] : row["start"] + row["samples"]]) for row in rows]


def test_an_unseen_reciter_is_hardly_accused(recordings: Path, engine: OnnxEngine, vad: SileroVad) -> None:
    """Of some fifty places one may be an error; the weight of letters is mostly not known in so short a session."""
    told: Counter[tuple[Family, Severity]] = Counter()
    for verses, pcm in first_clips(recordings):
        heard = listen(pcm, verses, engine, vad)
        of_sound = (QalqalahValidator(heard.audio), WeightValidator(heard.audio), StopValidator(heard.audio))
        for validator in (*of_sound, NasalValidator()):
            told.update((verdict.rule.family, verdict.severity) for verdict in heard.judged(validator))
    severities = Counter({severity: sum(n for (_, one), n in told.items() if one is severity) for severity in Severity})
    assert told.total() > 40
    assert severities[Severity.ERROR] <= 1 and severities[Severity.ADVICE] <= 3
    for family in (Family.NASAL, Family.QALQALAH, Family.STOP):
        judged = {severity: n for (one, severity), n in told.items() if one is family}
        assert judged[Severity.FINE] > 0.8 * sum(judged.values())
