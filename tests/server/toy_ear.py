"""An ear that needs no model, and servers that hear with it."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from recitation.acoustics.batching import Full
from recitation.acoustics.intake import Intake
from recitation.events import Cursor, Following, PhoneVerdict, Status, Summary, Update, WordReport, WordVerdict
from recitation.lexicon import default_lexicon, recited
from recitation.listening import HopVoice
from recitation.mushaf import parse_reference
from recitation.prosody.phrase import Phrase
from recitation.prosody.pitch import Contour
from recitation.retained import LineState
from recitation.tajweed.moshaf import Moshaf
from recitation.vad import VadSession
from server.app import Ear, Server
from server.live import Line

Floats = NDArray[np.float32]


class ToyLine:
    """Confirms one phone of the passage for every 80 ms that is loud enough.

    It sends its own number to the encoder and insists on getting that back, so that answers given to the wrong
    session are noticed.
    """

    made = 0
    read: ClassVar[list[tuple[float, Moshaf]]] = []
    """Settings that lines were given, by their numbers."""
    gaps: ClassVar[list[tuple[float, int, int]]] = []
    """Samples that lines were told to be gaps, by their numbers."""

    def __init__(self, verses: str) -> None:
        ToyLine.made += 1
        self.number = float(ToyLine.made)
        self.verses = verses
        words = recited(default_lexicon().words(parse_reference(verses)))
        self.words = [word for word, _ in words]
        self.phones = [(word.at, n, p.script, n + 1 == len(form)) for word, form in words for n, p in enumerate(form)]
        self.said = 0
        self.pushed = 0
        self.pending = np.zeros(0, np.float32)
        self.loud: list[bool] = []
        self.hops = 0
        self.voice = HopVoice(VadSession(), [], [])
        self.verdicts: dict[str, WordVerdict] = {}
        self.word_start = 0

    def push(self, pcm: Floats, concealed: bool, *, gap: bool = False) -> None:
        if gap:
            ToyLine.gaps.append((self.number, self.pushed, self.pushed + len(pcm)))
        self.pushed += len(pcm)
        self.pending = np.concatenate([self.pending, pcm])

    @property
    def hops_ready(self) -> int:
        return len(self.pending) // 1280

    def take_hop(self) -> Floats:
        hop, self.pending = self.pending[:1280], self.pending[1280:]
        self.loud.append(float(np.sqrt(np.mean(hop**2))) > 0.02)
        return np.full((8, 80), self.number, np.float32)

    def voice_ready(self) -> HopVoice:
        self.voice = HopVoice(VadSession(), [], [])
        return self.voice

    def hop_done(self, log_probs: Floats) -> Update:
        assert self.voice.values == [1.0], "its voice was heard, once"
        assert log_probs.tolist() == [[self.number]]
        return self._update(self.loud[self.hops])

    def _update(self, loud: bool) -> Update:
        self.hops += 1
        sample = self.hops * 1280
        phones, words = [], []
        if loud and self.said < len(self.phones):
            at, index, unit, last = self.phones[self.said]
            self.said += 1
            phones.append(PhoneVerdict(at, index, unit, sample - 1280, sample, 0.97, None))
            if last:
                words.append(WordVerdict(at, self.word_start, sample, 0.95, Status.ACCEPTED))
                self.verdicts[at] = words[0]
                self.word_start = sample
        cursor = Cursor(*self.phones[self.said - 1][:2], sample - 1280) if self.said else None
        state = Following.FOLLOWING if self.said else Following.WAITING
        return Update(sample, cursor, tuple(phones), tuple(words), loud, -20.0 if loud else -80.0, state)

    def finish(self, engine_step: Callable[[Floats], Floats]) -> Update:
        while self.hops_ready:
            toy_hear([self.voice_ready()])
            last = self.hop_done(engine_step(self.take_hop()))
        return last if self.hops_ready else self._update(False)

    pitch = None

    def hear_pitch(self, contours: Sequence[Contour]) -> None:
        raise AssertionError("nothing was asked for")

    def phrases_told(self) -> tuple[Phrase, ...]:
        return ()

    def read_by(self, moshaf: Moshaf) -> None:
        self.read.append((self.number, moshaf))

    def retained(self) -> LineState:
        verdicts = tuple(self.verdicts.values())
        return LineState(self.verses, False, len(verdicts), self.hops * 1280, verdicts, ())

    def recall(self, state: LineState) -> None:
        self.verdicts = {verdict.at: verdict for verdict in state.words}
        self.said = sum(at in self.verdicts for at, *_ in self.phones)

    def summary(self) -> Summary:
        reports = []
        for word in self.words:
            verdict = self.verdicts.get(word.at)
            if verdict is None:
                reports.append(WordReport(word.at, word.text, None, None, None, Status.NOT_REACHED, ()))
            else:
                reports.append(
                    WordReport(word.at, word.text, verdict.start, verdict.end, verdict.score, verdict.status, ())
                )
        return Summary(tuple(reports), self.hops * 1280)


def toy_hear(voices: Sequence[HopVoice]) -> None:
    """Hears speech in everything."""
    for voice in voices:
        voice.values.append(1.0)


class ToyEncoder:
    """Slots, and the number found in each session's features as its answer."""

    def __init__(self, capacity: int) -> None:
        self.free = list(range(capacity))
        self.taken: set[int] = set()
        self.steps: list[int] = []
        """Sessions in each step."""
        self.fault: Exception | None = None

    def join(self) -> int:
        if not self.free:
            raise Full("no slot is free")
        slot = self.free.pop(0)
        self.taken.add(slot)
        return slot

    def leave(self, slot: int) -> None:
        self.taken.remove(slot)
        self.free.append(slot)

    def step(self, requests: list[tuple[int, Floats]]) -> list[Floats]:
        assert {slot for slot, _ in requests} <= self.taken
        self.steps.append(len(requests))
        if self.fault is not None:
            raise self.fault
        return [features[:1, :1].copy() for _, features in requests]


def toy_ear(capacity: int) -> Ear:
    """An ear that needs no model."""

    def make_line(verses: str, state: LineState | None = None) -> tuple[str, Line]:
        line = ToyLine(verses)
        if state is not None:
            line.recall(state)
        return str(parse_reference(verses)), line

    return Ear("toy", Intake(), ToyEncoder(capacity), toy_hear, make_line, lambda spans: [])


@dataclass(frozen=True)
class Running:
    """A server that runs."""

    url: str
    server: Server
    encoder: ToyEncoder
    stop: Callable[[], Awaitable[None]]

    async def sessions(self, count: int, within_s: float = 10.0) -> None:
        """Wait until so many sessions are left."""
        async with asyncio.timeout(within_s):
            while self.server.metrics.sessions.value != count:
                await asyncio.sleep(0.02)


StartServer = Callable[..., Awaitable[Running]]
"""Start a server with the given settings."""
