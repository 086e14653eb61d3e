"""The prosody of one reciter: sound, closed phones and pauses in, phrases out.

    prosody.push(pcm)                      # any chunking, the session's own clock
    prosody.phone(start, end, counts)      # as the tracker closes it; counts of a vowel, None for a consonant
    prosody.rest(now)                      # now and then: a long silence ends a phrase
    for prosody, contours in zip(all, pitch.step([p.pitch for p in all])):
        phrases = prosody.hear(contours)

A phrase comes out once its pitch is known, 0.2 s of sound after the pause began at the soonest.
"""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from recitation.audio import SAMPLE_HZ, Pcm, RingBuffer
from recitation.prosody.energy import Levels
from recitation.prosody.pauses import breath_s
from recitation.prosody.phrase import Phrase, PitchHistogram, PitchRange, ProsodyReport, range_of
from recitation.prosody.pitch import KEPT_S, Contour, PitchSession
from recitation.prosody.rhythm import npvi, phones_per_second
from recitation.retained import ProsodyState

STRETCH_SAMPLES = 4 * SAMPLE_HZ
"""Pitch is asked for at every pause, and this often without one: each call hears 0.34 s beside what it is asked for."""
PAUSE_SAMPLES, REST_SAMPLES = 3 * SAMPLE_HZ // 10, 3 * SAMPLE_HZ // 2
"""Between two phones so far apart there was a pause; after so long without one, a phrase is over."""
HELD_SECONDS = 6.0
"""Sound kept for the pause after a phrase."""


@dataclass(slots=True)
class _Draft:
    """A phrase whose phones are known and whose pitch may not be."""

    start: int
    end: int
    phones: int = 0
    vowels: list[float] = field(default_factory=list)
    """Samples a count of each vowel."""
    pause_s: float | None = None
    breath_s: float = 0.0


@dataclass(slots=True)
class _Told:
    """Sums over the phrases so far."""

    phrases: int = 0
    breaths: int = 0
    phones: int = 0
    samples: int = 0
    unevenness: float = 0.0
    uneven_samples: int = 0

    def add(self, phrase: Phrase) -> None:
        """Count a phrase."""
        length = phrase.end - phrase.start
        self.phrases += 1
        self.breaths += phrase.breath_s > 0
        self.phones += phrase.phones
        self.samples += length
        if phrase.npvi is not None:
            self.unevenness += phrase.npvi * length
            self.uneven_samples += length


