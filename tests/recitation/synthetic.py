"""What a CTC model would say of a recitation whose alignment is known: peaks, blanks and some confusion."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from recitation.lexicon import Form, Word
from recitation.phones import BLANK, UNITS

Floats = NDArray[np.float32]


@dataclass(slots=True)
class Script:
    """Frames of 20 ms in the making: the label that peaks in each, and whether there is voice."""

    random: np.random.Generator
    labels: list[int] = field(default_factory=list)
    voice: list[bool] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    """First frame of each phone said."""
    units: list[int] = field(default_factory=list)

    def pause(self, frames: int) -> None:
        """Silence."""
        self.labels += [BLANK] * frames
        self.voice += [False] * frames

    def say(self, units: Sequence[int]) -> None:
        """Units of three to seven frames: one or two peak, then blank."""
        for unit in units:
            length, peak = int(self.random.integers(3, 8)), int(self.random.integers(1, 3))
            self.starts.append(len(self.labels))
            self.units.append(unit)
            self.labels += [unit] * peak + [BLANK] * (length - peak)
            self.voice += [True] * length

    def say_form(self, form: Form) -> None:
        """A word's form."""
        self.say([phone.unit for phone in form])

    def log_probs(self, confusion: float = 1.0) -> Floats:
        """float32[T, units]: the label about 7 nats above the others, blurred by noise of ``confusion`` nats."""
        logits = self.random.normal(0, confusion, (len(self.labels), len(UNITS)))
        logits[np.arange(len(self.labels)), self.labels] += 7.0
        logits -= np.log(np.exp(logits).sum(axis=1, keepdims=True))
        return logits.astype(np.float32)

    def speech(self) -> NDArray[np.bool_]:
        """bool[T]."""
        return np.array(self.voice)


def say_all(said: Sequence[tuple[Word, Form]], seed: int = 0, pause: int = 25) -> Script:
    """Words with a pause before, after, and between ayat."""
    script = Script(np.random.default_rng(seed))
    script.pause(20)
    for n, (word, form) in enumerate(said):
        script.say_form(form)
        if n + 1 < len(said) and said[n + 1][0].ayah != word.ayah:
            script.pause(pause)
    script.pause(40)
    return script
