"""Recitation that does not go straight on, with the word recited known at every moment.

A *take* is a recitation that goes straight through a passage, with the span of each word: made voices know theirs by
construction, real recordings by the offline alignment.  A *case* is a take cut at word boundaries and put together
otherwise, the way students recite: back to an earlier word, words or a verse left out, a word begun again, long
pauses, another verse in between.  Everything is reproducible from its seed.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any
from zlib import crc32

import av
import numpy as np
from av.filter import Graph as FilterGraph

from recitation.acoustics.engine import Engine
from recitation.audio import SAMPLE_HZ, Pcm, frame_to_mono, read_audio
from recitation.lexicon import Word, default_lexicon, recited
from recitation.made_voice import make_recitation
from recitation.mushaf import Reference, parse_reference
from recitation.pipeline import Passage, align_offline

Span = tuple[int, int]
"""First sample and one past the last, 16 kHz."""

BETWEEN_AYAT_S = 0.3
"""Silence put between ayat that were recorded apart."""
EMISSION_SAMPLES = 640
"""The model says a phone this much after it began: cuts by its alignment are made as much earlier."""
FADE_SAMPLES = 80
ROOM_DBFS = -70.0
"""Level of the noise in pauses that were put in."""
MADE = (("78:1-10", "man4", 0.15), ("93", "woman2", 0.13), ("1:1-7", "man2", 0.18), ("87:1-8", "woman5", 0.12))
"""(verses, voice, seconds a harakah) of the made takes."""
SHORTEST_WORDS, LONGEST_S = 12, 45.0
"""Stretches of recorded ayat have at least this many words and last at most this long."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """A word that is recited, or a stretch that is not of the passage."""

    word: int | None
    """Index into the passage's words; None for anything else."""
    start: int
    end: int
    whole: bool = True
    """False when it was broken off."""


@dataclass(frozen=True, slots=True)
class Take:
    """A passage recited straight through."""

    source: str
    """Whose voice."""
    words: tuple[Word, ...]
    pcm: Pcm
    spans: tuple[Span, ...]
    """Where each word lies."""

    @property
    def ayah_starts(self) -> list[int]:
        """Indices of the words that begin an ayah."""
        return [n for n, word in enumerate(self.words) if n == 0 or self.words[n - 1].ayah != word.ayah]


@dataclass(frozen=True, slots=True)
class Case:
    """A recitation with its truth."""

    kind: str
    take: Take
    pcm: Pcm
    spoken: tuple[Spoken, ...]
    concealed: tuple[Span, ...] = ()
    """Audio lost on the way."""

    @property
    def passage(self) -> Passage:
        """What the line is told to expect."""
        first, last = self.take.words[0], self.take.words[-1]
        return Passage(Reference(first.surah, first.ayah, last.ayah), self.take.words)


def made_take(verses: str, voice: str, harakah_s: float, seed: int = 0) -> Take:
    """A made voice recites.  Raises EspeakError where espeak-ng is missing, AddressError for a bad address."""
    words = default_lexicon().words(parse_reference(verses))
    made = make_recitation(recited(words), voice, harakah_s, random=seed)
    spans: dict[str, Span] = {}
    for phone in made.phones:
        spans[phone.at] = (spans.get(phone.at, (phone.start, 0))[0], phone.end)
    return Take(voice, words, made.pcm, tuple(spans[word.at] for word in words))


def recorded_takes(folder: Path, engine: Engine, count: int, seed: int = 0) -> Iterator[Take]:
    """Stretches of following ayat of the development reciter, located word by word by the offline alignment."""
    rows = [json.loads(line) for line in (folder / "index.jsonl").read_text().splitlines()]
    rows = [row for row in rows if row["split"] == "dev" and not row["voice"].startswith("crowd")]
    rows.sort(key=lambda row: (row["surah"], row["ayah"]))
    stretches = [s for s in _stretches(rows) if len(s) > 1 and len(_words_of(s)) >= SHORTEST_WORDS]
    picked = np.random.default_rng(seed).permutation(len(stretches))[:count]
    streams: dict[str, Pcm] = {}
    for n in picked:
        stretch = stretches[n]
        parts: list[Pcm] = []
        for row in stretch:
            if row["file"] not in streams:
                streams[row["file"]] = read_audio(folder / row["file"])
            first = max(0, row["start"] - EMISSION_SAMPLES)
            parts += [streams[row["file"]][first : row["start"] + row["samples"]], _room(BETWEEN_AYAT_S)]
        if take := _aligned(stretch[0]["voice"], _words_of(stretch), np.concatenate(parts), engine):
            yield take


