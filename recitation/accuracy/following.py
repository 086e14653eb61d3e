"""What the live line makes of a correct recitation: where it says the reciter is, and what it says of the words.

Three sessions hear the same log-probabilities: the live one; the same with every decision left to the end, which is
``talaqqi score --offline``; and one that has the full context and knows that the passage is recited straight through,
whose alignment stands for the truth.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from recitation.accuracy.hearing import Hearing, Replay
from recitation.acoustics.intake import Intake
from recitation.audio import Pcm
from recitation.events import PhoneVerdict, Status, Summary, Update
from recitation.features import SAMPLE_RATE
from recitation.judge import DOUBTFUL
from recitation.pipeline import Passage, Session, recite
from recitation.tracker import LAG_FRAMES
from recitation.vad import SileroVad

Floats = NDArray[np.float32]

ACCUSATIONS = (Status.QUESTIONED, Status.WRONG, Status.OMITTED)
"""What a student who recites correctly should not be told of a word."""
IN_PLACE_S = 0.15
"""A word is in place when both its ends are this near the truth."""


@dataclass(frozen=True, slots=True)
class Told:
    """All that a session said."""

    updates: tuple[Update, ...]
    summary: Summary

    @property
    def phones(self) -> list[PhoneVerdict]:
        """Phones in the order they were confirmed."""
        return [phone for update in self.updates for phone in update.phones]


@dataclass(frozen=True, slots=True)
class Followed:
    """Counts of one clip."""

    words: int = 0
    in_place: int = 0
    accused: int = 0
    """Words questioned, wrong or left out, so the line says, although recited correctly."""
    unclear: int = 0
    agreed: int = 0
    """Words with the same status live and offline."""
    phones: int = 0
    alarms: int = 0
    """Phones doubted in words that were judged."""
    shown: int = 0
    """Phones doubted in words the student is told about."""
    called_wrong: int = 0
    """Words called wrong, each for one phone."""
    moments: int = 0
    """Updates while the passage is recited."""
    near: int = 0
    """Of these, with the cursor at most a word away from the truth."""
    boundary_ms: tuple[float, ...] = field(default=())


def follow(
    passage: Passage, pcm: Pcm, log_probs: Floats, hop_frames: int, *, offline: bool = False, straight: bool = False
) -> Told:
    """Run a clip through a session that hears ``log_probs``.

    ``offline`` leaves every decision to the end; ``straight`` knows that nothing is repeated or left out.
    """
    lag = len(log_probs) + 2 if offline else LAG_FRAMES
    session = Session(passage, SileroVad(), lag, Intake(hop_frames), straight=straight)
    # In portions of a second: how sound is cut up changes nothing.
    updates = tuple(recite(session, Replay(log_probs, hop_frames), pcm, SAMPLE_RATE))
    return Told(updates, session.summary())


def follow_all(passage: Passage, pcm: Pcm, hearing: Hearing, lookahead_ms: int = 0) -> tuple[Told, Told, Told]:
    """The live session, at a look-ahead, the offline one, and the truth."""
    hop, log_probs = hearing.hop_frames[lookahead_ms], hearing.streamed[lookahead_ms]
    live = follow(passage, pcm, log_probs, hop)
    offline = follow(passage, pcm, log_probs, hop, offline=True)
    best = log_probs if hearing.full is None else hearing.full
    return live, offline, follow(passage, pcm, best, hop, offline=True, straight=True)


def compare(live: Told, offline: Told, truth: Told) -> Followed:
    """Count what the live session got right."""
    spans = {word.at: (word.start, word.end) for word in truth.summary.words}
    misses: list[tuple[float, float]] = []
    for word in live.summary.words:
        start, end = spans[word.at]
        if word.start is not None and word.end is not None and start is not None and end is not None:
            misses.append((abs(word.start - start) / SAMPLE_RATE, abs(word.end - end) / SAMPLE_RATE))
    statuses = [word.status for word in live.summary.words]
    judged = [phone for word in live.summary.words if word.status is not Status.UNCLEAR for phone in word.phones]
    accused = [word for word in live.summary.words if word.status in ACCUSATIONS]
    moments = cursor_distances(live.updates, truth)
    return Followed(
        words=len(statuses),
        in_place=sum(max(miss) <= IN_PLACE_S for miss in misses),
        accused=len(accused),
        unclear=statuses.count(Status.UNCLEAR),
        agreed=sum(a is b.status for a, b in zip(statuses, offline.summary.words, strict=True)),
        phones=len(judged),
        alarms=sum(phone.p < DOUBTFUL for phone in judged),
        shown=sum(phone.p < DOUBTFUL for word in accused for phone in word.phones),
        called_wrong=statuses.count(Status.WRONG),
        moments=len(moments),
        near=sum(distance is not None and abs(distance) <= 1 for distance in moments),
        boundary_ms=tuple(1000 * miss for pair in misses for miss in pair),
    )


def cursor_distances(updates: Sequence[Update], truth: Told) -> list[int | None]:
    """Words from the truth to the cursor at each update while the passage is recited; None without a cursor.

    The truth at a moment is the word begun last.
    """
    numbers = {word.at: number for number, word in enumerate(truth.summary.words)}
    begun = [(word.start, numbers[word.at]) for word in truth.summary.words if word.start is not None]
    if not begun:
        return []
    last = max(word.end for word in truth.summary.words if word.end is not None)
    starts = np.array([start for start, _ in begun])
    distances: list[int | None] = []
    for update in updates:
        if not starts[0] < update.sample <= last:
            continue
        _, number = begun[int(np.searchsorted(starts, update.sample, side="left")) - 1]
        distances.append(None if update.cursor is None else numbers[update.cursor.at] - number)
    return distances
