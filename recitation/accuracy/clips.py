"""Labelled recordings: manifests, the development split of a recordings folder, and their audio."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recitation.audio import Pcm, read_audio
from recitation.lexicon import default_lexicon
from recitation.mushaf import parse_reference
from recitation.pipeline import Passage

MARGIN_SAMPLES = 800
"""Taken along on both sides of a clip cut from a stream: 50 ms."""
FIRST_PHONE_CLIP = 28
"""Crowd voices from this number on are ordinary people on their phones, those before are learners."""


class ManifestError(ValueError):
    """A manifest cannot be used; the message is one line saying where and why."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """A recording of whole ayat, one after another."""

    file: Path
    verses: tuple[str, ...]
    group: str
    voice: str
    start: int = 0
    samples: int | None = None
    """A stretch of the decoded file, for folders that keep many clips in one stream."""
    times: Path | None = None
    """When each phone is spoken, for made recitations (``talaqqi make-recitation --times``)."""

    def passage(self) -> Passage:
        """The text, by address.  Raises AddressError."""
        places = [parse_reference(verse) for verse in self.verses]
        words = tuple(word for place in places for word in default_lexicon().words(place))
        return Passage(places[0], words)


def read_manifest(path: Path) -> list[Utterance]:
    """Lines ``{"file", "verses", "group", "voice", "start", "samples", "times"}``, all but two optional; paths are
    relative to the manifest.

    Raises OSError, ManifestError.
    """
    found = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not line.strip():
            continue
        try:
            found.append(_utterance(path.parent, json.loads(line)))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            wanted = '{"file": "…", "verses": ["1:1"], "group": "…", "voice": "…"}'
            raise ManifestError(f"{path}, line {number}: {wanted} is wanted ({error!r})") from error
    if not found:
        raise ManifestError(f"{path} names no recording")
    return found


def _utterance(folder: Path, row: dict[str, Any]) -> Utterance:
    verses, samples = row["verses"], row.get("samples")
    if not isinstance(verses, list) or not verses:
        raise ValueError("no verses")
    return Utterance(
        folder / row["file"], tuple(map(str, verses)), str(row.get("group", "all")), str(row.get("voice", "")),
        int(row.get("start", 0)), None if samples is None else int(samples),
        folder / row["times"] if "times" in row else None,
    )  # fmt: skip


def development(folder: Path) -> list[Utterance]:
    """The dev split of a recordings folder: an unseen reciter, learners, and ordinary people's phones.

    Raises OSError when there is no index.
    """
    rows = [json.loads(line) for line in (folder / "index.jsonl").read_text().splitlines()]
    return [
        Utterance(
            folder / row["file"], (f"{row['surah']}:{row['ayah']}",), _group(row["voice"]), row["voice"],
            row["start"], row["samples"],
        )
        for row in rows
        if row["split"] == "dev"
    ]  # fmt: skip


def _group(voice: str) -> str:
    if not voice.startswith("crowd"):
        return "reciter"
    return "learners" if int(voice.removeprefix("crowd")) < FIRST_PHONE_CLIP else "phones"


def shipped_samples(folder: Path) -> list[Utterance]:
    """The made recitations that ship with the page, ``static/samples``.  Raises OSError."""
    rows = json.loads((folder / "index.json").read_text())
    found = []
    for row in rows:
        file = folder / Path(row["url"]).name
        times = file.with_suffix(".times.json")
        found.append(Utterance(file, (row["verses"],), "made", row["voice"], times=times))
    return found


def at_most(utterances: Iterable[Utterance], limit: int) -> list[Utterance]:
    """The first ``limit`` of each group."""
    seen: Counter[str] = Counter()
    kept = []
    for utterance in utterances:
        seen[utterance.group] += 1
        if seen[utterance.group] <= limit:
            kept.append(utterance)
    return kept


def load_clips(utterances: Iterable[Utterance]) -> Iterator[tuple[Utterance, Pcm]]:
    """Each utterance with its audio, float32[n] at 16 kHz; a stream that holds many is decoded once.

    Raises AudioError.
    """
    current: tuple[Path, Pcm] | None = None
    for utterance in sorted(utterances, key=lambda u: (str(u.file), u.start)):
        if current is None or current[0] != utterance.file:
            current = (utterance.file, read_audio(utterance.file))
        end = None if utterance.samples is None else utterance.start + utterance.samples + MARGIN_SAMPLES
        yield utterance, current[1][max(0, utterance.start - MARGIN_SAMPLES) : end]