def _stretches(rows: Sequence[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    stretches: list[list[dict[str, Any]]] = []
    seconds = 0.0
    for row in rows:
        length = row["samples"] / SAMPLE_HZ + BETWEEN_AYAT_S
        last = stretches[-1][-1] if stretches else None
        follows = last is not None and (last["surah"], last["ayah"] + 1) == (row["surah"], row["ayah"])
        if follows and seconds + length <= LONGEST_S:
            stretches[-1].append(row)
            seconds += length
        else:
            stretches.append([row])
            seconds = length
    return stretches


def _words_of(rows: Sequence[dict[str, Any]]) -> tuple[Word, ...]:
    first, last = rows[0], rows[-1]
    return default_lexicon().words(Reference(first["surah"], first["ayah"], last["ayah"]))


def _aligned(voice: str, words: tuple[Word, ...], pcm: Pcm, engine: Engine) -> Take | None:
    """The take, or None when the alignment misses a word."""
    found: dict[str, Span] = {}
    place = Passage(Reference(words[0].surah, words[0].ayah, words[-1].ayah), words)
    for at, _, start, end in align_offline(engine, pcm, place):
        found[at] = (found.get(at, (start, 0))[0], end)
    if len(found) < len(words):
        return None
    spans = [found[word.at] for word in words]
    moved = tuple((max(0, start - EMISSION_SAMPLES), max(1, end - EMISSION_SAMPLES)) for start, end in spans)
    return Take(voice, words, pcm, moved)


def _room(seconds: float) -> Pcm:
    """Silence with a little noise, always the same."""
    noise = np.random.default_rng(0).standard_normal(round(seconds * SAMPLE_HZ)) * 10 ** (ROOM_DBFS / 20)
    return noise.astype(np.float32)


class _Desk:
    """Puts pieces of takes together and keeps the account of what is recited when."""

    def __init__(self, take: Take) -> None:
        self._take = take
        self._parts: list[Pcm] = []
        self._length = 0
        self._spoken: list[Spoken] = []
        self.pause(0.3)

    def _append(self, pcm: Pcm) -> None:
        faded = pcm.copy()
        ramp = np.linspace(0, 1, min(FADE_SAMPLES, len(pcm)), dtype=np.float32)
        faded[: len(ramp)] *= ramp
        faded[len(pcm) - len(ramp) :] *= ramp[::-1]
        self._parts.append(faded)
        self._length += len(pcm)

    def pause(self, seconds: float) -> None:
        """Nobody speaks."""
        self._append(_room(seconds))

    def play(self, first: int, last: int) -> None:
        """Words ``first`` to ``last`` as they were recited, the pauses between them included."""
        spans = self._take.spans
        begin = spans[first][0]
        shift = self._length - begin
        self._spoken += [Spoken(n, spans[n][0] + shift, spans[n][1] + shift) for n in range(first, last + 1)]
        self._append(self._take.pcm[begin : spans[last][1]])

    def play_part(self, word: int, share: float) -> None:
        """The beginning of a word."""
        start, end = self._take.spans[word]
        samples = round((end - start) * share)
        self._spoken.append(Spoken(word, self._length, self._length + samples, whole=False))
        self._append(self._take.pcm[start : start + samples])

    def hold(self, word: int, share: float, seconds: float) -> None:
        """A word with a pause inside."""
        start, end = self._take.spans[word]
        cut = start + round((end - start) * share)
        begin = self._length
        self._append(self._take.pcm[start:cut])
        self.pause(seconds)
        self._append(self._take.pcm[cut:end])
        self._spoken.append(Spoken(word, begin, self._length))

    def play_other(self, other: Take, first: int, last: int) -> None:
        """Words of another take."""
        begin, end = other.spans[first][0], other.spans[last][1]
        self._spoken.append(Spoken(None, self._length, self._length + end - begin))
        self._append(other.pcm[begin:end])

    def case(self, kind: str) -> Case:
        """All of it, and a second of silence."""
        self.pause(1.0)
        return Case(kind, self._take, np.concatenate(self._parts), tuple(self._spoken))


Random = np.random.Generator
Recipe = Callable[[Take, Take, Random], Case]


def _between(random: Random, low: float, high: float) -> float:
    return float(random.uniform(low, high))


def _place(take: Take, random: Random, low: int, after: int = 2) -> int:
    """A word with at least ``low`` before it and ``after`` after it."""
    return int(random.integers(low, max(low + 1, len(take.words) - after)))


def _clean(take: Take, _other: Take, _random: Random) -> Case:
    desk = _Desk(take)
    desk.play(0, len(take.words) - 1)
    return desk.case("clean")


def _back(take: Take, _other: Take, random: Random) -> Case:
    """Stops, and goes on from two to eight words earlier."""
    desk = _Desk(take)
    last = _place(take, random, 3)
    desk.play(0, last)
    desk.pause(_between(random, 0.4, 1.0))
    desk.play(last - int(random.integers(1, min(8, last))), len(take.words) - 1)
    return desk.case("back")


def _from_the_top(take: Take, _other: Take, random: Random) -> Case:
    """Stops, and begins again."""
    desk = _Desk(take)
    desk.play(0, _place(take, random, 4))
    desk.pause(_between(random, 0.5, 1.5))
    desk.play(0, len(take.words) - 1)
    return desk.case("again")


def _skip(take: Take, _other: Take, random: Random) -> Case:
    """Leaves one to three words out after a pause."""
    desk = _Desk(take)
    last = _place(take, random, 2, 6)
    desk.play(0, last)
    desk.pause(_between(random, 0.4, 1.0))
    desk.play(min(len(take.words) - 2, last + int(random.integers(2, 5))), len(take.words) - 1)
    return desk.case("skip")


def _skip_joined(take: Take, _other: Take, random: Random) -> Case:
    """Leaves one or two words out in one breath."""
    desk = _Desk(take)
    last = _place(take, random, 2, 5)
    desk.play(0, last)
    desk.play(min(len(take.words) - 2, last + int(random.integers(2, 4))), len(take.words) - 1)
    return desk.case("skip joined")


def _skip_verse(take: Take, _other: Take, random: Random) -> Case:
    """Leaves an ayah out; the first or the last where there are only two."""
    starts = [*take.ayah_starts, len(take.words)]
    gone = int(random.integers(1, len(starts) - 2)) if len(starts) > 3 else 0
    desk = _Desk(take)
    if gone:
        desk.play(0, starts[gone] - 1)
        desk.pause(_between(random, 0.3, 0.8))
    desk.play(starts[gone + 1], len(take.words) - 1)
    return desk.case("skip verse")


def _restart(take: Take, _other: Take, random: Random) -> Case:
    """Breaks off inside a word and says it again."""
    desk = _Desk(take)
    word = _place(take, random, 2)
    desk.play(0, word - 1)
    desk.play_part(word, _between(random, 0.35, 0.7))
    desk.pause(_between(random, 0.25, 0.6))
    desk.play(word, len(take.words) - 1)
    return desk.case("restart")


def _pauses(take: Take, _other: Take, random: Random) -> Case:
    """Waits for seconds between words, and once inside one."""
    desk = _Desk(take)
    held = _place(take, random, 2)
    first = 0
    for n in range(len(take.words)):
        if n == held:
            desk.hold(n, _between(random, 0.4, 0.6), _between(random, 0.4, 1.5))
            first = n + 1
        elif n + 1 == held or n + 1 == len(take.words) or random.random() < 0.15:
            desk.play(first, n)
            desk.pause(_between(random, 1.0, 4.0))
            first = n + 1
    return desk.case("pauses")


def _another_verse(take: Take, other: Take, random: Random) -> Case:
    """Strays into another verse for some eight words and comes back."""
    desk = _Desk(take)
    starts = take.ayah_starts
    turn = starts[int(random.integers(1, len(starts)))]
    desk.play(0, turn - 1)
    desk.pause(_between(random, 0.4, 0.8))
    first = other.ayah_starts[-1] if len(other.words) - other.ayah_starts[-1] >= 4 else 0
    desk.play_other(other, first, min(first + 9, len(other.words) - 1))
    desk.pause(_between(random, 0.5, 1.0))
    desk.play(turn, len(take.words) - 1)
    return desk.case("another verse")


def _noise(take: Take, other: Take, random: Random) -> Case:
    """A fan in the room, 12 dB below the voice."""
    case = _clean(take, other, random)
    rms = float(np.sqrt(np.mean(np.square(take.pcm))))
    noise = np.cumsum(random.standard_normal(len(case.pcm)))
    noise -= np.convolve(noise, np.ones(64) / 64, "same")
    noise *= rms * 10 ** (-12 / 20) / np.sqrt(np.mean(np.square(noise)))
    return replace(case, kind="noise", pcm=(case.pcm + noise).astype(np.float32))


def _loss(take: Take, other: Take, random: Random) -> Case:
    """One packet of 20 ms in twenty is lost, in runs of up to three."""
    case = _clean(take, other, random)
    pcm = case.pcm.copy()
    gone: list[Span] = []
    start = 0
    while start < len(pcm):
        if random.random() < 0.025:
            end = start + 320 * int(random.integers(1, 4))
            pcm[start:end] = 0
            gone.append((start, min(end, len(pcm))))
            start = end
        start += 320
    return replace(case, kind="loss", pcm=pcm, concealed=tuple(gone))


def _tempo(take: Take, other: Take, random: Random) -> Case:
    """Recited a quarter faster or a fifth slower."""
    case = _clean(take, other, random)
    factor = float(random.choice([0.8, 1.25]))
    pcm = at_tempo(case.pcm, factor)
    scale = len(pcm) / len(case.pcm)
    spoken = [replace(s, start=round(s.start * scale), end=round(s.end * scale)) for s in case.spoken]
    return replace(case, kind="tempo", pcm=pcm, spoken=tuple(spoken))


def at_tempo(pcm: Pcm, factor: float) -> Pcm:
    """float32[n] at 16 kHz recited ``factor`` times as fast at the same pitch, by FFmpeg's WSOLA filter."""
    graph = FilterGraph()
    source = graph.add_abuffer(sample_rate=SAMPLE_HZ, format="flt", layout="mono", time_base=Fraction(1, SAMPLE_HZ))
    tempo, sink = graph.add("atempo", f"{factor}"), graph.add("abuffersink")
    source.link_to(tempo)
    tempo.link_to(sink)
    graph.configure()
    frame = av.AudioFrame.from_ndarray(pcm[None], format="flt", layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = SAMPLE_HZ, 0, Fraction(1, SAMPLE_HZ)
    graph.push(frame)
    graph.push(None)
    parts: list[Pcm] = []
    while True:
        try:
            pulled = graph.pull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return np.concatenate(parts)
        assert isinstance(pulled, av.AudioFrame)
        parts.append(frame_to_mono(pulled))


RECIPES: dict[str, Recipe] = {
    "clean": _clean, "back": _back, "again": _from_the_top, "skip": _skip, "skip joined": _skip_joined,
    "skip verse": _skip_verse, "restart": _restart, "pauses": _pauses, "another verse": _another_verse,
    "noise": _noise, "loss": _loss, "tempo": _tempo,
}  # fmt: skip
"""How each kind of case is made."""


def cases(takes: Sequence[Take], kinds: Sequence[str] = tuple(RECIPES), seed: int = 0) -> Iterator[Case]:
    """Every kind of case of every take.  Raises ValueError when there is no other take to stray into."""
    if len(takes) < 2:
        raise ValueError("a stress set needs at least two takes")
    for n, take in enumerate(takes):
        for kind in kinds:
            random = np.random.default_rng([seed, n, crc32(kind.encode())])
            yield RECIPES[kind](take, takes[n - 1], random)
