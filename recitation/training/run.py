"""``talaqqi train``: train the acoustic model, resumable, on CPU or GPU.

The curriculum decides (verses from a cold start sit on a plateau for a thousand steps): isolated words first, then
short verses, then everything up to 16 s.  Progress is counted in hours of audio heard, so a paused or slower run
follows the same schedule.
"""

import argparse
import json
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, TextIO

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from recitation.acoustics.encoder import EncoderConfig
from recitation.lexicon import default_lexicon
from recitation.training.augment import LIGHT, MEDIUM, Strength
from recitation.training.corpus import Corpus, prepare
from recitation.training.data import Example, Sampler, examples_of
from recitation.training.pieces import Splicer
from recitation.training.trainer import Trainer, phone_error_rate

WORDS_SHARE = 0.17
"""Share of isolated words in the audio once ayat are learnt."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A part of the curriculum, up to ``until`` hours of audio heard in all."""

    until: float
    words: float
    """Share of isolated words."""
    longest_s: float
    strength: Strength


def curriculum(hours: float) -> list[Stage]:
    """Stages of a cold start that hears ``hours`` of audio."""
    return [
        Stage(min(18.0, hours / 4), 1.0, 16.0, LIGHT),
        Stage(min(35.0, hours / 3), 0.35, 6.0, LIGHT),
        Stage(min(90.0, hours / 2), WORDS_SHARE, 16.0, LIGHT),
        Stage(math.inf, WORDS_SHARE, 16.0, MEDIUM),
    ]


def group_of(voice: str) -> str:
    """Development voices by kind: an unseen reciter, learners, people on their phones."""
    if not voice.startswith("crowd"):
        return voice
    return "learners" if int(voice[5:]) < 28 else "phones"


MADE_SHARE = 0.07
"""Share of made voices in the audio heard: enough to follow them, not to sound like them."""


def voice_weights(examples: list[Example], words: float) -> NDArray[np.float64]:
    """Chance of each example: ``words`` of the audio from isolated words, MADE_SHARE from made voices.

    Of the rest a voice with n hours is heard in proportion to the square root of n, so rarer voices are heard oftener.
    """
    hours: dict[str, float] = {}
    clips: dict[str, int] = {}
    for e in examples:
        source = _source(e)
        hours[source] = hours.get(source, 0.0) + e.seconds / 3600
        clips[source] = clips.get(source, 0) + 1
    fixed = {s: share for s, share in (("words", words), ("made", min(MADE_SHARE, 1 - words))) if s in hours}
    roots = {s: h**0.5 for s, h in hours.items() if s not in fixed}
    rest = (1 - sum(fixed.values())) / (sum(roots.values()) or 1.0)
    share = fixed | {s: root * rest for s, root in roots.items()}
    # Shares are of audio; a draw is a clip, so divide by the hours of one, and by how many there are.
    weights = np.array([share[_source(e)] / hours[_source(e)] for e in examples], np.float64)
    return np.asarray(weights / weights.sum())


def _source(example: Example) -> str:
    return example.clip.kind if example.clip.kind == "made" else example.clip.voice


def development_set(examples: list[Example], per_group: int, *, longest_s: float = 20.0) -> dict[str, list[Example]]:
    """A small, fixed part of the development clips by group, those of ``longest_s`` and more left out."""
    groups: dict[str, list[Example]] = {}
    for e in examples:
        groups.setdefault(group_of(e.clip.voice), []).append(e)
    return {g: [e for e in es if e.seconds < longest_s][:per_group] for g, es in groups.items()}


