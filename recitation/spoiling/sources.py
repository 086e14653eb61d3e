"""What is recited, and by whom, drawn by a seed: from a folder of recordings, and for made voices to recite."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from recitation.accuracy.clips import MARGIN_SAMPLES, Utterance, development
from recitation.audio import SAMPLE_HZ, Pcm, stream_audio
from recitation.made_voice import VOICES
from recitation.mushaf import parse_reference

BETWEEN_AYAT_S, ROOM_DBFS = 0.8, -70.0
"""Pause put between ayat that were recorded apart, and its noise: digital silence is no room."""
LONGEST_S = 45.0
"""Ayat recorded apart are joined up to so much: a voice's tempo is known after some seconds only."""
TRAINED = "trained"
"""The group of reciters whom the ear was trained on, of whom there is enough for slips of every kind."""
TRAINED_S = 900
"""From the first so many seconds of a stream, which is decoded from its beginning."""
PASSAGES = (
    "1:1-7", "36:1-8", "50:1-5", "67:1-3", "78:1-16", "79:1-14", "80:1-16", "85:1-9", "86:1-10", "87:1-10", "88:1-12",
    "90:1-11", "92:1-11", "93:1-11", "96:1-10", "100:1-11", "101:1-11", "104:1-9", "111:1-5", "113:1-5",
)  # fmt: skip
"""Half a minute each, together with every rule that a made voice can be heard to keep."""
HARAKAH_S = (0.11, 0.22)
"""Tempi of made voices, seconds a harakah."""


def trained(folder: Path) -> list[Utterance]:
    """Ayat of the training split, the first of each reciter's first stream.  Raises OSError without an index."""
    rows = [json.loads(line) for line in (folder / "index.jsonl").read_text().splitlines()]
    rows = [row for row in rows if row["split"] == "train" and row["kind"] == "ayah"]
    first = {
        voice: min(row["file"] for row in rows if row["voice"] == voice) for voice in {row["voice"] for row in rows}
    }
    return [
        Utterance(
            folder / row["file"], (f"{row['surah']}:{row['ayah']}",), TRAINED, row["voice"], row["start"],
            row["samples"],
        )
        for row in rows
        if row["file"] == first[row["voice"]] and row["start"] + row["samples"] < TRAINED_S * SAMPLE_HZ
    ]  # fmt: skip


def recordings(folder: Path, clips: int, seed: int, *, with_trained: bool = False) -> Iterator[tuple[Utterance, Pcm]]:
    """So many stretches of each group of the recordings, drawn at random.  Raises OSError, AudioError."""
    utterances = development(folder) + (trained(folder) if with_trained else [])
    found = stretches(utterances)
    random = np.random.default_rng(seed)
    chosen: list[list[Utterance]] = []
    for group in sorted({stretch[0].group for stretch in found}):
        own = [stretch for stretch in found if stretch[0].group == group]
        chosen += [own[n] for n in random.permutation(len(own))[:clips]]
    yield from joined(chosen)


def stretches(utterances: Iterable[Utterance], longest_s: float = LONGEST_S) -> list[list[Utterance]]:
    """Ayat of one voice in their order, as long together as ``longest_s``; what is alone stays by itself."""
    found: list[list[Utterance]] = []
    for utterance in sorted(utterances, key=lambda one: (one.group, one.voice, _first_ayah(one))):
        same = bool(found) and (found[-1][-1].group, found[-1][-1].voice) == (utterance.group, utterance.voice)
        if same and sum(map(_seconds, [*found[-1], utterance])) <= longest_s:
            found[-1].append(utterance)
        else:
            found.append([utterance])
    return found


def joined(chosen: Sequence[Sequence[Utterance]]) -> Iterator[tuple[Utterance, Pcm]]:
    """Stretches as one utterance each, with a little room between the ayat.  Raises AudioError."""
    sounds = _sounds(utterance for stretch in chosen for utterance in stretch)
    noise = np.random.default_rng(0).standard_normal(round(BETWEEN_AYAT_S * SAMPLE_HZ))
    room = (10 ** (ROOM_DBFS / 20) * noise).astype(np.float32)
    for stretch in chosen:
        verses = tuple(verse for utterance in stretch for verse in utterance.verses)
        parts = [part for utterance in stretch for part in (room, sounds[utterance])]
        yield replace(stretch[0], verses=verses), np.concatenate(parts[1:])


def _sounds(utterances: Iterable[Utterance]) -> dict[Utterance, Pcm]:
    """The audio of each, float32[n] at 16 kHz; streams are decoded no farther than the last of them."""
    by_file: dict[Path, list[Utterance]] = {}
    for utterance in utterances:
        by_file.setdefault(utterance.file, []).append(utterance)
    sounds: dict[Utterance, Pcm] = {}
    for file, own in by_file.items():
        ends = {one: None if one.samples is None else one.start + one.samples + MARGIN_SAMPLES for one in own}
        pcm = _read_until(file, None if None in ends.values() else max(end or 0 for end in ends.values()))
        sounds |= {one: pcm[max(0, one.start - MARGIN_SAMPLES) : ends[one]] for one in own}
    return sounds


def _read_until(file: Path, end: int | None) -> Pcm:
    parts: list[Pcm] = []
    decoded = 0
    for part in stream_audio(file):
        parts.append(part)
        decoded += len(part)
        if end is not None and decoded >= end:
            break
    return np.concatenate(parts)


def _first_ayah(utterance: Utterance) -> tuple[int, int]:
    reference = parse_reference(utterance.verses[0])
    return reference.surah, reference.first


def _seconds(utterance: Utterance) -> float:
    """How long it lasts; a whole file is taken to be long enough."""
    return LONGEST_S if utterance.samples is None else utterance.samples / SAMPLE_HZ


def recitals(count: int, seed: int) -> Iterator[tuple[str, str, float]]:
    """(verses, voice, seconds a harakah) for made voices to recite."""
    random = np.random.default_rng(seed)
    for n in range(count):
        passage = PASSAGES[n % len(PASSAGES)]
        yield passage, str(random.choice(list(VOICES))), round(float(random.uniform(*HARAKAH_S)), 3)
