"""The whole evaluation: clips are decoded once, in one process, and measured by several."""

import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path

from recitation.accuracy.clips import Utterance, load_clips
from recitation.accuracy.delay import delays, insertions_before
from recitation.accuracy.figures import FULL, Edits, Measured, Row, summarise
from recitation.accuracy.following import compare, follow_all
from recitation.accuracy.hearing import Ears, Hearing, masked_encoder
from recitation.accuracy.swaps import ROUNDS, swap_all
from recitation.accuracy.truth import against_truth, read_times
from recitation.acoustics.engine import DEFAULT_MODEL, LOOKAHEADS_MS
from recitation.acoustics.engines import HUGGING_FACE, open_engine
from recitation.audio import Pcm
from recitation.evaluate import greedy
from recitation.lexicon import recited
from recitation.locator import names_verse
from recitation.phonotactics import decode

Clip = tuple[Utterance, Pcm]

TOGETHER = 8
"""Clips heard side by side."""
SORTED = 64
"""Clips among which those of like length are put together."""


@dataclass(frozen=True, slots=True)
class Options:
    """What is measured, and with what."""

    engine: str = "onnx"
    model: Path | None = None
    """In place of the bundled one."""
    device: str | None = None
    lookahead_ms: int = 80
    """Of the phone error rate."""
    all_lookaheads: bool = False
    following: bool = True
    rounds: int = ROUNDS
    """Rounds of altered text; fewer than eight test a sample of the phones."""

    @property
    def live_ms(self) -> int:
        """Look-ahead of the live line: none, but for big models, which hardly hear without."""
        return self.lookahead_ms if self.engine.startswith(HUGGING_FACE) else 0

    @property
    def lookaheads_ms(self) -> tuple[int, ...]:
        """Every look-ahead to be heard at."""
        if self.all_lookaheads:
            return LOOKAHEADS_MS
        return tuple(sorted({self.lookahead_ms, *([self.live_ms] if self.following else [])}))


@lru_cache(maxsize=1)
def open_ears(options: Options) -> Ears:
    """The engines of this process, opened once.  Raises ModelError."""
    engines = [
        open_engine(options.engine, model=options.model, lookahead_ms=ms, device=options.device)
        for ms in options.lookaheads_ms
    ]
    # Engines with coarser numbers differ from the encoder for that reason, which says nothing about streaming.
    exact = options.engine == "onnx"
    return Ears(engines, masked_encoder(options.model or DEFAULT_MODEL) if exact else None)


def measure(options: Options, clips: Sequence[Clip]) -> list[Measured]:
    """Everything counted in some clips."""
    hearings = open_ears(options).hear([pcm for _, pcm in clips])
    return [_measure(options, *clip, hearing) for clip, hearing in zip(clips, hearings, strict=True)]


def _measure(options: Options, utterance: Utterance, pcm: Pcm, hearing: Hearing) -> Measured:
    passage, primary = utterance.passage(), options.lookahead_ms
    expected = [phone.unit for _, form in recited(passage.words) for phone in form]
    heard = {str(ms): log_probs for ms, log_probs in hearing.streamed.items()}
    heard |= {} if hearing.full is None else {FULL: hearing.full}
    edits = {key: Edits.between(expected, decode(log_probs)[0]) for key, log_probs in heard.items()}
    by_ear = Edits.between(expected, greedy(hearing.streamed[primary]))
    offline = Edits.between(expected, decode(hearing.offline[primary])[0]) if primary in hearing.offline else None
    measured = Measured(utterance, len(expected), edits, by_ear, offline, hearing.largest_difference)
    if options.following:
        at = options.live_ms
        live, left_to_the_end, truth = follow_all(passage, pcm, hearing, at)
        phones, hops = truth.phones, hearing.hop_frames
        measured.followed = compare(live, left_to_the_end, truth)
        measured.delays = {str(ms): delays(found, hops[ms], phones) for ms, found in hearing.streamed.items()}
        measured.inserted_before = insertions_before(hearing.streamed[primary], expected, phones)
        if utterance.times is not None:
            measured.truth = against_truth(read_times(utterance.times), hearing.streamed[primary], truth.summary.words)
        first = passage.words[0]
        if first.number == 1:
            measured.located = names_verse(hearing.streamed[at], f"{first.surah}:{first.ayah}")
        measured.swapped = swap_all(passage, pcm, hearing.streamed[at], hops[at], live, options.rounds)
    return measured


def batches(clips: Iterable[Clip]) -> Iterator[list[Clip]]:
    """Clips of like length together, so that few of a batch wait for the longest."""
    source = iter(clips)
    while window := list(islice(source, SORTED)):
        window.sort(key=lambda clip: len(clip[1]))
        for begin in range(0, len(window), TOGETHER):
            yield window[begin : begin + TOGETHER]


def measure_all(
    utterances: Iterable[Utterance], options: Options, processes: int, progress: Callable[[int], object]
) -> Iterator[Measured]:
    """Measure every clip, in no particular order.  Raises AudioError, AddressError, ModelError."""
    work = batches(load_clips(utterances))
    if processes <= 1:
        for batch in work:
            yield from measure(options, batch)
            progress(len(batch))
        return
    # A forked process would inherit the threads and locks of ONNX Runtime half alive.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context) as pool:
        running: set[Future[list[Measured]]] = set()
        for batch in work:
            running.add(pool.submit(measure, options, batch))
            # No more than two batches a process are in memory.
            if len(running) >= 2 * processes:
                done, running = wait(running, return_when=FIRST_COMPLETED)
                yield from _results(done, progress)
        yield from _results(running, progress)


def _results(done: Iterable[Future[list[Measured]]], progress: Callable[[int], object]) -> Iterator[Measured]:
    for future in done:
        found = future.result()
        progress(len(found))
        yield from found


def evaluate(
    utterances: Iterable[Utterance],
    options: Options,
    *,
    processes: int = 1,
    progress: Callable[[int], object] = lambda clips: None,
) -> dict[str, Row]:
    """Figures by group.  ``progress`` is told how many clips were finished.

    Raises AudioError, AddressError, ModelError.
    """
    measured = sorted(
        measure_all(utterances, options, processes, progress), key=lambda m: (str(m.utterance.file), m.utterance.start)
    )
    groups: dict[str, list[Measured]] = {}
    for clip in measured:
        groups.setdefault(clip.utterance.group, []).append(clip)
    return {group: summarise(clips, str(options.lookahead_ms)) for group, clips in sorted(groups.items())}
