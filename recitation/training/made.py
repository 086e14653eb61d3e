"""Recitation from the made voice as training features: any text, mistakes included, what was said known exactly.

``python -m recitation.training.made OUT --hours 3`` writes a prepared corpus (see recitation.training.corpus).  Half
of it is runs of ayat with mistakes in them; half is words drawn from anywhere, so that what comes next cannot be
known from the text.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from recitation.features import features_of
from recitation.lexicon import Form, Lexicon, Word, default_lexicon
from recitation.made_voice import VOICES, MadeRecitation, Manner, make_recitation
from recitation.mushaf import AYAT_TOTAL, ayah_address
from recitation.training.corpus import Clip, levelled

LONGEST_WORDS = 9


def some_words(lexicon: Lexicon, random: np.random.Generator, scattered: bool) -> list[tuple[Word, Form]]:
    """Two to nine words with their forms: a run of one ayah, or words from anywhere as if they were one."""
    count = int(random.integers(2, LONGEST_WORDS + 1))
    chosen: list[Word] = []
    if scattered:
        for number in range(1, count + 1):
            surah, ayah = ayah_address(int(random.integers(0, AYAT_TOTAL)))
            word = lexicon.word(surah, ayah, int(random.integers(1, lexicon.word_count(surah, ayah) + 1)))
            chosen.append(replace(word, surah=1, ayah=1, number=number))
    else:
        surah, ayah = ayah_address(int(random.integers(0, AYAT_TOTAL)))
        total = lexicon.word_count(surah, ayah)
        first = int(random.integers(1, max(2, total - count + 2)))
        chosen = [lexicon.word(surah, ayah, n) for n in range(first, min(total, first + count - 1) + 1)]
    last = len(chosen) - 1
    return [(word, word.form(started=n == 0, stopped=n == last)) for n, word in enumerate(chosen)]


def made_clip(lexicon: Lexicon, random: np.random.Generator) -> MadeRecitation:
    """One clip in a random voice, tempo and pitch, with up to two mistakes."""
    words = some_words(lexicon, random, scattered=bool(random.random() < 0.5))
    voice = str(random.choice(list(VOICES)))
    manner = Manner(
        pitch_hz=VOICES[voice].pitch_hz * 2 ** random.uniform(-0.25, 0.25),
        range_semitones=random.uniform(0.8, 3.0),
        variation=random.uniform(0.7, 1.6),
        edge_s=random.uniform(0.1, 0.4),
    )
    mistakes = int(random.integers(0, 3))
    orders = [f"random:{mistakes}"] if mistakes and len(words) > 2 else []
    return make_recitation(words, voice, float(random.uniform(0.09, 0.22)), orders, random, manner=manner)


def make_corpus(out: Path, hours: float, seed: int) -> None:
    """Write a prepared corpus of ``hours`` of made recitation."""
    out.mkdir(parents=True, exist_ok=True)
    lexicon, random = default_lexicon(), np.random.default_rng(seed)
    first = 0
    with (
        (out / "features.f16").open("wb") as features,
        (out / "clips.jsonl").open("w") as clips,
        tqdm(total=round(hours * 3600), unit="s") as bar,
    ):
        while first < hours * 360_000:
            made = made_clip(lexicon, random)
            array = features_of(levelled(made.pcm)).astype(np.float16)
            features.write(array.tobytes())
            units = [phone.unit for phone in made.phones]
            clip = Clip(made.voice, "made", "train", 0, 0, 0, first, len(array), units)
            clips.write(json.dumps(asdict(clip)) + "\n")
            first += len(array)
            bar.update(len(array) // 100)


def main(arguments: Sequence[str]) -> None:
    """Write the corpus named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--hours", type=float, default=3.0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    make_corpus(options.out, options.hours, options.seed)


if __name__ == "__main__":
    main(sys.argv[1:])
