"""What the line makes of rules, on recitation as it was and on the same with slips put in.

Each take is heard by the live session, by one that leaves every decision to the end, and by one that leaves tajweed
alone, which tells what tajweed costs.  Its clips with slips are heard live.  Where two validators answer about one
rule the graver answer stands, as a student would take it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from time import process_time

import numpy as np
from numpy.typing import NDArray

from recitation.accuracy.hearing import Replay, live_hops, run_together
from recitation.acoustics.engine import Engine
from recitation.acoustics.intake import Intake, intake_of
from recitation.audio import SAMPLE_HZ, Pcm
from recitation.events import Update
from recitation.judge import FAINT
from recitation.pipeline import Passage, Session, recite
from recitation.spoiling.kinds import PAUSES
from recitation.spoiling.spoil import Clip, Spoiled
from recitation.spoiling.takes import Key, Take, key_of
from recitation.tajweed.moshaf import Moshaf
from recitation.tajweed.rules import Rule
from recitation.tajweed.verdict import RuleVerdict, Severity, Slip
from recitation.tracker import LAG_FRAMES
from recitation.vad import SileroVad

Floats = NDArray[np.float32]

GRAVITY = {Severity.UNCLEAR: 0, Severity.FINE: 1, Severity.ADVICE: 2, Severity.ERROR: 3}
ACCUSING = (Severity.ERROR, Severity.ADVICE)
NOT_JUDGED = (Rule.HAMZAT_WASL,)
"""Rules that only say where they hold: no validator hears them kept or broken."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What was said of a rule at a place."""

    severity: Severity
    slip: Slip | None
    told: int
    """Sample on which the update rests that says it."""
    end: int
    """Where the verdict says that the rule's sound ends."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A rule that was kept, as far as anybody knows."""

    rule: Rule
    live: Severity | None
    """None where nothing was said at all."""
    offline: Severity | None
    """The same with every decision left to the end."""
    delay_ms: float | None
    """From the end of the rule's sound to the end of the sound the live answer rests on."""


@dataclass(frozen=True, slots=True)
class Tried:
    """A rule broken on purpose."""

    spoiled: Spoiled
    before: Severity | None
    """What the live line says of the untouched twin."""
    after: Severity | None
    named: bool
    """The slip named is the one made."""
    neighbours: int
    """Phones to either side that the letter judge heard in both."""
    accepted_before: int
    """Of these, accepted in the twin."""
    accepted_after: int
    """Of these, accepted in both."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Counts of one take and its clips."""

    group: str
    seconds: float
    judged: tuple[Judged, ...]
    tried: tuple[Tried, ...]
    cpu_s: float
    """Processor seconds that tajweed took of the take."""


class Ear:
    """Hears passages with one engine; a recording is encoded once and followed as often as wanted."""

    def __init__(self, engine: Engine, moshaf: Moshaf) -> None:
        self._engine, self._moshaf, self._vad = engine, moshaf, SileroVad()

    def encode(self, pcm: Pcm) -> Replay:
        """What the engine makes of a recording, to be followed by sessions."""
        hops = live_hops(intake_of(self._engine), pcm, self._engine.hop_frames)
        return Replay(run_together(self._engine, [hops])[0], self._engine.hop_frames)

    def follow(
        self, place: Passage, pcm: Pcm, heard: Replay, lag_frames: int = LAG_FRAMES, *, tajweed: bool = True
    ) -> tuple[list[Update], float]:
        """Updates of a session, and the processor seconds it took."""
        begun = process_time()
        moshaf = self._moshaf if tajweed else None
        session = Session(place, self._vad, lag_frames, Intake(heard.hop_frames), moshaf=moshaf)
        updates = list(recite(session, heard, pcm))
        return updates, process_time() - begun


def measure(ear: Ear, take: Take, clips: Iterable[Clip], heard: Replay | None = None) -> Measured:
    """Count what is said of a take, ``heard`` where it was encoded before, and of its clips."""
    heard = heard or ear.encode(take.pcm)
    live, with_s = ear.follow(take.passage, take.pcm, heard)
    _, without_s = ear.follow(take.passage, take.pcm, heard, tajweed=False)
    to_the_end = len(take.pcm) // (SAMPLE_HZ // 50) + 2
    offline, _ = ear.follow(take.passage, take.pcm, heard, to_the_end)
    tried: list[Tried] = []
    for clip in clips:
        spoiled, _ = ear.follow(take.passage, clip.pcm, ear.encode(clip.pcm))
        tried += compare(clip.spoiled, live, spoiled)
    judged = tuple(judge(take, answers(live), answers(offline)))
    return Measured(take.group, take.seconds, judged, tuple(tried), with_s - without_s)


def answers(updates: Iterable[Update]) -> dict[Key, Answer]:
    """The gravest that was said of each rule at each place; of equally grave ones the first."""
    said: dict[Key, Answer] = {}
    for update in updates:
        for verdict in update.rules:
            key = _key(verdict)
            if key not in said or GRAVITY[verdict.severity] > GRAVITY[said[key].severity]:
                said[key] = Answer(verdict.severity, verdict.slip, update.sample, verdict.end)
    return said


def _key(verdict: RuleVerdict) -> Key:
    return verdict.at, verdict.rule, verdict.letters


def judge(take: Take, live: Mapping[Key, Answer], offline: Mapping[Key, Answer]) -> list[Judged]:
    """Every rule of a take with what was said of it; and what was held against the reciter where no rule is."""
    heard = [found for found in take.found if found.instance.rule not in NOT_JUDGED]
    ends = {key_of(found): found.phones[-1].end for found in heard}
    accused = (key for key, answer in live.items() if answer.severity in ACCUSING)
    judged = []
    for key in dict.fromkeys([*ends, *accused]):
        here, later = live.get(key), offline.get(key)
        delay = None
        if here is not None:
            end = ends.get(key)
            delay = 1000 * (here.told - (here.end if end is None else end)) / SAMPLE_HZ
        judged.append(Judged(key[1], _severity(here), _severity(later), delay))
    return judged


def _severity(answer: Answer | None) -> Severity | None:
    return None if answer is None else answer.severity


def compare(spoiled: Sequence[Spoiled], before: Sequence[Update], after: Sequence[Update]) -> list[Tried]:
    """What is said of each slip, and of the same place in the untouched twin."""
    whole, broken = answers(before), answers(after)
    sounds_before, sounds_after = _probabilities(before), _probabilities(after)
    tried = []
    for slip in spoiled:
        twin, found = _answer(whole, slip), _answer(broken, slip)
        beside = [phone for phone in slip.neighbours if phone in sounds_before and phone in sounds_after]
        accepted = [phone for phone in beside if sounds_before[phone] >= FAINT]
        kept = sum(sounds_after[phone] >= FAINT for phone in accepted)
        named = found is not None and found.severity in ACCUSING and found.slip is slip.slip
        tried.append(Tried(slip, _severity(twin), _severity(found), named, len(beside), len(accepted), kept))
    return tried


def _answer(said: Mapping[Key, Answer], slip: Spoiled) -> Answer | None:
    if slip.kind not in PAUSES:
        return said.get(slip.key)
    # A pause where none belongs is one slip, whichever letters of the word it is told at.
    of_word = ((rule, answer) for (at, rule, _), answer in said.items() if at == slip.at)
    found = [answer for rule, answer in of_word if rule is slip.rule and answer.slip is slip.slip]
    return max(found, key=lambda answer: GRAVITY[answer.severity], default=None)


def _probabilities(updates: Iterable[Update]) -> dict[tuple[str, int], float]:
    return {(phone.at, phone.index): phone.p for update in updates for phone in update.phones}