class Prosody:
    """See the module's docstring.  Calls come in the order of time."""

    def __init__(self, behind_s: float = 0.0) -> None:
        """``behind_s`` is how long after their sound phones may be closed."""
        self.pitch = PitchSession(kept_s=KEPT_S + behind_s)
        """To be handed to ``SwiftPitch.step`` with those of other sessions."""
        self._levels = Levels(behind_s)
        self._ring = RingBuffer(HELD_SECONDS + behind_s)
        self._histogram = PitchHistogram()
        self._open: _Draft | None = None
        self._drafts: deque[_Draft] = deque()
        self._contours: list[Contour] = []
        self._told = _Told()
        self._asked = 0
        """Pitch was asked for up to here."""

    def push(self, pcm: Pcm) -> None:
        """Add float32[n] at 16 kHz."""
        self.pitch.push(pcm)
        self._levels.push(pcm)
        self._ring.append(pcm)

    def phone(self, start: int, end: int, counts: float | None = None) -> None:
        """A phone was closed, samples ``start`` to ``end``; ``counts`` is what a vowel should last, in harakat.

        When it begins 0.3 s after the last one, there was a pause between them.
        """
        end = min(end, self.pitch.end)
        if end <= start:
            return
        if self._open is not None and start - self._open.end >= PAUSE_SAMPLES:
            self.pause(self._open.end, start)
        self._open = self._open or _Draft(start, end)
        draft = self._open
        draft.end = max(draft.end, end)
        draft.phones += 1
        if counts is not None:
            draft.vowels.append((end - start) / counts)
        if draft.end - max(draft.start, self._asked) >= STRETCH_SAMPLES:
            self._ask(draft)

    def rest(self, now: int) -> None:
        """No phone begins before sample ``now``: when the last one is long over, its phrase is."""
        if self._open is not None and now - self._open.end >= REST_SAMPLES:
            self.pause(self._open.end, now)

    def pause(self, start: int, end: int) -> None:
        """Nothing was recited between two phones, or after the last one, from ``start`` to ``end``."""
        if self._open is None:
            return
        first, last = max(start, self._ring.start), min(end, self._ring.end)
        breath = breath_s(self._ring.read(first, last), self._levels.room_db) if last > first else 0.0
        self._close((end - start) / SAMPLE_HZ, breath)

    def finish(self) -> None:
        """The recording is over; ``hear`` once more for the last phrase."""
        self._close(None, 0.0)
        self.pitch.finish()

    def hear(self, contours: Iterable[Contour]) -> list[Phrase]:
        """Take the contours that a step gave this session; phrases that are complete with them."""
        new = list(contours)
        self._histogram.add(new)
        self._contours += new
        known = self._contours[-1].end if self._contours else 0
        phrases = []
        while self._drafts and self._drafts[0].end <= known:
            phrases.append(self._phrase(self._drafts.popleft()))
            self._told.add(phrases[-1])
        return phrases

    @property
    def range(self) -> PitchRange | None:
        """Pitch range of the whole session so far; None before 160 ms of voice."""
        return self._histogram.range

    def report(self) -> ProsodyReport:
        """The whole session so far."""
        told = self._told
        rate = phones_per_second(told.phones, told.samples)
        return ProsodyReport(
            self.range,
            told.phrases,
            told.breaths,
            None if rate is None else round(rate, 2),
            round(told.unevenness / told.uneven_samples, 1) if told.uneven_samples else None,
        )

    def retained(self) -> ProsodyState:
        """What another one needs so that its report is of both."""
        told = self._told
        return ProsodyState(
            told.phrases, told.breaths, told.phones, told.samples, told.unevenness, told.uneven_samples,
            self._histogram.retained(),
        )  # fmt: skip

    def recall(self, state: ProsodyState) -> None:
        """Go on from what was retained."""
        self._histogram.recall(state.pitches)
        self._told = _Told(
            state.phrases, state.breaths, state.phones, state.phone_samples, state.unevenness, state.uneven_samples
        )

    def _ask(self, draft: _Draft) -> None:
        begin = max(draft.start, self._asked)
        if begin < draft.end:
            self.pitch.close(begin, draft.end)
            self._asked = draft.end

    def _close(self, pause: float | None, breath: float) -> None:
        if self._open is None:
            return
        self._ask(self._open)
        self._open.pause_s, self._open.breath_s = pause, breath
        self._drafts.append(self._open)
        self._open = None

    def _phrase(self, draft: _Draft) -> Phrase:
        own = [contour for contour in self._contours if contour.start < draft.end]
        self._contours = self._contours[len(own) :]
        levels = self._levels.read(draft.start, draft.end)
        low, high = np.percentile(levels, (10, 90)) if len(levels) else (0.0, 0.0)
        rate = phones_per_second(draft.phones, draft.end - draft.start)
        evenness = npvi(draft.vowels)
        return Phrase(
            start=draft.start,
            end=draft.end,
            pitch=range_of(own),
            contour_start=own[0].start if own else draft.start,
            contour_hz=_values(own),
            level_db=round(float(10 * np.log10(np.mean(10 ** (levels / 10)))), 1) if len(levels) else 0.0,
            level_range_db=round(float(high - low), 1),
            phones=draft.phones,
            phones_per_s=None if rate is None else round(rate, 2),
            npvi=None if evenness is None else round(evenness, 1),
            pause_s=draft.pause_s,
            breath_s=draft.breath_s,
        )


def _values(contours: Sequence[Contour]) -> tuple[float, ...]:
    if not contours:
        return ()
    hz = np.concatenate([np.where(contour.voiced, contour.hz, 0.0) for contour in contours])
    return tuple(np.round(hz.astype(np.float64), 1).tolist())
