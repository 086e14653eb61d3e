"""What each part of the training mix is worth: the same short run with one part left out at a time.

``python -m recitation.training.ablate FEATURES… --out RUN --start checkpoint.pt --hours 5`` goes on from one
checkpoint, optimiser included, once for every mix: same seed, same audio to hear, the learning rate falling from
``--peak`` to a fiftieth of it, so that the figures settle.  What each development clip then costs is a line of
``RUN/ablate.jsonl``; mixes that have their line are not trained again.  The table goes to standard output.

The start has heard everything, so a part left out is forgotten rather than never known: what is found here is the
lower end of what it is worth.  Intervals speak of the clips; how much two runs of one mix differ is for ``--seeds``.
"""

import argparse
import json
import math
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from recitation.accuracy.intervals import clusters, interval, rate
from recitation.acoustics.encoder import Encoder, EncoderConfig
from recitation.lexicon import default_lexicon
from recitation.training.augment import LIGHT, MEDIUM, Strength
from recitation.training.data import Example, Sampler, examples_of
from recitation.training.pieces import Splicer
from recitation.training.run import WORDS_SHARE, corpora, development_set, group_of, merged, voice_weights
from recitation.training.trainer import Trainer, errors_and_loss


@dataclass(frozen=True, slots=True)
class Mix:
    """What is heard in training, and how it is distorted."""

    strength: Strength = MEDIUM
    splices: bool = True
    made: bool = True


WHOLE = "all"
MIXES: dict[str, Mix] = {
    WHOLE: Mix(),
    "no-dry": Mix(replace(MEDIUM, dry_share=0.0)),
    "no-warp": Mix(replace(MEDIUM, warp_share=0.0)),
    "no-splices": Mix(splices=False),
    "no-noise": Mix(replace(MEDIUM, noise_share=0.0)),
    "no-room": Mix(replace(MEDIUM, room_share=0.0)),
    "no-made": Mix(made=False),
    "light": Mix(LIGHT),
    "no-band": Mix(replace(MEDIUM, band_share=0.0)),
    "no-mask": Mix(replace(MEDIUM, mask_share=0.0)),
    "no-tempo": Mix(replace(MEDIUM, tempo=(1.0, 1.0))),
    "no-holes": Mix(replace(MEDIUM, hole_share=0.0)),
    "full": Mix(Strength()),
}
"""Mixes by name: one part less, or all parts lighter or stronger."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a development clip costs a model."""

    group: str
    voice: str
    errors: int
    """Edits from what the best path says to the text."""
    units: int
    nats: float
    """CTC loss of the text, summed over its units: finer than errors, but it pays for sureness too."""


@dataclass(frozen=True, slots=True)
class Run:
    """A mix that was trained, and what it came to."""

    mix: str
    seed: int
    hours: float
    peak: float
    start: str
    costs: tuple[Cost, ...]

    def settings(self) -> tuple[str, int, float, float, str]:
        """All that decides the outcome."""
        return self.mix, self.seed, self.hours, self.peak, self.start


def cost_of(model: Encoder, example: Example) -> Cost:
    """Hear a clip at look-ahead 0."""
    errors, nats_a_unit = errors_and_loss(model, example, 1)
    voice, units = example.clip.voice, len(example.targets[0])
    return Cost(group_of(voice), voice, errors, units, round(nats_a_unit * units, 3))


def train(mix: Mix, start: Path, hours: float, peak: float, seed: int, material: "Material") -> Encoder:
    """Go on from a checkpoint for ``hours`` of audio; the model at the end, without averaging."""
    config = EncoderConfig(**torch.load(start, map_location="cpu", weights_only=True)["config"])
    trainer = Trainer(start.parent, hours, peak, seed, "cpu", config)
    trainer.resume(start)
    trainer.hours = 0.0
    examples = [e for e in material.train if mix.made or e.clip.kind != "made"]
    weights = voice_weights(examples, WORDS_SHARE)
    sampler = Sampler(
        examples, weights, material.batch_seconds, mix.strength, np.random.default_rng(seed),
        splicer=material.splicer if mix.splices else None,
    )  # fmt: skip
    with tqdm(total=round(hours, 2), unit="h", disable=None) as bar:
        for batch in sampler:
            trainer.learn(batch)
            bar.update(round(trainer.hours - bar.n, 3))
            if trainer.hours >= hours:
                break
    return trainer.model.eval()


