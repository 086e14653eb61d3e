"""The training of an encoder: loss, optimiser, running average, checkpoints."""

import math
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from recitation.acoustics.encoder import SUBFRAMES, Encoder, EncoderConfig
from recitation.acoustics.export import export, load_weights
from recitation.evaluate import edit_distance, greedy
from recitation.phones import BLANK
from recitation.training.data import Batch, Example, collate

MIDDLE_WEIGHT = 0.3
"""Weight of the middle block's CTC (Lee and Watanabe 2021)."""
TWINS_WEIGHT = 0.15
"""Weight of the disagreement between two disguises of a clip, in nats a 20 ms frame."""
CHUNKS = (1, 1, 1, 2, 2, 4, 0)
"""Steps in a chunk, drawn per batch: look-ahead 0, 80, 240 ms and everything (0); the live line runs at 0 ms."""


def ctc_loss(log_probs: Tensor, batch: Batch) -> Tensor:
    """CTC of each clip's likelier reading, summed over the batch and divided by its labels.

    ``log_probs`` float32[B, 4T, units].  A clip in which nobody recites counts as one label.
    """
    losses = F.ctc_loss(
        log_probs.transpose(0, 1)[:, batch.rows],
        batch.targets,
        batch.steps[batch.rows] * SUBFRAMES,
        batch.lengths,
        blank=BLANK,
        reduction="none",
        zero_infinity=True,
    )
    clips = len(batch.steps)
    best = torch.full((clips,), torch.inf).scatter_reduce(0, batch.rows, losses, "amin")
    labels = torch.zeros(clips).scatter_reduce(0, batch.rows, batch.lengths.float(), "amax", include_self=False)
    return best.sum() / labels.sum().clamp(min=clips)


def disagreement(log_probs: Tensor, batch: Batch) -> Tensor:
    """How differently twins are heard (CR-CTC, Yao et al. 2024): KL summed over frames, divided by the batch's labels.

    ``log_probs`` float32[2B, 4T, units].  Each twin is drawn to what the other heard, and does not draw it back.
    """
    first, second = log_probs[0::2], log_probs[1::2]
    apart = sum(
        F.kl_div(own, other.detach(), reduction="none", log_target=True).sum(-1)
        for own, other in ((first, second), (second, first))
    )
    frames = torch.arange(log_probs.shape[1]) < batch.steps[0::2, None] * SUBFRAMES
    return (apart * frames).sum() / batch.lengths.sum().clamp(min=len(batch.steps))


@torch.no_grad()
def errors_and_loss(model: Encoder, example: Example, chunk: int) -> tuple[int, float]:
    """Edits from what the best path hears in a clip to what it says, and the CTC loss in nats a unit."""
    batch = collate([example.corpus.features(example.clip)], [example.targets])
    log_probs, _ = model(batch.features, batch.steps, chunk)
    heard = greedy(log_probs[0].numpy())
    return min(edit_distance(heard, list(t)) for t in example.targets), float(ctc_loss(log_probs, batch))


def phone_error_rate(model: Encoder, examples: list[Example], chunk: int) -> float:
    """Greedy PER over examples."""
    errors = sum(errors_and_loss(model, example, chunk)[0] for example in examples)
    return errors / max(1, sum(len(example.targets[0]) for example in examples))


class Trainer:
    """Model, optimiser, average and progress, all in one checkpoint."""

    def __init__(
        self, out: Path, hours: float, peak: float, seed: int, device: str, config: EncoderConfig | None = None
    ) -> None:
        self.out, self.hours_total, self.peak, self.device = out, hours, peak, device
        torch.manual_seed(seed)
        self.random = np.random.default_rng(seed)
        config = config or EncoderConfig()
        self.model = Encoder(config).to(device)
        self.average = Encoder(config).to(device)
        self.average.load_state_dict(self.model.state_dict())
        self.optimiser = torch.optim.AdamW(self.model.parameters(), lr=peak, betas=(0.9, 0.98), weight_decay=0.02)
        self.step = 0
        self.hours = 0.0

    def learning_rate(self) -> float:
        """Linear warm-up over 200 steps, then cosine in hours heard, down to a fiftieth."""
        progress = min(1.0, self.hours / self.hours_total)
        return self.peak * min(1.0, (self.step + 1) / 200) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * progress)))

    def learn(self, batch: Batch) -> float:
        """One optimiser step; returns the CTC loss in nats a unit."""
        self.model.train()
        chunk = int(self.random.choice(CHUNKS))
        features = batch.features.to(self.device)
        with torch.autocast(self.device, torch.bfloat16):
            last, middle = self.model(features, batch.steps.to(self.device), chunk)
        last, middle = last.cpu(), middle.cpu()
        ctc = ctc_loss(last, batch) + MIDDLE_WEIGHT * ctc_loss(middle, batch)
        loss = ctc + TWINS_WEIGHT * disagreement(last, batch) if batch.twins else ctc
        for group in self.optimiser.param_groups:
            group["lr"] = self.learning_rate()
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), 2.0)
        if torch.isfinite(norm):  # one bad batch must not cost the run
            self.optimiser.step()
        self.step += 1
        self.hours += float(batch.steps.sum()) * 0.08 / 3600
        decay = min(0.9985, (1 + self.step) / (20 + self.step))
        with torch.no_grad():
            for mean, value in zip(self.average.parameters(), self.model.parameters(), strict=True):
                mean.lerp_(value, 1 - decay)
        return float(ctc.detach()) / (1 + MIDDLE_WEIGHT)

    def save(self) -> None:
        """Write the checkpoint in one move."""
        state = {
            "config": self.model.config.to_dict(),
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "hours": self.hours,
        }
        torch.save(state, self.out / "checkpoint.tmp")
        (self.out / "checkpoint.tmp").replace(self.out / "checkpoint.pt")

    def export(self, card: dict[str, str]) -> None:
        """Write the averaged weights as ``ear.onnx``, ready to be bundled."""
        spare = Encoder(self.average.config)
        spare.load_state_dict(self.average.state_dict())
        export(spare, self.out / "ear.onnx", card | {"hours heard": f"{self.hours:.0f}", "steps": str(self.step)})

    def start_from(self, path: Path) -> None:
        """Begin from the averaged weights of a run of the same sizes: a checkpoint or an exported model."""
        if path.suffix == ".onnx":
            weights = load_weights(path).state_dict()
        else:
            weights = torch.load(path, map_location=self.device, weights_only=True)["average"]
        self.model.load_state_dict(weights)
        self.average.load_state_dict(weights)

    def resume(self, path: Path) -> None:
        """Continue a run from its checkpoint."""
        state = torch.load(path, map_location=self.device, weights_only=True)
        self.average.load_state_dict(state["average"])
        self.model.load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step, self.hours = state["step"], state["hours"]