def merged(sources: list[list[Example]]) -> list[Example]:
    """Examples of all folders; a voice that a later folder holds (cut better, say) replaces the earlier one."""
    kept: list[Example] = []
    for source in sources:
        voices = {e.clip.voice for e in source}
        kept = [e for e in kept if e.clip.voice not in voices] + source
    return kept


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of ``talaqqi train``."""
    parser.add_argument("recordings", type=Path, nargs="+", help="folders with index.jsonl")
    parser.add_argument("--out", type=Path, required=True, help="folder for features, checkpoints and the log")
    parser.add_argument("--hours", type=float, default=300.0, help="hours of audio to hear in all (default 300)")
    parser.add_argument("--batch-seconds", type=float, default=100.0)
    parser.add_argument("--peak", type=float, default=1.5e-3, help="highest learning rate")
    parser.add_argument("--start", type=Path, help="checkpoint or ear.onnx whose weights to start from")
    parser.add_argument("--check-minutes", type=float, default=6.0, help="CPU minutes between checks on dev")
    parser.add_argument("--width", type=int, default=EncoderConfig().width, help="channels of the encoder")
    parser.add_argument("--blocks", type=int, default=EncoderConfig().blocks, help="blocks of the encoder")
    parser.add_argument("--dropout", type=float, default=EncoderConfig().dropout, help="0 where much is left to learn")
    parser.add_argument("--twins", action="store_true", help="hear each clip in two disguises that must agree")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")


def corpora(folders: list[Path], out: Path) -> list[Corpus]:
    """Features of each folder, computed on first use; a folder of prepared features is taken as it is."""
    found = []
    for folder in folders:
        place = out / "features" / folder.resolve().name
        if (folder / "clips.jsonl").exists():
            place = folder
        elif not (place / "clips.jsonl").exists():
            prepare(folder, place)
        found.append(Corpus(place))
    return found


def run(arguments: argparse.Namespace) -> int:
    """Train until the hours are heard; returns the exit status."""
    out: Path = arguments.out
    out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(arguments.threads)
    lexicon = default_lexicon()
    sources = corpora(arguments.recordings, out)
    examples = merged([examples_of(corpus, lexicon, "train") for corpus in sources])
    dev = development_set([e for corpus in sources for e in examples_of(corpus, lexicon, "dev")], 40)
    splicer = Splicer(sources)
    config = EncoderConfig(width=arguments.width, blocks=arguments.blocks, dropout=arguments.dropout)
    trainer = Trainer(out, arguments.hours, arguments.peak, arguments.seed, arguments.device, config)
    if (out / "checkpoint.pt").exists():
        trainer.resume(out / "checkpoint.pt")
    elif arguments.start:
        trainer.start_from(arguments.start)
    stages = curriculum(arguments.hours) if not arguments.start else curriculum(arguments.hours)[-1:]
    with (out / "log.jsonl").open("a") as log, tqdm(total=arguments.hours, unit="h", smoothing=0.02) as bar:
        bar.update(trainer.hours)
        for stage in stages:
            if trainer.hours >= min(stage.until, arguments.hours):
                continue
            sampler = Sampler(
                examples, voice_weights(examples, stage.words), arguments.batch_seconds, stage.strength,
                trainer.random, stage.longest_s, splicer, arguments.twins,
            )  # fmt: skip
            _train_stage(trainer, sampler, min(stage.until, arguments.hours), dev, arguments.check_minutes, log, bar)
    return 0


def _train_stage(
    trainer: Trainer,
    sampler: Sampler,
    until: float,
    dev: dict[str, list[Example]],
    check_minutes: float,
    log: TextIO,
    bar: "tqdm[NoReturn]",
) -> None:
    """Learn from the sampler until ``until`` hours are heard, checking and saving on the way."""
    losses: list[float] = []
    checked = time.process_time()
    for batch in sampler:
        losses.append(trainer.learn(batch))
        bar.update(trainer.hours - bar.n)
        bar.set_postfix(loss=f"{np.mean(losses[-50:]):.3f}", step=trainer.step)
        finished = trainer.hours >= until
        if finished or time.process_time() - checked > 60 * check_minutes:
            trainer.average.eval()
            per = {g: round(phone_error_rate(trainer.average, es, 1), 4) for g, es in dev.items()}
            row = {
                "step": trainer.step,
                "hours": round(trainer.hours, 2),
                "loss": round(float(np.mean(losses)), 4),
                "per": per,
                "cpu_s": round(time.process_time()),
                "lr": trainer.learning_rate(),
            }
            log.write(json.dumps(row) + "\n")
            log.flush()
            trainer.save()
            trainer.export({"dev PER": json.dumps(per)})
            losses, checked = [], time.process_time()
        if finished:
            return