class Material:
    """The prepared recordings of a comparison."""

    def __init__(self, folders: Sequence[Path], out: Path, batch_seconds: float, dev_clips: int) -> None:
        """At most ``dev_clips`` of each group are heard for the table."""
        lexicon, sources = default_lexicon(), corpora(list(folders), out)
        self.batch_seconds = batch_seconds
        self.train = merged([examples_of(corpus, lexicon, "train") for corpus in sources])
        self.splicer = Splicer(sources)
        dev = [example for corpus in sources for example in examples_of(corpus, lexicon, "dev")]
        self.dev = [e for group in development_set(dev, dev_clips, longest_s=math.inf).values() for e in group]


def read_runs(path: Path) -> list[Run]:
    """What was trained so far; nothing without the file."""
    rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return [Run(**(row | {"costs": tuple(Cost(**cost) for cost in row["costs"])})) for row in rows]


def counts_of(runs: Sequence[Run], group: str) -> NDArray[np.float64]:
    """Errors, units and nats of each clip of a group, float64[clips, 3], averaged over runs of other seeds."""
    rows = [[(c.errors, c.units, c.nats) for c in run.costs if c.group == group] for run in runs]
    mean: NDArray[np.float64] = np.mean(np.array(rows, np.float64), axis=0)
    return mean


def _difference(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    difference: NDArray[np.float64] = rate(sums[:, :2]) - rate(sums[:, 2:])
    return difference


def table(runs: Sequence[Run]) -> list[list[str]]:
    """A line for each mix: phone error rate (95 % interval over clips), and how it differs from the whole mix clip by
    clip, in points and in nats a unit, where that mix was trained too."""
    names = list(dict.fromkeys(run.mix for run in runs))
    groups = list(dict.fromkeys(cost.group for run in runs for cost in run.costs))
    lines = [["mix", "runs", *(f"{group}{of}" for group in groups for of in ("", ", against all", ", nats"))]]
    base = [run for run in runs if run.mix == WHOLE]
    for name in names:
        same = [run for run in runs if run.mix == name]
        lines.append([name, str(len(same))])
        for group in groups:
            lines[-1] += _cells(same, base if name != WHOLE else [], group)
    return lines


def _cells(runs: Sequence[Run], base: Sequence[Run], group: str) -> list[str]:
    counts = counts_of(runs, group)
    _, cluster = clusters([cost.voice for cost in runs[0].costs if cost.group == group])
    errors, units, nats = counts.sum(axis=0)
    low, high = interval(counts[:, :2], cluster, rate)
    first = f"{100 * errors / units:.1f} % ({100 * low:.1f}–{100 * high:.1f})"
    if not base:
        return [first, "", f"{nats / units:.3f}"]
    other = counts_of(base, group)
    cells = [first]
    for column, scale, digits in ((0, 100, 1), (2, 1, 3)):
        pairs = np.stack([counts[:, column], counts[:, 1], other[:, column], other[:, 1]], axis=1)
        middle = float(_difference(pairs.sum(axis=0)[None])[0])
        ends = (f"{scale * end:+.{digits}f}" for end in interval(pairs, cluster, _difference))
        cells.append(f"{scale * middle:+.{digits}f} ({' to '.join(ends)})")
    return cells


def main(arguments: Sequence[str]) -> None:
    """Train the mixes named on the command line that were not trained yet, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recordings", type=Path, nargs="+", help="folders with index.jsonl, or of prepared features")
    parser.add_argument("--out", type=Path, required=True, help="folder for ablate.jsonl")
    parser.add_argument("--start", type=Path, required=True, help="checkpoint.pt to go on from")
    parser.add_argument("--hours", type=float, default=5.0, help="audio each mix hears (default 5)")
    parser.add_argument("--peak", type=float, default=9e-4, help="learning rate at the start (default 9e-4)")
    parser.add_argument("--batch-seconds", type=float, default=100.0)
    parser.add_argument("--dev-clips", type=int, default=100, help="clips of each development group (default 100)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1], help="a run each; the table takes their mean")
    parser.add_argument("--mixes", nargs="+", choices=MIXES, default=list(MIXES), metavar="MIX", help=", ".join(MIXES))
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    options.out.mkdir(parents=True, exist_ok=True)
    path: Path = options.out / "ablate.jsonl"
    done = {run.settings() for run in read_runs(path)}
    material = Material(options.recordings, options.out, options.batch_seconds, options.dev_clips)
    for seed in options.seeds:
        for name in options.mixes:
            run = Run(name, seed, options.hours, options.peak, str(options.start), ())
            if run.settings() in done:
                continue
            print(f"{name}, seed {seed}", file=sys.stderr)
            model = train(MIXES[name], options.start, options.hours, options.peak, seed, material)
            run = replace(run, costs=tuple(cost_of(model, example) for example in material.dev))
            with path.open("a") as out:
                out.write(json.dumps(asdict(run)) + "\n")
    for cells in table(read_runs(path)):
        print("| " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main(sys.argv[1:])
