"""Batches for training: clips with their unit sequences, drawn by voice, packed by length, augmented."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recitation.features import FRAMES_PER_HOP, MELS
from recitation.lexicon import Lexicon, recited
from recitation.mushaf import Reference
from recitation.training.augment import SILENCE, Strength, disguise, nothing, stretch
from recitation.training.corpus import Clip, Corpus
from recitation.training.pieces import Splicer

Floats = NDArray[np.float32]

NOTHING_SHARE = 0.03
"""Share of clips in which nobody recites: silence, noise or music, to which the answer is no phone at all."""
SPLICE_SHARE = 0.25
"""Share of ayat whose words are replaced by others of the same voice in any order."""

SPLICED_FRAMES = 1200
"""Log-mel frames after which no word is added to a splice."""

Targets = tuple[tuple[int, ...], ...]
"""Unit sequences a clip may follow; the likelier one counts (a word may end joined or stopped)."""


@dataclass(frozen=True, slots=True)
class Example:
    """One clip with its text."""

    corpus: Corpus
    clip: Clip
    targets: Targets

    @property
    def seconds(self) -> float:
        return self.clip.frames / 100


@dataclass(frozen=True, slots=True)
class Batch:
    """Padded features float32[B, 8T, 80], valid steps int64[B], and for each target its row and its units."""

    features: Tensor
    steps: Tensor
    rows: Tensor
    """int64[N]: the clip each target belongs to (a clip with two readings has two targets)."""
    targets: Tensor
    """int64[sum of lengths], concatenated."""
    lengths: Tensor
    """int64[N]."""
    twins: bool = False
    """Whether clips 2i and 2i + 1 are the same recitation in two disguises, step for step."""


def targets_of(lexicon: Lexicon, clip: Clip) -> Targets:
    """Unit sequences of what a clip says."""
    if clip.units is not None:
        return (tuple(clip.units),)
    if clip.kind == "word":
        word = lexicon.word(clip.surah, clip.ayah, clip.word)
        forms = {word.alone, word.started}
        return tuple(sorted({tuple(p.unit for p in form) for form in forms}))
    words = lexicon.words(Reference(clip.surah, clip.ayah, clip.ayah))
    return (tuple(p.unit for _, form in recited(words) for p in form),)


def examples_of(corpus: Corpus, lexicon: Lexicon, split: str) -> list[Example]:
    """Every clip of a split with what it says, clips too fast for that left out."""
    found = (Example(corpus, clip, targets_of(lexicon, clip)) for clip in corpus.select(split))
    return [e for e in found if e.clip.frames >= 4 * min(map(len, e.targets))]


def collate(arrays: Sequence[Floats], targets: Sequence[Targets]) -> Batch:
    """Pad feature arrays to whole steps and stack them."""
    steps = [-(-len(a) // FRAMES_PER_HOP) for a in arrays]
    features = np.full((len(arrays), max(steps) * FRAMES_PER_HOP, MELS), SILENCE, np.float32)
    for row, array in enumerate(arrays):
        features[row, : len(array)] = array
    rows = [row for row, readings in enumerate(targets) for _ in readings]
    flat = [units for readings in targets for units in readings]
    return Batch(
        torch.from_numpy(features),
        torch.tensor(steps),
        torch.tensor(rows),
        torch.tensor([unit for units in flat for unit in units]),
        torch.tensor([len(units) for units in flat]),
    )


def surrounded(array: Floats, random: np.random.Generator) -> Floats:
    """The clip with silence of its own room before and after it: mostly little, sometimes more than a second."""
    before = int(random.integers(0, 150 if random.random() < 0.3 else FRAMES_PER_HOP))
    after = int(random.integers(0, 80 if random.random() < 0.3 else 2))
    room = np.percentile(array, 5, axis=0).astype(np.float32)

    def silence(frames: int) -> Floats:
        return np.maximum(room + random.normal(0, 0.12, (frames, MELS)), SILENCE).astype(np.float32)

    return np.concatenate([silence(before), array, silence(after)])


@dataclass(slots=True)
class Sampler:
    """Endless random batches of about ``seconds`` of audio from a weighted pool of examples."""

    examples: list[Example]
    weights: NDArray[np.float64]
    seconds: float
    strength: Strength
    random: np.random.Generator
    longest_s: float = 16.0
    splicer: Splicer | None = None
    twins: bool = False
    """Whether each clip is heard in two disguises at once (see ``Batch.twins``)."""
    pool: int = 400
    _ready: list[list[Example]] = field(default_factory=list)

    def __iter__(self) -> Iterator[Batch]:
        while True:
            if not self._ready:
                self._refill()
            yield self._load(self._ready.pop())

    def _refill(self) -> None:
        """Draw a pool, sort it by length and cut it into batches, so that little is padding."""
        allowed = self.weights * np.array([e.seconds <= self.longest_s for e in self.examples])
        chosen = self.random.choice(len(self.examples), self.pool, p=allowed / allowed.sum())
        drawn = sorted((self.examples[i] for i in chosen), key=lambda e: e.seconds)
        batch: list[Example] = []
        for example in drawn:
            if batch and (len(batch) + 1) * example.seconds * self._copies > self.seconds:
                self._ready.append(batch)
                batch = []
            batch.append(example)
        if batch:
            self._ready.append(batch)
        self.random.shuffle(self._ready)

    @property
    def _copies(self) -> int:
        return 2 if self.twins else 1

    def _load(self, examples: list[Example]) -> Batch:
        arrays: list[Floats] = []
        targets: list[Targets] = []
        for example in examples:
            array, readings = self._heard(example)
            array = stretch(array, self.random.uniform(*self.strength.tempo))
            for _ in range(self._copies):
                arrays.append(disguise(array, self.random, self.strength))
                targets.append(readings)
        return replace(collate(arrays, targets), twins=self.twins)

    def _heard(self, example: Example) -> tuple[Floats, Targets]:
        """A clip with silence about it, or now and then sound in which nobody recites."""
        if self.random.random() < NOTHING_SHARE:
            return nothing(min(example.clip.frames, 600), self.random), ((),)
        array, readings = self._said(example)
        return surrounded(array, self.random), readings

    def _said(self, example: Example) -> tuple[Floats, Targets]:
        """The clip of an example, or one as long spliced from words of the same voice."""
        clip = example.clip
        splicer = self.splicer
        if splicer and clip.kind == "ayah" and splicer.has(clip.voice) and self.random.random() < SPLICE_SHARE:
            array, units = splicer.splice(clip.voice, min(clip.frames, SPLICED_FRAMES), self.random)
            return array, (units,)
        return example.corpus.features(clip), example.targets
