"""How well the line follows recitation that does not go straight on: figures over ``recitation.stress`` cases."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from recitation.acoustics.engine import Engine
from recitation.acoustics.intake import intake_of
from recitation.audio import SAMPLE_HZ
from recitation.events import Following, Status, Summary, Update
from recitation.pipeline import HopStep, Session
from recitation.stress import Case
from recitation.vad import SileroVad

NEAR_WORDS = 1
"""A cursor this near the word recited is in place."""
FAR_WORDS = 2
"""A cursor farther off than this has jumped falsely, where nothing made it."""
STRAIGHT = ("clean", "pauses", "tempo")
"""Kinds in which the recitation goes straight on and is well heard: every jump in them is false."""
PACKET = 320


@dataclass(frozen=True, slots=True)
class Turn:
    """A place where the recitation did not go on with the next word."""

    kind: str
    """``back``, ``skip`` or ``found`` (back from another text)."""
    delay_s: float
    """From the start of the word recited there to a cursor in place; infinite when there was none before the next
    turn."""


@dataclass(slots=True)
class Tally:
    """Counts of one case."""

    kind: str
    seconds: float
    hops: int = 0
    """Hops in which a word of the passage is recited, or one has been and the pause after it lasts."""
    in_place: int = 0
    jumps: int = 0
    """Times the cursor went astray although the recitation went straight on."""
    words: int = 0
    """Words recited to the end."""
    accused: int = 0
    """Of these, questioned, wrong or omitted in the end."""
    unheard: int = 0
    """Of these, without a verdict or unclear in the end."""
    skipped: int = 0
    """Words left out between words that were recited."""
    omitted: int = 0
    """Of these, reported as omitted."""
    retracted: int = 0
    """Words accepted once and something else later."""
    strays: int = 0
    """Stretches of another text."""
    noticed: int = 0
    """Of these, in which the line said it was lost."""
    turns: list[Turn] = field(default_factory=list)


def listen(case: Case, engine: Engine, vad: SileroVad) -> tuple[list[Update], Summary]:
    """Recite a case to a session, packet by packet."""
    session, step = Session(case.passage, vad, intake=intake_of(engine)), HopStep(engine)
    lost = np.zeros(len(case.pcm) // PACKET + 1, np.bool_)
    for start, end in case.concealed:
        lost[start // PACKET : -(-end // PACKET)] = True
    updates = []
    for n, begin in enumerate(range(0, len(case.pcm), PACKET)):
        session.push(case.pcm[begin : begin + PACKET], bool(lost[n]))
        while session.hops_ready:
            updates.append(session.hop_done(step(session.take_hop())))
    updates.append(session.finish(step))
    return updates, session.summary()


class _Account:
    """What the line said, against what was recited."""

    def __init__(self, case: Case, updates: Sequence[Update]) -> None:
        self.case = case
        self.updates = updates[:-1]
        self._places = {word.at: n for n, word in enumerate(case.take.words)}
        self._starts = [spoken.start for spoken in case.spoken]

    def recited(self, sample: int) -> int | None:
        """The word begun last; None before the first and in another text."""
        n = bisect_right(self._starts, sample) - 1
        return self.case.spoken[n].word if n >= 0 else None

    def off(self, update: Update) -> float:
        """Words between the cursor and the word recited; infinite without a cursor."""
        word = self.recited(update.sample)
        if update.cursor is None or word is None:
            return float("inf")
        return abs(self._places[update.cursor.at] - word)

    def turns(self) -> Iterator[tuple[str, int, int]]:
        """(kind, first sample, last sample) of every stretch that follows a turn."""
        spoken = self.case.spoken
        begun = [("", 0)]
        for before, after in pairwise(spoken):
            if after.word is None:
                continue
            if before.word is None:
                begun.append(("found", after.start))
            elif abs(after.word - before.word) > NEAR_WORDS:
                begun.append(("back" if after.word < before.word else "skip", after.start))
        ends = [start for _, start in begun[1:]] + [spoken[-1].end]
        yield from ((kind, start, end) for (kind, start), end in zip(begun, ends, strict=True) if kind)


def measure(case: Case, updates: Sequence[Update], summary: Summary) -> Tally:
    """Hold what the line said against the truth."""
    account = _Account(case, updates)
    tally = Tally(case.kind, len(case.pcm) / SAMPLE_HZ)
    astray = False
    for update in account.updates:
        if account.recited(update.sample) is None:
            continue
        off = account.off(update)
        tally.hops += 1
        tally.in_place += off <= NEAR_WORDS
        far = FAR_WORDS < off < float("inf")
        tally.jumps += case.kind in STRAIGHT and far and not astray
        astray = far
    for kind, start, end in account.turns():
        found = (u.sample for u in account.updates if start <= u.sample <= end and account.off(u) <= NEAR_WORDS)
        tally.turns.append(Turn(kind, (next(found, float("inf")) - start) / SAMPLE_HZ))
    for stray in (spoken for spoken in case.spoken if spoken.word is None):
        tally.strays += 1
        tally.noticed += any(
            u.state is Following.LOST for u in account.updates if stray.start <= u.sample <= stray.end + SAMPLE_HZ
        )
    _count_verdicts(tally, case, updates, summary)
    return tally


def _count_verdicts(tally: Tally, case: Case, updates: Sequence[Update], summary: Summary) -> None:
    recited = {spoken.word for spoken in case.spoken if spoken.whole and spoken.word is not None}
    for n, report in enumerate(summary.words):
        if n in recited:
            tally.words += 1
            tally.accused += report.status in (Status.QUESTIONED, Status.WRONG, Status.OMITTED)
            tally.unheard += report.status in (Status.UNCLEAR, Status.NOT_REACHED)
        elif min(recited) < n < max(recited):
            tally.skipped += 1
            tally.omitted += report.status is Status.OMITTED
    accepted: set[str] = set()
    retracted: set[str] = set()
    verdicts = [(word.at, word.status) for update in updates for word in update.words]
    for at, status in verdicts + [(report.at, report.status) for report in summary.words]:
        if status is Status.ACCEPTED:
            accepted.add(at)
        elif at in accepted and status is not Status.REPEATED:
            retracted.add(at)
    tally.retracted = len(retracted)


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def _percentile(delays: Sequence[float], q: float) -> float | None:
    """Nearest-rank percentile; None where it falls on an infinite delay or there are none."""
    if not delays:
        return None
    value = sorted(delays)[min(len(delays) - 1, int(np.ceil(q / 100 * len(delays))) - 1)]
    return None if value == float("inf") else round(value, 3)


def summarise(tallies: Sequence[Tally]) -> dict[str, object]:
    """Figures of some cases; shares are of 1, delays seconds, None where there is nothing to count."""
    row: dict[str, object] = {
        "cases": len(tallies),
        "minutes": round(sum(t.seconds for t in tallies) / 60, 2),
        "cursor_within_one_word": _share(sum(t.in_place for t in tallies), sum(t.hops for t in tallies)),
        "words": sum(t.words for t in tallies),
        "words_accused": _share(sum(t.accused for t in tallies), sum(t.words for t in tallies)),
        "words_unheard": _share(sum(t.unheard for t in tallies), sum(t.words for t in tallies)),
        "retractions": sum(t.retracted for t in tallies),
    }
    if straight := [t for t in tallies if t.kind in STRAIGHT]:
        minutes = sum(t.seconds for t in straight) / 60
        row["false_jumps_per_10_min"] = round(10 * sum(t.jumps for t in straight) / minutes, 2)
    for kind in ("back", "skip", "found"):
        if delays := [turn.delay_s for t in tallies for turn in t.turns if turn.kind == kind]:
            missed = sum(delay == float("inf") for delay in delays)
            row[f"{kind}_s"] = {
                "n": len(delays), "p50": _percentile(delays, 50), "p95": _percentile(delays, 95), "missed": missed,
            }  # fmt: skip
    if skipped := sum(t.skipped for t in tallies):
        row |= {"words_skipped": skipped, "omitted_found": _share(sum(t.omitted for t in tallies), skipped)}
    if strays := sum(t.strays for t in tallies):
        row["strays_noticed"] = _share(sum(t.noticed for t in tallies), strays)
    return row
